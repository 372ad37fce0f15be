#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::Prefix;
use crate::filtered_cost_map::fixture::{ask, bad, f1, fault, id, pid};

fn filter(map: NetworkMap) -> FilteredNetworkMap {
    let vtag = VersionTag {
        resource_id: id("nm"),
        tag: map.tag(),
    };
    FilteredNetworkMap::new(vtag, Arc::new(map))
}

fn data(body: &str) -> Value {
    ask(&filter(f1()), body).unwrap()["network-map"].clone()
}

#[test]
fn alto_check_10_the_chosen_pids_have_the_tag_of_the_full_map() {
    let answer = ask(&filter(f1()), r#"{"pids":["PID1","PID2"]}"#).unwrap();
    let full = serde_json::to_value(f1()).unwrap();
    assert_eq!(
        answer["network-map"],
        json!({"PID1": full["PID1"], "PID2": full["PID2"]})
    );
    assert_eq!(
        answer["meta"],
        json!({"vtag": {"resource-id": "nm", "tag": f1().tag().as_str()}})
    );
    assert_eq!(answer.as_object().unwrap().len(), 2);
}

#[test]
fn alto_check_11_an_empty_list_is_all_pids() {
    let full = serde_json::to_value(f1()).unwrap();
    assert_eq!(data(r#"{"pids":[]}"#), full);
    assert_eq!(data(r#"{"pids":[],"address-types":[]}"#), full);
}

#[test]
fn alto_check_12_unknown_pids_are_absent_and_repeated_ones_there_once() {
    let body = r#"{"pids":["PID1","nope","PID1","a.b","",".","\u0000"]}"#;
    let full = serde_json::to_value(f1()).unwrap();
    assert_eq!(data(body), json!({"PID1": full["PID1"]}));
    let raw = filter(f1());
    let asking = Asking {
        peer: None,
        limits: &crate::Limits::default(),
    };
    let bytes = raw.answer(body.as_bytes(), &asking).unwrap();
    assert_eq!(String::from_utf8(bytes).unwrap().matches("PID1").count(), 1);
    assert_eq!(data(r#"{"pids":["nope"]}"#), json!({}), "none is not all");
}

#[test]
fn alto_check_13_only_the_chosen_address_types() {
    let expected = json!({"PID1": {}, "PID2": {}, "PID3": {"ipv6": ["::/0"]}});
    assert_eq!(data(r#"{"pids":[],"address-types":["ipv6"]}"#), expected);
    assert_eq!(
        data(r#"{"pids":["PID3"],"address-types":["ipv6","ipv4","ipv6"]}"#)["PID3"],
        serde_json::to_value(f1()).unwrap()["PID3"]
    );
}

#[test]
fn alto_check_14_unknown_address_types_are_passed_over() {
    assert_eq!(
        data(r#"{"pids":["PID1"],"address-types":["mac48"]}"#),
        json!({"PID1": {}})
    );
    assert_eq!(
        data(r#"{"pids":["PID3"],"address-types":["mac48","ipv6"]}"#),
        json!({"PID3": {"ipv6": ["::/0"]}})
    );
}

#[test]
fn alto_check_15_pids_must_be_there() {
    let missing = json!({"code": "E_MISSING_FIELD", "field": "pids"});
    for body in [
        "{}",
        r#"{"address-types":7}"#,
        r#"{"PIDS":[]}"#,
        r#"{"x":{"pids":[]}}"#,
    ] {
        assert_eq!(fault(&filter(f1()), body), missing, "{body}");
    }
}

#[test]
fn alto_check_16_wrong_types_and_wrong_elements() {
    let kind = |field: &str| json!({"code": "E_INVALID_FIELD_TYPE", "field": field});
    let map = filter(f1());
    for (body, expected) in [
        (r#"{"pids":"PID1"}"#, kind("pids")),
        (r#"{"pids":null}"#, kind("pids")),
        (r#"{"pids":[7]}"#, bad("pids", "7")),
        (r#"{"pids":["PID1",{"a":[]}]}"#, bad("pids", r#"{"a":[]}"#)),
        (
            r#"{"pids":[null],"address-types":"ipv4"}"#,
            kind("address-types"),
        ),
        (
            r#"{"address-types":[4],"pids":[6]}"#,
            bad("address-types", "4"),
        ),
        (r#"{"pids":[6],"address-types":[4]}"#, bad("pids", "6")),
    ] {
        assert_eq!(fault(&map, body), expected, "{body}");
    }
}

#[test]
fn alto_check_17_what_is_no_json_is_a_syntax_error() {
    for body in [
        r#"{"pids":"#,
        "",
        "[]",
        r#"{"pids":[]}x"#,
        "{\"pids\":[\"\0\"]}",
    ] {
        let fault = fault(&filter(f1()), body);
        assert_eq!(fault["code"], "E_SYNTAX", "{body}");
        assert!(
            fault["syntax-error"]
                .as_str()
                .unwrap()
                .contains("line 1 column"),
            "{fault}"
        );
        assert_eq!(fault.as_object().unwrap().len(), 2);
    }
}

#[test]
fn alto_check_65_unknown_members_are_ignored() {
    assert_eq!(data(r#"{"x":[{}],"pids":["nope"],"y":null}"#), json!({}));
}

#[test]
fn many_names_are_answered_like_one() {
    let pids = vec![r#""PID2""#; 50_000].join(",");
    let full = serde_json::to_value(f1()).unwrap();
    assert_eq!(
        data(&format!(r#"{{"pids":[{pids}]}}"#)),
        json!({"PID2": full["PID2"]})
    );
    let deep = format!(
        r#"{{"pids":[{}{}]}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(fault(&filter(f1()), &deep)["code"], "E_INVALID_FIELD_VALUE");
}

#[test]
fn alto_trap_7285_the_map_of_the_example_overlaps() {
    // §11.3.1.7 gives PID2 a prefix with host bits, which masked is one of PID1.
    let mut groups: BTreeMap<String, BTreeMap<String, Vec<String>>> =
        serde_json::from_str(include_str!("../../tests/data/f1.json")).unwrap();
    groups.insert(
        "PID2".into(),
        [("ipv4".into(), vec!["198.51.100.128/24".into()])].into(),
    );
    assert!(NetworkMap::parse(&groups).is_err());
}

proptest! {
    /// The filtered map is the full one without what was not asked for.
    #[test]
    fn a_filtered_map_is_a_part_of_the_full_one(
        owners in prop::collection::vec(0_u8..6, 16), chosen in prop::collection::vec(0_u8..8, 0..6), types in prop::collection::vec(0_usize..3, 0..3),
    ) {
        let groups = owners.iter().enumerate().map(|(n, owner)| {
            let prefix = if n % 2 == 0 { format!("10.{n}.0.0/16") } else { format!("2001:db8:{n:x}::/48") };
            (pid(&format!("p{owner}")), vec![prefix.parse::<Prefix>().unwrap()])
        });
        let map = NetworkMap::with_rest(groups, &pid("rest")).unwrap();
        let types: Vec<&str> = types.iter().map(|t| ["ipv4", "ipv6", "mac48"][*t]).collect();
        let names: Vec<String> = chosen.iter().map(|n| format!("p{n}")).collect();
        let mut naive = serde_json::to_value(&map).unwrap();
        let object = naive.as_object_mut().unwrap();
        object.retain(|name, _| names.is_empty() || names.contains(name));
        for group in object.values_mut() {
            group.as_object_mut().unwrap().retain(|name, _| types.is_empty() || types.contains(&name.as_str()));
        }
        let body = json!({"pids": names, "address-types": types}).to_string();
        prop_assert_eq!(&ask(&filter(map), &body).unwrap()["network-map"], &naive);
    }
}
