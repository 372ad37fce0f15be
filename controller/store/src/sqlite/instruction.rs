//! Instructions and whom they are for.

use super::changes;
use crate::{Addition, Admit, Audience, Error, NewInstruction, Standing, StoredInstruction};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What was taken back so recently still counts for the hour in which it ran.
const STILL_COUNTS_US: i64 = 3_600_000_000;

const KIND_AGENT: &str = "agent";
const KIND_GROUP: &str = "group";

pub(super) async fn add(
    connection: &mut SqliteConnection,
    new: &[NewInstruction],
    admit: Admit,
) -> Result<Addition, Error> {
    let mut standing = Standing {
        instructions: standing(
            connection,
            new.iter()
                .map(|new| new.created.as_micros().saturating_sub(STILL_COUNTS_US))
                .min()
                .unwrap_or(i64::MAX),
        )
        .await?,
        ..Standing::default()
    };
    for (at, instruction) in new.iter().enumerate() {
        if new[..at].iter().any(|other| other.id == instruction.id)
            || by_id(connection, &instruction.id).await?.is_some()
        {
            return Ok(Addition::Exists(instruction.id.clone()));
        }
        for agent in &instruction.audience.agents {
            if !is_enrolled(connection, agent).await? {
                return Ok(Addition::UnknownAgent(agent.clone()));
            }
        }
        standing
            .reach
            .push(reach(connection, &instruction.audience).await?);
    }
    // Every new one may reach the agent that has the most already: an upper bound.
    standing.most_per_agent = most_per_agent(connection).await? + new.len() as u64;
    if let Err(refusal) = admit(&standing) {
        return Ok(Addition::Refused(refusal));
    }
    for instruction in new {
        insert(connection, instruction).await?;
    }
    changes::count_up(connection).await?;
    Ok(Addition::Added(standing.reach))
}

