//! The store on SQLite: WAL, `synchronous=FULL`, one writer, a read pool beside it.

mod agent;
mod changes;
mod datastore;
mod edit;
mod fault;
mod instruction;
mod result;
#[cfg(test)]
mod tests;
mod token;
mod withheld;
mod writer;

use crate::{
    Addition, Admit, AdmitLoads, Agent, Certificate, Datastore, Edit, Enrolled, Enrolment, Error,
    Filter, Grant, Health, Ingest, Intention, Job, Judge, Known, Labels, NewInstruction, NewJob,
    NewReport, NewResult, NewToken, Pending, PingRow, ResultRow, Rows, Settled, Store,
    StoredInstruction, TokenFault, TokenHash, Visible, Withheld, Withholding,
};
use changes::Changes;
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlSafeStr, SqlitePool};
use std::path::Path;
use std::time::Duration;
use writer::Writer;

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

/// The store on one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    writer: Writer,
    readers: SqlitePool,
    changes: Changes,
    judge: Judge,
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

fn migrations() -> Migrator {
    let steps = [
        (
            "repository",
            include_str!("../migrations/sqlite/0001_repository.sql"),
        ),
        (
            "withheld",
            include_str!("../migrations/sqlite/0002_withheld.sql"),
        ),
        (
            "restconf",
            include_str!("../migrations/sqlite/0003_restconf.sql"),
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

impl Store for Sqlite {
    fn add_token(&self, token: NewToken) -> Pending<'_, ()> {
        self.writer
            .write(move |c| Box::pin(async move { token::add(c, &token).await }))
    }

    fn token(&self, hash: TokenHash, now: Timestamp) -> Pending<'_, Result<Grant, TokenFault>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            token::look(&mut reader, hash, now).await
        })
    }

    fn enrol(&self, enrolment: Enrolment) -> Pending<'_, Result<Enrolled, TokenFault>> {
        let judge = self.judge.clone();
        self.writer
            .write(move |c| Box::pin(async move { token::enrol(c, &enrolment, &judge).await }))
    }

    fn renew(&self, agent: AgentId, certificate: Certificate) -> Pending<'_, bool> {
        self.writer
            .write(move |c| Box::pin(async move { agent::renew(c, &agent, &certificate).await }))
    }

    fn agent(&self, id: &AgentId) -> Pending<'_, Option<Agent>> {
        let id = id.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            agent::by_id(&mut reader, &id).await
        })
    }

    fn agents(&self) -> Pending<'_, Vec<Agent>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            agent::all(&mut reader).await
        })
    }

    fn revoke(&self, id: AgentId, at: Timestamp) -> Pending<'_, Option<Agent>> {
        let judge = self.judge.clone();
        Box::pin(async move {
            let revoked = self
                .writer
                .write(move |c| Box::pin(async move { agent::revoke(c, &id, at, &judge).await }))
                .await;
            self.changes.look();
            revoked
        })
    }

    fn seen(&self, id: &AgentId, at: Timestamp) {
        let id = id.clone();
        drop(
            self.writer
                .hand_over(move |c| Box::pin(async move { agent::seen(c, &id, at).await })),
        );
    }

    fn announce(&self, id: AgentId, document: String, at: Timestamp) -> Pending<'_, ()> {
        self.writer
            .write(move |c| Box::pin(async move { agent::announce(c, &id, &document, at).await }))
    }

    fn capabilities(&self, id: &AgentId) -> Pending<'_, Option<(String, Timestamp)>> {
        let id = id.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            agent::capabilities(&mut reader, &id).await
        })
    }

    fn add_instructions(&self, new: Vec<NewInstruction>, admit: Admit) -> Pending<'_, Addition> {
        Box::pin(async move {
            let addition = self
                .writer
                .write(move |c| Box::pin(async move { instruction::add(c, &new, admit).await }))
                .await;
            self.changes.look();
            addition
        })
    }

    fn cancel_instruction(&self, id: InstructionId, at: Timestamp) -> Pending<'_, bool> {
        let judge = self.judge.clone();
        Box::pin(async move {
            let cancelled = self
                .writer
                .write(move |c| {
                    Box::pin(async move { instruction::cancel(c, &id, at, &judge).await })
                })
                .await;
            self.changes.look();
            cancelled
        })
    }

    fn release_withheld(&self, at: Timestamp) -> Pending<'_, u64> {
        let judge = self.judge.clone();
        Box::pin(async move {
            // Nothing is written, and no writer waited for, where nothing is withheld.
            let mut reader = self.readers.acquire().await?;
            if !withheld::any(&mut reader).await? {
                return Ok(0);
            }
            drop(reader);
            let released = self
                .writer
                .write(move |c| {
                    Box::pin(async move {
                        let released = withheld::release(c, &judge, at).await?;
                        if released > 0 {
                            changes::count_up(c).await?;
                        }
                        Ok(released)
                    })
                })
                .await;
            self.changes.look();
            released
        })
    }

    fn withheld_from(&self, agent: &AgentId) -> Pending<'_, Vec<Withheld>> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            withheld::from(&mut reader, &agent).await
        })
    }

    fn instruction(&self, id: &InstructionId) -> Pending<'_, Option<StoredInstruction>> {
        let id = id.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            instruction::by_id(&mut reader, &id).await
        })
    }

    fn instructions(&self, with_cancelled: bool) -> Pending<'_, Vec<StoredInstruction>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            let since = if with_cancelled { i64::MIN } else { i64::MAX };
            instruction::since(&mut reader, since).await
        })
    }

    fn visible_to(&self, agent: &AgentId) -> Pending<'_, Visible> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            // Read before the set: a change in between wakes the waiter once too often, never too seldom.
            let revision = changes::revision(&mut reader).await?;
            let documents = instruction::visible_to(&mut reader, &agent).await?;
            Ok(Visible {
                revision,
                documents,
            })
        })
    }

    fn changed(&self, revision: i64) -> Pending<'_, i64> {
        Box::pin(self.changes.after(revision))
    }

    fn ingest(
        &self,
        agent: AgentId,
        results: Vec<NewResult>,
        received: Timestamp,
    ) -> Pending<'_, Vec<Ingest>> {
        self.writer.write(move |c| {
            Box::pin(async move { result::ingest(c, &agent, &results, received).await })
        })
    }

    fn datastores(&self) -> Pending<'_, Vec<Datastore>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            datastore::all(&mut reader).await
        })
    }

    fn datastore(&self, agent: &AgentId) -> Pending<'_, Option<(Datastore, Option<String>)>> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            datastore::of(&mut reader, &agent).await
        })
    }

    fn know(&self, agent: AgentId, known: Known) -> Pending<'_, ()> {
        self.writer
            .write(move |c| Box::pin(async move { datastore::know(c, &agent, &known).await }))
    }

    fn intend(
        &self,
        intentions: Vec<Intention>,
        at: Timestamp,
        admit: AdmitLoads,
    ) -> Pending<'_, Vec<Result<(), Withholding>>> {
        self.writer.write(move |c| {
            Box::pin(async move { datastore::intend(c, &intentions, at, admit).await })
        })
    }

    fn count_loads(&self, agent: AgentId, loads: Vec<String>, at: Timestamp) -> Pending<'_, ()> {
        self.writer
            .write(move |c| Box::pin(async move { datastore::count(c, &agent, &loads, at).await }))
    }

    fn pending(&self, agent: &AgentId) -> Pending<'_, Vec<Edit>> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            edit::pending(&mut reader, &agent).await
        })
    }

    fn awaited(&self) -> Pending<'_, Vec<AgentId>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            edit::awaited(&mut reader).await
        })
    }

    fn attempt(&self, edit: i64) -> Pending<'_, ()> {
        self.writer
            .write(move |c| Box::pin(async move { edit::attempt(c, edit).await }))
    }

    fn settle(&self, settled: Settled) -> Pending<'_, ()> {
        self.writer
            .write(move |c| Box::pin(async move { edit::settle(c, &settled).await }))
    }

    fn add_job(&self, job: NewJob) -> Pending<'_, u32> {
        self.writer
            .write(move |c| Box::pin(async move { edit::add_job(c, &job).await }))
    }

    fn jobs(&self) -> Pending<'_, Vec<Job>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            edit::jobs(&mut reader).await
        })
    }

    fn retry_job(&self, job: u32, agents: Vec<AgentId>, at: Timestamp) -> Pending<'_, Option<u64>> {
        self.writer
            .write(move |c| Box::pin(async move { edit::retry(c, job, &agents, at).await }))
    }

    fn cancel_job(
        &self,
        job: u32,
        agents: Vec<AgentId>,
        at: Timestamp,
    ) -> Pending<'_, Option<u64>> {
        self.writer
            .write(move |c| Box::pin(async move { edit::cancel(c, job, &agents, at).await }))
    }

    fn label(&self, agent: AgentId, labels: Labels) -> Pending<'_, bool> {
        self.writer
            .write(move |c| Box::pin(async move { agent::label(c, &agent, &labels).await }))
    }

    fn announcements(&self) -> Pending<'_, Vec<(AgentId, String)>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            agent::announcements(&mut reader).await
        })
    }

    fn add_report(
        &self,
        agent: AgentId,
        report: NewReport,
        results: Vec<NewResult>,
        received: Timestamp,
    ) -> Pending<'_, Vec<Ingest>> {
        self.writer.write(move |c| {
            Box::pin(async move { result::report(c, &agent, &report, &results, received).await })
        })
    }

    fn count_reports(&self, agent: &AgentId) -> Pending<'_, u64> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            result::count_reports(&mut reader, &agent).await
        })
    }

    fn results(&self, filter: Filter) -> Rows<ResultRow> {
        result::rows(self.readers.clone(), filter)
    }

    fn pings(&self, from: Timestamp, to: Timestamp) -> Rows<PingRow> {
        result::pings(self.readers.clone(), from, to)
    }

    fn count_results(&self, agent: Option<&AgentId>) -> Pending<'_, u64> {
        let agent = agent.cloned();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            result::count(&mut reader, agent.as_ref()).await
        })
    }

    fn health(&self) -> Pending<'_, Health> {
        Box::pin(async move {
            let read = sqlx::query("SELECT value FROM meta WHERE name = 'revision'")
                .fetch_one(&self.readers)
                .await;
            Ok(Health {
                readable: read.is_ok(),
                writer_alive: self.writer.is_alive(),
                queued: self.writer.queued(),
            })
        })
    }

    fn close(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            self.changes.close().await;
            self.readers.close().await;
            self.writer.close().await;
            Ok(())
        })
    }
}
