//! The root, and which certificates below it may speak for a controller.

use super::{Fingerprint, IdentityError, Validity, certificates};
use const_oid::ObjectIdentifier;
use der::asn1::{AnyRef, BitStringRef};
use der::pem::LineEnding;
use der::{Decode, Encode, Reader, SliceReader, Tag, Tagged};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages};

/// The organisational unit in the subject that marks an intermediate as one for controllers.
///
/// The mark counts only together with the root's signature and the extended key usage `serverAuth`; the sibling
/// intermediate that signs agents does not carry this unit.
pub const CONTROLLERS_UNIT: &str = "controllers";

const ORGANISATIONAL_UNIT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.11");
const SERVER_AUTH: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// A root and the controllers' intermediates it signed.
///
/// The agent's TLS configurations are anchored at the **intermediates**, not at the root: what the agents' intermediate
/// signs, and even what the root signs directly, is nobody to this agent. The root only vouches for the next
/// intermediate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    root: CertificateDer<'static>,
    controllers: Vec<CertificateDer<'static>>,
    /// Other authorities that the root has signed: shown to those who ask who signed this agent, and trusted in nothing.
    others: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Takes the body of a `cacerts` answer.
    ///
    /// With `expected` the root is the certificate of that fingerprint, wherever the bytes came from. Without it the
    /// answer must hold exactly one self-signed authority, and the connection it came by **must** have been verified
    /// (by the system's roots): nothing else vouches for it.
    ///
    /// # Errors
    /// [`IdentityError::WrongRoot`] when the expected root is missing, [`IdentityError::Answer`] for everything else.
    pub fn from_cacerts(
        body: &[u8],
        expected: Option<&Fingerprint>,
    ) -> Result<Self, IdentityError> {
        Self::from_certificates(&certificates(body)?, expected)
    }

    /// The same root with the intermediates of a newer `cacerts` answer.
    ///
    /// # Errors
    /// As [`Trust::from_cacerts`]; the present trust stays untouched.
    pub fn refreshed(&self, body: &[u8]) -> Result<Self, IdentityError> {
        Self::from_cacerts(body, Some(&self.fingerprint()))
    }

    fn from_certificates(
        certificates: &[CertificateDer<'static>],
        expected: Option<&Fingerprint>,
    ) -> Result<Self, IdentityError> {
        let root = match expected {
            Some(&expected) => certificates
                .iter()
                .find(|der| Fingerprint::of(der) == expected)
                .ok_or(IdentityError::WrongRoot { expected })?,
            None => sole_root(certificates)?,
        };
        let authority =
            Authority::of(root).ok_or(IdentityError::Answer("has a root that is no authority"))?;
        let controllers: Vec<_> = certificates
            .iter()
            .filter(|der| authority.has_signed_controllers(der))
            .cloned()
            .collect();
        if controllers.is_empty() {
            return Err(IdentityError::Answer(
                "holds no controllers' intermediate signed by its root",
            ));
        }
        let others = certificates.iter().filter(|der| {
            *der != root
                && !controllers.contains(der)
                && authority.has_signed(der)
                && Authority::of(der).is_some()
        });
        Ok(Self {
            root: root.clone(),
            others: others.cloned().collect(),
            controllers,
        })
    }

    /// Reads what [`Trust::to_pem`] wrote, checking every signature again.
    ///
    /// # Errors
    /// [`IdentityError::Answer`] when the first certificate is no root of the others.
    pub fn from_pem(pem: &[u8]) -> Result<Self, IdentityError> {
        let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<_, _>>()
            .map_err(|_| IdentityError::Answer("is no PEM"))?;
        let root = certificates
            .first()
            .ok_or(IdentityError::Answer("holds no certificate"))?;
        Self::from_certificates(&certificates, Some(&Fingerprint::of(root)))
    }

    /// Root first, then the controllers' intermediates, then other authorities.
    ///
    /// # Errors
    /// [`IdentityError::Answer`], never seen for certificates that were read here.
    pub fn to_pem(&self) -> Result<String, IdentityError> {
        let intermediates = self.controllers.iter().chain(&self.others);
        certificates_to_pem(std::iter::once(&self.root).chain(intermediates))
    }

    /// The authority below the root that has signed a certificate, as far as it is known.
    pub fn issuer(&self, certificate: &[u8]) -> Option<&CertificateDer<'static>> {
        self.others.iter().find(|der| {
            Authority::of(der).is_some_and(|authority| authority.has_signed(certificate))
        })
    }

    /// The fingerprint of the root.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.root)
    }

    /// The controllers' intermediates that are valid at `now` (seconds since 1970 UTC). The path check by webpki does
    /// not look at the validity of its anchors, so it is looked at here.
    pub fn controllers(&self, now: i64) -> impl Iterator<Item = &CertificateDer<'static>> {
        self.controllers
            .iter()
            .filter(move |der| Validity::of(der).is_some_and(|validity| validity.contains(now)))
    }
}

