use super::super::directory::Kind;
use super::super::reading::Reading;
use super::super::{DocumentError, Refused, VersionTag, heaviest, printable, weight};
use proptest::prelude::*;
use serde_json::json;

const MOST: usize = heaviest(1 << 20);

fn read(kind: Kind, document: &serde_json::Value) -> Reading {
    Reading::new(kind, document.to_string().as_bytes(), MOST).unwrap()
}

fn cells(reading: &Reading) -> Vec<String> {
    reading.rows.iter().map(|row| row.join(" ")).collect()
}

#[test]
fn alto_trap_7285_the_network_map_of_the_example_without_host_bits() {
    // RFC 7285 §11.2.1.7; the filtered one of §11.3.1.7 has 198.51.100.128/24.
    let map = json!({"meta": {"vtag": {"resource-id": "my-default-network-map", "tag": "da65eca2eb7a10ce8b059740b0b2e3f8"}},
        "network-map": {"PID1": {"ipv4": ["192.0.2.0/24", "198.51.100.0/25"]}, "PID2": {"ipv4": ["198.51.100.128/25"]},
            "PID3": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}, "PID4": {}}});
    let reading = read(Kind::NetworkMap, &map);
    assert_eq!(reading.header, ["PID", "TYPE", "PREFIX"]);
    assert_eq!(
        cells(&reading),
        [
            "PID1 ipv4 192.0.2.0/24",
            "PID1 ipv4 198.51.100.0/25",
            "PID2 ipv4 198.51.100.128/25",
            "PID3 ipv4 0.0.0.0/0",
            "PID3 ipv6 ::/0",
            "PID4 - -"
        ]
    );
    let tag = VersionTag {
        resource_id: "my-default-network-map".into(),
        tag: "da65eca2eb7a10ce8b059740b0b2e3f8".into(),
    };
    assert_eq!(reading.versions.own, Some(tag));
}

#[test]
fn costs_have_a_column_for_each_metric_with_its_unit() {
    let single = json!({"meta": {"cost-type": {"cost-metric": "tput:p25", "cost-mode": "numerical"}},
        "cost-map": {"PID1": {"PID2": 1.5, "PID1": 0}}});
    let reading = read(Kind::CostMap, &single);
    assert_eq!(
        reading.header,
        ["SOURCE", "DESTINATION", "tput:p25 [byte/s]"]
    );
    assert_eq!(cells(&reading), ["PID1 PID1 0", "PID1 PID2 1.5"]);
    // RFC 8189 §5.2: a value that is missing is null.
    let several = json!({"meta": {"cost-type": {}, "multi-cost-types": [
            {"cost-metric": "routingcost", "cost-mode": "numerical"}, {"cost-metric": "hopcount", "cost-mode": "ordinal"}]},
        "cost-map": {"PID2": {"PID3": [null, 9]}, "PID1": {"PID1": [1, 0]}}});
    let reading = read(Kind::FilteredCostMap, &several);
    assert_eq!(reading.header[2..], ["routingcost", "hopcount (ordinal)"]);
    assert_eq!(cells(&reading), ["PID1 PID1 1 0", "PID2 PID3 - 9"]);
    // RFC 8896 §5.3: a calendar is one cell.
    let calendar = json!({"meta": {"cost-type": {"cost-metric": "delay-rt", "cost-mode": "numerical"}},
        "endpoint-cost-map": {"ipv4:192.0.2.2": {"ipv4:198.51.100.34": [7, 8, 9]}}});
    assert_eq!(
        cells(&read(Kind::EndpointCost, &calendar)),
        ["ipv4:192.0.2.2 ipv4:198.51.100.34 7 8 9"]
    );
}

#[test]
fn properties_have_a_row_each() {
    let answer = json!({"meta": {"dependent-vtags": [{"resource-id": "nm", "tag": "t"}]},
        "endpoint-properties": {"ipv4:192.0.2.34": {"nm.pid": "PID1"}, "ipv4:203.0.113.129": {}}});
    let reading = read(Kind::EndpointProperty, &answer);
    assert_eq!(
        cells(&reading),
        ["ipv4:192.0.2.34 nm.pid PID1", "ipv4:203.0.113.129 - -"]
    );
    assert_eq!(reading.versions.dependencies.len(), 1);
}

