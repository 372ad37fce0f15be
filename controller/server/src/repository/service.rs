//! What the repository does, without HTTP.

use super::batch::Parsed;
pub(super) use super::batch::parse;
use super::{RepositoryError, measured};
use crate::app::Shared;
use crate::caller::{Share, Shares};
use glimpse_aggregate::OPTIONS;
use glimpse_model::id::{AgentId, InstructionId, ResultId, TaskId};
use glimpse_model::instruction::Instruction;
use glimpse_model::read::{self, Cursor};
use glimpse_model::record::{Receipt, Record, Rejected, Status};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_store::{Figures, Ingest, NewResult};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How long an upload waits for its turn before it is told to come later.
const TURN: Duration = Duration::from_secs(2);
/// Uploads that one agent may have open: the one it sends, and one that its line has swallowed.
const OF_ONE_AGENT: usize = 2;
/// Rejected records of a batch that are logged one by one.
const LOGGED: usize = 5;
/// Instructions kept in memory: their targets become columns of results.
const MAX_KNOWN: usize = 10_000;
/// A clock that far ahead of ours is wrong.
const AHEAD_US: i64 = 5 * 60 * SECOND;
/// A result that old is either from a wrong clock or too late for any map.
const BEHIND_US: i64 = 30 * 86_400 * SECOND;

/// What an instruction's tasks are aimed at, by task.
type Aims = HashMap<TaskId, Aim>;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Aim {
    target: Option<String>,
    ping_type: Option<String>,
    /// Those that tell what was measured; `None` where the task is not known.
    options: Option<Arc<Map<String, Value>>>,
}

/// What the service keeps between requests; nothing that is not in the database.
#[derive(Debug)]
pub(crate) struct Repository {
    places: Arc<Semaphore>,
    shares: Shares,
    known: Mutex<HashMap<InstructionId, Arc<Aims>>>,
}

impl Repository {
    /// A service that works on `parallel` batches at once.
    pub(crate) fn new(parallel: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(parallel)),
            shares: Shares::default(),
            known: Mutex::default(),
        }
    }
}

/// A place among the documents that are worked on at once: it bounds the memory that all of them take together.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _share: Share,
}

/// A place for a document of `agent`, which cannot take all of them.
pub(crate) async fn place(shared: &Shared, agent: &AgentId) -> Result<Place, RepositoryError> {
    let Repository { places, shares, .. } = &shared.repository;
    let share = shares
        .enter(agent, OF_ONE_AGENT)
        .ok_or(RepositoryError::Crowded)?;
    match tokio::time::timeout(TURN, Arc::clone(places).acquire_owned()).await {
        Ok(Ok(permit)) => Ok(Place {
            _permit: permit,
            _share: share,
        }),
        _ => Err(RepositoryError::Crowded),
    }
}

/// Whether an agent may send another document today.
pub(crate) fn allow(shared: &Shared, agent: &AgentId) -> Result<(), RepositoryError> {
    let allowed = shared.allowances.ask(agent, shared.now());
    allowed.map_err(|after_s| RepositoryError::Spent { after_s })
}

/// Stores what can be stored; the receipt names what is durable.
pub(super) async fn ingest(
    shared: &Shared,
    agent: AgentId,
    batch: Parsed,
) -> Result<Receipt, RepositoryError> {
    let received = shared.now();
    let mut results = Vec::with_capacity(batch.records.len());
    for (record, document) in batch.records {
        let aim = aim_of(shared, &record).await?;
        results.push(result(record, document, aim, received));
    }
    let ids: Vec<ResultId> = results.iter().map(|result| result.id).collect();
    let endings = shared
        .store
        .ingest(agent.clone(), results, received)
        .await
        .inspect_err(|error| tracing::warn!(agent = %agent, error = %error, "batch not stored"))?;
    let mut receipt = Receipt::new();
    receipt.rejected = batch.rejected;
    let metrics = &shared.metrics;
    metrics.batches.count();
    metrics.rejected.add(receipt.rejected.len());
    let mut named = HashSet::new();
    for (id, ending) in ids.into_iter().zip(endings) {
        match ending {
            Ingest::Stored => metrics.stored.count(),
            Ingest::Duplicate => metrics.duplicates.count(),
            Ingest::Foreign => {
                metrics.rejected.count();
                receipt.rejected.push(Rejected {
                    id: id.to_string(),
                    reason: "id: belongs to another result".to_owned(),
                });
                continue;
            }
        }
        if named.insert(id) {
            receipt.accepted.push(id);
        }
    }
    for rejected in receipt.rejected.iter().take(LOGGED) {
        tracing::info!(agent = %agent, result = rejected.id, error = rejected.reason, "rejected");
    }
    if let Some(more @ 1..) = receipt.rejected.len().checked_sub(LOGGED) {
        tracing::info!(agent = %agent, "{more} more of the batch rejected");
    }
    Ok(receipt)
}

