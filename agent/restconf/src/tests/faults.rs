//! How faults of the data are told over RESTCONF: status, tag and place, in both encodings.

use super::*;
use crate::error::{Error, Tag};
use serde_json::json;
use std::fmt::Write;

const NAMESPACE: &str = "urn:ietf:params:xml:ns:yang:ietf-lmap-control";

/// Asserts the status, tag, `error-app-tag` and place of a fault, sent and answered in JSON and in XML.
#[track_caller]
fn refused(
    method: &'static str,
    path: &str,
    json: &str,
    xml: &str,
    expected: (u16, &str, &str),
    at: &str,
) {
    let mut world = World::new();
    let before = world.tag(D);
    let (status, tag, app_tag) = expected;
    let response = world.send(Call::new(method, path).json(json).accept(JSON));
    fails(&response, status, tag);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let error = &body["ietf-restconf:errors"]["error"][0];
    let place = format!("/ietf-lmap-control:lmap{at}");
    assert_eq!(error["error-path"], place.as_str(), "{body}");
    assert_eq!(error["error-app-tag"].as_str().unwrap_or_default(), app_tag);
    let xml = xml.replacen('>', &format!(" xmlns=\"{NAMESPACE}\">"), 1);
    let response = world.send(Call::new(method, path).body(XML, &xml).accept(XML));
    let shown = text(&response);
    assert_eq!(response.status, status, "{shown}");
    assert!(
        shown.contains(&format!("<error-tag>{tag}</error-tag>")),
        "{shown}"
    );
    if !app_tag.is_empty() {
        let app_tag = format!("<error-app-tag>{app_tag}</error-app-tag>");
        assert!(shown.contains(&app_tag), "{shown}");
    }
    let mut place = String::from("/lmapc:lmap");
    for step in at.split('/').skip(1) {
        place.push_str("/lmapc:");
        place.push_str(&step.replace('[', "[lmapc:").replace('\'', "&apos;"));
    }
    let place = format!("<error-path xmlns:lmapc=\"{NAMESPACE}\">{place}</error-path>");
    assert!(shown.contains(&place), "{place} in {shown}");
    assert_eq!((world.commits, world.tag(D)), (0, before));
}

#[test]
fn lmap_check_42_an_agent_that_reports_its_id_has_one() {
    refused(
        "PATCH",
        &format!("{L}/agent"),
        r#"{"ietf-lmap-control:agent":{"report-agent-id":true}}"#,
        "<agent><report-agent-id>true</report-agent-id></agent>",
        (412, "operation-failed", "must-violation"),
        "/agent/report-agent-id",
    );
    let mut world = World::new();
    let both = r#"{"ietf-lmap-control:agent":{"report-agent-id":true,"agent-id":"550e8400-e29b-41d4-a716-446655440000"}}"#;
    let call = Call::new("PATCH", &format!("{L}/agent")).json(both);
    assert_eq!(world.send(call).status, 204);
    // Nor may it lose it.
    let gone = Call::new("DELETE", &format!("{L}/agent/agent-id"));
    fails(&world.send(gone), 412, "operation-failed");
}

const FIELDS: [&str; 6] = [
    "month",
    "day-of-month",
    "day-of-week",
    "hour",
    "minute",
    "second",
];

/// An event `C` in JSON and XML, without one of its fields.
fn calendar(without: &str, hour: u8, zone: &str) -> (String, String) {
    let mut json = json!({"name": "C", "calendar": {"timezone-offset": zone}});
    let mut xml = String::from("<event><name>C</name><calendar>");
    for field in FIELDS.iter().filter(|field| **field != without) {
        if *field == "hour" {
            json["calendar"][field] = json!([hour]);
            let _ = write!(xml, "<hour>{hour}</hour>");
        } else {
            json["calendar"][field] = json!(["*"]);
            let _ = write!(xml, "<{field}>*</{field}>");
        }
    }
    let _ = write!(
        xml,
        "<timezone-offset>{zone}</timezone-offset></calendar></event>"
    );
    (json!({"ietf-lmap-control:event": [json]}).to_string(), xml)
}

#[test]
fn lmap_check_45_a_calendar_is_whole_and_of_this_world() {
    let path = format!("{L}/events/event=C");
    for field in FIELDS {
        let (json, xml) = calendar(field, 4, "Z");
        let at = format!("/events/event[name='C']/calendar/{field}");
        let expected = (412, "operation-failed", "too-few-elements");
        refused("PUT", &path, &json, &xml, expected, &at);
    }
    let (json, xml) = calendar("", 24, "Z");
    let at = "/events/event[name='C']/calendar/hour";
    refused("PUT", &path, &json, &xml, (400, "invalid-value", ""), at);
    let (json, _) = calendar("", 23, "Z");
    assert_eq!(World::new().send(put(&path, &json)).status, 201);
}

#[test]
fn lmap_trap_30_digits_of_other_scripts_are_none() {
    let path = format!("{L}/events/event=C");
    let at = "/events/event[name='C']/calendar/timezone-offset";
    for zone in ["+٠٥:٣٠", "+０５:30", "+०५:३०"] {
        let (json, xml) = calendar("", 4, zone);
        refused("PUT", &path, &json, &xml, (400, "invalid-value", ""), at);
    }
    let (json, _) = calendar("", 4, "+05:30");
    assert_eq!(World::new().send(put(&path, &json)).status, 201);
}

