#![allow(clippy::unwrap_used, clippy::expect_used)]
// Values of the `json!` macro are made where they are used.
#![allow(clippy::needless_pass_by_value)]

mod bounds;
mod flow;
mod late;
mod reporting;
mod traps;

use super::*;
use crate::bench::{Bench, action, at, lmap, tens};
use serde_json::json;

fn one(schedule: Value) -> Value {
    lmap(&json!([tens()]), &json!([schedule]), &json!([]))
}

/// A schedule with one action every ten seconds.
fn simple() -> Value {
    json!({"name": "s", "start": "tens", "suppression-tag": ["m/light"], "action": [action("a", "p")]})
}

fn sequence() -> Value {
    json!({"name": "s", "start": "tens", "execution-mode": "sequential", "suppression-tag": ["m/light"],
        "action": [action("a", "p"), action("b", "p"), action("c", "p")]})
}

fn one_off(name: &str, time: &str) -> Value {
    json!({"name": name, "one-off": {"time": time}})
}

#[test]
fn lmap_check_49_without_a_mode_the_output_of_one_action_is_the_input_of_the_next() {
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "action": [action("a", "p"), action("b", "p")]}),
    ));
    assert_eq!(bench.names(), ["s/a"]);
    assert!(bench.last("a").input.is_empty());
    bench.play("a", 0);
    let input = bench.last("b").input;
    assert_eq!(input.len(), 1);
    assert_eq!((input[0].action.as_str(), input[0].status), ("a", 0));
    bench.play("b", 0);
    assert_eq!(bench.counts("s"), [1, 0, 0, 0]);
    assert_eq!(bench.state("s"), "enabled");
}

#[test]
fn lmap_check_50_a_trigger_while_it_runs_is_an_overlap() {
    let mut bench = Bench::new(&one(simple()));
    let run = bench.begin("a");
    bench.pass(10);
    assert_eq!(bench.counts("s"), [1, 0, 1, 0]);
    assert_eq!(bench.names(), ["s/a"]);
    bench.end(run, 0);
    bench.pass(10);
    assert_eq!(bench.names(), ["s/a", "s/a"]);
    let skipped = bench.log.iter().any(
        |(_, step)| matches!(step, Step::Skipped(skipped) if skipped.reason == SkipReason::Overlap),
    );
    assert!(skipped, "a skip is a record");
}

/// Suppression from second 5 to 25.
fn suppressed(schedule: Value, stop_running: bool) -> Value {
    lmap(
        &json!([
            tens(),
            one_off("from", "2026-12-01T00:00:05Z"),
            one_off("to", "2026-12-01T00:00:25Z")
        ]),
        &json!([schedule]),
        &json!([{"name": "u", "start": "from", "end": "to", "match": ["m/*"], "stop-running": stop_running}]),
    )
}

#[test]
fn lmap_check_51_a_suppressed_trigger_is_counted_and_not_made_up_for() {
    let mut bench = Bench::new(&suppressed(simple(), false));
    bench.play("a", 0);
    bench.pass(19);
    assert_eq!(bench.state("s"), "suppressed");
    assert_eq!(bench.counts("s"), [1, 2, 0, 0]);
    assert_eq!(bench.action_counts("s", "a"), [1, 2, 0, 0]);
    bench.pass(9);
    assert_eq!(bench.state("s"), "enabled");
    assert_eq!(bench.started().len(), 1, "no catching up");
    bench.pass(2);
    assert_eq!(bench.started().last().unwrap().1, 30);
}

#[test]
fn lmap_check_52_stop_running_is_tested_by_its_value() {
    let mut bench = Bench::new(&suppressed(sequence(), false));
    let run = bench.begin("a");
    bench.pass(6);
    assert_eq!(bench.stops(), []);
    bench.end(run, 0);
    bench.play("b", 0);
    bench.play("c", 0);
    assert_eq!(bench.names(), ["s/a", "s/b", "s/c"]);
    assert_eq!(bench.counts("s"), [1, 0, 0, 0]);

    let mut bench = Bench::new(&suppressed(sequence(), true));
    let run = bench.begin("a");
    bench.pass(6);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.end(run, 0);
    assert_eq!(
        bench.names(),
        ["s/a"],
        "the rest of the sequence is not started"
    );
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    let kept = bench
        .log
        .iter()
        .any(|(_, step)| matches!(step, Step::Keep(..)));
    assert!(!kept, "partial data is thrown away");
}

