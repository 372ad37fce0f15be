#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use super::*;
use crate::cluster::ClusterKey;
use crate::{
    Calendar, Clusters, Facts, K, Labels, Metric, PublicCell, PublicCluster, Reason, Refused, Row,
    Statistic, TOTAL, Trust, Window,
};

mod attack;

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// A row of its own, for tests to change.
#[derive(Clone, Debug)]
struct Stored {
    subscriber: String,
    place: (&'static str, &'static str),
    metric: Metric,
    target: &'static str,
    values: Vec<u64>,
    start_us: i64,
    received_us: i64,
    facts: Facts,
}

fn stored(subscriber: &str, place: (&'static str, &'static str), values: &[u64]) -> Stored {
    Stored {
        subscriber: subscriber.into(),
        place,
        metric: Metric::DelayRt,
        target: "192.0.2.1",
        values: values.to_vec(),
        start_us: 0,
        received_us: 1,
        facts: Facts::default(),
    }
}

fn region(count: usize, isp: &'static str, name: &'static str) -> Vec<Stored> {
    (0..count)
        .map(|n| stored(&format!("{isp}-{name}-{n}"), (isp, name), &[10_000]))
        .collect()
}

fn observe(
    ledger: &Ledger,
    window: Window,
    as_of_us: i64,
    rows: &[Stored],
    clusters: &Clusters,
) -> Observations {
    let mut state = ledger
        .observe(window, as_of_us, clusters, Trust::default())
        .unwrap();
    for row in rows {
        let label = |text: &'static str| Some(text).filter(|t| !t.is_empty());
        state.add(&Row {
            subscriber: &row.subscriber,
            labels: Labels {
                isp: label(row.place.0),
                region: label(row.place.1),
                ..Labels::default()
            },
            metric: row.metric,
            target: row.target,
            values: &row.values,
            start_us: row.start_us,
            received_us: row.received_us,
            facts: row.facts,
        });
    }
    state
}

fn rules(k: K, metrics: &[Metric]) -> Rules {
    let statistics = vec![Statistic::Median, Statistic::Mean, Statistic::Min];
    Rules {
        k,
        statistics: metrics.iter().map(|m| (*m, statistics.clone())).collect(),
        calendars: BTreeMap::new(),
    }
}

fn day() -> Window {
    Window::day_of(0)
}

fn publish(rows: &[Stored], k: K) -> Public {
    let mut ledger = Ledger::default();
    let state = observe(&ledger, day(), DAY_US, rows, &Clusters::PerTarget);
    ledger
        .release(state, &rules(k, &[Metric::DelayRt]))
        .unwrap()
}

fn pids(public: &Public) -> Vec<&str> {
    public.places().iter().map(|p| p.pid.as_str()).collect()
}

#[test]
fn alto_check_66_a_pid_below_k_appears_nowhere() {
    let rows = [
        region(12, "a", "x"),
        region(11, "a", "y"),
        region(9, "b", "z"),
    ]
    .concat();
    let public = publish(&rows, K::DEFAULT);
    assert_eq!(pids(&public), ["TOTAL", "a", "a:x", "a:y"]);
    assert_eq!(
        public.subscribers(Metric::DelayRt),
        30,
        "32 in fives; nine rise to everybody with one companion"
    );
    let text = format!("{public:?}");
    assert!(
        !text.contains("\"b\"") && !text.contains("b:z") && !text.contains("b-z"),
        "{text}"
    );
}

#[test]
fn a_target_that_few_measured_has_no_cluster() {
    let mut rows = region(12, "a", "x");
    rows.push(Stored {
        target: "10.0.0.1",
        ..rows[0].clone()
    });
    let public = publish(&rows, K::DEFAULT);
    let expected = PublicCluster {
        pid: "MSMNT-CL1".into(),
        targets: vec!["192.0.2.1".into()],
    };
    assert_eq!(public.clusters(), [expected]);
}

#[test]
fn one_household_has_one_vote_however_much_it_measures() {
    let mut rows = region(10, "a", "x");
    rows.push(stored("busy", ("a", "x"), &[90_000; 1_000]));
    let public = publish(&rows, K::DEFAULT);
    let cell = public.cell(Metric::DelayRt, "a:x", "MSMNT-CL1").unwrap();
    assert_eq!(cell.value(Statistic::Median), Some(10_000));
    assert_eq!(
        cell.value(Statistic::Mean),
        Some((10 * 10_000 + 90_000 + 5) / 11)
    );
    assert_eq!(cell.samples(), 1_010);
}

