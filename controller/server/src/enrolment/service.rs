//! Tokens and certificates.

use super::EnrolmentError;
use crate::app::Shared;
use crate::clock;
use crate::pki::{
    AgentCertificate, CertificateRequest, Issued, Lifetimes, certs_only, random_serial,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use glimpse_model::id::AgentId;
use glimpse_store::{Certificate, Enrolment, TokenFault, TokenHash};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};
use std::fmt;
use std::net::SocketAddr;

/// A one-time token: 32 random bytes, shown once, kept nowhere.
pub struct Token(String);

/// The system gives no randomness.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the system gives no randomness")]
pub struct TokenError;

impl Token {
    /// A new token of the system's randomness.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn random() -> Result<Self, TokenError> {
        let mut bytes = [0; 32];
        SystemRandom::new()
            .fill(&mut bytes)
            .map_err(|_| TokenError)?;
        Ok(Self(URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What is stored of it. Tokens are found by their hash, so no comparison tells how much of a
    /// guess was right.
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }

    /// The text to hand over.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn hash(token: &str) -> TokenHash {
    Sha256::digest(token.trim().as_bytes()).into()
}

pub(super) fn authorities(shared: &Shared) -> Result<String, EnrolmentError> {
    Ok(certs_only(shared.pki.authorities())?)
}

pub(super) async fn enrol(
    shared: &Shared,
    peer: SocketAddr,
    token: &str,
    request: &[u8],
) -> Result<String, EnrolmentError> {
    let now = shared.now();
    let hash = hash(token);
    let refused = |fault: TokenFault| {
        tracing::warn!(%peer, error = %fault, "enrolment refused");
        EnrolmentError::Token(fault)
    };
    // Looked at first, so that nobody without a token makes us sign; used up last, in one step with
    // the agent's row, so that a bad request costs no token.
    let grant = shared.store.token(hash, now).await?.map_err(refused)?;
    let agent = match grant.agent {
        Some(agent) => agent,
        None => AgentId::new(&uuid::Uuid::new_v4().to_string())
            .map_err(|reason| EnrolmentError::Request(reason.to_owned()))?,
    };
    let issued = issue(shared, &agent, request)?;
    let enrolment = Enrolment {
        hash,
        agent: agent.clone(),
        certificate: stored(&issued.certificate),
        at: now,
    };
    let enrolled = shared.store.enrol(enrolment).await?.map_err(refused)?;
    tracing::info!(agent = %agent, serial = issued.certificate.serial, "enrolled");
    for withheld in &enrolled.withheld {
        tracing::warn!(
            agent = %agent,
            instruction = %withheld.instruction,
            target = withheld.target,
            reason = withheld.reason,
            "instruction withheld"
        );
    }
    Ok(certs_only([&issued.der])?)
}

pub(super) async fn renew(
    shared: &Shared,
    agent: AgentId,
    request: &[u8],
) -> Result<String, EnrolmentError> {
    let issued = issue(shared, &agent, request)?;
    let certificate = stored(&issued.certificate);
    if !shared.store.renew(agent.clone(), certificate).await? {
        return Err(EnrolmentError::NotKnown);
    }
    tracing::info!(agent = %agent, serial = issued.certificate.serial, "certificate renewed");
    Ok(certs_only([&issued.der])?)
}

fn issue(shared: &Shared, agent: &AgentId, request: &[u8]) -> Result<Issued, EnrolmentError> {
    let request = CertificateRequest::parse(request)?;
    let lifetimes = Lifetimes {
        agent_s: i64::try_from(shared.config.agent_certificate.as_secs()).unwrap_or(i64::MAX),
        ..Lifetimes::default()
    };
    let now = clock::seconds(shared.now());
    Ok(shared
        .pki
        .issue_agent(&request, agent, random_serial()?, now, &lifetimes)?)
}

fn stored(certificate: &AgentCertificate) -> Certificate {
    Certificate {
        serial: certificate.serial.clone(),
        not_after: clock::from_seconds(certificate.not_after),
    }
}
