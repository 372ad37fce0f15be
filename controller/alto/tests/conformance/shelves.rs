//! What directories say of editions.

use std::collections::BTreeSet;

use glimpse_alto::{Anonymity, DirectoryError, Publication, PublicationError, Shelf};
use serde_json::{Value, json};

use super::world::*;

#[test]
fn editions_stand_on_shelves() {
    let publication = library();
    let root = get_json(&publication, "/");
    assert_eq!(root["meta"]["default-alto-network-map"], "nm");
    let shelf = |name: &str| get_json(&publication, &path_of(&publication, name));
    let (recent, archive) = (shelf("recent"), shelf("archive"));
    assert!(recent["meta"].get("default-alto-network-map").is_none());
    let maps = |directory: &Value| -> Vec<String> {
        let resources = directory["resources"].as_object().unwrap();
        resources
            .iter()
            .filter(|(_, e)| e["uri"].as_str().unwrap().starts_with("networkmap/"))
            .map(|(id, _)| id.clone())
            .filter(|id| !id.ends_with("-filter"))
            .collect()
    };
    assert_eq!(maps(&root), ["nm", "nm-seg"]);
    assert_eq!(maps(&recent), ["nm-hour"]);
    assert_eq!(maps(&archive), ["nm-2026-10", "nm-2026-11"]);
    // Windows of several lengths are cost types of their own.
    let days = |month: &str| {
        let name = format!("{month}-delay-rt");
        let map = &archive["resources"][name.as_str()];
        assert_eq!(map["capabilities"]["cost-type-names"], json!([name]));
        archive["meta"]["cost-types"][name.as_str()]["cost-context"]["parameters"]["window"].clone()
    };
    assert_eq!(days("nm-2026-10"), 31 * 86_400);
    assert_eq!(days("nm-2026-11"), 30 * 86_400);
}

#[test]
fn capabilities_say_what_can_be_asked() {
    let publication = library();
    let root = get_json(&publication, "/");
    let entry = |id: &str| &root["resources"][id];
    let ids = |of: &Value| -> BTreeSet<String> {
        let ids = of.as_array().unwrap().iter();
        ids.map(|id| id.as_str().unwrap().to_owned()).collect()
    };
    let costs = &entry("nm-costs")["capabilities"];
    let testable = [
        "routingcost",
        "delay-rt",
        "delay-rt-p95",
        "tput",
        "priv-glimpse-n",
    ];
    assert_eq!(costs["testable-cost-type-names"], json!(testable));
    assert!(costs.get("cost-constraints").is_none());
    assert_eq!(costs["max-cost-types"], 10);
    let names = ids(&costs["cost-type-names"]);
    assert_eq!(names.len(), 10);
    assert!(names.contains("tput-ordinal"));
    let hours = json!([{"cost-type-names": ["delay-rt"], "number-of-intervals": 24, "time-interval-size": 3_600}]);
    assert_eq!(costs["calendar-attributes"], hours);
    let days = &entry("nm-costs-by-day")["capabilities"]["calendar-attributes"];
    assert_eq!(days[0]["time-interval-size"], 86_400);
    assert_eq!(entry("nm-endpoint-costs")["uses"], Value::Null);
    assert_eq!(entry("nm-costs")["uses"], json!(["nm"]));
    assert_eq!(entry("nm-filter")["uses"], json!(["nm"]));
    let mappings = &entry("nm-property-filter")["capabilities"]["mappings"];
    assert_eq!(mappings["ipv4"], json!(["nm.pid"]));
    assert_eq!(entry("nm-property-filter")["uses"], json!(["nm"]));
    assert!(ids(&mappings["nm.pid"]).contains(".priv:glimpse-isp"));
    // Only the default statistic of what is fetched has ranks to fetch.
    assert!(entry("nm-tput-ordinal").is_object());
    for absent in [
        "nm-delay-rt-p95-ordinal",
        "nm-priv-glimpse-n",
        "nm-priv-glimpse-n-ordinal",
    ] {
        assert!(entry(absent).is_null(), "{absent}");
    }
    assert!(entry("nm-delay-rt-p95").is_object());
}

