//! Edits that wait for their agents, and jobs: the same edit for many.

use super::{datastore, instruction};
use crate::{Edit, Error, Job, JobAgent, NewJob, Outcome, Settled};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};

pub(super) async fn add(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    job: Option<u32>,
    operator: &str,
    request: &str,
    at: Timestamp,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO edits (agent, job, operator, request, written_us) VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(agent.as_str())
    .bind(job)
    .bind(operator)
    .bind(request)
    .bind(at.as_micros())
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "INSERT INTO datastores (agent, outcome, written_us) VALUES ($1, 'pending', $2) \
         ON CONFLICT (agent) DO UPDATE SET outcome = 'pending', written_us = $2, \
         answered_us = NULL, errors = '[]'",
    )
    .bind(agent.as_str())
    .bind(at.as_micros())
    .execute(connection)
    .await?;
    Ok(())
}

pub(super) async fn pending(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Vec<Edit>, Error> {
    let rows = sqlx::query(
        "SELECT id, job, operator, request, written_us FROM edits WHERE agent = $1 ORDER BY id",
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
        outcome(connection, job, settled).await?;
        end(connection, job, settled.at).await?;
    }
    let state = match settled.outcome {
        Outcome::Delivered => "delivered",
        _ => "refused",
    };
    sqlx::query(
        "UPDATE datastores SET answered_us = $3, errors = $4, outcome = CASE \
         WHEN EXISTS (SELECT 1 FROM edits WHERE agent = $1) THEN 'pending' ELSE $2 END \
         WHERE agent = $1",
    )
    .bind(settled.agent.as_str())
    .bind(state)
    .bind(settled.at.as_micros())
    .bind(&settled.errors)
    .execute(connection)
    .await?;
    Ok(())
}

async fn outcome(
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
async fn end(connection: &mut SqliteConnection, job: u32, at: Timestamp) -> Result<(), Error> {
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

pub(super) async fn add_job(connection: &mut SqliteConnection, new: &NewJob) -> Result<u32, Error> {
    let job: u32 = sqlx::query(
        "INSERT INTO jobs (patch_id, operator, request, created_us) VALUES ($1, $2, $3, $4) \
         RETURNING id",
    )
    .bind(&new.patch_id)
    .bind(&new.operator)
    .bind(&new.request)
    .bind(new.created.as_micros())
    .fetch_one(&mut *connection)
    .await?
    .try_get(0)?;
    for agent in &new.agents {
        sqlx::query(
            "INSERT INTO job_agents (job, agent, outcome) VALUES ($1, $2, 'pending') \
             ON CONFLICT DO NOTHING",
        )
        .bind(job)
        .bind(agent.as_str())
        .execute(&mut *connection)
        .await?;
        let (operator, request) = (&new.operator, &new.request);
        add(connection, agent, Some(job), operator, request, new.created).await?;
    }
    end(connection, job, new.created).await?;
    Ok(job)
}

pub(super) async fn jobs(connection: &mut SqliteConnection) -> Result<Vec<Job>, Error> {
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

pub(super) async fn retry(
    connection: &mut SqliteConnection,
    job: u32,
    only: &[AgentId],
    at: Timestamp,
) -> Result<Option<u64>, Error> {
    let Some(row) = sqlx::query("SELECT operator, request FROM jobs WHERE id = $1")
        .bind(job)
        .fetch_optional(&mut *connection)
        .await?
    else {
        return Ok(None);
    };
    let (operator, request): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    let again = ["refused", "withheld", "cancelled"];
    let agents = with_outcome(connection, job, only, &again).await?;
    for agent in &agents {
        sqlx::query(
            "UPDATE job_agents SET outcome = 'pending', answered_us = NULL, errors = '[]' \
             WHERE job = $1 AND agent = $2",
        )
        .bind(job)
        .bind(agent.as_str())
        .execute(&mut *connection)
        .await?;
        add(connection, agent, Some(job), &operator, &request, at).await?;
    }
    if !agents.is_empty() {
        sqlx::query("UPDATE jobs SET ended_us = NULL WHERE id = $1")
            .bind(job)
            .execute(connection)
            .await?;
    }
    Ok(Some(agents.len() as u64))
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
