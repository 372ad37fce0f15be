#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

/// What one does to a map.
#[derive(Clone, Debug)]
enum Deed {
    Insert(u8, u16),
    Remove(u8),
    Entry(u8, u16),
    PopFirst,
    PopLast,
    SplitOff(u8),
    Retain(u16),
}

fn deeds() -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        4 => (0..20u8, any::<u16>()).prop_map(|(key, value)| Deed::Insert(key, value)),
        2 => (0..20u8).prop_map(Deed::Remove),
        2 => (0..20u8, any::<u16>()).prop_map(|(key, value)| Deed::Entry(key, value)),
        1 => Just(Deed::PopFirst),
        1 => Just(Deed::PopLast),
        1 => (0..20u8).prop_map(Deed::SplitOff),
        1 => any::<u16>().prop_map(Deed::Retain),
    ];
    proptest::collection::vec(deed, 0..60)
}

proptest! {
    #[test]
    fn a_map_is_as_the_tree(deeds in deeds(), low in 0..20u8, high in 0..20u8) {
        let (mut map, mut tree) = (SortedMap::new(), BTreeMap::new());
        for deed in deeds {
            match deed {
                Deed::Insert(key, value) => prop_assert_eq!(map.insert(key, value), tree.insert(key, value)),
                Deed::Remove(key) => prop_assert_eq!(map.remove(&key), tree.remove(&key)),
                Deed::Entry(key, value) => {
                    let mine = *map.entry(key).and_modify(|old| *old /= 2).or_insert(value);
                    prop_assert_eq!(mine, *tree.entry(key).and_modify(|old| *old /= 2).or_insert(value));
                }
                Deed::PopFirst => prop_assert_eq!(map.pop_first(), tree.pop_first()),
                Deed::PopLast => prop_assert_eq!(map.pop_last(), tree.pop_last()),
                Deed::SplitOff(key) => {
                    let (mine, theirs) = (map.split_off(&key), tree.split_off(&key));
                    prop_assert!(mine.into_iter().eq(theirs));
                }
                Deed::Retain(limit) => {
                    map.retain(|_, value| *value < limit);
                    tree.retain(|_, value| *value < limit);
                }
            }
            prop_assert!(map.iter().eq(&tree) && map.iter().rev().eq(tree.iter().rev()));
            prop_assert!(map.keys().eq(tree.keys()) && map.values().eq(tree.values()));
            prop_assert_eq!(map.len(), tree.len());
        }
        prop_assert_eq!(map.first_key_value(), tree.first_key_value());
        prop_assert_eq!(map.last_key_value(), tree.last_key_value());
        let (low, high) = (low.min(high), low.max(high));
        prop_assert!(map.range(low..high).eq(tree.range(low..high)));
        prop_assert!(map.range(low..=high).eq(tree.range(low..=high)));
        prop_assert!(map.range(low..).eq(tree.range(low..)));
        let open = (Bound::Excluded(low), Bound::Unbounded);
        prop_assert!(map.range(open).eq(tree.range(open)));
        map.values_mut().for_each(|value| *value = 1);
        prop_assert!(map.values().all(|value| *value == 1));
    }

    #[test]
    fn a_set_is_as_the_tree(members: Vec<u8>, others: Vec<u8>) {
        let mut set: SortedSet<u8> = members.iter().copied().collect();
        let mut tree: BTreeSet<u8> = members.into_iter().collect();
        prop_assert!(set.iter().eq(&tree));
        let (mine, theirs): (SortedSet<u8>, BTreeSet<u8>) = (others.iter().copied().collect(), others.iter().copied().collect());
        prop_assert!(set.difference(&mine).eq(tree.difference(&theirs)));
        for other in others {
            prop_assert_eq!(set.contains(&other), tree.contains(&other));
            prop_assert_eq!(set.remove(&other), tree.remove(&other));
            prop_assert_eq!(set.insert(other / 2), tree.insert(other / 2));
        }
        prop_assert_eq!(set.pop_first(), tree.pop_first());
        prop_assert_eq!((set.first(), set.last()), (tree.first(), tree.last()));
        prop_assert!(set.into_iter().eq(tree));
    }
}

#[test]
fn borrowed_keys_find() {
    let mut map = SortedMap::from([
        ("b".to_owned(), 2),
        ("a".to_owned(), 1),
        ("b".to_owned(), 3),
    ]);
    assert_eq!(map["b"], 3);
    *map.get_mut("a").unwrap() += 1;
    assert_eq!(format!("{map:?}"), r#"{"a": 2, "b": 3}"#);
    assert!(!map.contains_key("c"));
}
