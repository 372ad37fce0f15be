#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::history::{EventKind, Happening, Options, Raw, Sample};
use glimpse_model::id::ResultId;
use glimpse_model::record::Record;

/// 2026-01-15T12:00:00Z, on a bucket of five minutes.
const NOW: i64 = 1_768_478_400;
const MINUTE: i64 = 60;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_seconds(seconds)
}

fn history() -> History {
    History::open(Options::default(), 0).0
}

fn take(
    history: &mut History,
    seconds: i64,
    figure: Figure,
    target: &str,
    values: &[u32],
    sent: u32,
) {
    let time = at(seconds);
    let record = Record::new(ResultId::from_parts(time, [0; 10]), Status::Ok);
    let sample = Sample {
        figure,
        target,
        sent,
        received: u32::try_from(values.len()).unwrap(),
        values,
    };
    let raw = Raw::new(&record, time.as_micros(), false, String::new());
    history.record(
        time.as_micros(),
        raw.with_samples(target, &[sample]),
        &[sample],
    );
}

fn query(figure: Figure, range: Range, points: usize) -> SeriesQuery {
    SeriesQuery {
        figure,
        range,
        target: None,
        points,
    }
}

fn ask(history: &History, query: &SeriesQuery) -> Value {
    series(history, query, at(NOW), None)
}

/// Places that have a value, with it.
fn values(answer: &Value, name: &str) -> Vec<(usize, u64)> {
    let column = answer["points"][name].as_array().unwrap().iter();
    column
        .enumerate()
        .filter_map(|(place, value)| Some((place, value.as_u64()?)))
        .collect()
}

#[test]
fn a_day_shows_each_result_and_each_gap() {
    let mut history = history();
    // 12 h ago, 5 and 6 minutes after that, and now.
    let then = NOW - 12 * HOUR_S;
    take(&mut history, then, Figure::Delay, "a", &[10, 20, 90], 4);
    take(
        &mut history,
        then + 5 * MINUTE,
        Figure::Delay,
        "a",
        &[30],
        1,
    );
    take(
        &mut history,
        then + 6 * MINUTE,
        Figure::Delay,
        "a",
        &[50],
        1,
    );
    take(&mut history, NOW, Figure::Delay, "a", &[], 5);
    let answer = ask(&history, &query(Figure::Delay, Range::Day, 288));
    assert_eq!(
        (&answer["step_s"], &answer["unit"]),
        (&json!(300), &json!("us"))
    );
    assert_eq!(answer["to"], json!(at(NOW + 5 * MINUTE)));
    assert_eq!(answer["points"]["n"].as_array().unwrap().len(), 288);
    // The last bucket holds now; 12 h are 144 buckets.
    assert_eq!(values(&answer, "median"), [(143, 20), (144, 40)]);
    assert_eq!(values(&answer, "low"), [(143, 10), (144, 30)]);
    assert_eq!(values(&answer, "high"), [(143, 90), (144, 50)]);
    assert_eq!(values(&answer, "n"), [(143, 1), (144, 2), (287, 1)]);
    let loss = ask(&history, &query(Figure::Loss, Range::Day, 288));
    assert_eq!(
        values(&loss, "median"),
        [(143, 250_000), (144, 0), (287, 1_000_000)]
    );
    assert_eq!(loss["target"], "a");
}

#[test]
fn points_are_never_more_than_asked_for() {
    let history = history();
    for range in Range::ALL {
        for points in [1, 2, 7, 24, 100, 168, 200, 400] {
            let answer = ask(&history, &query(Figure::Dns, range, points));
            let columns = ["n", "median", "low", "high"]
                .map(|n| answer["points"][n].as_array().unwrap().len());
            assert!(
                (1..=points).contains(&columns[0]),
                "{range:?} {points} {columns:?}"
            );
            assert!(columns.iter().all(|len| *len == columns[0]));
            let (from, to) = (
                answer["from"].as_str().unwrap(),
                answer["to"].as_str().unwrap(),
            );
            let length = Timestamp::parse(to)
                .unwrap()
                .since(Timestamp::parse(from).unwrap())
                / SECOND;
            let step = answer["step_s"].as_i64().unwrap();
            assert_eq!(length, step * i64::try_from(columns[0]).unwrap());
            assert!(
                length
                    >= match range {
                        Range::Day => DAY_S,
                        Range::Week => 7 * DAY_S,
                        Range::Month => 30 * DAY_S,
                        Range::Year => 365 * DAY_S,
                    }
            );
        }
    }
}

