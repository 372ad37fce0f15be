#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::*;

fn controller() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap()
}

fn key() -> [u8; 32] {
    controller().public_key().as_ref().try_into().unwrap()
}

fn id(number: u64) -> MeasureId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    MeasureId::from_random(bytes)
}

fn at(minute: u8) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T12:{minute:02}:00Z")).unwrap()
}

fn claims() -> Claims {
    Claims {
        id: id(0),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method: PeerMethod::Btc,
        not_before: at(10),
        expires: at(20),
        sessions: 2,
        max_bytes: 1_000_000,
        max_rate_bps: 1_000_000,
        max_duration_ms: 1_000,
    }
}

fn issue(claims: &Claims) -> String {
    let signature = controller().sign(claims.unsigned().as_bytes());
    let signature = signature.as_ref().try_into().unwrap();
    Token::encode(claims, &signature)
        .unwrap()
        .as_str()
        .to_owned()
}

fn gate() -> Gate {
    Gate::new(key(), AgentId::new("two").unwrap(), &[7; 32])
}

#[test]
fn each_reason_is_told_apart() {
    let good = issue(&claims());
    let mut forged = good.clone();
    let last = if forged.pop() == Some('A') { 'Q' } else { 'A' };
    forged.push(last);
    let other = Ed25519KeyPair::from_seed_unchecked(&[2; 32]).unwrap();
    let signature = other.sign(claims().unsigned().as_bytes());
    let foreign = Token::encode(&claims(), &signature.as_ref().try_into().unwrap()).unwrap();
    let elsewhere = issue(&Claims {
        responder: AgentId::new("three").unwrap(),
        ..claims()
    });
    let ping = issue(&Claims {
        method: PeerMethod::Ping,
        ..claims()
    });
    for (text, minute, reason) in [
        ("g1.e30.AAAA", 15, Reason::Malformed),
        (elsewhere.as_str(), 15, Reason::Misdirected),
        (&good, 9, Reason::Early),
        (&good, 20, Reason::Expired),
        (foreign.as_str(), 15, Reason::Unlisted),
        (&ping, 15, Reason::Method),
    ] {
        let checked = gate().check(text, PeerMethod::Btc, id(1), at(minute), 0);
        assert_eq!(checked, Err(reason));
    }
    // The last letter of a signature has bits to spare; a decoder that is strict refuses them.
    let checked = gate().check(&forged, PeerMethod::Btc, id(1), at(15), 0);
    assert!(matches!(checked, Err(Reason::Malformed | Reason::Unlisted)));
    let checked = gate().check(&good, PeerMethod::Btc, id(1), at(10), 0);
    assert_eq!(checked, Ok(claims()));
}

#[test]
fn a_session_opens_once_and_a_token_so_many() {
    let (mut gate, token) = (gate(), issue(&claims()));
    let mut open = |session| {
        gate.check(&token, PeerMethod::Btc, session, at(15), u64::MAX / 2)
            .and_then(|claims| gate.enter(&claims, session, at(15)))
    };
    assert_eq!(open(id(1)), Ok(()));
    assert_eq!(open(id(1)), Err(Reason::Replayed));
    assert_eq!(open(id(2)), Ok(()));
    assert_eq!(open(id(3)), Err(Reason::Exhausted));
    assert_eq!(open(id(2)), Err(Reason::Replayed));
}

#[test]
fn another_gate_with_the_same_memory_knows_what_was_opened() {
    let (memory, token) = (Memory::default(), issue(&claims()));
    let gate = || gate().remembering(memory.clone());
    let check = |session| gate().check(&token, PeerMethod::Btc, session, at(15), 0);
    let claims = check(id(1)).unwrap();
    assert_eq!(gate().enter(&claims, id(1), at(15)), Ok(()));
    assert_eq!(check(id(1)), Err(Reason::Replayed));
    assert_eq!(gate().enter(&claims, id(2), at(15)), Ok(()));
    assert_eq!(check(id(3)), Err(Reason::Exhausted));
}

#[test]
fn signatures_are_looked_at_so_many_times_a_second() {
    let (mut gate, token) = (gate(), issue(&claims()));
    let now = 1_000 * SECOND_NS;
    let mut looked = 0;
    let mut look = |now| gate.check(&token, PeerMethod::Btc, id(1), at(15), now);
    while look(now).is_ok() {
        looked += 1;
    }
    assert!(
        (CHECKS_AT_ONCE..=CHECKS_AT_ONCE + 1).contains(&looked),
        "{looked}"
    );
    assert_eq!(look(now), Err(Reason::Throttled));
    assert!(look(now + SECOND_NS).is_ok());
}

#[test]
fn a_flood_from_addresses_of_others_does_not_keep_out_who_has_proved_his() {
    let (mut gate, token) = (gate(), issue(&claims()));
    let now = 1_000 * SECOND_NS;
    while gate.read(&token, id(1), at(15), now).is_ok() {}
    let flooded = gate.read(&token, id(1), at(15), now);
    assert_eq!(flooded, Err(Reason::Throttled));
    assert!(
        gate.check(&token, PeerMethod::Btc, id(1), at(15), now)
            .is_ok()
    );
}

#[test]
fn a_cookie_is_good_for_its_address_and_session_and_not_for_long() {
    let gate = gate();
    let from: SocketAddr = "192.0.2.1:4000".parse().unwrap();
    let now = 5 * SECOND_NS;
    let (time, cookie) = gate.challenge(from, id(1), now);
    assert!(gate.knows(from, id(1), time, &cookie, now + 9 * SECOND_NS));
    let other_port = "192.0.2.1:4001".parse().unwrap();
    let other_host = "192.0.2.2:4000".parse().unwrap();
    for (from, session, time, now) in [
        (from, id(1), time, now + 12 * SECOND_NS),
        (from, id(2), time, now),
        (from, id(1), time + 1, now),
        (other_port, id(1), time, now),
        (other_host, id(1), time, now),
    ] {
        assert!(!gate.knows(from, session, time, &cookie, now));
    }
    let another = Gate::new(key(), AgentId::new("two").unwrap(), &[8; 32]);
    assert!(
        !another.knows(from, id(1), time, &cookie, now),
        "a restart forgets"
    );
}

#[test]
fn glimpse_check_41_the_unlisted_are_counted_and_told_of_once_a_minute() {
    let mut gate = gate();
    assert_eq!(
        gate.note(Reason::Unlisted, 0).as_deref(),
        Some("unlisted 1")
    );
    for _ in 0..5 {
        assert_eq!(gate.note(Reason::Unlisted, 10), None);
    }
    assert_eq!(gate.note(Reason::Garbage, LOG_NS - 1), None);
    assert_eq!(
        gate.note(Reason::Expired, LOG_NS).as_deref(),
        Some("garbage 1, expired 1, unlisted 5")
    );
    assert_eq!(gate.refused()[&Reason::Unlisted], 6);
}

proptest! {
    #[test]
    fn no_changed_letter_passes(place in 0_usize..600, letter in "[A-Za-z0-9_.-]") {
        let good = issue(&claims());
        let place = place % good.len();
        let mut text = good.clone();
        text.replace_range(place..=place, &letter);
        if text != good {
            prop_assert!(gate().check(&text, PeerMethod::Btc, id(1), at(15), 0).is_err());
        }
    }
}
