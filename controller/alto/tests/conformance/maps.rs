//! Checks 5–9, 18, 53 and the costs themselves.

use std::sync::Arc;

use glimpse_alto::{
    CalendarKind, CostMap, Family, NetworkMap, NetworkMapError, PidName, Prefix, Publication,
    PublicationError,
};
use serde_json::json;

use super::world::*;

#[test]
fn alto_check_05_the_network_map_has_all_pids_and_a_tag() {
    let publication = f1_c1();
    let document = get_json(&publication, &path_of(&publication, "nm"));
    let expected: serde_json::Value = serde_json::to_value(f1()).unwrap();
    assert_eq!(document["network-map"], expected);
    let vtag = &document["meta"]["vtag"];
    assert_eq!(vtag["resource-id"], "nm");
    let tag = vtag["tag"].as_str().unwrap();
    assert!(
        (1..=64).contains(&tag.len()) && tag.bytes().all(|b| (0x21..=0x7e).contains(&b)),
        "{tag}"
    );
}

#[test]
fn alto_check_06_the_tag_is_a_function_of_the_content() {
    let tag = |groups: &Groups| {
        let publication = publish(groups, c1());
        get_json(&publication, &path_of(&publication, "nm"))["meta"]["vtag"]["tag"].clone()
    };
    let mut changed = f1();
    changed.get_mut("PID1").unwrap().get_mut("ipv4").unwrap()[0] = "192.0.2.0/25".into();
    assert_ne!(tag(&f1()), tag(&changed));
    assert_eq!(tag(&f1()), tag(&f1()));
    let mut reordered = f1();
    reordered
        .get_mut("PID1")
        .unwrap()
        .get_mut("ipv4")
        .unwrap()
        .reverse();
    assert_eq!(
        tag(&f1()),
        tag(&reordered),
        "the order of provisioning is no content"
    );
}

#[test]
fn alto_check_06_the_tag_of_a_cost_map_follows_its_cells() {
    let vtag = |edition| {
        let publication = Publication::new(current(edition)).unwrap();
        get_json(&publication, &path_of(&publication, "nm-delay-rt"))["meta"]["vtag"].clone()
    };
    let before = vtag(edition("nm", &f1(), c1()));
    assert_eq!(before["resource-id"], "nm-delay-rt");
    let mut later = edition("nm", &f1(), c1());
    later.provenance.window_end_us += 1;
    later.provenance.newest_us = None;
    assert_eq!(before, vtag(later));
    assert_ne!(
        before,
        vtag(edition(
            "nm",
            &f1(),
            c1().map(|cost| glimpse_alto::Cost::new(cost.units() + 1))
        ))
    );
}

#[test]
fn alto_check_07_a_prefix_in_two_pids_is_refused() {
    let mut groups = f2();
    groups
        .get_mut("PID3")
        .unwrap()
        .insert("ipv4".into(), vec!["192.0.2.0/24".into()]);
    let expected = NetworkMapError::Overlap {
        prefix: "192.0.2.0/24".parse().unwrap(),
        first: pid("PID2"),
        second: pid("PID3"),
    };
    assert_eq!(network_map(&groups).unwrap_err(), expected);
}

#[test]
fn alto_check_07_a_prefix_with_host_bits_is_refused() {
    let mut groups = f1();
    groups
        .get_mut("PID2")
        .unwrap()
        .insert("ipv4".into(), vec!["198.51.100.128/24".into()]);
    let error = network_map(&groups).unwrap_err();
    assert_eq!(
        error.to_string(),
        "PID PID2: prefix \"198.51.100.128/24\" has host bits set"
    );
}

#[test]
fn alto_check_08_an_incomplete_map_is_refused_or_completed() {
    let mut groups = f2();
    groups.remove("PID0");
    groups
        .get_mut("PID1")
        .unwrap()
        .insert("ipv6".into(), vec!["2001:db8::/32".into()]);
    assert_eq!(
        network_map(&groups).unwrap_err(),
        NetworkMapError::Incomplete(Family::Ipv6)
    );
    let part = [(pid("a"), vec!["2001:db8::/32".parse::<Prefix>().unwrap()])];
    let completed = NetworkMap::with_rest(part, &PidName::total()).unwrap();
    let document = serde_json::to_value(&completed).unwrap();
    assert_eq!(
        document,
        json!({"TOTAL": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}, "a": {"ipv6": ["2001:db8::/32"]}})
    );
}

#[test]
fn a_pid_that_holds_everything_is_left_alone_and_one_without_prefixes_stays() {
    let groups = [
        (pid("all4"), vec![Prefix::everything(Family::Ipv4)]),
        (pid("seg"), vec![]),
    ];
    let map = NetworkMap::with_rest(groups, &PidName::total()).unwrap();
    let document = serde_json::to_value(&map).unwrap();
    assert_eq!(
        document,
        json!({"TOTAL": {"ipv6": ["::/0"]}, "all4": {"ipv4": ["0.0.0.0/0"]}, "seg": {}})
    );
}

