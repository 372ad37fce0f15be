//! Trust in a collector that the household lists: its own authorities and its own name, or its own certificate.

use super::{BUNDLE_LIMIT, TlsError, Unverified, builder, finished};
use crate::files;
use crate::identity::{Identity, Validity};
use crate::local::uci::channel::Trust;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// Reports to a channel of the household's: the collector must prove itself by `trust`, and by nothing that the controller has
/// signed unless that is in it; the agent shows its certificate. A bundle is read anew each time: it may be large, and reports
/// are seldom.
///
/// # Errors
/// [`TlsError::Bundle`] when the file cannot be read, [`TlsError::NoRoots`] when there is nothing usable in it,
/// [`TlsError::Tls`] when key and certificate do not go together.
pub fn channel(identity: &Identity, trust: &Trust) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier: Arc<dyn ServerCertVerifier> = match trust {
        Trust::Fingerprint(digest) => Arc::new(Exactly {
            digest: *digest,
            inner: Unverified(provider.clone()),
        }),
        Trust::Authorities(path) => {
            let bundle = files::read_bounded(path, BUNDLE_LIMIT).map_err(|source| {
                let path = path.clone();
                TlsError::Bundle { path, source }
            })?;
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(
                CertificateDer::pem_slice_iter(&bundle).filter_map(Result::ok),
            );
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone())
                .build()
                .map_err(|_| TlsError::NoRoots)?
        }
    };
    let config = builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(identity.presented(), identity.key.private_key())?;
    Ok(finished(config))
}

/// Takes one certificate, while it is valid, whoever has signed it and for whatever name.
#[derive(Debug)]
struct Exactly {
    digest: [u8; 32],
    inner: Unverified,
}

impl ServerCertVerifier for Exactly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if <[u8; 32]>::from(Sha256::digest(end_entity)) != self.digest {
            return Err(CertificateError::UnknownIssuer.into());
        }
        let validity = Validity::of(end_entity).ok_or(CertificateError::BadEncoding)?;
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        if !validity.contains(now) {
            return Err(CertificateError::Expired.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
