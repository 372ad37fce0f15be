//! TLS configurations of the listeners.

use super::{AgentCertificate, Pki, PkiError, Revocations, ServerIdentity};
use arc_swap::ArcSwap;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::sync::Arc;

/// A configuration that can be replaced while a listener runs: each handshake takes the one in force.
pub type SharedConfig = Arc<ArcSwap<ServerConfig>>;

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
    let mut agents = RootCertStore::empty();
    let [_, _, agents_der] = pki.authorities();
    agents.add(agents_der.clone())?;
    let inner =
        WebPkiClientVerifier::builder_with_provider(Arc::new(agents), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| Error::General(error.to_string()))?;
    let verifier = AgentVerifier {
        inner,
        revocations: revocations.clone(),
    };
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_single_cert(server.chain.clone(), server.key.clone_key())?;
    Ok(finished(config))
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
}

impl ClientCertVerifier for AgentVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.inner.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.inner.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
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
