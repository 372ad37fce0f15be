#![allow(clippy::unwrap_used)]
use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::pattern;
use crate::{Labels, Place};

const ITEMS: usize = 6;

fn place(isp: &str, region: &str) -> Place {
    let label = |text| Some(text).filter(|t: &&str| !t.is_empty());
    Place::of(Labels {
        isp: label(isp),
        region: label(region),
        ..Labels::default()
    })
}

struct World {
    tree: Tree,
    patterns: Patterns,
    members: Vec<(u32, Profile)>,
}

fn world(crowd: &[(Place, &[usize], usize)]) -> World {
    let tree = Tree::new(crowd.iter().map(|(place, ..)| place));
    let mut patterns = Patterns::new(ITEMS);
    let mut members = Vec::new();
    for (place, items, count) in crowd {
        let mut set = vec![0; patterns.words()];
        items.iter().for_each(|item| pattern::put(&mut set, *item));
        let profile = Profile {
            place: tree.index(place),
            pattern: patterns.id(&set),
        };
        let from = u32::try_from(members.len()).unwrap();
        members.extend((from..).take(*count).map(|member| (member, profile)));
    }
    World {
        tree,
        patterns,
        members,
    }
}

impl World {
    fn grouping(&mut self, k: usize) -> Grouping<'_> {
        Grouping {
            tree: &self.tree,
            patterns: &mut self.patterns,
            k,
        }
    }

    fn gather(&mut self, k: usize) -> Vec<Part> {
        let members = self.members.clone();
        self.grouping(k).gather(&members)
    }

    fn split(&mut self, k: usize) -> Vec<Part> {
        let members = self.members.clone();
        self.grouping(k).split(&members)
    }

    /// How many vote for a place with an item.
    fn votes(&self, parts: &[Part], place: &Place, item: usize) -> usize {
        let place = self.tree.index(place);
        let inside = place..self.tree.end(place);
        parts
            .iter()
            .filter(|p| {
                inside.contains(&p.profile.place) && self.patterns.contains(p.profile.pattern, item)
            })
            .map(|p| p.members.len())
            .sum()
    }
}

#[test]
fn a_region_below_k_counts_for_its_isp_with_companions_of_a_neighbour() {
    let mut world = world(&[
        (place("a", "by"), &[0], 30),
        (place("a", "be"), &[0], 12),
        (place("a", "ni"), &[0], 3),
    ]);
    let parts = world.gather(10);
    assert_eq!(world.votes(&parts, &place("a", "ni"), 0), 0);
    assert_eq!(world.votes(&parts, &place("a", "be"), 0), 12);
    assert_eq!(
        world.votes(&parts, &place("a", "by"), 0),
        23,
        "else the ISP less its regions is three households"
    );
    assert_eq!(world.votes(&parts, &place("a", ""), 0), 45);
}

#[test]
fn two_regions_below_k_cover_each_other() {
    let mut world = world(&[
        (place("a", "by"), &[0], 30),
        (place("a", "be"), &[0], 6),
        (place("a", "ni"), &[0], 4),
    ]);
    let parts = world.gather(10);
    assert_eq!(world.votes(&parts, &place("a", "by"), 0), 30);
    assert_eq!(world.votes(&parts, &place("a", ""), 0), 40);
}

#[test]
fn a_remainder_without_companions_counts_for_nothing() {
    let mut world = world(&[(place("a", "by"), &[0], 12), (place("a", "ni"), &[0], 3)]);
    let parts = world.gather(10);
    assert_eq!(world.votes(&parts, &place("a", "by"), 0), 12);
    assert_eq!(world.votes(&parts, &place("", ""), 0), 12);
}

#[test]
fn contracts_rise_to_their_technology_first() {
    let of = |contract| {
        Place::of(Labels {
            isp: Some("a"),
            region: Some("by"),
            technology: Some("vdsl"),
            contract: Some(contract),
        })
    };
    let mut world = world(&[
        (of("t50"), &[0], 6),
        (of("t100"), &[0], 5),
        (of("t250"), &[0], 11),
    ]);
    let parts = world.gather(10);
    assert_eq!(
        world.votes(&parts, &of("t50"), 0) + world.votes(&parts, &of("t100"), 0),
        0
    );
    assert_eq!(world.votes(&parts, &of("t250"), 0), 11);
    assert_eq!(world.votes(&parts, &of("t50").parent().unwrap(), 0), 22);
}

