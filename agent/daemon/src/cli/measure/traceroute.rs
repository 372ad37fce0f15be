//! `traceroute` in words: as the classic tool has it, and with multipath the ways.

use super::figures::Figures;
use super::layout::{Align, lines, row, table, wrap};
use super::quantity::{NOTHING, count, exact_ms};
use super::words::target;
use glimpse_model::options::Options;
use std::collections::{BTreeMap, BTreeSet};

/// Round trips of a hop that are shown one by one; of more only least, mean and greatest.
const TRIPS_SHOWN: usize = 4;
/// `response` of a packet that a router could not deliver.
const UNREACHABLE: u64 = 1;

pub(super) fn words(figures: Figures<'_>, options: &Options) -> String {
    let target = target(options);
    let address = figures.text("destination_ip");
    let mut text = format!("traceroute to {target}");
    if let Some(address) = address.as_ref().filter(|address| **address != target) {
        text = format!("{text} ({address})");
    }
    text = format!("{text}, {}", options.text("ping_type"));
    if let Some(clock) = figures.text("timestamps") {
        text = format!("{text}, {clock} timestamps");
    }
    text.push('\n');
    let hops: Vec<Figures<'_>> = figures.each("results").collect();
    if figures.has("nodes") {
        for &hop in &hops {
            addresses(&mut text, hop);
        }
        ways(&mut text, figures);
    } else if hops.iter().any(|hop| hop.list("pings").len() > TRIPS_SHOWN) {
        let mut rows = vec![(row(["", "", "min", "avg", "max", "answered"]), Vec::new())];
        rows.extend(hops.iter().flat_map(|&hop| hop_rows(hop, summed)));
        draw(&mut text, rows);
    } else {
        let rows = hops.iter().flat_map(|&hop| hop_rows(hop, listed));
        draw(&mut text, rows.collect());
    }
    let end = end(figures, &hops, address.as_deref().unwrap_or(&target));
    let probes = figures.whole("probes_sent");
    let probes = probes.map_or_else(String::new, |sent| format!(", {}", count(sent, "probe")));
    wrap(&mut text, "", &format!("{end}{probes}"), 2);
    text
}

/// A row, and lines below it.
type Row = (Vec<String>, Vec<String>);

fn draw(text: &mut String, rows: Vec<Row>) {
    let (cells, below): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let aligns = [Align::Right, Align::Left, Align::Right];
    for (line, below) in table(0, &aligns, &cells).iter().zip(&below) {
        text.push_str(line);
        text.push('\n');
        lines(text, below);
    }
}

