//! What waits is bounded, and who is failing is left alone.

use super::reporting::{answer, forgotten, later, never};
use super::*;
use crate::outbox::Answer;
use glimpse_model::sorted::SortedMap;

/// Bytes and number of the files that the steps leave behind.
fn stored(bench: &Bench) -> (usize, u64) {
    let mut files = SortedMap::new();
    for (_, step) in &bench.log {
        match step {
            Step::Keep(output, places) => {
                let bytes = output.storage(places, bench.machine.block);
                let _ = files.insert(output.record.id, bytes);
            }
            Step::Forget(id) => drop(files.remove(id)),
            _ => {}
        }
    }
    (files.len(), files.values().sum())
}

fn skips(bench: &Bench) -> Vec<&Skipped> {
    let steps = bench.log.iter();
    let skipped = steps.filter_map(|(_, step)| match step {
        Step::Skipped(skipped) => Some(skipped),
        _ => None,
    });
    skipped
        .filter(|skipped| skipped.reason == SkipReason::QueueFull)
        .collect()
}

#[test]
fn failures_of_what_cannot_run_do_not_pass_the_quota() {
    // Nothing of it costs a packet: neither guard nor cap is asked.
    let actions: Vec<Value> = (0..20)
        .map(|i| {
            json!({"name": format!("a{i}"), "task": "x", "destination": ["q"], "option":
                [{"id": "1", "name": "n", "value": "v".repeat(900)}]})
        })
        .collect();
    let mut all = never(&json!([
        {"name": "s", "start": "tens", "execution-mode": "parallel", "action": actions},
        {"name": "q", "start": "never", "action": [action("send", "r")]},
    ]));
    all["events"]["event"][0]["periodic"]["start"] = json!("2026-12-01T00:00:05Z");
    let mut bench = Bench::new(&all);
    bench.machine.quota = 30_000;
    bench.pass(5_000);
    assert_eq!(bench.counts("s"), [500, 0, 0, 500]);
    let (files, bytes) = stored(&bench);
    assert_eq!((files, bytes), (7, 7 * bench.machine.block));
    assert_eq!(bytes, bench.machine.storage());
    assert_eq!(forgotten(&bench), 0, "the oldest are kept");
    assert_eq!(bench.machine.dropped(), 500 * 20 - 7);
    let skips = skips(&bench);
    assert_eq!(skips.len(), 500, "one a run, however many actions");
    assert_eq!((skips[9].count, &skips[9].action), (20, &None));
}

#[test]
fn results_of_one_run_do_not_pass_the_quota_before_it_ends() {
    let actions: Vec<Value> = (0..20)
        .map(|i| json!({"name": format!("a{i}"), "task": "p"}))
        .collect();
    let mut bench = Bench::new(&one(
        json!({"name": "s", "start": "tens", "action": actions}),
    ));
    bench.machine.quota = 4 * bench.machine.block;
    for i in 0..4 {
        bench.play(&format!("a{i}"), 0);
    }
    assert_eq!(bench.machine.storage(), 0, "nothing is to be kept of it");
    assert_eq!(
        bench.started().len(),
        4,
        "but it is held until the run ends"
    );
    assert_eq!(skips(&bench)[0].count, 16);
    // Then there is room again.
    bench.pass(10);
    assert_eq!(bench.started().len(), 5);
}

#[test]
fn an_output_that_never_fits_is_not_measured_again_until_it_is_configured_otherwise() {
    let with = |tags: usize| {
        let tags: Vec<String> = (0..tags)
            .map(|i| format!("{i}{}", "v".repeat(500)))
            .collect();
        never(&json!([
            {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["q"],
                "tag": tags}]},
            {"name": "v", "start": "tens", "action": [{"name": "b", "task": "p", "destination": ["q"]}]},
            {"name": "q", "start": "never", "action": [action("send", "r")]},
        ]))
    };
    let mut bench = Bench::new(&with(20));
    bench.machine.quota = 2 * bench.machine.block;
    bench.play("a", 0);
    assert_eq!(bench.machine.dropped(), 1);
    bench.play("b", 0);
    bench.pass(30);
    let names = bench.names();
    let of = |name: &str| names.iter().filter(|n| *n == name).count();
    assert_eq!(of("s/a"), 1, "{names:?}");
    assert!(of("v/b") > 1, "others have room");
    bench.configure(&with(1));
    bench.pass(10);
    let names = bench.names();
    assert_eq!(names.iter().filter(|n| *n == "s/a").count(), 2);
}

