//! Agents whose households wanted to be forgotten.

use super::{changes, withheld};
use crate::{Error, Judge};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::SqliteConnection;

/// Rows deleted at a time: others want to write meanwhile.
const AT_ONCE: u32 = 2_000;

/// What is known of an agent beside its id, its results and its reports.
const KEPT_OF_AGENTS: [&str; 7] = [
    "capabilities",
    "datastores",
    "edits",
    "job_agents",
    "loads",
    "foreign_loads",
    "withheld",
];

/// What is large, and deleted in pieces.
const LARGE: [&str; 2] = ["results", "reports"];

pub(super) async fn forget(
    connection: &mut SqliteConnection,
    id: &AgentId,
    wish: &str,
    at: Timestamp,
    judge: &Judge,
) -> Result<bool, Error> {
    overwrite(connection).await?;
    let done = sqlx::query(
        "UPDATE agents SET forgotten_us = $2, forget_wish = $3, revoked_us = coalesce(revoked_us, $2), \
         group_name = NULL, labels = '{}', found = NULL WHERE id = $1 AND forgotten_us IS NULL",
    )
    .bind(id.as_str())
    .bind(at.as_micros())
    .bind(wish)
    .execute(&mut *connection)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(false);
    }
    for table in KEPT_OF_AGENTS {
        sqlx::query(sqlx::AssertSqlSafe(format!(
            "DELETE FROM {table} WHERE agent = $1"
        )))
        .bind(id.as_str())
        .execute(&mut *connection)
        .await?;
    }
    // By its token alone its labels could be found again; the moment of its use is that of the agent's enrolment.
    for delete in [
        "DELETE FROM tokens WHERE agent = $1 OR used_us = (SELECT created_us FROM agents WHERE id = $1)",
        "DELETE FROM audiences WHERE kind = 'agent' AND name = $1",
    ] {
        sqlx::query(delete)
            .bind(id.as_str())
            .execute(&mut *connection)
            .await?;
    }
    withheld::release(connection, judge, at).await?;
    changes::count_up(connection).await?;
    Ok(true)
}

/// Whether anything of a forgotten agent is left.
pub(super) async fn any_left(connection: &mut SqliteConnection) -> Result<bool, Error> {
    for table in LARGE {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT 1 FROM agents a WHERE a.forgotten_us IS NOT NULL \
             AND EXISTS (SELECT 1 FROM {table} t WHERE t.agent = a.id) LIMIT 1"
        )))
        .fetch_optional(&mut *connection)
        .await?;
        if row.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(super) async fn delete_some(connection: &mut SqliteConnection) -> Result<u64, Error> {
    overwrite(connection).await?;
    let mut deleted = 0;
    for table in LARGE {
        let done = sqlx::query(sqlx::AssertSqlSafe(format!(
            "DELETE FROM {table} WHERE rowid IN (SELECT t.rowid FROM agents a JOIN {table} t \
             ON t.agent = a.id WHERE a.forgotten_us IS NOT NULL LIMIT $1)"
        )))
        .bind(AT_ONCE)
        .execute(&mut *connection)
        .await?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}

/// What is deleted from now on is overwritten in the file; without this it would stand there until its place is needed.
async fn overwrite(connection: &mut SqliteConnection) -> Result<(), Error> {
    sqlx::query("PRAGMA secure_delete = ON")
        .execute(connection)
        .await?;
    Ok(())
}
