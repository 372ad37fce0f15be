//! What is kept between publications: the ledger, as compressed JSON, and what was published, in the layout of
//! [`Public::to_bytes`].

use super::AltoError;
use crate::config::Alto;
use crate::document::compress;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::GzDecoder;
use glimpse_aggregate::{Clusters, Ledger, Public, Span, Trust};
use glimpse_store::AltoPublic;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{BufReader, Read};

/// Layout of the ledger.
const SCHEMA: u32 = 2;
/// A ledger that unpacks to more is none of ours.
const MOST_BYTES: u64 = 1 << 30;
const SALT_BYTES: usize = 16;
/// Bytes of the hash that stands for an agent.
const NAME_BYTES: usize = 16;

/// The ledger and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    schema: u32,
    salt: String,
    /// Of what the laboratory's ledger is.
    clusters: Clusters,
    trust: Trust,
    /// When late results were looked for last, microseconds UTC since 1970.
    pub late_us: i64,
    /// Who was ever published with whom.
    pub ledger: Ledger,
}

impl Kept {
    /// A ledger of nobody, with a salt of its own.
    ///
    /// # Errors
    /// [`AltoError::Randomness`].
    pub fn new(config: &Alto) -> Result<Self, AltoError> {
        let mut salt = [0; SALT_BYTES];
        let filled = SystemRandom::new().fill(&mut salt);
        filled.map_err(|_| AltoError::Randomness)?;
        Ok(Self {
            schema: SCHEMA,
            salt: URL_SAFE_NO_PAD.encode(salt),
            clusters: config.clusters.clone(),
            trust: config.trust,
            late_us: i64::MIN,
            ledger: Ledger::default(),
        })
    }

    pub(super) fn read(bytes: &[u8], config: &Alto) -> Result<Self, AltoError> {
        let refuse = |reason: String| AltoError::Kept {
            what: "the ledger",
            reason,
        };
        let json = BufReader::new(GzDecoder::new(bytes).take(MOST_BYTES));
        let mut kept: Self =
            serde_json::from_reader(json).map_err(|error| refuse(error.to_string()))?;
        if kept.schema != SCHEMA {
            return Err(refuse(format!(
                "schema must be {SCHEMA}, is {}",
                kept.schema
            )));
        }
        // The laboratory's ledger protects nobody: it begins anew where another would keep to its first clusters and filters.
        let same = (&kept.clusters, kept.trust) == (&config.clusters, config.trust);
        if config.rules.k.is_lab() && !same {
            kept.ledger = Ledger::default();
        }
        kept.clusters.clone_from(&config.clusters);
        kept.trust = config.trust;
        Ok(kept)
    }

    /// The ledger as the database keeps it.
    ///
    /// # Errors
    /// [`AltoError::Kept`].
    pub fn pack(&self) -> Result<Vec<u8>, AltoError> {
        let json = serde_json::to_vec(self).map_err(|error| AltoError::Kept {
            what: "the ledger",
            reason: error.to_string(),
        })?;
        Ok(compress(&json))
    }
}

/// What the ledger calls the agents: a hash with the ledger's salt, so that who has the one without the other learns no id.
#[derive(Debug)]
pub(super) struct Names {
    salt: String,
    known: HashMap<String, String>,
}

impl Names {
    pub(super) fn of(kept: &Kept) -> Self {
        Self {
            salt: kept.salt.clone(),
            known: HashMap::new(),
        }
    }

    pub(super) fn name(&mut self, agent: &str) -> &str {
        let salt = &self.salt;
        self.known.entry(agent.to_owned()).or_insert_with(|| {
            let digest = Sha256::new()
                .chain_update(salt)
                .chain_update([0])
                .chain_update(agent)
                .finalize();
            URL_SAFE_NO_PAD.encode(&digest[..NAME_BYTES])
        })
    }
}

/// A window's figures, as the database keeps them.
pub fn document(span: Span, public: &Public) -> AltoPublic {
    let window = public.window();
    AltoPublic {
        span: span.name().to_owned(),
        start_us: window.start_us(),
        end_us: window.end_us(),
        version: public.version() as u64,
        document: public.to_bytes(),
    }
}

/// The figures that were kept, and of what kind their window is; `None` if this program knows no such windows.
pub(super) fn read(kept: &AltoPublic) -> Result<Option<(Span, Public)>, AltoError> {
    let Some(span) = Span::ALL.into_iter().find(|span| span.name() == kept.span) else {
        return Ok(None);
    };
    let public = Public::from_bytes(&kept.document).map_err(|error| AltoError::Kept {
        what: "a publication",
        reason: error.to_string(),
    })?;
    Ok(Some((span, public)))
}
