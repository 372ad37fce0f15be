//! Roll-ups against figures worked out by hand, the write budget over days, the file against damage.
#![allow(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]

use super::*;
use glimpse_model::time::Timestamp;
use proptest::prelude::*;

const MINUTE_US: i64 = 60_000_000;
/// 2026-01-15T00:00:00Z.
const START: i64 = 1_768_435_200_000_000;

fn ping<'a>(target: &'a str, rtts_us: &'a [u32], sent: u32) -> Sample<'a> {
    Sample {
        figure: Figure::Delay,
        target,
        sent,
        received: rtts_us.len() as u32,
        values: rtts_us,
    }
}

/// Takes in a result measured at `time_us` whose JSON is `json`.
fn take(
    history: &mut History,
    now_us: i64,
    time_us: i64,
    json: String,
    sample: Option<&Sample<'_>>,
) {
    let id = ResultId::from_parts(Timestamp::from_micros(time_us), [0; 10]);
    let raw = Raw::new(&Record::new(id, Status::Ok), time_us, false, json);
    match sample {
        Some(sample) => history.record(now_us, raw.with_samples("", &[*sample]), &[*sample]),
        None => history.record(now_us, raw, &[]),
    }
}

fn in_ram(raw_bytes: usize) -> History {
    History::open(
        Options {
            raw_bytes,
            ..Options::default()
        },
        START,
    )
    .0
}

fn on_flash(dir: &std::path::Path, now_us: i64) -> History {
    let (history, error) = History::open(
        Options {
            dir: Some(dir.to_owned()),
            ..Options::default()
        },
        now_us,
    );
    assert!(error.is_none(), "{error:?}");
    history
}

#[test]
fn raw_results_are_bounded_by_bytes_and_age() {
    let mut history = in_ram(10 * (100 + size_of::<Raw>()));
    for n in 0..25 {
        take(&mut history, START + n, START + n, "x".repeat(100), None);
    }
    let seen: Vec<i64> = history.raw().map(|raw| raw.time_us - START).collect();
    assert_eq!(seen, (15..25).collect::<Vec<_>>());
    assert_eq!(
        history
            .raw()
            .skip(8)
            .map(|raw| raw.time_us - START)
            .collect::<Vec<_>>(),
        [23, 24]
    );
    assert_eq!(history.since(START + 22).count(), 3);
    assert_eq!(history.raw_bytes(), 10 * (100 + size_of::<Raw>()));
    // Larger than all that is allowed: not kept, and nothing is dropped for it.
    take(&mut history, START + 30, START + 30, "x".repeat(5000), None);
    assert_eq!(history.raw().len(), 10);
    history.tick(START + 20 + 48 * HOUR_US).unwrap();
    assert_eq!(
        history
            .raw()
            .map(|raw| raw.time_us - START)
            .collect::<Vec<_>>(),
        (20..25).collect::<Vec<_>>()
    );
    history.tick(START + 72 * HOUR_US).unwrap();
    assert_eq!((history.raw().len(), history.raw_bytes()), (0, 0));
}

