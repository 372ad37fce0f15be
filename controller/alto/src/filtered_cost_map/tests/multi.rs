//! Several costs in a cell (RFC 8189).

use super::*;

const BOTH: &str = r#"[{"cost-metric":"routingcost","cost-mode":"numerical"},{"cost-metric":"priv:t-shoe","cost-mode":"numerical"}]"#;

fn multi(more: &str) -> String {
    format!(r#"{{"multi-cost-types":{BOTH}{more}}}"#)
}

#[test]
fn alto_check_40_all_costs_of_a_pair() {
    let body = multi(r#","pids":{"srcs":[],"dsts":[]}"#);
    let answer = ask(&map(&f1_m1()), &body).unwrap();
    let expected: Value =
        serde_json::from_str(include_str!("../../../tests/data/m1.json")).unwrap();
    assert_eq!(answer["cost-map"], expected);
    let meta = &answer["meta"];
    assert_eq!(meta["cost-type"], json!({}));
    let echoed = meta["multi-cost-types"].as_array().unwrap().iter();
    let echoed: Vec<_> = echoed
        .map(|t| json!({"cost-metric": t["cost-metric"], "cost-mode": t["cost-mode"]}))
        .collect();
    assert_eq!(
        Value::Array(echoed),
        serde_json::from_str::<Value>(BOTH).unwrap()
    );
    assert_eq!(meta["dependent-vtags"].as_array().unwrap().len(), 1);
}

#[test]
fn the_order_of_costs_is_that_of_the_question() {
    let body = r#"{"multi-cost-types":[{"cost-metric":"priv:t-shoe","cost-mode":"ordinal"},{"cost-metric":"routingcost","cost-mode":"numerical"},
        {"cost-metric":"priv:t-shoe","cost-mode":"numerical"}],"pids":{"srcs":["PID2","PID3"],"dsts":["PID2"]}}"#;
    assert_eq!(
        cells(&f1_m1(), body),
        json!({"PID2": {"PID2": [1, 1, 0]}, "PID3": {"PID2": [2, null, 1]}})
    );
}

#[test]
fn alto_check_41_alternatives() {
    let body = multi(
        r#","or-constraints":[["[0] ge 5","[0] le 10"],["[1] eq 0"]],"pids":{"srcs":["PID1","PID2"]}"#,
    );
    assert_eq!(
        cells(&f1_m1(), &body),
        json!({"PID1": {"PID1": [1, 0], "PID3": [10, 2]}, "PID2": {"PID2": [1, 0]}})
    );
}

