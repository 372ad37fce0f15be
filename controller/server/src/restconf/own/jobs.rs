//! Edits of many agents: `apply`, `retry`, `cancel`.

use crate::app::Shared;
use crate::config::Operator;
use crate::restconf::asker::unusable;
use crate::restconf::delivery::told;
use crate::restconf::engine::{BODY_BYTES, Written};
use crate::restconf::fleet;
use glimpse_model::id::AgentId;
use glimpse_restconf::{Error, Errors, Invoke, Tag};
use glimpse_store::{NewJob, NoRoom};
use glimpse_yang::schema::Kind;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::view::View;
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Instance, Tree};
use std::collections::HashSet;

const YANG_PATCH: &str = "urn:ietf:params:xml:ns:yang:ietf-yang-patch";
const FLEET: &str = "https://www.measure-it.net/yang/glimpse-fleet";

/// Edits in one patch.
const MAX_EDITS: usize = 256;

/// Why an agent is not asked.
const NO_ROOM: &str = "as much waits for the agent as may: it has to take some of it first";

fn crowded(no_room: NoRoom) -> Error {
    let message = match no_room {
        NoRoom::Operator => "as many of your edits are under way as may: wait, or cancel some",
        NoRoom::All => "as many edits are under way as are kept: wait, or cancel some",
    };
    Error::new(Tag::ResourceDenied, message)
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

/// The agents that an edit is for.
async fn audience(
    shared: &Shared,
    operator: &Operator,
    input: &Tree,
) -> Result<Vec<AgentId>, Error> {
    let mut agents = fleet::visible(shared, operator)
        .await
        .map_err(|error| unusable(&error))?;
    agents.retain(|agent| agent.revoked.is_none());
    // There may be tens of thousands of them.
    let named: HashSet<&str> = all(input, "agent").filter_map(Instance::text).collect();
    let known: HashSet<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
    if let Some(unknown) = named.difference(&known).min() {
        let message = format!("there is no agent {unknown}, or it was revoked");
        return Err(Error::new(Tag::InvalidValue, message));
    }
    let groups: HashSet<&str> = all(input, "group").filter_map(Instance::text).collect();
    let labels: Vec<(&str, &str)> = all(input, "label")
        .filter_map(|label| {
            let label = View::new(&CONTROLLER, label);
            Some((label.leaf("name")?, label.leaf("value")?))
        })
        .collect();
    let everybody = all(input, "all").next().is_some();
    agents.retain(|agent| {
        everybody
            || named.contains(agent.id.as_str())
            || agent
                .group
                .as_deref()
                .is_some_and(|group| groups.contains(group))
            || !labels.is_empty()
                && labels
                    .iter()
                    .all(|(name, value)| agent.labels.get(*name).is_some_and(|own| own == value))
    });
    Ok(agents.into_iter().map(|agent| agent.id).collect())
}

/// A patch as it is sent to agents.
fn written(patch: &Instance, encoding: Encoding) -> Result<Written, Error> {
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
    if body.len() > BODY_BYTES {
        let message = format!("agents take a patch of at most {BODY_BYTES} bytes: divide it");
        return Err(Error::new(Tag::TooBig, message));
    }
    Ok(Written {
        method: "PATCH".to_owned(),
        path: "/data".to_owned(),
        query: None,
        content_type: Some(kind.to_owned()),
        body,
    })
}

/// Gives many agents one edit; answers with the number of the job.
pub(super) async fn apply(
    shared: &Shared,
    operator: &Operator,
    invoke: &Invoke,
) -> Result<Tree, Errors> {
    let agents = audience(shared, operator, &invoke.input).await?;
    let patch = all(&invoke.input, "yang-patch").next();
    let patch = patch.ok_or_else(|| Error::new(Tag::MissingElement, "there is no yang-patch"))?;
    let view = View::new(&CONTROLLER, patch);
    check(&view)?;
    let failed = |error: serde_json::Error| Error::new(Tag::OperationFailed, error.to_string());
    let job = NewJob {
        patch_id: view.leaf("patch-id").unwrap_or_default().to_owned(),
        operator: operator.name.clone(),
        request: serde_json::to_string(&written(patch, invoke.body.1)?).map_err(failed)?,
        no_room: serde_json::to_string(&[told("resource-denied", None, NO_ROOM)])
            .map_err(failed)?,
        agents,
        created: shared.now(),
    };
    let reached = job.agents.len();
    let job = shared
        .store
        .add_job(job)
        .await
        .map_err(|error| unusable(&error))?
        .map_err(crowded)?;
    tracing::info!(
        job,
        agents = reached,
        operator = operator.name,
        "fleet edit given"
    );
    shared.restconf.fleet.changed();
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

/// Asks agents of a job again, in the name of who says so.
pub(super) async fn retry(
    shared: &Shared,
    operator: &Operator,
    input: &Tree,
) -> Result<(), Errors> {
    let (job, agents) = of_job(shared, operator, input, false).await?;
    let name = operator.name.clone();
    let done = shared
        .store
        .retry_job(job, name, agents, shared.now())
        .await;
    let retried = done.map_err(|error| unusable(&error))?.ok_or_else(no_job)?;
    if retried.asked == 0 && retried.overtaken + retried.crowded > 0 {
        let message = if retried.overtaken > 0 {
            "the agents have taken newer edits since: write this one anew"
        } else {
            "as much waits for the agents as may: they have to take some of it first"
        };
        return Err(Error::new(Tag::ResourceDenied, message).into());
    }
    tracing::info!(
        job,
        agents = retried.asked,
        overtaken = retried.overtaken,
        operator = operator.name,
        "fleet edit tried again"
    );
    shared.restconf.fleet.changed();
    shared.connections.written.notify_one();
    Ok(())
}

/// Asks no agent of a job any more.
pub(super) async fn cancel(
    shared: &Shared,
    operator: &Operator,
    input: &Tree,
) -> Result<(), Errors> {
    let (job, agents) = of_job(shared, operator, input, true).await?;
    let done = shared.store.cancel_job(job, agents, shared.now()).await;
    let agents = done.map_err(|error| unusable(&error))?.ok_or_else(no_job)?;
    tracing::info!(
        job,
        agents,
        operator = operator.name,
        "fleet edit cancelled"
    );
    shared.restconf.fleet.changed();
    Ok(())
}

/// Job and agents of `retry` and `cancel`. Whoever is confined names none but own agents, and touches none but own.
async fn of_job(
    shared: &Shared,
    operator: &Operator,
    input: &Tree,
    with_revoked: bool,
) -> Result<(u32, Vec<AgentId>), Error> {
    let job = all(input, "job").next().and_then(Instance::text);
    let job: u32 = job.and_then(|job| job.parse().ok()).ok_or_else(no_job)?;
    let named: Vec<&str> = all(input, "agent").filter_map(Instance::text).collect();
    let own = fleet::visible(shared, operator)
        .await
        .map_err(|error| unusable(&error))?;
    let jobs = shared.restconf.fleet.jobs(shared).await;
    let jobs = jobs.map_err(|error| unusable(&error))?;
    let job_agents = jobs
        .iter()
        .find(|known| known.id == job)
        .map(|known| &known.agents)
        .ok_or_else(no_job)?;
    let agents: Vec<AgentId> = job_agents
        .iter()
        .map(|agent| agent.id.clone())
        .filter(|id| {
            own.iter()
                .any(|agent| agent.id == *id && (with_revoked || agent.revoked.is_none()))
        })
        .filter(|id| named.is_empty() || named.contains(&id.as_str()))
        .collect();
    // An empty list would mean all.
    if agents.is_empty() {
        return Err(Error::new(Tag::DataMissing, "the job has no such agent"));
    }
    Ok((job, agents))
}

/// What can be said of a patch before any agent is asked: whether it is one (RFC 8072 §2.2). What it says is the agents' to judge: their
/// modules may be others.
fn check(patch: &View<'_>) -> Result<(), Error> {
    let wrong = |message: String| Err(Error::new(Tag::InvalidValue, message));
    let edits = patch.list("edit").count();
    if !(1..=MAX_EDITS).contains(&edits) {
        return wrong(format!(
            "a patch has 1 to {MAX_EDITS} edits, and this one {edits}"
        ));
    }
    for edit in patch.list("edit") {
        let leaf = |name| edit.leaf(name).unwrap_or_default();
        let (id, operation) = (leaf("edit-id"), leaf("operation"));
        if !leaf("target").starts_with('/') {
            return wrong(format!(
                "the target of edit '{id}' does not begin with a slash"
            ));
        }
        let valued = matches!(operation, "create" | "insert" | "merge" | "replace");
        if valued != edit.has("value") {
            let needs = if valued {
                "needs a value"
            } else {
                "has no value"
            };
            return wrong(format!("edit '{id}': {operation} {needs}"));
        }
        let placed = matches!(leaf("where"), "before" | "after");
        if placed && !edit.has("point") {
            return wrong(format!("edit '{id}': before and after need a point"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_yang::read::Reader;

    fn checked(edits: &str) -> Result<(), String> {
        let apply = CONTROLLER.operation("glimpse-fleet", "apply").unwrap();
        let input = CONTROLLER.part(apply, Kind::Input).unwrap();
        let body = format!(
            r#"{{"glimpse-fleet:input": {{"all": [null], "yang-patch": {{"patch-id": "p", "edit": [{edits}]}}}}}}"#
        );
        let tree = Reader::new(&CONTROLLER, Encoding::Json)
            .operation(input, body.as_bytes())
            .map_err(|error| error.to_string())?;
        let patch = all(&tree, "yang-patch").next().unwrap();
        check(&View::new(&CONTROLLER, patch)).map_err(|error| error.message)
    }

    #[test]
    fn a_patch_that_is_none_is_refused_before_any_agent_is_asked() {
        let value = r#""value": {"a:b": 1}"#;
        let edit = |rest: &str| format!(r#"{{"edit-id": "1", {rest}}}"#);
        let good = [
            format!(r#""operation": "merge", "target": "/a:b", {value}"#),
            r#""operation": "delete", "target": "/a:b""#.to_owned(),
            r#""operation": "move", "target": "/a:b=1", "where": "after", "point": "/a:b=2""#
                .to_owned(),
        ];
        for rest in &good {
            assert_eq!(checked(&edit(rest)), Ok(()), "{rest}");
        }
        for (rest, said) in [
            (
                format!(r#""operation": "merge", "target": "a:b", {value}"#),
                "slash",
            ),
            (
                r#""operation": "create", "target": "/a:b""#.to_owned(),
                "needs a value",
            ),
            (
                format!(r#""operation": "remove", "target": "/a:b", {value}"#),
                "has no value",
            ),
            (
                r#""operation": "move", "target": "/a:b=1", "where": "before""#.to_owned(),
                "need a point",
            ),
            (r#""operation": "turn", "target": "/a:b""#.to_owned(), ""),
        ] {
            let refused = checked(&edit(&rest)).unwrap_err();
            assert!(refused.contains(said), "{rest}: {refused}");
        }
        assert!(checked("").unwrap_err().contains("1 to 256"));
        let many: Vec<String> = (0..257)
            .map(|n| format!(r#"{{"edit-id": "{n}", "operation": "delete", "target": "/a:b"}}"#))
            .collect();
        assert!(checked(&many.join(",")).unwrap_err().contains("257"));
    }
}
