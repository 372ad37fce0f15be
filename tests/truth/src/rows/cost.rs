//! What a hundred pings a second cost a machine: the agent's daemon for a minute, and fping.

mod daemon;

use crate::lab::{Cost, Lab, Place, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use crate::statistics::slope;
use anyhow::{Result, ensure};
use glimpse_tests::namespace::Emulated;
use std::process::Command;

/// From packet to packet, and what each carries.
const INTERVAL_MS: u64 = 10;
const PAYLOAD: u64 = 56;
/// Packets of one measurement: five seconds' worth, so that the daemon has made its first record before its memory counts.
const PACKETS: u64 = 500;
/// From here on memory has to be flat, in seconds.
const SETTLED: usize = 10;
/// CPU time, as a multiple of fping's.
const CPU_RATIO: f64 = 1.5;
/// Growth of resident memory, in kilobytes of 1024 bytes.
const GROWTH_KB: f64 = 256.0;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let network = Emulated::start("rtt-5", 1)?;
    let target = network.topology().truths()[0].target.to_string();
    let place = Some(network.namespace());
    // Fifteen seconds and sixty.
    let measurements = scale.of(3, 12);
    super::again(scale, || compare(lab, place, &target, measurements))
}

/// One daemon and one fping, for the same packets.
fn compare(lab: &Lab, place: Place<'_>, target: &str, measurements: u64) -> Result<Vec<Row>> {
    let packets = PACKETS * measurements;
    let served = daemon::pings(lab, place, target, measurements)?;
    ensure!(
        served.done.sent == packets && served.done.received == packets,
        "of {packets} packets the agent sent {} and had {} answered",
        served.done.sent,
        served.done.received
    );
    let mut fping = Command::new("fping");
    fping
        .args(["-q", "-t", "1000", "-c", &packets.to_string()])
        .args(["-p", &INTERVAL_MS.to_string(), "-b", &PAYLOAD.to_string()])
        .arg(target);
    let theirs = run_well(place, &mut fping)?;
    let cpu = |cost: Cost| Figure::seconds(cost.cpu.as_secs_f64());
    let ratio = served.cost.cpu.as_secs_f64() / theirs.cost.cpu.as_secs_f64();
    let (ours_kb, theirs_kb) = (settled(&served.resident), settled(&theirs.resident));
    let kb = |growth| Figure::new(growth, "kB", 0);
    let grown = growth(&ours_kb);
    let seconds = packets * INTERVAL_MS / 1000;
    Ok(vec![
        Row::new("100 pings/s, CPU", cpu(served.cost))
            .reference("fping", cpu(theirs.cost))
            .gate(Figure::ratio(ratio), Limit::AtMost(CPU_RATIO))
            .packets(packets, Some(packets))
            .cost(served.cost, Some(theirs.cost))
            .remark(format!(
                "the agent's daemon from its start to its end, {measurements} measurements of {PACKETS} packets one after the other"
            )),
        Row::new("100 pings/s, growth", kb(grown))
            .truth(kb(0.0))
            .reference("fping", kb(growth(&theirs_kb)))
            .gate(kb(grown), Limit::AtMost(GROWTH_KB))
            .remark(format!(
                "most resident memory after the first {SETTLED} s of {seconds}, looked at each second, above what it was then; \
                 the slope is {:.2} kB/s, of fping {:.2} kB/s",
                slope(&ours_kb),
                slope(&theirs_kb)
            )),
    ])
}

/// What was resident from [`SETTLED`] on, each second, in kilobytes.
#[expect(clippy::cast_precision_loss, reason = "memory is below 2^52 bytes")]
fn settled(resident: &[u64]) -> Vec<f64> {
    let late = resident.iter().skip(SETTLED - 1);
    late.map(|&bytes| bytes as f64 / 1024.0).collect()
}

/// How far the values rise above the first; not a number where nobody looked.
fn growth(values: &[f64]) -> f64 {
    let first = values.first().copied().unwrap_or(f64::NAN);
    values.iter().copied().fold(first, f64::max) - first
}

#[cfg(test)]
mod tests {
    #![allow(clippy::float_cmp)]
    use super::*;

    #[test]
    fn memory_counts_from_the_tenth_second_on() {
        let early = [900 * 1024; 9];
        let late = [1000 * 1024, 990 * 1024, 1012 * 1024, 1001 * 1024];
        let kept = settled(&[&early[..], &late].concat());
        assert_eq!(kept, [1000.0, 990.0, 1012.0, 1001.0]);
        assert_eq!(growth(&kept), 12.0);
        assert!(growth(&settled(&early)).is_nan());
    }
}
