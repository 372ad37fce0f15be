#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::{DelayMethod, PingKind, PingRow};

const WINDOW_US: i64 = 1_000_000;

fn row(subscriber: &str, labels: Option<(&str, &str)>, target: &str, rtt_us: &[u32]) -> PingRow {
    PingRow {
        subscriber: subscriber.into(),
        isp: labels.map(|(isp, _)| isp.into()),
        region: labels.map(|(_, region)| region.into()),
        target: target.into(),
        kind: PingKind::Udp,
        rtt_us: rtt_us.to_vec(),
        start_us: 0,
        trusted: true,
    }
}

fn observe(rows: Vec<PingRow>, clusters: &Clusters) -> Observations {
    Observations::collect(
        rows,
        Window::new(0, WINDOW_US).unwrap(),
        DelayMethod::Datagram,
        clusters,
    )
}

fn publish(rows: Vec<PingRow>, k: K) -> Public {
    observe(rows, &Clusters::PerTarget)
        .publish(k, &[Statistic::Median, Statistic::Mean, Statistic::Min])
}

fn region(count: usize, isp: &'static str, name: &'static str) -> Vec<PingRow> {
    (0..count)
        .map(|n| {
            row(
                &format!("{isp}-{name}-{n}"),
                Some((isp, name)),
                "192.0.2.1",
                &[10_000],
            )
        })
        .collect()
}

#[test]
fn alto_check_66_a_pid_below_k_appears_nowhere() {
    let rows = [
        region(12, "a", "x"),
        region(11, "a", "y"),
        region(9, "b", "z"),
    ]
    .concat();
    let public = publish(rows, K::DEFAULT);
    assert_eq!(
        public.places().collect::<Vec<_>>(),
        ["TOTAL", "a", "a:x", "a:y"]
    );
    assert_eq!(public.subscribers(), 20, "nor in a count: 23 of 32 vote");
    assert_eq!(public.samples(), 23);
    let text = format!("{public:?}");
    assert!(
        !text.contains("\"b\"") && !text.contains("b:z") && !text.contains("b-z"),
        "{text}"
    );
}

#[test]
fn a_target_that_few_measured_has_no_cluster() {
    let mut rows = region(12, "a", "x");
    rows.push(row("a-x-0", Some(("a", "x")), "10.0.0.1", &[5]));
    let public = publish(rows, K::DEFAULT);
    assert_eq!(
        public.clusters(),
        [PublicCluster {
            pid: "MSMNT-CL1".into(),
            targets: vec!["192.0.2.1".into()]
        }]
    );
}

#[test]
fn one_household_has_one_vote_however_much_it_measures() {
    let mut rows = region(10, "a", "x");
    rows.push(row("busy", Some(("a", "x")), "192.0.2.1", &[90_000; 1_000]));
    let public = publish(rows, K::DEFAULT);
    let cell = public.cell("a:x", "MSMNT-CL1").unwrap();
    assert_eq!(cell.value(Statistic::Median), Some(10_000));
    assert_eq!(
        cell.value(Statistic::Mean),
        Some((10 * 10_000 + 90_000 + 5) / 11)
    );
    assert_eq!(cell.samples(), 1_010);
}

#[test]
fn extremes_need_five_times_k() {
    let few = publish(region(49, "a", "x"), K::DEFAULT);
    assert_eq!(
        few.cell("a:x", "MSMNT-CL1").unwrap().value(Statistic::Min),
        None
    );
    let many = publish(region(50, "a", "x"), K::DEFAULT);
    assert_eq!(
        many.cell("a:x", "MSMNT-CL1").unwrap().value(Statistic::Min),
        Some(10_000)
    );
}

