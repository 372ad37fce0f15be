//! What a run is given by whoever starts it.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use glimpse_model::outcome::ByteCount;
use glimpse_net::count::Counter;

use crate::resolve::{Resolve, SystemResolver};

/// The judgement on an address: why it may not be measured, as a lower-case fragment.
pub type Admit = dyn Fn(IpAddr) -> Result<(), String> + Send + Sync;

/// Makes the TLS configuration of measurements: the system's roots, no client certificate. It is asked for when it is
/// first needed, because roots are large for a router; an error is a lower-case fragment.
pub type Tls = dyn Fn() -> Result<Arc<rustls::ClientConfig>, String> + Send + Sync;

/// Where transfers that fill the line may go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bulk {
    /// Anywhere: the household's own measurements, and laboratories.
    Any,
    /// To these hosts, as their URLs write them in lower case, and to those that say themselves that they want it.
    Listed(Arc<[String]>),
}

/// Limits, rights and surroundings of one run.
#[derive(Clone)]
pub struct Context {
    /// Asked for every address after resolution, before the first packet, and again at every connection and redirect.
    pub admit: Arc<Admit>,
    /// Asked before a transfer that fills the line.
    pub bulk: Bulk,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
    /// How servers prove who they are.
    pub tls: Arc<Tls>,
    /// Bytes at IP level, both directions together, after which the run sends no more.
    pub byte_limit: u64,
    /// How long the run may take; afterwards it is stopped.
    pub time_limit: Duration,
    /// Seed of everything random in payloads and identifiers.
    pub seed: u64,
    /// Where the run shows what it has used so far; what stands there holds even if the run is dropped.
    pub meter: Meter,
}

impl Context {
    /// A context that admits every address, asks the system's resolver and sets no limits but `time_limit`: what the
    /// household's own measurements run with, once they are given certificate authorities.
    pub fn unlimited(time_limit: Duration, seed: u64) -> Self {
        Self {
            admit: Arc::new(|_| Ok(())),
            bulk: Bulk::Any,
            resolver: Arc::new(SystemResolver),
            tls: Arc::new(|| Err("no certificate authorities were given".to_owned())),
            byte_limit: u64::MAX,
            time_limit,
            seed,
            meter: Meter::default(),
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("bulk", &self.bulk)
            .field("byte_limit", &self.byte_limit)
            .field("time_limit", &self.time_limit)
            .field("seed", &self.seed)
            .field("meter", &self.meter)
            .finish_non_exhaustive()
    }
}

/// The bytes a run has used so far, readable from outside while it runs and after it was dropped.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<ByteCount>>);

impl Meter {
    /// What has been used so far.
    pub fn read(&self) -> ByteCount {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows `counter` as what has been used so far; for methods.
    pub fn show(&self, counter: &Counter) -> ByteCount {
        let bytes = ByteCount {
            sent: counter.sent_bytes,
            received: counter.received_bytes,
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes;
        bytes
    }
}
