#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::pki::tests::{LONG, NOW, agent, made, request, serials};
use crate::pki::{Lifetimes, Pki, Serial, ServerIdentity, agent_listener, public_listener, shared};
use axum::extract::Extension;
use axum::routing::{get, post};
use rcgen::KeyPair;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::ring;
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

struct World {
    _dir: tempfile::TempDir,
    pki: Pki,
    server: ServerIdentity,
    revocations: Revocations,
    /// What the listener takes for the time.
    now: Arc<AtomicI64>,
    /// Requests with a body that reached a handler.
    stored: Arc<AtomicUsize>,
    /// Told when a long poll has begun.
    polling: Arc<Notify>,
    stop: watch::Sender<bool>,
    bounds: Bounds,
}

impl World {
    fn new() -> Self {
        let (dir, pki, server) = made();
        Self {
            _dir: dir,
            pki,
            server,
            revocations: Revocations::default(),
            now: Arc::new(AtomicI64::new(NOW)),
            stored: Arc::default(),
            polling: Arc::default(),
            stop: watch::Sender::new(false),
            bounds: Bounds::default(),
        }
    }

    fn app(&self) -> Router {
        let stored = Arc::clone(&self.stored);
        let polling = Arc::clone(&self.polling);
        Router::new()
            .route(
                "/who",
                get(|Extension(peer): Extension<Peer>| async move {
                    peer.agent
                        .map_or("nobody".to_owned(), |agent| agent.agent.to_string())
                }),
            )
            .route(
                "/poll",
                get(|| async move {
                    polling.notify_one();
                    tokio::time::sleep(Duration::from_millis(300)).await;
                    "nothing new"
                }),
            )
            .route(
                "/results",
                post(|_: String| async move {
                    stored.fetch_add(1, Ordering::Relaxed);
                    "stored"
                }),
            )
    }

    fn gate(&self) -> Gate {
        let now = Arc::clone(&self.now);
        Gate {
            revocations: self.revocations.clone(),
            now: Arc::new(move || now.load(Ordering::Relaxed)),
            pins: Pins::default(),
        }
    }

    fn agents(&self) -> Transport {
        Transport::Tls(shared(
            agent_listener(&self.pki, &self.server, &self.revocations).unwrap(),
        ))
    }

    async fn listen(&self, transport: Transport) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Listener::bind(any, transport, self.bounds, self.gate())
            .await
            .unwrap();
        let addr = listener.local_addr().unwrap();
        (
            addr,
            tokio::spawn(listener.serve(self.app(), self.stop.subscribe())),
        )
    }

    fn credentials(&self, id: &str, lifetimes: &Lifetimes) -> Credentials {
        let key = KeyPair::generate().unwrap();
        let serial = Serial::from_random(*uuid::Uuid::new_v4().as_bytes());
        let issued = self
            .pki
            .issue_agent(&request(&key), &agent(id), serial, NOW, lifetimes)
            .unwrap();
        let key = PrivatePkcs8KeyDer::from(key.serialize_der()).into();
        (vec![issued.der], key)
    }

    /// An agent's view: anchored at the controllers' intermediate.
    fn client(&self, credentials: Option<Credentials>, alpn: &[u8]) -> TlsConnector {
        let provider = Arc::new(ring::default_provider());
        let mut anchors = RootCertStore::empty();
        anchors.add(self.pki.authorities()[1].clone()).unwrap();
        let verifier: Arc<dyn ServerCertVerifier> =
            WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), Arc::clone(&provider))
                .build()
                .unwrap();
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match credentials {
            Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![alpn.to_vec()];
        config.resumption = Resumption::in_memory_sessions(8);
        TlsConnector::from(Arc::new(config))
    }

    async fn dial(
        &self,
        addr: SocketAddr,
        credentials: Option<Credentials>,
    ) -> TlsStream<TcpStream> {
        dial(&self.client(credentials, b"http/1.1"), addr).await
    }
}

async fn dial(client: &TlsConnector, addr: SocketAddr) -> TlsStream<TcpStream> {
    let name = ServerName::try_from("controller.example").unwrap();
    client
        .connect(name, TcpStream::connect(addr).await.unwrap())
        .await
        .unwrap()
}

