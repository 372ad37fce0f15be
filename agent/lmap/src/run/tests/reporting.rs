//! Reporting actions: from queues to collectors.

use super::*;
use crate::bench::COLLECTOR;
use crate::outbox::Answer;
use crate::output::Output;

/// Measure and report in the shortest configuration there is: a pipeline.
pub(super) fn pipeline() -> Value {
    one(json!({"name": "s", "start": "tens", "action": [action("a", "p"), action("send", "r")]}))
}

pub(super) fn answer(bench: &mut Bench, schedule: &str, count: usize, answer: Answer) {
    bench
        .machine
        .delivered(schedule, "send", COLLECTOR, count, answer, &bench.now);
    bench.take();
}

pub(super) fn later() -> Answer {
    Answer::of_status(503, None)
}

pub(super) fn forgotten(bench: &Bench) -> usize {
    bench
        .log
        .iter()
        .filter(|(_, step)| matches!(step, Step::Forget(_)))
        .count()
}

#[test]
fn a_pipeline_measures_and_reports() {
    let mut bench = Bench::new(&pipeline());
    bench.play("a", 0);
    let posts = bench.posts();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0][0].action, "a");
    assert_eq!(bench.state("s"), "running");
    answer(&mut bench, "s", 1, Answer::of_status(204, None));
    assert_eq!(bench.counts("s"), [1, 0, 0, 0]);
    assert_eq!(forgotten(&bench), 1);
    assert_eq!(bench.state("s"), "enabled");
    assert_eq!(bench.machine.storage(), 0);
}

#[test]
fn lmap_check_66_each_of_two_that_overlap_lists_the_other() {
    let mut bench = Bench::new(&lmap(
        &json!([tens()]),
        &json!([
            {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["q"]}]},
            {"name": "v", "start": "tens", "action": [{"name": "b", "task": "p", "destination": ["q"]}]},
            {"name": "q", "start": "never", "action": [action("send", "r")]},
        ]),
        &json!([]),
    )
    .tap("never"));
    let (a, b) = (bench.begin("a"), bench.begin("b"));
    let instruction = Planned {
        instruction: InstructionId::new("i").unwrap(),
        task: Some(TaskId::new("t").unwrap()),
        slot: bench.now.wall,
    };
    bench.end(a, 0);
    bench.machine.note_began(&instruction, bench.now.wall);
    bench.end(b, 0);
    let outputs: Vec<Arc<Output>> = bench
        .log
        .iter()
        .filter_map(|(_, step)| match step {
            Step::Keep(output, _) => Some(output.clone()),
            _ => None,
        })
        .collect();
    let met = |i: usize| -> Vec<&str> {
        let conflicts = outputs[i].conflicts.iter();
        conflicts
            .map(|conflict| conflict.schedule.as_str())
            .collect()
    };
    assert_eq!(met(0), ["v"]);
    assert_eq!(met(1), ["i", "s"], "the JSON door's too");
    assert_eq!(outputs[0].conflicts[0].task, "p");
}

/// Adds an event that never happens.
trait Tap {
    fn tap(self, name: &str) -> Value;
}

impl Tap for Value {
    fn tap(mut self, name: &str) -> Value {
        let events = self["events"]["event"].as_array_mut().unwrap();
        events.push(json!({"name": name}));
        self
    }
}

#[test]
fn lmap_check_73_unavailable_is_retried_with_back_off_and_refused_is_put_aside() {
    let mut bench = Bench::new(&lmap(
        &json!([tens(), one_off("go", "2026-12-01T00:00:25Z")]),
        &json!([
            {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["q"]}]},
            {"name": "q", "start": "go", "action": [action("send", "r")]},
        ]),
        &json!([]),
    ));
    for _ in 0..3 {
        bench.play("a", 0);
        bench.pass(9);
    }
    assert_eq!(bench.posts().len(), 1);
    assert_eq!(bench.posts()[0].len(), 3);
    // Unavailable: the action has failed, the data stays, and another try follows.
    answer(&mut bench, "q", 3, later());
    assert_eq!(bench.counts("q"), [1, 0, 0, 1]);
    assert_eq!(forgotten(&bench), 0);
    let mut waits = Vec::new();
    for n in 2..8 {
        let before = bench.now.wall;
        let wake = bench.machine.wake_at(&bench.now).unwrap();
        while bench.posts().len() < n {
            bench.pass_ms(100);
            assert!(bench.now.wall.since(before) < 700 * SECOND, "{wake}");
        }
        waits.push(bench.now.wall.since(before) / SECOND);
        answer(&mut bench, "q", 3, later());
    }
    assert!(waits[5] > 3 * waits[0].max(1), "{waits:?}");
    assert_eq!(
        bench.counts("q"),
        [1, 0, 0, 1],
        "tries between runs are no runs"
    );
    // Refused: halved until the one to blame stands alone.
    let wait_for = |bench: &mut Bench, n: usize| {
        while bench.posts().len() < n {
            bench.pass(1);
        }
    };
    wait_for(&mut bench, 8);
    assert!(bench.posts()[7].len() >= 3);
    answer(&mut bench, "q", 3, Answer::of_status(400, None));
    assert_eq!(bench.posts()[8].len(), 1);
    answer(&mut bench, "q", 1, Answer::of_status(400, None));
    let aside = bench
        .log
        .iter()
        .filter(|(_, step)| matches!(step, Step::Quarantine { .. }))
        .count();
    assert_eq!(aside, 1);
    let next = bench.posts()[9].clone();
    assert_ne!(
        next[0].record.id,
        bench.posts()[8][0].record.id,
        "it goes on with the next"
    );
    answer(&mut bench, "q", next.len(), Answer::Accepted);
    assert_eq!(forgotten(&bench), 1 + next.len());
}

