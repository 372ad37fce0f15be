//! Whether the household uses the line: measurements that fill it wait for a quiet window.
//!
//! Pure: time and the interface's counters are handed in.

use std::collections::VecDeque;

/// The line must have been quiet for so long, in milliseconds.
pub const WINDOW_MS: u64 = 5_000;
/// After so long without a quiet window the measurement is skipped, in milliseconds.
pub const PATIENCE_MS: u64 = 30_000;
/// How often the counters are read, in milliseconds.
pub const LOOK_MS: u64 = 500;

/// What is known so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Look again after [`LOOK_MS`].
    Wait,
    /// The line was quiet over a whole window.
    Quiet,
    /// It never was; the mean of the quietest window in bit/s.
    Busy(u64),
}

/// Looks at one line until it is quiet, or patience ends.
#[derive(Debug)]
pub struct QuietLine {
    limit_bps: u64,
    began_ms: Option<u64>,
    /// `(when in ms, bytes in both directions)`, the oldest first, one window of them.
    seen: VecDeque<(u64, u64)>,
    lowest_bps: Option<u64>,
}

impl QuietLine {
    /// A line that is quiet below a mean of `limit_bps` over a window, both directions together.
    pub fn new(limit_bps: u64) -> Self {
        Self {
            limit_bps,
            began_ms: None,
            seen: VecDeque::new(),
            lowest_bps: None,
        }
    }

    /// Takes a reading of the counters at `now_ms` of a steady clock.
    pub fn see(&mut self, now_ms: u64, bytes: u64) -> Verdict {
        let began = *self.began_ms.get_or_insert(now_ms);
        // An interface that was taken down and up again counts from nought.
        if self.seen.back().is_some_and(|&(_, before)| bytes < before) {
            self.seen.clear();
        }
        self.seen.push_back((now_ms, bytes));
        while self
            .seen
            .get(1)
            .is_some_and(|&(at, _)| now_ms.saturating_sub(at) >= WINDOW_MS)
        {
            self.seen.pop_front();
        }
        if let Some(&(from_ms, before)) = self.seen.front()
            && now_ms.saturating_sub(from_ms) >= WINDOW_MS
        {
            let span_ms = now_ms.saturating_sub(from_ms).max(1);
            let mean = (bytes - before).saturating_mul(8_000) / span_ms;
            if mean <= self.limit_bps {
                return Verdict::Quiet;
            }
            self.lowest_bps = Some(self.lowest_bps.map_or(mean, |lowest| lowest.min(mean)));
        }
        if now_ms.saturating_sub(began) < PATIENCE_MS {
            return Verdict::Wait;
        }
        // Counters that went back throughout left no window: nothing is known but that something goes on.
        Verdict::Busy(self.lowest_bps.unwrap_or(self.limit_bps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 200_000;

    /// Feeds a load in bit/s over time and says when and how it ended.
    fn judge(load_bps: impl Fn(u64) -> u64) -> (u64, Verdict) {
        let mut line = QuietLine::new(LIMIT);
        let (mut now, mut bytes) = (7_000_000, 10_u64.pow(12));
        loop {
            match line.see(now, bytes) {
                Verdict::Wait => {}
                end => return (now - 7_000_000, end),
            }
            bytes += load_bps(now - 7_000_000) * LOOK_MS / 8_000;
            now += LOOK_MS;
        }
    }

    #[test]
    fn a_quiet_line_takes_one_window() {
        assert_eq!(judge(|_| 0), (WINDOW_MS, Verdict::Quiet));
        assert_eq!(judge(|_| LIMIT), (WINDOW_MS, Verdict::Quiet));
    }

    #[test]
    fn a_line_that_falls_quiet_is_waited_for() {
        let (at, end) = judge(|ms| if ms < 12_000 { 8_000_000 } else { 0 });
        assert_eq!((at, end), (17_000, Verdict::Quiet));
    }

    #[test]
    fn a_busy_line_ends_patience_and_the_level_is_said() {
        let (at, end) = judge(|_| 3_200_000);
        assert_eq!((at, end), (PATIENCE_MS, Verdict::Busy(3_200_000)));
        let (_, end) = judge(|ms| if ms < 15_000 { 9_000_000 } else { 4_000_000 });
        assert_eq!(end, Verdict::Busy(4_000_000));
    }

    #[test]
    fn counters_that_begin_anew_are_no_traffic() {
        let mut line = QuietLine::new(LIMIT);
        assert_eq!(line.see(0, 5_000_000), Verdict::Wait);
        for step in 1..=10 {
            assert_eq!(line.see(step * LOOK_MS, 10), Verdict::Wait);
        }
        assert_eq!(line.see(11 * LOOK_MS, 10), Verdict::Quiet);
    }
}
