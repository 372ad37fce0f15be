//! Multipath discovery: how often it misses a way, and how many packets it needs.
//!
//! Misses are counted in virtual time, where a thousand runs take seconds; packets beside `scamper tracelb`, with real
//! sockets through the emulator. Both at 95 % for each node.
//!
//! Packets can be compared where both tools return the same, in runs in which both return every link. `scamper tracelb` does, but not where the first hop
//! is a balancer. There it lists, for each TTL behind it, who answers, and not which follows which, for which it sends no
//! packets. Half of them can then be enough: 11 flows show all of two nodes of equal share, but not which of four links
//! between two and two there are: that these are all seen has a probability of 83 %, where the rule promises 91 % for
//! the whole way. Such a network is held against what scamper sends for the same with one hop more before it, less
//! the packets that the rule asks for that hop. Which of both it is, the links say that scamper has listed. The limit holds
//! for the networks of either kind together: chance is more than a tenth of the few packets of one.

use crate::lab::{Lab, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use anyhow::{Context, Result, anyhow, ensure};
use glimpse_probe::methods::traceroute::{Confidence, ProbeType, Stop, Stopping};
use glimpse_tests::emulator::played::{Played, multipath, promised_misses, true_links};
use glimpse_tests::emulator::{Hop, Topology};
use glimpse_tests::namespace::Emulated;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;
use std::thread;

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
/// The same for scamper, which varies the destination port. Where it lists no links, the same network one hop farther.
const COMPARED: &[(&str, Option<&str>)] = &[
    ("diamond-2", None),
    ("diamond-4", None),
    ("diamond-16", None),
    ("diamond-asymmetric", None),
    ("diamond-nested", None),
    ("far-interfaces", None),
    ("far-meshed", None),
    ("far-in-a-row", None),
    ("diamond-interfaces", Some("far-interfaces")),
    ("diamond-meshed", Some("far-meshed")),
    ("diamonds-in-a-row", Some("far-in-a-row")),
];
/// Packets, as a multiple of scamper's.
const PACKET_RATIO: f64 = 1.1;
/// Places of the tools.
const OURS: usize = 0;
const THEIRS: usize = 1;
/// Seeds whose networks run at once.
const AT_ONCE: usize = 4;
/// How far a count may lie above its expectation by chance, in standard deviations.
const DEVIATIONS: f64 = 3.0;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for name in BALANCED {
        rows.push(misses(name, scale.of(200, 1000))?);
    }
    rows.extend(packets(lab, scale.of(3, 10))?);
    Ok(rows)
}