fn result(record: Record, document: String, aim: Aim, received: Timestamp) -> NewResult {
    let measured = measured::of_record(&record, aim.options.as_deref());
    let figures = match record.method.as_deref() {
        Some("ping") if record.status == Status::Ok => {
            Figures::of_ping(&record.probe_result, aim.target, aim.ping_type)
        }
        _ => Figures {
            target: aim.target,
            ping_type: aim.ping_type,
            ..Figures::default()
        },
    };
    NewResult {
        id: record.id,
        instruction: record.instruction_id,
        task: record.task_id,
        method: record.method,
        status: record.status,
        start: record.start_time,
        clock_suspect: record
            .start_time
            .is_some_and(|start| is_suspect(start, received)),
        figures,
        measured,
        document,
    }
}

/// Whether a start by the agent's clock cannot be right, or cannot be told from one that is not.
pub(crate) fn is_suspect(start: Timestamp, received: Timestamp) -> bool {
    let age_us = received.since(start);
    !(-AHEAD_US..=BEHIND_US).contains(&age_us)
}

/// What the record's task was aimed at, by the instruction as it was given: an agent's word is not
/// needed for it.
async fn aim_of(shared: &Shared, record: &Record) -> Result<Aim, RepositoryError> {
    let (Some(instruction), Some(task)) = (&record.instruction_id, &record.task_id) else {
        return Ok(Aim::default());
    };
    let known = {
        let known = &shared.repository.known;
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(instruction).cloned()
    };
    let aims = match known {
        Some(aims) => aims,
        None => look_up(shared, instruction).await?,
    };
    Ok(aims.get(task).cloned().unwrap_or_default())
}

async fn look_up(
    shared: &Shared,
    instruction: &InstructionId,
) -> Result<Arc<Aims>, RepositoryError> {
    let Some(stored) = shared.store.instruction(instruction).await? else {
        // Not kept: an agent could name as many as it likes.
        return Ok(Arc::default());
    };
    let aims = Arc::new(aims(&stored.document));
    let mut known = shared
        .repository
        .known
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if known.len() >= MAX_KNOWN {
        known.clear();
    }
    known.insert(instruction.clone(), Arc::clone(&aims));
    Ok(aims)
}

fn aims(document: &str) -> Aims {
    let parsed = read::json(document.as_bytes())
        .and_then(|value| Instruction::read(&Cursor::root(&value), &|_| Ok(())));
    let Ok(instruction) = parsed else {
        return Aims::new();
    };
    let aim = |options: &Map<String, Value>| {
        let text = |name: &str| options.get(name).and_then(Value::as_str).map(str::to_owned);
        Aim {
            target: text("host").or_else(|| text("url")),
            ping_type: text("type"),
            options: Some(Arc::new(
                OPTIONS
                    .into_iter()
                    .filter_map(|name| Some((name.to_owned(), options.get(name)?.clone())))
                    .collect(),
            )),
        }
    };
    instruction
        .tasks
        .into_iter()
        .map(|task| {
            let mut found = aim(&task.options);
            if task.method == "ping" && found.ping_type.is_none() {
                found.ping_type = Some("Udp".to_owned());
            }
            (task.id, found)
        })
        .collect()
}
