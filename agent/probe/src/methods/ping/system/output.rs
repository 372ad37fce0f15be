//! What `ping` prints, of iputils and of busybox, in the C locale. Pure; takes any text.

/// Round trips that are kept; a run has at most a thousand packets.
const TRIP_LIMIT: usize = 1000;
/// Different faults that are kept.
const FAULT_LIMIT: usize = 8;
/// Longest text of a fault that is kept, in characters.
const FAULT_LENGTH: usize = 120;

/// The figures of one output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Packets sent; `None` without the closing line, that is when the program did not come to its end.
    pub sent: Option<u32>,
    /// Packets answered by the closing line.
    answered: Option<u32>,
    /// Sequence number and nanoseconds of each first answer, by number.
    pub trips: Vec<(u32, u64)>,
    /// Second answers.
    pub duplicates: u32,
    /// ICMP errors in the program's words, and how often.
    pub faults: Vec<(String, u32)>,
}

impl Report {
    /// Reads an output as far as it goes.
    pub fn read(text: &str) -> Self {
        let mut report = Self::default();
        for line in text.lines() {
            if line.contains(" bytes from ") {
                report.answer(line);
            } else if let Some(rest) = line.strip_prefix("From ") {
                report.fault(rest);
            } else if line.contains(" packets transmitted") {
                report.sent = number(line);
                // "3 received" of iputils, "3 packets received" of busybox.
                report.answered = line
                    .split(", ")
                    .find(|part| part.ends_with(" received"))
                    .and_then(number);
            }
        }
        report.trips.sort_by_key(|(sequence, _)| *sequence);
        report
    }

    /// Packets answered: by the closing line, else by the answers seen.
    pub fn received(&self) -> u32 {
        self.answered
            .unwrap_or_else(|| u32::try_from(self.trips.len()).unwrap_or(u32::MAX))
    }

    fn answer(&mut self, line: &str) {
        let Some(sequence) = line.split_once("seq=").and_then(|(_, rest)| number(rest)) else {
            return;
        };
        // "time<1 ms" of old versions is less than what can be said.
        let Some(trip) = line
            .split_once("time=")
            .and_then(|(_, rest)| milliseconds(rest))
        else {
            return;
        };
        let known = self.trips.iter().any(|(other, _)| *other == sequence);
        if known || line.contains("(DUP!)") {
            self.duplicates = self.duplicates.saturating_add(1);
        } else if self.trips.len() < TRIP_LIMIT {
            self.trips.push((sequence, trip));
        }
    }

    fn fault(&mut self, rest: &str) {
        let Some((from, rest)) = rest.split_once(" icmp_seq=") else {
            return;
        };
        let Some((_, what)) = rest.split_once(' ') else {
            return;
        };
        let words = format!("{} from {}", what.trim(), from.trim_end_matches(':'));
        let words: String = words
            .chars()
            .filter(|letter| !letter.is_control())
            .take(FAULT_LENGTH)
            .collect();
        let room = self.faults.len() < FAULT_LIMIT;
        match self.faults.iter_mut().find(|(known, _)| *known == words) {
            Some((_, times)) => *times = times.saturating_add(1),
            None if room => self.faults.push((words, 1)),
            None => {}
        }
    }
}

/// The whole number at the beginning of `text`.
fn number(text: &str) -> Option<u32> {
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    text[..end].parse().ok()
}

/// The decimal number at the beginning of `text`, milliseconds, as nanoseconds.
fn milliseconds(text: &str) -> Option<u64> {
    let whole = number(text)?;
    let digits = u32::try_from(
        text.find(|letter: char| !letter.is_ascii_digit())
            .unwrap_or(text.len()),
    )
    .ok()?;
    let fraction = text
        .get(usize::try_from(digits).ok()?..)?
        .strip_prefix('.')
        .unwrap_or_default();
    let mut ns = u64::from(whole) * 1_000_000;
    let mut unit = 100_000;
    for digit in fraction.bytes().take_while(u8::is_ascii_digit).take(6) {
        ns += u64::from(digit - b'0') * unit;
        unit /= 10;
    }
    Some(ns)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn iputils_over_ipv4() {
        let report = Report::read(include_str!("../../../../tests/data/ping/iputils-ipv4.txt"));
        assert_eq!(report.sent, Some(3));
        assert_eq!(report.received(), 3);
        assert_eq!(report.trips, [(1, 29_000), (2, 43_000), (3, 41_000)]);
        assert_eq!((report.duplicates, report.faults.len()), (0, 0));
    }

    #[test]
    fn iputils_over_ipv6() {
        let report = Report::read(include_str!("../../../../tests/data/ping/iputils-ipv6.txt"));
        assert_eq!((report.sent, report.received()), (Some(2), 2));
        assert_eq!(report.trips, [(1, 30_000), (2, 39_000)]);
    }

    #[test]
    fn iputils_with_duplicates_errors_and_whole_milliseconds() {
        let report = Report::read(include_str!(
            "../../../../tests/data/ping/iputils-faults.txt"
        ));
        assert_eq!(
            (report.sent, report.received(), report.duplicates),
            (Some(5), 2, 1)
        );
        assert_eq!(report.trips, [(2, 1_204_000_000), (3, 10_500_000)]);
        assert_eq!(
            report.faults,
            [
                (
                    "Destination Port Unreachable from 198.51.100.9".to_owned(),
                    2
                ),
                (
                    "Destination unreachable: Address unreachable from fe80::1%eth0".to_owned(),
                    1
                )
            ]
        );
    }

    #[test]
    fn busybox() {
        let report = Report::read(include_str!("../../../../tests/data/ping/busybox-ipv4.txt"));
        assert_eq!((report.sent, report.received()), (Some(3), 3));
        assert_eq!(report.trips, [(0, 49_000), (1, 63_000), (2, 66_000)]);
        let silent = Report::read(include_str!(
            "../../../../tests/data/ping/busybox-silent.txt"
        ));
        assert_eq!(
            (silent.sent, silent.received(), silent.trips.len()),
            (Some(2), 0, 0)
        );
    }

    #[test]
    fn an_output_that_was_cut_off_has_no_total() {
        let whole = include_str!("../../../../tests/data/ping/iputils-ipv4.txt");
        let cut = &whole[..whole.find("---").unwrap_or_default()];
        let report = Report::read(cut);
        assert_eq!(
            (report.sent, report.received(), report.trips.len()),
            (None, 3, 3)
        );
        assert_eq!(Report::read(""), Report::default());
    }

    proptest! {
        #[test]
        fn any_text_is_read_within_bounds(text in "(64 bytes from |From | packets transmitted|icmp_seq=|seq=|time=|, | received|[0-9]{1,12}|[.:% \n()a-zé]){0,80}") {
            let report = Report::read(&text);
            prop_assert!(report.trips.len() <= TRIP_LIMIT && report.faults.len() <= FAULT_LIMIT);
        }

        #[test]
        fn milliseconds_are_read_exactly(ns in 0..4_000_000_000_000_000_u64) {
            let text = format!("{}.{:06} ms", ns / 1_000_000, ns % 1_000_000);
            prop_assert_eq!(milliseconds(&text), Some(ns));
        }
    }
}
