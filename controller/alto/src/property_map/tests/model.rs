//! Answers against what a client makes of them, and against a model without trees.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{ask, id, name, pid};
use crate::{NetworkMap, Prefix, PropertyMap};

/// Addresses in play: enough for every nesting, few enough to look at each.
const ADDRESSES: u32 = 32;

type Values = BTreeMap<(u32, u8), Option<u8>>;

fn place() -> impl Strategy<Value = (u32, u8)> {
    (0..ADDRESSES, 0_u8..=5).prop_map(|(address, host)| (address >> host << host, 32 - host))
}

fn values() -> impl Strategy<Value = Values> {
    prop::collection::btree_map(place(), prop::option::weighted(0.8, 0_u8..3), 0..12)
}

fn prefix((address, length): (u32, u8)) -> Prefix {
    Prefix::new(Ipv4Addr::from(address).into(), length).unwrap()
}

fn holds((outer, length): (u32, u8), address: u32) -> bool {
    let host = 32 - u32::from(length);
    outer.checked_shr(host).unwrap_or(0) == address.checked_shr(host).unwrap_or(0)
}

/// The longest of the places that hold the address and of which something is said.
fn longest<V>(said: impl Iterator<Item = ((u32, u8), V)>, address: u32) -> Option<V> {
    said.filter(|(place, _)| holds(*place, address))
        .max_by_key(|((_, length), _)| *length)
        .map(|(_, value)| value)
}

/// The entities of an answer as places.
fn entities(map: &Value) -> Vec<((u32, u8), Value)> {
    let members = map.as_object().unwrap().iter();
    members
        .map(|(entity, said)| {
            let text = entity.strip_prefix("ipv4:").unwrap();
            let (address, length) = text.split_once('/').unwrap_or((text, "32"));
            let address: Ipv4Addr = address.parse().unwrap();
            ((address.to_bits(), length.parse().unwrap()), said.clone())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_client_finds_for_each_address_what_is_said_of_it(
        one in values(), other in values(), groups in prop::collection::btree_map(place(), 0_u8..4, 0..10),
        asked in prop::collection::vec(place(), 1..6), everything in any::<bool>(),
    ) {
        let column = |values: &Values| -> Vec<_> {
            values.iter().map(|(at, value)| (prefix(*at), value.map(|v| v.to_string()))).collect()
        };
        let by_pid = groups.iter().map(|(at, owner)| (pid(&format!("p{owner}")), vec![prefix(*at)]));
        let map = Arc::new(NetworkMap::with_rest(by_pid, &pid("rest")).unwrap());
        let properties = PropertyMap::default()
            .with_addresses(name(".one"), column(&one))
            .with_addresses(name(".other"), column(&other))
            .with_pids_of_addresses(&id("nm"), &map);
        let listed: Vec<String> = asked.iter().map(|at| format!("ipv4:{}", prefix(*at))).collect();
        let body = json!({
            "entities": if everything { vec![] } else { listed },
            "properties": [".one", ".other", "nm.pid"],
        });
        let mut answer = ask(properties, &body).unwrap()["property-map"].take();
        answer.as_object_mut().unwrap().retain(|entity, _| entity.starts_with("ipv4:"));
        let answered = entities(&answer);
        for address in 0..ADDRESSES {
            let in_question = everything || asked.iter().any(|at| holds(*at, address));
            let found = |property: &str| {
                let said = answered.iter().filter_map(|(at, said)| Some((*at, said.get(property)?.clone())));
                longest(said, address).unwrap_or(Value::Null)
            };
            if !in_question {
                prop_assert!(answered.iter().all(|(at, _)| !holds(*at, address)), "{} was not asked: {}", address, answer);
                continue;
            }
            for (property, values) in [(".one", &one), (".other", &other)] {
                let said = longest(values.iter().map(|(at, value)| (*at, *value)), address).flatten();
                let expected = said.map_or(Value::Null, |value| json!(value.to_string()));
                prop_assert_eq!(found(property), expected, "{} of {}: {}", property, address, answer);
            }
            let owner = longest(groups.iter().map(|(at, owner)| (*at, format!("p{owner}"))), address);
            prop_assert_eq!(found("nm.pid"), json!(owner.unwrap_or_else(|| "rest".to_owned())));
        }
        if !everything {
            for (at, _) in &answered {
                let inner = |address: &u32| {
                    answered.iter().any(|(other, _)| other.1 > at.1 && holds(*at, other.0) && holds(*other, *address))
                };
                let covered = (0..ADDRESSES).filter(|address| holds(*at, *address)).all(|address| inner(&address));
                prop_assert!(!covered, "{:?} is made up by others: {}", at, answer);
            }
        }
    }
}
