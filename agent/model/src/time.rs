//! Points in time and zones.

use crate::read::{Cursor, Refused};
use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};
use serde::{Serialize, Serializer};
use std::fmt;

/// Microseconds in a second.
pub const SECOND: i64 = 1_000_000;
/// Microseconds in a millisecond.
pub const MILLISECOND: i64 = 1_000;

/// A point in time: microseconds since 1970-01-01T00:00:00Z; RFC 3339 with `Z` outside.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Years 0000 to 9999: what RFC 3339 can write.
const BOUNDS: std::ops::RangeInclusive<i64> = -62_167_219_200_000_000..=253_402_207_199_999_999;

impl Timestamp {
    /// A point in time, clamped to the years that RFC 3339 can write.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(*BOUNDS.start(), *BOUNDS.end()))
    }

    /// A whole second; the caller keeps to the years that RFC 3339 can write.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds * SECOND)
    }

    /// Microseconds since 1970, UTC.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// This point moved by `micros`.
    #[must_use]
    pub fn plus_micros(self, micros: i64) -> Self {
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// Microseconds from `earlier` to this point; negative when it is not earlier.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads RFC 3339. A time without zone is UTC: the paper's listing writes it so.
    pub fn parse(text: &str) -> Option<Self> {
        let micros = if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            instant.as_microsecond()
        } else {
            let civil: DateTime = text.parse().ok()?;
            Offset::UTC.to_timestamp(civil).ok()?.as_microsecond()
        };
        BOUNDS.contains(&micros).then_some(Self(micros))
    }

    /// Reads a string member.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        Self::parse(cursor.text(40)?)
            .ok_or_else(|| cursor.refuse("must be a time such as 2026-01-31T12:00:00Z"))
    }

    pub(crate) fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_microsecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }

    /// Year and month in UTC, for monthly accounts.
    pub fn month(self) -> Month {
        let civil = Offset::UTC.to_datetime(self.to_jiff());
        Month {
            year: civil.year(),
            month: civil.month(),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "date-time"})
    }
}

/// A calendar month, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    /// Year, such as 2026.
    pub year: i16,
    /// 1 to 12.
    pub month: i8,
}

impl Month {
    /// Reads `2026-11`.
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        ((1..=12).contains(&month) && (0..=9999).contains(&year)).then_some(Self { year, month })
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// The zone in which a calendar is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(TimeZone::UTC);

    /// A fixed offset east of UTC, in minutes (−1559..=1559).
    pub fn offset_minutes(minutes: i32) -> Option<Self> {
        let seconds = minutes.checked_mul(60)?;
        Offset::from_seconds(seconds)
            .ok()
            .map(|offset| Self(TimeZone::fixed(offset)))
    }

    /// A zone whose rules were read elsewhere, such as the system's.
    pub fn of(rules: TimeZone) -> Self {
        Self(rules)
    }

    /// A POSIX TZ rule, as in a router's `system.timezone`: `CET-1CEST,M3.5.0,M10.5.0/3`.
    pub fn posix(rule: &str) -> Option<Self> {
        TimeZone::posix(rule).ok().map(Self)
    }

    /// Seconds east of UTC at `at`.
    pub fn offset_seconds(&self, at: Timestamp) -> i32 {
        self.0.to_offset(at.to_jiff()).seconds()
    }

    pub(crate) fn jiff(&self) -> &TimeZone {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rfc_3339_both_ways() {
        for (text, printed) in [
            ("2015-09-10T11:58:16Z", "2015-09-10T11:58:16Z"),
            ("2026-07-13T00:58:00.850Z", "2026-07-13T00:58:00.85Z"),
            ("2026-07-13T00:58:00", "2026-07-13T00:58:00Z"),
            ("2026-07-13T02:58:00+02:00", "2026-07-13T00:58:00Z"),
        ] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), printed);
        }
        for bad in ["", "now", "2026-13-01T00:00:00Z", "12345"] {
            assert!(Timestamp::parse(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn months() {
        let time = Timestamp::parse("2024-02-29T23:59:59Z").unwrap();
        assert_eq!(time.month().to_string(), "2024-02");
        assert_eq!(
            time.plus_micros(SECOND).month(),
            Month::parse("2024-03").unwrap()
        );
        assert!(Month::parse("2024-13").is_none());
    }
}
