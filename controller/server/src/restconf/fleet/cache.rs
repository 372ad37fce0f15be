//! What the repository says of the fleet, read at most once a second however many ask, and when it last changed.

use crate::app::Shared;
use glimpse_model::id::AgentId;
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_restconf::tags::Marks;
use glimpse_store::{Agent, Datastore, Error as StoreError, Job, Labels};
use glimpse_yang::diff::{Change, What};
use glimpse_yang::schema::NodeId;
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::{DataPath, Select, Step};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How long what was read is told.
const FRESH_US: i64 = SECOND;

/// The agents at a moment; for all operators.
#[derive(Debug)]
pub(super) struct Snapshot {
    /// By id.
    pub(super) agents: Vec<Agent>,
    pub(super) datastores: HashMap<AgentId, Datastore>,
    pub(super) announced: HashMap<AgentId, Announced>,
}

/// What an agent has announced of itself.
#[derive(Debug, Default)]
pub(super) struct Announced {
    pub(super) version: Option<String>,
    pub(super) methods: Vec<String>,
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

/// Something that was read.
#[derive(Debug)]
struct Kept<T> {
    at: Timestamp,
    generation: u64,
    value: Arc<T>,
}

/// Held while it is read: whoever comes meanwhile waits for the same.
type Slot<T> = tokio::sync::Mutex<Option<Kept<T>>>;

async fn get<T>(
    slot: &Slot<T>,
    generation: &AtomicU64,
    now: Timestamp,
    read: impl AsyncFnOnce() -> Result<T, StoreError>,
) -> Result<Arc<T>, StoreError> {
    let least = generation.load(Ordering::Acquire);
    let mut kept = slot.lock().await;
    if let Some(kept) = &*kept
        && kept.generation >= least
        && (0..FRESH_US).contains(&now.since(kept.at))
    {
        return Ok(Arc::clone(&kept.value));
    }
    // Before it is read: what is written meanwhile makes it old.
    let generation = generation.load(Ordering::Acquire);
    let value = Arc::new(read().await?);
    *kept = Some(Kept {
        at: now,
        generation,
        value: Arc::clone(&value),
    });
    Ok(value)
}

/// When labels changed; what others change is noticed when it is read.
#[derive(Debug)]
struct Noticed {
    marks: Marks,
    known: Option<HashMap<AgentId, u64>>,
}

/// What is kept of it.
#[derive(Debug)]
pub(in crate::restconf) struct Cache {
    agents: Slot<Snapshot>,
    jobs: Slot<Vec<Job>>,
    generation: AtomicU64,
    noticed: Mutex<Noticed>,
}

impl Cache {
    /// Nothing is known yet; whatever there is has not changed since.
    pub(in crate::restconf) fn new(since: Timestamp) -> Self {
        Self {
            agents: Slot::default(),
            jobs: Slot::default(),
            generation: AtomicU64::new(0),
            noticed: Mutex::new(Noticed {
                marks: Marks::new(seconds(since)),
                known: None,
            }),
        }
    }

    /// Says that something was written: who asks from now on is told of it.
    pub(in crate::restconf) fn changed(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) async fn agents(&self, shared: &Shared) -> Result<Arc<Snapshot>, StoreError> {
        let now = shared.now();
        get(&self.agents, &self.generation, now, async || {
            let store = &shared.store;
            let agents = store.agents().await?;
            self.notice(&agents, now);
            let datastores = store.datastores().await?;
            let announced = store.announcements().await?;
            Ok(Snapshot {
                agents,
                datastores: datastores
                    .into_iter()
                    .map(|datastore| (datastore.agent.clone(), datastore))
                    .collect(),
                announced: announced
                    .into_iter()
                    .map(|(agent, document)| (agent, Announced::read(&document)))
                    .collect(),
            })
        })
        .await
    }

    pub(in crate::restconf) async fn jobs(
        &self,
        shared: &Shared,
    ) -> Result<Arc<Vec<Job>>, StoreError> {
        get(&self.jobs, &self.generation, shared.now(), async || {
            shared.store.jobs().await
        })
        .await
    }

    /// When what of the configuration changed.
    pub(in crate::restconf) fn marks(&self) -> Marks {
        let noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        noticed.marks.clone()
    }

    /// Agents may come, and be moved to other groups, by other doors.
    fn notice(&self, agents: &[Agent], now: Timestamp) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        let Noticed { marks, known } = &mut *noticed;
        let found = agents.iter().map(|agent| {
            (
                agent.id.clone(),
                digest(agent.group.as_deref(), &agent.labels),
            )
        });
        let Some(known) = known else {
            *known = Some(found.collect());
            return;
        };
        for (agent, digest) in found {
            if known.get(&agent) != Some(&digest) {
                if let Some(path) = path(&agent) {
                    marks.touch(&CONTROLLER, &path, seconds(now));
                }
                known.insert(agent, digest);
            }
        }
    }

    /// Notes an edit of labels at that second.
    pub(in crate::restconf) fn edited(
        &self,
        changes: &[Change],
        agents: &[(AgentId, Option<String>, Labels)],
        seconds: i64,
    ) {
        let mut noticed = self.noticed.lock().unwrap_or_else(PoisonError::into_inner);
        for change in changes {
            match change.what {
                What::Deleted => noticed.marks.remove(&CONTROLLER, &change.path, seconds),
                What::Created | What::Replaced | What::Moved => {
                    noticed.marks.touch(&CONTROLLER, &change.path, seconds);
                }
            }
        }
        if let Some(known) = &mut noticed.known {
            for (agent, group, labels) in agents {
                known.insert(agent.clone(), digest(group.as_deref(), labels));
            }
        }
        drop(noticed);
        self.changed();
    }
}

fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(SECOND)
}

fn digest(group: Option<&str>, labels: &Labels) -> u64 {
    let mut hasher = DefaultHasher::new();
    (group, labels).hash(&mut hasher);
    hasher.finish()
}

fn path(agent: &AgentId) -> Option<DataPath> {
    let fleet = CONTROLLER.child(NodeId::NONE, Some("glimpse-fleet"), "fleet");
    let fleet = fleet.ok()?;
    let list = CONTROLLER.child(fleet, None, "agent").ok()?;
    let step = |node, select| Step { node, select };
    Some(DataPath {
        steps: vec![
            step(fleet, Select::All),
            step(list, Select::Keys(vec![agent.as_str().to_owned()])),
        ],
    })
}
