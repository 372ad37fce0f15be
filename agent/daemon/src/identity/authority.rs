//! An authority of the same shape as the controller's, for tests.

#![allow(clippy::unwrap_used)]

use der::{Decode, Encode};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// 2026-01-01T00:00:00Z, inside the validity of everything that is not called expired.
pub(crate) const NOW: i64 = 1_767_225_600;

pub(crate) struct Signer {
    pub(crate) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

pub(crate) struct Leaf {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

pub(crate) struct Authorities {
    pub(crate) root: Signer,
    pub(crate) controllers: Signer,
    pub(crate) agents: Signer,
}

fn params(common_name: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(years.0, 1, 1);
    params.not_after = date_time_ymd(years.1, 1, 1);
    params
}

fn ca(common_name: &str, years: (i32, i32)) -> CertificateParams {
    let mut params = params(common_name, years);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn root(common_name: &str) -> Signer {
    let key = KeyPair::generate().unwrap();
    let params = ca(common_name, (2020, 2090));
    let der = params.self_signed(&key).unwrap().der().clone();
    Signer {
        der,
        issuer: Issuer::new(params, key),
    }
}

impl Signer {
    pub(crate) fn intermediate(
        &self,
        unit: &str,
        usage: ExtendedKeyUsagePurpose,
        years: (i32, i32),
    ) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = ca(&format!("GLIMPSE {unit}"), years);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, unit);
        params.extended_key_usages = vec![usage];
        let der = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        Self {
            der,
            issuer: Issuer::new(params, key),
        }
    }

    pub(crate) fn leaf(
        &self,
        common_name: &str,
        sans: &[&str],
        usage: ExtendedKeyUsagePurpose,
        years: (i32, i32),
    ) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let mut params = params(common_name, years);
        let names: Vec<String> = sans.iter().map(ToString::to_string).collect();
        params.subject_alt_names = CertificateParams::new(names).unwrap().subject_alt_names;
        params.extended_key_usages = vec![usage];
        Leaf {
            der: params.signed_by(&key, &self.issuer).unwrap().der().clone(),
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        }
    }

    /// A certificate of `agent` for the key of a PKCS#10 request.
    pub(crate) fn agent(&self, agent: &str, public_key_info: &[u8]) -> CertificateDer<'static> {
        let mut params = params(agent, (2025, 2089));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = RawKey(public_key_info[public_key_info.len() - 65..].to_vec());
        params.signed_by(&key, &self.issuer).unwrap().der().clone()
    }
}

struct RawKey(Vec<u8>);

impl rcgen::PublicKeyData for RawKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P256_SHA256
    }
}

impl Authorities {
    pub(crate) fn new() -> Self {
        let root = root("GLIMPSE root");
        let controllers = root.intermediate(
            "controllers",
            ExtendedKeyUsagePurpose::ServerAuth,
            (2020, 2089),
        );
        let agents = root.intermediate("agents", ExtendedKeyUsagePurpose::ClientAuth, (2020, 2089));
        Self {
            root,
            controllers,
            agents,
        }
    }

    pub(crate) fn cacerts(&self) -> String {
        certs_only(&[&self.agents.der, &self.root.der, &self.controllers.der])
    }
}

/// The certs-only envelope as another implementation writes it.
pub(crate) fn certs_only(certificates: &[&CertificateDer<'_>]) -> String {
    let path: Vec<_> = certificates
        .iter()
        .map(|der| x509_cert::Certificate::from_der(der).unwrap())
        .collect();
    let envelope = cms::content_info::ContentInfo::try_from(path).unwrap();
    super::request_body(&envelope.to_der().unwrap())
}
