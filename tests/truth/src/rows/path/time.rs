//! How long it takes to find a long way: fifteen hops, 20 ms each.

use super::scamper;
use crate::lab::{Cost, Lab, Place, run_well};
use crate::row::{Figure, Limit, Row};
use crate::statistics::median;
use anyhow::{Context, Result, ensure};
use glimpse_tests::namespace::Emulated;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Command;

/// mtr spreads the packets of a round over this many hops until it knows how many there are.
const MTR_HOPS: f64 = 10.0;

/// Traces of one tool.
#[derive(Default)]
struct Traces {
    seconds: Vec<f64>,
    cost: Cost,
    packets: u64,
}

impl Traces {
    fn add(&mut self, cost: Cost, packets: Option<u64>) {
        self.seconds.push(cost.wall.as_secs_f64());
        self.cost = self.cost + cost;
        self.packets += packets.unwrap_or(0);
    }

    fn median(&self) -> f64 {
        median(&self.seconds)
    }
}

/// All at the same packet rate; a packet for each hop.
pub(super) fn rows(lab: &Lab, per_second: u32, rounds: usize) -> Result<Vec<Row>> {
    let network = Emulated::start("line-15", 1)?;
    let truth = &network.topology().truths()[0];
    let place = Some(network.namespace());
    let hops = truth.rtt_us.len();
    let options = json!({
        "host": truth.target.to_string(), "ping_type": "Udp", "count": 1, "interval": 1000 / per_second,
    });
    let [mut ours, mut theirs, mut by_mtr]: [Traces; 3] = Default::default();
    for _ in 0..rounds {
        let measured = lab.measure(place, "traceroute", &options)?;
        ensure!(
            measured.result["hop_count"] == hops,
            "the way has another length: {}",
            measured.result
        );
        ours.add(measured.cost, measured.result["probes_sent"].as_u64());
        let (record, cost) = scamper(place, truth.target, per_second, "trace -P udp-paris -q 1")?;
        theirs.add(cost, record["probe_count"].as_u64());
        let (found, cost) = mtr(place, truth.target, per_second)?;
        ensure!(found.len() == hops, "mtr found {} hops", found.len());
        by_mtr.add(cost, Some(found.iter().sum()));
    }
    let row = |tool: &str, theirs: &Traces| {
        Row::new(
            format!("15 hops, {per_second} packets/s"),
            Figure::seconds(ours.median()),
        )
        .reference(tool, Figure::seconds(theirs.median()))
        .error(Figure::ratio(ours.median() / theirs.median()))
        .packets(ours.packets, Some(theirs.packets))
        .cost(ours.cost, Some(theirs.cost))
    };
    let scampers = row("scamper", &theirs);
    Ok(vec![
        Row {
            limit: Some(Limit::AtMost(1.0)),
            ..scampers
        },
        row("mtr", &by_mtr)
            .remark("mtr waits a second for late answers when its only round is over, the least it can be told"),
    ])
}

/// The packets that mtr sent to each hop, and what that cost.
fn mtr(place: Place<'_>, target: IpAddr, per_second: u32) -> Result<(Vec<u64>, Cost)> {
    let round = MTR_HOPS / f64::from(per_second);
    let mut command = Command::new("mtr");
    command
        .args(["--no-dns", "--udp", "--report", "--report-cycles", "1"])
        .args(["--gracetime", "1", "--interval", &round.to_string()])
        .args(["--json", &target.to_string()]);
    let finished = run_well(place, &mut command)?;
    Ok((sent(&finished.out)?, finished.cost))
}

fn sent(text: &str) -> Result<Vec<u64>> {
    let report: Value = serde_json::from_str(text).context("mtr wrote no JSON")?;
    let hops = report["report"]["hubs"].as_array().into_iter().flatten();
    hops.map(|hop| {
        hop["Snt"]
            .as_u64()
            .with_context(|| format!("no Snt in {hop}"))
    })
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_report_of_mtr_is_read() {
        let text = r#"{"report": {"mtr": {"tests": 1}, "hubs": [
            {"count": 1, "host": "198.51.100.1", "Snt": 1}, {"count": 2, "host": "???", "Snt": 2}]}}"#;
        assert_eq!(sent(text).unwrap(), [1, 2]);
        assert!(sent(r#"{"report": {"hubs": [{"count": 1}]}}"#).is_err());
        assert!(sent("mtr: Failed to resolve host").is_err());
    }
}
