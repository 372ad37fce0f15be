//! From what came back to the members of the record. Times are microseconds.
//!
//! | member | of a way that ends |
//! |---|---|
//! | `stop_reason` | always: `target`, `unreachable`, `packet_too_big`, `gap_limit`, `max_hops`, `loop`, `limit` |
//! | `unreachable_code` | `unreachable`: the code as it came, which RFC 792 numbers for IPv4 and RFC 4443 §3.1 for IPv6 |
//! | `mtu` | `packet_too_big`: bytes of the next link, where the router told (RFC 1191, RFC 8201) |
//! | `loop_length` | `loop`: hops |

use glimpse_model::sorted::SortedMap;
use std::net::IpAddr;

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_net::packet::Label;
use glimpse_net::stamp::{Clocking, Stamp};
use serde_json::{Map, Value, json};

use super::machine::{Entry, Graph, Mode, Reply, Response, Stop, Trace};
use super::options::TracerouteOptions;

/// The outcome of a run. Nothing sent at all is a failure; a way without any answer is not.
pub(super) fn outcome(
    options: &TracerouteOptions,
    target: IpAddr,
    trace: &Trace<'_>,
    bytes: ByteCount,
) -> Outcome {
    let sent = trace
        .probes
        .iter()
        .filter(|entry| entry.sent.is_some())
        .count();
    let told: Vec<String> = trace
        .faults
        .iter()
        .map(|(reason, times)| match times {
            1 => reason.clone(),
            _ => format!("{reason} ({times} times)"),
        })
        .collect();
    Outcome {
        exit: None,
        ending: if sent == 0 {
            Ending::Failed
        } else {
            Ending::Done
        },
        probe_result: result(options, target, trace, sent),
        error: (!told.is_empty()).then(|| told.join("; ")),
        bytes,
    }
}

fn result(
    options: &TracerouteOptions,
    target: IpAddr,
    trace: &Trace<'_>,
    sent: usize,
) -> Map<String, Value> {
    let clocking = clocking(trace.probes);
    let hops = hops(options, target, trace, clocking);
    let (stop, detail) = match trace.stop {
        Stop::Target => ("target", None),
        // As RFC 792 numbers them of IPv4, RFC 4443 §3.1 of IPv6.
        Stop::Unreachable(code) => ("unreachable", Some(("unreachable_code", code.into()))),
        Stop::PacketTooBig(mtu) => ("packet_too_big", mtu.map(|mtu| ("mtu", mtu))),
        Stop::GapLimit => ("gap_limit", None),
        Stop::MaxHops => ("max_hops", None),
        Stop::Loop => ("loop", None),
        Stop::Limit => ("limit", None),
    };
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("destination_ip", target.to_string().into());
    put("hop_count", hops.len().into());
    put("results", hops.into());
    put("stop_reason", stop.into());
    if let Some((name, value)) = detail {
        put(name, value.into());
    }
    put("loop", trace.loop_length.is_some().into());
    if let Some(length) = trace.loop_length {
        put("loop_length", length.into());
    }
    put("probes_sent", sent.into());
    put("timestamps", clocking.as_str().into());
    if let (Some(graph), Mode::Multipath { confidence, .. }) = (&trace.graph, options.mode) {
        put("confidence_percent", confidence.percent().into());
        put("nodes", nodes(graph));
        put("edges", edges(graph));
        put("diamonds", diamonds(graph));
    }
    map
}

/// One clock for all round trips, the kernel's if it stamped every packet, so that no list holds figures of two kinds.
fn clocking(probes: &[Entry]) -> Clocking {
    let mut answered = probes
        .iter()
        .filter_map(|entry| entry.sent.as_ref().zip(entry.reply.as_ref()))
        .peekable();
    let kernel = answered.peek().is_some()
        && answered.all(|(sent, reply)| reply.at.kernel_since(sent).is_some());
    if kernel {
        Clocking::Kernel
    } else {
        Clocking::Monotonic
    }
}

/// The hops up to the end of the way, and no farther than the target.
fn hops(
    options: &TracerouteOptions,
    target: IpAddr,
    trace: &Trace<'_>,
    clocking: Clocking,
) -> Vec<Value> {
    let mut by_ttl: SortedMap<u8, Vec<&Entry>> = SortedMap::new();
    for entry in trace.probes.iter().filter(|entry| !entry.is_void()) {
        by_ttl.entry(entry.probe.ttl).or_default().push(entry);
    }
    let mut hops = Vec::new();
    for ttl in options.first_hop..=trace.last_ttl {
        let entries = by_ttl.get(&ttl).map_or(&[][..], Vec::as_slice);
        let addresses = addresses(entries);
        let first = addresses.first().copied();
        hops.push(hop(ttl, &addresses, entries, clocking));
        if first == Some(target) {
            break;
        }
    }
    hops
}

