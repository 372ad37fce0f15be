//! Who edits the fleet.

use anyhow::{Context, Result, ensure};
use glimpse_tests::Controller;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// `printf load | sha256sum`
const TOKEN_SHA256: &str = "0cf67fc72b3c86c7a454f6d86b43ed245a8e491d0e5288d4da8c7ff43a7bcdb0";
const TOKEN: &str = "load";

/// The controller's configuration, from within `[listen]`.
pub(super) fn sections(restconf: u16, callhome: u16) -> String {
    format!(
        "restconf = \"127.0.0.1:{restconf}\"\ncallhome = \"0.0.0.0:{callhome}\"\n\n\
         [limits]\nruns_per_hour = 1e9\npackets_per_second = 1e9\n\n\
         [[operators]]\nname = \"load\"\nrole = \"operator\"\ntoken_sha256 = \"{TOKEN_SHA256}\"\n"
    )
}

/// An operator, by token.
pub(super) struct Operator {
    tls: TlsConnector,
    port: u16,
    // Kept open between requests.
    sender: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Operator {
    pub(super) fn new(controller: &Controller, port: u16) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let root = controller.dir().join("pki/root.pem");
        roots.add(
            CertificateDer::from_pem_file(&root).with_context(|| root.display().to_string())?,
        )?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
            port,
            sender: Mutex::new(None),
        })
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((HOST, self.port)).await?;
        stream.set_nodelay(true)?;
        let tls = self.tls.connect(ServerName::from(HOST), stream).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
        // Ends with the sender; what goes wrong is the answer to the request under way.
        tokio::spawn(connection);
        Ok(sender)
    }

    async fn ask(&self, method: &str, path: &str, body: Bytes) -> Result<Bytes> {
        let mut held = self.sender.lock().await;
        let mut sender = match held.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => self.connect().await?,
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "127.0.0.1")
            .header("authorization", format!("Bearer {TOKEN}"))
            .header("accept", "application/yang-data+json")
            .header("content-type", "application/yang-data+json")
            .body(Full::new(body))?;
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status.is_success(),
            "{method} {path}: {status}: {}",
            String::from_utf8_lossy(&body)
        );
        *held = Some(sender);
        Ok(body)
    }

    pub(super) async fn get(&self, path: &str) -> Result<Bytes> {
        self.ask("GET", path, Bytes::new()).await
    }

    /// Has the controller edit agents, and gives the number of the job.
    pub(super) async fn apply(&self, input: &Value) -> Result<u64> {
        let path = "/restconf/operations/glimpse-fleet:apply";
        let answer = self.ask("POST", path, input.to_string().into()).await?;
        let answer: Value = serde_json::from_slice(&answer)?;
        let job = answer["glimpse-fleet:output"]["job"].as_u64();
        job.with_context(|| answer.to_string())
    }
}
