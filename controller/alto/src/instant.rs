//! Moments as text. Inside they are microseconds UTC since 1970.

const SECOND_US: i64 = 1_000_000;
const DAY_S: i64 = 86_400;

/// A calendar date and time of day, UTC.
struct Civil {
    year: i64,
    month: usize,
    day: i64,
    /// 0 is Monday.
    weekday: usize,
    hour: i64,
    minute: i64,
    second: i64,
}

/// The proleptic Gregorian date, by counting in 400-year eras that begin on a 1 March.
fn civil(at_us: i64) -> Civil {
    let seconds = at_us.div_euclid(SECOND_US);
    let (days, time) = (seconds.div_euclid(DAY_S), seconds.rem_euclid(DAY_S));
    let since_era_zero = days + 719_468;
    let (era, day_of_era) = (
        since_era_zero.div_euclid(146_097),
        since_era_zero.rem_euclid(146_097),
    );
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    Civil {
        year: era * 400 + year_of_era + i64::from(month <= 2),
        month: usize::try_from(month).unwrap_or(1),
        day: day_of_year - (153 * from_march + 2) / 5 + 1,
        // 1 January 1970 was a Thursday.
        weekday: usize::try_from((days + 3).rem_euclid(7)).unwrap_or(0),
        hour: time / 3_600,
        minute: time / 60 % 60,
        second: time % 60,
    }
}

/// RFC 3339 with `Z`, without the fraction of the second if it is zero.
pub fn rfc3339(at_us: i64) -> String {
    let Civil {
        year,
        month,
        day,
        hour,
        minute,
        second,
        ..
    } = civil(at_us);
    let fraction = match at_us.rem_euclid(SECOND_US) {
        0 => String::new(),
        micros => format!(".{micros:06}"),
    };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The fixed date format of HTTP (RFC 9110 §5.6.7), whole seconds, rounded down.
pub fn http_date(at_us: i64) -> String {
    const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let Civil {
        year,
        month,
        day,
        weekday,
        hour,
        minute,
        second,
    } = civil(at_us);
    format!(
        "{}, {day:02} {} {year:04} {hour:02}:{minute:02}:{second:02} GMT",
        DAYS[weekday],
        MONTHS[month - 1]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_agree_with_the_calendar() {
        for (seconds, http, stamp) in [
            (
                784_111_777,
                "Sun, 06 Nov 1994 08:49:37 GMT",
                "1994-11-06T08:49:37Z",
            ),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT", "1970-01-01T00:00:00Z"),
            (
                951_782_400,
                "Tue, 29 Feb 2000 00:00:00 GMT",
                "2000-02-29T00:00:00Z",
            ),
            (
                1_561_939_200,
                "Mon, 01 Jul 2019 00:00:00 GMT",
                "2019-07-01T00:00:00Z",
            ),
            (
                4_107_542_399,
                "Sun, 28 Feb 2100 23:59:59 GMT",
                "2100-02-28T23:59:59Z",
            ),
            (
                4_107_542_400,
                "Mon, 01 Mar 2100 00:00:00 GMT",
                "2100-03-01T00:00:00Z",
            ),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT", "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(http_date(seconds * SECOND_US), http);
            assert_eq!(rfc3339(seconds * SECOND_US), stamp);
        }
        assert_eq!(rfc3339(1_500_000), "1970-01-01T00:00:01.500000Z");
        assert_eq!(http_date(1_999_999), "Thu, 01 Jan 1970 00:00:01 GMT");
    }

    #[test]
    fn no_moment_panics() {
        for at in [i64::MIN, i64::MAX] {
            assert!(rfc3339(at).ends_with('Z') && http_date(at).ends_with("GMT"));
        }
    }
}
