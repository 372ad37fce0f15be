//! What happens while nobody looks, or while an answer is under way: over restarts, steps of the clock and edits.

use super::reporting::{answer, forgotten, later, never, pipeline};
use super::*;
use crate::bench::{COLLECTOR, LAB};
use crate::outbox::Answer;
use crate::state::snapshot::Snapshot;
use glimpse_model::record::Status;

fn with_collectors(collectors: &[&str]) -> Value {
    let options: Vec<Value> = collectors
        .iter()
        .enumerate()
        .map(|(i, url)| json!({"id": i.to_string(), "name": "collector", "value": url}))
        .collect();
    let mut all = pipeline();
    all["tasks"]["task"][1]["option"] = json!(options);
    all
}

fn delivered(bench: &mut Bench, collector: &str, count: usize, answer: Answer) {
    let now = bench.now;
    bench
        .machine
        .delivered("s", "send", collector, count, answer, &now);
    bench.take();
}

/// Reports to a collector: of how many results each.
fn sent_to(bench: &Bench, to: &str) -> Vec<usize> {
    let steps = bench.log.iter();
    let posts = steps.filter_map(|(_, step)| match step {
        Step::Post {
            collector, outputs, ..
        } if collector == to => Some(outputs.len()),
        _ => None,
    });
    posts.collect()
}

#[test]
fn a_late_answer_is_to_what_was_sent_and_to_nothing_else() {
    let both = with_collectors(&[COLLECTOR, LAB]);
    let mut bench = Bench::new(&both);
    bench.play("a", 0);
    delivered(&mut bench, LAB, 1, later());
    delivered(&mut bench, COLLECTOR, 1, later());
    bench.pass(6);
    assert_eq!(sent_to(&bench, COLLECTOR), [1, 1]);
    // While the second try is under way, the collector is configured away and comes back.
    bench.configure(&with_collectors(&[LAB]));
    bench.configure(&both);
    bench.pass(3);
    bench.play("a", 0);
    assert_eq!(sent_to(&bench, COLLECTOR), [1, 1], "one after the other");
    delivered(&mut bench, COLLECTOR, 1, Answer::Accepted);
    assert_eq!(sent_to(&bench, COLLECTOR), [1, 1, 1]);
    for _ in 0..2 {
        delivered(&mut bench, LAB, 1, Answer::Accepted);
    }
    assert_eq!(forgotten(&bench), 1, "the second result is still due");
    // Nor does an answer count that nobody waits for.
    delivered(&mut bench, LAB, 9, Answer::Accepted);
    assert_eq!(forgotten(&bench), 1);
    delivered(&mut bench, COLLECTOR, 1, Answer::Accepted);
    assert_eq!((forgotten(&bench), bench.machine.storage()), (2, 0));
}

#[test]
fn a_late_answer_to_an_action_that_is_gone_is_none_to_one_that_has_come_in_its_place() {
    let mut less = pipeline();
    less["schedules"]["schedule"][0]["action"] = json!([action("a", "p")]);
    let mut bench = Bench::new(&pipeline());
    bench.play("a", 0);
    answer(&mut bench, "s", 1, later());
    bench.pass(6);
    assert_eq!(bench.posts().len(), 2);
    bench.configure(&less);
    assert_eq!(forgotten(&bench), 1, "what waited at it is gone");
    bench.configure(&pipeline());
    bench.pass(3);
    bench.play("a", 0);
    assert_eq!(bench.posts().len(), 2, "one after the other");
    answer(&mut bench, "s", 1, Answer::Accepted);
    assert_eq!((bench.posts().len(), forgotten(&bench)), (3, 1));
    answer(&mut bench, "s", 1, Answer::Accepted);
    assert_eq!((forgotten(&bench), bench.machine.storage()), (2, 0));
    // And one that is gone for good leaves nothing behind.
    bench.pass(9);
    bench.play("a", 0);
    bench.configure(&less);
    answer(&mut bench, "s", 1, Answer::Accepted);
    assert!(bench.machine.outboxes.is_empty());
    assert_eq!(bench.state("s"), "enabled");
}

