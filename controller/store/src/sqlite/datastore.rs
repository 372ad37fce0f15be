//! What agents' datastores are known to be.

use crate::{Datastore, Error, Identity, Intended, Known};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection};

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

/// Tells trees apart: 64 bits of FNV-1a. An agent that looked for two with one digest would be taken for what it was.
fn digest(tree: &str) -> i64 {
    let hash = tree.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    hash.cast_signed()
}

/// How long it may go unwritten that a tree is still what it was.
const STALE_US: i64 = 60_000_000;

/// Whether nothing of it would be news.
pub(super) async fn is_known(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    known: &Known,
) -> Result<bool, Error> {
    let row = sqlx::query(
        "SELECT 1 FROM datastores WHERE agent = $1 AND digest = $2 AND tree IS NOT NULL \
         AND module_set IS $3 AND version IS $4 AND address IS $5 AND known_us BETWEEN $6 AND $7",
    )
    .bind(agent.as_str())
    .bind(digest(&known.tree))
    .bind(&known.module_set)
    .bind(&known.version)
    .bind(&known.address)
    .bind(known.at.as_micros().saturating_sub(STALE_US))
    .bind(known.at.as_micros())
    .fetch_optional(connection)
    .await?;
    Ok(row.is_some())
}

pub(super) async fn know(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    known: &Known,
) -> Result<(), Error> {
    // A tree that is the same, which may be long, is not written again.
    let done = sqlx::query(
        "UPDATE datastores SET module_set = $3, version = $4, address = $5, known_us = $6 \
         WHERE agent = $1 AND digest = $2 AND tree IS NOT NULL",
    )
    .bind(agent.as_str())
    .bind(digest(&known.tree))
    .bind(&known.module_set)
    .bind(&known.version)
    .bind(&known.address)
    .bind(known.at.as_micros())
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 1 {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO datastores (agent, module_set, version, address, tree, known_us, agent_id, \
         group_id, digest) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
         ON CONFLICT (agent) DO UPDATE SET \
         module_set = excluded.module_set, version = excluded.version, \
         address = excluded.address, tree = excluded.tree, known_us = excluded.known_us, \
         agent_id = excluded.agent_id, group_id = excluded.group_id, digest = excluded.digest",
    )
    .bind(agent.as_str())
    .bind(&known.module_set)
    .bind(&known.version)
    .bind(&known.address)
    .bind(&known.tree)
    .bind(known.at.as_micros())
    .bind(&known.identity.agent_id)
    .bind(&known.identity.group_id)
    .bind(digest(&known.tree))
    .execute(connection)
    .await?;
    Ok(())
}

/// As whom an agent's own configuration has it report.
pub(super) async fn identity(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<Identity, Error> {
    let row = sqlx::query("SELECT agent_id, group_id FROM datastores WHERE agent = $1")
        .bind(agent.as_str())
        .fetch_optional(connection)
        .await?;
    let Some(row) = row else {
        return Ok(Identity::default());
    };
    Ok(Identity {
        agent_id: row.try_get(0)?,
        group_id: row.try_get(1)?,
    })
}
