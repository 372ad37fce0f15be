//! Where deployed servers went wrong.

use super::*;
use serde_json::json;

#[test]
fn lmap_trap_26_what_others_had_to_mend() {
    let mut world = World::new();
    // Roots carry their module.
    for (path, root) in [
        ("/restconf", "ietf-restconf:restconf"),
        ("/restconf/operations", "ietf-restconf:operations"),
        (
            "/restconf/yang-library-version",
            "ietf-restconf:yang-library-version",
        ),
        (D, "ietf-restconf:data"),
    ] {
        assert!(world.json(path).get(root).is_some(), "{path}");
    }
    // One Content-Type in errors: `send` asserts that no field comes twice.
    fails(&world.get(&format!("{L}/nothing")), 404, "invalid-value");
    // An empty key is no wildcard, an encoded comma no separator.
    assert_ne!(world.get(&format!("{L}/events/event=")).status, 200);
    assert_eq!(world.get(&format!("{L}/events/event=a%2Cb")).status, 200);
    // Every line of an event is data.
    let framed = crate::stream::event("{\n}\n");
    assert!(
        framed
            .trim_end()
            .lines()
            .all(|line| line.starts_with("data:"))
    );
    let head = world.send(Call::new("HEAD", "/.well-known/host-meta").nobody());
    assert_eq!((head.status, head.body.len()), (200, 0));
    // 406 is about what is wanted, 415 about what is sent.
    let unwanted = Call::new("GET", L).accept("text/plain");
    assert_eq!(world.send(unwanted).status, 406);
    let unknown = Call::new("PUT", L).body("text/plain", "x").accept(JSON);
    assert_eq!(world.send(unknown).status, 415);
    let body = r#"{"ietf-lmap-control:agent":{"group-id":"g"}}"#;
    let picky = Call::new("PUT", &format!("{L}/agent"))
        .json(body)
        .accept("text/html");
    assert_eq!(world.send(picky).status, 204);
    for end in ["&", "&&", ""] {
        assert_eq!(world.get(&format!("{L}?depth=1{end}")).status, 200);
        assert_eq!(world.get(&format!("{L}?{end}")).status, 200);
    }
}

