//! The household's own schedules: the same plan as the controller's instructions have, beside it.
//!
//! They ignore the cap, and whether anybody has agreed to anything; they keep quiet hours unless they say otherwise, and
//! rest on mobile lines where the household does not want measurements there.

use super::{Daemon, target_of};
use crate::clock;
use crate::local::uci::{Schedule, system_zone};
use crate::random;
use crate::scheduler::plan::{Firing, Missed, Plan};
use crate::scheduler::skips::Skipped;
use crate::spooler::new_id;
use glimpse_model::id::{InstructionId, TaskId};
use glimpse_model::instruction::{Execution, Instruction, InstructionSet, Task};
use glimpse_model::options::Options;
use glimpse_model::precondition::{Link, Precondition};
use glimpse_model::record::{Record, SkipReason, Status};
use glimpse_model::time::{Timestamp, Zone};
use glimpse_probe::registry::Descriptor;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// What stands between the name of a schedule that fires once and the sum of what it says: what is changed fires again.
const EDITION: char = '@';

/// The schedule as the plan knows it. `None`: it cannot be planned.
fn planned(schedule: &Schedule, zone: &Zone) -> Option<Instruction> {
    let timing = schedule.timing_in(zone);
    let options: Map<String, Value> = schedule
        .options
        .iter()
        .filter_map(|option| option.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let id = if timing.fires_once() {
        let said = json!([timing, schedule.method, options]).to_string();
        let edition = crc32fast::hash(said.as_bytes());
        format!("{}{EDITION}{edition:08x}", schedule.name)
    } else {
        schedule.name.clone()
    };
    Some(Instruction {
        id: InstructionId::new(&id).ok()?,
        timing,
        tasks: vec![Task {
            id: TaskId::new("1").ok()?,
            method: schedule.method.clone(),
            options,
        }],
        execution: Execution::Sequential,
        precondition: Precondition::default(),
        lan: true,
        purpose: None,
    })
}

/// The schedule's name.
fn name_of(id: &InstructionId) -> &str {
    let id = id.as_str();
    id.split_once(EDITION).map_or(id, |(name, _)| name)
}

impl Daemon {
    /// Plans the household's schedules as the settings have them; `begin`: those of a former process are known.
    pub(in crate::daemon) fn plan_own(&mut self, begin: bool, now: Timestamp) {
        let zone = Zone::of(system_zone(Path::new("/")));
        let enabled = self.settings.schedules.iter().filter(|it| it.enabled);
        let set = InstructionSet {
            instructions: enabled.filter_map(|it| planned(it, &zone)).collect(),
            refused: Vec::new(),
        };
        let mut seen = if begin {
            self.own.seen.load().0
        } else {
            BTreeMap::new()
        };
        // What passed while the agent was off is over: nobody waits for it any more.
        for seen in seen.values_mut() {
            seen.last_slot = Some(now);
        }
        self.own.plan.replace(&set, &seen, now);
        if !set.instructions.is_empty() || !begin {
            self.save_own(false);
        }
        for fault in self.schedule_faults() {
            log::warn!("{fault}; it does not measure");
        }
    }

    pub(super) fn save_own(&self, clean: bool) {
        let seen = self.own.plan.seen();
        if seen.is_empty() && !self.own.seen.exists() {
            return;
        }
        if let Err(error) = self.own.seen.save(&seen, clean) {
            log::warn!("cannot note the household's schedules: {error}");
        }
    }

    /// When the household's schedules bring something.
    pub(in crate::daemon) fn own_wake_at(&self) -> Option<Timestamp> {
        self.own.plan.wake_at()
    }

    /// The clock, which had not been set, shows `now`: nothing has fired yet, and what passed before is over.
    pub(in crate::daemon) fn own_clock_was_set(&mut self, now: Timestamp) {
        self.own.plan = Plan::new(random::seed());
        self.plan_own(true, now);
        self.own.plan.clock_was_set(clock::WRITTEN, now);
    }

    /// What time brings to the household's schedules.
    pub(in crate::daemon) fn tick_own(&mut self, now: Timestamp) {
        let due = self.own.plan.due(now);
        let mut firings = due.firings.iter();
        if firings.any(|firing| firing.instruction.timing.fires_once()) {
            // Noted before they run: whatever happens, they do not run twice.
            self.save_own(false);
        }
        for firing in due.firings {
            self.fire_own(&firing, now);
        }
        for missed in due.missed {
            self.missed_own(&missed, now);
        }
        for skipped in self.own.skips.ripe(now) {
            self.show_skip(skipped);
        }
    }

    fn fire_own(&mut self, firing: &Firing, now: Timestamp) {
        let name = name_of(&firing.instruction.id).to_owned();
        if let Err((reason, words)) = self.start_own(&name, firing.slot, now) {
            self.skip_own(&name, firing.slot, reason, &words, now);
            return;
        }
        let Ok(id) = InstructionId::new(&name) else {
            return;
        };
        for skipped in self.own.skips.interrupt(&id, None) {
            self.show_skip(skipped);
        }
    }

    fn start_own(
        &mut self,
        name: &str,
        slot: Timestamp,
        now: Timestamp,
    ) -> Result<(), (SkipReason, String)> {
        let schedules = &self.settings.schedules;
        let schedule = schedules.iter().find(|schedule| schedule.name == name);
        let Some(schedule) = schedule else {
            return Ok(());
        };
        let deny = |reason, words: &str| Err((reason, words.to_owned()));
        if !schedule.ignores_quiet_hours && self.guard.rules().is_quiet(now) {
            return deny(
                SkipReason::QuietHours,
                "these are the household's quiet hours",
            );
        }
        let limits = &self.settings.limits;
        if !limits.mobile && self.surroundings.link(&limits.mobile_interfaces).1 == Link::Mobile {
            return deny(
                SkipReason::Precondition,
                "the line is mobile, and limits.mobile is off",
            );
        }
        if self.own.jobs.runs(name) {
            let words = "the last firing of this schedule is still running";
            return deny(SkipReason::Overlap, words);
        }
        let (method, options) = self
            .wanted_by(schedule)
            .map_err(|words| (SkipReason::Missed, words))?;
        let (order, measuring) = self.order(method, options, Some(name.to_owned()), slot);
        let queued = self.own.jobs.queue(order, clock::steady());
        let id = queued.map_err(|busy| (SkipReason::QueueFull, busy.to_string()))?;
        self.own.measuring.insert(id, measuring);
        Ok(())
    }

    /// The method of a schedule and its options, checked.
    pub(super) fn wanted_by(&self, schedule: &Schedule) -> Result<(Descriptor, Options), String> {
        let named = |words: String| format!("schedule '{}': {words}", schedule.name);
        let method = self.method(&schedule.method).map_err(named)?;
        let words = schedule.options.iter().map(String::as_str);
        let options = Options::from_words(&method.options, words)
            .and_then(|options| method.check(&options).map(|()| options))
            .map_err(|refused| named(refused.within("option").to_string()))?;
        Ok((method, options))
    }

    /// What keeps schedules from measuring: a method that is not there, an option that it does not take.
    pub(in crate::daemon) fn schedule_faults(&self) -> Vec<String> {
        let schedules = self.settings.schedules.iter();
        schedules
            .filter_map(|schedule| self.wanted_by(schedule).err())
            .collect()
    }

    fn missed_own(&mut self, missed: &Missed, now: Timestamp) {
        let Ok(id) = InstructionId::new(name_of(&missed.instruction.id)) else {
            return;
        };
        let words = "the time passed while the agent was asleep or busy";
        let mut skipped = Skipped::one(id, None, missed.first, SkipReason::Missed, words);
        skipped.skip.count = missed.count;
        skipped.skip.last = missed.last;
        self.note_skip(skipped, now);
    }

    fn skip_own(
        &mut self,
        name: &str,
        slot: Timestamp,
        reason: SkipReason,
        words: &str,
        now: Timestamp,
    ) {
        if let Ok(id) = InstructionId::new(name) {
            self.note_skip(Skipped::one(id, None, slot, reason, words), now);
        }
    }

    fn note_skip(&mut self, skipped: Skipped, now: Timestamp) {
        for skipped in self.own.skips.note(skipped, now) {
            self.show_skip(skipped);
        }
    }

    pub(super) fn show_skip(&mut self, skipped: Skipped) {
        let mut record = Record::new(new_id(clock::now()), Status::Skipped);
        let schedules = &self.settings.schedules;
        let schedule = schedules
            .iter()
            .find(|schedule| schedule.name == skipped.instruction.as_str());
        record.method = schedule.map(|schedule| schedule.method.clone());
        record.instruction_id = Some(skipped.instruction);
        record.planned_time = Some(skipped.first);
        record.error = skipped.words;
        record.skip = Some(skipped.skip);
        self.show_own(&record, None);
    }

    /// The household's schedules, as `schedules` lists them.
    pub(in crate::daemon) fn own_schedules(&self) -> Vec<Value> {
        let next: BTreeMap<&str, Option<Timestamp>> = self
            .own
            .plan
            .upcoming()
            .map(|(instruction, next)| (name_of(&instruction.id), next))
            .collect();
        let schedules = self.settings.schedules.iter();
        schedules
            .map(|schedule| {
                let wanted = self.wanted_by(schedule);
                let (target, worst) = match &wanted {
                    Ok((method, options)) => (target_of(options), method.worst_case_bytes(options)),
                    Err(_) => (String::new(), 0),
                };
                let targets = if target.is_empty() {
                    Vec::new()
                } else {
                    vec![target]
                };
                json!({
                    "id": schedule.name,
                    "own": true,
                    "title": schedule.title.as_ref().unwrap_or(&schedule.name),
                    "asked_by": {"door": "household", "name": null},
                    "purpose": null,
                    "methods": [schedule.method],
                    "targets": targets,
                    "timing": schedule.timing,
                    "enabled": schedule.enabled,
                    "paused": !schedule.enabled,
                    "forbidden": false,
                    "next": next.get(schedule.name.as_str()).copied().flatten(),
                    "monthly_bytes": super::super::listing::monthly(&schedule.timing, worst),
                    "error": wanted.err(),
                })
            })
            .collect()
    }
}
