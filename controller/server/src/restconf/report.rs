//! The collector: `ietf-lmap-report:report` (RFC 8194 §4.3).
//!
//! A report is stored as it came, and each of its results as a row. Delivery is at least once: a copy of a result is known by who sent
//! it, schedule, action, event, start and task, is answered like the first, and not stored again. What is not known, a column or the
//! URI of a function, is stored like the rest.

use super::asker::unusable;
use super::engine::Known;
use crate::app::Shared;
use crate::repository;
use glimpse_lmap::names;
use glimpse_lmap::report::received::{self, Received, Report};
use glimpse_model::id::{AgentId, ResultId};
use glimpse_model::record::Status;
use glimpse_model::time::Timestamp;
use glimpse_restconf::{Error, Errors, Invoke};
use glimpse_store::{Figures, Ingest, NewReport, NewResult};
use glimpse_yang::table::CONTROLLER;
use glimpse_yang::view::View;
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Instance};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Takes a report of this agent.
///
/// # Errors
/// 403 where certificate and report disagree on who sends it; 400 for times that no clock shows.
pub(super) async fn take(shared: &Shared, agent: &AgentId, invoke: &Invoke) -> Result<(), Errors> {
    let report = received::read(&invoke.input).map_err(Error::from)?;
    if let Some(told) = &report.agent_id
        && !is_of(shared, agent, told).await?
    {
        tracing::warn!(%agent, told, "a report names another agent than its certificate");
        let message = "the certificate is not that of the agent-id in the report";
        return Err(Error::denied(message).into());
    }
    let now = shared.now();
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
    let raw = NewReport {
        media_type: glimpse_restconf::media::media_type(*encoding).to_owned(),
        body: body.clone(),
    };
    let owner = owner(shared, agent, &report);
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
async fn is_of(shared: &Shared, agent: &AgentId, told: &str) -> Result<bool, Error> {
    if agent.as_str().eq_ignore_ascii_case(told) {
        return Ok(true);
    }
    let found = shared.store.datastore(agent).await;
    let found = found.map_err(|error| unusable(&error))?;
    let configured = found
        .and_then(|(_, tree)| tree)
        .and_then(|tree| Known::read(tree.as_bytes(), 0).ok())
        .and_then(|known| known.leaf("agent", "agent-id"));
    Ok(match configured {
        Some(configured) => configured.eq_ignore_ascii_case(told),
        None => uuid::Uuid::parse_str(agent.as_str()).is_err(),
    })
}

/// Under whose name results are stored. A report that does not say whose it is is the certificate's only where that is wanted
/// (RFC 7594 §8.6); else its group's or its place's.
fn owner(shared: &Shared, agent: &AgentId, report: &Report) -> AgentId {
    if report.agent_id.is_some() || shared.config.reports_by_certificate {
        return agent.clone();
    }
    let place = report
        .group_id
        .as_deref()
        .or(report.measurement_point.as_deref());
    let safe: String = place
        .unwrap_or("unknown")
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
    AgentId::new(&format!("anonymous:{safe}")).unwrap_or_else(|_| agent.clone())
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
        .find_map(option);
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
        .or_else(|| Some("Udp".to_owned()).filter(|_| method.as_deref() == Some("ping")));
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
        method,
        status,
        start: Some(result.start),
        clock_suspect: repository::is_suspect(result.start, received),
        document,
    }
}

/// The tables as figures of ours: columns of a single row by name, a single column as a list.
fn figures(result: &Received) -> Map<String, Value> {
    let mut figures = Map::new();
    for (_, table) in &result.tables {
        match (&table.columns[..], &table.rows[..]) {
            ([column], rows) if column == "round_trip_ms" => {
                let number = |row: &Vec<String>| row.first()?.parse::<f64>().ok().map(Value::from);
                figures.insert(column.clone(), rows.iter().filter_map(number).collect());
            }
            (columns, [row]) => {
                for (column, value) in columns
                    .iter()
                    .zip(row)
                    .filter(|(_, value)| !value.is_empty())
                {
                    figures.insert(column.clone(), Value::from(value.as_str()));
                }
            }
            _ => {}
        }
    }
    figures
}
