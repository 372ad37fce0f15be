//! What may not be written is not tried: no edit without effect, nothing learnt from its outcome.

use super::*;
use crate::access::Rules;
use glimpse_yang::tree::is_hollow;
use serde_json::json;

const PATCH: &str = "application/yang-patch+json";
const NACM: &str = "/restconf/data/ietf-netconf-acm:nacm";

fn patch(path: &str, edits: &str) -> Call {
    let body = format!(r#"{{"ietf-yang-patch:yang-patch":{{"patch-id":"p","edit":[{edits}]}}}}"#);
    Call::new("PATCH", path).body(PATCH, &body)
}

#[test]
fn who_only_reads_commits_nothing() {
    let mut world = World::new();
    let suppressions = format!("{L}/suppressions");
    let empty = r#"{"ietf-lmap-control:suppressions":{}}"#;
    let before = world.tag(D);
    let merge = r#"{"edit-id":"1","operation":"merge","target":"/suppressions","value":{"ietf-lmap-control:suppressions":{}}}"#;
    for call in [
        put(&suppressions, empty),
        Call::new("DELETE", &suppressions),
        Call::new("DELETE", L),
        Call::new("POST", L).json(empty),
        Call::new("PATCH", L).json(r#"{"ietf-lmap-control:lmap":{}}"#),
        Call::new("PATCH", D)
            .json(r#"{"ietf-restconf:data":{"ietf-lmap-control:lmap":{"suppressions":{}}}}"#),
        Call::new("PATCH", D).json(r#"{"ietf-restconf:data":{}}"#),
        patch(L, ""),
        patch(L, merge),
        // Not even the body is read.
        put(&suppressions, "{"),
        patch(L, "}"),
    ] {
        let response = world.send(call.clone().user("stranger"));
        fails(&response, 403, "access-denied");
        assert_eq!(world.commits, 0, "{call:?}", call = call.path);
    }
    assert_eq!(world.tag(D), before);
}

#[test]
fn containers_that_hold_nothing_are_not_there() {
    let mut world = World::new();
    let (before, running) = (world.tag(D), world.running.clone());
    let suppressions = format!("{L}/suppressions");
    let empty = r#"{"ietf-lmap-control:suppressions":{}}"#;
    assert_eq!(world.send(put(&suppressions, empty)).status, 204);
    let body = r#"{"ietf-restconf:data":{"ietf-lmap-control:lmap":{"suppressions":{}}}}"#;
    assert_eq!(world.send(Call::new("PATCH", D).json(body)).status, 204);
    assert_eq!((world.commits, &world.tag(D)), (0, &before));
    // What comes and goes leaves nothing behind.
    let quiet = r#"{"ietf-lmap-control:suppression":[{"name":"q"}]}"#;
    let path = format!("{suppressions}/suppression=q");
    assert_eq!(world.send(put(&path, quiet)).status, 201);
    assert_ne!(world.tag(D), before);
    assert_eq!(world.send(Call::new("DELETE", &path)).status, 204);
    assert_eq!(world.tag(D), before);
    assert_eq!(world.running, running);
    // What an older version left counts for nothing, and goes by the way.
    let mut node = DataPath::from_uri(&AGENT, "ietf-lmap-control:lmap/suppressions").unwrap();
    let hollow = glimpse_yang::Instance::container(node.node());
    node.steps.pop();
    world.running.find_mut(&node).unwrap().push(&AGENT, hollow);
    assert_eq!(world.tag(D), before);
    let group = r#"{"ietf-lmap-control:group-id":"other"}"#;
    let call = put(&format!("{L}/agent/group-id"), group);
    let Plan::Commit(commit) = world.plan(&call) else {
        panic!("it changes something");
    };
    assert_eq!(commit.changes.len(), 1);
    let lmap = commit.tree.find(&node).unwrap();
    assert!(!lmap.children().iter().any(|child| is_hollow(&AGENT, child)));
}

#[test]
fn a_right_below_the_target_is_enough() {
    let mut world = World::new();
    let text = r#"{"ietf-netconf-acm:nacm": {"groups": {"group": [{"name": "g", "user-name": ["lena"]}]}, "rule-list": [
        {"name": "r", "group": ["g"], "rule": [
        {"name": "no", "path": "/ietf-lmap-control:lmap/schedules/schedule[name='S1']", "action": "deny"},
        {"name": "id", "path": "/ietf-lmap-control:lmap/agent/group-id", "access-operations": "update", "action": "permit"},
        {"name": "one", "path": "/ietf-lmap-control:lmap/schedules/schedule[name='S2']/start", "access-operations": "update", "action": "permit"}]}]}}"#;
    let reader = Reader::new(&AGENT, Encoding::Json);
    let rules = Rules::from_tree(&reader.data(text.as_bytes()).unwrap());
    let lena = User {
        name: "lena".to_owned(),
        ..User::default()
    };
    let rights = rules.of(&AGENT, &lena);
    let writes = |path: &str| {
        let path = DataPath::from_uri(&AGENT, path).unwrap();
        rights.writes(&path.steps)
    };
    for (path, expected) in [
        ("", true),
        ("ietf-lmap-control:lmap", true),
        ("ietf-lmap-control:lmap/agent", true),
        ("ietf-lmap-control:lmap/agent/group-id", true),
        ("ietf-lmap-control:lmap/agent/measurement-point", false),
        ("ietf-lmap-control:lmap/schedules", true),
        ("ietf-lmap-control:lmap/schedules/schedule=S1", false),
        ("ietf-lmap-control:lmap/schedules/schedule=S2", true),
        ("ietf-lmap-control:lmap/schedules/schedule=S3", false),
        ("ietf-lmap-control:lmap/events", false),
        ("ietf-netconf-acm:nacm", false),
    ] {
        assert_eq!(writes(path), expected, "{path}");
    }
    let nacm = reader.data(text.as_bytes()).unwrap();
    world.running.top.retain(|top| top.node != nacm.top[0].node);
    world.running.push(nacm.top[0].clone());
    let body = r#"{"ietf-restconf:data":{"ietf-lmap-control:lmap":{"agent":{"group-id":"new"}}}}"#;
    let edit = Call::new("PATCH", D).json(body).user("lena");
    assert_eq!(world.send(edit).status, 204);
    assert_eq!(world.commits, 1);
}

/// carl writes `/lmap` and does not see `/nacm`.
#[test]
fn the_outcome_of_an_edit_tells_nothing_of_what_is_hidden() {
    let mut world = World::new();
    let group = |name: &str, user: &str| {
        format!(r#"{{"groups":{{"group":[{{"name":"{name}","user-name":["{user}"]}}]}}}}"#)
    };
    let mut answers: Vec<Vec<u8>> = Vec::new();
    let mut ask = |world: &mut World, call: Call| {
        let response = world.send(call.user("carl"));
        assert_eq!(response.status, 403, "{}", text(&response));
        answers.push(response.body);
    };
    // As it is, as it is not, and not there.
    for inside in [
        group("operator", "olga"),
        group("operator", "mia"),
        group("no", "olga"),
    ] {
        let body = format!(r#"{{"ietf-restconf:data":{{"ietf-netconf-acm:nacm":{inside}}}}}"#);
        ask(&mut world, Call::new("PATCH", D).json(&body));
        let body = format!(r#"{{"ietf-netconf-acm:nacm":{inside}}}"#);
        ask(&mut world, Call::new("POST", D).json(&body));
        ask(&mut world, Call::new("PATCH", NACM).json(&body));
        ask(&mut world, put(NACM, &body));
    }
    let empty = r#"{"ietf-netconf-acm:nacm":{}}"#;
    ask(&mut world, Call::new("POST", D).json(empty));
    ask(&mut world, Call::new("PATCH", NACM).json(empty));
    for name in ["operator", "no"] {
        ask(
            &mut world,
            Call::new("DELETE", &format!("{NACM}/groups/group={name}")),
        );
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    let mut answers: Vec<Vec<u8>> = Vec::new();
    for (name, user) in [("operator", "olga"), ("operator", "mia"), ("no", "olga")] {
        let value = json!({"ietf-netconf-acm:group": [{"name": name, "user-name": [user]}]});
        let target = format!("/ietf-netconf-acm:nacm/groups/group={name}");
        for operation in ["create", "merge", "replace", "delete", "remove"] {
            let mut edit = json!({"edit-id": "1", "operation": operation, "target": target});
            if !matches!(operation, "delete" | "remove") {
                edit["value"] = value.clone();
            }
            let response = world.send(patch(D, &edit.to_string()).user("carl"));
            assert_eq!(response.status, 403, "{operation} {name}");
            answers.push(response.body);
        }
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]));
    assert_eq!(world.commits, 0);
    // What he may write he may.
    let body = r#"{"ietf-restconf:data":{"ietf-lmap-control:lmap":{"agent":{"group-id":"c"}}}}"#;
    let own = Call::new("PATCH", D).json(body).user("carl");
    assert_eq!(world.send(own).status, 204);
}

#[test]
fn a_patch_has_so_many_edits_and_no_more() {
    let mut world = World::new();
    let edits = |count: usize| {
        let edit = |number: usize| {
            format!(
                r#"{{"edit-id":"{number}","operation":"merge","target":"/tasks/task=n{number}","value":{{"ietf-lmap-control:task":[{{"name":"n{number}"}}]}}}}"#
            )
        };
        (0..count).map(edit).collect::<Vec<_>>().join(",")
    };
    let response = world.send(patch(L, &edits(257)));
    assert_eq!(response.status, 413, "{}", text(&response));
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let status = &body["ietf-yang-patch:yang-patch-status"];
    assert_eq!(status["errors"]["error"][0]["error-tag"], "too-big");
    assert_eq!(world.commits, 0);
    assert_eq!(world.send(patch(L, &edits(256))).status, 200);
    assert_eq!(world.commits, 1);
}

#[test]
fn a_denied_result_is_told_with_its_edit() {
    let mut world = World::new();
    let edits = r#"
        {"edit-id":"fine","operation":"merge","target":"/agent","value":{"ietf-lmap-control:agent":{"group-id":"x"}}},
        {"edit-id":"bad","operation":"merge","target":"/tasks","value":{"ietf-lmap-control:tasks":{"task":[{"name":"ping","program":"/bin/sh"}]}}},
        {"edit-id":"later","operation":"remove","target":"/events/event=a%2Fb"}"#;
    let response = world.send(patch(L, edits).user("carl"));
    assert_eq!(response.status, 403);
    let body: Value = serde_json::from_slice(&response.body).unwrap();
    let edit = &body["ietf-yang-patch:yang-patch-status"]["edit-status"]["edit"];
    assert_eq!(edit.as_array().unwrap().len(), 1);
    assert_eq!(edit[0]["edit-id"], "bad");
    assert_eq!(
        edit[0]["errors"]["error"][0]["error-path"],
        "/ietf-lmap-control:lmap/tasks/task[name='ping']/program"
    );
    assert_eq!(world.counters.data_writes, 1);
    assert_eq!(world.commits, 0);
}
