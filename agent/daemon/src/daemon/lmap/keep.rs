//! What must outlive the process.

use super::Lmap;
use crate::files;
use glimpse_lmap::state::snapshot::{MAX_BYTES, Snapshot};
use glimpse_model::time::{SECOND, Timestamp};
use std::path::Path;

/// How often counters are written down while nothing urgent is: flash wears by writing.
const WRITE: i64 = 3600 * SECOND;
/// How far apart it is noted at once that a suppression began or ended, or that the controller was lost or came back: events that
/// repeat do that as often as they like. A power cut in between leaves what was noted last; the event that comes next puts it right.
const FLIPS: i64 = 600 * SECOND;

impl Lmap {
    /// Writes down what must outlive the process, unless it is there already.
    pub(super) fn write(&mut self, clean: bool, now: Timestamp) {
        let snapshot = self.machine.snapshot(clean);
        self.written_at = now;
        self.flip_waits = false;
        self.once_due_us = None;
        if snapshot != self.written {
            save(&self.file, &snapshot);
            self.written = snapshot;
        }
    }

    /// Writes down at once what must not happen twice. Where so much happens once that it would wear the device, the later notes are
    /// gathered: a power cut in between lets some of that happen again.
    pub(super) fn write_urgent(&mut self, now: Timestamp) {
        let mut snapshot = self.machine.snapshot(false);
        if !snapshot.is_urgent_after(&self.written) {
            return;
        }
        let flips = (snapshot.lost, std::mem::take(&mut snapshot.held));
        snapshot.lost = self.written.lost;
        snapshot.held.clone_from(&self.written.held);
        let once = snapshot.is_urgent_after(&self.written);
        (snapshot.lost, snapshot.held) = flips;
        let steady_us = self.moment(now).steady_us;
        let early = self
            .flipped_us
            .is_some_and(|last| steady_us.saturating_sub(last) < FLIPS);
        if !once && early {
            self.flip_waits = true;
            return;
        }
        if once {
            let wait = self.once_pace.wait_us(steady_us);
            if wait > 0 {
                self.once_due_us = Some(steady_us.saturating_add(wait));
                return;
            }
            self.once_pace.take(steady_us);
        } else {
            self.flipped_us = Some(steady_us);
        }
        save(&self.file, &snapshot);
        self.written = snapshot;
        self.written_at = now;
        self.flip_waits = false;
        self.once_due_us = None;
    }

    /// When something waits to be written, by the steady clock.
    pub(super) fn flip_us(&self) -> Option<i64> {
        let last = self.flipped_us.filter(|_| self.flip_waits);
        let flip = last.map(|last| last.saturating_add(FLIPS));
        flip.into_iter().chain(self.once_due_us).min()
    }

    /// Writes what has waited long enough.
    pub(super) fn write_in_time(&mut self, now: Timestamp) {
        let steady_us = self.moment(now).steady_us;
        let flip = self.flip_us().is_some_and(|due| due <= steady_us);
        if flip {
            self.flipped_us = Some(steady_us);
            if self.once_due_us.is_some() {
                self.once_pace.take(steady_us);
            }
        }
        if flip || now.since(self.written_at) >= WRITE || now < self.written_at {
            self.write(false, now);
        }
    }
}

pub(super) fn load(path: &Path) -> Snapshot {
    let limit = MAX_BYTES as u64;
    let Ok(bytes) = files::read_bounded(path, limit) else {
        return Snapshot::default();
    };
    Snapshot::parse(&bytes).unwrap_or_else(|error| {
        log::warn!("{}: {error}", path.display());
        Snapshot::default()
    })
}

pub(super) fn save(path: &Path, snapshot: &Snapshot) {
    if let Err(error) = files::replace(path, &snapshot.document(), 0o600) {
        log::warn!("cannot keep {}: {error}", path.display());
    }
}