#[test]
fn longer_ranges_come_out_of_the_rollups() {
    let mut history = history();
    for day in (0..40).rev() {
        for hour in [1, 2] {
            let value = u32::try_from(1000 + day * 10 + hour).unwrap();
            take(
                &mut history,
                NOW - day * DAY_S - hour * HOUR_S,
                Figure::Down,
                "h",
                &[value],
                1,
            );
        }
        history.tick((NOW - day * DAY_S) * SECOND).unwrap();
    }
    let week = ask(&history, &query(Figure::Down, Range::Week, 200));
    assert_eq!(week["step_s"], HOUR_S);
    assert_eq!(values(&week, "median").len(), 14);
    assert_eq!(values(&week, "median").last(), Some(&(166, 1001)));
    let month = ask(&history, &query(Figure::Down, Range::Month, 30));
    assert_eq!(month["step_s"], DAY_S);
    // Two hours of a day in one bucket.
    assert_eq!(values(&month, "median").last(), Some(&(29, 1001)));
    assert_eq!(values(&month, "high").last(), Some(&(29, 1002)));
    let year = ask(&history, &query(Figure::Down, Range::Year, 365));
    assert_eq!(
        (&year["step_s"], values(&year, "median").len()),
        (&json!(DAY_S), 40)
    );
}

#[test]
fn after_a_restart_the_day_is_made_of_hours() {
    let dir = tempfile::tempdir().unwrap();
    let options = || Options {
        dir: Some(dir.path().to_owned()),
        ..Options::default()
    };
    let mut history = History::open(options(), NOW * SECOND).0;
    take(&mut history, NOW - 6 * HOUR_S, Figure::Dns, "r", &[500], 1);
    take(&mut history, NOW - 30 * MINUTE, Figure::Dns, "r", &[700], 1);
    history.stop(NOW * SECOND).unwrap();
    let mut history = History::open(options(), NOW * SECOND).0;
    take(&mut history, NOW, Figure::Dns, "r", &[900], 1);
    let answer = ask(&history, &query(Figure::Dns, Range::Day, 288));
    let seen: Vec<u64> = values(&answer, "median")
        .into_iter()
        .map(|(_, v)| v)
        .collect();
    assert_eq!(seen, [500, 700, 900]);
    assert_eq!(
        values(&answer, "n").iter().map(|(_, n)| n).sum::<u64>(),
        3,
        "none twice"
    );
}

#[test]
fn the_target_measured_most_is_shown_and_the_others_are_named() {
    let mut history = history();
    for n in 0..3 {
        take(&mut history, NOW - n, Figure::Delay, "b", &[2], 1);
    }
    take(&mut history, NOW, Figure::Delay, "a", &[1], 1);
    take(&mut history, NOW, Figure::Up, "u", &[1], 1);
    let answer = ask(&history, &query(Figure::Delay, Range::Day, 288));
    assert_eq!(
        (&answer["target"], &answer["targets"]),
        (&json!("b"), &json!(["b", "a"]))
    );
    let one = SeriesQuery {
        target: Some("a".to_owned()),
        ..query(Figure::Delay, Range::Day, 288)
    };
    assert_eq!(values(&ask(&history, &one), "median"), [(287, 1)]);
    let none = SeriesQuery {
        target: Some("<img onerror=x>".to_owned()),
        ..one
    };
    assert!(values(&ask(&history, &none), "median").is_empty());
    let nothing = ask(&history, &query(Figure::BusyDelay, Range::Day, 288));
    assert_eq!(
        (&nothing["target"], &nothing["contract"]),
        (&Value::Null, &Value::Null)
    );
    let contract = series(
        &history,
        &query(Figure::Up, Range::Day, 9),
        at(NOW),
        Some(40_000),
    );
    assert_eq!(contract["contract"], 40_000);
}

#[test]
fn what_happened_stands_beside() {
    let mut history = history();
    for (ago, kind) in [(3 * DAY_S, EventKind::Restart), (HOUR_S, EventKind::Path)] {
        history.note(Happening {
            time_us: (NOW - ago) * SECOND,
            kind,
            text: "why".to_owned(),
        });
    }
    let time = at(NOW - 2 * HOUR_S);
    let record = Record::new(ResultId::from_parts(time, [0; 10]), Status::Skipped);
    let json = json!({"error": "these are the household's quiet hours"}).to_string();
    history.record(
        time.as_micros(),
        Raw::new(&record, time.as_micros(), false, json),
        &[],
    );
    let kinds = |range| -> Vec<String> {
        let answer = ask(&history, &query(Figure::Delay, range, 10));
        let events = answer["events"].as_array().unwrap().iter();
        events
            .map(|event| event["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(kinds(Range::Day), ["skipped", "path"]);
    assert_eq!(kinds(Range::Week), ["restart", "skipped", "path"]);
    let answer = ask(&history, &query(Figure::Delay, Range::Day, 10));
    assert_eq!(
        answer["events"][0]["text"],
        "these are the household's quiet hours"
    );
}
