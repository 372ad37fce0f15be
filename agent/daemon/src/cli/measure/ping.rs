//! `ping` in words.

use super::figures::Figures;
use super::quantity::{count, percent};
use glimpse_model::options::Options;
use std::fmt::Write as _;

pub(super) fn words(head: &str, figures: Figures<'_>, options: &Options) -> String {
    let kind = options.text("type");
    let (sent, received) = (
        figures.whole("round_trip_sent").unwrap_or_default(),
        figures.whole("round_trip_received").unwrap_or_default(),
    );
    let loss = percent(figures.number("round_trip_loss").unwrap_or_default());
    let mut text = format!("{head}, {kind}: {received} of {sent} answered, {loss} lost\n");
    let trip = |name: &str| figures.number(&format!("round_trip_{name}"));
    match (trip("min"), trip("avg"), trip("max")) {
        (Some(min), Some(avg), Some(max)) => {
            let spread = trip("stdev").unwrap_or_default();
            let clock = figures.text("timestamps");
            let clock = clock.as_deref().unwrap_or("monotonic");
            let _ = writeln!(
                text,
                "round trip min/avg/max/stdev {min:.3}/{avg:.3}/{max:.3}/{spread:.3} ms ({clock} timestamps)"
            );
        }
        _ if received > 0 => text.push_str("no round trip: no answer could be given a time\n"),
        _ => text.push_str("no round trip: nothing came back\n"),
    }
    let odd: Vec<String> = [
        ("round_trip_duplicates", "answered twice"),
        ("round_trip_reordered", "out of order"),
        ("round_trip_untimed", "without a time"),
    ]
    .into_iter()
    .filter_map(|(name, words)| {
        let number = figures.whole(name).filter(|&number| number > 0)?;
        Some(format!("{number} {words}"))
    })
    .collect();
    if !odd.is_empty() {
        let _ = writeln!(text, "of the answers {}", odd.join(", "));
    }
    if let Some(mtu) = figures.whole("path_mtu_bytes") {
        let _ = writeln!(text, "the way takes packets of {}", count(mtu, "byte"));
    }
    if kind == "Udp" && received < sent {
        text.push_str(
            "note: few hosts answer every UDP packet; type=Icmp tells loss from silence\n",
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::shown;
    use serde_json::json;

    #[test]
    fn loss_and_oddities_are_told() {
        let result = json!({
            "destination_ip": "192.0.2.1", "round_trip_sent": 3, "round_trip_received": 2,
            "round_trip_loss": 1.0 / 3.0, "round_trip_ms": [14.2, 15.0], "round_trip_min": 14.2,
            "round_trip_max": 15.0, "round_trip_avg": 14.6, "round_trip_stdev": 0.4,
            "round_trip_untimed": 0, "round_trip_duplicates": 1, "round_trip_reordered": null,
            "path_mtu_bytes": 1400, "timestamps": "kernel"
        });
        assert_eq!(
            shown("ping", &["host=example.net"], result, ""),
            "\
ping example.net (192.0.2.1), Udp: 2 of 3 answered, 33.3 % lost
round trip min/avg/max/stdev 14.200/14.600/15.000/0.400 ms (kernel timestamps)
of the answers 1 answered twice
the way takes packets of 1400 bytes
note: few hosts answer every UDP packet; type=Icmp tells loss from silence
"
        );
    }

    #[test]
    fn silence_is_a_result() {
        let result = json!({
            "destination_ip": "192.0.2.1", "round_trip_sent": 3, "round_trip_received": 0,
            "round_trip_loss": 1.0, "round_trip_ms": [], "round_trip_min": null,
            "round_trip_max": null, "round_trip_avg": null, "round_trip_stdev": null,
        });
        assert_eq!(
            shown(
                "ping",
                &["host=192.0.2.1", "type=Icmp"],
                result,
                "no route (3 times)"
            ),
            "\
ping 192.0.2.1, Icmp: 0 of 3 answered, 100.0 % lost
no round trip: nothing came back
note: no route (3 times)
"
        );
    }
}
