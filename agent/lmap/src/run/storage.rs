//! What waits, where, and what that takes.

use super::{Machine, Step};
use crate::notice::Notice;
use crate::output::{Output, Place};
use glimpse_model::id::ResultId;
use glimpse_model::sorted::{SortedMap, SortedSet};
use std::sync::Arc;

#[derive(Debug)]
struct Waiting {
    places: SortedSet<Place>,
    bytes: u64,
}

/// Results that wait, each counted once, and those of runs under way, which may come to wait.
#[derive(Debug, Default)]
pub(super) struct Storage {
    waiting: SortedMap<ResultId, Waiting>,
    waiting_bytes: u64,
    coming: SortedMap<ResultId, u64>,
    coming_bytes: u64,
    dropped: u32,
}

impl Storage {
    /// Whether so many bytes more are within `quota`.
    pub(super) fn has_room(&self, bytes: u64, quota: u64) -> bool {
        let taken = self.waiting_bytes.saturating_add(self.coming_bytes);
        taken.saturating_add(bytes) <= quota
    }

    /// Keeps room for a result of a run under way.
    pub(super) fn reserve(&mut self, id: ResultId, bytes: u64) {
        self.coming_bytes = self.coming_bytes.saturating_add(bytes);
        self.coming.insert(id, bytes);
    }

    /// The run is over, or the result waits.
    pub(super) fn give_back(&mut self, id: ResultId) {
        if let Some(bytes) = self.coming.remove(&id) {
            self.coming_bytes = self.coming_bytes.saturating_sub(bytes);
        }
    }

    /// A result found no room.
    pub(super) fn drop_one(&mut self) {
        self.dropped = self.dropped.wrapping_add(1);
    }

    /// Whether a result waits at a place.
    pub(super) fn waits_at(&self, id: ResultId, place: &Place) -> bool {
        self.waiting
            .get(&id)
            .is_some_and(|waiting| waiting.places.contains(place))
    }

    /// Whether a result waits anywhere.
    pub(super) fn waits(&self, id: ResultId) -> bool {
        self.waiting.contains_key(&id)
    }

    /// Notes that a result waits at more places. Says whether it waited nowhere before, and where it waits now.
    pub(super) fn add(
        &mut self,
        output: &Output,
        block: u64,
        places: impl IntoIterator<Item = Place>,
    ) -> (bool, Vec<Place>) {
        let id = output.record.id;
        let known = self.coming.get(&id).copied();
        self.give_back(id);
        let places: SortedSet<Place> = places.into_iter().collect();
        let bytes = &mut self.waiting_bytes;
        let mut new = false;
        let waiting = self.waiting.entry(id).or_insert_with(|| {
            new = true;
            let places: Vec<Place> = places.iter().cloned().collect();
            let size = known.unwrap_or_else(|| output.storage(&places, block));
            *bytes = bytes.saturating_add(size);
            Waiting {
                places: SortedSet::new(),
                bytes: size,
            }
        });
        waiting.places.extend(places);
        (new, waiting.places.iter().cloned().collect())
    }

    /// A result no longer waits at a place. Says whether it waits nowhere now.
    fn leave(&mut self, id: ResultId, place: &Place) -> bool {
        let Some(waiting) = self.waiting.get_mut(&id) else {
            return false;
        };
        waiting.places.remove(place);
        if !waiting.places.is_empty() {
            return false;
        }
        self.waiting_bytes = self.waiting_bytes.saturating_sub(waiting.bytes);
        self.waiting.remove(&id);
        true
    }

    /// What these take, each counted once.
    pub(super) fn sum<'a>(&self, outputs: impl Iterator<Item = &'a Arc<Output>>) -> u64 {
        let ids: SortedSet<ResultId> = outputs.map(|output| output.record.id).collect();
        let waiting = ids.iter().filter_map(|id| self.waiting.get(id));
        waiting.map(|waiting| waiting.bytes).sum()
    }
}

impl Machine {
    /// Bytes of results that wait.
    pub fn storage(&self) -> u64 {
        self.storage.waiting_bytes
    }

    /// Results that found no room since the agent started. The counter wraps.
    pub fn dropped(&self) -> u32 {
        self.storage.dropped
    }

    /// Notes that a result waits at more places, and has it stored.
    pub(super) fn keep(&mut self, output: &Arc<Output>, places: SortedSet<Place>) {
        if places.is_empty() {
            return;
        }
        let (new, all) = self.storage.add(output, self.block, places);
        self.steps.push(Step::Keep(output.clone(), all));
        if new {
            self.steps.push(Step::Notice(Notice::ResultStored {
                id: output.record.id.to_string(),
                schedule: output.schedule.clone(),
                action: output.action.clone(),
                event: output.event,
                status: output.status,
            }));
        }
    }

    /// Results no longer wait at a place; those that wait nowhere are forgotten.
    pub(super) fn release(&mut self, outputs: &[Arc<Output>], place: &Place) {
        for output in outputs {
            let id = output.record.id;
            if self.storage.leave(id, place) {
                self.steps.push(Step::Forget(id));
            }
        }
    }
}
