//! Numbers with their units, three significant digits.

/// What stands in a table where there is no figure.
pub(super) const NOTHING: &str = "-";

/// Bits per second.
pub(super) fn rate(bps: f64) -> String {
    scaled(bps, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"])
}

pub(super) fn bytes(bytes: f64) -> String {
    scaled(bytes, ["B", "kB", "MB", "GB"])
}

/// Microseconds as milliseconds or seconds, whole microseconds below one millisecond.
pub(super) fn span(us: f64) -> String {
    let ms = us / 1000.0;
    if ms < 0.9995 {
        format!("{ms:.3} ms")
    } else if ms < 999.5 {
        format!("{} ms", three(ms))
    } else if ms < 999_500.0 {
        format!("{} s", three(ms / 1000.0))
    } else {
        format!("{:.0} s", ms / 1000.0)
    }
}

/// Microseconds as milliseconds with all their digits.
pub(super) fn exact_ms(us: f64) -> String {
    format!("{:.3} ms", us / 1000.0)
}

/// Milliseconds as seconds.
pub(super) fn seconds(ms: f64) -> String {
    format!("{:.1} s", ms / 1000.0)
}

/// A share of 0 to 1.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// `1 probe`, `2 probes`.
pub(super) fn count(number: u64, noun: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{s}")
}

/// The figure in words, or the sign that there is none.
pub(super) fn cell(figure: Option<f64>, words: fn(f64) -> String) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), words)
}

/// A whole number, or the sign that there is none.
pub(super) fn whole(figure: Option<u64>) -> String {
    figure.map_or_else(|| NOTHING.to_owned(), |number| number.to_string())
}

fn scaled(mut value: f64, units: [&str; 4]) -> String {
    let [mut unit, larger @ ..] = units;
    let mut is_whole = true;
    for next in larger {
        if value < 999.5 {
            break;
        }
        (value, unit, is_whole) = (value / 1000.0, next, false);
    }
    if is_whole {
        format!("{value:.0} {unit}")
    } else {
        format!("{} {unit}", three(value))
    }
}

fn three(value: f64) -> String {
    if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_digits_and_the_unit_that_fits() {
        for (bps, words) in [
            (0.0, "0 bit/s"),
            (999.4, "999 bit/s"),
            (999.6, "1.00 kbit/s"),
            (9_996_000.0, "10.0 Mbit/s"),
            (94_123_456.0, "94.1 Mbit/s"),
            (999_600_000.0, "1.00 Gbit/s"),
            (6_389_680_684.0, "6.39 Gbit/s"),
            (2.5e12, "2500 Gbit/s"),
        ] {
            assert_eq!(rate(bps), words);
        }
        for (us, words) in [
            (0.0, "0.000 ms"),
            (236.0, "0.236 ms"),
            (999.6, "1.00 ms"),
            (29_966.0, "30.0 ms"),
            (999_600.0, "1.00 s"),
            (75_000_000.0, "75.0 s"),
            (5_000_000_000.0, "5000 s"),
        ] {
            assert_eq!(span(us), words);
        }
        assert_eq!(bytes(2_389_999_666.0), "2.39 GB");
        assert_eq!(count(1, "hop"), "1 hop");
        assert_eq!(count(0, "hop"), "0 hops");
    }
}
