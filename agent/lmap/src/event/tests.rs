#![allow(clippy::unwrap_used, clippy::expect_used)]
// Values of the `json!` macro are made where they are used.
#![allow(clippy::needless_pass_by_value)]

use super::entry::Entry;
use super::*;
use crate::bench::{at, control, lmap};
use crate::control::Event;
use crate::moment::Moment;
use glimpse_model::sorted::SortedMap;
use glimpse_model::time::Zone;
use serde_json::{Value, json};

/// An agenda for one event that one schedule names.
struct Watch {
    agenda: Agenda,
    now: Moment,
    /// Occurrences with the wall clock at which they came.
    seen: Vec<(Timestamp, Occurrence)>,
    missed: u32,
}

impl Watch {
    fn new(event: &Value, start: &str, zone: Zone) -> Self {
        Self::of(read(event), start, zone, 7)
    }

    fn of(event: Event, start: &str, zone: Zone, seed: u64) -> Self {
        let now = Moment {
            wall: at(start),
            steady_us: 1000,
            trusted: true,
        };
        let mut agenda = Agenda::new(seed, zone, false, &now);
        agenda.open(true);
        let names = SortedMap::from([(event.name.clone(), SortedSet::from(["s".to_owned()]))]);
        agenda.configure(&[event], &names, None, &SortedMap::new(), &now);
        let mut watch = Self {
            agenda,
            now,
            seen: Vec::new(),
            missed: 0,
        };
        watch.look();
        watch
    }

    fn look(&mut self) {
        let happened = self.agenda.advance(&self.now);
        self.missed += happened
            .missed
            .iter()
            .map(|missed| missed.count)
            .sum::<u32>();
        let wall = self.now.wall;
        self.seen
            .extend(happened.occurrences.into_iter().map(|o| (wall, o)));
    }

    /// Sleeps as long as the agenda says, up to `until`.
    fn until(&mut self, until: &str) {
        let end = at(until);
        while let Some(wake) = self.agenda.wake_us(&self.now) {
            let wait = (wake - self.now.steady_us).max(0);
            if self.now.wall.plus_micros(wait) > end {
                break;
            }
            self.pass(wait);
            self.look();
        }
        self.pass(end.since(self.now.wall));
    }

    fn pass(&mut self, micros: i64) {
        self.now.wall = self.now.wall.plus_micros(micros);
        self.now.steady_us += micros;
    }

    fn nominal(&self) -> Vec<String> {
        self.seen
            .iter()
            .map(|(_, o)| o.nominal.to_string())
            .collect()
    }
}

fn read(event: &Value) -> Event {
    control(&lmap(&json!([event]), &json!([]), &json!([]))).events[0].clone()
}

/// One schedule names each of these.
fn named(events: &[Event]) -> SortedMap<String, SortedSet<String>> {
    let referrer = || SortedSet::from(["s".to_owned()]);
    let events = events.iter();
    events
        .map(|event| (event.name.clone(), referrer()))
        .collect()
}

fn calendar(changes: &Value) -> Value {
    let mut calendar = json!({"month": ["*"], "day-of-month": ["*"], "day-of-week": ["*"], "hour": ["*"], "minute": [0], "second": [0]});
    calendar
        .as_object_mut()
        .unwrap()
        .extend(changes.as_object().unwrap().clone());
    json!({"name": "c", "calendar": calendar})
}

