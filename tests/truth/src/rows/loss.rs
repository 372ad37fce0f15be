//! Loss to the packet: what the line loses is lost, and nothing else.

use crate::lab::{self, Cost, Lab, Scale};
use crate::row::{Figure, Limit, Row};
use anyhow::{Context, Result, ensure};
use glimpse_tests::namespace::{Emulated, Namespace};
use serde_json::json;
use std::net::IpAddr;
use std::process::Command;

/// Packets of one run of the agent.
const PACKETS: u64 = 1000;
/// Of these, what the topology `loss-exact` loses.
const LOST: u64 = PACKETS / 10;

/// Packets sent and lost.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Loss {
    sent: u64,
    lost: u64,
    cost: Cost,
}

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    let lossy = Emulated::start("loss-exact", 1)?;
    for kind in ["Icmp", "Udp"] {
        rows.push(compare(lab, &lossy, kind, ("every tenth lost", LOST), 1)?);
    }
    drop(lossy);
    let clean = Emulated::start("rtt-5", 1)?;
    let runs = scale.of(1, 10);
    for kind in ["Icmp", "Udp"] {
        rows.push(compare(lab, &clean, kind, ("none lost", 0), runs)?);
    }
    Ok(rows)
}

/// `runs` of each in turn, of which each must lose as many packets as `of_run` says.
fn compare(
    lab: &Lab,
    emulated: &Emulated,
    kind: &str,
    (name, of_run): (&str, u64),
    runs: u64,
) -> Result<Row> {
    let target = emulated.topology().truths()[0].target;
    let namespace = emulated.namespace();
    let (mut ours, mut theirs) = (Loss::default(), Loss::default());
    for _ in 0..runs {
        add(&mut ours, by_agent(lab, namespace, target, kind)?);
        add(&mut theirs, by_fping(namespace, target)?);
    }
    let truth = of_run * runs;
    Ok(
        Row::new(format!("{name}, {kind}"), Figure::count(ours.lost))
            .truth(Figure::count(truth))
            .reference("fping", Figure::count(theirs.lost))
            .gate(Figure::count(ours.lost.abs_diff(truth)), Limit::AtMost(0.0))
            .packets(ours.sent, Some(theirs.sent))
            .cost(ours.cost, Some(theirs.cost)),
    )
}

fn add(sum: &mut Loss, loss: Loss) {
    *sum = Loss {
        sent: sum.sent + loss.sent,
        lost: sum.lost + loss.lost,
        cost: sum.cost + loss.cost,
    };
}

fn by_agent(lab: &Lab, place: &Namespace, target: IpAddr, kind: &str) -> Result<Loss> {
    let options = json!({
        "host": target.to_string(), "type": kind, "count": PACKETS, "interval": 1, "destination_port": 7,
    });
    let measured = lab.measure(Some(place), "ping", &options)?;
    let count = |name: &str| {
        measured.result[name]
            .as_u64()
            .with_context(|| format!("no {name} in {}", measured.result))
    };
    let (sent, received) = (count("round_trip_sent")?, count("round_trip_received")?);
    ensure!(sent == PACKETS, "{sent} packets of {PACKETS} were sent");
    Ok(Loss {
        sent,
        lost: sent - received,
        cost: measured.cost,
    })
}

fn by_fping(place: &Namespace, target: IpAddr) -> Result<Loss> {
    let mut command = Command::new("fping");
    // By default it sends ten milliseconds apart, and an answer has to come before the next packet leaves.
    command
        .args(["-q", "-i", "1", "-p", "1", "-t", "1000"])
        .args(["-c", &PACKETS.to_string(), &target.to_string()]);
    // It ends with 1 when a packet is lost.
    let finished = lab::run(Some(place), &mut command)?;
    let (sent, lost) = counted(&finished.err)?;
    Ok(Loss {
        sent,
        lost,
        cost: finished.cost,
    })
}

/// Packets sent and lost by fping's summary.
fn counted(text: &str) -> Result<(u64, u64)> {
    let numbers = text.split_once("xmt/rcv/%loss = ").map(|(_, rest)| {
        let mut numbers = rest.split('/').map(str::parse::<u64>);
        (numbers.next(), numbers.next())
    });
    match numbers {
        Some((Some(Ok(sent)), Some(Ok(received)))) if received <= sent => {
            Ok((sent, sent - received))
        }
        _ => anyhow::bail!("no counts in {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_summary_of_fping_is_read() {
        let text = "203.0.113.1 : xmt/rcv/%loss = 1000/900/10%, min/avg/max = 4.0/4.1/4.9\n";
        assert_eq!(counted(text).unwrap(), (1000, 100));
        assert!(counted("fping: can't create socket").is_err());
    }
}
