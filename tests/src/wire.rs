//! HTTP over TLS byte by byte: what a program sees that speaks for an agent, or in the controller's place, and keeps to
//! no rule but those of TLS.
//!
//! ```text
//!  Caller ── the agent's key, any bytes ──▶ Controller
//!  Agent ──▶ Rogue ── the controller's key, any bytes
//! ```

use crate::{Agent, Controller};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, StreamOwned,
};
use serde_json::Value;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a side may keep silent before the test takes it for dead.
const SILENCE: Duration = Duration::from_secs(30);

/// A connection of a [`Caller`].
pub type Stream = StreamOwned<ClientConnection, TcpStream>;

/// A connection of a [`Rogue`].
pub type Served = StreamOwned<ServerConnection, TcpStream>;

/// Somebody who calls a controller.
#[derive(Debug, Clone)]
pub struct Caller {
    config: Arc<ClientConfig>,
    port: u16,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Status line and fields.
    pub head: String,
    /// The body, as long as `content-length` says.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    /// Whether it is a problem document (RFC 9457) of its own status.
    pub fn is_problem(&self) -> bool {
        let document = self.json();
        self.head
            .to_ascii_lowercase()
            .contains("application/problem+json")
            && document["status"] == self.status
            && document["title"].is_string()
    }
}

impl Caller {
    /// Somebody with the identity that `agent` was given at its enrolment.
    ///
    /// # Panics
    /// When the agent is not enrolled.
    pub fn with_identity_of(agent: &Agent, controller: &Controller) -> Self {
        let identity = agent.dir().join("state/identity");
        let key = PrivateKeyDer::from_pem_file(identity.join("key.pem")).expect("a key");
        let chain = certificates(&identity.join("certificate.pem"));
        let config = trusting(controller)
            .with_client_auth_cert(chain, key)
            .expect("the key of the certificate");
        Self::new(config, controller.agent_port())
    }

    /// Somebody without a certificate.
    pub fn unknown(controller: &Controller) -> Self {
        Self::new(
            trusting(controller).with_no_client_auth(),
            controller.agent_port(),
        )
    }

    fn new(config: ClientConfig, port: u16) -> Self {
        Self {
            config: Arc::new(config),
            port,
        }
    }

    /// The same somebody at another port.
    #[must_use]
    pub fn at(&self, port: u16) -> Self {
        Self {
            port,
            ..self.clone()
        }
    }

    /// The same somebody, speaking HTTP/2.
    #[must_use]
    pub fn speaking_http2(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.alpn_protocols = vec![b"h2".to_vec()];
        Self::new(config, self.port)
    }

    /// Opens a connection; the handshake is done with the first bytes.
    pub fn connect(&self) -> io::Result<Stream> {
        let tcp = TcpStream::connect(("127.0.0.1", self.port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(SILENCE))?;
        tcp.set_write_timeout(Some(SILENCE))?;
        let name = ServerName::try_from("127.0.0.1").map_err(io::Error::other)?;
        let session =
            ClientConnection::new(Arc::clone(&self.config), name).map_err(io::Error::other)?;
        Ok(StreamOwned::new(session, tcp))
    }

    /// Sends one request on a connection of its own; `fields` end in CRLF each.
    pub fn ask(&self, start: &str, fields: &str, body: &[u8]) -> io::Result<Answer> {
        let mut stream = self.connect()?;
        let length = body.len();
        let head =
            format!("{start} HTTP/1.1\r\nhost: c\r\ncontent-length: {length}\r\n{fields}\r\n");
        stream.write_all(head.as_bytes())?;
        // Who has heard enough answers before the end of a body and hangs up.
        let _ = stream.write_all(body);
        answer(&mut stream)
    }

    /// Uploads `body` as results.
    pub fn upload(&self, body: &[u8]) -> io::Result<Answer> {
        self.ask("POST /agent/v2/results", "", body)
    }
}

/// Reads one answer.
pub fn answer(stream: &mut impl Read) -> io::Result<Answer> {
    let (head, mut body) = head(stream)?;
    let status = head.get(9..12).and_then(|status| status.parse().ok());
    let length = field(&head, "content-length")
        .and_then(|length| length.parse().ok())
        .unwrap_or(0);
    while body.len() < length {
        body.extend(some(stream)?);
    }
    Ok(Answer {
        status: status.ok_or_else(|| io::Error::other(head.clone()))?,
        head,
        body,
    })
}

/// Reads to the end of a head; what followed it already comes second.
fn head(stream: &mut impl Read) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        bytes.extend(some(stream)?);
    }
}

