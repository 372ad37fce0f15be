//! Conformance checks of edits and operations.

use super::*;
use crate::error::{Error, Tag};
use serde_json::json;

fn event(name: &str) -> String {
    format!(r#"{{"ietf-lmap-control:event":[{{"name":"{name}","periodic":{{"interval":30}}}}]}}"#)
}

#[test]
fn lmap_check_12_other_media_types_415() {
    let mut world = World::new();
    let path = format!("{L}/events/event=N");
    for media_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/json",
    ] {
        let call = Call::new("PUT", &path).body(media_type, &event("N"));
        fails(&world.send(call), 415, "invalid-value");
    }
    let mut bare = Call::new("PUT", &path);
    bare.body = event("N").into_bytes();
    fails(&world.send(bare), 415, "invalid-value");
    let coded = put(&path, &event("N")).header("Content-Encoding", "br");
    fails(&world.send(coded), 415, "invalid-value");
    assert_eq!(world.commits, 0);
}

#[test]
fn lmap_check_14_an_edit_moves_the_tags_above_it_and_no_others() {
    let mut world = World::new();
    let nacm = format!("{D}/ietf-netconf-acm:nacm");
    let other = format!("{L}/events/event=a%2Fb");
    let before = [
        world.tag(D),
        world.tag(L),
        world.tag(&nacm),
        world.tag(&other),
    ];
    let call = put(&format!("{L}/events/event=E1"), &event("E1")).at(5);
    let response = world.send(call);
    assert_eq!(response.status, 204);
    assert_eq!(
        response.header("ETag"),
        Some(world.tag(&format!("{L}/events/event=E1")).as_str())
    );
    let after = [
        world.tag(D),
        world.tag(L),
        world.tag(&nacm),
        world.tag(&other),
    ];
    assert_ne!(before[0], after[0]);
    assert_ne!(before[1], after[1]);
    assert_eq!(before[2..], after[2..]);
    let date = |world: &mut World, path: &str| {
        let response = world.get(path);
        response.header("Last-Modified").unwrap().to_owned()
    };
    let edited = "Mon, 21 Sep 2026 14:13:25 GMT";
    assert_eq!(date(&mut world, D), edited);
    assert_eq!(date(&mut world, &format!("{L}/events/event=E1")), edited);
    assert_eq!(
        date(
            &mut world,
            &format!("{L}/events/event=E1/periodic/interval")
        ),
        edited
    );
    assert_ne!(date(&mut world, &nacm), edited);
    assert_ne!(date(&mut world, &other), edited);
    world.send(put(&other, &event("a/b")).at(9));
    let later = "Mon, 21 Sep 2026 14:13:29 GMT";
    for path in [D, L, &format!("{L}/events"), &other] {
        assert_eq!(date(&mut world, path), later);
    }
    assert_eq!(date(&mut world, &format!("{L}/events/event=E1")), edited);
    world.send(Call::new("DELETE", &other).at(12));
    assert_eq!(
        date(&mut world, &format!("{L}/events")),
        "Mon, 21 Sep 2026 14:13:32 GMT"
    );
    let text = world.marks.to_text();
    assert_eq!(Marks::from_text(&text).unwrap(), world.marks);
}

