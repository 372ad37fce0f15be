//! The wall clock, read here and nowhere else in the program.

use glimpse_model::time::{SECOND, Timestamp};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge where the clock is read"
)]
pub(crate) fn now() -> Timestamp {
    let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
    };
    Timestamp::from_micros(micros)
}

/// A point in time in whole seconds since 1970 UTC, as certificates count.
pub(crate) fn seconds(at: Timestamp) -> i64 {
    at.as_micros().div_euclid(SECOND)
}

/// The point in time `seconds` after 1970 UTC.
pub(crate) fn from_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(SECOND))
}
