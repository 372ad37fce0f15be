//! The same rows for both sides: copies of one that a real agent measured, each with an id of its own.

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use glimpse_model::id::ResultId;
use glimpse_model::time::{MILLISECOND, Timestamp};
use sqlx::sqlite::{SqliteConnectOptions, SqliteRow};
use sqlx::{ConnectOptions, Row, SqliteConnection};
use std::io::Write;
use std::path::Path;

/// Columns with text or nothing.
pub(super) const TEXTS: [&str; 8] = [
    "agent",
    "instruction",
    "task",
    "method",
    "status",
    "target",
    "ping_type",
    "destination",
];
/// Columns with a number or nothing.
pub(super) const NUMBERS: [&str; 9] = [
    "start_us",
    "received_us",
    "clock_suspect",
    "sent",
    "received",
    "loss_ppm",
    "rtt_median_us",
    "rtt_min_us",
    "rtt_max_us",
];
/// `id`, `document`, `measured`, and `rtts_us`, which is no longer written.
const OTHERS: usize = 4;

/// The row that all are copies of.
#[derive(Debug)]
pub(super) struct Template {
    id: String,
    pub(super) texts: [Option<String>; TEXTS.len()],
    pub(super) numbers: [Option<i64>; NUMBERS.len()],
    pub(super) measured: Option<Vec<u8>>,
    document: String,
}

/// One row: what differs from the template.
#[derive(Debug)]
pub(super) struct Copy {
    pub(super) id: ResultId,
    pub(super) document: String,
}

/// A batch as it is uploaded.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) gzip: Vec<u8>,
    pub(super) records: usize,
}

impl Template {
    /// Takes a ping that the repository has stored.
    pub(super) async fn read(database: &Path) -> Result<Self> {
        let row = sqlx::query("SELECT * FROM results WHERE status = 'ok' LIMIT 1")
            .fetch_optional(&mut open(database).await?)
            .await?
            .context("no measurement was stored")?;
        ensure!(
            row.len() == TEXTS.len() + NUMBERS.len() + OTHERS,
            "results have {} columns: the lists here must name them all",
            row.len()
        );
        Self::of(&row)
    }

    fn of(row: &SqliteRow) -> Result<Self> {
        let id: [u8; 16] = row.try_get::<Vec<u8>, _>("id")?.as_slice().try_into()?;
        let mut template = Self {
            id: ResultId::from_bytes(id).to_string(),
            texts: Default::default(),
            numbers: [None; NUMBERS.len()],
            measured: row.try_get("measured")?,
            document: row.try_get("document")?,
        };
        for (text, name) in template.texts.iter_mut().zip(TEXTS) {
            *text = row.try_get(name)?;
        }
        for (number, name) in template.numbers.iter_mut().zip(NUMBERS) {
            *number = row.try_get(name)?;
        }
        ensure!(
            template.document.matches(&template.id).count() == 1,
            "the record names its id once"
        );
        Ok(template)
    }

    /// Length of a record as it is uploaded.
    pub(super) fn document_bytes(&self) -> usize {
        self.document.len()
    }
}

/// A source of copies; no id comes twice.
#[derive(Debug)]
pub(super) struct Rows {
    template: Template,
    now: Timestamp,
    random: fastrand::Rng,
}

impl Rows {
    /// Copies with ids as agents make them, a millisecond apart from `now` on.
    pub(super) fn new(template: Template, now: Timestamp) -> Self {
        Self {
            template,
            now,
            random: fastrand::Rng::with_seed(2),
        }
    }

    pub(super) fn template(&self) -> &Template {
        &self.template
    }

    /// The next rows.
    pub(super) fn batch(&mut self, records: usize) -> Vec<Copy> {
        (0..records)
            .map(|_| {
                self.now = self.now.plus_micros(MILLISECOND);
                let mut random = [0; 10];
                self.random.fill(&mut random);
                let id = ResultId::from_parts(self.now, random);
                let document = &self.template.document;
                let document = document.replacen(&self.template.id, &id.to_string(), 1);
                Copy { id, document }
            })
            .collect()
    }

    /// The next batches as they are uploaded.
    pub(super) fn bodies(&mut self, batches: usize, records: usize) -> Result<Vec<Body>> {
        (0..batches)
            .map(|_| {
                let documents: Vec<String> = self
                    .batch(records)
                    .into_iter()
                    .map(|copy| copy.document)
                    .collect();
                let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
                write!(
                    gzip,
                    r#"{{"schema":2,"records":[{}]}}"#,
                    documents.join(",")
                )?;
                Ok(Body {
                    gzip: gzip.finish()?,
                    records,
                })
            })
            .collect()
    }
}

/// Rows of results in a database.
pub(super) async fn count(database: &Path) -> Result<usize> {
    count_in(&mut open(database).await?).await
}

pub(super) async fn count_in(connection: &mut SqliteConnection) -> Result<usize> {
    let row = sqlx::query("SELECT count(*) FROM results")
        .fetch_one(connection)
        .await?;
    Ok(usize::try_from(row.try_get::<i64, _>(0)?)?)
}

async fn open(database: &Path) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .read_only(true);
    options
        .connect()
        .await
        .with_context(|| database.display().to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn copies_differ_in_their_id_alone() {
        let start = Timestamp::parse("2026-01-01T00:00:00Z").unwrap();
        let id = ResultId::from_parts(start, [7; 10]).to_string();
        let document = format!(r#"{{"id":"{id}","status":"ok"}}"#);
        let template = Template {
            id: id.clone(),
            texts: Default::default(),
            numbers: [None; NUMBERS.len()],
            measured: None,
            document: document.clone(),
        };
        let mut rows = Rows::new(template, start);
        let mut copies = rows.batch(100);
        copies.extend(rows.batch(100));
        let ids: HashSet<_> = copies.iter().map(|copy| copy.id.to_string()).collect();
        assert_eq!(ids.len(), 200);
        for copy in copies {
            assert_eq!(copy.document.replace(&copy.id.to_string(), &id), document);
        }
    }
}
