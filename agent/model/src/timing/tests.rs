//! Timings against brute force, at the corners of the calendar, and the original's checks.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::time::Zone;
use proptest::prelude::*;
use serde_json::{Value, json};

fn read(value: &Value) -> Timing {
    Timing::read(&Cursor::at(value, "timing")).unwrap()
}

fn refusal(value: &Value) -> String {
    Timing::read(&Cursor::at(value, "timing"))
        .unwrap_err()
        .to_string()
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn slots(timing: &Timing, seen: &str, many: usize) -> Vec<String> {
    let seen = at(seen);
    std::iter::successors(timing.first(seen), |slot| timing.next(*slot, seen))
        .take(many)
        .map(|slot| slot.to_string())
        .collect()
}

#[test]
fn glimpse_check_16_periodic_without_end_is_accepted() {
    let timing =
        read(&json!({"periodic": {"interval": 3_600_000, "start": "2026-07-13T00:58:00Z"}}));
    assert_eq!(
        slots(&timing, "2036-01-01T00:00:00Z", 2),
        ["2036-01-01T00:58:00Z", "2036-01-01T01:58:00Z"]
    );
}

#[test]
fn glimpse_check_17_both_spellings_of_oneoff() {
    for key in ["onoff", "oneoff"] {
        let timing = read(&json!({key: {"time": "2026-07-13T00:58:00Z"}}));
        assert_eq!(
            slots(&timing, "2026-01-01T00:00:00Z", 3),
            ["2026-07-13T00:58:00Z"]
        );
        assert_eq!(
            serde_json::to_value(&timing).unwrap(),
            json!({"oneoff": {"time": "2026-07-13T00:58:00Z", "randomSpread": 0}})
        );
    }
}

#[test]
fn glimpse_check_18_a_oneoff_in_the_past_runs_once_at_once() {
    let timing = read(&json!({"oneoff": {"time": "2020-01-01T00:00:00Z"}}));
    let slot = timing.first(at("2026-01-01T00:00:00Z")).unwrap();
    assert!(slot < at("2026-01-01T00:00:00Z"), "due at once");
    assert_eq!(timing.next(slot, slot), None);
    let Timing::OneOff {
        time, spread_ms, ..
    } = timing
    else {
        panic!("a one-off")
    };
    let lmap = Timing::OneOff {
        time,
        spread_ms,
        past: Past::Never,
    };
    assert_eq!(lmap.first(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn glimpse_check_20_calendar_seconds() {
    let timing = read(&json!({"calendar": {"seconds": [0, 20, 40]}}));
    assert_eq!(
        slots(&timing, "2026-12-31T23:59:30Z", 3),
        [
            "2026-12-31T23:59:40Z",
            "2027-01-01T00:00:00Z",
            "2027-01-01T00:00:20Z"
        ]
    );
}

#[test]
fn glimpse_check_21_spread_stays_in_its_bounds_and_is_fresh() {
    let timing = read(&json!({"periodic": {
        "interval": 7000, "start": "2026-01-01T00:00:00Z", "randomSpread": 500}}));
    let start = at("2026-01-01T00:00:00Z");
    let mut slot = timing.first(start).unwrap();
    let mut delays = std::collections::BTreeSet::new();
    for n in 0..1000 {
        assert_eq!(slot.since(start), n * 7_000_000);
        let delay = timing.fire_at(slot, 42).since(slot);
        assert!((0..=500_000).contains(&delay));
        delays.insert(delay / 50_000);
        slot = timing.next(slot, start).unwrap();
    }
    assert!(
        delays.len() >= 10,
        "spread over the whole range: {delays:?}"
    );
    assert_ne!(timing.fire_at(slot, 1), timing.fire_at(slot, 2), "by seed");
}

#[test]
fn glimpse_check_22_ondemand_never_fires_by_itself() {
    let timing = read(&json!({"ondemand": {}}));
    assert_eq!(timing.first(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn refusals_name_the_member() {
    for (document, said) in [
        (
            json!({"periodic": {"interval": 0}}),
            "timing.periodic.interval: must be > 0",
        ),
        (
            json!({"periodic": {}}),
            "timing.periodic.interval: is missing",
        ),
        (
            json!({"periodic": {"interval": 1, "until": 3}}),
            "timing.periodic.until: is not known here",
        ),
        (
            json!({"periodic": {"interval": "7"}}),
            "timing.periodic.interval: must be a whole number",
        ),
        (
            json!({"periodic": {"interval": 1, "start": "2026-01-02T00:00:00Z", "end": "2026-01-01T00:00:00Z"}}),
            "timing.periodic.end: must not be before start",
        ),
        (
            json!({"calendar": {"hours": [24]}}),
            "timing.calendar.hours[0]: must be <= 23",
        ),
        (
            json!({"calendar": {"months": [0]}}),
            "timing.calendar.months[0]: must be > 0",
        ),
        (
            json!({"oneoff": {"time": "soon"}}),
            "timing.oneoff.time: must be a time such as 2026-01-31T12:00:00Z",
        ),
        (
            json!({"immediate": {}, "ondemand": {}}),
            "timing: must have exactly one member",
        ),
        (
            json!({"daily": {}}),
            "timing: must be one of immediate, oneoff, periodic, calendar, ondemand",
        ),
        (json!([]), "timing: must be an object"),
    ] {
        assert_eq!(refusal(&document), said);
    }
}

#[test]
fn leap_days_and_month_ends() {
    let leap = read(&json!({"calendar": {"months": [2], "days_of_month": [29],
        "hours": [12], "minutes": [0], "seconds": [0]}}));
    assert_eq!(
        slots(&leap, "2026-01-01T00:00:00Z", 2),
        ["2028-02-29T12:00:00Z", "2032-02-29T12:00:00Z"]
    );
    let monday = read(
        &json!({"calendar": {"months": [2], "days_of_month": [29], "days_of_week": [1],
        "hours": [0], "minutes": [0], "seconds": [0]}}),
    );
    assert_eq!(
        slots(&monday, "2026-01-01T00:00:00Z", 1),
        ["2044-02-29T00:00:00Z"]
    );
    let never = read(&json!({"calendar": {"months": [2], "days_of_month": [30]}}));
    assert_eq!(slots(&never, "2026-01-01T00:00:00Z", 1), [""; 0]);
    let last = read(
        &json!({"calendar": {"days_of_month": [31], "hours": [0], "minutes": [0], "seconds": [0]}}),
    );
    assert_eq!(
        slots(&last, "2026-01-31T00:00:01Z", 2),
        ["2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z"]
    );
}

#[test]
fn summer_time_skips_and_repeats() {
    let Timing::Calendar(calendar) = read(&json!({"calendar": {
        "hours": [2], "minutes": [30], "seconds": [0]}}))
    else {
        panic!("a calendar")
    };
    let berlin = Zone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
    let timing = Timing::Calendar(calendar.in_zone(berlin));
    // 29 March 2026 has no 02:30; 25 October has two, the first counts.
    assert_eq!(
        slots(&timing, "2026-03-28T00:00:00Z", 2),
        ["2026-03-28T01:30:00Z", "2026-03-30T00:30:00Z"]
    );
    assert_eq!(
        slots(&timing, "2026-10-25T00:00:00Z", 2),
        ["2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
    );
}

#[test]
fn a_fixed_offset_shifts_the_calendar() {
    let timing =
        read(&json!({"calendar": {"hours": [6], "minutes": [0], "seconds": [0], "offset": 330}}));
    assert_eq!(
        slots(&timing, "2026-01-01T00:00:00Z", 1),
        ["2026-01-01T00:30:00Z"]
    );
}

#[test]
fn spread_does_not_carry_a_firing_past_the_end() {
    let timing = read(
        &json!({"periodic": {"interval": 1000, "start": "2026-01-01T00:00:00Z",
        "end": "2026-01-01T00:00:10Z", "randomSpread": 60_000}}),
    );
    for slot in slots(&timing, "2026-01-01T00:00:00Z", 99) {
        assert!(timing.fire_at(at(&slot), 3) <= at("2026-01-01T00:00:10Z"));
    }
}

#[test]
fn missed_slots_are_counted_without_walking() {
    let timing = read(&json!({"periodic": {"interval": 1, "start": "2026-01-01T00:00:00Z"}}));
    let (from, to) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
    assert_eq!(timing.count(from, to, from, u32::MAX), 86_400_000);
    let calendar = read(&json!({"calendar": {"minutes": [0], "seconds": [0]}}));
    assert_eq!(calendar.count(from, to, from, u32::MAX), 24);
    assert_eq!(calendar.count(from, to, from, 5), 5);
}

fn lists() -> impl Strategy<Value = Value> {
    let list = |range: std::ops::RangeInclusive<u8>, most: usize| {
        proptest::collection::vec(range, 0..=most)
    };
    (
        list(1..=12, 6),
        list(1..=31, 20),
        list(1..=7, 5),
        list(0..=23, 12),
        list(0..=59, 4),
        list(0..=59, 4),
    )
        .prop_map(|(months, dom, dow, hours, minutes, seconds)| {
            json!({"calendar": {"months": months, "days_of_month": dom, "days_of_week": dow,
                "hours": hours, "minutes": minutes, "seconds": seconds}})
        })
}

/// Whether the second at `unix` fires, by definition: every field in its set, first of its kind.
fn fires(document: &Value, zone: &Zone, unix: i64) -> bool {
    let tz = zone.jiff();
    let instant = jiff::Timestamp::from_second(unix).unwrap();
    let civil = tz.to_datetime(instant);
    let earliest = tz.to_ambiguous_timestamp(civil).earlier().unwrap();
    let has = |name: &str, value: i8| {
        let list = document["calendar"][name].as_array().unwrap();
        list.is_empty() || list.iter().any(|v| v.as_i64() == Some(value.into()))
    };
    earliest == instant
        && has("months", civil.month())
        && has("days_of_month", civil.day())
        && has("days_of_week", civil.weekday().to_monday_one_offset())
        && has("hours", civil.hour())
        && has("minutes", civil.minute())
        && has("seconds", civil.second())
}

/// Zones with a moment at which their offset changes.
const CHANGES: [(&str, &str); 7] = [
    ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z"),
    ("CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z"),
    ("EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z"),
    ("EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z"),
    // Half an hour, on the other half of the globe.
    ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", "2026-04-04T15:00:00Z"),
    ("LHST-10:30LHDT-11,M10.1.0,M4.1.0", "2026-10-03T15:30:00Z"),
    ("UTC0", "2028-02-29T00:00:00Z"),
];

/// Lists that match often around midnight and in the small hours, where clocks are changed.
fn night_lists() -> impl Strategy<Value = Value> {
    (
        proptest::collection::vec(0_u8..=4, 3..=6),
        proptest::collection::vec(0_u8..=59, 1..=4),
        proptest::collection::vec(0_u8..=59, 1..=2),
    )
        .prop_map(|(hours, minutes, seconds)| {
            json!({"calendar": {"months": [], "days_of_month": [], "days_of_week": [],
                "hours": hours, "minutes": minutes, "seconds": seconds}})
        })
}

/// Whether a calendar's slots in `[start, end)` are those of the definition; and how many there are.
fn agrees(document: &Value, zone: &Zone, start: i64, end: i64) -> Result<usize, TestCaseError> {
    let Timing::Calendar(calendar) = read(document) else {
        unreachable!()
    };
    let timing = Timing::Calendar(calendar.in_zone(zone.clone()));
    let expected: Vec<i64> = (start..end).filter(|t| fires(document, zone, *t)).collect();
    let seen = Timestamp::from_micros(start * SECOND);
    let mut found = Vec::new();
    let mut slot = timing.first(seen);
    while let Some(s) = slot.filter(|s| s.as_micros() < end * SECOND) {
        found.push(s.as_micros() / SECOND);
        slot = timing.next(s, seen);
    }
    prop_assert_eq!(&found, &expected);
    Ok(expected.len())
}

#[test]
fn calendars_agree_with_every_second_around_changes_of_the_clock() {
    use proptest::test_runner::{Config, TestRunner};
    let mut slots = 0;
    for (zone, change) in CHANGES {
        let zone = Zone::posix(zone).unwrap();
        let change = at(change).as_micros() / SECOND;
        let counted = std::cell::Cell::new(0);
        let mut runner = TestRunner::new(Config::with_cases(8));
        runner
            .run(&(night_lists(), 0_i64..7200), |(document, back)| {
                let start = change - 3600 - back;
                counted.set(counted.get() + agrees(&document, &zone, start, start + 5 * 3600)?);
                Ok(())
            })
            .unwrap();
        slots += counted.get();
    }
    assert!(slots > 100, "the cases are no empty ones: {slots}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn calendars_agree_with_every_second_of_a_window(
        document in lists(),
        zone in prop_oneof![Just("UTC0"), Just("CET-1CEST,M3.5.0,M10.5.0/3"), Just("<+0545>-5:45")],
        start in 1_500_000_000_i64..2_000_000_000,
    ) {
        let zone = Zone::posix(zone).unwrap();
        agrees(&document, &zone, start, start + 2 * 3600)?;
    }

    #[test]
    fn the_next_slot_is_later_and_inside_its_bounds(
        interval in 1_i64..100_000_000,
        start in proptest::option::of(-1_000_000_000_000_i64..4_000_000_000_000_000),
        length in proptest::option::of(0_i64..1_000_000_000_000),
        spread in 0_i64..10_000_000,
        after in 0_i64..4_000_000_000_000_000,
        seed: u64,
    ) {
        let start = start.map(Timestamp::from_micros);
        let seen = Timestamp::from_micros(1_700_000_000_000_000);
        let origin = start.unwrap_or(seen);
        let end = length.map(|length| origin.plus_micros(length));
        let timing = Timing::Periodic(Periodic { interval_ms: interval, start, end, spread_ms: spread });
        let after = Timestamp::from_micros(after);
        if let Some(slot) = timing.next(after, seen) {
            prop_assert!(slot > after && slot >= origin);
            prop_assert_eq!(slot.since(origin) % (interval * 1000), 0);
            prop_assert!(slot == origin || slot.since(after) <= interval * 1000);
            let fire = timing.fire_at(slot, seed);
            prop_assert!(fire >= slot && fire.since(slot) <= spread * 1000);
            prop_assert!(end.is_none_or(|end| fire <= end));
        } else {
            let end = end.unwrap();
            prop_assert!(end.since(origin) / (interval * 1000) * (interval * 1000) <= after.since(origin));
        }
    }

    #[test]
    fn reading_never_panics(text in "[{}\\[\\]\":,a-z0-9]{0,80}") {
        if let Ok(value) = serde_json::from_str::<Value>(&text) {
            let _ = Timing::read(&Cursor::root(&value));
        }
    }
}