#[test]
fn lmap_check_53_after_a_stopping_suppression_all_actions_run_again() {
    let mut bench = Bench::new(&suppressed(sequence(), true));
    let run = bench.begin("a");
    bench.pass(6);
    bench.end(run, -15);
    bench.pass(24);
    for name in ["a", "b", "c"] {
        bench.play(name, 0);
    }
    assert_eq!(bench.names(), ["s/a", "s/a", "s/b", "s/c"]);
    assert_eq!(bench.state("s"), "enabled");
}

#[test]
fn lmap_check_54_suppressed_while_one_of_two_holds() {
    let mut bench = Bench::new(&lmap(
        &json!([
            tens(),
            one_off("a0", "2026-12-01T00:00:02Z"),
            one_off("a1", "2026-12-01T00:00:12Z"),
            one_off("b0", "2026-12-01T00:00:04Z"),
            one_off("b1", "2026-12-01T00:00:22Z"),
        ]),
        &json!([simple()]),
        &json!([
            {"name": "a", "start": "a0", "end": "a1", "match": ["m/*"]},
            {"name": "b", "start": "b0", "end": "b1", "match": ["*light"]},
        ]),
    ));
    bench.play("a", 0);
    bench.pass(12);
    assert_eq!(bench.state("s"), "suppressed");
    bench.pass(8);
    assert_eq!(bench.counts("s"), [1, 2, 0, 0]);
    bench.pass(9);
    assert_eq!(bench.counts("s"), [2 - 1, 2, 0, 0]);
    assert_eq!(bench.started().len(), 2);
}

#[test]
fn lmap_check_55_a_suppression_without_a_start_holds_at_once() {
    let all = |suppressions: Value| lmap(&json!([tens()]), &json!([simple()]), &suppressions);
    let held = all(json!([{"name": "u", "match": ["m/?????"]}]));
    let mut bench = Bench::new(&held);
    bench.pass(10);
    assert_eq!(bench.counts("s"), [0, 2, 0, 0]);
    // Until it is removed; one that matches nothing does nothing.
    bench.configure(&all(json!([{"name": "u"}])));
    bench.pass(10);
    assert_eq!(bench.names(), ["s/a"]);
}

#[test]
fn lmap_check_57_a_one_off_fires_once_in_the_future_and_never_again() {
    let with = |time: &str| {
        lmap(
            &json!([one_off("o", time)]),
            &json!([{"name": "s", "start": "o", "action": [action("a", "p")]}]),
            &json!([]),
        )
    };
    let soon = with("2026-12-01T00:00:05Z");
    let mut bench = Bench::new(&soon);
    assert_eq!(bench.state("s"), "enabled");
    bench.pass(4);
    assert!(bench.started().is_empty());
    bench.pass(60);
    assert_eq!(bench.started(), [("s/a".to_owned(), 5)]);
    for clean in [true, false] {
        let mut again = bench.restart(&soon, clean, "2026-12-01T00:00:30Z");
        again.pass(100);
        assert!(again.started().is_empty(), "never again after a restart");
    }
    let mut past = Bench::new(&with("2026-11-30T23:59:59Z"));
    past.pass(100);
    assert!(past.started().is_empty(), "in the past: never");
    assert_eq!(past.state("s"), "disabled");
}

#[test]
fn lmap_check_59_immediate_fires_when_configured_and_startup_when_started() {
    let both = lmap(
        &json!([{"name": "now", "immediate": [null]}, {"name": "boot", "startup": [null]}]),
        &json!([
            {"name": "i", "start": "now", "action": [action("a", "p")]},
            {"name": "b", "start": "boot", "action": [action("a", "p")]},
        ]),
        &json!([]),
    );
    let empty = lmap(&json!([]), &json!([]), &json!([]));
    let mut bench = Bench::new(&empty);
    bench.configure(&both);
    assert_eq!(bench.names(), ["i/a"], "startup waits for a start");
    bench.configure(&both);
    assert_eq!(
        bench.names(),
        ["i/a"],
        "the same content again does nothing"
    );
    let again = bench.restart(&both, false, "2026-12-01T01:00:00Z");
    assert_eq!(
        again.names(),
        ["b/a"],
        "immediate is over, the agent has started"
    );
    // Whoever points at it anew gets it, and nobody else.
    let mut more = both.clone();
    more["schedules"]["schedule"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "new", "start": "now", "action": [action("a", "p")]}));
    bench.configure(&more);
    assert_eq!(bench.names(), ["i/a", "new/a"]);
}

