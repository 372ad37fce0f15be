#![allow(clippy::unwrap_used, clippy::expect_used)]

//! Agents that dial over real TLS, as the agent's side has to do it, with RESTCONF over a datastore in memory.

use super::*;
use crate::app::Shared;
use crate::clock;
use crate::config::Config;
use crate::fixture::{Answer, read};
use crate::listener::{Bounds, Door, Gate};
use crate::pki::tests::{LONG, NOW, agent as agent_id, made, request as certificate_request};
use crate::pki::{Pins, Pki, Revocations, Serial, ServerIdentity, call_home};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use glimpse_model::time::SECOND;
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Apply, Commit, Datastore, Errors, Invoke, Method, Server, Settings, User};
use glimpse_store::{Certificate, Enrolment, NewToken, Options, Sqlite};
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::{DataPath, Encoding, Tree};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::KeyPair;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::server::ParsedCertificate;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, UnixTime};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// A controller with its call-home door, its routers, and two operators known by the tokens `olga` and `otto`.
pub(crate) struct Controller {
    _dir: tempfile::TempDir,
    pub(crate) shared: Arc<Shared>,
    pub(crate) server: ServerIdentity,
    pub(crate) revocations: Revocations,
    pub(crate) door: SocketAddr,
    pub(crate) stop: watch::Sender<bool>,
}

pub(crate) fn times() -> Times {
    Times {
        handshake: Duration::from_secs(2),
        sign: Duration::from_secs(2),
        answer: Duration::from_secs(5),
        idle: Duration::from_mins(1),
        pause: Duration::ZERO,
    }
}

/// The SHA-256 of it as hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write;
    Sha256::digest(bytes)
        .iter()
        .fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        })
}

impl Controller {
    pub(crate) async fn new() -> Self {
        Self::with("", times()).await
    }

    pub(crate) async fn with(config: &str, times: Times) -> Self {
        let (dir, pki, server) = made();
        let text = format!(
            "{config}\n[[operators]]\nname = \"olga\"\nrole = \"operator\"\ntoken_sha256 = \"{}\"\n\
             [[operators]]\nname = \"otto\"\ntoken_sha256 = \"{}\"\ngroups = [\"south\"]\n\
             [[operators]]\nname = \"sina\"\nrole = \"operator\"\ntoken_sha256 = \"{}\"\ngroups = [\"south\"]\n",
            hex(b"olga"),
            hex(b"otto"),
            hex(b"sina"),
        );
        let config = Config::parse(&text, &dir.path().join("controller.toml")).unwrap();
        let store = Sqlite::create(&config.database, &Options::default())
            .await
            .unwrap();
        let (stop, stopped) = watch::channel(false);
        let shared = Shared::new(
            Arc::new(store),
            config,
            pki,
            crate::alto::Places::default(),
            Arc::new(clock::now),
            stopped.clone(),
        );
        let revocations = Revocations::default();
        let config = call_home(&shared.pki, &server, &revocations).unwrap();
        let call_home = CallHome {
            shared: Arc::clone(&shared),
            config: Arc::new(ArcSwap::from_pointee(config)),
            gate: Gate {
                revocations: revocations.clone(),
                now: Arc::new(|| clock::seconds(clock::now())),
                pins: Pins::default(),
            },
            times,
        };
        let any = ([127, 0, 0, 1], 0).into();
        let listener = Door::bind(any, Bounds::default()).await.unwrap();
        let door = listener.local_addr().unwrap();
        let each = move |stream, address| call_home.clone().serve(stream, address);
        tokio::spawn(listener.open(each, stopped));
        tokio::spawn(crate::restconf::deliver(Arc::clone(&shared)));
        Self {
            _dir: dir,
            shared,
            server,
            revocations,
            door,
            stop,
        }
    }

    /// Enrols an agent in a group and gives its credentials.
    pub(crate) async fn enrol(&self, id: &str, group: &str) -> Credentials {
        use sha2::{Digest, Sha256};
        let now = self.shared.now();
        let token = NewToken {
            hash: Sha256::digest(id).into(),
            agent: None,
            group: Some(group.to_owned()),
            labels: [("isp".to_owned(), "as1".to_owned())].into(),
            created: now,
            expires: now.plus_micros(60 * SECOND),
        };
        self.shared.store.add_token(token).await.unwrap();
        let enrolment = Enrolment {
            hash: Sha256::digest(id).into(),
            agent: agent_id(id),
            certificate: Certificate {
                serial: "01".into(),
                not_after: now.plus_micros(86_400 * SECOND),
            },
            at: now,
        };
        self.shared.store.enrol(enrolment).await.unwrap().unwrap();
        credentials(&self.shared.pki, id)
    }

