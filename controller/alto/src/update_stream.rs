//! Update streams (RFC 8895): which event a client gets next.
//!
//! ```text
//! Publication ─▶ Turn ─▶ Turn ─▶ …      one for each moment something new is published; computes patches once for all
//!                  │
//!  POST ─▶ Stream ─┴─ next ─▶ Event ─▶ EventText ─▶ lines      one event at a time, made when the client can take it
//!  control ─┘
//! ```
//! A stream keeps no document and no queue. It knows which version of each substream its client has, and compares it with
//! what is published when it is asked for the next event: a client that reads slowly skips what came in between.

mod event;
mod request;
#[cfg(test)]
mod tests;
mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use crate::query::Asking;
use crate::{Fault, Limits, Refusal, ResourceId, Tag, media};

pub use event::{COMMENT, Event, EventText};
pub use turn::Turn;

use request::{Addition, Request};

/// Bounds of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Most substreams at a time.
    pub substreams: usize,
    /// Most substreams over the life of the stream: their ids are remembered (RFC 8895 §7.6).
    pub ids: usize,
    /// Longest answer to the question of a substream.
    pub answer_bytes: usize,
    /// Bounds on the work for one question.
    pub questions: Limits,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            substreams: 64,
            ids: 1_024,
            answer_bytes: 512 << 10,
            questions: Limits::default(),
        }
    }
}

/// Why a stream is not opened, or a request to its control has no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamRefusal {
    /// The request is wrong: 400.
    Fault(Fault),
    /// The question of a substream is too much work, or its answer too long: 413.
    TooMany,
    /// More substreams than one stream may have: 503.
    Crowded,
    /// The stream has ended: 404.
    Closed,
}

impl From<Fault> for StreamRefusal {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for StreamRefusal {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fault(fault) => Self::Fault(fault),
            Refusal::TooMany => Self::TooMany,
        }
    }
}

/// What became of a request to a stream's control.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was so before: 204.
    Already,
    /// The stream will confirm it: 202.
    Soon,
}

/// What a stream has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// An event.
    Event(Event),
    /// Nothing until the next turn or the next request to its control.
    Idle,
    /// Nothing any more.
    End,
}

/// One client's stream.
#[derive(Debug)]
pub struct Stream {
    peer: Option<IpAddr>,
    notices: VecDeque<Notice>,
    /// Those a resource depends on stand before it.
    substreams: Vec<Substream>,
    used: BTreeSet<String>,
    /// The turn that was looked at last.
    seen: Option<u64>,
}

#[derive(Debug)]
struct Substream {
    id: String,
    resource: ResourceId,
    input: Option<Box<[u8]>>,
    incremental: bool,
    /// How many resources stand in line before it, each depending on the next.
    rank: usize,
    held: Held,
    /// Whether the turn has not been looked at yet.
    due: bool,
}

/// What the client has.
#[derive(Debug)]
enum Held {
    /// It does not say.
    Unknown,
    /// A version with this tag, as it says.
    Tagged(String),
    /// What was sent, by its hash.
    Sent(Arc<Tag>),
}

/// An event about the stream itself (RFC 8895 §5.3).
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Notice {
    #[serde(skip_serializing_if = "Option::is_none")]
    control_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'static str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    started: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    stopped: Vec<String>,
}

impl Notice {
    fn event(&self) -> Event {
        Event {
            name: media::UPDATE_STREAM_CONTROL.to_owned(),
            data: crate::publication::canonical(self).into(),
        }
    }
}

const WITHDRAWN: &str = "the resource is no longer published";
const NO_ANSWER: &str = "the resource no longer answers this input";