fn guarded() -> Value {
    let mut lmap = lmap(
        &json!([tens(), {"name": "lost", "controller-lost": [null]}, {"name": "back", "controller-connected": [null]}]),
        &json!([simple(), {"name": "l", "start": "lost", "action": [action("a", "p")]},
            {"name": "c", "start": "back", "action": [action("a", "p")]}]),
        &json!([{"name": "orphan", "start": "lost", "end": "back", "match": ["m/*"]}]),
    );
    lmap["agent"] = json!({"controller-timeout": 15});
    lmap
}

#[test]
fn lmap_check_60_the_controller_is_lost_once_and_found_once() {
    let mut bench = Bench::new(&guarded());
    bench.play("a", 0);
    bench.pass(4);
    bench.machine.contact(&bench.now);
    bench.pass(5);
    bench.play("a", 0);
    bench.pass(8);
    assert!(
        bench.names().iter().all(|name| name != "l/a"),
        "heard meanwhile"
    );
    bench.pass(1);
    let run = bench
        .starts()
        .filter(|(_, start)| start.schedule == "l")
        .last()
        .unwrap()
        .1
        .run;
    bench.end(run, 0);
    bench.pass(59);
    let lost: Vec<i64> = bench
        .started()
        .iter()
        .filter(|(n, _)| n == "l/a")
        .map(|(_, t)| *t)
        .collect();
    assert_eq!(lost, [20]);
    assert_eq!(bench.state("s"), "suppressed");
    for _ in 0..3 {
        bench.machine.contact(&bench.now);
        bench.take();
    }
    let found = bench.names().iter().filter(|name| *name == "c/a").count();
    assert_eq!(found, 1);
    assert_ne!(bench.state("s"), "suppressed");
}

#[test]
fn lmap_check_61_a_run_is_stopped_after_its_duration() {
    let mut bench = Bench::new(&one(json!({"name": "s", "start": "tens", "duration": 5,
        "execution-mode": "sequential", "action": [
            {"name": "a", "task": "p", "destination": ["s"]}, action("b", "p")]})));
    let run = bench.begin("a");
    bench.pass(5);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.pass(1);
    // It yields what it has.
    bench.end(run, 0);
    assert_eq!(bench.action_counts("s", "a"), [1, 0, 0, 1]);
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    let counters = bench.machine.counters("s").unwrap();
    assert_eq!(counters.actions["a"].last.as_ref().unwrap().status, -15);
    assert_eq!(bench.names(), ["s/a"], "the rest is not started");
    let kept = bench.log.iter().find_map(|(_, step)| match step {
        Step::Keep(output, _) => Some(output.status),
        _ => None,
    });
    assert_eq!(kept, Some(-15), "partial data with a negative status");
}

#[test]
fn lmap_check_62_an_edit_of_another_schedule_disturbs_nothing() {
    let mut bench = Bench::new(&one(simple()));
    let run = bench.begin("a");
    bench.end(run, 3);
    bench.pass(10);
    let run = bench.begin("a");
    let before = bench.counts("s");
    let other = json!({"name": "other", "start": "tens", "action": [action("a", "p")]});
    bench.configure(&lmap(
        &json!([tens()]),
        &json!([other, simple()]),
        &json!([]),
    ));
    bench.configure(&one(simple()));
    assert_eq!(bench.stops(), []);
    assert_eq!(bench.counts("s"), before);
    assert_eq!(bench.state("s"), "running");
    bench.end(run, 0);
    assert_eq!(bench.counts("s"), [2, 0, 0, 1]);
}

