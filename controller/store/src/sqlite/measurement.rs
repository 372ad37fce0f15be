//! What results have measured, as a stream with their agents' labels.

use super::result::READ_AHEAD;
use crate::figures::unpack as unpack_rtts;
use crate::measured::unpack;
use crate::{Error, Labels, Measured, MeasuredRow, Rows};
use futures_util::TryStreamExt;
use glimpse_model::time::Timestamp;
use sqlx::sqlite::SqliteRow;
use sqlx::{Row, SqliteConnection, SqlitePool};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Metrics of pings from before there was the column `measured`, by their numbers.
pub(super) mod number {
    pub(in super::super) const DELAY_RT: u8 = 0;
    pub(in super::super) const DELAY_RT_TCP: u8 = 1;
    pub(in super::super) const LOSS_RT: u8 = 3;
    pub(in super::super) const PDV_RT: u8 = 4;
}

/// Each method is looked up in the index by itself: an index of the start alone would make every result dearer to store.
const ROWS: &str = "\
    WITH RECURSIVE methods (method) AS (\
      SELECT min(method) FROM results \
      UNION ALL \
      SELECT (SELECT min(r.method) FROM results r WHERE r.method > m.method) \
      FROM methods m WHERE m.method IS NOT NULL) \
    SELECT r.agent, r.start_us, r.received_us, r.clock_suspect, r.measured, \
           coalesce(r.target, r.destination) AS target, r.ping_type, r.loss_ppm, r.rtts_us \
    FROM methods m CROSS JOIN results r ON r.method = m.method AND r.start_us >= $1 AND r.start_us < $2 \
    WHERE r.status = 'ok' AND (r.measured IS NOT NULL OR (r.method = 'ping' AND r.ping_type IS NOT NULL))";

/// Who an agent is, as far as maps are concerned.
#[derive(Debug, Clone)]
struct Subscriber {
    id: Arc<str>,
    labels: [Option<Arc<str>>; 4],
}

impl Subscriber {
    fn new(id: &str, labels: &Labels) -> Self {
        let label = |name: &str| labels.get(name).map(|label| Arc::from(label.as_str()));
        Self {
            id: id.into(),
            labels: ["isp", "region", "technology", "contract"].map(label),
        }
    }
}

pub(super) fn rows(pool: SqlitePool, from: Timestamp, to: Timestamp) -> Rows<MeasuredRow> {
    let (sender, receiver) = mpsc::channel(READ_AHEAD);
    tokio::spawn(async move {
        if let Err(error) = send(&pool, from, to, &sender).await {
            // Nobody may be reading any more.
            let _ = sender.send(Err(error)).await;
        }
    });
    Rows { receiver }
}

async fn send(
    pool: &SqlitePool,
    from: Timestamp,
    to: Timestamp,
    sender: &mpsc::Sender<Result<MeasuredRow, Error>>,
) -> Result<(), Error> {
    // One view of the database for both queries: who is forgotten in between has no rows in it.
    let mut reader = pool.begin().await?;
    let mut subscribers = subscribers(&mut reader).await?;
    let mut found = sqlx::query(ROWS)
        .bind(from.as_micros())
        .bind(to.as_micros())
        .fetch(&mut *reader);
    while let Some(row) = found.try_next().await? {
        let id: &str = row.try_get(0)?;
        let subscriber = match subscribers.get(id) {
            Some(Some(subscriber)) => subscriber.clone(),
            Some(None) => continue,
            None => {
                let unknown = Subscriber::new(id, &Labels::new());
                subscribers.insert(id.to_owned(), Some(unknown.clone()));
                unknown
            }
        };
        if let Some(row) = read(&row, subscriber)?
            && sender.send(Ok(row)).await.is_err()
        {
            break;
        }
    }
    Ok(())
}

/// Everybody that enrolled; `None` for who is forgotten, whose results are about to be deleted.
async fn subscribers(
    connection: &mut SqliteConnection,
) -> Result<HashMap<String, Option<Subscriber>>, Error> {
    let rows = sqlx::query("SELECT id, labels, forgotten_us IS NOT NULL, found FROM agents")
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let id: String = row.try_get(0)?;
            if row.try_get(2)? {
                return Ok((id, None));
            }
            let read = |text: &str| -> Result<Labels, Error> {
                serde_json::from_str(text).map_err(|error| Error::row("label", &error))
            };
            // What the operator gave replaces what was found.
            let found: Option<&str> = row.try_get(3)?;
            let mut labels = found.map(read).transpose()?.unwrap_or_default();
            labels.extend(read(row.try_get(1)?)?);
            let subscriber = Subscriber::new(&id, &labels);
            Ok((id, Some(subscriber)))
        })
        .collect()
}

fn read(row: &SqliteRow, subscriber: Subscriber) -> Result<Option<MeasuredRow>, Error> {
    let measured = match row.try_get::<Option<&[u8]>, _>(4)? {
        Some(bytes) => {
            unpack(bytes).ok_or_else(|| Error::row("measurement", &"it is cut short"))?
        }
        None => match old_ping(row)? {
            Some(measured) => measured,
            None => return Ok(None),
        },
    };
    let [isp, region, technology, contract] = subscriber.labels;
    Ok(Some(MeasuredRow {
        agent: subscriber.id,
        isp,
        region,
        technology,
        contract,
        target: measured.target.unwrap_or_default(),
        between_agents: measured.between_agents,
        start: Timestamp::from_micros(row.try_get(1)?),
        received: Timestamp::from_micros(row.try_get(2)?),
        clock_suspect: row.try_get(3)?,
        cpu_percent: measured.cpu_percent,
        cross_traffic_bps: measured.cross_traffic_bps,
        wifi_dbm: measured.wifi_dbm,
        clock_offset_us: measured.clock_offset_us,
        figures: measured.figures,
    }))
}

/// A ping from before; one whose type is not known could be of either kind and counts for none.
fn old_ping(row: &SqliteRow) -> Result<Option<Measured>, Error> {
    let kind: &str = row.try_get(6)?;
    let echo = ["udp", "icmp", "system"]
        .iter()
        .any(|echo| kind.eq_ignore_ascii_case(echo));
    if !echo && !kind.eq_ignore_ascii_case("tcp") {
        return Ok(None);
    }
    let rtts: Vec<u64> = row
        .try_get::<Option<&[u8]>, _>(8)?
        .map(unpack_rtts)
        .unwrap_or_default()
        .into_iter()
        .map(u64::from)
        .collect();
    let mut figures = Vec::new();
    if echo {
        let loss_ppm = row
            .try_get::<Option<i64>, _>(7)?
            .and_then(|ppm| u64::try_from(ppm).ok());
        figures.extend(loss_ppm.map(|ppm| (number::LOSS_RT, vec![ppm])));
        if let (Some(least), true) = (rtts.iter().min().copied(), rtts.len() > 1) {
            let variation = rtts.iter().map(|rtt| rtt - least).collect();
            figures.push((number::PDV_RT, variation));
        }
    }
    if !rtts.is_empty() {
        let metric = if echo {
            number::DELAY_RT
        } else {
            number::DELAY_RT_TCP
        };
        figures.push((metric, rtts));
    }
    Ok(Some(Measured {
        target: row.try_get(5)?,
        figures,
        ..Measured::default()
    }))
}