#[test]
fn lmap_check_56_a_random_spread_is_uniform_with_both_ends_and_the_event_stays_nominal() {
    let event = json!({"name": "e", "random-spread": 60, "periodic": {"interval": 3600, "start": "2026-12-01T00:00:00Z"}});
    let mut watch = Watch::new(&event, "2026-12-01T00:00:00Z", Zone::UTC);
    watch.until("2027-01-11T15:30:00Z");
    assert_eq!(watch.seen.len(), 1000);
    let delays: Vec<i64> = watch
        .seen
        .iter()
        .map(|(seen, o)| seen.since(o.nominal))
        .collect();
    assert!(delays.iter().all(|delay| (0..=60 * SECOND).contains(delay)));
    let mut tenths = [0; 10];
    for delay in &delays {
        tenths[usize::try_from(delay / (6 * SECOND)).unwrap().min(9)] += 1;
    }
    // Chi square of nine degrees: 27.9 is passed once in a thousand.
    let chi: i32 = tenths.iter().map(|n| (n - 100) * (n - 100)).sum::<i32>() / 100;
    assert!(chi < 28, "{tenths:?}");
    for (i, (_, occurrence)) in watch.seen.iter().enumerate() {
        let hours = i64::try_from(i).unwrap() * 3600 * SECOND;
        assert_eq!(
            occurrence.nominal,
            at("2026-12-01T00:00:00Z").plus_micros(hours)
        );
    }
    let short = json!({"name": "e", "random-spread": 1, "periodic": {"interval": 2, "start": "2026-12-01T00:00:00Z"}});
    let mut watch = Watch::new(&short, "2026-12-01T00:00:00Z", Zone::UTC);
    watch.until("2026-12-01T06:00:00Z");
    let delays: SortedSet<i64> = watch
        .seen
        .iter()
        .map(|(seen, o)| seen.since(o.nominal))
        .collect();
    assert!(delays.contains(&0) && delays.contains(&SECOND), "both ends");
}

#[test]
fn lmap_check_58_calendars_in_their_zone_and_days_that_a_month_lacks() {
    let event = calendar(&json!({"hour": [6], "timezone-offset": "+05:30"}));
    let mut watch = Watch::new(&event, "2026-12-01T00:00:00Z", Zone::UTC);
    watch.until("2026-12-03T00:00:00Z");
    assert_eq!(
        watch.nominal(),
        ["2026-12-01T00:30:00Z", "2026-12-02T00:30:00Z"]
    );

    let event = calendar(&json!({"month": ["april", "may"], "day-of-month": [31], "hour": [0]}));
    let mut watch = Watch::new(&event, "2027-01-01T00:00:00Z", Zone::UTC);
    watch.until("2028-01-01T00:00:00Z");
    assert_eq!(watch.nominal(), ["2027-05-31T00:00:00Z"]);
    // Both day sets must hold, unlike cron.
    let event = calendar(&json!({"day-of-month": [13], "day-of-week": ["friday"], "hour": [0]}));
    let mut watch = Watch::new(&event, "2027-01-01T00:00:00Z", Zone::UTC);
    watch.until("2028-01-01T00:00:00Z");
    assert_eq!(watch.nominal(), ["2027-08-13T00:00:00Z"]);
}

#[test]
fn local_times_that_a_change_of_the_clock_skips_do_not_fire_and_doubled_ones_fire_once() {
    let zone = || Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let event = calendar(&json!({"hour": [2], "minute": [30]}));
    let mut watch = Watch::new(&event, "2027-03-27T00:00:00Z", zone());
    watch.until("2027-03-30T00:00:00Z");
    assert_eq!(
        watch.nominal(),
        ["2027-03-27T01:30:00Z", "2027-03-29T00:30:00Z"]
    );
    let mut watch = Watch::new(&event, "2027-10-30T12:00:00Z", zone());
    watch.until("2027-11-01T00:00:00Z");
    assert_eq!(watch.nominal(), ["2027-10-31T00:30:00Z"]);
}

#[test]
fn lmap_check_64_the_nearest_cycle() {
    for (event, interval, cycle) in [
        ("2026-11-22T10:31:00Z", 3600, "20261122.110000"),
        ("2026-11-22T10:29:59Z", 3600, "20261122.100000"),
        ("2026-11-22T10:30:00Z", 3600, "20261122.110000"),
        ("2026-12-31T23:59:59Z", 86_400, "20270101.000000"),
        ("2026-11-22T10:31:00.5Z", 1, "20261122.103101"),
        ("1969-12-31T23:00:00Z", 3600, "19691231.230000"),
        ("2040-01-01T00:00:00Z", 600, "20400101.000000"),
    ] {
        assert_eq!(
            cycle_number(at(event), Some(interval)).as_deref(),
            Some(cycle),
            "{event}"
        );
    }
    assert_eq!(cycle_number(at("2026-11-22T10:31:00Z"), Some(0)), None);
    assert_eq!(cycle_number(at("2026-11-22T10:31:00Z"), None), None);
}

