//! UDP beside irtt, which needs its own server: both go through the emulator to a namespace behind it.
//!
//! Ours asks a port there that nobody has, so that the kernel answers; irtt takes the time of its server out of its round
//! trips. So both have the two stacks of this machine in their figures, and nothing else.

use super::{INTERVAL_MS, Means, PACKETS, ours};
use crate::far::line;
use crate::lab::{Lab, Place, Scale, run_well, spawn};
use crate::row::{Figure, Limit, Row};
use crate::statistics::median;
use anyhow::{Context, Result, ensure};
use glimpse_tests::namespace::Emulated;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};

/// A topology with an outlet as far away as its target.
const TOPOLOGY: &str = "bottleneck-100";
const OUTLET: &str = "far";
/// Its bottleneck, in bits per millisecond.
const BITS_PER_MS: f64 = 100_000.0;
/// UDP payload that holds everything of irtt's, and the packet at IP level.
const PAYLOAD: u32 = 100;
const PACKET_BITS: f64 = 128.0 * 8.0;
/// A port that nobody has there.
const CLOSED: u16 = 33434;

/// irtt's server, as long as this is held.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(super) fn rows(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let emulated = Emulated::with_outlet(TOPOLOGY, 1, OUTLET)?;
    let topology = emulated.topology();
    let target = topology
        .addresses(OUTLET)
        .into_iter()
        .find(IpAddr::is_ipv4)
        .context("the outlet has no address")?;
    // The outlet's last link is as long as that of the target.
    let trip_us = topology.truths()[0].rtt_us.last().copied().flatten();
    let trip_us = u32::try_from(trip_us.context("the way there takes no known time")?)?;
    let truth_ms = f64::from(trip_us) / 1000.0 + 2.0 * PACKET_BITS / BITS_PER_MS;
    // Linux would send one such message a second.
    line::set(emulated.far(), "net/ipv4/icmp_ratelimit", "0")?;
    let server = serve(Some(emulated.far()), target)?;
    let [mut udp, mut irtt]: [Means; 2] = Default::default();
    for _ in 0..scale.of(10, 50) {
        ours(
            lab,
            emulated.namespace(),
            target,
            ("Udp", CLOSED, PAYLOAD),
            &mut udp,
        )?;
        by_irtt(Some(emulated.namespace()), target, &mut irtt)?;
    }
    drop(server);
    Ok(vec![
        Row::new(
            format!("{truth_ms:.0} ms, Udp"),
            Figure::ms(median(&udp.ms)),
        )
        .truth(Figure::ms(truth_ms))
        .reference("irtt", Figure::ms(median(&irtt.ms)))
        .gate(
            Figure::us(udp.error_us(truth_ms)).decimals(1),
            Limit::AtMost(irtt.error_us(truth_ms)),
        )
        .packets(udp.packets, Some(irtt.packets))
        .cost(udp.cost, Some(irtt.cost))
        .remark(format!(
            "to a namespace behind the emulator, which sleeps between packets here; irtt's error is {:.1} µs",
            irtt.error_us(truth_ms)
        )),
    ])
}

/// Starts irtt's server and waits until it listens.
fn serve(place: Place<'_>, address: IpAddr) -> Result<Server> {
    let mut command = Command::new("irtt");
    command
        .args(["server", "-i", "1ms", "-b", &address.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut server = Server(spawn(place, &mut command)?);
    let mut said = BufReader::new(server.0.stdout.take().context("irtt has no output")?);
    let mut text = String::new();
    while !text.contains("starting IPv4 listener") {
        ensure!(
            said.read_line(&mut text)? > 0,
            "irtt's server ended: {text:?}"
        );
    }
    // Nobody reads on: the few lines of its clients fit the pipe.
    server.0.stdout = Some(said.into_inner());
    Ok(server)
}

fn by_irtt(place: Place<'_>, target: IpAddr, means: &mut Means) -> Result<()> {
    let mut command = Command::new("irtt");
    command
        .args(["client", "-Q", "-o", "-", "-l", &PAYLOAD.to_string()])
        .args(["-i", &format!("{INTERVAL_MS}ms")])
        .args(["-d", &format!("{}ms", INTERVAL_MS * PACKETS)])
        .arg(target.to_string());
    let finished = run_well(place, &mut command)?;
    let (mean_ms, sent) = summary(&finished.out)?;
    means.add(mean_ms, sent, finished.cost);
    Ok(())
}

/// The mean round trip in milliseconds, and the packets sent.
fn summary(text: &str) -> Result<(f64, u32)> {
    let report: Value = serde_json::from_str(text).context("irtt wrote no JSON")?;
    let statistics = &report["stats"];
    let mean_ns = statistics["rtt"]["mean"].as_f64();
    let sent = statistics["packets_sent"].as_u64();
    match (mean_ns, sent) {
        (Some(ns), Some(sent)) => Ok((ns / 1e6, u32::try_from(sent)?)),
        _ => anyhow::bail!("no round trips in {statistics}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    #[test]
    fn the_summary_of_irtt_is_read() {
        let text = r#"{"stats": {"packets_sent": 10, "rtt": {"mean": 10225184, "min": 10197215}}}"#;
        assert_eq!(summary(text).unwrap(), (10.225_184, 10));
        let none = r#"{"stats": {"packets_sent": 10, "rtt": {}}}"#;
        assert!(summary(none).is_err());
    }
}
