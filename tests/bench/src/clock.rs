//! The clocks of this machine.

use anyhow::{Context, Result};
use glimpse_model::time::Timestamp;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Now, by the steady clock.
#[expect(
    clippy::disallowed_methods,
    reason = "figures are times taken in the world"
)]
pub(crate) fn steady() -> Instant {
    Instant::now()
}

/// Now, by the system's clock.
#[expect(
    clippy::disallowed_methods,
    reason = "instructions are planned in civil time"
)]
pub(crate) fn civil() -> Result<Timestamp> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .context("the clock stands before 1970")?;
    Ok(Timestamp::from_micros(i64::try_from(since.as_micros())?))
}
