//! `/restconf`: the controller's own root.

use super::asker::{Asker, unusable};
use super::fleet::{self, Fleet};
use super::report;
use crate::app::Shared;
use crate::config::Operator;
use glimpse_model::id::AgentId;
use glimpse_restconf::access::Rules;
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{
    Commit, Datastore, Error, Errors, Finished, Invoke, Plan, Request, Server, Settings, Tag,
};
use glimpse_store::{Labels, NewJob};
use glimpse_yang::diff::{What, diff};
use glimpse_yang::read::Reader;
use glimpse_yang::schema::Kind;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::view::View;
use glimpse_yang::write::Writer;
use glimpse_yang::{DataPath, Encoding, Instance, Tree};
use std::sync::LazyLock;

/// Path of the API resource.
pub(super) const ROOT: &str = "/restconf";

/// Who may do what here (RFC 8341). Operators of one group have all, observers read, and agents bring reports.
const RULES: &str = r#"{"ietf-netconf-acm:nacm": {"read-default": "deny", "exec-default": "deny", "rule-list": [
    {"name": "operators", "group": ["operator"], "rule": [
        {"name": "all", "module-name": "*", "access-operations": "*", "action": "permit"}]},
    {"name": "observers", "group": ["observer"], "rule": [
        {"name": "read", "module-name": "*", "access-operations": "read", "action": "permit"}]},
    {"name": "agents", "group": ["agent"], "rule": [
        {"name": "report", "module-name": "ietf-lmap-report", "rpc-name": "report", "access-operations": "exec", "action": "permit"},
        {"name": "library", "module-name": "ietf-yang-library", "access-operations": "read", "action": "permit"},
        {"name": "monitoring", "module-name": "ietf-restconf-monitoring", "access-operations": "read", "action": "permit"}]}]}}"#;

static ACCESS: LazyLock<Rules> = LazyLock::new(|| {
    let tree = Reader::new(&CONTROLLER, Encoding::Json).data(RULES.as_bytes());
    // The rules of an empty tree refuse every write, and a test reads these.
    tree.map_or_else(|_| Rules::default(), |tree| Rules::from_tree(&tree))
});

const YANG_PATCH: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-patch";
const FLEET: &str = "https://www.measure-it.net/yang/glimpse-fleet";

/// The server; bodies may be as long as uploads.
pub(super) fn server(shared: &Shared) -> Server {
    Server::new(Settings {
        root: ROOT.to_owned(),
        schema: &CONTROLLER,
        modules: Vec::new(),
        streams: Vec::new(),
        body_limit: shared.config.uploads.inflated_bytes,
        challenge: Some(super::routes::CHALLENGE.to_owned()),
    })
}

/// What the controller's datastore is at one moment, for one asker.
struct Moment {
    running: Tree,
    state: Tree,
    marks: Marks,
}

impl Datastore for Moment {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        self.state.clone()
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn rules(&self) -> Rules {
        ACCESS.clone()
    }
}

/// Answers a request to the controller's own root.
pub(super) async fn answer(shared: &Shared, asker: Option<&Asker>, request: &Request) -> Finished {
    let server = server(shared);
    let seconds = shared.started.as_micros().div_euclid(1_000_000);
    let mut moment = Moment {
        running: Tree::new(&CONTROLLER),
        state: Tree::new(&CONTROLLER),
        marks: Marks::new(seconds),
    };
    // The fleet is read where something may be told of it.
    let data = request
        .path
        .strip_prefix(ROOT)
        .is_some_and(|rest| rest.starts_with("/data"));
    let mut fault = None;
    if let (Some(Asker::Operator(operator)), true) = (asker, data) {
        match read(shared, operator).await {
            Ok((running, state)) => (moment.running, moment.state) = (running, state),
            Err(error) => fault = Some(error),
        }
    }
    match server.plan(request, &moment) {
        Plan::Reply(finished) => match fault {
            None => *finished,
            Some(error) => failed(error, request, *finished),
        },
        Plan::Commit(commit) => {
            let outcome = match fault {
                None => relabel(shared, &moment.running, &commit).await,
                Some(error) => Err(error.into()),
            };
            commit.finish(outcome)
        }
        Plan::Invoke(invoke) => {
            let outcome = carry_out(shared, asker, &invoke).await;
            invoke.finish(outcome)
        }
        Plan::Stream(stream) => {
            let error = Error::not_found("there are no streams here");
            let mut finished = Finished {
                response: stream.response,
                audit: stream.audit,
            };
            finished.audit.status = error.status;
            failed(error, request, finished)
        }
    }
}

fn failed(error: Error, request: &Request, mut finished: Finished) -> Finished {
    let encoding = super::routes::encoding(request);
    let errors = Errors::from(error);
    finished.audit.status = errors.status();
    finished.response = glimpse_restconf::Response::new(errors.status(), request.time).with_body(
        glimpse_restconf::media::media_type(encoding),
        errors.body(&CONTROLLER, encoding),
    );
    finished
}