/// Sends a request on an open connection and reads one answer: status line and body.
async fn ask<S>(stream: &mut S, request: &str) -> io::Result<(String, String)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).await?;
        bytes.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8(bytes.clone()).unwrap();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| {
                    line.to_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return Ok((head.lines().next().unwrap().to_owned(), body.to_owned()));
            }
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

const WHO: &str = "GET /who HTTP/1.1\r\nhost: c\r\n\r\n";
const POLL: &str = "GET /poll HTTP/1.1\r\nhost: c\r\n\r\n";
const RESULTS: &str = "POST /results HTTP/1.1\r\nhost: c\r\ncontent-length: 2\r\n\r\n{}";

async fn who<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> String {
    let (status, body) = ask(stream, WHO).await.unwrap();
    assert_eq!(status, "HTTP/1.1 200 OK");
    body
}

/// The alert by which the listener refused the client certificate.
async fn refusal(mut stream: TlsStream<TcpStream>) -> AlertDescription {
    let error = ask(&mut stream, RESULTS).await.unwrap_err();
    match error
        .get_ref()
        .and_then(|error| error.downcast_ref::<rustls::Error>())
    {
        Some(rustls::Error::AlertReceived(alert)) => *alert,
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn peer_is_who_the_certificate_says_and_nobody_without_one() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let mut stream = world
        .dial(addr, Some(world.credentials("agent-7", &LONG)))
        .await;
    assert_eq!(who(&mut stream).await, "agent-7");
    assert_eq!(who(&mut stream).await, "agent-7");
    let mut stream = world.dial(addr, None).await;
    assert_eq!(who(&mut stream).await, "nobody");
}

#[tokio::test]
async fn peer_of_a_tls12_client_is_known_too() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let (chain, key) = world.credentials("agent-7", &LONG);
    let mut anchors = RootCertStore::empty();
    anchors.add(world.pki.authorities()[1].clone()).unwrap();
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(anchors)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let mut stream = dial(&TlsConnector::from(Arc::new(config)), addr).await;
    assert_eq!(who(&mut stream).await, "agent-7");
}

#[tokio::test]
async fn server_certificate_is_no_client_certificate() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let credentials = (world.server.chain.clone(), world.server.key.clone_key());
    let alert = refusal(world.dial(addr, Some(credentials)).await).await;
    // Wrong purpose and wrong issuer: webpki reports one of them.
    assert!(
        matches!(
            alert,
            AlertDescription::UnknownCA
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::BadCertificate
        ),
        "{alert:?}"
    );
    assert_eq!(world.stored.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn agent_of_another_authority_is_refused() {
    let world = World::new();
    let other = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let stranger = other.credentials("agent-7", &LONG);
    refusal(world.dial(addr, Some(stranger)).await).await;
    assert_eq!(world.stored.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn expired_client_certificate_fails_the_handshake_and_enrolment_stays_open() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let short = Lifetimes {
        agent_s: 60,
        ..LONG
    };
    let expired = world.credentials("agent-7", &short);
    assert_eq!(
        refusal(world.dial(addr, Some(expired)).await).await,
        AlertDescription::CertificateExpired
    );
    assert_eq!(world.stored.load(Ordering::Relaxed), 0);
    // The way back: without a certificate it reaches the enrolment, and its new certificate has its old id.
    assert_eq!(who(&mut world.dial(addr, None).await).await, "nobody");
    let mut stream = world
        .dial(addr, Some(world.credentials("agent-7", &LONG)))
        .await;
    assert_eq!(who(&mut stream).await, "agent-7");
}

#[tokio::test]
async fn revoked_certificate_fails_the_handshake_without_restart() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let credentials = world.credentials("agent-7", &LONG);
    let connector = world.client(Some(credentials), b"http/1.1");
    assert_eq!(who(&mut dial(&connector, addr).await).await, "agent-7");
    world.revocations.update(|set| {
        set.agents.insert(agent("agent-7"));
    });
    // The same connector: a resumed session must not bring the certificate back either.
    assert_eq!(
        refusal(dial(&connector, addr).await).await,
        AlertDescription::CertificateRevoked
    );
    assert_eq!(world.stored.load(Ordering::Relaxed), 0);
    let mut other = world
        .dial(addr, Some(world.credentials("agent-8", &LONG)))
        .await;
    assert_eq!(who(&mut other).await, "agent-8");
}

#[tokio::test]
async fn revocation_cuts_open_connections_idle_and_busy() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let mut idle = world
        .dial(addr, Some(world.credentials("agent-7", &LONG)))
        .await;
    assert_eq!(who(&mut idle).await, "agent-7");
    let mut busy = world
        .dial(addr, Some(world.credentials("agent-7", &LONG)))
        .await;
    let mut other = world
        .dial(addr, Some(world.credentials("agent-8", &LONG)))
        .await;
    assert_eq!(who(&mut other).await, "agent-8");
    let polling = tokio::spawn(async move { ask(&mut busy, POLL).await });
    world.polling.notified().await;
    world.revocations.update(|set| {
        set.agents.insert(agent("agent-7"));
    });
    assert!(ask(&mut idle, RESULTS).await.is_err());
    assert!(polling.await.unwrap().is_err());
    assert_eq!(world.stored.load(Ordering::Relaxed), 0);
    assert_eq!(who(&mut other).await, "agent-8");
}

