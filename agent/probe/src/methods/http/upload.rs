//! One connection's upload: bytes count when the server's TCP has acknowledged them, not when the kernel took them.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use glimpse_net::stamp::monotonic_ns;
use serde_json::Value;
use tokio::io::AsyncWrite;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep, timeout};

use super::body::Body;
use super::connection::{Connection, PHASE_LIMIT, millis};
use super::error::HttpError;
use super::head::Head;
use super::load::{Order, Thread, reconnect};

/// Bytes of a chunk: what must still be sent when the time is over.
const CHUNK: usize = 16 * 1024;
/// Chunks in the block that is sent over and over.
const CHUNKS: usize = 16;
/// How often the kernel is asked what was acknowledged.
const SAMPLE_EVERY: Duration = Duration::from_millis(25);
/// So many times without news, and no more is expected.
const SETTLED: u32 = 20;
/// What each connection keeps back of the bytes allowed, so that its chunk under way and its body can be ended and the
/// server be heard; of few bytes no more than a quarter is kept back by all together.
const END_BYTES: u64 = 32 * 1024;
/// Bytes that are not worth a segment any more.
const LEAST_ROOM: u64 = 2048;
/// How long an answer is waited for while the line still carries what it is to answer.
pub(super) const ANSWER_WAIT: Duration = Duration::from_secs(10);
/// Longest answer that is looked at, in bytes.
const ANSWER_LIMIT: usize = 4096;
/// Members of a JSON answer in which servers say what they received, in the order of trust.
const RECEIVED: [&str; 3] = ["received_bytes", "received", "bytes"];

/// What is uploaded: one block of chunks, frames and all, made of the seed and shared by all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    block: Arc<[u8]>,
    /// Bytes of a chunk with its frame.
    frame: usize,
}

impl Content {
    /// The content of a seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let size = format!("{CHUNK:x}\r\n");
        let frame = size.len() + CHUNK + 2;
        let mut block = Vec::with_capacity(frame * CHUNKS);
        for _ in 0..CHUNKS {
            block.extend_from_slice(size.as_bytes());
            let begin = block.len();
            block.resize(begin + CHUNK, 0);
            random.fill(&mut block[begin..]);
            block.extend_from_slice(b"\r\n");
        }
        Self {
            block: block.into(),
            frame,
        }
    }
}

/// A body on its way out.
#[derive(Clone, Copy, Debug, Default)]
struct Sending {
    /// Bytes of the body that the head announced; `None` of a chunked one.
    announced: Option<u64>,
    sent: u64,
}

impl Sending {
    /// What comes next; empty at the end.
    fn next<'a>(&self, content: &'a Content) -> &'a [u8] {
        let block = &content.block;
        let at = usize::try_from(self.sent % block.len().max(1) as u64).unwrap_or_default();
        let next = block.get(at..).unwrap_or_default();
        let left = self
            .announced
            .map_or(u64::MAX, |all| all.saturating_sub(self.sent));
        &next[..usize::try_from(left).map_or(next.len(), |left| left.min(next.len()))]
    }

    /// What completes the chunk under way.
    fn rest_of_chunk<'a>(&self, content: &'a Content) -> &'a [u8] {
        let within = usize::try_from(self.sent % content.frame.max(1) as u64).unwrap_or_default();
        if within == 0 {
            return &[];
        }
        let next = self.next(content);
        &next[..next.len().min(content.frame - within)]
    }
}

/// The upload of one connection. It outlives the transfer's time, so that what was begun can be brought to its end.
pub(super) struct Post {
    content: Content,
    body_bytes: u64,
    sending: Sending,
    answer: Answer,
    acknowledged: Acknowledged,
}

impl Post {
    /// An upload of `content` in bodies of `body_bytes`; 0: one chunked body until the time is over.
    pub(super) fn new(content: Content, body_bytes: u64) -> Self {
        Self {
            content,
            body_bytes,
            sending: Sending::default(),
            answer: Answer::default(),
            acknowledged: Acknowledged::default(),
        }
    }

