//! Calendar timings: sets of months, days, weekdays, hours, minutes and seconds in a zone.

use super::{ceil_second, read_bounds, read_spread};
use crate::read::{Members, Refused};
use crate::time::{SECOND, Timestamp, Zone};
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Civil times at which an instruction fires. A missing or empty list stands for all values.
///
/// A second fires when each of its fields is in its set. Local times skipped by a change of the
/// zone's offset do not fire; repeated ones fire once, the first time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// No slot before this.
    pub start: Option<Timestamp>,
    /// No slot and no firing after this.
    pub end: Option<Timestamp>,
    /// Upper bound of the random delay, in milliseconds.
    pub spread_ms: i64,
    /// Zone in which the fields are read.
    pub zone: Zone,
    /// East of UTC, when the zone was given as an offset (for printing).
    offset_minutes: Option<i32>,
    months: Set,
    days_of_month: Set,
    days_of_week: Set,
    hours: Set,
    minutes: Set,
    seconds: Set,
}

/// The sets of a [`Calendar`], as numbers from the least each field takes; an empty one stands for all values.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CivilTimes {
    /// 1 to 12.
    pub months: Vec<u8>,
    /// 1 to 31.
    pub days_of_month: Vec<u8>,
    /// 1 (Monday) to 7.
    pub days_of_week: Vec<u8>,
    /// 0 to 23.
    pub hours: Vec<u8>,
    /// 0 to 59.
    pub minutes: Vec<u8>,
    /// 0 to 59.
    pub seconds: Vec<u8>,
}

/// How far a search goes before it says that there is no further slot: 29 February on a given
/// weekday recurs within 40 years even across a year like 2100.
const HORIZON_DAYS: i64 = 41 * 366;

const DAY: i64 = 86_400;

impl Calendar {
    pub(super) fn read(members: &Members<'_>) -> Result<Self, Refused> {
        const LISTS: [(&str, u8, u8); 6] = [
            ("months", 1, 12),
            ("days_of_month", 1, 31),
            ("days_of_week", 1, 7),
            ("hours", 0, 23),
            ("minutes", 0, 59),
            ("seconds", 0, 59),
        ];
        let names = LISTS.map(|(name, ..)| name);
        let mut known = vec!["start", "end", "randomSpread", "offset"];
        known.extend(names);
        members.only(&known)?;
        let mut sets = [Set::EMPTY; 6];
        for (set, (name, min, max)) in sets.iter_mut().zip(LISTS) {
            *set = Set::read(members, name, min, max)?;
        }
        let [months, days_of_month, days_of_week, hours, minutes, seconds] = sets;
        let (start, end) = read_bounds(members)?;
        let offset_minutes = match members.optional("offset") {
            Some(cursor) => Some(i32::try_from(cursor.integer(-1439, 1439)?).unwrap_or(0)),
            None => None,
        };
        let zone = offset_minutes
            .and_then(Zone::offset_minutes)
            .unwrap_or(Zone::UTC);
        Ok(Self {
            start,
            end,
            spread_ms: read_spread(members)?,
            zone,
            offset_minutes,
            months,
            days_of_month,
            days_of_week,
            hours,
            minutes,
            seconds,
        })
    }

    /// A calendar without bounds and spread, in UTC. Values that a field does not take never match.
    pub fn of(times: &CivilTimes) -> Self {
        Self {
            start: None,
            end: None,
            spread_ms: 0,
            zone: Zone::UTC,
            offset_minutes: None,
            months: Set::of(&times.months, 1, 12),
            days_of_month: Set::of(&times.days_of_month, 1, 31),
            days_of_week: Set::of(&times.days_of_week, 1, 7),
            hours: Set::of(&times.hours, 0, 23),
            minutes: Set::of(&times.minutes, 0, 59),
            seconds: Set::of(&times.seconds, 0, 59),
        }
    }

    /// Its sets, each value written out.
    pub fn times(&self) -> CivilTimes {
        CivilTimes {
            months: self.months.values(),
            days_of_month: self.days_of_month.values(),
            days_of_week: self.days_of_week.values(),
            hours: self.hours.values(),
            minutes: self.minutes.values(),
            seconds: self.seconds.values(),
        }
    }

    /// Minutes east of UTC, where the zone was given so.
    pub fn offset_minutes(&self) -> Option<i32> {
        self.offset_minutes
    }

    /// The same civil times read in another zone, such as the system's (RFC 8194).
    #[must_use]
    pub fn in_zone(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self.offset_minutes = None;
        self
    }

    /// The first slot strictly after `after`.
    pub(super) fn slot_after(&self, after: Timestamp) -> Option<Timestamp> {
        let from = ceil_second(after.plus_micros(1));
        let from = self
            .start
            .map_or(from, |start| from.max(ceil_second(start)));
        let mut at = from.as_micros().div_euclid(SECOND);
        let horizon = at + HORIZON_DAYS * DAY;
        let tz = self.zone.jiff();
        // Between two changes of the zone's offset the search is plain arithmetic on civil fields.
        loop {
            let instant = jiff::Timestamp::from_second(at).ok()?;
            let offset = tz.to_offset(instant);
            let change = tz
                .following(instant)
                .next()
                .filter(|change| change.timestamp().as_second() <= horizon);
            let end = change
                .as_ref()
                .map_or(horizon, |c| c.timestamp().as_second());
            if let Some(slot) = self.search(at, end, offset) {
                let slot = Timestamp::from_micros(slot.checked_mul(SECOND)?);
                return self.end.is_none_or(|end| slot <= end).then_some(slot);
            }
            // After a change to an earlier offset, local times repeat for the difference.
            let repeated = i64::from(offset.seconds() - change?.offset().seconds()).max(0);
            at = end + repeated;
            if at >= horizon {
                return None;
            }
        }
    }

