//! Jobs: the same edit for many agents. Its text is stored once.

use super::edit::{self, Text};
use super::instruction;
use crate::{Error, Job, JobAgent, NewJob, NoRoom, Outcome, Retried, Settled};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};

/// Jobs that are kept, their texts, and agents of all of them together: the oldest that have ended go.
const KEPT: u32 = 1000;
const KEPT_BYTES: u32 = 64 << 20;
const KEPT_AGENTS: u32 = 100_000;
/// Which part of each of these an operator's newest keep, whoever else has many.
const PARTS: u32 = 10;
/// Jobs that one operator may have under way, and their texts.
const OF_ONE_OPERATOR: u64 = 100;
const OF_ONE_OPERATOR_BYTES: u64 = 16 << 20;

pub(super) async fn outcome(
    connection: &mut SqliteConnection,
    job: u32,
    settled: &Settled,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE job_agents SET outcome = $3, answered_us = $4, errors = $5 \
         WHERE job = $1 AND agent = $2",
    )
    .bind(job)
    .bind(settled.agent.as_str())
    .bind(settled.outcome.as_str())
    .bind(settled.at.as_micros())
    .bind(&settled.errors)
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes the end of a job that nobody is awaited for.
pub(super) async fn end(
    connection: &mut SqliteConnection,
    job: u32,
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "UPDATE jobs SET ended_us = $2 WHERE id = $1 AND ended_us IS NULL AND NOT EXISTS \
         (SELECT 1 FROM job_agents WHERE job = $1 AND outcome = 'pending')",
    )
    .bind(job)
    .bind(at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

/// Whether one more job of this operator may begin.
async fn admit(
    connection: &mut SqliteConnection,
    new: &NewJob,
) -> Result<Result<(), NoRoom>, Error> {
    let row = sqlx::query(
        "SELECT count(*), count(*) FILTER (WHERE operator = $1), \
         coalesce(sum(bytes) FILTER (WHERE operator = $1), 0) FROM jobs WHERE ended_us IS NULL",
    )
    .bind(&new.operator)
    .fetch_one(connection)
    .await?;
    let [all, own, bytes] = [0, 1, 2].map(|column| instruction::unsigned(&row, column));
    Ok(
        if own? >= OF_ONE_OPERATOR || bytes? + new.request.len() as u64 > OF_ONE_OPERATOR_BYTES {
            Err(NoRoom::Operator)
        } else if all? >= u64::from(KEPT) {
            Err(NoRoom::All)
        } else {
            Ok(())
        },
    )
}

/// Forgets the oldest of what has ended, of those who have more than their part of it.
async fn prune(connection: &mut SqliteConnection) -> Result<(), Error> {
    let rows = sqlx::query(
        "SELECT id FROM (SELECT id, ended_us, row_number() OVER newest AS number, \
         sum(bytes) OVER newest AS bytes, sum(reach) OVER newest AS reach, \
         row_number() OVER own AS own_number, sum(bytes) OVER own AS own_bytes, \
         sum(reach) OVER own AS own_reach FROM jobs WINDOW newest AS (ORDER BY id DESC), \
         own AS (PARTITION BY operator ORDER BY id DESC)) \
         WHERE ended_us IS NOT NULL AND (number > $1 OR bytes > $2 OR reach > $3) \
         AND (own_number > $1 / $4 OR own_bytes > $2 / $4 OR own_reach > $3 / $4)",
    )
    .bind(KEPT)
    .bind(KEPT_BYTES)
    .bind(KEPT_AGENTS)
    .bind(PARTS)
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let job: u32 = row.try_get(0)?;
        for statement in [
            "DELETE FROM job_agents WHERE job = $1",
            "DELETE FROM jobs WHERE id = $1",
        ] {
            let query = sqlx::query(statement).bind(job);
            query.execute(&mut *connection).await?;
        }
    }
    Ok(())
}