#[test]
fn lmap_check_73_a_report_that_is_refused_is_a_failure_of_its_action() {
    let mut bench = Bench::new(&pipeline());
    bench.play("a", 0);
    answer(&mut bench, "s", 1, Answer::of_status(400, None));
    assert_eq!(bench.action_counts("s", "send"), [1, 0, 0, 1]);
    let of = &bench.machine.counters("s").unwrap().actions["send"];
    assert!(of.last.as_ref().unwrap().message.contains("answered 400"));
    // The next run knows nothing of it.
    bench.pass(9);
    bench.play("a", 0);
    answer(&mut bench, "s", 1, Answer::Accepted);
    assert_eq!(bench.action_counts("s", "send"), [2, 0, 0, 1]);
}

fn daily() -> Value {
    let calendar = |name: &str, hour: u8| {
        json!({"name": name, "calendar": {"month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"],
        "hour": [hour], "minute": [0], "second": [0], "timezone-offset": "Z"}})
    };
    lmap(
        &json!([tens(), calendar("evening", 22), calendar("morning", 6)]),
        &json!([simple()]),
        &json!([{"name": "night", "start": "evening", "end": "morning", "match": ["m/*"]}]),
    )
}

#[test]
fn a_suppression_that_ended_or_began_while_the_agent_was_off_has_ended_or_begun() {
    for clean in [true, false] {
        let mut bench = Bench::new(&daily());
        bench.pass(3600);
        assert_eq!(bench.state("s"), "running");
        // Off over 22:00.
        let mut night = bench.restart(&daily(), clean, "2026-12-01T22:30:00Z");
        assert_eq!(night.state("s"), "suppressed", "{clean}");
        night.pass(3600);
        // Off over 06:00.
        let day = night.restart(&daily(), clean, "2026-12-02T06:30:00Z");
        assert_ne!(day.state("s"), "suppressed", "{clean}");
        // Off for days: the last of both decides.
        let later = night.restart(&daily(), clean, "2026-12-05T12:00:00Z");
        assert_ne!(later.state("s"), "suppressed", "{clean}");
        let later = day.restart(&daily(), clean, "2026-12-05T23:00:00Z");
        assert_eq!(later.state("s"), "suppressed", "{clean}");
    }
}

#[test]
fn what_a_former_process_may_have_seen_is_not_said_to_be_missed() {
    for (clean, said) in [(true, 1), (false, 0)] {
        let mut bench = Bench::new(&one(simple()));
        bench.pass(5);
        let mut again = bench.restart(&one(simple()), clean, "2026-12-01T01:00:05Z");
        let missed = again
            .log
            .iter()
            .filter(|(_, step)| matches!(step, Step::Skipped(s) if s.reason == SkipReason::Missed));
        assert_eq!(missed.count(), said, "{clean}");
        assert!(again.started().is_empty());
        again.pass(5);
        assert_eq!(again.started(), [("s/a".to_owned(), 3610)]);
    }
}

#[test]
fn a_suppression_ends_though_the_clock_is_set_past_its_end() {
    let mut bench = Bench::new(&suppressed(simple(), false));
    bench.play("a", 0);
    bench.pass(9);
    assert_eq!(bench.state("s"), "suppressed");
    bench.now.wall = bench.now.wall.plus_micros(603 * SECOND);
    bench.machine.tick(&bench.now);
    bench.take();
    assert_eq!(bench.state("s"), "enabled");
    // And one that is set past its start holds, and stops what runs where it is to.
    let mut bench = Bench::new(&suppressed(sequence(), true));
    let run = bench.begin("a");
    bench.now.wall = bench.now.wall.plus_micros(10 * SECOND);
    bench.machine.tick(&bench.now);
    bench.take();
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
    bench.end(run, 0);
    assert_eq!(bench.state("s"), "suppressed");
}

