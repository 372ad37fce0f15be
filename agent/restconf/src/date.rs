//! Dates of HTTP (RFC 9110 §5.6.7) and of YANG (`yang:date-and-time`), without a clock and without zones.

use std::fmt::Write;

/// Seconds in a day.
const DAY: i64 = 86_400;
/// Microseconds in a second.
const MICROS: i64 = 1_000_000;
/// Days since 1970-01-01, the first of which was a Thursday.
const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// Days from 1970-01-01 to a day of the proleptic Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of a number of days from 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

fn is_day(year: i64, month: i64, day: i64) -> bool {
    (1..=12).contains(&month) && day >= 1 && civil(days(year, month, day)) == (year, month, day)
}

/// Seconds since 1970, UTC, as `Sun, 06 Nov 1994 08:49:37 GMT`. Clamped to the years 0000 to 9999.
pub fn http_date(seconds: i64) -> String {
    let seconds = seconds.clamp(-62_167_219_200, 253_402_300_799);
    let day_number = seconds.div_euclid(DAY);
    let of_day = seconds.rem_euclid(DAY);
    let (year, month, day) = civil(day_number);
    let weekday = WEEKDAYS[usize::try_from(day_number.rem_euclid(7)).unwrap_or_default()];
    let month = MONTHS[usize::try_from(month - 1).unwrap_or_default()];
    format!(
        "{weekday}, {day:02} {month} {year:04} {:02}:{:02}:{:02} GMT",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

/// Reads any of the three forms of RFC 9110 §5.6.7 into seconds since 1970; the name of the weekday is not checked.
pub fn parse_http_date(text: &str) -> Option<i64> {
    let text = text.trim();
    let words: Vec<&str> = text
        .split([' ', ',', '-'])
        .filter(|word| !word.is_empty())
        .collect();
    let (day, month, year, clock) = match words.as_slice() {
        // Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT
        [_, day, month, year, clock, "GMT"]
        // Sun Nov  6 08:49:37 1994
        | [_, month, day, clock, year] => (*day, *month, *year, *clock),
        _ => return None,
    };
    let day = digits(day)?;
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = i64::try_from(month).ok()? + 1;
    let year = match year.len() {
        4 => digits(year)?,
        // RFC 850 years lie within fifty years of now; nobody has written them since 1994.
        2 => digits(year).map(|year| if year < 70 { year + 2000 } else { year + 1900 })?,
        _ => return None,
    };
    let mut clock = clock.split(':');
    let (hour, minute, second) = (
        digits(clock.next()?)?,
        digits(clock.next()?)?,
        digits(clock.next()?)?,
    );
    let valid = clock.next().is_none()
        && is_day(year, month, day)
        && hour < 24
        && minute < 60
        && second <= 60;
    valid.then(|| days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

/// Digits of ASCII alone, at most nine.
fn digits(text: &str) -> Option<i64> {
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Microseconds since 1970, UTC, as `2026-01-02T03:04:05.678901Z`; the fraction only when there is one.
pub fn date_and_time(micros: i64) -> String {
    let seconds = micros.div_euclid(MICROS);
    let fraction = micros.rem_euclid(MICROS);
    let (year, month, day) = civil(seconds.div_euclid(DAY));
    let of_day = seconds.rem_euclid(DAY);
    let mut text = format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    );
    if fraction != 0 {
        let digits = format!("{fraction:06}");
        let _ = write!(text, ".{}", digits.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// Reads a `yang:date-and-time` into microseconds since 1970; what is finer than that is cut off.
pub fn parse_date_and_time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if !text.is_ascii() || bytes.len() < 20 {
        return None;
    }
    let fixed = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if fixed.iter().any(|(at, byte)| bytes[*at] != *byte) {
        return None;
    }
    let part = |from: usize, to: usize| digits(&text[from..to]);
    let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
    let (hour, minute, second) = (part(11, 13)?, part(14, 16)?, part(17, 19)?);
    if !is_day(year, month, day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let mut rest = &text[19..];
    let mut fraction = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let length = after.bytes().take_while(u8::is_ascii_digit).count();
        if length == 0 {
            return None;
        }
        let kept = &after[..length.min(6)];
        fraction = digits(kept)?;
        for _ in kept.len()..6 {
            fraction *= 10;
        }
        rest = &after[length..];
    }
    let offset = if rest == "Z" {
        0
    } else {
        let sign = match rest.as_bytes().first()? {
            b'+' => 1,
            b'-' => -1,
            _ => return None,
        };
        if rest.len() != 6 || rest.as_bytes()[3] != b':' {
            return None;
        }
        let (hours, minutes) = (digits(&rest[1..3])?, digits(&rest[4..6])?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        sign * (hours * 3600 + minutes * 60)
    };
    let seconds = days(year, month, day) * DAY + hour * 3600 + minute * 60 + second - offset;
    Some(seconds * MICROS + fraction)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_forms_of_rfc_9110_are_one_date() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
        ] {
            assert_eq!(parse_http_date(text), Some(784_111_777), "{text}");
        }
        assert_eq!(http_date(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        for text in [
            "",
            "Sun, 31 Feb 1994 08:49:37 GMT",
            "now",
            "Sun, 06 Nov 1994 25:49:37 GMT",
        ] {
            assert_eq!(parse_http_date(text), None, "{text}");
        }
    }

    #[test]
    fn date_and_time_reads_zones_and_fractions() {
        let noon = parse_date_and_time("2026-02-28T12:00:00Z").unwrap();
        assert_eq!(parse_date_and_time("2026-02-28T17:30:00+05:30"), Some(noon));
        assert_eq!(
            parse_date_and_time("2026-02-28T12:00:00.1234567-00:00"),
            Some(noon + 123_456)
        );
        for text in [
            "2026-02-30T12:00:00Z",
            "2026-02-28T12:00:00",
            "2026-02-28 12:00:00Z",
            "2026-02-28T12:00:00.Z",
            "2026-02-28T12:00:00+5:30",
            "２026-02-28T12:00:00Z",
        ] {
            assert_eq!(parse_date_and_time(text), None, "{text}");
        }
        assert_eq!(date_and_time(noon + 120_000), "2026-02-28T12:00:00.12Z");
    }

    proptest! {
        #[test]
        fn dates_come_back(seconds in -62_167_219_200_i64..253_402_300_800) {
            prop_assert_eq!(parse_http_date(&http_date(seconds)), Some(seconds));
            prop_assert_eq!(parse_date_and_time(&date_and_time(seconds * MICROS + 5)), Some(seconds * MICROS + 5));
        }

        #[test]
        fn no_text_breaks_the_readers(text in "\\PC{0,40}") {
            let _ = parse_http_date(&text);
            let _ = parse_date_and_time(&text);
        }
    }
}