#[test]
fn another_document_than_expected_is_refused() {
    let refused = Reading::new(Kind::CostMap, br#"{"meta": {}, "network-map": {}}"#, MOST);
    assert_eq!(refused, Err(DocumentError::Member("cost-map")));
    assert!(matches!(
        Reading::new(Kind::NetworkMap, b"<html>", MOST),
        Err(DocumentError::Json(_))
    ));
}

/// Four bytes of text make a node of some hundred bytes of memory.
#[test]
fn a_short_text_that_makes_a_large_tree_is_refused_before_it_is_read() {
    let bomb = format!("[{}0]", "{\"\":0},".repeat(1 << 16));
    assert!(bomb.len() < 1 << 19 && weight(bomb.as_bytes()) > MOST);
    assert_eq!(
        Reading::new(Kind::Other, bomb.as_bytes(), MOST),
        Err(DocumentError::Heavy(MOST))
    );
    // An ordinary map takes much less than its text may.
    let rows: Vec<String> = (0..40)
        .map(|n| {
            let cells: Vec<String> = (0..40)
                .map(|m| format!(r#""as{m}:region":{m}.5"#))
                .collect();
            format!(r#""as{n}:region":{{{}}}"#, cells.join(","))
        })
        .collect();
    let map = format!(r#"{{"meta":{{}},"cost-map":{{{}}}}}"#, rows.join(","));
    assert!(
        weight(map.as_bytes()) < heaviest(map.len()),
        "{}",
        weight(map.as_bytes())
    );
    let reading = Reading::new(Kind::CostMap, map.as_bytes(), heaviest(map.len())).unwrap();
    assert_eq!(reading.rows.len(), 1600);
}

/// What is said once in `meta` is not repeated in every row without a bound.
#[test]
fn columns_are_bounded() {
    let types = vec![json!({"cost-metric": "x", "cost-mode": "numerical"}); 2000];
    let map = json!({"meta": {"multi-cost-types": types}, "cost-map": {"a": {"b": [1], "c": vec![2; 2000]}}});
    let reading = read(Kind::FilteredCostMap, &map);
    assert_eq!(reading.header.len(), 102);
    assert!(reading.rows.iter().all(|row| row.len() == 102));
}

#[test]
fn error_objects_are_told_in_words() {
    let object = json!({"meta": {"code": "E_INVALID_FIELD_VALUE", "field": "cost-type/cost-mode", "value": "foo\u{1b}[2J"}});
    let told = Refused::of(object.to_string().as_bytes())
        .unwrap()
        .to_string();
    assert_eq!(
        told,
        "E_INVALID_FIELD_VALUE (a value is not allowed), member cost-type/cost-mode, value \"foo\u{fffd}[2J\""
    );
    assert_eq!(Refused::of(b"{}"), None);
    assert_eq!(Refused::of(b"nothing here"), None);
}

#[test]
fn alto_trap_8895_the_value_of_an_error_may_be_a_list() {
    let object =
        json!({"meta": {"code": "E_INVALID_FIELD_VALUE", "field": "remove", "value": ["a", "b"]}});
    let told = Refused::of(object.to_string().as_bytes())
        .unwrap()
        .to_string();
    assert!(told.ends_with(r#"value "[\"a\",\"b\"]""#), "{told}");
}

proptest! {
    #[test]
    fn no_document_makes_a_reader_panic_or_prints_control_characters(text in ".{0,200}", kind in 0_usize..4) {
        let kind = [Kind::NetworkMap, Kind::FilteredCostMap, Kind::PropertyMap, Kind::Other][kind];
        let _ = Reading::new(kind, text.as_bytes(), MOST);
        let _ = Refused::of(text.as_bytes());
        let document = json!({"network-map": {text.clone(): {text.clone(): [text.clone(), 7]}}, "property-map": {text.clone(): {text.clone(): text.clone()}},
            "cost-map": {text.clone(): {text.clone(): [text.clone(), null]}}});
        for row in read(kind, &document).rows {
            prop_assert!(row.iter().all(|cell| !cell.chars().any(char::is_control)));
        }
        prop_assert!(printable(&text).chars().count() <= 201);
    }
}
