#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};
use proptest::prelude::*;

use super::*;

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
    assert_eq!((good.port, good.plan.duration_ms), (5105, 5_000));
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
