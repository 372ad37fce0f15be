//! The certs-only envelope in which EST hands out certificates (RFC 7030 §4.1.3, RFC 5652 §5).
//!
//! The certificates are cut out as they are, not decoded and encoded again: a fingerprint and a signature hold for
//! exactly these bytes.

use super::{IdentityError, Key};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{AnyRef, ObjectIdentifier};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;

/// Longest answer looked at, in bytes of base64.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Most certificates taken from one answer.
pub const MAX_CERTIFICATES: usize = 16;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const CONTEXT_0: Tag = Tag::ContextSpecific {
    constructed: true,
    number: TagNumber::N0,
};

/// The certificates in the body of a `cacerts`, `simpleenroll` or `simplereenroll` answer: base64, with or without
/// line ends. Their order means nothing (the envelope holds a set).
///
/// # Errors
/// [`IdentityError::Answer`] when the body is too long, malformed, empty, or holds too many.
pub fn certificates(body: &[u8]) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    if body.len() > MAX_ANSWER_BYTES {
        return Err(IdentityError::Answer("is too long"));
    }
    let text: Vec<u8> = body
        .iter()
        .copied()
        .filter(|byte| !byte.is_ascii_whitespace())
        .collect();
    let envelope = STANDARD
        .decode(text)
        .map_err(|_| IdentityError::Answer("is not base64"))?;
    let found = unwrapped(&envelope)
        .map_err(|_| IdentityError::Answer("is no certs-only envelope (PKCS#7)"))?;
    match found.len() {
        0 => Err(IdentityError::Answer("holds no certificate")),
        1..=MAX_CERTIFICATES => Ok(found),
        _ => Err(IdentityError::Answer("holds too many certificates")),
    }
}

fn unwrapped(envelope: &[u8]) -> der::Result<Vec<CertificateDer<'static>>> {
    let mut content_info = SliceReader::new(expect(envelope, Tag::Sequence)?)?;
    if ObjectIdentifier::decode(&mut content_info)? != SIGNED_DATA {
        return Err(Tag::ObjectIdentifier.value_error());
    }
    let explicit = expect(content_info.tlv_bytes()?, CONTEXT_0)?;
    let mut signed_data = SliceReader::new(expect(explicit, Tag::Sequence)?)?;
    // version, digestAlgorithms, encapContentInfo: nothing is signed here, so nothing of them matters.
    for _ in 0..3 {
        signed_data.tlv_bytes()?;
    }
    let mut set = SliceReader::new(expect(signed_data.tlv_bytes()?, CONTEXT_0)?)?;
    let mut found = Vec::new();
    while !set.is_finished() && found.len() <= MAX_CERTIFICATES {
        let certificate = set.tlv_bytes()?;
        // The other choices of RFC 5652 §10.2.2 (attribute certificates) carry context tags.
        if AnyRef::from_der(certificate)?.tag() == Tag::Sequence {
            found.push(CertificateDer::from(certificate.to_vec()));
        }
    }
    Ok(found)
}

fn expect(element: &[u8], tag: Tag) -> der::Result<&[u8]> {
    let any = AnyRef::from_der(element)?;
    any.tag().assert_eq(tag)?;
    Ok(any.value())
}

/// The chain to present from now on, out of an enrolment answer: the certificate that was issued for `key`, then
/// whatever else came with it.
///
/// # Errors
/// [`IdentityError::Answer`] as [`certificates`] does, or when none of them is for `key`.
pub fn issued_chain(body: &[u8], key: &Key) -> Result<Vec<CertificateDer<'static>>, IdentityError> {
    let mut chain = certificates(body)?;
    let own = chain
        .iter()
        .position(|der| is_for(der, key))
        .ok_or(IdentityError::Answer("holds no certificate for our key"))?;
    chain.swap(0, own);
    Ok(chain)
}

/// Whether `certificate` binds the public half of `key`.
pub(super) fn is_for(certificate: &CertificateDer<'_>, key: &Key) -> bool {
    Certificate::from_der(certificate)
        .and_then(|parsed| parsed.tbs_certificate.subject_public_key_info.to_der())
        .is_ok_and(|info| info == key.public_key_info())
}
