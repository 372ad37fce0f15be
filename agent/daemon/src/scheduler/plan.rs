//! The plan: every instruction of the current set and its next slot.

use glimpse_model::id::InstructionId;
use glimpse_model::instruction::{Instruction, InstructionSet};
use glimpse_model::time::{SECOND, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How late a firing of a repeated timing may be started; later ones are missed. Long enough for a
/// busy router, short enough that a machine that slept does not measure in bursts.
pub const GRACE: i64 = 2 * SECOND;

/// A clock set back by more than this starts the timings anew; a smaller step is waited out, so that
/// no slot is given out twice.
const SET_BACK: i64 = 60 * SECOND;

/// Most missed slots counted one by one for a calendar.
const COUNT_LIMIT: u32 = 100_000;

/// What the agent knows of an instruction beyond the set it came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When it was first seen.
    pub first: Timestamp,
    /// Its last slot that was dealt with.
    pub last_slot: Option<Timestamp>,
    /// It was a one-shot, and it fired.
    pub done: bool,
}

/// A slot that is due.
#[derive(Debug, Clone)]
pub struct Firing {
    /// What is to run.
    pub instruction: Arc<Instruction>,
    /// The planned time, without spread.
    pub slot: Timestamp,
    /// The planned time with its spread.
    pub at: Timestamp,
}

/// Slots that passed while nobody could run them.
#[derive(Debug, Clone)]
pub struct Missed {
    /// What did not run.
    pub instruction: Arc<Instruction>,
    /// How many slots.
    pub count: u32,
    /// The first of them.
    pub first: Timestamp,
    /// The last of them.
    pub last: Timestamp,
}

/// What is to be done at a point in time.
#[derive(Debug, Default)]
pub struct Due {
    /// To be run now, in order of their time.
    pub firings: Vec<Firing>,
    /// To be recorded as missed.
    pub missed: Vec<Missed>,
}

#[derive(Debug)]
struct Entry {
    instruction: Arc<Instruction>,
    seen: Seen,
    next: Option<Timestamp>,
}

/// The instructions in force and their slots. Time is handed in; the seed makes the spreads.
#[derive(Debug)]
pub struct Plan {
    seed: u64,
    entries: BTreeMap<InstructionId, Entry>,
    /// Slots that were drawn and wait for their spread to pass.
    pending: Vec<Firing>,
    /// One-shots that fired and are no longer listed: listed again, they do not fire again.
    past: BTreeMap<InstructionId, Seen>,
}

/// Most one-shots remembered after they are no longer listed; the oldest are forgotten first.
const PAST_LIMIT: usize = 2000;

