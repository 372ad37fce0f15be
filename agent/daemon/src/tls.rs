//! TLS configurations of the agent, one for each degree of trust, and words for what can go wrong.
//!
//! | configuration | server proven by | client certificate | may carry |
//! |---|---|---|---|
//! | [`first_contact`] | nothing | no | `GET cacerts`, and nothing else |
//! | [`system_roots`] | the system's roots and the name in the URL | no | `cacerts`, `simpleenroll` with the token |
//! | [`enrolment`] | a controllers' intermediate and the name | no | `simpleenroll` with the token |
//! | [`measuring`] | the system's roots and the name in the URL | no | measurements over TLS, to anybody |
//! | `channel` | what the household lists with the channel | yes | reports to that collector |
//! | [`steady`] | a controllers' intermediate and the name pinned at enrolment | yes | everything else |
//!
//! A server that fails the proof fails the handshake: HTTP never starts, so no header and no body leave. All
//! configurations speak TLS 1.2 and 1.3 by *ring*, offer `http/1.1`, and keep no sessions for resumption (the
//! controller issues no tickets, so that revocation and expiry are looked at on every connection).
//!
//! # Why the anchors are the intermediates
//! Were the root the anchor, a stolen agents' intermediate could be kept from posing as a controller only by extended
//! key usage. With the controllers' intermediates as anchors, no path from an agent's certificate leads anywhere.
//! webpki does not look at the validity of anchors: [`Trust::controllers`] does.

use crate::files;
use crate::identity::{Identity, Trust};
use glimpse_probe::context::Tls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ConfigBuilder, DigitallySignedStruct,
    RootCertStore, SignatureScheme, WantsVerifier,
};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

#[cfg(feature = "lmap")]
mod channel;
#[cfg(test)]
mod tests;

#[cfg(feature = "lmap")]
pub use channel::channel;

/// Where systems keep the roots they trust.
const BUNDLES: [&str; 2] = ["/etc/ssl/certs/ca-certificates.crt", "/etc/ssl/cert.pem"];
const BUNDLE_LIMIT: u64 = 4 << 20;

/// Why a configuration could not be made.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The PEM bundle holds no certificate that can be used as a root.
    #[error(
        "the certificate bundle holds no usable root: give --ca-fingerprint or install ca-certificates"
    )]
    NoRoots,
    /// The PEM bundle cannot be read.
    #[error("{}: {source}", path.display())]
    Bundle {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// No controllers' intermediate is valid now.
    #[error(
        "no controllers' certificate is valid today: is this device's clock right? if it is, fetch the authorities again"
    )]
    NoControllers,
    /// The TLS library refused the parts.
    #[error("{0}")]
    Tls(#[from] rustls::Error),
}

/// A configuration over which a request for `cacerts` may go, and nothing else.
///
/// It is a type of its own so that nobody hands a token to it by mistake: the caller that unwraps it says what for.
#[derive(Debug, Clone)]
pub struct CacertsOnly(Arc<ClientConfig>);

impl CacertsOnly {
    /// The configuration, for `GET /.well-known/est/cacerts` without credentials and without body.
    pub fn for_cacerts(self) -> Arc<ClientConfig> {
        self.0
    }
}

/// First contact with a controller whose root is known by fingerprint: the server's certificate is **not** verified
/// (its handshake signature is), because nothing is known yet that could verify it. The answer proves itself in
/// [`Trust::from_cacerts`]; the token goes over a second connection, by [`enrolment`].
///
/// # Errors
/// [`TlsError::Tls`], never seen with the provider compiled in.
pub fn first_contact() -> Result<CacertsOnly, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Unverified(Arc::clone(&provider)));
    let config = builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(CacertsOnly(finished(config)))
}

/// Enrolment with a controller that the system's roots verify. `bundle` is the contents of a PEM file such as
/// `/etc/ssl/certs/ca-certificates.crt` or `/etc/ssl/cert.pem`; entries that are no certificates are passed over.
///
/// # Errors
/// [`TlsError::NoRoots`] when nothing usable is in `bundle`.
pub fn system_roots(bundle: &[u8]) -> Result<Arc<ClientConfig>, TlsError> {
    Ok(finished(by_roots(bundle)?))
}

fn by_roots(bundle: &[u8]) -> Result<ClientConfig, TlsError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).filter_map(Result::ok));
    if roots.is_empty() {
        return Err(TlsError::NoRoots);
    }
    Ok(builder(Arc::new(ring::default_provider()))?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// The roots that the system trusts, as PEM.
///
/// # Errors
/// There are none, and what to do about it.
pub fn system_bundle() -> Result<Vec<u8>, String> {
    BUNDLES
        .iter()
        .find_map(|path| files::read_bounded(Path::new(path), BUNDLE_LIMIT).ok())
        .ok_or_else(|| {
            format!(
                "none of {} can be read: install ca-certificates",
                BUNDLES.join(", ")
            )
        })
}

/// What measurements verify servers by: the system's roots, read when first asked for and given back when no measurement
/// holds them any more, since they are large for a router. It offers no protocol: each method has its own.
pub fn measuring() -> Arc<Tls> {
    static ROOTS: Mutex<Weak<ClientConfig>> = Mutex::new(Weak::new());
    Arc::new(|| {
        let mut kept = ROOTS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = kept.upgrade() {
            return Ok(config);
        }
        let bundle = system_bundle()?;
        let mut config = by_roots(&bundle).map_err(|error| error.to_string())?;
        // A resumed session would be another handshake than the one that is timed.
        config.resumption = Resumption::disabled();
        let config = Arc::new(config);
        *kept = Arc::downgrade(&config);
        Ok(config)
    })
}

/// Enrolment with a controller below `trust` that answers to `controller`; `now` in seconds since 1970 UTC.
///
/// # Errors
/// [`TlsError::NoControllers`] when no intermediate is valid at `now`.
pub fn enrolment(
    trust: &Trust,
    controller: &ServerName<'_>,
    now: i64,
) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Pinned::new(trust, controller, now, Arc::clone(&provider))?;
    let config = builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(finished(config))
}

