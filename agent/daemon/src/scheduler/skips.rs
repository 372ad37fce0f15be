//! Runs that do not take place, put together into few records.
//!
//! The first skip of its kind is a record at once; equal ones that follow it are counted in a
//! second record, which goes out when something else happens to the task, after an hour, or at the
//! end.

use glimpse_model::id::{InstructionId, TaskId};
use glimpse_model::record::{Skip, SkipReason};
use glimpse_model::time::{SECOND, Timestamp};
use std::collections::BTreeMap;

/// How long equal skips are gathered, in microseconds.
pub const GATHER: i64 = 3600 * SECOND;

/// Skipped runs of one task, ready to become a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The instruction.
    pub instruction: InstructionId,
    /// The task; `None` when the whole firing was skipped.
    pub task: Option<TaskId>,
    /// Name of the method, when a single task was skipped.
    pub method: Option<String>,
    /// Planned time of the first.
    pub first: Timestamp,
    /// Reason, count and planned time of the last.
    pub skip: Skip,
    /// The reason in words.
    pub words: String,
}

type Key = (InstructionId, Option<TaskId>);

/// The skips that are being gathered.
#[derive(Debug, Default)]
pub struct Skips {
    gathered: BTreeMap<Key, Gathered>,
}

#[derive(Debug)]
struct Gathered {
    since: Timestamp,
    said: Skipped,
    /// Those after the one that was said.
    more: Option<Skipped>,
}

impl Skips {
    /// Notes a skip at `now`. Returns what is to be recorded now, in order.
    pub fn note(&mut self, skipped: Skipped, now: Timestamp) -> Vec<Skipped> {
        let key = (skipped.instruction.clone(), skipped.task.clone());
        if let Some(gathered) = self.gathered.get_mut(&key)
            && gathered.said.skip.reason == skipped.skip.reason
            && gathered.said.words == skipped.words
            && (0..GATHER).contains(&now.since(gathered.since))
        {
            match &mut gathered.more {
                None => gathered.more = Some(skipped),
                Some(more) => {
                    more.skip.count = more.skip.count.saturating_add(skipped.skip.count);
                    more.skip.last = skipped.skip.last;
                }
            }
            return Vec::new();
        }
        let mut out = self.interrupt(&key.0, key.1.as_ref());
        out.push(skipped.clone());
        self.gathered.insert(
            key,
            Gathered {
                since: now,
                said: skipped,
                more: None,
            },
        );
        out
    }

    /// Something else happened to the task: what was gathered for it is to be recorded.
    pub fn interrupt(
        &mut self,
        instruction: &InstructionId,
        task: Option<&TaskId>,
    ) -> Vec<Skipped> {
        self.gathered
            .remove(&(instruction.clone(), task.cloned()))
            .and_then(|gathered| gathered.more)
            .into_iter()
            .collect()
    }

    /// What has been gathered for an hour at `now`.
    pub fn ripe(&mut self, now: Timestamp) -> Vec<Skipped> {
        let ripe: Vec<Key> = self
            .gathered
            .iter()
            .filter(|(_, gathered)| !(0..GATHER).contains(&now.since(gathered.since)))
            .map(|(key, _)| key.clone())
            .collect();
        ripe.iter()
            .flat_map(|(instruction, task)| self.interrupt(instruction, task.as_ref()))
            .collect()
    }

    /// All that was gathered: the agent stops.
    pub fn drain(&mut self) -> Vec<Skipped> {
        std::mem::take(&mut self.gathered)
            .into_values()
            .filter_map(|gathered| gathered.more)
            .collect()
    }
}

impl Skipped {
    /// One skipped run planned for `slot`.
    pub fn one(
        instruction: InstructionId,
        task: Option<(TaskId, String)>,
        slot: Timestamp,
        reason: SkipReason,
        words: impl Into<String>,
    ) -> Self {
        let (task, method) = task.unzip();
        Self {
            instruction,
            task,
            method,
            first: slot,
            skip: Skip {
                reason,
                count: 1,
                last: slot,
            },
            words: words.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * SECOND)
    }

    fn skip(seconds: i64, reason: SkipReason) -> Skipped {
        let id = InstructionId::new("i").unwrap();
        Skipped::one(id, None, at(seconds), reason, "why")
    }

    #[test]
    fn equal_consecutive_skips_are_one_record_with_a_count() {
        let mut skips = Skips::default();
        let note = |skips: &mut Skips, s, reason| skips.note(skip(s, reason), at(s));
        assert_eq!(note(&mut skips, 0, SkipReason::QuietHours).len(), 1);
        for s in 1..=9 {
            assert!(note(&mut skips, s, SkipReason::QuietHours).is_empty());
        }
        let out = note(&mut skips, 10, SkipReason::Budget);
        assert_eq!(out.len(), 2);
        assert_eq!(
            (out[0].skip.count, out[0].first, out[0].skip.last),
            (9, at(1), at(9))
        );
        assert_eq!(out[1].skip.reason, SkipReason::Budget);
        // A run in between ends the series.
        assert!(
            skips
                .interrupt(&InstructionId::new("i").unwrap(), None)
                .is_empty()
        );
        assert_eq!(note(&mut skips, 20, SkipReason::Budget).len(), 1);
    }

    #[test]
    fn gathered_skips_come_out_after_an_hour_and_at_the_end() {
        let mut skips = Skips::default();
        skips.note(skip(0, SkipReason::Budget), at(0));
        skips.note(skip(5, SkipReason::Budget), at(5));
        assert!(skips.ripe(at(3599)).is_empty());
        assert_eq!(skips.ripe(at(3600)).len(), 1);
        skips.note(skip(4000, SkipReason::Budget), at(4000));
        skips.note(skip(4001, SkipReason::Budget), at(4001));
        assert_eq!(skips.drain().len(), 1);
        assert!(skips.drain().is_empty());
    }
}
