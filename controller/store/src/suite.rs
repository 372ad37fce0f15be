//! What every engine must do; each engine's tests call [`all`] with empty stores that have the judge
//! [`newcomers::judge`].

#![allow(clippy::unwrap_used)]

mod alto;
mod forgotten;
mod jobs;
mod loads;
pub(crate) mod newcomers;
mod places;
mod reports;
mod restconf;

use crate::{
    Addition, Admit, Audience, Certificate, Enrolment, Figures, Filter, Ingest, NewInstruction,
    NewResult, NewToken, Store, TokenFault,
};
use glimpse_model::id::{AgentId, InstructionId, ResultId};
use glimpse_model::record::Status;
use glimpse_model::time::{SECOND, Timestamp};
use serde_json::json;
use std::time::Duration;

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_700_000_000 * SECOND)
}

pub(crate) fn agent_id(id: &str) -> AgentId {
    AgentId::new(id).unwrap()
}

fn token(hash: u8, agent: Option<&str>) -> NewToken {
    NewToken {
        hash: [hash; 32],
        agent: agent.map(agent_id),
        group: Some("north".into()),
        labels: [("isp".to_owned(), "as1".to_owned())].into(),
        created: now(),
        expires: now().plus_micros(60 * SECOND),
    }
}

fn enrolment(hash: u8, agent: &str) -> Enrolment {
    Enrolment {
        hash: [hash; 32],
        agent: agent_id(agent),
        certificate: Certificate {
            serial: format!("{hash:02x}"),
            not_after: now().plus_micros(86_400 * SECOND),
        },
        at: now(),
    }
}

/// Enrols an agent of the group `north` with the label `isp` = `as1`.
pub(crate) async fn enrol(store: &dyn Store, hash: u8, agent: &str) {
    store.add_token(token(hash, None)).await.unwrap();
    store.enrol(enrolment(hash, agent)).await.unwrap().unwrap();
}

pub(crate) fn result(n: u32) -> NewResult {
    let probe_result = json!({"round_trip_ms": [1.5, 0.5], "round_trip_sent": 2,
        "destination_ip": "192.0.2.1"});
    let mut random = [0; 10];
    random[..4].copy_from_slice(&n.to_be_bytes());
    NewResult {
        id: ResultId::from_parts(now(), random),
        instruction: InstructionId::new("i").ok(),
        task: None,
        method: Some("ping".into()),
        status: Status::Ok,
        start: Some(now()),
        clock_suspect: false,
        figures: Figures::of_ping(
            probe_result.as_object().unwrap(),
            Some("target.example".into()),
            Some("Icmp".into()),
        ),
        measured: None,
        document: json!({"n": n, "probe_result": probe_result}).to_string(),
    }
}

fn instruction(id: &str, audience: Audience) -> NewInstruction {
    NewInstruction {
        id: InstructionId::new(id).unwrap(),
        document: format!("{{\"id\":\"{id}\"}}"),
        audience,
        created: now(),
    }
}

fn yes() -> Admit {
    Box::new(|_| Ok(()))
}

pub(crate) async fn all(store: &dyn Store) {
    tokens_are_used_once(store).await;
    agents_come_back_and_are_shut_out(store).await;
    instructions_reach_their_audience(store).await;
    refused_additions_leave_nothing(store).await;
    changes_wake(store).await;
    results_are_idempotent(store).await;
    results_come_out(store).await;
    announcements(store).await;
    newcomers::pass_the_judge(store).await;
    restconf::all(store).await;
    alto::all(store).await;
    places::all(store).await;
    forgotten::all(store).await;
    closed_stores_say_so(store).await;
}

async fn tokens_are_used_once(store: &dyn Store) {
    assert_eq!(
        store.token([1; 32], now()).await.unwrap(),
        Err(TokenFault::Unknown)
    );
    store.add_token(token(1, None)).await.unwrap();
    assert!(store.token([1; 32], now()).await.unwrap().is_ok());
    let late = now().plus_micros(60 * SECOND);
    assert_eq!(
        store.token([1; 32], late).await.unwrap(),
        Err(TokenFault::Expired)
    );
    let (first, second) = tokio::join!(
        store.enrol(enrolment(1, "a-1")),
        store.enrol(enrolment(1, "a-2"))
    );
    let outcomes = [first.unwrap(), second.unwrap()];
    assert_eq!(outcomes.iter().filter(|o| o.is_ok()).count(), 1);
    assert!(outcomes.contains(&Err(TokenFault::Used)));
    let enrolled = store.agents().await.unwrap();
    assert_eq!(enrolled.len(), 1);
    assert_eq!(enrolled[0].group.as_deref(), Some("north"));
    assert_eq!(enrolled[0].labels["isp"], "as1");
}

