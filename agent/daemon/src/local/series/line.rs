//! How the line stands: what the verdict of a status is made of. Pure.

use super::Figure;
use crate::diagnose::slow::{Known, Speeds};
use crate::local::history::rollup::{loss, median};
use crate::local::history::{History, Span};
use crate::local::verdict::{self, Against, Line, NEEDED, Samples};
use glimpse_model::time::{SECOND, Timestamp};
use std::collections::BTreeMap;

const DAY_US: i64 = 86_400 * SECOND;
const QUARTER_US: i64 = 900 * SECOND;
/// Days of which a speed's own median is made.
const MEDIAN_DAYS: i64 = 28;

/// What is known of the line's speeds: what the household pays for, and the medians of its last 28 days.
pub fn known(history: &History, contract: Speeds, now: Timestamp) -> Known {
    let since_us = now.as_micros().saturating_sub(MEDIAN_DAYS * DAY_US);
    let rows = history.rollups(Span::Day, since_us);
    let middle = |figure| {
        let of_figure = rows.iter().filter(|row| row.figure == figure);
        let mut days: Vec<u32> = of_figure.filter_map(|row| row.median).collect();
        days.sort_unstable();
        median(&days).map(u64::from)
    };
    Known {
        contract,
        median: Speeds {
            down_kbps: middle(Figure::Down),
            up_kbps: middle(Figure::Up),
        },
    }
}

/// The verdict on the last 24 hours. Delay and loss are those to the nearest reference: the target that answers soonest.
pub fn line(history: &History, known: &Known, now: Timestamp) -> Line {
    let day = Last24::of(history, now);
    let against = |figure| {
        let of = |speeds: &Speeds| match figure {
            Figure::Down => speeds.down_kbps,
            Figure::Up => speeds.up_kbps,
            _ => None,
        };
        Against::of(of(&known.contract), of(&known.median))
    };
    let values = Figure::ALL.map(|figure| day.values(figure));
    let judged = Figure::ALL.iter().zip(&values);
    let samples: Vec<Samples<'_>> = judged
        .map(|(figure, values)| Samples {
            figure: *figure,
            values,
            against: against(*figure),
        })
        .collect();
    verdict::line(&samples)
}

struct Last24<'a> {
    history: &'a History,
    now_us: i64,
    /// The target that answers soonest.
    nearest: Option<&'a str>,
}

impl<'a> Last24<'a> {
    fn of(history: &'a History, now: Timestamp) -> Self {
        let now_us = now.as_micros();
        let mut targets: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
        for raw in history.since(now_us.saturating_sub(DAY_US)) {
            let delays = raw
                .points
                .iter()
                .filter(|point| point.figure == Figure::Delay);
            let medians = delays.filter_map(|point| point.median);
            targets.entry(&raw.target).or_default().extend(medians);
        }
        let middle = |mut values: Vec<u32>| {
            values.sort_unstable();
            median(&values)
        };
        // One that was measured once by chance is no reference beside one that is measured all the time.
        let often = targets.values().any(|values| values.len() >= NEEDED);
        let nearest = targets
            .into_iter()
            .filter(|(_, values)| !often || values.len() >= NEEDED)
            .filter_map(|(target, values)| Some((middle(values)?, target)))
            .min();
        Self {
            history,
            now_us,
            nearest: nearest.map(|(_, target)| target),
        }
    }

    fn values(&self, figure: Figure) -> Vec<u64> {
        let day = self.since(figure, DAY_US);
        if figure != Figure::Loss {
            return day;
        }
        let lately = self.since(figure, QUARTER_US);
        if lately.len() >= NEEDED { lately } else { day }
    }

