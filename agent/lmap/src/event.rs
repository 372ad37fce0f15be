//! When events happen.
//!
//! An event has *nominal* times, computed one after the other and never polled, and an *occurrence* for each: the nominal time, and
//! a random delay drawn once, so that all schedules and suppressions that name the event see the same instant. Occurrences wait in
//! a queue on the steady clock; a delay longer than the interval is as good as any.

#[cfg(test)]
mod tests;

use crate::control::{Event, EventKind};
use crate::moment::Moment;
use crate::names::digest64;
use glimpse_model::time::{SECOND, Timestamp, Zone};
use glimpse_model::timing::{Calendar, Past, Periodic, Timing, draw_spread};
use std::collections::{BTreeMap, BTreeSet};

/// How late a nominal time may be noticed and still count; later ones are missed.
pub const GRACE: i64 = 2 * SECOND;

/// Clocks drift apart by less than this between two looks; more is a step.
const STEP: i64 = SECOND;

/// A clock set back by more than this starts plans anew; less is waited out, so that no time comes twice.
const SET_BACK: i64 = 60 * SECOND;

/// Most missed times that are counted one by one.
const COUNT_LIMIT: u32 = 100_000;

/// Most occurrences of one event that wait for their delay; the earliest nominal ones are kept.
const QUEUE_LIMIT: usize = 10_000;

/// An event that happens now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Occurrence {
    /// Its name.
    pub event: String,
    /// When it was due, without its delay: the `event` of reports.
    pub nominal: Timestamp,
    /// The cycle that is nearest, where the event has cycles.
    pub cycle: Option<String>,
    /// Who alone is meant, where others have had it before.
    pub only: Option<BTreeSet<String>>,
}

impl Occurrence {
    /// Whether it is meant for `referrer`.
    pub fn is_for(&self, referrer: &str) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.contains(referrer))
    }
}

/// Nominal times that passed unseen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missed {
    /// The event.
    pub event: String,
    /// How many.
    pub count: u32,
    /// The first one.
    pub first: Timestamp,
    /// The last one.
    pub last: Timestamp,
}

/// What time brought.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// In order of their delayed times.
    pub occurrences: Vec<Occurrence>,
    /// What nobody saw.
    pub missed: Vec<Missed>,
    /// The controller has just been lost.
    pub lost: bool,
}

/// What a later process must know of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Of its definition: another one is another event.
    pub digest: u64,
    /// When it was configured.
    pub since: Timestamp,
    /// The last nominal time dealt with.
    pub cursor: Timestamp,
    /// It was to happen once, and that is over.
    pub done: bool,
    /// Who has had its only occurrence.
    pub served: BTreeSet<String>,
}

#[derive(Debug)]
struct Entry {
    event: Event,
    timing: Option<Timing>,
    mark: Mark,
    next: Option<Timestamp>,
    referrers: BTreeSet<String>,
}

#[derive(Debug)]
struct Pending {
    event: String,
    nominal: Timestamp,
    due_us: i64,
    only: Option<BTreeSet<String>>,
}

/// All events and their times.
#[derive(Debug)]
pub struct Agenda {
    seed: u64,
    zone: Zone,
    entries: BTreeMap<String, Entry>,
    pending: Vec<Pending>,
    last: Option<Moment>,
    timeout_us: Option<i64>,
    heard_us: i64,
    lost: bool,
    open: bool,
}

/// `cycle-number` of RFC 8194: the multiple of `interval_s` since 1970 that is nearest to `event`, in UTC; the later one of two that
/// are as near. `None` without an interval.
pub fn cycle_number(event: Timestamp, interval_s: Option<u32>) -> Option<String> {
    let interval = i64::from(interval_s.filter(|seconds| *seconds > 0)?) * SECOND;
    let micros = event.as_micros().saturating_add(interval / 2);
    let cycle = Timestamp::from_micros(micros.div_euclid(interval) * interval).to_string();
    // `2026-11-22T10:00:00Z`: years of RFC 3339 have four digits.
    let digits: String = cycle.chars().filter(char::is_ascii_digit).collect();
    let (day, time) = digits.get(..14)?.split_at(8);
    Some(format!("{day}.{time}"))
}