#[test]
fn an_edit_of_a_running_schedule_lets_it_finish_as_it_was_and_its_removal_ends_it() {
    let mut bench = Bench::new(&one(sequence()));
    let run = bench.begin("a");
    let mut changed = sequence();
    changed["action"] = json!([action("z", "p")]);
    bench.configure(&one(changed.clone()));
    bench.end(run, 0);
    bench.play("b", 0);
    bench.play("c", 0);
    bench.pass(10);
    assert_eq!(bench.names(), ["s/a", "s/b", "s/c", "s/z"]);
    let run = bench.begin("z");
    bench.configure(&lmap(&json!([tens()]), &json!([]), &json!([])));
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.pass(11);
    assert_eq!(bench.stops(), [(run, End::Graceful), (run, End::Hard)]);
    bench.end(run, -9);
    assert!(bench.machine.wake_at(&bench.now).is_none());
}

#[test]
fn lmap_check_63_a_failed_action_is_counted_told_and_reported() {
    let mut bench = Bench::new(&one(json!({"name": "s", "start": "tens", "action": [
        {"name": "a", "task": "p", "destination": ["s"]}]})));
    bench.play("a", 3);
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    assert_eq!(bench.action_counts("s", "a"), [1, 0, 0, 1]);
    let of = bench.machine.counters("s").unwrap().actions["a"].clone();
    assert_eq!(of.last.as_ref().unwrap().status, 3);
    assert_eq!(of.last_failed, of.last);
    assert_eq!(of.last.unwrap().message, "no answer");
    let kept = bench
        .log
        .iter()
        .any(|(_, step)| matches!(step, Step::Keep(output, _) if output.status == 3));
    assert!(kept);
    // A success leaves the memory of the failure.
    bench.pass(9);
    bench.play("a", 0);
    let of = &bench.machine.counters("s").unwrap().actions["a"];
    assert_eq!(of.last.as_ref().unwrap().status, 0);
    assert_eq!(of.last_failed.as_ref().unwrap().status, 3);
}

#[test]
fn lmap_check_65_every_action_of_a_parallel_destination_sees_all_data() {
    let mut bench = Bench::new(&lmap(
        &json!([tens(), one_off("later", "2026-12-01T00:00:05Z")]),
        &json!([
            {"name": "s", "start": "tens", "execution-mode": "parallel", "action": [
                {"name": "a", "task": "p", "destination": ["d"]}, {"name": "b", "task": "p", "destination": ["d"]}]},
            {"name": "d", "start": "later", "execution-mode": "parallel", "action": [action("x", "p"), action("y", "p")]},
        ]),
        &json!([]),
    ));
    assert_eq!(bench.names(), ["s/a", "s/b"], "at once");
    let (a, b) = (bench.begin("a"), bench.begin("b"));
    bench.end(a, 0);
    let kept = |bench: &Bench| {
        bench
            .log
            .iter()
            .filter(|(_, s)| matches!(s, Step::Keep(..)))
            .count()
    };
    assert_eq!(kept(&bench), 0, "what a run yields is handed over together");
    bench.end(b, 0);
    assert_eq!(kept(&bench), 2);
    bench.pass(5);
    for name in ["x", "y"] {
        assert_eq!(bench.last(name).input.len(), 2, "{name}");
    }
    bench.play("x", 0);
    bench.play("y", 0);
    let forgotten = bench
        .log
        .iter()
        .filter(|(_, s)| matches!(s, Step::Forget(_)))
        .count();
    assert_eq!(forgotten, 2);
}

#[test]
fn lmap_check_69_option_values_reach_the_method_literally() {
    let mut schedule = simple();
    schedule["action"][0]["option"] = json!([
        {"id": "1", "name": "host", "value": "; reboot $(x) `y` \"z\""}, {"id": "2", "name": "count", "value": "7"},
        {"id": "3", "name": "quick"}]);
    let bench = Bench::new(&one(schedule));
    let options = bench.last("a").options;
    assert_eq!(options["host"], "; reboot $(x) `y` \"z\"");
    assert_eq!(
        (&options["count"], &options["quick"]),
        (&json!(7), &json!(true))
    );
}

