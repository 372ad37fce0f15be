//! The store on SQLite: WAL, `synchronous=FULL`, one writer, a read pool beside it.

mod agent;
mod alto;
mod changes;
mod datastore;
mod edit;
mod fault;
mod forgotten;
mod instruction;
mod job;
mod load;
mod measurement;
mod open;
mod report;
mod result;
#[cfg(test)]
mod tests;
mod token;
mod withheld;
mod writer;

use crate::{
    Addition, Admit, AdmitLoads, Agent, Certificate, Datastore, Edit, Enrolled, Enrolment, Filter,
    ForeignLoad, Grant, Health, Identity, Ingest, Intention, Job, Judge, Known, Labels,
    NewInstruction, NewJob, NewReport, NewResult, NewToken, NoRoom, Pending, Remains, ResultRow,
    Retried, Rows, Settled, Store, StoredInstruction, TokenFault, TokenHash, Visible, Withheld,
    Withholding,
};
use changes::Changes;
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
pub use open::Options;
use sqlx::SqlitePool;
use writer::Writer;

/// The store on one SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    writer: Writer,
    readers: SqlitePool,
    changes: Changes,
    judge: Judge,
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

    fn forget(&self, id: AgentId, wish: String, at: Timestamp) -> Pending<'_, bool> {
        let judge = self.judge.clone();
        Box::pin(async move {
            let forgotten = self
                .writer
                .write(move |c| {
                    Box::pin(async move { forgotten::forget(c, &id, &wish, at, &judge).await })
                })
                .await;
            self.changes.look();
            forgotten
        })
    }

    fn delete_forgotten(&self) -> Pending<'_, u64> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            if !forgotten::any_left(&mut reader).await? {
                return Ok(0);
            }
            drop(reader);
            let write = self
                .writer
                .write(move |c| Box::pin(async move { forgotten::delete_some(c).await }));
            write.await
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
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            if datastore::is_known(&mut reader, &agent, &known).await? {
                return Ok(());
            }
            drop(reader);
            let write = self
                .writer
                .write(move |c| Box::pin(async move { datastore::know(c, &agent, &known).await }));
            write.await
        })
    }

    fn intend(
        &self,
        intentions: Vec<Intention>,
        at: Timestamp,
        admit: AdmitLoads,
    ) -> Pending<'_, Vec<Result<(), Withholding>>> {
        self.writer
            .write(move |c| Box::pin(async move { load::intend(c, &intentions, at, admit).await }))
    }

    fn count_loads(
        &self,
        agent: AgentId,
        told: Vec<String>,
        at: Timestamp,
        remains: Remains,
    ) -> Pending<'_, Vec<String>> {
        self.writer.write(move |c| {
            Box::pin(async move { load::count(c, &agent, &told, at, remains).await })
        })
    }

    fn end_loads(
        &self,
        agent: AgentId,
        documents: Vec<String>,
        at: Timestamp,
        remains: Option<Remains>,
    ) -> Pending<'_, ()> {
        self.writer.write(move |c| {
            Box::pin(async move { load::take_back(c, &agent, &documents, at, remains).await })
        })
    }

    fn put_foreign(&self, agent: AgentId, loads: Vec<ForeignLoad>) -> Pending<'_, bool> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            if load::foreign_of(&mut reader, &agent).await? == loads {
                return Ok(false);
            }
            drop(reader);
            let write = self.writer.write(move |c| {
                Box::pin(async move { load::put_foreign(c, &agent, &loads).await })
            });
            write.await.map(|()| true)
        })
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

    fn add_job(&self, job: NewJob) -> Pending<'_, Result<u32, NoRoom>> {
        self.writer
            .write(move |c| Box::pin(async move { job::add(c, &job).await }))
    }

    fn jobs(&self) -> Pending<'_, Vec<Job>> {
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            job::all(&mut reader).await
        })
    }

    fn retry_job(
        &self,
        job: u32,
        operator: String,
        agents: Vec<AgentId>,
        at: Timestamp,
    ) -> Pending<'_, Option<Retried>> {
        self.writer.write(move |c| {
            Box::pin(async move { job::retry(c, job, &operator, &agents, at).await })
        })
    }

    fn cancel_job(
        &self,
        job: u32,
        agents: Vec<AgentId>,
        at: Timestamp,
    ) -> Pending<'_, Option<u64>> {
        self.writer
            .write(move |c| Box::pin(async move { job::cancel(c, job, &agents, at).await }))
    }

    fn label(&self, labels: Vec<(AgentId, Labels)>) -> Pending<'_, bool> {
        self.writer
            .write(move |c| Box::pin(async move { agent::label(c, &labels).await }))
    }

    fn identity(&self, agent: &AgentId) -> Pending<'_, Identity> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            datastore::identity(&mut reader, &agent).await
        })
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
            Box::pin(async move { report::add(c, &agent, &report, &results, received).await })
        })
    }

    fn count_reports(&self, agent: &AgentId) -> Pending<'_, u64> {
        let agent = agent.clone();
        Box::pin(async move {
            let mut reader = self.readers.acquire().await?;
            report::count(&mut reader, &agent).await
        })
    }

    fn forget_reports(&self, before: Timestamp) -> Pending<'_, u64> {
        self.writer
            .write(move |c| Box::pin(async move { report::forget(c, before).await }))
    }

    fn results(&self, filter: Filter) -> Rows<ResultRow> {
        result::rows(self.readers.clone(), filter)
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
