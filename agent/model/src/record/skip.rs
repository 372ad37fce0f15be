//! What stands in the place of figures: runs that did not take place, and records that were lost.

use crate::read::{Cursor, Refused};
use crate::time::Timestamp;
use serde::Serialize;

/// Why a firing did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The household has not agreed to measure for others.
    Consent,
    /// The monthly cap leaves no room.
    Budget,
    /// A member of `precondition` did not hold.
    Precondition,
    /// The household's quiet hours.
    QuietHours,
    /// The household forbids the method.
    MethodForbidden,
    /// The target may not be measured from here.
    TargetRefused,
    /// The target was measured too often, or is being measured.
    TargetRate,
    /// The line was in use by the household.
    CrossTraffic,
    /// The clock is not yet trusted.
    ClockUntrusted,
    /// The instruction was still running.
    Overlap,
    /// The time passed while the agent was off, asleep or busy.
    Missed,
    /// Suppressed by the controller (RFC 8193 §4.7).
    Suppressed,
    /// Too many measurements were waiting.
    QueueFull,
}

/// Runs that did not take place, one after the other for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// How many runs.
    pub count: u32,
    /// Planned time of the last of them; the record's `planned_time` is that of the first.
    pub last: Timestamp,
}

/// Records that were evicted before they could be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// How many.
    pub count: u32,
    /// When the oldest of them was made.
    pub first: Timestamp,
    /// When the newest of them was made.
    pub last: Timestamp,
}

fn read_count(cursor: &Cursor<'_>) -> Result<u32, Refused> {
    u32::try_from(cursor.unsigned()?).map_err(|_| cursor.refuse("must be < 2^32"))
}

impl Skip {
    pub(super) fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let reason = members.required("reason")?;
        let word = reason.text(32)?;
        Ok(Self {
            reason: SkipReason::ALL
                .into_iter()
                .find(|known| known.as_str() == word)
                .ok_or_else(|| reason.refuse("is not a known reason"))?,
            count: read_count(&members.required("count")?)?,
            last: Timestamp::read(&members.required("last")?)?,
        })
    }
}

impl SkipReason {
    pub(super) const ALL: [Self; 13] = [
        Self::Consent,
        Self::Budget,
        Self::Precondition,
        Self::QuietHours,
        Self::MethodForbidden,
        Self::TargetRefused,
        Self::TargetRate,
        Self::CrossTraffic,
        Self::ClockUntrusted,
        Self::Overlap,
        Self::Missed,
        Self::Suppressed,
        Self::QueueFull,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Budget => "budget",
            Self::Precondition => "precondition",
            Self::QuietHours => "quiet_hours",
            Self::MethodForbidden => "method_forbidden",
            Self::TargetRefused => "target_refused",
            Self::TargetRate => "target_rate",
            Self::CrossTraffic => "cross_traffic",
            Self::ClockUntrusted => "clock_untrusted",
            Self::Overlap => "overlap",
            Self::Missed => "missed",
            Self::Suppressed => "suppressed",
            Self::QueueFull => "queue_full",
        }
    }
}

impl Gap {
    pub(super) fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        Ok(Self {
            count: read_count(&members.required("count")?)?,
            first: Timestamp::read(&members.required("first")?)?,
            last: Timestamp::read(&members.required("last")?)?,
        })
    }
}
