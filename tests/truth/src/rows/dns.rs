//! The time of a DNS query, against a server in this program.

use crate::lab::{Cost, Lab, Scale, run_well};
use crate::row::{Figure, Limit, Row};
use crate::statistics::median;
use anyhow::{Context, Result, ensure};
use glimpse_tests::emulator::dns::{Zone, answer};
use serde_json::json;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The name that is asked for.
const NAME: &str = "www.example.net";
/// How far the median may be from kdig's, in microseconds.
const LIMIT_US: f64 = 200.0;
/// How long the server may need to see that it is over.
const TURN: Duration = Duration::from_millis(50);

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.set_read_timeout(Some(TURN))?;
    let server = socket.local_addr()?;
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let serving = scope.spawn(|| serve(&socket, &over));
        let queries = scale.of(200, 1000);
        let rows = super::again(scale, || Ok(vec![compare(lab, server, queries)?]));
        over.store(true, Ordering::Relaxed);
        match serving.join() {
            Ok(served) => served?,
            Err(panic) => std::panic::resume_unwind(panic),
        }
        rows
    })
}

/// Answers queries until it is over.
fn serve(socket: &UdpSocket, over: &AtomicBool) -> Result<()> {
    let zone = Zone::from([(NAME.to_owned(), vec![IpAddr::from([203, 0, 113, 1])])]);
    let mut buffer = [0; 1500];
    while !over.load(Ordering::Relaxed) {
        match socket.recv_from(&mut buffer) {
            Ok((length, from)) => {
                if let Some(response) = answer(&zone, &buffer[..length]) {
                    socket.send_to(&response, from)?;
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
                ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

fn compare(lab: &Lab, server: SocketAddr, queries: u32) -> Result<Row> {
    let (mut ours_us, mut theirs_us) = (Vec::new(), Vec::new());
    let (mut ours, mut theirs) = (Cost::default(), Cost::default());
    for _ in 0..queries {
        let options = json!({"host": NAME, "type": "A", "dns_server": server.to_string()});
        let measured = lab.measure(None, "dnslookup", &options)?;
        let records = measured.result["records"].as_array();
        ensure!(
            records.is_some_and(|records| records.len() == 1),
            "the agent read another answer: {}",
            measured.result
        );
        let us = measured.result["queries"][0]["query_us"]
            .as_f64()
            .with_context(|| format!("no time in {}", measured.result))?;
        ours_us.push(us);
        ours = ours + measured.cost;
        let mut kdig = Command::new("kdig");
        kdig.args([
            &format!("@{}", server.ip()),
            "-p",
            &server.port().to_string(),
        ])
        .args([NAME, "A", "+edns"]);
        let finished = run_well(None, &mut kdig)?;
        theirs_us.push(time_us(&finished.out)?);
        theirs = theirs + finished.cost;
    }
    let difference = (median(&ours_us) - median(&theirs_us)).abs();
    Ok(Row::new("A record over UDP", Figure::us(median(&ours_us)))
        .reference("kdig", Figure::us(median(&theirs_us)))
        .gate(Figure::us(difference), Limit::AtMost(LIMIT_US))
        .packets(u64::from(queries), Some(u64::from(queries)))
        .cost(ours, Some(theirs))
        .remark("kdig tells its time in steps of 100 µs"))
}

/// The time by the last line of kdig's answer, `;; From 127.0.0.1@53(UDP) in 0.3 ms`.
fn time_us(text: &str) -> Result<f64> {
    text.lines()
        .find_map(|line| {
            line.strip_prefix(";; From ")?
                .split_once(" in ")?
                .1
                .strip_suffix(" ms")
        })
        .and_then(|ms| ms.parse::<f64>().ok())
        .map(|ms| ms * 1000.0)
        .with_context(|| format!("kdig tells no time: {text:?}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::float_cmp)]
    use super::*;

    #[test]
    fn the_time_of_kdig_is_read() {
        let text = ";; Received 48 B\n;; Time 2026-11-22 04:30:00 UTC\n;; From 127.0.0.1@5353(UDP) in 0.5 ms\n";
        assert_eq!(time_us(text).unwrap(), 500.0);
        assert!(time_us(";; WARNING: response timeout for 127.0.0.1@53(UDP)\n").is_err());
    }
}
