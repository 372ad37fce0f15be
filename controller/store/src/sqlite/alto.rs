//! The publisher's ledgers and what was published.

use super::{Sqlite, agent, instruction, measurement};
use crate::{AltoPublic, AltoStore, Error, Labels, MeasuredRow, Pending, Rows};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use sqlx::{Row, SqliteConnection};

impl AltoStore for Sqlite {
    fn measurements(&self, from: Timestamp, to: Timestamp) -> Rows<MeasuredRow> {
        measurement::rows(self.readers.clone(), from, to)
    }

    fn found(&self, agent: AgentId, labels: Labels) -> Pending<'_, bool> {
        self.writer
            .write(move |c| Box::pin(async move { agent::found(c, &agent, &labels).await }))
    }

    fn alto_ledger(&self, name: &str) -> Pending<'_, Option<(u64, Vec<u8>)>> {
        let name = name.to_owned();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            ledger(&mut reader, &name).await
        })
    }

    fn alto_publish(
        &self,
        name: String,
        expected: u64,
        ledger: Vec<u8>,
        publics: Vec<AltoPublic>,
    ) -> Pending<'_, bool> {
        self.writer.write(move |c| {
            Box::pin(async move { publish(c, &name, expected, &ledger, &publics).await })
        })
    }

    fn alto_publics(
        &self,
        name: &str,
        span: Option<&str>,
        after: Timestamp,
    ) -> Pending<'_, Vec<AltoPublic>> {
        let (name, span) = (name.to_owned(), span.map(str::to_owned));
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            publics(&mut reader, &name, span.as_deref(), after).await
        })
    }

    fn alto_prune(&self, name: String, span: String, until: Timestamp) -> Pending<'_, u64> {
        self.writer
            .write(move |c| Box::pin(async move { prune(c, &name, &span, until).await }))
    }
}

async fn ledger(
    connection: &mut SqliteConnection,
    name: &str,
) -> Result<Option<(u64, Vec<u8>)>, Error> {
    let row = sqlx::query("SELECT revision, ledger FROM alto_ledgers WHERE name = $1")
        .bind(name)
        .fetch_optional(connection)
        .await?;
    row.map(|row| Ok((instruction::unsigned(&row, 0)?, row.try_get(1)?)))
        .transpose()
}

async fn publish(
    connection: &mut SqliteConnection,
    name: &str,
    expected: u64,
    ledger: &[u8],
    publics: &[AltoPublic],
) -> Result<bool, Error> {
    let Ok(revision) = i64::try_from(expected) else {
        return Ok(false);
    };
    let written = if revision == 0 {
        sqlx::query(
            "INSERT INTO alto_ledgers (name, revision, ledger) VALUES ($1, $2 + 1, $3) \
             ON CONFLICT (name) DO NOTHING",
        )
    } else {
        sqlx::query(
            "UPDATE alto_ledgers SET revision = revision + 1, ledger = $3 \
             WHERE name = $1 AND revision = $2",
        )
    };
    let written = written
        .bind(name)
        .bind(revision)
        .bind(ledger)
        .execute(&mut *connection)
        .await?;
    if written.rows_affected() == 0 {
        return Ok(false);
    }
    for public in publics {
        let version =
            i64::try_from(public.version).map_err(|error| Error::row("version", &error))?;
        sqlx::query(
            "INSERT INTO alto_publics (name, span, start_us, end_us, version, document) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (name, span, start_us, end_us) \
             DO UPDATE SET version = excluded.version, document = excluded.document",
        )
        .bind(name)
        .bind(&public.span)
        .bind(public.start_us)
        .bind(public.end_us)
        .bind(version)
        .bind(&public.document)
        .execute(&mut *connection)
        .await?;
    }
    Ok(true)
}

async fn publics(
    connection: &mut SqliteConnection,
    name: &str,
    span: Option<&str>,
    after: Timestamp,
) -> Result<Vec<AltoPublic>, Error> {
    let rows = sqlx::query(
        "SELECT span, start_us, end_us, version, document FROM alto_publics \
         WHERE name = $1 AND ($2 IS NULL OR span = $2) AND end_us > $3 \
         ORDER BY span, start_us, end_us",
    )
    .bind(name)
    .bind(span)
    .bind(after.as_micros())
    .fetch_all(connection)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(AltoPublic {
                span: row.try_get(0)?,
                start_us: row.try_get(1)?,
                end_us: row.try_get(2)?,
                version: instruction::unsigned(&row, 3)?,
                document: row.try_get(4)?,
            })
        })
        .collect()
}

async fn prune(
    connection: &mut SqliteConnection,
    name: &str,
    span: &str,
    until: Timestamp,
) -> Result<u64, Error> {
    let done =
        sqlx::query("DELETE FROM alto_publics WHERE name = $1 AND span = $2 AND end_us <= $3")
            .bind(name)
            .bind(span)
            .bind(until.as_micros())
            .execute(connection)
            .await?;
    Ok(done.rows_affected())
}