#[tokio::test]
async fn each_request_is_asked_even_where_nobody_watches() {
    let world = World::new();
    let credentials = world.credentials("agent-7", &LONG);
    let certificate = Arc::new(AgentCertificate::parse(&credentials.0[0]).unwrap());
    let (addr, _) = world.listen(world.agents()).await;
    let mut stream = world.dial(addr, Some(credentials)).await;
    assert_eq!(who(&mut stream).await, "agent-7");
    // The certificate runs out while the connection is open.
    world
        .now
        .store(certificate.not_after + 1, Ordering::Relaxed);
    let (status, body) = ask(&mut stream, RESULTS).await.unwrap();
    assert_eq!(status, "HTTP/1.1 403 Forbidden");
    assert!(body.contains("certificate expired"));
    assert_eq!(world.stored.load(Ordering::Relaxed), 0);
    assert!(ask(&mut stream, WHO).await.is_err(), "the connection ends");
}

#[tokio::test]
async fn renewed_server_certificate_is_shown_from_the_next_handshake_on() {
    let world = World::new();
    let config = shared(agent_listener(&world.pki, &world.server, &world.revocations).unwrap());
    let (addr, _) = world.listen(Transport::Tls(Arc::clone(&config))).await;
    let shown =
        |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap().to_vec();
    let mut before = world.dial(addr, None).await;
    assert_eq!(shown(&before), world.server.chain);
    let mut serial = serials();
    let next = world
        .pki
        .issue_server(&world.server.names, serial().unwrap(), NOW, &LONG)
        .unwrap();
    config.store(Arc::new(
        agent_listener(&world.pki, &next, &world.revocations).unwrap(),
    ));
    assert_eq!(shown(&world.dial(addr, None).await), next.chain);
    assert_eq!(who(&mut before).await, "nobody");
}

#[tokio::test]
async fn alpn_chooses_http2() {
    let world = World::new();
    let (addr, _) = world.listen(world.agents()).await;
    let mut stream = dial(&world.client(None, b"h2"), addr).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    // Preface and empty SETTINGS (RFC 9113 §3.4); the answer is SETTINGS, frame type 4.
    stream
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await
        .unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.unwrap();
    assert_eq!(frame[3], 4);
}

#[tokio::test]
async fn public_listener_asks_for_no_certificate() {
    let world = World::new();
    let transport = Transport::Tls(shared(public_listener(&world.server).unwrap()));
    let (addr, _) = world.listen(transport).await;
    let mut stream = world
        .dial(addr, Some(world.credentials("agent-7", &LONG)))
        .await;
    assert_eq!(who(&mut stream).await, "nobody");
}

