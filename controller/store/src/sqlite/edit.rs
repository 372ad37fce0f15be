//! Edits that wait for their agents.

use super::{datastore, instruction, job};
use crate::{Edit, Error, Outcome, Settled};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};

/// What may wait for one agent: it is all tried anew with each further edit, and with each reading of what is intended.
const MOST: u64 = 64;
const MOST_BYTES: u64 = 4 << 20;

/// Why an edit is not kept.
pub(super) const NO_ROOM: &str =
    "as much waits for the agent as may (64 edits, 4 MiB): it has to take some of it first";

/// The request of an edit, or the job whose it is and how long.
#[derive(Debug, Clone, Copy)]
pub(super) enum Text<'a> {
    Own(&'a str),
    Job(u32, u64),
}

impl Text<'_> {
    fn bytes(self) -> u64 {
        match self {
            Self::Own(request) => request.len() as u64,
            Self::Job(_, bytes) => bytes,
        }
    }
}

/// Whether one more edit may wait for the agent.
pub(super) async fn has_room(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    text: Text<'_>,
) -> Result<bool, Error> {
    let row = sqlx::query("SELECT count(*), coalesce(sum(bytes), 0) FROM edits WHERE agent = $1")
        .bind(agent.as_str())
        .fetch_one(connection)
        .await?;
    let waiting = instruction::unsigned(&row, 0)?;
    let bytes = instruction::unsigned(&row, 1)?;
    Ok(waiting < MOST && bytes.saturating_add(text.bytes()) <= MOST_BYTES)
}

/// Lets an edit wait for its agent; gives its number.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    operator: &str,
    text: Text<'_>,
    at: Timestamp,
) -> Result<i64, Error> {
    let (job, request) = match text {
        Text::Own(request) => (None, Some(request)),
        Text::Job(job, _) => (Some(job), None),
    };
    let id = sqlx::query(
        "INSERT INTO edits (agent, job, operator, request, bytes, written_us) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(agent.as_str())
    .bind(job)
    .bind(operator)
    .bind(request)
    .bind(i64::try_from(text.bytes()).unwrap_or(i64::MAX))
    .bind(at.as_micros())
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    sqlx::query(
        "INSERT INTO datastores (agent, outcome, written_us) VALUES ($1, 'pending', $2) \
         ON CONFLICT (agent) DO UPDATE SET outcome = 'pending', written_us = $2, \
         answered_us = NULL, errors = '[]'",
    )
    .bind(agent.as_str())
    .bind(at.as_micros())
    .execute(connection)
    .await?;
    Ok(id)
}

pub(super) async fn pending(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Vec<Edit>, Error> {
    let rows = sqlx::query(
        "SELECT e.id, e.job, e.operator, coalesce(e.request, j.request), e.written_us \
         FROM edits e LEFT JOIN jobs j ON j.id = e.job WHERE e.agent = $1 ORDER BY e.id",
    )
    .bind(agent.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Edit {
                id: row.try_get(0)?,
                job: row.try_get(1)?,
                operator: row.try_get(2)?,
                request: row.try_get(3)?,
                written: Timestamp::from_micros(row.try_get(4)?),
            })
        })
        .collect()
}

pub(super) async fn awaited(connection: &mut SqliteConnection) -> Result<Vec<AgentId>, Error> {
    let rows = sqlx::query("SELECT DISTINCT agent FROM edits ORDER BY agent")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| AgentId::new(row.try_get(0)?).map_err(|reason| Error::row("agent", &reason)))
        .collect()
}

pub(super) async fn attempt(connection: &mut SqliteConnection, edit: i64) -> Result<(), Error> {
    sqlx::query(
        "UPDATE job_agents SET attempts = attempts + 1 WHERE (job, agent) IN \
         (SELECT job, agent FROM edits WHERE id = $1)",
    )
    .bind(edit)
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn settle(
    connection: &mut SqliteConnection,
    settled: &Settled,
) -> Result<(), Error> {
    if let Some(known) = &settled.known {
        datastore::know(connection, &settled.agent, known).await?;
    }
    let job: Option<Option<u32>> = sqlx::query("DELETE FROM edits WHERE id = $1 RETURNING job")
        .bind(settled.edit)
        .fetch_optional(&mut *connection)
        .await?
        .map(|row| row.try_get(0))
        .transpose()?;
    if let Some(Some(job)) = job {
        job::outcome(connection, job, settled).await?;
        job::end(connection, job, settled.at).await?;
    }
    let state = match settled.outcome {
        Outcome::Delivered => "delivered",
        _ => "refused",
    };
    sqlx::query(
        "UPDATE datastores SET answered_us = $3, errors = $4, outcome = CASE \
         WHEN EXISTS (SELECT 1 FROM edits WHERE agent = $1) THEN 'pending' ELSE $2 END, \
         delivered = CASE WHEN $2 = 'delivered' THEN max(coalesce(delivered, $5), $5) \
         ELSE delivered END WHERE agent = $1",
    )
    .bind(settled.agent.as_str())
    .bind(state)
    .bind(settled.at.as_micros())
    .bind(&settled.errors)
    .bind(settled.edit)
    .execute(connection)
    .await?;
    Ok(())
}
