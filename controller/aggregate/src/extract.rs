//! From a result as it was sent to what is counted of it. The documents are foreign: whatever is missing, of another type, negative, no
//! number or too large is left out. Numbers may come as text, as tables of reports have them.

mod circumstances;
mod number;

use std::net::{IpAddr, SocketAddr};

use serde_json::{Map, Value};

use crate::{DelayMethod, Facts, Metric, PingKind};
use number::{bytes_per_second, is_false, scaled, whole};

/// Most values kept of one result, of all metrics together.
pub const MAX_VALUES: usize = 10_000;
/// Round trips kept of one ping: each has a variation too, and all have one loss.
const MAX_TRIPS: usize = (MAX_VALUES - 1) / 2;
/// Longest name of a target (RFC 1035 §2.3.4).
const MAX_TARGET: usize = 255;
/// The options of a task that are looked at.
pub const OPTIONS: [&str; 4] = ["host", "url", "type", "dns_server"];

/// What a result is read from.
#[derive(Clone, Copy, Debug)]
pub struct Material<'a> {
    /// Name of the method.
    pub method: &'a str,
    /// Options that the task was given, [`OPTIONS`] at least; `None` where it is not known what was asked for.
    pub options: Option<&'a Map<String, Value>>,
    /// The method's figures.
    pub probe_result: &'a Map<String, Value>,
    /// State of the machine before the run.
    pub pre_info: &'a Map<String, Value>,
    /// State of the machine after the run.
    pub post_info: &'a Map<String, Value>,
    /// Bytes of the measurement itself, both directions together.
    pub own_bytes: u64,
    /// Length of the run on a steady clock, milliseconds.
    pub duration_ms: Option<u64>,
    /// End minus start by the agent's clock, microseconds.
    pub shown_us: Option<i64>,
}

/// What is counted of a result.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Extract {
    /// Name or address of the far end; `None` where there is none that could be a cluster.
    pub target: Option<String>,
    /// Whether the far end is another agent, which may stand in a household: its address is not to be published, unless the operator lists
    /// it as a cluster.
    pub between_agents: bool,
    /// Values in their metric's unit, each under 2^48, [`MAX_VALUES`] together at most. A result of which nothing counts has none.
    pub figures: Vec<(Metric, Vec<u64>)>,
    /// The circumstances, but for what the repository knows of the agent's clock.
    pub facts: Facts,
}

/// Picks what is counted out of a result that was measured; `None` for a method, or a type of ping, of which nothing is.
///
/// - `ping`: round trips; of echoes also the loss, and the distance of each trip from the shortest (RFC 3393, RFC 5481 §4.2). A ping of a type
///   that is not known could be of either family and counts for none.
/// - `traceroute`: the nearest hop at which the target answered, if it did.
/// - `httpdownload`, `httpupload`: the average after ramp-up, if all flows that were asked for lasted (`results_ok`).
/// - `btc_ma`: both directions, as the receiver counted.
/// - `packettrains_ma`: what the dispersion of each train gives; trains from the other agent do not measure this metric's direction.
/// - `dnslookup`: times of UDP queries that were answered with `NOERROR`. Without a server in the options the far end is the household's own
///   resolver, which is no cluster.
pub fn extract(material: &Material<'_>) -> Option<Extract> {
    let result = material.probe_result;
    let (target, between_agents, figures) = match material.method {
        "ping" => {
            let kind = material.options?.get("type").and_then(Value::as_str);
            let (kind, between_agents) = ping_kind(kind)?;
            (host(material), between_agents, ping(kind, result))
        }
        "traceroute" => (host(material), false, one(Metric::HopCount, hops(result))),
        "httpdownload" => (
            url(material),
            false,
            transfer(result, Metric::TputDown, Metric::TputMtDown),
        ),
        "httpupload" => (
            url(material),
            false,
            transfer(result, Metric::TputUp, Metric::TputMtUp),
        ),
        "btc_ma" => (host(material), true, bulk(result)),
        "packettrains_ma" => (host(material), true, trains(result)),
        "dnslookup" => (dns_server(material), false, look_ups(result)),
        _ => return None,
    };
    Some(Extract {
        target,
        between_agents,
        figures,
        facts: circumstances::facts(material),
    })
}

/// The kind of a ping, and whether another agent answers it. The default is UDP.
fn ping_kind(text: Option<&str>) -> Option<(PingKind, bool)> {
    match text {
        None => Some((PingKind::Udp, false)),
        // UDP, echoed by an agent's responder.
        Some(peer) if peer.eq_ignore_ascii_case("peer") => Some((PingKind::Udp, true)),
        Some(kind) => kind.parse().ok().map(|kind| (kind, false)),
    }
}

fn ping(kind: PingKind, result: &Map<String, Value>) -> Vec<(Metric, Vec<u64>)> {
    let trips: Vec<u64> = list(result, "round_trip_ms")
        .filter_map(|ms| scaled(ms, 1_000.0))
        .take(MAX_TRIPS)
        .collect();
    let mut figures = Vec::new();
    // Who sends SYNs into a filter loses all of them, and nobody's line is at fault.
    if kind.method() == DelayMethod::Datagram {
        if let Some(ppm) = loss_ppm(result) {
            figures.push((Metric::LossRt, vec![ppm]));
        }
        if let (Some(least), 2..) = (trips.iter().min().copied(), trips.len()) {
            let variation = trips.iter().map(|trip| trip - least).collect();
            figures.push((Metric::PdvRt, variation));
        }
    }
    if !trips.is_empty() {
        figures.push((kind.method().metric(), trips));
    }
    figures
}