/// Everything after enrolment: the server must be the controller that was pinned, the agent shows its certificate;
/// `now` in seconds since 1970 UTC.
///
/// Whatever host a URL names, the certificate must carry the pinned name: a controller that moves, or a repository on
/// another host, carries the old name beside its new one.
///
/// # Errors
/// [`TlsError::NoControllers`] when no intermediate is valid at `now`; [`TlsError::Tls`] when key and certificate do
/// not go together.
pub fn steady(identity: &Identity, now: i64) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Pinned::new(
        &identity.trust,
        &identity.controller,
        now,
        Arc::clone(&provider),
    )?;
    let config = builder(provider)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(identity.chain.clone(), identity.key.private_key())?;
    Ok(finished(config))
}

fn builder(
    provider: Arc<CryptoProvider>,
) -> Result<ConfigBuilder<ClientConfig, WantsVerifier>, TlsError> {
    Ok(ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?)
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// Verifies by webpki against the controllers' intermediates, for the pinned name instead of the dialled one.
#[derive(Debug)]
struct Pinned {
    inner: Arc<WebPkiServerVerifier>,
    controller: ServerName<'static>,
}

impl Pinned {
    fn new(
        trust: &Trust,
        controller: &ServerName<'_>,
        now: i64,
        provider: Arc<CryptoProvider>,
    ) -> Result<Self, TlsError> {
        let mut anchors = RootCertStore::empty();
        for intermediate in trust.controllers(now) {
            anchors.add(intermediate.clone())?;
        }
        let inner = WebPkiServerVerifier::builder_with_provider(Arc::new(anchors), provider)
            .build()
            .map_err(|_| TlsError::NoControllers)?;
        Ok(Self {
            inner,
            controller: controller.to_owned(),
        })
    }
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.inner.verify_server_cert(
            end_entity,
            intermediates,
            &self.controller,
            ocsp_response,
            now,
        )
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

/// Takes any certificate; still demands that the peer holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _dialled: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Why a connection failed for want of trust, so that the program can say what to do, and does not try again what
/// cannot succeed. Its text is meant for the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// We refused: no path to a known authority, or no proof of holding the key.
    UnknownIssuer,
    /// We refused: the certificate is for another name.
    WrongName,
    /// We refused: the server's certificate has expired, or our clock is ahead.
    Expired,
    /// We refused: the server's certificate is not valid yet, or our clock is behind.
    NotYetValid,
    /// We refused the server's certificate for another reason (purpose, encoding).
    BadCertificate,
    /// The controller refused: our certificate is revoked.
    OwnRevoked,
    /// The controller refused: our certificate has expired.
    OwnExpired,
    /// The controller refused our certificate for another reason.
    OwnRefused,
}

impl Refusal {
    /// What an I/O error of a TLS connection says about trust; `None` when it is about something else. With TLS 1.3 the
    /// controller's refusals arrive with the first read after the handshake, not as an error of the handshake.
    pub fn of(error: &io::Error) -> Option<Self> {
        let error = error.get_ref()?.downcast_ref::<rustls::Error>()?;
        match error {
            rustls::Error::InvalidCertificate(reason) => Some(Self::of_server(reason)),
            rustls::Error::AlertReceived(alert) => match alert {
                AlertDescription::CertificateRevoked => Some(Self::OwnRevoked),
                AlertDescription::CertificateExpired => Some(Self::OwnExpired),
                AlertDescription::BadCertificate
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::CertificateRequired
                | AlertDescription::AccessDenied => Some(Self::OwnRefused),
                _ => None,
            },
            _ => None,
        }
    }

    fn of_server(reason: &CertificateError) -> Self {
        match reason {
            // An authority of the same name with another key: a controller that was set up anew, or a forgery.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownIssuer,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::WrongName
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            _ => Self::BadCertificate,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnknownIssuer => "the server cannot prove that it is the controller this agent knows: nothing was sent",
            Self::WrongName => "the server's certificate is for another name: nothing was sent",
            Self::Expired => "the controller's certificate has expired, or this device's clock is ahead: nothing was sent",
            Self::NotYetValid => "the controller's certificate is not valid yet, or this device's clock is behind: nothing was sent",
            Self::BadCertificate => "the server's certificate is not fit for a controller: nothing was sent",
            Self::OwnRevoked => "the controller has revoked this agent",
            Self::OwnExpired => "this agent's certificate has expired: ask the operator to invite this agent again, then run glimpse-agent enrol",
            Self::OwnRefused => "the controller does not accept this agent's certificate: enrol again with a fresh token",
        })
    }
}