    /// Posts until it is stopped from outside or something goes wrong.
    pub(super) async fn run(
        &mut self,
        order: &Order,
        place: u16,
        current: &mut Option<Connection>,
        thread: &mut Thread,
    ) -> Result<(), HttpError> {
        let mut ticks = interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            thread.requests_again()?;
            let Some(connection) = current else {
                reconnect(order, current, thread).await?;
                continue;
            };
            let mut request = order
                .origin
                .request("POST", &order.target(place, thread.requests));
            request.push_str("Content-Type: application/octet-stream\r\n");
            // Writing into a text cannot fail.
            let _ = match self.body_bytes {
                0 => write!(request, "Transfer-Encoding: chunked\r\n\r\n"),
                length => write!(request, "Content-Length: {length}\r\n\r\n"),
            };
            self.sending = Sending {
                announced: (self.body_bytes > 0).then_some(self.body_bytes),
                sent: 0,
            };
            self.answer = Answer::default();
            self.acknowledged = Acknowledged::begin(connection);
            connection.send(request.as_bytes()).await?;
            let keep = self.write(order, connection, &mut ticks, thread).await?;
            self.acknowledged
                .sample(connection, self.sending.sent, thread);
            if !keep {
                reconnect(order, current, thread).await?;
            }
        }
    }

    /// One body out and its answer in; whether the connection can be used again.
    async fn write(
        &mut self,
        order: &Order,
        connection: &mut Connection,
        ticks: &mut Interval,
        thread: &mut Thread,
    ) -> Result<bool, HttpError> {
        loop {
            let next = self.sending.next(&self.content);
            if next.is_empty() {
                return self.confirm(connection, thread).await;
            }
            let next = match self.room(order) {
                Some(room) => &next[..next.len().min(room)],
                None => return Err(order.origin.out_of_room()),
            };
            tokio::select! {
                event = poll_fn(|wakes| poll_both(connection, next, wakes)) => match event? {
                    Event::Wrote(bytes) => self.sending.sent += bytes as u64,
                    // An answer before its time, then the end: the server wants no more.
                    Event::Came(0) if self.answer.is_done() => return Ok(false),
                    Event::Came(0) => return Err(HttpError::Unanswered),
                    Event::Came(_) => self.answer.take(connection, None, thread)?,
                },
                _ = ticks.tick() => self.acknowledged.sample(connection, self.sending.sent, thread),
            }
        }
    }

    /// How much of a body may be sent at once; `None` when a chunked one has to be ended. One of a length cannot be.
    fn room(&self, order: &Order) -> Option<usize> {
        if self.body_bytes > 0 {
            return Some(usize::MAX);
        }
        let room = order
            .origin
            .room()
            .saturating_sub(order.kept_back(END_BYTES));
        // Headers and acknowledgements need some as well; half is enough for them.
        (room >= LEAST_ROOM).then(|| usize::try_from(room / 2).unwrap_or(usize::MAX))
    }

    /// Waits for the answer to a body that is out; whether the connection can be used again. The server has [`PHASE_LIMIT`]
    /// from the latest acknowledgement: what is still on its way cannot be answered.
    async fn confirm(
        &mut self,
        connection: &mut Connection,
        thread: &mut Thread,
    ) -> Result<bool, HttpError> {
        let sent_ns = monotonic_ns();
        let patience = sleep(ANSWER_WAIT);
        tokio::pin!(patience);
        let mut ticks = interval(SAMPLE_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut acknowledged, mut news_ns) = (Acknowledged::of(connection, 0), sent_ns);
        while !self.answer.is_done() {
            tokio::select! {
                event = poll_fn(|wakes| poll_both(connection, &[], wakes)) => match event? {
                    Event::Came(0) => return self.answer.closed(thread).map(|()| false),
                    Event::Came(_) => self.answer.take(connection, Some(sent_ns), thread)?,
                    Event::Wrote(_) => {}
                },
                _ = ticks.tick() => {
                    // The end of a body counts when it was taken, not when it was answered.
                    self.acknowledged.sample(connection, self.sending.sent, thread);
                    let (now, now_ns) = (Acknowledged::of(connection, 0), monotonic_ns());
                    if now > acknowledged {
                        (acknowledged, news_ns) = (now, now_ns);
                    } else if Duration::from_nanos(now_ns.saturating_sub(news_ns)) >= PHASE_LIMIT {
                        return Err(HttpError::Silent(millis(PHASE_LIMIT)));
                    }
                }
                // The line is slow, and the server not to blame.
                () = &mut patience => return Ok(false),
            }
        }
        Ok(self.answer.keep_alive())
    }

    /// No more may be sent: what was is waited for until its acknowledgements come no more.
    pub(super) async fn settle(&mut self, connection: &mut Connection, thread: &mut Thread) {
        let mut idle = 0;
        while idle < SETTLED && self.acknowledged.bytes() < self.sending.sent {
            sleep(SAMPLE_EVERY).await;
            let before = self.acknowledged.last;
            self.acknowledged
                .sample(connection, self.sending.sent, thread);
            idle = if self.acknowledged.last == before {
                idle + 1
            } else {
                0
            };
        }
        self.acknowledged
            .sample(connection, self.sending.sent, thread);
    }

    /// The time is over: the chunk under way is completed, the body ended, and the server may say what it has received.
    pub(super) async fn finish(
        &mut self,
        connection: &mut Connection,
        thread: &mut Thread,
    ) -> Result<(), HttpError> {
        self.acknowledged
            .sample(connection, self.sending.sent, thread);
        if self.body_bytes > 0 {
            return Ok(());
        }
        let rest = self.sending.rest_of_chunk(&self.content);
        let before = Acknowledged::of(connection, 0);
        let ending = async {
            connection.send(rest).await?;
            connection.send(b"0\r\n\r\n").await
        };
        match timeout(PHASE_LIMIT, ending).await {
            Ok(result) => result?,
            // The line is slow: the body was still under way when the time ended.
            Err(_) if Acknowledged::of(connection, 0) > before => return Ok(()),
            Err(_) => return Err(HttpError::Silent(millis(PHASE_LIMIT))),
        }
        self.confirm(connection, thread).await.map(|_| ())
    }
}

