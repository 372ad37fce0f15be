//! Results: written once, read as streams.

use crate::measured::pack;
use crate::{Error, Figures, Filter, Ingest, NewResult, ResultRow, Rows};
use futures_util::TryStreamExt;
use glimpse_model::id::{AgentId, InstructionId, ResultId, TaskId};
use glimpse_model::ping::PingFigures;
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use tokio::sync::mpsc;

/// Rows read ahead of whoever takes them.
pub(super) const READ_AHEAD: usize = 64;

pub(super) async fn ingest(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    results: &[NewResult],
    received: Timestamp,
) -> Result<Vec<Ingest>, Error> {
    let mut endings = Vec::with_capacity(results.len());
    for result in results {
        let stored = insert(connection, agent, result, received).await?;
        endings.push(if stored {
            Ingest::Stored
        } else if owner(connection, result.id).await? == agent.as_str() {
            Ingest::Duplicate
        } else {
            Ingest::Foreign
        });
    }
    Ok(endings)
}

async fn insert(
    connection: &mut SqliteConnection,
    agent: &AgentId,
    result: &NewResult,
    received: Timestamp,
) -> Result<bool, Error> {
    let Figures {
        target,
        ping_type,
        ping,
    } = &result.figures;
    let done = sqlx::query(
        "INSERT INTO results (id, agent, instruction, task, method, status, start_us, \
         received_us, clock_suspect, target, ping_type, destination, sent, received, loss_ppm, \
         rtt_median_us, rtt_min_us, rtt_max_us, document, measured) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, \
         $19, $20) ON CONFLICT (id) DO NOTHING",
    )
    .bind(result.id.as_bytes().as_slice())
    .bind(agent.as_str())
    .bind(result.instruction.as_ref().map(InstructionId::as_str))
    .bind(result.task.as_ref().map(TaskId::as_str))
    .bind(result.method.as_deref())
    .bind(result.status.as_str())
    .bind(result.start.map(Timestamp::as_micros))
    .bind(received.as_micros())
    .bind(result.clock_suspect)
    .bind(target.as_deref())
    .bind(ping_type.as_deref())
    .bind(ping.destination.as_deref())
    .bind(ping.sent)
    .bind(ping.received)
    .bind(ping.loss_ppm)
    .bind(ping.rtt_median_us)
    .bind(ping.rtt_min_us)
    .bind(ping.rtt_max_us)
    .bind(&result.document)
    .bind(result.measured.as_ref().map(pack))
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

async fn owner(connection: &mut SqliteConnection, id: ResultId) -> Result<String, Error> {
    let row = sqlx::query("SELECT agent FROM results WHERE id = $1")
        .bind(id.as_bytes().as_slice())
        .fetch_one(connection)
        .await?;
    Ok(row.try_get(0)?)
}

pub(super) fn rows(pool: SqlitePool, filter: Filter) -> Rows<ResultRow> {
    let query = sqlx::query(
        "SELECT * FROM results WHERE ($1 IS NULL OR method = $1) AND ($2 IS NULL OR agent = $2) \
         AND ($3 IS NULL OR coalesce(start_us, received_us) >= $3) ORDER BY rowid",
    )
    .bind(filter.method)
    .bind(filter.agent.map(|agent| agent.as_str().to_owned()))
    .bind(filter.since.map(Timestamp::as_micros));
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(async move {
        let mut rows = query.fetch(&pool);
        loop {
            let next = match rows.try_next().await {
                Ok(None) => break,
                Ok(Some(row)) => read(&row),
                Err(error) => Err(error.into()),
            };
            let ended = next.is_err();
            // Nobody reads on: the query ends here.
            if sender.send(next).await.is_err() || ended {
                break;
            }
        }
    });
    Rows { receiver }
}

fn read(row: &SqliteRow) -> Result<ResultRow, Error> {
    let id: [u8; 16] = row
        .try_get::<&[u8], _>("id")?
        .try_into()
        .map_err(|error| Error::row("result", &error))?;
    Ok(ResultRow {
        id: ResultId::from_bytes(id),
        agent: row.try_get("agent")?,
        instruction: row.try_get("instruction")?,
        task: row.try_get("task")?,
        method: row.try_get("method")?,
        status: row.try_get("status")?,
        start: row
            .try_get::<Option<i64>, _>("start_us")?
            .map(Timestamp::from_micros),
        received: Timestamp::from_micros(row.try_get("received_us")?),
        clock_suspect: row.try_get("clock_suspect")?,
        figures: Figures {
            target: row.try_get("target")?,
            ping_type: row.try_get("ping_type")?,
            ping: PingFigures {
                destination: row.try_get("destination")?,
                sent: row.try_get("sent")?,
                received: row.try_get("received")?,
                loss_ppm: row.try_get("loss_ppm")?,
                rtt_median_us: row.try_get("rtt_median_us")?,
                rtt_min_us: row.try_get("rtt_min_us")?,
                rtt_max_us: row.try_get("rtt_max_us")?,
            },
        },
        document: row.try_get("document")?,
    })
}

pub(super) async fn count(
    connection: &mut SqliteConnection,
    agent: Option<&AgentId>,
) -> Result<u64, Error> {
    let row = sqlx::query("SELECT count(*) FROM results WHERE ($1 IS NULL OR agent = $1)")
        .bind(agent.map(AgentId::as_str))
        .fetch_one(connection)
        .await?;
    u64::try_from(row.try_get::<i64, _>(0)?).map_err(|error| Error::row("count", &error))
}