impl Stream {
    /// Opens a stream (RFC 8895 §6.5) whose control is at `control_uri`. `peer` stands for an empty list of endpoints in
    /// its questions.
    ///
    /// # Errors
    /// [`StreamRefusal`], never `Closed`: there is no stream then.
    pub fn open(
        body: &[u8],
        control_uri: &str,
        peer: Option<IpAddr>,
        turn: &Turn,
        limits: &StreamLimits,
    ) -> Result<Self, StreamRefusal> {
        let request = Request::parse(body, limits.substreams)?;
        if request.add.is_empty() {
            return Err(Fault::missing(request::ADD).into());
        }
        let mut stream = Self {
            peer,
            notices: VecDeque::from([Notice {
                control_uri: Some(control_uri.to_owned()),
                ..Notice::default()
            }]),
            substreams: Vec::new(),
            used: BTreeSet::new(),
            seen: None,
        };
        let added = stream.checked(request.add, turn, limits)?;
        stream.add(added);
        Ok(stream)
    }

    /// Applies a request to the stream's control (RFC 8895 §7.5), or nothing of it.
    ///
    /// # Errors
    /// [`StreamRefusal`].
    pub fn control(
        &mut self,
        body: &[u8],
        turn: &Turn,
        limits: &StreamLimits,
    ) -> Result<Applied, StreamRefusal> {
        let request = Request::parse(body, limits.substreams)?;
        let Some(removed) = self.removed(&request)? else {
            return Err(Fault::missing(request::ADD).into());
        };
        let added = self.checked(request.add, turn, limits)?;
        if self.substreams.is_empty() {
            return Err(StreamRefusal::Closed);
        }
        if added.is_empty() && removed.is_empty() {
            return Ok(Applied::Already);
        }
        if self.substreams.len() + added.len() > limits.substreams
            || self.used.len() + added.len() > limits.ids
        {
            return Err(StreamRefusal::Crowded);
        }
        if !added.is_empty() {
            self.notices.push_back(Notice {
                started: added.iter().map(|added| added.id.clone()).collect(),
                ..Notice::default()
            });
            self.add(added);
        }
        if !removed.is_empty() {
            self.substreams.retain(|live| !removed.contains(&live.id));
            self.notices.push_back(Notice {
                stopped: removed,
                ..Notice::default()
            });
        }
        Ok(Applied::Soon)
    }

    /// Whether the next event may need an answer to a question, which is work of its own.
    pub fn asks(&self, turn: &Turn) -> bool {
        self.substreams
            .iter()
            .any(|s| s.input.is_some() && (s.due || self.seen != Some(turn.number())))
    }

    /// The next event, given what is published.
    pub fn next(&mut self, turn: &Turn, limits: &StreamLimits) -> Next {
        if self.seen != Some(turn.number()) {
            self.seen = Some(turn.number());
            self.substreams.iter_mut().for_each(|s| s.due = true);
            let withdrawn = |s: &Substream| turn.nature(&s.resource).is_none();
            self.stop(withdrawn, WITHDRAWN);
        }
        loop {
            if let Some(notice) = self.notices.pop_front() {
                return Next::Event(notice.event());
            }
            if self.substreams.is_empty() {
                return Next::End;
            }
            let Some(due) = self.substreams.iter_mut().find(|s| s.due) else {
                return Next::Idle;
            };
            due.due = false;
            let asking = Asking {
                peer: self.peer,
                limits: &limits.questions,
            };
            match due.event(turn, &asking, limits) {
                Ok(Some(event)) => return Next::Event(event),
                Ok(None) => {}
                Err(_) => {
                    let id = due.id.clone();
                    self.stop(|s| s.id == id, NO_ANSWER);
                }
            }
        }
    }

    /// Ends substreams without having been asked to.
    fn stop(&mut self, which: impl Fn(&Substream) -> bool, why: &'static str) {
        let all = std::mem::take(&mut self.substreams);
        let (gone, live): (Vec<_>, Vec<_>) = all.into_iter().partition(which);
        self.substreams = live;
        let stopped: Vec<String> = gone.into_iter().map(|s| s.id).collect();
        if !stopped.is_empty() {
            self.notices.push_back(Notice {
                description: Some(why),
                stopped,
                ..Notice::default()
            });
        }
    }

