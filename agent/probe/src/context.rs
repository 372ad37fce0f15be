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

/// Limits, rights and surroundings of one run.
#[derive(Clone)]
pub struct Context {
    /// Asked for every address after resolution, before the first packet, and again at every connection and redirect.
    pub admit: Arc<Admit>,
    /// How names become addresses.
    pub resolver: Arc<dyn Resolve>,
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
    /// household's own measurements run with.
    pub fn unlimited(time_limit: Duration, seed: u64) -> Self {
        Self {
            admit: Arc::new(|_| Ok(())),
            resolver: Arc::new(SystemResolver),
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
