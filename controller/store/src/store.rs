//! What every database must do, the same way.

use crate::{
    Admit, AdmitLoads, Agent, AltoStore, Certificate, Datastore, Edit, Enrolled, Enrolment, Error,
    Filter, ForeignLoad, Grant, Identity, Ingest, Intention, Job, Known, Labels, NewInstruction,
    NewJob, NewReport, NewResult, NewToken, NoRoom, Remains, ResultRow, Retried, Settled,
    StoredInstruction, TokenFault, TokenHash, Visible, Withheld, Withholding,
};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::time::Timestamp;
use std::future::Future;
use std::pin::Pin;
use tokio::sync::mpsc;

/// A call under way. Dropping it does not undo a write that was handed over.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// What became of an addition of instructions: all of them are stored, or none.
#[derive(Debug)]
pub enum Addition {
    /// Stored; how many agents each reaches now.
    Added(Vec<u64>),
    /// An instruction of this id was there before.
    Exists(InstructionId),
    /// An agent of the audience is not enrolled, or was revoked.
    UnknownAgent(AgentId),
    /// Not admitted, in the judge's own words.
    Refused(Box<dyn std::error::Error + Send + Sync>),
}

/// How the store fares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Health {
    /// Whether a read answers.
    pub readable: bool,
    /// Whether the writer lives.
    pub writer_alive: bool,
    /// Jobs that wait for the writer.
    pub queued: usize,
}

/// Rows that come one by one, in constant memory; dropping it ends the query.
#[derive(Debug)]
pub struct Rows<T> {
    pub(crate) receiver: mpsc::Receiver<Result<T, Error>>,
}

impl<T> Rows<T> {
    /// The next row; `None` after the last.
    ///
    /// # Errors
    /// Once, when reading fails; no row follows.
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        self.receiver.recv().await.transpose()
    }

    /// The same for a thread that may block; it must not be one that runs the runtime's tasks.
    ///
    /// # Errors
    /// Once, when reading fails; no row follows.
    pub fn next_blocking(&mut self) -> Result<Option<T>, Error> {
        self.receiver.blocking_recv().transpose()
    }
}