async fn agents_come_back_and_are_shut_out(store: &dyn Store) {
    enrol(store, 2, "home").await;
    store.add_token(token(3, Some("home"))).await.unwrap();
    // The token is for one agent and admits no other.
    assert!(store.enrol(enrolment(3, "other")).await.unwrap().is_err());
    let back = store.enrol(enrolment(3, "home")).await.unwrap().unwrap();
    assert_eq!(back.agent.certificate.serial, "03");

    let renewed = Certificate {
        serial: "ff".into(),
        not_after: now(),
    };
    assert!(
        store
            .renew(agent_id("home"), renewed.clone())
            .await
            .unwrap()
    );
    store.seen(&agent_id("home"), now());
    store.add_token(token(4, Some("home"))).await.unwrap();
    let gone = store
        .revoke(agent_id("home"), now())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(gone.revoked, Some(now()));
    assert_eq!(gone.last_seen, Some(now()));
    let again = now().plus_micros(1);
    let again = store
        .revoke(agent_id("home"), again)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.revoked, Some(now()), "the first time counts");
    assert!(!store.renew(agent_id("home"), renewed).await.unwrap());
    assert_eq!(
        store.enrol(enrolment(4, "home")).await.unwrap(),
        Err(TokenFault::Revoked)
    );
    let nobody = store.revoke(agent_id("nobody"), now()).await.unwrap();
    assert_eq!(nobody, None);
}

async fn instructions_reach_their_audience(store: &dyn Store) {
    enrol(store, 5, "b-1").await;
    enrol(store, 6, "b-2").await;
    let one = Audience {
        agents: vec![agent_id("b-1")],
        groups: Vec::new(),
    };
    let group = Audience {
        agents: Vec::new(),
        groups: vec!["north".into(), "south".into()],
    };
    let none = Audience {
        agents: Vec::new(),
        groups: vec!["south".into()],
    };
    let new = vec![
        instruction("i-all", Audience::default()),
        instruction("i-one", one),
        instruction("i-north", group),
        instruction("i-south", none),
    ];
    let Addition::Added(reach) = store.add_instructions(new, yes()).await.unwrap() else {
        panic!("not added");
    };
    assert_eq!(reach, [3, 1, 3, 0], "the revoked agent does not count");

    let told = async |id: &str| store.visible_to(&agent_id(id)).await.unwrap().documents;
    assert_eq!(
        told("b-1").await,
        [
            r#"{"id":"i-all"}"#,
            r#"{"id":"i-north"}"#,
            r#"{"id":"i-one"}"#
        ]
    );
    assert_eq!(told("b-2").await.len(), 2);
    let stored = store
        .instruction(&InstructionId::new("i-north").unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.audience.groups, ["north", "south"]);
    assert_eq!(stored.reach, 3);

    let all = InstructionId::new("i-all").unwrap();
    assert!(store.cancel_instruction(all.clone(), now()).await.unwrap());
    assert!(!store.cancel_instruction(all.clone(), now()).await.unwrap());
    assert_eq!(told("b-2").await.len(), 1);
    assert_eq!(store.instructions(false).await.unwrap().len(), 3);
    assert_eq!(store.instructions(true).await.unwrap().len(), 4);
    // An id is never used again.
    let again = vec![instruction("i-all", Audience::default())];
    assert!(matches!(
        store.add_instructions(again, yes()).await.unwrap(),
        Addition::Exists(id) if id == all
    ));
}

async fn refused_additions_leave_nothing(store: &dyn Store) {
    let before = store.instructions(true).await.unwrap();
    let stranger = Audience {
        agents: vec![agent_id("nobody")],
        groups: Vec::new(),
    };
    let new = vec![
        instruction("x-1", Audience::default()),
        instruction("x-2", stranger),
    ];
    assert!(matches!(
        store.add_instructions(new, yes()).await.unwrap(),
        Addition::UnknownAgent(id) if id.as_str() == "nobody"
    ));
    let judge: Admit = Box::new(|standing| {
        assert_eq!(standing.reach, [3]);
        // One taken back a moment ago still counts.
        assert_eq!(standing.instructions.len(), 4);
        // Two for the group south, one for b-1, and the new one.
        assert_eq!(standing.most_per_agent, 4);
        Err("too much".into())
    });
    let new = vec![instruction("x-3", Audience::default())];
    let Addition::Refused(said) = store.add_instructions(new, judge).await.unwrap() else {
        panic!("not refused");
    };
    assert_eq!(said.to_string(), "too much");
    assert_eq!(store.instructions(true).await.unwrap(), before);
}

