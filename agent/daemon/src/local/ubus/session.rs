//! What passes over one connection to the bus, once it has greeted: what to send, and what has happened. No I/O.
//!
//! ```text
//!  start ─▶ ADD_OBJECT glimpse      ─▶ calls of its methods, notifications to whoever listens
//!        └▶ ADD_OBJECT (nameless)   ─▶ register events
//!  call  ─▶ LOOKUP path ─▶ INVOKE   ─▶ the answer to whoever called
//! ```

#[cfg(test)]
mod tests;

use super::blob::{Writer, to_json};
use super::message::{Attributes, EVENTS, Message, Method, Status, Verb};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tokio::sync::oneshot;

/// Most requests under way at a time.
const UNDER_WAY: usize = 64;

/// Why a call of somebody else's method has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// There is no bus, or it went away meanwhile.
    #[error("there is no system bus")]
    NoBus,
    /// The object is not there, or refuses.
    #[error("the system bus answers: {0}")]
    Refused(Status),
    /// What was answered cannot be read.
    #[error("the answer on the system bus cannot be read")]
    Garbled,
    /// No answer came in time.
    #[error("no answer came on the system bus in time")]
    TooSlow,
}

/// A call of somebody else's method.
#[derive(Debug)]
pub struct Call {
    /// Path of the object.
    pub path: String,
    /// Name of the method.
    pub method: String,
    /// Its arguments.
    pub arguments: Map<String, Value>,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Value, CallError>>,
}

/// A call of a method of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    /// Name of the method.
    pub method: String,
    /// Its arguments, as they came.
    pub data: Vec<u8>,
    /// The user who calls, as the bus says.
    pub user: Option<String>,
    seq: u16,
    peer: u32,
    object: u32,
}

impl Called {
    /// The messages that answer it: the data, if there are any, and how it ended.
    pub fn answered(&self, data: Option<Vec<u8>>, status: Status) -> Vec<Message> {
        let data = data.map(|data| Message::data(self.seq, self.peer, self.object, data));
        let end = Message::status(self.seq, self.peer, Some(self.object), status);
        data.into_iter().chain([end]).collect()
    }
}

/// What a message of the bus means to others than the session.
#[derive(Debug, Clone, PartialEq)]
pub enum Happened {
    /// Our object is on the bus.
    Offered,
    /// The bus does not take our object.
    Declined(Status),
    /// A method of ours is called.
    Called(Called),
    /// An event that we listen for.
    Event {
        /// Its name.
        name: String,
        /// What is told.
        data: Value,
    },
}

/// What a request is for.
#[derive(Debug)]
enum Waiting {
    Object,
    Listener,
    Register,
    Lookup(Call),
    Answer(oneshot::Sender<Result<Value, CallError>>, Option<Vec<u8>>),
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    path: &'static str,
    methods: Vec<Method>,
    events: &'static [&'static str],
    seq: u16,
    waiting: BTreeMap<u16, Waiting>,
    object: Option<u32>,
    listener: Option<u32>,
    /// The bus takes our word that we listen; `Some(false)`: it was refused.
    listening: Option<bool>,
    /// Somebody wants our notifications.
    heard: bool,
}

