#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

fn samples(figure: Figure, values: &[u64]) -> Samples<'_> {
    Samples {
        figure,
        values,
        against: None,
    }
}

#[test]
fn every_bound_of_the_table_holds() {
    use Verdict::{Fair, Good, Poor};
    let contract = Some(100_000);
    for (figure, value, against, verdict) in [
        (Figure::Delay, 29_999, None, Good),
        (Figure::Delay, 30_000, None, Fair),
        (Figure::Delay, 79_999, None, Fair),
        (Figure::Delay, 80_000, None, Poor),
        (Figure::BusyDelay, 29_999, None, Good),
        (Figure::BusyDelay, 30_000, None, Fair),
        (Figure::BusyDelay, 99_999, None, Fair),
        (Figure::BusyDelay, 100_000, None, Poor),
        (Figure::Loss, 4_999, None, Good),
        (Figure::Loss, 5_000, None, Fair),
        (Figure::Loss, 19_999, None, Fair),
        (Figure::Loss, 20_000, None, Poor),
        (Figure::Dns, 39_999, None, Good),
        (Figure::Dns, 40_000, None, Fair),
        (Figure::Dns, 119_999, None, Fair),
        (Figure::Dns, 120_000, None, Poor),
        (Figure::Down, 90_000, contract, Good),
        (Figure::Down, 89_999, contract, Fair),
        (Figure::Down, 50_000, contract, Fair),
        (Figure::Down, 49_999, contract, Poor),
        (Figure::Up, 1_000_000, contract, Good),
        (Figure::Up, 1, contract, Poor),
        (Figure::Up, 1, None, Verdict::Unknown),
        (Figure::Up, 1, Some(0), Verdict::Unknown),
    ] {
        assert_eq!(figure.judge(value, against), verdict, "{figure:?} {value}");
    }
}

#[test]
fn the_line_is_as_good_as_the_worst_figure_that_counts() {
    let day = [
        samples(Figure::Delay, &[10_000; 5]),
        samples(Figure::Dns, &[50_000; 6]),
        // Too few to count.
        samples(Figure::BusyDelay, &[900_000; 4]),
    ];
    let judged = line(&day);
    assert_eq!(judged.overall, Verdict::Fair);
    assert_eq!(judged.samples, 6);
    let busy = judged.figures[4];
    assert_eq!(
        (busy.verdict, busy.value, busy.samples),
        (Verdict::Unknown, Some(900_000), 4)
    );
    assert_eq!(judged.figures[0].verdict, Verdict::Good);
}

#[test]
fn too_few_samples_say_nothing() {
    assert_eq!(line(&[]).overall, Verdict::Unknown);
    let few = line(&[samples(Figure::Delay, &[900_000; 4])]);
    assert_eq!((few.overall, few.samples), (Verdict::Unknown, 4));
    assert_eq!(
        line(&[samples(Figure::Delay, &[900_000; 5])]).overall,
        Verdict::Poor
    );
}

#[test]
fn one_odd_sample_is_no_verdict_but_lost_packets_add_up() {
    let odd = [10_000, 10_000, 900_000, 10_000, 10_000];
    assert_eq!(line(&[samples(Figure::Delay, &odd)]).overall, Verdict::Good);
    let lost = [0, 0, 100_000, 0, 0];
    let judged = line(&[samples(Figure::Loss, &lost)]);
    assert_eq!(judged.figures[1].value, Some(20_000));
    assert_eq!(judged.overall, Verdict::Poor);
}

#[test]
fn the_contract_goes_before_the_median() {
    assert_eq!(
        Against::of(Some(100), Some(80)),
        Some(Against::Contract(100))
    );
    assert_eq!(Against::of(None, Some(80)), Some(Against::Median(80)));
    assert_eq!(Against::of(Some(0), None), None);
    let day = [Samples {
        figure: Figure::Down,
        values: &[43_000; 5],
        against: Against::of(Some(100_000), Some(40_000)),
    }];
    let json = line(&day).json();
    assert_eq!(json["overall"], "poor");
    assert_eq!(
        json["figures"][2],
        json!({"figure": "down", "value": 43_000, "unit": "kbps", "verdict": "poor", "samples": 5, "needed": 5,
            "against": 100_000, "against_what": "contract"})
    );
    assert_eq!(json["figures"][0]["value"], Value::Null);
    assert_eq!(json["figures"][0]["verdict"], "unknown");
}

#[test]
fn the_middle_is_a_sample() {
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![3, 1, 2]), Some(2));
    assert_eq!(median(vec![4, 1, 2, 3]), Some(2));
}

proptest! {
    #[test]
    fn more_delay_is_never_better(a: u64, b: u64) {
        for figure in [Figure::Delay, Figure::Loss, Figure::BusyDelay, Figure::Dns] {
            prop_assert!(figure.judge(a.min(b), None) <= figure.judge(a.max(b), None));
        }
    }

    #[test]
    fn more_speed_is_never_worse(a: u64, b: u64, whole in 1_u64..) {
        let verdict = |value| Figure::Down.judge(value, Some(whole));
        prop_assert!(verdict(a.max(b)) <= verdict(a.min(b)));
    }
}
