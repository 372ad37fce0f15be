//! Where deployed code goes wrong.

use super::*;
use crate::bench::control;
use crate::output::Output;
use crate::state::snapshot::Snapshot;
use glimpse_yang::read::Reader;
use glimpse_yang::table::AGENT;
use glimpse_yang::{Encoding, Tag};

#[test]
fn lmap_trap_01_pipelined_is_the_default_and_runs() {
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "action": [action("a", "p"), action("b", "p")]}),
    ));
    assert_eq!(
        bench.machine.control().schedules[0].mode,
        crate::control::Mode::Pipelined
    );
    bench.play("a", 0);
    bench.play("b", 0);
    assert_eq!(
        (bench.counts("s"), bench.state("s")),
        ([1, 0, 0, 0], "enabled")
    );
}

#[test]
fn lmap_trap_02_the_guard_of_orphans_works() {
    let mut bench = Bench::new(&guarded());
    bench.play("a", 0);
    bench.pass(9);
    bench.play("a", 0);
    bench.pass(5);
    assert_eq!(
        bench.state("s"),
        "suppressed",
        "controller-lost is measured"
    );
    // A restart does not set an orphan free, and the controller's return does.
    let mut again = bench.restart(&guarded(), false, "2026-12-01T00:01:00Z");
    assert_eq!(again.state("s"), "suppressed");
    again.machine.contact(&again.now);
    again.take();
    assert_eq!(again.state("s"), "enabled");
    assert!(again.names().contains(&"c/a".to_owned()));
}

#[test]
fn lmap_trap_03_a_one_off_in_the_future_fires_and_one_in_the_past_does_not() {
    let events = json!([
        one_off("ahead", "2026-12-01T00:00:04Z"),
        one_off("behind", "2026-11-30T23:59:56Z")
    ]);
    let schedules = json!([
        {"name": "f", "start": "ahead", "action": [action("a", "p")]},
        {"name": "b", "start": "behind", "action": [action("a", "p")]},
    ]);
    let mut bench = Bench::new(&lmap(&events, &schedules, &json!([])));
    bench.pass(3600);
    assert_eq!(bench.started(), [("f/a".to_owned(), 4)]);
}

#[test]
fn lmap_trap_07_no_memory_of_a_stop_outlives_its_run() {
    // Explicitly false, and true for a while: neither changes what a later run does.
    for stop_running in [false, true] {
        let mut bench = Bench::new(&suppressed(sequence(), stop_running));
        let run = bench.begin("a");
        bench.pass(6);
        assert_eq!(bench.stops().is_empty(), !stop_running);
        bench.end(run, 0);
        if !stop_running {
            bench.play("b", 0);
            bench.play("c", 0);
        }
        bench.pass(30 - bench.now.wall.since(at("2026-12-01T00:00:00Z")) / SECOND);
        let before = bench.started().len();
        for name in ["a", "b", "c"] {
            bench.play(name, 0);
        }
        assert_eq!(bench.started().len(), before + 2);
        assert_eq!(bench.names()[before - 1..], ["s/a", "s/b", "s/c"]);
    }
}

#[test]
fn lmap_trap_08_an_edit_or_reload_kills_nothing_zeroes_nothing_and_fires_nothing_again() {
    let all = lmap(
        &json!([tens(), {"name": "now", "immediate": [null]}, {"name": "boot", "startup": [null]}]),
        &json!([simple(), {"name": "i", "start": "now", "action": [action("x", "p")]},
            {"name": "b", "start": "boot", "action": [action("y", "p")]}]),
        &json!([]),
    );
    let mut bench = Bench::new(&all);
    bench.play("x", 0);
    let run = bench.begin("a");
    let (starts, counts) = (bench.started(), bench.counts("s"));
    for _ in 0..3 {
        bench.configure(&all);
    }
    assert_eq!((bench.started(), bench.counts("s")), (starts, counts));
    assert!(bench.stops().is_empty());
    bench.end(run, 0);
    // Nor does a restart zero what was counted.
    let again = bench.restart(&all, true, "2026-12-01T00:00:03Z");
    assert_eq!(again.counts("s"), [1, 0, 0, 0]);
    assert_eq!(again.names(), ["b/y"]);
}

