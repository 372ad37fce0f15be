//! The tools that an engineer would take.

use super::Transfer;
use crate::far::line::{FAR, Line};
use crate::lab::{run, run_well, spawn};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

/// How long a transfer takes, in seconds: as long as ours with its ramp-up.
const SECONDS: &str = "3";
/// How curl ends when its time is over.
const OVERTIME: i32 = 28;

/// A child that does not outlive this.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One flow by iperf3, to our end with `reverse`.
pub(super) fn iperf3(line: &Line, reverse: bool) -> Result<Transfer> {
    let mut server = Command::new("iperf3");
    server
        .args(["-s", "-1", "--forceflush"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    let mut server = Ended(spawn(Some(line.far()), &mut server)?);
    let said = server.0.stdout.take().context("iperf3 has no output")?;
    // Held to the end: it would not survive writing to a closed pipe.
    let mut said = BufReader::new(said);
    let mut text = String::new();
    while !text.contains("listening") {
        ensure!(said.read_line(&mut text)? > 0, "iperf3 -s said {text:?}");
    }
    let mut client = Command::new("iperf3");
    client.args(["-c", &FAR.to_string(), "-t", SECONDS, "-J"]);
    if reverse {
        client.arg("-R");
    }
    let finished = run_well(Some(line.near()), &mut client)?;
    let report: Value = serde_json::from_str(&finished.out).context("iperf3 wrote no JSON")?;
    let received = &report["end"]["sum_received"];
    Ok(Transfer {
        bps: super::number(received, "bits_per_second")?,
        bytes: super::number(received, "bytes")?,
        cost: finished.cost,
    })
}

/// A download by curl.
pub(super) fn curl(line: &Line, port: u16) -> Result<Transfer> {
    let mut client = Command::new("curl");
    client
        .args(["--silent", "--output", "/dev/null"])
        .args(["--max-time", SECONDS])
        .args([
            "--write-out",
            "%{size_download} %{time_total} %{time_starttransfer}",
        ])
        .arg(format!("http://{FAR}:{port}/"));
    let finished = run(Some(line.near()), &mut client)?;
    ensure!(
        finished.status.code() == Some(OVERTIME),
        "curl: {} ({})",
        finished.err.trim(),
        finished.status
    );
    let figures: Vec<f64> = finished
        .out
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    let &[bytes, total, start] = figures.as_slice() else {
        anyhow::bail!("curl wrote {:?}", finished.out);
    };
    Ok(Transfer {
        bps: bytes * 8.0 / (total - start),
        bytes,
        cost: finished.cost,
    })
}
