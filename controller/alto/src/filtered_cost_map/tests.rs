#![allow(clippy::unwrap_used)]
mod calendars;
mod model;
mod multi;

use serde_json::{Value, json};

use super::fixture::*;
use super::*;
use crate::directory::Constraints;

fn map(edition: &Arc<Edition>) -> FilteredCostMap {
    FilteredCostMap::new(id("nm-costs"), edition, CalendarKind::HourOfDay)
}

fn cells(edition: &Arc<Edition>, body: &str) -> Value {
    let answer = ask(&map(edition), body).unwrap_or_else(|refusal| panic!("{body}: {refusal:?}"));
    answer["cost-map"].clone()
}

/// A question for one numerical metric, with more members.
fn with(metric: &str, mode: &str, more: &str) -> String {
    format!(r#"{{"cost-type":{{"cost-metric":"{metric}","cost-mode":"{mode}"}}{more}}}"#)
}

fn routing(more: &str) -> String {
    with("routingcost", "numerical", more)
}

fn full() -> Value {
    serde_json::from_str(include_str!("../../tests/data/c1.json")).unwrap()
}

fn kind(field: &str) -> Value {
    json!({"code": "E_INVALID_FIELD_TYPE", "field": field})
}

fn missing(field: &str) -> Value {
    json!({"code": "E_MISSING_FIELD", "field": field})
}

#[test]
fn alto_check_20_one_row() {
    let body = routing(r#","pids":{"srcs":["PID1"],"dsts":["PID1","PID2","PID3"]}"#);
    let answer = ask(&map(&f1_c1()), &body).unwrap();
    assert_eq!(
        answer["cost-map"],
        json!({"PID1": {"PID1": 1, "PID2": 5, "PID3": 10}})
    );
    let meta = &answer["meta"];
    assert_eq!(
        meta["dependent-vtags"],
        json!([{"resource-id": "nm", "tag": f1().tag().as_str()}])
    );
    let expected =
        serde_json::to_value(f1_c1().columns[0].cost_type(crate::CostMode::Numerical)).unwrap();
    assert_eq!(meta["cost-type"], expected);
    assert!(
        meta.get("multi-cost-types").is_none()
            && meta.get("calendar-response-attributes").is_none()
    );
}

#[test]
fn the_version_of_an_answer_is_that_of_its_cells() {
    let answer = |body: &str| ask(&map(&f1_c1()), body).unwrap();
    let one = answer(&routing(r#","pids":{"srcs":["PID1"]}"#));
    let data = serde_json::to_vec(&one["cost-map"]).unwrap();
    let expected = json!({"resource-id": "nm-costs", "tag": crate::Tag::of(&data).as_str()});
    assert_eq!(one["meta"]["vtag"], expected);
    assert_ne!(answer(&routing(""))["meta"]["vtag"], expected);
}

#[test]
fn alto_check_21_no_pids_are_all_pids() {
    for more in [
        "",
        r#","pids":{}"#,
        r#","pids":{"srcs":[],"dsts":[]}"#,
        r#","pids":{"dsts":[]}"#,
        r#","constraints":[]"#,
    ] {
        assert_eq!(cells(&f1_c1(), &routing(more)), full(), "{more}");
    }
}

#[test]
fn alto_check_22_unknown_pids_have_no_row() {
    let body = routing(r#","pids":{"srcs":["nope","PID2","a.b","PID2"],"dsts":["PID1","PID9"]}"#);
    assert_eq!(cells(&f1_c1(), &body), json!({"PID2": {"PID1": 5}}));
    assert_eq!(
        cells(&f1_c1(), &routing(r#","pids":{"srcs":["nope"]}"#)),
        json!({}),
        "none is not all"
    );
}

#[test]
fn alto_check_23_unknown_modes_and_metrics() {
    let map = map(&f1_c1());
    for (metric, mode, expected) in [
        ("routingcost", "foo", bad("cost-type/cost-mode", "foo")),
        ("routingcost", "array", bad("cost-type/cost-mode", "array")),
        (
            "delay-rt",
            "numerical",
            bad("cost-type/cost-metric", "delay-rt"),
        ),
        ("", "ordinal", bad("cost-type/cost-metric", "")),
        ("nope", "foo", bad("cost-type/cost-metric", "nope")),
    ] {
        assert_eq!(fault(&map, &with(metric, mode, "")), expected);
    }
    let turned = r#"{"cost-type":{"cost-mode":"foo","cost-metric":"nope"}}"#;
    assert_eq!(
        fault(&map, turned),
        bad("cost-type/cost-mode", "foo"),
        "the first in the document"
    );
    let later = routing("")
        .replace("numerical", "foo")
        .replace('{', r#"{"constraints":["x"],"#)
        .replacen(
            r#"{"constraints":["x"],"cost-metric"#,
            r#"{"cost-metric"#,
            1,
        );
    assert_eq!(fault(&map, &later), bad("constraints", "x"));
}

#[test]
fn alto_check_24_what_is_missing_has_a_path() {
    let map = map(&f1_c1());
    for (body, expected) in [
        ("{}", missing("cost-type")),
        (r#"{"cost-type":{}}"#, missing("cost-type/cost-metric")),
        (
            r#"{"cost-type":{"cost-mode":"numerical"}}"#,
            missing("cost-type/cost-metric"),
        ),
        (
            r#"{"cost-type":{"cost-metric":7},"pids":7}"#,
            missing("cost-type/cost-mode"),
        ),
        (r#"{"cost-type":"routingcost"}"#, kind("cost-type")),
        (r#"{"pids":[],"cost-type":[]}"#, kind("pids")),
        (
            r#"{"cost-type":{"cost-metric":"x","cost-mode":7}}"#,
            kind("cost-type/cost-mode"),
        ),
    ] {
        assert_eq!(fault(&map, body), expected, "{body}");
    }
    for (more, expected) in [
        (r#","pids":{"srcs":"PID1"}"#, kind("pids/srcs")),
        (
            r#","pids":{"srcs":["PID1",7],"dsts":{}}"#,
            kind("pids/dsts"),
        ),
        (
            r#","pids":{"srcs":["PID1",7],"dsts":[null]}"#,
            bad("pids/srcs", "7"),
        ),
        (
            r#","pids":{"dsts":[[]],"srcs":[7]}"#,
            bad("pids/dsts", "[]"),
        ),
        (r#","constraints":"ge 5""#, kind("constraints")),
        (r#","calendared":true"#, kind("calendared")),
    ] {
        assert_eq!(fault(&map, &routing(more)), expected, "{more}");
    }
}

#[test]
fn alto_check_25_descriptions_and_contexts_in_questions_mean_nothing() {
    let body = r#"{"cost-type":{"description":7,"cost-context":null,"cost-metric":"routingcost","cost-mode":"numerical"}}"#;
    assert_eq!(cells(&f1_c1(), body), full());
}

#[test]
fn alto_check_26_constraints_are_anded() {
    let body = routing(r#","constraints":["ge 5","le 10"]"#);
    assert_eq!(
        cells(&f1_c1(), &body),
        json!({"PID1": {"PID2": 5, "PID3": 10}, "PID2": {"PID1": 5}})
    );
}

#[test]
fn alto_check_27_each_operator() {
    for (operator, expected) in [
        (
            "gt",
            json!({"PID1": {"PID3": 10}, "PID2": {"PID3": 15}, "PID3": {"PID1": 20, "PID2": 15}}),
        ),
        ("lt", json!({"PID1": {"PID1": 1}, "PID2": {"PID2": 1}})),
        ("eq", json!({"PID1": {"PID2": 5}, "PID2": {"PID1": 5}})),
        (
            "le",
            json!({"PID1": {"PID1": 1, "PID2": 5}, "PID2": {"PID1": 5, "PID2": 1}}),
        ),
        (
            "ge",
            json!({"PID1": {"PID2": 5, "PID3": 10}, "PID2": {"PID1": 5, "PID3": 15}, "PID3": {"PID1": 20, "PID2": 15}}),
        ),
    ] {
        let body = routing(&format!(r#","constraints":["{operator} 5"]"#));
        assert_eq!(cells(&f1_c1(), &body), expected, "{operator}");
    }
}

#[test]
fn alto_check_28_any_number_and_any_white_space_is_taken() {
    for text in ["ge -1e1", "ge  0", r"ge\t0", "[0] ge 0"] {
        assert_eq!(
            cells(&f1_c1(), &routing(&format!(r#","constraints":["{text}"]"#))),
            full(),
            "{text}"
        );
    }
}

#[test]
fn alto_check_29_bad_constraints_come_back() {
    for text in ["ne 5", "ge", "ge x", "", "[1] ge 5"] {
        let body = routing(&format!(r#","constraints":["ge 1","{text}"]"#));
        assert_eq!(fault(&map(&f1_c1()), &body), bad("constraints", text));
    }
    assert_eq!(
        fault(&map(&f1_c1()), &routing(r#","constraints":[5]"#)),
        bad("constraints", "5")
    );
}

#[test]
fn alto_check_30_who_takes_no_constraints_refuses_them() {
    let costs = map(&f1_c1()).without_constraints();
    let endpoints = crate::EndpointCost::new(id("nm-endpoint-costs"), &f1_c1());
    let endpoints = endpoints.without_constraints();
    let asked = r#","endpoints":{"srcs":["ipv4:192.0.2.1"],"dsts":["ipv4:198.51.100.200"]}"#;
    let queries: [(&dyn Query, _, &str); 2] = [
        (&costs, costs.costs(), ""),
        (&endpoints, endpoints.costs(), asked),
    ];
    let testable = r#"[{"cost-metric":"routingcost","cost-mode":"numerical"}]"#;
    for (query, costs, own) in queries {
        assert_eq!(costs.constraints, Constraints::None);
        assert!(ask(query, &routing(own)).is_ok());
        for (field, value) in [
            ("constraints", r#"["ge 5"]"#),
            ("constraints", r#"["le 1e9"]"#),
            ("constraints", "[]"),
            ("or-constraints", r#"[["ge 5"],["le 1"]]"#),
            ("testable-cost-types", testable),
        ] {
            let body = routing(&format!(r#"{own},"{field}":{value}"#));
            assert_eq!(fault(query, &body), bad(field, value), "{body}");
        }
        // What is wrong with the constraints themselves is of no interest then, nor how many they are.
        let many = vec![r#""ne 5""#; 257].join(",");
        let body = routing(&format!(r#"{own},"constraints":[{many}]"#));
        assert_eq!(
            fault(query, &body),
            bad("constraints", &format!("[{many}]"))
        );
    }
}

#[test]
fn ranks_cannot_be_constrained() {
    let map = map(&f1_c1());
    let costs = map.costs();
    assert_eq!(
        costs.constraints,
        Constraints::Testable(vec!["routingcost".into(), "tput".into()])
    );
    let body = with("routingcost", "ordinal", r#","constraints":["ge 5"]"#);
    assert_eq!(fault(&map, &body), bad("constraints", "ge 5"));
    let tested = r#","testable-cost-types":[{"cost-metric":"routingcost","cost-mode":"ordinal"}]"#;
    let value = r#"{"cost-metric":"routingcost","cost-mode":"ordinal"}"#;
    assert_eq!(
        fault(&map, &routing(tested)),
        bad("testable-cost-types", value)
    );
}

#[test]
fn alto_check_31_ranks_are_those_of_the_answer() {
    let ranks = |metric: &str, more: &str| cells(&f1_c1(), &with(metric, "ordinal", more));
    let two = r#","pids":{"srcs":["PID1","PID2"],"dsts":["PID2","PID3"]}"#;
    assert_eq!(
        ranks("routingcost", two),
        json!({"PID1": {"PID2": 2, "PID3": 3}, "PID2": {"PID2": 1, "PID3": 4}})
    );
    assert_eq!(
        ranks("tput", two),
        json!({"PID1": {"PID2": 3, "PID3": 2}, "PID2": {"PID2": 4, "PID3": 1}})
    );
    assert_eq!(
        ranks("tput", r#","pids":{"srcs":["PID3"]}"#),
        json!({"PID3": {"PID1": 1, "PID2": 2}})
    );
    let tested = r#","testable-cost-types":[{"cost-metric":"tput","cost-mode":"numerical"}],"constraints":["ge 10"]"#;
    let expected =
        json!({"PID1": {"PID3": 1}, "PID2": {"PID3": 2}, "PID3": {"PID1": 3, "PID2": 2}});
    assert_eq!(
        ranks("routingcost", tested),
        expected,
        "after the constraint"
    );
}

#[test]
fn alto_check_65_unknown_members_are_ignored_at_any_depth() {
    let body = r#"{"x":{"pids":7},"cost-type":{"y":[],"cost-metric":"routingcost","cost-mode":"numerical"},"pids":{"z":0,"srcs":["PID3"]}}"#;
    assert_eq!(
        cells(&f1_c1(), body),
        json!({"PID3": {"PID1": 20, "PID2": 15}})
    );
}

#[test]
fn hostile_questions_are_refused_or_answered_soon() {
    let map = map(&f1_c1());
    let many = vec![r#""ge 1""#; 257].join(",");
    assert_eq!(
        ask(&map, &routing(&format!(r#","constraints":[{many}]"#))),
        Err(Refusal::TooMany)
    );
    assert_eq!(
        ask(&map, &routing(&format!(r#","or-constraints":[[{many}]]"#))),
        Err(Refusal::TooMany)
    );
    let names: Vec<String> = (0..50_000).map(|n| format!(r#""{n}""#)).collect();
    let body = routing(&format!(
        r#","pids":{{"srcs":[{}],"dsts":["PID1"]}}"#,
        names.join(",")
    ));
    assert_eq!(cells(&f1_c1(), &body), json!({}));
    let deep = routing(&format!(
        r#","pids":{{"srcs":{}{}}}"#,
        "[".repeat(10_000),
        "]".repeat(10_000)
    ));
    assert_eq!(fault(&map, &deep)["field"], "pids/srcs");
    let nul = routing("").replace("routingcost", "routing\\u0000cost");
    assert_eq!(
        fault(&map, &nul),
        bad("cost-type/cost-metric", "routing\0cost")
    );
}

#[test]
fn an_answer_of_too_many_numbers_is_refused() {
    let mut edition = Arc::unwrap_or_clone(f1_calendars());
    let calendar = &mut edition.columns[0].calendars[0];
    calendar.intervals = 1_000_001;
    let many = |(source, destination, _): (&PidName, &PidName, _)| {
        (
            source.clone(),
            destination.clone(),
            vec![Cost::new(1); 1_000_001],
        )
    };
    calendar.cells = Intervals::new(1_000_001, calendar.cells.cells().map(many));
    let map = map(&Arc::new(edition));
    assert_eq!(
        ask(&map, &routing(r#","calendared":[true]"#)),
        Err(Refusal::TooMany)
    );
    assert!(ask(&map, &routing(r#","calendared":[false]"#)).is_ok());
}
