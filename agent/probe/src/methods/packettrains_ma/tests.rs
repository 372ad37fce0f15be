#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use glimpse_model::token::{Claims, MeasureId, PeerMethod, Token};

use super::*;

fn read(max_rate_bps: u64, words: &[&str]) -> Result<TrainOptions, String> {
    let claims = Claims {
        id: MeasureId::from_random([3; 16]),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method: PeerMethod::PacketTrains,
        not_before: Timestamp::from_micros(0),
        expires: Timestamp::from_micros(1),
        sessions: 1,
        max_bytes: 1 << 30,
        max_rate_bps,
        max_duration_ms: 60_000,
    };
    let token = Token::encode(&claims, &[0; 64]).unwrap();
    let token = format!("token={}", token.as_str());
    let words = words.iter().copied().chain(["host=192.0.2.1", &token]);
    Options::from_words(&descriptor().options, words)
        .and_then(|options| TrainOptions::read(&options))
        .map_err(|refused| refused.to_string())
}

#[test]
fn the_originals_defaults_hold_as_far_as_the_token_allows() {
    let plan = read(u64::MAX, &[]).unwrap().plan;
    assert_eq!(
        (plan.packet_size, plan.train_length, plan.iterations),
        (1000, 48, 1)
    );
    assert_eq!(
        (plan.rate_min, plan.rate_max, plan.delay_ns),
        (10_485_760, 262_144_000, 200_000_000)
    );
    let slower = read(80_000_000, &[]).unwrap().plan;
    assert_eq!((slower.rate_min, slower.rate_max), (10_000_000, 10_000_000));
}

#[test]
fn what_is_too_much_is_refused() {
    for (words, said) in [
        (
            &["iterations=105"][..],
            "iterations: must not need more than 5000 packets with this train_length",
        ),
        (&["iterations=0"], "iterations: must be > 0"),
        (&["packet_size=1453"], "packet_size: must be <= 1452"),
        (
            &["rate_min=1000", "rate_max=1000", "train_length=1000"],
            "iterations: must not need more than ten minutes with these rates and this delay",
        ),
        (
            &["rate_min=1000", "rate_max=1000", "train_length=100"],
            "token: the time allowed is too short for it",
        ),
    ] {
        assert_eq!(read(u64::MAX, words).unwrap_err(), said);
    }
}
