//! What no client should send.

use crate::client::{D, JSON, L, XML, tls};
use crate::place::Place;
use glimpse_agent::clock::steady;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

async fn raw(place: &Place, text: &str) -> String {
    let tcp = TcpStream::connect(("127.0.0.1", place.port)).await.unwrap();
    let mut stream = tls(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    // The other side may have had enough before all is written.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn bodies_that_mean_nothing_are_refused_with_their_fault_and_change_nothing() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&serde_json::json!({"agent": {"group-id": "as it was"}}))
        .await;
    let tag = client.get(D).await.header("etag").to_owned();
    let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
    let cases: Vec<(&str, Vec<u8>)> = vec![
        (JSON, b"{\"ietf-lmap-control:lmap\":{\"agent\":{\"group-id\":\"a\0b\"}}}".to_vec()),
        (JSON, b"{\"ietf-lmap-control:lmap\":{\"agent\":{\"group-id\":\"\xff\xfe\"}}}".to_vec()),
        (JSON, b"\xff\xfe{\0}\0".to_vec()),
        (JSON, deep.clone().into_bytes()),
        (JSON, br#"{"ietf-lmap-control:lmap":{"agent":{"group-id":"a","group-id":"b"}}}"#.to_vec()),
        (JSON, br#"{"ietf-lmap-control:lmap":{"agent":{"no-such":"a"}}}"#.to_vec()),
        (JSON, br#"{"foreign:lmap":{}}"#.to_vec()),
        (JSON, b"{}x".to_vec()),
        (JSON, br#"<lmap xmlns="urn:ietf:params:xml:ns:yang:ietf-lmap-control"/>"#.to_vec()),
        (XML, br#"<lmap xmlns="urn:example:foreign"/>"#.to_vec()),
        (XML, br#"<!DOCTYPE l [<!ENTITY e "x">]><lmap xmlns="urn:ietf:params:xml:ns:yang:ietf-lmap-control"><agent><group-id>&e;</group-id></agent></lmap>"#.to_vec()),
        (XML, br#"<!DOCTYPE l SYSTEM "http://127.0.0.1/x.dtd"><lmap xmlns="urn:ietf:params:xml:ns:yang:ietf-lmap-control"/>"#.to_vec()),
        (XML, b"<a".repeat(10_000)),
        (XML, "<a>".repeat(10_000).into_bytes()),
    ];
    for (media_type, body) in cases {
        let shown = String::from_utf8_lossy(&body[..body.len().min(80)]).into_owned();
        let headers = [("content-type", media_type), ("accept", JSON)];
        let answer = client.ask("PATCH", L, &headers, body).await;
        assert!(
            (400..500).contains(&answer.status),
            "{shown}: {} {}",
            answer.status,
            answer.text
        );
        assert!(!answer.tag().is_empty(), "{shown}");
    }
    for path in [
        format!("{L}/events/event=%"),
        format!("{L}/events/event=%ff"),
        format!("{L}/events/event=%2561"),
        format!("{L}/events/event=a,b"),
        format!("{L}/events/event=a%2Cb"),
        format!("{L}/events/event=%22%3D%25%2F"),
        format!("{L}/events/event=a/../../agent"),
        "/restconf/../etc/passwd".to_owned(),
    ] {
        let answer = client.get(&path).await;
        assert!(
            (400..500).contains(&answer.status),
            "{path}: {} {}",
            answer.status,
            answer.text
        );
    }
    let now = client.get(D).await;
    assert_eq!(now.header("etag"), tag, "nothing is half applied");
}

#[tokio::test]
async fn lmap_check_40_a_body_ten_times_too_large_is_refused_and_the_agent_goes_on() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    let big = vec![b' '; 10 << 20];
    let headers = [("content-type", JSON)];
    let answer = client.ask("PATCH", L, &headers, big).await;
    assert_eq!(answer.status, 413, "{}", answer.text);
    let mut client = place.controller().await;
    let exact = vec![b' '; (1 << 20) + 1];
    let answer = client.ask("PATCH", L, &headers, exact).await;
    assert_eq!((answer.status, answer.tag().as_str()), (413, "too-big"));
    // Not made where the others are made, and like them all the same.
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert!(
        answer.header("date").ends_with(" GMT"),
        "{:?}",
        answer.headers
    );
    let mut client = place.controller().await;
    assert_eq!(client.get(L).await.status, 200);
}

#[tokio::test]
async fn requests_that_break_http_end_their_connection_alone() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    for text in [
        "GET /restconf HTTP/1.1\r\n\r\n".to_owned(),
        "GET /restconf HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef"
            .to_owned(),
        "POST /restconf/data HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n".to_owned(),
        "\0\0\0\0\r\n\r\n".to_owned(),
        format!(
            "GET /restconf HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
            "y".repeat(100_000)
        ),
        format!(
            "GET /restconf HTTP/1.1\r\nhost: a\r\n{}\r\n",
            "x: y\r\n".repeat(1000)
        ),
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(),
    ] {
        let answer = raw(&place, &text).await;
        let status: Option<u16> = answer.get(9..12).and_then(|digits| digits.parse().ok());
        assert!(
            status.is_none_or(|status| (400..600).contains(&status)),
            "{text:.60}: {answer}"
        );
        assert_eq!(client.get("/restconf").await.status, 200, "{text:.60}");
    }
    // Fewer bytes than said: no answer, or that it is malformed, but never taken for whole.
    let tcp = TcpStream::connect(("127.0.0.1", place.port)).await.unwrap();
    let mut stream = tls(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    let head = format!(
        "PATCH {L} HTTP/1.1\r\nhost: a\r\ncontent-type: {JSON}\r\ncontent-length: 60\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
        .write_all(br#"{"ietf-lmap-control:lmap":{}}"#)
        .await
        .unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(30), stream.read_to_end(&mut answer)).await;
    assert!(
        !answer.starts_with(b"HTTP/1.1 2"),
        "{}",
        String::from_utf8_lossy(&answer)
    );
}

#[tokio::test]
async fn half_open_handshakes_and_slow_clients_keep_nobody_out() {
    let place = Place::started("").await;
    let mut held = Vec::new();
    for _ in 0..40 {
        let mut tcp = TcpStream::connect(("127.0.0.1", place.port)).await.unwrap();
        tcp.write_all(&[0x16, 3, 1]).await.unwrap();
        held.push(tcp);
    }
    let mut client = place.controller().await;
    assert_eq!(client.get("/restconf").await.status, 200);
    let began = steady();
    for mut tcp in held {
        let mut rest = Vec::new();
        let ended = timeout(Duration::from_secs(15), tcp.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "given up after the time to shake hands");
    }
    // Sooner than a handshake that has begun.
    assert!(began.elapsed() < Duration::from_secs(9));
    assert_eq!(client.get("/restconf").await.status, 200);
    let log = place.log();
    let told = log
        .lines()
        .filter(|line| line.contains("connections were refused"));
    assert_eq!(told.count(), 1, "{log}");
}
