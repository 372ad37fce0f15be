//! Labels are what may be edited. Agents come and go by enrolment, and a group decides what an agent is told.

use crate::app::Shared;
use crate::restconf::asker::unusable;
use crate::restconf::fleet::{Fleet, is_label};
use glimpse_model::id::AgentId;
use glimpse_restconf::{Commit, Error, Errors, Request, Tag};
use glimpse_store::Labels;
use glimpse_yang::Select;
use glimpse_yang::diff::{Change, What};
use glimpse_yang::table::CONTROLLER;

/// Writes the labels of all agents that the edit is about, or of none.
pub(super) async fn relabel(
    shared: &Shared,
    fleet: &Fleet,
    commit: &Commit,
    request: &Request,
) -> Result<(), Errors> {
    let mut ids: Vec<&str> = Vec::new();
    for change in &commit.changes {
        let id = labelled(change)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let tree = commit.tree.view("glimpse-fleet:fleet");
    let mut changed = Vec::with_capacity(ids.len());
    for agent in fleet
        .agents()
        .filter(|agent| ids.contains(&agent.id.as_str()))
    {
        let entry = tree.and_then(|fleet| fleet.entry("agent", &[agent.id.as_str()]));
        let mut labels: Labels = entry
            .into_iter()
            .flat_map(|entry| entry.list("label"))
            .filter_map(|label| {
                let (name, value) = (label.leaf("name")?, label.leaf("value")?);
                Some((name.to_owned(), value.to_owned()))
            })
            .collect();
        // What is no label of YANG was not shown, and stays.
        let hidden = agent.labels.iter();
        let hidden = hidden.filter(|(name, value)| !is_label(name, value));
        labels.extend(hidden.map(|(name, value)| (name.clone(), value.clone())));
        changed.push((agent.id.clone(), agent.group.clone(), labels));
    }
    if changed.len() < ids.len() {
        return Err(gone());
    }
    let new: Vec<(AgentId, Labels)> = changed
        .iter()
        .map(|(id, _, labels)| (id.clone(), labels.clone()))
        .collect();
    let done = shared.store.label(new).await;
    if !done.map_err(|error| unusable(&error))? {
        return Err(gone());
    }
    let seconds = request.time.div_euclid(1_000_000);
    shared
        .restconf
        .fleet
        .edited(&commit.changes, &changed, seconds);
    Ok(())
}

fn gone() -> Errors {
    Error::new(Tag::DataMissing, "there is no such agent any more").into()
}

/// The agent whose labels a change is about; all else is refused.
fn labelled(change: &Change) -> Result<&str, Error> {
    let steps = &change.path.steps;
    let name = |at: usize| steps.get(at).map(|step| CONTROLLER.name(step.node));
    if let (Some("fleet"), Some("agent"), Some("label")) = (name(0), name(1), name(2))
        && let Select::Keys(keys) = &steps[1].select
        && let Some(agent) = keys.first()
    {
        return Ok(agent);
    }
    let message = match change.what {
        What::Created | What::Deleted if steps.len() <= 2 => {
            "agents come by enrolment and go by revocation alone"
        }
        _ => "only labels are edited here: a group is given at enrolment",
    };
    Err(Error::new(Tag::AccessDenied, message).at(change.path.clone()))
}