#[test]
fn lmap_trap_06_calendars_are_computed_and_no_late_look_loses_a_second() {
    let event = calendar(
        &json!({"start": "2026-12-01T02:00:00Z", "timezone-offset": "-01:00", "hour": [3, 4]}),
    );
    let mut watch = Watch::new(&event, "2026-12-01T00:00:00Z", Zone::UTC);
    // The loop is late by a second and a half each time.
    for _ in 0..20_000 {
        watch.pass(1_500_000);
        watch.look();
    }
    assert_eq!(
        watch.nominal(),
        ["2026-12-01T04:00:00Z", "2026-12-01T05:00:00Z"]
    );
    // And it is not looked at every second either.
    let rest = watch.agenda.wake_us(&watch.now).unwrap() - watch.now.steady_us;
    assert!(rest > 3600 * SECOND, "{rest}");
}

#[test]
fn lmap_trap_12_a_spread_longer_than_the_interval_loses_nothing() {
    let event = json!({"name": "e", "random-spread": 600, "periodic": {"interval": 10, "start": "2026-12-01T00:00:00Z", "end": "2026-12-01T00:16:30Z"}});
    let mut watch = Watch::new(&event, "2026-12-01T00:00:00Z", Zone::UTC);
    watch.until("2026-12-01T01:00:00Z");
    let nominal: SortedSet<String> = watch.nominal().into_iter().collect();
    assert_eq!(
        (watch.seen.len(), nominal.len(), watch.missed),
        (100, 100, 0)
    );
    let last = watch.seen.iter().map(|(seen, _)| *seen).max().unwrap();
    assert!(
        last > at("2026-12-01T00:16:30Z"),
        "the bound is for nominal times"
    );
    assert!(watch.agenda.is_exhausted("e"));
}

#[test]
fn lmap_trap_12a_agents_that_start_together_draw_apart() {
    let event = read(
        &json!({"name": "e", "random-spread": 3600, "one-off": {"time": "2026-12-01T00:00:01Z"}}),
    );
    let times: SortedSet<Timestamp> = (0..200)
        .map(|seed| {
            let mut watch = Watch::of(event.clone(), "2026-12-01T00:00:00Z", Zone::UTC, seed);
            watch.until("2026-12-01T02:00:00Z");
            watch.seen[0].0
        })
        .collect();
    assert!(times.len() > 195, "{}", times.len());
}

#[test]
fn lmap_trap_18_times_beyond_2038_are_times() {
    let event = json!({"name": "e", "cycle-interval": 60, "periodic": {"interval": 4_000_000_000_u32, "start": "2026-12-01T00:00:00Z"}});
    let mut watch = Watch::new(&event, "2026-11-30T00:00:00Z", Zone::UTC);
    watch.until("2160-01-01T00:00:00Z");
    assert_eq!(
        watch.nominal(),
        ["2026-12-01T00:00:00Z", "2153-09-02T07:06:40Z"]
    );
    assert_eq!(watch.seen[1].1.cycle.as_deref(), Some("21530902.070700"));
}

#[test]
fn lmap_trap_23_the_delays_of_a_fleet_are_spread_evenly() {
    let nominal = at("2026-12-01T00:00:00Z");
    let event =
        json!({"name": "e", "random-spread": 86_400, "one-off": {"time": "2026-12-01T00:00:00Z"}});
    let mark = Mark {
        digest: 0,
        since: nominal,
        cursor: nominal,
        done: false,
        served: SortedSet::new(),
        waiting: Vec::new(),
    };
    let entry = Entry::new(read(&event), mark, &Zone::UTC);
    let mut buckets = [0_i32; 100];
    // Seeds as like each other as can be.
    for seed in 0..10_000 {
        let delay = entry.delay_us(seed, nominal) / SECOND;
        buckets[usize::try_from(delay / 864).unwrap().min(99)] += 1;
    }
    // Chi square of 99 degrees: 149 is passed once in a thousand.
    let chi: i32 = buckets.iter().map(|n| (n - 100) * (n - 100)).sum::<i32>() / 100;
    assert!(chi < 149, "{buckets:?}");
    assert!(buckets.iter().all(|n| *n < 150), "no peak");
}