#[test]
fn lmap_check_16_stale_if_match_412() {
    let mut world = World::new();
    let agent = format!("{L}/agent");
    let body = r#"{"ietf-lmap-control:agent":{"group-id":"new"}}"#;
    let stale = Call::new("PATCH", &agent)
        .json(body)
        .header("If-Match", "\"old\"");
    let response = world.send(stale);
    fails(&response, 412, "operation-failed");
    assert_eq!(response.header("ETag"), Some(world.tag(&agent).as_str()));
    assert!(response.header("Last-Modified").is_some());
    assert_eq!(world.commits, 0);
    let early = Call::new("PATCH", &agent)
        .json(body)
        .header("If-Unmodified-Since", "Mon, 01 Jan 2024 00:00:00 GMT");
    fails(&world.send(early), 412, "operation-failed");
    let weak = format!("W/{}", world.tag(&agent));
    let weak = Call::new("PATCH", &agent)
        .json(body)
        .header("If-Match", &weak);
    fails(&world.send(weak), 412, "operation-failed");
    let current = world.tag(&agent);
    let current = Call::new("PATCH", &agent)
        .json(body)
        .header("If-Match", &current);
    assert_eq!(world.send(current).status, 204);
    let create_only =
        put(&format!("{L}/events/event=E1"), &event("E1")).header("If-None-Match", "*");
    fails(&world.send(create_only), 412, "operation-failed");
    let create_only = put(&format!("{L}/events/event=N"), &event("N")).header("If-None-Match", "*");
    assert_eq!(world.send(create_only).status, 201);
    let existing = put(&format!("{L}/events/event=M"), &event("M")).header("If-Match", "*");
    fails(&world.send(existing), 412, "operation-failed");
}

#[test]
fn lmap_check_23_post_creates_once() {
    let mut world = World::new();
    let events = format!("{L}/events");
    let post = Call::new("POST", &events).json(&event("n/1"));
    let response = world.send(post.clone());
    assert_eq!(response.status, 201);
    assert!(response.body.is_empty());
    assert_eq!(response.header("Content-Type"), None);
    assert_eq!(
        response.header("Location"),
        Some("https://agent.example:8443/restconf/data/ietf-lmap-control:lmap/events/event=n%2F1")
    );
    let created = world.json(&format!("{events}/event=n%2F1/periodic/interval"));
    assert_eq!(created, json!({"ietf-lmap-control:interval": 30}));
    fails(&world.send(post), 409, "resource-denied");
    assert_eq!(world.commits, 1);
    let orphan = Call::new("POST", &format!("{L}/schedules/schedule=nope"));
    let orphan = orphan.json(r#"{"ietf-lmap-control:action":[{"name":"A","task":"ping"}]}"#);
    fails(&world.send(orphan), 404, "invalid-value");
}

#[test]
fn lmap_check_24_post_takes_one_instance() {
    let mut world = World::new();
    let body = r#"{"ietf-lmap-control:event":[{"name":"1","startup":[null]},{"name":"2","startup":[null]}]}"#;
    let call = Call::new("POST", &format!("{L}/events")).json(body);
    assert_eq!(world.send(call).status, 400);
    let body = r#"{"ietf-lmap-control:agent":{},"ietf-lmap-control:events":{}}"#;
    assert_eq!(world.send(Call::new("POST", L).json(body)).status, 400);
    assert_eq!(world.commits, 0);
}

#[test]
fn lmap_check_25_put_creates_then_replaces() {
    let mut world = World::new();
    let path = format!("{L}/events/event=N");
    assert_eq!(world.send(put(&path, &event("N"))).status, 201);
    assert_eq!(world.send(put(&path, &event("N"))).status, 204);
    assert_eq!(world.commits, 1, "an equal body changes nothing");
    let spread = r#"{"ietf-lmap-control:event":[{"name":"N","random-spread":3,"startup":[null]}]}"#;
    assert_eq!(world.send(put(&path, spread)).status, 204);
    let body = world.json(&path);
    let expected = json!({"ietf-lmap-control:event":
        [{"name": "N", "random-spread": 3, "startup": [null]}]});
    assert_eq!(body, expected);
    let xml = Call::new("PUT", &path).body(
        XML,
        "<event xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><name>N</name><immediate/></event>",
    );
    assert_eq!(world.send(xml).status, 204);
    assert_eq!(world.get(&format!("{path}/immediate")).status, 200);
}

#[test]
fn lmap_check_26_put_keeps_to_the_key_of_its_path() {
    let mut world = World::new();
    let call = put(&format!("{L}/events/event=N"), &event("M"));
    fails(&world.send(call), 400, "invalid-value");
    let call = Call::new("PATCH", &format!("{L}/events/event=E1")).json(&event("M"));
    fails(&world.send(call), 400, "invalid-value");
    let list = put(&format!("{L}/events/event"), &event("N"));
    fails(&world.send(list), 400, "invalid-value");
}

#[test]
fn lmap_check_27_put_needs_a_body() {
    let mut world = World::new();
    let path = format!("{L}/events/event=E1");
    fails(&world.send(put(&path, "")), 400, "invalid-value");
    fails(&world.send(Call::new("PUT", &path)), 400, "invalid-value");
    assert_eq!(world.send(put(&path, "{}")).status, 400);
    assert_eq!(world.commits, 0);
}

#[test]
fn lmap_check_28_patch_creates_nothing() {
    let mut world = World::new();
    let call = Call::new("PATCH", &format!("{L}/events/event=N")).json(&event("N"));
    fails(&world.send(call), 404, "invalid-value");
    assert_eq!(world.commits, 0);
}

#[test]
fn lmap_check_29_patch_of_the_datastore_is_one_edit() {
    let mut world = World::new();
    let body = r#"{"ietf-restconf:data":{"ietf-lmap-control:lmap":{
        "agent":{"measurement-point":"mp100"},
        "events":{"event":[{"name":"N","one-off":{"time":"2027-01-01T00:00:00Z"}}]},
        "schedules":{"schedule":[{"name":"S3","start":"N"}]}}}}"#;
    assert_eq!(world.send(Call::new("PATCH", D).json(body)).status, 204);
    assert_eq!(world.commits, 1);
    assert_eq!(world.get(&format!("{L}/schedules/schedule=S3")).status, 200);
    assert_eq!(world.get(&format!("{L}/agent/group-id")).status, 200);
    let broken = body
        .replace("S3", "S4")
        .replace("\"start\":\"N\"", "\"start\":\"nope\"");
    let response = world.send(Call::new("PATCH", D).json(&broken));
    fails(&response, 409, "data-missing");
    let error: Value = serde_json::from_slice(&response.body).unwrap();
    let error = &error["ietf-restconf:errors"]["error"][0];
    assert_eq!(error["error-app-tag"], "instance-required");
    assert_eq!(
        error["error-path"],
        "/ietf-lmap-control:lmap/schedules/schedule[name='S4']/start"
    );
    assert_eq!(world.commits, 1);
}