/// Those who answered, the most frequent first.
fn addresses(entries: &[&Entry]) -> Vec<IpAddr> {
    let mut counts: Vec<(IpAddr, usize)> = Vec::new();
    for reply in entries.iter().filter_map(|entry| entry.reply.as_ref()) {
        match counts
            .iter_mut()
            .find(|(address, _)| *address == reply.from)
        {
            Some((_, count)) => *count += 1,
            None => counts.push((reply.from, 1)),
        }
    }
    counts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
    counts.into_iter().map(|(address, _)| address).collect()
}

fn hop(ttl: u8, addresses: &[IpAddr], entries: &[&Entry], clocking: Clocking) -> Value {
    let trips: Vec<u64> = entries
        .iter()
        .filter_map(|entry| trip_us(entry, clocking))
        .collect();
    let pings: Vec<Value> = entries.iter().map(|entry| ping(entry, clocking)).collect();
    let mut hop = json!({
        "hop": addresses.first().map(ToString::to_string),
        "ttl": ttl,
        "rtt_min": trips.iter().min(),
        "rtt_max": trips.iter().max(),
        "rtt_avg": average(&trips),
        "rtt_stdev": deviation(&trips),
        "rtt_count": trips.len(),
        "pings": pings,
    });
    if addresses.len() > 1 {
        hop["addresses"] = addresses.iter().map(ToString::to_string).collect();
    }
    let replies = || entries.iter().filter_map(|entry| entry.reply.as_ref());
    if let Some(labelled) = replies().find(|reply| !reply.labels.is_empty()) {
        hop["mpls"] = labelled.labels.iter().copied().map(label).collect();
    }
    if replies().any(|reply| reply.quoted_ttl == Some(0)) {
        hop["zero_ttl"] = true.into();
    }
    hop
}

fn label(label: Label) -> Value {
    json!({"label": label.label, "traffic_class": label.class, "bottom": label.bottom, "ttl": label.ttl})
}

fn ping(entry: &Entry, clocking: Clocking) -> Value {
    let Some(reply) = &entry.reply else {
        return json!({"rtt": 0, "response": 2});
    };
    let mut ping = json!({
        "rtt": trip_us(entry, clocking),
        "response": response(reply),
        "address": reply.from.to_string(),
    });
    match reply.response {
        Response::Unreachable(code) => ping["code"] = code.into(),
        Response::PacketTooBig(mtu) => ping["mtu"] = mtu.into(),
        Response::TimeExceeded | Response::Answer => {}
    }
    if let Some(ttl) = reply.ttl {
        ping["reply_ttl"] = ttl.into();
    }
    ping
}

/// The original's numbers: 0 time exceeded, 1 unreachable, 3 an answer; 2 is none.
fn response(reply: &Reply) -> u8 {
    match reply.response {
        Response::TimeExceeded => 0,
        Response::Unreachable(_) | Response::PacketTooBig(_) => 1,
        Response::Answer => 3,
    }
}

fn trip_us(entry: &Entry, clocking: Clocking) -> Option<u64> {
    let (sent, at): (Stamp, Stamp) = (entry.sent?, entry.reply.as_ref()?.at);
    let ns = match clocking {
        Clocking::Kernel => at.kernel_since(&sent)?,
        Clocking::Monotonic => at.monotonic_since(&sent),
    };
    Some((ns + 500) / 1000)
}

fn average(trips: &[u64]) -> Option<u64> {
    let count = u64::try_from(trips.len()).ok().filter(|&count| count > 0)?;
    Some((trips.iter().sum::<u64>() + count / 2) / count)
}

/// Population standard deviation.
fn deviation(trips: &[u64]) -> Option<u64> {
    let count = u128::try_from(trips.len())
        .ok()
        .filter(|&count| count > 0)?;
    let sum: u128 = trips.iter().map(|&trip| u128::from(trip)).sum();
    let squares: u128 = trips
        .iter()
        .map(|&trip| u128::from(trip) * u128::from(trip))
        .sum();
    // √(n·Σx² − (Σx)²) / n; thousands of trips of a minute fit 80 bits.
    u64::try_from((count * squares - sum * sum).isqrt() / count).ok()
}

fn nodes(graph: &Graph) -> Value {
    let nodes = graph.nodes.iter().enumerate();
    nodes
        .map(|(id, node)| {
            json!({
                "id": id,
                "ttl": node.ttl,
                "address": node.address.map(|address| address.to_string()),
                "per_packet": node.per_packet,
            })
        })
        .collect()
}

fn edges(graph: &Graph) -> Value {
    let edges = graph.edges.iter();
    edges
        .map(|edge| {
            json!({"from": edge.from, "to": edge.to, "ttl": edge.ttl, "inferred": edge.inferred})
        })
        .collect()
}

fn diamonds(graph: &Graph) -> Value {
    let diamonds = graph.diamonds().into_iter();
    diamonds
        .map(|diamond| {
            json!({
                "from": diamond.from,
                "to": diamond.to,
                "width": diamond.width,
                "length": diamond.length,
                "per_packet": diamond.per_packet,
            })
        })
        .collect()
}
