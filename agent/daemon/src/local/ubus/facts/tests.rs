#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use std::time::Duration;

/// The answer of an object of the router that the tests play.
fn played(file: &str, method: &str, answer: usize) -> Value {
    let path = format!(
        "{}/../../tests/data/ubus/{file}.json",
        env!("CARGO_MANIFEST_DIR")
    );
    let object: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    object["methods"][method]["answers"][answer]["answer"].clone()
}

fn addresses(text: &[&str]) -> Vec<std::net::IpAddr> {
    text.iter().map(|text| text.parse().unwrap()).collect()
}

#[test]
fn a_line_by_pppoe_with_its_other_half() {
    let wan = Wan::read(&played("network.interface", "dump", 0), None).unwrap();
    let expected = Wan {
        interface: "wan".to_owned(),
        device: Some("eth1.7".to_owned()),
        l3_device: Some("pppoe-wan".to_owned()),
        protocol: Some("pppoe".to_owned()),
        up: true,
        routed: true,
        uptime_s: Some(86_412),
        addresses: addresses(&["203.0.113.77", "2001:db8:4e:8::77"]),
        gateways: addresses(&["203.0.113.1", "fe80::1"]),
        servers: addresses(&["192.0.2.53", "192.0.2.54", "2001:db8:53::1"]),
        error: None,
    };
    assert_eq!(wan, expected);
    assert!(!wan.is_mobile());
    assert!(wan.is_named("wan") && wan.is_named("pppoe-wan") && wan.is_named("eth1.7"));
    assert!(!wan.is_named("lan"));
}

fn interface(name: &str, up: bool, routes: &Value) -> Value {
    json!({"interface": name, "up": up, "proto": "dhcp", "device": "eth1", "autostart": true, "route": routes})
}

fn default(metric: Option<u32>) -> Value {
    json!({"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.1", "metric": metric})
}

#[test]
fn the_lowest_metric_leads_to_the_internet() {
    let mut costly = interface("a", true, &json!([default(None)]));
    costly["metric"] = json!(20);
    let rule = json!({"target": "0.0.0.0", "mask": 0, "nexthop": "192.0.2.9", "table": 100});
    let dump = json!({"interface": [
        costly,
        interface("b", false, &json!([default(Some(1))])),
        interface("c", true, &json!([rule, {"target": "10.0.0.0", "mask": 8}])),
        interface("d", true, &json!([default(Some(10))])),
    ]});
    assert_eq!(Wan::read(&dump, Some("a")).unwrap().interface, "d");
    let mobile = json!({"interface": [
        {"interface": "m", "up": true, "proto": "qmi", "route": [{"target": "::", "mask": 0, "nexthop": "::"}]},
    ]});
    let mobile = Wan::read(&mobile, None).unwrap();
    assert!(mobile.is_mobile() && mobile.gateways.is_empty());
}

#[test]
fn a_line_that_is_down_is_still_the_line() {
    let mut wan = interface("wan", false, &json!([]));
    wan["errors"] = json!([{"subsystem": "pppoe", "code": "AUTH_TOPEER_FAILED", "data": ["x"]}]);
    let lan = json!({"interface": "lan", "up": true, "proto": "static", "autostart": true});
    let other = interface("backup", false, &json!([]));
    let dump = json!({"interface": [lan, wan, other]});
    let down = Wan::read(&dump, None).unwrap();
    assert_eq!(
        (down.interface.as_str(), down.up, down.routed),
        ("wan", false, false)
    );
    assert_eq!(down.error.as_deref(), Some("AUTH_TOPEER_FAILED"));
    assert_eq!(
        Wan::read(&dump, Some("backup")).unwrap().interface,
        "backup"
    );
    assert_eq!(Wan::read(&json!({"interface": [lan]}), Some("wan")), None);
}

#[test]
fn names_of_devices_lead_nowhere_else() {
    for name in [
        "../../etc",
        "..",
        "a/b",
        "eth0:1",
        "sixteen-letters-",
        "a b",
        "\u{7}",
    ] {
        let mut wan = interface("wan", true, &json!([default(None)]));
        wan["device"] = json!(name);
        let wan = Wan::read(&json!({"interface": [wan]}), None).unwrap();
        assert_eq!(wan.device, None, "{name}");
    }
}

