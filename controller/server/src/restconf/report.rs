//! The collector: `ietf-lmap-report:report` (RFC 8194 §4.3).
//!
//! A report is stored as it came, and each of its results as a row. Delivery is at least once: a copy of a result is known by who sent
//! it, schedule, action, event, start and task, is answered like the first, and not stored again. What is not known, a column or the
//! URI of a function, is stored like the rest.

use super::asker::unusable;
use crate::app::Shared;
use crate::repository;
use glimpse_aggregate::{MAX_VALUES, Material, OPTIONS};
use glimpse_lmap::names;
use glimpse_lmap::report::received::{self, Received, Report};
use glimpse_model::id::{AgentId, ResultId};
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use glimpse_restconf::{Error, Errors, Invoke};
use glimpse_store::{
    Coding, Error as StoreError, Figures, Identity, Ingest, Measured, NewReport, NewResult,
};
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::view::View;
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Instance};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of a target or a type: agents say what they like.
const MAX_TARGET: usize = 255;
const MAX_KIND: usize = 32;
/// How often it is looked for reports that are old.
const LOOK: Duration = Duration::from_hours(1);

/// Takes a report of this agent; `packed` is its body as it came, where that was compressed.
///
/// # Errors
/// 403 where certificate and report disagree on who sends it; 400 for times that no clock shows.
pub(super) async fn take(
    shared: &Shared,
    agent: &AgentId,
    invoke: &Invoke,
    packed: Option<Vec<u8>>,
) -> Result<(), Errors> {
    let report = received::read(&invoke.input).map_err(Error::from)?;
    let identity = shared.store.identity(agent).await;
    let identity = identity.map_err(|error| unusable(&error))?;
    if let Some(told) = &report.agent_id
        && !is_of(agent, &identity, told)
    {
        tracing::warn!(%agent, told, "a report names another agent than its certificate");
        let message = "the certificate is not that of the agent-id in the report";
        return Err(Error::denied(message).into());
    }
    let now = shared.now();
    // A sign of life, which was noted when it was asked who sends it.
    if report.results.is_empty() {
        return Ok(());
    }
    let instances: Vec<&Instance> = invoke
        .input
        .top
        .iter()
        .filter(|instance| CONTROLLER.name(instance.node) == "result")
        .collect();
    let writer = Writer::new(&CONTROLLER, Encoding::Json);
    let results: Vec<NewResult> = report
        .results
        .iter()
        .zip(report.keys(agent.as_str()))
        .zip(&instances)
        .map(|((result, key), instance)| {
            let method = method(instance);
            row(result, &key, method, writer.instances(&[instance]), now)
        })
        .collect();
    let (body, encoding) = &invoke.body;
    let (coding, body) = match packed {
        Some(packed) => (Coding::Gzip, packed),
        None => (Coding::Identity, body.clone()),
    };
    let raw = NewReport {
        media_type: glimpse_restconf::media::media_type(*encoding).to_owned(),
        coding,
        body,
    };
    let owner = owner(shared, agent, &report).await;
    let owner = owner.map_err(|error| unusable(&error))?;
    let endings = shared.store.add_report(owner, raw, results, now).await;
    for ending in endings.map_err(|error| unusable(&error))? {
        match ending {
            Ingest::Stored => shared.metrics.stored.count(),
            Ingest::Duplicate | Ingest::Foreign => shared.metrics.duplicates.count(),
        }
    }
    shared.metrics.batches.count();
    Ok(())
}

/// Whether an agent-id is this agent's: the id in its certificate, or the one that its own datastore has. Where neither says anything,
/// the report does.
fn is_of(agent: &AgentId, identity: &Identity, told: &str) -> bool {
    if agent.as_str().eq_ignore_ascii_case(told) {
        return true;
    }
    match &identity.agent_id {
        Some(configured) => configured.eq_ignore_ascii_case(told),
        None => uuid::Uuid::parse_str(agent.as_str()).is_err(),
    }
}

/// Under whose name results are stored. A report that does not say whose it is is the certificate's only where that is wanted
/// (RFC 7594 §8.6); else its group's, where the agent was enrolled in that: nobody adds to what another group has measured, and nobody
/// is more than one subscriber, whatever group-id its own datastore shows.
async fn owner(shared: &Shared, agent: &AgentId, report: &Report) -> Result<AgentId, StoreError> {
    if report.agent_id.is_some() || shared.config.reports_by_certificate {
        return Ok(agent.clone());
    }
    let enrolled = shared.store.agent(agent).await?.and_then(|own| own.group);
    let group = report
        .group_id
        .as_ref()
        .filter(|told| enrolled.as_ref() == Some(*told));
    let safe: String = group
        .map_or("unknown", String::as_str)
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(48)
        .collect();
    Ok(AgentId::new(&format!("anonymous:{safe}")).unwrap_or_else(|_| agent.clone()))
}

