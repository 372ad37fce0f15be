//! A controller without sockets: the routers, a clock that stands still, a real database and PKI.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::alto::Places;
use crate::app::{Shared, agent_router};
use crate::clock;
use crate::config::Config;
use crate::listener::Peer;
use crate::pki::{self, AgentCertificate, Lifetimes, Names, Pki, random_serial};
use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use glimpse_model::id::{AgentId, ResultId};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_store::{Certificate, Enrolment, Labels, NewToken, Options, Sqlite};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::watch;
use tower::ServiceExt;

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("a JSON body")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The detail of a problem document of this status.
    pub(crate) fn problem(&self, status: u16) -> String {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body)
        );
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(self.json()["status"], status);
        self.json()["detail"].as_str().unwrap().to_owned()
    }
}

pub(crate) struct Fixture {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) shared: Arc<Shared>,
    pub(crate) stop: watch::Sender<bool>,
    clock: Arc<AtomicI64>,
}

pub(crate) fn start() -> Timestamp {
    Timestamp::parse("2026-06-01T00:00:00Z").unwrap()
}

impl Fixture {
    pub(crate) async fn new() -> Self {
        Self::with("", Options::default()).await
    }

    pub(crate) async fn with(config: &str, options: Options) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = Config::parse(config, &directory.path().join("controller.toml")).unwrap();
        let store = Sqlite::create(&config.database, &options).await.unwrap();
        let pki = make_pki(&config.pki);
        let places = Places::open(&config.alto.places).unwrap();
        let (stop, stopped) = watch::channel(false);
        let clock = Arc::new(AtomicI64::new(start().as_micros()));
        let reader = Arc::clone(&clock);
        let shared = Shared::new(
            Arc::new(store),
            config,
            pki,
            places,
            Arc::new(move || Timestamp::from_micros(reader.load(Ordering::Relaxed))),
            stopped,
        );
        Self {
            directory,
            shared,
            stop,
            clock,
        }
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.fetch_add(seconds * SECOND, Ordering::Relaxed);
    }

    pub(crate) fn router(&self) -> Router {
        agent_router(Arc::clone(&self.shared))
    }

    /// Stores a token of this text; it lives a minute.
    pub(crate) async fn token(&self, text: &str, agent: Option<&str>) {
        use sha2::{Digest, Sha256};
        let token = NewToken {
            hash: Sha256::digest(text).into(),
            agent: agent.map(|id| AgentId::new(id).unwrap()),
            group: Some("north".into()),
            labels: Labels::from([("isp".into(), "as1".into()), ("region".into(), "x".into())]),
            created: self.shared.now(),
            expires: self.shared.now().plus_micros(60 * SECOND),
        };
        self.shared.store.add_token(token).await.unwrap();
    }

    /// Enrols an agent without HTTP.
    pub(crate) async fn enrol(&self, id: &str) {
        use sha2::{Digest, Sha256};
        self.token(id, None).await;
        let enrolment = Enrolment {
            hash: Sha256::digest(id).into(),
            agent: AgentId::new(id).unwrap(),
            certificate: Certificate {
                serial: "01".into(),
                not_after: self.shared.now().plus_micros(86_400 * SECOND),
            },
            at: self.shared.now(),
        };
        self.shared.store.enrol(enrolment).await.unwrap().unwrap();
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        read(self.router().oneshot(request).await.unwrap()).await
    }

    pub(crate) async fn get(&self, agent: &str, path: &str) -> Answer {
        let request = Request::get(path).body(Body::empty()).unwrap();
        self.send(by(agent, request)).await
    }

    /// Uploads a body.
    pub(crate) async fn post(&self, agent: &str, body: impl Into<Body>) -> Answer {
        let request = Request::post("/agent/v2/results")
            .body(body.into())
            .unwrap();
        self.send(by(agent, request)).await
    }
}

fn make_pki(directory: &Path) -> Pki {
    let names = Names {
        organisation: "Test".into(),
        server: vec!["localhost".into()],
    };
    let now = clock::seconds(start());
    let lifetimes = Lifetimes::default();
    let (pki, _) = pki::create(directory, &names, &lifetimes, now, &mut random_serial).unwrap();
    pki
}

/// The request as it comes from a connection of this agent.
pub(crate) fn by(agent: &str, mut request: Request<Body>) -> Request<Body> {
    let certificate = AgentCertificate {
        agent: AgentId::new(agent).unwrap(),
        serial: "01".into(),
        not_before: 0,
        not_after: i64::MAX,
        sha256: [0; 32],
        key: Box::default(),
    };
    request.extensions_mut().insert(Peer {
        addr: ([127, 0, 0, 1], 1).into(),
        agent: Some(Arc::new(certificate)),
        pinned: None,
    });
    request
}

pub(crate) async fn read(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    Answer {
        status: parts.status,
        headers: parts.headers,
        body: body.collect().await.unwrap().to_bytes().into(),
    }
}

pub(crate) fn result_id(n: u8) -> ResultId {
    ResultId::from_parts(start(), [n; 10])
}

/// A ping record that started at the fixture's start.
pub(crate) fn record(n: u8) -> Value {
    json!({
        "id": result_id(n).to_string(), "instruction_id": "i-1", "task_id": "t-1",
        "method": "ping", "status": "ok", "start_time": start().to_string(),
        "end_time": start().to_string(), "duration": 3, "error": "",
        "probe_result": {"round_trip_ms": [10.0, 20.0, 30.0], "round_trip_sent": 3,
            "round_trip_received": 3, "round_trip_loss": 0, "destination_ip": "192.0.2.1"},
        "pre_info": {}, "post_info": {}, "bytes": {"sent": 300, "received": 300},
    })
}

pub(crate) fn batch(records: &[Value]) -> String {
    json!({"schema": 2, "records": records}).to_string()
}