#[test]
fn an_end_event_that_nobody_saw_ends_the_run_all_the_same() {
    let all = lmap(
        &json!([tens(), one_off("stop", "2026-12-01T00:05:00Z")]),
        &json!([{"name": "s", "start": "tens", "end": "stop", "action": [action("a", "p")]}]),
        &json!([]),
    );
    let mut bench = Bench::new(&all);
    let run = bench.begin("a");
    bench.pass(5);
    bench.now.wall = bench.now.wall.plus_micros(3600 * SECOND);
    bench.machine.tick(&bench.now);
    bench.take();
    assert_eq!(bench.stops(), [(run, End::Graceful)]);
}

fn spread(name: &str, seconds: u32, kind: Value) -> Value {
    let mut event = json!({"name": name, "random-spread": seconds});
    let members = event.as_object_mut().unwrap();
    members.extend(kind.as_object().unwrap().clone());
    event
}

#[test]
fn what_waits_for_its_delay_waits_on_after_a_restart() {
    for kind in [
        json!({"one-off": {"time": "2026-12-01T00:00:10Z"}}),
        json!({"immediate": [null]}),
        json!({"periodic": {"interval": 86_400, "start": "2026-12-01T00:00:10Z"}}),
    ] {
        let all = lmap(
            &json!([spread("e", 36_000, kind.clone())]),
            &json!([{"name": "s", "start": "e", "action": [action("a", "p")]}]),
            &json!([]),
        );
        for clean in [true, false] {
            let mut bench = Bench::new(&all);
            bench.pass(20);
            let mut again = bench.restart(&all, clean, "2026-12-01T00:01:00Z");
            bench.pass(40_000);
            let when = bench.started();
            assert!(when.len() == 1 && when[0].1 > 60, "{kind} {when:?}");
            again.pass(40_000);
            assert_eq!(again.started(), when, "{kind} {clean}");
            assert_eq!(again.last("a").event, bench.last("a").event);
            // It is over then.
            let mut third = again.restart(&all, clean, "2026-12-01T12:00:00Z");
            third.pass(7200);
            assert_eq!(third.started(), [], "{kind} {clean}");
        }
        // Off when it was due: what has a time is missed, and what has none comes as soon as it can.
        let mut bench = Bench::new(&all);
        bench.pass(20);
        let mut again = bench.restart(&all, true, "2026-12-01T20:00:00Z");
        again.pass(60);
        let immediate = kind.get("immediate").is_some();
        assert_eq!(again.started().len(), usize::from(immediate), "{kind}");
        let missed = again
            .log
            .iter()
            .any(|(_, step)| matches!(step, Step::Skipped(s) if s.reason == SkipReason::Missed));
        assert_eq!(missed, !immediate, "{kind}");
    }
}

#[test]
fn the_firing_of_what_waited_and_happens_once_is_written_at_once() {
    let all = lmap(
        &json!([spread(
            "e",
            36_000,
            json!({"one-off": {"time": "2026-12-01T00:00:10Z"}})
        )]),
        &json!([{"name": "s", "start": "e", "action": [action("a", "p")]}]),
        &json!([]),
    );
    let mut bench = Bench::new(&all);
    bench.pass(20);
    let waiting = bench.machine.snapshot(false);
    let read = Snapshot::parse(&waiting.document()).unwrap();
    assert_eq!(read.marks, waiting.marks);
    bench.pass(40_000);
    assert_eq!(bench.started().len(), 1);
    assert!(bench.machine.snapshot(false).is_urgent_after(&waiting));
}

#[test]
fn state_of_an_older_version_is_read() {
    let bench = Bench::new(&daily());
    let document = bench.machine.snapshot(true).document();
    let mut document: Value = serde_json::from_slice(&document).unwrap();
    for mark in document["events"].as_object_mut().unwrap().values_mut() {
        mark.as_array_mut().unwrap().truncate(5);
    }
    let read = Snapshot::parse(document.to_string().as_bytes()).unwrap();
    assert_eq!(read.marks, bench.machine.snapshot(true).marks);
}

