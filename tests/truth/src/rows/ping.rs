//! Round trips of 5, 20 and 100 ms: who is nearest.
//!
//! A tool's summary gives the mean of a run to the microsecond, single round trips to three digits at most; so every tool
//! runs again and again for a few packets, and the errors of these means are compared by their medians. The emulator keeps
//! a processor busy, to be exact.

mod peer;

use crate::lab::{Cost, Lab, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use crate::statistics::{mean, median, median_error};
use anyhow::{Context, Result};
use glimpse_tests::namespace::{Emulated, Namespace};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Command;

/// Packets of one run.
const PACKETS: u32 = 10;
/// scamper waits 100 ms from packet to packet at least, so it gets fewer, and in one of so many rounds.
const SCAMPER_PACKETS: u32 = 3;
const SCAMPER_ROUNDS: usize = 5;
/// From packet to packet, in milliseconds.
const INTERVAL_MS: u32 = 10;
/// What ping and fping send, and where our UDP is echoed.
const PAYLOAD: u32 = 56;
const ECHO: u16 = 7;
/// What the median error may be in any case, in microseconds.
const ERROR_US: f64 = 100.0;

/// Means of runs, and what they cost.
#[derive(Default)]
struct Means {
    ms: Vec<f64>,
    cost: Cost,
    packets: u64,
}

impl Means {
    fn add(&mut self, mean_ms: f64, packets: u32, cost: Cost) {
        self.ms.push(mean_ms);
        self.cost = self.cost + cost;
        self.packets += u64::from(packets);
    }

    fn error_us(&self, truth_ms: f64) -> f64 {
        median_error(&self.ms, truth_ms) * 1000.0
    }
}

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for trip_ms in [5_u32, 20, 100] {
        let rounds = scale.of(10, 60);
        rows.extend(super::again(scale, || compare(lab, trip_ms, rounds))?);
    }
    rows.extend(super::again(scale, || peer::rows(lab, scale))?);
    Ok(rows)
}

fn compare(lab: &Lab, trip_ms: u32, rounds: usize) -> Result<Vec<Row>> {
    let emulated = Emulated::exact(&format!("rtt-{trip_ms}"), 1)?;
    let target = emulated.topology().truths()[0].target;
    let namespace = emulated.namespace();
    let [mut icmp, mut udp, mut ping, mut fping, mut scamper] =
        std::array::from_fn(|_| Means::default());
    for round in 0..rounds {
        ours(lab, namespace, target, ("Icmp", 0, PAYLOAD), &mut icmp)?;
        by_ping(namespace, target, &mut ping)?;
        ours(lab, namespace, target, ("Udp", ECHO, PAYLOAD), &mut udp)?;
        by_fping(namespace, target, &mut fping)?;
        if round.is_multiple_of(SCAMPER_ROUNDS) {
            by_scamper(namespace, target, &mut scamper)?;
        }
    }
    let truth_ms = f64::from(trip_ms);
    let row = |kind: &str, ours: &Means, tool: &str, theirs: &Means| {
        Row::new(
            format!("{trip_ms} ms, {kind}"),
            Figure::ms(median(&ours.ms)),
        )
        .truth(Figure::ms(truth_ms))
        .reference(tool, Figure::ms(median(&theirs.ms)))
        .error(Figure::us(ours.error_us(truth_ms)).decimals(1))
        .packets(ours.packets, Some(theirs.packets))
        .cost(ours.cost, Some(theirs.cost))
    };
    let gate = |row: Row, limit_us: f64| Row {
        limit: Some(Limit::AtMost(limit_us)),
        ..row
    };
    Ok(vec![
        gate(
            row("Icmp", &icmp, "ping", &ping),
            ping.error_us(truth_ms).min(ERROR_US),
        ),
        gate(row("Udp", &udp, "ping", &ping), ERROR_US),
        row("Icmp", &icmp, "fping", &fping),
        row("Icmp", &icmp, "scamper", &scamper),
    ])
}

/// One run of the agent, of this type, to this port, with so many bytes of payload.
fn ours(
    lab: &Lab,
    place: &Namespace,
    target: IpAddr,
    (kind, port, payload): (&str, u16, u32),
    means: &mut Means,
) -> Result<()> {
    let options = json!({
        "host": target.to_string(), "type": kind, "count": PACKETS, "interval": INTERVAL_MS,
        "destination_port": port, "payload": payload,
    });
    let measured = lab.measure(Some(place), "ping", &options)?;
    let trips: Vec<f64> = measured.result["round_trip_ms"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_f64)
        .collect();
    means.add(mean(&trips), PACKETS, measured.cost);
    Ok(())
}

fn by_ping(place: &Namespace, target: IpAddr, means: &mut Means) -> Result<()> {
    let mut command = Command::new("ping");
    command
        .args(["-n", "-q", "-c", &PACKETS.to_string()])
        .args(["-i", &format!("0.{INTERVAL_MS:03}"), &target.to_string()]);
    let finished = run_well(Some(place), &mut command)?;
    let mean = second_of(&finished.out, "rtt min/avg/max/mdev = ")?;
    means.add(mean, PACKETS, finished.cost);
    Ok(())
}

fn by_fping(place: &Namespace, target: IpAddr, means: &mut Means) -> Result<()> {
    let mut command = Command::new("fping");
    command.args(["-q", "-c", &PACKETS.to_string()]).args([
        "-p",
        &INTERVAL_MS.to_string(),
        "-t",
        "1000",
        &target.to_string(),
    ]);
    let finished = run_well(Some(place), &mut command)?;
    let mean = second_of(&finished.err, "min/avg/max = ")?;
    means.add(mean, PACKETS, finished.cost);
    Ok(())
}

fn by_scamper(place: &Namespace, target: IpAddr, means: &mut Means) -> Result<()> {
    let mut command = Command::new("scamper");
    command
        .args([
            "-O",
            "json",
            "-c",
            &format!("ping -c {SCAMPER_PACKETS} -i 0.1"),
        ])
        .args(["-i", &target.to_string()]);
    let finished = run_well(Some(place), &mut command)?;
    let record = super::scamper_record(&finished.out, "ping")?;
    let mean = record["statistics"]["avg"]
        .as_f64()
        .context("scamper's record has no average")?;
    means.add(mean, SCAMPER_PACKETS, finished.cost);
    Ok(())
}

/// The second of the numbers between slashes that follow `head`.
fn second_of(text: &str, head: &str) -> Result<f64> {
    text.split_once(head)
        .and_then(|(_, numbers)| numbers.split('/').nth(1)?.trim().parse().ok())
        .with_context(|| format!("no {head:?} in {text:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    #[test]
    fn summaries_are_read() {
        let ping = "3 packets transmitted\nrtt min/avg/max/mdev = 0.030/0.031/0.032/0.000 ms\n";
        assert_eq!(second_of(ping, "rtt min/avg/max/mdev = ").unwrap(), 0.031);
        let fping = "10.0.0.1 : xmt/rcv/%loss = 5/5/0%, min/avg/max = 4.98/5.12/6.00\n";
        assert_eq!(second_of(fping, "min/avg/max = ").unwrap(), 5.12);
        assert!(second_of("100% packet loss", "min/avg/max = ").is_err());
    }
}
