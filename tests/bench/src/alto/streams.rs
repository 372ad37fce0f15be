//! Many open update streams, and one change.

use super::client::{Caller, Question};
use super::publish::{CHANGED, Version};
use super::questions::tag;
use crate::{clock, machine};
use anyhow::{Context, Result, bail, ensure};
use glimpse_store::Sqlite;
use serde_json::json;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;

/// Streams of one address; listeners bound the connections of each.
pub(super) const STREAMS_OF_ONE: usize = 900;
/// Connections that are made at once.
const HANDSHAKES: usize = 64;
/// Streams that come and go before memory is looked at.
const FIRST: usize = 100;
/// Until memory that was needed in passing has been given back.
const REST: Duration = Duration::from_secs(5);
/// In the name of the first event, and of each patch of the cost map.
const CONTROL: &[u8] = b"application/alto-updatestreamcontrol+json";
const CHANGE: &[u8] = b"application/merge-patch+json,delay";
const PATIENCE: Duration = Duration::from_mins(2);
/// How often is looked whether the server shows the change.
const LOOK: Duration = Duration::from_millis(5);

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Streamed {
    pub(super) count: usize,
    /// Resident memory of the server.
    pub(super) before: u64,
    pub(super) after: u64,
    pub(super) opened_s: f64,
    /// From the commit in the database until somebody has the change, be it by GET.
    pub(super) shown_s: f64,
    /// From then until the first stream, and the last, has it.
    pub(super) first_s: f64,
    pub(super) last_s: f64,
}

/// Opens the streams, publishes `second` in the server's database, and waits until all streams have it.
pub(super) async fn run(
    caller: &Caller,
    port: u16,
    server: u32,
    count: usize,
    store: &Sqlite,
    second: &Version,
) -> Result<Streamed> {
    let mut client = caller.open(port).await?;
    let cost_map = Question::get(CHANGED);
    let before = tag(&client.body(&cost_map).await?)?;
    let network_map = tag(&client.body(&Question::get("/networkmap/nm-seg")).await?)?;
    let request = request(&network_map, &before);
    drop(open(caller, port, &request, FIRST).await?);
    tokio::time::sleep(REST).await;
    let memory = machine::memory(server)?.resident;
    let began = clock::steady();
    let mut open = open(caller, port, &request, count).await?;
    let opened_s = began.elapsed().as_secs_f64();
    tokio::time::sleep(REST).await;
    let after = machine::memory(server)?.resident;

    let etag = client.ask(&cost_map).await?.etag.unwrap_or_default();
    let look = cost_map.clone().with("if-none-match", etag);
    let committed = clock::steady();
    second.store(store, 1).await?;
    let shown = loop {
        let answer = client.ask(&look).await?;
        if answer.status == hyper::StatusCode::OK {
            break clock::steady();
        }
        ensure!(committed.elapsed() < PATIENCE, "the change is not shown");
        tokio::time::sleep(LOOK).await;
    };
    let new = tag(&client.body(&cost_map).await?)?;
    let mut moments: Vec<Instant> = Vec::new();
    while moments.len() < count {
        let next = tokio::time::timeout(PATIENCE, open.told.recv());
        let next = next.await.with_context(|| {
            format!(
                "{} of {count} streams have not got the change",
                count - moments.len()
            )
        })?;
        let told = next.context("all streams have ended")??;
        ensure!(
            find(&told.text, new.as_bytes()).is_some(),
            "a stream was told of something else: {}",
            String::from_utf8_lossy(&told.text)
        );
        ensure!(
            told.moment > committed,
            "a stream knew of the change before"
        );
        moments.push(told.moment);
    }
    moments.sort();
    let (first, last) = (moments.first(), moments.last());
    let (first, last) = first.zip(last).context("no stream")?;
    // A stream may be faster than the GET that looks.
    let shown = shown.min(*first);
    Ok(Streamed {
        count,
        before: memory,
        after,
        opened_s,
        shown_s: (shown - committed).as_secs_f64(),
        first_s: (*first - shown).as_secs_f64(),
        last_s: (*last - shown).as_secs_f64(),
    })
}

