//! Filling the line: connections that begin together and end together, each a task that ends with this run.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use glimpse_model::outcome::ByteCount;
use glimpse_net::count::Counter;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::Tally;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::connection::{Connection, Origin};
use super::error::HttpError;
use super::slots::{Lane, Span};
use super::{download, upload};
use crate::context::Meter;

/// Read buffers of all connections together, and the largest of one, in bytes.
const BUFFERS: usize = 1024 * 1024;
const BUFFER: usize = 256 * 1024;
/// How often the meter is set while the transfer goes on.
const METER_EVERY: Duration = Duration::from_millis(100);
/// Requests on one connection's behalf, so that a server with short answers is not flooded.
const REQUEST_LIMIT: u32 = 1000;

/// Which way the content goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From the server.
    Down,
    /// To the server, in bodies of so many bytes; 0: one chunked body until the time is over.
    Up {
        /// Bytes of a body.
        body_bytes: u64,
    },
}

/// A transfer to be made.
#[derive(Clone)]
pub(crate) struct Order {
    /// The server, admitted and permitted.
    pub(crate) origin: Origin,
    /// Which way.
    pub(crate) direction: Direction,
    /// Connections.
    pub(crate) threads: u16,
    /// Port of the first; 0 is an ephemeral one for each.
    pub(crate) source_port: u16,
    /// Milliseconds before bytes count, while they count, and of a slot.
    pub(crate) times_ms: (u64, u64, u64),
    /// Whether each request has a parameter that no cache has seen.
    pub(crate) avoid_caches: bool,
    /// Whether what is sent is to fill the queues on its way, whatever the system's congestion control.
    pub(crate) fills_queues: bool,
    /// Of that parameter, and of what is uploaded.
    pub(crate) seed: u64,
}

impl Order {
    fn buffer(&self) -> usize {
        (BUFFERS / usize::from(self.threads.max(1))).min(BUFFER)
    }

    /// What all connections keep back of their bytes when each would keep `each`: a quarter at most.
    pub(super) fn kept_back(&self, each: u64) -> u64 {
        (each * u64::from(self.threads)).min(self.origin.limit() / 4)
    }

    /// The target of request `number` of connection `thread`.
    pub(super) fn target(&self, thread: u16, number: u32) -> String {
        let url = &self.origin.url;
        if self.avoid_caches {
            let which = (u64::from(thread) << 32) | u64::from(number);
            url.uncached_target(self.seed ^ which.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        } else {
            url.target.clone()
        }
    }
}

/// What one connection, with those that took its place, came to.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its bytes in time.
    pub(crate) lane: Lane,
    /// Why it ended before its time, or brought no answer in it.
    pub(crate) fault: Option<HttpError>,
    /// When it ended.
    pub(crate) ended_ns: u64,
    /// Nanoseconds from SYN to connection, of the first.
    pub(crate) connect_ns: u64,
    /// Nanoseconds of the TLS handshake, of the first.
    pub(crate) tls_ns: Option<u64>,
    /// Version of TLS.
    pub(crate) tls_version: Option<&'static str>,
    /// Nanoseconds from the first request to the first byte of its answer.
    pub(crate) first_byte_ns: Option<u64>,
    /// Status of the latest answer.
    pub(crate) status: Option<u16>,
    /// Whether an answer was good.
    pub(crate) answered: bool,
    /// By which algorithm our side avoids congestion.
    pub(crate) congestion_control: Option<String>,
    /// Requests made.
    pub(crate) requests: u32,
    /// Segments that our side sent again.
    pub(crate) retransmits: Option<u32>,
    /// Smallest round trip the kernel saw, in microseconds.
    pub(crate) min_rtt_us: Option<u32>,
    /// Bytes that the server says it has received.
    pub(crate) server_bytes: Option<u64>,
    /// Whether it ended because its bytes were used up.
    at_limit: bool,
}

impl Thread {
    fn new(span: Span, connection: &Connection) -> Self {
        Self {
            lane: Lane::new(span),
            fault: None,
            ended_ns: span.start_ns,
            connect_ns: connection.connect_ns,
            tls_ns: connection.tls_ns,
            tls_version: connection.tls_version(),
            first_byte_ns: None,
            status: None,
            answered: false,
            congestion_control: connection.congestion_control(),
            requests: 0,
            retransmits: None,
            min_rtt_us: None,
            server_bytes: None,
            at_limit: false,
        }
    }