impl Plan {
    /// An empty plan. The seed should differ between agents, so that spreads do.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            entries: BTreeMap::new(),
            pending: Vec::new(),
            past: BTreeMap::new(),
        }
    }

    /// Puts `set` in force at `now`. What is unchanged keeps its place; what is gone is forgotten
    /// with its pending firings; `known` is what a former process knew of the instructions.
    pub fn replace(
        &mut self,
        set: &InstructionSet,
        known: &BTreeMap<InstructionId, Seen>,
        now: Timestamp,
    ) {
        let mut old = std::mem::take(&mut self.entries);
        for instruction in &set.instructions {
            let id = instruction.id.clone();
            let entry = match old.remove(&id) {
                Some(entry) if *entry.instruction == *instruction => entry,
                // A changed instruction is planned anew, but a one-shot that fired stays done.
                Some(entry) => Entry::new(
                    instruction,
                    Seen {
                        last_slot: None,
                        ..entry.seen
                    },
                ),
                None => Entry::new(
                    instruction,
                    self.past
                        .remove(&id)
                        .or_else(|| known.get(&id).copied())
                        .unwrap_or(Seen {
                            first: now,
                            last_slot: None,
                            done: false,
                        }),
                ),
            };
            self.entries.insert(id, entry);
        }
        let gone = old.into_iter().map(|(id, entry)| (id, entry.seen));
        let unlisted = known
            .iter()
            .filter(|(id, _)| !self.entries.contains_key(*id))
            .map(|(id, seen)| (id.clone(), *seen));
        self.past
            .extend(gone.chain(unlisted).filter(|(_, seen)| seen.done));
        while self.past.len() > PAST_LIMIT {
            let oldest = self.past.iter().min_by_key(|(_, seen)| seen.first);
            let Some(id) = oldest.map(|(id, _)| id.clone()) else {
                break;
            };
            self.past.remove(&id);
        }
        let entries = &self.entries;
        self.pending.retain(|firing| {
            entries
                .get(&firing.instruction.id)
                .is_some_and(|entry| entry.instruction == firing.instruction)
        });
    }

    /// When to ask [`Plan::due`] again; `None` when nothing is planned.
    pub fn wake_at(&self) -> Option<Timestamp> {
        let next = self.entries.values().filter_map(|entry| entry.next).min();
        let pending = self.pending.iter().map(|firing| firing.at).min();
        match (next, pending) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// What is due at `now`. Each slot is given out once, as a firing or as missed.
    pub fn due(&mut self, now: Timestamp) -> Due {
        let mut due = Due::default();
        self.follow_back(now);
        for entry in self.entries.values_mut() {
            entry.advance(now, self.seed, &mut self.pending, &mut due.missed);
        }
        let (mut ready, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|firing| firing.at <= now);
        self.pending = waiting;
        ready.sort_by_key(|firing| firing.at);
        for firing in ready {
            // Only now is the slot dealt with: a process that ends before leaves it to the next.
            if let Some(entry) = self.entries.get_mut(&firing.instruction.id) {
                entry.seen.last_slot = entry.seen.last_slot.max(Some(firing.slot));
                entry.seen.done |= firing.instruction.timing.fires_once();
            }
            if firing.instruction.timing.fires_once() || now.since(firing.at) <= GRACE {
                due.firings.push(firing);
            } else {
                due.missed.push(Missed {
                    instruction: firing.instruction,
                    count: 1,
                    first: firing.slot,
                    last: firing.slot,
                });
            }
        }
        due
    }

    /// Takes a one-shot back that could not be started for want of room; it is due again at `at`.
    pub fn defer(&mut self, firing: Firing, at: Timestamp) {
        if let Some(entry) = self.entries.get_mut(&firing.instruction.id) {
            entry.seen.done = false;
            self.pending.push(Firing { at, ..firing });
        }
    }

    /// The slots that the instructions in force have dealt with.
    pub fn last_slots(&self) -> BTreeMap<InstructionId, Timestamp> {
        let slots = self.entries.iter();
        slots
            .filter_map(|(id, entry)| Some((id.clone(), entry.seen.last_slot?)))
            .collect()
    }

    /// The clock, which had not been set, shows `now`: what was first seen before `set` was seen by a
    /// clock that knew no better.
    pub fn clock_was_set(&mut self, set: Timestamp, now: Timestamp) {
        for entry in self
            .entries
            .values_mut()
            .filter(|entry| entry.seen.first < set)
        {
            entry.begin_anew(now);
        }
    }

    /// Starts the timings anew that were planned by a clock far ahead of `now`; else they would rest
    /// until it is there again.
    fn follow_back(&mut self, now: Timestamp) {
        let ahead = |at: Timestamp| at.since(now) > SET_BACK;
        for entry in self.entries.values_mut() {
            if ahead(entry.seen.first) || entry.seen.last_slot.is_some_and(ahead) {
                self.pending
                    .retain(|firing| firing.instruction.id != entry.instruction.id);
                entry.begin_anew(now);
            }
        }
    }

    /// Each instruction in force with its next slot, in order of their ids.
    pub fn upcoming(&self) -> impl Iterator<Item = (&Arc<Instruction>, Option<Timestamp>)> {
        self.entries
            .values()
            .map(|entry| (&entry.instruction, entry.next))
    }

    /// What a later process must know of the instructions.
    pub fn seen(&self) -> BTreeMap<InstructionId, Seen> {
        self.entries
            .iter()
            .map(|(id, entry)| (id.clone(), entry.seen))
            .chain(self.past.iter().map(|(id, seen)| (id.clone(), *seen)))
            .collect()
    }
}

impl Entry {
    fn new(instruction: &Instruction, seen: Seen) -> Self {
        let next = if seen.done && instruction.timing.fires_once() {
            None
        } else {
            match seen.last_slot {
                Some(slot) if !instruction.timing.fires_once() => {
                    instruction.timing.next(slot, seen.first)
                }
                _ => instruction.timing.first(seen.first),
            }
        };
        Self {
            instruction: Arc::new(instruction.clone()),
            seen,
            next,
        }
    }

    /// Plans as if first seen at `now`, but for a one-shot that fired.
    fn begin_anew(&mut self, now: Timestamp) {
        let seen = Seen {
            first: now,
            last_slot: None,
            done: self.seen.done,
        };
        *self = Self::new(&self.instruction, seen);
    }

    /// Draws the slots up to `now`; those too old to run are counted as missed without being drawn.
    fn advance(
        &mut self,
        now: Timestamp,
        seed: u64,
        pending: &mut Vec<Firing>,
        missed: &mut Vec<Missed>,
    ) {
        let timing = &self.instruction.timing;
        while let Some(slot) = self.next.filter(|slot| *slot <= now) {
            let at = timing.fire_at(slot, seed);
            if timing.fires_once() || now.since(at) <= GRACE {
                pending.push(Firing {
                    instruction: self.instruction.clone(),
                    slot,
                    at,
                });
                self.next = timing.next(slot, self.seen.first);
                continue;
            }
            // A slot too old: count it and all up to the grace period in one go.
            let stale = now.plus_micros(-GRACE - 1).max(slot);
            let more = timing.count(slot, stale, self.seen.first, COUNT_LIMIT);
            let next = timing.next(stale, self.seen.first);
            missed.push(Missed {
                instruction: self.instruction.clone(),
                count: more.saturating_add(1),
                first: slot,
                last: if more == 0 { slot } else { stale },
            });
            self.seen.last_slot = Some(stale);
            self.next = next;
        }
    }
}

#[cfg(test)]
mod tests {
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
}
