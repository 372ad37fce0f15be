//! What agents' datastores are known to be, and what they make agents send.

use super::instruction;
use crate::{
    AdmitLoads, Datastore, Error, Intended, Intention, Known, LoadChange, Standing, StandingLoad,
    Withholding,
};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};
use std::collections::HashMap;

/// What ran once at somebody's word counts for the hour in which it ran.
const STILL_COUNTS_US: i64 = 3_600_000_000;

const COLUMNS: &str = "agent, module_set, version, address, known_us, outcome, written_us, \
                       answered_us, errors";

fn read(row: &SqliteRow) -> Result<Datastore, Error> {
    let time = |name| -> Result<Option<Timestamp>, Error> {
        Ok(row
            .try_get::<Option<i64>, _>(name)?
            .map(Timestamp::from_micros))
    };
    Ok(Datastore {
        agent: AgentId::new(row.try_get("agent")?)
            .map_err(|reason| Error::row("agent", &reason))?,
        module_set: row.try_get("module_set")?,
        version: row.try_get("version")?,
        address: row.try_get("address")?,
        known: time("known_us")?,
        intended: Intended::named(row.try_get("outcome")?)
            .ok_or_else(|| Error::row("datastore", &"unknown outcome"))?,
        written: time("written_us")?,
        answered: time("answered_us")?,
        errors: row.try_get("errors")?,
    })
}

pub(super) async fn all(connection: &mut SqliteConnection) -> Result<Vec<Datastore>, Error> {
    let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS} FROM datastores ORDER BY agent"
    )))
    .fetch_all(connection)
    .await?;
    rows.iter().map(read).collect()
}

pub(super) async fn of(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Option<(Datastore, Option<String>)>, Error> {
    let row = sqlx::query(sqlx::AssertSqlSafe(format!(
        "SELECT {COLUMNS}, tree FROM datastores WHERE agent = $1"
    )))
    .bind(agent.as_str())
    .fetch_optional(connection)
    .await?;
    row.map(|row| Ok((read(&row)?, row.try_get("tree")?)))
        .transpose()
}

pub(super) async fn know(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    known: &Known,
) -> Result<(), Error> {
    sqlx::query(
        "INSERT INTO datastores (agent, module_set, version, address, tree, known_us) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (agent) DO UPDATE SET \
         module_set = excluded.module_set, version = excluded.version, \
         address = excluded.address, tree = excluded.tree, known_us = excluded.known_us",
    )
    .bind(agent.as_str())
    .bind(&known.module_set)
    .bind(&known.version)
    .bind(&known.address)
    .bind(&known.tree)
    .bind(known.at.as_micros())
    .execute(&mut *connection)
    .await?;
    match &known.loads {
        Some(loads) => count(connection, agent, loads, known.at).await,
        None => Ok(()),
    }
}

/// Exchanges what is counted for an agent; what stood before keeps its time.
pub(super) async fn count(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    loads: &[String],
    at: Timestamp,
) -> Result<(), Error> {
    let change = change(connection, agent, loads, at).await?;
    put(connection, agent, &change, at).await
}

/// What is different for an agent that would have these loads.
async fn change(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    loads: &[String],
    at: Timestamp,
) -> Result<LoadChange, Error> {
    sqlx::query("DELETE FROM loads WHERE agent = $1 AND once AND given_us <= $2")
        .bind(agent.as_str())
        .bind(at.as_micros().saturating_sub(STILL_COUNTS_US))
        .execute(&mut *connection)
        .await?;
    let rows = sqlx::query("SELECT document, given_us FROM loads WHERE agent = $1 AND NOT once")
        .bind(agent.as_str())
        .fetch_all(&mut *connection)
        .await?;
    // Equal loads of one agent are as many loads.
    let mut new: HashMap<&str, usize> = HashMap::new();
    for load in loads {
        *new.entry(load).or_default() += 1;
    }
    let mut change = LoadChange::default();
    for row in &rows {
        let document: &str = row.try_get(0)?;
        match new.get_mut(document) {
            Some(left) if *left > 0 => *left -= 1,
            _ => {
                let given = Timestamp::from_micros(row.try_get(1)?);
                change.gone.push((document.to_owned(), given));
            }
        }
    }
    for load in loads {
        if let Some(left) = new.get_mut(load.as_str()).filter(|left| **left > 0) {
            *left -= 1;
            change.new.push(load.clone());
        }
    }
    Ok(change)
}

async fn put(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    change: &LoadChange,
    at: Timestamp,
) -> Result<(), Error> {
    for (document, given) in &change.gone {
        sqlx::query(
            "DELETE FROM loads WHERE rowid = (SELECT rowid FROM loads WHERE agent = $1 \
             AND document = $2 AND given_us = $3 AND NOT once LIMIT 1)",
        )
        .bind(agent.as_str())
        .bind(document)
        .bind(given.as_micros())
        .execute(&mut *connection)
        .await?;
    }
    for document in &change.new {
        insert(connection, agent, document, at, false).await?;
    }
    Ok(())
}

async fn insert(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    document: &str,
    at: Timestamp,
    once: bool,
) -> Result<(), Error> {
    sqlx::query("INSERT INTO loads (agent, document, given_us, once) VALUES ($1, $2, $3, $4)")
        .bind(agent.as_str())
        .bind(document)
        .bind(at.as_micros())
        .bind(once)
        .execute(connection)
        .await?;
    Ok(())
}

/// What agents send by their own configuration; revoked ones left out.
pub(super) async fn standing(
    connection: &mut SqliteConnection,
    since_us: i64,
) -> Result<Vec<StandingLoad>, Error> {
    let rows = sqlx::query(
        "SELECT l.document, count(*), max(l.given_us) FROM loads l \
         JOIN agents a ON a.id = l.agent AND a.revoked_us IS NULL \
         WHERE NOT l.once OR l.given_us > $1 GROUP BY l.document, l.given_us > $1",
    )
    .bind(since_us)
    .fetch_all(connection)
    .await?;
    rows.iter()
        .map(|row| {
            Ok(StandingLoad {
                document: row.try_get(0)?,
                agents: instruction::unsigned(row, 1)?,
                given: Timestamp::from_micros(row.try_get(2)?),
            })
        })
        .collect()
}

pub(super) async fn intend(
    connection: &mut SqliteConnection,
    intentions: &[Intention],
    at: Timestamp,
    admit: AdmitLoads,
) -> Result<Vec<Result<(), Withholding>>, Error> {
    let mut changes = Vec::with_capacity(intentions.len());
    for intention in intentions {
        changes.push(match &intention.loads {
            None => LoadChange::default(),
            Some(loads) if intention.once => LoadChange {
                gone: Vec::new(),
                new: loads.clone(),
            },
            Some(loads) => change(connection, &intention.agent, loads, at).await?,
        });
    }
    // Nothing is read of the fleet where nothing is added to it.
    let standing = if changes.iter().all(|change| change.new.is_empty()) {
        Standing::default()
    } else {
        instruction::standing(connection, at).await?
    };
    let verdicts = admit(&standing, &changes);
    for ((intention, change), verdict) in intentions.iter().zip(&changes).zip(&verdicts) {
        if verdict.is_err() {
            continue;
        }
        if intention.once {
            for document in &change.new {
                insert(connection, &intention.agent, document, at, true).await?;
            }
        } else {
            put(connection, &intention.agent, change, at).await?;
        }
        if let Some(edit) = &intention.edit {
            let agent = &intention.agent;
            super::edit::add(connection, agent, None, &edit.operator, &edit.request, at).await?;
        }
    }
    Ok(verdicts)
}