#[test]
fn an_interval_without_a_start_is_a_length_of_time() {
    let event = json!({"name": "e", "periodic": {"interval": 100}});
    let mut watch = Watch::new(&event, "2026-12-01T00:00:05Z", Zone::UTC);
    assert_eq!(watch.nominal(), ["2026-12-01T00:00:05Z"]);
    watch.pass(30 * SECOND);
    // The clock is set 1000 s forward: the next is due in 70 s all the same.
    watch.now.wall = watch.now.wall.plus_micros(1000 * SECOND);
    watch.look();
    let wake = watch.agenda.wake_us(&watch.now).unwrap();
    assert_eq!((wake - watch.now.steady_us) / SECOND, 70);
    assert_eq!(watch.missed, 0);
}

#[test]
fn times_that_passed_are_missed_and_not_made_up_for() {
    let event = json!({"name": "e", "periodic": {"interval": 10, "start": "2020-01-01T00:00:00Z"}});
    let mut watch = Watch::new(&event, "2026-12-01T00:00:01Z", Zone::UTC);
    assert!(
        watch.seen.is_empty(),
        "a start long ago means the next multiple"
    );
    watch.pass(3600 * SECOND);
    watch.look();
    assert_eq!((watch.missed, watch.seen.len()), (359, 1));
}

#[test]
fn one_draw_for_all_who_name_the_event() {
    let event =
        json!({"name": "e", "random-spread": 100, "one-off": {"time": "2026-12-01T00:00:10Z"}});
    let mut watch = Watch::new(&event, "2026-12-01T00:00:00Z", Zone::UTC);
    watch.until("2026-12-01T01:00:00Z");
    assert_eq!(watch.seen.len(), 1);
    assert!(watch.seen[0].1.is_for("anybody"));
}

#[test]
fn an_event_that_nobody_named_has_missed_nothing() {
    let events = [
        read(&json!({"name": "p", "periodic": {"interval": 10, "start": "2026-12-01T00:00:00Z"}})),
        read(&json!({"name": "o", "one-off": {"time": "2026-12-01T00:00:30Z"}})),
        read(&json!({"name": "f", "periodic": {"interval": 25}})),
    ];
    let mut now = Moment {
        wall: at("2026-12-01T00:00:05Z"),
        steady_us: 0,
        trusted: true,
    };
    let mut agenda = Agenda::new(7, Zone::UTC, false, &now);
    agenda.open(true);
    let none = SortedMap::new();
    agenda.configure(&events, &none, None, &none_known(), &now);
    let mut pass = |agenda: &mut Agenda, seconds: i64| {
        let mut all = Happened::default();
        for _ in 0..seconds {
            now.wall = now.wall.plus_micros(SECOND);
            now.steady_us += SECOND;
            let happened = agenda.advance(&now);
            all.missed.extend(happened.missed);
            all.occurrences.extend(happened.occurrences);
        }
        (all, now)
    };
    // Twice: named for the first time, and again after nobody did for a while.
    for round in 0..2 {
        let (silent, now) = pass(&mut agenda, 60);
        assert_eq!(silent, Happened::default(), "{round}");
        agenda.configure(&events, &named(&events), None, &none_known(), &now);
        assert!(agenda.is_exhausted("o"), "it is over, and was nobody's");
        let (happened, now) = pass(&mut agenda, 50);
        assert_eq!(happened.missed, [], "{round}");
        let of = |name: &str| {
            let all = happened.occurrences.iter();
            all.filter(|o| o.event == name).count()
        };
        assert_eq!((of("p"), of("f"), of("o")), (5, 2, 0), "{round}");
        agenda.configure(&events, &none, None, &none_known(), &now);
    }
}

fn none_known() -> SortedMap<String, Mark> {
    SortedMap::new()
}

