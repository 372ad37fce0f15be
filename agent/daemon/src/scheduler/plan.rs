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

    /// The instruction of that id, if it is in force.
    pub fn find(&self, id: &InstructionId) -> Option<&Arc<Instruction>> {
        self.entries.get(id).map(|entry| &entry.instruction)
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
mod tests;