/// PEM of `certificates`, in their order.
pub(super) fn certificates_to_pem<'a>(
    certificates: impl Iterator<Item = &'a CertificateDer<'static>>,
) -> Result<String, IdentityError> {
    let mut pem = String::new();
    for certificate in certificates {
        pem += &der::pem::encode_string("CERTIFICATE", LineEnding::LF, certificate)
            .map_err(|_| IdentityError::Answer("holds a certificate that is too long"))?;
    }
    Ok(pem)
}

fn sole_root<'a>(
    certificates: &'a [CertificateDer<'static>],
) -> Result<&'a CertificateDer<'static>, IdentityError> {
    let mut roots = certificates
        .iter()
        .filter(|der| Authority::of(der).is_some_and(|authority| authority.has_signed(der)));
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        (None, _) => Err(IdentityError::Answer("holds no self-signed root")),
        (Some(_), Some(_)) => Err(IdentityError::Answer(
            "holds several roots: give the fingerprint of the right one",
        )),
    }
}

/// A certificate that may sign others, taken apart.
struct Authority {
    certificate: Certificate,
    /// The contents of its key's `AlgorithmIdentifier`.
    key_algorithm: Vec<u8>,
}

impl Authority {
    fn of(der: &[u8]) -> Option<Self> {
        let certificate = Certificate::from_der(der).ok()?;
        let tbs = &certificate.tbs_certificate;
        let (_, constraints) = tbs.get::<BasicConstraints>().ok()??;
        let (_, usage) = tbs.get::<KeyUsage>().ok()??;
        if !constraints.ca || !usage.0.contains(KeyUsages::KeyCertSign) {
            return None;
        }
        let algorithm = tbs.subject_public_key_info.algorithm.to_der().ok()?;
        let key_algorithm = AnyRef::from_der(&algorithm).ok()?.value().to_vec();
        Some(Self {
            certificate,
            key_algorithm,
        })
    }

    fn has_signed_controllers(&self, der: &[u8]) -> bool {
        self.has_signed(der)
            && Self::of(der).is_some_and(|signed| {
                signed.is_of_unit(CONTROLLERS_UNIT) && signed.may_sign_servers()
            })
    }

    fn is_of_unit(&self, unit: &str) -> bool {
        let subject = &self.certificate.tbs_certificate.subject;
        subject
            .0
            .iter()
            .flat_map(|set| set.0.iter())
            .any(|part| part.oid == ORGANISATIONAL_UNIT && part.value.value() == unit.as_bytes())
    }

    fn may_sign_servers(&self) -> bool {
        matches!(
            self.certificate.tbs_certificate.get::<ExtendedKeyUsage>(),
            Ok(Some((_, usages))) if usages.0.contains(&SERVER_AUTH)
        )
    }

    /// Whether this authority's name and key are those of the issuer of `der`.
    fn has_signed(&self, der: &[u8]) -> bool {
        let tbs = &self.certificate.tbs_certificate;
        let issued_by_name = Certificate::from_der(der)
            .is_ok_and(|signed| signed.tbs_certificate.issuer == tbs.subject);
        let Some(key) = tbs.subject_public_key_info.subject_public_key.as_bytes() else {
            return false;
        };
        issued_by_name
            && signed_parts(der).is_ok_and(|(message, algorithm, signature)| {
                rustls::crypto::ring::default_provider()
                    .signature_verification_algorithms
                    .all
                    .iter()
                    .filter(|known| {
                        known.signature_alg_id().as_ref() == algorithm
                            && known.public_key_alg_id().as_ref() == self.key_algorithm
                    })
                    .any(|known| known.verify_signature(key, message, signature).is_ok())
            })
    }
}

/// The signed bytes, the contents of the signature's `AlgorithmIdentifier`, and the signature (RFC 5280 §4.1.1).
fn signed_parts(certificate: &[u8]) -> der::Result<(&[u8], &[u8], &[u8])> {
    let outer = AnyRef::from_der(certificate)?;
    outer.tag().assert_eq(Tag::Sequence)?;
    let mut reader = SliceReader::new(outer.value())?;
    let message = reader.tlv_bytes()?;
    let algorithm = AnyRef::decode(&mut reader)?;
    algorithm.tag().assert_eq(Tag::Sequence)?;
    let signature = BitStringRef::decode(&mut reader)?;
    let bytes = signature
        .as_bytes()
        .ok_or_else(|| Tag::BitString.value_error())?;
    Ok((message, algorithm.value(), bytes))
}
