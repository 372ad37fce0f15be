//! All events, their plans, and the queue of what waits for its delay.

use super::entry::{Entry, count, digest};
use super::{
    Delayed, EVENT_LIMIT, GRACE, Happened, LIMIT, Mark, Missed, Occurrence, TURN, cycle_number,
};
use crate::control::{Event, EventKind};
use crate::moment::Moment;
use glimpse_model::sorted::{SortedMap, SortedSet};
use glimpse_model::time::{SECOND, Timestamp, Zone};

/// How long what finds no place is gathered before it is told.
const GATHER: i64 = 60 * SECOND;

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) event: String,
    pub(super) nominal: Timestamp,
    pub(super) due_us: i64,
    /// When it is due by the wall clock, where a former process had drawn its delay.
    pub(super) due: Option<Timestamp>,
    pub(super) only: Option<SortedSet<String>>,
}

/// All events and their times.
#[derive(Debug)]
pub struct Agenda {
    seed: u64,
    zone: Zone,
    pub(super) entries: SortedMap<String, Entry>,
    pub(super) pending: Vec<Pending>,
    /// What found no place, with when that began on the steady clock.
    crowded: SortedMap<String, (Missed, i64)>,
    /// What a former process had waiting, and is overdue.
    pub(super) overdue: Vec<Missed>,
    pub(super) last: Option<Moment>,
    timeout_us: Option<i64>,
    heard_us: i64,
    /// When the controller was found again.
    found_us: Option<i64>,
    lost: bool,
    open: bool,
}

impl Agenda {
    /// Nothing planned. `zone` is the system's; `seed` should differ between agents. The timer of the controller starts at `now`.
    pub fn new(seed: u64, zone: Zone, lost: bool, now: &Moment) -> Self {
        Self {
            seed,
            zone,
            entries: SortedMap::new(),
            pending: Vec::new(),
            crowded: SortedMap::new(),
            overdue: Vec::new(),
            last: None,
            timeout_us: None,
            heard_us: now.steady_us,
            found_us: None,
            lost,
            open: false,
        }
    }

    /// Puts events in force. `referrers` says who names each one; `known` is what a former process knew.
    pub fn configure(
        &mut self,
        events: &[Event],
        referrers: &SortedMap<String, SortedSet<String>>,
        timeout_s: Option<u32>,
        known: &SortedMap<String, Mark>,
        now: &Moment,
    ) {
        self.timeout_us = timeout_s.map(|seconds| i64::from(seconds) * SECOND);
        let mut old = std::mem::take(&mut self.entries);
        for event in events {
            let digest = digest(event);
            let fresh = || Mark {
                digest,
                since: now.wall,
                cursor: now.wall.plus_micros(-1),
                done: false,
                served: SortedSet::new(),
                waiting: Vec::new(),
            };
            let named = referrers.get(&event.name).cloned().unwrap_or_default();
            let mut entry = match old.remove(&event.name) {
                Some(mut entry) if entry.mark.digest == digest => {
                    if entry.referrers.is_empty() && !named.is_empty() {
                        entry.be_named(now.wall);
                    }
                    entry
                }
                Some(_) => {
                    self.pending.retain(|pending| pending.event != event.name);
                    Entry::new(event.clone(), fresh(), &self.zone)
                }
                None => {
                    let mark = known.get(&event.name).filter(|mark| mark.digest == digest);
                    let mut mark = mark.cloned().unwrap_or_else(fresh);
                    let waiting = std::mem::take(&mut mark.waiting);
                    let mut entry = Entry::new(event.clone(), mark, &self.zone);
                    for delayed in waiting {
                        self.wait_on(&mut entry, delayed, now);
                    }
                    entry
                }
            };
            entry.referrers = named;
            self.entries.insert(event.name.clone(), entry);
        }
        let entries = &self.entries;
        self.pending
            .retain(|pending| entries.contains_key(&pending.event));
        self.crowded.retain(|name, _| entries.contains_key(name));
        self.serve_immediate(now);
    }

    /// Immediate events happen for whoever names them for the first time.
    fn serve_immediate(&mut self, now: &Moment) {
        let mut fired = Vec::new();
        for (name, entry) in &mut self.entries {
            if entry.event.kind != EventKind::Immediate {
                continue;
            }
            let new: SortedSet<String> = entry
                .referrers
                .difference(&entry.mark.served)
                .cloned()
                .collect();
            entry.mark.served.clone_from(&entry.referrers);
            if !new.is_empty() {
                entry.mark.done = true;
                fired.push((name.clone(), new));
            }
        }
        for (name, only) in fired {
            self.occur(&name, now.wall, 0, Some(only), now);
        }
    }

