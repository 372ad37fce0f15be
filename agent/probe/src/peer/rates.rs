//! The figures of bulk flows. Pure. Rates are of TCP payload, as the receiver counted it.

use std::net::IpAddr;

use glimpse_model::outcome::Ending;
use glimpse_model::token::MeasureId;
use serde_json::{Map, Value};

use super::Direction;
use super::frame::{FlowReceived, FlowSent};

/// One flow as both ends know it together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// By the receiver.
    pub received: FlowReceived,
    /// By the sender; `None` when it did not say.
    pub sent: Option<FlowSent>,
}

/// How a session has ended that met a fault after these flows. With one of them measured it is done, and the fault says what
/// is missing; with none it has failed.
pub const fn after_fault(flows: &[(Direction, Flow)]) -> Ending {
    if flows.is_empty() {
        Ending::Failed
    } else {
        Ending::Done
    }
}

/// The members of one flow: the original's in KiB/s, the same in bit/s, and what the sender's kernel knows.
fn members(flow: &Flow) -> Map<String, Value> {
    let rates: Vec<f64> = flow
        .received
        .slices
        .iter()
        .map(|&bytes| bytes_per_second(bytes, flow.received.slice_ns))
        .collect();
    let count = f64::from(u32::try_from(rates.len()).unwrap_or(u32::MAX));
    let mean = rates.iter().sum::<f64>() / count;
    let variance = rates.iter().map(|rate| (rate - mean).powi(2)).sum::<f64>() / count;
    let least = rates.iter().copied().reduce(f64::min);
    let most = rates.iter().copied().reduce(f64::max);
    let known = |value: f64| (!rates.is_empty()).then_some(value);
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("kBs", rates.iter().map(|&rate| kib(Some(rate))).collect());
    for (suffix, name, rate) in [
        ("avg", "avg", known(mean)),
        ("min", "min", least),
        ("max", "max", most),
        ("stddev", "stdev", known(variance.sqrt())),
    ] {
        put(&format!("kBs_{suffix}"), kib(rate));
        put(
            &format!("bandwidth_bps_{name}"),
            rate.map_or(Value::Null, |rate| whole(rate * 8.0)),
        );
    }
    put("payload_bytes", flow.received.bytes.into());
    put("slice_ms", (flow.received.slice_ns / 1_000_000).into());
    let sent = flow.sent.clone().unwrap_or_default();
    put("retransmits", sent.retransmits.into());
    put("rtt_min_us", sent.rtt_min_us.into());
    put("congestion_control", sent.congestion_control.into());
    map
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a slice of 2^53 bytes is not of this world"
)]
fn bytes_per_second(bytes: u64, ns: u64) -> f64 {
    bytes as f64 * 1e9 / ns.max(1) as f64
}

/// KiB per second with one decimal; null where there is none.
fn kib(bytes_per_second: Option<f64>) -> Value {
    bytes_per_second.map_or(Value::Null, |rate| {
        Value::from((rate / 1024.0 * 10.0).round() / 10.0)
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates are finite and not negative; the cast saturates"
)]
fn whole(number: f64) -> Value {
    Value::from(number.round() as u64)
}

/// The `probe_result` of both ends. The figures of the first flow stand at the top by the original's names; those of each
/// direction under its name.
pub fn probe_result(
    session: MeasureId,
    token: MeasureId,
    peer: IpAddr,
    flows: &[(Direction, Flow)],
) -> Map<String, Value> {
    let mut map = Map::new();
    for (direction, flow) in flows {
        let members = members(flow);
        for (name, value) in &members {
            map.entry(name.clone()).or_insert_with(|| value.clone());
        }
        map.insert(direction.as_str().to_owned(), members.into());
    }
    map.insert("measure_uuid".to_owned(), session.to_string().into());
    map.insert("token_id".to_owned(), token.to_string().into());
    map.insert("destination_ip".to_owned(), peer.to_string().into());
    map
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rates_are_those_of_the_receiver() {
        let flow = Flow {
            received: FlowReceived {
                bytes: 9_999_999,
                slice_ns: 500_000_000,
                slices: vec![512_000, 1_024_000],
            },
            sent: Some(FlowSent {
                bytes: 10_000_000,
                retransmits: Some(3),
                rtt_min_us: Some(900),
                congestion_control: Some("cubic".to_owned()),
            }),
        };
        let id = MeasureId::from_random([1; 16]);
        let flows = [(Direction::Up, flow), (Direction::Down, Flow::default())];
        let map = probe_result(id, id, [192, 0, 2, 1].into(), &flows);
        assert_eq!(map["kBs"], json!([1000.0, 2000.0]));
        assert_eq!(map["kBs_avg"], json!(1500.0));
        assert_eq!(map["kBs_min"], json!(1000.0));
        assert_eq!(map["kBs_max"], json!(2000.0));
        assert_eq!(map["kBs_stddev"], json!(500.0));
        assert_eq!(map["bandwidth_bps_avg"], json!(12_288_000));
        assert_eq!(map["up"]["congestion_control"], json!("cubic"));
        assert_eq!(map["up"]["retransmits"], json!(3));
        assert_eq!(map["down"]["kBs_avg"], Value::Null);
        assert_eq!(map["down"]["kBs"], json!([]));
    }
}
