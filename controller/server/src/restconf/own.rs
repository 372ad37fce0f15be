//! `/restconf`: the controller's own root.

mod jobs;
mod labels;

use super::asker::{Asker, unusable};
use super::fleet::{Fleet, Wanted};
use super::places::Held;
use super::report;
use crate::app::Shared;
use crate::config::Operator;
use glimpse_restconf::access::Rules;
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{
    Datastore, Error, Errors, Finished, Invoke, Method, Plan, Request, Server, Settings, Tag,
};
use glimpse_yang::read::Reader;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::{DataPath, Encoding, Tree};
use std::sync::{Arc, LazyLock};

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

/// The server; bodies may be as long as uploads.
pub(super) fn server(shared: &Shared) -> Server {
    Server::new(Settings {
        root: ROOT.to_owned(),
        schema: &CONTROLLER,
        modules: Vec::new(),
        streams: Vec::new(),
        body_limit: shared.config.uploads.inflated_bytes,
        challenge: Some(super::answers::CHALLENGE.to_owned()),
    })
}

/// What the controller's datastore is at one moment, for one asker.
struct Moment {
    /// Where something may be told of it.
    fleet: Option<Fleet>,
    running: Tree,
    marks: Marks,
}

impl Moment {
    fn of(shared: &Shared, fleet: Option<Fleet>) -> Result<Self, Error> {
        let running = match &fleet {
            Some(fleet) => fleet.running()?,
            None => Tree::new(&CONTROLLER),
        };
        Ok(Self {
            running,
            marks: shared.restconf.fleet.marks(),
            fleet,
        })
    }
}

impl Datastore for Moment {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, wanted: &DataPath) -> Tree {
        let state = self.fleet.as_ref().map(|fleet| fleet.state(wanted));
        match state {
            Some(Ok(state)) => state,
            Some(Err(error)) => {
                tracing::error!(%error, "what is known of the fleet does not fit its module");
                Tree::new(&CONTROLLER)
            }
            None => Tree::new(&CONTROLLER),
        }
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn rules(&self) -> Rules {
        ACCESS.clone()
    }
}

/// Answers a request to the controller's own root; `packed` is its body as it came, where that was compressed, and `held` the place
/// that it takes.
pub(super) async fn answer(
    shared: &Shared,
    asker: Option<&Asker>,
    request: Request,
    packed: Option<Vec<u8>>,
    held: Held,
) -> Finished {
    let request = Arc::new(request);
    let reads = request.method.reads();
    let below = request.path.strip_prefix(ROOT);
    let data = below.filter(|rest| rest.starts_with("/data") && request.method != Method::Options);
    // Whoever reads labels to edit them has them for himself until they are written.
    let (mut place, mut editing, mut fleet) = (None, None, None);
    if let (Some(Asker::Operator(operator)), Some(rest)) = (asker, data) {
        match shared.restconf.reads.take(operator).await {
            Ok(taken) => place = Some(taken),
            Err(error) => return refused(shared, &request, error),
        }
        if !reads {
            editing = Some(shared.restconf.editing.lock().await);
        }
        match read(shared, operator, Wanted::by(rest, reads)).await {
            Ok(found) => fleet = Some(found),
            Err(error) => return refused(shared, &request, error),
        }
    }
    let moment = match Moment::of(shared, fleet) {
        Ok(moment) => moment,
        Err(error) => return refused(shared, &request, error),
    };
    let (server, asked) = (server(shared), Arc::clone(&request));
    // Reports are long, and so is what is told of a fleet.
    let planned = tokio::task::spawn_blocking(move || {
        let _places = (held, place);
        (server.plan(&asked, &moment), moment)
    });
    let Ok((plan, moment)) = planned.await else {
        let error = Error::new(Tag::OperationFailed, "the request cannot be answered");
        return refused(shared, &request, error.with_status(500));
    };
    let finished = match plan {
        Plan::Reply(finished) => *finished,
        Plan::Commit(commit) => {
            let outcome = match &moment.fleet {
                Some(fleet) => labels::relabel(shared, fleet, &commit, &request).await,
                None => Err(Error::denied("only operators write here").into()),
            };
            commit.finish(outcome)
        }
        Plan::Invoke(invoke) => {
            let outcome = carry_out(shared, asker, &invoke, packed).await;
            invoke.finish(outcome)
        }
        Plan::Stream(_) => refused(
            shared,
            &request,
            Error::not_found("there are no streams here"),
        ),
    };
    drop(editing);
    finished
}

fn refused(shared: &Shared, request: &Request, error: Error) -> Finished {
    let crowded = error.status == 429;
    let mut finished = server(shared).refuse(request, error);
    if crowded {
        finished.response = finished.response.with("Retry-After", "30");
    }
    finished
}

async fn read(shared: &Shared, operator: &Operator, wanted: Wanted) -> Result<Fleet, Error> {
    let fleet = Fleet::read(shared, operator, wanted).await;
    fleet.map_err(|error| unusable(&error))
}

async fn carry_out(
    shared: &Shared,
    asker: Option<&Asker>,
    invoke: &Invoke,
    packed: Option<Vec<u8>>,
) -> Result<Tree, Errors> {
    let name = CONTROLLER.qualified(invoke.operation);
    match (asker, name.as_str()) {
        (Some(Asker::Agent(agent)), "ietf-lmap-report:report") => {
            report::take(shared, agent, invoke, packed).await?;
            Ok(Tree::new(&CONTROLLER))
        }
        (_, "ietf-lmap-report:report") => {
            Err(Error::denied("reports come from agents, by their certificate").into())
        }
        (Some(Asker::Operator(operator)), "glimpse-fleet:apply") => {
            jobs::apply(shared, operator, invoke).await
        }
        (Some(Asker::Operator(operator)), "glimpse-fleet:retry") => {
            jobs::retry(shared, operator, &invoke.input).await?;
            Ok(Tree::new(&CONTROLLER))
        }
        (Some(Asker::Operator(operator)), "glimpse-fleet:cancel") => {
            jobs::cancel(shared, operator, &invoke.input).await?;
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