#[test]
fn the_laboratory_publishes_everything() {
    let public = publish(
        [region(1, "a", "x"), region(2, "b", "y")].concat(),
        K::lab(),
    );
    assert_eq!(
        public.places().collect::<Vec<_>>(),
        ["TOTAL", "a", "a:x", "b", "b:y"]
    );
    assert_eq!(public.cell("a:x", "MSMNT-CL1").unwrap().subscribers(), 1);
    assert_eq!(
        public.cell("b", "TOTAL").unwrap().value(Statistic::Min),
        Some(10_000)
    );
    assert_eq!(public.subscribers(), 3);
}

#[test]
fn only_trusted_answered_rows_of_the_method_and_the_window_count() {
    let good = region(10, "a", "x");
    let spoil = |change: fn(&mut PingRow)| {
        let mut rows = good.clone();
        change(&mut rows[0]);
        publish(rows, K::DEFAULT).subscribers()
    };
    assert_eq!(spoil(|_| ()), 10);
    assert_eq!(spoil(|r| r.trusted = false), 0);
    assert_eq!(spoil(|r| r.kind = PingKind::Tcp), 0);
    assert_eq!(spoil(|r| r.rtt_us.clear()), 0);
    assert_eq!(spoil(|r| r.start_us = WINDOW_US), 0);
    assert_eq!(spoil(|r| r.start_us = WINDOW_US - 1), 10);
    assert_eq!(spoil(|r| r.kind = PingKind::System), 10);
}

#[test]
fn listed_clusters_keep_their_numbers_and_other_targets_count_for_total() {
    let list = Clusters::Listed(vec![vec!["203.0.113.1".into()], vec!["192.0.2.1".into()]]);
    let mut rows = region(10, "a", "x");
    rows.extend((0..10).map(|n| {
        row(
            &format!("a-x-{n}"),
            Some(("a", "x")),
            "elsewhere.example",
            &[30_000],
        )
    }));
    let public = observe(rows, &list).publish(K::DEFAULT, &[Statistic::Median]);
    let pids: Vec<&str> = public.clusters().iter().map(|c| c.pid.as_str()).collect();
    assert_eq!(pids, ["MSMNT-CL1", "MSMNT-CL2"]);
    assert_eq!(public.cell("a:x", "MSMNT-CL1"), None);
    assert_eq!(
        public
            .cell("a:x", "MSMNT-CL2")
            .unwrap()
            .value(Statistic::Median),
        Some(10_000)
    );
    assert_eq!(
        public
            .cell("a:x", "TOTAL")
            .unwrap()
            .value(Statistic::Median),
        Some(20_000)
    );
}

#[test]
fn a_household_that_moved_is_where_it_was_last() {
    let mut rows = [region(10, "a", "x"), region(10, "a", "y")].concat();
    rows.push(PingRow {
        start_us: 5,
        ..row("a-x-0", Some(("a", "y")), "192.0.2.1", &[10_000])
    });
    let public = publish(rows.clone(), K::new(9).unwrap());
    rows.reverse();
    assert_eq!(
        public,
        publish(rows, K::new(9).unwrap()),
        "the order of rows does not matter"
    );
    assert_eq!(
        public.cell("a:x", "TOTAL").unwrap().subscribers(),
        5,
        "nine left"
    );
    assert_eq!(
        public.cell("a", "TOTAL").unwrap().subscribers(),
        20,
        "but it votes once"
    );
    assert_eq!(public.newest_us(), Some(5));
}

#[test]
fn nothing_measured_is_nothing_published() {
    let public = publish(Vec::new(), K::DEFAULT);
    assert_eq!(
        (
            public.cells().count(),
            public.subscribers(),
            public.newest_us()
        ),
        (0, 0, None)
    );
}

/// All ways in which two published cells stand for nearly the same households.
fn attacks(cells: &[BTreeSet<usize>], k: usize) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    for (a, left) in cells.iter().enumerate() {
        for (b, right) in cells.iter().enumerate() {
            let difference = left.difference(right).count();
            if (1..k).contains(&difference) {
                found.push((a, b, difference));
            }
        }
    }
    found
}