    /// The first matching second in `[from, until)`, seconds since 1970, at a constant offset.
    fn search(&self, from: i64, until: i64, offset: Offset) -> Option<i64> {
        let shift = i64::from(offset.seconds());
        let mut local = from + shift;
        let until = until + shift;
        while local < until {
            let day = local.div_euclid(DAY);
            let second_of_day = local.rem_euclid(DAY);
            if !self.has_day(day)? {
                local = (day + 1) * DAY;
                continue;
            }
            match self.time_of_day(second_of_day) {
                Some(found) if day * DAY + found < until => return Some(day * DAY + found - shift),
                Some(_) => return None,
                None => local = (day + 1) * DAY,
            }
        }
        None
    }

    fn has_day(&self, day: i64) -> Option<bool> {
        let civil: DateTime =
            Offset::UTC.to_datetime(jiff::Timestamp::from_second(day * DAY).ok()?);
        Some(
            self.months.has(civil.month().unsigned_abs())
                && self.days_of_month.has(civil.day().unsigned_abs())
                && self
                    .days_of_week
                    .has(civil.weekday().to_monday_one_offset().unsigned_abs()),
        )
    }

    /// The first matching second of the day at or after `from`.
    fn time_of_day(&self, from: i64) -> Option<i64> {
        let part = |value: i64| u8::try_from(value).unwrap_or(u8::MAX);
        let (hour, minute, second) = (part(from / 3600), part(from / 60 % 60), part(from % 60));
        let at = |h: u8, m: u8, s: u8| i64::from(h) * 3600 + i64::from(m) * 60 + i64::from(s);
        if self.hours.has(hour) {
            if self.minutes.has(minute)
                && let Some(s) = self.seconds.from(second)
            {
                return Some(at(hour, minute, s));
            }
            if let Some(m) = self.minutes.from(minute + 1) {
                return Some(at(hour, m, self.seconds.from(0)?));
            }
        }
        let hour = self.hours.from(hour + 1)?;
        Some(at(hour, self.minutes.from(0)?, self.seconds.from(0)?))
    }

    /// Slots in an hour that has any.
    pub(super) fn per_hour(&self) -> u32 {
        self.minutes.len() * self.seconds.len()
    }
}

impl Serialize for Calendar {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Calendar", 10)?;
        if let Some(start) = self.start {
            out.serialize_field("start", &start)?;
        }
        if let Some(end) = self.end {
            out.serialize_field("end", &end)?;
        }
        out.serialize_field("months", &self.months)?;
        out.serialize_field("days_of_month", &self.days_of_month)?;
        out.serialize_field("days_of_week", &self.days_of_week)?;
        out.serialize_field("hours", &self.hours)?;
        out.serialize_field("minutes", &self.minutes)?;
        out.serialize_field("seconds", &self.seconds)?;
        if let Some(offset) = self.offset_minutes {
            out.serialize_field("offset", &offset)?;
        }
        out.serialize_field("randomSpread", &self.spread_ms)?;
        out.end()
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Calendar {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Calendar".into()
    }
    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let time = generator.subschema_for::<Timestamp>();
        let list = |min: u8, max: u8| {
            schemars::json_schema!({"type": "array", "maxItems": 60,
                "items": {"type": "integer", "minimum": min, "maximum": max}})
        };
        schemars::json_schema!({
            "description": "Civil times; a missing or empty list stands for all values.",
            "type": "object",
            "properties": {
                "start": time, "end": time,
                "months": list(1, 12), "days_of_month": list(1, 31), "days_of_week": list(1, 7),
                "hours": list(0, 23), "minutes": list(0, 59), "seconds": list(0, 59),
                "offset": {"type": "integer", "minimum": -1439, "maximum": 1439,
                    "description": "minutes east of UTC; UTC when missing"},
                "randomSpread": {"type": "integer", "minimum": 0, "maximum": super::MAX_DURATION_MS},
            },
            "additionalProperties": false,
        })
    }
}

/// Numbers 0..=63 as bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Set(u64);

impl Set {
    const EMPTY: Self = Self(0);

    fn of(values: &[u8], min: u8, max: u8) -> Self {
        let fits = |value: &u8| (min..=max).contains(value);
        if values.is_empty() {
            Self((min..=max).fold(0, |all, value| all | 1 << value))
        } else {
            let values = values.iter().filter(|value| fits(value));
            Self(values.fold(0, |all, value| all | 1 << value))
        }
    }

    fn values(self) -> Vec<u8> {
        (0..64).filter(|value| self.has(*value)).collect()
    }

    fn read(members: &Members<'_>, name: &str, min: u8, max: u8) -> Result<Self, Refused> {
        let mut bits = 0;
        if let Some(list) = members.optional(name) {
            for item in list.array(64)? {
                bits |= 1_u64 << item.integer(min.into(), max.into())?;
            }
        }
        if bits == 0 {
            bits = (min..=max).fold(0, |all, value| all | 1 << value);
        }
        Ok(Self(bits))
    }

    fn has(self, value: u8) -> bool {
        value < 64 && self.0 & (1 << value) != 0
    }

    /// The smallest member that is at least `value`.
    fn from(self, value: u8) -> Option<u8> {
        let rest = self.0.checked_shr(value.into()).unwrap_or(0);
        (rest != 0).then(|| value + u8::try_from(rest.trailing_zeros()).unwrap_or(0))
    }

    fn len(self) -> u32 {
        self.0.count_ones()
    }
}

impl Serialize for Set {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((0..64).filter(|value| self.has(*value)))
    }
}
