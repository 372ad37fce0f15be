//! The figures of a ping result, as the repository aggregates them.

use serde_json::{Map, Value};

/// Figures of one ping (`probe_result` of the method `ping`), in integers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PingFigures {
    /// Address that was measured.
    pub destination: Option<String>,
    /// Packets sent.
    pub sent: Option<u32>,
    /// Packets answered.
    pub received: Option<u32>,
    /// Lost packets in millionths of those sent.
    pub loss_ppm: Option<u32>,
    /// Median round-trip time in microseconds; `None` when nothing was answered.
    pub rtt_median_us: Option<u32>,
    /// Least round-trip time in microseconds.
    pub rtt_min_us: Option<u32>,
    /// Greatest round-trip time in microseconds.
    pub rtt_max_us: Option<u32>,
}

impl PingFigures {
    /// Picks the figures out of a result; what is missing or senseless is `None`. Numbers may come
    /// as strings, as the paper's listing 2 has the loss.
    pub fn from_result(result: &Map<String, Value>) -> Self {
        let count = |name: &str| {
            let number = result.get(name).and_then(number)?;
            to_u32(number, 1.0)
        };
        let mut rtts = round_trips_us(result);
        rtts.sort_unstable();
        Self {
            destination: result
                .get("destination_ip")
                .and_then(Value::as_str)
                .map(str::to_owned),
            sent: count("round_trip_sent"),
            received: count("round_trip_received"),
            loss_ppm: result
                .get("round_trip_loss")
                .and_then(number)
                .filter(|loss| (0.0..=1.0).contains(loss))
                .and_then(|loss| to_u32(loss, 1e6)),
            rtt_median_us: median(&rtts),
            rtt_min_us: rtts.first().copied(),
            rtt_max_us: rtts.last().copied(),
        }
    }
}

/// The round-trip times of a ping result in microseconds, in their order.
pub fn round_trips_us(result: &Map<String, Value>) -> Vec<u32> {
    result
        .get("round_trip_ms")
        .and_then(Value::as_array)
        .map(|list| {
            list.iter()
                .filter_map(|ms| to_u32(number(ms)?, 1000.0))
                .collect()
        })
        .unwrap_or_default()
}

fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
    .filter(|number: &f64| number.is_finite())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is checked before the cast"
)]
fn to_u32(number: f64, scale: f64) -> Option<u32> {
    let scaled = (number * scale).round();
    (0.0..=f64::from(u32::MAX))
        .contains(&scaled)
        .then_some(scaled as u32)
}

/// The middle value; of an even count the mean of the two in the middle.
fn median(sorted: &[u32]) -> Option<u32> {
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(sorted[middle - 1].midpoint(sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn figures(value: &Value) -> PingFigures {
        PingFigures::from_result(value.as_object().unwrap())
    }

    #[test]
    fn glimpse_check_30_loss_as_text_or_number() {
        for (loss, ppm) in [(json!("0"), 0), (json!(0), 0), (json!(0.5), 500_000)] {
            assert_eq!(
                figures(&json!({"round_trip_loss": loss})).loss_ppm,
                Some(ppm)
            );
        }
    }

    #[test]
    fn medians_and_bounds() {
        let odd = figures(&json!({"round_trip_ms": [30.0, 10.5, 20.25], "round_trip_sent": 4}));
        assert_eq!(odd.rtt_median_us, Some(20_250));
        assert_eq!(
            (odd.rtt_min_us, odd.rtt_max_us),
            (Some(10_500), Some(30_000))
        );
        assert_eq!(odd.sent, Some(4));
        let even = figures(&json!({"round_trip_ms": [1.0, 2.0]}));
        assert_eq!(even.rtt_median_us, Some(1500));
    }

    #[test]
    fn glimpse_check_29_nothing_answered_has_no_round_trip() {
        let silent =
            figures(&json!({"round_trip_ms": [], "round_trip_min": null, "round_trip_loss": 1}));
        assert_eq!(
            (silent.rtt_min_us, silent.loss_ppm),
            (None, Some(1_000_000))
        );
    }

    #[test]
    fn senseless_figures_are_none() {
        let value =
            json!({"round_trip_loss": 7, "round_trip_sent": -1, "round_trip_ms": ["x", -3, 1e300]});
        assert_eq!(figures(&value), PingFigures::default());
    }
}
