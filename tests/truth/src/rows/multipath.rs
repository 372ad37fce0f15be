//! Multipath discovery: how often it misses a way, and how many packets it needs.
//!
//! Misses are counted in virtual time, where a thousand runs take seconds; packets beside `scamper tracelb`, with real
//! sockets through the emulator. Both at 95 % for each node.

mod virtual_time;

use crate::lab::{Lab, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use anyhow::{Context, Result, anyhow, ensure};
use glimpse_probe::methods::traceroute::{Confidence, Stop, Stopping};
use glimpse_tests::emulator::{Hop, Topology};
use glimpse_tests::namespace::Emulated;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::Command;
use std::thread;
use virtual_time::discover;

/// Where every next hop can be found by UDP flows.
const BALANCED: &[&str] = &[
    "diamond-2",
    "diamond-4",
    "diamond-4-v6",
    "diamond-16",
    "diamond-16-v6",
    "diamond-asymmetric",
    "diamond-interfaces",
    "diamond-meshed",
    "diamond-nested",
    "diamonds-in-a-row",
    "source-port",
    "destination-port",
];
/// The same for scamper, which varies the destination port.
const COMPARED: &[&str] = &[
    "diamond-2",
    "diamond-4",
    "diamond-16",
    "diamond-asymmetric",
    "diamond-interfaces",
    "diamond-meshed",
    "diamond-nested",
    "diamonds-in-a-row",
];
/// Packets, as a multiple of scamper's.
const PACKET_RATIO: f64 = 1.1;
/// Seeds whose networks run at once.
const AT_ONCE: usize = 2;
/// How far a count may lie above its expectation by chance, in standard deviations.
const DEVIATIONS: f64 = 3.0;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for name in BALANCED {
        rows.push(misses(name, scale.of(200, 1000))?);
    }
    rows.extend(packets(lab, scale.of(2, 10))?);
    Ok(rows)
}

/// Runs that missed something, against what the stopping rule promises.
fn misses(name: &str, seeds: u32) -> Result<Row> {
    let topology = Topology::load(name)?;
    let target = topology.truths()[0].target;
    let truth = true_links(&topology, target);
    let (mut missed, mut sent) = (0_u32, 0_u64);
    for seed in 0..seeds {
        let found = discover(&topology, target, Confidence::Percent95, u64::from(seed))?;
        ensure!(
            found.stop == Stop::Target,
            "{name}, seed {seed}: it ended with {:?}",
            found.stop
        );
        ensure!(
            found.links.is_subset(&truth),
            "{name}, seed {seed}: links that are not there: {:?}",
            found.links.difference(&truth)
        );
        missed += u32::from(found.links != truth);
        sent += found.sent;
    }
    let promised = promised_misses(&topology, target)?;
    let runs = f64::from(seeds);
    let deviation = (promised * (1.0 - promised) / runs).sqrt();
    let percent = |share: f64| Figure::percent(share * 100.0);
    let share = f64::from(missed) / runs;
    Ok(Row::new(format!("misses, {name}"), percent(share))
        .reference("rule", percent(promised))
        .gate(
            percent(share),
            Limit::AtMost((promised + DEVIATIONS * deviation) * 100.0),
        )
        .packets(sent, None))
}

/// The links there are, by addresses.
fn true_links(topology: &Topology, target: IpAddr) -> BTreeSet<(Hop, Hop)> {
    topology.graph(target).edges.into_iter().flatten().collect()
}

/// The probability that a run misses something: of each node alone, all independent of one another.
#[expect(clippy::cast_precision_loss, reason = "52 bits of a share are enough")]
fn promised_misses(topology: &Topology, target: IpAddr) -> Result<f64> {
    let mut stopping = Stopping::new(Confidence::Percent95);
    let mut next = BTreeMap::<Hop, BTreeSet<Hop>>::new();
    for (from, to) in true_links(topology, target) {
        next.entry(from).or_default().insert(to);
    }
    let first = topology.graph(target).hops.first().map_or(0, BTreeSet::len);
    let mut all_found = 1.0;
    for width in next.values().map(BTreeSet::len).chain([first]) {
        let missed = stopping.miss_probability(u32::try_from(width)?);
        all_found *= 1.0 - missed as f64 / Stopping::unit() as f64;
    }
    Ok(1.0 - all_found)
}

/// Packets of one tool over all runs, and the runs in which it found every link; of scamper, every address.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    packets: u64,
    complete: u64,
}

