//! Instructions and whom they are for.

use super::{changes, load, withheld};
use crate::{Addition, Admit, Audience, Error, Judge, NewInstruction, Standing, StoredInstruction};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What was first told, or taken back, so recently still counts for the hour in which it ran.
const STILL_COUNTS_US: i64 = 3_600_000_000;

const KIND_AGENT: &str = "agent";
const KIND_GROUP: &str = "group";

pub(super) async fn add(
    connection: &mut SqliteConnection,
    new: &[NewInstruction],
    admit: Admit,
) -> Result<Addition, Error> {
    let Some(at) = new.iter().map(|new| new.created).min() else {
        return Ok(Addition::Added(Vec::new()));
    };
    let mut standing = standing(connection, at).await?;
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
        standing.reach.push(
            coverage(connection, &instruction.audience, None, 0)
                .await?
                .agents,
        );
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

/// Agents that an audience takes in, revoked ones left out.
#[derive(Debug, Clone, Copy)]
struct Coverage {
    agents: u64,
    /// Those of them that enrolled lately.
    lately: u64,
}

/// Counts those that enrolled before the instruction was `cancelled`; lately is after `since_us`.
async fn coverage(
    connection: &mut SqliteConnection,
    audience: &Audience,
    cancelled: Option<Timestamp>,
    since_us: i64,
) -> Result<Coverage, Error> {
    let ids: Vec<&str> = audience.agents.iter().map(AgentId::as_str).collect();
    let count = if audience.is_everybody() {
        sqlx::query(
            "SELECT count(*), count(*) FILTER (WHERE created_us > $2) FROM agents \
             WHERE revoked_us IS NULL AND created_us <= $1",
        )
    } else {
        sqlx::query(
            "SELECT count(*), count(*) FILTER (WHERE created_us > $2) FROM agents \
             WHERE revoked_us IS NULL AND created_us <= $1 \
             AND (id IN (SELECT value FROM json_each($3)) \
                  OR group_name IN (SELECT value FROM json_each($4)))",
        )
    };
    let row = count
        .bind(cancelled.map_or(i64::MAX, Timestamp::as_micros))
        .bind(since_us)
        .bind(list(&ids)?)
        .bind(list(&audience.groups)?)
        .fetch_one(connection)
        .await?;
    Ok(Coverage {
        agents: unsigned(&row, 0)?,
        lately: unsigned(&row, 1)?,
    })
}

/// Notes how many agents each is told to and withheld from, and gives of those that are told how
/// many were first told after `since_us`.
async fn measure(
    connection: &mut SqliteConnection,
    found: &mut [StoredInstruction],
    since_us: i64,
) -> Result<Vec<u64>, Error> {
    let ids: Vec<&str> = found.iter().map(|known| known.id.as_str()).collect();
    let withheld = withheld::counts(connection, &ids, since_us).await?;
    // Many instructions have the same audience, and counting a fleet takes its time.
    let mut known = HashMap::new();
    let mut told_lately = Vec::with_capacity(found.len());
    for instruction in found {
        let key = (instruction.audience.clone(), instruction.cancelled);
        let covered = if let Some(covered) = known.get(&key) {
            *covered
        } else {
            let covered = coverage(connection, &key.0, key.1, since_us).await?;
            known.insert(key, covered);
            covered
        };
        let held = withheld
            .get(instruction.id.as_str())
            .copied()
            .unwrap_or_default();
        instruction.withheld = held.waiting;
        instruction.reach = covered.agents.saturating_sub(held.waiting);
        told_lately.push(if instruction.created.as_micros() > since_us {
            instruction.reach
        } else {
            (covered.lately + held.released_lately).saturating_sub(held.waiting_lately)
        });
    }
    Ok(told_lately)
}

pub(super) fn list<T: serde::Serialize>(names: &[T]) -> Result<String, Error> {
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

pub(super) fn unsigned(row: &SqliteRow, index: usize) -> Result<u64, Error> {
    u64::try_from(row.try_get::<i64, _>(index)?).map_err(|error| Error::row("count", &error))
}

pub(super) async fn cancel(
    connection: &mut SqliteConnection,
    id: &InstructionId,
    at: Timestamp,
    judge: &Judge,
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
    withheld::release(connection, judge, at).await?;
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
        withheld: 0,
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
    measure(connection, std::slice::from_mut(&mut found), i64::MAX).await?;
    Ok(Some(found))
}

/// What stands at a moment.
pub(super) async fn standing(
    connection: &mut SqliteConnection,
    at: Timestamp,
) -> Result<Standing, Error> {
    let since_us = at.as_micros().saturating_sub(STILL_COUNTS_US);
    let mut instructions = select(connection, since_us).await?;
    let told_lately = measure(connection, &mut instructions, since_us).await?;
    Ok(Standing {
        instructions,
        told_lately,
        loads: load::standing(connection, since_us).await?,
        foreign: load::foreign(connection).await?,
        ..Standing::default()
    })
}

/// Instructions in force and those taken back at or after `cancelled_since_us`, oldest first.
pub(super) async fn since(
    connection: &mut SqliteConnection,
    cancelled_since_us: i64,
) -> Result<Vec<StoredInstruction>, Error> {
    let mut found = select(connection, cancelled_since_us).await?;
    measure(connection, &mut found, i64::MAX).await?;
    Ok(found)
}

/// The same, without how many agents each is told to.
async fn select(
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
         AND NOT EXISTS (SELECT 1 FROM withheld w WHERE w.instruction = i.id \
                         AND w.agent = $1 AND w.released_us IS NULL) \
         ORDER BY i.created_us, i.id",
    )
    .bind(agent.as_str())
    .fetch_all(connection)
    .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
