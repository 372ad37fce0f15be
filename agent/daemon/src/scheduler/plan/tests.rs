#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(1_780_000_000 * SECOND + seconds * SECOND)
}

fn set(timings: &[(&str, Value)]) -> InstructionSet {
    let instructions: Vec<Value> = timings
        .iter()
        .map(|(id, timing)| {
            json!({"id": id, "timing": timing,
            "task": {"id": "t", "method": "ping", "options": {"host": "192.0.2.1"}}})
        })
        .collect();
    let document = json!({"schema": 2, "instructions": instructions});
    InstructionSet::parse(document.to_string().as_bytes()).unwrap()
}

fn plan(set: &InstructionSet, now: Timestamp) -> Plan {
    let mut plan = Plan::new(7);
    plan.replace(set, &BTreeMap::new(), now);
    plan
}

#[test]
fn glimpse_check_13_an_immediate_instruction_listed_again_does_not_run_again() {
    let set = set(&[("a", json!({"immediate": {}}))]);
    let mut first = plan(&set, at(0));
    assert_eq!(first.due(at(0)).firings.len(), 1);
    first.replace(&set, &BTreeMap::new(), at(5));
    assert!(first.due(at(5)).firings.is_empty());
    // Nor when it was taken off the list in between.
    first.replace(&InstructionSet::default(), &BTreeMap::new(), at(6));
    first.replace(&set, &BTreeMap::new(), at(7));
    assert!(first.due(at(7)).firings.is_empty());
    // Nor after a restart.
    let mut second = Plan::new(8);
    second.replace(&set, &first.seen(), at(10));
    assert!(second.due(at(10)).firings.is_empty());
    assert_eq!(second.wake_at(), None);
}

#[test]
fn glimpse_check_18_a_oneoff_in_the_past_runs_once() {
    let past = set(&[("a", json!({"oneoff": {"time": "2020-01-01T00:00:00Z"}}))]);
    let mut plan = plan(&past, at(0));
    let due = plan.due(at(0));
    assert_eq!((due.firings.len(), due.missed.len()), (1, 0));
    assert!(plan.due(at(1)).firings.is_empty());
}

#[test]
fn a_set_that_changes_disturbs_nothing_else() {
    let every = |s: i64| json!({"periodic": {"interval": s * 1000}});
    let mut plan = plan(&set(&[("a", every(10)), ("b", every(10))]), at(0));
    assert_eq!(plan.due(at(0)).firings.len(), 2);
    // b changes its interval, c is new, a goes on in its own rhythm.
    plan.replace(
        &set(&[("a", every(10)), ("b", every(60)), ("c", every(60))]),
        &BTreeMap::new(),
        at(3),
    );
    let due = plan.due(at(10));
    let fired: Vec<&str> = due
        .firings
        .iter()
        .map(|f| f.instruction.id.as_str())
        .collect();
    assert!(fired.contains(&"a"), "{fired:?}");
    plan.replace(&InstructionSet::default(), &BTreeMap::new(), at(11));
    assert_eq!(plan.wake_at(), None);
}

#[test]
fn what_was_slept_through_is_missed_and_counted() {
    let mut plan = plan(
        &set(&[("a", json!({"periodic": {"interval": 1000}}))]),
        at(0),
    );
    assert_eq!(plan.due(at(0)).firings.len(), 1);
    let due = plan.due(at(3600));
    let missed: u32 = due.missed.iter().map(|m| m.count).sum();
    assert_eq!(
        missed as usize + due.firings.len(),
        3600,
        "every slot is accounted for"
    );
    assert!(due.firings.len() <= 3, "no burst: {}", due.firings.len());
    assert!(plan.due(at(3600)).firings.is_empty());
}

#[test]
fn missed_slots_are_found_after_a_restart() {
    let set = set(&[("a", json!({"periodic": {"interval": 60_000}}))]);
    let mut before = plan(&set, at(0));
    before.due(at(0));
    let mut after = Plan::new(7);
    after.replace(&set, &before.seen(), at(630));
    let due = after.due(at(630));
    assert_eq!(due.missed.iter().map(|m| m.count).sum::<u32>(), 10);
    assert_eq!(after.wake_at(), Some(at(660)));
}

