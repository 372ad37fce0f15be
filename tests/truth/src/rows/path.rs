//! The way to every target of every topology, and how long it takes to find a long one.

mod verdict;

use crate::lab::{Cost, Lab, Place, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use crate::statistics::median;
use anyhow::{Context, Result, ensure};
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
/// scamper's names of our types.
const KINDS: [(&str, &str); 3] = [("Udp", "udp-paris"), ("Icmp", "icmp-paris"), ("Tcp", "tcp")];
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
        rows.push(time(lab, *per_second, scale.of(3, 9))?);
    }
    Ok(rows)
}

/// One target of one topology, traced by both.
#[derive(Debug)]
struct Trace {
    name: String,
    kind: &'static str,
    ours: bool,
    theirs: bool,
    packets: (u64, u64),
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
            // A fresh network each time: routers that limit their messages have no debts.
            let emulated = Emulated::start(topology.name(), 1)?;
            let (ours, sent) = by_agent(lab, Some(emulated.namespace()), truth.target, kind)?;
            drop(emulated);
            let emulated = Emulated::start(topology.name(), 1)?;
            let (theirs, theirs_sent) =
                by_scamper(Some(emulated.namespace()), truth.target, theirs_kind)?;
            traces.push(Trace {
                name: format!("{} {}", topology.name(), truth.target),
                kind,
                ours: is_exact(topology, truth, &ways, kind, &ours),
                theirs: is_exact(topology, truth, &ways, kind, &theirs),
                packets: (sent, theirs_sent),
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
    let port = if kind == "tcp" { TCP_PORT } else { UDP_PORT };
    let trace = format!("trace -P {kind} -d {port} -q 2 -w 1");
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

fn paths(traces: &[Trace], kind: &str, theirs: &str) -> Row {
    let of_kind: Vec<&Trace> = traces.iter().filter(|trace| trace.kind == kind).collect();
    let count = |is: fn(&Trace) -> bool| {
        let exact = of_kind.iter().filter(|trace| is(trace)).count();
        exact as u64
    };
    let names = |is: fn(&Trace) -> bool| {
        let inexact = of_kind.iter().filter(|trace| !is(trace));
        let names: Vec<&str> = inexact.map(|trace| trace.name.as_str()).collect();
        if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        }
    };
    let (all, ours) = (of_kind.len() as u64, count(|trace| trace.ours));
    let sent = |of: fn(&Trace) -> u64| of_kind.iter().map(|trace| of(trace)).sum::<u64>();
    Row::new(format!("exact paths, {kind}"), Figure::count(ours))
        .truth(Figure::count(all))
        .reference("scamper", Figure::count(count(|trace| trace.theirs)))
        .gate(Figure::count(all - ours), Limit::AtMost(0.0))
        .packets(
            sent(|trace| trace.packets.0),
            Some(sent(|trace| trace.packets.1)),
        )
        .remark(format!(
            "not exact of ours: {}; of scamper's ({theirs}): {}",
            names(|trace| trace.ours),
            names(|trace| trace.theirs)
        ))
}

/// Fifteen hops, 20 ms each, at the same packet rate.
fn time(lab: &Lab, per_second: u32, rounds: usize) -> Result<Row> {
    let emulated = Emulated::start("line-15", 1)?;
    let truth = &emulated.topology().truths()[0];
    let place = Some(emulated.namespace());
    let options = json!({
        "host": truth.target.to_string(), "ping_type": "Udp", "count": 1, "interval": 1000 / per_second,
    });
    let [mut ours, mut theirs] = std::array::from_fn(|_| (Vec::new(), Cost::default(), 0));
    for _ in 0..rounds {
        let measured = lab.measure(place, "traceroute", &options)?;
        ensure!(
            measured.result["hop_count"] == truth.rtt_us.len(),
            "the way has another length: {}",
            measured.result
        );
        ours.0.push(measured.cost.wall.as_secs_f64());
        ours.1 = ours.1 + measured.cost;
        ours.2 += measured.result["probes_sent"].as_u64().unwrap_or(0);
        let (record, cost) = scamper(place, truth.target, per_second, "trace -P udp-paris -q 1")?;
        theirs.0.push(cost.wall.as_secs_f64());
        theirs.1 = theirs.1 + cost;
        theirs.2 += record["probe_count"].as_u64().unwrap_or(0);
    }
    let (ours_s, theirs_s) = (median(&ours.0), median(&theirs.0));
    Ok(Row::new(
        format!("15 hops, {per_second} packets/s"),
        Figure::seconds(ours_s),
    )
    .reference("scamper", Figure::seconds(theirs_s))
    .gate(Figure::ratio(ours_s / theirs_s), Limit::AtMost(1.0))
    .packets(ours.2, Some(theirs.2))
    .cost(ours.1, Some(theirs.1)))
}
