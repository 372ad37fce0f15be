//! Instructions that agents they cover are not told of.

use super::instruction;
use crate::{Error, Judge, Standing, Withheld, Withholding};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// How many agents that are not revoked an instruction is or was withheld from.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Those that are not told.
    pub(super) waiting: u64,
    /// Those of them that enrolled lately.
    pub(super) waiting_lately: u64,
    /// Those that enrolled before and were told lately.
    pub(super) released_lately: u64,
}

/// Counts for these instructions; lately is after `since_us`.
pub(super) async fn counts(
    connection: &mut SqliteConnection,
    instructions: &[&str],
    since_us: i64,
) -> Result<HashMap<String, Counts>, Error> {
    let rows = sqlx::query(
        "SELECT w.instruction, \
                count(*) FILTER (WHERE w.released_us IS NULL), \
                count(*) FILTER (WHERE w.released_us IS NULL AND w.at_us > $2), \
                count(*) FILTER (WHERE w.released_us > $2 AND w.at_us <= $2) \
         FROM withheld w JOIN agents a ON a.id = w.agent AND a.revoked_us IS NULL \
         WHERE w.instruction IN (SELECT value FROM json_each($1)) GROUP BY w.instruction",
    )
    .bind(instruction::list(instructions)?)
    .bind(since_us)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            let counts = Counts {
                waiting: instruction::unsigned(row, 1)?,
                waiting_lately: instruction::unsigned(row, 2)?,
                released_lately: instruction::unsigned(row, 3)?,
            };
            Ok((row.try_get(0)?, counts))
        })
        .collect()
}

/// Lets a new agent of `group` have what `standing` has for it, oldest first, as far as `judge`
/// lets it; the rest is withheld. `standing` must not count the agent yet.
pub(super) async fn offer(
    connection: &mut SqliteConnection,
    judge: &Judge,
    standing: &Standing,
    agent: &AgentId,
    group: Option<&str>,
    at: Timestamp,
) -> Result<Vec<Withheld>, Error> {
    let mut gate = judge.gate(standing, at);
    let mut withheld = Vec::new();
    for (place, instruction) in standing.instructions.iter().enumerate() {
        if instruction.cancelled.is_some() || !instruction.audience.takes_in(group) {
            continue;
        }
        let Err(Withholding { target, reason }) = gate(place) else {
            continue;
        };
        sqlx::query(
            "INSERT INTO withheld (instruction, agent, target, reason, at_us) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(instruction.id.as_str())
        .bind(agent.as_str())
        .bind(&target)
        .bind(&reason)
        .bind(at.as_micros())
        .execute(&mut *connection)
        .await?;
        withheld.push(Withheld {
            instruction: instruction.id.clone(),
            target,
            reason,
            at,
        });
    }
    Ok(withheld)
}

/// Judges again what is withheld, what waits longest first, and gives how much of it agents are told
/// from now on. The caller counts the revision up.
pub(super) async fn release(
    connection: &mut SqliteConnection,
    judge: &Judge,
    at: Timestamp,
) -> Result<u64, Error> {
    let waiting = sqlx::query(
        "SELECT w.instruction, w.agent FROM instructions i \
         JOIN withheld w ON w.instruction = i.id AND w.released_us IS NULL \
         JOIN agents a ON a.id = w.agent AND a.revoked_us IS NULL \
         WHERE i.cancelled_us IS NULL ORDER BY w.at_us, i.created_us, i.id, w.agent",
    )
    .fetch_all(&mut *connection)
    .await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let standing = instruction::standing(connection, at).await?;
    let places: HashMap<&str, usize> = standing
        .instructions
        .iter()
        .enumerate()
        .map(|(place, instruction)| (instruction.id.as_str(), place))
        .collect();
    let mut gate = judge.gate(&standing, at);
    let mut released = 0;
    for row in &waiting {
        let id: &str = row.try_get(0)?;
        if places.get(id).is_none_or(|place| gate(*place).is_err()) {
            continue;
        }
        sqlx::query("UPDATE withheld SET released_us = $3 WHERE instruction = $1 AND agent = $2")
            .bind(id)
            .bind(row.try_get::<&str, _>(1)?)
            .bind(at.as_micros())
            .execute(&mut *connection)
            .await?;
        released += 1;
    }
    Ok(released)
}

/// Whether anything waits to be released.
pub(super) async fn any(connection: &mut SqliteConnection) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT 1 FROM instructions i \
         JOIN withheld w ON w.instruction = i.id AND w.released_us IS NULL \
         WHERE i.cancelled_us IS NULL LIMIT 1",
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

/// Instructions in force that this agent is not told of, what waits longest first.
pub(super) async fn from(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Vec<Withheld>, Error> {
    let rows = sqlx::query(
        "SELECT w.instruction, w.target, w.reason, w.at_us FROM withheld w \
         JOIN instructions i ON i.id = w.instruction AND i.cancelled_us IS NULL \
         WHERE w.agent = $1 AND w.released_us IS NULL ORDER BY w.at_us, i.created_us, i.id",
    )
    .bind(agent.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(Withheld {
                instruction: InstructionId::new(row.try_get(0)?)
                    .map_err(|reason| Error::row("instruction", &reason))?,
                target: row.try_get(1)?,
                reason: row.try_get(2)?,
                at: Timestamp::from_micros(row.try_get(3)?),
            })
        })
        .collect()
}