async fn read(shared: &Shared, operator: &Operator) -> Result<(Tree, Tree), Error> {
    let fleet = Fleet::read(shared, operator).await;
    let fleet = fleet.map_err(|error| unusable(&error))?;
    Ok((fleet.running()?, fleet.state()?))
}

/// Labels are what may be edited. Agents come and go by enrolment, and a group decides what an agent is told.
async fn relabel(shared: &Shared, before: &Tree, commit: &Commit) -> Result<(), Errors> {
    let mut changed: Vec<String> = Vec::new();
    for change in diff(before, &commit.tree) {
        let names: Vec<&str> = change
            .path
            .steps
            .iter()
            .map(|step| CONTROLLER.name(step.node))
            .collect();
        let agent = match (
            &names[..],
            change.path.steps.get(1).map(|step| &step.select),
        ) {
            (["fleet", "agent", "label", ..], Some(glimpse_yang::Select::Keys(keys))) => {
                keys.first()
            }
            _ => None,
        };
        let Some(agent) = agent else {
            let message = match change.what {
                What::Created | What::Deleted if names.len() <= 2 => {
                    "agents come by enrolment and go by revocation alone"
                }
                _ => "only labels are edited here: a group is given at enrolment",
            };
            let error = Error::new(Tag::OperationNotSupported, message);
            return Err(error.at(change.path).into());
        };
        if !changed.contains(agent) {
            changed.push(agent.clone());
        }
    }
    let fleet = commit.tree.view("glimpse-fleet:fleet");
    for id in changed {
        let entry = fleet.and_then(|fleet| fleet.entry("agent", &[&id]));
        let labels: Labels = entry
            .into_iter()
            .flat_map(|entry| entry.list("label"))
            .filter_map(|label| {
                Some((
                    label.leaf("name")?.to_owned(),
                    label.leaf("value")?.to_owned(),
                ))
            })
            .collect();
        let agent = AgentId::new(&id).map_err(|reason| Error::new(Tag::InvalidValue, reason))?;
        let done = shared.store.label(agent, labels).await;
        done.map_err(|error| unusable(&error))?;
    }
    Ok(())
}

async fn carry_out(
    shared: &Shared,
    asker: Option<&Asker>,
    invoke: &Invoke,
) -> Result<Tree, Errors> {
    let name = CONTROLLER.qualified(invoke.operation);
    match (asker, name.as_str()) {
        (Some(Asker::Agent(agent)), "ietf-lmap-report:report") => {
            report::take(shared, agent, invoke).await?;
            Ok(Tree::new(&CONTROLLER))
        }
        (_, "ietf-lmap-report:report") => {
            Err(Error::denied("reports come from agents, by their certificate").into())
        }
        (Some(Asker::Operator(operator)), "glimpse-fleet:apply") => {
            apply(shared, operator, invoke).await
        }
        (Some(Asker::Operator(operator)), "glimpse-fleet:retry") => {
            let (job, agents) = of_job(shared, operator, &invoke.input).await?;
            let done = shared.store.retry_job(job, agents, shared.now()).await;
            done.map_err(|error| unusable(&error))?.ok_or_else(no_job)?;
            shared.connections.written.notify_one();
            Ok(Tree::new(&CONTROLLER))
        }
        (Some(Asker::Operator(operator)), "glimpse-fleet:cancel") => {
            let (job, agents) = of_job(shared, operator, &invoke.input).await?;
            let done = shared.store.cancel_job(job, agents, shared.now()).await;
            done.map_err(|error| unusable(&error))?.ok_or_else(no_job)?;
            Ok(Tree::new(&CONTROLLER))
        }
        _ => {
            let message = "this operation is an agent's: invoke it at the agent's root";
            Err(Error::new(Tag::OperationNotSupported, message)
                .with_status(501)
                .into())
        }
    }
}

fn no_job() -> Error {
    Error::new(Tag::DataMissing, "there is no such job")
}

/// A view of what stands at the top of an operation's input.
fn all<'a>(input: &'a Tree, name: &'a str) -> impl Iterator<Item = &'a Instance> {
    input
        .top
        .iter()
        .filter(move |instance| CONTROLLER.name(instance.node) == name)
}

