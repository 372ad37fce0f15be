//! Agents that dial, and are then servers of TLS and of RESTCONF over a datastore in memory.

use super::identities::Identities;
use anyhow::{Context, Result, anyhow};
use glimpse_restconf::tags::Marks;
use glimpse_restconf::{Apply, Commit, Datastore, Errors, Invoke, Method, Server, Settings, User};
use glimpse_tests::Controller;
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::{DataPath, Encoding, Tree};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// Dials under way at a time.
const AT_ONCE: usize = 64;
/// Agents that come from one address: the controller takes 1 024.
const PER_ADDRESS: usize = 500;
/// 2026-11-22, in microseconds: when everything here is asked and changed.
const NOW: i64 = 1_795_300_000_000_000;

/// What all agents together have done.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// Agents whose whole datastore was read for the first time.
    pub(super) read: AtomicUsize,
    /// Edits taken over.
    pub(super) edited: AtomicUsize,
}

/// The agents; they hang up when it is dropped.
pub(super) struct Town {
    connections: JoinSet<()>,
    fault: Arc<Mutex<Option<anyhow::Error>>>,
}

impl Town {
    /// Has all of them call; the first has as many schedules as said, the others one.
    pub(super) async fn call(
        controller: &Controller,
        port: u16,
        made: Identities,
        schedules: usize,
        counts: &Arc<Counts>,
    ) -> Result<Self> {
        let verifier = Arc::new(Controllers::of(controller)?);
        let places = Arc::new(Semaphore::new(AT_ONCE));
        let fault = Arc::new(Mutex::new(None));
        let mut connections = JoinSet::new();
        let usual = running(1)?;
        for (number, certificate) in made.certificates.into_iter().enumerate() {
            let mut tls = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_client_cert_verifier(verifier.clone())
                .with_single_cert(vec![certificate], made.key.clone_key())?;
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            tls.session_storage = Arc::new(NoServerSessionStorage {});
            tls.send_tls13_tickets = 0;
            let running = if number == 0 {
                running(schedules)?
            } else {
                usual.clone()
            };
            let agent = Agent {
                store: Mutex::new(Memory {
                    running,
                    marks: Marks::new(NOW / 1_000_000),
                    read: false,
                }),
                counts: Arc::clone(counts),
            };
            let place = Arc::clone(&places).acquire_owned().await?;
            let fault = Arc::clone(&fault);
            connections.spawn(async move {
                let ended = agent.serve(Arc::new(tls), number, port, place).await;
                let error = ended
                    .err()
                    .unwrap_or_else(|| anyhow!("the controller hung up"));
                let error = error.context(format!("agent {number}"));
                let mut fault = fault.lock().unwrap_or_else(PoisonError::into_inner);
                fault.get_or_insert(error);
            });
        }
        Ok(Self { connections, fault })
    }

    /// Whether all are still connected.
    pub(super) fn check(&self) -> Result<()> {
        let mut fault = self.fault.lock().unwrap_or_else(PoisonError::into_inner);
        let left = self.connections.len();
        fault.take().map_or(Ok(()), |fault| {
            Err(fault.context(format!("of {left} agents")))
        })
    }
}

/// A configuration of so many schedules, all of one event and one task.
fn running(schedules: usize) -> Result<Tree> {
    let schedules: Vec<Value> = (0..schedules)
        .map(|number| {
            json!({"name": format!("s{number}"), "start": "often", "duration": 60, "tag": ["load"],
                "action": [{"name": "a", "task": "reach", "option": [{"id": "c", "name": "count", "value": "3"}]}]})
        })
        .collect();
    let tree = json!({"ietf-lmap-control:lmap": {
        "events": {"event": [{"name": "often", "periodic": {"interval": 3600}}]},
        "tasks": {"task": [{"name": "reach",
            "function": [{"uri": "https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw"}],
            "option": [{"id": "h", "name": "host", "value": "anchor.example"}]}]},
        "schedules": {"schedule": schedules}}});
    let read = Reader::new(&AGENT, Encoding::Json).data(tree.to_string().as_bytes());
    read.map_err(|error| anyhow!("{}", error.message))
}

