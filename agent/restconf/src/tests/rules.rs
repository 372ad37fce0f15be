//! Paths of access control rules (RFC 8341 §4, `node-instance-identifier`), and what holds when rules change.

use super::*;
use glimpse_yang::read::Reader;
use serde_json::json;

const LIST: &str = "/restconf/data/ietf-netconf-acm:nacm/rule-list=r";

/// A world in which olga and carl, two guests, meet one rule before they may do everything.
fn world(rule: &str) -> World {
    let mut world = World::new();
    let text = format!(
        r#"{{"ietf-netconf-acm:nacm": {{"groups": {{"group": [{{"name": "guests", "user-name": ["olga", "carl", "t"]}}]}},
        "rule-list": [{{"name": "r", "group": ["guests"], "rule": [
            {{"name": "first", {rule}}}, {{"name": "all", "action": "permit"}}]}}]}}}}"#
    );
    let reader = Reader::new(&AGENT, Encoding::Json);
    let nacm = reader.data(text.as_bytes()).unwrap();
    world.running.top.retain(|top| top.node != nacm.top[0].node);
    world.running.push(nacm.top[0].clone());
    world
}

fn task(name: &str) -> Call {
    let body = format!(r#"{{"ietf-lmap-control:task":[{{"name":"{name}"}}]}}"#);
    put(&format!("{L}/tasks/task={name}"), &body)
}

fn rule(path: &str) -> Call {
    let body = json!({"ietf-netconf-acm:rule": [{"name": "new", "path": path, "action": "deny"}]});
    put(&format!("{LIST}/rule=new"), &body.to_string())
}

#[test]
fn a_key_that_a_rule_leaves_out_may_be_any() {
    let library = format!("{D}/ietf-yang-library:modules-state");
    let names = |world: &mut World| -> Vec<String> {
        let body = world.json(&library);
        let list = body["ietf-yang-library:modules-state"]["module"].clone();
        let names = list.as_array().unwrap().iter();
        names
            .map(|module| module["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let all = names(&mut World::new());
    assert!(all.iter().any(|name| name == "ietf-lmap-control"));
    // Of the keys name and revision, one.
    let deny = r#""access-operations": "read", "action": "deny", "path": "/ietf-yang-library:modules-state/module[name='ietf-lmap-control']""#;
    let left = names(&mut world(deny));
    assert_eq!(left.len(), all.len() - 1);
    assert!(!left.iter().any(|name| name == "ietf-lmap-control"));
    let other = deny.replace("[name='ietf-lmap-control']", "[revision='1999-01-01']");
    assert_eq!(names(&mut world(&other)), all);
    let none = deny.replace("[name='ietf-lmap-control']", "");
    let body = world(&none).json(&library);
    assert!(body["ietf-yang-library:modules-state"]["module"].is_null());
}

#[test]
fn a_rule_may_be_about_the_user() {
    let deny = r#""access-operations": "create", "action": "deny", "path": "/ietf-lmap-control:lmap/tasks/task[name=$USER]""#;
    let mut world = world(deny);
    fails(&world.send(task("olga").user("olga")), 403, "access-denied");
    assert_eq!(world.send(task("olga").user("carl")).status, 201);
    fails(&world.send(task("t").user("t")), 403, "access-denied");
    // The variable is in no module, in either encoding.
    let path = format!("{LIST}/rule=first/path");
    let shown = world.json(&path);
    assert_eq!(
        shown["ietf-netconf-acm:path"],
        "/ietf-lmap-control:lmap/tasks/task[name=$USER]"
    );
    let shown = world.send(Call::new("GET", &path).accept(XML));
    let shown = text(&shown).to_owned();
    assert!(shown.contains(":name=$USER]</path>"), "{shown}");
    let back = Call::new("PUT", &path).body(XML, &shown);
    assert_eq!(world.send(back).status, 204);
    assert_eq!(world.commits, 1);
}

#[test]
fn what_a_rule_is_about_can_be_an_entry_of_a_leaf_list_or_everything() {
    let tag = |value: &str| {
        let body = format!(r#"{{"ietf-lmap-control:tag":["{value}"]}}"#);
        put(&format!("{L}/tasks/task=ping/tag={value}"), &body)
    };
    let deny = r#""action": "deny", "access-operations": "create", "path": "/ietf-lmap-control:lmap/tasks/task/tag[.='x']""#;
    let mut entry = world(deny);
    fails(&entry.send(tag("x")), 403, "access-denied");
    assert_eq!(entry.send(tag("y")).status, 201);
    let mut everything = world(r#""action": "deny", "access-operations": "create", "path": "/""#);
    fails(&everything.send(tag("y")), 403, "access-denied");
}

#[test]
fn a_rule_whose_path_cannot_be_read_is_refused() {
    let mut world = world(r#""action": "permit""#);
    for path in [
        "",
        "garbage",
        "/garbage",
        "//ietf-lmap-control:lmap",
        "/ietf-lmap-control:lmap/",
        "/ietf-lmap-control:lmap/nothing",
        "/ietf-lmap-control:lmap/events/event[name=E1]",
        "/ietf-lmap-control:lmap/events/event[name=$OTHER]",
        "/ietf-lmap-control:lmap/events/event[name='E1'",
        "/ietf-lmap-control:lmap/events/event[random-spread='1']",
        "/ietf-lmap-control:lmap/events/event[1]",
        "/ietf-lmap-control:lmap/*",
        "/ietf-yang-types:counter32",
    ] {
        let response = world.send(rule(path));
        fails(&response, 400, "invalid-value");
        let body: Value = serde_json::from_slice(&response.body).unwrap();
        assert_eq!(
            body["ietf-restconf:errors"]["error"][0]["error-path"],
            "/ietf-netconf-acm:nacm/rule-list[name='r']/rule[name='new']/path",
            "{path}"
        );
    }
    assert_eq!(world.send(rule("/no-such-module:x")).status, 400);
    assert_eq!(world.commits, 0);
    for path in [
        "/",
        "/ietf-lmap-control:lmap/schedules/schedule/action",
        "/ietf-lmap-control:lmap/events/event[ name = \"E1\" ]/periodic",
        "/ietf-yang-library:modules-state/module[revision='2017-08-08']",
    ] {
        let response = world.send(rule(path));
        assert!(response.status < 300, "{path}: {}", text(&response));
    }
}

#[test]
fn a_commit_says_whether_it_changes_the_rules() {
    let world = World::new();
    let changes = |call: &Call| match world.plan(call) {
        Plan::Commit(commit) => commit.changes_access(),
        other => panic!("{other:?}"),
    };
    assert!(!changes(&task("other")));
    let defaults = r#"{"ietf-restconf:data":{"ietf-netconf-acm:nacm":{"read-default":"deny"}}}"#;
    assert!(changes(&Call::new("PATCH", D).json(defaults)));
    let group = format!("{D}/ietf-netconf-acm:nacm/groups/group=operator");
    assert!(changes(&Call::new("DELETE", &group)));
}
