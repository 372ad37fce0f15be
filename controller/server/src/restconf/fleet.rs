//! `glimpse-fleet:fleet`: what the repository and the connections say of the agents, as a tree.

mod cache;

pub(super) use cache::Cache;

use super::engine;
use super::pass::Told;
use crate::app::Shared;
use crate::config::Operator;
use cache::Snapshot;
use glimpse_lmap::names;
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_store::{Agent, Error as StoreError, Job, Outcome};
use glimpse_yang::draft::Draft;
use glimpse_yang::schema::NodeId;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::{DataPath, Error, Select, Tree};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// What is told of the agents of one operator.
pub(super) struct Fleet {
    snapshot: Arc<Snapshot>,
    jobs: Arc<Vec<Job>>,
    /// Places in the snapshot of those that the operator may see.
    visible: Vec<usize>,
    connected: HashMap<AgentId, (Timestamp, String)>,
    operator: String,
}

/// What of it a request is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// What is to be edited: as it is now.
    Labels,
    /// All but jobs.
    Agents,
    Everything,
}

impl Wanted {
    /// By the path below the root.
    pub(super) fn by(rest: &str, reads: bool) -> Self {
        let fleet = rest.strip_prefix("/data/glimpse-fleet:fleet/");
        match fleet {
            _ if !reads => Self::Labels,
            Some(below) if below.starts_with("agent") || below.starts_with("group") => Self::Agents,
            _ => Self::Everything,
        }
    }
}

impl Fleet {
    /// Reads what this operator may see: for reading, what was so a moment ago.
    pub(super) async fn read(
        shared: &Shared,
        operator: &Operator,
        wanted: Wanted,
    ) -> Result<Self, StoreError> {
        let cache = &shared.restconf.fleet;
        if wanted == Wanted::Labels {
            cache.changed();
        }
        let snapshot = cache.agents(shared).await?;
        let jobs = match wanted {
            Wanted::Everything => cache.jobs(shared).await?,
            Wanted::Labels | Wanted::Agents => Arc::default(),
        };
        let may_see = |agent: &Agent| operator.has(&agent.id, agent.group.as_deref());
        let agents = snapshot.agents.iter().enumerate();
        let visible: Vec<usize> = agents
            .filter(|(_, agent)| may_see(agent))
            .map(|(place, _)| place)
            .collect();
        let connected = visible
            .iter()
            .filter_map(|place| {
                let agent = &snapshot.agents[*place];
                let link = shared.connections.link(&agent.id)?;
                let address = link.address.ip().to_canonical().to_string();
                Some((agent.id.clone(), (link.since, address)))
            })
            .collect();
        Ok(Self {
            snapshot,
            jobs,
            visible,
            connected,
            operator: operator.name.clone(),
        })
    }

    /// The agents that the operator may see, by id.
    pub(super) fn agents(&self) -> impl Iterator<Item = &Agent> {
        let all = &self.snapshot.agents;
        self.visible.iter().map(|place| &all[*place])
    }

    /// The configuration: which agents there are, and what is written on them. What was written at enrolment and is none of YANG's
    /// names or texts is left out: one agent does not hide the others.
    ///
    /// # Errors
    /// Nothing that a repository could hold.
    pub(super) fn running(&self) -> Result<Tree, Error> {
        let mut fleet = Draft::new(&CONTROLLER, NodeId::NONE, "glimpse-fleet:fleet")?;
        for agent in self.agents() {
            fleet.entry("agent", |entry| {
                entry.leaf("id", agent.id.as_str())?;
                let _ = entry.maybe("group", agent.group.as_deref());
                for (name, value) in &agent.labels {
                    let _ = put_label(entry, name, value);
                }
                Ok(())
            })?;
        }
        let mut tree = Tree::new(&CONTROLLER);
        tree.push(fleet.done());
        Ok(tree)
    }

    /// What is told of them at this path.
    ///
    /// # Errors
    /// As [`Fleet::running`].
    pub(super) fn state(&self, wanted: &DataPath) -> Result<Tree, Error> {
        let mut fleet = Draft::new(&CONTROLLER, NodeId::NONE, "glimpse-fleet:fleet")?;
        let step = wanted.steps.get(1);
        let list = step.map(|step| CONTROLLER.name(step.node));
        let key = match step.map(|step| &step.select) {
            Some(Select::Keys(keys)) => keys.first().map(String::as_str),
            _ => None,
        };
        let is_wanted = |name: &str| list.is_none_or(|list| list == name);
        let is_named = |own: &str| key.is_none_or(|key| key == own);
        if is_wanted("group") {
            self.groups(&mut fleet);
        }
        if is_wanted("agent") {
            for agent in self.agents().filter(|agent| is_named(agent.id.as_str())) {
                fleet.entry("agent", |entry| self.agent(entry, agent))?;
            }
        }
        if is_wanted("job") {
            let known: HashSet<&AgentId> = self.agents().map(|agent| &agent.id).collect();
            for job in self.jobs.iter().filter(|job| is_named(&job.id.to_string())) {
                let own = job.operator == self.operator;
                if own || job.agents.iter().any(|agent| known.contains(&agent.id)) {
                    fleet.entry("job", |entry| put_job(entry, job, &known))?;
                }
            }
        }
        let mut tree = Tree::new(&CONTROLLER);
        tree.push(fleet.done());
        Ok(tree)
    }

