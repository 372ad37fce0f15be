//! The way to every target of every topology, and how long it takes to find a long one.

mod time;
mod verdict;

use crate::lab::{Cost, Lab, Place, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use anyhow::{Context, Result};
use glimpse_tests::emulator::{Path, Topology};
use glimpse_tests::namespace::Emulated;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use verdict::{Ending, Way, is_exact};

/// Networks that are traced at once: most of the time each waits for silence.
const WORKERS: usize = 8;
/// scamper's names of our types. For TCP it writes Ethernet frames, which a TUN device has not.
const KINDS: [(&str, Option<&str>); 3] = [
    ("Udp", Some("udp-paris")),
    ("Icmp", Some("icmp-paris")),
    ("Tcp", None),
];
/// Where scamper sends UDP.
const UDP_PORT: u16 = 33435;
/// What targets have open, if anything.
const TCP_PORT: u16 = 80;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let topologies = Topology::all()?;
    let waiting = Mutex::new(topologies.iter().collect::<Vec<_>>());
    let traces = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = waiting.lock().map_or(None, |mut waiting| waiting.pop());
            let Some(topology) = next else {
                return Ok(());
            };
            let found = trace_all(lab, topology, scale)
                .with_context(|| format!("topology {}", topology.name()))?;
            if let Ok(mut traces) = traces.lock() {
                traces.extend(found);
            }
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .try_for_each(|worker| match worker.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })?;
    let mut traces = traces.into_inner().unwrap_or_default();
    traces.sort_by(|a: &Trace, b| a.name.cmp(&b.name));
    let mut rows: Vec<Row> = KINDS
        .iter()
        .map(|&(kind, theirs)| paths(&traces, kind, theirs))
        .collect();
    for per_second in scale.of(&[20][..], &[20, 100]) {
        let rounds = scale.of(2, 5);
        rows.extend(super::again(scale, || {
            time::rows(lab, *per_second, rounds)
        })?);
    }
    Ok(rows)
}

/// One target of one topology, traced by both.
#[derive(Debug)]
struct Trace {
    name: String,
    kind: &'static str,
    ours: Seen,
    theirs: Option<Seen>,
}

/// How one of them saw it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    exact: bool,
    packets: u64,
}

fn trace_all(lab: &Lab, topology: &Topology, scale: Scale) -> Result<Vec<Trace>> {
    let mut traces = Vec::new();
    for truth in topology.truths() {
        let ways = topology.paths(truth.target);
        for (kind, theirs_kind) in KINDS {
            // Quickly: the other types over IPv4 alone.
            if scale == Scale::Quick && kind != "Udp" && truth.target.is_ipv6() {
                continue;
            }
            let seen = |(way, packets): (Way, u64)| Seen {
                exact: is_exact(topology, truth, &ways, kind, &way),
                packets,
            };
            // A fresh network each time: routers that limit their messages have no debts.
            let network = Emulated::start(topology.name(), 1)?;
            let place = Some(network.namespace());
            let ours = seen(by_agent(lab, place, truth.target, kind)?);
            drop(network);
            let mut theirs = None;
            if let Some(kind) = theirs_kind {
                let network = Emulated::start(topology.name(), 1)?;
                theirs = Some(seen(by_scamper(
                    Some(network.namespace()),
                    truth.target,
                    kind,
                )?));
            }
            traces.push(Trace {
                name: format!("{} {}", topology.name(), truth.target),
                kind,
                ours,
                theirs,
            });
        }
    }
    Ok(traces)
}

fn by_agent(lab: &Lab, place: Place<'_>, target: IpAddr, kind: &str) -> Result<(Way, u64)> {
    let options = json!({
        "host": target.to_string(), "ping_type": kind, "interval": 10, "source_port": 0,
        "destination_port": if kind == "Tcp" { TCP_PORT } else { UDP_PORT },
    });
    let result = lab.measure(place, "traceroute", &options)?.result;
    let path: Path = result["results"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|hop| address(&hop["hop"]))
        .collect();
    let ending = match result["stop_reason"].as_str() {
        Some("target" | "unreachable") => Ending::Answered,
        Some("loop") => Ending::Loop,
        _ => Ending::Silence,
    };
    let sent = result["probes_sent"].as_u64().unwrap_or(0);
    Ok((Way { path, ending }, sent))
}

fn by_scamper(place: Place<'_>, target: IpAddr, kind: &str) -> Result<(Way, u64)> {
    let trace = format!("trace -P {kind} -d {UDP_PORT} -q 2 -w 1");
    let record = scamper(place, target, 100, &trace)?.0;
    let hops: Vec<&Value> = record["hops"].as_array().into_iter().flatten().collect();
    let count = record["hop_count"].as_u64().unwrap_or(0);
    let path = (1..=count)
        .map(|ttl| {
            let hop = hops.iter().find(|hop| hop["probe_ttl"] == ttl);
            hop.and_then(|hop| address(&hop["addr"]))
        })
        .collect();
    let ending = match record["stop_reason"].as_str() {
        Some("COMPLETED" | "UNREACH" | "ICMP") => Ending::Answered,
        Some("LOOP") => Ending::Loop,
        _ => Ending::Silence,
    };
    let sent = record["probe_count"].as_u64().unwrap_or(0);
    Ok((Way { path, ending }, sent))
}

fn scamper(place: Place<'_>, target: IpAddr, per_second: u32, what: &str) -> Result<(Value, Cost)> {
    let mut command = Command::new("scamper");
    command
        .args(["-O", "json", "-p", &per_second.to_string(), "-c", what])
        .args(["-i", &target.to_string()]);
    let finished = run_well(place, &mut command)?;
    Ok((
        super::scamper_record(&finished.out, "trace")?,
        finished.cost,
    ))
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn paths(traces: &[Trace], kind: &str, theirs_kind: Option<&str>) -> Row {
    let of_kind = || traces.iter().filter(|trace| trace.kind == kind);
    let ours = Sum::of(of_kind().map(|trace| (&*trace.name, trace.ours)));
    let theirs = Sum::of(of_kind().filter_map(|trace| Some((&*trace.name, trace.theirs?))));
    let row = Row::new(format!("exact paths, {kind}"), Figure::count(ours.exact))
        .truth(Figure::count(ours.all))
        .gate(Figure::count(ours.all - ours.exact), Limit::AtMost(0.0));
    match theirs_kind {
        None => row.packets(ours.packets, None).remark(format!(
            "not exact of ours: {}; scamper's TCP needs a device with Ethernet frames",
            ours.inexact
        )),
        Some(theirs_kind) => row
            .reference("scamper", Figure::count(theirs.exact))
            .packets(ours.packets, Some(theirs.packets))
            .remark(format!(
                "not exact of ours: {}; of scamper's {theirs_kind}: {}",
                ours.inexact, theirs.inexact
            )),
    }
}

/// Many traces of one tool.
struct Sum {
    all: u64,
    exact: u64,
    packets: u64,
    /// The names of those that are not exact.
    inexact: String,
}

impl Sum {
    fn of<'a>(traces: impl Iterator<Item = (&'a str, Seen)>) -> Self {
        let mut sum = Self {
            all: 0,
            exact: 0,
            packets: 0,
            inexact: String::new(),
        };
        for (name, seen) in traces {
            sum.all += 1;
            sum.exact += u64::from(seen.exact);
            sum.packets += seen.packets;
            if !seen.exact {
                let comma = if sum.inexact.is_empty() { "" } else { ", " };
                sum.inexact += comma;
                sum.inexact += name;
            }
        }
        if sum.inexact.is_empty() {
            sum.inexact += "none";
        }
        sum
    }
}