#[test]
fn lmap_trap_27_a_lost_race_is_noticed() {
    let mut world = World::new();
    let agent = format!("{L}/agent");
    let seen = world.tag(&agent);
    let edit = |group: &str| {
        let body = format!(r#"{{"ietf-lmap-control:agent":{{"group-id":"{group}"}}}}"#);
        put(&agent, &body).header("If-Match", &seen)
    };
    assert_eq!(world.send(edit("first")).status, 204);
    let late = world.send(edit("second"));
    fails(&late, 412, "operation-failed");
    assert_eq!(late.header("ETag"), Some(world.tag(&agent).as_str()));
    let group = world.json(&format!("{agent}/group-id"));
    assert_eq!(group, json!({"ietf-lmap-control:group-id": "first"}));
    // Two planned from the same configuration: the second can tell that it moved.
    let plan = |world: &World, group: &str| {
        let body = format!(r#"{{"ietf-lmap-control:agent":{{"group-id":"{group}"}}}}"#);
        match world.plan(&put(&agent, &body)) {
            Plan::Commit(commit) => commit,
            other => panic!("{other:?}"),
        }
    };
    let (one, two) = (plan(&world, "one"), plan(&world, "two"));
    assert_eq!(one.base, two.base);
    assert!(one.fits(&world.running) && two.fits(&world.running));
    world.commit(&one).unwrap();
    assert!(!two.fits(&world.running), "it is to be planned anew");
    assert_ne!(two.base, crate::tags::version(&AGENT, &world.running.top));
    // Planning may be another thread's work.
    let thread = std::thread::spawn(move || two.fits(&Tree::new(&AGENT)));
    assert!(!thread.join().unwrap());
}

#[test]
fn lmap_trap_28_one_status_and_tag_for_each_fault() {
    let mut world = World::new();
    let nope = format!("{L}/events/event=nope");
    let body = r#"{"ietf-lmap-control:event":[{"name":"nope","startup":[null]}]}"#;
    fails(&world.send(Call::new("DELETE", &nope)), 409, "data-missing");
    fails(
        &world.send(Call::new("PATCH", &nope).json(body)),
        404,
        "invalid-value",
    );
    let twice = Call::new("POST", &format!("{L}/events")).json(&body.replace("nope", "E1"));
    fails(&world.send(twice), 409, "resource-denied");
    let unfit = body.replace("startup", "shutdown");
    fails(&world.send(put(&nope, &unfit)), 400, "unknown-element");
    let foreign = body.replace("ietf-lmap-control", "no-such-module");
    let response = world.send(put(&nope, &foreign));
    assert_eq!(response.status, 400);
    let double = body.replace("[null]", r#"[null],"startup":[null]"#);
    assert_eq!(world.send(put(&nope, &double)).status, 400);
    let must = r#"{"ietf-lmap-control:agent":{"report-agent-id":true}}"#;
    let response = world.send(put(&format!("{L}/agent"), must));
    fails(&response, 412, "operation-failed");
    assert!(text(&response).contains("must-violation"));
}

#[test]
fn lmap_trap_29_old_clients_find_their_way() {
    let mut world = World::new();
    let meta = world.get("/.well-known/host-meta");
    let first = text(&meta).find("<Link ").unwrap();
    assert!(text(&meta)[first..].starts_with("<Link rel='restconf'"));
    // The media types had other names before the RFC; the answer has the final one.
    for (old, new) in [
        ("application/yang.data+json", JSON),
        ("application/yang.data+xml", XML),
    ] {
        let response = world.send(Call::new("GET", L).accept(old));
        assert_eq!(response.header("content-type"), Some(new));
    }
    let body = r#"{"ietf-lmap-control:agent":{"group-id":"g"}}"#;
    let call = Call::new("PUT", &format!("{L}/agent")).body("application/yang.data+json", body);
    assert_eq!(world.send(call).status, 204);
    for library in ["yang-library", "modules-state"] {
        assert_eq!(
            world
                .get(&format!("{D}/ietf-yang-library:{library}"))
                .status,
            200
        );
    }
}

#[test]
fn lmap_trap_31_values_compare_in_canonical_form() {
    let mut world = World::new();
    let leaf = format!("{L}/agent/agent-id");
    let upper = r#"{"ietf-lmap-control:agent-id":"550E8400-E29B-41D4-A716-446655440000"}"#;
    assert_eq!(world.send(put(&leaf, upper)).status, 201);
    let lower = upper.to_lowercase();
    assert_eq!(world.get(&leaf).body, lower.as_bytes());
    let before = world.tag(D);
    assert_eq!(world.send(put(&leaf, &lower)).status, 204);
    assert_eq!(world.tag(D), before);
    assert_eq!(world.commits, 1);
}

#[test]
fn lmap_trap_32_one_revision_of_a_module_is_listed() {
    let mut world = World::new();
    let body = world.json(&format!("{D}/ietf-yang-library:modules-state"));
    let modules = body["ietf-yang-library:modules-state"]["module"]
        .as_array()
        .unwrap()
        .clone();
    let types: Vec<_> = modules
        .iter()
        .filter(|module| module["name"] == "ietf-yang-types")
        .collect();
    assert_eq!(types.len(), 1);
    assert_eq!(types[0]["revision"], "2013-07-15");
    assert_eq!(types[0]["conformance-type"], "import");
}

#[test]
fn lmap_trap_33_paths_of_rules_are_the_same_in_both_encodings() {
    let mut world = World::new();
    let xml = r#"<rule xmlns="urn:ietf:params:xml:ns:yang:ietf-netconf-acm"><name>0</name>
        <path xmlns:x="urn:ietf:params:xml:ns:yang:ietf-lmap-control">/x:lmap/x:agent</path>
        <access-operations>read</access-operations><action>deny</action></rule>"#;
    let list = format!("{D}/ietf-netconf-acm:nacm/rule-list=controllers");
    let call = Call::new("POST", &format!("{list}?insert=first")).body(XML, xml);
    let response = world.send(call);
    assert_eq!(response.status, 201, "{}", text(&response));
    let body = world.json(&format!("{list}/rule=0/path"));
    let shown = body["ietf-netconf-acm:path"].as_str().unwrap();
    assert!(shown.starts_with("/ietf-lmap-control:lmap/"), "{shown}");
    let agent = Call::new("GET", &format!("{L}/agent/group-id"));
    fails(
        &world.send(agent.clone().user("carl")),
        404,
        "invalid-value",
    );
    assert_eq!(world.send(agent).status, 200);
    let path = format!("{list}/rule=0/path");
    let shown = world.send(Call::new("GET", &path).accept(XML));
    assert!(text(&shown).contains("=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\""));
}