    /// All events of a kind that has no nominal times happen, if anybody names them.
    fn occur_all(&mut self, kind: &EventKind, now: &Moment) {
        let names: Vec<String> = self
            .entries
            .values()
            .filter(|entry| entry.event.kind == *kind && !entry.referrers.is_empty())
            .map(|entry| entry.event.name.clone())
            .collect();
        for name in names {
            self.occur(&name, now.wall, 0, None, now);
        }
    }

    /// The agent has started: `startup` happens. After the first [`Agenda::configure`].
    pub fn startup(&mut self, now: &Moment) {
        self.occur_all(&EventKind::Startup, now);
    }

    /// Whether plans may be carried out: not before the agent is known to its controller.
    pub fn open(&mut self, open: bool) {
        self.open = open;
    }

    /// An authenticated exchange with the controller; says whether it had been lost.
    pub fn contact(&mut self, now: &Moment) -> bool {
        self.heard_us = now.steady_us;
        let was_lost = std::mem::take(&mut self.lost);
        if was_lost {
            self.found_us = Some(now.steady_us);
            self.occur_all(&EventKind::ControllerConnected, now);
        }
        was_lost
    }

    /// Draws the delay of an occurrence that was due `late_us` ago and queues it.
    fn occur(
        &mut self,
        name: &str,
        nominal: Timestamp,
        late_us: i64,
        only: Option<SortedSet<String>>,
        now: &Moment,
    ) {
        let Some(entry) = self.entries.get_mut(name) else {
            return;
        };
        let is_full = self.pending.len() >= LIMIT && entry.is_planned_again_and_again();
        if is_full || entry.waiting >= EVENT_LIMIT {
            return self.crowd_out(name, nominal, now);
        }
        entry.waiting += 1;
        let delay = entry.delay_us(self.seed, nominal);
        self.pending.push(Pending {
            event: name.to_owned(),
            nominal,
            due_us: now.steady_us.saturating_sub(late_us).saturating_add(delay),
            due: None,
            only,
        });
    }

    /// There is no place for an occurrence.
    fn crowd_out(&mut self, name: &str, nominal: Timestamp, now: &Moment) {
        let none = || {
            let missed = Missed {
                event: name.to_owned(),
                count: 0,
                first: nominal,
                last: nominal,
                crowded: true,
                unsure: false,
            };
            (missed, now.steady_us)
        };
        let (missed, _) = self.crowded.entry(name.to_owned()).or_insert_with(none);
        missed.count = missed.count.saturating_add(1);
        missed.last = nominal;
    }

    /// When the controller counts as lost, if it is not heard before.
    fn loss_us(&self) -> Option<i64> {
        let silent = self.heard_us.saturating_add(self.timeout_us?);
        let turn = self.found_us.map_or(i64::MIN, |at| at.saturating_add(TURN));
        Some(silent.max(turn)).filter(|_| !self.lost)
    }

    /// What has happened up to `now`.
    pub fn advance(&mut self, now: &Moment) -> Happened {
        let mut happened = Happened::default();
        self.follow_clock(now);
        if self.loss_us().is_some_and(|at| at <= now.steady_us) {
            self.lost = true;
            happened.lost = true;
            self.occur_all(&EventKind::ControllerLost, now);
        }
        let released = now.trusted && self.open;
        if released {
            happened.missed.append(&mut self.overdue);
            self.draw(now, &mut happened.missed);
        }
        let is_ripe = |since: i64| now.steady_us.saturating_sub(since) >= GATHER;
        let ripe = self.crowded.extract_if(|_, (_, since)| is_ripe(*since));
        happened.missed.extend(ripe.map(|(_, (missed, _))| missed));
        let entries = &mut self.entries;
        let is_guard = |event: &str| entries.get(event).is_some_and(Entry::is_guard);
        let (mut due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|pending| {
                pending.due_us <= now.steady_us && (released || is_guard(&pending.event))
            });
        self.pending = waiting;
        let rank = |event: &str| entries.get(event).map_or(0, Entry::rank);
        due.sort_by_cached_key(|pending| (pending.due_us, rank(&pending.event)));
        for pending in due {
            let mut cycle = None;
            if let Some(entry) = entries.get_mut(&pending.event) {
                entry.waiting = entry.waiting.saturating_sub(1);
                cycle = cycle_number(pending.nominal, entry.event.cycle_interval_s);
            }
            happened.occurrences.push(Occurrence {
                event: pending.event,
                nominal: pending.nominal,
                cycle,
                only: pending.only,
            });
        }
        happened
    }

