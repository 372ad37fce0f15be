//! TLS configurations of the listeners.

use super::{AgentCertificate, Pki, PkiError, Revocations, ServerIdentity};
use arc_swap::ArcSwap;
use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, RootCertStore,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;
use std::sync::Arc;

/// A configuration that can be replaced while a listener runs: each handshake takes the one in force.
pub type SharedConfig = Arc<ArcSwap<ServerConfig>>;

/// The same for connections on which we are the client of TLS.
pub type SharedClientConfig = Arc<ArcSwap<ClientConfig>>;

/// SHA-256 of certificates that are trusted as they are, whoever signed them.
pub type Pins = Arc<HashSet<[u8; 32]>>;

/// Makes `config` replaceable.
pub fn shared(config: ServerConfig) -> SharedConfig {
    Arc::new(ArcSwap::from_pointee(config))
}

/// The agent listener: sends server certificate and controllers' intermediate; asks for a client certificate and
/// verifies it against the **agents'** intermediate alone, but does not insist (`cacerts` and the first `simpleenroll`
/// come without one). A certificate that is shown must be valid, an agent's, and not revoked, or the handshake ends.
///
/// No session is resumed: a resumed one would bring back a client certificate that nobody looked at again.
///
/// # Errors
/// [`PkiError::Tls`] when key and certificate do not go together.
pub fn agent_listener(
    pki: &Pki,
    server: &ServerIdentity,
    revocations: &Revocations,
) -> Result<ServerConfig, PkiError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = agents(pki, revocations, Pins::default())?;
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(server.chain.clone(), server.key.clone_key())?;
    Ok(finished(config))
}

/// The same for operators and agents: beside the agents' certificates it takes those of `pins`, and asks for none.
///
/// # Errors
/// [`PkiError::Tls`] when key and certificate do not go together.
pub fn operator_listener(
    pki: &Pki,
    server: &ServerIdentity,
    revocations: &Revocations,
    pins: Pins,
) -> Result<ServerConfig, PkiError> {
    let verifier = agents(pki, revocations, pins)?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(server.chain.clone(), server.key.clone_key())?;
    Ok(finished(config))
}

/// Call home (RFC 8071): the agent has dialled, and we are the client of TLS. The agent's certificate must be of the agents'
/// intermediate and not revoked; there is no name to compare, since nobody was dialled. Ours is shown.
///
/// # Errors
/// [`PkiError::Tls`] when key and certificate do not go together.
pub fn call_home(
    pki: &Pki,
    server: &ServerIdentity,
    revocations: &Revocations,
) -> Result<ClientConfig, PkiError> {
    let verifier = agents(pki, revocations, Pins::default())?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(server.chain.clone(), server.key.clone_key())?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok(config)
}

fn agents(pki: &Pki, revocations: &Revocations, pins: Pins) -> Result<AgentVerifier, PkiError> {
    let mut agents = RootCertStore::empty();
    let [_, _, agents_der] = pki.authorities();
    agents.add(agents_der.clone())?;
    let provider = Arc::new(ring::default_provider());
    let inner = WebPkiClientVerifier::builder_with_provider(Arc::new(agents), provider)
        .allow_unauthenticated()
        .build()
        .map_err(|error| Error::General(error.to_string()))?;
    Ok(AgentVerifier {
        inner,
        revocations: revocations.clone(),
        pins,
    })
}

/// A listener for everybody (ALTO): no client certificate is asked for.
///
/// # Errors
/// [`PkiError::Tls`] when key and certificate do not go together.
pub fn public_listener(server: &ServerIdentity) -> Result<ServerConfig, PkiError> {
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(server.chain.clone(), server.key.clone_key())?;
    Ok(finished(config))
}

fn finished(mut config: ServerConfig) -> ServerConfig {
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config
}

/// webpki, then our own questions: is it an agent's, is it revoked.
#[derive(Debug)]
struct AgentVerifier {
    inner: Arc<dyn ClientCertVerifier>,
    revocations: Revocations,
    pins: Pins,
}

/// What is pinned may be signed by anybody, and holds in its time.
fn pinned(certificate: &CertificateDer<'_>, now: UnixTime) -> Result<ClientCertVerified, Error> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        return Err(CertificateError::NotValidYet.into());
    }
    if now > validity.not_after.timestamp() {
        return Err(CertificateError::Expired.into());
    }
    Ok(ClientCertVerified::assertion())
}

impl ClientCertVerifier for AgentVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A hint would keep clients from showing a certificate that is pinned.
        if self.pins.is_empty() {
            self.inner.root_hint_subjects()
        } else {
            &[]
        }
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if !self.pins.is_empty()
            && self
                .pins
                .contains(&<[u8; 32]>::from(Sha256::digest(end_entity)))
        {
            return pinned(end_entity, now);
        }
        let verified = self
            .inner
            .verify_client_cert(end_entity, intermediates, now)?;
        let certificate = AgentCertificate::parse(end_entity)
            .map_err(|_| CertificateError::ApplicationVerificationFailure)?;
        if self.revocations.contains(&certificate) {
            return Err(CertificateError::Revoked.into());
        }
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

/// The peer of a call-home connection is judged as an agent that connects: its certificate is for clients.
impl ServerCertVerifier for AgentVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.verify_client_cert(end_entity, intermediates, now)
            .map(|_| ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