#[test]
fn what_finds_no_place_in_the_queue_is_missed_and_counted() {
    let event = json!({"name": "e", "random-spread": 86_400, "periodic":
        {"interval": 1, "start": "2026-12-01T00:00:01Z", "end": "2026-12-01T00:05:00Z"}});
    let mut watch = Watch::new(&event, "2026-12-01T00:00:00Z", Zone::UTC);
    for _ in 0..400 {
        watch.pass(SECOND);
        watch.look();
    }
    let waiting = watch.agenda.pending.len();
    assert!(waiting <= EVENT_LIMIT, "{waiting}");
    let missed = usize::try_from(watch.missed).unwrap();
    assert_eq!(watch.seen.len() + waiting + missed, 300);
    watch.until("2026-12-03T00:00:00Z");
    assert_eq!(watch.seen.len() + missed, 300, "what had a place happens");
}

#[test]
fn however_many_events_there_are_the_queue_is_bounded_and_guards_find_a_place() {
    let mut events: Vec<Event> = (0..100)
        .map(|i| {
            read(
                &json!({"name": format!("e{i}"), "random-spread": 86_400, "periodic":
                {"interval": 1, "start": "2026-12-01T00:00:00Z"}}),
            )
        })
        .collect();
    events.push(read(&json!({"name": "lost", "controller-lost": [null]})));
    events.push(read(
        &json!({"name": "o", "one-off": {"time": "2026-12-01T00:01:40Z"}}),
    ));
    let mut now = Moment {
        wall: at("2026-12-01T00:00:00Z"),
        steady_us: 0,
        trusted: true,
    };
    let mut agenda = Agenda::new(7, Zone::UTC, false, &now);
    agenda.open(true);
    agenda.configure(&events, &named(&events), Some(90), &none_known(), &now);
    let (mut missed, mut seen) = (0, 0);
    let mut names = SortedSet::new();
    for _ in 0..200 {
        now.wall = now.wall.plus_micros(SECOND);
        now.steady_us += SECOND;
        let happened = agenda.advance(&now);
        assert!(agenda.pending.len() <= LIMIT + 1);
        assert!(happened.missed.iter().all(|missed| missed.crowded));
        missed += happened.missed.iter().map(|m| m.count).sum::<u32>();
        seen += happened.occurrences.len();
        names.extend(happened.occurrences.into_iter().map(|o| o.event));
    }
    assert!(names.contains("lost") && names.contains("o"), "{names:?}");
    let told = usize::try_from(missed).unwrap() + seen + agenda.pending.len();
    // What is still gathered is told within a minute.
    assert!((100 * 140..=100 * 201 + 2).contains(&told), "{told}");
}

#[test]
fn a_controller_that_comes_and_goes_is_lost_and_found_once_a_minute_at_most() {
    let events = [
        read(&json!({"name": "lost", "controller-lost": [null]})),
        read(&json!({"name": "back", "controller-connected": [null]})),
    ];
    let mut now = Moment {
        wall: at("2026-12-01T00:00:00Z"),
        steady_us: 0,
        trusted: true,
    };
    let mut agenda = Agenda::new(7, Zone::UTC, false, &now);
    agenda.open(true);
    agenda.configure(&events, &named(&events), Some(1), &none_known(), &now);
    let mut times: SortedMap<String, Vec<i64>> = SortedMap::new();
    for second in 1..=600 {
        now.wall = now.wall.plus_micros(SECOND);
        now.steady_us += SECOND;
        if second % 3 == 0 {
            agenda.contact(&now);
        }
        for occurrence in agenda.advance(&now).occurrences {
            times.entry(occurrence.event).or_default().push(second);
        }
        let wake = agenda.wake_us(&now);
        assert!(wake.is_none_or(|at| at > now.steady_us), "no busy loop");
    }
    for of in times.values() {
        assert!((9..=10).contains(&of.len()), "{times:?}");
        assert!(of.windows(2).all(|pair| pair[1] - pair[0] >= 60), "{of:?}");
    }
    assert_eq!(times.len(), 2);
}
