//! What every database must do, the same way.

use crate::{
    Admit, Agent, Certificate, Enrolled, Enrolment, Error, Filter, Grant, Ingest, NewInstruction,
    NewResult, NewToken, PingRow, ResultRow, StoredInstruction, TokenFault, TokenHash, Visible,
    Withheld,
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
pub trait Store: Send + Sync + 'static {
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

    /// Results in the order they were stored.
    fn results(&self, filter: Filter) -> Rows<ResultRow>;

    /// Pings with status `ok` that started in `[from, to)`, in no order.
    fn pings(&self, from: Timestamp, to: Timestamp) -> Rows<PingRow>;

    /// How many results there are of an agent, or of all.
    fn count_results(&self, agent: Option<&AgentId>) -> Pending<'_, u64>;

    /// How the store fares.
    fn health(&self) -> Pending<'_, Health>;

    /// Finishes what was handed over, and closes. Later calls answer [`Error::Closed`].
    fn close(&self) -> Pending<'_, ()>;
}