#[test]
fn hours_and_days_have_the_right_figures() {
    let mut history = in_ram(0);
    let first = START + 10 * HOUR_US;
    take(
        &mut history,
        first,
        first,
        "{}".into(),
        Some(&ping("a.example", &[30, 10, 20], 4)),
    );
    take(
        &mut history,
        first,
        first + 59 * MINUTE_US,
        "{}".into(),
        Some(&ping("a.example", &[100], 1)),
    );
    take(
        &mut history,
        first,
        first + HOUR_US,
        "{}".into(),
        Some(&ping("a.example", &[], 5)),
    );
    take(
        &mut history,
        first,
        first,
        "{}".into(),
        Some(&ping("b.example", &[7], 1)),
    );
    let row = |target, start_us, n, sent, received, rtt: [Option<u32>; 3]| RollUp {
        figure: Figure::Delay,
        target,
        start_us,
        n,
        sent,
        received,
        low: rtt[0],
        median: rtt[1],
        high: rtt[2],
    };
    let hours = [
        row("a.example", first, 2, 5, 4, [Some(10), Some(25), Some(100)]),
        row("b.example", first, 1, 1, 1, [Some(7), Some(7), Some(7)]),
        row("a.example", first + HOUR_US, 1, 5, 0, [None, None, None]),
    ];
    let day = row(
        "a.example",
        START,
        3,
        10,
        4,
        [Some(10), Some(25), Some(100)],
    );
    assert_eq!(history.rollups(Span::Hour, 0), hours);
    assert_eq!(history.rollups(Span::Day, 0)[0], day);
    assert_eq!(
        (
            hours[0].loss_permille(),
            hours[2].loss_permille(),
            day.loss_permille()
        ),
        (Some(200), Some(1000), Some(600))
    );
    assert_eq!(row("x", 0, 1, 0, 0, [None; 3]).loss_permille(), None);
    // Finished periods show the same.
    history.tick(START + 30 * HOUR_US).unwrap();
    assert_eq!(history.rollups(Span::Hour, 0), hours);
    assert_eq!(history.rollups(Span::Day, 0)[0], day);
    assert_eq!(history.rollups(Span::Hour, first + 1), hours[2..]);
    // A late result is added to its hour.
    take(
        &mut history,
        first,
        first + MINUTE_US,
        "{}".into(),
        Some(&ping("a.example", &[4], 1)),
    );
    history.tick(START + 31 * HOUR_US).unwrap();
    let late = history.rollups(Span::Hour, 0)[0];
    assert_eq!(
        (late.n, late.sent, late.received, late.low, late.high),
        (3, 6, 5, Some(4), Some(100))
    );
    assert_eq!(late.median, Some((25 * 2 + 4) / 3));
}

#[test]
fn many_values_keep_a_fair_median() {
    let mut rollups = Rollups::default();
    for n in 0..100_000u32 {
        rollups.add(START, &ping("a", &[n.wrapping_mul(7919) % 100_000], 1));
    }
    let row = rollups.list(Span::Day, 0)[0];
    assert_eq!(row.n, 100_000);
    for (value, range) in [
        (row.low, 1_000..12_000),
        (row.median, 45_000..55_000),
        (row.high, 88_000..99_000),
    ] {
        assert!(range.contains(&value.unwrap()), "{row:?}");
    }
    assert!(rollups.encoded_len() < 1200 * 2, "few values are kept");
}

#[test]
fn history_outlives_a_clean_stop_in_the_middle_of_an_hour() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = on_flash(dir.path(), START);
    take(
        &mut history,
        START,
        START,
        "{}".into(),
        Some(&ping("a", &[10, 20], 2)),
    );
    assert!(history.stop(START + MINUTE_US).unwrap());
    assert!(!history.stop(START + MINUTE_US).unwrap(), "nothing new");
    let mut history = on_flash(dir.path(), START + 2 * MINUTE_US);
    take(
        &mut history,
        START,
        START + 3 * MINUTE_US,
        "{}".into(),
        Some(&ping("a", &[90], 2)),
    );
    let row = history.rollups(Span::Hour, 0)[0];
    assert_eq!(
        (row.n, row.sent, row.received, row.median),
        (2, 4, 3, Some(20))
    );
}

#[test]
fn flash_is_written_four_times_a_day_at_most() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = on_flash(dir.path(), START);
    let mut writes = Vec::new();
    for minute in (0..10 * 24 * 60).step_by(10) {
        let now = START + minute * MINUTE_US;
        if minute < 9 * 24 * 60 {
            take(
                &mut history,
                now,
                now,
                "{}".into(),
                Some(&ping("a", &[minute as u32], 1)),
            );
        }
        if history.tick(now).unwrap() {
            writes.push(minute);
        }
    }
    assert_eq!(
        writes,
        (1..=36).map(|n| n * 360).collect::<Vec<_>>(),
        "and none when nothing is new"
    );
    // A clock set back by a year neither stops the writing nor makes it more frequent.
    let back = START - 365 * 24 * HOUR_US;
    let mut writes = Vec::new();
    for minute in (0..24 * 60).step_by(10) {
        take(
            &mut history,
            back,
            back + minute * MINUTE_US,
            "{}".into(),
            Some(&ping("a", &[1], 1)),
        );
        if history.tick(back + minute * MINUTE_US).unwrap() {
            writes.push(minute);
        }
    }
    assert_eq!(writes, [360, 720, 1080]);
}

