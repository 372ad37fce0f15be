#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use crate::{Anonymity, Limits, PidName, Prefix, Provenance, ResourceId};

fn edition(id: &str, groups: &[(&str, &str)], properties: &[(&str, &str, &str)]) -> Arc<Edition> {
    let pid = |name: &str| PidName::new(name).unwrap();
    let prefixes = groups
        .iter()
        .map(|(name, prefix)| (pid(name), vec![prefix.parse::<Prefix>().unwrap()]));
    let mut said: BTreeMap<PidName, BTreeMap<String, String>> = BTreeMap::new();
    for (name, property, value) in properties {
        let of_pid = said.entry(pid(name)).or_default();
        of_pid.insert((*property).to_owned(), (*value).to_owned());
    }
    Arc::new(Edition {
        id: ResourceId::new(id).unwrap(),
        map: Arc::new(NetworkMap::new(prefixes).unwrap()),
        columns: Vec::new(),
        properties: said,
        provenance: Provenance {
            window_start_us: 0,
            window_end_us: 1,
            aggregation: String::new(),
            method: String::new(),
            samples: 0,
            subscribers: 0,
            newest_us: None,
            anonymity: Anonymity::Lab,
        },
    })
}

fn editions() -> [Arc<Edition>; 2] {
    let default = edition(
        "nm",
        &[
            ("rest", "0.0.0.0/0"),
            ("as1:x", "192.0.2.0/24"),
            ("as1", "198.51.100.0/24"),
        ],
        &[
            ("as1:x", ISP_OF_PID, "as1"),
            ("as1:x", REGION_OF_PID, "x"),
            ("as1", ISP_OF_PID, "as1"),
        ],
    );
    let other = edition("nm-2026-10", &[("all", "0.0.0.0/0")], &[]);
    [default, other]
}

fn ask(body: &Value) -> Result<Value, Refusal> {
    let limits = Limits::default();
    let asking = Asking {
        peer: None,
        limits: &limits,
    };
    let properties = EndpointProperties::new(&editions());
    let body = properties.answer(body.to_string().as_bytes(), &asking)?;
    Ok(serde_json::from_slice(&body).unwrap())
}

#[test]
fn alto_check_32_the_pid_in_each_network_map_is_told_with_its_version() {
    let answer = ask(&json!({
        "properties": ["nm-2026-10.pid", "nm.pid", "nm.pid"],
        "endpoints": ["ipv4:192.0.2.1", "ipv4:203.0.113.9"],
    }))
    .unwrap();
    let expected = json!({
        "ipv4:192.0.2.1": {"nm.pid": "as1:x", "nm-2026-10.pid": "all"},
        "ipv4:203.0.113.9": {"nm.pid": "rest", "nm-2026-10.pid": "all"},
    });
    assert_eq!(answer["endpoint-properties"], expected);
    let [default, other] = editions();
    assert_eq!(
        answer["meta"],
        json!({"dependent-vtags": [other.vtag(), default.vtag()]})
    );
}

#[test]
fn alto_check_33_global_properties_are_those_of_the_default_maps_pid() {
    let answer = ask(&json!({
        "properties": ["priv:glimpse-isp", "priv:glimpse-region"],
        "endpoints": ["ipv4:192.0.2.1", "ipv4:198.51.100.1", "ipv4:203.0.113.9", "ipv6:2001:db8::1"],
    }))
    .unwrap();
    let expected = json!({
        "ipv4:192.0.2.1": {"priv:glimpse-isp": "as1", "priv:glimpse-region": "x"},
        "ipv4:198.51.100.1": {"priv:glimpse-isp": "as1"},
        "ipv4:203.0.113.9": {},
        "ipv6:2001:db8::1": {},
    });
    assert_eq!(answer["endpoint-properties"], expected);
    assert_eq!(answer["meta"], json!({}), "no network map was asked");
}

#[test]
fn alto_check_34_every_property_that_is_offered_is_answered_and_no_other() {
    for property in EndpointProperties::global() {
        let body = json!({"properties": [property], "endpoints": ["ipv4:192.0.2.1"]});
        assert!(ask(&body).is_ok(), "{property}");
    }
    for property in [".priv:glimpse-isp", "priv:glimpse-subs", "nm-2026-09.pid"] {
        let body = json!({"properties": ["nm.pid", property], "endpoints": ["ipv4:192.0.2.1"]});
        let expected = Fault::text(PROPERTIES, property);
        assert_eq!(ask(&body), Err(Refusal::Fault(expected)));
    }
}

#[test]
fn too_many_endpoints_are_too_much_work() {
    let endpoints = vec!["ipv4:192.0.2.1"; Limits::default().endpoints + 1];
    let body = json!({"properties": ["nm.pid"], "endpoints": endpoints});
    assert_eq!(ask(&body), Err(Refusal::TooMany));
}
