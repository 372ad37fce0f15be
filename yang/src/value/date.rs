//! `date-and-time` (RFC 6991): the pattern has looked at its shape.

use super::{Reject, shown};

/// The canonical text of a device that lives in UTC: offset `+00:00`, or `-00:00` where the zone is not known. Errors on days and
/// times that do not exist; second 60 is the first of the next minute.
pub(super) fn canonical(text: &str) -> Result<String, Reject> {
    read(text).ok_or_else(|| {
        Reject::new(format!(
            "'{}' is no day and time of RFC 3339, such as 2026-02-28T23:59:59Z",
            shown(text)
        ))
    })
}

fn read(text: &str) -> Option<String> {
    if !text.is_ascii() {
        return None;
    }
    let field = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits
            .bytes()
            .all(|byte| byte.is_ascii_digit())
            .then_some(())?;
        digits.parse().ok()
    };
    let (year, month, day) = (field(0, 4)?, field(5, 7)?, field(8, 10)?);
    let (hour, minute, second) = (field(11, 13)?, field(14, 16)?, field(17, 19)?);
    if !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let after = text.get(19..)?;
    let zone_at = after.find(['Z', '+', '-'])?;
    let (fraction, zone) = after.split_at(zone_at);
    let offset = if zone == "Z" {
        0
    } else {
        let at = 19 + zone_at;
        let (hours, minutes) = (field(at + 1, at + 3)?, field(at + 4, at + 6)?);
        if hours > 23 || minutes > 59 {
            return None;
        }
        let seconds = (hours * 60 + minutes) * 60;
        if zone.starts_with('-') {
            -seconds
        } else {
            seconds
        }
    };
    let seconds =
        days_from_year_0(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - offset;
    let suffix = if zone == "-00:00" { "-00:00" } else { "+00:00" };
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = date_of(days);
    if !(0..=9999).contains(&year) {
        return Some(text.to_owned());
    }
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}{fraction}{suffix}",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    ))
}

const fn days_in(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1 March of year 0 of the Gregorian calendar drawn backwards.
const fn days_from_year_0(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year
}

const fn date_of(days: i64) -> (i64, i64, i64) {
    let era = days.div_euclid(146_097);
    let day = days.rem_euclid(146_097);
    let year_of_era = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400;
    (if month <= 2 { year + 1 } else { year }, month, day)
}
