#![allow(clippy::unwrap_used)]

use crate::fixture::{Fixture, by, start};
use axum::body::Body;
use axum::http::Request;
use glimpse_model::configuration::Configuration;
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::instruction::InstructionSet;
use glimpse_store::{Audience, NewInstruction, Options, Sqlite, Store};
use serde_json::{Value, json};
use std::time::Duration;

fn instruction(id: &str, agent: Option<&str>) -> NewInstruction {
    NewInstruction {
        id: InstructionId::new(id).unwrap(),
        document: json!({"id": id, "timing": {"immediate": {}}, "tasks": [{"id": "t",
            "method": "ping", "options": {"host": "192.0.2.1", "note": "x".repeat(1500)}}]})
        .to_string(),
        audience: Audience {
            agents: agent
                .map(|id| AgentId::new(id).unwrap())
                .into_iter()
                .collect(),
            groups: Vec::new(),
        },
        created: start(),
    }
}

async fn give(store: &dyn Store, new: NewInstruction) {
    let added = store.add_instructions(vec![new], Box::new(|_| Ok(())));
    added.await.unwrap();
}

async fn fresh() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.enrol("a-1").await;
    fixture.enrol("a-2").await;
    fixture
}

fn conditional(path: &str, known: &str) -> Request<Body> {
    let request = Request::get(path).header("if-none-match", known);
    by("a-1", request.body(Body::empty()).unwrap())
}

const PATH: &str = "/agent/v2/instructions";

#[tokio::test]
async fn configuration_reads_back_and_has_a_tag() {
    let fixture = fresh().await;
    let answer = fixture.get("a-1", "/agent/v2/configuration").await;
    assert_eq!(answer.status, 200);
    let expected = Configuration {
        peer_key: Some(fixture.shared.pki.peers.public()),
        ..fixture.shared.config.agents.clone()
    };
    assert_eq!(Configuration::parse(&answer.body).unwrap(), expected);
    let tag = answer.header("etag").unwrap();
    let again = conditional("/agent/v2/configuration", tag);
    let again = fixture.send(again).await;
    assert_eq!(again.status, 304);
    assert!(again.body.is_empty());
    assert_eq!(again.header("etag"), Some(tag));
}

#[tokio::test]
async fn each_agent_gets_its_own_set() {
    let fixture = fresh().await;
    let store = fixture.shared.store.as_ref();
    let empty = fixture.get("a-1", PATH).await;
    assert_eq!(InstructionSet::parse(&empty.body).unwrap().instructions, []);
    give(store, instruction("i-all", None)).await;
    give(store, instruction("i-2", Some("a-2"))).await;
    let ids = async |agent: &str| {
        let set = InstructionSet::parse(&fixture.get(agent, PATH).await.body).unwrap();
        assert_eq!(set.refused, []);
        let ids = set.instructions.iter().map(|i| i.id.to_string());
        ids.collect::<Vec<_>>()
    };
    assert_eq!(ids("a-1").await, ["i-all"]);
    assert_eq!(ids("a-2").await, ["i-2", "i-all"]);
}

