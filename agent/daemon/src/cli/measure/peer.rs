//! `btc_ma` and `packettrains_ma` in words.

use super::figures::Figures;
use super::layout::{Align, lines, row, table};
use super::quantity::{NOTHING, bytes, cell, count, percent, rate, span, whole};
use serde_json::Value;
use std::fmt::Write as _;

/// Trains that are shown one by one.
const TRAIN_LIMIT: usize = 32;

/// One row for each direction.
pub(super) fn bulk(head: &str, figures: Figures<'_>) -> String {
    let mut text = format!("{head}\n");
    let mut rows = vec![row([
        "",
        "average",
        "slowest slice",
        "fastest slice",
        "payload",
        "retransmits",
        "min RTT",
        "congestion control",
    ])];
    for way in ["down", "up"] {
        let Some(flow) = figures.inner(way) else {
            continue;
        };
        rows.push(vec![
            way.to_owned(),
            cell(flow.number("bandwidth_bps_avg"), rate),
            cell(flow.number("bandwidth_bps_min"), rate),
            cell(flow.number("bandwidth_bps_max"), rate),
            cell(flow.number("payload_bytes"), bytes),
            whole(flow.whole("retransmits")),
            cell(flow.number("rtt_min_us"), span),
            flow.text("congestion_control")
                .unwrap_or_else(|| NOTHING.to_owned()),
        ]);
    }
    if rows.len() > 1 {
        lines(&mut text, &table(0, &[Align::Left, Align::Right], &rows));
    }
    text
}

/// One row for each train.
pub(super) fn trains(head: &str, figures: Figures<'_>) -> String {
    let mut text = head.to_owned();
    if let Some(direction) = figures.text("direction") {
        text = format!("{text}, {direction}");
    }
    if let Some(size) = figures.whole("packet_size") {
        text = format!("{text}, packets of {}", count(size, "byte"));
    }
    text.push('\n');
    let capacity = figures.number("capacity_bps");
    text.push_str(&capacity.map_or_else(
        || "no capacity: the way did not spread the packets".to_owned(),
        |bps| format!("capacity {}", rate(bps)),
    ));
    if let Some(fastest) = figures.number("received_max_bps") {
        let _ = write!(text, ", fastest train {}", rate(fastest));
    }
    text.push('\n');
    if let (Some(sent), Some(received)) = (
        figures.whole("packets_sent"),
        figures.whole("packets_received"),
    ) {
        let loss = cell(figures.number("loss"), percent);
        let times = |name: &str| figures.whole(name).unwrap_or_default();
        let _ = writeln!(
            text,
            "{received} of {} received, {loss} lost, {} duplicated, {} reordered",
            count(sent, "packet"),
            times("packets_duplicated"),
            times("packets_reordered")
        );
    }
    each_train(&mut text, figures);
    if let (Some(arrival), Some(sending)) = (
        figures.text("timestamps"),
        figures.text("sending_timestamps"),
    ) {
        let _ = writeln!(
            text,
            "timestamps: {sending} at sending, {arrival} at arrival"
        );
    }
    text
}

fn each_train(text: &mut String, figures: Figures<'_>) {
    let columns = [
        "sending_bps",
        "receiving_bps",
        "train_capacity_bps",
        "dispersion_median_ns",
    ]
    .map(|name| figures.list(name));
    let number = columns.iter().map(|column| column.len()).max().unwrap_or(0);
    if number == 0 {
        return;
    }
    let mut rows = vec![row([
        "train",
        "sent at",
        "received at",
        "capacity",
        "dispersion",
    ])];
    for train in 0..number.min(TRAIN_LIMIT) {
        let [sending, receiving, capacity, dispersion] =
            columns.map(|column| column.get(train).and_then(Value::as_f64));
        rows.push(vec![
            (train + 1).to_string(),
            cell(sending, rate),
            cell(receiving, rate),
            cell(capacity, rate),
            cell(dispersion.map(|ns| ns / 1000.0), span),
        ]);
    }
    lines(text, &table(0, &[Align::Right], &rows));
    if number > TRAIN_LIMIT {
        let _ = writeln!(text, "and {} more: --json has all", number - TRAIN_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use serde_json::json;

    fn figures(result: &Value) -> Figures<'_> {
        Figures::new(result.as_object().unwrap())
    }

    #[test]
    fn flows_are_rows() {
        let flow = json!({
            "kBs": [11_000.0], "kBs_avg": 11_489.7, "bandwidth_bps_avg": 94_123_456, "bandwidth_bps_min": 90_000_000,
            "bandwidth_bps_max": 95_500_000, "bandwidth_bps_stdev": 1000, "payload_bytes": 117_654_320, "slice_ms": 1000,
            "retransmits": 12, "rtt_min_us": 13_900, "congestion_control": "cubic"
        });
        let result = json!({
            "down": flow, "measure_uuid": "x", "token_id": "y", "destination_ip": "192.0.2.7",
            "up": {"kBs": [], "bandwidth_bps_avg": null, "payload_bytes": 0, "retransmits": null, "congestion_control": null}
        });
        assert_eq!(
            bulk("btc_ma peer.example (192.0.2.7)", figures(&result)),
            "\
btc_ma peer.example (192.0.2.7)
          average  slowest slice  fastest slice  payload  retransmits  min RTT  congestion control
down  94.1 Mbit/s    90.0 Mbit/s    95.5 Mbit/s   118 MB           12  13.9 ms               cubic
up              -              -              -      0 B            -        -                   -
"
        );
    }

    #[test]
    fn trains_are_rows() {
        let result = json!({
            "direction": "up", "packet_size": 1000, "sending_bps": [2_097_000_000_u64, 83_886_080],
            "receiving_bps": [19_400_000, null], "received_max_bps": 19_400_000, "train_capacity_bps": [19_900_000, null],
            "capacity_bps": 19_900_000, "dispersion_median_ns": [421_000, null], "packets_sent": 96, "packets_received": 49,
            "packets_duplicated": 0, "packets_reordered": 2, "loss": 47.0 / 96.0, "timestamps": "kernel",
            "sending_timestamps": "monotonic"
        });
        assert_eq!(
            trains("packettrains_ma 192.0.2.7", figures(&result)),
            "\
packettrains_ma 192.0.2.7, up, packets of 1000 bytes
capacity 19.9 Mbit/s, fastest train 19.4 Mbit/s
49 of 96 packets received, 49.0 % lost, 0 duplicated, 2 reordered
train      sent at  received at     capacity  dispersion
    1  2.10 Gbit/s  19.4 Mbit/s  19.9 Mbit/s    0.421 ms
    2  83.9 Mbit/s            -            -           -
timestamps: monotonic at sending, kernel at arrival
"
        );
        assert_eq!(
            trains("packettrains_ma x", Figures::new(&serde_json::Map::new())),
            "packettrains_ma x\nno capacity: the way did not spread the packets\n"
        );
    }

    #[test]
    fn many_trains_are_cut() {
        let result = json!({"sending_bps": vec![1_000_000; 40]});
        let text = trains("packettrains_ma x", figures(&result));
        assert_eq!(text.lines().count(), 2 + 1 + 32 + 1);
        assert!(text.ends_with("and 8 more: --json has all\n"), "{text}");
    }
}