#[test]
fn lmap_trap_09_a_bad_configuration_changes_nothing() {
    let mut bench = Bench::new(&one(simple()));
    let run = bench.begin("a");
    let mut bad = one(simple());
    bad["events"]["event"] = json!([tens(), {"name": "c", "calendar": {"month": ["*"], "day-of-month": ["*"],
        "day-of-week": ["*"], "hour": ["*"], "minute": ["*"], "second": [0], "timezone-offset": "+99:99"}}]);
    let body = json!({"ietf-lmap-control:lmap": bad}).to_string();
    let tree = Reader::new(&AGENT, Encoding::Json)
        .data(body.as_bytes())
        .unwrap();
    let error = Control::read(&tree).unwrap_err();
    assert_eq!(error.tag, Tag::InvalidValue);
    bench.end(run, 0);
    bench.pass(10);
    assert_eq!(bench.started().len(), 2, "it goes on as before");
    // Nor does a damaged file of state.
    for bytes in [
        &b""[..],
        b"{",
        b"[]",
        br#"{"version":2}"#,
        br#"{"version":1,"clean":1}"#,
    ] {
        assert!(Snapshot::parse(bytes).is_err());
    }
    assert!(Output::parse(b"{}").is_err());
}

#[test]
fn lmap_trap_10_one_failure_beside_one_success_is_a_failed_run() {
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "execution-mode": "parallel",
        "action": [action("a", "p"), action("b", "p")]}),
    ));
    let (a, b) = (bench.begin("a"), bench.begin("b"));
    bench.end(a, 0);
    bench.end(b, 1);
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    assert_eq!(bench.action_counts("s", "a"), [1, 0, 0, 0]);
    assert_eq!(bench.action_counts("s", "b"), [1, 0, 0, 1]);
}

#[test]
fn lmap_trap_11_the_output_of_a_failed_action_is_handed_on() {
    let mut bench = Bench::new(&one(json!({"name": "s", "start": "tens", "action": [
        {"name": "a", "task": "p", "destination": ["s"]}, action("b", "p")]})));
    bench.play("a", 1);
    assert_eq!(bench.last("b").input[0].status, 1);
    assert_eq!(bench.last("b").input[0].record.error, "no answer");
    bench.play("b", 0);
    let kept = bench
        .log
        .iter()
        .any(|(_, step)| matches!(step, Step::Keep(output, _) if output.status == 1));
    assert!(kept, "to its destination too");
    // So is that of one that could not start.
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "action": [action("a", "x"), action("b", "p")]}),
    ));
    bench.pass(0);
    assert_eq!(bench.last("b").input[0].status, 127);
}

#[test]
fn lmap_trap_13_the_reported_event_is_the_nominal_time_and_the_cycle_that_of_the_event() {
    let mut bench = Bench::new(&lmap(
        &json!([{"name": "e", "random-spread": 3000, "cycle-interval": 3600,
            "one-off": {"time": "2026-12-01T00:31:00Z"}}]),
        &json!([{"name": "s", "start": "e", "action": [{"name": "a", "task": "p", "destination": ["s"]}]}]),
        &json!([]),
    ));
    bench.pass(2 * 3600);
    let (when, start) = bench.starts().next().unwrap();
    assert!(when > at("2026-12-01T00:31:00Z"), "drawn: {when}");
    assert_eq!(start.event, at("2026-12-01T00:31:00Z"));
    bench.play("a", 0);
    let output = bench.log.iter().find_map(|(_, step)| match step {
        Step::Keep(output, _) => Some(output.clone()),
        _ => None,
    });
    let output = output.unwrap();
    assert_eq!(output.event, at("2026-12-01T00:31:00Z"));
    assert_eq!(output.cycle.as_deref(), Some("20261201.010000"));
}

#[test]
fn lmap_trap_14_conflicts_are_written_and_suppressions_reach_actions() {
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "execution-mode": "parallel", "action": [
        {"name": "a", "task": "p", "destination": ["s"]}, {"name": "b", "task": "p", "destination": ["s"]}]}),
    ));
    let (a, b) = (bench.begin("a"), bench.begin("b"));
    bench.end(a, 0);
    bench.end(b, 0);
    let conflicts: Vec<String> = bench
        .log
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Keep(output, _) => Some(output.conflicts[0].action.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(conflicts, ["b", "a"], "also within one schedule");

    let mut bench = Bench::new(&lmap(
        &json!([tens()]),
        &json!([simple()]),
        &json!([{"name": "u", "match": ["*"]}]),
    ));
    bench.pass(1);
    let control = bench.machine.control().clone();
    let schedule = control.schedule("s").unwrap();
    assert_eq!(
        bench
            .machine
            .action_state(schedule, &schedule.actions[0])
            .as_str(),
        "suppressed"
    );
    assert_eq!(bench.action_counts("s", "a"), [0, 1, 0, 0]);
}

