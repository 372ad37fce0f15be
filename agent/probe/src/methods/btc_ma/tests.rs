#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_model::id::AgentId;
use glimpse_model::outcome::{Ending, Outcome};
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};
use proptest::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::peer::frame::{FlowReceived, FlowSent, Frame, receive, send};
use crate::peer::{Direction, Limits};

fn token(method: PeerMethod, max_bytes: u64, max_duration_ms: u32) -> String {
    let claims = Claims {
        id: MeasureId::from_random([3; 16]),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method,
        not_before: Timestamp::from_micros(0),
        expires: Timestamp::from_micros(1),
        sessions: 1,
        max_bytes,
        max_rate_bps: 1 << 30,
        max_duration_ms,
    };
    Token::encode(&claims, &[0; 64])
        .unwrap()
        .as_str()
        .to_owned()
}

fn read(words: &[&str]) -> Result<BtcOptions, String> {
    let options = Options::from_words(&descriptor().options, words.iter().copied());
    options
        .and_then(|options| BtcOptions::read(&options))
        .map_err(|refused| refused.to_string())
}

#[test]
fn a_token_that_cannot_serve_is_refused_before_anything_is_sent() {
    let with = |token: String| read(&["host=192.0.2.1", &format!("token={token}")]);
    assert_eq!(read(&["host=192.0.2.1"]).unwrap_err(), "token: is missing");
    assert!(
        with("x".to_owned())
            .unwrap_err()
            .starts_with("token: must have the form")
    );
    let trains = token(PeerMethod::PacketTrains, 1 << 30, 60_000);
    assert_eq!(with(trains).unwrap_err(), "token: is for packettrains");
    let few = token(PeerMethod::Btc, 1000, 60_000);
    assert_eq!(
        with(few).unwrap_err(),
        "token: the bytes allowed are too few for it"
    );
    let short = token(PeerMethod::Btc, 1 << 30, 1_000);
    assert_eq!(
        with(short).unwrap_err(),
        "token: the time allowed is too short for it"
    );
    let good = with(token(PeerMethod::Btc, 1 << 30, 6_000)).unwrap();
    assert_eq!((good.peer.port, good.plan.duration_ms), (5105, 5_000));
}

async fn measure(listener: &TcpListener, more: &str) -> Outcome {
    let port = listener.local_addr().unwrap().port();
    let token = token(PeerMethod::Btc, 1 << 30, 60_000);
    let words = format!("host=127.0.0.1 port={port} token={token} {more}");
    let options = Options::from_words(&descriptor().options, words.split_ascii_whitespace());
    let context = Context::unlimited(Duration::from_secs(30), 5);
    descriptor().run(&options.unwrap(), &context).await
}

#[tokio::test]
async fn somebody_else_at_the_port_is_told_from_a_responder() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (banner, says) in [
        (
            "SSH-2.0-server\r\n",
            format!("{address} is not a GLIMPSE responder: a message of 21331 bytes is too long"),
        ),
        (
            "",
            "the peer closed the connection: it may not know this token, or no longer".to_owned(),
        ),
    ] {
        let serving = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            receive(&mut stream).await.unwrap();
            stream.write_all(banner.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            let _ = stream.read(&mut [0]).await;
        };
        let (outcome, ()) = tokio::join!(measure(&listener, ""), serving);
        assert_eq!(
            (outcome.ending, outcome.error),
            (Ending::Failed, Some(says))
        );
    }
}

/// A responder that has `way` measured and goes away when the next flow is due.
async fn half(listener: &TcpListener, measured: usize) {
    let (mut control, _) = listener.accept().await.unwrap();
    receive(&mut control).await.unwrap();
    let limits = Limits {
        max_bytes: 1 << 30,
        max_rate_bps: 1 << 30,
        max_duration_ms: 60_000,
    };
    let accepted = Frame::Accepted { key: 7, limits };
    send(&mut control, &accepted).await.unwrap();
    for _ in 0..measured {
        let mut flow = next_flow(listener).await;
        flow.write_all(&[0; 10_000]).await.unwrap();
        flow.shutdown().await.unwrap();
        let received = receive(&mut control).await.unwrap();
        assert!(matches!(
            received,
            Frame::Received(FlowReceived { bytes: 10_000, .. })
        ));
        let sent = FlowSent {
            bytes: 10_000,
            ..FlowSent::default()
        };
        send(&mut control, &Frame::Sent(sent)).await.unwrap();
    }
    next_flow(listener).await;
}

async fn next_flow(listener: &TcpListener) -> TcpStream {
    let (mut flow, _) = listener.accept().await.unwrap();
    let first = receive(&mut flow).await.unwrap();
    assert!(matches!(first, Frame::Flow { key: 7, .. }), "{first:?}");
    flow
}

#[tokio::test]
async fn one_direction_measured_is_a_result_and_none_is_a_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for (measured, ending) in [(1, Ending::Done), (0, Ending::Failed)] {
        let words = "direction=both duration_ms=500 ramp_up_ms=0";
        let (outcome, ()) = tokio::join!(measure(&listener, words), half(&listener, measured));
        assert_eq!(outcome.ending, ending, "{outcome:?}");
        let error = outcome.error.as_deref().unwrap();
        let missing = format!("{}: ", Direction::Up.as_str());
        assert_eq!(error.starts_with(&missing), measured == 1, "{error}");
        let down = outcome.probe_result.get("down");
        assert_eq!(down.is_some(), measured == 1, "{outcome:?}");
    }
}

proptest! {
    #[test]
    fn the_announcement_stays_within_twice_the_token(bytes in 200_000_u64..1 << 40, way in 0_usize..3, asked in 0_u64..1 << 40) {
        let way = ["down", "up", "both"][way];
        let token = token(PeerMethod::Btc, bytes, 60_000);
        let words = ["host=192.0.2.1", &format!("token={token}"), &format!("direction={way}"), &format!("max_bytes={asked}")];
        let options = Options::from_words(&descriptor().options, words).unwrap();
        let worst = descriptor().worst_case_bytes(&options);
        prop_assert!(worst > 0);
        prop_assert!(worst <= 2 * bytes + (256 << 10));
    }
}
