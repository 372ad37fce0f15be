#![allow(clippy::unwrap_used, clippy::expect_used)]
// Values of the `json!` macro are made where they are used.
#![allow(clippy::needless_pass_by_value)]

use super::*;
use crate::bench::{Bench, action, at, lmap, methods, tens};
use crate::resolve::Method;
use crate::run::Planned;
use crate::state::snapshot::Snapshot;
use glimpse_model::id::TaskId;
use glimpse_model::instruction::InstructionSet;
use glimpse_model::options::OptionSpec;
use glimpse_yang::table::AGENT;
use glimpse_yang::validate::{Check, validate};
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Part};
use serde_json::{Value, json};

fn about() -> About<'static> {
    About {
        version: "glimpse-agent/0.1.0",
        tags: &[],
        max_schedules: 1000,
        max_parallel: 4,
    }
}

fn simple() -> Value {
    lmap(
        &json!([tens()]),
        &json!([{"name": "s", "start": "tens", "suppression-tag": ["x"], "action": [{"name": "a", "task": "p", "destination": ["s"]}]}]),
        &json!([{"name": "u", "match": ["y"]}]),
    )
}

fn show(bench: &Bench, shown: &Shown) -> Value {
    let tree = bench
        .machine
        .operational(&AGENT, shown, &about(), &bench.now)
        .unwrap();
    let errors = validate(&tree, Check::Reply, None);
    assert!(errors.is_empty(), "{errors:?}");
    let body = Writer::new(&AGENT, Encoding::Json).data(&tree);
    serde_json::from_str::<Value>(&body).unwrap()["ietf-lmap-control:lmap"].clone()
}

#[test]
fn lmap_check_48_storage_is_a_string_and_empty_is_an_array_of_null() {
    let mut lmap = simple();
    lmap["events"]["event"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "now", "immediate": [null]}));
    let mut bench = Bench::new(&lmap);
    bench.play("a", 0);
    let shown = show(&bench, &Shown::default());
    let schedule = &shown["schedules"]["schedule"][0];
    let storage: u64 = schedule["storage"].as_str().unwrap().parse().unwrap();
    assert!(storage > 0 && storage.is_multiple_of(4096), "{storage}");
    assert_eq!(schedule["invocations"], 1);
    assert_eq!(shown["events"]["event"][1]["immediate"], json!([null]));
}

#[test]
fn lmap_trap_04_what_never_ran_has_no_last_run_and_what_ran_has_its_message() {
    let mut bench = Bench::new(&simple());
    let first = show(&bench, &Shown::default())["schedules"]["schedule"][0]["action"][0].clone();
    assert_eq!(first["invocations"], 0);
    for leaf in [
        "last-invocation",
        "last-completion",
        "last-status",
        "last-message",
        "last-failed-status",
    ] {
        assert!(first.get(leaf).is_none(), "{leaf}");
    }
    bench.play("a", 3);
    let tree = bench
        .machine
        .operational(&AGENT, &Shown::default(), &about(), &bench.now)
        .unwrap();
    // Of other modules' state there is nothing here.
    let lmap = tree.top[0].node;
    let mut errors = validate(&tree, Check::Everything, None);
    errors.retain(|error| {
        error
            .path
            .as_ref()
            .is_none_or(|path| path.steps[0].node == lmap)
    });
    assert!(
        errors.is_empty(),
        "once it has failed, all is there: {errors:?}"
    );
    let after = show(&bench, &Shown::default())["schedules"]["schedule"][0]["action"][0].clone();
    assert_eq!(
        (&after["last-status"], &after["last-message"]),
        (&json!(3), &json!("no answer"))
    );
    assert_eq!(after["last-failed-completion"], "2026-12-01T00:00:01+00:00");
}

#[test]
fn configuration_is_what_was_configured() {
    let bench = Bench::new(&simple());
    let tree = bench
        .machine
        .operational(&AGENT, &Shown::default(), &about(), &bench.now)
        .unwrap();
    let configured = crate::bench::tree(&simple());
    let ours = crate::control::Control::read(&tree.content(Part::Config)).unwrap();
    assert_eq!(ours, crate::control::Control::read(&configured).unwrap());
}

