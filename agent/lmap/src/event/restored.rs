//! What a former process left of events.

use super::agenda::{Agenda, Pending};
use super::entry::Entry;
use super::{Delayed, Missed};
use crate::control::EventKind;
use crate::moment::Moment;

impl Agenda {
    /// What waited for its delay in a former process waits on. What had no nominal time has no time that could be missed.
    pub(super) fn wait_on(&mut self, entry: &mut Entry, delayed: Delayed, now: &Moment) {
        if entry.event.kind == EventKind::Startup {
            return;
        }
        let event = entry.event.name.clone();
        let Delayed { nominal, due, only } = delayed;
        if entry.timing.is_some() && due <= now.wall {
            self.overdue.push(Missed {
                event,
                count: 1,
                first: nominal,
                last: nominal,
                crowded: false,
                unsure: false,
            });
            return;
        }
        entry.waiting += 1;
        let wait = due.since(now.wall).min(entry.spread_us());
        self.pending.push(Pending {
            event,
            nominal,
            due_us: now.steady_us.saturating_add(wait),
            due: Some(due),
            only,
        });
    }

    /// The wall clock was set: what a former process had waiting is due by that.
    pub(super) fn aim(&mut self, now: &Moment) {
        for pending in &mut self.pending {
            if let Some(due) = pending.due {
                let spread = self.entries.get(&pending.event).map_or(0, Entry::spread_us);
                let wait = due.since(now.wall).min(spread);
                pending.due_us = now.steady_us.saturating_add(wait);
            }
        }
    }

    /// What is known of events was written down some time before the former process ended, without notice. Those that happen once were
    /// written down as they did.
    pub fn doubt(&mut self, now: &Moment) {
        let entries = self.entries.values_mut();
        for entry in entries.filter(|entry| entry.is_planned_again_and_again()) {
            entry.unsure = Some(now.wall);
        }
        let entries = &self.entries;
        for missed in &mut self.overdue {
            let entry = entries.get(&missed.event);
            missed.unsure = entry.is_some_and(|entry| entry.unsure.is_some());
        }
    }
}
