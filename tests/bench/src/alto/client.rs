//! A client of ALTO over TLS, the same for every server that is measured.

use anyhow::{Context, Result, ensure};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Opens connections, with one version and one cipher suite of TLS, so that servers do equal work.
#[derive(Clone)]
pub(super) struct Caller {
    tls: TlsConnector,
}

impl Caller {
    /// Trusts the root of the controller in `dir`.
    pub(super) fn new(dir: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let root = dir.join("pki/root.pem");
        roots.add(
            CertificateDer::from_pem_file(&root).with_context(|| root.display().to_string())?,
        )?;
        let provider = CryptoProvider {
            cipher_suites: vec![ring::cipher_suite::TLS13_AES_256_GCM_SHA384],
            ..ring::default_provider()
        };
        let config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            tls: TlsConnector::from(Arc::new(config)),
        })
    }

    /// A connection to a port here, from an address here.
    pub(super) async fn connect(
        &self,
        port: u16,
        from: Ipv4Addr,
    ) -> Result<TlsStream<tokio::net::TcpStream>> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(from.into(), 0))?;
        let stream = socket.connect(SocketAddr::new(HOST, port)).await?;
        stream.set_nodelay(true)?;
        Ok(self.tls.connect(ServerName::from(HOST), stream).await?)
    }

    /// A connection for one request after the other.
    pub(super) async fn open(&self, port: u16) -> Result<Client> {
        let tls = self.connect(port, Ipv4Addr::LOCALHOST).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
        // Ends with the sender; what goes wrong is the answer to the request under way.
        tokio::spawn(connection);
        Ok(Client { sender })
    }
}

/// A connection that is kept open.
pub(super) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

/// What was answered.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) etag: Option<String>,
    pub(super) body: Bytes,
}

/// What is asked: the same bytes again and again.
#[derive(Debug, Clone, Default)]
pub(super) struct Question {
    pub(super) path: String,
    pub(super) fields: Vec<(&'static str, String)>,
    /// With a body it is a POST.
    pub(super) body: Option<Bytes>,
}

impl Question {
    pub(super) fn get(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            ..Self::default()
        }
    }

    pub(super) fn post(path: &str, content_type: &str, body: &serde_json::Value) -> Self {
        Self {
            path: path.to_owned(),
            fields: vec![("content-type", content_type.to_owned())],
            body: Some(body.to_string().into()),
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.fields.push((name, value.into()));
        self
    }
}

impl Client {
    pub(super) async fn ask(&mut self, question: &Question) -> Result<Answer> {
        let method = if question.body.is_some() {
            "POST"
        } else {
            "GET"
        };
        let mut request = Request::builder()
            .method(method)
            .uri(&question.path)
            .header("host", "127.0.0.1");
        for (name, value) in &question.fields {
            request = request.header(*name, value);
        }
        let body = question.body.clone().unwrap_or_default();
        self.sender.ready().await?;
        let answer = self
            .sender
            .send_request(request.body(Full::new(body))?)
            .await?;
        let etag = answer.headers().get("etag");
        let etag = etag
            .map(|etag| etag.to_str().map(str::to_owned))
            .transpose()?;
        let status = answer.status();
        let body = answer.into_body().collect().await?.to_bytes();
        Ok(Answer { status, etag, body })
    }

    /// The body of an answer with status 200.
    pub(super) async fn body(&mut self, question: &Question) -> Result<Bytes> {
        let answer = self.ask(question).await?;
        ensure!(
            answer.status == StatusCode::OK,
            "{}: status {}: {}",
            question.path,
            answer.status,
            String::from_utf8_lossy(&answer.body)
        );
        Ok(answer.body)
    }
}