#[test]
fn an_end_that_is_put_off_or_has_passed_is_heeded() {
    let with = |start: Option<&str>, end: &str| {
        let mut suppression = json!({"name": "u", "end": end, "match": ["m/*"]});
        if let Some(start) = start {
            suppression["start"] = json!(start);
        }
        lmap(
            &json!([
                tens(),
                one_off("past", "2026-11-30T00:00:00Z"),
                one_off("from", "2026-12-01T00:00:05Z"),
                one_off("to", "2026-12-01T00:00:25Z"),
                one_off("later", "2026-12-01T00:01:25Z")
            ]),
            &json!([simple()]),
            &json!([suppression]),
        )
    };
    // Its end has passed before it came.
    let bench = Bench::new(&with(None, "past"));
    assert_eq!(bench.state("s"), "running");
    // Another end, while it holds: it goes on holding until that.
    let mut bench = Bench::new(&with(Some("from"), "to"));
    bench.play("a", 0);
    bench.pass(9);
    assert_eq!(bench.state("s"), "suppressed");
    bench.configure(&with(Some("from"), "later"));
    assert_eq!(bench.state("s"), "suppressed");
    bench.pass(30);
    assert_eq!(bench.state("s"), "suppressed");
    bench.pass(46);
    assert_ne!(bench.state("s"), "suppressed");
    // The same end event with another time: one in the past ends it now.
    let mut bench = Bench::new(&with(Some("from"), "to"));
    bench.play("a", 0);
    bench.pass(9);
    let mut ended = with(Some("from"), "to");
    ended["events"]["event"][3]["one-off"]["time"] = json!("2026-12-01T00:00:06Z");
    bench.configure(&ended);
    assert_ne!(bench.state("s"), "suppressed");
}

#[test]
fn at_one_instant_suppressions_come_before_starts_whatever_their_names() {
    for name in ["a", "z"] {
        let noon = json!({"name": name, "one-off": {"time": "2026-12-01T00:00:10Z"}});
        let mut all = lmap(
            &json!([{"name": "m", "periodic": {"interval": 10, "start": "2026-12-01T00:00:10Z"}}, noon]),
            &json!([{"name": "s", "start": "m", "suppression-tag": ["m/light"], "action": [action("a", "p")]}]),
            &json!([{"name": "u", "start": name, "match": ["m/*"]}]),
        );
        let mut bench = Bench::new(&all);
        bench.pass(10);
        assert_eq!(bench.counts("s"), [0, 1, 0, 0], "{name} begins");
        all["suppressions"]["suppression"][0] = json!({"name": "u", "end": name, "match": ["m/*"]});
        let mut bench = Bench::new(&all);
        bench.pass(10);
        assert_eq!(bench.names(), ["s/a"], "{name} ends");
    }
}

#[test]
fn a_run_of_a_schedule_that_was_removed_counts_nothing_for_one_of_its_name() {
    let mut bench = Bench::new(&one(simple()));
    let run = bench.begin("a");
    bench.configure(&one(
        json!({"name": "t", "start": "tens", "action": [action("z", "x")]}),
    ));
    bench.configure(&one(simple()));
    bench.end(run, 0);
    assert_eq!(bench.counts("s"), [0; 4]);
    assert_eq!(bench.action_counts("s", "a"), [0; 4]);
    assert_eq!(bench.state("s"), "enabled");
}

#[test]
fn what_a_run_has_taken_is_still_in_storage() {
    let mut bench = Bench::new(&lmap(
        &json!([tens(), one_off("go", "2026-12-01T00:00:05Z")]),
        &json!([
            {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["d"]}]},
            {"name": "d", "start": "go", "action": [action("x", "p")]},
        ]),
        &json!([]),
    ));
    bench.play("a", 0);
    let stored = bench.machine.schedule_storage("d");
    assert_eq!(stored, bench.machine.storage());
    bench.pass(4);
    let run = bench.begin("x");
    assert_eq!(bench.machine.schedule_storage("d"), stored);
    bench.end(run, 0);
    assert_eq!(bench.machine.schedule_storage("d"), 0);
}