#[test]
fn the_sum_of_what_waits_is_kept_right() {
    let mut bench = Bench::new(&lmap(
        &json!([tens()]),
        &json!([
            {"name": "s", "start": "tens", "execution-mode": "parallel", "action": [
                {"name": "a", "task": "p", "destination": ["q", "w"]}, {"name": "b", "task": "p", "destination": ["q"]}]},
            {"name": "q", "start": "tens", "action": [action("send", "r")]},
            {"name": "w", "start": "tens", "execution-mode": "sequential", "action": [action("send", "r")]},
        ]),
        &json!([]),
    ));
    let posts = |bench: &Bench| bench.posts().len();
    let mut answered = 0;
    for round in 0..6 {
        bench.play("a", 0);
        bench.play("b", 0);
        bench.pass(8);
        while answered < posts(&bench) {
            let (of, count) = bench
                .log
                .iter()
                .filter_map(|(_, step)| match step {
                    Step::Post {
                        schedule, outputs, ..
                    } => Some((schedule.clone(), outputs.len())),
                    _ => None,
                })
                .nth(answered)
                .unwrap();
            let word = if round % 2 == 0 {
                later()
            } else {
                Answer::Accepted
            };
            answer(&mut bench, &of, count, word);
            answered += 1;
        }
        assert_eq!(bench.machine.storage(), stored(&bench).1, "{round}");
        let again = bench.restart(
            &never(&json!([
                {"name": "q", "start": "never", "action": [action("send", "r")]}
            ])),
            false,
            "2026-12-01T01:00:00Z",
        );
        assert!(again.machine.storage() <= bench.machine.storage());
    }
    assert!(forgotten(&bench) > 0);
}

#[test]
fn a_run_does_not_hurry_a_collector_that_is_to_be_left_alone() {
    let mut bench = Bench::new(&lmap(
        &json!([{"name": "seconds", "periodic": {"interval": 1, "start": "2026-12-01T00:00:00Z"}}]),
        &json!([{"name": "s", "start": "seconds", "action": [action("a", "x"), {"name": "send", "task": "r",
            "option": [{"id": "1", "name": "heartbeat"}]}]}]),
        &json!([]),
    ));
    let mut sent = Vec::new();
    for second in 0..600 {
        while sent.len() < bench.posts().len() {
            sent.push(second);
            let count = bench.posts().last().unwrap().len();
            answer(&mut bench, "s", count, later());
        }
        bench.pass(1);
    }
    assert!(sent.len() <= 9, "tries double their distance: {sent:?}");
    assert!(bench.counts("s")[0] > 500, "runs fail at once meanwhile");
    let last = bench.machine.counters("s").unwrap().actions["send"]
        .last_failed
        .clone()
        .unwrap();
    assert!(last.message.contains("answered 503"), "{}", last.message);
    // When it takes them, it gets everything.
    let waiting = bench.machine.storage();
    assert!(waiting > 0);
    for _ in 0..700 {
        let before = bench.posts().len();
        bench.pass(1);
        if bench.posts().len() > before {
            break;
        }
    }
    for _ in 0..20 {
        let count = bench.posts().last().unwrap().len();
        let before = bench.posts().len();
        answer(&mut bench, "s", count, Answer::Accepted);
        if bench.posts().len() == before {
            break;
        }
    }
    assert_eq!(bench.machine.storage(), 0);
}

#[test]
fn names_of_the_places_where_a_result_waits_count_as_well() {
    let queues: Vec<String> = (0..60).map(|i| format!("{i}{}", "q".repeat(500))).collect();
    let mut schedules = vec![
        json!({"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": queues}]}),
    ];
    for name in &queues {
        schedules.push(json!({"name": name, "start": "never", "action": [action("send", "r")]}));
    }
    let mut bench = Bench::new(&never(&json!(schedules)));
    bench.play("a", 0);
    assert!(
        bench.machine.storage() > 60 * 500,
        "{}",
        bench.machine.storage()
    );
    assert_eq!(stored(&bench), (1, bench.machine.storage()));
}
