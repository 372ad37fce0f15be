#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_model::id::AgentId;
use glimpse_model::token::PeerMethod;
use proptest::prelude::*;

use super::*;

fn id(number: u64) -> MeasureId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    MeasureId::from_random(bytes)
}

fn at(minute: u8) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T12:{minute:02}:00Z")).unwrap()
}

fn claims(number: u64, sessions: u16, expires: Timestamp) -> Claims {
    Claims {
        id: id(number),
        initiator: AgentId::new("one").unwrap(),
        responder: AgentId::new("two").unwrap(),
        method: PeerMethod::Btc,
        not_before: at(10),
        expires,
        sessions,
        max_bytes: 1_000_000,
        max_rate_bps: 1_000_000,
        max_duration_ms: 1_000,
    }
}

#[test]
fn it_is_bounded_and_nothing_is_given_up_for_newcomers() {
    let mut used = Used::default();
    for number in 0..TOKENS as u64 {
        let entered = used.enter(&claims(number, 2, at(20)), id(1), at(15));
        assert_eq!(entered, Ok(()));
    }
    let newcomer = claims(1 << 40, 2, at(40));
    assert_eq!(used.enter(&newcomer, id(1), at(15)), Err(Reason::Throttled));
    assert_eq!(
        used.enter(&claims(0, 2, at(20)), id(1), at(15)),
        Err(Reason::Replayed),
        "those that are there are still known"
    );
    assert_eq!(
        used.enter(&newcomer, id(1), at(20)),
        Ok(()),
        "they have expired"
    );
    assert_eq!((used.len(), used.sessions), (1, 1));
}

#[test]
fn the_fullest_memory_reads_back() {
    let mut used = Used::default();
    for number in 0..TOKENS as u64 {
        for session in 0..(SESSIONS / TOKENS) as u64 {
            let entered = used.enter(&claims(number, 100, at(20)), id(session), at(15));
            assert_eq!(entered, Ok(()));
        }
    }
    assert_eq!(
        used.enter(&claims(0, 100, at(20)), id(1 << 40), at(15)),
        Err(Reason::Throttled),
        "so many sessions, and no more"
    );
    let document = used.document(at(15));
    assert!(
        (document.len() as u64) < DOCUMENT_LIMIT,
        "{}",
        document.len()
    );
    assert_eq!(Used::parse(&document), Ok(used));
}

#[test]
fn what_has_expired_is_not_written_down() {
    let mut used = Used::default();
    used.enter(&claims(1, 1, at(20)), id(1), at(15)).unwrap();
    used.enter(&claims(2, 1, at(30)), id(1), at(15)).unwrap();
    let later = Used::parse(&used.document(at(20))).unwrap();
    assert_eq!(later.len(), 1);
    assert_eq!(
        later.allows(&claims(2, 1, at(30)), id(1)),
        Err(Reason::Replayed)
    );
}

#[test]
fn two_memories_become_one() {
    let (mut here, mut there) = (Used::default(), Used::default());
    let token = claims(1, 2, at(20));
    here.enter(&token, id(1), at(15)).unwrap();
    there.enter(&token, id(1), at(15)).unwrap();
    there.enter(&token, id(2), at(15)).unwrap();
    here.merge(there);
    assert_eq!(here.allows(&token, id(3)), Err(Reason::Exhausted));
    assert_eq!((here.len(), here.sessions), (1, 2));
}

#[test]
fn a_session_that_cannot_be_noted_is_not_let_in() {
    let full: Arc<Keep> = Arc::new(|_| Err(io::ErrorKind::StorageFull.into()));
    let memory = Memory::new(Used::default(), full);
    let entered = memory.enter(&claims(1, 1, at(20)), id(1), at(15));
    assert_eq!(entered, Err(Reason::Throttled));
}

#[test]
fn a_memory_is_kept_before_the_session_begins_and_shared_by_its_clones() {
    let kept = Arc::new(Mutex::new(Vec::new()));
    let keep: Arc<Keep> = {
        let kept = kept.clone();
        Arc::new(move |document: &[u8]| {
            *kept.lock().unwrap() = document.to_vec();
            Ok(())
        })
    };
    let memory = Memory::new(Used::default(), keep);
    let token = claims(1, 1, at(20));
    assert_eq!(memory.clone().enter(&token, id(1), at(15)), Ok(()));
    assert_eq!(memory.allows(&token, id(2)), Err(Reason::Exhausted));
    let found = Used::parse(&kept.lock().unwrap()).unwrap();
    assert_eq!(found.allows(&token, id(1)), Err(Reason::Replayed));
}

proptest! {
    #[test]
    fn no_document_makes_it_panic(text in "\\{\"used\":\\[(\\[[\"0-9a-f,\\[\\]-]{0,80}\\])?\\]\\}") {
        let _ = Used::parse(text.as_bytes());
    }
}