#[test]
fn a_result_starts_when_its_run_did_and_names_each_function_once() {
    let mut all = never(&json!([
        {"name": "s", "start": "tens", "duration": 3, "action": [{"name": "a", "task": "p", "destination": ["s"]}]}]));
    all["events"]["event"][0]["random-spread"] = json!(5);
    let mut bench = Bench::new(&all);
    let mut methods = crate::bench::methods();
    let one = "urn:example:metric".to_owned();
    methods[0].name = "twice".to_owned();
    methods[0].functions = vec![one.clone(), one];
    all["tasks"]["task"][0]["program"] = json!("twice");
    let channels = bench.machine.channels.clone();
    bench.machine.equip(methods, channels, &bench.now);
    bench.configure(&all);
    bench.pass(6);
    let run = bench.begin("a");
    let began = bench.now.wall;
    bench.pass(3);
    let mut record = bench.record(Status::Aborted);
    record.start_time = None;
    bench.machine.ended(
        run,
        Ended {
            record,
            status: None,
        },
        &bench.now,
    );
    bench.take();
    let output = bench.log.iter().find_map(|(_, step)| match step {
        Step::Keep(output, _) => Some(output.clone()),
        _ => None,
    });
    let output = output.unwrap();
    assert_eq!(output.record.start_time, Some(began));
    assert_eq!(output.functions, ["urn:example:metric"]);
}

#[test]
fn what_could_not_start_impacted_nothing() {
    let mut bench = Bench::new(&lmap(
        &json!([tens()]),
        &json!([
            {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["s"]}]},
            {"name": "t", "start": "tens", "action": [action("z", "x")]},
        ]),
        &json!([]),
    ));
    let run = bench.begin("a");
    bench.pass(10);
    assert_eq!(bench.counts("t"), [2, 0, 0, 2]);
    bench.end(run, 0);
    let conflicts = bench.log.iter().find_map(|(_, step)| match step {
        Step::Keep(output, _) => Some(output.conflicts.clone()),
        _ => None,
    });
    assert_eq!(conflicts, Some(Vec::new()));
}

#[test]
fn what_was_due_before_the_clock_is_known_is_made_out_when_it_is() {
    let unknown = Moment {
        wall: at("1970-01-01T00:00:10Z"),
        steady_us: 0,
        trusted: false,
    };
    let know = |bench: &mut Bench, wall: &str| {
        bench.now.wall = at(wall);
        bench.now.trusted = true;
        bench.machine.tick(&bench.now);
        bench.take();
    };
    for clean in [true, false] {
        let mut bench = Bench::new(&daily());
        bench.pass(23 * 3600);
        let snapshot = bench.machine.snapshot(clean);
        let mut again = Bench::with(&daily(), snapshot, Vec::new(), unknown, true);
        again.pass(20);
        assert_eq!(again.state("s"), "suppressed", "{clean}");
        know(&mut again, "2026-12-02T06:30:00Z");
        assert_ne!(again.state("s"), "suppressed", "{clean}");
    }
    // A delay that was drawn ends when it would have.
    let all = lmap(
        &json!([spread(
            "e",
            36_000,
            json!({"one-off": {"time": "2026-12-01T00:00:10Z"}})
        )]),
        &json!([{"name": "s", "start": "e", "action": [action("a", "p")]}]),
        &json!([]),
    );
    let mut bench = Bench::new(&all);
    bench.pass(20);
    let snapshot = bench.machine.snapshot(true);
    let mut again = Bench::with(&all, snapshot, Vec::new(), unknown, true);
    again.pass(20);
    know(&mut again, "2026-12-01T00:01:00Z");
    bench.pass(40_000);
    again.pass(40_000);
    assert_eq!(bench.started().len(), 1);
    assert_eq!(again.started(), bench.started());
}

