#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

fn region(isp: &str, name: &str) -> Place {
    Place::Region(isp.into(), name.into())
}

fn crowd(parts: &[(Place, &[usize], usize)]) -> Vec<(Place, Coverage)> {
    parts
        .iter()
        .flat_map(|(place, coverage, count)| {
            std::iter::repeat_n((place.clone(), coverage.iter().copied().collect()), *count)
        })
        .collect()
}

/// How many subscribers vote in a place (itself or below), towards a cluster (`None`: any).
fn votes(groups: &[Group], place: &Place, cluster: Option<usize>) -> usize {
    groups
        .iter()
        .filter(|g| g.place.chain().any(|p| p == *place))
        .filter(|g| cluster.is_none_or(|c| g.coverage.contains(&c)))
        .map(|g| g.members.len())
        .sum()
}

#[test]
fn a_region_below_k_is_merged_into_its_isp_with_the_smallest_sibling() {
    let groups = partition(
        &crowd(&[
            (region("a", "by"), &[0], 30),
            (region("a", "be"), &[0], 12),
            (region("a", "ni"), &[0], 3),
        ]),
        10,
    );
    assert_eq!(votes(&groups, &region("a", "by"), None), 30);
    assert_eq!(
        votes(&groups, &region("a", "be"), None),
        0,
        "else the ISP less its regions is three households"
    );
    assert_eq!(votes(&groups, &region("a", "ni"), None), 0);
    assert_eq!(votes(&groups, &Place::Isp("a".into()), Some(0)), 45);
}

#[test]
fn two_regions_below_k_cover_each_other() {
    let groups = partition(
        &crowd(&[
            (region("a", "by"), &[0], 30),
            (region("a", "be"), &[0], 6),
            (region("a", "ni"), &[0], 4),
        ]),
        10,
    );
    assert_eq!(votes(&groups, &region("a", "by"), None), 30);
    assert_eq!(votes(&groups, &Place::Isp("a".into()), None), 40);
}

#[test]
fn the_only_region_is_not_given_up_for_a_remainder() {
    let groups = partition(
        &crowd(&[(region("a", "by"), &[0], 30), (region("a", "ni"), &[0], 3)]),
        10,
    );
    assert_eq!(votes(&groups, &region("a", "by"), None), 30);
    assert_eq!(votes(&groups, &Place::Isp("a".into()), None), 30);
    assert_eq!(votes(&groups, &Place::Total, None), 30);
}

#[test]
fn a_large_sibling_is_not_given_up_for_a_few() {
    let parts = [
        (region("a", "by"), &[0][..], 300),
        (region("a", "be"), &[0], 200),
        (region("a", "ni"), &[0], 3),
    ];
    let groups = partition(&crowd(&parts), 10);
    assert_eq!(votes(&groups, &region("a", "be"), None), 200);
    assert_eq!(votes(&groups, &Place::Isp("a".into()), None), 500);
}

#[test]
fn an_isp_below_k_is_merged_into_the_total() {
    let parts = [
        (region("a", "by"), &[0][..], 40),
        (region("b", "by"), &[0], 20),
        (region("c", "by"), &[0], 4),
        (region("d", "by"), &[0], 7),
    ];
    let groups = partition(&crowd(&parts), 10);
    assert_eq!(votes(&groups, &Place::Isp("c".into()), None), 0);
    assert_eq!(votes(&groups, &Place::Isp("d".into()), None), 0);
    assert_eq!(
        votes(&groups, &Place::Isp("b".into()), None),
        20,
        "the two small ones cover each other"
    );
    assert_eq!(votes(&groups, &Place::Total, None), 71);
}

#[test]
fn a_household_that_measured_more_than_the_others_gives_up_what_only_it_has() {
    let groups = partition(
        &crowd(&[
            (region("a", "by"), &[0], 30),
            (region("a", "by"), &[0, 1], 1),
        ]),
        10,
    );
    assert_eq!(votes(&groups, &region("a", "by"), Some(0)), 31);
    assert_eq!(votes(&groups, &region("a", "by"), Some(1)), 0);
}

#[test]
fn a_household_that_missed_a_cluster_does_not_stand_out_by_its_absence() {
    let groups = partition(
        &crowd(&[
            (region("a", "by"), &[0, 1], 30),
            (region("a", "by"), &[0], 1),
        ]),
        10,
    );
    assert_eq!(votes(&groups, &region("a", "by"), Some(0)), 30);
    assert_eq!(votes(&groups, &region("a", "by"), Some(1)), 30);
    assert_eq!(votes(&groups, &region("a", "by"), None), 30);
}

#[test]
fn groups_that_are_all_small_meet_at_what_they_share() {
    let groups = partition(
        &crowd(&[
            (region("a", "by"), &[0, 1], 6),
            (region("a", "by"), &[0, 2], 6),
        ]),
        10,
    );
    assert_eq!(votes(&groups, &region("a", "by"), Some(0)), 12);
    assert_eq!(votes(&groups, &region("a", "by"), Some(1)), 0);
}

#[test]
fn a_thousand_odd_households_are_settled() {
    let odd: Vec<(Place, Coverage)> = (0..1_000_usize)
        .map(|n| {
            (
                region("a", "by"),
                (0..12).filter(|bit| n >> bit & 1 == 1).collect(),
            )
        })
        .collect();
    let groups = partition(&odd, 10);
    assert!(groups.iter().all(|g| g.members.len() >= 10));
    assert_eq!(votes(&groups, &region("a", "by"), None), 1_000);
}

fn any_place() -> impl Strategy<Value = Place> {
    prop_oneof![
        1 => Just(Place::Total),
        1 => (0_u8..4).prop_map(|i| Place::Isp(format!("i{i}"))),
        8 => (0_u8..4, 0_u8..4).prop_map(|(i, r)| region(&format!("i{i}"), &format!("r{r}"))),
    ]
}

fn any_subscriber() -> impl Strategy<Value = (Place, Coverage)> {
    let coverage = prop_oneof![
        6 => Just(Coverage::from([0, 1])),
        2 => prop::collection::btree_set(0_usize..4, 0..4),
    ];
    (any_place(), coverage)
}

proptest! {
    #[test]
    fn a_partition_holds_everybody_at_most_once_in_an_own_place_with_own_measurements(
        subscribers in prop::collection::vec(any_subscriber(), 0..150), k in 1_usize..12,
    ) {
        let groups = partition(&subscribers, k);
        let mut seen = BTreeSet::new();
        for group in &groups {
            prop_assert!(group.members.len() >= k);
            for member in &group.members {
                prop_assert!(seen.insert(*member), "{member} is in two groups");
                let (place, coverage) = &subscribers[*member];
                prop_assert!(place.chain().any(|p| p == group.place), "{group:?} is no place of {place:?}");
                prop_assert!(group.coverage.is_subset(coverage));
            }
        }
        prop_assert!(subscribers.len() - seen.len() < k, "only a last remainder is left out");
        if k == 1 {
            prop_assert!(groups.iter().all(|g| g.members.iter().all(|m| subscribers[*m] == (g.place.clone(), g.coverage.clone()))), "nothing is merged without need");
        }
    }
}