fn loss_ppm(result: &Map<String, Value>) -> Option<u64> {
    let count = |name: &str| result.get(name).and_then(whole);
    if let (Some(sent @ 1..), Some(received)) =
        (count("round_trip_sent"), count("round_trip_received"))
    {
        let lost = u128::from(sent.saturating_sub(received)) * 1_000_000;
        let half = u128::from(sent / 2);
        return u64::try_from((lost + half) / u128::from(sent)).ok();
    }
    let loss = scaled(result.get("round_trip_loss")?, 1e6)?;
    (loss <= 1_000_000).then_some(loss)
}

/// The shortest of the ways to the target: with several, each has a length of its own.
fn hops(result: &Map<String, Value>) -> Option<u64> {
    if text(result, "stop_reason") != Some("target") {
        return None;
    }
    let target = text(result, "destination_ip")?;
    let answered = list(result, "results").filter_map(|hop| {
        let addresses = hop.get("addresses").and_then(Value::as_array);
        let reached = hop.get("hop").and_then(Value::as_str) == Some(target)
            || addresses.is_some_and(|all| all.iter().any(|one| one.as_str() == Some(target)));
        reached.then(|| hop.get("ttl").and_then(whole)).flatten()
    });
    answered
        .min()
        .filter(|ttl| (1..=u64::from(u8::MAX)).contains(ttl))
}

fn transfer(
    result: &Map<String, Value>,
    one_flow: Metric,
    several: Metric,
) -> Vec<(Metric, Vec<u64>)> {
    // A flow that ended early was measured while it grew.
    if result.get("results_ok").is_some_and(is_false) {
        return Vec::new();
    }
    let metric = match result.get("actual_num_threads").and_then(whole) {
        Some(1) => one_flow,
        Some(2..) => several,
        _ => return Vec::new(),
    };
    let rate = result.get("bandwidth_bps_avg").and_then(bytes_per_second);
    one(metric, rate)
}

fn bulk(result: &Map<String, Value>) -> Vec<(Metric, Vec<u64>)> {
    [("down", Metric::TputDown), ("up", Metric::TputUp)]
        .into_iter()
        .filter_map(|(direction, metric)| {
            let rate = result.get(direction)?.get("bandwidth_bps_avg")?;
            Some((metric, vec![bytes_per_second(rate)?]))
        })
        .collect()
}

fn trains(result: &Map<String, Value>) -> Vec<(Metric, Vec<u64>)> {
    if text(result, "direction") != Some("up") {
        return Vec::new();
    }
    let rates: Vec<u64> = list(result, "train_capacity_bps")
        .filter_map(bytes_per_second)
        .take(MAX_VALUES)
        .collect();
    if rates.is_empty() {
        return Vec::new();
    }
    vec![(Metric::PacketPair, rates)]
}

fn look_ups(result: &Map<String, Value>) -> Vec<(Metric, Vec<u64>)> {
    let is = |query: &Value, name: &str, word: &str| {
        query.get(name).and_then(Value::as_str) == Some(word)
    };
    let times: Vec<u64> = list(result, "queries")
        .filter(|query| is(query, "transport", "Udp") && is(query, "rcode", "NOERROR"))
        .filter_map(|query| whole(query.get("query_us")?))
        .take(MAX_VALUES)
        .collect();
    if times.is_empty() {
        return Vec::new();
    }
    vec![(Metric::DnsRt, times)]
}

fn one(metric: Metric, value: Option<u64>) -> Vec<(Metric, Vec<u64>)> {
    value
        .map(|value| (metric, vec![value]))
        .into_iter()
        .collect()
}

fn list<'a>(result: &'a Map<String, Value>, name: &str) -> impl Iterator<Item = &'a Value> {
    result
        .get(name)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

fn text<'a>(map: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    map.get(name).and_then(Value::as_str)
}

fn option<'a>(material: &Material<'a>, name: &str) -> Option<&'a str> {
    text(material.options?, name)
}

/// The host as it was asked for, else the address that was measured.
fn host(material: &Material<'_>) -> Option<String> {
    let asked = option(material, "host").and_then(name);
    asked.or_else(|| measured(material))
}

fn url(material: &Material<'_>) -> Option<String> {
    let asked = option(material, "url").and_then(host_of_url).and_then(name);
    asked.or_else(|| measured(material))
}

fn measured(material: &Material<'_>) -> Option<String> {
    let address: IpAddr = text(material.probe_result, "destination_ip")?
        .parse()
        .ok()?;
    Some(address.to_string())
}

fn dns_server(material: &Material<'_>) -> Option<String> {
    let server = option(material, "dns_server")?.trim();
    let address = server
        .parse::<IpAddr>()
        .or_else(|_| server.parse::<SocketAddr>().map(|server| server.ip()));
    Some(address.ok()?.to_string())
}

fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = (1..=MAX_TARGET).contains(&text.len());
    let plain = |c: char| !c.is_control() && !c.is_whitespace();
    (fits && text.chars().all(plain)).then(|| text.to_owned())
}

/// The host of an absolute URL (RFC 3986 §3.2), without brackets.
fn host_of_url(url: &str) -> Option<&str> {
    let (_, rest) = url.trim().split_once("://")?;
    let (authority, _) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let host = authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host);
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.split_once(']').map(|(address, _)| address);
    }
    Some(host.split_once(':').map_or(host, |(host, _)| host))
}

#[cfg(test)]
mod tests;
