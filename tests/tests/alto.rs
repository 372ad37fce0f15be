//! ALTO from stored results to maps, by the real controller; and others' eyes on it: a client of another make that knows the RFCs only.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod alto {
    pub(super) mod households;
    pub(super) mod walker;
}

use alto::households::{GROUPS, TARGETS, Town};
use alto::walker;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

/// Whether a map of costs has any.
fn has_costs(map: &Value) -> bool {
    map["cost-map"]
        .as_object()
        .is_some_and(|rows| !rows.is_empty())
}

/// Its schemas refuse broken documents, and it notices each of a row of wrong servers.
#[test]
fn the_walker_notices_what_is_wrong() {
    let said = walker::run(&["selftest.py"]);
    assert!(
        said.ends_with("4 checks: 4 passed, 0 failed, 0 left out\n"),
        "{said}"
    );
}

#[test]
fn the_walker_finds_nothing_wrong_here() {
    let mut town = Town::new(2);
    town.measured();
    town.published("throughput", "/costmap/nm/tput", has_costs);
    let url = format!("https://127.0.0.1:{}/", town.controller.alto_port());
    let root = town.controller.dir().join("pki/root.pem");
    let more = [
        "--complete",
        "--changes",
        "40",
        "--idle",
        "--address",
        "ipv4:127.0.0.1",
    ];
    let mut again = 0;
    let said = walker::walk(&url, &root, &more, |line| {
        // A stream is open: what is measured now is to come by it.
        if line.trim_start_matches('…').trim() == "open" {
            again += 1;
            town.measure(40.0 * f64::from(again));
        }
    });
    assert_eq!(again, 1, "{said:#?}");
    let checked = said.iter().filter(|line| line.starts_with("ok")).count();
    assert!(checked > 300, "{checked} checks: {said:#?}");
    let idle = |line: &&String| line.starts_with("ok") && line.contains("signs of life");
    assert_eq!(said.iter().filter(idle).count(), 1, "{said:#?}");
    let patches = said.iter().find_map(|line| {
        let (count, _) = line.split_once(" patches replayed")?;
        count.trim_start_matches('…').trim().parse::<u32>().ok()
    });
    assert!(patches.is_some_and(|count| count > 0), "{said:#?}");
}

