//! The connection to the bus: kept up, restored when the bus restarts.

#[cfg(test)]
mod tests;

use super::message::{HEADER, Header, Message, Status, Verb};
use super::object::{self, Decision};
use super::session::{Call, CallError, Called, Happened, Session};
use crate::local::service::{Event, Service};
use crate::random;
use crate::uplink::backoff::Backoff;
use serde_json::{Map, Value};
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

/// Time the bus may take for a greeting or to take a message.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time the daemon may take for an answer; rpcd gives up after 30 s.
const LONGEST_ANSWER: Duration = Duration::from_secs(25);
/// Calls of ours that are answered at a time.
const CALLS: usize = 16;
/// Messages that wait until they are looked at.
const INBOX: usize = 16;
/// Longest wait before the bus is tried again.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// How often an object that was declined is offered again.
const OFFER_AGAIN: Duration = Duration::from_secs(30);
/// What netifd says of its interfaces.
const EVENTS: &[&str] = &[INTERFACES];
const INTERFACES: &str = "network.interface";

/// A handle by which methods of others are called.
#[derive(Debug, Clone)]
pub struct Bus {
    calls: mpsc::Sender<Call>,
}

impl Bus {
    /// A bus whose calls arrive at the returned receiver.
    pub(super) fn new() -> (Self, mpsc::Receiver<Call>) {
        let (calls, called) = mpsc::channel(INBOX);
        (Self { calls }, called)
    }

    /// Calls a method of the object at `path`. What is answered is foreign input.
    ///
    /// # Errors
    /// [`CallError`], within ten seconds.
    pub async fn call(
        &self,
        path: &str,
        method: &str,
        arguments: Map<String, Value>,
    ) -> Result<Value, CallError> {
        let (reply, answer) = oneshot::channel();
        let call = Call {
            path: path.to_owned(),
            method: method.to_owned(),
            arguments,
            reply,
        };
        let exchange = async {
            self.calls.send(call).await.map_err(|_| CallError::NoBus)?;
            answer.await.map_err(|_| CallError::NoBus)?
        };
        timeout(PATIENCE, exchange)
            .await
            .unwrap_or(Err(CallError::TooSlow))
    }
}

/// What has changed on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The bus is there.
    Connected,
    /// The bus has gone.
    Lost,
    /// netifd says that something became of an interface.
    Interface {
        /// Its name in the configuration.
        name: String,
        /// What: `ifup`, `ifdown`, …
        action: String,
    },
}

/// Keeps a connection to the bus at the first of `places` where there is one. Never returns.
pub(super) async fn keep(
    places: Vec<PathBuf>,
    service: Service,
    mut calls: mpsc::Receiver<Call>,
    changes: broadcast::Sender<Change>,
) {
    let mut backoff = Backoff::default();
    let mut said = None;
    loop {
        let ended = match connect(&places).await {
            Ok(stream) => {
                let mut line = Line {
                    session: Session::new(object::PATH, object::methods(), EVENTS),
                    service: service.clone(),
                    changes: changes.clone(),
                    declined: None,
                };
                // Nobody need listen.
                let _ = changes.send(Change::Connected);
                let ended = line.serve(stream, &mut calls, &mut backoff).await;
                let _ = changes.send(Change::Lost);
                format!("the system bus is gone: {ended}")
            }
            Err(error) => format!("no system bus: {error}"),
        };
        let wait = backoff.failed(random::number(), None).min(LONGEST_WAIT);
        if said.as_ref() == Some(&ended) {
            log::debug!("{ended}");
        } else {
            log::info!("{ended}");
        }
        said = Some(ended);
        // Whoever calls meanwhile is told at once.
        let refused = async {
            while let Some(call) = calls.recv().await {
                let _ = call.reply.send(Err(CallError::NoBus));
            }
            std::future::pending::<()>().await;
        };
        let _ = timeout(wait, refused).await;
    }
}

/// Connects, and waits for the greeting.
async fn connect(places: &[PathBuf]) -> io::Result<UnixStream> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for place in places {
        match timeout(PATIENCE, greeted(place)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => last = error,
            Err(late) => last = late.into(),
        }
    }
    Err(last)
}

async fn greeted(place: &PathBuf) -> io::Result<UnixStream> {
    let mut stream = UnixStream::connect(place).await?;
    match receive(&mut stream).await? {
        Some(message) if message.verb == Verb::Hello => Ok(stream),
        _ => Err(io::Error::new(io::ErrorKind::InvalidData, "no greeting")),
    }
}

