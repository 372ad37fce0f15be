#![allow(clippy::unwrap_used)]

use super::*;

/// RFC 8911 §7.1.2.
const TYPES: &[&str] = &[
    "RTDelay",
    "RTDNS",
    "RLDNS",
    "OWDelay",
    "RTLoss",
    "OWLoss",
    "OWPDV",
    "OWIPDV",
    "OWReorder",
    "OWDuplic",
    "OWBTC",
    "OWMBM",
    "SPMonitor",
    "MPMonitor",
];
const METHODS: &[&str] = &["Active", "Passive", "HybridType1", "HybridType2", "Spatial"];
const SUBTYPES: &[&str] = &[
    "ICMP",
    "IP",
    "UDP",
    "TCP",
    "QUIC",
    "HS",
    "Poisson",
    "Periodic",
    "SendOnRcv",
    "SustainedBurst",
    "StandingQueue",
];
const UNITS: &[&str] = &[
    "Seconds",
    "Ratio",
    "Percent",
    "Logical",
    "Packets",
    "BPS",
    "PPS",
    "EventTotal",
    "Multiple",
    "Enumerated",
    "Unitless",
];
const OUTPUTS: &[&str] = &[
    "Singleton",
    "Raw",
    "Count",
    "Minimum",
    "Maximum",
    "Median",
    "Mean",
    "95Percentile",
    "99Percentile",
    "StdDev",
    "Variance",
    "PFI",
    "FlowRecords",
    "LossRatio",
];
/// Ours, where the RFC's list of subtypes, which it leaves open, has nothing that says it.
const OWN_SUBTYPES: &[&str] = &[
    "TLS",
    "HTTP",
    "Upload",
    "MultipleParallelStreams",
    "Traceroute",
    "Paris",
    "Multipath",
    "PacketPair",
    "UPnP",
    "Discovery",
    "WiFi",
];

#[test]
fn every_element_of_every_name_is_in_the_lists_of_rfc_8911() {
    let mut seen = 0;
    for name in TABLE.iter().flat_map(|row| row.names) {
        let elements: Vec<&str> = name.split('_').collect();
        let [private, metric, method, subtypes, spec, units, output] = elements[..] else {
            panic!("{name}: {} elements", elements.len());
        };
        assert_eq!((private, spec), ("Priv", ""), "{name}");
        assert!(TYPES.contains(&metric), "{name}: {metric}");
        assert!(METHODS.contains(&method), "{name}: {method}");
        for subtype in subtypes.split('-') {
            let known = SUBTYPES.contains(&subtype) || OWN_SUBTYPES.contains(&subtype);
            assert!(known, "{name}: {subtype}");
        }
        assert!(UNITS.contains(&units), "{name}: {units}");
        assert!(OUTPUTS.contains(&output), "{name}: {output}");
        seen += 1;
    }
    assert!(seen > 25, "{seen}");
    // What is no metric does not pretend to be one.
    assert!(name_of(REPORT_FUNCTION).is_none());
}

#[test]
fn variants_have_names_of_their_own() {
    let of = |method: &str, given: &[(&str, &str)]| {
        let option = |name: &str| {
            let found = given.iter().find(|(option, _)| *option == name);
            found.map(|(_, value)| (*value).to_owned())
        };
        of_run(method, option)
    };
    assert_eq!(
        of("ping", &[("type", "Tcp")]),
        ["https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw"]
    );
    let path = |given: &[(&str, &str)]| of("traceroute", given).concat();
    assert!(
        path(&[("ping_type", "Icmp"), ("paris", "true")]).contains("IP-ICMP-Traceroute-Paris_")
    );
    assert!(path(&[("ping_type", "Udp"), ("paris", "false")]).contains("IP-UDP-Traceroute_"));
    let all = [
        ("ping_type", "Tcp"),
        ("paris", "true"),
        ("multipath", "true"),
    ];
    assert!(path(&all).contains("IP-TCP-Traceroute-Multipath_"));
    let [delay, loss] = &of("dnslookup", &[("transport", "Tls")])[..] else {
        panic!("a delay and a loss");
    };
    assert!(delay.contains("Priv_RTDNS_Active_IP-TCP-TLS-") && loss.contains("Priv_RLDNS_"));
    assert_eq!(of("wifi", &[]).len(), 1);
    assert!(of("tlsage", &[]).is_empty());
    assert_eq!(of_method("ping").len(), 3);
    assert_eq!(of_method("dnslookup"), of_method("reversednslookup"));
    assert!(of_method("tlsage").is_empty());
}

#[test]
fn who_starts_a_measurement_is_its_source() {
    for (uri, expected) in [
        (
            format!("{BASE}Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw"),
            Some("Src"),
        ),
        (
            format!("{IANA_BASE}RTDelay_Active_IP-ICMP-SendOnRcv_RFC8912sec9_Seconds_Mean"),
            Some("Src"),
        ),
        (
            format!("{BASE}Priv_SPMonitor_Passive_WiFi__Multiple_Raw"),
            None,
        ),
        (REPORT_FUNCTION.to_owned(), Some("client")),
        (
            "https://example.net/m/Priv_RTLoss_Active_IP__Ratio_Raw".to_owned(),
            Some("Src"),
        ),
        ("https://example.net/metrics/speed_Active".to_owned(), None),
        (String::new(), None),
    ] {
        assert_eq!(role(&uri), expected, "{uri}");
    }
}

#[test]
fn the_older_prefix_is_understood_and_not_written() {
    let name = "Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw";
    let old = format!("urn:ietf:metrics:perf:{name}");
    assert!(is_same(&old, &format!("{BASE}{name}")));
    assert!(is_same(&format!("{IANA_BASE}{name}"), &old));
    assert!(!is_same(&old, &format!("https://example.net/{name}")));
    assert!(!is_same(&old, &format!("{BASE}{name}x")));
    assert!(is_same("https://example.net/a", "https://example.net/a"));
    for row in TABLE {
        for uri in of_method(row.method) {
            assert!(uri.starts_with(BASE), "{uri}");
        }
    }
}
