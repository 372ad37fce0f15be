//! Opening the database: its file, its pragmas, its migrations.

use super::Sqlite;
use super::changes::Changes;
use super::writer::Writer;
use crate::{Error, Judge};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr};
use std::path::Path;
use std::time::Duration;

/// Pages are of SQLite's usual size.
const PAGE_BYTES: u64 = 4096;

/// How long a read waits for a free connection.
const READER_TIMEOUT: Duration = Duration::from_secs(5);

/// How the database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a lock of another process is waited for.
    pub busy_timeout: Duration,
    /// Jobs that may wait for the writer before callers hear [`Error::Busy`].
    pub queue: usize,
    /// Connections that read.
    pub readers: u32,
    /// Upper bound of the database file in bytes; above it callers hear [`Error::Full`].
    pub max_bytes: Option<u64>,
    /// Decides what agents are told of that was there before them. The default lets nothing pass.
    pub judge: Judge,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            busy_timeout: Duration::from_secs(5),
            queue: 256,
            readers: 4,
            max_bytes: None,
            judge: Judge::default(),
        }
    }
}

impl Sqlite {
    /// Makes the file and its tables where they are missing, brings older tables up to date, opens.
    /// Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`Error`] when the file cannot be used.
    pub async fn create(path: &Path, options: &Options) -> Result<Self, Error> {
        Self::connect(path, options, true).await
    }

    /// The same, for a file that must be there.
    ///
    /// # Errors
    /// [`Error`] when the file is missing or cannot be used.
    pub async fn open(path: &Path, options: &Options) -> Result<Self, Error> {
        Self::connect(path, options, false).await
    }

    async fn connect(path: &Path, options: &Options, create: bool) -> Result<Self, Error> {
        let common = SqliteConnectOptions::new()
            .filename(path)
            .foreign_keys(true)
            .busy_timeout(options.busy_timeout)
            .disable_statement_logging();
        let mut for_writer = common
            .clone()
            .create_if_missing(create)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        if let Some(bytes) = options.max_bytes {
            let pages = (bytes / PAGE_BYTES).max(1);
            for_writer = for_writer.pragma("max_page_count", pages.to_string());
        }
        let mut connection = for_writer.connect().await?;
        migrations()
            .run_direct(None, &mut connection, false)
            .await?;
        let for_readers = common.read_only(true);
        let readers = SqlitePoolOptions::new()
            .max_connections(options.readers)
            .acquire_timeout(READER_TIMEOUT)
            .connect_with(for_readers.clone())
            .await?;
        let watcher = for_readers.connect().await?;
        Ok(Self {
            writer: Writer::start(connection, options.queue),
            readers,
            changes: Changes::start(watcher),
            judge: options.judge.clone(),
        })
    }
}

pub(super) fn migrations() -> Migrator {
    let steps = [
        (
            "repository",
            include_str!("../../migrations/sqlite/0001_repository.sql"),
        ),
        (
            "withheld",
            include_str!("../../migrations/sqlite/0002_withheld.sql"),
        ),
        (
            "restconf",
            include_str!("../../migrations/sqlite/0003_restconf.sql"),
        ),
        (
            "forgotten",
            include_str!("../../migrations/sqlite/0004_forgotten.sql"),
        ),
        (
            "alto",
            include_str!("../../migrations/sqlite/0005_alto.sql"),
        ),
    ];
    let migrations = (1..).zip(steps).map(|(version, (name, sql))| {
        Migration::new(
            version,
            name.into(),
            MigrationType::Simple,
            sql.into_sql_str(),
            false,
        )
    });
    Migrator::with_migrations(migrations.collect())
}
