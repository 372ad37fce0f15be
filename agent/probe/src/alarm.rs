//! Waiting for the next moment of a paced run, again and again.

use std::pin::Pin;
use std::time::Duration;

use glimpse_net::stamp::monotonic_ns;
use tokio::time::{Instant, Sleep, sleep_until};

/// Moments that are so close are one: far below the millisecond that tokio's timers tell apart.
const TOLERANCE: Duration = Duration::from_micros(50);

/// A timer for moments of the monotonic clock.
///
/// Setting a timer that is due before all others makes tokio wake its own thread, which costs a write and a turn of its loop;
/// at a hundred packets a second that is felt. So a second timer is kept for the moment that is expected next, and becomes
/// the first one when it is asked for.
pub(crate) struct Alarm {
    now: Pin<Box<Sleep>>,
    next: Pin<Box<Sleep>>,
    /// From one moment to the next, as a rule.
    pace: Duration,
}

impl Alarm {
    /// For moments that mostly follow each other at this pace.
    pub(crate) fn new(pace: Duration) -> Self {
        let origin = instant();
        Self {
            now: Box::pin(sleep_until(origin)),
            next: Box::pin(sleep_until(origin)),
            pace,
        }
    }

    /// Waits until `until_ns`.
    pub(crate) async fn at(&mut self, until_ns: u64) {
        let due = instant() + Duration::from_nanos(until_ns.saturating_sub(monotonic_ns()));
        if !is_set(&self.now, due) {
            if is_set(&self.next, due) {
                std::mem::swap(&mut self.now, &mut self.next);
            } else {
                self.now.as_mut().reset(due);
            }
        }
        if self.next.is_elapsed() || self.next.deadline() <= due {
            self.next.as_mut().reset(due + self.pace);
        }
        self.now.as_mut().await;
    }
}

/// Whether it will fire at that moment.
fn is_set(sleep: &Sleep, due: Instant) -> bool {
    let deadline = sleep.deadline();
    let apart = deadline.saturating_duration_since(due) + due.saturating_duration_since(deadline);
    !sleep.is_elapsed() && apart < TOLERANCE
}

#[expect(
    clippy::disallowed_methods,
    reason = "the edge: the runtime's clock is not the monotonic one, which is never slewed"
)]
fn instant() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As many as the thread of a run would see: each moment once, in order, none early by more than the tolerance.
    #[tokio::test]
    async fn moments_come_in_turn_whatever_was_expected_next() {
        let mut alarm = Alarm::new(Duration::from_millis(5));
        let start_ns = monotonic_ns();
        for after_ms in [5, 10, 15, 40, 20, 42] {
            let until_ns = start_ns + after_ms * 1_000_000;
            alarm.at(until_ns).await;
            assert!(monotonic_ns() + 60_000 > until_ns, "{after_ms} ms");
        }
    }
}
