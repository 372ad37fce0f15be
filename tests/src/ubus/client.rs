//! A client of the bus: calls, objects of its own, notifications and events.

use super::broker::receive;
use glimpse_agent::local::ubus::blob::{Writer, to_json};
use glimpse_agent::local::ubus::message::{
    Attributes, EVENTS, Message, Method, Status, Verb, signature,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its path.
    pub path: String,
    /// Its id.
    pub id: u32,
    /// What it can do.
    pub methods: Vec<Method>,
}

/// A connection to the bus; it ends when this is dropped.
#[derive(Debug)]
pub struct Client {
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    outbox: UnboundedSender<Message>,
    seq: AtomicU16,
    routes: Mutex<Routes>,
}

/// Where messages go that arrive.
#[derive(Debug, Default)]
struct Routes {
    requests: HashMap<u16, UnboundedSender<Message>>,
    /// Calls of objects whose ids are not known yet.
    offers: HashMap<u16, UnboundedSender<Call>>,
    objects: HashMap<u32, UnboundedSender<Call>>,
    closed: bool,
}

/// A call, notification or event.
#[derive(Debug)]
pub struct Call {
    /// The method, or the name of what happened.
    pub name: String,
    /// The arguments.
    pub arguments: Value,
    /// The user who calls; `None` for events.
    pub user: Option<String>,
    seq: u16,
    peer: u32,
    object: u32,
    outbox: UnboundedSender<Message>,
}

impl Call {
    /// Answers; the call goes on until it is ended.
    pub fn answer(&self, answer: &Value) {
        // A bus that is gone needs no answer.
        let _ = self.outbox.send(Message::data(
            self.seq,
            self.peer,
            self.object,
            document(answer),
        ));
    }

    /// Ends the call.
    pub fn end(self, status: Status) {
        let _ = self.outbox.send(Message::status(
            self.seq,
            self.peer,
            Some(self.object),
            status,
        ));
    }
}

/// An object of ours: its calls, or for a nameless one notifications and events.
#[derive(Debug)]
pub struct Own {
    /// Its id.
    pub id: u32,
    calls: UnboundedReceiver<Call>,
}

impl Own {
    /// The next call; `None` when the bus is gone.
    pub async fn next(&mut self) -> Option<Call> {
        self.calls.recv().await
    }
}