#[test]
fn the_device_tells_of_the_cable() {
    let vlan = Device::read(&played("network.device", "status", 0));
    assert_eq!(
        (vlan.carrier, vlan.parent.as_deref()),
        (Some(true), Some("eth1"))
    );
    let cable = Device::read(&played("network.device", "status", 1));
    let device = vlan.over(&cable);
    assert_eq!(
        (device.speed_mbps, device.full_duplex),
        (Some(1000), Some(true))
    );
    let none = Device::read(&played("network.device", "status", 2));
    assert_eq!((none.speed_mbps, none.full_duplex), (None, None));
    let slow = Device::read(&json!({"speed": "10H", "carrier": false}));
    assert_eq!(
        (slow.speed_mbps, slow.full_duplex, slow.carrier),
        (Some(10), Some(false), Some(false))
    );
}

#[test]
fn the_machine_has_a_name() {
    let board = Board::read(&played("system", "board", 0)).unwrap();
    assert_eq!(
        board.to_json(),
        json!({"model": "Example Router X1", "release": "OpenWrt 24.10.1"})
    );
    let hostile = Board::read(&json!({"model": "a\u{7}b", "release": {"version": 3}})).unwrap();
    assert_eq!(
        hostile.to_json(),
        json!({"model": "a\u{fffd}b", "release": null})
    );
    assert_eq!(Board::read(&json!({"model": "x".repeat(NAME + 1)})), None);
}

#[test]
fn the_wifi_tells_of_radio_and_station() {
    let radio = Radio::read(&played("iwinfo", "info", 0));
    assert_eq!(
        (radio.signal_dbm, radio.noise_dbm, radio.channel),
        (Some(-66), Some(-92), Some(6))
    );
    assert_eq!(
        (radio.quality_percent, radio.bitrate_kbps),
        (Some(62), Some(72_200))
    );
    let list = played("iwinfo", "assoclist", 1);
    let station = Station::read(&list, "02:00:5e:20:00:01").unwrap();
    let expected = Station {
        signal_dbm: Some(-79),
        noise_dbm: Some(-92),
        inactive_ms: Some(40),
        rx_kbps: Some(13_000),
        tx_kbps: Some(19_500),
    };
    assert_eq!(station, expected);
    // Asked for one, it is told alone.
    let one = played("iwinfo", "assoclist", 0);
    assert_eq!(Station::read(&one, "02:00:5e:20:00:01"), Some(expected));
    assert_eq!(Station::read(&list, "02:00:5e:20:00:99"), None);
    // A driver that does not know says 0 or worse.
    assert_eq!(
        Radio::read(&json!({"signal": 0, "noise": 5, "quality": 9, "quality_max": 0})),
        Radio::default()
    );
}

#[test]
fn uptime_goes_on_while_the_line_is_up() {
    let read = crate::clock::steady();
    let mut facts = Facts {
        wan: Wan::read(&played("network.interface", "dump", 0), None),
        read: Some(read),
        ..Facts::default()
    };
    assert_eq!(facts.uptime_s(read + Duration::from_mins(1)), Some(86_472));
    facts.wan.as_mut().unwrap().up = false;
    assert_eq!(facts.uptime_s(read), None);
    assert_eq!(Facts::default().uptime_s(read), None);
}

/// Documents of the words that are looked for.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![
            Just("0.0.0.0"),
            Just("::"),
            Just("wan"),
            Just("1000F"),
            Just("fe80::1")
        ]
        .prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("interface"),
        Just("up"),
        Just("route"),
        Just("target"),
        Just("mask"),
        Just("metric"),
        Just("nexthop"),
        Just("ipv4-address"),
        Just("address"),
        Just("results"),
        Just("mac"),
        Just("rx"),
        Just("rate"),
        Just("signal"),
        Just("model"),
        Just("release"),
        Just("errors"),
        Just("code"),
        Just("quality"),
        Just("quality_max"),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            proptest::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..8)
                .prop_map(|members| members.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn any_answer_is_read_without_panic(answer in documents()) {
        let _ = (Wan::read(&answer, Some("wan")), Device::read(&answer), Board::read(&answer));
        let _ = (Radio::read(&answer), Station::read(&answer, "wan"));
    }
}
