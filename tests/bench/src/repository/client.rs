//! An agent's end of an upload, without the agent.

use super::rows::Body;
use anyhow::{Context, Result, ensure};
use glimpse_tests::{Agent, Controller};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A connection with an agent's certificate, kept open over uploads.
pub(super) struct Client {
    sender: SendRequest<Full<Bytes>>,
}

impl Client {
    /// Connects with the certificate that `agent` was given at its enrolment.
    pub(super) async fn connect(controller: &Controller, agent: &Agent) -> Result<Self> {
        let stream = TcpStream::connect((HOST, controller.agent_port())).await?;
        stream.set_nodelay(true)?;
        let tls = TlsConnector::from(Arc::new(config(controller, agent)?))
            .connect(ServerName::from(HOST), stream)
            .await?;
        let (sender, connection) = http1::handshake(TokioIo::new(tls)).await?;
        // Ends with the sender; what goes wrong is the answer to the request under way.
        tokio::spawn(connection);
        Ok(Self { sender })
    }

    /// Uploads a batch; every record must be named by the receipt.
    pub(super) async fn upload(&mut self, body: Body) -> Result<()> {
        let Body { gzip, records } = body;
        let request = Request::post("/agent/v2/results")
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .header("content-encoding", "gzip")
            .body(Full::new(Bytes::from(gzip)))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let receipt = answer.into_body().collect().await?.to_bytes();
        ensure!(
            status == 200,
            "status {status}: {}",
            String::from_utf8_lossy(&receipt)
        );
        let receipt: Value = serde_json::from_slice(&receipt)?;
        let accepted = receipt["accepted"].as_array().map_or(0, Vec::len);
        ensure!(
            accepted == records,
            "{accepted} of {records} accepted: {receipt}"
        );
        Ok(())
    }
}

fn config(controller: &Controller, agent: &Agent) -> Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = controller.dir().join("pki/root.pem");
    roots.add(CertificateDer::from_pem_file(&root).with_context(|| root.display().to_string())?)?;
    let identity = agent.dir().join("state/identity");
    let chain = CertificateDer::pem_file_iter(identity.join("certificate.pem"))?
        .collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(identity.join("key.pem"))?;
    Ok(
        ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)?,
    )
}