    /// Takes the nominal times up to `now` out of the plans.
    fn draw(&mut self, now: &Moment, missed: &mut Vec<Missed>) {
        let mut due = Vec::new();
        for (name, entry) in &mut self.entries {
            let unsure = entry.unsure.take();
            let is_due = entry.next.is_some_and(|slot| slot <= now.wall);
            if !is_due || entry.referrers.is_empty() {
                continue;
            }
            let Some(timing) = entry.timing.clone() else {
                continue;
            };
            while let Some(slot) = entry.next.filter(|slot| *slot <= now.wall) {
                let late = now.wall.since(slot);
                let once = timing.fires_once();
                entry.mark.done |= once;
                let is_sure = unsure.is_none_or(|from| slot >= from);
                if late <= GRACE && is_sure {
                    due.push((name.clone(), slot, late));
                    entry.mark.cursor = slot;
                } else {
                    let from = unsure.filter(|_| !is_sure);
                    let from = from.map_or(slot, |from| from.min(now.wall).plus_micros(-1));
                    let until = now.wall.plus_micros(-GRACE - 1).max(from);
                    let (more, last) = count(&timing, slot, until, entry.mark.since);
                    missed.push(Missed {
                        event: name.clone(),
                        count: more.saturating_add(1),
                        first: slot,
                        last,
                        crowded: false,
                        unsure: unsure.is_some(),
                    });
                    entry.mark.cursor = until.max(slot);
                }
                entry.next = timing.next(entry.mark.cursor, entry.mark.since);
            }
        }
        for (name, slot, late) in due {
            self.occur(&name, slot, late, None, now);
        }
    }

    /// When to look again, on the steady clock; `None` while nothing is planned.
    pub fn wake_us(&self, now: &Moment) -> Option<i64> {
        let released = now.trusted && self.open;
        let pending = self.pending.iter().filter(|_| released).map(|p| p.due_us);
        let nominal = self
            .entries
            .values()
            .filter(|entry| released && !entry.referrers.is_empty())
            .filter_map(|entry| entry.next)
            .map(|at| now.steady_us.saturating_add(at.since(now.wall)));
        // Guards of orphans do not wait for the clock; a look too many does no harm.
        let guards = self.pending.iter().filter(|_| !released).map(|p| p.due_us);
        pending
            .chain(nominal)
            .chain(self.loss_us())
            .chain(guards.filter(|due| *due > now.steady_us))
            .min()
    }

    /// Whether an event will never happen again, as things are configured.
    pub fn is_exhausted(&self, event: &str) -> bool {
        let Some(entry) = self.entries.get(event) else {
            return true;
        };
        if entry.waiting > 0 {
            return false;
        }
        match entry.event.kind {
            EventKind::Never => true,
            EventKind::Periodic { .. } | EventKind::Calendar(_) | EventKind::OneOff { .. } => {
                entry.next.is_none()
            }
            EventKind::Immediate => entry.mark.done,
            EventKind::ControllerLost | EventKind::ControllerConnected => self.timeout_us.is_none(),
            EventKind::Startup | EventKind::OnDemand => false,
        }
    }

    /// Whether an event had times of its own, and the last of them is over.
    pub fn is_over(&self, event: &str, now: &Moment) -> bool {
        let Some(entry) = self.entries.get(event).filter(|entry| entry.waiting == 0) else {
            return false;
        };
        let end = match &entry.event.kind {
            EventKind::OneOff { .. } => return entry.mark.done,
            EventKind::Periodic { end, .. } => *end,
            EventKind::Calendar(calendar) => calendar.end,
            _ => None,
        };
        end.is_some_and(|end| end < now.wall)
    }

    /// Whether an event may happen many times while one process lives.
    pub fn is_repeating(&self, event: &str) -> bool {
        self.entries
            .get(event)
            .is_some_and(|entry| entry.is_planned_again_and_again() || entry.is_guard())
    }

    /// When an event happens next, as far as that is known, with its delay where it is drawn.
    pub fn next(&self, event: &str, now: &Moment) -> Option<Timestamp> {
        let pending = self.pending.iter().filter(|p| p.event == event);
        pending
            .map(|pending| now.wall_at(pending.due_us))
            .chain(self.entries.get(event).and_then(|entry| entry.next))
            .min()
    }

    /// The cycle that an event of this name at `nominal` belongs to.
    pub fn cycle(&self, event: &str, nominal: Timestamp) -> Option<String> {
        cycle_number(nominal, self.entries.get(event)?.event.cycle_interval_s)
    }

    /// Whether the controller is lost.
    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// What a later process must know.
    pub fn marks(&self) -> SortedMap<String, Mark> {
        let entries = self.entries.iter();
        let mut marks: SortedMap<String, Mark> = entries
            .map(|(name, entry)| (name.clone(), entry.mark.clone()))
            .collect();
        for pending in &self.pending {
            if let (Some(mark), Some(last)) = (marks.get_mut(&pending.event), self.last) {
                mark.waiting.push(Delayed {
                    nominal: pending.nominal,
                    due: last.wall_at(pending.due_us),
                    only: pending.only.clone(),
                });
            }
        }
        marks
    }
}
