//! The figures that aggregation needs, as columns.

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
    /// Every round-trip time, microseconds, in the order they came.
    pub rtts_us: Vec<u32>,
}

/// Most round-trip times kept of one result; the rest stays in the document.
const MAX_RTTS: usize = 10_000;

impl Figures {
    /// Picks the figures out of a `probe_result`; what is missing or senseless is left out.
    pub fn of_ping(
        result: &Map<String, Value>,
        target: Option<String>,
        ping_type: Option<String>,
    ) -> Self {
        let rtts_us = result
            .get("round_trip_ms")
            .and_then(Value::as_array)
            .map(|list| list.iter().take(MAX_RTTS).filter_map(micros).collect())
            .unwrap_or_default();
        Self {
            target,
            ping_type,
            ping: PingFigures::from_result(result),
            rtts_us,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the cast"
)]
fn micros(milliseconds: &Value) -> Option<u32> {
    let micros = (milliseconds.as_f64()? * 1000.0).round();
    (0.0..=f64::from(u32::MAX))
        .contains(&micros)
        .then_some(micros as u32)
}

pub(crate) fn pack(rtts_us: &[u32]) -> Vec<u8> {
    rtts_us.iter().flat_map(|us| us.to_le_bytes()).collect()
}

pub(crate) fn unpack(bytes: &[u8]) -> Vec<u32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|us| u32::from_le_bytes(*us))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn round_trips_keep_their_order_and_pack() {
        let result = json!({"round_trip_ms": [30.25, 10.5, "x", -1, 1e300]});
        let figures = Figures::of_ping(result.as_object().unwrap_or(&Map::new()), None, None);
        assert_eq!(figures.rtts_us, [30_250, 10_500]);
        assert_eq!(figures.ping.rtt_min_us, Some(10_500));
        assert_eq!(unpack(&pack(&figures.rtts_us)), figures.rtts_us);
    }
}
