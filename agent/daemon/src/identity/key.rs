//! The agent's key and the request it signs.

use super::IdentityError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use der::asn1::{Any, BitString, ObjectIdentifier};
use der::pem::LineEnding;
use der::{Decode, Encode};
use ring::rand::SecureRandom;
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::fmt;
use x509_cert::attr::Attributes;
use x509_cert::name::RdnSequence;
use x509_cert::request::{CertReq, CertReqInfo, Version};
use x509_cert::spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};

const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ECDSA_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");

const UNUSABLE: IdentityError = IdentityError::Key("not a P-256 key in PKCS#8 form");
const UNSIGNED: IdentityError =
    IdentityError::Key("the key could not sign: the system gives no randomness");

/// A P-256 key pair. Its private half is shown by nothing but [`Key::to_pem`] and [`Key::private_key`].
pub struct Key {
    pkcs8: Vec<u8>,
    pair: EcdsaKeyPair,
    public_key_info: Vec<u8>,
}

impl Key {
    /// Makes a new key from `rng`.
    ///
    /// # Errors
    /// [`IdentityError::Key`] when the system gives no randomness.
    pub fn generate(rng: &dyn SecureRandom) -> Result<Self, IdentityError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, rng)
            .map_err(|_| IdentityError::Key("the system gives no randomness for a key"))?;
        Self::from_pkcs8(pkcs8.as_ref().to_vec(), rng)
    }

    /// Reads a key from PEM.
    ///
    /// # Errors
    /// [`IdentityError::Key`] when `pem` holds no P-256 key in PKCS#8 form.
    pub fn from_pem(pem: &[u8], rng: &dyn SecureRandom) -> Result<Self, IdentityError> {
        let pkcs8 = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| UNUSABLE)?;
        Self::from_pkcs8(pkcs8.secret_pkcs8_der().to_vec(), rng)
    }

    fn from_pkcs8(pkcs8: Vec<u8>, rng: &dyn SecureRandom) -> Result<Self, IdentityError> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pkcs8, rng)
            .map_err(|_| UNUSABLE)?;
        let public_key_info = public_key_info(&pair)
            .and_then(|info| info.to_der())
            .map_err(|_| UNUSABLE)?;
        Ok(Self {
            pkcs8,
            pair,
            public_key_info,
        })
    }

    /// The private key as PEM, for the key file.
    ///
    /// # Errors
    /// [`IdentityError::Key`], never seen for a key that was read or made here.
    pub fn to_pem(&self) -> Result<String, IdentityError> {
        der::pem::encode_string("PRIVATE KEY", LineEnding::LF, &self.pkcs8).map_err(|_| UNUSABLE)
    }

    /// The private key for a TLS configuration.
    pub fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.pkcs8.clone()))
    }

    /// The public half as DER `SubjectPublicKeyInfo`.
    pub fn public_key_info(&self) -> &[u8] {
        &self.public_key_info
    }

    /// An ECDSA signature with SHA-256 over `bytes`, in ASN.1 form.
    ///
    /// # Errors
    /// [`IdentityError::Key`] when the system gives no randomness.
    pub fn sign(&self, rng: &dyn SecureRandom, bytes: &[u8]) -> Result<Vec<u8>, IdentityError> {
        let signature = self.pair.sign(rng, bytes).map_err(|_| UNSIGNED)?;
        Ok(signature.as_ref().to_vec())
    }

    /// A PKCS#10 request in DER form (RFC 2986), signed by this key, with an empty subject and no extensions: of a
    /// request the controller uses the public key alone, everything else is its own decision.
    ///
    /// # Errors
    /// [`IdentityError::Key`] when the signature fails for want of randomness.
    pub fn certificate_request(&self, rng: &dyn SecureRandom) -> Result<Vec<u8>, IdentityError> {
        let info = CertReqInfo {
            version: Version::V1,
            subject: RdnSequence::default(),
            public_key: SubjectPublicKeyInfoOwned::from_der(&self.public_key_info)
                .map_err(|_| UNSIGNED)?,
            attributes: Attributes::default(),
        };
        let signed = info.to_der().map_err(|_| UNSIGNED)?;
        let signature = self.pair.sign(rng, &signed).map_err(|_| UNSIGNED)?;
        CertReq {
            info,
            algorithm: AlgorithmIdentifierOwned {
                oid: ECDSA_SHA256,
                parameters: None,
            },
            signature: BitString::from_bytes(signature.as_ref()).map_err(|_| UNSIGNED)?,
        }
        .to_der()
        .map_err(|_| UNSIGNED)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key { P-256, private }")
    }
}

fn public_key_info(pair: &EcdsaKeyPair) -> der::Result<SubjectPublicKeyInfoOwned> {
    Ok(SubjectPublicKeyInfoOwned {
        algorithm: AlgorithmIdentifierOwned {
            oid: EC_PUBLIC_KEY,
            parameters: Some(Any::encode_from(&P256)?),
        },
        subject_public_key: BitString::from_bytes(pair.public_key().as_ref())?,
    })
}

/// The body of `simpleenroll` and `simplereenroll` for a request in DER form: base64 in lines of 64 columns
/// (RFC 7030 §4.2.1, content type `application/pkcs10`).
pub fn request_body(request: &[u8]) -> String {
    let encoded = STANDARD.encode(request);
    let mut body = String::with_capacity(encoded.len() + encoded.len() / 64 + 1);
    for (column, character) in encoded.chars().enumerate() {
        if column > 0 && column % 64 == 0 {
            body.push('\n');
        }
        body.push(character);
    }
    body.push('\n');
    body
}