#[test]
fn alto_check_42_testing_what_is_not_asked_for() {
    let expected =
        json!({"PID1": {"PID1": 1, "PID3": 10}, "PID2": {"PID2": 1}, "PID3": {"PID3": 1}});
    let tested = format!(r#","testable-cost-types":{BOTH}"#);
    let alternatives = r#"[["[0] le 10","[1] le 2"],["[0] le 3","[1] le 6"]]"#;
    let body = routing(&format!(r#"{tested},"or-constraints":{alternatives}"#));
    assert_eq!(cells(&f1_m1(), &body), expected);
    let body = routing(&format!(
        r#"{tested},"constraints":["[0] le 10","[1] le 2"]"#
    ));
    assert_eq!(cells(&f1_m1(), &body), expected);
    let narrower = routing(&format!(r#"{tested},"constraints":["[1] eq 0"]"#));
    assert_eq!(
        cells(&f1_m1(), &narrower),
        json!({"PID1": {"PID1": 1}, "PID2": {"PID2": 1}, "PID3": {"PID3": 1}})
    );
}

#[test]
fn alto_check_43_contradictions() {
    let map = map(&f1_m1());
    let one = r#"{"cost-metric":"routingcost","cost-mode":"numerical"}"#;
    assert_eq!(map.costs().max_cost_types, 4);
    let five = [one; 5].join(",");
    let both = r#""constraints":["ge 1"],"or-constraints":[["ge 1"]]"#;
    for (body, expected) in [
        (
            routing(&format!(r#","multi-cost-types":{BOTH}"#)),
            bad("multi-cost-types", BOTH),
        ),
        (
            multi(&format!(",{both}")),
            bad("or-constraints", r#"[["ge 1"]]"#),
        ),
        (
            format!(r#"{{"multi-cost-types":[{five}]}}"#),
            bad("multi-cost-types", one),
        ),
        (
            multi(r#","or-constraints":[[]]"#),
            bad("or-constraints", "[]"),
        ),
        (
            multi(r#","or-constraints":[]"#),
            bad("or-constraints", "[]"),
        ),
        (
            multi(r#","or-constraints":[["ge 1"],"ge 2"]"#),
            bad("or-constraints", "ge 2"),
        ),
        (
            multi(r#","or-constraints":[["ge 1"],["ge 2",3]]"#),
            bad("or-constraints", "3"),
        ),
        (
            multi(r#","constraints":["[2] ge 1"]"#),
            bad("constraints", "[2] ge 1"),
        ),
        (
            multi(r#","or-constraints":[["[0] ge 1","[7] ge 1"]]"#),
            bad("or-constraints", "[7] ge 1"),
        ),
        (
            routing(r#","testable-cost-types":[]"#),
            bad("testable-cost-types", "[]"),
        ),
        (
            routing(r#","testable-cost-types":["routingcost"]"#),
            bad("testable-cost-types", "routingcost"),
        ),
        (
            r#"{"multi-cost-types":[]}"#.to_owned(),
            bad("multi-cost-types", "[]"),
        ),
        (
            r#"{"multi-cost-types":[{"cost-metric":"nope","cost-mode":"numerical"}]}"#.to_owned(),
            bad(
                "multi-cost-types",
                r#"{"cost-metric":"nope","cost-mode":"numerical"}"#,
            ),
        ),
        (
            r#"{"multi-cost-types":[{"cost-metric":"routingcost"}]}"#.to_owned(),
            bad("multi-cost-types", r#"{"cost-metric":"routingcost"}"#),
        ),
        (
            r#"{"multi-cost-types":{}}"#.to_owned(),
            kind("multi-cost-types"),
        ),
    ] {
        assert_eq!(fault(&map, &body), expected, "{body}");
    }
    let four = format!(r#"{{"multi-cost-types":[{}]}}"#, [one; 4].join(","));
    assert!(ask(&map, &four).is_ok());
}

#[test]
fn alto_check_44_one_of_several_is_still_an_array() {
    let body = r#"{"multi-cost-types":[{"cost-metric":"routingcost","cost-mode":"numerical"}],"pids":{"srcs":["PID3"]}}"#;
    let answer = ask(&map(&f1_m1()), body).unwrap();
    assert_eq!(
        answer["cost-map"],
        json!({"PID3": {"PID1": [20], "PID3": [1]}}),
        "a pair without any value is left out"
    );
    assert_eq!(answer["meta"]["cost-type"], json!({}));
}

#[test]
fn a_constraint_without_an_index_is_about_the_first() {
    assert_eq!(
        cells(&f1_m1(), &multi(r#","constraints":["le 1"]"#)),
        json!({"PID1": {"PID1": [1, 0]}, "PID2": {"PID2": [1, 0]}, "PID3": {"PID3": [1, 0]}})
    );
}

#[test]
fn alto_trap_8189_one_pair_has_one_value() {
    // §5.2 and §5.3 give PID1 → PID3 different second values: ours is the same in both questions.
    let whole = cells(&f1_m1(), &multi(""));
    let part = cells(
        &f1_m1(),
        &multi(r#","or-constraints":[["[0] ge 5","[0] le 10"],["[1] eq 0"]]"#),
    );
    assert_eq!(whole["PID1"]["PID3"], part["PID1"]["PID3"]);
}

#[test]
fn alto_trap_8189_only_pairs_that_satisfy_are_returned() {
    // Of the pairs in the answer of §5.6, three do not satisfy its constraint.
    let body = multi(r#","or-constraints":[["[0] le 4","[1] le 3"],["[0] eq 15"]]"#);
    let answer = cells(&f1_m1(), &body);
    let cells = answer
        .as_object()
        .unwrap()
        .values()
        .flat_map(|row| row.as_object().unwrap().values());
    let satisfied = |cell: &Value| {
        let (first, second) = (cell[0].as_u64(), cell[1].as_u64());
        first.zip(second).is_some_and(|(a, b)| a <= 4 && b <= 3) || first == Some(15)
    };
    assert_eq!(cells.filter(|cell| satisfied(cell)).count(), 5);
    assert_eq!(answer["PID1"].as_object().unwrap().len(), 2);
}
