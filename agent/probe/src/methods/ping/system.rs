//! Type `System`: runs the `ping` of this system and reads what it prints. No shell; the host reaches it as an address that
//! was resolved and judged before; the process leads a group of its own, which is killed with it.

mod output;

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::process::Stdio;
use std::time::Duration;

use glimpse_model::outcome::{ByteCount, Ending, Outcome};
use glimpse_net::count::{Counter, packet_bytes};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

pub use self::output::Report;
use super::options::{PingOptions, SYSTEM_MESSAGE};
use super::outcome::{Figures, outcome};
use super::run::within;
use crate::context::Context;
use crate::resolve::RESOLVE_LIMIT;

/// The program.
pub(super) const PROGRAM: &str = "ping";
/// Where it is looked for.
const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";
/// Most that is read of what it prints: a thousand lines and as many duplicates.
const OUTPUT_LIMIT: u64 = 256 * 1024;
/// Most that is told of its complaint.
const COMPLAINT_LIMIT: usize = 200;
/// How long it may take to end after its last word.
const FAREWELL: Duration = Duration::from_secs(1);

/// Runs `program` (with arguments of its own, for tests) against `address`.
pub(super) async fn run(
    program: &[&str],
    options: &PingOptions,
    address: IpAddr,
    context: &Context,
) -> Outcome {
    let each = packet_bytes(address.into(), SYSTEM_MESSAGE);
    if options.worst_case_bytes() > context.byte_limit {
        let error = format!(
            "could need more than its limit of {} bytes",
            context.byte_limit
        );
        return Outcome::failed(error, ByteCount::default());
    }
    let mut child = match command(program, options, address).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Outcome::failed(
                format!("this system has no {PROGRAM} program"),
                ByteCount::default(),
            );
        }
        Err(error) => {
            return Outcome::failed(
                format!("{PROGRAM} could not be started: {error}"),
                ByteCount::default(),
            );
        }
    };
    // If this run is dropped, what was sent is not known: all of it, then.
    context.meter.show(&traffic(each, options.count, 0));
    let mut group = Group::of(&child);
    let (mut printed, mut complaint) = (Vec::new(), Vec::new());
    let patience = options.longest_run().saturating_sub(RESOLVE_LIMIT);
    let conversation =
        tokio::time::timeout(patience, listen(&mut child, &mut printed, &mut complaint)).await;
    let in_time = conversation.is_ok();
    let report = Report::read(&String::from_utf8_lossy(&printed));
    let overflowed = printed.len() as u64 > OUTPUT_LIMIT;
    let complete = in_time && !overflowed && report.sent.is_some();
    let status = match tokio::time::timeout(
        if complete { FAREWELL } else { Duration::ZERO },
        child.wait(),
    )
    .await
    {
        Ok(Ok(status)) => Some(status),
        _ => None,
    };
    group.kill();
    let sent = report.sent.unwrap_or(options.count).min(options.count);
    let came = report.received().saturating_add(report.duplicates);
    let limit = options.worst_case_bytes().min(context.byte_limit);
    let bytes = context
        .meter
        .show(&within(limit, traffic(each, sent, came)));
    if complete {
        let received = report.received().min(sent);
        let untimed =
            received.saturating_sub(u32::try_from(report.trips.len()).unwrap_or(received));
        let figures = Figures {
            destination: address,
            sent,
            received,
            trips_ns: report
                .trips
                .iter()
                .map(|(_, trip)| *trip)
                .take(usize::try_from(received).unwrap_or(0))
                .collect(),
            untimed,
            duplicates: report.duplicates,
            reordered: None,
            reply_ttl: None,
            mtu: None,
            timestamps: "system",
        };
        return outcome(figures, &report.faults, bytes);
    }
    let words = match (in_time, status) {
        (false, _) => format!("{PROGRAM} was stopped after {} ms", patience.as_millis()),
        (true, _) if overflowed => {
            format!("{PROGRAM} printed more than {OUTPUT_LIMIT} bytes")
        }
        (true, status) => said(&complaint, status.and_then(|status| status.code())),
    };
    let bytes = if in_time && report.trips.is_empty() && printed.is_empty() {
        // It did not even begin.
        context.meter.show(&Counter::default())
    } else {
        bytes
    };
    Outcome {
        ending: if in_time {
            Ending::Failed
        } else {
            Ending::Aborted
        },
        ..Outcome::failed(words, bytes)
    }
}

/// The call, as the original made it.
fn command(program: &[&str], options: &PingOptions, address: IpAddr) -> Command {
    let (name, arguments) = program
        .split_first()
        .map_or((PROGRAM, program), |(name, rest)| (*name, rest));
    let mut command = Command::new(name);
    command
        .args(arguments)
        .args(["-c", &options.count.to_string(), "-n"])
        .args(["-W", &options.timeout_ms.div_ceil(1000).to_string()])
        .args(["-i", &seconds(options.interval_ms)])
        .args(["--", &address.to_string()])
        .env_clear()
        .env("PATH", SEARCH_PATH)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Milliseconds as the seconds that `ping` takes.
fn seconds(ms: u32) -> String {
    match ms % 1000 {
        0 => (ms / 1000).to_string(),
        rest => format!("{}.{rest:03}", ms / 1000),
    }
}

/// Hears both of its voices to their end, or one to its limit: then the program would wait for a reader for ever.
async fn listen(child: &mut Child, printed: &mut Vec<u8>, complaint: &mut Vec<u8>) {
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (mut out, mut err) = (pin!(read(stdout, printed)), pin!(read(stderr, complaint)));
    tokio::select! {
        ended = &mut out => if ended { err.await; },
        ended = &mut err => if ended { out.await; },
    }
}

/// Reads up to the limit and one more byte; whether it came to an end before.
async fn read(pipe: Option<impl AsyncRead + Unpin>, into: &mut Vec<u8>) -> bool {
    match pipe {
        Some(pipe) => pipe
            .take(OUTPUT_LIMIT + 1)
            .read_to_end(into)
            .await
            .is_ok_and(|read| read as u64 <= OUTPUT_LIMIT),
        None => true,
    }
}

fn traffic(each: u64, sent: u32, received: u32) -> Counter {
    Counter {
        sent_bytes: each.saturating_mul(sent.into()),
        received_bytes: each.saturating_mul(received.into()),
        sent_packets: sent.into(),
        received_packets: received.into(),
    }
}

/// The first line of its complaint, printable and bounded.
fn said(complaint: &[u8], code: Option<i32>) -> String {
    let text = String::from_utf8_lossy(complaint);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    match (line, code) {
        (Some(line), _) => line
            .chars()
            .filter(|letter| !letter.is_control())
            .take(COMPLAINT_LIMIT)
            .collect(),
        (None, Some(code)) => format!("{PROGRAM} ended with code {code} and no figures"),
        (None, None) => format!("{PROGRAM} gave no figures"),
    }
}

/// A process group that does not outlive this value.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(
            child
                .id()
                .and_then(|id| i32::try_from(id).ok())
                .map(Pid::from_raw),
        )
    }

    fn kill(&mut self) {
        if let Some(leader) = self.0.take() {
            // Gone already is as good.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests;
