//! What a hundred pings a second cost a machine.

use crate::lab::{Cost, Lab, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use anyhow::Result;
use glimpse_tests::namespace::Emulated;
use serde_json::json;
use std::process::Command;

/// Packets of one run: as many as the agent takes at once, ten seconds' worth.
const PACKETS: u64 = 1000;
const INTERVAL_MS: u64 = 10;
/// CPU time, as a multiple of fping's.
const CPU_RATIO: f64 = 1.5;
/// Growth of resident memory, in kilobytes of 1024 bytes.
const GROWTH_KB: f64 = 256.0;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let network = Emulated::start("rtt-5", 1)?;
    let target = network.topology().truths()[0].target.to_string();
    let place = Some(network.namespace());
    let runs = scale.of(1, 6);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        let options = json!({
            "host": target, "type": "Icmp", "count": PACKETS, "interval": INTERVAL_MS, "payload": 56,
        });
        ours.push(lab.measure(place, "ping", &options)?.cost);
        let mut fping = Command::new("fping");
        fping.args(["-q", "-c", &PACKETS.to_string()]).args([
            "-p",
            &INTERVAL_MS.to_string(),
            "-t",
            "1000",
            &target,
        ]);
        theirs.push(run_well(place, &mut fping)?.cost);
    }
    let growth_kb = |costs: &[Cost]| {
        let growths = costs.iter().filter_map(|cost| {
            let growth = cost.last?.saturating_sub(cost.settled?);
            u32::try_from(growth / 1024).ok().map(f64::from)
        });
        growths.fold(f64::NAN, f64::max)
    };
    let grown = (growth_kb(&ours), growth_kb(&theirs));
    let (ours, theirs): (Cost, Cost) = (ours.into_iter().sum(), theirs.into_iter().sum());
    let packets = PACKETS * runs;
    let cpu = |cost: Cost| Figure::seconds(cost.cpu.as_secs_f64());
    let kb = |growth| Figure::new(growth, "kB", 0);
    Ok(vec![
        Row::new("100 pings/s, CPU", cpu(ours))
            .reference("fping", cpu(theirs))
            .gate(
                Figure::ratio(ours.cpu.as_secs_f64() / theirs.cpu.as_secs_f64()),
                Limit::AtMost(CPU_RATIO),
            )
            .packets(packets, Some(packets))
            .cost(ours, Some(theirs)),
        Row::new("100 pings/s, growth", kb(grown.0))
            .truth(kb(0.0))
            .reference("fping", kb(grown.1))
            .gate(kb(grown.0), Limit::AtMost(GROWTH_KB)),
    ])
}
