//! The connections that stand, by agent.

use axum::http::{HeaderValue, Request, Response};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use http_body_util::Full;
use hyper::body::Bytes;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

/// Requests that wait for one agent's connection; more are refused.
const QUEUE: usize = 32;
/// Agents whose trees are read and written at once.
const CONTACTS: usize = 64;
/// Connections of one agent on which nothing was answered yet.
const GREETED: usize = 3;
/// How often the pause after contacts that failed is doubled.
const DOUBLED: u32 = 5;
const LONGEST: Duration = Duration::from_mins(10);

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
    /// The entity tag of the configuration that was read on this connection and stored; `None` when it may be another by now.
    pub(crate) read: Arc<Mutex<Option<HeaderValue>>>,
    /// Between two readings of the agent.
    pub(crate) pause: Duration,
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

    /// The tag of what was read on this connection, as far as it is what is stored.
    pub(crate) fn remembered(&self) -> Option<HeaderValue> {
        let read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.clone()
    }

    /// Notes the tag of what is stored, or that nothing is known of it.
    pub(crate) fn remember(&self, tag: Option<HeaderValue>) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = tag;
    }
}

/// When an agent was, and may be, read and written.
#[derive(Debug, Default)]
struct Contact {
    /// There is somebody who does.
    busy: bool,
    /// Something was written for it since that one has begun.
    again: bool,
    /// Not before this.
    next: Option<Timestamp>,
    failed: u32,
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
    contacts: Mutex<HashMap<AgentId, Contact>>,
    greeted: Mutex<HashMap<AgentId, usize>>,
    /// Told when something waits for agents that may be connected.
    pub(crate) written: Notify,
    /// Places for agents whose trees are read and written at once.
    pub(crate) places: Semaphore,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            numbers: AtomicU64::new(0),
            turns: Mutex::default(),
            contacts: Mutex::default(),
            greeted: Mutex::default(),
            written: Notify::new(),
            places: Semaphore::new(CONTACTS),
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

    /// How long an agent is left alone that has called anew.
    pub(crate) fn pause(&self, agent: &AgentId, now: Timestamp) -> Duration {
        let contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        let next = contacts.get(agent).and_then(|contact| contact.next);
        let left = next.map_or(0, |next| next.since(now));
        // A clock that was set back does not keep anybody waiting.
        Duration::from_micros(u64::try_from(left).unwrap_or(0)).min(LONGEST)
    }

    /// Whoever reads and writes an agent begins by this: nobody else does till the end, and whoever comes meanwhile leaves word.
    /// `None` when there is somebody already, or it is too early.
    pub(crate) fn begin_contact(&self, agent: &AgentId, now: Timestamp) -> Option<Busy<'_>> {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        // What says nothing any more is forgotten, now and then.
        if contacts.len() > 64 && contacts.len().is_power_of_two() {
            contacts.retain(|_, own| own.busy || own.next.is_some_and(|next| next > now));
        }
        let contact = contacts.entry(agent.clone()).or_default();
        if contact.busy {
            contact.again = true;
            return None;
        }
        if contact.failed > 0 && contact.next.is_some_and(|next| next > now) {
            return None;
        }
        contact.busy = true;
        contact.again = false;
        Some(Busy {
            connections: self,
            agent: agent.clone(),
        })
    }

    /// Leaves word for whoever reads and writes an agent, if somebody does.
    pub(crate) fn is_busy(&self, agent: &AgentId) -> bool {
        let mut contacts = self.contacts.lock().unwrap_or_else(PoisonError::into_inner);
        match contacts.get_mut(agent) {
            Some(contact) if contact.busy => {
                contact.again = true;
                true
            }
            _ => false,
        }
    }

    /// Takes note of a connection on which the agent has answered nothing yet; `None` when there are too many of it.
    pub(super) fn greet(&self, agent: &AgentId) -> Option<Greeted<'_>> {
        let mut greeted = self.greeted.lock().unwrap_or_else(PoisonError::into_inner);
        let count = greeted.entry(agent.clone()).or_default();
        if *count >= GREETED {
            return None;
        }
        *count += 1;
        Some(Greeted {
            connections: self,
            agent: agent.clone(),
        })
    }

    /// Takes a connection in; an older one of the agent is told to go.
    pub(super) fn enter(
        &self,
        agent: &AgentId,
        since: Timestamp,
        address: SocketAddr,
        root: &str,
        pause: Duration,
    ) -> (Place<'_>, Link, mpsc::Receiver<Ask>) {
        let (queue, asked) = mpsc::channel(QUEUE);
        let link = Link {
            since,
            address,
            root: root.into(),
            read: Arc::default(),
            pause,
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

/// Somebody reads and writes an agent; dropped, nobody does.
#[derive(Debug)]
pub(crate) struct Busy<'a> {
    connections: &'a Connections,
    agent: AgentId,
}

impl Busy<'_> {
    /// Whether something was written for the agent since this was asked last.
    pub(crate) fn again(&self) -> bool {
        self.with(|contact| std::mem::take(&mut contact.again))
    }

    /// Notes that the agent was read and written, or that it failed to answer: then it is left alone for ever longer.
    pub(crate) fn note(&self, well: bool, pause: Duration, now: Timestamp) {
        let pause = i64::try_from(pause.as_micros()).unwrap_or(i64::MAX);
        self.with(|contact| {
            contact.failed = if well {
                0
            } else {
                (contact.failed + 1).min(DOUBLED)
            };
            contact.next = Some(now.plus_micros(pause.saturating_mul(1 << contact.failed)));
        });
    }

    fn with<T>(&self, change: impl FnOnce(&mut Contact) -> T) -> T {
        let contacts = &self.connections.contacts;
        let mut contacts = contacts.lock().unwrap_or_else(PoisonError::into_inner);
        change(contacts.entry(self.agent.clone()).or_default())
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let again = self.with(|contact| {
            contact.busy = false;
            std::mem::take(&mut contact.again)
        });
        // Word was left between the last look and this.
        if again {
            self.connections.written.notify_one();
        }
    }
}

/// A connection on which nothing was answered yet.
#[derive(Debug)]
pub(super) struct Greeted<'a> {
    connections: &'a Connections,
    agent: AgentId,
}

impl Drop for Greeted<'_> {
    fn drop(&mut self) {
        let greeted = &self.connections.greeted;
        let mut greeted = greeted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = greeted.get_mut(&self.agent) {
            *count -= 1;
            if *count == 0 {
                greeted.remove(&self.agent);
            }
        }
    }
}
