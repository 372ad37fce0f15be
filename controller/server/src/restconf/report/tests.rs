//! Tables of the agent's own, read back.

#![allow(clippy::unwrap_used)]

use super::*;
use glimpse_aggregate::Metric;
use glimpse_lmap::control::OptionEntry;
use glimpse_lmap::report::table;
use glimpse_model::id::ResultId;
use glimpse_model::read::Cursor;
use glimpse_model::record::Record;
use serde_json::json;

/// Outcomes of the agent's methods, and what is counted of each.
const OUTCOMES: &str = include_str!("../../../../aggregate/tests/data/outcomes.json");

fn received(case: &Value) -> Received {
    let id = ResultId::from_bytes([1; 16]).to_string();
    let record = json!({"id": id, "method": case["method"], "status": "ok", "probe_result": case["probe_result"]});
    let record = Record::read(&Cursor::root(&record)).unwrap();
    let options = case["options"].as_object().into_iter().flatten();
    let options = options.enumerate().map(|(n, (name, value))| OptionEntry {
        id: n.to_string(),
        name: Some(name.clone()),
        value: Some(
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned),
        ),
    });
    Received {
        schedule: None,
        action: None,
        task: None,
        options: options.collect(),
        tags: Vec::new(),
        event: None,
        start: Timestamp::from_micros(0),
        end: None,
        cycle: None,
        status: 0,
        conflicts: Vec::new(),
        tables: table::tables(&record)
            .into_iter()
            .map(|table| (Vec::new(), table))
            .collect(),
    }
}

#[test]
fn what_comes_by_a_report_counts_as_what_comes_as_a_record() {
    let cases: Value = serde_json::from_str(OUTCOMES).unwrap();
    for case in cases.as_array().unwrap() {
        let name = &case["name"];
        let received = received(case);
        let figures = figures(&received);
        let method = case["method"].as_str().unwrap();
        let measured = measured(&received, method, &figures).unwrap();
        assert_eq!(json!(measured.target), case["target"], "{name}");
        assert_eq!(measured.between_agents, case["between_agents"], "{name}");
        let counted: Map<String, Value> = measured
            .figures
            .iter()
            .map(|(number, values)| {
                let metric = Metric::ALL[usize::from(*number)];
                (format!("{metric:?}"), json!(values))
            })
            .collect();
        assert_eq!(Value::Object(counted), case["figures"], "{name}");
    }
}

#[test]
fn columns_of_strangers_do_no_harm() {
    let mut received = received(&json!({"method": null, "probe_result": {}}));
    let dots = ".".repeat(100_000);
    let table = |columns: &[&str], rows: &[&[&str]]| {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let rows = rows.iter().map(|row| texts(row)).collect();
        let columns = texts(columns);
        (Vec::new(), table::Table { columns, rows })
    };
    received.tables = vec![
        table(
            &["down", "down.bandwidth_bps_avg", &dots, "a"],
            &[&["x", "8", "9"]],
        ),
        table(&["hop", "addresses"], &[&["192.0.2.1", "[[[["], &[]]),
        table(&["round_trip_ms"], &[&[], &["1"]]),
        table(&[], &[&[]]),
        table(&["a", "b"], &[]),
    ];
    let figures = figures(&received);
    assert_eq!(figures["down"], "x", "what is no object stays");
    assert_eq!(figures[""].as_object().unwrap().len(), 1);
    assert_eq!(figures["results"][0]["addresses"], "[[[[");
    assert_eq!(figures["round_trip_ms"], json!(["1"]));
    assert!(
        measured(&received, "btc_ma", &figures)
            .unwrap()
            .figures
            .is_empty()
    );
}