async fn changes_wake(store: &dyn Store) {
    let revision = store.visible_to(&agent_id("b-1")).await.unwrap().revision;
    let quiet = tokio::time::timeout(Duration::from_millis(400), store.changed(revision)).await;
    assert!(quiet.is_err(), "nothing has changed");
    // A write that agents are not told of wakes nobody.
    let (quiet, _) = tokio::join!(
        tokio::time::timeout(Duration::from_millis(600), store.changed(revision)),
        store.ingest(agent_id("b-1"), vec![result(1)], now()),
    );
    assert!(quiet.is_err(), "results are no change");
    let (woken, _) = tokio::join!(
        tokio::time::timeout(Duration::from_secs(5), store.changed(revision)),
        store.add_instructions(vec![instruction("i-new", Audience::default())], yes()),
    );
    assert!(woken.unwrap().unwrap() > revision);
}

async fn results_are_idempotent(store: &dyn Store) {
    let batch = vec![result(1), result(2), result(2)];
    let stored = store.ingest(agent_id("b-1"), batch, now()).await.unwrap();
    assert_eq!(
        stored,
        [Ingest::Duplicate, Ingest::Stored, Ingest::Duplicate]
    );
    let mut forged = result(2);
    forged.document = "{}".into();
    let batch = vec![forged, result(3)];
    let stored = store.ingest(agent_id("b-2"), batch, now()).await.unwrap();
    assert_eq!(stored, [Ingest::Foreign, Ingest::Stored]);
    assert_eq!(store.count_results(None).await.unwrap(), 3);
    let of = agent_id("b-2");
    assert_eq!(store.count_results(Some(&of)).await.unwrap(), 1);
}

async fn results_come_out(store: &dyn Store) {
    let mut late = result(4);
    late.method = Some("dns".into());
    late.start = Some(now().plus_micros(SECOND));
    let mut skew = result(5);
    skew.clock_suspect = true;
    let batch = vec![late.clone(), skew];
    store.ingest(agent_id("b-2"), batch, now()).await.unwrap();

    let read = async |filter| {
        let mut rows = store.results(filter);
        let mut found = Vec::new();
        while let Some(row) = rows.next().await.unwrap() {
            found.push(row);
        }
        found
    };
    let rows = read(Filter::default()).await;
    assert_eq!(rows.len(), 5);
    assert_eq!(rows[0].agent, "b-1");
    assert_eq!(rows[0].id, result(1).id);
    assert_eq!(rows[0].document, result(1).document);
    assert_eq!(rows[0].figures.ping, result(1).figures.ping);
    assert_eq!(rows[0].figures.ping.rtt_median_us, Some(1000));
    assert_eq!(
        rows[2].document,
        result(3).document,
        "the forged one is not there"
    );
    let since = Some(now().plus_micros(1));
    let filter = Filter {
        since,
        ..Filter::default()
    };
    assert_eq!(read(filter).await[0].id, late.id);
    let filter = Filter {
        method: Some("ping".into()),
        agent: Some(agent_id("b-2")),
        since: None,
    };
    assert_eq!(read(filter).await.len(), 2);
}

async fn announcements(store: &dyn Store) {
    let id = agent_id("b-1");
    assert_eq!(store.capabilities(&id).await.unwrap(), None);
    for document in ["{}", r#"{"methods":[]}"#] {
        let announced = store.announce(id.clone(), document.into(), now());
        announced.await.unwrap();
    }
    assert_eq!(
        store.capabilities(&id).await.unwrap(),
        Some((r#"{"methods":[]}"#.to_owned(), now()))
    );
}

async fn closed_stores_say_so(store: &dyn Store) {
    let health = store.health().await.unwrap();
    assert!(health.readable && health.writer_alive);
    let pending = store.ingest(agent_id("b-1"), vec![result(6)], now());
    let (stored, closed) = tokio::join!(pending, store.close());
    closed.unwrap();
    assert_eq!(
        stored.unwrap(),
        [Ingest::Stored],
        "what was handed over is done"
    );
    assert!(store.ingest(agent_id("b-1"), vec![], now()).await.is_err());
    assert!(store.agents().await.is_err());
    let health = store.health().await.unwrap();
    assert!(!health.readable && !health.writer_alive);
}
