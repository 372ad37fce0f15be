//! Update streams at the edge: who has one open, and who writes it.
//!
//! ```text
//! Shared::published ─▶ Turn (once for all) ─▶ each stream's writer ─▶ one piece ─▶ connection
//! control URI ─▶ Slot ────────────────────────▶ │
//! ```
//! A writer makes an event when the piece before it was taken. A client that takes none for a while holds one piece and what
//! its connection buffers; what changes meanwhile it gets as one full replacement.

mod writer;

#[cfg(test)]
pub(super) mod sample;
#[cfg(test)]
mod tests;

use super::Published;
use super::clients::Client;
use crate::app::Shared;
use crate::caller::{Share, Shares};
use axum::body::Body;
use glimpse_alto::{
    Applied, Limits, Publication, Refusal, Stream, StreamLimits, StreamRefusal, Turn,
};
use ring::rand::{SecureRandom, SystemRandom};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OnceCell, OwnedSemaphorePermit, Semaphore};
use writer::Writer;

/// What of a control's path follows that of the stream; the reference in the first event is relative to the latter.
pub(super) const CONTROL: &str = "/control/";
/// KiB of answers to substreams' own questions that may be under way at once; documents are not copied.
const ANSWERS_KIB: usize = 64 << 10;

/// Names a stream for as long as it lives: 128 random bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key([u8; 16]);

impl Key {
    fn random() -> Option<Self> {
        let mut bits = [0; 16];
        SystemRandom::new().fill(&mut bits).ok()?;
        Some(Self(bits))
    }

    /// The key in the last segment of a control's path.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let is_lower = |c: char| matches!(c, '0'..='9' | 'a'..='f');
        if text.len() != 32 || !text.chars().all(is_lower) {
            return None;
        }
        u128::from_str_radix(text, 16)
            .ok()
            .map(|bits| Self(bits.to_be_bytes()))
    }

    fn text(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}

/// All update streams of a controller.
#[derive(Debug)]
pub(crate) struct Streams {
    limits: StreamLimits,
    /// Most streams of one client.
    each_client: usize,
    places: Arc<Semaphore>,
    clients: Shares<IpAddr>,
    /// Questions of substreams that are worked on at once; requests have the processors too.
    questions: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    open: HashMap<Key, Arc<Slot>>,
    current: Option<Arc<Current>>,
    /// Of the last turn: streams tell turns apart by it.
    number: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("open", &self.open.len())
            .finish_non_exhaustive()
    }
}

/// A turn and the publication it is of.
struct Current {
    publication: Arc<Publication>,
    turn: Arc<Turn>,
    prepared: OnceCell<()>,
}

/// A stream, between its writer and its control.
struct Slot {
    stream: Mutex<Stream>,
    /// Rung after each request to the control.
    rung: Notify,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Stream> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a stream has taken of the whole; gives it back at the end.
struct Place {
    streams: Arc<Streams>,
    key: Key,
    _share: Share<IpAddr>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        state.open.remove(&self.key);
        if state.open.is_empty() {
            // Nobody needs the publication before this one.
            state.current = None;
        }
    }
}

impl Streams {
    pub(crate) fn new(limits: &crate::config::AltoLimits) -> Arc<Self> {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Arc::new(Self {
            limits: StreamLimits {
                questions: Limits {
                    body_bytes: limits.body_bytes,
                    endpoints: limits.pairs,
                    pairs: limits.pairs,
                },
                ..StreamLimits::default()
            },
            each_client: limits.client_streams,
            places: Arc::new(Semaphore::new(limits.streams.min(Semaphore::MAX_PERMITS))),
            clients: Shares::default(),
            questions: Arc::new(Semaphore::new(processors)),
            answers: Arc::new(Semaphore::new(ANSWERS_KIB)),
            state: Mutex::default(),
        })
    }

