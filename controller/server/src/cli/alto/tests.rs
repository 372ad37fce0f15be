#![allow(clippy::unwrap_used)]

mod export;
mod fetching;
mod following;

use crate::app::alto_router;
use crate::cli;
use crate::fixture::{Fixture, batch, record, start};
use crate::listener::{Bounds, Gate, Listener, Transport};
use axum::Router;
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_store::{Audience, NewInstruction, Options};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

struct Ran {
    code: u8,
    out: String,
    err: String,
}

async fn run(words: &[&str]) -> Ran {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let words = ["glimpse-controller", "alto"].iter().chain(words);
    let code = cli::run(words.map(OsString::from), &mut out, &mut err).await;
    Ran {
        code,
        out: String::from_utf8(out).unwrap(),
        err: String::from_utf8(err).unwrap(),
    }
}

async fn done(words: &[&str]) -> Ran {
    let ran = run(words).await;
    assert_eq!(ran.code, cli::DONE, "{words:?}: {}{}", ran.out, ran.err);
    ran
}

/// What a failed command says.
async fn refused(words: &[&str], code: u8) -> String {
    let ran = run(words).await;
    assert_eq!(ran.code, code, "{words:?}: {}{}", ran.out, ran.err);
    ran.err
}

/// What a command prints with `--json`.
async fn document(words: &[&str]) -> Value {
    let ran = done(&[words, &["--json"]].concat()).await;
    serde_json::from_str(&ran.out).unwrap()
}

/// Serves on loopback, without TLS, until the sender is dropped or says so.
async fn serving(router: Router) -> (SocketAddr, watch::Sender<bool>) {
    let gate = Gate {
        revocations: crate::pki::Revocations::default(),
        now: Arc::new(|| 0),
        pins: crate::pki::Pins::default(),
    };
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let bound = Listener::bind(anywhere, Transport::Plain, Bounds::default(), gate).await;
    let listener = bound.unwrap();
    let at = listener.local_addr().unwrap();
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(listener.serve(router, stopped));
    (at, stop)
}

/// A controller in which two households have measured, in the laboratory; its ALTO service is served on loopback.
struct World {
    fixture: Fixture,
    at: SocketAddr,
    _stop: watch::Sender<bool>,
}

impl World {
    async fn new() -> Self {
        let fixture = Fixture::with("[alto]\nlab = true", Options::default()).await;
        let instruction = NewInstruction {
            id: InstructionId::new("i-1").unwrap(),
            document: json!({"id": "i-1", "timing": {"immediate": {}}, "tasks": [{"id": "t-1",
                "method": "ping", "options": {"host": "192.0.2.1"}}]})
            .to_string(),
            audience: Audience::default(),
            created: start(),
        };
        let store = &fixture.shared.store;
        let added = store.add_instructions(vec![instruction], Box::new(|_| Ok(())));
        added.await.unwrap();
        for agent in ["a-1", "a-2"] {
            fixture.enrol(agent).await;
        }
        let (at, stop) = serving(alto_router(Arc::clone(&fixture.shared))).await;
        let world = Self {
            fixture,
            at,
            _stop: stop,
        };
        world.measure("a-1", 1, 20).await;
        world.measure("a-2", 2, 20).await;
        world.publish().await;
        world
    }

    /// An agent reports a round-trip time.
    async fn measure(&self, agent: &str, number: u8, ms: u32) {
        let mut record = record(number);
        record["id"] = json!(ResultId::from_parts(start(), [number; 10]).to_string());
        record["probe_result"]["round_trip_ms"] = json!([ms, ms, ms]);
        let sent = self.fixture.post(agent, batch(&[record])).await;
        assert_eq!(sent.status, 200, "{}", String::from_utf8_lossy(&sent.body));
    }

    /// Time goes on and what was measured is published.
    async fn publish(&self) {
        self.fixture.advance(120);
        self.fixture.shared.publish().await;
    }

    fn url(&self) -> String {
        format!("http://{}/", self.at)
    }

    /// The configuration of the controller as a file.
    fn config(&self) -> String {
        let file = self.fixture.directory.path().join("controller.toml");
        std::fs::write(&file, "[alto]\nlab = true").unwrap();
        file.to_str().unwrap().to_owned()
    }
}