#[tokio::test]
async fn streams_that_came_from_elsewhere_are_served() {
    let world = World::new();
    let connections = Connections::new(
        world.app(),
        world.bounds,
        world.gate(),
        world.stop.subscribe(),
    );
    let addr: SocketAddr = "192.0.2.1:4335".parse().unwrap();
    let config = Arc::new(agent_listener(&world.pki, &world.server, &world.revocations).unwrap());
    let (near, far) = tokio::io::duplex(4096);
    let serving = connections.clone();
    tokio::spawn(async move { serving.tls(far, addr, config).await });
    let client = world.client(Some(world.credentials("agent-7", &LONG)), b"http/1.1");
    let name = ServerName::try_from("controller.example").unwrap();
    let mut stream = client.connect(name, near).await.unwrap();
    assert_eq!(who(&mut stream).await, "agent-7");

    let (mut near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move { connections.plain(far, addr).await });
    assert_eq!(who(&mut near).await, "nobody");
}

#[tokio::test]
async fn silence_is_bounded_before_and_after_the_handshake() {
    let mut world = World::new();
    world.bounds.handshake = Duration::from_millis(100);
    world.bounds.header = Duration::from_millis(100);
    let (addr, _) = world.listen(world.agents()).await;
    let mut mute = TcpStream::connect(addr).await.unwrap();
    assert_eq!(mute.read(&mut [0; 16]).await.unwrap_or(0), 0);
    for alpn in [&b"h2"[..], b"http/1.1"] {
        let mut silent = dial(&world.client(None, alpn), addr).await;
        let _ = silent.read_to_end(&mut Vec::new()).await;
    }
    let mut slow = world.dial(addr, None).await;
    let answer = ask(&mut slow, "GET /who HTTP/1.1\r\nhost:").await;
    assert!(answer.is_err() || answer.unwrap().0.contains("408"));
    // A handler may take longer than a header.
    let mut patient = world.dial(addr, None).await;
    assert_eq!(ask(&mut patient, POLL).await.unwrap().1, "nothing new");
}

#[tokio::test]
async fn a_connection_whose_peer_takes_nothing_is_closed() {
    let world = World::new();
    let app = Router::new().fallback(|| async { vec![0; 1 << 20] });
    let stop = world.stop.subscribe();
    let connections = Connections::new(app, world.bounds, world.gate(), stop);
    let config = Arc::new(public_listener(&world.server).unwrap());
    let addr: SocketAddr = "192.0.2.1:4335".parse().unwrap();
    let (near, far) = tokio::io::duplex(4096);
    let serving = connections.clone();
    let over_tls = tokio::spawn(async move { serving.tls(far, addr, config).await });
    let name = ServerName::try_from("controller.example").unwrap();
    let client = world.client(None, b"http/1.1");
    let mut secret = client.connect(name, near).await.unwrap();
    secret.write_all(WHO.as_bytes()).await.unwrap();
    secret.flush().await.unwrap();
    let (mut clear, far) = tokio::io::duplex(4096);
    let plain = tokio::spawn(async move { connections.plain(far, addr).await });
    clear.write_all(WHO.as_bytes()).await.unwrap();
    // Who takes something now and then may take long: a byte, or a record of TLS.
    let mut record = vec![0; 20_000];
    tokio::time::pause();
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(50)).await;
        clear.read_u8().await.unwrap();
        secret.read_exact(&mut record).await.unwrap();
    }
    assert!(!plain.is_finished() && !over_tls.is_finished());
    let both = async { (plain.await.unwrap(), over_tls.await.unwrap()) };
    let ended = tokio::time::timeout(world.bounds.stall + Duration::from_secs(1), both);
    ended.await.expect("nobody reads");
}