/// Streams that are open; they end when this is dropped.
struct Open {
    _readers: JoinSet<()>,
    told: mpsc::UnboundedReceiver<Result<Told>>,
}

/// The change, as a stream was told of it.
struct Told {
    /// When the last byte of it was there.
    moment: Instant,
    text: Vec<u8>,
}

/// A request for changes of a cost map to somebody who has it already.
fn request(network_map: &str, cost_map: &str) -> Arc<[u8]> {
    let body = json!({"add": {
        "map": {"resource-id": "nm-seg", "tag": network_map},
        "delay": {"resource-id": "nm-seg-delay-rt", "tag": cost_map},
    }})
    .to_string();
    let request = format!(
        "POST /updates HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: text/event-stream\r\n\
         content-type: application/alto-updatestreamparams+json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    request.into_bytes().into()
}

async fn open(caller: &Caller, port: u16, request: &Arc<[u8]>, count: usize) -> Result<Open> {
    let (telling, told) = mpsc::unbounded_channel();
    let ready = Arc::new(AtomicUsize::new(0));
    let at_once = Arc::new(Semaphore::new(HANDSHAKES));
    let mut readers = JoinSet::new();
    for number in 0..count {
        let network = u8::try_from(number / STREAMS_OF_ONE + 2)?;
        let stream = Reader {
            caller: caller.clone(),
            port,
            from: Ipv4Addr::new(127, 0, 0, network),
            request: Arc::clone(request),
            ready: Arc::clone(&ready),
            at_once: Arc::clone(&at_once),
        };
        let telling = telling.clone();
        readers.spawn(async move {
            // Nobody listens any more at the end.
            let _ = telling.send(stream.read().await);
        });
    }
    let mut open = Open {
        _readers: readers,
        told,
    };
    let began = clock::steady();
    while ready.load(Ordering::Relaxed) < count {
        if let Ok(early) = open.told.try_recv() {
            early.context("while streams were opened")?;
            bail!("a stream was told of a change that there is none of");
        }
        ensure!(
            began.elapsed() < PATIENCE,
            "{} of {count} streams are open",
            ready.load(Ordering::Relaxed)
        );
        tokio::time::sleep(LOOK).await;
    }
    Ok(open)
}

struct Reader {
    caller: Caller,
    port: u16,
    from: Ipv4Addr,
    request: Arc<[u8]>,
    ready: Arc<AtomicUsize>,
    at_once: Arc<Semaphore>,
}

impl Reader {
    /// Opens a stream, reads what it is told at first, and then until it is told of a change.
    async fn read(self) -> Result<Told> {
        let permit = self.at_once.acquire().await?;
        let mut tls = self.caller.connect(self.port, self.from).await?;
        tls.write_all(&self.request).await?;
        let mut text = Vec::new();
        until(&mut tls, &mut text, CONTROL).await?;
        ensure!(
            text.starts_with(b"HTTP/1.1 200 "),
            "{}",
            String::from_utf8_lossy(&text)
        );
        // Who has the data of a cost map is told what is said about them: the stream is at rest only then.
        until(&mut tls, &mut text, CHANGE).await?;
        drop(permit);
        self.ready.fetch_add(1, Ordering::Relaxed);
        let mut text = Vec::new();
        until(&mut tls, &mut text, CHANGE).await?;
        let moment = clock::steady();
        Ok(Told { moment, text })
    }
}

/// Reads until a whole event with this name was read.
async fn until(
    stream: &mut (impl AsyncReadExt + Unpin),
    text: &mut Vec<u8>,
    wanted: &[u8],
) -> Result<()> {
    loop {
        if let Some(at) = find(text, wanted)
            && find(&text[at..], b"\n\n").is_some()
        {
            return Ok(());
        }
        let read = stream.read_buf(text).await?;
        ensure!(
            read > 0,
            "the stream ended: {}",
            String::from_utf8_lossy(text)
        );
    }
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}