impl Client {
    /// Connects, and waits for the greeting.
    ///
    /// # Errors
    /// When nobody greets.
    pub async fn connect(path: &Path) -> io::Result<Self> {
        let (mut reader, writer) = UnixStream::connect(path).await?.into_split();
        let hello = timeout(PATIENCE, receive(&mut reader)).await??;
        if hello.verb != Verb::Hello {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "no greeting"));
        }
        let (outbox, letters) = mpsc::unbounded_channel();
        let shared = Arc::new(Shared {
            outbox,
            seq: AtomicU16::new(0),
            routes: Mutex::default(),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(write(writer, letters));
        tasks.spawn(read(reader, shared.clone()));
        Ok(Self {
            shared,
            _tasks: tasks,
        })
    }

    /// Calls a method of the object at `path`; the last answer counts.
    ///
    /// # Errors
    /// The status with which the call ended, if not with success.
    pub async fn call(&self, path: &str, method: &str, arguments: &Value) -> Result<Value, Status> {
        let (mut answers, status) = self.converse(path, method, arguments).await;
        match status {
            Status::Ok => Ok(answers.pop().unwrap_or_else(|| json!({}))),
            refused => Err(refused),
        }
    }

    /// Calls a method and gives all that was answered, and how it ended.
    pub async fn converse(
        &self,
        path: &str,
        method: &str,
        arguments: &Value,
    ) -> (Vec<Value>, Status) {
        let id = match self.list(path).await.as_deref() {
            Ok([found]) => found.id,
            Ok(_) => return (Vec::new(), Status::NotFound),
            Err(status) => return (Vec::new(), *status),
        };
        let message = Message::invoke(0, id, method, document(arguments));
        let (answers, status) = self.request(message, None).await;
        let answers = answers
            .into_iter()
            .filter_map(|answer| answer.attributes.data);
        let answers = answers.map(|data| to_json(&data).unwrap_or(Value::Null));
        (answers.collect(), status)
    }

    /// The objects whose path is `pattern`, which may end with `*`.
    ///
    /// # Errors
    /// The status with which the look-up ended, if not with success.
    pub async fn list(&self, pattern: &str) -> Result<Vec<Found>, Status> {
        let (found, status) = self.request(Message::lookup(0, pattern), None).await;
        if status != Status::Ok {
            return Err(status);
        }
        let found = found.into_iter().filter_map(|message| {
            let attributes = message.attributes;
            Some(Found {
                path: attributes.path?,
                id: attributes.object?,
                methods: signature(&attributes.signature?).ok()?,
            })
        });
        Ok(found.collect())
    }

    /// Offers an object.
    ///
    /// # Errors
    /// The status with which the bus refused it.
    pub async fn offer(&self, path: &str, methods: &[Method]) -> Result<Own, Status> {
        self.add(Message::add_object(0, Some(path), methods)).await
    }

    /// A nameless object, which gets what is subscribed and listened to.
    ///
    /// # Errors
    /// The status with which the bus refused it.
    pub async fn listener(&self) -> Result<Own, Status> {
        self.add(Message::add_object(0, None, &[])).await
    }

    /// Wants the notifications of the object at `path`.
    ///
    /// # Errors
    /// The status with which the bus refused it.
    pub async fn subscribe(&self, listener: &Own, path: &str) -> Result<(), Status> {
        let found = self.list(path).await?;
        let attributes = Attributes {
            object: Some(listener.id),
            target: found.first().map(|found| found.id),
            ..Attributes::default()
        };
        let message = Message::new(Verb::Subscribe, 0, 0, attributes);
        succeeded(self.request(message, None).await.1)
    }

    /// Wants the events of that name, which may end with `*`.
    ///
    /// # Errors
    /// The status with which the bus refused it.
    pub async fn listen(&self, listener: &Own, pattern: &str) -> Result<(), Status> {
        let data = json!({"object": listener.id.cast_signed(), "pattern": pattern});
        let message = Message::invoke(0, EVENTS, "register", document(&data));
        succeeded(self.request(message, None).await.1)
    }

    /// Sends an event.
    ///
    /// # Errors
    /// The status with which the bus refused it.
    pub async fn send_event(&self, name: &str, data: &Value) -> Result<(), Status> {
        let data = json!({"id": name, "data": data});
        let message = Message::invoke(0, EVENTS, "send", document(&data));
        succeeded(self.request(message, None).await.1)
    }

    /// Sends a notification of an object of ours.
    pub fn notify(&self, own: &Own, name: &str, data: &Value) {
        let _ = self.shared.outbox.send(Message::notify(
            self.shared.seq(),
            own.id,
            name,
            document(data),
        ));
    }

    /// Sends a message as it is, whatever it is.
    pub fn send(&self, message: Message) {
        let _ = self.shared.outbox.send(message);
    }

    /// Waits until the bus is gone.
    pub async fn closed(&self) {
        self.shared.outbox.closed().await;
    }

    async fn add(&self, message: Message) -> Result<Own, Status> {
        let (offer, calls) = mpsc::unbounded_channel();
        let (answers, status) = self.request(message, Some(offer)).await;
        succeeded(status)?;
        let id = answers.first().and_then(|answer| answer.attributes.object);
        Ok(Own {
            id: id.ok_or(Status::NoData)?,
            calls,
        })
    }

    /// Sends a request and gathers what comes until its end.
    async fn request(
        &self,
        mut message: Message,
        offer: Option<UnboundedSender<Call>>,
    ) -> (Vec<Message>, Status) {
        let seq = self.shared.seq();
        message.seq = seq;
        let (route, mut arriving) = mpsc::unbounded_channel();
        {
            let mut routes = self.shared.routes();
            if routes.closed {
                return (Vec::new(), Status::ConnectionFailed);
            }
            routes.requests.insert(seq, route);
            if let Some(offer) = offer {
                routes.offers.insert(seq, offer);
            }
        }
        self.send(message);
        let mut answers = Vec::new();
        let whole = async {
            while let Some(message) = arriving.recv().await {
                if message.verb == Verb::Status {
                    return message
                        .attributes
                        .status
                        .map_or(Status::Unknown, Status::from_code);
                }
                answers.push(message);
            }
            Status::ConnectionFailed
        };
        let status = timeout(PATIENCE, whole).await.unwrap_or(Status::Timeout);
        let mut routes = self.shared.routes();
        routes.requests.remove(&seq);
        routes.offers.remove(&seq);
        (answers, status)
    }
}

impl Shared {
    fn seq(&self) -> u16 {
        self.seq.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self, message: Message) {
        let mut routes = self.routes();
        let attributes = &message.attributes;
        match message.verb {
            Verb::Data | Verb::Status => {
                if let (Some(id), Some(offer)) =
                    (attributes.object, routes.offers.remove(&message.seq))
                {
                    routes.objects.insert(id, offer);
                }
                if let Some(request) = routes.requests.get(&message.seq) {
                    // One who waits no more.
                    let _ = request.send(message);
                }
            }
            Verb::Invoke => {
                let Some(object) = attributes.object else {
                    return;
                };
                let data = attributes.data.as_deref().unwrap_or_default();
                let call = Call {
                    name: attributes.method.clone().unwrap_or_default(),
                    arguments: to_json(data).unwrap_or(Value::Null),
                    user: attributes.user.clone(),
                    seq: message.seq,
                    peer: message.peer,
                    object,
                    outbox: self.outbox.clone(),
                };
                if let Some(own) = routes.objects.get(&object) {
                    let _ = own.send(call);
                }
            }
            _ => {}
        }
    }
}

fn succeeded(status: Status) -> Result<(), Status> {
    match status {
        Status::Ok => Ok(()),
        refused => Err(refused),
    }
}

fn document(value: &Value) -> Vec<u8> {
    let mut writer = Writer::default();
    if let Some(members) = value.as_object() {
        writer.members(members);
    }
    writer.into_bytes()
}

async fn write(mut writer: OwnedWriteHalf, mut letters: UnboundedReceiver<Message>) {
    while let Some(message) = letters.recv().await {
        let Ok(bytes) = message.encode() else {
            continue;
        };
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(mut reader: OwnedReadHalf, shared: Arc<Shared>) {
    while let Ok(message) = receive(&mut reader).await {
        shared.arrived(message);
    }
    let mut routes = shared.routes();
    *routes = Routes {
        closed: true,
        ..Routes::default()
    };
}