/// The groups, the clusters and the figures of draft-seedorf-lmap-alto-02, in the form of RFC 7285 and with RFC 9439's direction.
#[test]
fn the_drafts_example_from_stored_results_to_maps() {
    let mut town = Town::new(3);
    town.measured();
    let tput = town.published("throughput", "/costmap/nm/tput", has_costs);
    let kind = &tput["meta"]["cost-type"];
    assert_eq!(
        (&kind["cost-metric"], &kind["cost-mode"]),
        (&json!("tput"), &json!("numerical"))
    );
    let view = town.published("the draft's view", "/costmap/nm/dl", has_costs);
    let mut pids = BTreeSet::from([
        "MSMNT-CL1".to_owned(),
        "MSMNT-CL2".to_owned(),
        "TOTAL".to_owned(),
    ]);
    for (isp, region, bits_per_s) in GROUPS {
        let group = format!("{isp}:{region}");
        for cluster in ["MSMNT-CL1", "MSMNT-CL2", "TOTAL"] {
            let rate = json!(bits_per_s / 8.0);
            let close = |found: &Value| {
                found
                    .as_f64()
                    .is_some_and(|found| (found - bits_per_s / 8.0).abs() < 0.5)
            };
            let told = &tput["cost-map"][cluster][&group];
            assert!(
                close(told),
                "{cluster} → {group}: {told}, not {rate}: {tput:#}"
            );
            let seen = &view["cost-map"][&group][cluster];
            assert!(
                close(seen),
                "{group} → {cluster}: {seen}, not {rate}: {view:#}"
            );
        }
        pids.insert(group);
    }
    let network = town.get("/networkmap/nm", "").json();
    let named: BTreeSet<String> = network["network-map"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    assert!(pids.is_subset(&named), "{named:?}");
    assert_eq!(
        network["network-map"]["MSMNT-CL1"]["ipv4"],
        json!([format!("{}/32", TARGETS[0])])
    );
    assert_eq!(
        network["network-map"]["ISP1:GEO1"]["ipv4"],
        json!(["198.51.100.0/25"])
    );

    // A streaming provider in cluster 1 asks for one of its users: the longest prefix decides.
    let question = json!({"cost-type": {"cost-metric": "tput", "cost-mode": "numerical"},
        "endpoints": {"srcs": [format!("ipv4:{}", TARGETS[0])], "dsts": ["ipv4:198.51.100.20", "ipv6:2001:db8:2:41::7"]}});
    let answer = town
        .post("/endpointcost/nm", "endpointcostparams", &question)
        .json();
    let row = &answer["endpoint-cost-map"]["ipv4:192.0.2.1"];
    assert_eq!(
        row["ipv4:198.51.100.20"].as_f64().map(f64::round),
        Some(1_275_000.0),
        "{answer:#}"
    );
    assert_eq!(
        row["ipv6:2001:db8:2:41::7"].as_f64().map(f64::floor),
        Some(1_537_500.0),
        "{answer:#}"
    );
}

/// A crash changes no tag: a client goes on where it was.
#[test]
fn the_same_tags_after_a_crash() {
    let mut town = Town::new(2);
    town.measured();
    town.published("throughput", "/costmap/nm/tput", has_costs);
    let paths = [
        "/networkmap/nm",
        "/costmap/nm/tput",
        "/costmap/nm/delay-rt-p95",
        "/propmap/nm",
    ];
    let tags = |town: &Town| {
        paths.map(|path| town.published(path, path, |_| true)["meta"]["vtag"]["tag"].clone())
    };
    let before = tags(&town);
    assert!(before.iter().all(Value::is_string), "{before:?}");
    town.controller.kill();
    town.controller.serve();
    assert_eq!(tags(&town), before);
}

/// One client compares the whole field with the media type: a parameter would be another type to it.
#[test]
fn alto_quirk_media_types_are_bare() {
    let mut town = Town::new(1);
    town.measured();
    town.published("delays", "/costmap/nm/delay-rt", has_costs);
    for (path, kind) in [
        ("/", "directory"),
        ("/networkmap/nm", "networkmap"),
        ("/costmap/nm/delay-rt", "costmap"),
        ("/propmap/nm", "propmap"),
    ] {
        // As that client asks, with a field that is none.
        let answer = town.get(
            path,
            "accept: */*\r\naccepts: application/alto-networkmap+json\r\n",
        );
        assert_eq!(answer.status, 200, "{path}");
        assert_bare(&answer.head, kind);
    }
    let question = json!({"properties": ["nm.pid"], "endpoints": ["ipv4:198.51.100.1"]});
    let answer = town.post("/endpointprop", "endpointpropparams", &question);
    assert_bare(&answer.head, "endpointprop");
    let answer = town.post("/networkmap/nm/filter", "networkmapfilter", &json!({}));
    assert_bare(&answer.head, "error");
}

fn assert_bare(head: &str, kind: &str) {
    let wanted = format!("content-type: application/alto-{kind}+json");
    let lines: Vec<String> = head.lines().map(str::to_ascii_lowercase).collect();
    assert!(lines.contains(&wanted), "no line {wanted:?} in {head}");
}

/// One client fails without the version of an answer with endpoint costs, which RFC 7285 leaves open.
#[test]
fn alto_quirk_endpoint_costs_have_a_version_of_their_own() {
    let mut town = Town::new(1);
    town.measured();
    town.published("delays", "/costmap/nm/delay-rt", has_costs);
    let question = |dst: &str| {
        json!({"cost-type": {"cost-metric": "delay-rt", "cost-mode": "numerical"},
            "endpoints": {"srcs": ["ipv4:198.51.100.1"], "dsts": [dst]}})
    };
    let version = |dst: &str| {
        let answer = town
            .post("/endpointcost/nm", "endpointcostparams", &question(dst))
            .json();
        assert_eq!(
            answer["meta"]["vtag"]["resource-id"], "nm-endpoint-costs",
            "{answer:#}"
        );
        assert_eq!(answer["meta"]["dependent-vtags"], Value::Null, "{answer:#}");
        answer["meta"]["vtag"]["tag"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        version("ipv4:192.0.2.1"),
        version("ipv4:192.0.2.1"),
        "of equal answers"
    );
    assert_ne!(
        version("ipv4:192.0.2.1"),
        version("ipv4:192.0.2.129"),
        "of others"
    );
}

/// One client has one tree for both families, in which the one default would overwrite the other.
#[test]
fn alto_quirk_the_defaults_of_both_families_are_in_one_pid() {
    let mut town = Town::new(1);
    town.measured();
    town.published("delays", "/costmap/nm/delay-rt", has_costs);
    for name in ["nm", "nm-seg"] {
        let map = town.get(&format!("/networkmap/{name}"), "").json();
        let owners: Vec<(&String, &str)> = map["network-map"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(pid, group)| {
                let defaults = [("ipv4", "0.0.0.0/0"), ("ipv6", "::/0")];
                defaults
                    .into_iter()
                    .filter(|(family, all)| {
                        group[family]
                            .as_array()
                            .is_some_and(|own| own.contains(&json!(all)))
                    })
                    .map(move |(family, _)| (pid, family))
            })
            .collect();
        let total = "TOTAL".to_owned();
        assert_eq!(owners, [(&total, "ipv4"), (&total, "ipv6")], "{map:#}");
    }
}