#[test]
fn lmap_check_46_a_schedule_ends_in_one_way() {
    let path = format!("{L}/schedules/schedule=S1");
    refused(
        "PUT",
        &path,
        r#"{"ietf-lmap-control:schedule":[{"name":"S1","start":"E1","end":"a/b","duration":5}]}"#,
        "<schedule><name>S1</name><start>E1</start><end>a/b</end><duration>5</duration></schedule>",
        (400, "bad-element", ""),
        "/schedules/schedule[name='S1']/duration",
    );
    let duration = (
        r#"{"ietf-lmap-control:schedule":[{"name":"S1","duration":5}]}"#.to_owned(),
        format!("<schedule xmlns=\"{NAMESPACE}\"><name>S1</name><duration>5</duration></schedule>"),
    );
    for (media_type, body) in [(JSON, duration.0), (XML, duration.1)] {
        let mut world = World::new();
        let end = put(&format!("{path}/end"), r#"{"ietf-lmap-control:end":"a/b"}"#);
        assert_eq!(world.send(end).status, 201);
        assert_eq!(world.get(&format!("{path}/end")).status, 200);
        let patch = Call::new("PATCH", &path).body(media_type, &body);
        assert_eq!(world.send(patch).status, 204);
        fails(&world.get(&format!("{path}/end")), 404, "invalid-value");
        let duration = world.json(&format!("{path}/duration"));
        assert_eq!(duration, json!({"ietf-lmap-control:duration": 5}));
    }
}

/// `XPath` 1.0 has no literal for it.
#[test]
fn a_place_that_cannot_be_said_is_left_out() {
    let mut world = World::new();
    let both = json!({"ietf-lmap-control:event": [{"name": "a'\"b", "periodic": {"interval": 0}}]});
    let path = format!("{L}/events/event=a%27%22b");
    for (accept, said) in [(JSON, "error-path"), (XML, "<error-path")] {
        let response = world.send(put(&path, &both.to_string()).accept(accept));
        assert_eq!(response.status, 400);
        assert!(!text(&response).contains(said), "{}", text(&response));
        let one = both.to_string().replace("\\\"", "").replace("a'b", "a'");
        let response = world.send(put(&path.replace("%22b", ""), &one).accept(accept));
        assert_eq!(response.status, 400);
        assert!(text(&response).contains(said), "{}", text(&response));
    }
}

#[test]
fn bodies_have_so_many_nodes_and_no_more() {
    let mut world = World::new();
    let limits = glimpse_yang::Limits {
        nodes: 40,
        ..glimpse_yang::Limits::USUAL
    };
    world.server = world.server.clone().with_limits(limits);
    let tags: Vec<String> = (0..50).map(|number| number.to_string()).collect();
    let tags = json!({"ietf-lmap-control:task": [{"name": "t", "tag": tags}]}).to_string();
    let path = format!("{L}/tasks/task=t");
    fails(&world.send(put(&path, &tags)), 413, "too-big");
    let xml = format!(
        "<task xmlns=\"{NAMESPACE}\"><name>t</name>{}</task>",
        "<tag>x</tag>".repeat(50)
    );
    let xml = Call::new("PUT", &path).body(XML, &xml).accept(JSON);
    fails(&world.send(xml), 413, "too-big");
    let edits = json!({"ietf-yang-patch:yang-patch": {"patch-id": "p", "edit": [
        {"edit-id": "1", "operation": "create", "target": "/tasks/task=t", "value": serde_json::from_str::<Value>(&tags).unwrap()}]}});
    let patch = Call::new("PATCH", L).body("application/yang-patch+json", &edits.to_string());
    fails(&world.send(patch), 413, "too-big");
    let call = Call::new("POST", "/restconf/operations/glimpse-agent:trigger");
    fails(&world.send(call.json(&tags)), 413, "too-big");
    assert_eq!(world.commits, 0);
    let small = r#"{"ietf-lmap-control:task":[{"name":"t"}]}"#;
    assert_eq!(world.send(put(&path, small)).status, 201);
}

/// Whoever refuses: the path, the schema, the datastore behind, or what is before it.
#[test]
fn a_405_says_what_is_allowed() {
    let mut world = World::new();
    let key = format!("{L}/events/event=E1/name");
    for (method, path) in [
        ("DELETE", D),
        ("DELETE", key.as_str()),
        ("POST", key.as_str()),
        ("PUT", "/restconf"),
        ("PUT", "/.well-known/host-meta"),
        ("GET", "/restconf/operations/glimpse-agent:trigger"),
        ("PATCH", "/restconf/data/ietf-yang-library:modules-state"),
        ("BREW", L),
    ] {
        let response = world.send(Call::new(method, path).json("{}"));
        fails(&response, 405, "operation-not-supported");
        let allow = response.header("Allow").unwrap_or_default();
        assert!(allow.contains("OPTIONS"), "{method} {path}: {allow:?}");
        assert!(!allow.split(", ").any(|name| name == method), "{allow}");
    }
    let unsupported = || Error::new(Tag::OperationNotSupported, "not here");
    world.refuse = Some(unsupported().into());
    let edit = put(
        &format!("{L}/agent/group-id"),
        r#"{"ietf-lmap-control:group-id":"x"}"#,
    );
    let response = world.send(edit.clone());
    fails(&response, 405, "operation-not-supported");
    assert_eq!(
        response.header("Allow"),
        Some("GET, HEAD, OPTIONS, PATCH, DELETE")
    );
    let finished = world.server.refuse(&edit.request(), unsupported());
    assert_eq!(finished.response.header("Allow"), response.header("Allow"));
}
