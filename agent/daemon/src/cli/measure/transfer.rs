//! `httpdownload` and `httpupload` in words.

use super::figures::Figures;
use super::layout::{Align, lines, row, table, wrap};
use super::quantity::{NOTHING, bytes, cell, count, rate, seconds, span, whole};
use glimpse_model::options::Options;
use std::fmt::Write as _;

pub(super) fn words(head: &str, figures: Figures<'_>, options: &Options) -> String {
    let mut text = format!("{head}\n");
    if figures.has("redirected_from")
        && let Some(url) = figures.text("url")
    {
        wrap(&mut text, "redirected to ", &url, 2);
    }
    let (Some(bps), Some(whole_us)) = (
        figures.number("bandwidth_bps_avg"),
        figures.number("transfer_us"),
    ) else {
        text.push_str(&no_rate(figures));
        return text;
    };
    let connections = count(
        figures.whole("actual_num_threads").unwrap_or_default(),
        "connection",
    );
    let ramp = u32::try_from(options.integer("ramp_up_time")).unwrap_or_default();
    let ramp_ms = f64::from(ramp);
    let _ = writeln!(
        text,
        "{} over {connections}, {} after {} ramp-up",
        rate(bps),
        seconds((whole_us / 1000.0 - ramp_ms).max(0.0)),
        seconds(ramp_ms)
    );
    match figures.text("stopped").as_deref() {
        Some("byte_limit") => text.push_str("ended early: max_bytes was reached\n"),
        Some("fault") => text.push_str("ended early: no connection was left\n"),
        _ => {}
    }
    let threads: Vec<Vec<String>> = figures
        .each("bandwidth_bps_per_thread")
        .enumerate()
        .map(|(place, thread)| connection(place + 1, thread))
        .collect();
    if !threads.is_empty() {
        let mut rows = vec![row([
            "",
            "average",
            "slowest slot",
            "fastest slot",
            "bytes",
            "first byte",
            "retransmits",
            "min RTT",
        ])];
        rows.extend(threads);
        lines(&mut text, &table(2, &[Align::Right], &rows));
    }
    wrap(&mut text, "", &phases(figures).join(", "), 2);
    wrap(&mut text, "", &sums(figures, whole_us).join(", "), 2);
    text
}

fn connection(number: usize, thread: Figures<'_>) -> Vec<String> {
    vec![
        number.to_string(),
        cell(thread.number("avg"), rate),
        cell(thread.number("min"), rate),
        cell(thread.number("max"), rate),
        cell(thread.number("transferred_bytes"), bytes),
        cell(thread.number("first_byte_us"), span),
        whole(thread.whole("retransmits")),
        cell(thread.number("min_rtt_us"), span),
    ]
}

/// Why there is no rate, and what there is instead.
fn no_rate(figures: Figures<'_>) -> String {
    let why = match figures.text("stopped").as_deref() {
        Some("byte_limit") => "max_bytes was reached within the ramp-up",
        _ => "nothing was transferred after the ramp-up",
    };
    let whole = figures
        .number("bandwidth_bps_whole")
        .map_or_else(String::new, |bps| {
            format!("; {} over the whole transfer", rate(bps))
        });
    format!("no rate: {why}{whole}\n")
}

/// What the first connection did before it transferred.
fn phases(figures: Figures<'_>) -> Vec<String> {
    let version = figures.text("tls_version");
    let tls = version.unwrap_or_else(|| "TLS".to_owned());
    let phases = [
        ("name", "dns_us"),
        ("connect", "connect_us"),
        (tls.as_str(), "tls_us"),
        ("first byte", "first_byte_us"),
    ];
    let mut told: Vec<String> = phases
        .into_iter()
        .filter_map(|(phase, name)| {
            // An address is not looked up.
            let us = figures.number(name).filter(|&us| us > 0.0)?;
            Some(format!("{phase} {}", span(us)))
        })
        .collect();
    let status = figures.whole("http_status");
    told.extend(status.map(|status| format!("status {status}")));
    told
}

