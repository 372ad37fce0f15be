//! Echoes, by hand and by `ping`.

use super::*;

#[tokio::test]
async fn an_echo_is_the_same_for_its_holder_and_ends_in_silence() {
    let mut bench = Bench::new(Ok(())).await;
    let token = issue(&Claims {
        max_duration_ms: 1_500,
        ..claims(PeerMethod::Ping)
    });
    let (mut caller, mut thief) = (Caller::new(&bench).await, Caller::new(&bench).await);
    let session = MeasureId::from_random([5; 16]);
    let request = Request::Echo.encode();
    let tag = caller.open(session, &token, &request).await.unwrap();
    for length in [0, 1, 500, 1400] {
        let body = vec![b'x'; length];
        caller.say(&Datagram::Echo { tag, body: &body }).await;
        let echo = caller.hear().await;
        assert_eq!(echo, Some(Datagram::EchoReply { tag, body: &body }));
    }
    thief
        .say(&Datagram::Echo {
            tag,
            body: b"hello",
        })
        .await;
    assert_eq!(thief.hear().await, None, "another address");
    assert!(
        thief.open(session, &token, &request).await.is_none(),
        "a replay"
    );
    let (ask, outcome) = bench.other_end().await;
    assert_eq!((ask.method, outcome.ending), ("ping_mp", Ending::Done));
    assert_eq!(number(&outcome, "packets_echoed"), 4);
    assert_eq!((bench.refused)()[&Reason::Replayed], 1);
}

#[tokio::test]
async fn a_ping_of_another_agent_names_every_echo_and_both_ends_know_how_many() {
    let mut bench = Bench::with(
        Ok(()),
        Limits {
            // An echo of 8 bytes has 72 at IP level over IPv6: 102.4 ms.
            max_rate_bps: 5_625,
            ..config().limits
        },
    )
    .await;
    let token = issue(&claims(PeerMethod::Ping));
    let token = format!("token={token}");
    let words = [
        "type=Peer",
        "host=127.0.0.1",
        "source_port=0",
        "count=5",
        "interval=1",
        "payload=8",
        &token,
    ];
    let began_ns = monotonic_ns();
    let outcome = bench.measure("ping", 12, &words).await;
    assert_eq!((outcome.ending, &outcome.error), (Ending::Done, &None));
    assert!(
        monotonic_ns() - began_ns >= 4 * 102_400_000,
        "as slow as the responder's household allows"
    );
    let result = &outcome.probe_result;
    assert_eq!(number(&outcome, "round_trip_received"), 5);
    assert_eq!(result["round_trip_ms"].as_array().unwrap().len(), 5);
    let (ask, other) = bench.other_end().await;
    assert_eq!((ask.method, other.ending), ("ping_mp", Ending::Done));
    assert_eq!(number(&other, "packets_echoed"), 5);
    assert_eq!(number(&other, "packets_dropped"), 0);
    for name in ["measure_uuid", "token_id"] {
        assert_eq!(other.probe_result[name], result[name], "one measurement");
    }
    assert!(
        monotonic_ns() - began_ns < crate::peer::SILENCE_NS,
        "its place is free for the next"
    );
    // Its one session is used up; and who has no leave is not told why.
    let again = bench.measure("ping", 13, &words).await;
    assert_eq!(again.ending, Ending::Failed);
    let error = again.error.unwrap();
    assert!(error.contains("the responder does not answer"), "{error}");
    assert!(again.bytes.sent > 8 * 1100, "its tries are counted");
}

#[tokio::test]
async fn a_ping_that_the_other_household_ends_says_why_and_keeps_its_figures() {
    let mut bench = Bench::new(Ok(())).await;
    let token = format!("token={}", issue(&claims(PeerMethod::Ping)));
    let words = [
        "type=Peer",
        "host=127.0.0.1",
        "source_port=0",
        "count=1000",
        "interval=10",
        &token,
    ];
    let (outcome, ()) = tokio::join!(
        bench.measure("ping", 14, &words),
        bench.recall("quiet hours")
    );
    let error = outcome.error.as_deref().unwrap_or_default();
    assert!(
        error.starts_with("the peer ended the session: quiet hours"),
        "{error}"
    );
    assert!(number(&outcome, "round_trip_received") > 0);
    assert!(number(&outcome, "round_trip_sent") < 500);
    let (_, other) = bench.other_end().await;
    assert_eq!(other.error.as_deref(), Some("quiet hours"));
}