#[test]
fn capabilities_tell_methods_with_their_options() {
    let shown = show(&Bench::new(&simple()), &Shown::default());
    let tasks = &shown["capabilities"]["tasks"]["task"];
    assert_eq!(tasks[0]["name"], "ping");
    assert!(
        tasks[0]["function"][0]["uri"]
            .as_str()
            .unwrap()
            .ends_with("Seconds_Raw")
    );
    assert_eq!(tasks[0]["function"][0]["role"], json!(["Src"]));
    assert_eq!(tasks[1]["function"][0]["role"], json!(["client"]));
    assert_eq!(tasks[0]["glimpse-agent:option"][1]["maximum"], "10");
    assert_eq!(tasks[1]["program"], "glimpse-report");
    assert_eq!(shown["agent"]["last-started"], "2026-12-01T00:00:00+00:00");
}

#[test]
fn instructions_of_the_json_door_are_shown_with_their_exact_times() {
    let set = InstructionSet::parse(
        br#"{"schema": 2, "instructions": [
        {"id": "i", "timing": {"periodic": {"interval": 1500, "randomSpread": 2500}},
         "tasks": [{"id": "t", "method": "ping", "options": {"host": "192.0.2.1", "count": 4}}]},
        {"id": "s", "timing": {"ondemand": {}}, "task": {"id": "t", "method": "ping"}}]}"#,
    )
    .unwrap();
    let next = at("2026-12-01T00:00:07.5Z");
    let due = set.instructions.iter().map(|i| (i, Some(next)));
    let shown = Shown::new(due, &methods());
    let mut bench = Bench::new(&simple());
    let planned = Planned {
        task: Some(TaskId::new("t").unwrap()),
        ..Planned::whole(&set.instructions[0], next)
    };
    bench.machine.note_began(&planned, next);
    let tree = show(&bench, &shown);
    let schedules = tree["schedules"]["schedule"].as_array().unwrap();
    assert_eq!(
        schedules.len(),
        2,
        "a name that is configured here stands for that"
    );
    assert_eq!(schedules[0]["glimpse-agent:origin"], "lmap");
    let json = &schedules[1];
    assert_eq!(json["glimpse-agent:origin"], "json");
    assert_eq!(
        json["glimpse-agent:next-start"],
        "2026-12-01T00:00:07.5+00:00"
    );
    assert_eq!(
        (&json["state"], &json["invocations"]),
        (&json!("running"), &json!(1))
    );
    let event = &tree["events"]["event"][1];
    assert_eq!(
        event["periodic"],
        json!({"interval": 2, "glimpse-agent:interval-ms": "1500"})
    );
    assert_eq!(
        (
            &event["random-spread"],
            &event["glimpse-agent:random-spread-ms"]
        ),
        (&json!(3), &json!("2500"))
    );
    let task = tree["tasks"]["task"].as_array().unwrap().last().unwrap();
    assert_eq!(task["name"], "i/t");
    assert_eq!(
        task["option"][0],
        json!({"id": "count", "name": "count", "value": "4"})
    );
    assert!(shown.holds("i") && shown.holds("i/t") && !shown.holds("tens"));
}

#[test]
fn nothing_secret_of_the_json_door_is_shown() {
    const OPTIONS: &[OptionSpec] = &[
        OptionSpec::text("host", 253, "target"),
        OptionSpec::text("token", 1024, "the leave").secret(),
    ];
    let set = InstructionSet::parse(
        br#"{"schema": 2, "instructions": [{"id": "i", "timing": {"ondemand": {}},
        "tasks": [{"id": "t", "method": "btc_ma", "options": {"host": "h.example", "token": "HUSH"}},
                  {"id": "u", "method": "stranger", "options": {"pass": "HUSH"}}]}]}"#,
    )
    .unwrap();
    let mut all = methods();
    all.push(Method {
        name: "btc_ma".to_owned(),
        options: OPTIONS.into(),
        ..all[0].clone()
    });
    let instructions = || set.instructions.iter().map(|i| (i, None));
    let bench = Bench::new(&simple());
    let tree = show(&bench, &Shown::new(instructions(), &all));
    assert!(!tree.to_string().contains("HUSH"), "{tree}");
    let tasks = tree["tasks"]["task"].as_array().unwrap();
    let options = |name: &str| {
        let mut tasks = tasks.iter();
        tasks.find(|task| task["name"] == name).unwrap()["option"].clone()
    };
    assert_eq!(
        options("i/t"),
        json!([{"id": "host", "name": "host", "value": "h.example"}])
    );
    // Which of a stranger's options are secret, nobody knows.
    assert_eq!(options("i/u"), json!([{"id": "pass", "name": "pass"}]));
    // Nor are they where the method is not compiled in.
    let tree = show(&bench, &Shown::new(instructions(), &methods()));
    assert!(!tree.to_string().contains("HUSH"), "{tree}");
}