#[test]
fn extremes_need_five_times_k() {
    let few = publish(&region(49, "a", "x"), K::DEFAULT);
    assert_eq!(
        few.cell(Metric::DelayRt, "a:x", "MSMNT-CL1")
            .unwrap()
            .value(Statistic::Min),
        None
    );
    let many = publish(&region(50, "a", "x"), K::DEFAULT);
    assert_eq!(
        many.cell(Metric::DelayRt, "a:x", "MSMNT-CL1")
            .unwrap()
            .value(Statistic::Min),
        Some(10_000)
    );
}

#[test]
fn the_median_of_ten_has_its_interval_and_of_six_it_has_none() {
    let rows: Vec<Stored> = (1..=10)
        .map(|n| stored(&format!("{n}"), ("a", "x"), &[n * 100]))
        .collect();
    let figure = |k: K, rows: &[Stored]| {
        publish(rows, k)
            .cell(Metric::DelayRt, "a:x", TOTAL)
            .unwrap()
            .figure(Statistic::Median)
            .unwrap()
    };
    let ten = figure(K::DEFAULT, &rows);
    assert_eq!(
        (ten.value, ten.confidence),
        (
            550,
            Some(crate::Interval {
                low: 200,
                high: 900
            })
        )
    );
    let six = figure(K::new(5).unwrap(), &rows[..6]);
    assert_eq!(six.confidence, None, "its ends would be the extremes");
}

#[test]
fn the_laboratory_publishes_everything() {
    let public = publish(
        &[region(1, "a", "x"), region(2, "b", "y")].concat(),
        K::lab(),
    );
    assert_eq!(pids(&public), ["TOTAL", "a", "a:x", "b", "b:y"]);
    assert_eq!(
        public
            .cell(Metric::DelayRt, "a:x", "MSMNT-CL1")
            .unwrap()
            .subscribers(),
        1
    );
    assert_eq!(
        public
            .cell(Metric::DelayRt, "b", TOTAL)
            .unwrap()
            .value(Statistic::Min),
        Some(10_000)
    );
    assert_eq!(public.subscribers(Metric::DelayRt), 3);
}

#[test]
fn filtered_results_have_no_vote_and_are_counted_by_reason() {
    let mut rows = region(30, "a", "x");
    for row in &rows[..12].to_vec() {
        let facts = Facts {
            wifi_dbm: Some(-80),
            ..Facts::default()
        };
        rows.push(Stored {
            facts,
            values: vec![99_000],
            ..row.clone()
        });
    }
    let facts = Facts {
        clock_suspect: true,
        ..Facts::default()
    };
    rows.extend(std::iter::repeat_n(
        Stored {
            facts,
            ..rows[0].clone()
        },
        50,
    ));
    let public = publish(&rows, K::DEFAULT);
    assert_eq!(
        public
            .cell(Metric::DelayRt, "a:x", TOTAL)
            .unwrap()
            .value(Statistic::Mean),
        Some(10_000)
    );
    assert_eq!(public.filtered().subscribers(), 30);
    assert_eq!(
        public.filtered().results(Reason::WeakWifi),
        Some(10),
        "twelve, in fives"
    );
    assert_eq!(
        public.filtered().results(Reason::SkewedClock),
        None,
        "one household's fifty"
    );
}

#[test]
fn listed_clusters_keep_their_numbers_and_other_targets_count_for_total() {
    let list = Clusters::Listed(vec![vec!["203.0.113.1".into()], vec!["192.0.2.1".into()]]);
    let mut rows = region(10, "a", "x");
    for n in 0..10 {
        let row = stored(&format!("a-x-{n}"), ("a", "x"), &[30_000]);
        rows.push(Stored {
            target: "elsewhere.example",
            ..row
        });
    }
    let mut ledger = Ledger::default();
    let state = observe(&ledger, day(), DAY_US, &rows, &list);
    let public = ledger
        .release(state, &rules(K::DEFAULT, &[Metric::DelayRt]))
        .unwrap();
    let names: Vec<&str> = public.clusters().iter().map(|c| c.pid.as_str()).collect();
    assert_eq!(names, ["MSMNT-CL1", "MSMNT-CL2"]);
    let value = |cluster| {
        public
            .cell(Metric::DelayRt, "a:x", cluster)
            .and_then(|c| c.value(Statistic::Median))
    };
    assert_eq!(value("MSMNT-CL1"), None);
    assert_eq!(value("MSMNT-CL2"), Some(10_000));
    assert_eq!(value(TOTAL), Some(20_000));
}

#[test]
fn a_household_that_moved_is_where_it_was_last() {
    let mut rows = [region(10, "a", "x"), region(10, "a", "y")].concat();
    rows.push(Stored {
        start_us: 5,
        ..stored("a-x-0", ("a", "y"), &[10_000])
    });
    let k = K::new(9).unwrap();
    let public = publish(&rows, k);
    rows.reverse();
    assert_eq!(
        public,
        publish(&rows, k),
        "the order of rows does not matter"
    );
    let count = |place| {
        public
            .cell(Metric::DelayRt, place, TOTAL)
            .map(PublicCell::subscribers)
    };
    assert_eq!(count("a:x"), Some(5), "nine left");
    assert_eq!(count("a:y"), Some(10));
    assert_eq!(count("a"), Some(20), "it votes once");
    assert_eq!(public.newest_us(), Some(5));
}