#[tokio::test]
async fn long_sets_go_compressed_on_wish_with_a_tag_of_their_own() {
    let fixture = fresh().await;
    give(fixture.shared.store.as_ref(), instruction("i", None)).await;
    let plain = fixture.get("a-1", PATH).await;
    let request = Request::get(PATH).header("accept-encoding", "gzip");
    let request = by("a-1", request.body(Body::empty()).unwrap());
    let packed = fixture.send(request).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < plain.body.len());
    assert_ne!(packed.header("etag"), plain.header("etag"));
    for tag in [
        packed.header("etag").unwrap(),
        plain.header("etag").unwrap(),
    ] {
        assert_eq!(fixture.send(conditional(PATH, tag)).await.status, 304);
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

/// Until a request is held.
async fn held_back(fixture: &Fixture) {
    let held = async {
        while fixture.shared.metrics.waiting.value() != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let held = tokio::time::timeout(PATIENCE, held).await;
    assert!(held.is_ok(), "a request is held");
}

#[tokio::test]
async fn a_held_request_wakes_for_another_programs_write() {
    let fixture = fresh().await;
    let known = fixture.get("a-1", PATH).await;
    let known = known.header("etag").unwrap();
    let path = fixture.directory.path().join("glimpse.db");
    let program = Sqlite::open(&path, &Options::default()).await.unwrap();
    let held = fixture.send(conditional("/agent/v2/instructions?wait=60", known));
    let (answer, ()) = tokio::join!(tokio::time::timeout(PATIENCE, held), async {
        held_back(&fixture).await;
        // Not for this agent: it goes on waiting.
        give(&program, instruction("i-2", Some("a-2"))).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        assert_eq!(fixture.shared.metrics.waiting.value(), 1);
        give(&program, instruction("i-1", Some("a-1"))).await;
    });
    let answer = answer.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["instructions"][0]["id"], "i-1");
    assert_eq!(fixture.shared.metrics.waiting.value(), 0);
}

#[tokio::test]
async fn a_held_request_ends_with_its_time_or_with_the_program() {
    let fixture = fresh().await;
    let known = fixture.get("a-1", PATH).await;
    let known = known.header("etag").unwrap();
    let held = conditional("/agent/v2/instructions?wait=1", known);
    let answer = tokio::time::timeout(PATIENCE, fixture.send(held)).await;
    assert_eq!(answer.unwrap().status, 304);
    let held = fixture.send(conditional("/agent/v2/instructions?wait=300", known));
    let (answer, ()) = tokio::join!(tokio::time::timeout(PATIENCE, held), async {
        held_back(&fixture).await;
        fixture.stop.send_replace(true);
    });
    assert_eq!(answer.unwrap().status, 304);
}

#[tokio::test]
async fn a_held_request_of_a_revoked_agent_is_refused() {
    let fixture = fresh().await;
    let known = fixture.get("a-1", PATH).await;
    let known = known.header("etag").unwrap();
    let held = fixture.send(conditional("/agent/v2/instructions?wait=60", known));
    let (answer, ()) = tokio::join!(tokio::time::timeout(PATIENCE, held), async {
        held_back(&fixture).await;
        let id = AgentId::new("a-1").unwrap();
        fixture.shared.store.revoke(id, start()).await.unwrap();
    });
    answer.unwrap().problem(403);
}

#[tokio::test]
async fn waits_are_bounded() {
    let fixture = fresh().await;
    for wait in ["301", "-1", "x", "1.5", "99999999999999999999"] {
        let path = format!("/agent/v2/instructions?wait={wait}");
        let detail = fixture.get("a-1", &path).await.problem(400);
        assert!(detail.starts_with("wait: must be"), "{detail}");
    }
}

#[tokio::test]
async fn announcements_are_checked_and_kept() {
    let fixture = fresh().await;
    let put = async |document: &Value| {
        let request = Request::put("/agent/v2/capabilities");
        let request = request.body(Body::from(document.to_string())).unwrap();
        fixture.send(by("a-1", request)).await
    };
    let good = json!({"schema": 2, "agent_version": "glimpse-agent/0.1.0",
        "methods": [{"name": "ping", "functions": [], "options": {}, "needs": []}],
        "limits": {"max_instructions": 10}});
    assert_eq!(put(&good).await.status, 204);
    for (document, said) in [
        (json!([]), "document: must be an object"),
        (json!({"schema": 1}), "schema: must be 2"),
        (
            json!({"schema": 2, "agent_version": "x", "methods": [7]}),
            "methods[0]: must be an object",
        ),
    ] {
        assert_eq!(put(&document).await.problem(400), said);
    }
    let id = AgentId::new("a-1").unwrap();
    let (kept, _) = fixture
        .shared
        .store
        .capabilities(&id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), good);
    let long = Request::put("/agent/v2/capabilities");
    let long = long.body(Body::from(vec![b' '; (1 << 20) + 1])).unwrap();
    fixture.send(by("a-1", long)).await.problem(413);
}

