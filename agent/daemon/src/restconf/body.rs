//! Bodies of responses: whole ones, and event streams.

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
use tokio::sync::{OwnedSemaphorePermit, broadcast, mpsc};
use tokio::task::JoinHandle;

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

impl Events {
    /// Follows `notices` for a reader that holds `place`.
    pub(super) fn follow(
        stream: Stream,
        notices: broadcast::Receiver<Arc<Noticed>>,
        shared: Shared,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let (sender, frames) = mpsc::channel(WAITING);
        let task = tokio::spawn(async move {
            run(&stream, notices, &shared, &sender).await;
            drop(place);
        });
        Self { frames, task }
    }
}

async fn run(
    stream: &Stream,
    mut notices: broadcast::Receiver<Arc<Noticed>>,
    shared: &Shared,
    sender: &mpsc::Sender<Bytes>,
) {
    loop {
        let frame = match tokio::time::timeout(HEARTBEAT, notices.recv()).await {
            Err(_) if stream.ended(clock::now().as_micros()) => return,
            Err(_) => Some(stream::HEARTBEAT.to_owned()),
            Ok(Ok(noticed)) => {
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
            Ok(Err(RecvError::Lagged(_) | RecvError::Closed)) => return,
        };
        if let Some(frame) = frame
            && sender.send(frame.into()).await.is_err()
        {
            return;
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