/// What happened to a connection that is being written to.
enum Event {
    Wrote(usize),
    Came(usize),
}

/// Reads what has come, else writes `bytes`; with none to write, what is buffered is sent.
fn poll_both(
    connection: &mut Connection,
    bytes: &[u8],
    wakes: &mut Context<'_>,
) -> Poll<Result<Event, HttpError>> {
    if let Poll::Ready(came) = connection.poll_fill(wakes) {
        return Poll::Ready(came.map(Event::Came));
    }
    let wire = Pin::new(&mut connection.wire);
    if bytes.is_empty() {
        return match wire.poll_flush(wakes) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(error.into())),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        };
    }
    let wrote = std::task::ready!(wire.poll_write(wakes, bytes));
    Poll::Ready(wrote.map(Event::Wrote).map_err(HttpError::from))
}

/// What was acknowledged of a connection, as far as the lane has it.
#[derive(Clone, Copy, Debug, Default)]
struct Acknowledged {
    first: u64,
    last: u64,
}

impl Acknowledged {
    fn begin(connection: &Connection) -> Self {
        let first = Self::of(connection, 0);
        Self { first, last: first }
    }

    /// Since this body was begun.
    fn bytes(&self) -> u64 {
        self.last.saturating_sub(self.first)
    }

    fn of(connection: &Connection, written: u64) -> u64 {
        // Kernels before 4.1 do not tell; what they took is the next best.
        connection
            .info()
            .and_then(|info| info.acknowledged_bytes)
            .unwrap_or(written)
    }

    fn sample(&mut self, connection: &Connection, written: u64, thread: &mut Thread) {
        let now = Self::of(connection, written);
        thread
            .lane
            .add(monotonic_ns(), now.saturating_sub(self.last));
        self.last = now.max(self.last);
    }
}

/// The answer to a body.
#[derive(Debug, Default)]
struct Answer {
    interim: usize,
    head: Option<(Head, Body)>,
    text: Vec<u8>,
    told: bool,
}

impl Answer {
    /// Takes what has come; `sent_ns` is when the body was out.
    fn take(
        &mut self,
        connection: &mut Connection,
        sent_ns: Option<u64>,
        thread: &mut Thread,
    ) -> Result<(), HttpError> {
        if self.head.is_none() {
            let Some(head) = connection.take_head(&mut self.interim)? else {
                return Ok(());
            };
            thread.status = Some(head.status);
            if let Some(sent_ns) = sent_ns {
                thread
                    .first_byte_ns
                    .get_or_insert(monotonic_ns().saturating_sub(sent_ns));
            }
            if !(200..=299).contains(&head.status) {
                return Err(HttpError::Status(head.status));
            }
            thread.answered = true;
            let body = Body::new(head.framing);
            self.head = Some((head, body));
        }
        let Some((_, body)) = &mut self.head else {
            return Ok(());
        };
        let text = &mut self.text;
        let taken = body.take(connection.rest(), |content| {
            let room = ANSWER_LIMIT.saturating_sub(text.len());
            text.extend_from_slice(&content[..content.len().min(room)]);
        })?;
        connection.used(taken);
        if body.is_done() {
            if !connection.rest().is_empty() {
                return Err(HttpError::Surplus);
            }
            self.tell(thread);
        }
        Ok(())
    }

    /// The connection has ended.
    fn closed(&mut self, thread: &mut Thread) -> Result<(), HttpError> {
        let Some((_, body)) = &self.head else {
            return Err(HttpError::Unanswered);
        };
        body.closed()?;
        self.tell(thread);
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.head.as_ref().is_some_and(|(_, body)| body.is_done())
    }

    fn keep_alive(&self) -> bool {
        self.head.as_ref().is_some_and(|(head, _)| head.keep_alive)
    }

    fn tell(&mut self, thread: &mut Thread) {
        if let Some(bytes) = received(&self.text).filter(|_| !self.told) {
            self.told = true;
            thread.server_bytes = Some(thread.server_bytes.unwrap_or(0).saturating_add(bytes));
        }
    }
}

/// How many bytes a server says it has received: a JSON object with one of [`RECEIVED`].
pub fn received(text: &[u8]) -> Option<u64> {
    let object: Value = serde_json::from_slice(text).ok()?;
    RECEIVED.iter().find_map(|name| object.get(name)?.as_u64())
}

#[cfg(test)]
mod tests;
