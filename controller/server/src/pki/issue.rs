//! Issuing certificates.

use super::files::{Pki, ServerIdentity};
use super::{AGENT_URN, AgentCertificate, CertificateRequest, Lifetimes, PkiError};
use glimpse_model::id::AgentId;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use std::time::Duration;

/// A serial number: 126 random bits, positive, of constant length (RFC 5280 §4.1.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Serial([u8; 16]);

impl Serial {
    /// A serial number from 16 random bytes.
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[0] = bytes[0] & 0x3f | 0x40;
        Self(bytes)
    }
}

impl From<Serial> for SerialNumber {
    fn from(serial: Serial) -> Self {
        Self::from_slice(&serial.0)
    }
}

/// A serial number from the system's randomness.
///
/// # Errors
/// [`PkiError::Randomness`].
pub fn random_serial() -> Result<Serial, PkiError> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| PkiError::Randomness)?;
    Ok(Serial::from_random(bytes))
}

/// A certificate that was issued to an agent.
#[derive(Debug, Clone)]
pub struct Issued {
    /// DER form, for [`super::certs_only`].
    pub der: CertificateDer<'static>,
    /// What the store keeps of it.
    pub certificate: AgentCertificate,
}

/// An intermediate with its key.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) unit: &'static str,
    pub(super) der: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
    not_before: i64,
    not_after: i64,
}

impl Authority {
    pub(super) fn new(
        unit: &'static str,
        der: CertificateDer<'static>,
        key: KeyPair,
    ) -> Result<Self, PkiError> {
        let (_, parsed) = x509_parser::parse_x509_certificate(&der)
            .map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
        let validity = parsed.validity();
        let (not_before, not_after) = (
            validity.not_before.timestamp(),
            validity.not_after.timestamp(),
        );
        Ok(Self {
            unit,
            issuer: Issuer::from_ca_cert_der(&der, key)?,
            der,
            not_before,
            not_after,
        })
    }

    /// The validity of something issued at `now`, within that of the authority itself.
    fn window(&self, now: i64, life_s: i64, lifetimes: &Lifetimes) -> Result<Window, PkiError> {
        if !(self.not_before..self.not_after).contains(&now) {
            return Err(PkiError::Issuer { unit: self.unit });
        }
        Ok(Window {
            not_before: (now - lifetimes.backdate_s).max(self.not_before),
            not_after: now.saturating_add(life_s).min(self.not_after),
        })
    }
}

/// From when to when, in seconds since 1970 UTC.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    pub(super) not_before: i64,
    pub(super) not_after: i64,
}

impl Window {
    fn put_into(self, params: &mut CertificateParams) {
        // The last second that a certificate can name (RFC 5280 §4.1.2.5).
        const LAST: i64 = 253_402_300_799;
        let since_1970 = |seconds: i64| Duration::from_secs(seconds.clamp(0, LAST).unsigned_abs());
        params.not_before = date_time_ymd(1970, 1, 1) + since_1970(self.not_before);
        params.not_after = date_time_ymd(1970, 1, 1) + since_1970(self.not_after);
    }
}

/// What root and intermediates have in common; the constraints are the caller's.
pub(super) fn authority_params(
    organisation: &str,
    unit: &str,
    window: Window,
) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let mut subject = |kind, value: &str| params.distinguished_name.push(kind, value);
    subject(DnType::OrganizationName, organisation);
    subject(DnType::OrganizationalUnitName, unit);
    subject(DnType::CommonName, &format!("GLIMPSE {unit}"));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    window.put_into(&mut params);
    params
}

/// What certificates of both sides are for: agents are clients of the JSON door and servers of RESTCONF, also on the connections
/// that they make themselves (RFC 8071 §3), and controllers the other way round. Clients and servers that look at the extended
/// key usage, as most do, would refuse them otherwise.
pub(super) const USAGES: [ExtendedKeyUsagePurpose; 2] = [
    ExtendedKeyUsagePurpose::ServerAuth,
    ExtendedKeyUsagePurpose::ClientAuth,
];

/// What server and agent certificates have in common.
fn end_entity_params(common_name: &str, serial: Serial, window: Window) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = USAGES.to_vec();
    params.serial_number = Some(serial.into());
    params.use_authority_key_identifier_extension = true;
    window.put_into(&mut params);
    params
}

impl Pki {
    /// Issues a certificate to `agent` for the public key of `request`, and for nothing else of it: common name and
    /// URI are the agent's id, it may be client and server, it is no authority. `now` in seconds since
    /// 1970 UTC. The life is [`Lifetimes::agent_s`], or what is left of the intermediate's.
    ///
    /// # Errors
    /// [`PkiError::Issuer`] when the agents' intermediate is not valid at `now`.
    pub fn issue_agent(
        &self,
        request: &CertificateRequest,
        agent: &AgentId,
        serial: Serial,
        now: i64,
        lifetimes: &Lifetimes,
    ) -> Result<Issued, PkiError> {
        let window = self.agents.window(now, lifetimes.agent_s, lifetimes)?;
        let mut params = end_entity_params(agent.as_str(), serial, window);
        params.subject_alt_names = vec![SanType::URI(format!("{AGENT_URN}{agent}").try_into()?)];
        let certificate = params.signed_by(request.public_key(), &self.agents.issuer)?;
        Ok(Issued {
            certificate: AgentCertificate::parse(certificate.der())?,
            der: certificate.der().clone(),
        })
    }

    /// Makes a server key and a certificate for it with all of `names`; `now` in seconds since 1970 UTC.
    ///
    /// # Errors
    /// [`PkiError::Name`], [`PkiError::NoName`]; [`PkiError::Issuer`] when the controllers' intermediate is not valid
    /// at `now`.
    pub fn issue_server(
        &self,
        names: &[String],
        serial: Serial,
        now: i64,
        lifetimes: &Lifetimes,
    ) -> Result<ServerIdentity, PkiError> {
        let alternatives = names
            .iter()
            .map(|name| alternative_name(name))
            .collect::<Result<Vec<_>, _>>()?;
        if alternatives.is_empty() {
            return Err(PkiError::NoName);
        }
        let window = self
            .controllers
            .window(now, lifetimes.server_s, lifetimes)?;
        let mut params = end_entity_params("GLIMPSE controller", serial, window);
        params.subject_alt_names = alternatives;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.controllers.issuer)?;
        Ok(ServerIdentity {
            chain: vec![certificate.der().clone(), self.controllers.der.clone()],
            key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            names: names.to_vec(),
            not_before: window.not_before,
            not_after: window.not_after,
        })
    }

    /// The certificates of `GET cacerts`: root, controllers' and agents' intermediates.
    pub fn authorities(&self) -> [&CertificateDer<'static>; 3] {
        [&self.root, &self.controllers.der, &self.agents.der]
    }
}

fn alternative_name(name: &str) -> Result<SanType, PkiError> {
    let refused = || PkiError::Name {
        name: name.to_owned(),
    };
    match ServerName::try_from(name).map_err(|_| refused())? {
        ServerName::IpAddress(address) => Ok(SanType::IpAddress(address.into())),
        ServerName::DnsName(dns) => Ok(SanType::DnsName(dns.as_ref().to_owned().try_into()?)),
        _ => Err(refused()),
    }
}