#[tokio::test]
async fn a_connection_whose_peer_takes_a_little_at_a_time_goes_on() {
    let mut world = World::new();
    world.bounds.stall = Duration::from_secs(2);
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Listener::bind(any, Transport::Plain, world.bounds, world.gate());
    let listener = listener.await.unwrap();
    let addr = listener.local_addr().unwrap();
    let app = Router::new().fallback(|| async { vec![0; 64 << 20] });
    tokio::spawn(listener.serve(app, world.stop.subscribe()));
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(WHO.as_bytes()).await.unwrap();
    // Less than what the kernel would have room for by itself, in twice the time.
    let mut part = vec![0; 40 << 10];
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        stream.read_exact(&mut part).await.unwrap();
    }
    // What is under way arrives still; had the connection been closed, it would end there.
    let mut rest = vec![0; 16 << 20];
    stream.read_exact(&mut rest).await.unwrap();
}

#[tokio::test]
async fn header_size_is_bounded() {
    let mut world = World::new();
    world.bounds.header_bytes = 8 * 1024;
    let (addr, _) = world.listen(Transport::Plain).await;
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let long = format!(
        "GET /who HTTP/1.1\r\nhost: c\r\nx: {}\r\n\r\n",
        "a".repeat(20_000)
    );
    let answer = ask(&mut stream, &long).await;
    assert!(answer.is_err() || answer.unwrap().0.contains("431"));
}

#[tokio::test]
async fn connections_are_bounded_in_all_and_per_address() {
    let mut world = World::new();
    world.bounds.connections_per_address = 2;
    let (addr, _) = world.listen(Transport::Plain).await;
    let mut first = TcpStream::connect(addr).await.unwrap();
    let mut second = TcpStream::connect(addr).await.unwrap();
    assert_eq!(who(&mut first).await, "nobody");
    assert_eq!(who(&mut second).await, "nobody");
    let mut third = TcpStream::connect(addr).await.unwrap();
    assert!(ask(&mut third, WHO).await.is_err());
    drop(first);
    assert_eq!(who(&mut second).await, "nobody");
    // The place becomes free when the listener has seen the end of the first.
    loop {
        let mut fourth = TcpStream::connect(addr).await.unwrap();
        if ask(&mut fourth, WHO).await.is_ok() {
            break;
        }
        tokio::task::yield_now().await;
    }

    let mut world = World::new();
    world.bounds.connections = 1;
    let (addr, _) = world.listen(Transport::Plain).await;
    let mut first = TcpStream::connect(addr).await.unwrap();
    assert_eq!(who(&mut first).await, "nobody");
    let mut second = TcpStream::connect(addr).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(100), ask(&mut second, WHO)).await;
    assert!(waiting.is_err(), "the second waits");
    drop(first);
    let mut buffer = [0; 256];
    assert!(
        second.read(&mut buffer).await.unwrap() > 0,
        "and is served then"
    );
}

#[test]
fn one_host_is_one_address() {
    let same = |a: &str, b: &str| network(a.parse().unwrap()) == network(b.parse().unwrap());
    assert!(same("2001:db8:0:1::1", "2001:db8:0:1:ffff::2"));
    assert!(!same("2001:db8:0:1::1", "2001:db8:0:2::1"));
    assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
    assert!(!same("192.0.2.1", "192.0.2.2"));
}

#[tokio::test]
async fn stop_answers_what_was_asked_and_accepts_nothing_more() {
    let world = World::new();
    let (addr, serving) = world.listen(world.agents()).await;
    let mut idle = world.dial(addr, None).await;
    assert_eq!(who(&mut idle).await, "nobody");
    let mut busy = world.dial(addr, None).await;
    let polling = tokio::spawn(async move { ask(&mut busy, POLL).await });
    world.polling.notified().await;
    world.stop.send_replace(true);
    assert_eq!(polling.await.unwrap().unwrap().1, "nothing new");
    serving.await.unwrap();
    assert!(ask(&mut idle, WHO).await.is_err());
    assert!(TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn stop_waits_no_longer_than_it_may() {
    let mut world = World::new();
    world.bounds.drain = Duration::from_millis(20);
    let (addr, serving) = world.listen(Transport::Plain).await;
    let mut busy = TcpStream::connect(addr).await.unwrap();
    let polling = tokio::spawn(async move { ask(&mut busy, POLL).await });
    world.polling.notified().await;
    world.stop.send_replace(true);
    serving.await.unwrap();
    assert!(polling.await.unwrap().is_err());
}
