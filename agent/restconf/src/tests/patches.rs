//! YANG Patch (RFC 8072).

use super::*;
use serde_json::json;

const PATCH: &str = "application/yang-patch+json";

fn patch(path: &str, edits: &str) -> Call {
    let body =
        format!(r#"{{"ietf-yang-patch:yang-patch":{{"patch-id":"p \"1\"","edit":[{edits}]}}}}"#);
    Call::new("PATCH", path).body(PATCH, &body)
}

fn status(response: &Response) -> Value {
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(response.header("content-type"), Some(JSON));
    assert_eq!(
        body["ietf-yang-patch:yang-patch-status"]["patch-id"],
        "p \"1\""
    );
    body["ietf-yang-patch:yang-patch-status"].clone()
}

#[test]
fn lmap_check_39_a_failing_edit_undoes_them_all() {
    let mut world = World::new();
    let before = world.tag(D);
    let edits = r#"
        {"edit-id":"1","operation":"create","target":"/events/event=N","value":{"ietf-lmap-control:event":[{"name":"N","startup":[null]}]}},
        {"edit-id":"2","operation":"delete","target":"/events/event=nope"}"#;
    let response = world.send(patch(L, edits));
    assert_eq!(response.status, 404, "{}", text(&response));
    let status = status(&response);
    let failed = &status["edit-status"]["edit"];
    assert_eq!(failed.as_array().unwrap().len(), 1);
    assert_eq!(failed[0]["edit-id"], "2");
    assert_eq!(failed[0]["errors"]["error"][0]["error-tag"], "data-missing");
    assert!(status["ok"].is_null());
    assert_eq!(world.tag(D), before);
    assert_eq!(world.commits, 0);
}

#[test]
fn edits_of_every_kind_come_in_order() {
    let mut world = World::new();
    let action = "/schedules/schedule=S1/action=A2";
    let edits = format!(
        r#"
        {{"edit-id":"create","operation":"create","target":"/events/event=N","value":{{"ietf-lmap-control:event":[{{"name":"N","startup":[null]}}]}}}},
        {{"edit-id":"merge","operation":"merge","target":"/events/event=N","value":{{"ietf-lmap-control:event":[{{"name":"N","random-spread":9}}]}}}},
        {{"edit-id":"replace","operation":"replace","target":"/agent","value":{{"ietf-lmap-control:agent":{{"measurement-point":"mp"}}}}}},
        {{"edit-id":"insert","operation":"insert","target":"{action}/option=zero","where":"before","point":"{action}/option=two","value":{{"ietf-lmap-control:option":[{{"id":"zero"}}]}}}},
        {{"edit-id":"move","operation":"move","target":"{action}/option=three","where":"first"}},
        {{"edit-id":"delete","operation":"delete","target":"/events/event=a%2Fb"}},
        {{"edit-id":"remove","operation":"remove","target":"/events/event=a%2Fb"}}"#
    );
    let response = world.send(patch(L, &edits));
    assert_eq!(response.status, 200, "{}", text(&response));
    assert_eq!(status(&response)["ok"], json!([null]));
    assert_eq!(world.commits, 1);
    assert_eq!(response.header("ETag"), Some(world.tag(L).as_str()));
    let body = world.json(&format!("{L}?content=config"));
    let lmap = &body["ietf-lmap-control:lmap"];
    assert_eq!(lmap["agent"], json!({"measurement-point": "mp"}));
    let options = lmap["schedules"]["schedule"][0]["action"][0]["option"]
        .as_array()
        .unwrap();
    let ids: Vec<_> = options
        .iter()
        .map(|option| option["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["three", "one", "zero", "two"]);
    let event = world.json(&format!("{L}/events/event=N"));
    assert_eq!(event["ietf-lmap-control:event"][0]["random-spread"], 9);
}

#[test]
fn xml_patches_are_answered_in_xml() {
    let mut world = World::new();
    let body = r#"<yang-patch xmlns="urn:ietf:params:xml:ns:yang:ietf-yang-patch"><patch-id>x</patch-id>
        <edit><edit-id>1</edit-id><operation>create</operation><target>/ietf-lmap-control:lmap/events/event=N</target>
        <value><event xmlns="urn:ietf:params:xml:ns:yang:ietf-lmap-control"><name>N</name><startup/></event></value></edit></yang-patch>"#;
    let call = Call::new("PATCH", D).body("application/yang-patch+xml", body);
    let response = world.send(call.clone());
    assert_eq!(response.status, 200, "{}", text(&response));
    assert_eq!(
        text(&response),
        "<yang-patch-status xmlns=\"urn:ietf:params:xml:ns:yang:ietf-yang-patch\"><patch-id>x</patch-id><ok/></yang-patch-status>"
    );
    let again = world.send(call);
    assert_eq!(again.status, 409);
    assert!(text(&again).contains("<edit-id>1</edit-id><errors><error>"));
    assert!(text(&again).contains("<error-tag>data-exists</error-tag>"));
}

#[test]
fn a_fault_of_the_result_is_told_with_its_edit() {
    let mut world = World::new();
    let edits = r#"
        {"edit-id":"ok","operation":"create","target":"/events/event=N","value":{"ietf-lmap-control:event":[{"name":"N","startup":[null]}]}},
        {"edit-id":"bad","operation":"merge","target":"/schedules/schedule=S2","value":{"ietf-lmap-control:schedule":[{"name":"S2","start":"gone"}]}}"#;
    let response = world.send(patch(L, edits));
    assert_eq!(response.status, 409, "{}", text(&response));
    let edit = &status(&response)["edit-status"]["edit"][0];
    assert_eq!(edit["edit-id"], "bad");
    assert_eq!(
        edit["errors"]["error"][0]["error-app-tag"],
        "instance-required"
    );
    // The fault of a deletion shows elsewhere: it is the whole patch's.
    let edits = r#"{"edit-id":"bad","operation":"delete","target":"/events/event=E1"}"#;
    let response = world.send(patch(L, edits));
    assert_eq!(response.status, 409);
    assert_eq!(
        status(&response)["errors"]["error"][0]["error-tag"],
        "data-missing"
    );
    // What the datastore refuses, too.
    world.refuse = Some(crate::Error::denied("managed by supervisor").into());
    let edits = r#"{"edit-id":"1","operation":"remove","target":"/events/event=a%2Fb"}"#;
    let response = world.send(patch(L, edits));
    assert_eq!(response.status, 403);
    assert_eq!(
        status(&response)["errors"]["error"][0]["error-tag"],
        "access-denied"
    );
}

#[test]
fn patches_that_cannot_be_are_refused() {
    let mut world = World::new();
    let event = r#"{"ietf-lmap-control:event":[{"name":"N","startup":[null]}]}"#;
    for (edit, expected) in [
        (
            r#"{"edit-id":"1","operation":"create","target":"/events/event=N"}"#.to_owned(),
            400,
        ),
        (
            format!(
                r#"{{"edit-id":"1","operation":"create","target":"/events/event","value":{event}}}"#
            ),
            400,
        ),
        (
            format!(
                r#"{{"edit-id":"1","operation":"create","target":"events/event=N","value":{event}}}"#
            ),
            400,
        ),
        (
            format!(
                r#"{{"edit-id":"1","operation":"create","target":"/events/event=M","value":{event}}}"#
            ),
            400,
        ),
        (
            format!(
                r#"{{"edit-id":"1","operation":"insert","target":"/events/event=N","value":{event}}}"#
            ),
            400,
        ),
        (
            r#"{"edit-id":"1","operation":"move","target":"/events/event=E1","where":"first"}"#
                .to_owned(),
            400,
        ),
        (
            r#"{"edit-id":"1","operation":"delete","target":"/nothing"}"#.to_owned(),
            400,
        ),
    ] {
        let response = world.send(patch(L, &edit));
        assert_eq!(response.status, expected, "{edit}: {}", text(&response));
    }
    let twice = r#"{"edit-id":"1","operation":"remove","target":"/agent"},{"edit-id":"1","operation":"remove","target":"/agent"}"#;
    assert_eq!(world.send(patch(L, twice)).status, 400);
    let call = Call::new("PUT", L).body(PATCH, "{}");
    fails(&world.send(call), 415, "invalid-value");
    fails(
        &world.send(patch(&format!("{L}/events/event=nope"), "")),
        404,
        "invalid-value",
    );
    let program = r#"{"edit-id":"1","operation":"merge","target":"/tasks/task=ping","value":{"ietf-lmap-control:task":[{"name":"ping","program":"/bin/sh"}]}}"#;
    let response = world.send(patch(L, program).user("carl"));
    assert_eq!(response.status, 403);
    assert_eq!(status(&response)["edit-status"]["edit"][0]["edit-id"], "1");
    assert_eq!(world.commits, 0);
}