    fn groups(&self, fleet: &mut Draft) {
        let mut groups: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for agent in self.agents() {
            if let Some(group) = &agent.group {
                let (agents, connected) = groups.entry(group).or_default();
                *agents += 1;
                *connected += u32::from(self.connected.contains_key(&agent.id));
            }
        }
        for (name, (agents, connected)) in groups {
            // As with agents: it may have a name that is none of YANG's.
            let _ = fleet.entry("group", |entry| {
                entry
                    .leaf("name", name)?
                    .leaf("agents", &agents.to_string())?
                    .leaf("connected", &connected.to_string())?;
                Ok(())
            });
        }
    }

    fn agent(&self, entry: &mut Draft, agent: &Agent) -> Result<(), Error> {
        entry
            .leaf("id", agent.id.as_str())?
            .leaf("restconf-root", &engine::root(agent.id.as_str()))?
            .leaf("enrolled", &agent.created.to_string())?
            .maybe("revoked", time(agent.revoked).as_deref())?
            .leaf(
                "certificate-expires",
                &agent.certificate.not_after.to_string(),
            )?;
        let datastore = self.snapshot.datastores.get(&agent.id);
        let announced = self.snapshot.announced.get(&agent.id);
        let version = announced
            .and_then(|announced| announced.version.as_deref())
            .or_else(|| datastore.and_then(|datastore| datastore.version.as_deref()));
        // What agents say of themselves is left out where it is no text of YANG.
        let _ = entry.maybe("software-version", version);
        for method in announced
            .into_iter()
            .flat_map(|announced| &announced.methods)
        {
            let _ = entry.leaf("method", method);
        }
        let _ = entry.maybe(
            "module-set-id",
            datastore.and_then(|datastore| datastore.module_set.as_deref()),
        );
        entry.maybe("last-seen", time(agent.last_seen).as_deref())?;
        let connected = self.connected.get(&agent.id);
        if let Some((since, _)) = connected {
            entry.leaf("connected-since", &since.to_string())?;
        }
        let address = connected
            .map(|(_, address)| address.as_str())
            .or_else(|| datastore.and_then(|datastore| datastore.address.as_deref()));
        let _ = entry.maybe("address", address);
        if connected.is_none() {
            let known = datastore.and_then(|datastore| datastore.known);
            entry.maybe("known-at", time(known).as_deref())?;
        }
        entry.container("intended", |intended| {
            let Some(datastore) = datastore else {
                intended.leaf("state", "none")?;
                return Ok(());
            };
            intended
                .leaf("state", datastore.intended.as_str())?
                .maybe("written", time(datastore.written).as_deref())?
                .maybe("answered", time(datastore.answered).as_deref())?;
            put_errors(intended, &datastore.errors);
            Ok(())
        })?;
        Ok(())
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// Whether YANG has such a label.
pub(super) fn is_label(name: &str, value: &str) -> bool {
    let mut fits = false;
    if let Ok(mut fleet) = Draft::new(&CONTROLLER, NodeId::NONE, "glimpse-fleet:fleet") {
        let put = fleet.entry("agent", |entry| {
            fits = put_label(entry, name, value).is_ok();
            Ok(())
        });
        fits &= put.is_ok();
    }
    fits
}

/// Puts a label on an agent, if it is one.
fn put_label(entry: &mut Draft, name: &str, value: &str) -> Result<(), Error> {
    entry.entry("label", |label| {
        label.leaf("name", name)?.leaf("value", value)?;
        Ok(())
    })?;
    Ok(())
}

fn put_job(entry: &mut Draft, job: &Job, known: &HashSet<&AgentId>) -> Result<(), Error> {
    let agents = || job.agents.iter().filter(|agent| known.contains(&agent.id));
    let count = |outcomes: &[Outcome]| {
        let with = agents().filter(|agent| outcomes.contains(&agent.outcome));
        with.count().to_string()
    };
    entry
        .leaf("id", &job.id.to_string())?
        .leaf("patch-id", &names::clean(&job.patch_id))?
        .leaf("user", &names::clean(&job.operator))?
        .leaf("created", &job.created.to_string())?
        .maybe("ended", time(job.ended).as_deref())?
        .leaf("delivered", &count(&[Outcome::Delivered]))?
        .leaf("refused", &count(&[Outcome::Refused, Outcome::Withheld]))?
        .leaf("pending", &count(&[Outcome::Pending]))?;
    for agent in agents() {
        entry.entry("agent", |entry| {
            entry
                .leaf("id", agent.id.as_str())?
                .leaf("outcome", agent.outcome.as_str())?
                .leaf("attempts", &agent.attempts.to_string())?
                .maybe("answered", time(agent.answered).as_deref())?;
            put_errors(entry, &agent.errors);
            Ok(())
        })?;
    }
    Ok(())
}

/// Agents wrote most of it: what is no text of YANG is left out.
fn put_errors(entry: &mut Draft, errors: &str) {
    let errors: Vec<Told> = serde_json::from_str(errors).unwrap_or_default();
    for told in errors {
        let _ = entry.entry("error", |error| {
            error.leaf("tag", &told.tag)?;
            for (name, text) in [
                ("app-tag", &told.app_tag),
                ("path", &told.path),
                ("message", &told.message),
            ] {
                let _ = error.maybe(name, text.as_deref());
            }
            Ok(())
        });
    }
}

/// The agents that an operator may see.
pub(super) async fn visible(
    shared: &Shared,
    operator: &Operator,
) -> Result<Vec<Agent>, StoreError> {
    let mut agents = shared.store.agents().await?;
    agents.retain(|agent| operator.has(&agent.id, agent.group.as_deref()));
    Ok(agents)
}