    /// How many streams are open.
    #[cfg(test)]
    pub(crate) fn count(&self) -> usize {
        self.state().open.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a stream by a request at `path`, and gives the body that its events are written to.
    ///
    /// # Errors
    /// [`StreamRefusal`], never `Closed`.
    pub(super) async fn open(
        self: &Arc<Self>,
        shared: &Arc<Shared>,
        published: &Published,
        client: &Client,
        path: &str,
        body: Vec<u8>,
    ) -> Result<Body, StreamRefusal> {
        let crowded = || StreamRefusal::Crowded;
        let share = self
            .clients
            .enter(&client.network, self.each_client)
            .ok_or_else(crowded)?;
        let permit = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| crowded())?;
        let key = Key::random().ok_or_else(crowded)?;
        let own = path.rsplit('/').next().unwrap_or_default();
        let uri = format!("{own}{CONTROL}{}", key.text());
        // Seen before the publication is read: no change is missed.
        let changes = shared.published.subscribe();
        let turn = self.turn(&published.publication).await;
        let (address, limits) = (client.address, self.limits);
        let opening = self.ask(move || Stream::open(&body, &uri, address, &turn, &limits));
        let stream = opening.await.ok_or_else(crowded)??;
        let slot = Arc::new(Slot {
            stream: Mutex::new(stream),
            rung: Notify::new(),
        });
        self.state().open.insert(key, Arc::clone(&slot));
        let place = Place {
            streams: Arc::clone(self),
            key,
            _share: share,
            _permit: permit,
        };
        Ok(Writer::start(Arc::clone(shared), slot, place, changes))
    }

    /// Applies a request to the control with this key.
    ///
    /// # Errors
    /// [`StreamRefusal`].
    pub(super) async fn control(
        &self,
        published: &Published,
        key: Key,
        body: Vec<u8>,
    ) -> Result<Applied, StreamRefusal> {
        let slot = self.slot(key).ok_or(StreamRefusal::Closed)?;
        let turn = self.turn(&published.publication).await;
        let limits = self.limits;
        let rung = Arc::clone(&slot);
        let applying = self.ask(move || slot.lock().control(&body, &turn, &limits));
        let applied = applying.await.ok_or(StreamRefusal::Crowded)?;
        rung.rung.notify_one();
        applied
    }

    /// Whether there is such a stream.
    pub(super) fn knows(&self, key: Key) -> bool {
        self.slot(key).is_some()
    }

    fn slot(&self, key: Key) -> Option<Arc<Slot>> {
        self.state().open.get(&key).cloned()
    }

    /// The turn of a publication; whoever comes first with a new one computes its patches, the others wait.
    async fn turn(&self, publication: &Arc<Publication>) -> Arc<Turn> {
        let (current, follows) = self.state().current(publication);
        if follows {
            let turn = Arc::clone(&current.turn);
            let prepare = || async move {
                // Without preparation the first stream computes what it needs.
                let _ = tokio::task::spawn_blocking(move || turn.prepare_followed()).await;
            };
            current.prepared.get_or_init(prepare).await;
        }
        Arc::clone(&current.turn)
    }

    /// Does work that may take a while; `None` if it broke off.
    async fn ask<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let permit = Arc::clone(&self.questions).acquire_owned().await.ok()?;
        let work = move || {
            let done = work();
            drop(permit);
            done
        };
        tokio::task::spawn_blocking(work).await.ok()
    }

    /// Room for an answer that is one stream's own, held until it is written.
    async fn room(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let kib = u32::try_from(bytes.div_ceil(1024).min(ANSWERS_KIB)).unwrap_or(u32::MAX);
        Arc::clone(&self.answers).acquire_many_owned(kib).await.ok()
    }
}

impl State {
    /// The turn of a publication, and whether somebody may have seen the one before it.
    fn current(&mut self, publication: &Arc<Publication>) -> (Arc<Current>, bool) {
        if let Some(current) = &self.current
            && Arc::ptr_eq(&current.publication, publication)
        {
            return (Arc::clone(current), !self.open.is_empty());
        }
        self.number += 1;
        let turn = match &self.current {
            Some(before) if !self.open.is_empty() => {
                before.turn.then(Arc::clone(publication), self.number)
            }
            _ => Turn::first(Arc::clone(publication), self.number),
        };
        let current = Arc::new(Current {
            publication: Arc::clone(publication),
            turn: Arc::new(turn),
            prepared: OnceCell::new(),
        });
        self.current = Some(Arc::clone(&current));
        (current, !self.open.is_empty())
    }
}

/// The refusal of a resource, where a stream's is one.
pub(super) fn of_a_resource(refusal: &StreamRefusal) -> Option<Refusal> {
    match refusal {
        StreamRefusal::Fault(fault) => Some(Refusal::Fault(fault.clone())),
        StreamRefusal::TooMany => Some(Refusal::TooMany),
        StreamRefusal::Crowded | StreamRefusal::Closed => None,
    }
}
