//! A RESTCONF client.

use crate::place::Leaf;
use glimpse_agent::clock::steady;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{HeaderMap, Request};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{DigitallySignedStruct, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) const JSON: &str = "application/yang-data+json";
pub(crate) const XML: &str = "application/yang-data+xml";
pub(crate) const D: &str = "/restconf/data";
pub(crate) const L: &str = "/restconf/data/ietf-lmap-control:lmap";

/// Knows the agent by its certificate.
#[derive(Debug)]
struct Exactly(CertificateDer<'static>);

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *end_entity == self.0 {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::CertificateError::UnknownIssuer.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, &algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, &algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// TLS towards the agent, whoever dialled.
pub(crate) async fn tls(
    tcp: TcpStream,
    leaf: Option<&Leaf>,
    agent: &CertificateDer<'static>,
) -> io::Result<TlsStream<TcpStream>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Exactly(agent.clone())));
    let mut config = match leaf {
        Some(leaf) => builder
            .with_client_auth_cert(vec![leaf.der.clone()], leaf.key.clone_key())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.enable_sni = false;
    let name = ServerName::try_from("agent.invalid").unwrap();
    TlsConnector::from(Arc::new(config))
        .connect(name, tcp)
        .await
}

/// A response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }

    /// The tag of the first error.
    pub(crate) fn tag(&self) -> String {
        let errors = &self.json()["ietf-restconf:errors"]["error"];
        errors[0]["error-tag"].as_str().unwrap().to_owned()
    }
}

/// A connection.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) async fn connect(
        port: u16,
        leaf: Option<&Leaf>,
        agent: &CertificateDer<'static>,
    ) -> io::Result<Self> {
        let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
        Self::over(tcp, leaf, agent).await
    }

    /// On a connection that somebody made.
    pub(crate) async fn over(
        tcp: TcpStream,
        leaf: Option<&Leaf>,
        agent: &CertificateDer<'static>,
    ) -> io::Result<Self> {
        let tls = tls(tcp, leaf, agent).await?;
        let (sender, driver) = handshake(TokioIo::new(tls))
            .await
            .map_err(io::Error::other)?;
        tokio::spawn(driver);
        Ok(Self { sender })
    }

    pub(crate) async fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> hyper::Result<hyper::Response<Incoming>> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", "agent.invalid");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.sender.ready().await?;
        let request = request.body(Full::new(body.into())).unwrap();
        self.sender.send_request(request).await
    }

    pub(crate) async fn ask(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let response = self.send(method, path, headers, body).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            text: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.ask("GET", path, &[("accept", JSON)], "").await
    }

    pub(crate) async fn edit(&mut self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = [("content-type", JSON), ("accept", JSON)];
        self.ask(method, path, &headers, body.to_string()).await
    }

    /// Adds to the datastore.
    pub(crate) async fn merge(&mut self, lmap: &Value) {
        let body = serde_json::json!({"ietf-restconf:data": {"ietf-lmap-control:lmap": lmap}});
        let answer = self.edit("PATCH", D, &body).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// A schedule with its state.
    pub(crate) async fn schedule(&mut self, name: &str) -> Value {
        let path = format!("{L}/schedules/schedule={name}");
        let answer = self.get(&path).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()["ietf-lmap-control:schedule"][0].clone()
    }

    /// Looks at a schedule until it is as wanted.
    pub(crate) async fn until(
        &mut self,
        what: &str,
        name: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let began = steady();
        loop {
            let schedule = self.schedule(name).await;
            if wanted(&schedule) {
                return schedule;
            }
            assert!(
                began.elapsed() < Duration::from_secs(45),
                "{what}: {schedule:#}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
