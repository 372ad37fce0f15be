//! Questions to the ALTO service, constraints and addresses.

use crate::Seed;

pub(crate) fn seeds() -> Vec<Seed> {
    TEXTS
        .iter()
        .map(|&(target, name, text)| (target, name, text.as_bytes().to_vec()))
        .collect()
}

/// What the seeds of questions earn.
pub(crate) const STATUSES: [(&str, u16); 12] = [
    ("network-map", 200),
    ("property-map", 200),
    ("costs", 200),
    ("multi-costs", 200),
    ("testable", 200),
    ("calendar", 200),
    ("endpoint-costs", 200),
    ("endpoint-calendar", 200),
    ("endpoint-properties", 200),
    ("no-type", 400),
    ("both", 400),
    ("wrong-types", 400),
];

/// Target, name, text. The first byte of a question picks the resource.
const TEXTS: &[(&str, &str, &str)] = &[
    (
        "alto_request",
        "directory",
        "/\napplication/alto-directory+json, */*;q=0.1\ngzip;q=0, br\n\n\"abc\", W/\"d\"\n",
    ),
    ("alto_request", "map", "/networkmap/nm\n*/*\ngzip\n\n*\n"),
    (
        "alto_request",
        "cost",
        "/costmap/nm/delay-rt\napplication/alto-costmap+json\n\n\n\n",
    ),
    (
        "alto_request",
        "endpoints",
        "/endpointprop\napplication/alto-endpointprop+json,application/alto-error+json\n\napplication/alto-endpointpropparams+json\n\n{\"properties\":[\"nm.pid\"],\"endpoints\":[\"ipv4:192.0.2.34\",\"ipv6:2001:db8::1\",\"ipv4:1.2.3\"]}",
    ),
    (
        "alto_filter",
        "network-map",
        r#"0{"pids":["mypid1","nope","mypid1"],"address-types":["ipv4","mac48"]}"#,
    ),
    (
        "alto_filter",
        "property-map",
        r#"1{"entities":["nm.pid:mypid1"],"properties":[".priv:glimpse-subs"]}"#,
    ),
    (
        "alto_filter",
        "costs",
        r#"2{"cost-type":{"cost-metric":"delay-rt","cost-mode":"numerical"},"constraints":["ge 2e3","lt 40000"],"pids":{"srcs":["mypid1","mypid2"],"dsts":[]}}"#,
    ),
    (
        "alto_filter",
        "multi-costs",
        r#"2{"multi-cost-types":[{"cost-metric":"delay-rt","cost-mode":"ordinal"},{"cost-metric":"routingcost","cost-mode":"numerical"}],"or-constraints":[["[1] le 30"],["[1] gt 30","[1] lt 1e9"]]}"#,
    ),
    (
        "alto_filter",
        "testable",
        r#"2{"cost-type":{"cost-metric":"routingcost","cost-mode":"ordinal"},"testable-cost-types":[{"cost-metric":"delay-rt","cost-mode":"numerical"}],"constraints":["[0] eq 40000"]}"#,
    ),
    (
        "alto_filter",
        "calendar",
        r#"2{"cost-type":{"cost-metric":"delay-rt","cost-mode":"numerical"},"calendared":[true],"pids":{"srcs":["rest"],"dsts":["mypid1"]}}"#,
    ),
    (
        "alto_filter",
        "endpoint-costs",
        r#"3{"cost-type":{"cost-metric":"delay-rt","cost-mode":"numerical"},"endpoints":{"srcs":["ipv4:192.0.2.1"],"dsts":["ipv4:198.51.100.200","ipv6:2001:DB8::1"]}}"#,
    ),
    (
        "alto_filter",
        "endpoint-calendar",
        r#"3{"multi-cost-types":[{"cost-metric":"delay-rt","cost-mode":"numerical"}],"calendared":[true],"endpoints":{"dsts":["ipv4:198.51.100.200"]}}"#,
    ),
    (
        "alto_filter",
        "endpoint-properties",
        r#"4{"properties":["nm.pid"],"endpoints":["ipv4:192.0.2.34","ipv6:2001:db8::1"]}"#,
    ),
    ("alto_filter", "no-type", r#"2{"pids":{"srcs":7}}"#),
    (
        "alto_filter",
        "both",
        r#"2{"cost-type":{"cost-metric":"delay-rt","cost-mode":"numerical"},"constraints":["ge 1"],"or-constraints":[[]]}"#,
    ),
    (
        "alto_filter",
        "wrong-types",
        r#"3{"cost-type":{"cost-metric":"delay-rt","cost-mode":{}},"endpoints":{"srcs":[[[[["\ud800"]]]]]}}"#,
    ),
    ("alto_constraint", "plain", "ge 2100"),
    ("alto_constraint", "indexed", "[0] lt 4.0e4"),
    ("alto_constraint", "spaced", "  gt \t-0.5E+3 "),
    ("alto_constraint", "beyond", "[1] eq 1e999"),
    ("alto_constraint", "no-number", "le 0x10"),
    ("alto_address", "ipv4", "ipv4:192.0.2.1"),
    ("alto_address", "ipv6", "ipv6:2001:DB8:0:0::1"),
    ("alto_address", "mapped", "ipv6:::ffff:192.0.2.1"),
    ("alto_address", "zone", "ipv6:fe80::1%eth0"),
    ("alto_address", "prefix", "2001:db8::/32"),
    ("alto_address", "host-bits", "198.51.100.128/24"),
];