/// Runs that missed something, against what the stopping rule promises.
fn misses(name: &str, seeds: u32) -> Result<Row> {
    let topology = Topology::load(name)?;
    let target = topology.truths()[0].target;
    let truth = true_links(&topology, target);
    let (mut missed, mut sent) = (0_u32, 0_u64);
    for seed in 0..seeds {
        let pace = multipath(Confidence::Percent95);
        let run = Played::new(&topology, target, ProbeType::Udp, pace, u64::from(seed));
        ensure!(
            run.stop() == Stop::Target,
            "{name}, seed {seed}: it ended with {:?}",
            run.stop()
        );
        let links = run.links();
        ensure!(
            links.is_subset(&truth),
            "{name}, seed {seed}: links that are not there: {:?}",
            links.difference(&truth)
        );
        missed += u32::from(links != truth);
        sent += u64::from(run.sent());
    }
    let promised = promised_misses(&topology, target, Confidence::Percent95);
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

/// Packets of one tool in one run, and whether it returned every link.
#[derive(Clone, Copy, Debug)]
struct Found {
    packets: u64,
    complete: bool,
}

/// Runs of both tools in one network: ours first.
#[derive(Clone, Debug, Default)]
struct Runs(Vec<[Found; 2]>);

impl Runs {
    fn complete(&self, tool: usize) -> usize {
        self.0.iter().filter(|run| run[tool].complete).count()
    }

    /// Packets of a run of the tool, on the average of those that count.
    #[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
    fn mean(&self, tool: usize, counts: impl Fn(&[Found; 2]) -> bool) -> f64 {
        let runs = self.0.iter().filter(|run| counts(run));
        let packets: Vec<f64> = runs.map(|run| run[tool].packets as f64).collect();
        packets.iter().sum::<f64>() / packets.len() as f64
    }

    fn packets(&self, tool: usize) -> u64 {
        self.0.iter().map(|run| run[tool].packets).sum()
    }
}

/// Packets of a run, on the average.
#[derive(Clone, Copy, Debug, Default)]
struct Means {
    ours: f64,
    theirs: f64,
}

impl Means {
    fn add(&mut self, other: Self) {
        self.ours += other.ours;
        self.theirs += other.theirs;
    }
}

/// Both tools in the same networks. scamper waits 150 ms from packet to packet, so many networks run at once.
fn packets(lab: &Lab, seeds: u64) -> Result<Vec<Row>> {
    let mut runs = vec![Runs::default(); COMPARED.len()];
    for first in (1..=seeds).step_by(AT_ONCE) {
        let last = seeds.min(first + AT_ONCE as u64 - 1);
        let found = thread::scope(|scope| {
            let networks = (first..=last).flat_map(|seed| {
                let places = COMPARED.iter().enumerate();
                places.map(move |(place, (name, _))| (place, name, seed))
            });
            let started: Vec<_> = networks
                .map(|(place, name, seed)| {
                    (place, scope.spawn(move || side_by_side(lab, name, seed)))
                })
                .collect();
            started
                .into_iter()
                .map(|(place, run)| {
                    let done = run
                        .join()
                        .unwrap_or_else(|_| Err(anyhow!("a run panicked")));
                    done.map(|found| (place, found))
                })
                .collect::<Result<Vec<_>>>()
        })?;
        for (place, found) in found {
            runs[place].0.push(found);
        }
    }
    let (mut rows, mut linked, mut unlinked) = (Vec::new(), Means::default(), Means::default());
    for ((name, far), found) in COMPARED.iter().zip(&runs) {
        let far = far.and_then(|far| COMPARED.iter().position(|(name, _)| *name == far));
        let (means, remark) = match far.filter(|_| found.complete(THEIRS) == 0) {
            None => {
                let both = |run: &[Found; 2]| run.iter().all(|found| found.complete);
                let means = Means {
                    ours: found.mean(OURS, both),
                    theirs: found.mean(THEIRS, both),
                };
                linked.add(means);
                (means, String::new())
            }
            Some(far) => {
                let one_hop = f64::from(Stopping::new(Confidence::Percent95).flows(1));
                let complete = |tool: usize| move |run: &[Found; 2]| run[tool].complete;
                let means = Means {
                    ours: found.mean(OURS, complete(OURS)),
                    theirs: runs[far].mean(THEIRS, complete(THEIRS)) - one_hop,
                };
                unlinked.add(means);
                let short = found.mean(THEIRS, |_| true);
                let remark = format!(
                    ", with {short:.1} packets; beside the same one hop farther, less that hop"
                );
                (means, remark)
            }
        };
        let remark = format!(
            "every link returned in {} of {seeds} runs, by scamper in {}{remark}",
            found.complete(OURS),
            found.complete(THEIRS)
        );
        let row = beside(name, means).error(Figure::ratio(means.ours / means.theirs));
        rows.push(
            row.packets(found.packets(OURS), Some(found.packets(THEIRS)))
                .remark(remark),
        );
    }
    rows.push(limited("links", linked));
    if unlinked.theirs > 0.0 {
        rows.push(limited("first hop", unlinked));
    }
    Ok(rows)
}

fn beside(name: &str, means: Means) -> Row {
    let figure = |mean| Figure::new(mean, "", 1);
    Row::new(format!("packets, {name}"), figure(means.ours))
        .reference("tracelb", figure(means.theirs))
}

/// The networks of one kind together.
fn limited(name: &str, means: Means) -> Row {
    beside(name, means).gate(
        Figure::ratio(means.ours / means.theirs),
        Limit::AtMost(PACKET_RATIO),
    )
}

fn side_by_side(lab: &Lab, name: &str, seed: u64) -> Result<[Found; 2]> {
    let network = Emulated::start(name, seed)?;
    let target = network.topology().truths()[0].target;
    let truth = true_links(network.topology(), target);
    let place = Some(network.namespace());
    let options = json!({
        "host": target.to_string(), "multipath": true, "confidence": "95", "interval": 5, "source_port": 0,
    });
    let result = lab.measure(place, "traceroute", &options)?.result;
    let sent = result["probes_sent"].as_u64();
    let ours = Found {
        packets: sent.with_context(|| format!("no packets in {result}"))?,
        complete: our_links(&result) == truth,
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
    let theirs = Found {
        packets: sent.with_context(|| format!("no packets in {record}"))?,
        complete: their_links(&record) == truth,
    };
    Ok([ours, theirs])
}

fn address(value: &Value) -> Hop {
    value.as_str()?.parse::<IpAddr>().ok()
}

/// The links of a result of ours, by addresses.
fn our_links(result: &Value) -> BTreeSet<(Hop, Hop)> {
    let node = |id: &Value| {
        let place = usize::try_from(id.as_u64()?).ok()?;
        address(&result["nodes"][place]["address"])
    };
    let edges = result["edges"].as_array().into_iter().flatten();
    edges
        .filter(|edge| !edge["from"].is_null())
        .map(|edge| (node(&edge["from"]), node(&edge["to"])))
        .collect()
}

/// The links of a record of scamper's. Behind a node it lists sets of addresses, one for each TTL: the only one is of the
/// node's next hops; of several it is not known which follows which.
fn their_links(record: &Value) -> BTreeSet<(Hop, Hop)> {
    let mut links = BTreeSet::new();
    for node in record["nodes"].as_array().into_iter().flatten() {
        let sets = node["links"].as_array().map_or(&[][..], Vec::as_slice);
        if let [Value::Array(next)] = sets {
            links.extend(
                next.iter()
                    .map(|next| (address(&node["addr"]), address(&next["addr"]))),
            );
        }
    }
    links
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_node_of_two_is_missed_in_one_run_of_thirty_two() {
        let topology = Topology::load("diamond-2").unwrap();
        let target = topology.truths()[0].target;
        let promised = promised_misses(&topology, target, Confidence::Percent95);
        // Six flows see the same of two next hops: 2 × 2⁻⁶.
        assert!((promised - 1.0 / 32.0).abs() < 1e-6, "{promised}");
    }

    #[test]
    fn sets_of_addresses_behind_one_another_are_no_links() {
        let record = json!({"nodes": [
            {"addr": "198.51.100.1", "links": [[{"addr": "198.51.100.10"}, {"addr": "198.51.100.11"}]]},
            {"addr": "198.51.100.10", "links": [[{"addr": "198.51.100.20"}], [{"addr": "203.0.113.1"}]]},
            {"addr": "203.0.113.1"},
        ]});
        let hop = |last| Some(IpAddr::from([198, 51, 100, last]));
        let expected = BTreeSet::from([(hop(1), hop(10)), (hop(1), hop(11))]);
        assert_eq!(their_links(&record), expected);
    }

    #[test]
    fn more_packets_break_the_limit() {
        let verdict = |ours| {
            let means = Means { ours, theirs: 70.0 };
            limited("links", means).verdict()
        };
        assert_eq!(verdict(77.0), crate::row::Verdict::Kept);
        assert_eq!(verdict(77.1), crate::row::Verdict::Broken);
    }

    #[test]
    fn the_machine_keeps_its_promise_and_sends_packets() {
        let row = misses("diamond-2", 30).unwrap();
        assert_eq!(row.verdict(), crate::row::Verdict::Kept, "{row:?}");
        assert!(row.packets.unwrap().ours > 30 * 10);
    }
}
