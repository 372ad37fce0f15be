//! The connections that stand, by agent.

use axum::http::{Request, Response};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use http_body_util::Full;
use hyper::body::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

/// Requests that wait for one agent's connection; more are refused.
const QUEUE: usize = 32;
/// Agents whose trees are read and written at once.
const CONTACTS: usize = 64;

/// Why a request has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// There is no connection of the agent, or it ended before the request was sent.
    #[error("the agent is not connected")]
    NotConnected,
    /// Too many requests wait for the agent.
    #[error("too many requests wait for the agent")]
    Crowded,
    /// The connection ended, or the answer took too long, after the request was sent: it may have been carried out.
    #[error("the agent did not answer: whether it has carried the request out is not known")]
    NoAnswer,
    /// The answer is longer than is taken.
    #[error("the agent's answer is too long")]
    TooLong,
}

/// A request on its way to an agent.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) request: Request<Full<Bytes>>,
    pub(super) answer: oneshot::Sender<Result<Response<Bytes>, Lost>>,
}

/// A connection of an agent, for those who ask it.
#[derive(Debug, Clone)]
pub struct Link {
    /// When it was made.
    pub since: Timestamp,
    /// Where it comes from.
    pub address: SocketAddr,
    /// The path of the agent's API resource (RFC 8040 §3.1), such as `/restconf`.
    pub root: Arc<str>,
    queue: mpsc::Sender<Ask>,
}

impl Link {
    /// Sends a request, after those that wait already, and gives the whole answer.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn ask(&self, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Lost> {
        let (answer, answered) = oneshot::channel();
        self.queue
            .try_send(Ask { request, answer })
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Lost::Crowded,
                mpsc::error::TrySendError::Closed(_) => Lost::NotConnected,
            })?;
        // Dropped with the queue when the connection ends before its turn.
        answered.await.unwrap_or(Err(Lost::NotConnected))
    }
}

#[derive(Debug)]
struct Entry {
    number: u64,
    link: Link,
    replaced: Arc<Notify>,
}

/// All connections that stand.
#[derive(Debug)]
pub struct Connections {
    entries: Mutex<HashMap<AgentId, Entry>>,
    numbers: AtomicU64,
    turns: Mutex<HashMap<AgentId, Weak<tokio::sync::Mutex<()>>>>,
    /// Told when something waits for agents that may be connected.
    pub(crate) written: Notify,
    /// Places for agents whose trees are read and written at once.
    pub(crate) contacts: Semaphore,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            numbers: AtomicU64::new(0),
            turns: Mutex::default(),
            written: Notify::new(),
            contacts: Semaphore::new(CONTACTS),
        }
    }
}

/// A connection's place: given back when it ends.
#[derive(Debug)]
pub(super) struct Place<'a> {
    connections: &'a Connections,
    agent: AgentId,
    number: u64,
    replaced: Arc<Notify>,
}

impl Connections {
    /// The connection of an agent.
    pub fn link(&self, agent: &AgentId) -> Option<Link> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.get(agent).map(|entry| entry.link.clone())
    }

    /// How many stand.
    pub fn count(&self) -> usize {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    /// Whoever reads an agent's configuration to write it holds this: two edits of one agent never cross.
    pub(crate) fn turn(&self, agent: &AgentId) -> Arc<tokio::sync::Mutex<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(agent).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(tokio::sync::Mutex::new(()));
        turns.insert(agent.clone(), Arc::downgrade(&turn));
        turn
    }

    /// Takes a connection in; an older one of the agent is told to go.
    pub(super) fn enter(
        &self,
        agent: &AgentId,
        since: Timestamp,
        address: SocketAddr,
        root: &str,
    ) -> (Place<'_>, Link, mpsc::Receiver<Ask>) {
        let (queue, asked) = mpsc::channel(QUEUE);
        let link = Link {
            since,
            address,
            root: root.into(),
            queue,
        };
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let replaced = Arc::new(Notify::new());
        let entry = Entry {
            number,
            link: link.clone(),
            replaced: Arc::clone(&replaced),
        };
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(older) = entries.insert(agent.clone(), entry) {
            older.replaced.notify_one();
        }
        drop(entries);
        let place = Place {
            connections: self,
            agent: agent.clone(),
            number,
            replaced,
        };
        (place, link, asked)
    }
}

impl Place<'_> {
    /// Returns when a newer connection of the agent has come.
    pub(super) async fn replaced(&self) {
        self.replaced.notified().await;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let entries = &self.connections.entries;
        let mut entries = entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries
            .get(&self.agent)
            .is_some_and(|entry| entry.number == self.number)
        {
            entries.remove(&self.agent);
        }
    }
}
