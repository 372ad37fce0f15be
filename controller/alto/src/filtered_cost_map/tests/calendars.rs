//! Calendars (RFC 8896).

use super::*;

const CALENDARED: &str = r#","calendared":[true]"#;

fn twenty_four(base: u64) -> Value {
    (base..base + 24).collect()
}

#[test]
fn alto_check_45_as_many_values_as_intervals() {
    let map = map(&f1_calendars());
    let answer = ask(&map, &routing(CALENDARED)).unwrap();
    assert_eq!(
        answer["cost-map"],
        json!({"PID1": {"PID2": twenty_four(100)}, "PID2": {"PID1": twenty_four(200)}})
    );
    let promised = map.costs().calendars;
    assert_eq!(
        (
            promised.len(),
            promised[0].interval_s,
            promised[0].intervals
        ),
        (1, 3_600, 24)
    );
    assert_eq!(promised[0].cost_type_names, ["routingcost"]);
    let expected = json!([{
        "calendar-start-time": "Wed, 31 Dec 2025 00:00:00 GMT",
        "cost-type-names": ["routingcost"],
        "number-of-intervals": promised[0].intervals,
        "repeated": 2,
        "time-interval-size": promised[0].interval_s,
    }]);
    assert_eq!(answer["meta"]["calendar-response-attributes"], expected);
    assert_eq!(answer["meta"]["cost-type"]["cost-metric"], "routingcost");
}

#[test]
fn alto_check_45_the_days_of_the_window() {
    let map = FilteredCostMap::new(
        id("nm-costs-by-day"),
        &f1_calendars(),
        CalendarKind::DayOfWindow,
    );
    let answer = ask(&map, &routing(CALENDARED)).unwrap();
    assert_eq!(answer["cost-map"], json!({"PID1": {"PID2": [7, 8]}}));
    let attributes = &answer["meta"]["calendar-response-attributes"][0];
    assert_eq!(
        (
            &attributes["number-of-intervals"],
            &attributes["time-interval-size"]
        ),
        (&json!(2), &json!(86_400))
    );
    assert!(attributes.get("repeated").is_none());
}

#[test]
fn alto_check_45_calendars_inside_of_cells_with_several_costs() {
    let body = r#"{"multi-cost-types":[{"cost-metric":"routingcost","cost-mode":"numerical"},{"cost-metric":"routingcost","cost-mode":"ordinal"},
        {"cost-metric":"priv:t-shoe","cost-mode":"numerical"}],"calendared":[true,true,false],"pids":{"srcs":["PID1"],"dsts":["PID2","PID3"]}}"#;
    let answer = ask(&map(&f1_calendars()), body).unwrap();
    let expected = json!({"PID1": {"PID2": [twenty_four(100), 1, 3], "PID3": [null, 2, 2]}});
    assert_eq!(answer["cost-map"], expected, "ranks have no calendar");
    assert_eq!(
        answer["meta"]["calendar-response-attributes"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn alto_check_46_flags_must_be_as_many_as_cost_types() {
    let map = map(&f1_calendars());
    for (flags, value) in [
        ("[true,false]", "[true,false]"),
        ("[]", "[]"),
        ("[1]", "1"),
        (r#"["true"]"#, "true"),
        ("[true,null]", "null"),
    ] {
        let body = routing(&format!(r#","calendared":{flags}"#));
        assert_eq!(fault(&map, &body), bad("calendared", value));
    }
    let shoe = with("priv:t-shoe", "numerical", CALENDARED);
    let plain = ask(&map, &shoe).unwrap();
    assert_eq!(
        plain["cost-map"]["PID1"],
        json!({"PID1": 0, "PID2": 3, "PID3": 2}),
        "a metric without calendar"
    );
    assert!(plain["meta"].get("calendar-response-attributes").is_none());
    let single = routing(r#","calendared":[false],"pids":{"srcs":["PID1"],"dsts":["PID2"]}"#);
    assert_eq!(
        cells(&f1_calendars(), &single),
        json!({"PID1": {"PID2": 4}})
    );
}

#[test]
fn alto_trap_8896_calendars_ignore_constraints_and_single_values_do_not() {
    let constraints = r#","constraints":["ge 1000"]"#;
    let both = routing(&format!("{CALENDARED}{constraints}"));
    assert_eq!(
        cells(&f1_calendars(), &both),
        cells(&f1_calendars(), &routing(CALENDARED))
    );
    let nonsense = routing(&format!(r#"{CALENDARED},"constraints":["x"]"#));
    assert!(ask(&map(&f1_calendars()), &nonsense).is_ok());
    let single = routing(&format!(r#","calendared":[false]{constraints}"#));
    assert_eq!(cells(&f1_calendars(), &single), json!({}));
    let none = with(
        "priv:t-shoe",
        "numerical",
        &format!("{CALENDARED}{constraints}"),
    );
    assert_eq!(
        cells(&f1_calendars(), &none),
        json!({}),
        "no calendar, no reason to ignore them"
    );
}

#[test]
fn alto_trap_8896_the_day_of_the_week_is_that_of_the_date() {
    // 1 July 2019 is a Monday, and has two digits.
    let mut edition = Arc::unwrap_or_clone(f1_calendars());
    edition.columns[0].calendars[0].start_us = 1_561_939_200_000_000;
    let answer = ask(&map(&Arc::new(edition)), &routing(CALENDARED)).unwrap();
    let start = &answer["meta"]["calendar-response-attributes"][0]["calendar-start-time"];
    assert_eq!(start, "Mon, 01 Jul 2019 00:00:00 GMT");
}

#[test]
fn cost_types_with_equal_intervals_share_their_attributes() {
    let mut edition = Arc::unwrap_or_clone(f1_calendars());
    edition.columns[1].calendars = vec![hours(&[("PID1", "PID1", 5)])];
    let edition = Arc::new(edition);
    assert_eq!(
        map(&edition).costs().calendars[0].cost_type_names,
        ["routingcost", "shoe"]
    );
    let body = r#"{"multi-cost-types":[{"cost-metric":"priv:t-shoe","cost-mode":"numerical"},{"cost-metric":"routingcost","cost-mode":"numerical"}],"calendared":[true,true]}"#;
    let answer = ask(&map(&edition), body).unwrap();
    let names = &answer["meta"]["calendar-response-attributes"][0]["cost-type-names"];
    assert_eq!(names, &json!(["shoe", "routingcost"]));
    assert_eq!(
        answer["cost-map"]["PID1"],
        json!({"PID1": [twenty_four(5), null], "PID2": [null, twenty_four(100)]})
    );
    let mut later = Arc::unwrap_or_clone(edition);
    later.columns[1].calendars[0].start_us += DAY_US;
    let answer = ask(&map(&Arc::new(later)), body).unwrap();
    assert_eq!(
        answer["meta"]["calendar-response-attributes"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
}