    /// A request of the operator `olga`.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: &str) -> Answer {
        self.ask_as("olga", method, path, &[], body).await
    }

    pub(crate) async fn ask_as(
        &self,
        token: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "c.example");
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !headers.iter().any(|(name, _)| *name == "content-type") && !body.is_empty() {
            request = request.header("content-type", "application/yang-data+json");
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        read(self.router().oneshot(request).await.unwrap()).await
    }

    pub(crate) fn router(&self) -> Router {
        crate::app::restconf_router(Arc::clone(&self.shared))
    }

    /// Waits until an agent is connected (or no longer), and what waits for it was handed over.
    pub(crate) async fn connected(&self, id: &str, wanted: bool) {
        let agent = agent_id(id);
        let done = async {
            loop {
                if self.shared.connections.link(&agent).is_some() == wanted {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if wanted {
                while self
                    .shared
                    .store
                    .datastore(&agent)
                    .await
                    .unwrap()
                    .is_none_or(|(d, _)| d.known.is_none())
                {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                drop(self.shared.connections.turn(&agent).lock().await);
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(20), done).await;
        assert!(in_time.is_ok(), "{id}: connected is not {wanted}");
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

pub(crate) type Credentials = (Vec<CertificateDer<'static>>, Arc<PrivateKeyDer<'static>>);

pub(crate) fn credentials(pki: &Pki, id: &str) -> Credentials {
    let key = KeyPair::generate().unwrap();
    let serial = Serial::from_random(*uuid::Uuid::new_v4().as_bytes());
    let issued = pki
        .issue_agent(
            &certificate_request(&key),
            &agent_id(id),
            serial,
            NOW,
            &LONG,
        )
        .unwrap();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
    (vec![issued.der], Arc::new(key))
}

/// The agent's judgement of the controller's certificate: of the controllers' intermediate, a server's.
#[derive(Debug)]
struct ControllerOnly {
    anchors: RootCertStore,
}

impl ClientCertVerifier for ControllerOnly {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        rustls::client::verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.anchors,
            intermediates,
            now,
            algorithms.all,
        )?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

pub(crate) const LMAP: &str = r#"{"ietf-lmap-control:lmap": {
    "agent": {"agent-id": "5b1c1f5e-3d0b-4f6e-9a3e-2f1d8c7b6a50", "group-id": "lab"},
    "tasks": {"task": [{"name": "ping", "program": "ping", "option": [
        {"id": "host", "name": "host", "value": "anchor.example"}]}]},
    "events": {"event": [{"name": "hourly", "periodic": {"interval": 3600}}]},
    "schedules": {"schedule": [{"name": "S", "start": "hourly", "action": [{"name": "A", "task": "ping"}]}]}}}"#;

const STATE: &str = r#"{"ietf-lmap-control:lmap": {
    "capabilities": {"version": "fake 1"}, "agent": {"last-started": "2026-06-01T00:00:00Z"},
    "schedules": {"schedule": [{"name": "S", "state": "enabled", "storage": "0", "invocations": 7, "suppressions": 0,
        "overlaps": 0, "failures": 0}]}}}"#;

/// An answer that no RESTCONF server gives.
pub(crate) type Odd = (u16, &'static [(&'static str, &'static str)], &'static str);

pub(crate) fn configuration(text: &str) -> Tree {
    let reader = Reader::new(&AGENT, Encoding::Json);
    reader.data(text.as_bytes()).unwrap()
}

/// The datastore of an agent.
pub(crate) struct Device {
    pub(crate) running: Tree,
    marks: Marks,
    /// What the next commit answers.
    pub(crate) refuse: Option<Errors>,
    /// Method, path and `If-Match` of what came.
    pub(crate) asked: Vec<(String, String, Option<String>)>,
    pub(crate) triggered: u32,
    /// Answers nothing from now on.
    pub(crate) mute: bool,
    /// Answers this to whatever is asked: status, fields, body.
    pub(crate) odd: Option<Odd>,
    /// What somebody else makes of the configuration right before the next edit arrives.
    pub(crate) meanwhile: Option<Tree>,
}

impl Datastore for Device {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        let reader = Reader::new(&AGENT, Encoding::Json).with_state();
        reader.data(STATE.as_bytes()).unwrap()
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }
}

impl Apply for Device {
    fn commit(&mut self, commit: &Commit) -> Result<(), Errors> {
        if let Some(errors) = self.refuse.take() {
            return Err(errors);
        }
        self.running = commit.tree.clone();
        self.marks = commit.marks.clone();
        Ok(())
    }

    fn invoke(&mut self, invoke: &Invoke) -> Result<Tree, Errors> {
        assert_eq!(AGENT.qualified(invoke.operation), "glimpse-agent:trigger");
        self.triggered += 1;
        Ok(Tree::new(&AGENT))
    }
}

