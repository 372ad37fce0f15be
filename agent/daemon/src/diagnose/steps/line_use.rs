//! What the home moves over the line right now, by the counters of the device that leads out.

use super::super::bench::Bench;
use super::super::finding::Reason;
use super::super::slow::LineUse;
use crate::clock;
use glimpse_net::interface::{self, InterfaceCounters};
use std::time::Duration;

/// Between the two readings.
const WATCHED: Duration = Duration::from_secs(5);

pub(in crate::diagnose) async fn line_use(bench: &Bench<'_>) -> Result<LineUse, Reason> {
    let device = bench.way_out().ok_or(Reason::NoRoute)?;
    let read = || interface::counters(&bench.means.root, &device).map_err(|_| Reason::NoFacts);
    let (before, begun) = (read()?, clock::steady());
    tokio::time::sleep(WATCHED).await;
    Ok(between(&before, &read()?, begun.elapsed()))
}

fn between(before: &InterfaceCounters, after: &InterfaceCounters, took: Duration) -> LineUse {
    let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    // Bits in a millisecond are kilobits in a second. A device that was made anew counts from nothing.
    let kbps = |after: u64, before: u64| {
        let bits = after.saturating_sub(before).saturating_mul(8);
        bits.checked_div(took_ms).unwrap_or(0)
    };
    LineUse {
        down_kbps: kbps(after.received_bytes, before.received_bytes),
        up_kbps: kbps(after.sent_bytes, before.sent_bytes),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_kilobits_in_a_second() {
        let counted = |received_bytes, sent_bytes| InterfaceCounters {
            received_bytes,
            sent_bytes,
            ..InterfaceCounters::default()
        };
        let before = counted(1_000_000, 7_000);
        let after = counted(6_000_000, 7_625);
        let used = between(&before, &after, Duration::from_secs(5));
        assert_eq!((used.down_kbps, used.up_kbps), (8_000, 1));
        // A device that was made anew.
        let used = between(&after, &before, Duration::from_secs(5));
        assert_eq!(used.down_kbps, 0);
        assert_eq!(between(&before, &after, Duration::ZERO), LineUse::default());
    }
}
