//! What is read of a request, and of whom.

use super::*;
use crate::app::agent_router;
use crate::clock;
use crate::fixture::{by, read};
use crate::listener::{Bounds, Gate, Listener, Transport};
use axum::Router;
use axum::body::Bytes;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const REPORT: &str = "/restconf/operations/ietf-lmap-report:report";
const APPLY: &str = "/restconf/operations/glimpse-fleet:apply";
const CHUNK: usize = 64 << 10;
const TEN: usize = 10_000_000;

/// A body of this many chunks, then silence; counts what is taken of it.
struct Stream {
    chunks: usize,
    taken: Arc<AtomicUsize>,
}

impl futures_core::Stream for Stream {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.chunks == 0 {
            return Poll::Pending;
        }
        self.chunks -= 1;
        self.taken.fetch_add(CHUNK, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Bytes::from(vec![b' '; CHUNK]))))
    }
}

/// A request with a body that does not end, and how much of it was taken.
fn endless(method: &str, path: &str, chunks: usize) -> (Request<Body>, Arc<AtomicUsize>) {
    let taken = Arc::new(AtomicUsize::new(0));
    let stream = Stream {
        chunks,
        taken: Arc::clone(&taken),
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/yang-data+json")
        .body(Body::from_stream(stream))
        .unwrap();
    (request, taken)
}

fn with_token(mut request: Request<Body>, token: &str) -> Request<Body> {
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.headers_mut().insert("authorization", bearer);
    request
}

async fn answered(router: Router, request: Request<Body>) -> Answer {
    let answer = async { read(router.oneshot(request).await.unwrap()).await };
    tokio::time::timeout(Duration::from_secs(20), answer)
        .await
        .expect("it is answered though the body has no end")
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_read_of_who_may_not_send_it() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let agents = || agent_router(Arc::clone(&controller.shared));
    let data = "/restconf/data/glimpse-fleet:fleet/agent=a-1";
    let root = "/agents/a-1/restconf/data";
    let mut asked = Vec::new();
    // Strangers, at both listeners.
    for (method, path) in [("POST", REPORT), ("POST", APPLY), ("PUT", data)] {
        asked.push((controller.router(), endless(method, path, 9), 401));
        asked.push((agents(), endless(method, path, 9), 401));
    }
    asked.push((controller.router(), endless("PATCH", root, 9), 401));
    // Agents bring reports, and nothing else.
    for (method, path) in [
        ("PUT", data),
        ("PATCH", data),
        ("POST", APPLY),
        ("PUT", REPORT),
        ("POST", root),
    ] {
        let (request, taken) = endless(method, path, 9);
        asked.push((controller.router(), (by("a-1", request), taken), 403));
    }
    // Observers look.
    for path in [APPLY, root] {
        let (request, taken) = endless("POST", path, 9);
        let request = with_token(request, "otto");
        asked.push((controller.router(), (request, taken), 403));
    }
    // What has a body without meaning is answered without it.
    for path in ["/restconf/data", root] {
        let (request, taken) = endless("GET", path, 9);
        let status = if path == root { 503 } else { 200 };
        let request = with_token(request, "olga");
        asked.push((controller.router(), (request, taken), status));
    }
    for (router, (request, taken), status) in asked {
        let what = format!("{} {}", request.method(), request.uri());
        let got = answered(router, request).await;
        assert_eq!(got.status, status, "{what}");
        assert_eq!(taken.load(Ordering::Relaxed), 0, "{what}");
        if (400..500).contains(&status) {
            assert_eq!(got.header("connection"), Some("close"), "{what}");
            assert!(error(&got)["error-message"].is_string(), "{what}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_megabytes_are_refused_as_soon_as_they_are_seen() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let limits = controller.shared.config.uploads;
    for (path, limit) in [
        (REPORT, limits.body_bytes),
        (APPLY, 1 << 20),
        ("/agents/a-1/restconf/data", 1 << 20),
    ] {
        let who = |request| match path {
            REPORT => by("a-1", request),
            _ => with_token(request, "olga"),
        };
        // Announced: not a byte is read.
        let (mut request, taken) = endless("POST", path, TEN / CHUNK);
        let length = TEN.to_string().parse().unwrap();
        request.headers_mut().insert("content-length", length);
        let got = answered(controller.router(), who(request)).await;
        assert_eq!(
            (got.status.as_u16(), taken.load(Ordering::Relaxed)),
            (413, 0),
            "{path}"
        );
        assert_eq!(error(&got)["error-tag"], "too-big");
        // Not announced: no more than is allowed.
        let (request, taken) = endless("POST", path, TEN / CHUNK);
        let got = answered(controller.router(), who(request)).await;
        let taken = taken.load(Ordering::Relaxed);
        assert_eq!(got.status, 413, "{path}");
        assert!(taken <= limit + CHUNK, "{path}: {taken}");
        // Nor once it is inflated.
        let packed = crate::document::compress(&vec![b' '; limits.inflated_bytes + 1]);
        let request = Request::post(path)
            .header("content-type", "application/yang-data+json")
            .header("content-encoding", "gzip")
            .body(Body::from(packed))
            .unwrap();
        let got = answered(controller.router(), who(request)).await;
        assert_eq!(got.status, 413, "{path}");
    }
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for_for_ever() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    // All that is waited for from here on is the body.
    tokio::time::pause();
    let (request, taken) = endless("POST", APPLY, 1);
    let began = controller.shared.now();
    let request = with_token(request, "olga");
    let got = read(controller.router().oneshot(request).await.unwrap()).await;
    assert_eq!(got.status, 408, "{}", String::from_utf8_lossy(&got.body));
    assert_eq!(error(&got)["error-tag"], "operation-failed");
    assert_eq!(got.header("connection"), Some("close"));
    assert_eq!(taken.load(Ordering::Relaxed), CHUNK);
    assert!(controller.shared.now().since(began) < 60_000_000);
}

/// What comes back of these bytes until the connection ends.
async fn over_tcp(at: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut back = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut back));
    ended.await.expect("it ends").unwrap();
    String::from_utf8(back).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_the_wire_a_stranger_is_answered_after_the_header_and_a_slow_header_is_cut() {
    let controller = Controller::new().await;
    let gate = Gate {
        revocations: controller.revocations.clone(),
        now: Arc::new(|| clock::seconds(clock::now())),
        pins: crate::pki::Pins::default(),
    };
    let bounds = Bounds {
        header: Duration::from_millis(300),
        ..Bounds::default()
    };
    let any = ([127, 0, 0, 1], 0).into();
    let listener = Listener::bind(any, Transport::Plain, bounds, gate)
        .await
        .unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(listener.serve(controller.router(), controller.stop.subscribe()));
    // A gibibyte is announced.
    let long = format!(
        "POST {REPORT} HTTP/1.1\r\nhost: c\r\ncontent-type: application/yang-data+json\r\n\
         transfer-encoding: chunked\r\n\r\n40000000\r\n"
    );
    let back = over_tcp(at, long.as_bytes()).await;
    assert!(back.starts_with("HTTP/1.1 401 "), "{back}");
    let back = back.to_ascii_lowercase();
    for field in [
        "connection: close",
        "www-authenticate: ",
        "cache-control: no-cache",
        "date: ",
    ] {
        assert!(back.contains(field), "{back}");
    }
    // A header that does not end.
    let back = over_tcp(at, b"GET /restconf HTTP/1.1\r\nhost: c\r\nx-slow: ").await;
    assert!(!back.starts_with("HTTP/1.1 2"), "{back}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_that_has_begun_is_carried_out_though_whoever_asked_hangs_up() {
    let (controller, _agent) = away().await;
    let a1 = agent_id("a-1");
    let turn = controller.shared.connections.turn(&a1);
    let others = turn.lock().await;
    let event = json!({"ietf-lmap-control:event": [{"name": "later"}]}).to_string();
    let path = format!("{L}/events");
    let asked = controller.ask("POST", &path, &event);
    let short = Duration::from_millis(300);
    assert!(tokio::time::timeout(short, asked).await.is_err());
    drop(others);
    intended(&controller, "pending").await;
    assert_eq!(controller.shared.store.pending(&a1).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_has_a_share_of_requests_to_agents() {
    let (controller, _agent) = away().await;
    let open = &controller.shared.restconf.open;
    let operators = &controller.shared.config.operators;
    let olga = &operators
        .iter()
        .find(|own| own.name == "olga")
        .unwrap()
        .name;
    let held: Vec<_> = (0..crate::restconf::routes::OPEN)
        .map(|_| open.enter(olga, usize::MAX).unwrap())
        .collect();
    let crowded = controller.ask("GET", L, "").await;
    assert_eq!(crowded.status, 429);
    assert!(crowded.header("retry-after").is_some());
    drop(held);
    assert_eq!(controller.ask("GET", L, "").await.status, 200);
}

/// Whoever resets its requests as soon as they are sent would have any number of them worked on at once.
#[test]
fn a_place_is_given_back_when_the_work_ends_and_not_when_the_asker_has_gone() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let controller = Controller::new().await;
        controller.enrol("a-1", "north").await;
        let (go, wait) = std::sync::mpsc::channel::<()>();
        // What is to be worked on waits behind this.
        let slow = tokio::task::spawn_blocking(move || wait.recv());
        let ask = async || {
            let request = Request::post(REPORT)
                .header("content-type", "application/yang-data+json")
                .header("content-encoding", "gzip")
                .body(Body::from(crate::document::compress(b"x")))
                .unwrap();
            let asked = controller.router().oneshot(by("a-1", request));
            let answer = tokio::time::timeout(Duration::from_secs(1), asked).await;
            answer.map(|answer| answer.unwrap().status().as_u16())
        };
        assert!(ask().await.is_err() && ask().await.is_err(), "hung up");
        assert_eq!(ask().await, Ok(429), "two are worked on still");
        drop(go);
        slow.await.unwrap().unwrap_err();
        let mut after = ask().await;
        for _ in 0..50 {
            if after != Ok(429) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            after = ask().await;
        }
        assert_eq!(after, Ok(400));
    });
}
