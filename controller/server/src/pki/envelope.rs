//! The certs-only envelope in which EST hands out certificates (RFC 7030 §4.1.3, RFC 5652 §5).

use super::PkiError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cms::cert::CertificateChoices;
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{CertificateSet, EncapsulatedContentInfo, SignedData, SignerInfos};
use const_oid::db::rfc5911::{ID_DATA, ID_SIGNED_DATA};
use der::asn1::SetOfVec;
use der::{Any, Decode as _, Encode as _};
use rustls_pki_types::CertificateDer;
use x509_cert::Certificate;

/// The body of a `cacerts`, `simpleenroll` or `simplereenroll` answer: a degenerate `SignedData` with `certificates`
/// and no signature, in base64 with lines of 64 columns. Content type: `application/pkcs7-mime` with
/// `smime-type=certs-only`.
///
/// # Errors
/// [`PkiError::Encoding`] when one of them is no certificate, or is there twice.
pub fn certs_only<'a>(
    certificates: impl IntoIterator<Item = &'a CertificateDer<'static>>,
) -> Result<String, PkiError> {
    let mut set = SetOfVec::new();
    for certificate in certificates {
        set.insert(CertificateChoices::Certificate(Certificate::from_der(
            certificate,
        )?))?;
    }
    let signed_data = SignedData {
        version: CmsVersion::V1,
        digest_algorithms: SetOfVec::new(),
        encap_content_info: EncapsulatedContentInfo {
            econtent_type: ID_DATA,
            econtent: None,
        },
        certificates: Some(CertificateSet(set)),
        crls: None,
        signer_infos: SignerInfos(SetOfVec::new()),
    };
    let envelope = ContentInfo {
        content_type: ID_SIGNED_DATA,
        content: Any::encode_from(&signed_data)?,
    };
    let encoded = STANDARD.encode(envelope.to_der()?);
    let mut body = String::with_capacity(encoded.len() + encoded.len() / 64 + 1);
    for (column, character) in encoded.chars().enumerate() {
        if column > 0 && column % 64 == 0 {
            body.push('\n');
        }
        body.push(character);
    }
    body.push('\n');
    Ok(body)
}