#[test]
fn a_household_that_measured_more_than_the_others_gives_up_what_only_it_has() {
    let mut world = world(&[(place("a", "by"), &[0], 30), (place("a", "by"), &[0, 1], 1)]);
    let parts = world.gather(10);
    assert_eq!(world.votes(&parts, &place("a", "by"), 0), 31);
    assert_eq!(world.votes(&parts, &place("a", "by"), 1), 0);
}

#[test]
fn a_household_that_missed_a_cluster_does_not_stand_out_by_its_absence() {
    let mut world = world(&[
        (place("a", "by"), &[0, 1, 2, 3], 30),
        (place("a", "by"), &[0, 2, 3], 1),
    ]);
    let parts = world.split(10);
    assert_eq!(world.votes(&parts, &place("a", "by"), 0), 31);
    assert_eq!(
        world.votes(&parts, &place("a", "by"), 1),
        21,
        "nine others missed it with it"
    );
}

#[test]
fn a_silent_household_of_a_cohort_has_company() {
    let mut world = world(&[(place("a", "by"), &[0, 1], 29), (place("a", "by"), &[], 1)]);
    let parts = world.split(10);
    let mut sizes: Vec<usize> = parts.iter().map(|p| p.members.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [10, 20]);
    assert_eq!(world.votes(&parts, &place("a", "by"), 0), 20);
}

#[test]
fn a_cohort_of_k_is_silent_when_one_member_is() {
    let mut world = world(&[(place("a", "by"), &[0, 1], 11), (place("a", "by"), &[], 1)]);
    let parts = world.split(10);
    assert_eq!(parts.len(), 1);
    assert_eq!(world.votes(&parts, &place("", ""), 0), 0);
}

#[test]
fn a_household_that_moved_takes_companions_up_to_the_place_they_share() {
    let mut world = world(&[(place("a", "by"), &[0], 30), (place("a", "be"), &[0], 1)]);
    let parts = world.split(10);
    assert_eq!(world.votes(&parts, &place("a", "by"), 0), 21);
    assert_eq!(world.votes(&parts, &place("a", "be"), 0), 0);
    assert_eq!(world.votes(&parts, &place("a", ""), 0), 31);
}

#[test]
fn a_cohort_below_a_raised_k_is_silent() {
    let mut world = world(&[(place("a", "by"), &[0], 7)]);
    let parts = world.split(10);
    assert_eq!((parts.len(), parts[0].members.len()), (1, 7));
    assert_eq!(world.votes(&parts, &place("", ""), 0), 0);
}

fn any_crowd() -> impl Strategy<Value = Vec<(Place, Vec<usize>)>> {
    let place = (0_u8..4, 0_u8..5).prop_map(|(i, r)| match (i, r) {
        (0, _) => place("", ""),
        (i, 0) => place(&format!("i{i}"), ""),
        (i, r) => place(&format!("i{i}"), &format!("r{r}")),
    });
    let items = prop_oneof![
        6 => Just(vec![0, 1, 2]),
        3 => prop::collection::vec(0..ITEMS, 0..ITEMS),
    ];
    prop::collection::vec((place, items), 0..150)
}

proptest! {
    #[test]
    fn parts_are_of_at_least_k_who_offer_no_more_than_they_have(crowd in any_crowd(), k in 1_usize..12, known in any::<bool>()) {
        let listed: Vec<(Place, &[usize], usize)> = crowd.iter().map(|(p, items)| (p.clone(), &items[..], 1)).collect();
        let mut world = world(&listed);
        let parts = if known { world.split(k) } else { world.gather(k) };
        let mut seen = BTreeSet::new();
        let mut profiles = BTreeMap::new();
        for part in &parts {
            if crowd.len() >= k {
                prop_assert!(part.members.len() >= k);
            }
            for member in &part.members {
                prop_assert!(seen.insert(*member), "{member} is in two parts");
                let own = world.members[*member as usize].1;
                let voting = part.profile.pattern != NOTHING;
                prop_assert!(!voting || (part.profile.place..world.tree.end(part.profile.place)).contains(&own.place));
                prop_assert_eq!(world.patterns.common(own.pattern, part.profile.pattern), part.profile.pattern);
                profiles.insert(*member, part.profile);
            }
        }
        if known {
            prop_assert_eq!(seen.len(), crowd.len(), "nobody leaves a cohort");
        }
        if k == 1 {
            for (member, own) in &world.members {
                let published = profiles.get(member);
                prop_assert!(own.pattern == NOTHING || published == Some(own), "nothing is given up without need");
            }
        }
    }
}
