//! Making a new PKI.

use super::files::{self, Pki, ServerIdentity};
use super::issue::{Authority, Serial, USAGES, Window, authority_params};
use super::peers::{PEERS_KEY, PeerKey};
use super::{AGENTS_UNIT, CONTROLLERS_UNIT, PkiError};
use rcgen::{BasicConstraints, IsCa, Issuer, KeyPair};
use std::path::Path;

/// Who the certificates speak for.
#[derive(Debug, Clone)]
pub struct Names {
    /// Organisation, in the subject of every authority and of the server.
    pub organisation: String,
    /// DNS names and IP addresses of the server, at least one. Agents pin the one they enrolled with, so a name that
    /// was once given out stays in the list.
    pub server: Vec<String>,
}

/// How long certificates hold, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// Root.
    pub root_s: i64,
    /// The two intermediates.
    pub intermediate_s: i64,
    /// Server certificate.
    pub server_s: i64,
    /// Agent certificates.
    pub agent_s: i64,
    /// How much earlier than now validity begins, for agents whose clock is behind.
    pub backdate_s: i64,
}

const DAY_S: i64 = 86_400;

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            root_s: 20 * 365 * DAY_S,
            intermediate_s: 5 * 365 * DAY_S,
            server_s: 365 * DAY_S,
            agent_s: 90 * DAY_S,
            backdate_s: 15 * 60,
        }
    }
}

/// Makes root, both intermediates and a server certificate at `now` (seconds since 1970 UTC) and writes them to `dir`
/// in one rename. `serial` gives a fresh serial number at each call ([`super::random_serial`] outside tests); keys are
/// drawn from the system's randomness.
///
/// # Errors
/// [`PkiError::Exists`] when `dir` holds anything; [`PkiError::Name`], [`PkiError::NoName`], [`PkiError::Io`].
pub fn create(
    dir: &Path,
    names: &Names,
    lifetimes: &Lifetimes,
    now: i64,
    serial: &mut dyn FnMut() -> Result<Serial, PkiError>,
) -> Result<(Pki, ServerIdentity), PkiError> {
    files::refuse_existing(dir)?;
    let window = |life_s| Window {
        not_before: now - lifetimes.backdate_s,
        not_after: now.saturating_add(life_s),
    };

    let root_key = KeyPair::generate()?;
    let mut root_params = authority_params(&names.organisation, "root", window(lifetimes.root_s));
    root_params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    root_params.serial_number = Some(serial()?.into());
    let root = root_params.self_signed(&root_key)?;
    let root_pem = root.pem();
    let root_key_pem = root_key.serialize_pem();
    let root_issuer = Issuer::new(root_params, root_key);

    let mut intermediate = |unit| -> Result<_, PkiError> {
        let key = KeyPair::generate()?;
        let window = window(lifetimes.intermediate_s.min(lifetimes.root_s));
        let mut params = authority_params(&names.organisation, unit, window);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.extended_key_usages = USAGES.to_vec();
        params.serial_number = Some(serial()?.into());
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &root_issuer)?;
        let pems = (certificate.pem(), key.serialize_pem());
        let authority = Authority::new(unit, certificate.der().clone(), key)?;
        Ok((authority, pems))
    };
    let (controllers, controllers_pem) = intermediate(CONTROLLERS_UNIT)?;
    let (agents, agents_pem) = intermediate(AGENTS_UNIT)?;

    let pki = Pki {
        root: root.der().clone(),
        controllers,
        agents,
        peers: PeerKey::generate()?,
    };
    let server = pki.issue_server(&names.server, serial()?, now, lifetimes)?;
    files::write_all(
        dir,
        &[
            (files::ROOT, root_pem),
            (
                files::ROOT_KEY,
                format!("{}{root_key_pem}", files::ROOT_KEY_NOTE),
            ),
            (files::CONTROLLERS, controllers_pem.0),
            (files::CONTROLLERS_KEY, controllers_pem.1),
            (files::AGENTS, agents_pem.0),
            (files::AGENTS_KEY, agents_pem.1),
            (files::SERVER, server.to_pem()?),
            (PEERS_KEY, pki.peers.to_pem()),
        ],
    )?;
    Ok((pki, server))
}