    /// Counts one more request.
    pub(super) fn requests_again(&mut self) -> Result<(), HttpError> {
        if self.requests >= REQUEST_LIMIT {
            return Err(HttpError::Trickle(self.requests));
        }
        self.requests += 1;
        Ok(())
    }

    /// Notes what the kernel knows of a connection that is about to be left.
    pub(super) fn leave(&mut self, connection: &Connection) {
        let Some(info) = connection.info() else {
            return;
        };
        self.retransmits = Some(
            self.retransmits
                .unwrap_or(0)
                .saturating_add(info.retransmits),
        );
        let trips = [self.min_rtt_us, info.min_rtt_us];
        self.min_rtt_us = trips.into_iter().flatten().min();
    }

    /// Whether content that was to be acknowledged within the measured time was not.
    fn is_stuck(&self) -> bool {
        self.status.is_none() && self.lane.rates(self.ended_ns).avg == Some(0)
    }
}

/// What a transfer came to.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Which way the content went.
    pub(crate) direction: Direction,
    /// When what counted.
    pub(crate) span: Span,
    /// When it ended, by its time or before.
    pub(crate) ended_ns: u64,
    /// Connections that there were, in their order.
    pub(crate) threads: Vec<Thread>,
    /// Why others could not be made.
    pub(crate) unmade: Vec<HttpError>,
    /// Whether it ended because its bytes were used up.
    pub(crate) at_limit: bool,
}

/// Shows in a meter what the tallies of a run have counted, at the latest when it is dropped.
pub(crate) struct Gauge {
    tallies: Mutex<Vec<Tally>>,
    meter: Meter,
}

impl Gauge {
    /// A gauge without tallies yet.
    pub(crate) fn new(meter: &Meter) -> Self {
        Self {
            tallies: Mutex::default(),
            meter: meter.clone(),
        }
    }

    /// One more tally, of `limit` bytes.
    pub(crate) fn tally(&self, limit: u64) -> Tally {
        let tally = Tally::limited(limit);
        self.tallies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(tally.clone());
        tally
    }

    /// Shows them now.
    pub(crate) fn show(&self) -> ByteCount {
        let mut counter = Counter::default();
        for tally in self
            .tallies
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
        {
            counter.add(&tally.read());
        }
        self.meter.show(&counter)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        self.show();
    }
}

/// Makes the connections, then the transfer; `begins` is told when what will count.
///
/// # Errors
/// Why there is not a single connection.
pub(crate) async fn transfer(
    order: Order,
    gauge: &Gauge,
    begins: impl FnOnce(Span),
) -> Result<Transfer, HttpError> {
    let (connections, mut unmade) = establish(&order).await;
    gauge.show();
    if connections.is_empty() {
        return Err(unmade.pop().unwrap_or(HttpError::Unanswered));
    }
    let (ramp_ms, target_ms, slot_ms) = order.times_ms;
    let span = Span::new(monotonic_ns(), ramp_ms, target_ms, slot_ms);
    begins(span);
    let direction = order.direction;
    let order = Arc::new(order);
    let content = match order.direction {
        Direction::Down => upload::Content::default(),
        Direction::Up { .. } => upload::Content::new(order.seed),
    };
    let mut running = JoinSet::new();
    for (place, connection) in connections {
        let (order, content) = (Arc::clone(&order), content.clone());
        running.spawn(async move { (place, one(&order, place, connection, span, content).await) });
    }
    let mut threads = Vec::with_capacity(running.len());
    let mut ticks = interval(METER_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            joined = running.join_next() => match joined {
                Some(Ok(thread)) => threads.push(thread),
                // A task that panicked has no figures; one that was cancelled ends with the run.
                Some(Err(error)) => log::error!("a transfer's task: {error}"),
                None => break,
            },
            _ = ticks.tick() => { gauge.show(); }
        }
    }
    gauge.show();
    threads.sort_by_key(|&(place, _)| place);
    let threads: Vec<Thread> = threads.into_iter().map(|(_, thread)| thread).collect();
    let last = threads.iter().map(|thread| thread.ended_ns).max();
    Ok(Transfer {
        direction,
        span,
        ended_ns: last.unwrap_or(span.start_ns),
        at_limit: threads.iter().any(|thread| thread.at_limit),
        threads,
        unmade,
    })
}

