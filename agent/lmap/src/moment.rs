//! What the clocks show.

use glimpse_model::time::Timestamp;

/// The clocks at one moment. Plans aim at the wall clock, waits are measured on the steady one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock.
    pub wall: Timestamp,
    /// A clock that is never set, in microseconds from any beginning.
    pub steady_us: i64,
    /// Whether the wall clock can be believed: routers boot without one.
    pub trusted: bool,
}

impl Moment {
    /// When the wall clock will show that the steady one has reached `steady_us`, unless it is set meanwhile.
    pub fn wall_at(&self, steady_us: i64) -> Timestamp {
        self.wall
            .plus_micros(steady_us.saturating_sub(self.steady_us))
    }
}
