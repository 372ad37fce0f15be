//! One event: its definition, its nominal times, and who names it.

use super::Mark;
use crate::control::{CalendarEvent, DAYS, Event, EventKind, MONTHS};
use crate::names::digest64;
use crate::{run, suppression};
use glimpse_model::sorted::SortedSet;
use glimpse_model::time::{SECOND, Timestamp, Zone};
use glimpse_model::timing::{Calendar, Past, Periodic, Timing, draw_spread};
use serde_json::Value;

/// Most missed times that are counted one by one.
const COUNT_LIMIT: u32 = 100_000;

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) event: Event,
    pub(super) timing: Option<Timing>,
    pub(super) mark: Mark,
    pub(super) next: Option<Timestamp>,
    pub(super) referrers: SortedSet<String>,
    /// Its occurrences that wait for their delay.
    pub(super) waiting: usize,
    /// What was due before this moment, a former process may have seen.
    pub(super) unsure: Option<Timestamp>,
}

/// The RFC 7951 text of an event, its members in a fixed order and its sets sorted. A digest of it is kept on the device: it must
/// not change with the program.
fn definition(event: &Event) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let bound = |leaf: &str, at: Option<Timestamp>| {
        at.map_or_else(String::new, |at| format!(",\"{leaf}\":\"{at}\""))
    };
    let mut members = vec![format!("\"name\":{}", quoted(&event.name))];
    if let Some(seconds) = event.random_spread_s {
        members.push(format!("\"random-spread\":{seconds}"));
    }
    if let Some(seconds) = event.cycle_interval_s {
        members.push(format!("\"cycle-interval\":{seconds}"));
    }
    let empty = |leaf: &str| format!("\"{leaf}\":[null]");
    members.extend(match &event.kind {
        EventKind::Never => None,
        EventKind::Periodic {
            interval_s,
            start,
            end,
        } => {
            let (start, end) = (bound("start", *start), bound("end", *end));
            Some(format!(
                "\"periodic\":{{\"interval\":{interval_s}{start}{end}}}"
            ))
        }
        EventKind::Calendar(calendar) => {
            let (start, end) = (bound("start", calendar.start), bound("end", calendar.end));
            let times = civil_times(calendar);
            Some(format!("\"calendar\":{{{times}{start}{end}}}"))
        }
        EventKind::OneOff { time } => Some(format!("\"one-off\":{{\"time\":\"{time}\"}}")),
        EventKind::Immediate => Some(empty("immediate")),
        EventKind::Startup => Some(empty("startup")),
        EventKind::ControllerLost => Some(empty("controller-lost")),
        EventKind::ControllerConnected => Some(empty("controller-connected")),
        EventKind::OnDemand => Some(empty("glimpse-agent:on-demand")),
    });
    format!("{{{}}}", members.join(","))
}

fn civil_times(calendar: &CalendarEvent) -> String {
    let set = |leaf: &str, values: &[u8], names: &[&str]| {
        let mut values = values.to_vec();
        values.sort_unstable();
        values.dedup();
        let words = values.iter().map(|value| {
            let name = names.get(usize::from(*value).wrapping_sub(1));
            name.map_or(value.to_string(), |name| format!("\"{name}\""))
        });
        let words = match values.len() {
            0 => "\"*\"".to_owned(),
            _ => words.collect::<Vec<_>>().join(","),
        };
        format!("\"{leaf}\":[{words}]")
    };
    let times = &calendar.times;
    let mut members = vec![
        set("month", &times.months, &MONTHS),
        set("day-of-month", &times.days_of_month, &[]),
        set("day-of-week", &times.days_of_week, &DAYS),
        set("hour", &times.hours, &[]),
        set("minute", &times.minutes, &[]),
        set("second", &times.seconds, &[]),
    ];
    members.extend(calendar.offset_minutes.map(|minutes| {
        let sign = if minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (minutes.abs() / 60, minutes.abs() % 60);
        format!("\"timezone-offset\":\"{sign}{hours:02}:{minutes:02}\"")
    }));
    members.join(",")
}

/// Tells a changed event from the same one, in every build.
pub(super) fn digest(event: &Event) -> u64 {
    digest64(definition(event).as_bytes())
}