#[test]
fn lmap_check_30_delete_is_for_what_is_there() {
    let mut world = World::new();
    let path = format!("{L}/events/event=a%2Fb");
    assert_eq!(world.send(Call::new("DELETE", &path)).status, 204);
    fails(&world.send(Call::new("DELETE", &path)), 409, "data-missing");
    let response = world.send(Call::new("DELETE", D));
    fails(&response, 405, "operation-not-supported");
    assert!(!response.header("Allow").unwrap().contains("DELETE"));
    fails(
        &world.send(Call::new("DELETE", &format!("{L}/events/event"))),
        400,
        "invalid-value",
    );
    let state = Call::new("DELETE", &format!("{L}/schedules/schedule=S1/state"));
    fails(&world.send(state), 405, "operation-not-supported");
    let used = Call::new("DELETE", &format!("{L}/events/event=E1"));
    fails(&world.send(used), 409, "data-missing");
    assert_eq!(world.commits, 1);
}

#[test]
fn lmap_check_37_insert_reorders_lists_of_the_user() {
    let mut world = World::new();
    let action = format!("{L}/schedules/schedule=S1/action=A2");
    let option = |id: &str| format!(r#"{{"ietf-lmap-control:option":[{{"id":"{id}"}}]}}"#);
    let ids = |world: &mut World| {
        let body = world.json(&format!("{action}/option"));
        let list = body["ietf-lmap-control:option"].as_array().unwrap().clone();
        let ids: Vec<_> = list
            .iter()
            .map(|entry| entry["id"].as_str().unwrap())
            .collect();
        ids.join(" ")
    };
    let first = Call::new("POST", &format!("{action}?insert=first")).json(&option("zero"));
    assert_eq!(world.send(first).status, 201);
    assert_eq!(ids(&mut world), "zero one two three");
    let point =
        "%2Fietf-lmap-control%3Almap%2Fschedules%2Fschedule%3DS1%2Faction%3DA2%2Foption%3Done";
    let after = Call::new("POST", &format!("{action}?insert=after&point={point}"));
    assert_eq!(world.send(after.json(&option("half"))).status, 201);
    assert_eq!(ids(&mut world), "zero one half two three");
    let before = put(
        &format!("{action}/option=three?insert=before&point={point}"),
        &option("three"),
    );
    assert_eq!(world.send(before).status, 204);
    assert_eq!(ids(&mut world), "zero three one half two");
    for query in [
        "insert=after",
        "point=%2Fx",
        "insert=first&point=%2Fx",
        "insert=upward",
    ] {
        let call = Call::new("POST", &format!("{action}?{query}")).json(&option("q"));
        fails(&world.send(call), 400, "invalid-value");
    }
    let elsewhere = point.replace("A2", "A1");
    for point in [elsewhere.as_str(), "nothing", "%2Fietf-lmap-control%3Almap"] {
        let call = Call::new("POST", &format!("{action}?insert=after&point={point}"));
        fails(&world.send(call.json(&option("q"))), 400, "invalid-value");
    }
    let body = r#"{"ietf-lmap-control:action":[{"name":"A0","task":"ping"}]}"#;
    let call = Call::new("POST", &format!("{L}/schedules/schedule=S1?insert=first"));
    fails(&world.send(call.json(body)), 400, "invalid-value");
}

#[test]
fn lmap_check_40_large_bodies_413() {
    let mut world = World::new();
    let body = " ".repeat(1_000_000);
    let call = put(&format!("{L}/events/event=E1"), &body);
    fails(&world.send(call), 413, "too-big");
}

#[test]
fn an_edit_that_is_not_taken_over_changes_nothing() {
    let mut world = World::new();
    let before = world.tag(D);
    world.refuse = Some(Error::denied("managed by supervisor").into());
    let response = world.send(put(&format!("{L}/events/event=E1"), &event("E1")));
    fails(&response, 403, "access-denied");
    assert!(text(&response).contains("managed by supervisor"));
    assert_eq!(world.tag(D), before);
    assert_eq!(world.counters.data_writes, 1);
}

#[test]
fn broken_bodies_are_refused_whole() {
    let mut world = World::new();
    let path = format!("{L}/events/event=N");
    let deep = "[".repeat(10_000);
    let nested = format!("{{\"a\":{}", "{\"a\":".repeat(10_000));
    let good = event("N");
    let json: Vec<Vec<u8>> = vec![
        b"\0".to_vec(),
        b"{\"ietf-lmap-control:event\":\xff}".to_vec(),
        good.replace('N', "\u{0}").into_bytes(),
        good.replace("\"N\"", "\"\\u0000\"").into_bytes(),
        good.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        good.as_bytes()[..good.len() - 1].to_vec(),
        format!("{good} {good}").into_bytes(),
        good.replace(r#""name":"N""#, r#""name":"N","name":"N""#)
            .into_bytes(),
        good.replace("ietf-lmap-control:", "").into_bytes(),
        deep.into_bytes(),
        nested.into_bytes(),
    ];
    let xml: Vec<Vec<u8>> = [
        "<!DOCTYPE e [<!ENTITY n \"N\">]><event xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><name>&n;</name><startup/></event>",
        "<!DOCTYPE e SYSTEM \"file:///etc/passwd\"><event/>",
        "<event xmlns=\"urn:example:foreign\"><name>N</name><startup/></event>",
        "<event xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><name>N</name>",
        "<event><name>N</name><startup/></event>",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    let bodies = json.into_iter().map(|body| (JSON, body));
    for (media_type, body) in bodies.chain(xml.into_iter().map(|body| (XML, body))) {
        let shown = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let mut call = Call::new("PUT", &path).body(media_type, "").accept(JSON);
        call.body = body;
        let response = world.send(call);
        assert!(
            (400..500).contains(&response.status),
            "{shown}: {}",
            text(&response)
        );
        assert!(text(&response).contains("error-tag"), "{shown}");
    }
    assert_eq!(world.commits, 0);
    assert_eq!(world.send(put(&path, &good)).status, 201);
}

#[test]
fn putting_the_datastore_replaces_all_of_it() {
    let mut world = World::new();
    let whole = world.get(&format!("{D}?content=config"));
    let mut body: Value = serde_json::from_slice(&whole.body).unwrap();
    body["ietf-restconf:data"]["ietf-lmap-control:lmap"] = json!({"agent": {"group-id": "x"}});
    let call = put(D, &body.to_string());
    assert_eq!(world.send(call).status, 204);
    fails(
        &world.get(&format!("{L}/events/event=E1")),
        404,
        "invalid-value",
    );
    let group = world.json(&format!("{L}/agent/group-id"));
    assert_eq!(group, json!({"ietf-lmap-control:group-id": "x"}));
}

#[test]
fn a_container_that_is_implied_takes_patches() {
    let mut world = World::new();
    world.send(Call::new("DELETE", &format!("{L}/agent")));
    let body = r#"{"ietf-lmap-control:agent":{"group-id":"new"}}"#;
    let call = Call::new("PATCH", &format!("{L}/agent")).json(body);
    assert_eq!(world.send(call).status, 204);
}

#[test]
fn values_out_of_their_type_are_400() {
    let mut world = World::new();
    let body = event("N").replace("30", "0");
    let response = world.send(put(&format!("{L}/events/event=N"), &body));
    fails(&response, 400, "invalid-value");
    assert!(text(&response).contains("error-path"));
}

#[test]
fn operations_answer_204_or_what_went_wrong() {
    let mut world = World::controller();
    let path = "/restconf/operations/ietf-lmap-report:report";
    let body = r#"{"ietf-lmap-report:input":{"date":"2026-09-21T10:00:00Z"}}"#;
    let call = Call::new("POST", path).json(body);
    let response = world.send(call.clone());
    assert_eq!(
        (response.status, response.body.len()),
        (204, 0),
        "{}",
        text(&response)
    );
    assert_eq!(world.invoked, ["ietf-lmap-report:report"]);
    let xml = "<input xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-report\"><date>2026-09-21T10:00:00Z</date></input>";
    assert_eq!(
        world.send(Call::new("POST", path).body(XML, xml)).status,
        204
    );
    for broken in [
        "{}",
        r#"{"ietf-lmap-report:input":{}}"#,
        r#"{"ietf-lmap-report:report":{"date":"2026-09-21T10:00:00Z"}}"#,
        r#"{"ietf-lmap-report:input":{"date":"yesterday"}}"#,
    ] {
        let response = world.send(Call::new("POST", path).json(broken));
        assert_eq!(response.status, 400, "{broken}: {}", text(&response));
    }
    assert_eq!(world.send(Call::new("POST", path)).status, 400);
    world.refuse = Some(Error::new(Tag::InUse, "later").with_status(503).into());
    assert_eq!(world.send(call).status, 503);
    assert_eq!(world.invoked.len(), 2);
}

#[test]
fn what_fails_before_it_is_planned_is_answered_alike() {
    let world = World::new();
    let request = Call::new("PUT", L).accept(XML).request();
    let error = Error::new(Tag::InUse, "the agent is away").with_status(503);
    let finished = world.server.refuse(&request, error);
    assert_eq!(finished.response.status, 503);
    assert!(text(&finished.response).starts_with("<errors xmlns="));
    assert_eq!(finished.audit.tag, Some(Tag::InUse));
}

#[test]
fn an_audit_says_who_did_what_and_how_it_ended() {
    let mut world = World::new();
    let call = put(&format!("{L}/events/event=E1?insert=first"), &event("E1")).user("carl");
    let audit = world.finish(&call).audit;
    assert_eq!(audit.user.as_deref(), Some("carl"));
    assert_eq!(audit.method, Method::Put);
    assert_eq!(audit.path, format!("{L}/events/event=E1"));
    assert_eq!((audit.status, audit.tag), (400, Some(Tag::InvalidValue)));
}
