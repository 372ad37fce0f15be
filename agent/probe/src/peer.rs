//! What two agents say to each other when they measure together: the control channel of `btc_ma`, `packettrains_ma` and of
//! echoes, and the parts that both ends share. `docs/peers.md` has the protocol for those who write another end.
//!
//! ```text
//!   token ──▶ opening ──▶ (UDP) sender ⇄ receiver ──▶ report ──▶ trains
//!        │         └────▶ (UDP) echoes of ping
//!        └──▶ frame   ──▶ (TCP) bulk                         ──▶ rates
//! ```
//!
//! The end that runs the method is the initiator; the other is the [`responder`](crate::responder). Either may be the
//! sender of payload. Machines and codecs are pure; [`bulk`], [`handshake`] and [`session`]
//! are the edge.

pub mod bulk;
pub mod datagram;
pub mod frame;
pub mod handshake;
pub mod opening;
pub mod options;
pub mod plan;
pub mod rates;
pub mod receiver;
pub mod report;
pub mod sender;
pub mod session;
pub mod slices;
pub mod trains;

use std::time::Duration;

use glimpse_model::token::{Claims, MeasureId};

/// Port of the responder, UDP and TCP, unless its settings name another.
pub const PORT: u16 = 5105;
/// How long an end may keep silent before the session is over.
pub const SILENCE: Duration = Duration::from_secs(10);
/// The same in nanoseconds.
pub const SILENCE_NS: u64 = SILENCE.as_secs() * 1_000_000_000;

/// Which way the payload goes, as seen by the initiator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the responder.
    Down,
    /// To the responder.
    Up,
}

impl Direction {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Up => "up",
        }
    }

    /// Reads the word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Down, Self::Up]
            .into_iter()
            .find(|direction| direction.as_str() == word)
    }
}

/// How much one session may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes at IP level in each direction.
    pub max_bytes: u64,
    /// Bits per second in each direction.
    pub max_rate_bps: u64,
    /// Milliseconds.
    pub max_duration_ms: u32,
}

impl Limits {
    /// What a token allows.
    pub const fn of(claims: &Claims) -> Self {
        Self {
            max_bytes: claims.max_bytes,
            max_rate_bps: claims.max_rate_bps,
            max_duration_ms: claims.max_duration_ms,
        }
    }

    /// The smaller of both in each respect.
    #[must_use]
    pub fn smaller(self, other: Self) -> Self {
        Self {
            max_bytes: self.max_bytes.min(other.max_bytes),
            max_rate_bps: self.max_rate_bps.min(other.max_rate_bps),
            max_duration_ms: self.max_duration_ms.min(other.max_duration_ms),
        }
    }
}

/// The id of a session, from the seed of its run.
pub fn session_id(seed: u64) -> MeasureId {
    let mut bytes = [0; 16];
    fastrand::Rng::with_seed(seed ^ 0x7365_7373_696f_6e73).fill(&mut bytes);
    MeasureId::from_random(bytes)
}
