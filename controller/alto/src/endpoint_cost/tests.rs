#![allow(clippy::unwrap_used)]
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::filtered_cost_map::fixture::*;
use crate::{CostMode, Limits, NetworkMap, Preference, Prefix};

fn service(edition: &Arc<Edition>) -> EndpointCost {
    EndpointCost::new(id("nm-endpoint-costs"), edition)
}

fn body(mode: &str, more: &str) -> String {
    format!(r#"{{"cost-type":{{"cost-metric":"routingcost","cost-mode":"{mode}"}}{more}}}"#)
}

fn costs(body: &str) -> Value {
    let answer =
        ask(&service(&f1_c1()), body).unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"));
    answer["endpoint-cost-map"].clone()
}

/// Addresses in PID1, PID2 and PID3.
const THREE: &str = r#"["ipv4:192.0.2.1","ipv4:198.51.100.129","ipv4:8.8.8.8"]"#;

#[test]
fn alto_check_35_ranks_between_endpoints() {
    let question = body(
        "ordinal",
        &format!(r#","endpoints":{{"srcs":["ipv4:198.51.100.200"],"dsts":{THREE}}}"#),
    );
    let answer = ask(&service(&f1_c1()), &question).unwrap();
    let expected = json!({"ipv4:198.51.100.200": {"ipv4:192.0.2.1": 2, "ipv4:198.51.100.129": 1, "ipv4:8.8.8.8": 3}});
    assert_eq!(answer["endpoint-cost-map"], expected);
    let meta = answer["meta"].as_object().unwrap();
    assert!(!meta.contains_key("dependent-vtags"));
    let cost_type = serde_json::to_value(f1_c1().columns[0].cost_type(CostMode::Ordinal)).unwrap();
    assert_eq!(meta["cost-type"], cost_type);
    assert_eq!(answer.as_object().unwrap().len(), 2);
}

#[test]
fn alto_quirk_openalto_answers_have_a_version_of_their_own() {
    let question = body("numerical", &format!(r#","endpoints":{{"dsts":{THREE}}}"#));
    let answer = ask(&service(&f1_c1()), &question).unwrap();
    let data = serde_json::to_vec(&answer["endpoint-cost-map"]).unwrap();
    let expected =
        json!({"resource-id": "nm-endpoint-costs", "tag": crate::Tag::of(&data).as_str()});
    assert_eq!(answer["meta"]["vtag"], expected);
}

#[test]
fn alto_check_36_an_empty_list_is_the_client() {
    let one = json!({"ipv4:198.51.100.129": 5});
    for more in [
        r#""dsts":["ipv4:198.51.100.129"]"#,
        r#""srcs":[],"dsts":["ipv4:198.51.100.129"]"#,
    ] {
        let question = body("numerical", &format!(r#","endpoints":{{{more}}}"#));
        assert_eq!(costs(&question), json!({"ipv4:192.0.2.7": one}));
    }
    let turned = body("numerical", r#","endpoints":{"srcs":["ipv4:8.8.8.8"]}"#);
    assert_eq!(
        costs(&turned),
        json!({"ipv4:8.8.8.8": {"ipv4:192.0.2.7": 20}})
    );
    let from = |peer: Option<&str>| {
        let peer = peer.map(|text| text.parse().unwrap());
        ask_from(&service(&f1_c1()), &turned, peer).unwrap()["endpoint-cost-map"].clone()
    };
    assert_eq!(
        from(Some("::ffff:192.0.2.8")),
        json!({"ipv4:8.8.8.8": {"ipv4:192.0.2.8": 20}})
    );
    assert_eq!(from(None), json!({}));
    let six = body("numerical", r#","endpoints":{"dsts":["ipv4:192.0.2.1"]}"#);
    let answer = ask_from(
        &service(&f1_c1()),
        &six,
        Some("2001:db8::7".parse().unwrap()),
    )
    .unwrap();
    assert_eq!(
        answer["endpoint-cost-map"],
        json!({"ipv6:2001:db8::7": {"ipv4:192.0.2.1": 20}})
    );
}

#[test]
fn alto_check_37_nobody_to_nobody_is_no_question() {
    for endpoints in [
        "{}",
        r#"{"srcs":[]}"#,
        r#"{"srcs":[],"dsts":[]}"#,
        r#"{"x":["ipv4:192.0.2.1"]}"#,
    ] {
        let question = body("numerical", &format!(r#","endpoints":{endpoints}"#));
        assert_eq!(
            fault(&service(&f1_c1()), &question),
            bad("endpoints", endpoints)
        );
    }
    let missing = json!({"code": "E_MISSING_FIELD", "field": "endpoints"});
    assert_eq!(fault(&service(&f1_c1()), &body("numerical", "")), missing);
    let kind = json!({"code": "E_INVALID_FIELD_TYPE", "field": "endpoints"});
    assert_eq!(
        fault(&service(&f1_c1()), &body("numerical", r#","endpoints":[]"#)),
        kind
    );
    let srcs = json!({"code": "E_INVALID_FIELD_TYPE", "field": "endpoints/srcs"});
    assert_eq!(
        fault(
            &service(&f1_c1()),
            &body("foo", r#","endpoints":{"srcs":{}}"#)
        ),
        srcs
    );
}

#[test]
fn alto_check_38_endpoints_are_spelled_as_the_client_does() {
    let question = body(
        "numerical",
        r#","endpoints":{"srcs":["ipv6:2001:DB8:0:0::1","ipv6:2001:db8::1","ipv6:2001:db8::1"],"dsts":["ipv4:192.0.2.1"]}"#,
    );
    let one = json!({"ipv4:192.0.2.1": 20});
    assert_eq!(
        costs(&question),
        json!({"ipv6:2001:DB8:0:0::1": one, "ipv6:2001:db8::1": one})
    );
    let escaped = body(
        "numerical",
        r#","endpoints":{"srcs":["ipv4\u003a192.0.2.1"],"dsts":["ipv4:192.0.2.1"]}"#,
    );
    assert_eq!(
        costs(&escaped),
        json!({"ipv4:192.0.2.1": {"ipv4:192.0.2.1": 1}})
    );
}

#[test]
fn alto_check_39_bad_addresses_come_back() {
    for text in [
        "ipv4:192.0.2.300",
        "ipx:1",
        "192.0.2.1",
        "ipv4:192.0.2.0/24",
        "ipv4:192.0.2.01",
        "ipv6:fe80::1%eth0",
        "",
    ] {
        for side in ["srcs", "dsts"] {
            let question = body(
                "numerical",
                &format!(r#","endpoints":{{"{side}":["ipv4:192.0.2.1","{text}"]}}"#),
            );
            assert_eq!(
                fault(&service(&f1_c1()), &question),
                bad(&format!("endpoints/{side}"), text)
            );
        }
    }
    let number = body("numerical", r#","endpoints":{"srcs":[1.5]}"#);
    assert_eq!(
        fault(&service(&f1_c1()), &number),
        bad("endpoints/srcs", "1.5")
    );
    let first = body("foo", r#","endpoints":{"dsts":["x"],"srcs":["y"]}"#);
    assert_eq!(
        fault(&service(&f1_c1()), &first),
        bad("cost-type/cost-mode", "foo")
    );
}

#[test]
fn alto_check_26_constraints_apply_to_endpoints() {
    let more = format!(
        r#","constraints":["ge 5","le 10"],"endpoints":{{"srcs":["ipv4:192.0.2.1"],"dsts":{THREE}}}"#
    );
    let expected = json!({"ipv4:192.0.2.1": {"ipv4:198.51.100.129": 5, "ipv4:8.8.8.8": 10}});
    assert_eq!(costs(&body("numerical", &more)), expected);
    let nowhere = body(
        "numerical",
        r#","endpoints":{"srcs":["ipv4:8.8.8.8"],"dsts":["ipv4:8.8.4.4"]}"#,
    );
    assert_eq!(costs(&nowhere), json!({}), "PID3 → PID3 is not defined");
}

#[test]
fn alto_check_40_several_costs_between_endpoints() {
    let question = format!(
        r#"{{"multi-cost-types":[{{"cost-metric":"routingcost","cost-mode":"numerical"}},{{"cost-metric":"priv:t-shoe","cost-mode":"numerical"}}],
            "endpoints":{{"srcs":["ipv4:198.51.100.129"],"dsts":{THREE}}}}}"#
    );
    let answer = ask(&service(&f1_m1()), &question).unwrap();
    let expected = json!({"ipv4:198.51.100.129": {"ipv4:192.0.2.1": [15, 5], "ipv4:198.51.100.129": [1, 0], "ipv4:8.8.8.8": [null, 9]}});
    assert_eq!(answer["endpoint-cost-map"], expected);
    assert_eq!(answer["meta"]["cost-type"], json!({}));
}

#[test]
fn alto_check_45_calendars_between_endpoints() {
    let question = body(
        "numerical",
        &format!(r#","calendared":[true],"constraints":["gt 1e9"],"endpoints":{{"dsts":{THREE}}}"#),
    );
    let answer = ask(&service(&f1_calendars()), &question).unwrap();
    let hours: Value = (100..124).collect();
    assert_eq!(
        answer["endpoint-cost-map"],
        json!({"ipv4:192.0.2.7": {"ipv4:198.51.100.129": hours}})
    );
    assert_eq!(
        answer["meta"]["calendar-response-attributes"][0]["number-of-intervals"],
        24
    );
}

/// Subscribers in `isp`, a cluster, and the rest.
fn star(cells: &[(&str, &str, u64)]) -> Arc<Edition> {
    let prefixes = |text: &str| vec![text.parse::<Prefix>().unwrap()];
    let groups = [("isp", "10.0.0.0/8"), ("cl", "192.0.2.0/24")]
        .map(|(name, prefix)| (pid(name), prefixes(prefix)));
    let mut table = Cells::new();
    for (source, destination, cost) in cells {
        table
            .entry((*source).into())
            .or_default()
            .insert((*destination).into(), vec![Some(*cost)]);
    }
    let column = column("routingcost", "routingcost", Preference::Lower, &table, 0);
    edition(
        NetworkMap::with_rest(groups, &PidName::total()).unwrap(),
        vec![column],
    )
}

#[test]
fn what_is_suppressed_falls_back_towards_total() {
    let all = [
        ("isp", "cl", 1),
        ("isp", "TOTAL", 2),
        ("TOTAL", "cl", 3),
        ("TOTAL", "TOTAL", 4),
    ];
    let question = body(
        "numerical",
        r#","endpoints":{"srcs":["ipv4:10.0.0.1"],"dsts":["ipv4:192.0.2.1"]}"#,
    );
    for from in 0..=all.len() {
        let answer = ask(&service(&star(&all[from..])), &question).unwrap();
        let expected = match all.get(from) {
            Some((.., cost)) => json!({"ipv4:10.0.0.1": {"ipv4:192.0.2.1": cost}}),
            None => json!({}),
        };
        assert_eq!(answer["endpoint-cost-map"], expected);
    }
    let mut edition = Arc::unwrap_or_clone(star(&all[3..]));
    edition.columns[0].calendars = vec![hours(&[("TOTAL", "cl", 9)])];
    let question = question.replace(r#","endpoints"#, r#","calendared":[true],"endpoints"#);
    let answer = ask(&service(&Arc::new(edition)), &question).unwrap();
    assert_eq!(
        answer["endpoint-cost-map"]["ipv4:10.0.0.1"]["ipv4:192.0.2.1"][0],
        9
    );
}

#[test]
fn the_product_of_the_lists_is_limited() {
    let service = service(&f1_c1());
    let list = |n: usize| {
        (0..n)
            .map(|n| format!("\"ipv4:10.0.{}.{}\"", n / 256, n % 256))
            .collect::<Vec<_>>()
            .join(",")
    };
    let answer = |srcs: usize, dsts: usize| {
        let question = body(
            "numerical",
            &format!(
                r#","endpoints":{{"srcs":[{}],"dsts":[{}]}}"#,
                list(srcs),
                list(dsts)
            ),
        );
        let limits = Limits {
            pairs: 100,
            ..Limits::default()
        };
        let asking = Asking {
            peer: Some([192, 0, 2, 7].into()),
            limits: &limits,
        };
        service.answer(question.as_bytes(), &asking).map(|_| ())
    };
    for (srcs, dsts, expected) in [
        (10, 10, Ok(())),
        (1, 100, Ok(())),
        (0, 100, Ok(())),
        (100, 0, Ok(())),
        (1, 101, Err(Refusal::TooMany)),
        (11, 10, Err(Refusal::TooMany)),
        (0, 101, Err(Refusal::TooMany)),
    ] {
        assert_eq!(answer(srcs, dsts), expected, "{srcs} × {dsts}");
    }
    let twice = body(
        "numerical",
        &format!(
            r#","endpoints":{{"srcs":[{}],"dsts":["ipv4:192.0.2.1"]}}"#,
            vec![r#""ipv4:10.0.0.1""#; 20_000].join(",")
        ),
    );
    assert!(ask(&service, &twice).is_ok(), "repeated ones count once");
}

proptest! {
    /// Each pair by itself: the PID of both, then the table.
    #[test]
    fn answers_are_those_of_a_naive_model(sources in prop::collection::vec(any::<u8>(), 1..6), destinations in prop::collection::vec(any::<u8>(), 1..6), holes: u16) {
        // 192.0.2.0/24 in parts, which are PIDs `p0` … `p3`; the rest is TOTAL.
        let groups = (0..4_u8).map(|n| (pid(&format!("p{n}")), vec![format!("192.0.2.{}/27", 32 * n).parse::<Prefix>().unwrap()]));
        let map = NetworkMap::with_rest(groups, &PidName::total()).unwrap();
        let name = |n: u8| if n < 4 { format!("p{n}") } else { "TOTAL".to_owned() };
        let of = |address: u8| name(address / 32);
        let mut table = Cells::new();
        for (n, (s, d)) in (0..5).flat_map(|s| (0..5).map(move |d| (s, d))).enumerate() {
            if holes >> (n % 16) & 1 == 0 {
                table.entry(name(s)).or_default().insert(name(d), vec![Some(n as u64)]);
            }
        }
        let edition = edition(map, vec![column("routingcost", "routingcost", Preference::Lower, &table, 0)]);
        let key = |n: &u8| format!("ipv4:192.0.2.{n}");
        let keys = |list: &[u8]| list.iter().map(key).collect::<Vec<_>>();
        let question = json!({"cost-type": {"cost-metric": "routingcost", "cost-mode": "numerical"}, "endpoints": {"srcs": keys(&sources), "dsts": keys(&destinations)}});
        let mut naive = json!({});
        for s in &sources {
            for d in &destinations {
                let total = || "TOTAL".to_owned();
                let chain = [(of(*s), of(*d)), (of(*s), total()), (total(), of(*d)), (total(), total())];
                if let Some(cost) = chain.iter().find_map(|(s, d)| table.get(s)?.get(d)?[0]) {
                    naive[key(s)][key(d)] = json!(cost);
                }
            }
        }
        let answer = ask(&service(&edition), &question.to_string()).unwrap();
        prop_assert_eq!(&answer["endpoint-cost-map"], &naive);
    }
}
