//! Reports as they came.

use super::{instruction, result};
use crate::{Coding, Error, Ingest, NewReport, NewResult};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::SqliteConnection;

/// Reports that one transaction forgets: others want to write as well.
const AT_ONCE: u32 = 50;

/// One that has nothing new leaves nothing.
pub(super) async fn add(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    report: &NewReport,
    results: &[NewResult],
    received: Timestamp,
) -> Result<Vec<Ingest>, Error> {
    let endings = result::ingest(connection, agent, results, received).await?;
    if endings.contains(&Ingest::Stored) {
        sqlx::query(
            "INSERT INTO reports (agent, received_us, media_type, coding, body) \
             VALUES ($1, $2, $3, $4, $5)",
        )
        .bind(agent.as_str())
        .bind(received.as_micros())
        .bind(&report.media_type)
        .bind(match report.coding {
            Coding::Identity => "identity",
            Coding::Gzip => "gzip",
        })
        .bind(&report.body)
        .execute(connection)
        .await?;
    }
    Ok(endings)
}

pub(super) async fn count(
    connection: &mut SqliteConnection,
    agent: &AgentId,
) -> Result<u64, Error> {
    let row = sqlx::query("SELECT count(*) FROM reports WHERE agent = $1")
        .bind(agent.as_str())
        .fetch_one(connection)
        .await?;
    instruction::unsigned(&row, 0)
}

/// Forgets some of what was received before; they are numbered as they came.
pub(super) async fn forget(
    connection: &mut SqliteConnection,
    before: Timestamp,
) -> Result<u64, Error> {
    let done = sqlx::query(
        "DELETE FROM reports WHERE received_us < $1 AND id IN \
         (SELECT id FROM reports ORDER BY id LIMIT $2)",
    )
    .bind(before.as_micros())
    .bind(AT_ONCE)
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