#[test]
fn the_file_stays_below_its_limit_and_days_outlive_hours() {
    let mut rollups = Rollups::default();
    let limit = 100 * 1024;
    let names: Vec<String> = (0..70).map(|n| format!("target-{n}.example")).collect();
    for hour in (0..24 * 40).step_by(12) {
        for (n, name) in names.iter().enumerate() {
            let added = rollups.add(START + hour * HOUR_US, &ping(name, &[5; 3], 3));
            assert_eq!(added, n < 64, "one pair too many has no place");
        }
        rollups.close(START + (hour + 1) * HOUR_US + HOUR_US / 2, limit);
        assert!(rollups.encode().len() <= limit);
        assert_eq!(rollups.encode().len(), rollups.encoded_len());
    }
    let (hours, days) = (rollups.list(Span::Hour, 0), rollups.list(Span::Day, 0));
    assert_eq!((days.len(), days[0].start_us), (64 * 40, START));
    assert!(
        !hours.is_empty()
            && hours
                .iter()
                .all(|row| row.start_us > START + 30 * 24 * HOUR_US)
    );
    // Results that a wrong clock put into the future do not pile up.
    for day in 0..10 {
        for name in &names {
            rollups.add(START + (9000 + day) * 24 * HOUR_US, &ping(name, &[5], 1));
        }
        rollups.close(START + 40 * 24 * HOUR_US, limit);
        assert!(rollups.encode().len() <= limit);
    }
    // Old pairs go with their last row: there is room for new ones again.
    rollups.close(START + 10_000 * 24 * HOUR_US, limit);
    assert_eq!(rollups, Rollups::default());
}

#[test]
fn a_damaged_file_is_noticed_and_not_believed() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = on_flash(dir.path(), START);
    take(
        &mut history,
        START,
        START,
        "{}".into(),
        Some(&ping("a", &[10], 1)),
    );
    take(
        &mut history,
        START,
        START - 48 * HOUR_US,
        "{}".into(),
        Some(&ping("a", &[10], 1)),
    );
    history.stop(START).unwrap();
    let path = dir.path().join("rollups");
    let whole = std::fs::read(&path).unwrap();
    assert!(Rollups::decode(&whole).is_some());
    for cut in 0..whole.len() {
        assert_eq!(Rollups::decode(&whole[..cut]), None);
        let mut altered = whole.clone();
        altered[cut] ^= 4;
        assert_eq!(Rollups::decode(&altered), None, "byte {cut}");
    }
    std::fs::write(&path, &whole[..20]).unwrap();
    let (history, error) = History::open(
        Options {
            dir: Some(dir.path().to_owned()),
            ..Options::default()
        },
        START,
    );
    assert!(matches!(error, Some(Error::Damaged { .. })));
    assert!(history.rollups(Span::Hour, 0).is_empty());
}

#[test]
fn a_directory_that_cannot_be_written_is_reported_and_left_alone_for_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "").unwrap();
    let options = Options {
        dir: Some(blocked.join("history")),
        ..Options::default()
    };
    let (mut history, _) = History::open(options, START);
    take(
        &mut history,
        START,
        START,
        "{}".into(),
        Some(&ping("a", &[10], 1)),
    );
    assert!(history.tick(START + WRITE_INTERVAL_US).is_err());
    assert!(!history.tick(START + WRITE_INTERVAL_US + MINUTE_US).unwrap());
    assert_eq!(history.rollups(Span::Hour, 0).len(), 1);
}