/// Forgets reports that were kept long enough, from time to time; for ever.
pub(crate) async fn forget(shared: Arc<Shared>) {
    loop {
        match forget_old(&shared).await {
            Ok(0) => {}
            Ok(forgotten) => tracing::info!(forgotten, "old reports are forgotten"),
            Err(error) => tracing::warn!(%error, "cannot forget old reports"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Forgets what is too old now, in pieces: others want to write meanwhile.
pub(super) async fn forget_old(shared: &Shared) -> Result<u64, StoreError> {
    let kept = i64::try_from(shared.config.reports_kept.as_micros()).unwrap_or(i64::MAX);
    let before = Timestamp::from_micros(shared.now().as_micros().saturating_sub(kept));
    let mut all = 0;
    loop {
        match shared.store.forget_reports(before).await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}

fn cut(mut text: String, most: usize) -> String {
    text.truncate(text.floor_char_boundary(most));
    text
}

/// The method, by the typed parameters; other agents do not say it.
fn method(instance: &Instance) -> Option<String> {
    let view = View::new(&CONTROLLER, instance);
    let parameters = view.container("parameters")?;
    let name = parameters.children().next()?.name();
    (name != "plugin").then(|| name.to_owned())
}

fn row(
    result: &Received,
    key: &str,
    method: Option<String>,
    document: String,
    received: Timestamp,
) -> NewResult {
    let digest = Sha256::digest(key);
    let mut random = [0; 10];
    random.copy_from_slice(&digest[..10]);
    let option = |name: &str| {
        let mut options = result.options.iter();
        let found = options.find(|option| option.name.as_deref() == Some(name));
        found.and_then(|option| option.value.clone())
    };
    let target = ["host", "url", "target", "server"]
        .into_iter()
        .find_map(option)
        .map(|target| cut(target, MAX_TARGET));
    let status = match result.status {
        0 => Status::Ok,
        ..0 => Status::Aborted,
        _ => Status::Failed,
    };
    let figures = figures(result);
    let method = method.or_else(|| {
        figures
            .contains_key("round_trip_ms")
            .then(|| "ping".to_owned())
    });
    let kind = option("type")
        .map(|kind| cut(kind, MAX_KIND))
        .or_else(|| Some("Udp".to_owned()).filter(|_| method.as_deref() == Some("ping")));
    let measured = match (method.as_deref(), status) {
        (Some(method), Status::Ok) => measured(result, method, &figures),
        _ => None,
    };
    NewResult {
        id: ResultId::from_parts(result.start, random),
        instruction: result.schedule.as_deref().and_then(names::instruction_id),
        task: result.action.as_deref().and_then(names::task_id),
        figures: match (method.as_deref(), status) {
            (Some("ping"), Status::Ok) => Figures::of_ping(&figures, target, kind),
            _ => Figures {
                target,
                ..Figures::default()
            },
        },
        measured,
        method,
        status,
        start: Some(result.start),
        clock_suspect: repository::is_suspect(result.start, received),
        document,
    }
}

/// What maps are made of. Reports tell nothing of the state of the machine, nor how long the run took.
fn measured(result: &Received, method: &str, figures: &Map<String, Value>) -> Option<Measured> {
    let nothing = Map::new();
    let options = result.options.iter().filter_map(|option| {
        let name = option
            .name
            .as_deref()
            .filter(|name| OPTIONS.contains(name))?;
        Some((name.to_owned(), option.value.as_deref()?.into()))
    });
    repository::measured::of(&Material {
        method,
        options: Some(&options.collect()),
        probe_result: figures,
        pre_info: &nothing,
        post_info: &nothing,
        own_bytes: 0,
        duration_ms: None,
        shown_us: None,
    })
}

/// Lists of entries by a column that no other has: a report does not name its tables.
const ENTRIES: [(&str, &str); 2] = [("hop", "results"), ("query_us", "queries")];
/// Lists of figures that may have one only.
const LISTS: [&str; 2] = ["round_trip_ms", "train_capacity_bps"];

/// The tables as figures of ours: columns of a single row by name, where that is `outer.inner` inside of `outer`; lists as lists.
fn figures(result: &Received) -> Map<String, Value> {
    let mut figures = Map::new();
    for (_, table) in &result.tables {
        let entries = ENTRIES
            .iter()
            .find(|(column, _)| table.columns.iter().any(|own| own == column));
        match (entries, &table.columns[..], &table.rows[..]) {
            (Some((_, list)), columns, rows) => {
                let rows = rows.iter().take(MAX_VALUES);
                let entries = rows.map(|row| Value::Object(entry(columns, row)));
                figures.insert((*list).to_owned(), entries.collect());
            }
            (None, [column], rows) if rows.len() != 1 || LISTS.contains(&column.as_str()) => {
                let values = rows.iter().take(MAX_VALUES).filter_map(|row| row.first());
                let values = values.map(|value| Value::from(value.as_str()));
                figures.insert(column.clone(), values.collect());
            }
            (None, columns, [row]) => {
                for (column, value) in entry(columns, row) {
                    let Some((outer, inner)) = column.split_once('.') else {
                        figures.insert(column, value);
                        continue;
                    };
                    let outer = figures
                        .entry(outer)
                        .or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(outer) = outer {
                        outer.insert(inner.to_owned(), value);
                    }
                }
            }
            _ => {}
        }
    }
    figures
}

/// A row by its columns; lists inside are JSON.
fn entry(columns: &[String], row: &[String]) -> Map<String, Value> {
    let filled = columns.iter().zip(row).filter(|(_, text)| !text.is_empty());
    filled
        .map(|(column, text)| {
            let list = (column == "addresses").then(|| serde_json::from_str(text).ok());
            let value = list.flatten().unwrap_or_else(|| text.as_str().into());
            (column.clone(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests;
