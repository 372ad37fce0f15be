#![allow(clippy::unwrap_used)]

use super::*;
use crate::pki::tests::made;
use glimpse_model::id::ResultId;
use glimpse_store::Figures;

const HOUR_MS: u64 = 3_600_000;

fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T12:00:00Z").unwrap()
}

fn pairing() -> Pairing {
    Pairing {
        id: InstructionId::new("pair-1").unwrap(),
        initiator: AgentId::new("home-1").unwrap(),
        responder: AgentId::new("home-2").unwrap(),
        method: PeerMethod::Btc,
        host: "192.0.2.2".to_owned(),
        port: 5105,
        options: json!({"direction": "both"}).as_object().unwrap().clone(),
        every_ms: None,
        for_ms: HOUR_MS,
        max_bytes: 1_000_000,
        max_rate_bps: 10_000_000,
        max_duration_ms: 20_000,
    }
}

fn token(instruction: &Instruction) -> Token {
    Token::parse(instruction.tasks[0].options["token"].as_str().unwrap()).unwrap()
}

#[test]
fn the_initiator_is_told_and_the_token_is_signed_by_what_agents_are_given() {
    let key = made().1.peers;
    let instruction = pairing().instruction(&key, now(), [7; 16]).unwrap();
    assert_eq!(instruction.tasks[0].method, "btc_ma");
    assert_eq!(instruction.tasks[0].options["host"], "192.0.2.2");
    assert_eq!(instruction.tasks[0].options["direction"], "both");
    let token = token(&instruction);
    let public = UnparsedPublicKey::new(&ED25519, key.public());
    public
        .verify(token.signed_part().as_bytes(), token.signature())
        .unwrap();
    let claims = token.claims();
    assert_eq!(claims.responder.as_str(), "home-2");
    assert_eq!(claims.sessions, 1);
    assert!(claims.not_before < now() && claims.expires > now().plus_micros(3_600_000_000));
    let whole = pair(&instruction, &key.public()).unwrap();
    assert_eq!(whole.initiator.as_str(), "home-1");
    let other = made().1.peers;
    assert_eq!(pair(&instruction, &other.public()), None, "not our token");
}

#[test]
fn echoes_are_asked_for_as_a_type_of_ping() {
    let key = made().1.peers;
    let pairing = Pairing {
        method: PeerMethod::Ping,
        options: json!({"count": 10}).as_object().unwrap().clone(),
        ..pairing()
    };
    let instruction = pairing.instruction(&key, now(), [7; 16]).unwrap();
    assert_eq!(token(&instruction).claims().method, PeerMethod::Ping);
    let task = &instruction.tasks[0];
    let mut options = task.options.clone();
    options.remove("token");
    assert_eq!(task.method, "ping");
    assert_eq!(
        Value::Object(options),
        json!({"type": "Peer", "host": "192.0.2.2", "destination_port": 5105, "count": 10})
    );
}

#[test]
fn a_token_opens_as_many_sessions_as_there_are_runs() {
    let key = made().1.peers;
    let each = |every_ms| Pairing {
        every_ms: Some(every_ms),
        for_ms: 6 * HOUR_MS,
        ..pairing()
    };
    let sessions = |pairing: &Pairing| {
        let made = pairing.instruction(&key, now(), [7; 16]);
        made.map(|instruction| token(&instruction).claims().sessions)
    };
    assert_eq!(sessions(&each(HOUR_MS)).unwrap(), 6);
    assert_eq!(sessions(&each(5 * HOUR_MS)).unwrap(), 2);
    let refused = sessions(&each(60_000)).unwrap_err().to_string();
    assert!(refused.starts_with("360 runs are more than"), "{refused}");
    let same = Pairing {
        responder: pairing().initiator,
        ..pairing()
    };
    assert!(matches!(sessions(&same), Err(PairingError::Same)));
}

fn result(n: u8, agent: &str, instruction: Option<&str>, method: &str, measure: &str) -> ResultRow {
    ResultRow {
        id: ResultId::from_parts(now(), [n; 10]),
        agent: agent.to_owned(),
        instruction: instruction.map(str::to_owned),
        task: None,
        method: Some(method.to_owned()),
        status: "ok".to_owned(),
        start: Some(now().plus_micros(i64::from(n))),
        received: now(),
        clock_suspect: false,
        figures: Figures::default(),
        document: json!({"probe_result": {"measure_uuid": measure}}).to_string(),
    }
}

fn known(id: &str) -> Option<Pair> {
    (id == "pair-1").then(|| Pair {
        initiator: pairing().initiator,
        responder: pairing().responder,
    })
}

fn join(rows: impl IntoIterator<Item = ResultRow>) -> Vec<Joined> {
    let mut joiner = Joiner::default();
    for row in rows {
        assert!(joiner.take(row, known));
    }
    joiner.finish()
}

#[test]
fn glimpse_check_39_both_reports_are_one_result_whichever_comes_first() {
    for [ma, mp] in [
        ["packettrains_ma", "packettrains_mp"],
        ["btc_ma", "btc_mp"],
        ["ping", "ping_mp"],
    ] {
        let asked = result(1, "home-1", Some("pair-1"), ma, "m1");
        let answered = result(2, "home-2", None, mp, "m1");
        for rows in [
            [asked.clone(), answered.clone()],
            [answered.clone(), asked.clone()],
        ] {
            let joined = join(rows);
            assert_eq!(joined.len(), 1, "{ma}");
            assert_eq!(joined[0].initiator, asked);
            assert_eq!(joined[0].responder.as_ref(), Some(&answered));
        }
    }
}

#[test]
fn an_agent_that_was_not_paired_joins_nothing() {
    let asked = result(1, "home-1", Some("pair-1"), "btc_ma", "m1");
    let forged = result(2, "home-3", None, "btc_mp", "m1");
    let stolen = result(3, "home-3", Some("pair-1"), "btc_ma", "m1");
    for rows in [
        vec![asked.clone(), forged.clone(), stolen.clone()],
        vec![stolen, forged, asked.clone()],
    ] {
        let joined = join(rows);
        assert_eq!(joined.len(), 1);
        assert_eq!(joined[0].responder, None);
    }
}
