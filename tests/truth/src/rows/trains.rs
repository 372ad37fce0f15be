//! Packet trains: the capacity of an emulated bottleneck.
//!
//! The emulator serialises packet by packet, where a token bucket would let a short train pass at once; its log of
//! departures is the truth that each train is held against.

use crate::far::responder::Peer;
use crate::lab::{Cost, Lab, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use crate::statistics::median;
use anyhow::{Context, Result, ensure};
use glimpse_model::token::PeerMethod;
use glimpse_tests::emulator::Departure;
use glimpse_tests::namespace::Emulated;
use serde_json::json;
use std::net::IpAddr;
use std::process::Command;

/// Rates of the bottlenecks, in Mbit/s.
const RATES: [u32; 3] = [5, 20, 100];
/// Packets of a train.
const TRAIN: usize = 48;
/// UDP payload of a packet, and the packet at IP level, in bytes.
const PAYLOAD: u32 = 1000;
const PACKET: usize = 1028;
/// What a capacity may be off, in per cent.
const ERROR_PERCENT: f64 = 5.0;
/// How many of all have to be right, in per cent.
const RIGHT_PERCENT: f64 = 95.0;
/// How often the emulator is started when it does not come up.
const TRIES: u32 = 3;
/// The host of the topologies that an outlet takes the place of.
const OUTLET: &str = "far";
/// The link whose departures are the truth, as the way there and the way back name it.
const LINKS: [&str; 2] = ["bottleneck", "bottleneck back"];
/// A longer pause between two departures is between two trains, in nanoseconds.
const PAUSE_NS: u64 = 50_000_000;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for mbps in RATES {
        let take = || Ok(vec![bottleneck(lab, mbps, scale.of(20, 100))?]);
        rows.extend(super::again(scale, take)?);
    }
    Ok(rows)
}

/// Plays a topology. On a busy machine the kernel may take its time to find that an IPv6 address is nobody else's, and
/// refuse it as the source of a route until then.
fn play(name: &str) -> Result<Emulated> {
    let mut played = Emulated::with_outlet(name, 1, OUTLET);
    for _ in 1..TRIES {
        if played.is_ok() {
            break;
        }
        played = Emulated::with_outlet(name, 1, OUTLET);
    }
    Ok(played?)
}

/// Trains through one bottleneck, in turn away from us and towards us.
fn bottleneck(lab: &Lab, mbps: u32, runs: usize) -> Result<Row> {
    let emulated = play(&format!("bottleneck-{mbps}"))?;
    put_first(&emulated)?;
    let host = emulated
        .topology()
        .addresses(OUTLET)
        .into_iter()
        .find(IpAddr::is_ipv4)
        .context("the outlet has no address")?;
    let peer = Peer::start(emulated.far())?;
    let mut found: [Vec<f64>; 2] = Default::default();
    let mut cost = Cost::default();
    for run in 0..runs {
        let direction = if run % 2 == 0 { "up" } else { "down" };
        let options = json!({
            "host": host.to_string(), "port": peer.port(), "token": peer.token(PeerMethod::PacketTrains)?,
            "direction": direction, "train_length": TRAIN, "packet_size": PAYLOAD,
        });
        let measured = lab.measure(Some(emulated.namespace()), "packettrains_ma", &options)?;
        cost = cost + measured.cost;
        // A run without a capacity is a wrong one.
        found[run % 2].push(measured.result["capacity_bps"].as_f64().unwrap_or(f64::NAN));
    }
    drop(peer);
    let (departures, report) = emulated.stop();
    let (mut errors, mut truths) = (Vec::new(), Vec::new());
    for (link, found) in LINKS.into_iter().zip(&found) {
        let rates = rates(&departures, link);
        ensure!(
            rates.len() == found.len(),
            "{} trains were sent over {link} of {mbps} Mbit/s and {} seen there",
            found.len(),
            rates.len()
        );
        errors.extend(
            found
                .iter()
                .zip(&rates)
                .map(|(found, truth)| (found / truth - 1.0).abs() * 100.0),
        );
        truths.extend(rates);
    }
    let right = errors
        .iter()
        .filter(|&&error| error <= ERROR_PERCENT)
        .count();
    let share = share(right, errors.len());
    let known: Vec<f64> = found
        .into_iter()
        .flatten()
        .filter(|bps| !bps.is_nan())
        .collect();
    let mut sorted = errors.clone();
    sorted.sort_by(f64::total_cmp);
    let row = Row::new(
        format!("trains, {mbps} Mbit/s"),
        Figure::new(median(&known) / 1e6, "Mbit/s", 3),
    );
    Ok(row
        .truth(Figure::new(median(&truths) / 1e6, "Mbit/s", 3))
        .gate(Figure::new(share, "%", 0), Limit::AtLeast(RIGHT_PERCENT))
        .packets((errors.len() * TRAIN) as u64, None)
        .cost(cost, None)
        .remark(format!(
            "{right} of {} trains within {ERROR_PERCENT} %, half of them away from us and half towards us; median error {:.2} %, \
             largest {:.2} %; {report}",
            errors.len(),
            median(&errors),
            sorted.last().copied().unwrap_or(f64::NAN),
        )))
}

#[expect(clippy::cast_precision_loss, reason = "counts are below 2^52")]
fn share(part: usize, all: usize) -> f64 {
    part as f64 / all as f64 * 100.0
}

/// The rate at IP level of each whole train that left `link`, in bits per second.
fn rates(departures: &[Departure], link: &str) -> Vec<f64> {
    let times: Vec<u64> = departures
        .iter()
        .filter(|departure| &*departure.link == link && departure.bytes == PACKET)
        .map(|departure| departure.at_ns)
        .collect();
    times
        .chunk_by(|one, next| next - one < PAUSE_NS)
        .filter(|train| train.len() == TRAIN)
        .map(rate)
        .collect()
}

/// By the median of its gaps: a sender that was kept from the processor in the middle of its train leaves the link idle.
#[expect(clippy::cast_precision_loss, reason = "a train is below 2^52 ns")]
fn rate(times: &[u64]) -> f64 {
    let gaps: Vec<f64> = times
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) as f64)
        .collect();
    (PACKET * 8) as f64 / median(&gaps) * 1e9
}

/// Lets the emulator run before everything else: kept from the processor, it gives packets back in bursts.
fn put_first(emulated: &Emulated) -> Result<()> {
    let mut pids = Command::new("ip");
    pids.args(["netns", "pids", emulated.namespace().name()]);
    for pid in run_well(None, &mut pids)?.out.split_ascii_whitespace() {
        run_well(
            None,
            Command::new("chrt").args(["--fifo", "--pid", "1", pid]),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    #[test]
    fn trains_are_found_among_other_departures() {
        let departure = |at_ns: u64, bytes: usize, link: &str| Departure {
            link: link.into(),
            at_ns,
            bytes,
            head: Vec::new(),
        };
        // 8224 bits each ms.
        let train = |start: u64| {
            (0..48).map(move |at| departure(start + at * 1_000_000, PACKET, "bottleneck"))
        };
        let mut all = vec![
            departure(0, 1128, "bottleneck"),
            departure(0, PACKET, "bottleneck back"),
        ];
        all.extend(train(10));
        all.extend(train(200_000_000));
        assert_eq!(rates(&all, "bottleneck"), [8_224_000.0, 8_224_000.0]);
        assert!(rates(&all, "bottleneck back").is_empty());
    }
}
