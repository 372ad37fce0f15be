//! Who the agent is to those who ask, and whom it knows.
//!
//! A client is the controller when a controllers' intermediate has signed its certificate and it bears the pinned name: what holds
//! for the other direction ([`crate::tls::steady`]). Others are those whose certificates the household lists. Nobody else passes
//! the handshake.
//!
//! Controllers' certificates are made for servers, and the controller is the server of the JSON door; that it is the client here
//! makes it no other. So its extended key usage is judged as that of a server.
//!
//! The agent shows its own certificate with the authority that signed it, so that a client needs the root alone. Its name there is the agent's
//! id, which no name server knows.

use crate::identity::{Identity, Validity};
use crate::local::uci::restconf::Client;
use crate::tls::TlsError;
use glimpse_restconf::User;
use glimpse_restconf::cert_to_name::{self, Certificate, Entry, Fingerprint, Map};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{NoServerSessionStorage, ParsedCertificate};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig,
    SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The name, and the group, of the controller that the agent is enrolled with.
pub const CONTROLLER: &str = "controller";

/// SHA-256 in RFC 7407's numbering.
const SHA_256: u8 = 4;

/// How the agent shows itself and whom it lets in.
#[derive(Debug)]
pub struct Credentials {
    /// For each connection.
    pub tls: Arc<ServerConfig>,
    entries: Vec<Entry>,
    authorities: Vec<Fingerprint>,
    clients: Vec<Client>,
}

impl Credentials {
    /// Those of an enrolled agent; `now` in seconds since 1970 UTC.
    ///
    /// # Errors
    /// [`TlsError::NoControllers`] when no intermediate is valid at `now`; [`TlsError::Tls`] when key and certificate do not go
    /// together.
    pub fn new(identity: &Identity, clients: &[Client], now: i64) -> Result<Self, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let mut anchors = RootCertStore::empty();
        let mut authorities = Vec::new();
        for intermediate in identity.trust.controllers(now) {
            anchors.add(intermediate.clone())?;
            authorities.push(fingerprint(sha256(intermediate)));
        }
        if anchors.is_empty() {
            return Err(TlsError::NoControllers);
        }
        let mut entries: Vec<Entry> = Vec::new();
        for client in clients {
            push(&mut entries, fingerprint(client.fingerprint), &client.name);
        }
        for authority in &authorities {
            push(&mut entries, authority.clone(), CONTROLLER);
        }
        let verifier = Known {
            anchors,
            controller: identity.controller.clone(),
            clients: clients.iter().map(|client| client.fingerprint).collect(),
            provider: provider.clone(),
        };
        let mut tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(Arc::new(verifier))
            .with_single_cert(identity.presented(), identity.key.private_key())?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Each connection is proved anew. Its validity is looked at again with each request; an agent hears of no revocations: a
        // controller's certificate that is lost holds until its end, or until its authority is replaced.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        Ok(Self {
            tls: Arc::new(tls),
            entries,
            authorities,
            clients: clients.to_vec(),
        })
    }

    /// The list by which users are named, lowest id first.
    pub fn entries(&self) -> Vec<Entry> {
        self.entries.clone()
    }

    /// The user of a connection whose handshake has succeeded with these certificates.
    pub fn user(&self, certificates: &[CertificateDer<'_>]) -> Option<User> {
        let own = sha256(certificates.first()?);
        let listed = self.clients.iter().find(|client| client.fingerprint == own);
        let mut fingerprints = vec![fingerprint(own)];
        if listed.is_none() {
            // It has passed the handshake, so one of them has signed it.
            fingerprints.extend(self.authorities.iter().cloned());
        }
        let certificate = Certificate {
            fingerprints,
            ..Certificate::default()
        };
        let name = cert_to_name::name(&self.entries, &certificate)?;
        let group = match listed {
            Some(client) => client.group.clone(),
            None => Some(CONTROLLER.to_owned()),
        };
        Some(User {
            name,
            groups: group.into_iter().collect(),
            recovery: false,
        })
    }
}

fn push(entries: &mut Vec<Entry>, fingerprint: Fingerprint, name: &str) {
    entries.push(Entry {
        id: u32::try_from(entries.len()).map_or(u32::MAX, |id| id + 1),
        fingerprint: Some(fingerprint),
        map: Map::Specified(name.to_owned()),
    });
}

fn sha256(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

fn fingerprint(digest: [u8; 32]) -> Fingerprint {
    Fingerprint {
        algorithm: SHA_256,
        digest: digest.to_vec(),
    }
}

/// Lets in the controller and those who are listed.
#[derive(Debug)]
struct Known {
    anchors: RootCertStore,
    controller: ServerName<'static>,
    clients: Vec<[u8; 32]>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Known {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // A hint would keep those who are listed from showing themselves.
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if self.clients.contains(&sha256(end_entity)) {
            let validity = Validity::of(end_entity).ok_or(CertificateError::BadEncoding)?;
            let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
            return if validity.contains(seconds) {
                Ok(ClientCertVerified::assertion())
            } else {
                Err(CertificateError::Expired.into())
            };
        }
        let certificate = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &certificate,
            &self.anchors,
            intermediates,
            now,
            self.provider.signature_verification_algorithms.all,
        )?;
        verify_server_name(&certificate, &self.controller)?;
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