#[test]
fn lmap_trap_17_a_stop_is_asked_for_then_made_and_any_number_of_options_passes() {
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "duration": 2, "action": [action("a", "p")]}),
    ));
    let run = bench.begin("a");
    bench.pass(11);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.pass(1);
    assert_eq!(bench.stops(), [(run, End::Graceful), (run, End::Hard)]);
    bench.end(run, -9);
    assert_eq!(
        bench.machine.counters("s").unwrap().actions["a"]
            .last
            .as_ref()
            .unwrap()
            .status,
        -9
    );

    let options: Vec<Value> = (0..400)
        .map(|i| json!({"id": i.to_string(), "name": format!("n{i}"), "value": "v"}))
        .collect();
    let mut many = one(simple());
    many["schedules"]["schedule"][0]["action"][0]["option"] = json!(options);
    assert_eq!(control(&many).schedules[0].actions[0].options.len(), 400);
}

#[test]
fn lmap_trap_24_a_step_of_the_clock_changes_no_length_of_time() {
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "duration": 5, "action": [action("a", "p")]}),
    ));
    let run = bench.begin("a");
    bench.pass(1);
    // NTP sets the clock an hour forward: the run still has four seconds.
    bench.now.wall = bench.now.wall.plus_micros(3600 * SECOND);
    bench.machine.tick(&bench.now);
    bench.take();
    bench.pass(3);
    assert!(bench.stops().is_empty());
    bench.pass(1);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.end(run, 0);
    bench.pass(10);
    assert_eq!(bench.started().len(), 2, "and the plan has followed");
    let missed = bench.log.iter().any(|(_, step)| {
        matches!(step, Step::Skipped(s) if s.reason == SkipReason::Missed && s.count > 300)
    });
    assert!(missed, "what was skipped over is said once");
    // Back again: no time comes twice at once, and the plan goes on.
    let before = bench.started().len();
    bench.now.wall = bench.now.wall.plus_micros(-3600 * SECOND);
    bench.machine.tick(&bench.now);
    bench.take();
    if bench.machine.is_running("s") {
        let run = bench.last("a").run;
        bench.end(run, 0);
    }
    bench.pass(30);
    assert!(bench.started().len() > before);
}

#[test]
fn lmap_trap_25_nothing_runs_before_the_agent_is_registered() {
    let all = lmap(
        &json!([tens(), {"name": "now", "immediate": [null]}]),
        &json!([simple(), {"name": "i", "start": "now", "action": [action("x", "p")]}]),
        &json!([]),
    );
    let now = Moment {
        wall: at("2026-12-01T00:00:00Z"),
        steady_us: 0,
        trusted: true,
    };
    let mut bench = Bench::with(&all, Snapshot::default(), Vec::new(), now, false);
    bench.pass(25);
    assert!(bench.started().is_empty());
    bench.machine.set_registered(true, &bench.now);
    bench.take();
    assert_eq!(
        bench.names(),
        ["i/x"],
        "what happens once waits; what repeats does not"
    );
    bench.pass(5);
    assert_eq!(bench.names(), ["i/x", "s/a"]);
}

#[test]
fn before_the_clock_is_set_nothing_runs_and_then_no_burst_comes() {
    let now = Moment {
        wall: at("1970-01-01T00:00:10Z"),
        steady_us: 0,
        trusted: false,
    };
    let all = lmap(
        &json!([tens(), {"name": "now", "immediate": [null]}, {"name": "loose", "periodic": {"interval": 100}}]),
        &json!([simple(), {"name": "i", "start": "now", "action": [action("x", "p")]},
            {"name": "l", "start": "loose", "action": [action("y", "p")]}]),
        &json!([]),
    );
    let mut bench = Bench::with(&all, Snapshot::default(), Vec::new(), now, true);
    bench.pass(60);
    assert!(bench.started().is_empty());
    bench.now = Moment {
        wall: at("2026-12-01T00:00:05Z"),
        steady_us: bench.now.steady_us,
        trusted: true,
    };
    bench.machine.tick(&bench.now);
    bench.take();
    assert_eq!(bench.names(), ["i/x", "l/y"]);
    assert_eq!(bench.last("x").event, at("2026-12-01T00:00:05Z"));
    bench.pass(10);
    assert_eq!(bench.started().last().unwrap(), &("s/a".to_owned(), 10));
}