#[test]
fn a_hop_count_is_an_integer_somebody_measured() {
    let rows: Vec<Stored> = (0..12_u64)
        .map(|n| Stored {
            metric: Metric::HopCount,
            ..stored(&format!("{n}"), ("a", "x"), &[n, n + 1])
        })
        .collect();
    let mut ledger = Ledger::default();
    let state = observe(&ledger, day(), DAY_US, &rows, &Clusters::PerTarget);
    let public = ledger
        .release(state, &rules(K::DEFAULT, &[Metric::HopCount]))
        .unwrap();
    let cell = public.cell(Metric::HopCount, "a:x", TOTAL).unwrap();
    assert_eq!(
        cell.value(Statistic::Median),
        Some(5),
        "own lower middle n, then the lower middle of 0 to 11"
    );
    assert_eq!(cell.value(Statistic::Mean), None);
}

#[test]
fn a_calendar_has_the_same_households_in_every_interval_or_is_left_out() {
    let two_days = Window::new(0, 2 * DAY_US).unwrap();
    let mut rows = Vec::new();
    for n in 0..40 {
        for (day, value) in [(0, 100), (1, 300)] {
            // The last three measured on the first day only.
            if day == 0 || n < 37 {
                let row = stored(&format!("{n}"), ("a", "x"), &[value + n]);
                rows.push(Stored {
                    start_us: i64::from(u8::try_from(day).unwrap()) * DAY_US,
                    ..row
                });
            }
        }
    }
    let publish = |rows: &[Stored]| {
        let mut ledger = Ledger::default();
        let state = observe(&ledger, two_days, 2 * DAY_US, rows, &Clusters::PerTarget);
        let mut rules = rules(K::DEFAULT, &[Metric::DelayRt]);
        rules.calendars.insert(
            Metric::DelayRt,
            vec![Calendar::DayOfWindow, Calendar::HourOfDay],
        );
        ledger.release(state, &rules).unwrap()
    };
    let public = publish(&rows);
    let cell = public.cell(Metric::DelayRt, "a:x", TOTAL).unwrap();
    assert_eq!(cell.subscribers(), 40);
    let means = cell
        .calendar(Calendar::DayOfWindow, Statistic::Mean)
        .unwrap();
    assert_eq!(means.len(), 2);
    assert_eq!(
        means[1] - means[0],
        200,
        "the same thirty households on both days"
    );
    assert_eq!(
        cell.calendar(Calendar::HourOfDay, Statistic::Mean),
        None,
        "one hour of 24"
    );
    let first_day: Vec<Stored> = rows.into_iter().filter(|r| r.start_us == 0).collect();
    let public = publish(&first_day);
    let cell = public.cell(Metric::DelayRt, "a:x", TOTAL).unwrap();
    assert_eq!(cell.calendar(Calendar::DayOfWindow, Statistic::Mean), None);
}

/// Publishes one day again and again: the rows as they are known at each moment.
struct Days {
    ledger: Ledger,
    rows: Vec<Stored>,
}

impl Days {
    fn publish(&mut self, as_of_us: i64) -> Public {
        let state = observe(
            &self.ledger,
            day(),
            as_of_us,
            &self.rows,
            &Clusters::PerTarget,
        );
        self.ledger
            .release(state, &rules(K::DEFAULT, &[Metric::DelayRt]))
            .unwrap()
    }

    fn mean(public: &Public) -> u64 {
        public
            .cell(Metric::DelayRt, TOTAL, TOTAL)
            .and_then(|c| c.value(Statistic::Mean))
            .unwrap()
    }

    fn late(&mut self, from: usize, count: usize, received_us: i64) {
        for n in from..from + count {
            let row = stored(&format!("a-x-{n}"), ("a", "x"), &[50_000]);
            self.rows.push(Stored { received_us, ..row });
        }
    }
}

#[test]
fn one_late_result_changes_nothing_and_ten_make_a_version() {
    let mut days = Days {
        ledger: Ledger::default(),
        rows: region(40, "a", "x"),
    };
    let first = days.publish(DAY_US);
    assert_eq!((first.version(), Days::mean(&first)), (1, 10_000));
    days.late(0, 9, DAY_US + 1);
    let again = days.publish(DAY_US + 2);
    assert_eq!(again, first, "nine households' change is not shown");
    days.late(9, 1, DAY_US + 3);
    let second = days.publish(DAY_US + 4);
    assert_eq!(second.version(), 2);
    assert_eq!(Days::mean(&second), (30 * 10_000 + 10 * 30_000) / 40);
    assert_eq!(days.publish(DAY_US + 5), second);
    // One more of a household whose change is in: it is alone again.
    days.late(3, 1, DAY_US + 6);
    assert_eq!(days.publish(DAY_US + 7), second);
}

