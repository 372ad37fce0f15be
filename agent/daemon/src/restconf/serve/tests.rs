#![allow(clippy::unwrap_used)]

use super::*;
use crate::restconf::doors::Doors;
use crate::restconf::places::{Places, Users};
use crate::restconf::{CONNECTIONS, LARGE_BODIES};
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;

fn shared(told: mpsc::Sender<Told>) -> Shared {
    Shared {
        told,
        traffic: Arc::default(),
        door: Arc::default(),
        doors: Arc::<Doors>::default(),
        connections: Places::new(CONNECTIONS),
        of_users: Users::default(),
        large_bodies: Places::new(LARGE_BODIES),
        streams: Users::default(),
    }
}

/// The other end of a connection of a reader.
fn reader(shared: &Shared, far: bool) -> DuplexStream {
    let user = User {
        name: "olga".to_owned(),
        groups: Vec::new(),
        recovery: false,
    };
    let validity = Validity {
        not_before: 0,
        not_after: i64::MAX,
    };
    let client = Client::new(user, far, validity);
    let shared = shared.clone();
    let (near, other) = duplex(1 << 20);
    tokio::spawn(async move {
        let service = service_fn(|request| {
            let (client, shared) = (client.clone(), shared.clone());
            async move { Ok::<_, Infallible>(respond(request, &client, &shared).await) }
        });
        let http = http1::Builder::new();
        http.serve_connection(TokioIo::new(near), service).await
    });
    other
}

async fn client(shared: &Shared) -> SendRequest<Full<Bytes>> {
    let stream = TokioIo::new(reader(shared, false));
    let (sender, driver) = handshake(stream).await.unwrap();
    tokio::spawn(driver);
    sender
}

fn patch(bytes: usize) -> hyper::Request<Full<Bytes>> {
    let body = Full::new(Bytes::from(vec![b' '; bytes]));
    let request = hyper::Request::builder()
        .method("PATCH")
        .uri("/restconf/data");
    request.header("host", "a").body(body).unwrap()
}

async fn asked(inbox: &mut mpsc::Receiver<Told>) -> Option<Box<Exchange>> {
    let told = timeout(Duration::from_secs(1), inbox.recv()).await.ok()??;
    match told {
        Told::Asked(exchange) => Some(exchange),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_large_body_has_its_place_until_it_is_done_with() {
    let (told, mut inbox) = mpsc::channel(32);
    let shared = shared(told);
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = client(&shared).await;
        clients.push(tokio::spawn(async move {
            let _ = client.send_request(patch(100 << 10)).await;
        }));
    }
    let first = asked(&mut inbox).await.unwrap();
    assert_eq!(first.request.body.len(), 100 << 10);
    assert!(
        asked(&mut inbox).await.is_none(),
        "two of a reader's at once"
    );
    // Who hangs up does not make room by that: what was sent is still there.
    clients.remove(0).abort();
    assert!(asked(&mut inbox).await.is_none());
    drop(first);
    assert!(asked(&mut inbox).await.is_some());
    let mut small = client(&shared).await;
    tokio::spawn(async move { small.send_request(patch(10)).await });
    assert!(asked(&mut inbox).await.is_some(), "small ones need none");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_come_is_answered_as_all_else_is() {
    let shared = shared(mpsc::channel(1).0);
    let mut stream = reader(&shared, false);
    let head = "PATCH /restconf/data HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let answer = answer.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 408 "), "{answer}");
    for line in [
        "cache-control: no-cache\r\n",
        "connection: close\r\n",
        "\r\ndate: ",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn when_the_bytes_are_used_up_no_large_body_is_taken_from_beyond_the_household() {
    let (told, _inbox) = mpsc::channel(1);
    let shared = shared(told);
    shared.doors.set_spent(true);
    let mut stream = reader(&shared, true);
    let head = "PATCH /restconf/data HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let mut taken = 0;
    for _ in 0..64 {
        if stream.write_all(chunk.as_bytes()).await.is_err() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
        taken += 0x1000;
    }
    assert!(taken < 128 << 10, "{taken}");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(answer.starts_with(b"HTTP/1.1 413 "), "{answer:?}");
}