fn sums(figures: Figures<'_>, whole_us: f64) -> Vec<String> {
    let transferred = figures.number("transferred_bytes");
    let mut told = vec![format!(
        "{} in {}",
        transferred.map_or_else(|| NOTHING.to_owned(), bytes),
        seconds(whole_us / 1000.0)
    )];
    let requests = figures.whole("requests");
    told.extend(requests.map(|requests| count(requests, "request")));
    let again = figures.whole("retransmits");
    told.extend(again.map(|again| count(again, "retransmit")));
    let least = figures.number("min_rtt_us");
    told.extend(least.map(|least| format!("min RTT {}", span(least))));
    told.extend(figures.text("congestion_control"));
    let stored = figures.number("server_bytes");
    told.extend(stored.map(|stored| format!("the server counted {}", bytes(stored))));
    told
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::shown;
    use serde_json::json;

    #[test]
    fn a_download_is_a_rate_its_connections_and_its_phases() {
        let result = json!({
            "actual_num_threads": 2, "bandwidth_bps_avg": 94_123_456, "bandwidth_bps_whole": 90_000_000,
            "bandwidth_bps_per_thread": [
                {"avg": 50_000_000, "min": 48_100_000, "max": 52_000_000, "stdev": 1000, "slots": [48_100_000, 52_000_000],
                 "transferred_bytes": 81_250_000, "connect_us": 14_236, "tls_us": 15_100, "first_byte_us": 31_000,
                 "http_status": 200, "requests": 1, "retransmits": 12, "min_rtt_us": 13_900, "server_bytes": null, "error": null},
                {"avg": null, "min": null, "max": null, "stdev": null, "slots": [], "transferred_bytes": 0, "connect_us": 139,
                 "tls_us": null, "first_byte_us": null, "http_status": null, "requests": 0, "retransmits": null,
                 "min_rtt_us": null, "server_bytes": null, "error": "reset"}
            ],
            "connect_us": 14_236, "destination_ip": "203.0.113.1", "dns_us": 1200, "first_byte_us": 31_000, "http_status": 200,
            "min_rtt_us": 13_900, "redirected_from": ["http://example.net/"], "requests": 1, "results_ok": false,
            "retransmits": 12, "server_bytes": null, "stopped": "byte_limit", "tls_us": 15_100, "tls_version": "TLSv1.3",
            "transfer_us": 12_990_264, "transferred_bytes": 152_750_000, "url": "https://example.net/big"
        });
        assert_eq!(
            shown(
                "httpdownload",
                &["url=http://example.net/", "threads=2"],
                result,
                "reset"
            ),
            "\
httpdownload http://example.net/ (203.0.113.1)
redirected to https://example.net/big
94.1 Mbit/s over 2 connections, 10.0 s after 3.0 s ramp-up
ended early: max_bytes was reached
         average  slowest slot  fastest slot    bytes  first byte  retransmits  min RTT
  1  50.0 Mbit/s   48.1 Mbit/s   52.0 Mbit/s  81.2 MB     31.0 ms           12  13.9 ms
  2            -             -             -      0 B           -            -        -
name 1.20 ms, connect 14.2 ms, TLSv1.3 15.1 ms, first byte 31.0 ms, status 200
153 MB in 13.0 s, 1 request, 12 retransmits, min RTT 13.9 ms
note: reset
"
        );
    }

    #[test]
    fn an_upload_without_a_rate_says_so() {
        let result = json!({
            "actual_num_threads": 1, "bandwidth_bps_avg": null, "bandwidth_bps_per_thread": [], "transfer_us": 500_000,
            "destination_ip": "203.0.113.1", "url": "http://203.0.113.1/", "stopped": "fault"
        });
        assert_eq!(
            shown("httpupload", &["url=http://203.0.113.1/"], result, "reset"),
            "\
httpupload http://203.0.113.1/
no rate: nothing was transferred after the ramp-up
note: reset
"
        );
    }
}