#[test]
fn every_collector_has_its_own_place_in_the_queue() {
    let mut lmap = pipeline();
    lmap["tasks"]["task"][1]["option"] = json!([
        {"id": "1", "name": "collector", "value": COLLECTOR}, {"id": "2", "name": "collector", "value": "https://b.example"}]);
    let mut bench = Bench::new(&lmap);
    bench.play("a", 0);
    assert_eq!(bench.posts().len(), 2);
    answer(&mut bench, "s", 1, Answer::Accepted);
    assert_eq!(forgotten(&bench), 0, "the other has not got it");
    let now = bench.now;
    bench
        .machine
        .delivered("s", "send", "https://b.example", 1, later(), &now);
    bench.take();
    assert_eq!(bench.counts("s"), [1, 0, 0, 1]);
    bench.pass(8);
    bench.machine.delivered(
        "s",
        "send",
        "https://b.example",
        1,
        Answer::Accepted,
        &bench.now.clone(),
    );
    bench.take();
    assert_eq!(forgotten(&bench), 1);
}

#[test]
fn what_was_not_delivered_survives_a_restart() {
    let lmap = pipeline();
    let mut bench = Bench::new(&lmap);
    bench.play("a", 2);
    answer(&mut bench, "s", 1, later());
    let mut again = bench.restart(&lmap, false, "2026-12-01T00:00:05Z");
    again.pass(0);
    let posts = again.posts();
    assert_eq!((posts.len(), posts[0][0].status), (1, 2));
    assert_eq!(posts[0][0].tags, ["t"]);
}

/// A configuration with the event `never` besides.
pub(super) fn never(schedules: &Value) -> Value {
    lmap(&json!([tens()]), schedules, &json!([])).tap("never")
}

#[test]
fn lmap_trap_22_with_a_full_queue_nothing_is_measured_and_nothing_is_deleted() {
    // Others make room by deleting what was not sent.
    let mut bench = Bench::new(&never(&json!([
        {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["q"]}]},
        {"name": "q", "start": "never", "action": [action("send", "r")]},
    ])));
    bench.machine.quota = 2 * bench.machine.block;
    for _ in 0..4 {
        bench.play("a", 0);
        bench.pass(9);
    }
    assert_eq!(bench.started().len(), 2, "there is room for two");
    let last = bench.machine.counters("s").unwrap().actions["a"]
        .last
        .clone()
        .unwrap();
    assert!(
        last.status != 0 && last.message.contains("wait to be reported"),
        "{last:?}"
    );
    assert_eq!(bench.machine.storage(), 2 * bench.machine.block);
    assert_eq!(forgotten(&bench), 0);
}

#[test]
fn lmap_trap_15_data_that_comes_while_a_reporter_runs_waits_for_its_next_run() {
    let mut bench = Bench::new(&lmap(
        &json!([tens()]),
        &json!([
            {"name": "s", "start": "tens", "action": [{"name": "a", "task": "p", "destination": ["q"]}]},
            {"name": "q", "start": "tens", "action": [action("send", "r")]},
        ]),
        &json!([]),
    ));
    bench.play("a", 0);
    bench.pass(9);
    // The reporter of second 10 runs with the first result, while the second measurement ends.
    assert_eq!(bench.posts().len(), 1);
    bench.play("a", 0);
    assert_eq!(bench.posts().len(), 1);
    answer(&mut bench, "q", 1, Answer::Accepted);
    assert_eq!(bench.posts().len(), 1, "not by a run that had begun before");
    assert_eq!(forgotten(&bench), 1);
    bench.pass(9);
    assert_eq!(bench.posts()[1].len(), 1);
    assert_ne!(bench.posts()[0][0].record.id, bench.posts()[1][0].record.id);
}