fn some(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; 16 << 10];
    match stream.read(&mut buffer)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        count => {
            buffer.truncate(count);
            Ok(buffer)
        }
    }
}

fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().skip(1).find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// A request as it came to a [`Rogue`].
#[derive(Debug, Clone)]
pub struct Request {
    /// Request line and fields.
    pub head: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// Method and path, without the query.
    pub fn is(&self, start: &str) -> bool {
        self.head
            .strip_prefix(start)
            .is_some_and(|rest| rest.starts_with([' ', '?']))
    }

    /// The field `name`.
    pub fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }
}

/// Somebody with a controller's identity who answers whatever `reply` writes.
#[derive(Debug)]
pub struct Rogue {
    stop: Arc<AtomicBool>,
    accepting: Option<JoinHandle<()>>,
}

impl Rogue {
    /// Takes the place of `controller`, with its key.
    ///
    /// # Panics
    /// When the place is not free or the key cannot be read.
    pub fn replacing<F>(controller: &mut Controller, reply: F) -> Self
    where
        F: Fn(&Request, &mut Served) -> io::Result<()> + Send + Sync + 'static,
    {
        controller.kill();
        let server = controller.dir().join("pki/server.pem");
        let key = PrivateKeyDer::from_pem_file(&server).expect("the server's key");
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions that ring has")
            .with_no_client_auth()
            .with_single_cert(certificates(&server), key)
            .expect("the key of the certificate");
        let config = Arc::new(config);
        let port = controller.agent_port();
        let listener = crate::eventually("the port is free", Duration::from_secs(10), || {
            TcpListener::bind(("127.0.0.1", port)).ok()
        });
        listener.set_nonblocking(true).expect("a socket");
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, reply) = (Arc::clone(&stop), Arc::new(reply));
        let accepting = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let Ok((tcp, _)) = listener.accept() else {
                    crate::pause(Duration::from_millis(5));
                    continue;
                };
                let (config, reply) = (Arc::clone(&config), Arc::clone(&reply));
                // A connection that breaks is what the other side may do.
                thread::spawn(move || serve(tcp, config, reply.as_ref()));
            }
        });
        Self {
            stop,
            accepting: Some(accepting),
        }
    }
}

impl Drop for Rogue {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

fn serve(
    tcp: TcpStream,
    config: Arc<ServerConfig>,
    reply: &dyn Fn(&Request, &mut Served) -> io::Result<()>,
) -> io::Result<()> {
    tcp.set_nonblocking(false)?;
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(SILENCE))?;
    tcp.set_write_timeout(Some(SILENCE))?;
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(session, tcp);
    loop {
        let (head, mut body) = head(&mut stream)?;
        let length = field(&head, "content-length")
            .and_then(|length| length.parse().ok())
            .unwrap_or(0);
        while body.len() < length {
            body.extend(some(&mut stream)?);
        }
        reply(&Request { head, body }, &mut stream)?;
    }
}

/// Writes a whole answer; `fields` end in CRLF each.
pub fn respond(stream: &mut impl Write, status: u16, fields: &str, body: &[u8]) -> io::Result<()> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n{fields}\r\n");
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

fn trusting(
    controller: &Controller,
) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&controller.dir().join("pki/controllers.pem")) {
        roots.add(certificate).expect("an authority");
    }
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions that ring has")
        .with_root_certificates(roots)
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .expect("certificates in PEM")
}

/// The most bytes of memory that the process `pid` ever had resident.
///
/// # Panics
/// When it is gone.
pub fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let kilobytes = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    kilobytes
        .and_then(|number| number.trim().parse::<u64>().ok())
        .expect("a size")
        * 1024
}

/// Milliseconds of processor time that the process `pid` has used.
///
/// # Panics
/// When it is gone.
pub fn processor_ms(pid: u32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    // Fields 14 and 15, counted from behind the name, which may hold anything.
    let (_, fields) = stat.rsplit_once(')').expect("a name in brackets");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|ticks| ticks.parse::<u64>().ok())
        .sum();
    // USER_HZ is 100 on every Linux.
    ticks * 10
}