/// When an event happens by the clock, without its delay; `None` of one that no clock foresees. Calendars that name no
/// offset are read in `zone`.
pub fn timing(event: &Event, zone: &Zone) -> Option<Timing> {
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
pub(super) fn count(
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
    pub(super) fn new(event: Event, mark: Mark, zone: &Zone) -> Self {
        let timing = timing(&event, zone);
        let mut entry = Self {
            event,
            timing,
            mark,
            next: None,
            referrers: SortedSet::new(),
            waiting: 0,
            unsure: None,
        };
        entry.plan();
        entry
    }

    /// The first nominal time after the cursor.
    pub(super) fn plan(&mut self) {
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

    pub(super) fn begin_anew(&mut self, now: Timestamp) {
        self.mark.since = now;
        self.mark.cursor = now.plus_micros(-1);
        self.plan();
    }

    /// Somebody names it who did not before; what passed while nobody did was not missed.
    pub(super) fn be_named(&mut self, now: Timestamp) {
        self.unsure = None;
        self.mark.cursor = self.mark.cursor.max(now.plus_micros(-1));
        if let EventKind::OneOff { time } = self.event.kind {
            self.mark.done |= time < now;
        }
        self.plan();
    }

    pub(super) fn is_floating(&self) -> bool {
        matches!(self.event.kind, EventKind::Periodic { start: None, .. })
    }

    /// It has one nominal time after the other.
    pub(super) fn is_planned_again_and_again(&self) -> bool {
        matches!(
            self.event.kind,
            EventKind::Periodic { .. } | EventKind::Calendar(_)
        )
    }

    /// It guards orphans, and so waits for no clock.
    pub(super) fn is_guard(&self) -> bool {
        matches!(
            self.event.kind,
            EventKind::ControllerLost | EventKind::ControllerConnected
        )
    }

    /// At one instant, what is suppressed is known before anything starts, and ends come before starts.
    pub(super) fn rank(&self) -> u8 {
        let names = |what: &str| self.referrers.iter().any(|name| name.starts_with(what));
        if names(&suppression::start_of("")) {
            0
        } else if names(&suppression::end_of("")) {
            1
        } else if names(&run::end_of("")) {
            2
        } else {
            3
        }
    }

    /// The longest delay in microseconds.
    pub(super) fn spread_us(&self) -> i64 {
        i64::from(self.event.random_spread_s.unwrap_or(0)) * SECOND
    }

    /// The random delay of an occurrence in microseconds: whole milliseconds, both ends included.
    pub(super) fn delay_us(&self, seed: u64, nominal: Timestamp) -> i64 {
        let spread = self.spread_us();
        let seed = seed ^ digest64(self.event.name.as_bytes());
        draw_spread(seed, nominal, spread / 1000) * 1000
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::bench::{control, lmap};
    use serde_json::json;

    /// Firmware of another day finds the marks of these events by these very numbers.
    #[test]
    fn the_digest_of_an_event_is_the_same_in_every_build() {
        let of = |event: Value, text: &str, pinned: u64| {
            let events = control(&lmap(&json!([event]), &json!([]), &json!([]))).events;
            assert_eq!(definition(&events[0]), text);
            let read: Value = serde_json::from_str(text).unwrap();
            assert_eq!(read["name"], events[0].name, "it is JSON");
            assert_eq!(digest(&events[0]), pinned, "{text}");
        };
        of(
            json!({"name": "never"}),
            r#"{"name":"never"}"#,
            0x8b4c_b267_ce55_ce86,
        );
        of(
            json!({"name": "q\"\\", "immediate": [null]}),
            r#"{"name":"q\"\\","immediate":[null]}"#,
            0xcd00_5ddd_af9c_19d5,
        );
        of(
            json!({"name": "o", "random-spread": 5, "one-off": {"time": "2026-12-01T01:00:00+01:00"}}),
            r#"{"name":"o","random-spread":5,"one-off":{"time":"2026-12-01T00:00:00Z"}}"#,
            0xbedf_fee7_e7c0_7c08,
        );
        of(
            json!({"name": "p", "cycle-interval": 60, "periodic":
                {"interval": 10, "start": "2026-12-01T00:00:00.5Z", "end": "2027-01-01T00:00:00Z"}}),
            r#"{"name":"p","cycle-interval":60,"periodic":{"interval":10,"start":"2026-12-01T00:00:00.5Z","end":"2027-01-01T00:00:00Z"}}"#,
            0x6314_4900_e858_357a,
        );
        of(
            json!({"name": "c", "calendar": {"month": ["may", "april"], "day-of-month": ["*"], "day-of-week": ["friday"],
                "hour": [6, 4], "minute": [0], "second": [0], "timezone-offset": "-05:30"}}),
            r#"{"name":"c","calendar":{"month":["april","may"],"day-of-month":["*"],"day-of-week":["friday"],"hour":[4,6],"minute":[0],"second":[0],"timezone-offset":"-05:30"}}"#,
            0xbdf3_a02f_4749_6df3,
        );
        of(
            json!({"name": "b", "startup": [null]}),
            r#"{"name":"b","startup":[null]}"#,
            0x1574_a9c9_fb5e_d480,
        );
        of(
            json!({"name": "l", "controller-lost": [null]}),
            r#"{"name":"l","controller-lost":[null]}"#,
            0x6ef9_e263_822a_e85e,
        );
    }
}