    /// The live substreams that a request removes; `None` if it neither adds nor removes.
    fn removed(&self, request: &Request<'_>) -> Result<Option<Vec<String>>, Fault> {
        let Some(remove) = &request.remove else {
            return Ok((!request.add.is_empty()).then(Vec::new));
        };
        let live = self.substreams.iter().map(|s| &s.id);
        if remove.is_empty() {
            return if request.add.is_empty() {
                Ok(Some(live.cloned().collect()))
            } else {
                Err(Fault::text(request::REMOVE, "[]"))
            };
        }
        if let Some(stranger) = remove.iter().find(|id| !self.used.contains(*id)) {
            return Err(Fault::text(request::REMOVE, stranger));
        }
        Ok(Some(
            live.filter(|id| remove.contains(*id)).cloned().collect(),
        ))
    }

    fn checked(
        &self,
        additions: Vec<Addition<'_>>,
        turn: &Turn,
        limits: &StreamLimits,
    ) -> Result<Vec<Substream>, StreamRefusal> {
        if let Some(again) = additions.iter().find(|a| self.used.contains(&a.id)) {
            return Err(Fault::text(request::ADD, &again.id).into());
        }
        let asking = Asking {
            peer: self.peer,
            limits: &limits.questions,
        };
        additions
            .into_iter()
            .map(|addition| Substream::new(addition, turn, &asking, limits))
            .collect()
    }

    fn add(&mut self, added: Vec<Substream>) {
        self.used.extend(added.iter().map(|s| s.id.clone()));
        self.substreams.extend(added);
        self.substreams.sort_by_key(|s| s.rank);
    }
}

impl Substream {
    fn new(
        addition: Addition<'_>,
        turn: &Turn,
        asking: &Asking<'_>,
        limits: &StreamLimits,
    ) -> Result<Self, StreamRefusal> {
        let stranger = || {
            let field = format!("{}/{}/{}", request::ADD, addition.id, request::RESOURCE_ID);
            Fault::text(&field, &*addition.resource)
        };
        let resource = ResourceId::new(&addition.resource).map_err(|_| stranger())?;
        let nature = turn.nature(&resource).ok_or_else(stranger)?;
        let input = nature
            .asked
            .then(|| addition.input.unwrap_or_default().as_bytes());
        if input.is_some() {
            // A question that the resource refuses opens no stream, and the refusal is the resource's own.
            let version = turn.version(&resource, input, asking)?;
            if version.rendered.body.len() > limits.answer_bytes {
                return Err(StreamRefusal::TooMany);
            }
        }
        Ok(Self {
            rank: turn.rank(&resource),
            id: addition.id,
            resource,
            input: input.map(Box::from),
            incremental: addition.incremental,
            held: addition.tag.map_or(Held::Unknown, Held::Tagged),
            due: true,
        })
    }

    /// The event that brings the client to what is published; none if it has that already.
    fn event(
        &mut self,
        turn: &Turn,
        asking: &Asking<'_>,
        limits: &StreamLimits,
    ) -> Result<Option<Event>, Refusal> {
        let input = self.input.as_deref();
        let current = turn.version(&self.resource, input, asking)?;
        let rendered = &current.rendered;
        if input.is_some() && rendered.body.len() > limits.answer_bytes {
            return Err(Refusal::TooMany);
        }
        let incremental = self.incremental && rendered.patchable;
        let patch = match &self.held {
            Held::Sent(hash) if hash == current.hash() => return Ok(None),
            Held::Sent(hash) if incremental => {
                turn.patch(&self.resource, input, asking, hash, &current)
            }
            Held::Tagged(tag) if *tag == rendered.tag.as_str() => {
                if current.is_told_by_tag() {
                    self.held = Held::Sent(Arc::clone(current.hash()));
                    return Ok(None);
                }
                // The data are the client's; what is said about them may be older.
                current.meta().filter(|_| incremental)
            }
            _ => None,
        };
        self.held = Held::Sent(Arc::clone(current.hash()));
        let (media_type, data) = match patch {
            Some(patch) => (media::MERGE_PATCH, patch),
            None => (rendered.media_type, Arc::clone(&rendered.body)),
        };
        Ok(Some(Event {
            name: format!("{media_type},{}", self.id),
            data,
        }))
    }
}
