#![allow(clippy::unwrap_used)]

mod model;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use crate::query::{Asking, Query, Refusal};
use crate::{
    Anonymity, Edition, FilteredPropertyMap, Limits, NetworkMap, PidName, Prefix, PropertyMap,
    PropertyName, Provenance, ResourceId, VersionTag,
};

fn name(text: &str) -> PropertyName {
    PropertyName::new(text).unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn id(text: &str) -> ResourceId {
    ResourceId::new(text).unwrap()
}

fn pid(text: &str) -> PidName {
    PidName::new(text).unwrap()
}

fn network_map(groups: &[(&str, &[&str])]) -> Arc<NetworkMap> {
    let groups = groups
        .iter()
        .map(|(name, prefixes)| (pid(name), prefixes.iter().map(|p| prefix(p)).collect()));
    Arc::new(NetworkMap::with_rest(groups, &pid("defaultpid")).unwrap())
}

/// The network maps of RFC 9240 §10.1.
fn maps() -> [(VersionTag, Arc<NetworkMap>); 2] {
    let default = network_map(&[
        ("pid1", &["192.0.2.0/25"]),
        ("pid2", &["192.0.2.0/27"]),
        ("pid3", &["192.0.3.0/28"]),
        ("pid4", &["192.0.3.16/28"]),
    ]);
    let other = network_map(&[("pid1", &["192.0.2.0/27"]), ("pid2", &["192.0.3.0/27"])]);
    [("default-network-map", default), ("alt-network-map", other)].map(|(name, map)| {
        let vtag = VersionTag {
            resource_id: id(name),
            tag: map.tag(),
        };
        (vtag, map)
    })
}

/// The properties of RFC 9240 §10.2, and those of addresses that the network maps define.
fn p1() -> PropertyMap {
    let [(default, default_map), (other, other_map)] = maps();
    let column = |property: &str, values: &[(&str, &str)]| {
        let values: Vec<_> = values
            .iter()
            .map(|(at, value)| (prefix(at), Some((*value).to_owned())))
            .collect();
        (name(property), values)
    };
    let columns = [
        column(".ISP", &[("192.0.2.0/23", "BitsRus")]),
        column(".countrycode", &[("192.0.2.0/23", "us")]),
        column(
            ".ASN",
            &[
                ("192.0.2.0/28", "65543"),
                ("192.0.2.16/28", "65543"),
                ("192.0.3.0/28", "65544"),
                ("192.0.3.16/28", "65544"),
            ],
        ),
        column(
            ".state",
            &[
                ("192.0.2.0/28", "NJ"),
                ("192.0.2.16/28", "CT"),
                ("192.0.2.1/32", "PA"),
                ("192.0.3.0/28", "TX"),
                ("192.0.3.16/28", "MN"),
            ],
        ),
    ];
    let regions = [
        ("pid1", "us-west"),
        ("pid2", "us-east"),
        ("pid3", "us-south"),
        ("pid4", "us-north"),
    ];
    let mut map = PropertyMap::new(vec![default.clone(), other.clone()])
        .with_pids_of_addresses(&default.resource_id, &default_map)
        .with_pids_of_addresses(&other.resource_id, &other_map)
        .with_pids(
            &default.resource_id,
            &name(".region"),
            regions.map(|(pid, region)| (self::pid(pid), region.to_owned())),
        )
        .with_pids(
            &other.resource_id,
            &name(".ASN"),
            [("pid1", "65543"), ("pid2", "65544")]
                .map(|(pid, asn)| (self::pid(pid), asn.to_owned())),
        );
    for (property, values) in columns {
        map = map.with_addresses(property, values);
    }
    map
}

fn ask(map: PropertyMap, body: &Value) -> Result<Value, Refusal> {
    let limits = Limits::default();
    let asking = Asking {
        peer: None,
        limits: &limits,
    };
    let body = FilteredPropertyMap::new(map).answer(body.to_string().as_bytes(), &asking)?;
    Ok(serde_json::from_slice(&body).unwrap())
}

fn said(entities: &[&str], properties: &[&str]) -> Value {
    let body = json!({"entities": entities, "properties": properties});
    ask(p1(), &body).unwrap()["property-map"].take()
}

fn fault(body: &Value) -> Value {
    let Err(Refusal::Fault(fault)) = ask(p1(), body) else {
        panic!("{body} was taken")
    };
    let document: Value = serde_json::from_slice(&fault.to_bytes()).unwrap();
    document["meta"].clone()
}

#[test]
fn alto_check_47_addresses_inherit_what_is_said_of_the_longest_prefix() {
    let map = said(
        &["ipv4:192.0.2.0", "ipv4:192.0.2.1", "ipv4:192.0.2.17"],
        &[".ISP", ".ASN", ".state"],
    );
    let with = |state: &str| json!({".ISP": "BitsRus", ".ASN": "65543", ".state": state});
    let expected = json!({
        "ipv4:192.0.2.0": with("NJ"),
        "ipv4:192.0.2.1": with("PA"),
        "ipv4:192.0.2.17": with("CT"),
    });
    assert_eq!(map, expected);
}

#[test]
fn alto_check_48_a_prefix_comes_with_the_parts_of_it_that_differ() {
    let body = json!({
        "entities": ["ipv4:192.0.2.0/26", "ipv4:192.0.3.0/26", "ipv4:192.0.4.0/26"],
        "properties": [".ASN", ".countrycode", ".state"],
    });
    let answer = ask(p1(), &body).unwrap();
    let expected = json!({
        "ipv4:192.0.2.0/26": {".countrycode": "us"},
        "ipv4:192.0.2.0/28": {".ASN": "65543", ".state": "NJ"},
        "ipv4:192.0.2.16/28": {".ASN": "65543", ".state": "CT"},
        "ipv4:192.0.2.1": {".state": "PA"},
        "ipv4:192.0.3.0/26": {".countrycode": "us"},
        "ipv4:192.0.3.0/28": {".ASN": "65544", ".state": "TX"},
        "ipv4:192.0.3.16/28": {".ASN": "65544", ".state": "MN"},
    });
    assert_eq!(answer["property-map"], expected);
    assert_eq!(
        answer["meta"]["dependent-vtags"],
        serde_json::to_value(maps().map(|(vtag, _)| vtag)).unwrap(),
        "all that the entry uses, in its order"
    );
}

#[test]
fn alto_check_49_a_prefix_whose_parts_make_up_the_whole_gives_way_to_them() {
    let map = said(
        &["ipv4:192.0.2.128", "ipv4:192.0.2.0/27", "ipv4:192.0.3.0/27"],
        &["default-network-map.pid"],
    );
    let of = |pid: &str| json!({"default-network-map.pid": pid});
    let expected = json!({
        "ipv4:192.0.2.128": of("defaultpid"),
        "ipv4:192.0.2.0/27": of("pid2"),
        "ipv4:192.0.3.0/28": of("pid3"),
        "ipv4:192.0.3.16/28": of("pid4"),
    });
    assert_eq!(map, expected);
}

#[test]
fn alto_check_49_the_parts_take_over_what_they_inherited() {
    let map = said(
        &["ipv4:192.0.2.128", "ipv4:192.0.2.0/27", "ipv4:192.0.3.0/27"],
        &["default-network-map.pid", "alt-network-map.pid"],
    );
    let of = |default: &str, other: &str| json!({"default-network-map.pid": default, "alt-network-map.pid": other});
    let expected = json!({
        "ipv4:192.0.2.128": of("defaultpid", "defaultpid"),
        "ipv4:192.0.2.0/27": of("pid2", "pid1"),
        "ipv4:192.0.3.0/28": of("pid3", "pid2"),
        "ipv4:192.0.3.16/28": of("pid4", "pid2"),
    });
    assert_eq!(map, expected);
}

#[test]
fn alto_check_49_all_of_ipv6_is_made_up_by_its_halves_too() {
    let halves = [("::/0", "a"), ("::/1", "b"), ("8000::/1", "c")];
    let values = halves.map(|(at, value)| (prefix(at), Some(value.to_owned())));
    let map = PropertyMap::default()
        .with_addresses(name(".x"), values)
        .with_addresses(name(".y"), [(prefix("::/0"), Some("d".to_owned()))]);
    let body = json!({"entities": ["ipv6:::/0"], "properties": [".x", ".y"]});
    let expected =
        json!({"ipv6:::/1": {".x": "b", ".y": "d"}, "ipv6:8000::/1": {".x": "c", ".y": "d"}});
    assert_eq!(ask(map, &body).unwrap()["property-map"], expected);
}

#[test]
fn alto_check_50_without_entities_nothing_is_answered() {
    assert_eq!(
        fault(&json!({"properties": [".ISP"]})),
        json!({"code": "E_MISSING_FIELD", "field": "entities"})
    );
}

#[test]
fn alto_check_50_without_properties_only_the_entities_are_answered() {
    let body = json!({"entities": ["ipv4:192.0.2.0", "ipv4:192.0.2.0/26", "default-network-map.pid:pid1"]});
    let expected =
        json!({"ipv4:192.0.2.0": {}, "ipv4:192.0.2.0/26": {}, "default-network-map.pid:pid1": {}});
    assert_eq!(ask(p1(), &body).unwrap()["property-map"], expected);
    let every = ask(p1(), &json!({"entities": []})).unwrap();
    let every = every["property-map"].as_object().unwrap();
    assert!(every.values().all(|said| *said == json!({})));
    for entity in [
        "ipv4:192.0.2.0/23",
        "ipv4:192.0.2.1",
        "ipv4:0.0.0.0/0",
        "ipv6:::/0",
        "default-network-map.pid:pid4",
        "alt-network-map.pid:pid2",
    ] {
        assert!(every.contains_key(entity), "{entity}");
    }
    assert!(!every.contains_key("default-network-map.pid:defaultpid"));
}

#[test]
fn empty_lists_ask_for_everything() {
    let every = ask(p1(), &json!({"entities": [], "properties": []})).unwrap();
    let map = p1();
    let fetched: Value = serde_json::from_slice(&map.to_bytes(&maps()[0].0)).unwrap();
    assert_eq!(every["property-map"], fetched["property-map"]);
    assert_eq!(
        every["property-map"]["ipv4:192.0.2.1"],
        json!({".state": "PA"})
    );
    assert_eq!(fetched["meta"]["vtag"], json!(maps()[0].0));
    let properties = said(&["ipv4:192.0.2.1"], &[]);
    let expected = json!({".ASN": "65543", ".ISP": "BitsRus", ".countrycode": "us", ".state": "PA",
        "alt-network-map.pid": "pid1", "default-network-map.pid": "pid2"});
    assert_eq!(properties, json!({"ipv4:192.0.2.1": expected}));
}

#[test]
fn pids_inherit_nothing_and_one_that_is_not_there_is_no_error() {
    let body = json!({
        "entities": ["default-network-map.pid:pid1", "default-network-map.pid:pid2",
            "default-network-map.pid:defaultpid", "default-network-map.pid:nope:x", "default-network-map.pid:pid1"],
        "properties": [".region"],
    });
    let answer = ask(p1(), &body).unwrap();
    let expected = json!({
        "default-network-map.pid:pid1": {".region": "us-west"},
        "default-network-map.pid:pid2": {".region": "us-east"},
    });
    assert_eq!(answer["property-map"], expected);
    assert_eq!(
        answer["meta"]["dependent-vtags"],
        json!([maps()[0].0]),
        "only what defines the domain"
    );
}

#[test]
fn what_is_not_offered_is_refused_by_name() {
    let bad = |field: &str, value: &str| json!({"code": "E_INVALID_FIELD_VALUE", "field": field, "value": value});
    for entity in [
        "ipv4:192.0.2.1/24",
        "ipv4:192.0.2.300",
        "ipv5:1",
        "default-network-map.pid:a.b",
        "nm.pid:pid1",
        "192.0.2.1",
        "",
    ] {
        let body = json!({"entities": ["ipv4:192.0.2.1", entity], "properties": [".ISP"]});
        assert_eq!(fault(&body), bad("entities", entity));
    }
    for property in [".isp", "pid", "nm.pid", ""] {
        let body = json!({"entities": ["ipv4:192.0.2.1"], "properties": [".ISP", property]});
        assert_eq!(fault(&body), bad("properties", property));
    }
    assert_eq!(fault(&json!({"entities": [7]})), bad("entities", "7"));
    let kind = |field: &str| json!({"code": "E_INVALID_FIELD_TYPE", "field": field});
    assert_eq!(
        fault(&json!({"entities": "ipv4:192.0.2.1"})),
        kind("entities")
    );
    assert_eq!(
        fault(&json!({"entities": [], "properties": null})),
        kind("properties")
    );
}

#[test]
fn entities_are_named_as_they_were_asked() {
    let asked = [
        "ipv6:2001:DB8:0:0::1",
        "ipv6:2001:db8::1/128",
        "ipv6:2001:db8::1",
    ];
    let map = said(&asked, &["default-network-map.pid"]);
    let map = map.as_object().unwrap();
    assert_eq!(map.len(), 3);
    for entity in asked {
        assert_eq!(
            map[entity],
            json!({"default-network-map.pid": "defaultpid"})
        );
    }
}

#[test]
fn no_value_ends_what_is_inherited() {
    let values = [
        (prefix("192.0.2.0/24"), Some("v".to_owned())),
        (prefix("192.0.2.0/26"), None),
        (prefix("192.0.3.0/24"), None),
    ];
    let map = || PropertyMap::default().with_addresses(name(".x"), values.clone());
    let body =
        json!({"entities": ["ipv4:192.0.2.0/24", "ipv4:192.0.3.0/25"], "properties": [".x"]});
    let expected = json!({
        "ipv4:192.0.2.0/24": {".x": "v"},
        "ipv4:192.0.2.0/26": {".x": null},
        "ipv4:192.0.3.0/25": {".x": null},
    });
    assert_eq!(ask(map(), &body).unwrap()["property-map"], expected);
}

#[test]
fn too_many_entities_are_too_much_work() {
    let entities = vec!["ipv4:192.0.2.1"; Limits::default().endpoints + 1];
    assert_eq!(
        ask(p1(), &json!({"entities": entities})),
        Err(Refusal::TooMany)
    );
}

fn edition() -> Edition {
    let subs = |value: &str| BTreeMap::from([(".priv:glimpse-subs".to_owned(), value.to_owned())]);
    Edition {
        id: id("nm"),
        map: network_map(&[("as1:x", &["192.0.2.0/24"])]),
        columns: Vec::new(),
        properties: BTreeMap::from([(pid("as1:x"), subs("15")), (pid("defaultpid"), subs("40"))]),
        provenance: Provenance {
            window_start_us: 0,
            window_end_us: 1,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 0,
            subscribers: 0,
            newest_us: None,
            anonymity: Anonymity::K(10),
        },
    }
}

#[test]
fn an_edition_says_something_of_its_pids_and_which_pid_an_address_is_in() {
    let edition = edition();
    let pids = PropertyMap::of_pids(&edition);
    let domains: Vec<_> = pids.mappings().into_keys().collect();
    assert_eq!(domains, ["nm.pid"]);
    let of_pids = &pids.mappings()["nm.pid"];
    assert!(of_pids.contains(&".priv:glimpse-subs".to_owned()));
    assert!(
        of_pids.contains(&".priv:glimpse-isp".to_owned()),
        "offered, though nothing has it now"
    );
    let document: Value = serde_json::from_slice(&pids.to_bytes(&edition.vtag())).unwrap();
    let expected = json!({"nm.pid:as1:x": {".priv:glimpse-subs": "15"}, "nm.pid:defaultpid": {".priv:glimpse-subs": "40"}});
    assert_eq!(document["property-map"], expected);
    assert_eq!(document["meta"]["dependent-vtags"], json!([edition.vtag()]));
    let all = PropertyMap::of_edition(&edition);
    assert_eq!(all.mappings()["ipv4"], ["nm.pid"]);
    assert_eq!(all.mappings()["ipv6"], ["nm.pid"]);
    let body = json!({"entities": ["ipv4:192.0.2.7", "nm.pid:as1:x"], "properties": ["nm.pid", ".priv:glimpse-subs"]});
    let expected = json!({"ipv4:192.0.2.7": {"nm.pid": "as1:x"}, "nm.pid:as1:x": {".priv:glimpse-subs": "15"}});
    assert_eq!(ask(all, &body).unwrap()["property-map"], expected);
}
