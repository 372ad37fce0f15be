//! The laboratory: controllers and agents as real programs on loopback, for the end-to-end tests.
//!
//! ```text
//!  Controller (init, serve, kill) ◀── mTLS ── Agent (enrol, daemon, kill)
//!       └ export, database                        └ spool, log, control socket
//! ```
//! Programs are those that `cargo build` made beside the tests; `cargo xtask test` builds them.
//! Everything lives in a directory of its own and ends with the value that started it.

#![expect(
    clippy::expect_used,
    reason = "a laboratory that cannot be set up fails its test"
)]

pub mod agent;
pub mod controller;
pub mod emulator;
pub mod luci;
pub mod measured;
pub mod namespace;
pub mod program;
pub mod ubus;
pub mod wire;

pub use agent::Agent;
pub use controller::Controller;

use std::time::Duration;

/// Asks `look` again and again until it answers, for `patience` at most.
///
/// # Panics
/// When it does not answer in time; `what` says what was waited for.
pub fn eventually<T>(what: &str, patience: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let mut waited = Duration::ZERO;
    let step = Duration::from_millis(50);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            waited < patience,
            "{what}: not within {} s",
            patience.as_secs()
        );
        pause(step);
        waited += step;
    }
}

/// Lets time pass.
pub fn pause(time: Duration) {
    #[expect(clippy::disallowed_methods, reason = "real programs run in real time")]
    std::thread::sleep(time);
}
