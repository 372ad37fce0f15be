//! The writer of one stream: a task of its own, which ends with its connection or its controller.

use super::{Place, Slot};
use crate::app::Shared;
use axum::body::{Body, Bytes};
use glimpse_alto::{COMMENT, Event, EventText, Next, Turn};
use hyper::body::Frame;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{Sleep, sleep, timeout};

/// Silence is no longer than 15 seconds (RFC 8895 §6.8), on the way included.
const SILENCE: Duration = Duration::from_secs(14);
/// A client that takes nothing for that long has gone, or may as well.
const STALL: Duration = Duration::from_mins(1);
/// What is handed to the connection at a time, in bytes and a line.
const PIECE: usize = 8 << 10;

pub(super) struct Writer {
    shared: Arc<Shared>,
    slot: Arc<Slot>,
    place: Place,
    changes: watch::Receiver<u64>,
    pieces: mpsc::Sender<Bytes>,
    /// Runs out when something must be written again, whatever was published meanwhile.
    silence: Pin<Box<Sleep>>,
}

/// What is to be written next.
enum Step {
    Write(Event, Option<OwnedSemaphorePermit>),
    Wait,
    End,
}

impl Writer {
    /// Starts to write; the body ends with the stream.
    pub(super) fn start(
        shared: Arc<Shared>,
        slot: Arc<Slot>,
        place: Place,
        changes: watch::Receiver<u64>,
    ) -> Body {
        let (pieces, taken) = mpsc::channel(1);
        let writer = Self {
            shared,
            slot,
            place,
            changes,
            pieces,
            silence: Box::pin(sleep(SILENCE)),
        };
        tokio::spawn(writer.run());
        Body::new(Pieces(taken))
    }

    async fn run(mut self) {
        let mut stop = self.shared.stop.clone();
        let hung_up = self.pieces.clone();
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            () = hung_up.closed() => {}
            _ = self.write() => {}
        }
    }

    /// Writes until the stream has nothing to say any more, or nobody takes it: `None`.
    async fn write(&mut self) -> Option<()> {
        loop {
            self.changes.mark_unchanged();
            match self.step().await? {
                Step::Write(event, _room) => {
                    let mut text = EventText::new(event);
                    while let Some(piece) = text.piece(PIECE) {
                        self.send(piece.into()).await?;
                    }
                }
                Step::Wait => self.wait().await?,
                Step::End => return Some(()),
            }
        }
    }

    async fn step(&self) -> Option<Step> {
        let streams = &self.place.streams;
        // The publication stands from the first on.
        let published = self.shared.publication.load_full()?;
        let turn = streams.turn(&published.publication).await;
        let limits = streams.limits;
        if !self.slot.lock().asks(&turn) {
            return Some(Step::of(self.slot.lock().next(&turn, &limits)));
        }
        let slot = Arc::clone(&self.slot);
        let next = move |turn: &Turn| slot.lock().next(turn, &limits);
        let step = Step::of(streams.ask(move || next(&turn)).await?);
        if let Step::Write(event, _) = step {
            let room = streams.room(event.data.len()).await?;
            return Some(Step::Write(event, Some(room)));
        }
        Some(step)
    }

    /// Until there may be something to say; a comment now and then keeps the connection open.
    async fn wait(&mut self) -> Option<()> {
        loop {
            tokio::select! {
                changed = self.changes.changed() => return changed.ok(),
                () = self.slot.rung.notified() => return Some(()),
                () = self.silence.as_mut() => self.send(Bytes::from_static(COMMENT)).await?,
            }
        }
    }

    async fn send(&mut self, piece: Bytes) -> Option<()> {
        let sent = timeout(STALL, self.pieces.send(piece)).await;
        self.silence.set(sleep(SILENCE));
        sent.ok()?.ok()
    }
}

impl Step {
    fn of(next: Next) -> Self {
        match next {
            Next::Event(event) => Self::Write(event, None),
            Next::Idle => Self::Wait,
            Next::End => Self::End,
        }
    }
}

/// The body of the answer.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0
            .poll_recv(context)
            .map(|piece| Some(Ok(Frame::data(piece?))))
    }
}
