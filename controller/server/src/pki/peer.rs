//! Who a verified client certificate speaks for.

use super::{AGENT_URN, PkiError};
use glimpse_model::id::AgentId;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use x509_parser::extensions::GeneralName;
use x509_parser::x509::AttributeTypeAndValue;

/// What the controller keeps of an agent's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentCertificate {
    /// The agent.
    pub agent: AgentId,
    /// Serial number: lower-case hexadecimal without leading zero bytes.
    pub serial: String,
    /// First second of validity, since 1970 UTC.
    pub not_before: i64,
    /// Last second of validity, since 1970 UTC.
    pub not_after: i64,
    /// SHA-256 over the DER form.
    pub sha256: [u8; 32],
    /// The public key: of a P-256 key, the uncompressed point.
    pub key: Box<[u8]>,
}

impl AgentCertificate {
    /// Reads an agent's certificate in DER form. It does not verify: hand in what the TLS layer has verified, or what
    /// was just issued.
    ///
    /// # Errors
    /// [`PkiError::Peer`] when it does not name one agent, the same in common name and URI.
    pub fn parse(der: &[u8]) -> Result<Self, PkiError> {
        let (_, parsed) = x509_parser::parse_x509_certificate(der)
            .map_err(|_| PkiError::Peer("it cannot be read"))?;
        let alternatives = parsed
            .subject_alternative_name()
            .ok()
            .flatten()
            .ok_or(PkiError::Peer("it has no alternative name"))?;
        let [GeneralName::URI(uri)] = alternatives.value.general_names[..] else {
            return Err(PkiError::Peer("it does not have one URI"));
        };
        let id = uri
            .strip_prefix(AGENT_URN)
            .ok_or(PkiError::Peer("its URI names no agent"))?;
        let mut names = parsed.subject().iter_common_name();
        match (
            names.next().map(AttributeTypeAndValue::as_str),
            names.next(),
        ) {
            (Some(Ok(name)), None) if name == id => {}
            _ => return Err(PkiError::Peer("common name and URI differ")),
        }
        let validity = parsed.validity();
        Ok(Self {
            agent: AgentId::new(id).map_err(PkiError::Peer)?,
            serial: hexadecimal(parsed.raw_serial()),
            not_before: validity.not_before.timestamp(),
            not_after: validity.not_after.timestamp(),
            sha256: Sha256::digest(der).into(),
            key: parsed.public_key().subject_public_key.data.as_ref().into(),
        })
    }

    /// Whether it is valid at `now`, seconds since 1970 UTC. The handshake has looked; a connection can outlive its
    /// certificate.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

fn hexadecimal(serial: &[u8]) -> String {
    let first = serial
        .iter()
        .position(|&byte| byte != 0)
        .unwrap_or(serial.len());
    serial[first..]
        .iter()
        .fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
