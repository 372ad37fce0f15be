//! What an agent asks to be certified (PKCS#10, RFC 2986), as EST carries it.

use super::PkiError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::pem::{PemObject, SectionKind};
use std::borrow::Cow;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::x509;

/// Longest request body looked at, in bytes.
pub const MAX_REQUEST_BYTES: usize = 16 * 1024;

/// The public key of a certificate request whose signature was verified. What else the request wished for is not
/// even kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    public_key: SubjectPublicKeyInfo,
}

impl CertificateRequest {
    /// Reads the body of `simpleenroll` or `simplereenroll`: base64 of DER with or without line ends (RFC 7030
    /// §4.2.1); PEM and plain DER are taken too. The signature is verified with the key inside, which proves that the
    /// asker holds it.
    ///
    /// # Errors
    /// [`PkiError::Request`] saying why it is refused.
    pub fn parse(body: &[u8]) -> Result<Self, PkiError> {
        if body.len() > MAX_REQUEST_BYTES {
            return Err(PkiError::Request("is longer than 16 KiB"));
        }
        let der = unwrapped(body)?;
        let (rest, request) = X509CertificationRequest::from_der(&der)
            .map_err(|_| PkiError::Request("is not PKCS#10"))?;
        if !rest.is_empty() {
            return Err(PkiError::Request("has bytes behind its end"));
        }
        let info = &request.certification_request_info.subject_pki;
        if !is_accepted(info) {
            return Err(PkiError::Request(
                "has a key of a kind that is not taken: use P-256, P-384 or Ed25519",
            ));
        }
        request
            .verify_signature()
            .map_err(|_| PkiError::Request("is not signed by the key it names"))?;
        let public_key = SubjectPublicKeyInfo::from_der(info.raw)
            .map_err(|_| PkiError::Request("has a key that cannot be read"))?;
        Ok(Self { public_key })
    }

    pub(super) fn public_key(&self) -> &SubjectPublicKeyInfo {
        &self.public_key
    }
}

fn unwrapped(body: &[u8]) -> Result<Cow<'_, [u8]>, PkiError> {
    // A request is longer than 127 bytes, so its second byte has the top bit set: base64 never looks like that.
    if matches!(body, [0x30, 0x80..=0xff, ..]) {
        return Ok(Cow::Borrowed(body));
    }
    if body.trim_ascii_start().starts_with(b"-----BEGIN") {
        return pem(body).map(Cow::Owned);
    }
    let text: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    STANDARD
        .decode(text)
        .map(Cow::Owned)
        .map_err(|_| PkiError::Request("is neither base64 nor PEM"))
}

fn pem(body: &[u8]) -> Result<Vec<u8>, PkiError> {
    struct Section(SectionKind, Vec<u8>);
    impl PemObject for Section {
        fn from_pem(kind: SectionKind, der: Vec<u8>) -> Option<Self> {
            Some(Self(kind, der))
        }
    }
    match Section::from_pem_slice(body) {
        Ok(Section(SectionKind::Csr, der)) => Ok(der),
        Ok(Section(..)) => Err(PkiError::Request("is PEM of something else")),
        Err(_) => Err(PkiError::Request("is broken PEM")),
    }
}

fn is_accepted(info: &x509::SubjectPublicKeyInfo<'_>) -> bool {
    let algorithm = &info.algorithm;
    if algorithm.algorithm == OID_SIG_ED25519 {
        return algorithm.parameters.is_none();
    }
    algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY
        && algorithm
            .parameters
            .as_ref()
            .and_then(|parameters| parameters.as_oid().ok())
            .is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
}