#[test]
fn snapshots_read_back_and_damaged_ones_do_not_panic() {
    let mut bench = Bench::new(&simple());
    bench.play("a", 3);
    let snapshot = bench.machine.snapshot(true);
    let bytes = snapshot.document();
    assert_eq!(Snapshot::parse(&bytes).unwrap(), snapshot);
    for cut in 0..bytes.len() {
        assert!(Snapshot::parse(&bytes[..cut]).is_err());
    }
    let mut later = snapshot.clone();
    later.schedules.clear();
    assert!(!later.is_urgent_after(&snapshot), "counters may wait");
    later.lost = true;
    assert!(!later.is_urgent_after(&snapshot), "so may this");
}

#[test]
fn more_counters_than_find_room_do_not_cost_the_rest() {
    let bench = Bench::new(&simple());
    let mut snapshot = bench.machine.snapshot(true);
    let mut of = snapshot.schedules["s"].clone();
    let mut action = ActionCounters::default();
    action.ended(bench.now.wall, 1, &"m".repeat(512));
    for i in 0..32 {
        of.actions.insert(format!("a{i}"), action.clone());
    }
    for i in 0..1000 {
        snapshot.schedules.insert(format!("s{i}"), of.clone());
    }
    let read = Snapshot::parse(&snapshot.document()).unwrap();
    assert_eq!(read.marks, snapshot.marks);
    assert!(read.schedules.is_empty());
}

#[test]
fn a_whole_tree_of_a_hundred_schedules_holds_together() {
    let schedules: Vec<Value> = (0..100)
        .map(|i| json!({"name": format!("s{i}"), "start": "tens", "action": [action("a", "p"), action("b", "p")]}))
        .collect();
    let bench = Bench::new(&lmap(&json!([tens()]), &json!(schedules), &json!([])));
    let shown = show(&bench, &Shown::default());
    assert_eq!(
        shown["schedules"]["schedule"].as_array().unwrap().len(),
        100
    );
    assert_eq!(shown["schedules"]["schedule"][99]["state"], "running");
}

#[test]
fn suppressions_that_come_and_go_by_themselves_do_not_wear_the_flash() {
    let minutes = |name: &str, start: &str| json!({"name": name, "periodic": {"interval": 2, "start": start}});
    let mut all = lmap(
        &json!([
            minutes("on", "2026-12-01T00:00:00Z"),
            minutes("off", "2026-12-01T00:00:01Z"),
            {"name": "once", "one-off": {"time": "2026-12-01T00:05:00Z"}},
            {"name": "lost", "controller-lost": [null]},
            {"name": "back", "controller-connected": [null]},
        ]),
        &json!([]),
        &json!([
            {"name": "flickers", "start": "on", "end": "off", "match": ["x"]},
            {"name": "orphan", "start": "lost", "end": "back", "match": ["x"]},
            {"name": "lasts", "start": "once", "end": "off", "match": ["y"]},
        ]),
    );
    all["agent"] = json!({"controller-timeout": 1});
    let mut bench = Bench::new(&all);
    let mut written = bench.machine.snapshot(false);
    let mut writes = Vec::new();
    for second in 1..=600 {
        bench.pass(1);
        if second % 2 == 0 {
            bench.machine.contact(&bench.now);
            bench.take();
        }
        let snapshot = bench.machine.snapshot(false);
        if snapshot.is_urgent_after(&written) {
            writes.push(second);
            written = Snapshot::parse(&snapshot.document()).unwrap();
        }
    }
    // The first end of what had not begun; the one-off with what it started, and what the next second ended.
    assert_eq!(writes, [1, 300, 301]);
}
