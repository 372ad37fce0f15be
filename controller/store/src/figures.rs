//! The figures of pings, as columns.

use glimpse_model::ping::PingFigures;
use serde_json::{Map, Value};

/// Figures of one ping result and what it was aimed at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// Name or address as the instruction has it.
    pub target: Option<String>,
    /// How the ping was sent: `Udp`, `Tcp`, `Icmp` or `System`.
    pub ping_type: Option<String>,
    /// The summary that the model picks out of a result.
    pub ping: PingFigures,
}

impl Figures {
    /// Picks the figures out of a `probe_result`; what is missing or senseless is left out.
    pub fn of_ping(
        result: &Map<String, Value>,
        target: Option<String>,
        ping_type: Option<String>,
    ) -> Self {
        Self {
            target,
            ping_type,
            ping: PingFigures::from_result(result),
        }
    }
}

/// Round-trip times as they were stored before there was the column `measured`: four bytes each, microseconds.
pub(crate) fn unpack(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|us| u32::from_le_bytes(*us))
        .collect()
}
