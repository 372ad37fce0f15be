//! What is measured when, for whom, and at what cost: the answer to `schedules`.

use super::Daemon;
use super::own::target_of;
use crate::local::service::ANSWER_BYTES;
use glimpse_model::instruction::Task;
use glimpse_model::timing::Timing;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Targets of one entry.
const TARGETS: usize = 8;
const MINUTES_PER_MONTH: u64 = 30 * 24 * 60;

/// Bytes that firings of a month use at most: an estimate, for people.
pub(super) fn monthly(timing: &Timing, worst_bytes: u64) -> u64 {
    let firings = match timing {
        Timing::Immediate {} | Timing::OneOff { .. } => 1,
        Timing::OnDemand {} => 0,
        Timing::Periodic(periodic) => {
            let interval_ms = periodic.interval_ms.max(1).unsigned_abs();
            (MINUTES_PER_MONTH * 60_000).div_ceil(interval_ms)
        }
        Timing::Calendar(calendar) => {
            let times = calendar.times();
            let count = |set: &[u8]| set.len() as u64;
            let daily = count(&times.hours) * count(&times.minutes) * count(&times.seconds);
            // Of 31 days of a month and 7 of a week, and of 12 months, those that are in the sets.
            let days = 30 * count(&times.days_of_month) * count(&times.days_of_week);
            (daily * days * count(&times.months)).div_ceil(31 * 7 * 12)
        }
    };
    worst_bytes.saturating_mul(firings)
}

impl Daemon {
    /// The household's own, then those of the doors, as many as fit into a message.
    pub(super) fn schedules(&self) -> Value {
        let mut schedules = self.own_schedules();
        let listed = self.plan.upcoming().map(|(instruction, next)| {
            let methods: Vec<&str> = instruction
                .tasks
                .iter()
                .map(|task| task.method.as_str())
                .collect();
            let (targets, worst) = self.cost(&instruction.tasks);
            json!({
                "id": instruction.id,
                "own": false,
                "title": instruction.id,
                "asked_by": {"door": "json", "name": self.settings.controller.url},
                "purpose": instruction.purpose,
                "methods": methods,
                "targets": targets,
                "timing": instruction.timing,
                "enabled": true,
                "paused": self.guard.rules().is_paused(&instruction.id),
                "forbidden": self.forbids(&methods),
                "next": next,
                "monthly_bytes": monthly(&instruction.timing, worst),
            })
        });
        schedules.extend(listed);
        schedules.extend(self.lmap_schedules());
        let mut bytes = 0;
        let fit = schedules.iter().take_while(|schedule| {
            bytes += schedule.to_string().len() + 1;
            bytes <= ANSWER_BYTES
        });
        let fit = fit.count();
        let more = schedules.len() > fit;
        schedules.truncate(fit);
        json!({"schedules": schedules, "more": more})
    }

    /// Whether the household forbids all of these methods.
    pub(super) fn forbids<T: AsRef<str>>(&self, methods: &[T]) -> bool {
        let forbidden = &self.guard.rules().forbidden;
        let mut methods = methods.iter();
        methods.len() > 0 && methods.all(|method| forbidden.iter().any(|f| f == method.as_ref()))
    }

    /// What tasks measure, and the bytes that one firing of them uses at most.
    pub(super) fn cost(&self, tasks: &[Task]) -> (Vec<String>, u64) {
        let registry = self.registry.borrow();
        let (mut targets, mut worst) = (BTreeSet::new(), 0_u64);
        for task in tasks {
            let Some(method) = registry.find(&task.method) else {
                continue;
            };
            let Ok(options) = method.read(&task.options) else {
                continue;
            };
            worst = worst.saturating_add(method.worst_case_bytes(&options));
            let target = target_of(&options);
            if !target.is_empty() && targets.len() < TARGETS {
                targets.insert(target);
            }
        }
        (targets.into_iter().collect(), worst)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::read::Cursor;

    fn firings(timing: &Value) -> u64 {
        monthly(&Timing::read(&Cursor::root(timing)).unwrap(), 1)
    }

    #[test]
    fn a_month_has_thirty_days() {
        for (timing, count) in [
            (json!({"immediate": {}}), 1),
            (json!({"oneoff": {"time": "2026-12-01T12:00:00Z"}}), 1),
            (json!({"ondemand": {}}), 0),
            (json!({"periodic": {"interval": 3_600_000}}), 720),
            (
                json!({"periodic": {"interval": 86_400_000_000_i64 / 1000 * 400}}),
                1,
            ),
            (
                json!({"calendar": {"hours": [20], "minutes": [0], "seconds": [0]}}),
                30,
            ),
            (
                json!({"calendar": {"hours": [20], "minutes": [0, 30], "seconds": [0], "days_of_week": [1]}}),
                9,
            ),
            (
                json!({"calendar": {"days_of_month": [1], "hours": [3], "minutes": [0], "seconds": [0]}}),
                1,
            ),
            (json!({"calendar": {"minutes": [0], "seconds": [0]}}), 720),
        ] {
            assert_eq!(firings(&timing), count, "{timing}");
        }
        let often = json!({"periodic": {"interval": 1}});
        let timing = Timing::read(&Cursor::root(&often)).unwrap();
        assert_eq!(monthly(&timing, u64::MAX), u64::MAX);
    }
}