/// What is left of a cell when all published cells inside it are taken away.
fn remainder(cells: &[BTreeSet<usize>], whole: &BTreeSet<usize>) -> usize {
    let inside = cells
        .iter()
        .filter(|c| c.len() < whole.len() && c.is_subset(whole));
    let taken: BTreeSet<usize> = inside.flatten().copied().collect();
    whole.difference(&taken).count()
}

fn sets(cells: BTreeMap<(String, Option<usize>), Vec<usize>>) -> Vec<BTreeSet<usize>> {
    cells
        .into_values()
        .map(|members| members.into_iter().collect())
        .collect()
}

#[test]
fn the_attack_works_on_cells_that_are_only_large_enough_each() {
    // 30 + 12 + 3 in one ISP; a rule that looks at each cell alone publishes 45, 30 and 12.
    let naive: Vec<BTreeSet<usize>> =
        vec![(0..45).collect(), (0..30).collect(), (30..42).collect()];
    assert!(attacks(&naive, 10).is_empty());
    assert_eq!(remainder(&naive, &naive[0]), 3);
    // One household did not measure one cluster.
    assert_eq!(
        attacks(&[(0..31).collect(), (0..30).collect()], 10),
        [(0, 1, 1)]
    );
}

fn any_household() -> impl Strategy<Value = (crate::Place, Coverage)> {
    let place = prop_oneof![
        1 => Just((None, None)),
        1 => (0_u8..3).prop_map(|i| (Some(format!("i{i}")), None)),
        8 => (0_u8..3, 0_u8..4).prop_map(|(i, r)| (Some(format!("i{i}")), Some(format!("r{}", r.min(r / 2 * 3))))),
    ];
    let coverage = prop_oneof![
        8 => Just(Coverage::from([0, 1, 2])),
        2 => prop::collection::btree_set(0_usize..3, 0..3),
    ];
    (place, coverage)
        .prop_map(|((i, r), coverage)| (crate::Place::of(i.as_deref(), r.as_deref()), coverage))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_difference_of_published_cells_is_a_handful_of_households(
        households in prop::collection::vec(any_household(), 0..250), k in 5_usize..12,
    ) {
        let cells = sets(contributors(&group::partition(&households, k)));
        prop_assert!(cells.iter().all(|c| c.len() >= k));
        prop_assert_eq!(attacks(&cells, k), vec![]);
        for whole in &cells {
            prop_assert!(!(1..k).contains(&remainder(&cells, whole)));
        }
        // Whatever can be computed by set algebra is a union of these.
        let mut atoms: BTreeMap<Vec<bool>, usize> = BTreeMap::new();
        for household in 0..households.len() {
            let signature: Vec<bool> = cells.iter().map(|c| c.contains(&household)).collect();
            if signature.contains(&true) {
                *atoms.entry(signature).or_default() += 1;
            }
        }
        prop_assert!(atoms.values().all(|n| *n >= k), "{:?}", atoms.values());
    }

    #[test]
    fn published_cells_are_those_of_the_partition(counts in prop::collection::vec(0_usize..20, 4)) {
        let rows = ["w", "x", "y", "z"].iter().zip(&counts).flat_map(|(name, n)| region(*n, "a", name)).collect();
        let observations = observe(rows, &Clusters::PerTarget);
        let profiles: Vec<_> = observations.subscribers.values().map(|s| (s.place.clone(), Coverage::from([0]))).collect();
        let expected = contributors(&group::partition(&profiles, 10));
        let public = observations.publish(K::DEFAULT, &[Statistic::Median]);
        prop_assert_eq!(public.cells().count(), expected.len());
        for ((source, cluster), members) in expected {
            let cell = public.cell(&source, if cluster.is_some() { "MSMNT-CL1" } else { TOTAL }).unwrap();
            prop_assert_eq!(cell.subscribers(), members.len() / 5 * 5);
            prop_assert_eq!(cell.samples(), members.len());
        }
    }
}