#[test]
fn a_change_that_would_leave_a_few_unchanged_is_held_back_for_as_many() {
    let mut days = Days {
        ledger: Ledger::default(),
        rows: region(40, "a", "x"),
    };
    days.publish(DAY_US);
    days.late(0, 35, DAY_US + 1);
    let second = days.publish(DAY_US + 2);
    assert_eq!(
        Days::mean(&second),
        (10 * 10_000 + 30 * 30_000) / 40,
        "ten remain, five of them held back"
    );
}

#[test]
fn a_cohort_that_was_silent_takes_its_late_results_at_once() {
    let mut days = Days {
        ledger: Ledger::default(),
        rows: region(10, "a", "x"),
    };
    // Known from the day before; one result of this day comes late.
    let before = Window::new(-DAY_US, 0).unwrap();
    let mut yesterday = days.rows.clone();
    for row in &mut yesterday {
        row.start_us = -1;
    }
    let state = observe(&days.ledger, before, 1, &yesterday, &Clusters::PerTarget);
    days.ledger
        .release(state, &rules(K::DEFAULT, &[Metric::DelayRt]))
        .unwrap();
    days.rows[4].received_us = DAY_US + 1;
    let first = days.publish(DAY_US);
    assert_eq!(pids(&first), [""; 0], "nine of a cohort of ten");
    assert_eq!(first.newest_us(), None);
    let second = days.publish(DAY_US + 1);
    assert_eq!(
        (second.version(), second.subscribers(Metric::DelayRt)),
        (2, 10)
    );
}

#[test]
fn a_cohort_that_was_silent_in_between_is_still_held_to_what_it_said() {
    let mut days = Days {
        ledger: Ledger::default(),
        rows: region(12, "a", "x"),
    };
    let first = days.publish(DAY_US);
    days.late(0, 1, DAY_US + 1);
    let mut publish = |k: usize| {
        let state = observe(
            &days.ledger,
            day(),
            DAY_US + 1,
            &days.rows,
            &Clusters::PerTarget,
        );
        let rules = rules(K::new(k).unwrap(), &[Metric::DelayRt]);
        days.ledger.release(state, &rules).unwrap()
    };
    assert_eq!(publish(13).places(), []);
    let third = publish(10);
    assert_eq!(
        (third.version(), Days::mean(&third)),
        (3, Days::mean(&first))
    );
}

#[test]
fn a_ledger_refuses_what_would_break_its_promise() {
    let mut ledger = Ledger::starting(DAY_US);
    let observe_at = |ledger: &Ledger, window| {
        ledger.observe(window, DAY_US, &Clusters::PerTarget, Trust::default())
    };
    assert_eq!(
        observe_at(&ledger, day()).unwrap_err(),
        Refused::BeforeStart(DAY_US)
    );
    let second = Window::day_of(DAY_US);
    let state = observe_at(&ledger, second).unwrap();
    let all = rules(K::DEFAULT, &[]);
    ledger.release(state.clone(), &all).unwrap();
    assert_eq!(ledger.release(state, &all).unwrap_err(), Refused::Stale);
    let mut early = observe_at(&ledger, second).unwrap();
    early.as_of_us -= 1;
    assert_eq!(
        ledger.release(early, &all).unwrap_err(),
        Refused::NotLater(DAY_US)
    );
    ledger.seal(2 * DAY_US);
    assert_eq!(
        observe_at(&ledger, second).unwrap_err(),
        Refused::Sealed(2 * DAY_US)
    );
    assert_eq!(ledger.versions(&second), 0);
}

#[test]
fn a_ledger_survives_being_stored() {
    let mut days = Days {
        ledger: Ledger::default(),
        rows: region(40, "a", "x"),
    };
    days.publish(DAY_US);
    days.late(0, 12, DAY_US + 1);
    days.publish(DAY_US + 1);
    let text = serde_json::to_string(&days.ledger).unwrap();
    assert_eq!(serde_json::from_str::<Ledger>(&text).unwrap(), days.ledger);
}

#[test]
fn nothing_measured_is_nothing_published() {
    let public = publish(&[], K::DEFAULT);
    assert_eq!(
        (public.cells(Metric::DelayRt).count(), public.newest_us()),
        (0, None)
    );
    assert_eq!(public.filtered(), &Filtered::default());
}
