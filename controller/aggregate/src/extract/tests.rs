#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::json;

use super::*;

/// Outcomes of the agent's methods, and what is counted of each.
const OUTCOMES: &str = include_str!("../../tests/data/outcomes.json");

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap()
}

fn extract_from(method: &str, options: Option<&Value>, result: &Value) -> Option<Extract> {
    let nothing = Map::new();
    extract(&Material {
        method,
        options: options.map(object),
        probe_result: object(result),
        pre_info: &nothing,
        post_info: &nothing,
        own_bytes: 0,
        duration_ms: None,
        shown_us: None,
    })
}

#[test]
fn every_outcome_has_its_figures() {
    let cases: Value = serde_json::from_str(OUTCOMES).unwrap();
    let mut metrics = Vec::new();
    for case in cases.as_array().unwrap() {
        let name = &case["name"];
        let method = case["method"].as_str().unwrap();
        let options = Some(&case["options"]).filter(|options| !options.is_null());
        let extract = extract_from(method, options, &case["probe_result"]).unwrap();
        assert_eq!(json!(extract.target), case["target"], "{name}");
        assert_eq!(extract.between_agents, case["between_agents"], "{name}");
        let figures: Map<String, Value> = extract
            .figures
            .iter()
            .map(|(metric, values)| (format!("{metric:?}"), json!(values)))
            .collect();
        assert_eq!(Value::Object(figures), case["figures"], "{name}");
        assert_eq!(extract.facts, Facts::default(), "{name}");
        metrics.extend(extract.figures.into_iter().map(|(metric, _)| metric));
    }
    // Nobody measures one way only.
    for metric in Metric::ALL {
        let measured = metric != Metric::DelayVariation;
        assert_eq!(metrics.contains(&metric), measured, "{metric:?}");
    }
}

#[test]
fn a_ping_of_no_known_type_and_a_method_without_a_metric_count_for_nothing() {
    let result = json!({"round_trip_ms": [1.0], "round_trip_sent": 1, "round_trip_received": 1});
    assert!(extract_from("ping", Some(&json!({"type": "Udp"})), &result).is_some());
    assert_eq!(extract_from("ping", None, &result), None);
    assert_eq!(
        extract_from("ping", Some(&json!({"type": "Sctp"})), &result),
        None
    );
    for method in [
        "upnp",
        "wifi",
        "reversednslookup",
        "latencyload",
        "a-plugin",
        "",
    ] {
        assert_eq!(extract_from(method, Some(&json!({})), &result), None);
    }
}

#[test]
fn a_result_has_ten_thousand_values_at_most() {
    let many = |name: &str, value: Value| json!({name: vec![value; 20_000], "direction": "up"});
    let query = json!({"transport": "Udp", "rcode": "NOERROR", "query_us": 7});
    for (method, result) in [
        ("ping", many("round_trip_ms", json!(1.5))),
        ("dnslookup", many("queries", query)),
        ("packettrains_ma", many("train_capacity_bps", json!(8))),
    ] {
        let extract = extract_from(method, Some(&json!({})), &result).unwrap();
        let values: usize = extract.figures.iter().map(|(_, values)| values.len()).sum();
        assert!((9_990..=MAX_VALUES).contains(&values), "{method}: {values}");
    }
}

#[test]
fn the_host_of_a_url_is_found_or_it_has_none() {
    for (url, host) in [
        ("http://a.example", Some("a.example")),
        ("https://a.example:8443/b?c@d:e", Some("a.example")),
        ("http://u:p@a.example/b", Some("a.example")),
        ("http://[2001:db8::1]/", Some("2001:db8::1")),
        ("http://a.example#x@y", Some("a.example")),
        ("http://", Some("")),
        ("http://[2001:db8::1/", None),
        ("a.example/b", None),
    ] {
        assert_eq!(host_of_url(url), host, "{url}");
    }
    assert_eq!(name(""), None);
    assert_eq!(name("a b"), None);
    assert_eq!(name("a\u{0}"), None);
    assert_eq!(name(&"a".repeat(256)), None);
    assert_eq!(name(" a "), Some("a".to_owned()));
}

fn facts(pre: &Value, post: &Value, own_bytes: u64, duration_ms: u64, shown_us: i64) -> Facts {
    let extract = extract(&Material {
        method: "traceroute",
        options: None,
        probe_result: &Map::new(),
        pre_info: object(pre),
        post_info: object(post),
        own_bytes,
        duration_ms: Some(duration_ms),
        shown_us: Some(shown_us),
    });
    extract.unwrap().facts
}

#[test]
fn the_load_is_that_of_the_run() {
    for (post, percent) in [
        (json!({"cpu_usage": 0.9, "cpu_usage_run": 0.205}), Some(21)),
        (json!({"cpu_usage": 1, "cpu_usage_run": null}), Some(100)),
        (json!({"cpu_usage": 0.5}), Some(50)),
        (json!({"cpu_usage": -1}), None),
        (json!({"cpu_usage": 1.5}), None),
        (json!({"cpu_usage": "all"}), None),
        (json!({}), None),
    ] {
        let facts = facts(&json!({"cpu_usage": 0.7}), &post, 0, 0, 0);
        assert_eq!(facts.cpu_percent, percent, "{post}");
    }
}