impl Session {
    /// A session that offers `methods` at `path` and listens for `events`.
    pub fn new(path: &'static str, methods: Vec<Method>, events: &'static [&'static str]) -> Self {
        Self {
            path,
            methods,
            events,
            seq: 0,
            waiting: BTreeMap::new(),
            object: None,
            listener: None,
            listening: None,
            heard: false,
        }
    }

    /// What is sent first, and again as long as the bus declines: whoever keeps its access list may have changed it.
    pub fn start(&mut self) -> Vec<Message> {
        let mut send = Vec::new();
        if self.object.is_none() {
            let seq = self.request(Waiting::Object);
            send.extend(seq.map(|seq| Message::add_object(seq, Some(self.path), &self.methods)));
        }
        if self.listener.is_none() {
            let seq = self.request(Waiting::Listener);
            send.extend(seq.map(|seq| Message::add_object(seq, None, &[])));
        } else if self.listening == Some(false) {
            send.extend(self.register());
        }
        send
    }

    /// Calls somebody else's method; what comes of it goes to `call.reply`.
    pub fn call(&mut self, call: Call) -> Option<Message> {
        if self.waiting.len() >= UNDER_WAY {
            self.waiting.retain(|_, waiting| match waiting {
                Waiting::Lookup(call) => !call.reply.is_closed(),
                Waiting::Answer(reply, _) => !reply.is_closed(),
                _ => true,
            });
        }
        let path = call.path.clone();
        let seq = self.request(Waiting::Lookup(call))?;
        Some(Message::lookup(seq, &path))
    }

    /// Tells whoever listens; `None` when nobody does.
    pub fn notify(&mut self, name: &str, data: &Value) -> Option<Message> {
        let object = self.object.filter(|_| self.heard)?;
        let mut writer = Writer::default();
        writer.members(data.as_object()?);
        let seq = self.seq();
        Some(Message::notify(seq, object, name, writer.into_bytes()))
    }

    /// Takes a message of the bus: what is to be sent, and what has happened.
    pub fn take(&mut self, message: Message) -> (Vec<Message>, Option<Happened>) {
        match message.verb {
            Verb::Data => (self.data(message), None),
            Verb::Status => self.ended(&message),
            Verb::Invoke => self.invoked(message),
            Verb::Notify => {
                let Attributes { object, active, .. } = message.attributes;
                if object.is_some() && object == self.object {
                    self.heard = active.unwrap_or(self.heard);
                }
                (Vec::new(), None)
            }
            // Whatever else a bus may say does not concern us.
            _ => (Vec::new(), None),
        }
    }

    fn data(&mut self, message: Message) -> Vec<Message> {
        let seq = message.seq;
        let id = message.attributes.object;
        let mut send = Vec::new();
        match self.waiting.remove(&seq) {
            Some(Waiting::Object) => {
                self.object = id;
                self.waiting.insert(seq, Waiting::Object);
            }
            Some(Waiting::Listener) => {
                self.listener = id;
                self.waiting.insert(seq, Waiting::Listener);
            }
            Some(Waiting::Lookup(call)) => send.extend(id.and_then(|id| self.invoke(call, id))),
            Some(Waiting::Answer(reply, _)) => {
                let answer = Waiting::Answer(reply, message.attributes.data);
                self.waiting.insert(seq, answer);
            }
            Some(Waiting::Register) | None => {}
        }
        send
    }

    fn invoke(&mut self, call: Call, object: u32) -> Option<Message> {
        let mut writer = Writer::default();
        writer.members(&call.arguments);
        let seq = self.request(Waiting::Answer(call.reply, None))?;
        Some(Message::invoke(
            seq,
            object,
            &call.method,
            writer.into_bytes(),
        ))
    }

    fn ended(&mut self, message: &Message) -> (Vec<Message>, Option<Happened>) {
        let status = message.attributes.status;
        let status = status.map_or(Status::Unknown, Status::from_code);
        let mut send = Vec::new();
        let mut happened = None;
        // The asker may have gone, all along.
        match self.waiting.remove(&message.seq) {
            Some(Waiting::Object) => {
                happened = Some(match (status, self.object) {
                    (Status::Ok, Some(_)) => Happened::Offered,
                    (Status::Ok, None) => Happened::Declined(Status::NoData),
                    (declined, _) => Happened::Declined(declined),
                });
            }
            Some(Waiting::Listener) => send = self.register(),
            Some(Waiting::Register) => {
                let heard = status == Status::Ok;
                if self.listening.replace(heard).is_none() && !heard {
                    log::info!("system bus: no word of changed interfaces: {status}");
                }
            }
            None => {}
            Some(Waiting::Lookup(call)) => {
                let status = match status {
                    Status::Ok => Status::NotFound,
                    refused => refused,
                };
                let _ = call.reply.send(Err(CallError::Refused(status)));
            }
            Some(Waiting::Answer(reply, data)) => {
                let answer = match (status, data) {
                    (Status::Ok, Some(data)) => to_json(&data).map_err(|_| CallError::Garbled),
                    (Status::Ok, None) => Ok(Value::Object(Map::new())),
                    (refused, _) => Err(CallError::Refused(refused)),
                };
                let _ = reply.send(answer);
            }
        }
        (send, happened)
    }

    fn register(&mut self) -> Vec<Message> {
        let Some(listener) = self.listener else {
            return Vec::new();
        };
        let events = self.events;
        let register = |event: &&str| {
            let mut writer = Writer::default();
            writer.integer("object", i64::from(listener.cast_signed()));
            writer.text("pattern", event);
            let seq = self.request(Waiting::Register)?;
            Some(Message::invoke(
                seq,
                EVENTS,
                "register",
                writer.into_bytes(),
            ))
        };
        events.iter().filter_map(register).collect()
    }

    fn invoked(&mut self, message: Message) -> (Vec<Message>, Option<Happened>) {
        let Message {
            seq,
            peer,
            attributes,
            ..
        } = message;
        let object = attributes.object;
        let (Some(method), data) = (attributes.method, attributes.data) else {
            let end = Message::status(seq, peer, object, Status::InvalidArgument);
            return (vec![end], None);
        };
        if let Some(object) = object.filter(|_| object == self.object) {
            let Some(data) = data.filter(|_| !attributes.no_reply) else {
                let end = Message::status(seq, peer, Some(object), Status::InvalidArgument);
                let send = if attributes.no_reply {
                    Vec::new()
                } else {
                    vec![end]
                };
                return (send, None);
            };
            let called = Called {
                method,
                data,
                user: attributes.user,
                seq,
                peer,
                object,
            };
            return (Vec::new(), Some(Happened::Called(called)));
        }
        if object.is_some() && object == self.listener {
            let data = to_json(&data.unwrap_or_default());
            let event = data.ok().map(|data| Happened::Event { name: method, data });
            return (Vec::new(), event);
        }
        (
            vec![Message::status(seq, peer, object, Status::NotFound)],
            None,
        )
    }

    /// The number of a request that was noted; `None` when too many are under way.
    fn request(&mut self, waiting: Waiting) -> Option<u16> {
        if self.waiting.len() >= UNDER_WAY {
            return None;
        }
        let mut seq = self.seq();
        while self.waiting.contains_key(&seq) {
            seq = self.seq();
        }
        self.waiting.insert(seq, waiting);
        Some(seq)
    }

    fn seq(&mut self) -> u16 {
        self.seq = self.seq.wrapping_add(1);
        self.seq
    }
}