#[test]
fn alto_check_09_the_longest_prefix_gives_the_pid() {
    let map = network_map(&f2()).unwrap();
    let publication = publish(&f2(), c1());
    for (address, expected) in [
        ("192.0.2.1", "PID3"),
        ("192.0.2.200", "PID3"),
        ("198.51.100.9", "PID2"),
        ("8.8.8.8", "PID1"),
        ("2001:db8::1", "PID0"),
    ] {
        let family = if address.contains(':') {
            "ipv6"
        } else {
            "ipv4"
        };
        let endpoint = format!("{family}:{address}");
        let body = json!({"properties": ["nm.pid"], "endpoints": [endpoint]}).to_string();
        let answer = post_properties(&publication, body.as_bytes());
        assert_eq!(
            json(&answer)["endpoint-properties"],
            json!({endpoint: {"nm.pid": expected}})
        );
        assert_eq!(
            map.pid_of(address.parse().unwrap()),
            Some(&pid(expected)),
            "{address}"
        );
    }
}

#[test]
fn a_document_with_a_foreign_type_or_a_bad_name_is_no_map() {
    for (name, kind, prefix) in [
        ("a", "mac48", "10.0.0.0/8"),
        ("a", "ipv6", "10.0.0.0/8"),
        ("a.b", "ipv4", "0.0.0.0/0"),
        ("a", "ipv4", "x"),
    ] {
        let mut groups = f1();
        groups.insert(
            name.into(),
            [(kind.to_owned(), vec![prefix.to_owned()])].into(),
        );
        assert!(network_map(&groups).is_err(), "{name} {kind} {prefix}");
    }
}

#[test]
fn alto_check_18_cost_maps_have_one_dependency_their_type_and_no_null() {
    let publication = f1_c1();
    let directory = get_json(&publication, "/");
    let network_map_vtag =
        get_json(&publication, &path_of(&publication, "nm"))["meta"]["vtag"].clone();
    let mut seen = 0;
    for (id, path, entry) in entries(&publication) {
        if entry["media-type"] != "application/alto-costmap+json" || entry["accepts"].is_string() {
            continue;
        }
        seen += 1;
        let response = get(&publication, &path);
        assert!(!String::from_utf8_lossy(&response.body).contains("null"));
        let document = json(&response);
        assert_eq!(
            document["meta"]["dependent-vtags"],
            json!([network_map_vtag]),
            "{id}"
        );
        let name = entry["capabilities"]["cost-type-names"][0]
            .as_str()
            .unwrap();
        assert_eq!(
            document["meta"]["cost-type"], directory["meta"]["cost-types"][name],
            "{id}"
        );
        assert!(document["cost-map"]["PID3"].get("PID3").is_none());
        let cells = document["cost-map"]
            .as_object()
            .unwrap()
            .values()
            .flat_map(|row| row.as_object().unwrap().values());
        assert_eq!(cells.filter(|cell| cell.is_u64()).count(), 8, "{id}");
    }
    assert_eq!(seen, 4);
    let delay = get_json(&publication, &path_of(&publication, "nm-delay-rt"));
    let expected: serde_json::Value =
        serde_json::from_str(include_str!("../data/c1.json")).unwrap();
    assert_eq!(delay["cost-map"], expected);
}

#[test]
fn ordinal_maps_rank_the_cells_of_the_answer() {
    let publication = f1_c1();
    let ranks = get_json(&publication, &path_of(&publication, "nm-delay-rt-ordinal"));
    assert_eq!(ranks["meta"]["cost-type"]["cost-mode"], "ordinal");
    let expected = json!({"PID1": {"PID1": 1, "PID2": 2, "PID3": 3}, "PID2": {"PID1": 2, "PID2": 1, "PID3": 4}, "PID3": {"PID1": 5, "PID2": 4}});
    assert_eq!(ranks["cost-map"], expected);
}

#[test]
fn routingcost_is_there_without_being_a_delay() {
    let publication = publish(
        &f1(),
        c1().map(|cost| glimpse_alto::Cost::new(cost.units() * 1_000)),
    );
    let numbers = get_json(&publication, &path_of(&publication, "nm-routingcost"));
    assert_eq!(
        numbers["cost-map"]["PID1"],
        json!({"PID1": 10, "PID2": 50, "PID3": 100})
    );
    assert_eq!(
        numbers["meta"]["cost-type"]["cost-context"]["cost-source"],
        "estimation"
    );
}

