//! The clock of the commands: everything here runs against real programs, so real time is the only one.

use std::time::{Duration, Instant};

/// The present moment on the steady clock.
#[expect(
    clippy::disallowed_methods,
    reason = "the commands are an edge: they wait for real programs"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits for `time`.
#[expect(
    clippy::disallowed_methods,
    reason = "the commands are an edge and have no runtime to wait on"
)]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}