    fn since(&self, figure: Figure, ago_us: i64) -> Vec<u64> {
        let kept = super::kept_as(figure);
        let near = kept == Figure::Delay;
        let raws = self.history.since(self.now_us.saturating_sub(ago_us));
        raws.filter(|raw| !near || self.nearest == Some(&raw.target))
            .flat_map(|raw| raw.points.iter())
            .filter(|point| point.figure == kept)
            .filter_map(|point| match figure {
                Figure::Loss => loss(point.sent, point.received, 1_000_000),
                _ => point.median,
            })
            .map(u64::from)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::local::history::{Options, Raw, Sample};
    use crate::local::verdict::Verdict;
    use glimpse_model::id::ResultId;
    use glimpse_model::record::{Record, Status};

    const NOW: i64 = 1_768_478_400;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    fn take(
        history: &mut History,
        ago_s: i64,
        figure: Figure,
        target: &str,
        value: u32,
        lost: u32,
    ) {
        let time = at(NOW - ago_s);
        let record = Record::new(ResultId::from_parts(time, [0; 10]), Status::Ok);
        let sample = Sample {
            figure,
            target,
            sent: 100,
            received: 100 - lost,
            values: &[value],
        };
        let raw = Raw::new(&record, time.as_micros(), false, String::new());
        history.record(
            time.as_micros(),
            raw.with_samples(target, &[sample]),
            &[sample],
        );
    }

    fn judged(history: &History, known: &Known, figure: Figure) -> (Option<u64>, Verdict, usize) {
        let line = line(history, known, at(NOW));
        let found = line
            .figures
            .iter()
            .find(|one| one.figure == figure)
            .unwrap();
        (found.value, found.verdict, found.samples)
    }

    #[test]
    fn delay_is_that_to_the_nearest_reference() {
        let mut history = History::open(Options::default(), 0).0;
        for n in 0..6 {
            take(
                &mut history,
                3600 + n * 60,
                Figure::Delay,
                "near",
                14_000,
                0,
            );
            take(
                &mut history,
                3600 + n * 60,
                Figure::Delay,
                "far",
                190_000,
                50,
            );
        }
        take(&mut history, 60, Figure::Delay, "router", 300, 0);
        take(&mut history, 25 * 3600, Figure::Delay, "near", 900_000, 0);
        let known = Known::default();
        assert_eq!(
            judged(&history, &known, Figure::Delay),
            (Some(14_000), Verdict::Good, 6)
        );
        assert_eq!(
            judged(&history, &known, Figure::Loss),
            (Some(0), Verdict::Good, 6)
        );
        // Of loss the last quarter of an hour counts, once there is enough of it.
        for n in 0..5 {
            take(&mut history, n, Figure::Delay, "near", 14_000, 3);
        }
        assert_eq!(
            judged(&history, &known, Figure::Loss),
            (Some(30_000), Verdict::Poor, 5)
        );
    }

    #[test]
    fn speed_is_held_against_the_contract_or_its_own_median() {
        let mut history = History::open(Options::default(), 0).0;
        for day in 2..20 {
            take(&mut history, day * 86_400, Figure::Down, "s", 80_000, 0);
        }
        for n in 0..5 {
            take(&mut history, n * 600, Figure::Down, "s", 60_000, 0);
        }
        let own = known(&history, Speeds::default(), at(NOW));
        assert_eq!(own.median.down_kbps, Some(80_000));
        assert_eq!(
            judged(&history, &own, Figure::Down),
            (Some(60_000), Verdict::Fair, 5)
        );
        let paid = Speeds {
            down_kbps: Some(200_000),
            up_kbps: None,
        };
        let paid = known(&history, paid, at(NOW));
        assert_eq!(
            judged(&history, &paid, Figure::Down),
            (Some(60_000), Verdict::Poor, 5)
        );
        let line = line(&history, &paid, at(NOW));
        assert_eq!(line.overall, Verdict::Poor);
    }

    #[test]
    fn of_nothing_nothing_is_known() {
        let history = History::open(Options::default(), 0).0;
        let line = line(&history, &Known::default(), at(NOW));
        assert_eq!((line.overall, line.samples), (Verdict::Unknown, 0));
    }
}
