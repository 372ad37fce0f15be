#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::{Facts, Ledger, Rules, Statistic};

const WINDOW: (i64, i64) = (0, 7_200_000_000);

fn empty() -> Observations {
    let window = Window::new(WINDOW.0, WINDOW.1).unwrap();
    Ledger::default()
        .observe(window, 1 << 60, &Clusters::PerTarget, Trust::default())
        .unwrap()
}

#[derive(Clone, Debug)]
struct Drawn {
    subscriber: u8,
    region: u8,
    target: u8,
    metric: usize,
    values: Vec<u64>,
    start_us: i64,
    busy: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        0_u8..20,
        0_u8..2,
        0_u8..3,
        0_usize..3,
        prop::collection::vec(0_u64..100, 0..4),
        0_i64..4,
        any::<bool>(),
    )
        .prop_map(
            |(subscriber, region, target, metric, values, quarter, busy)| Drawn {
                subscriber,
                region,
                target,
                metric,
                values,
                start_us: quarter * 1_800_000_000,
                busy,
            },
        )
}

fn state(rows: &[Drawn]) -> Observations {
    let mut state = empty();
    for row in rows {
        let region = format!("r{}", row.region);
        state.add(&Row {
            subscriber: &format!("s{}", row.subscriber),
            labels: Labels {
                isp: Some("a"),
                region: Some(&region),
                ..Labels::default()
            },
            metric: Metric::ALL[row.metric],
            target: &format!("192.0.2.{}", row.target),
            values: &row.values,
            start_us: row.start_us,
            received_us: 0,
            facts: Facts {
                cpu_percent: Some(if row.busy { 99 } else { 1 }),
                ..Facts::default()
            },
        });
    }
    state
}

fn merged(parts: &[&Observations]) -> Observations {
    let mut all = empty();
    for part in parts {
        all.merge(part).unwrap();
    }
    all
}

#[test]
fn only_rows_of_the_window_and_of_then_are_taken() {
    let mut state = empty();
    let row = Row {
        subscriber: "s",
        labels: Labels::default(),
        metric: Metric::DelayRt,
        target: "192.0.2.1",
        values: &[5],
        start_us: WINDOW.1 - 1,
        received_us: 1 << 60,
        facts: Facts::default(),
    };
    state.add(&row);
    assert_eq!(state.entries().count(), 1);
    state.add(&Row {
        start_us: WINDOW.1,
        ..row
    });
    state.add(&Row {
        start_us: WINDOW.0 - 1,
        ..row
    });
    state.add(&Row {
        received_us: (1 << 60) + 1,
        ..row
    });
    let entries: Vec<&Entry> = state.entries().collect();
    assert_eq!(entries.len(), 1);
    assert_eq!(
        (entries[0].measured().value(), entries[0].measured().hour()),
        (5, 1)
    );
}

#[test]
fn states_of_different_windows_are_not_merged() {
    let other = Window::new(0, 1).unwrap();
    let other = Ledger::default()
        .observe(other, 1 << 60, &Clusters::PerTarget, Trust::default())
        .unwrap();
    assert_eq!(empty().merge(&other), Err(MergeError));
}

#[test]
fn an_entry_keeps_what_was_put_into_it() {
    let entry = Entry::new(
        Metric::DnsRt as u64,
        ELSEWHERE,
        u32::MAX,
        true,
        Measured(u64::MAX),
    );
    assert_eq!(
        entry.subject(),
        Subject::Figure {
            metric: Metric::DnsRt,
            destination: ELSEWHERE
        }
    );
    assert_eq!(entry.subscriber(), u32::MAX as usize);
    assert!(entry.is_late());
    assert_eq!(
        (entry.measured().value(), entry.measured().hour()),
        (LARGEST, 0xffff)
    );
    let entry = Entry::new(FILTERED, Reason::WeakWifi as u32, 7, false, Measured(0));
    assert_eq!(
        (entry.subject(), entry.subscriber(), entry.is_late()),
        (Subject::Filtered(Reason::WeakWifi), 7, false)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn merging_is_associative_and_commutative_and_has_a_neutral_state(
        a in prop::collection::vec(drawn(), 0..40), b in prop::collection::vec(drawn(), 0..40), c in prop::collection::vec(drawn(), 0..40),
    ) {
        let (sa, sb, sc) = (state(&a), state(&b), state(&c));
        let left = merged(&[&merged(&[&sa, &sb]), &sc]);
        prop_assert_eq!(&left, &merged(&[&sa, &merged(&[&sb, &sc])]));
        prop_assert_eq!(&left, &merged(&[&sc, &sb, &sa]));
        prop_assert_eq!(&left, &merged(&[&left, &empty()]));
        prop_assert_eq!(&left, &state(&[a, b, c].concat()));
        if let Some(first) = left.entries().next() {
            let mut more = left.clone();
            more.others.push(*first);
            prop_assert_ne!(&left, &more);
        }
    }

    #[test]
    fn what_is_published_of_parts_is_what_is_published_of_the_whole(rows in prop::collection::vec(drawn(), 0..120), cut in 0_usize..120) {
        let rules = Rules {
            k: crate::K::new(5).unwrap(),
            statistics: Metric::ALL.iter().map(|m| (*m, vec![Statistic::Median, Statistic::Mean])).collect(),
            ..Rules::default()
        };
        let (first, second) = rows.split_at(cut.min(rows.len()));
        let (mut one, mut two) = (Ledger::default(), Ledger::default());
        let whole = one.release(state(&rows), &rules).unwrap();
        let parts = two.release(merged(&[&state(second), &state(first)]), &rules).unwrap();
        prop_assert_eq!(whole, parts);
        prop_assert_eq!(one, two);
    }
}
