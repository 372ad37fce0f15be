//! `latencyload` in words: a row for the idle line and one for each way of loading it.

use super::figures::Figures;
use super::layout::{Align, lines, row, table};
use super::quantity::{NOTHING, cell, count, percent, rate};

pub(super) fn words(head: &str, figures: Figures<'_>) -> String {
    let mut text = head.to_owned();
    if let Some(probe) = figures.text("probe") {
        text = format!("{text}, {probe} probes");
    }
    if let Some(threads) = figures.whole("threads") {
        text = format!("{text}, {} each way", count(threads, "connection"));
    }
    text.push('\n');
    let idle = figures.inner("idle");
    let decimals = match idle.and_then(|idle| idle.number("median_us")) {
        Some(us) if us < 1000.0 => 3,
        Some(us) if us < 10_000.0 => 2,
        _ => 1,
    };
    let mut rows = vec![row([
        "load",
        "median",
        "p95",
        "max",
        "lost",
        "added median",
        "added p95",
        "down",
        "up",
    ])];
    for load in ["idle", "down", "up", "both"] {
        if let Some(phase) = figures.inner(load) {
            rows.push(cells(load, phase, decimals));
        }
    }
    if rows.len() > 1 {
        lines(&mut text, &table(0, &[Align::Left, Align::Right], &rows));
    }
    for load in ["down", "up", "both"] {
        let Some(phase) = figures.inner(load) else {
            continue;
        };
        for way in ["down", "up"] {
            let stopped = phase.text(&format!("stopped_{way}"));
            if stopped.as_deref() == Some("byte_limit") {
                text.push_str(load);
                text.push_str(" ended early: max_bytes was reached\n");
                break;
            }
        }
    }
    text
}

fn cells(load: &str, phase: Figures<'_>, decimals: usize) -> Vec<String> {
    let ms = |name: &str| {
        let us = phase.number(name);
        us.map_or_else(
            || NOTHING.to_owned(),
            |us| format!("{:.decimals$} ms", us / 1000.0),
        )
    };
    let added = |name: &str| {
        let us = phase.number(name);
        us.map_or_else(
            || NOTHING.to_owned(),
            |us| format!("{:+.decimals$} ms", us / 1000.0),
        )
    };
    vec![
        load.to_owned(),
        ms("median_us"),
        ms("p95_us"),
        ms("max_us"),
        cell(phase.number("loss"), percent),
        added("added_median_us"),
        added("added_p95_us"),
        cell(phase.number("bandwidth_bps_down"), rate),
        cell(phase.number("bandwidth_bps_up"), rate),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::shown;
    use serde_json::json;

    #[test]
    fn each_load_is_a_row() {
        let result = json!({
            "destination_ip": "203.0.113.1", "dns_us": 0, "probe": "Icmp", "threads": 4, "url": "http://example.net/big",
            "idle": {"avg_us": 14_500, "loss": 0.0, "max_us": 27_000, "median_us": 14_200, "min_us": 9, "p90_us": 16_000,
                     "p95_us": 16_040, "p99_us": 27_000, "received": 50, "sent": 50},
            "down": {"added_median_us": 66_000, "added_p95_us": 120_000, "bandwidth_bps_down": 19_400_000, "loss": 0.01,
                     "max_us": 201_000, "median_us": 80_200, "p95_us": 136_040, "received": 99, "sent": 100,
                     "results_ok_down": true, "round_trips_per_minute": 748, "stopped_down": "byte_limit"},
            "up": {"added_median_us": null, "added_p95_us": null, "bandwidth_bps_up": null, "loss": null, "max_us": null,
                   "median_us": null, "p95_us": null, "received": 0, "sent": 0, "results_ok_up": false, "stopped_up": "fault"}
        });
        assert_eq!(
            shown(
                "latencyload",
                &["url=http://example.net/big"],
                result,
                "up: upload: the connection broke"
            ),
            "\
latencyload http://example.net/big (203.0.113.1), Icmp probes, 4 connections each way
load   median       p95       max   lost  added median  added p95         down  up
idle  14.2 ms   16.0 ms   27.0 ms  0.0 %             -          -            -   -
down  80.2 ms  136.0 ms  201.0 ms  1.0 %      +66.0 ms  +120.0 ms  19.4 Mbit/s   -
up          -         -         -      -             -          -            -   -
down ended early: max_bytes was reached
note: up: upload: the connection broke
"
        );
    }
}