async fn insert(connection: &mut SqliteConnection, new: &NewInstruction) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO instructions (id, document, for_all, created_us) VALUES ($1, $2, $3, $4)",
    )
    .bind(new.id.as_str())
    .bind(&new.document)
    .bind(new.audience.is_everybody())
    .bind(new.created.as_micros())
    .execute(&mut *connection)
    .await?;
    let agents = new.audience.agents.iter().map(|a| (KIND_AGENT, a.as_str()));
    let groups = new.audience.groups.iter().map(|g| (KIND_GROUP, g.as_str()));
    for (kind, name) in agents.chain(groups) {
        sqlx::query(
            "INSERT INTO audiences (instruction, kind, name) VALUES ($1, $2, $3) \
             ON CONFLICT DO NOTHING",
        )
        .bind(new.id.as_str())
        .bind(kind)
        .bind(name)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

async fn is_enrolled(connection: &mut SqliteConnection, agent: &AgentId) -> Result<bool, Error> {
    let row = sqlx::query("SELECT 1 FROM agents WHERE id = $1 AND revoked_us IS NULL")
        .bind(agent.as_str())
        .fetch_optional(connection)
        .await?;
    Ok(row.is_some())
}

async fn reach(connection: &mut SqliteConnection, audience: &Audience) -> Result<u64, Error> {
    let ids: Vec<&str> = audience.agents.iter().map(AgentId::as_str).collect();
    let row = sqlx::query(
        "SELECT count(*) FROM agents WHERE revoked_us IS NULL AND ($1 \
         OR id IN (SELECT value FROM json_each($2)) \
         OR group_name IN (SELECT value FROM json_each($3)))",
    )
    .bind(audience.is_everybody())
    .bind(list(&ids)?)
    .bind(list(&audience.groups)?)
    .fetch_one(connection)
    .await?;
    unsigned(&row, 0)
}

fn list<T: serde::Serialize>(names: &[T]) -> Result<String, Error> {
    serde_json::to_string(names).map_err(|error| Error::row("name", &error))
}

/// Instructions in force that the agent with the most of them has, as an upper bound: those for
/// everybody, and the most that any one agent or group has beside them.
async fn most_per_agent(connection: &mut SqliteConnection) -> Result<u64, Error> {
    let row = sqlx::query(
        "SELECT (SELECT count(*) FROM instructions WHERE for_all AND cancelled_us IS NULL) \
         + (SELECT coalesce(sum(n), 0) FROM (SELECT max(n) AS n FROM ( \
              SELECT a.kind, count(*) AS n FROM audiences a \
              JOIN instructions i ON i.id = a.instruction AND i.cancelled_us IS NULL \
              GROUP BY a.kind, a.name) GROUP BY kind))",
    )
    .fetch_one(connection)
    .await?;
    unsigned(&row, 0)
}

fn unsigned(row: &SqliteRow, index: usize) -> Result<u64, Error> {
    u64::try_from(row.try_get::<i64, _>(index)?).map_err(|error| Error::row("count", &error))
}

pub(super) async fn cancel(
    connection: &mut SqliteConnection,
    id: &InstructionId,
    at: Timestamp,
) -> Result<bool, Error> {
    let done = sqlx::query(
        "UPDATE instructions SET cancelled_us = $2 WHERE id = $1 AND cancelled_us IS NULL",
    )
    .bind(id.as_str())
    .bind(at.as_micros())
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    changes::count_up(connection).await?;
    Ok(true)
}

fn read(row: &SqliteRow) -> Result<StoredInstruction, Error> {
    Ok(StoredInstruction {
        id: InstructionId::new(row.try_get("id")?)
            .map_err(|reason| Error::row("instruction", &reason))?,
        document: row.try_get("document")?,
        audience: Audience::default(),
        reach: 0,
        created: Timestamp::from_micros(row.try_get("created_us")?),
        cancelled: row
            .try_get::<Option<i64>, _>("cancelled_us")?
            .map(Timestamp::from_micros),
    })
}

pub(super) async fn by_id(
    connection: &mut SqliteConnection,
    id: &InstructionId,
) -> Result<Option<StoredInstruction>, Error> {
    let row = sqlx::query("SELECT * FROM instructions WHERE id = $1")
        .bind(id.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some(mut found) = row.as_ref().map(read).transpose()? else {
        return Ok(None);
    };
    let rows = sqlx::query("SELECT kind, name FROM audiences WHERE instruction = $1 ORDER BY name")
        .bind(id.as_str())
        .fetch_all(&mut *connection)
        .await?;
    for row in &rows {
        add_name(&mut found.audience, row)?;
    }
    found.reach = reach(connection, &found.audience).await?;
    Ok(Some(found))
}

/// Instructions in force and those taken back at or after `cancelled_since_us`, oldest first.
pub(super) async fn standing(
    connection: &mut SqliteConnection,
    cancelled_since_us: i64,
) -> Result<Vec<StoredInstruction>, Error> {
    let rows = sqlx::query(
        "SELECT * FROM instructions WHERE cancelled_us IS NULL OR cancelled_us >= $1 \
         ORDER BY created_us, id",
    )
    .bind(cancelled_since_us)
    .fetch_all(&mut *connection)
    .await?;
    let mut found: Vec<StoredInstruction> = rows.iter().map(read).collect::<Result<_, _>>()?;
    let places: HashMap<InstructionId, usize> = found
        .iter()
        .enumerate()
        .map(|(place, instruction)| (instruction.id.clone(), place))
        .collect();
    let names = sqlx::query("SELECT kind, name, instruction FROM audiences ORDER BY name")
        .fetch_all(&mut *connection)
        .await?;
    for row in &names {
        let id = InstructionId::new(row.try_get("instruction")?)
            .map_err(|reason| Error::row("instruction", &reason))?;
        if let Some(place) = places.get(&id) {
            add_name(&mut found[*place].audience, row)?;
        }
    }
    for instruction in &mut found {
        instruction.reach = reach(connection, &instruction.audience).await?;
    }
    Ok(found)
}

fn add_name(audience: &mut Audience, row: &SqliteRow) -> Result<(), Error> {
    let name: String = row.try_get("name")?;
    if row.try_get::<&str, _>("kind")? == KIND_AGENT {
        let id = AgentId::new(&name).map_err(|reason| Error::row("audience", &reason))?;
        audience.agents.push(id);
    } else {
        audience.groups.push(name);
    }
    Ok(())
}

pub(super) async fn visible_to(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Vec<String>, Error> {
    let rows = sqlx::query(
        "SELECT i.document FROM instructions i WHERE i.cancelled_us IS NULL AND (i.for_all \
         OR EXISTS (SELECT 1 FROM audiences a WHERE a.instruction = i.id \
                    AND a.kind = 'agent' AND a.name = $1) \
         OR EXISTS (SELECT 1 FROM audiences a JOIN agents g ON g.id = $1 AND g.group_name = a.name \
                    WHERE a.instruction = i.id AND a.kind = 'group')) \
         ORDER BY i.created_us, i.id",
    )
    .bind(agent.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