/// A seed of delays for agents that have nothing better: apart for apart ids.
pub fn seed_of(agent_id: &str) -> u64 {
    // Similar ids differ in few bits of this digest; a finaliser spreads them.
    let mut x = digest64(agent_id.as_bytes());
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn digest(event: &Event) -> u64 {
    digest64(format!("{event:?}").as_bytes())
}

fn timing(event: &Event, zone: &Zone) -> Option<Timing> {
    match &event.kind {
        EventKind::Periodic {
            interval_s,
            start,
            end,
        } => Some(Timing::Periodic(Periodic {
            interval_ms: i64::from(*interval_s) * 1000,
            start: *start,
            end: *end,
            spread_ms: 0,
        })),
        EventKind::Calendar(calendar) => {
            let zone = calendar
                .offset_minutes
                .and_then(Zone::offset_minutes)
                .unwrap_or_else(|| zone.clone());
            let mut times = Calendar::of(&calendar.times).in_zone(zone);
            times.start = calendar.start;
            times.end = calendar.end;
            Some(Timing::Calendar(times))
        }
        EventKind::OneOff { time } => Some(Timing::OneOff {
            time: *time,
            spread_ms: 0,
            past: Past::Never,
        }),
        _ => None,
    }
}

/// Nominal times in `(after, until]`, and the last one counted.
fn count(
    timing: &Timing,
    after: Timestamp,
    until: Timestamp,
    since: Timestamp,
) -> (u32, Timestamp) {
    if let Timing::Periodic(periodic) = timing {
        let more = timing.count(after, until, since, u32::MAX);
        let interval = periodic.interval_ms.saturating_mul(1000);
        return (
            more,
            after.plus_micros(interval.saturating_mul(more.into())),
        );
    }
    let (mut more, mut last) = (0, after);
    while more < COUNT_LIMIT {
        match timing.next(last, since) {
            Some(next) if next <= until => last = next,
            _ => break,
        }
        more += 1;
    }
    (more, last)
}

impl Entry {
    fn new(event: Event, mark: Mark, zone: &Zone) -> Self {
        let timing = timing(&event, zone);
        let mut entry = Self {
            event,
            timing,
            mark,
            next: None,
            referrers: BTreeSet::new(),
        };
        entry.plan();
        entry
    }

    /// The first nominal time after the cursor.
    fn plan(&mut self) {
        let (since, cursor) = (self.mark.since, self.mark.cursor);
        self.next = self.timing.as_ref().and_then(|timing| match timing {
            Timing::OneOff { .. } if self.mark.done => None,
            Timing::OneOff { .. } => timing.first(since),
            _ => timing.next(cursor, since),
        });
        // Without a start, the moment of configuration is the first one: `next` is strictly later than the cursor.
        if matches!(self.event.kind, EventKind::OneOff { .. }) && self.next.is_none() {
            self.mark.done = true;
        }
    }

    fn begin_anew(&mut self, now: Timestamp) {
        self.mark.since = now;
        self.mark.cursor = now.plus_micros(-1);
        self.plan();
    }

    fn is_floating(&self) -> bool {
        matches!(self.event.kind, EventKind::Periodic { start: None, .. })
    }
}

impl Agenda {
    /// Nothing planned. `zone` is the system's; `seed` should differ between agents. The timer of the controller starts at `now`.
    pub fn new(seed: u64, zone: Zone, lost: bool, now: &Moment) -> Self {
        Self {
            seed,
            zone,
            entries: BTreeMap::new(),
            pending: Vec::new(),
            last: None,
            timeout_us: None,
            heard_us: now.steady_us,
            lost,
            open: false,
        }
    }

    /// Puts events in force. `referrers` says who names each one; `known` is what a former process knew.
    pub fn configure(
        &mut self,
        events: &[Event],
        referrers: &BTreeMap<String, BTreeSet<String>>,
        timeout_s: Option<u32>,
        known: &BTreeMap<String, Mark>,
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
                served: BTreeSet::new(),
            };
            let mut entry = match old.remove(&event.name) {
                Some(entry) if entry.mark.digest == digest => entry,
                Some(_) => {
                    self.pending.retain(|pending| pending.event != event.name);
                    Entry::new(event.clone(), fresh(), &self.zone)
                }
                None => {
                    let mark = known.get(&event.name).filter(|mark| mark.digest == digest);
                    Entry::new(
                        event.clone(),
                        mark.cloned().unwrap_or_else(fresh),
                        &self.zone,
                    )
                }
            };
            entry.referrers = referrers.get(&event.name).cloned().unwrap_or_default();
            self.entries.insert(event.name.clone(), entry);
        }
        let entries = &self.entries;
        self.pending
            .retain(|pending| entries.contains_key(&pending.event));
        self.serve_immediate(now);
    }

    /// Immediate events happen for whoever names them for the first time.
    fn serve_immediate(&mut self, now: &Moment) {
        let mut fired = Vec::new();
        for (name, entry) in &mut self.entries {
            if entry.event.kind != EventKind::Immediate {
                continue;
            }
            let new: BTreeSet<String> = entry
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
        only: Option<BTreeSet<String>>,
        now: &Moment,
    ) {
        let Some(entry) = self.entries.get(name) else {
            return;
        };
        let waiting = self.pending.iter().filter(|pending| pending.event == name);
        if waiting.count() >= QUEUE_LIMIT {
            return;
        }
        let spread = i64::from(entry.event.random_spread_s.unwrap_or(0)) * SECOND;
        // Whole milliseconds, both ends included.
        let delay = draw_spread(
            self.seed ^ digest64(name.as_bytes()),
            nominal,
            spread / 1000,
        ) * 1000;
        self.pending.push(Pending {
            event: name.to_owned(),
            nominal,
            due_us: now.steady_us.saturating_sub(late_us).saturating_add(delay),
            only,
        });
    }

    /// What has happened up to `now`.
    pub fn advance(&mut self, now: &Moment) -> Happened {
        let mut happened = Happened::default();
        self.follow_clock(now);
        if let Some(timeout) = self.timeout_us
            && !self.lost
            && now.steady_us.saturating_sub(self.heard_us) >= timeout
        {
            self.lost = true;
            happened.lost = true;
            self.occur_all(&EventKind::ControllerLost, now);
        }
        let released = now.trusted && self.open;
        if released {
            self.draw(now, &mut happened.missed);
        }
        let entries = &self.entries;
        let guards = |event: &str| {
            entries.get(event).is_some_and(|entry| {
                matches!(
                    entry.event.kind,
                    EventKind::ControllerLost | EventKind::ControllerConnected
                )
            })
        };
        let (mut due, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|pending| {
                pending.due_us <= now.steady_us && (released || guards(&pending.event))
            });
        self.pending = waiting;
        due.sort_by_key(|pending| pending.due_us);
        happened.occurrences = due
            .into_iter()
            .map(|pending| Occurrence {
                cycle: cycle_number(
                    pending.nominal,
                    self.entries
                        .get(&pending.event)
                        .and_then(|entry| entry.event.cycle_interval_s),
                ),
                event: pending.event,
                nominal: pending.nominal,
                only: pending.only,
            })
            .collect();
        happened
    }

    /// Takes the nominal times up to `now` out of the plans.
    fn draw(&mut self, now: &Moment, missed: &mut Vec<Missed>) {
        let mut due = Vec::new();
        for (name, entry) in &mut self.entries {
            let Some(timing) = entry.timing.clone() else {
                continue;
            };
            if entry.referrers.is_empty() {
                continue;
            }
            while let Some(slot) = entry.next.filter(|slot| *slot <= now.wall) {
                let late = now.wall.since(slot);
                let once = timing.fires_once();
                entry.mark.done |= once;
                if late <= GRACE {
                    due.push((name.clone(), slot, late));
                    entry.mark.cursor = slot;
                } else {
                    let until = now.wall.plus_micros(-GRACE - 1);
                    let (more, last) = count(&timing, slot, until, entry.mark.since);
                    missed.push(Missed {
                        event: name.clone(),
                        count: more.saturating_add(1),
                        first: slot,
                        last,
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

    /// Sees whether the wall clock was set since the last look.
    fn follow_clock(&mut self, now: &Moment) {
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
            return;
        }
        let step = now.wall.since(last.wall) - (now.steady_us - last.steady_us);
        if step.abs() <= STEP {
            return;
        }
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
        let timeout = self
            .timeout_us
            .filter(|_| !self.lost)
            .map(|timeout| self.heard_us.saturating_add(timeout));
        // Guards of orphans do not wait for the clock; a look too many does no harm.
        let guards = self.pending.iter().filter(|_| !released).map(|p| p.due_us);
        pending
            .chain(nominal)
            .chain(timeout)
            .chain(guards.filter(|due| *due > now.steady_us))
            .min()
    }

    /// Whether an event will never happen again, as things are configured.
    pub fn is_exhausted(&self, event: &str) -> bool {
        let Some(entry) = self.entries.get(event) else {
            return true;
        };
        if self.pending.iter().any(|pending| pending.event == event) {
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
    pub fn marks(&self) -> BTreeMap<String, Mark> {
        let entries = self.entries.iter();
        entries
            .map(|(name, entry)| (name.clone(), entry.mark.clone()))
            .collect()
    }
}
