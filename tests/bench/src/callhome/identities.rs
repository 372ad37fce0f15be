//! Certificates of many agents, and their rows in the repository.

use crate::clock;
use anyhow::{Context, Result, anyhow};
use glimpse_controller::pki::{CertificateRequest, Lifetimes, Pki, random_serial};
use glimpse_model::id::AgentId;
use glimpse_store::{Certificate, Enrolment, Labels, NewToken, Options, Sqlite, Store};
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use std::path::Path;

/// What the agents show: one key for all, which costs as many handshakes as many keys would.
pub(super) struct Identities {
    pub(super) certificates: Vec<CertificateDer<'static>>,
    pub(super) key: PrivateKeyDer<'static>,
}

/// Id of an agent, by its number.
pub(super) fn name(number: usize) -> String {
    format!("load-{number:05}")
}

/// Certifies agents and writes them into the repository of a controller that does not serve yet.
pub(super) async fn enrol(dir: &Path, count: usize) -> Result<Identities> {
    let pki = Pki::load(&dir.join("pki"))?;
    let store = Sqlite::open(&dir.join("glimpse.db"), &Options::default()).await?;
    let key = KeyPair::generate()?;
    let request = CertificateParams::default().serialize_request(&key)?;
    let request = CertificateRequest::parse(request.der())?;
    let now = clock::civil()?;
    let expires = now.plus_micros(86_400_000_000);
    let mut certificates = Vec::with_capacity(count);
    for number in 0..count {
        let agent = AgentId::new(&name(number)).map_err(|reason| anyhow!(reason))?;
        let seconds = now.as_micros() / 1_000_000;
        let issued = pki.issue_agent(
            &request,
            &agent,
            random_serial()?,
            seconds,
            &Lifetimes::default(),
        )?;
        let mut hash = [0; 32];
        hash[..8].copy_from_slice(&u64::try_from(number)?.to_be_bytes());
        let token = NewToken {
            hash,
            agent: None,
            group: None,
            labels: Labels::new(),
            created: now,
            expires,
        };
        store.add_token(token).await?;
        let enrolment = Enrolment {
            hash,
            agent,
            certificate: Certificate {
                serial: issued.certificate.serial.clone(),
                not_after: expires,
            },
            at: now,
        };
        let enrolled = store.enrol(enrolment).await?;
        enrolled.context("a token that was just made is good")?;
        certificates.push(issued.der);
    }
    store.close().await?;
    Ok(Identities {
        certificates,
        key: PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
    })
}