#[test]
fn a_file_of_the_first_version_is_read_and_written_as_the_second() {
    // Written by an agent 0.1.0 that pinged loopback.
    let old = include_bytes!("../../../tests/data/rollups-version-1");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("rollups"), old).unwrap();
    let at = 498_709 * HOUR_US + MINUTE_US;
    let mut history = on_flash(dir.path(), at);
    let rows: Vec<(&str, u32, u32, u32)> = history
        .rollups(Span::Hour, 0)
        .iter()
        .map(|row| (row.target, row.n, row.sent, row.received))
        .collect();
    assert_eq!(rows, [("127.0.0.1", 8, 24, 24), ("127.0.0.2", 1, 5, 5)]);
    assert!(history.rollups(Span::Day, 0).iter().all(|row| {
        row.figure == Figure::Delay && row.median.is_some() && row.low <= row.median
    }));
    // It goes on where that one stopped.
    take(
        &mut history,
        at,
        at,
        "{}".to_owned(),
        Some(&ping("127.0.0.2", &[7], 1)),
    );
    history.stop(at).unwrap();
    let history = on_flash(dir.path(), at);
    let again = history.rollups(Span::Hour, 0)[1];
    assert_eq!(
        (again.target, again.n, again.low),
        ("127.0.0.2", 2, Some(7))
    );
}

#[test]
fn figures_are_kept_apart_and_so_are_events() {
    let dir = tempfile::tempdir().unwrap();
    let mut history = on_flash(dir.path(), START);
    let down = Sample {
        figure: Figure::Down,
        ..ping("a", &[90_000], 1)
    };
    take(&mut history, START, START, "{}".to_owned(), Some(&down));
    take(
        &mut history,
        START,
        START,
        "{}".to_owned(),
        Some(&ping("a", &[14_000], 1)),
    );
    for n in 0..70 {
        history.note(Happening {
            time_us: START + n,
            kind: EventKind::Address,
            text: "x".repeat(200),
        });
    }
    history.stop(START).unwrap();
    let history = on_flash(dir.path(), START);
    let rows = history.rollups(Span::Day, 0);
    let seen: Vec<_> = rows.iter().map(|row| (row.figure, row.median)).collect();
    assert_eq!(
        seen,
        [(Figure::Down, Some(90_000)), (Figure::Delay, Some(14_000))]
    );
    let events: Vec<_> = history.events().collect();
    assert_eq!((events.len(), events[0].time_us), (64, START + 6));
    assert_eq!(events[0].text.len(), 120);
}

#[test]
fn a_pair_that_rested_for_a_week_makes_room() {
    let mut rollups = Rollups::default();
    let names: Vec<String> = (0..64).map(|n| format!("t{n}")).collect();
    for name in &names {
        assert!(rollups.add(START, &ping(name, &[1], 1)));
    }
    assert!(!rollups.add(START + 24 * HOUR_US, &ping("new", &[1], 1)));
    for name in &names[1..] {
        rollups.add(START + 6 * 24 * HOUR_US, &ping(name, &[1], 1));
    }
    assert!(rollups.add(START + 9 * 24 * HOUR_US, &ping("new", &[1], 1)));
    let targets: Vec<&str> = rollups
        .list(Span::Day, 0)
        .iter()
        .map(|row| row.target)
        .collect();
    assert!(targets.contains(&"new") && targets.contains(&"t1") && !targets.contains(&"t0"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        results in proptest::collection::vec((0i64..4_000, 0u8..70, proptest::collection::vec(0u32..u32::MAX, 0..5)), 0..60),
    ) {
        let mut rollups = Rollups::default();
        for (minute, target, rtts) in &results {
            rollups.add(START + minute * MINUTE_US, &ping(&target.to_string(), rtts, 5));
        }
        rollups.close(START + 2_000 * MINUTE_US, 256 * 1024);
        prop_assert_eq!(Rollups::decode(&rollups.encode()), Some(rollups));
    }

    #[test]
    fn few_values_have_an_exact_median(mut rtts in proptest::collection::vec(any::<u32>(), 1..=128)) {
        let mut rollups = Rollups::default();
        for rtt in &rtts {
            rollups.add(START, &ping("a", &[*rtt], 1));
        }
        let row = rollups.list(Span::Hour, 0)[0];
        rtts.sort_unstable();
        let (low, high) = (rtts[(rtts.len() - 1) / 2], rtts[rtts.len() / 2]);
        let expected = low.midpoint(high);
        prop_assert_eq!(row.median, Some(expected));
    }

    #[test]
    fn any_bytes_with_a_right_sum_are_read_without_panic(version in 1u8..=2, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = [vec![b'G', b'H', b'S', b'T', version, 0, 0, 0], bytes].concat();
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let _ = Rollups::decode(&bytes);
    }
}