struct Memory {
    running: Tree,
    marks: Marks,
    read: bool,
}

impl Datastore for Memory {
    fn running(&self) -> &Tree {
        &self.running
    }

    fn state(&self, _: &DataPath) -> Tree {
        Tree::new(&AGENT)
    }

    fn marks(&self) -> &Marks {
        &self.marks
    }
}

impl Apply for Memory {
    fn commit(&mut self, commit: &Commit) -> Result<(), Errors> {
        self.running = commit.tree.clone();
        self.marks = commit.marks.clone();
        Ok(())
    }

    fn invoke(&mut self, _: &Invoke) -> Result<Tree, Errors> {
        Ok(Tree::new(&AGENT))
    }
}

struct Agent {
    store: Mutex<Memory>,
    counts: Arc<Counts>,
}

impl Agent {
    /// Dials and answers until the connection ends. `place` is held until the handshake is done.
    async fn serve(
        self,
        tls: Arc<ServerConfig>,
        number: usize,
        port: u16,
        place: tokio::sync::OwnedSemaphorePermit,
    ) -> Result<()> {
        let street = u8::try_from(number / PER_ADDRESS % 250)? + 2;
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((Ipv4Addr::new(127, 0, 1, street), 0)))?;
        let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let stream = socket.connect(to).await.context("dialling")?;
        stream.set_nodelay(true)?;
        let stream = TlsAcceptor::from(tls).accept(stream).await.context("TLS")?;
        drop(place);
        let agent = Arc::new(self);
        let answer = service_fn(move |request| {
            let agent = Arc::clone(&agent);
            async move { agent.answer(request).await }
        });
        hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .serve_connection(TokioIo::new(stream), answer)
            .await?;
        Ok(())
    }

    async fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> Result<hyper::Response<Full<Bytes>>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        let headers = head
            .headers
            .iter()
            .map(|(name, value)| Ok((name.as_str().to_owned(), value.to_str()?.to_owned())))
            .collect::<Result<_>>()?;
        let request = glimpse_restconf::Request {
            method: Method::parse(head.method.as_str()),
            path: head.uri.path().to_owned(),
            query: head.uri.query().map(str::to_owned),
            headers,
            body: body.to_vec(),
            user: Some(User {
                name: "controller".to_owned(),
                groups: vec!["controller".to_owned()],
                recovery: true,
            }),
            time: NOW,
        };
        let server = Server::new(Settings {
            root: "/restconf".to_owned(),
            schema: &AGENT,
            modules: Vec::new(),
            streams: Vec::new(),
            body_limit: 1 << 20,
            challenge: None,
        });
        let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let finished = server
            .answer(&request, &mut *store)
            .map_err(|_| anyhow!("a stream was asked for"))?;
        let done = (200..300).contains(&finished.response.status);
        if done && request.method == Method::Get && request.path == "/restconf/data" && !store.read
        {
            // The configuration alone may be asked for first.
            store.read = request.query.as_deref() != Some("content=config");
            self.counts
                .read
                .fetch_add(usize::from(store.read), Ordering::Relaxed);
        }
        if done && !matches!(request.method, Method::Get | Method::Head | Method::Options) {
            self.counts.edited.fetch_add(1, Ordering::Relaxed);
        }
        let mut answer = hyper::Response::builder().status(finished.response.status);
        for (name, value) in finished.response.headers {
            answer = answer.header(name, value);
        }
        Ok(answer.body(Full::new(finished.response.body.into()))?)
    }
}

/// The controller shows the certificate of its server, and is judged by that.
#[derive(Debug)]
struct Controllers {
    anchors: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl Controllers {
    fn of(controller: &Controller) -> Result<Self> {
        let mut anchors = RootCertStore::empty();
        let file = controller.dir().join("pki/controllers.pem");
        anchors.add(
            CertificateDer::from_pem_file(&file).with_context(|| file.display().to_string())?,
        )?;
        Ok(Self {
            anchors,
            provider: Arc::new(ring::default_provider()),
        })
    }
}

impl ClientCertVerifier for Controllers {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        verify_server_cert_signed_by_trust_anchor(
            &ParsedCertificate::try_from(end_entity)?,
            &self.anchors,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
