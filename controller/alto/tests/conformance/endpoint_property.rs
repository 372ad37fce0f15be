//! Checks 15–17 as they apply to endpoint properties, 32–34, 39, 65.

use glimpse_alto::{Limits, Request, Serving, answer};
use serde_json::json;

use super::world::*;

fn ask(endpoints: &serde_json::Value) -> serde_json::Value {
    let body = json!({"properties": ["nm.pid"], "endpoints": endpoints}).to_string();
    let response = post_properties(&f1_c1(), body.as_bytes());
    assert_eq!(response.status, 200, "{body}");
    json(&response)
}

#[test]
fn alto_check_15_a_missing_member_is_named() {
    let publication = f1_c1();
    let missing = |field: &str| json!({"code": "E_MISSING_FIELD", "field": field});
    assert_eq!(fault(&publication, "{}"), missing("properties"));
    assert_eq!(
        fault(&publication, r#"{"properties":["nm.pid"]}"#),
        missing("endpoints")
    );
    assert_eq!(
        fault(&publication, r#"{"endpoints":7}"#),
        missing("properties"),
        "missing comes before type"
    );
}

#[test]
fn alto_check_16_a_wrong_type_and_a_wrong_element_are_told_apart() {
    let publication = f1_c1();
    let kind = |field: &str| json!({"code": "E_INVALID_FIELD_TYPE", "field": field});
    let value = |field: &str, value: &str| json!({"code": "E_INVALID_FIELD_VALUE", "field": field, "value": value});
    assert_eq!(
        fault(&publication, r#"{"properties":"nm.pid","endpoints":[]}"#),
        kind("properties")
    );
    assert_eq!(
        fault(
            &publication,
            r#"{"properties":["nm.pid"],"endpoints":null}"#
        ),
        kind("endpoints")
    );
    assert_eq!(
        fault(&publication, r#"{"properties":[7],"endpoints":{}}"#),
        kind("endpoints"),
        "type comes before value"
    );
    assert_eq!(
        fault(
            &publication,
            r#"{"properties":[7],"endpoints":["ipv4:192.0.2.1"]}"#
        ),
        value("properties", "7")
    );
    assert_eq!(
        fault(
            &publication,
            r#"{"properties":["nm.pid"],"endpoints":[null]}"#
        ),
        value("endpoints", "null")
    );
    assert_eq!(
        fault(&publication, r#"{"properties":["nm.pid"],"endpoints":[]}"#),
        value("endpoints", "[]")
    );
    assert_eq!(
        fault(
            &publication,
            r#"{"properties":[],"endpoints":["ipv4:192.0.2.1"]}"#
        ),
        value("properties", "[]")
    );
    let both = r#"{"endpoints":["ipx:1"],"properties":["nope"]}"#;
    assert_eq!(
        fault(&publication, both),
        value("endpoints", "ipx:1"),
        "in the order of the document"
    );
}

#[test]
fn alto_check_17_what_is_no_json_is_a_syntax_error() {
    let publication = f1_c1();
    for body in [
        r#"{"properties":"#,
        "",
        "\0",
        "[]",
        "{\"properties\":[\0]}",
        "{}x",
    ] {
        let meta = fault(&publication, body);
        assert_eq!(meta["code"], "E_SYNTAX", "{body:?}");
        assert!(
            meta["syntax-error"]
                .as_str()
                .unwrap()
                .contains("line 1 column"),
            "{meta}"
        );
        assert_eq!(meta.as_object().unwrap().len(), 2);
    }
}

#[test]
fn alto_check_32_the_pid_of_endpoints() {
    let publication = f1_c1();
    let document = ask(&json!(["ipv4:192.0.2.34", "ipv4:203.0.113.129"]));
    let expected =
        json!({"ipv4:192.0.2.34": {"nm.pid": "PID1"}, "ipv4:203.0.113.129": {"nm.pid": "PID3"}});
    assert_eq!(document["endpoint-properties"], expected);
    let vtag = get_json(&publication, &path_of(&publication, "nm"))["meta"]["vtag"].clone();
    assert_eq!(document["meta"], json!({"dependent-vtags": [vtag]}));
}

#[test]
fn alto_check_33_a_property_without_a_value_is_omitted_for_that_endpoint_only() {
    let mut only_v4 = f1();
    only_v4.get_mut("PID3").unwrap().remove("ipv6");
    let body = br#"{"properties":["nm.pid"],"endpoints":["ipv4:192.0.2.34","ipv6:2001:db8::1"]}"#;
    let response = post_properties(&publish(&only_v4, c1()), body);
    let expected = json!({"ipv4:192.0.2.34": {"nm.pid": "PID1"}, "ipv6:2001:db8::1": {}});
    assert_eq!(json(&response)["endpoint-properties"], expected);
}

#[test]
fn alto_check_34_a_property_that_is_not_offered_is_refused() {
    let publication = f1_c1();
    for property in ["nm.isp", "pid", "nm2.pid", "nm.pid.", "priv:x"] {
        let body = json!({"properties": ["nm.pid", property], "endpoints": ["ipv4:192.0.2.1"]})
            .to_string();
        let expected =
            json!({"code": "E_INVALID_FIELD_VALUE", "field": "properties", "value": property});
        assert_eq!(fault(&publication, &body), expected);
    }
}

#[test]
fn alto_check_38_endpoints_are_echoed_as_spelled() {
    let document = ask(&json!([
        "ipv6:2001:DB8:0:0::1",
        "ipv6:2001:db8::1",
        "ipv6:::ffff:192.0.2.1",
        "ipv6:2001:db8::1"
    ]));
    let endpoints = document["endpoint-properties"].as_object().unwrap();
    assert_eq!(
        endpoints.len(),
        3,
        "two spellings are two keys, a repeated one is one"
    );
    assert!(endpoints.contains_key("ipv6:2001:DB8:0:0::1"));
    assert!(endpoints.values().all(|v| v["nm.pid"] == "PID3"));
}

#[test]
fn alto_check_39_bad_addresses_are_refused_with_their_text() {
    let publication = f1_c1();
    for bad in [
        "ipv4:192.0.2.300",
        "ipx:1",
        "192.0.2.1",
        "ipv4:192.0.2.0/24",
        "ipv4:192.0.2.01",
        "ipv6:fe80::1%eth0",
        "",
    ] {
        let body =
            json!({"properties": ["nm.pid"], "endpoints": ["ipv4:192.0.2.1", bad]}).to_string();
        let expected = json!({"code": "E_INVALID_FIELD_VALUE", "field": "endpoints", "value": bad});
        assert_eq!(fault(&publication, &body), expected);
    }
}

#[test]
fn alto_check_65_unknown_members_are_ignored() {
    let body = br#"{"x":{"properties":7},"properties":["nm.pid"],"endpoints":["ipv4:192.0.2.1"],"y":null}"#;
    assert_eq!(post_properties(&f1_c1(), body).status, 200);
}

#[test]
fn a_property_asked_twice_is_answered_once() {
    let body = br#"{"properties":["nm.pid","nm.pid"],"endpoints":["ipv4:192.0.2.1"]}"#;
    let document = json(&post_properties(&f1_c1(), body));
    assert_eq!(
        document["meta"]["dependent-vtags"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn too_much_work_is_refused_before_it_is_done() {
    let publication = f1_c1();
    let path = path_of(&publication, "endpoint-property");
    let status = |endpoints: usize, limits: Limits| {
        let body =
            json!({"properties": ["nm.pid"], "endpoints": vec!["ipv4:192.0.2.1"; endpoints]})
                .to_string();
        let request = Request {
            method: "POST",
            path: &path,
            content_type: Some(PARAMS),
            body: body.as_bytes(),
            ..Request::default()
        };
        answer(
            &publication,
            &request,
            &Serving {
                limits,
                ..serving()
            },
        )
        .status
    };
    let small = Limits {
        endpoints: 10,
        ..Limits::default()
    };
    assert_eq!((status(10, small), status(11, small)), (200, 413));
    let short = Limits {
        body_bytes: 100,
        ..Limits::default()
    };
    assert_eq!((status(1, short), status(10, short)), (200, 413));
}

#[test]
fn answers_to_questions_are_not_kept_by_caches() {
    let response = post_properties(
        &f1_c1(),
        br#"{"properties":["nm.pid"],"endpoints":["ipv4:192.0.2.1"]}"#,
    );
    assert_eq!(response.header("cache-control"), Some("no-store"));
    assert_eq!(
        response.header("content-type"),
        Some("application/alto-endpointprop+json")
    );
}