#[test]
fn a_spread_longer_than_the_interval_keeps_every_firing() {
    let spread = json!({"periodic": {"interval": 1000, "randomSpread": 10_000}});
    let mut plan = plan(&set(&[("a", spread)]), at(0));
    let mut fired = std::collections::BTreeSet::new();
    for ms in 0..60_000 {
        let due = plan.due(at(0).plus_micros(ms * 1000));
        assert!(due.missed.is_empty());
        for firing in due.firings {
            assert!(fired.insert(firing.slot), "once each");
        }
    }
    assert!((50..=60).contains(&fired.len()), "{}", fired.len());
}

#[test]
fn a_clock_that_was_a_year_ahead_does_not_silence_the_agent() {
    let every = set(&[
        ("a", json!({"periodic": {"interval": 1000}})),
        ("b", json!({"immediate": {}})),
    ]);
    let mut plan = plan(&every, at(0));
    plan.due(at(0));
    plan.due(at(31_536_000));
    let due = plan.due(at(10));
    assert_eq!(due.firings.len(), 1, "the periodic one goes on");
    assert_eq!(due.firings[0].instruction.id.as_str(), "a");
    assert!(plan.wake_at().unwrap() <= at(11));
    // A small step back repeats nothing.
    assert!(plan.due(at(9)).firings.is_empty());
}

#[test]
fn an_unset_clock_does_not_make_decades_of_missed_slots() {
    let every = set(&[("a", json!({"periodic": {"interval": 1000}}))]);
    let boot = Timestamp::from_micros(5 * SECOND);
    let mut plan = plan(&every, boot);
    plan.clock_was_set(at(0), at(100));
    let due = plan.due(at(100));
    assert_eq!((due.firings.len(), due.missed.len()), (1, 0));
}

#[test]
fn a_firing_that_waits_for_its_spread_outlives_the_process() {
    let spread = json!({"oneoff": {"time": "2026-11-22T00:00:00Z", "randomSpread": 3_600_000}});
    let set = set(&[("a", spread)]);
    let time = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
    let mut before = plan(&set, time.plus_micros(-SECOND));
    assert!(before.due(time).firings.is_empty(), "it waits");
    let mut after = Plan::new(9);
    after.replace(&set, &before.seen(), time.plus_micros(SECOND));
    assert_eq!(after.due(time.plus_micros(3_700 * SECOND)).firings.len(), 1);
}

#[test]
fn a_one_shot_without_room_comes_again() {
    let set = set(&[("a", json!({"immediate": {}}))]);
    let mut plan = plan(&set, at(0));
    let firing = plan.due(at(0)).firings.remove(0);
    plan.defer(firing, at(1));
    assert_eq!(plan.wake_at(), Some(at(1)));
    assert_eq!(plan.due(at(1)).firings.len(), 1);
    assert!(plan.due(at(2)).firings.is_empty());
}

proptest! {
    /// However irregularly the clock is looked at, each slot is given out exactly once.
    #[test]
    fn every_slot_once(
        interval in 100_i64..5_000,
        steps in proptest::collection::vec(1_i64..20_000, 1..40),
    ) {
        let set = set(&[("a", json!({"periodic": {"interval": interval}}))]);
        let mut plan = plan(&set, at(0));
        let mut now = at(0);
        let mut accounted = 0_i64;
        for step in steps {
            now = now.plus_micros(step * 1000);
            let due = plan.due(now);
            accounted += i64::try_from(due.firings.len()).unwrap();
            accounted += due.missed.iter().map(|m| i64::from(m.count)).sum::<i64>();
        }
        prop_assert_eq!(accounted, now.since(at(0)) / (interval * 1000) + 1);
        prop_assert!(plan.wake_at().unwrap() > now);
    }
}