/// The rows of a hop, one for each address, silence in the last.
fn hop_rows(hop: Figures<'_>, cells: fn(&[Figures<'_>], usize) -> Vec<String>) -> Vec<Row> {
    let mut groups: Vec<(String, Vec<Figures<'_>>)> = Vec::new();
    let mut silent = 0;
    for ping in hop.each("pings") {
        match ping.text("address") {
            None => silent += 1,
            Some(address) => match groups.iter_mut().find(|(known, _)| *known == address) {
                Some((_, pings)) => pings.push(ping),
                None => groups.push((address, vec![ping])),
            },
        }
    }
    if groups.is_empty() {
        groups.push(("*".to_owned(), Vec::new()));
    }
    let last = groups.len() - 1;
    let rows = groups.iter().enumerate().map(|(place, (address, pings))| {
        let number = if place == 0 { ttl(hop) } else { String::new() };
        let mut line = vec![number, address.clone()];
        line.extend(cells(pings, if place == last { silent } else { 0 }));
        line.extend(marks(pings));
        (
            line,
            if place == last {
                labels(hop)
            } else {
                Vec::new()
            },
        )
    });
    rows.collect()
}

fn ttl(hop: Figures<'_>) -> String {
    hop.whole("ttl")
        .map(|ttl| ttl.to_string())
        .unwrap_or_default()
}

fn listed(pings: &[Figures<'_>], silent: usize) -> Vec<String> {
    let trips = pings.iter().map(|ping| {
        let us = ping.number("rtt");
        us.map_or_else(|| NOTHING.to_owned(), exact_ms)
    });
    trips.chain(vec!["*".to_owned(); silent]).collect()
}

fn summed(pings: &[Figures<'_>], silent: usize) -> Vec<String> {
    let trips: Vec<f64> = pings.iter().filter_map(|ping| ping.number("rtt")).collect();
    let number = f64::from(u32::try_from(trips.len()).unwrap_or(u32::MAX));
    let words = |us: Option<f64>| us.map_or_else(|| NOTHING.to_owned(), exact_ms);
    let least = trips.iter().copied().reduce(f64::min);
    vec![
        words(least),
        words(least.map(|_| trips.iter().sum::<f64>() / number)),
        words(trips.iter().copied().reduce(f64::max)),
        format!("{} of {}", pings.len(), pings.len() + silent),
    ]
}

/// `!H` and its like, once each, as traceroute(8) writes them.
fn marks(pings: &[Figures<'_>]) -> Option<String> {
    let marks: BTreeSet<String> = pings
        .iter()
        .filter(|ping| ping.whole("response") == Some(UNREACHABLE))
        .filter_map(|ping| {
            let address = ping.text("address");
            let is_v6 = address.is_some_and(|address| address.contains(':'));
            match ping.whole("code") {
                Some(code) => mark(code, is_v6),
                None if ping.whole("mtu").is_some() => Some("!F".to_owned()),
                None => Some("!".to_owned()),
            }
        })
        .collect();
    (!marks.is_empty()).then(|| marks.into_iter().collect::<Vec<_>>().join(" "))
}

fn mark(code: u64, is_v6: bool) -> Option<String> {
    let mark = match (is_v6, code) {
        (_, 0) => "!N",
        (false, 1) | (true, 3) => "!H",
        (false, 2) => "!P",
        // A closed port is how the target answers.
        (false, 3) | (true, 4) => return None,
        (false, 4) => "!F",
        (false, 5) | (true, 2) => "!S",
        (false, 13) | (true, 1) => "!X",
        _ => return Some(format!("!<{code}>")),
    };
    Some(mark.to_owned())
}

/// Codes of "destination unreachable" (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1).
fn reason(code: u64, is_v6: bool) -> &'static str {
    match (is_v6, code) {
        (_, 0) => "no route to the network",
        (false, 1) | (true, 3) => "the host cannot be reached",
        (false, 2) => "the protocol is not spoken",
        (false, 3) | (true, 4) => "nobody listens at the port",
        (false, 4) => "a packet would have to be fragmented",
        (false, 5) => "the source route failed",
        (true, 2) => "the address is beyond the scope of the source",
        (false, 9 | 10 | 13) | (true, 1) => "forbidden by an administrator",
        (true, 5) => "the source address is forbidden",
        (true, 6) => "the route rejects it",
        _ => "unreachable",
    }
}

/// MPLS labels (RFC 4950), and routers that pass on packets whose time is over.
fn labels(hop: Figures<'_>) -> Vec<String> {
    let mut told: Vec<String> = hop
        .each("mpls")
        .map(|label| {
            let field = |name: &str| {
                let number = label.whole(name);
                number.map_or_else(|| "?".to_owned(), |number| number.to_string())
            };
            let (name, class, ttl) = (field("label"), field("traffic_class"), field("ttl"));
            let bottom = if label.is("bottom") {
                ", bottom of stack"
            } else {
                ""
            };
            format!("      MPLS label {name}, class {class}, ttl {ttl}{bottom}")
        })
        .collect();
    if hop.is("zero_ttl") {
        told.push("      the router before it forwards packets with a ttl of 0".to_owned());
    }
    told
}

/// One line for a hop: its fastest round trip and all who answered.
fn addresses(text: &mut String, hop: Figures<'_>) {
    let mut all: Vec<String> = hop
        .list("addresses")
        .iter()
        .filter_map(super::figures::text_of)
        .collect();
    if all.is_empty() {
        all.push(hop.text("hop").unwrap_or_else(|| "*".to_owned()));
    }
    let least = hop.number("rtt_min").map_or_else(String::new, exact_ms);
    wrap(
        text,
        &format!("{:>2}  {least:>11}  ", ttl(hop)),
        &all.join(" "),
        17,
    );
    lines(text, &labels(hop));
}

/// Where ways part and meet.
fn ways(text: &mut String, figures: Figures<'_>) {
    let nodes: BTreeMap<u64, Figures<'_>> = figures
        .each("nodes")
        .filter_map(|node| Some((node.whole("id")?, node)))
        .collect();
    let name = |id: Option<u64>| match id {
        None => "here".to_owned(),
        Some(id) => {
            let node = nodes.get(&id);
            let hop = node.map_or_else(String::new, |node| ttl(*node));
            let address = node.and_then(|node| node.text("address"));
            address.unwrap_or_else(|| format!("* (hop {hop})"))
        }
    };
    let edges: Vec<(Option<u64>, u64, bool)> = figures
        .each("edges")
        .filter_map(|edge| Some((edge.whole("from"), edge.whole("to")?, edge.is("inferred"))))
        .collect();
    let diamonds: Vec<Figures<'_>> = figures.each("diamonds").collect();
    let surely = figures.number("confidence_percent");
    let surely = surely.map_or_else(String::new, |percent| {
        format!(", {percent:.0} % confidence")
    });
    if edges.iter().all(|edge| is_plain(&edges, edge)) && diamonds.is_empty() {
        text.push_str("one way: nothing balances the load");
    } else {
        let counted = |number: usize, noun: &str| count(number as u64, noun);
        text.push_str(
            &[
                counted(nodes.len(), "node"),
                counted(edges.len(), "edge"),
                counted(diamonds.len(), "diamond"),
            ]
            .join(", "),
        );
    }
    text.push_str(&surely);
    text.push('\n');
    for diamond in diamonds {
        let end = |side: &str| name(diamond.whole(side));
        let size = |side: &str| {
            let size = diamond.whole(side);
            size.map_or_else(|| NOTHING.to_owned(), |size| size.to_string())
        };
        let by = if diamond.is("per_packet") {
            "packet"
        } else {
            "flow"
        };
        let words = format!(
            "{} to {}: width {}, length {}, balanced by {by}",
            end("from"),
            end("to"),
            size("width"),
            size("length")
        );
        wrap(text, "  diamond ", &words, 4);
    }
    let mut onward: BTreeMap<Option<u64>, Vec<String>> = BTreeMap::new();
    for &(from, to, inferred) in edges.iter().filter(|edge| !is_plain(&edges, edge)) {
        let sure = if inferred { " (inferred)" } else { "" };
        let to = format!("{}{sure}", name(Some(to)));
        onward.entry(from).or_default().push(to);
    }
    // Nodes from which it goes on alike share a line.
    let mut shared: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for (from, to) in onward {
        match shared.iter_mut().find(|(_, known)| *known == to) {
            Some((starts, _)) => starts.push(name(from)),
            None => shared.push((vec![name(from)], to)),
        }
    }
    for (from, to) in shared {
        let words = format!("{} -> {}", from.join(", "), to.join(", "));
        wrap(text, "  ", &words, 4);
    }
}

/// Whether it is the only one from its start and the only one to its end.
fn is_plain(edges: &[(Option<u64>, u64, bool)], edge: &(Option<u64>, u64, bool)) -> bool {
    let same = |other: &&(Option<u64>, u64, bool)| other.0 == edge.0 || other.1 == edge.1;
    edges.iter().filter(same).count() == 1
}

/// How it ended, without the packets.
fn end(figures: Figures<'_>, hops: &[Figures<'_>], address: &str) -> String {
    let last = hops
        .last()
        .and_then(|hop| hop.whole("ttl"))
        .unwrap_or_default();
    let silent = hops
        .iter()
        .rev()
        .take_while(|hop| hop.value("hop").is_none())
        .count();
    let silent = count(silent as u64, "hop");
    match figures.text("stop_reason").as_deref() {
        Some("target") => format!("reached {address} in {}", count(last, "hop")),
        Some("unreachable") => {
            let code = figures.whole("unreachable_code").unwrap_or(u64::MAX);
            format!(
                "{address} not reached, hop {last}: {}",
                reason(code, address.contains(':'))
            )
        }
        Some("packet_too_big") => {
            let mtu = figures
                .whole("mtu")
                .map_or_else(String::new, |mtu| format!(" of {mtu} bytes"));
            format!("{address} not reached, hop {last}: packets are too long for a link{mtu}")
        }
        Some("gap_limit") => format!("{address} not reached, given up after {silent} of silence"),
        Some("max_hops") => format!("{address} not reached within {}", count(last, "hop")),
        Some("loop") => {
            let length = figures
                .whole("loop_length")
                .map_or_else(String::new, |length| {
                    format!(" of {}", count(length, "hop"))
                });
            format!("{address} not reached, the way is a loop{length}")
        }
        Some("limit") => {
            format!("{address} not reached before the limit of packets, bytes or time")
        }
        _ => format!("{address}: {}", count(hops.len() as u64, "hop")),
    }
}

#[cfg(test)]
mod tests;
