#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Duration;

use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

async fn pair(tally: &Tally, address: &str) -> (CountedStream, TcpStream) {
    let listener = TcpListener::bind((address, 0)).await.unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await;
    let server = listener.accept().await.unwrap().0;
    (CountedStream::new(client.unwrap(), tally.clone()), server)
}

#[tokio::test]
async fn payload_headers_and_acknowledgements_are_counted_in_both_families() {
    for (address, header) in [("127.0.0.1", 52), ("::1", 72)] {
        let tally = Tally::default();
        let (mut client, mut server) = pair(&tally, address).await;
        let opening = tally.read();
        assert_eq!(opening.sent_bytes, header + 8 + 3 * header);
        assert_eq!(opening.received_bytes, header + 8 + 2 * header);
        assert_eq!(
            opening.total_bytes(),
            CountedStream::opening_bytes(client.family)
        );
        client.write_all(&[1; 1000]).await.unwrap();
        server.read_exact(&mut [0; 1000]).await.unwrap();
        server.write_all(&[2; 300]).await.unwrap();
        client.read_exact(&mut [0; 300]).await.unwrap();
        let counter = tally.read();
        // Both fit one segment of the loopback interface: each brings one acknowledgement.
        assert_eq!(
            counter.sent_bytes - opening.sent_bytes,
            1000 + header + header
        );
        assert_eq!(
            counter.received_bytes - opening.received_bytes,
            300 + header + header
        );
        drop(client);
        assert_eq!(tally.read(), counter, "the kernel knows of nothing more");
    }
}

#[tokio::test]
async fn what_came_and_was_not_read_is_charged_at_the_end() {
    let tally = Tally::default();
    let (client, mut server) = pair(&tally, "127.0.0.1").await;
    server.write_all(&[2; 5000]).await.unwrap();
    client.stream().readable().await.unwrap();
    let before = tally.read().received_bytes;
    drop(client);
    let after = tally.read().received_bytes;
    assert!(
        (5000 - 300..6000).contains(&(after - before)),
        "{before} {after}"
    );

    let tally = Tally::limited(2000);
    let (client, mut server) = pair(&tally, "127.0.0.1").await;
    server.write_all(&[2; 5000]).await.unwrap();
    client.stream().readable().await.unwrap();
    drop(client);
    assert_eq!(tally.read().total_bytes(), 2000, "and never over the limit");
}

#[tokio::test]
async fn the_limit_ends_reading_and_writing_by_a_recognisable_error() {
    let opening = CountedStream::opening_bytes(Family::V4);
    // Room for 700 bytes in one segment with its acknowledgement, and not for another with one byte.
    let limit = opening + 700 + 2 * 52 + 104;
    let tally = Tally::limited(limit);
    let (mut client, mut server) = pair(&tally, "127.0.0.1").await;
    assert_eq!(
        client.write(&[1; 1000]).await.unwrap(),
        700 + 104,
        "cut to fit"
    );
    assert_eq!(tally.room(), 0);
    let error = client.write(&[1]).await.unwrap_err();
    assert!(is_limit(&error), "{error:?}");
    assert_eq!(
        error.to_string(),
        format!("stopped at its limit of {limit} bytes")
    );
    let wrapped = io::Error::other(io::Error::other(error));
    assert!(is_limit(&wrapped), "{wrapped:?}");
    assert!(!is_limit(&io::Error::other("something else")));
    server.write_all(&[2; 10]).await.unwrap();
    let error = client.read(&mut [0; 10]).await.unwrap_err();
    assert!(is_limit(&error));
    drop(client);
    assert_eq!(tally.read().total_bytes(), limit);
}

#[tokio::test]
async fn a_read_is_cut_to_the_room_that_is_left() {
    let limit = CountedStream::opening_bytes(Family::V4) + 104 + 500;
    let tally = Tally::limited(limit);
    let (mut client, mut server) = pair(&tally, "127.0.0.1").await;
    server.write_all(&[9; 2000]).await.unwrap();
    let mut buffer = Vec::new();
    let error = timeout(PATIENCE, client.read_to_end(&mut buffer))
        .await
        .unwrap()
        .unwrap_err();
    assert!(is_limit(&error));
    assert!((1..=500).contains(&buffer.len()), "{}", buffer.len());
    assert!(buffer.iter().all(|&byte| byte == 9));
    assert!(tally.read().total_bytes() <= limit);
}

