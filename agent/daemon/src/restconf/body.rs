//! Bodies of responses: whole ones, and event streams.

use super::places::Opened;
use super::serve::Client;
use super::{Noticed, Shared, Told};
use crate::clock;
use glimpse_restconf::{Counters, Stream, stream};
use hyper::body::{Body, Bytes, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How often a stream says that it lives: address translators forget sooner than this, times two.
const HEARTBEAT: Duration = Duration::from_secs(20);
/// Frames that may wait for a slow reader, beside those that wait as notifications.
const WAITING: usize = 4;

/// The body of a response.
#[derive(Debug)]
pub(super) enum Answer {
    /// All of it.
    Whole(Option<Bytes>),
    /// Frame by frame.
    Events(Events),
}

/// Frames of a stream; its task ends with it.
#[derive(Debug)]
pub(super) struct Events {
    frames: mpsc::Receiver<Bytes>,
    task: JoinHandle<()>,
}

impl Drop for Events {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who reads a stream.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) client: Client,
    pub(super) shared: Shared,
    pub(super) place: Opened,
}

impl Events {
    /// Follows `notices` for a reader.
    pub(super) fn follow(
        stream: Stream,
        notices: broadcast::Receiver<Arc<Noticed>>,
        reader: Reader,
    ) -> Self {
        let (sender, frames) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            run(&stream, notices, &reader, &sender).await;
            drop(reader.place);
        });
        Self { frames, task }
    }
}

async fn run(
    stream: &Stream,
    mut notices: broadcast::Receiver<Arc<Noticed>>,
    reader: &Reader,
    sender: &mpsc::Sender<Bytes>,
) {
    let shared = &reader.shared;
    // From frame to frame, not from notification to notification: a reader that is kept from all of them is to hear that the
    // stream lives all the same.
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    beat.reset();
    loop {
        let frame = tokio::select! {
            _ = beat.tick() => {
                if stream.ended(clock::now().as_micros()) {
                    return;
                }
                Some(stream::HEARTBEAT.to_owned())
            }
            noticed = notices.recv() => match noticed {
                Ok(noticed) => {
                    if stream.ended(noticed.time) {
                        return;
                    }
                    let mut denied = Counters::default();
                    let frame = stream.frame(noticed.time, &noticed.tree, &mut denied);
                    if denied != Counters::default() {
                        let _ = shared.told.send(Told::Denied(denied)).await;
                    }
                    frame
                }
                // Whoever reads too slowly is told by the end of the stream that there is a gap.
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            },
        };
        if let Some(frame) = frame {
            beat.reset();
            if reader.client.is_over() || reader.client.is_spent(shared) {
                return;
            }
            if sender.send(frame.into()).await.is_err() {
                return;
            }
        }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut *self {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Events(events) => events
                .frames
                .poll_recv(cx)
                .map(|frame| frame.map(|frame| Ok(Frame::data(frame)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => {
                let length = bytes.as_ref().map_or(0, Bytes::len);
                SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
            }
            Self::Events(_) => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::identity::Validity;
    use crate::restconf::places::{Places, Users};
    use crate::restconf::{CONNECTIONS, LARGE_BODIES};
    use glimpse_lmap::notice::Notice;
    use glimpse_restconf::stream::Offer;
    use glimpse_restconf::tags::Marks;
    use glimpse_restconf::{Datastore, Method, Plan, Request, Server, Settings, User};
    use glimpse_yang::table::AGENT;
    use glimpse_yang::{DataPath, Tree};

    struct Nothing(Tree, Marks);

    impl Datastore for Nothing {
        fn running(&self) -> &Tree {
            &self.0
        }

        fn state(&self, _: &DataPath) -> Tree {
            Tree::new(&AGENT)
        }

        fn marks(&self) -> &Marks {
            &self.1
        }
    }

    fn stream(query: Option<&str>) -> Stream {
        let server = Server::new(Settings {
            root: "/restconf".to_owned(),
            schema: &AGENT,
            modules: Vec::new(),
            streams: vec![Offer {
                name: "NETCONF".to_owned(),
                description: String::new(),
                replay_from: None,
            }],
            body_limit: 1,
            challenge: None,
        });
        let request = Request {
            method: Method::Get,
            path: "/restconf/streams/NETCONF/json".to_owned(),
            query: query.map(str::to_owned),
            headers: vec![("Accept".to_owned(), "text/event-stream".to_owned())],
            body: Vec::new(),
            user: Some(User {
                name: "olga".to_owned(),
                groups: Vec::new(),
                recovery: false,
            }),
            time: clock::now().as_micros(),
        };
        let store = Nothing(Tree::new(&AGENT), Marks::new(0));
        match server.plan(&request, &store) {
            Plan::Stream(stream) => *stream,
            other => panic!("{other:?}"),
        }
    }

    fn reader(told: mpsc::Sender<Told>, not_after: i64, far: bool) -> Reader {
        let shared = Shared {
            told,
            traffic: Arc::default(),
            door: Arc::default(),
            doors: Arc::default(),
            connections: Places::new(CONNECTIONS),
            of_users: Users::default(),
            large_bodies: Places::new(LARGE_BODIES),
            streams: Users::default(),
        };
        let user = User {
            name: "olga".to_owned(),
            groups: Vec::new(),
            recovery: false,
        };
        let validity = Validity {
            not_before: 0,
            not_after,
        };
        Reader {
            client: Client::new(user, far, validity),
            place: shared.streams.try_take("olga", 1, 1).unwrap(),
            shared,
        }
    }

    fn noticed() -> Arc<Noticed> {
        let notice = Notice::ControllerState {
            connected: true,
            last_contact: None,
        };
        Arc::new(Noticed {
            time: clock::now().as_micros(),
            tree: notice.tree(&AGENT).unwrap(),
        })
    }

    async fn frame(events: &mut Events) -> Option<String> {
        let frame = events.frames.recv().await?;
        Some(String::from_utf8(frame.to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_whose_reader_is_kept_from_everything_says_that_it_lives() {
        let (notices, heard) = broadcast::channel(64);
        let reader = reader(mpsc::channel(8).0, i64::MAX, false);
        let filter = stream(Some("filter=%2Fglimpse-agent%3Aschedule-state"));
        let mut events = Events::follow(filter, heard, reader);
        let busy = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                let _ = notices.send(noticed());
            }
        });
        let frame = tokio::time::timeout(HEARTBEAT * 2, frame(&mut events)).await;
        assert_eq!(frame.unwrap().as_deref(), Some(stream::HEARTBEAT));
        busy.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_ends_with_the_certificate_and_with_the_bytes_of_the_month() {
        let (notices, heard) = broadcast::channel(64);
        let over = reader(mpsc::channel(8).0, 1, false);
        let mut ended = Events::follow(stream(None), heard, over);
        let far = reader(mpsc::channel(8).0, i64::MAX, true);
        let doors = far.shared.doors.clone();
        let mut spent = Events::follow(stream(None), notices.subscribe(), far);
        notices.send(noticed()).unwrap();
        assert_eq!(frame(&mut ended).await, None);
        assert!(frame(&mut spent).await.is_some());
        doors.set_spent(true);
        notices.send(noticed()).unwrap();
        assert_eq!(frame(&mut spent).await, None);
    }
}