#[test]
fn the_context_says_how_and_the_statistics_say_when() {
    let publication = f1_c1();
    let meta = get_json(&publication, &path_of(&publication, "nm-delay-rt"))["meta"].clone();
    let context = json!({"cost-source": "estimation", "parameters": {
        "aggregation": "per-subscriber-first", "window": {"seconds": 86_400}}});
    assert_eq!(meta["cost-type"]["cost-context"], context);
    assert_eq!(meta["cost-type"]["cost-metric"], "delay-rt");
    let stats = json!({"samples": 1_234, "subscribers": 45, "window": {"start": "2026-01-01T00:00:00Z", "end": "2026-01-02T00:00:00Z"}});
    assert_eq!(meta["glimpse-stats"], stats);
}

#[test]
fn alto_check_53_the_age_of_the_data_and_the_next_computation_are_told() {
    let publication = f1_c1();
    for (_, path, entry) in entries(&publication) {
        if entry.get("accepts").is_none() {
            let response = get(&publication, &path);
            assert_eq!(
                response.header("last-modified"),
                Some("Thu, 01 Jan 2026 23:58:30 GMT")
            );
            assert_eq!(
                response.header("expires"),
                Some("Fri, 02 Jan 2026 00:10:00 GMT")
            );
            assert_eq!(response.header("cache-control"), Some("max-age=600"));
        }
    }
}

#[test]
fn alto_check_53_answers_tell_the_age_of_the_data_too() {
    let publication = f1_c1();
    for (id, path, entry) in entries(&publication) {
        let Some(accepts) = entry["accepts"].as_str().filter(|_| id != "updates") else {
            continue;
        };
        let body = question(accepts, "nm");
        let request = glimpse_alto::Request {
            method: "POST",
            path: &path,
            content_type: Some(accepts),
            body: body.as_bytes(),
            ..Default::default()
        };
        let response = send(&publication, &request);
        assert_eq!(response.status, 200, "{id}");
        let fields = ["last-modified", "expires", "cache-control"];
        assert_eq!(
            fields.map(|name| response.header(name)),
            [
                Some("Thu, 01 Jan 2026 23:58:30 GMT"),
                Some("Fri, 02 Jan 2026 00:10:00 GMT"),
                Some("no-store")
            ],
            "{id}"
        );
    }
}

#[test]
fn alto_check_53_an_overdue_computation_still_expires_later_than_now() {
    let request = glimpse_alto::Request {
        method: "GET",
        path: "/",
        ..Default::default()
    };
    let late = glimpse_alto::Serving {
        next_us: NOW_US - 5,
        ..serving()
    };
    let response = glimpse_alto::answer(&f1_c1(), &request, &late);
    assert_eq!(
        response.header("expires"),
        Some("Fri, 02 Jan 2026 00:00:01 GMT")
    );
    assert_eq!(response.header("cache-control"), Some("max-age=1"));
}

#[test]
fn nothing_measured_is_still_a_conformant_publication() {
    let mut empty = edition("nm", &f1(), CostMap::default());
    empty.map = Arc::new(NetworkMap::with_rest([], &PidName::total()).unwrap());
    empty.provenance.newest_us = None;
    let publication = Publication::new(current(empty)).unwrap();
    let response = get(&publication, &path_of(&publication, "nm-routingcost"));
    assert_eq!(
        (response.status, response.header("last-modified")),
        (200, None)
    );
    assert_eq!(json(&response)["cost-map"], json!({}));
}

#[test]
fn a_cost_of_an_unknown_pid_is_refused() {
    let cells = CostMap::new([(pid("PID1"), pid("PID9"), glimpse_alto::Cost::new(1))]);
    assert_eq!(
        Publication::new(current(edition("nm", &f1(), cells))).unwrap_err(),
        PublicationError::UnknownPid(pid("PID9"))
    );
    let mut other = edition("nm", &f1(), c1());
    other.properties.insert(pid("PID8"), [].into());
    assert_eq!(
        Publication::new(current(other)).unwrap_err(),
        PublicationError::UnknownPid(pid("PID8"))
    );
}

#[test]
fn a_calendar_has_a_value_for_each_interval() {
    let mut uneven = edition("nm", &f1(), c1());
    let mut calendar = by_hours(&c1());
    calendar.intervals -= 1;
    uneven.columns[0].calendars.push(calendar);
    let expected = PublicationError::Calendar {
        column: "routingcost".into(),
        kind: CalendarKind::HourOfDay,
    };
    assert_eq!(Publication::new(current(uneven)).unwrap_err(), expected);
}

#[test]
fn two_publications_of_one_content_are_equal_byte_for_byte() {
    let (one, two) = (f1_c1(), f1_c1());
    let bytes = |p: &Publication| {
        p.documents()
            .map(|(path, d)| (path.to_owned(), d.identity.bytes.to_vec()))
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(&one).len(), 7);
    assert_eq!(bytes(&one), bytes(&two));
    assert_eq!(bytes(&library()), bytes(&library()));
}
