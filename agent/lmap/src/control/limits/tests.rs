#![allow(clippy::unwrap_used)]
// Values of the `json!` macro are made where they are used.
#![allow(clippy::needless_pass_by_value)]

use super::*;
use crate::bench::{action, lmap, tens, tree};
use glimpse_yang::table::AGENT;
use serde_json::{Value, json};

/// What is said of it: tag, app-tag and path; nothing where it is taken.
fn refusal(lmap: &Value) -> String {
    let Err(error) = Control::read(&tree(lmap)) else {
        return String::new();
    };
    let path = error.path.unwrap().json(&AGENT);
    let below = path.strip_prefix("/ietf-lmap-control:lmap/").unwrap();
    let app_tag = error.app_tag.unwrap_or_default();
    format!("{} {app_tag} {below}", error.tag.as_str())
}

/// A configuration with one schedule of `actions`.
fn acting(actions: &Value) -> Value {
    lmap(
        &json!([tens()]),
        &json!([{"name": "s", "start": "tens", "action": actions}]),
        &json!([]),
    )
}

fn many(path: &str) -> String {
    format!("operation-failed too-many-elements {path}")
}

fn long(path: &str) -> String {
    format!("invalid-value  {path}")
}

#[test]
fn each_list_has_its_bound() {
    let names = |count: usize| -> Vec<Value> {
        (0..count).map(|n| json!({"name": n.to_string()})).collect()
    };
    for (above, list) in [
        ("tasks", "task"),
        ("suppressions", "suppression"),
        ("events", "event"),
    ] {
        let of = |count| json!({above: {list: names(count)}});
        assert_eq!(refusal(&of(MAX_ENTRIES)), "", "{list}");
        assert_eq!(
            refusal(&of(MAX_ENTRIES + 1)),
            many(&format!("{above}/{list}"))
        );
    }
    let schedules = |count: usize| -> Vec<Value> {
        (0..count)
            .map(|n| json!({"name": n.to_string(), "start": "tens"}))
            .collect()
    };
    let of = |count| lmap(&json!([tens()]), &json!(schedules(count)), &json!([]));
    assert_eq!(refusal(&of(1000)), "");
    assert_eq!(refusal(&of(1001)), many("schedules/schedule"));
}

#[test]
fn schedules_suppressions_and_tasks_have_bounds_inside() {
    let actions =
        |count: usize| -> Value { (0..count).map(|n| action(&n.to_string(), "p")).collect() };
    assert_eq!(refusal(&acting(&actions(32))), "");
    assert_eq!(
        refusal(&acting(&actions(33))),
        many("schedules/schedule[name='s']/action")
    );
    let words = |count: usize| -> Vec<String> { (0..count).map(|n| n.to_string()).collect() };
    let globs = |count| {
        lmap(
            &json!([]),
            &json!([]),
            &json!([{"name": "u", "match": words(count)}]),
        )
    };
    assert_eq!(refusal(&globs(64)), "");
    assert_eq!(
        refusal(&globs(65)),
        many("suppressions/suppression[name='u']/match")
    );
    for list in ["tag", "suppression-tag"] {
        let mut one = action("a", "p");
        one[list] = json!(words(65));
        let path = format!("schedules/schedule[name='s']/action[name='a']/{list}");
        assert_eq!(refusal(&acting(&json!([one]))), many(&path));
    }
    let options: Vec<Value> = words(1001).iter().map(|id| json!({"id": id})).collect();
    let task = |options: &[Value]| json!({"tasks": {"task": [{"name": "t", "option": options}]}});
    assert_eq!(refusal(&task(&options[..1000])), "");
    assert_eq!(
        refusal(&task(&options)),
        many("tasks/task[name='t']/option")
    );
}

#[test]
fn texts_have_bounds() {
    let value = |length: usize| json!([{"id": "i", "name": "host", "value": "x".repeat(length)}]);
    let task = |options: Value| json!({"tasks": {"task": [{"name": "t", "option": options}]}});
    assert_eq!(refusal(&task(value(4096))), "");
    assert_eq!(
        refusal(&task(value(4097))),
        long("tasks/task[name='t']/option[id='i']/value")
    );
    let mut one = action("a", "p");
    one["option"] = value(4097);
    assert_eq!(
        refusal(&acting(&json!([one]))),
        long("schedules/schedule[name='s']/action[name='a']/option[id='i']/value")
    );
    // In bytes, not characters.
    let name = |count: usize| json!({"events": {"event": [{"name": "ü".repeat(count)}]}});
    assert_eq!(refusal(&name(512)), "");
    assert_eq!(refusal(&name(513)), long("events/event"));
    let tag =
        |length: usize| json!({"tasks": {"task": [{"name": "t", "tag": ["t".repeat(length)]}]}});
    assert_eq!(refusal(&tag(1024)), "");
    assert_eq!(refusal(&tag(1025)), long("tasks/task[name='t']/tag"));
    let group = json!({"agent": {"group-id": "g".repeat(1025)}});
    assert_eq!(refusal(&group), long("agent/group-id"));
}

#[test]
fn a_hundred_actions_a_second_are_started_at_most() {
    let schedules = |actions: usize, count: usize| -> Vec<Value> {
        let actions: Vec<Value> = (0..actions)
            .map(|n| action(&format!("a{n}"), "p"))
            .collect();
        (0..count)
            .map(|n| json!({"name": format!("s{n}"), "start": "tens", "action": actions}))
            .collect()
    };
    let often = |event: Value, schedules: &[Value]| {
        refusal(&lmap(&json!([event]), &json!(schedules), &json!([])))
    };
    let denied = |n: usize| {
        format!("operation-failed too-many-actions schedules/schedule[name='s{n}']/start")
    };
    assert_eq!(often(tens(), &schedules(1, 1000)), "");
    assert_eq!(often(tens(), &schedules(32, 31)), "");
    assert_eq!(often(tens(), &schedules(32, 32)), denied(31));
    let each_second = json!({"name": "tens", "periodic": {"interval": 1}});
    assert_eq!(often(each_second, &schedules(10, 11)), denied(10));
    let at_once = json!({"name": "tens", "immediate": [null]});
    assert_eq!(often(at_once, &schedules(6, 1000)), "");
    let any = |second: Value| {
        json!({"name": "tens", "calendar": {
            "month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"],
            "hour": ["*"], "minute": ["*"], "second": [second],
        }})
    };
    assert_eq!(often(any(json!(0)), &schedules(6, 1000)), "");
    assert_eq!(often(any(json!("*")), &schedules(1, 101)), denied(100));
}
