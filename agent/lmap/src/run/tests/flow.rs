//! Nothing that waits is lost on its way through a run.

use super::reporting::{answer, forgotten, later, pipeline};
use super::*;
use crate::bench::{COLLECTOR, LAB};
use crate::collectors::Collectors;
use crate::outbox::Answer;

/// `s` measures for `d` every ten seconds, and `d` runs when it is asked.
fn handed_to(d: Value) -> Value {
    let mut d = d;
    d["name"] = json!("d");
    d["start"] = json!("asked");
    lmap(
        &json!([tens(), {"name": "asked", "glimpse-agent:on-demand": [null]}]),
        &json!([{"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["d"]}]}, d]),
        &json!([]),
    )
}

fn with_suppression(mut lmap: Value, tag: &str) -> Value {
    lmap["suppressions"]["suppression"] = json!([{"name": "u", "match": [tag]}]);
    lmap
}

fn without_suppression(mut lmap: Value) -> Value {
    lmap["suppressions"]["suppression"] = json!([]);
    lmap
}

fn trigger(bench: &mut Bench, schedule: &str) {
    bench.machine.trigger(schedule, &bench.now).unwrap();
    bench.take();
}

/// Names of the actions whose results stand in the last report.
fn reported(bench: &Bench) -> Vec<String> {
    let posts = bench.posts();
    let last = posts.last().expect("a report was sent");
    last.iter().map(|output| output.action.clone()).collect()
}

#[test]
fn lmap_check_49_a_report_has_all_that_was_measured_before_it() {
    let mut bench = Bench::new(&one(json!({"name": "s", "start": "tens", "action":
        [action("a", "p"), action("b", "p"), action("send", "r")]})));
    bench.play("a", 0);
    let run = bench.begin("b");
    assert_eq!(bench.last("b").input.len(), 1);
    bench.end(run, 0);
    assert_eq!(reported(&bench), ["a", "b"]);
    answer(&mut bench, "s", 2, Answer::Accepted);
    assert_eq!((forgotten(&bench), bench.machine.storage()), (2, 0));
}

#[test]
fn what_a_schedule_was_handed_passes_its_measurements() {
    for mode in ["pipelined", "sequential"] {
        let all = handed_to(json!({"execution-mode": mode, "action":
            [{"name": "m", "task": "p", "destination": ["d"]}, action("send", "r")]}));
        let mut bench = Bench::new(&all);
        bench.play("a", 0);
        trigger(&mut bench, "d");
        assert_eq!(bench.last("m").input.len(), 1);
        bench.play("m", 0);
        assert_eq!(reported(&bench), ["a", "m"], "{mode}");
        answer(&mut bench, "d", 2, Answer::Accepted);
        // In a pipeline its own schedule is a destination as well: that is for its next run.
        assert_eq!(bench.machine.storage() > 0, mode == "pipelined");
        trigger(&mut bench, "d");
        let input = bench.last("m").input;
        assert_eq!(input.len(), usize::from(mode == "pipelined"));
    }
}

#[test]
fn lmap_trap_22_a_suppressed_reporting_action_keeps_what_it_was_to_have() {
    for (mode, actions) in [
        ("pipelined", json!([action("send", "r")])),
        ("sequential", json!([action("send", "r")])),
        ("parallel", json!([action("m", "p"), action("send", "r")])),
        ("pipelined", json!([action("m", "p"), action("send", "r")])),
    ] {
        let mut d = json!({"execution-mode": mode, "action": actions});
        let last = d["action"].as_array().unwrap().len() - 1;
        d["action"][last]["suppression-tag"] = json!(["quiet"]);
        let all = handed_to(d);
        let mut bench = Bench::new(&with_suppression(all.clone(), "quiet"));
        bench.play("a", 0);
        for _ in 0..3 {
            trigger(&mut bench, "d");
            if last == 1 {
                bench.play("m", 0);
            }
        }
        assert_eq!(bench.action_counts("d", "send"), [0, 3, 0, 0]);
        assert_eq!((forgotten(&bench), bench.posts().len()), (0, 0), "{mode}");
        // A restart loses nothing either, nor does it send.
        let mut again = bench.restart(
            &with_suppression(all.clone(), "quiet"),
            false,
            "2026-12-01T00:00:08Z",
        );
        again.pass(1);
        assert_eq!((forgotten(&again), again.posts().len()), (0, 0), "{mode}");
        for bench in [&mut bench, &mut again] {
            bench.configure(&without_suppression(all.clone()));
            trigger(bench, "d");
            if last == 1 {
                bench.play("m", 0);
            }
            let mut reported = Vec::new();
            while reported.len() < bench.posts().len() {
                let post = bench.posts()[reported.len()].clone();
                answer(bench, "d", post.len(), Answer::Accepted);
                reported.push(post);
            }
            let mut reported = reported.iter().flatten();
            assert!(reported.any(|output| output.action == "a"), "{mode}");
            assert_eq!(bench.machine.storage(), 0, "{mode}");
        }
    }
}

#[test]
fn lmap_trap_22_a_reporting_action_that_cannot_be_made_out_keeps_what_it_was_to_have() {
    let tasks = |collector: &str| {
        let mut all = pipeline();
        all["tasks"]["task"][1]["option"][0]["value"] = json!(collector);
        all
    };
    let mut bench = Bench::new(&tasks("https://controler.example.net"));
    bench.play("a", 0);
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    bench.pass(9);
    bench.play("a", 0);
    assert_eq!((forgotten(&bench), bench.posts().len()), (0, 0));
    // Its mend sends what waits.
    bench.configure(&tasks(COLLECTOR));
    assert_eq!(reported(&bench), ["a", "a"]);
    answer(&mut bench, "s", 2, later());
    // Another mistake does not erase what waits.
    bench.configure(&tasks("https://controler.example.net"));
    bench.pass(700);
    let posts = bench.posts().len();
    assert_eq!((forgotten(&bench), posts), (0, 1), "nothing is sent");
    // What nobody has had is due to whoever is named then.
    bench.configure(&tasks(LAB));
    let posts = bench.posts();
    assert_eq!((forgotten(&bench), posts.len()), (0, 2));
    assert!(posts[1].len() >= 2);
    let count = posts[1].len();
    bench
        .machine
        .delivered("s", "send", LAB, count, Answer::Accepted, &bench.now);
    bench.take();
    assert_eq!(forgotten(&bench), count);
}

#[test]
fn lmap_trap_22_what_waits_outlives_a_channel_that_the_household_takes_away() {
    let mut all = pipeline();
    all["tasks"]["task"][1]["option"] = json!([{"id": "1", "name": "channel", "value": "lab"}]);
    let mut bench = Bench::new(&all);
    bench.play("a", 0);
    assert_eq!(bench.posts().len(), 1);
    bench
        .machine
        .delivered("s", "send", LAB, 1, later(), &bench.now);
    bench.take();
    let equip = |bench: &mut Bench, channels: Collectors| {
        let methods = crate::bench::methods();
        bench.machine.equip(methods, channels, &bench.now);
        bench.take();
    };
    equip(&mut bench, Collectors::default());
    bench.pass(9);
    bench.play("a", 0);
    assert_eq!((forgotten(&bench), bench.posts().len()), (0, 1));
    equip(&mut bench, Collectors::new(None, [("lab", LAB)]));
    bench.pass(3);
    assert_eq!(reported(&bench), ["a", "a"]);
    bench
        .machine
        .delivered("s", "send", LAB, 2, Answer::Accepted, &bench.now);
    bench.take();
    assert_eq!((forgotten(&bench), bench.machine.storage()), (2, 0));
}

#[test]
fn lmap_trap_22_what_no_action_used_goes_back_to_the_head_of_the_queue() {
    let all = handed_to(json!({"action": [action("m", "x")]}));
    let mut bench = Bench::new(&all);
    bench.play("a", 0);
    trigger(&mut bench, "d");
    bench.pass(9);
    bench.play("a", 0);
    assert_eq!(forgotten(&bench), 0);
    // With a task that is there it gets both, the older one first.
    let mut mended = all.clone();
    mended["schedules"]["schedule"][1]["action"][0]["task"] = json!("p");
    bench.configure(&mended);
    trigger(&mut bench, "d");
    let input = bench.last("m").input;
    assert_eq!(input.len(), 2);
    assert!(input[0].event < input[1].event);
    // What the household denies has not used it either; what measures has.
    let run = bench.last("m").run;
    bench
        .machine
        .denied(run, SkipReason::QuietHours, "quiet", &bench.now);
    bench.take();
    assert_eq!(forgotten(&bench), 0);
    trigger(&mut bench, "d");
    assert_eq!(bench.last("m").input.len(), 2);
    bench.play("m", 0);
    assert_eq!(forgotten(&bench), 2);
}

#[test]
fn lmap_check_61_a_run_that_is_stopped_while_it_measures_is_reported_with_a_negative_status() {
    let mut bench = Bench::new(&one(json!({"name": "s", "start": "tens", "duration": 5,
        "action": [action("a", "p"), action("b", "p"), action("send", "r")]})));
    let run = bench.begin("a");
    bench.pass(5);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.end(run, 0);
    assert_eq!(bench.names(), ["s/a"], "the rest is not started");
    let posts = bench.posts();
    assert_eq!((posts.len(), posts[0].len()), (1, 1));
    assert_eq!(posts[0][0].status, -15);
    assert_eq!(bench.action_counts("s", "send"), [0, 0, 0, 0]);
    assert_eq!(bench.state("s"), "enabled");
    answer(&mut bench, "s", 1, Answer::Accepted);
    assert_eq!((forgotten(&bench), bench.machine.storage()), (1, 0));
}

#[test]
fn lmap_check_52_a_stopping_suppression_throws_away_what_is_measured_in_part_and_nothing_else() {
    let mut all = handed_to(json!({"suppression-tag": ["m/light"], "action":
        [action("m", "p"), action("n", "p"), action("send", "r")]}));
    all["events"]["event"]
        .as_array_mut()
        .unwrap()
        .push(one_off("from", "2026-12-01T00:00:05Z"));
    all["suppressions"]["suppression"] =
        json!([{"name": "u", "start": "from", "match": ["m/*"], "stop-running": true}]);
    let mut bench = Bench::new(&all);
    bench.play("a", 0);
    trigger(&mut bench, "d");
    bench.play("m", 0);
    let run = bench.begin("n");
    bench.pass(4);
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.end(run, 0);
    assert_eq!(bench.counts("d"), [1, 0, 0, 1]);
    assert_eq!((forgotten(&bench), bench.posts().len()), (0, 0));
    bench.configure(&without_suppression(all));
    assert_eq!(
        reported(&bench),
        ["a", "m"],
        "what was handed to it is kept, and what had been measured"
    );
}

#[test]
fn an_action_that_is_configured_away_takes_along_what_waited_at_it() {
    let mut bench = Bench::new(&pipeline());
    bench.play("a", 0);
    answer(&mut bench, "s", 1, later());
    let mut less = pipeline();
    less["schedules"]["schedule"][0]["action"] = json!([action("a", "p")]);
    bench.configure(&less);
    assert_eq!((forgotten(&bench), bench.machine.storage()), (1, 0));
}

#[test]
fn a_run_that_the_guard_ends_after_it_began_has_failed_and_no_counter_goes_down() {
    let mut bench = Bench::new(&one(simple()));
    let run = bench.begin("a");
    assert_eq!(bench.action_counts("s", "a"), [1, 0, 0, 0]);
    bench
        .machine
        .denied(run, SkipReason::TargetRefused, "not this one", &bench.now);
    bench.take();
    assert_eq!(bench.action_counts("s", "a"), [1, 0, 0, 1]);
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    let last = bench.machine.counters("s").unwrap().actions["a"]
        .last
        .clone()
        .unwrap();
    assert_eq!((last.status, last.message.as_str()), (1, "not this one"));
    let told = bench
        .log
        .iter()
        .any(|(_, step)| matches!(step, Step::Skipped(s) if s.reason == SkipReason::TargetRefused));
    assert!(told);
}

#[test]
fn a_schedule_that_comes_after_its_event_has_missed_nothing() {
    let event = |schedules: Value| lmap(&json!([tens()]), &schedules, &json!([]));
    let mut bench = Bench::new(&event(json!([])));
    bench.pass(65);
    bench.configure(&event(json!([simple()])));
    bench.pass(20);
    assert_eq!(
        bench.started().first(),
        Some(&("s/a".to_owned(), 70)),
        "the next multiple"
    );
    let missed = bench.log.iter().any(
        |(_, step)| matches!(step, Step::Skipped(skipped) if skipped.reason == SkipReason::Missed),
    );
    assert!(!missed, "nobody was off, asleep or busy");
}