#[test]
fn a_run_that_a_restart_cuts_off_leaves_its_input_to_the_next_one() {
    let all = lmap(
        &json!([
            tens(),
            one_off("go", "2026-12-01T00:00:05Z"),
            one_off("then", "2026-12-01T00:01:00Z")
        ]),
        &json!([
            {"name": "s", "start": "go", "action": [{"name": "a", "task": "p", "destination": ["d"]}]},
            {"name": "d", "start": "tens", "action": [action("x", "p"), action("send", "r")]},
        ]),
        &json!([]),
    );
    let mut bench = Bench::new(&all);
    bench.play("x", 0);
    answer(&mut bench, "d", 1, Answer::Accepted);
    bench.pass(4);
    bench.play("a", 0);
    bench.pass(4);
    let run = bench.begin("x");
    assert_eq!(bench.last("x").input.len(), 1);
    let mut again = bench.restart(&all, false, "2026-12-01T00:00:15Z");
    bench.end(run, 0);
    again.pass(5);
    let input = again.last("x").input;
    assert_eq!((input.len(), input[0].action.as_str()), (1, "a"));
    // Between its measurement and the answer of its collector as well.
    answer(&mut bench, "d", 2, later());
    let mut again = bench.restart(&all, false, "2026-12-01T00:00:20Z");
    again.play("x", 0);
    answer(&mut again, "d", 1, Answer::Accepted);
    let posts = again.posts();
    let mut reported: Vec<&str> = posts.iter().flatten().map(|o| &*o.action).collect();
    reported.sort_unstable();
    assert_eq!(reported, ["a", "x", "x"]);
}

#[test]
fn a_stopping_suppression_of_one_action_ends_that_one() {
    let mut all = suppressed(
        json!({"name": "s", "start": "tens", "execution-mode": "parallel", "action": [
            {"name": "a", "task": "p", "suppression-tag": ["m/x"], "destination": ["s"]},
            {"name": "b", "task": "p", "destination": ["s"]}]}),
        true,
    );
    all["suppressions"]["suppression"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "mild", "start": "from", "match": ["m/x"]}));
    let mut bench = Bench::new(&all);
    let (a, b) = (bench.begin("a"), bench.begin("b"));
    bench.pass(6);
    assert_eq!(bench.stops(), [(a, End::Graceful)]);
    bench.end(a, 0);
    bench.end(b, 0);
    assert_eq!(bench.action_counts("s", "a"), [1, 0, 0, 1]);
    assert_eq!(bench.action_counts("s", "b"), [1, 0, 0, 0]);
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    let kept: Vec<String> = bench
        .log
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Keep(output, _) => Some(output.action.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(kept, ["b"]);
}

#[test]
fn a_suppressed_reporting_action_does_not_try_again_until_it_is_suppressed_no_more() {
    let mut all = pipeline();
    all["events"]["event"] = json!([
        tens(),
        one_off("from", "2026-12-01T00:00:02Z"),
        one_off("to", "2026-12-01T01:00:00Z")
    ]);
    all["schedules"]["schedule"][0]["suppression-tag"] = json!(["m/light"]);
    all["suppressions"]["suppression"] =
        json!([{"name": "u", "start": "from", "end": "to", "match": ["m/*"]}]);
    let mut bench = Bench::new(&all);
    bench.play("a", 0);
    answer(&mut bench, "s", 1, later());
    bench.pass(3000);
    assert_eq!((bench.posts().len(), forgotten(&bench)), (1, 0));
    bench.pass(600);
    assert_eq!(bench.posts().len(), 2, "at the end of the suppression");
    // A run that is let run on sends what it has.
    let mut bench = Bench::new(&all);
    let run = bench.begin("a");
    bench.pass(5);
    bench.end(run, 0);
    assert_eq!(bench.posts().len(), 1);
}

#[test]
fn lmap_check_52_what_an_action_had_measured_before_its_run_was_stopped_is_handed_on() {
    let mut schedule = sequence();
    for action in schedule["action"].as_array_mut().unwrap() {
        action["destination"] = json!(["q"]);
    }
    let mut all = suppressed(schedule, true);
    all["schedules"]["schedule"]
        .as_array_mut()
        .unwrap()
        .push(json!({"name": "q", "start": "to", "action": [action("send", "r")]}));
    let mut bench = Bench::new(&all);
    bench.play("a", 0);
    let run = bench.begin("b");
    bench.pass(5);
    bench.end(run, 0);
    assert_eq!(bench.names(), ["s/a", "s/b"]);
    bench.pass(25);
    let posts = bench.posts();
    let reported: Vec<&str> = posts.iter().flatten().map(|o| &*o.action).collect();
    assert_eq!(reported, ["a"], "and what was measured in part is not");
}