/// The next message; `None` for one that is not understood, which does no harm.
async fn receive(reader: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Option<Message>> {
    let mut head = [0; HEADER];
    reader.read_exact(&mut head).await?;
    let header =
        Header::parse(&head).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    let mut bytes = vec![0; header.length];
    reader.read_exact(&mut bytes).await?;
    match Message::parse(&header, &bytes) {
        Ok(message) => Ok(Some(message)),
        Err(error) => {
            log::debug!("system bus: {error}");
            Ok(None)
        }
    }
}

async fn read(mut reader: OwnedReadHalf, inbox: mpsc::Sender<Message>) -> io::Error {
    loop {
        match receive(&mut reader).await {
            Ok(None) => {}
            Ok(Some(message)) => {
                if inbox.send(message).await.is_err() {
                    return io::ErrorKind::BrokenPipe.into();
                }
            }
            Err(error) => return error,
        }
    }
}

/// One connection at work.
struct Line {
    session: Session,
    service: Service,
    changes: broadcast::Sender<Change>,
    /// The bus does not take our object, for this reason.
    declined: Option<Status>,
}

impl Line {
    /// Serves until the connection is of no use any more.
    async fn serve(
        &mut self,
        stream: UnixStream,
        calls: &mut mpsc::Receiver<Call>,
        backoff: &mut Backoff,
    ) -> io::Error {
        let (reader, mut writer) = stream.into_split();
        let (inbox, mut arriving) = mpsc::channel(INBOX);
        let mut reading = JoinSet::new();
        reading.spawn(read(reader, inbox));
        let mut answers: JoinSet<Vec<Message>> = JoinSet::new();
        let mut events = self.service.events();
        let mut again = interval(OFFER_AGAIN);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        again.reset();
        let mut send = self.session.start();
        loop {
            for message in send.drain(..) {
                if let Err(error) = write(&mut writer, &message).await {
                    return error;
                }
            }
            tokio::select! {
                Some(message) = arriving.recv() => {
                    let (replies, happened) = self.session.take(message);
                    send = replies;
                    send.extend(self.happened(happened, &mut answers));
                }
                Some(ended) = reading.join_next() => {
                    return ended.unwrap_or_else(|_| io::ErrorKind::BrokenPipe.into());
                }
                Some(answer) = answers.join_next() => send.extend(answer.into_iter().flatten()),
                Some(call) = calls.recv() => send.extend(self.session.call(call)),
                event = events.recv() => match event {
                    Ok(event) => send.extend(self.notify(&event)),
                    Err(RecvError::Lagged(missed)) => {
                        log::debug!("system bus: {missed} notifications were left out");
                    }
                    // The service lives as long as this task holds it.
                    Err(RecvError::Closed) => return io::ErrorKind::BrokenPipe.into(),
                },
                _ = again.tick() => {
                    // A bus that greets and breaks off must not be called every second.
                    backoff.reset();
                    send = self.session.start();
                }
            }
        }
    }

    fn notify(&mut self, event: &Event) -> Option<Message> {
        self.session.notify(event.name(), &event.to_json())
    }

    fn happened(
        &mut self,
        happened: Option<Happened>,
        answers: &mut JoinSet<Vec<Message>>,
    ) -> Vec<Message> {
        match happened {
            Some(Happened::Offered) => {
                log::info!("the object {} is on the system bus", object::PATH);
                if self.declined.take().is_some() {
                    // Whoever lets it in may let it ask, too. Nobody need listen.
                    let _ = self.changes.send(Change::Connected);
                }
            }
            Some(Happened::Declined(status)) => {
                if self.declined.replace(status) != Some(status) {
                    log::warn!(
                        "the system bus does not take the object {} ({status}): is its access file in /usr/share/acl.d, \
                         and has ubusd read it (SIGHUP)?",
                        object::PATH
                    );
                }
            }
            Some(Happened::Called(called)) => return self.called(called, answers),
            Some(Happened::Event { name, data }) if name == INTERFACES => {
                let text = |member: &str| {
                    let text = data.get(member)?.as_str()?;
                    (text.len() <= 64).then(|| text.to_owned())
                };
                if let (Some(name), Some(action)) = (text("interface"), text("action")) {
                    // Nobody need listen.
                    let _ = self.changes.send(Change::Interface { name, action });
                }
            }
            Some(Happened::Event { .. }) | None => {}
        }
        Vec::new()
    }

    /// A call of ours: answered later, so that the next one need not wait.
    fn called(&mut self, called: Called, answers: &mut JoinSet<Vec<Message>>) -> Vec<Message> {
        let refused = |said: &str| called.answered(Some(object::refusal(said)), Status::Ok);
        match object::read(&called.method, &called.data, called.user.as_deref()) {
            Decision::Ask(_) if answers.len() >= CALLS => {
                refused("too many questions are being answered: ask again")
            }
            Decision::Ask(request) => {
                let service = self.service.clone();
                answers.spawn(async move {
                    let data = match timeout(LONGEST_ANSWER, service.ask(request)).await {
                        Ok(Some(answer)) => object::answer(&answer),
                        Ok(None) => object::refusal("the daemon is stopping"),
                        Err(_) => object::refusal("the daemon took too long: ask again"),
                    };
                    called.answered(Some(data), Status::Ok)
                });
                Vec::new()
            }
            Decision::Refuse(said) => refused(&said),
            Decision::Fail(status, said) => called.answered(Some(object::refusal(&said)), status),
        }
    }
}

async fn write(writer: &mut OwnedWriteHalf, message: &Message) -> io::Result<()> {
    match message.encode() {
        Ok(bytes) => timeout(PATIENCE, writer.write_all(&bytes)).await?,
        Err(error) => {
            log::warn!("system bus: {error}");
            Ok(())
        }
    }
}