/// Both tools in the same networks. scamper waits 150 ms from packet to packet, so many networks run at once.
fn packets(lab: &Lab, seeds: u64) -> Result<Vec<Row>> {
    let mut sums = vec![[Sum::default(); 2]; COMPARED.len()];
    for first in (1..=seeds).step_by(AT_ONCE) {
        let last = seeds.min(first + AT_ONCE as u64 - 1);
        let found = thread::scope(|scope| {
            let networks = (first..=last).flat_map(|seed| {
                let places = COMPARED.iter().enumerate();
                places.map(move |(place, name)| (place, name, seed))
            });
            let runs: Vec<_> = networks
                .map(|(place, name, seed)| {
                    (place, scope.spawn(move || side_by_side(lab, name, seed)))
                })
                .collect();
            runs.into_iter()
                .map(|(place, run)| {
                    let done = run
                        .join()
                        .unwrap_or_else(|_| Err(anyhow!("a run panicked")));
                    done.map(|found| (place, found))
                })
                .collect::<Result<Vec<_>>>()
        })?;
        for (place, found) in found {
            for (sum, found) in sums[place].iter_mut().zip(found) {
                sum.packets += found.packets;
                sum.complete += found.complete;
            }
        }
    }
    let all = sums.iter().fold([Sum::default(); 2], |all, sum| {
        std::array::from_fn(|at| Sum {
            packets: all[at].packets + sum[at].packets,
            complete: all[at].complete + sum[at].complete,
        })
    });
    let runs = seeds * COMPARED.len() as u64;
    let mut rows: Vec<Row> = COMPARED
        .iter()
        .zip(&sums)
        .map(|(name, sum)| ratio(name, seeds, sum))
        .collect();
    rows.push(ratio("all", runs, &all));
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
fn ratio(name: &str, runs: u64, [ours, theirs]: &[Sum; 2]) -> Row {
    let each = |sum: &Sum| Figure::new(sum.packets as f64 / runs as f64, "", 1);
    Row::new(format!("packets, {name}"), each(ours))
        .reference("tracelb", each(theirs))
        .gate(
            Figure::ratio(ours.packets as f64 / theirs.packets as f64),
            Limit::AtMost(PACKET_RATIO),
        )
        .packets(ours.packets, Some(theirs.packets))
        .remark(format!(
            "every link found in {} of {runs} runs; by scamper every address in {}",
            ours.complete, theirs.complete
        ))
}

fn side_by_side(lab: &Lab, name: &str, seed: u64) -> Result<[Sum; 2]> {
    let network = Emulated::start(name, seed)?;
    let target = network.topology().truths()[0].target;
    let links = true_links(network.topology(), target).len();
    let place = Some(network.namespace());
    let options = json!({
        "host": target.to_string(), "multipath": true, "confidence": "95", "interval": 5, "source_port": 0,
    });
    let result = lab.measure(place, "traceroute", &options)?.result;
    let edges = result["edges"].as_array().into_iter().flatten();
    let edges = edges.filter(|edge| !edge["from"].is_null()).count();
    let sent = result["probes_sent"].as_u64();
    let ours = Sum {
        packets: sent.with_context(|| format!("no packets in {result}"))?,
        complete: u64::from(edges == links),
    };
    let mut scamper = Command::new("scamper");
    scamper
        .args([
            "-O",
            "json",
            "-p",
            "1000",
            "-c",
            "tracelb -P udp-dport -c 95 -q 2 -W 15 -w 1",
        ])
        .args(["-i", &target.to_string()]);
    let finished = run_well(place, &mut scamper)?;
    let record = super::scamper_record(&finished.out, "tracelb")?;
    let sent = record["probec"].as_u64();
    let hops = network.topology().graph(target).hops;
    let there: BTreeSet<IpAddr> = hops.into_iter().flatten().flatten().collect();
    let mut found = BTreeSet::new();
    addresses(&record["nodes"], &mut found);
    let theirs = Sum {
        packets: sent.with_context(|| format!("no packets in {record}"))?,
        complete: u64::from(there.is_subset(&found)),
    };
    Ok([ours, theirs])
}

/// Every address that scamper names, however deep: between the ends of its links it lists hops without saying which
/// follows which, so that links cannot be counted.
fn addresses(value: &Value, found: &mut BTreeSet<IpAddr>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| addresses(value, found)),
        Value::Object(members) => {
            let address = members.get("addr").and_then(Value::as_str);
            found.extend(address.and_then(|address| address.parse::<IpAddr>().ok()));
            members.values().for_each(|value| addresses(value, found));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_node_of_two_is_missed_in_one_run_of_thirty_two() {
        let topology = Topology::load("diamond-2").unwrap();
        let target = topology.truths()[0].target;
        let promised = promised_misses(&topology, target).unwrap();
        // Six flows see the same of two next hops: 2 × 2⁻⁶.
        assert!((promised - 1.0 / 32.0).abs() < 1e-6, "{promised}");
    }

    #[test]
    fn the_machine_keeps_its_promise_and_sends_packets() {
        let row = misses("diamond-2", 30).unwrap();
        assert_eq!(row.verdict(), crate::row::Verdict::Kept, "{row:?}");
        assert!(row.packets.unwrap().ours > 30 * 10);
    }
}