async fn apply(shared: &Shared, operator: &Operator, invoke: &Invoke) -> Result<Tree, Errors> {
    let input = &invoke.input;
    let mut agents = fleet::visible(shared, operator)
        .await
        .map_err(|error| unusable(&error))?;
    agents.retain(|agent| agent.revoked.is_none());
    let named: Vec<&str> = all(input, "agent").filter_map(Instance::text).collect();
    if let Some(unknown) = named
        .iter()
        .find(|id| agents.iter().all(|agent| agent.id.as_str() != **id))
    {
        let message = format!("there is no agent {unknown}, or it was revoked");
        return Err(Error::new(Tag::InvalidValue, message).into());
    }
    let groups: Vec<&str> = all(input, "group").filter_map(Instance::text).collect();
    let labels: Vec<(&str, &str)> = all(input, "label")
        .filter_map(|label| {
            let label = View::new(&CONTROLLER, label);
            Some((label.leaf("name")?, label.leaf("value")?))
        })
        .collect();
    let everybody = all(input, "all").next().is_some();
    agents.retain(|agent| {
        everybody
            || named.contains(&agent.id.as_str())
            || agent
                .group
                .as_deref()
                .is_some_and(|group| groups.contains(&group))
            || !labels.is_empty()
                && labels
                    .iter()
                    .all(|(name, value)| agent.labels.get(*name).is_some_and(|own| own == value))
    });
    let patch = all(input, "yang-patch").next();
    let patch = patch.ok_or_else(|| Error::new(Tag::MissingElement, "there is no yang-patch"))?;
    let encoding = invoke.body.1;
    let text = Writer::new(&CONTROLLER, encoding).instances(&[patch]);
    // The container is the grouping's, under the name of this module: for an agent it is that of RFC 8072.
    let (kind, body) = match encoding {
        Encoding::Json => (
            "application/yang-patch+json",
            text.replacen(
                "\"glimpse-fleet:yang-patch\"",
                "\"ietf-yang-patch:yang-patch\"",
                1,
            ),
        ),
        Encoding::Xml => (
            "application/yang-patch+xml",
            text.replacen(FLEET, YANG_PATCH, 1),
        ),
    };
    let written = super::engine::Written {
        method: "PATCH".to_owned(),
        path: "/data".to_owned(),
        query: None,
        content_type: Some(kind.to_owned()),
        body,
    };
    let patch_id = View::new(&CONTROLLER, patch)
        .leaf("patch-id")
        .unwrap_or_default();
    let job = NewJob {
        patch_id: patch_id.to_owned(),
        operator: operator.name.clone(),
        request: serde_json::to_string(&written)
            .map_err(|error| Error::new(Tag::OperationFailed, error.to_string()))?,
        agents: agents.into_iter().map(|agent| agent.id).collect(),
        created: shared.now(),
    };
    let reached = job.agents.len();
    let job = shared
        .store
        .add_job(job)
        .await
        .map_err(|error| unusable(&error))?;
    tracing::info!(
        job,
        agents = reached,
        operator = operator.name,
        "fleet edit given"
    );
    shared.connections.written.notify_one();
    let output = CONTROLLER
        .part(invoke.operation, Kind::Output)
        .ok_or_else(|| Error::new(Tag::OperationFailed, "the operation has no output"))?;
    let mut tree = Tree::under(&CONTROLLER, output);
    let leaf = CONTROLLER
        .child(output, None, "job")
        .map_err(|_| Error::new(Tag::OperationFailed, "the operation has no output"))?;
    tree.push(Instance::leaf(&CONTROLLER, leaf, &job.to_string())?);
    Ok(tree)
}

/// Job and agents of `retry` and `cancel`. Whoever is confined names none but own agents, and touches none but own.
async fn of_job(
    shared: &Shared,
    operator: &Operator,
    input: &Tree,
) -> Result<(u32, Vec<AgentId>), Error> {
    let job = all(input, "job").next().and_then(Instance::text);
    let job: u32 = job.and_then(|job| job.parse().ok()).ok_or_else(no_job)?;
    let named: Vec<&str> = all(input, "agent").filter_map(Instance::text).collect();
    let own = fleet::visible(shared, operator)
        .await
        .map_err(|error| unusable(&error))?;
    let jobs = shared
        .store
        .jobs()
        .await
        .map_err(|error| unusable(&error))?;
    let job_agents = jobs
        .into_iter()
        .find(|known| known.id == job)
        .ok_or_else(no_job)?
        .agents;
    let agents: Vec<AgentId> = job_agents
        .into_iter()
        .map(|agent| agent.id)
        .filter(|id| {
            own.iter()
                .any(|agent| agent.id == *id && agent.revoked.is_none())
        })
        .filter(|id| named.is_empty() || named.contains(&id.as_str()))
        .collect();
    // An empty list would mean all.
    if agents.is_empty() {
        return Err(Error::new(Tag::DataMissing, "the job has no such agent"));
    }
    Ok((job, agents))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_rules_of_access_are_valid() {
        let tree = Reader::new(&CONTROLLER, Encoding::Json)
            .data(RULES.as_bytes())
            .unwrap();
        let faults = glimpse_yang::validate::validate(
            &tree,
            glimpse_yang::validate::Check::Configuration,
            None,
        );
        assert_eq!(faults, []);
    }
}