#[test]
fn what_cannot_be_resolved_fails_when_it_runs_and_says_why() {
    let task = |changes: Value| {
        let mut schedule = simple();
        schedule["action"][0]
            .as_object_mut()
            .unwrap()
            .extend(changes.as_object().unwrap().clone());
        let mut bench = Bench::new(&one(schedule));
        bench.pass(0);
        let of = bench.machine.counters("s").unwrap();
        assert_eq!((of.invocations, of.failures), (1, 1));
        assert_eq!(bench.state("s"), "enabled");
        let last = of.actions["a"].last.clone().unwrap();
        (last.status, last.message)
    };
    for (changes, status, said) in [
        (json!({"task": "x"}), 127, "is not a method of this agent"),
        (
            json!({"option": [{"id": "1", "name": "limit", "value": "1"}]}),
            126,
            "limit: is not an option here",
        ),
        (
            json!({"option": [{"id": "1", "name": "count", "value": "99"}]}),
            126,
            "count: must be <= 10",
        ),
        (
            json!({"option": [{"id": "1", "name": "count", "value": "1"}, {"id": "2", "name": "count", "value": "2"}]}),
            126,
            "twice",
        ),
        (
            json!({"parameters": {"glimpse-agent:ping": {"host": "192.0.2.2"}}}),
            126,
            "both a parameter and an option",
        ),
        (
            json!({"parameters": {"glimpse-agent:wifi": {}}}),
            126,
            "the task runs ping",
        ),
    ] {
        let (got, message) = task(changes);
        assert_eq!(got, status, "{message}");
        assert!(message.contains(said), "{message}");
    }
}

#[test]
fn what_the_household_does_not_allow_counts_as_a_suppression() {
    let mut bench = Bench::new(&one(simple()));
    let run = bench.last("a").run;
    bench
        .machine
        .denied(run, SkipReason::QuietHours, "quiet", &bench.now);
    bench.take();
    assert_eq!(bench.counts("s"), [0, 1, 0, 0]);
    assert_eq!(bench.action_counts("s", "a"), [0, 1, 0, 0]);
    assert_eq!(bench.state("s"), "enabled");
    let told = bench.log.iter().any(|(_, step)| {
        matches!(step, Step::Skipped(s) if s.reason == SkipReason::QuietHours && s.action.as_deref() == Some("a"))
    });
    assert!(told);
}

#[test]
fn a_trigger_by_hand_starts_or_says_why_not() {
    let mut bench = Bench::new(&lmap(
        &json!([{"name": "asked", "glimpse-agent:on-demand": [null]}]),
        &json!([{"name": "s", "start": "asked", "action": [action("a", "p")]}]),
        &json!([]),
    ));
    bench.pass(3);
    assert!(bench.started().is_empty());
    assert_eq!(
        bench.machine.trigger("s", &bench.now),
        Ok(at("2026-12-01T00:00:03Z"))
    );
    bench.take();
    assert_eq!(bench.started().len(), 1);
    let refused = bench.machine.trigger("s", &bench.now).unwrap_err();
    assert_eq!(refused.reason, Some(SkipReason::Overlap));
    assert_eq!(
        bench
            .machine
            .trigger("nope", &bench.now)
            .unwrap_err()
            .reason,
        None
    );
}

#[test]
fn an_end_event_stops_a_run_and_the_same_event_may_start_another() {
    let mut bench = Bench::new(&lmap(
        &json!([tens(), one_off("e", "2026-12-01T00:00:05Z")]),
        &json!([{"name": "s", "start": "tens", "end": "e", "action": [action("a", "p")]},
            {"name": "n", "start": "e", "action": [action("b", "p")]}]),
        &json!([]),
    ));
    let run = bench.begin("a");
    bench.pass(6);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    assert_eq!(bench.started().last().unwrap(), &("n/b".to_owned(), 5));
}

#[test]
fn counters_of_the_json_door() {
    let mut bench = Bench::new(&one(simple()));
    let planned = |slot: &str, task: &str| Planned {
        instruction: InstructionId::new("i").unwrap(),
        task: Some(TaskId::new(task).unwrap()),
        slot: at(slot),
    };
    let now = bench.now.wall;
    for task in ["t", "u"] {
        let planned = planned("2026-12-01T00:00:00Z", task);
        bench.machine.note_began(&planned, now);
        bench.machine.note_ended(&planned, 1, "no", now);
    }
    bench
        .machine
        .note_skipped(&planned("2026-12-01T00:00:01Z", "t"), false, 4);
    let of = bench.machine.json_counters("i").unwrap();
    assert_eq!(
        (of.invocations, of.failures),
        (1, 1),
        "one firing of two tasks"
    );
    assert_eq!(of.actions["t"].suppressions, 4);
    bench.machine.note_instructions(&[]);
    assert!(bench.machine.json_counters("i").is_none());
}
