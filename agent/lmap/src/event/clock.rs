//! Clocks that are set while plans are made by them.

use super::agenda::Agenda;
use crate::moment::Moment;
use glimpse_model::time::SECOND;

/// Clocks drift apart by less than this between two looks; more is a step.
const STEP: i64 = SECOND;

/// A clock set back by more than this starts plans anew; less is waited out, so that no time comes twice.
const SET_BACK: i64 = 60 * SECOND;

impl Agenda {
    /// Sees whether the wall clock was set since the last look.
    pub(super) fn follow_clock(&mut self, now: &Moment) {
        let Some(last) = self.last.replace(*now) else {
            return;
        };
        if !last.trusted && now.trusted {
            // Whatever was planned by a clock that knew no better.
            for entry in self.entries.values_mut() {
                if entry.mark.since <= last.wall {
                    entry.begin_anew(now.wall);
                } else if entry.mark.cursor <= last.wall {
                    entry.mark.cursor = now.wall.plus_micros(-1);
                    entry.plan();
                }
            }
            for pending in &mut self.pending {
                if pending.nominal <= last.wall {
                    pending.nominal = now.wall;
                }
            }
            self.aim(now);
            return;
        }
        let step = now.wall.since(last.wall) - (now.steady_us - last.steady_us);
        if step.abs() <= STEP {
            return;
        }
        self.aim(now);
        for entry in self.entries.values_mut() {
            if entry.is_floating() {
                // An interval is a length of time, whatever the clock shows.
                entry.mark.since = entry.mark.since.plus_micros(step);
                entry.mark.cursor = entry.mark.cursor.plus_micros(step);
                entry.plan();
            } else if entry.mark.cursor.since(now.wall) > SET_BACK {
                entry.mark.cursor = now.wall.plus_micros(-1);
                if !entry.mark.done {
                    entry.mark.since = entry.mark.since.min(now.wall);
                }
                entry.plan();
            }
        }
    }
}
