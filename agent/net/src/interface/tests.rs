#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;

fn gateway() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/gateway")
}

#[test]
#[cfg(target_endian = "little")]
fn the_lowest_metric_wins_and_rejecting_routes_do_not_count() {
    let route = default_route(&gateway()).unwrap();
    assert_eq!(
        route,
        DefaultRoute {
            interface: "eth1".into(),
            gateway: Some([192, 0, 2, 1].into()),
            metric: 10
        }
    );
}

#[test]
fn an_ipv6_default_route_is_found_beside_the_unreachable_one() {
    let text = fs::read_to_string(gateway().join("proc/net/ipv6_route")).unwrap();
    let route = parse_ipv6_routes(&text).unwrap();
    assert_eq!(route.interface, "eth1");
    assert_eq!(route.gateway, Some("fe80::1".parse().unwrap()));
    assert_eq!(route.metric, 0x400);
}

#[test]
fn a_machine_without_routes_has_none() {
    assert_eq!(parse_ipv4_routes("Iface\tDestination\n"), None);
    assert_eq!(parse_ipv6_routes(""), None);
    assert_eq!(default_route(Path::new("/nonexistent")), None);
}

#[test]
fn links_are_told_apart() {
    for (interface, kind) in [
        ("eth1", LinkKind::Wired),
        ("eth1.7", LinkKind::Wired),
        ("pppoe-wan", LinkKind::Wired),
        ("wlan0", LinkKind::Wireless),
        ("ath0", LinkKind::Wireless),
        ("wwan0", LinkKind::Mobile),
        ("lte.2", LinkKind::Mobile),
        ("modem0", LinkKind::Mobile),
        ("3g-wan", LinkKind::Mobile),
        ("ppp0", LinkKind::Unknown),
        ("tun0", LinkKind::Unknown),
        ("br-lan", LinkKind::Unknown),
        ("loop0", LinkKind::Unknown),
        ("absent", LinkKind::Unknown),
        ("../eth1", LinkKind::Unknown),
    ] {
        assert_eq!(link_kind(&gateway(), interface), kind, "{interface}");
    }
}

#[test]
fn counters_are_64_bits_wide() {
    let counted = counters(&gateway(), "eth1").unwrap();
    assert_eq!(counted.received_bytes, 123_456_789_012);
    assert_eq!(counted.sent_bytes, 9_876_543_210);
    assert_eq!(
        (counted.received_packets, counted.sent_packets),
        (1000, 900)
    );
}

#[test]
fn counters_that_cannot_be_read_say_why() {
    let kind = |interface| counters(&gateway(), interface).unwrap_err().kind();
    assert_eq!(kind("absent"), io::ErrorKind::NotFound);
    assert_eq!(kind("../net/eth1"), io::ErrorKind::InvalidInput);
    assert_eq!(kind("broken"), io::ErrorKind::InvalidData);
}

#[test]
fn this_machine_can_be_read() {
    assert!(counters(Path::new("/"), "lo").is_ok());
    assert_eq!(link_kind(Path::new("/"), "lo"), LinkKind::Unknown);
}

proptest! {
    #[test]
    fn any_text_is_read_without_panic(text in "[ \t\n0-9A-Fa-z]{0,300}") {
        let _ = parse_ipv4_routes(&text);
        let _ = parse_ipv6_routes(&text);
    }
}