#[test]
fn traffic_of_others_is_what_the_interface_carried_beside_the_measurement() {
    let carried = |sent: u64, received: u64| json!({"total_bytes_sent": sent, "total_bytes_received": received});
    let rate = |post: &Value, own: u64, ms: u64| {
        facts(&carried(1_000, 2_000), post, own, ms, 0).cross_traffic_bps
    };
    // 16 KiB are the agent's; then 10 000 bytes of others in two seconds.
    assert_eq!(rate(&carried(17_384, 2_000), 0, 2_000), Some(0));
    assert_eq!(rate(&carried(22_384, 7_000), 0, 2_000), Some(40_000));
    // The measurement with the headers of its link, and beside it the same.
    assert_eq!(rate(&carried(517_384, 552_000), 1_000_000, 2_000), Some(0));
    assert_eq!(
        rate(&carried(517_384, 562_000), 1_000_000, 2_000),
        Some(40_000)
    );
    // A run of an instant is held for a second long.
    assert_eq!(rate(&carried(17_884, 2_500), 0, 1), Some(8_000));
    assert_eq!(
        rate(&carried(1_000, 1_999), 0, 1_000),
        None,
        "counters began anew"
    );
    assert_eq!(rate(&json!({"total_bytes_sent": 7_000}), 0, 1_000), None);
    assert_eq!(rate(&carried(u64::MAX, u64::MAX), u64::MAX, u64::MAX), None);
}

#[test]
fn a_signal_is_one_of_a_wireless_link() {
    let wifi =
        |mode: Value, percent: Value| json!({"connection_mode": mode, "signal_strength": percent});
    let none = json!({});
    for (pre, post, dbm) in [
        (wifi(json!(4), json!(58)), none.clone(), Some(-71)),
        (
            wifi(json!(4), json!(100)),
            wifi(json!(4), json!(0)),
            Some(-100),
        ),
        (
            wifi(json!(4), json!(60)),
            wifi(json!(4), json!(70)),
            Some(-70),
        ),
        (wifi(json!(5), json!(20)), wifi(json!(0), json!(20)), None),
        (
            wifi(json!(4), json!(101)),
            wifi(json!(4), json!(null)),
            None,
        ),
        (wifi(json!(4), json!(-3)), none.clone(), None),
    ] {
        assert_eq!(facts(&pre, &post, 0, 0, 0).wifi_dbm, dbm, "{pre} {post}");
    }
}

#[test]
fn a_clock_that_was_set_during_the_run_was_wrong_by_that() {
    let offset =
        |ms: u64, shown_us: i64| facts(&json!({}), &json!({}), 0, ms, shown_us).clock_offset_us;
    assert_eq!(offset(3_000, 3_000_400), None);
    assert_eq!(offset(3_000, 3_999_999), None);
    assert_eq!(offset(3_000, 4_000_000), Some(1_000_000));
    assert_eq!(offset(3_000, -57_000_000), Some(-60_000_000));
    assert_eq!(offset(u64::MAX, 0), None);
    assert_eq!(offset(0, i64::MIN), Some(i64::MIN));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[-0-9.eENainf]{0,12}|target|up|Udp|NOERROR|192.0.2.1".prop_map(Value::from),
    ];
    let names = "round_trip_ms|round_trip_sent|round_trip_received|round_trip_loss|stop_reason|destination_ip|results|hop|ttl|\
        addresses|actual_num_threads|results_ok|bandwidth_bps_avg|down|up|train_capacity_bps|direction|queries|transport|rcode|query_us|\
        total_bytes_sent|total_bytes_received|cpu_usage|connection_mode|signal_strength";
    leaf.prop_recursive(3, 40, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(names, inner, 0..8)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn nothing_that_is_sent_breaks_the_bounds(
        method in prop::sample::select(vec!["ping", "traceroute", "httpdownload", "httpupload", "btc_ma", "packettrains_ma", "dnslookup"]),
        result in any_json(), pre in any_json(), post in any_json(),
        own_bytes in any::<u64>(), duration_ms in any::<Option<u64>>(), shown_us in any::<Option<i64>>(),
    ) {
        let nothing = Map::new();
        let map = |value: &'_ Value| value.as_object().cloned().unwrap_or_default();
        let (result, pre, post) = (map(&result), map(&pre), map(&post));
        let extract = extract(&Material {
            method,
            options: Some(&nothing),
            probe_result: &result,
            pre_info: &pre,
            post_info: &post,
            own_bytes,
            duration_ms,
            shown_us,
        });
        for (metric, values) in extract.unwrap().figures {
            prop_assert!(!values.is_empty());
            for value in values {
                prop_assert!(value < 1 << 48);
                prop_assert!(metric != Metric::LossRt || value <= 1_000_000);
                prop_assert!(metric != Metric::HopCount || (1..256).contains(&value));
            }
        }
    }
}
