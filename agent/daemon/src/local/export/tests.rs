#![allow(clippy::unwrap_used)]
use super::*;
use crate::local::history::{Options, Sample};
use glimpse_model::record::{Record, Status};

const HOUR_US: i64 = 3_600_000_000;
/// 2026-01-15T00:00:00Z.
const START: i64 = 1_768_435_200_000_000;

fn take(history: &mut History, n: u8, time_us: i64, target: &str, error: &str, bytes: usize) {
    let mut record = Record::new(ResultId::from_bytes([n; 16]), Status::Ok);
    record.method = Some("ping".to_owned());
    record.error = error.to_owned();
    let large = "y".repeat(bytes);
    record.probe_result.insert("large".to_owned(), large.into());
    let json = serde_json::to_string(&record).unwrap();
    let samples = [
        Sample {
            figure: Figure::Delay,
            target,
            sent: 4,
            received: 3,
            values: &[10, 20, 30],
        },
        Sample {
            figure: Figure::Dns,
            target,
            sent: 1,
            received: 1,
            values: &[700],
        },
    ];
    let raw = Raw::new(&record, time_us, true, json).with_samples(target, &samples);
    history.record(time_us, raw, &samples);
}

/// All pieces together, and how many there were.
fn whole(history: &History, format: ExportFormat) -> (String, usize) {
    let (mut text, mut cursor, mut pieces) = (String::new(), None::<String>, 0);
    loop {
        let piece = piece(history, format, cursor.as_deref()).unwrap();
        let part = piece["text"].as_str().unwrap();
        assert!(part.len() <= PIECE_BYTES, "{}", part.len());
        text.push_str(part);
        pieces += 1;
        match piece["next"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => return (text, pieces),
        }
    }
}

#[test]
fn pieces_make_one_document() {
    let mut history = History::open(Options::default(), 0).0;
    for n in 0..60_u8 {
        let time = START + i64::from(n) * HOUR_US;
        take(&mut history, n, time, "a.example", "", 2000);
    }
    let (text, pieces) = whole(&history, ExportFormat::Json);
    assert!(pieces > 2, "{pieces}");
    let document: Vec<Value> = serde_json::from_str(&text).unwrap();
    let of = |span: &str| document.iter().filter(|it| it["span"] == span).count();
    // 60 hours are in three days; the first 12 hours are older than 48 h.
    assert_eq!((of("day"), of("hour"), of("result")), (6, 120, 49));
    let ids: Vec<&Value> = document
        .iter()
        .filter(|it| it["span"] == "result")
        .map(|it| &it["id"])
        .collect();
    assert!(
        ids.is_sorted_by(|a, b| a.as_str() < b.as_str()),
        "each once"
    );
    let hour = document.iter().find(|it| it["span"] == "hour").unwrap();
    assert_eq!(
        hour,
        &json!({"span": "hour", "time": "2026-01-15T00:00:00Z", "figure": "delay", "unit": "us",
            "target": "a.example", "n": 1, "median": 20, "low": 10, "high": 30, "loss_ppm": 250_000})
    );
    let (table, _) = whole(&history, ExportFormat::Csv);
    let lines: Vec<&str> = table.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 1 + 6 + 120 + 49);
    assert!(
        lines.iter().all(|line| line.split(',').count() == 16),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[7],
        "2026-01-15T00:00:00Z,hour,,a.example,,,1,20,250000,,,,,,,"
    );
    assert!(lines[1].starts_with("2026-01-15T00:00:00Z,day,,a.example,,,24,20,250000,"));
    assert!(
        lines
            .last()
            .unwrap()
            .starts_with("2026-01-17T11:00:00Z,result,ping,a.example,ok,1,1,20,250000,,,,700,0,")
    );
}

#[test]
fn nothing_is_a_formula_and_quotes_are_doubled() {
    let mut history = History::open(Options::default(), 0).0;
    for (n, (target, error)) in [
        ("=HYPERLINK(\"http://x\")", "a,b"),
        ("@sum", "+1"),
        ("-2", "\"quoted\""),
        ("plain", "\t=1"),
    ]
    .into_iter()
    .enumerate()
    {
        take(
            &mut history,
            u8::try_from(n).unwrap(),
            START,
            target,
            error,
            1,
        );
    }
    let (table, _) = whole(&history, ExportFormat::Csv);
    let results: Vec<&str> = table
        .split("\r\n")
        .filter(|line| line.contains(",result,"))
        .collect();
    for (line, (target, error)) in results.iter().zip([
        ("\"'=HYPERLINK(\"\"http://x\"\")\"", "\"a,b\""),
        ("'@sum", "'+1"),
        ("'-2", "\"\"\"quoted\"\"\""),
        ("plain", "'\t=1"),
    ]) {
        assert!(line.contains(&format!(",{target},")), "{line}");
        assert!(line.ends_with(&format!(",{error}")), "{line}");
    }
    let (json, _) = whole(&history, ExportFormat::Json);
    assert!(
        json.contains(r#""target":"=HYPERLINK(\"http://x\")""#),
        "JSON knows no formulas"
    );
}

#[test]
fn an_empty_history_is_an_empty_document() {
    let history = History::open(Options::default(), 0).0;
    let (text, pieces) = whole(&history, ExportFormat::Json);
    assert_eq!(
        (
            serde_json::from_str::<Vec<Value>>(&text).unwrap().len(),
            pieces
        ),
        (0, 1)
    );
    assert_eq!(whole(&history, ExportFormat::Csv).0, csv::HEADER);
    for cursor in ["", "day", "day:x", "after:7", "year:1"] {
        let refused = piece(&history, ExportFormat::Csv, Some(cursor)).unwrap_err();
        assert_eq!(refused.path, "cursor");
    }
}

#[test]
fn a_record_that_has_gone_meanwhile_does_not_stop_the_export() {
    let mut history = History::open(Options::default(), 0).0;
    take(&mut history, 1, START, "a", "", 1);
    let gone = format!("after:{}", ResultId::from_bytes([9; 16]));
    let piece = piece(&history, ExportFormat::Csv, Some(&gone)).unwrap();
    assert!(piece["text"].as_str().unwrap().contains(",result,"));
    assert!(piece["next"].is_null());
}

#[test]
fn a_long_record_is_shortened() {
    let mut history = History::open(Options::default(), 0).0;
    take(&mut history, 1, START, "a", "", 100_000);
    take(&mut history, 2, START, "a", "", 100_000);
    let (text, _) = whole(&history, ExportFormat::Json);
    let document: Vec<Value> = serde_json::from_str(&text).unwrap();
    assert_eq!(document.last().unwrap()["shortened"], true);
}
