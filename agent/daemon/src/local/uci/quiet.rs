//! Quiet hours: times of day at which nothing is measured for others.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

/// A span of the day, `HH:MM-HH:MM`; it may reach over midnight. The end is not part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from_minute: u16,
    to_minute: u16,
}

impl QuietHours {
    /// Reads `22:00-06:00`; the end may be `24:00`. `None` when it is anything else, or empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (from, to) = text.split_once('-')?;
        let (from_minute, to_minute) = (minute(from)?, minute(to)?);
        (from_minute != to_minute && from_minute < DAY).then_some(Self {
            from_minute,
            to_minute,
        })
    }

    /// Whether the minute of the day (0 to 1439) lies in the span.
    pub fn contains(&self, minute: u16) -> bool {
        if self.from_minute < self.to_minute {
            (self.from_minute..self.to_minute).contains(&minute)
        } else {
            minute >= self.from_minute || minute < self.to_minute
        }
    }
}

const DAY: u16 = 24 * 60;

fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |text: &str| {
        (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit()))
            .then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute)?);
    (minute < 60)
        .then_some(hour * 60 + minute)
        .filter(|&minute| minute <= DAY)
}

/// In which zone quiet hours are meant.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum QuietZone {
    /// The system's, see [`system_zone`].
    #[default]
    System,
    /// As a POSIX TZ string says, which is what OpenWrt keeps (`CET-1CEST,M3.5.0,M10.5.0/3`).
    Posix(TimeZone),
}

impl QuietZone {
    /// Reads `system`, `UTC` or a POSIX TZ string.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "system" => Some(Self::System),
            "UTC" => Some(Self::Posix(TimeZone::UTC)),
            text => TimeZone::posix(text).ok().map(Self::Posix),
        }
    }

    /// Minute of the day at `time_us` (microseconds UTC), `system` being the system's zone.
    pub fn minute_of_day(&self, time_us: i64, system: &TimeZone) -> Option<u16> {
        let zone = match self {
            Self::System => system,
            Self::Posix(zone) => zone,
        };
        let zoned = Timestamp::from_microsecond(time_us)
            .ok()?
            .to_zoned(zone.clone());
        u16::try_from(i32::from(zoned.hour()) * 60 + i32::from(zoned.minute())).ok()
    }
}

/// The zone of the system whose files stand below `root`: `/etc/TZ` (OpenWrt), then `/etc/localtime`, else UTC.
pub fn system_zone(root: &Path) -> TimeZone {
    let posix = std::fs::read_to_string(root.join("etc/TZ")).ok();
    let posix = posix.and_then(|text| TimeZone::posix(text.trim()).ok());
    let compiled =
        || TimeZone::tzif("local", &std::fs::read(root.join("etc/localtime")).ok()?).ok();
    posix.or_else(compiled).unwrap_or(TimeZone::UTC)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_microsecond()
    }

    #[test]
    fn spans_reach_over_midnight() {
        let night = QuietHours::parse("22:00-06:00").unwrap();
        let seen: Vec<bool> = [1319, 1320, 1439, 0, 359, 360, 720]
            .map(|minute| night.contains(minute))
            .to_vec();
        assert_eq!(seen, [false, true, true, true, true, false, false]);
        let noon = QuietHours::parse("12:00-12:30").unwrap();
        assert_eq!(
            [719, 720, 749, 750].map(|minute| noon.contains(minute)),
            [false, true, true, false]
        );
        let day = QuietHours::parse("00:00-24:00").unwrap();
        assert!((0..DAY).all(|minute| day.contains(minute)));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "22:00",
            "22:00-22:00",
            "22-06",
            "24:00-06:00",
            "23:60-01:00",
            "25:00-01:00",
            "1:00-02:00",
            "+1:00-02:00",
            "22:00-06:00-07:00",
            "-",
        ] {
            assert_eq!(QuietHours::parse(text), None, "{text}");
        }
    }

    #[test]
    fn zones_follow_summer_time() {
        let zone = QuietZone::parse("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        assert_eq!(
            zone.minute_of_day(at("2026-01-15T21:30:00Z"), &TimeZone::UTC),
            Some(22 * 60 + 30)
        );
        assert_eq!(
            zone.minute_of_day(at("2026-07-15T21:30:00Z"), &TimeZone::UTC),
            Some(23 * 60 + 30)
        );
        let system = TimeZone::posix("EST5").unwrap();
        assert_eq!(
            QuietZone::System.minute_of_day(at("2026-01-15T21:30:59Z"), &system),
            Some(16 * 60 + 30)
        );
        assert_eq!(
            QuietZone::parse("UTC")
                .unwrap()
                .minute_of_day(at("2026-01-15T21:30:00Z"), &system),
            Some(21 * 60 + 30)
        );
        assert_eq!(QuietZone::System.minute_of_day(i64::MAX, &system), None);
        assert_eq!(QuietZone::parse("Mars/Olympus"), None);
    }

    #[test]
    fn the_systems_zone_is_read_from_its_files() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(system_zone(root.path()), TimeZone::UTC);
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::fs::write(root.path().join("etc/TZ"), "CET-1CEST,M3.5.0,M10.5.0/3\n").unwrap();
        let system = system_zone(root.path());
        assert_eq!(
            QuietZone::System.minute_of_day(at("2026-07-15T12:00:00Z"), &system),
            Some(14 * 60)
        );
    }
}
