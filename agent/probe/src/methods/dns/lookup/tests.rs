//! What a try waits for, over streams without sockets, in virtual time.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::{Instant, sleep, timeout};

use super::super::kinds::number;
use super::*;

fn asking(words: &[&str]) -> Asking {
    let descriptor = crate::methods::dnslookup::descriptor();
    let words = ["host=www.example", "dns_server=192.0.2.53"]
        .iter()
        .chain(words);
    let options =
        glimpse_model::options::Options::from_words(&descriptor.options, words.copied()).unwrap();
    Asking::read(&options, 1).unwrap()
}

fn query() -> Vec<u8> {
    let name = query::name("www.example").unwrap();
    query::build(0x1234, &name, number::A, asking(&[]).wishes).unwrap()
}

/// The query as an answer without records.
fn answer(query: &[u8]) -> Vec<u8> {
    let mut message = query.to_vec();
    message[2] |= 0x80;
    message
}

fn framed(message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap();
    [&length.to_be_bytes(), message].concat()
}

/// Says one byte a second, after it has heard the query.
async fn trickle(mut stream: DuplexStream, bytes: Vec<u8>) {
    let mut heard = vec![0; query().len() + 2];
    stream.read_exact(&mut heard).await.unwrap();
    for byte in bytes {
        // The asker may have gone.
        let _ = stream.write_all(&[byte]).await;
        sleep(Duration::from_secs(1)).await;
    }
    std::future::pending::<()>().await;
}

/// One try over a stream whose other end trickles; how long it took.
#[expect(clippy::disallowed_methods, reason = "the clock is a virtual one")]
async fn tried(wait_ms: u32, bytes: Vec<u8>) -> (Exchange, Duration) {
    let wait = format!("timeout={wait_ms}");
    let asking = asking(&["transport=Tcp", &wait]);
    let (mut ours, theirs) = duplex(4096);
    let server = tokio::spawn(trickle(theirs, bytes));
    let mut exchange = blank(number::A, 1, asking.server.unwrap(), Transport::Tcp);
    let begun = Instant::now();
    let (query, tally) = (query(), Tally::default());
    let trying = stream::converse(&mut ours, &query, &tally, &mut exchange);
    let tried = timeout(Duration::from_millis(wait_ms.into()), trying).await;
    exchange.result = tried.unwrap_or_else(|_| Err(overdue(&exchange, &asking)));
    server.abort();
    (exchange, begun.elapsed())
}

fn told(exchange: &Exchange) -> String {
    exchange.result.as_ref().unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn a_trickle_is_told_by_how_far_it_has_come() {
    let announced = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    for (wait_ms, words) in [
        (500, "no answer from 192.0.2.53:53 within 500 ms"),
        (
            1500,
            "no whole answer from 192.0.2.53:53 within 1500 ms: 0 of 18516 bytes had come",
        ),
        (
            4500,
            "no whole answer from 192.0.2.53:53 within 4500 ms: 3 of 18516 bytes had come",
        ),
    ] {
        let (exchange, taken) = tried(wait_ms, announced.clone()).await;
        assert_eq!(told(&exchange), words);
        assert_eq!(taken, Duration::from_millis(wait_ms.into()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_trickle_that_ends_in_time_is_an_answer() {
    let bytes = framed(&answer(&query()));
    let last = u32::try_from(bytes.len() - 1).unwrap() * 1000;
    let (exchange, taken) = tried(last + 1, bytes.clone()).await;
    assert_eq!(
        exchange.response_bytes,
        Some(bytes.len() - 2),
        "{exchange:?}"
    );
    assert!(exchange.result.is_ok() && exchange.query_ns.is_some());
    assert_eq!(taken, Duration::from_millis(last.into()));
    let (exchange, _) = tried(last - 1, bytes.clone()).await;
    let words = format!("{} of {} bytes had come", bytes.len() - 3, bytes.len() - 2);
    assert!(told(&exchange).ends_with(&words), "{exchange:?}");
}

#[tokio::test(start_paused = true)]
async fn messages_that_are_no_answer_are_passed_over_one_by_one() {
    let mut forged = answer(&query());
    forged[0] ^= 1;
    let asking = asking(&["transport=Tcp"]);
    let (mut ours, mut theirs) = duplex(4096);
    let line = [b"\0\0".to_vec(), framed(&forged), framed(&answer(&query()))].concat();
    theirs.write_all(&line).await.unwrap();
    let mut exchange = blank(number::A, 1, asking.server.unwrap(), Transport::Tcp);
    let (query, tally) = (query(), Tally::default());
    let answer = stream::converse(&mut ours, &query, &tally, &mut exchange).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(exchange.mismatched, 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_too_early_is_told_by_how_far_it_has_come() {
    for (line, words) in [
        (
            &b""[..],
            "192.0.2.53:53 closed the connection without an answer",
        ),
        (
            b"\0",
            "192.0.2.53:53 closed the connection within the length of an answer",
        ),
        (
            b"\0\x09abc",
            "192.0.2.53:53 closed the connection after 3 of the 9 bytes that it announced",
        ),
    ] {
        let asking = asking(&["transport=Tcp"]);
        let (mut ours, mut theirs) = duplex(4096);
        theirs.write_all(line).await.unwrap();
        theirs.shutdown().await.unwrap();
        let mut exchange = blank(number::A, 1, asking.server.unwrap(), Transport::Tcp);
        let (query, tally) = (query(), Tally::default());
        exchange.result = stream::converse(&mut ours, &query, &tally, &mut exchange).await;
        assert_eq!(told(&exchange), words);
    }
}

#[test]
fn what_was_waited_for_is_told_by_transport_and_phase() {
    let asking = asking(&["transport=Tls", "tls_name=dns.example", "timeout=700"]);
    let mut exchange = blank(number::A, 1, asking.server.unwrap(), Transport::Tls);
    let silent = "no answer from 192.0.2.53:853 within 700 ms";
    assert_eq!(overdue(&exchange, &asking).to_string(), silent);
    exchange.connect_ns = Some(1);
    let failure = overdue(&exchange, &asking);
    assert_eq!(
        failure.to_string(),
        "tls with dns.example: no handshake within 700 ms"
    );
    assert!(failure.is_worth_a_retry());
    exchange.tls_ns = Some(1);
    assert_eq!(overdue(&exchange, &asking).to_string(), silent);
}