pub(super) async fn add(
    connection: &mut SqliteConnection,
    new: &NewJob,
) -> Result<Result<u32, NoRoom>, Error> {
    if let Err(no_room) = admit(connection, new).await? {
        return Ok(Err(no_room));
    }
    let bytes = new.request.len() as u64;
    let job: u32 = sqlx::query(
        "INSERT INTO jobs (patch_id, operator, request, bytes, reach, created_us) \
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
    )
    .bind(&new.patch_id)
    .bind(&new.operator)
    .bind(&new.request)
    .bind(i64::try_from(bytes).unwrap_or(i64::MAX))
    .bind(i64::try_from(new.agents.len()).unwrap_or(i64::MAX))
    .bind(new.created.as_micros())
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    let text = Text::Job(job, bytes);
    for agent in &new.agents {
        let room = edit::has_room(connection, agent, text).await?;
        let known = sqlx::query(
            "INSERT INTO job_agents (job, agent, outcome, answered_us, errors, edit) \
             VALUES ($1, $2, $3, $4, $5, \
             (SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'edits')) \
             ON CONFLICT DO NOTHING",
        )
        .bind(job)
        .bind(agent.as_str())
        .bind(
            if room {
                Outcome::Pending
            } else {
                Outcome::Withheld
            }
            .as_str(),
        )
        .bind((!room).then_some(new.created.as_micros()))
        .bind(if room { "[]" } else { &new.no_room })
        .execute(&mut *connection)
        .await?;
        if room && known.rows_affected() == 1 {
            ask(connection, agent, &new.operator, text, job, new.created).await?;
        }
    }
    end(connection, job, new.created).await?;
    prune(connection).await?;
    Ok(Ok(job))
}

/// Lets the edit of a job wait for an agent.
async fn ask(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    operator: &str,
    text: Text<'_>,
    job: u32,
    at: Timestamp,
) -> Result<(), Error> {
    let edit = edit::add(connection, agent, operator, text, at).await?;
    sqlx::query("UPDATE job_agents SET edit = $3 WHERE job = $1 AND agent = $2")
        .bind(job)
        .bind(agent.as_str())
        .bind(edit)
        .execute(connection)
        .await?;
    Ok(())
}

pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Job>, Error> {
    let rows =
        sqlx::query("SELECT id, patch_id, operator, created_us, ended_us FROM jobs ORDER BY id")
            .fetch_all(&mut *connection)
            .await?;
    let mut jobs = rows
        .iter()
        .map(|row| {
            Ok(Job {
                id: row.try_get(0)?,
                patch_id: row.try_get(1)?,
                operator: row.try_get(2)?,
                created: Timestamp::from_micros(row.try_get(3)?),
                ended: row
                    .try_get::<Option<i64>, _>(4)?
                    .map(Timestamp::from_micros),
                agents: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>, Error>>()?;
    let rows = sqlx::query(
        "SELECT job, agent, outcome, attempts, answered_us, errors FROM job_agents \
         ORDER BY job, agent",
    )
    .fetch_all(connection)
    .await?;
    for row in &rows {
        let job: u32 = row.try_get(0)?;
        let Ok(at) = jobs.binary_search_by_key(&job, |job| job.id) else {
            continue;
        };
        jobs[at].agents.push(JobAgent {
            id: AgentId::new(row.try_get(1)?).map_err(|reason| Error::row("agent", &reason))?,
            outcome: Outcome::named(row.try_get(2)?)
                .ok_or_else(|| Error::row("job", &"unknown outcome"))?,
            attempts: row.try_get(3)?,
            answered: row
                .try_get::<Option<i64>, _>(4)?
                .map(Timestamp::from_micros),
            errors: row.try_get(5)?,
        });
    }
    Ok(jobs)
}

/// Those of a job's agents that have one of these outcomes, of `only` or of all.
async fn with_outcome(
    connection: &mut SqliteConnection,
    job: u32,
    only: &[AgentId],
    outcomes: &[&str],
) -> Result<Vec<AgentId>, Error> {
    let only: Vec<&str> = only.iter().map(AgentId::as_str).collect();
    let rows = sqlx::query(
        "SELECT agent FROM job_agents WHERE job = $1 \
         AND outcome IN (SELECT value FROM json_each($2)) \
         AND (json_array_length($3) = 0 OR agent IN (SELECT value FROM json_each($3)))",
    )
    .bind(job)
    .bind(instruction::list(outcomes)?)
    .bind(instruction::list(&only)?)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| AgentId::new(row.try_get(0)?).map_err(|reason| Error::row("agent", &reason)))
        .collect()
}

/// Whether an agent has taken an edit that was written after the one of this job.
async fn is_overtaken(
    connection: &mut SqliteConnection,
    job: u32,
    agent: &AgentId,
) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT 1 FROM datastores d JOIN job_agents a ON a.agent = d.agent \
         WHERE a.job = $1 AND a.agent = $2 AND d.delivered > a.edit",
    )
    .bind(job)
    .bind(agent.as_str())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

pub(super) async fn retry(
    connection: &mut SqliteConnection,
    job: u32,
    operator: &str,
    only: &[AgentId],
    at: Timestamp,
) -> Result<Option<Retried>, Error> {
    let Some(row) = sqlx::query("SELECT bytes FROM jobs WHERE id = $1")
        .bind(job)
        .fetch_optional(&mut *connection)
        .await?
    else {
        return Ok(None);
    };
    let text = Text::Job(job, instruction::unsigned(&row, 0)?);
    let mut retried = Retried::default();
    let again = ["refused", "withheld", "cancelled"];
    for agent in &with_outcome(connection, job, only, &again).await? {
        if is_overtaken(connection, job, agent).await? {
            retried.overtaken += 1;
            continue;
        }
        if !edit::has_room(connection, agent, text).await? {
            retried.crowded += 1;
            continue;
        }
        retried.asked += 1;
        sqlx::query(
            "UPDATE job_agents SET outcome = 'pending', answered_us = NULL, errors = '[]' \
             WHERE job = $1 AND agent = $2",
        )
        .bind(job)
        .bind(agent.as_str())
        .execute(&mut *connection)
        .await?;
        ask(connection, agent, operator, text, job, at).await?;
    }
    if retried.asked > 0 {
        sqlx::query("UPDATE jobs SET ended_us = NULL WHERE id = $1")
            .bind(job)
            .execute(connection)
            .await?;
    }
    Ok(Some(retried))
}

pub(super) async fn cancel(
    connection: &mut SqliteConnection,
    job: u32,
    only: &[AgentId],
    at: Timestamp,
) -> Result<Option<u64>, Error> {
    let known = sqlx::query("SELECT 1 FROM jobs WHERE id = $1")
        .bind(job)
        .fetch_optional(&mut *connection)
        .await?;
    if known.is_none() {
        return Ok(None);
    }
    let agents = with_outcome(connection, job, only, &["pending"]).await?;
    for agent in &agents {
        sqlx::query("DELETE FROM edits WHERE job = $1 AND agent = $2")
            .bind(job)
            .bind(agent.as_str())
            .execute(&mut *connection)
            .await?;
        sqlx::query(
            "UPDATE job_agents SET outcome = 'cancelled', answered_us = $3 \
             WHERE job = $1 AND agent = $2",
        )
        .bind(job)
        .bind(agent.as_str())
        .bind(at.as_micros())
        .execute(&mut *connection)
        .await?;
        sqlx::query(
            "UPDATE datastores SET outcome = 'none' WHERE agent = $1 AND outcome = 'pending' \
             AND NOT EXISTS (SELECT 1 FROM edits WHERE agent = $1)",
        )
        .bind(agent.as_str())
        .execute(&mut *connection)
        .await?;
    }
    end(connection, job, at).await?;
    Ok(Some(agents.len() as u64))
}