#[tokio::test]
async fn vectored_writes_are_counted_and_cut() {
    let opening = CountedStream::opening_bytes(Family::V4);
    let tally = Tally::limited(opening + 104 + 150);
    let (mut client, _server) = pair(&tally, "127.0.0.1").await;
    let parts = [
        IoSlice::new(&[]),
        IoSlice::new(&[1; 100]),
        IoSlice::new(&[2; 100]),
    ];
    let written = client.write_vectored(&parts).await.unwrap();
    assert_eq!(
        written, 100,
        "together they do not fit, the first alone does"
    );
    let tally = Tally::default();
    let (mut client, mut server) = pair(&tally, "127.0.0.1").await;
    assert_eq!(client.write_vectored(&parts).await.unwrap(), 200);
    assert_eq!(tally.read().total_bytes(), opening + 200 + 104);
    let mut got = [0; 200];
    server.read_exact(&mut got).await.unwrap();
    assert_eq!((got[99], got[100]), (1, 2));
}

#[tokio::test]
async fn streams_and_datagrams_share_a_tally() {
    let tally = Tally::limited(3 * CountedStream::opening_bytes(Family::V4));
    let _one = pair(&tally, "127.0.0.1").await;
    let _two = pair(&tally, "127.0.0.1").await;
    let room = tally.room();
    assert_eq!(room, CountedStream::opening_bytes(Family::V4));
    tally.send_datagram(Family::V4, 72).unwrap();
    tally.receive_datagram(Family::V6, 52).unwrap();
    assert_eq!(tally.room(), room - 200);
    let before = tally.read();
    let refused = tally.send_datagram(Family::V4, 1400).unwrap_err();
    assert_eq!(
        refused.to_string(),
        format!("stopped at its limit of {} bytes", tally.limit())
    );
    assert_eq!(tally.read(), before, "what is not sent is not counted");
    tally.receive_datagram(Family::V4, 1400).unwrap_err();
    assert_eq!(tally.room(), 0);
    assert_eq!(tally.read().total_bytes(), tally.limit());
}

proptest! {
    #[test]
    fn what_is_said_to_fit_does_and_one_byte_more_does_not(room in 0..10_000_000_u64, mss in 1..70_000_u32, v6: bool) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        let charge = Charge::new(family, mss);
        let cost = |payload| { let (carried, acknowledged, _) = charge.of(payload); carried + acknowledged };
        let fitting = charge.fitting(room);
        prop_assert!(fitting == 0 || cost(fitting) <= room);
        prop_assert!(cost(fitting + 1) > room);
        prop_assert_eq!(CountedStream::transfer_bytes(family, mss, fitting), cost(fitting));
    }
}

#[tokio::test]
async fn what_is_thrown_away_is_counted_and_leaves_the_rest() {
    let tally = Tally::default();
    let (mut client, mut server) = pair(&tally, "127.0.0.1").await;
    let before = tally.read().received_bytes;
    let mut room = [7; 1000];
    let none = timeout(
        Duration::from_millis(20),
        std::future::poll_fn(|context| client.poll_discard(context, &mut room)),
    );
    assert!(none.await.is_err(), "nothing has come yet");
    for part in [[1; 700], [2; 700]] {
        server.write_all(&part).await.unwrap();
    }
    let mut taken = 0;
    while taken < 1200 {
        let most = 1200 - taken;
        let room = &mut room[..most.min(1000)];
        let read = std::future::poll_fn(|context| client.poll_discard(context, room));
        taken += timeout(PATIENCE, read).await.unwrap().unwrap();
    }
    assert_eq!((taken, room), (1200, [7; 1000]));
    let mut rest = [0; 200];
    client.read_exact(&mut rest).await.unwrap();
    assert_eq!(rest, [2; 200]);
    assert!(tally.read().received_bytes - before >= 1400 + 52);
    drop(server);
    let end = std::future::poll_fn(|context| client.poll_discard(context, &mut room));
    assert_eq!(timeout(PATIENCE, end).await.unwrap().unwrap(), 0);
}

#[tokio::test]
async fn what_is_thrown_away_stays_within_the_limit() {
    let tally = Tally::limited(2000);
    let (mut client, mut server) = pair(&tally, "127.0.0.1").await;
    server.write_all(&[1; 5000]).await.unwrap();
    let mut room = [0; 4000];
    let error = loop {
        let read = std::future::poll_fn(|context| client.poll_discard(context, &mut room));
        match timeout(PATIENCE, read).await.unwrap() {
            Ok(bytes) => assert!(bytes > 0),
            Err(error) => break error,
        }
    };
    assert!(is_limit(&error), "{error}");
    assert!(tally.read().total_bytes() <= 2000);
}
