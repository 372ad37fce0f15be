//! The line filled in each direction, with round trips beside it, while the processor is watched.

use super::super::bench::Bench;
use super::super::finding::Reason;
use super::super::slow::{Direction, Load, Loads};
use crate::host::proc::{CpuTimes, cpu_times, cpu_usage};
use glimpse_model::outcome::{Ending, Outcome};
use serde_json::json;
use std::time::Duration;

/// Bytes that one direction may use: ten seconds at 1.6 Gbit/s.
const MOST_BYTES: u64 = 2_000_000_000;
/// Between two looks at the processor.
const LOOK: Duration = Duration::from_secs(1);

/// Fills the line in one direction.
pub(in crate::diagnose) async fn load(
    bench: &Bench<'_>,
    direction: Direction,
) -> Result<Load, Reason> {
    let diagnose = &bench.means.settings.diagnose;
    let (url, option) = match direction {
        Direction::Down => (&diagnose.speed_url, "diagnose.speed_url"),
        Direction::Up => (&diagnose.upload_url, "diagnose.upload_url"),
    };
    let url = url.as_deref().ok_or(Reason::NotConfigured(option))?;
    let options = json!({"url": url, "upload_url": url, "directions": direction.as_str(), "idle_time": 2000,
        "ramp_up_time": 1500, "target_time": 6000, "max_bytes": MOST_BYTES, "redirects": 3});
    let outcome = bench.measure_for(url, "latencyload", options).await?;
    figures(&outcome, direction)
        .ok_or_else(|| Reason::NoAnswer(outcome.error.or_else(|| Some("nothing came".to_owned()))))
}

fn figures(outcome: &Outcome, direction: Direction) -> Option<Load> {
    if outcome.ending != Ending::Done {
        return None;
    }
    let word = direction.as_str();
    let loaded = outcome.probe_result.get(word)?;
    let bps = loaded[format!("bandwidth_bps_{word}")].as_u64()?;
    let idle = outcome.probe_result.get("idle");
    Some(Load {
        kbps: bps / 1000,
        idle_us: idle.and_then(|idle| idle["median_us"].as_u64()),
        added_us: loaded["added_median_us"].as_i64(),
    })
}

/// Both directions, one after the other; those that could not be measured are missing. An error where neither could.
pub(in crate::diagnose) async fn loads(bench: &Bench<'_>) -> Result<Loads, Reason> {
    let down = load(bench, Direction::Down).await;
    let up = load(bench, Direction::Up).await;
    match (down, up) {
        (Err(reason), Err(_)) => Err(reason),
        (down, up) => Ok(Loads {
            down: down.ok(),
            up: up.ok(),
        }),
    }
}

/// Watches the processor.
pub(in crate::diagnose) struct Processor {
    /// The fullest second of the fullest core, in percent.
    pub(in crate::diagnose) busy_percent: Option<u32>,
}

impl Processor {
    /// None seen yet.
    pub(in crate::diagnose) const fn new() -> Self {
        Self { busy_percent: None }
    }

    /// Watches for as long as `work` lasts.
    pub(in crate::diagnose) async fn beside<T>(
        &mut self,
        bench: &Bench<'_>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        let mut before = cores(bench);
        loop {
            if let Ok(done) = tokio::time::timeout(LOOK, &mut work).await {
                return done;
            }
            let after = cores(bench);
            let busy = before
                .iter()
                .zip(&after)
                .filter_map(|(before, after)| cpu_usage(before, after));
            // What is read has four digits.
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a share, 0 to 1"
            )]
            let busy = busy.map(|share| (share * 100.0).round() as u32).max();
            self.busy_percent = self.busy_percent.max(busy);
            before = after;
        }
    }
}

/// The times of each core: packets of one line are often the work of one alone.
fn cores(bench: &Bench<'_>) -> Vec<CpuTimes> {
    let text = bench.file("proc/stat").unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let (name, times) = line.split_once(' ')?;
            let number = name.strip_prefix("cpu")?;
            let core = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.is_empty();
            core.then(|| cpu_times(&format!("cpu {times}"))).flatten()
        })
        .collect()
}
