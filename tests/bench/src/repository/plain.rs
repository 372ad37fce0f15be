//! What the machine can do: the same rows into the same table by nothing but SQLite.
//!
//! The quickest of the plain ways: one connection, one statement of many rows per batch, which is one transaction.

use super::rows::{Copy, NUMBERS, TEXTS, Template, count_in};
use anyhow::Result;
use glimpse_store::{Options, Sqlite, Store};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, QueryBuilder, SqliteConnection};
use std::path::Path;

/// A database of its own.
#[derive(Debug)]
pub(super) struct Plain {
    connection: SqliteConnection,
}

impl Plain {
    /// Makes the tables and indices of the repository, and nothing of its program.
    pub(super) async fn open(path: &Path) -> Result<Self> {
        let store = Sqlite::create(path, &Options::default()).await?;
        store.close().await?;
        let connection = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        Ok(Self { connection })
    }

    /// Inserts a batch; it is durable when this returns.
    pub(super) async fn insert(&mut self, template: &Template, batch: &[Copy]) -> Result<()> {
        let columns = [&TEXTS[..], &NUMBERS[..]].concat().join(", ");
        let mut query = QueryBuilder::new(format!(
            "INSERT INTO results ({columns}, measured, id, document) "
        ));
        query.push_values(batch, |mut row, copy| {
            for text in &template.texts {
                row.push_bind(text.as_deref());
            }
            for number in template.numbers {
                row.push_bind(number);
            }
            row.push_bind(template.measured.as_deref())
                .push_bind(copy.id.as_bytes().as_slice())
                .push_bind(copy.document.as_str());
        });
        query.build().execute(&mut self.connection).await?;
        Ok(())
    }

    /// Rows so far.
    pub(super) async fn count(&mut self) -> Result<usize> {
        count_in(&mut self.connection).await
    }
}
