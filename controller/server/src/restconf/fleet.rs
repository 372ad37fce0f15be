//! `glimpse-fleet:fleet`: what the repository and the connections say of the agents, as a tree.

use super::engine;
use super::pass::Told;
use crate::app::Shared;
use crate::config::Operator;
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_store::{Agent, Datastore, Error as StoreError, Job, Outcome};
use glimpse_yang::draft::Draft;
use glimpse_yang::schema::NodeId;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::{Error, Tree};
use std::collections::{BTreeMap, HashMap, HashSet};

/// What is told of the agents of one operator.
pub(super) struct Fleet {
    pub(super) agents: Vec<Agent>,
    datastores: HashMap<AgentId, Datastore>,
    announced: HashMap<AgentId, Announced>,
    connected: HashMap<AgentId, (Timestamp, String)>,
    jobs: Vec<Job>,
}

#[derive(Default)]
struct Announced {
    version: Option<String>,
    methods: Vec<String>,
}

impl Announced {
    fn read(document: &str) -> Self {
        let value: serde_json::Value = serde_json::from_str(document).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        Self {
            version: text(&value["agent_version"]),
            methods: value["methods"]
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(|method| text(&method["name"]))
                .collect(),
        }
    }
}

impl Fleet {
    /// Reads what this operator may see.
    pub(super) async fn read(shared: &Shared, operator: &Operator) -> Result<Self, StoreError> {
        let agents = visible(shared, operator).await?;
        let mut jobs = shared.store.jobs().await?;
        let known: HashSet<&AgentId> = agents.iter().map(|agent| &agent.id).collect();
        for job in &mut jobs {
            job.agents.retain(|agent| known.contains(&agent.id));
        }
        jobs.retain(|job| !job.agents.is_empty() || job.operator == operator.name);
        let datastores = shared.store.datastores().await?;
        let announced = shared.store.announcements().await?;
        let connected = agents
            .iter()
            .filter_map(|agent| {
                let link = shared.connections.link(&agent.id)?;
                let address = link.address.ip().to_canonical().to_string();
                Some((agent.id.clone(), (link.since, address)))
            })
            .collect();
        Ok(Self {
            datastores: datastores
                .into_iter()
                .map(|datastore| (datastore.agent.clone(), datastore))
                .collect(),
            announced: announced
                .into_iter()
                .map(|(agent, document)| (agent, Announced::read(&document)))
                .collect(),
            agents,
            connected,
            jobs,
        })
    }

    /// The configuration: which agents there are, and what is written on them.
    ///
    /// # Errors
    /// A name in the repository that YANG's types do not have.
    pub(super) fn running(&self) -> Result<Tree, Error> {
        let mut fleet = Draft::new(&CONTROLLER, NodeId::NONE, "glimpse-fleet:fleet")?;
        for agent in &self.agents {
            fleet.entry("agent", |entry| {
                entry
                    .leaf("id", agent.id.as_str())?
                    .maybe("group", agent.group.as_deref())?;
                for (name, value) in &agent.labels {
                    entry.entry("label", |label| {
                        label.leaf("name", name)?.leaf("value", value)?;
                        Ok(())
                    })?;
                }
                Ok(())
            })?;
        }
        let mut tree = Tree::new(&CONTROLLER);
        tree.push(fleet.done());
        Ok(tree)
    }

    /// What is told of them.
    ///
    /// # Errors
    /// As [`Fleet::running`].
    pub(super) fn state(&self) -> Result<Tree, Error> {
        let mut fleet = Draft::new(&CONTROLLER, NodeId::NONE, "glimpse-fleet:fleet")?;
        let mut groups: BTreeMap<&str, (u32, u32)> = BTreeMap::new();
        for agent in &self.agents {
            if let Some(group) = &agent.group {
                let (agents, connected) = groups.entry(group).or_default();
                *agents += 1;
                *connected += u32::from(self.connected.contains_key(&agent.id));
            }
        }
        for (name, (agents, connected)) in groups {
            fleet.entry("group", |entry| {
                entry
                    .leaf("name", name)?
                    .leaf("agents", &agents.to_string())?
                    .leaf("connected", &connected.to_string())?;
                Ok(())
            })?;
        }
        for agent in &self.agents {
            fleet.entry("agent", |entry| self.agent(entry, agent))?;
        }
        for job in &self.jobs {
            fleet.entry("job", |entry| put_job(entry, job))?;
        }
        let mut tree = Tree::new(&CONTROLLER);
        tree.push(fleet.done());
        Ok(tree)
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
        let datastore = self.datastores.get(&agent.id);
        let announced = self.announced.get(&agent.id);
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
            put_errors(intended, &datastore.errors)
        })?;
        Ok(())
    }
}

fn time(at: Option<Timestamp>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn put_job(entry: &mut Draft, job: &Job) -> Result<(), Error> {
    let count = |outcomes: &[Outcome]| {
        let agents = job.agents.iter();
        agents
            .filter(|agent| outcomes.contains(&agent.outcome))
            .count()
            .to_string()
    };
    entry
        .leaf("id", &job.id.to_string())?
        .leaf("patch-id", &job.patch_id)?
        .leaf("user", &job.operator)?
        .leaf("created", &job.created.to_string())?
        .maybe("ended", time(job.ended).as_deref())?
        .leaf("delivered", &count(&[Outcome::Delivered]))?
        .leaf("refused", &count(&[Outcome::Refused, Outcome::Withheld]))?
        .leaf("pending", &count(&[Outcome::Pending]))?;
    for agent in &job.agents {
        entry.entry("agent", |entry| {
            entry
                .leaf("id", agent.id.as_str())?
                .leaf("outcome", agent.outcome.as_str())?
                .leaf("attempts", &agent.attempts.to_string())?
                .maybe("answered", time(agent.answered).as_deref())?;
            put_errors(entry, &agent.errors)
        })?;
    }
    Ok(())
}

fn put_errors(entry: &mut Draft, errors: &str) -> Result<(), Error> {
    let errors: Vec<Told> = serde_json::from_str(errors).unwrap_or_default();
    for told in errors {
        entry.entry("error", |error| {
            error.leaf("tag", &told.tag)?;
            for (name, text) in [
                ("app-tag", &told.app_tag),
                ("path", &told.path),
                ("message", &told.message),
            ] {
                let _ = error.maybe(name, text.as_deref());
            }
            Ok(())
        })?;
    }
    Ok(())
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