#[test]
fn the_update_stream_lists_what_it_tells_of() {
    let publication = library();
    let root = get_json(&publication, "/");
    let stream = &root["resources"]["updates"];
    assert_eq!(stream["media-type"], "text/event-stream");
    assert_eq!(stream["capabilities"]["support-stream-control"], true);
    let updates: BTreeSet<&str> = stream["uses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|id| id.as_str().unwrap())
        .collect();
    for told in [
        "nm",
        "nm-hour",
        "nm-delay-rt",
        "nm-hour-costs",
        "endpoint-property",
        "nm-properties",
    ] {
        assert!(updates.contains(told), "{told}");
    }
    for untold in [
        "updates",
        "recent",
        "archive",
        "nm-2026-10",
        "nm-2026-10-delay-rt",
    ] {
        assert!(!updates.contains(untold), "{untold}");
    }
    let patched = &stream["capabilities"]["incremental-change-media-types"];
    assert_eq!(patched["nm-delay-rt"], "application/merge-patch+json");
    assert!(
        patched.get("nm-delay-rt-ordinal").is_none(),
        "one cost may move all ranks"
    );
}

#[test]
fn without_questions_a_directory_lists_what_can_be_fetched() {
    let mut content = current(edition("nm", &f1(), c1()));
    content.fetched_only = true;
    let publication = Publication::new(content).unwrap();
    let all = listed(&publication);
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|l| l.entry.get("accepts").is_none()));
    assert_eq!(publication.resource_kinds().count(), 6);
}

#[test]
fn an_edition_without_figures_has_a_network_map_only() {
    let mut empty = edition("nm-hour", &f1(), c1());
    empty.columns.clear();
    let content = shelved([
        (edition("nm", &f1(), c1()), Shelf::Current),
        (empty, Shelf::Recent),
    ]);
    let publication = Publication::new(content).unwrap();
    let recent = get_json(&publication, "/recent/");
    let ids: Vec<&String> = recent["resources"].as_object().unwrap().keys().collect();
    assert_eq!(
        ids,
        [
            "nm-hour",
            "nm-hour-filter",
            "nm-hour-properties",
            "nm-hour-property-filter"
        ]
    );
}

#[test]
fn without_a_current_edition_nothing_is_published() {
    let archive = shelved([(edition("nm-2026-10", &f1(), c1()), Shelf::Archive)]);
    assert_eq!(
        Publication::new(archive).unwrap_err(),
        PublicationError::NoCurrent
    );
    let twice = shelved([
        (edition("nm", &f1(), c1()), Shelf::Current),
        (edition("nm", &f1(), c1()), Shelf::Current),
    ]);
    assert!(matches!(
        Publication::new(twice).unwrap_err(),
        PublicationError::Directory(DirectoryError::DuplicateUri(_))
    ));
}

#[test]
fn the_directory_declares_k_or_the_laboratory() {
    let with_k = get_json(&f1_c1(), "/");
    assert_eq!(
        (
            &with_k["meta"]["glimpse-k"],
            with_k["meta"].get("glimpse-lab")
        ),
        (&10.into(), None)
    );
    let with = |anonymity| {
        let mut edition = edition("nm-seg", &f1(), c1());
        edition.provenance.anonymity = anonymity;
        edition
    };
    let both = [with(Anonymity::K(5)), edition("nm", &f1(), c1())].map(|e| (e, Shelf::Current));
    let weaker = get_json(&Publication::new(shelved(both)).unwrap(), "/");
    assert_eq!(
        weaker["meta"]["glimpse-k"], 5,
        "the weaker one of two editions"
    );
    let mixed = [edition("nm", &f1(), c1()), with(Anonymity::Lab)].map(|e| (e, Shelf::Current));
    let mixed = get_json(&Publication::new(shelved(mixed)).unwrap(), "/");
    assert_eq!(mixed["meta"]["glimpse-lab"], true);
    let lab = current(with(Anonymity::Lab));
    let lab = get_json(&Publication::new(lab).unwrap(), "/");
    assert_eq!(
        (&lab["meta"]["glimpse-lab"], lab["meta"].get("glimpse-k")),
        (&true.into(), None)
    );
}