#[tokio::test]
async fn being_heard_of_is_noted_once_a_minute() {
    let fixture = fresh().await;
    let id = AgentId::new("a-1").unwrap();
    let seen = async || {
        fixture.get("a-1", "/agent/v2/configuration").await;
        // A write after it has come to its end, so the note before it has too.
        let announced = fixture
            .shared
            .store
            .announce(id.clone(), "{}".into(), start());
        announced.await.unwrap();
        let agent = fixture.shared.store.agent(&id).await.unwrap().unwrap();
        agent.last_seen.map(|at| at.since(start()) / 1_000_000)
    };
    assert_eq!(seen().await, Some(0));
    fixture.advance(59);
    assert_eq!(seen().await, Some(0));
    fixture.advance(1);
    assert_eq!(seen().await, Some(60));
}

#[tokio::test]
async fn other_paths_and_methods_are_problems_too() {
    let fixture = fresh().await;
    fixture.get("a-1", "/agent/v3/results").await.problem(404);
    fixture.get("a-1", "/agent/v2/results").await.problem(405);
}

#[tokio::test]
async fn an_agent_is_forgotten_at_its_own_word_alone() {
    use glimpse_model::forget::Forget;
    use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    let random = ring::rand::SystemRandom::new();
    let fixture = fresh().await;
    let key = || {
        let scheme = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(scheme, &random).unwrap();
        EcdsaKeyPair::from_pkcs8(scheme, pkcs8.as_ref(), &random).unwrap()
    };
    let (own, foreign) = (key(), key());
    let wish = |agent: &str, seconds: i64, signer: &EcdsaKeyPair| {
        let agent = AgentId::new(agent).unwrap();
        let time = start().plus_micros(seconds * 1_000_000);
        let signature = signer
            .sign(&random, &Forget::signed(&agent, time))
            .unwrap()
            .as_ref()
            .to_vec();
        Forget {
            agent,
            time,
            signature,
        }
        .to_json()
        .to_string()
    };
    let send = async |agent: &str, document: String| {
        let request = Request::post("/agent/v2/forget").body(Body::from(document));
        let mut request = by(agent, request.unwrap());
        let peer = request.extensions_mut().get_mut::<crate::listener::Peer>();
        let certificate = peer.unwrap().agent.as_mut().unwrap();
        std::sync::Arc::get_mut(certificate).unwrap().key = own.public_key().as_ref().into();
        fixture.send(request).await
    };
    for (document, status, said) in [
        ("{}".to_owned(), 400, "schema: is missing"),
        (wish("a-2", 0, &own), 403, "the wish is another agent's"),
        (
            wish("a-1", 0, &foreign),
            403,
            "the signature is not the agent's",
        ),
        (
            wish("a-1", -91 * 86_400, &own),
            403,
            "the wish is too old, or the agent's clock is wrong",
        ),
        (
            wish("a-1", 2 * 86_400, &own),
            403,
            "the wish is too old, or the agent's clock is wrong",
        ),
    ] {
        assert_eq!(send("a-1", document).await.problem(status), said);
    }
    let id = AgentId::new("a-1").unwrap();
    let known = async || fixture.shared.store.agent(&id).await.unwrap().unwrap();
    assert_eq!(known().await.forgotten, None);

    assert_eq!(send("a-1", wish("a-1", -60, &own)).await.status, 204);
    assert_eq!(known().await.forgotten, Some(start()));
    assert_eq!(
        send("a-1", wish("a-1", -60, &own)).await.problem(403),
        "the agent was revoked"
    );
    assert_eq!(
        fixture.get("a-2", "/agent/v2/configuration").await.status,
        200
    );
}