async fn establish(order: &Order) -> (Vec<(u16, Connection)>, Vec<HttpError>) {
    let mut opening = JoinSet::new();
    for place in 0..order.threads {
        let origin = order.origin.clone();
        let buffer = match order.direction {
            Direction::Down => order.buffer(),
            Direction::Up { .. } => super::way::SMALL_BUFFER,
        };
        let port = match order.source_port {
            0 => 0,
            first => first.saturating_add(place),
        };
        opening.spawn(async move { (place, origin.connect(port, buffer).await) });
    }
    let (mut made, mut unmade) = (Vec::new(), Vec::new());
    while let Some(joined) = opening.join_next().await {
        match joined {
            Ok((place, Ok(connection))) => made.push((place, connection)),
            Ok((_, Err(error))) => unmade.push(error),
            Err(error) => log::error!("a connection's task: {error}"),
        }
    }
    made.sort_by_key(|&(place, _)| place);
    (made, unmade)
}

async fn one(
    order: &Order,
    place: u16,
    connection: Connection,
    span: Span,
    content: upload::Content,
) -> Thread {
    if order.fills_queues {
        connection.fill_queues();
    }
    let mut thread = Thread::new(span, &connection);
    let left = Duration::from_nanos(span.end_ns().saturating_sub(monotonic_ns()));
    let mut current = Some(connection);
    let (ended, post) = match order.direction {
        Direction::Down => {
            let run = download::run(order, place, &mut current, &mut thread);
            (timeout(left, run).await, None)
        }
        Direction::Up { body_bytes } => {
            let mut post = upload::Post::new(content, body_bytes);
            let run = post.run(order, place, &mut current, &mut thread);
            (timeout(left, run).await, Some(post))
        }
    };
    thread.ended_ns = monotonic_ns();
    let waited_ms = thread.ended_ns.saturating_sub(span.start_ns) / 1_000_000;
    match ended {
        Ok(Err(fault)) => {
            thread.at_limit = matches!(fault, HttpError::Limit(_));
            thread.fault = Some(fault);
        }
        Err(_) if thread.status.is_none() && post.is_none() => {
            thread.fault = Some(HttpError::Silent(waited_ms));
        }
        Ok(Ok(())) | Err(_) => {}
    }
    if let Some(connection) = &mut current {
        if let Some(mut post) = post {
            if thread.at_limit {
                let left = span.end_ns().saturating_sub(thread.ended_ns);
                let settling = post.settle(connection, &mut thread);
                // What is left of the measured time is all there is for acknowledgements to count.
                let _ = timeout(Duration::from_nanos(left), settling).await;
                thread.ended_ns = monotonic_ns();
            }
            if thread.fault.is_none() || thread.at_limit {
                match post.finish(connection, &mut thread).await {
                    Ok(()) if thread.is_stuck() => {
                        thread.fault = Some(HttpError::Silent(waited_ms));
                    }
                    // Of the limit it is known already.
                    Ok(()) | Err(HttpError::Limit(_)) => {}
                    Err(fault) => thread.fault = Some(fault),
                }
            }
        }
        thread.leave(connection);
    }
    thread
}

/// The place of another connection of the same thread, on any port: the first one's may not be free yet.
pub(super) async fn reconnect(
    order: &Order,
    current: &mut Option<Connection>,
    thread: &mut Thread,
) -> Result<(), HttpError> {
    if let Some(old) = current.take() {
        thread.leave(&old);
    }
    let buffer = match order.direction {
        Direction::Down => order.buffer(),
        Direction::Up { .. } => super::way::SMALL_BUFFER,
    };
    let connection = order.origin.connect(0, buffer).await?;
    if order.fills_queues {
        connection.fill_queues();
    }
    *current = Some(connection);
    Ok(())
}