/// An agent that calls.
#[derive(Clone)]
pub(crate) struct FakeAgent {
    pub(crate) device: Arc<Mutex<Device>>,
    config: Arc<ServerConfig>,
    root: &'static str,
}

impl FakeAgent {
    pub(crate) fn new(controller: &Controller, credentials: &Credentials) -> Self {
        Self::anchored(&controller.shared.pki, credentials)
    }

    fn anchored(pki: &Pki, (chain, key): &Credentials) -> Self {
        let mut anchors = RootCertStore::empty();
        anchors.add(pki.authorities()[1].clone()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(Arc::new(ControllerOnly { anchors }))
            .with_single_cert(chain.clone(), key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let running = Reader::new(&AGENT, Encoding::Json)
            .data(LMAP.as_bytes())
            .unwrap();
        Self {
            device: Arc::new(Mutex::new(Device {
                running,
                marks: Marks::new(1_780_000_000),
                refuse: None,
                asked: Vec::new(),
                triggered: 0,
                mute: false,
                odd: None,
                meanwhile: None,
            })),
            config: Arc::new(config),
            root: "/top/restconf",
        }
    }

    /// Dials, and serves until the connection ends; gives why it ended.
    pub(crate) fn call(&self, door: SocketAddr) -> JoinHandle<Result<(), String>> {
        let agent = self.clone();
        tokio::spawn(async move {
            let stream = TcpStream::connect(door)
                .await
                .map_err(|error| error.to_string())?;
            let stream = TlsAcceptor::from(Arc::clone(&agent.config))
                .accept(stream)
                .await;
            let stream = stream.map_err(|error| error.to_string())?;
            assert!(stream.get_ref().1.peer_certificates().is_some());
            let service = service_fn(|request| agent.clone().answer(request));
            let served = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
            served.map_err(|error| error.to_string())
        })
    }

    async fn answer(
        self,
        request: Request<Incoming>,
    ) -> Result<hyper::Response<Full<Bytes>>, hyper::Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await?.to_bytes().to_vec();
        let headers: Vec<(String, String)> = parts
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let request = glimpse_restconf::Request {
            method: Method::parse(parts.method.as_str()),
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().map(str::to_owned),
            headers,
            body,
            user: Some(User {
                name: "controller".to_owned(),
                groups: Vec::new(),
                recovery: true,
            }),
            time: clock::now().as_micros(),
        };
        let server = Server::new(Settings {
            root: self.root.to_owned(),
            schema: &AGENT,
            modules: Vec::new(),
            streams: Vec::new(),
            body_limit: 1 << 20,
            challenge: None,
        });
        let mute = self.device.lock().unwrap().mute;
        if mute {
            std::future::pending::<()>().await;
        }
        let mut device = self.device.lock().unwrap();
        if let Some((status, fields, body)) = device.odd {
            let mut response = hyper::Response::builder().status(status);
            for (name, value) in fields {
                response = response.header(*name, *value);
            }
            return Ok(response.body(Full::from(body)).unwrap());
        }
        if !request.method.reads()
            && let Some(tree) = device.meanwhile.take()
        {
            device.running = tree;
        }
        let entry = (
            request.method.as_str().to_owned(),
            request.path.clone(),
            request.header("if-match"),
        );
        device.asked.push(entry);
        let finished = server.answer(&request, &mut *device).unwrap();
        let mut response = hyper::Response::builder().status(finished.response.status);
        for (name, value) in &finished.response.headers {
            response = response.header(*name, value);
        }
        Ok(response.body(Full::from(finished.response.body)).unwrap())
    }

    pub(crate) fn edit(&self, text: &str) {
        self.device.lock().unwrap().running = configuration(text);
    }

    pub(crate) fn has(&self, text: &str) -> bool {
        let device = self.device.lock().unwrap();
        let writer = glimpse_yang::write::Writer::new(&AGENT, Encoding::Json);
        writer.data(&device.running).contains(text)
    }

    pub(crate) fn asked(&self, method: &str) -> Vec<(String, Option<String>)> {
        let device = self.device.lock().unwrap();
        let asked = device.asked.iter().filter(|(own, _, _)| own == method);
        asked
            .map(|(_, path, tag)| (path.clone(), tag.clone()))
            .collect()
    }
}

async fn ended(call: JoinHandle<Result<(), String>>) -> Result<(), String> {
    let ended = tokio::time::timeout(Duration::from_secs(40), call).await;
    ended.expect("the controller closes").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_74_on_a_connection_that_the_agent_dialled_the_controller_is_the_client() {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let got = controller
        .ask(
            "GET",
            "/agents/a-1/restconf/data/ietf-lmap-control:lmap",
            "",
        )
        .await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    assert_eq!(
        got.json()["ietf-lmap-control:lmap"]["schedules"]["schedule"][0]["invocations"],
        7
    );
    assert!(
        got.header("glimpse-known-at").is_none(),
        "it is the agent that answers"
    );
    let paths = agent.asked("GET");
    assert_eq!(paths[0].0, "/.well-known/host-meta");
    assert_eq!(
        paths.last().unwrap().0,
        "/top/restconf/data/ietf-lmap-control:lmap"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_75_whoever_is_not_known_is_closed() {
    let controller = Controller::new().await;
    // Of another authority.
    let (_dir, foreign, _) = made();
    controller.enrol("a-1", "north").await;
    let stranger = FakeAgent::anchored(&controller.shared.pki, &credentials(&foreign, "a-1"));
    assert!(
        ended(stranger.call(controller.door)).await.is_err(),
        "no handshake with a foreign certificate"
    );
    // Of ours, but in no repository.
    let unknown = FakeAgent::new(&controller, &credentials(&controller.shared.pki, "a-9"));
    ended(unknown.call(controller.door)).await.unwrap_or(());
    assert!(unknown.asked("GET").is_empty(), "nothing was asked of it");
    // And the agent refuses a controller that is none of its authority.
    let fooled = FakeAgent::anchored(&foreign, &credentials(&controller.shared.pki, "a-1"));
    assert!(ended(fooled.call(controller.door)).await.is_err());
    assert_eq!(controller.shared.connections.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_agent_is_cut_off_and_stays_out() {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    controller.revocations.update(|set| {
        set.agents.insert(agent_id("a-1"));
    });
    ended(call).await.unwrap_or(());
    controller.connected("a-1", false).await;
    assert!(ended(agent.call(controller.door)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_that_never_speak_are_dropped_in_time() {
    let controller = Controller::new().await;
    let mut silent = TcpStream::connect(controller.door).await.unwrap();
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    agent.device.lock().unwrap().mute = true;
    let began = controller.shared.now();
    // TLS, and not a word of HTTP.
    ended(agent.call(controller.door)).await.unwrap_or(());
    assert!(controller.shared.now().since(began) < 30 * SECOND);
    assert_eq!(controller.shared.connections.count(), 0);
    // Not even TLS: we send our greeting and wait no longer than the handshake may take.
    let mut bytes = Vec::new();
    let closed =
        tokio::time::timeout(Duration::from_secs(30), silent.read_to_end(&mut bytes)).await;
    assert!(closed.is_ok(), "it stays open");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_connection_of_an_agent_counts() {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let first = FakeAgent::new(&controller, &credentials);
    let call = first.call(controller.door);
    controller.connected("a-1", true).await;
    let second = FakeAgent::new(&controller, &credentials);
    let _call = second.call(controller.door);
    ended(call).await.unwrap_or(());
    controller.connected("a-1", true).await;
    assert_eq!(controller.shared.connections.count(), 1);
    let path = "/agents/a-1/restconf/data/ietf-lmap-control:lmap/agent";
    assert_eq!(controller.ask("GET", path, "").await.status, 200);
    assert!(
        second
            .asked("GET")
            .iter()
            .any(|(path, _)| path.ends_with("/agent"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_agent_is_asked_whether_it_lives() {
    let times = Times {
        idle: Duration::from_millis(50),
        sign: Duration::from_secs(2),
        ..times()
    };
    let controller = Controller::with("", times).await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let asked = async {
        while agent.asked("HEAD").len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), asked)
        .await
        .expect("it is asked again and again");
    assert_eq!(agent.asked("HEAD")[0].0, "/top/restconf");
    agent.device.lock().unwrap().mute = true;
    ended(call).await.unwrap_or(());
    controller.connected("a-1", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_has_few_connections_that_it_does_not_answer_on() {
    let times = Times {
        sign: Duration::from_secs(30),
        ..times()
    };
    let controller = Controller::with("", times).await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    agent.device.lock().unwrap().mute = true;
    let calls = [(); 3].map(|()| agent.call(controller.door));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let one_more = tokio::time::timeout(Duration::from_secs(10), agent.call(controller.door)).await;
    assert!(one_more.is_ok(), "it is closed at once");
    assert!(calls.iter().all(|call| !call.is_finished()));
    // They are given back: then it may call.
    for call in calls {
        call.abort();
    }
    agent.device.lock().unwrap().mute = false;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_redials_is_not_read_each_time() {
    let times = Times {
        pause: Duration::from_secs(2),
        ..times()
    };
    let controller = Controller::with("", times).await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let reads = || {
        let asked = agent.asked("GET");
        asked
            .iter()
            .filter(|(path, _)| path.ends_with("/data"))
            .count()
    };
    for _ in 0..4 {
        let call = agent.call(controller.door);
        controller.connected("a-1", true).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        call.abort();
        controller.connected("a-1", false).await;
    }
    assert_eq!(reads(), 2, "configuration and state, once");
    let _call = agent.call(controller.door);
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(reads(), 4, "later it is");
}