/// The repository's database.
pub trait Store: AltoStore + Send + Sync + 'static {
    /// Stores a one-time token.
    fn add_token(&self, token: NewToken) -> Pending<'_, ()>;

    /// Looks at a token without using it up.
    fn token(&self, hash: TokenHash, now: Timestamp) -> Pending<'_, Result<Grant, TokenFault>>;

    /// Uses up a token and writes its agent, in one step: of two who try at once, one succeeds.
    /// In the same step the store's [`crate::Judge`] decides which of the instructions in force that
    /// cover a new agent it is told of; the others are withheld.
    fn enrol(&self, enrolment: Enrolment) -> Pending<'_, Result<Enrolled, TokenFault>>;

    /// Notes the new certificate of an agent; false when the agent is not known or revoked.
    fn renew(&self, agent: AgentId, certificate: Certificate) -> Pending<'_, bool>;

    /// An agent by its id.
    fn agent(&self, id: &AgentId) -> Pending<'_, Option<Agent>>;

    /// All agents by id, revoked ones too.
    fn agents(&self) -> Pending<'_, Vec<Agent>>;

    /// Shuts an agent out; `None` when there is no such agent. The first time counts. What is
    /// withheld from others is judged again in the same step.
    fn revoke(&self, id: AgentId, at: Timestamp) -> Pending<'_, Option<Agent>>;

    /// Shuts an agent out for good and deletes what is known of it but its id, because its household wants that; `wish`
    /// is the signed document, kept as the reason. Its results and reports are deleted by [`Store::delete_forgotten`].
    /// False when there is no such agent, or when it is forgotten already.
    fn forget(&self, id: AgentId, wish: String, at: Timestamp) -> Pending<'_, bool>;

    /// Deletes some results and reports of agents that are forgotten, for good; gives how many, none when all are gone.
    fn delete_forgotten(&self) -> Pending<'_, u64>;

    /// Notes that an agent was heard of. Not awaited, and dropped when the writer is busy.
    fn seen(&self, id: &AgentId, at: Timestamp);

    /// Stores what an agent announced, in place of what it announced before.
    fn announce(&self, id: AgentId, document: String, at: Timestamp) -> Pending<'_, ()>;

    /// What an agent announced, and when.
    fn capabilities(&self, id: &AgentId) -> Pending<'_, Option<(String, Timestamp)>>;

    /// Stores instructions if `admit` lets them; all or none.
    fn add_instructions(&self, new: Vec<NewInstruction>, admit: Admit) -> Pending<'_, Addition>;

    /// Takes an instruction back; false when there is none of this id in force. What is withheld of
    /// others is judged again in the same step, what waits longest first.
    fn cancel_instruction(&self, id: InstructionId, at: Timestamp) -> Pending<'_, bool>;

    /// Judges what is withheld again, since time makes room too; gives how much of it agents are
    /// told from now on.
    fn release_withheld(&self, at: Timestamp) -> Pending<'_, u64>;

    /// Instructions in force that cover an agent and that it is not told of, what waits longest first.
    fn withheld_from(&self, agent: &AgentId) -> Pending<'_, Vec<Withheld>>;

    /// An instruction by its id, in force or not.
    fn instruction(&self, id: &InstructionId) -> Pending<'_, Option<StoredInstruction>>;

    /// All instructions, oldest first; those taken back too if wanted.
    fn instructions(&self, with_cancelled: bool) -> Pending<'_, Vec<StoredInstruction>>;

    /// What an agent is told.
    fn visible_to(&self, agent: &AgentId) -> Pending<'_, Visible>;

    /// Waits until something that agents are told may have changed after `revision`, by whatever
    /// process, and gives the revision then.
    fn changed(&self, revision: i64) -> Pending<'_, i64>;

    /// Stores the results of one agent; the answers are in their order. Either all that are not
    /// [`Ingest::Foreign`] are durable when this succeeds, or none is stored.
    fn ingest(
        &self,
        agent: AgentId,
        results: Vec<NewResult>,
        received: Timestamp,
    ) -> Pending<'_, Vec<Ingest>>;

    /// What the datastores of agents are known to be, without their trees.
    fn datastores(&self) -> Pending<'_, Vec<Datastore>>;

    /// The same of one agent, with its tree and when that was read.
    fn datastore(&self, agent: &AgentId) -> Pending<'_, Option<(Datastore, Option<String>)>>;

    /// Notes what an agent's datastore was found to be. This is fact: nobody judges it.
    fn know(&self, agent: AgentId, known: Known) -> Pending<'_, ()>;

    /// Notes what agents are to be, as far as `admit` lets each: it counts from then on what they
    /// will send, and keeps edits for them. The answers are in order: refused ones leave nothing behind.
    fn intend(
        &self,
        intentions: Vec<Intention>,
        at: Timestamp,
        admit: AdmitLoads,
    ) -> Pending<'_, Vec<Result<(), Withholding>>>;

    /// Ends for an agent what it no longer sends, as it tells. Gives what it sends though nobody has let it pass: that is
    /// not counted by this.
    fn count_loads(
        &self,
        agent: AgentId,
        told: Vec<String>,
        at: Timestamp,
        remains: Remains,
    ) -> Pending<'_, Vec<String>>;

    /// Ends these loads of an agent, as far as they are counted: it has them no more, or, without `remains`, never had them.
    fn end_loads(
        &self,
        agent: AgentId,
        documents: Vec<String>,
        at: Timestamp,
        remains: Option<Remains>,
    ) -> Pending<'_, ()>;

    /// Counts for an agent what it sends though nobody has let it pass, each target once and in their order; whether that
    /// is something else than before.
    fn put_foreign(&self, agent: AgentId, loads: Vec<ForeignLoad>) -> Pending<'_, bool>;

    /// What waits for an agent, in order.
    fn pending(&self, agent: &AgentId) -> Pending<'_, Vec<Edit>>;

    /// Agents that something waits for.
    fn awaited(&self) -> Pending<'_, Vec<AgentId>>;

    /// Notes that an agent is asked for an edit.
    fn attempt(&self, edit: i64) -> Pending<'_, ()>;

    /// Notes what became of an edit, which no longer waits.
    fn settle(&self, settled: Settled) -> Pending<'_, ()>;

    /// Stores an edit of many agents, for each of which it waits, as far as there is room; gives its number. The oldest
    /// jobs that have ended are forgotten where there are too many.
    fn add_job(&self, job: NewJob) -> Pending<'_, Result<u32, NoRoom>>;

    /// All jobs, oldest first.
    fn jobs(&self) -> Pending<'_, Vec<Job>>;

    /// Lets a job's edit wait again for those of these agents (all, when none is named) that refused it, or were not
    /// asked, as this operator's; `None` when there is no such job. Agents that have taken a newer edit are left alone.
    fn retry_job(
        &self,
        job: u32,
        operator: String,
        agents: Vec<AgentId>,
        at: Timestamp,
    ) -> Pending<'_, Option<Retried>>;

    /// Takes a job's edit back where it still waits for these agents (all, when none is named); gives how many,
    /// `None` when there is no such job.
    fn cancel_job(&self, job: u32, agents: Vec<AgentId>, at: Timestamp)
    -> Pending<'_, Option<u64>>;

    /// Exchanges the labels of agents, of all or of none; false when one is no agent.
    fn label(&self, labels: Vec<(AgentId, Labels)>) -> Pending<'_, bool>;

    /// As whom an agent's own configuration has it report.
    fn identity(&self, agent: &AgentId) -> Pending<'_, Identity>;

    /// What all agents announced, by agent.
    fn announcements(&self) -> Pending<'_, Vec<(AgentId, String)>>;

    /// Stores a report as it came with what was read in it, in one step; the answers are for the results. A report
    /// without a result that is new is not stored.
    fn add_report(
        &self,
        agent: AgentId,
        report: NewReport,
        results: Vec<NewResult>,
        received: Timestamp,
    ) -> Pending<'_, Vec<Ingest>>;

    /// How many reports of an agent are stored as they came.
    fn count_reports(&self, agent: &AgentId) -> Pending<'_, u64>;

    /// Forgets some of the reports, oldest first, that were received before; gives how many, none when all are gone.
    /// What was read in them stays.
    fn forget_reports(&self, before: Timestamp) -> Pending<'_, u64>;

    /// Results in the order they were stored.
    fn results(&self, filter: Filter) -> Rows<ResultRow>;

    /// How many results there are of an agent, or of all.
    fn count_results(&self, agent: Option<&AgentId>) -> Pending<'_, u64>;

    /// How the store fares.
    fn health(&self) -> Pending<'_, Health>;

    /// Finishes what was handed over, and closes. Later calls answer [`Error::Closed`].
    fn close(&self) -> Pending<'_, ()>;
}
