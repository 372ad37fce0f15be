#![allow(clippy::unwrap_used)]

use crate::fixture::{Fixture, batch, record, start};
use glimpse_aggregate::Metric;
use glimpse_model::id::InstructionId;
use glimpse_model::time::SECOND;
use glimpse_store::{Audience, MeasuredRow, NewInstruction};
use serde_json::{Value, json};

/// Sends records of the tasks `t-1` of these methods, and gives what was measured by them, in the order of their starts.
async fn sent(tasks: &Value, records: &[Value]) -> Vec<MeasuredRow> {
    let fixture = Fixture::new().await;
    fixture.enrol("a-1").await;
    let instruction = NewInstruction {
        id: InstructionId::new("i-1").unwrap(),
        document: json!({"id": "i-1", "timing": {"immediate": {}}, "tasks": tasks}).to_string(),
        audience: Audience::default(),
        created: start(),
    };
    let store = &fixture.shared.store;
    let added = store.add_instructions(vec![instruction], Box::new(|_| Ok(())));
    added.await.unwrap();
    let answer = fixture.post("a-1", batch(records)).await;
    assert_eq!(answer.status, 200);
    let mut rows = store.measurements(start(), start().plus_micros(3_600 * SECOND));
    let mut found = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        found.push(row);
    }
    found.sort_by_key(|row| row.start);
    found
}

/// A record of a task, so many seconds after the start.
fn of(n: u8, task: &str, method: &str, probe_result: Value) -> Value {
    let mut of = record(n);
    let begin = start().plus_micros(i64::from(n) * SECOND);
    of["task_id"] = json!(task);
    of["method"] = json!(method);
    of["start_time"] = json!(begin.to_string());
    of["end_time"] = json!(begin.plus_micros(2 * SECOND).to_string());
    of["duration"] = json!(2_000);
    of["probe_result"] = probe_result;
    of
}

#[tokio::test]
async fn figures_and_circumstances_of_every_method_are_picked_when_they_come_in() {
    let tasks = json!([
        {"id": "p", "method": "ping", "options": {"host": "ping.example"}},
        {"id": "d", "method": "httpdownload", "options": {"url": "https://down.example/x"}},
    ]);
    let trips = json!({"round_trip_ms": [20.0, 10.5], "round_trip_sent": 4, "round_trip_received": 2,
        "destination_ip": "192.0.2.1"});
    let mut ping = of(1, "p", "ping", trips.clone());
    ping["bytes"] = json!({"sent": 400, "received": 200});
    ping["pre_info"] = json!({"connection_mode": 4, "signal_strength": 58, "total_bytes_sent": 1_000, "total_bytes_received": 500});
    ping["post_info"] =
        json!({"cpu_usage_run": 0.25, "total_bytes_sent": 118_014, "total_bytes_received": 500});
    let rate =
        json!({"actual_num_threads": 1, "results_ok": true, "bandwidth_bps_avg": 13_200_000});
    let mut download = of(2, "d", "httpdownload", rate);
    download["duration"] = json!(62_000);
    let mut failed = of(3, "p", "ping", trips.clone());
    failed["status"] = json!("failed");
    let mut unknown = of(4, "p", "ping", trips);
    unknown["instruction_id"] = json!("i-2");
    let wifi = of(5, "p", "wifi", json!({"ap_list": []}));

    let rows = sent(&tasks, &[ping, download, failed, unknown, wifi]).await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    let [ping, download] = &rows[..] else {
        panic!("two are counted");
    };
    assert_eq!((&*ping.agent, ping.isp.as_deref()), ("a-1", Some("as1")));
    assert_eq!(
        (ping.region.as_deref(), ping.target.as_str()),
        (Some("x"), "ping.example")
    );
    let number = |metric| metric as u8;
    assert_eq!(
        ping.figures,
        [
            (number(Metric::LossRt), vec![500_000]),
            (number(Metric::PdvRt), vec![9_500, 0]),
            (number(Metric::DelayRt), vec![20_000, 10_500]),
        ]
    );
    // 100 000 bytes in two seconds, beside the 600 of the measurement and what an agent may say to its controller.
    assert_eq!(
        (
            ping.cpu_percent,
            ping.cross_traffic_bps,
            ping.wifi_dbm,
            ping.clock_offset_us
        ),
        (Some(25), Some(400_000), Some(-71), None)
    );
    assert_eq!(download.target, "down.example");
    assert_eq!(
        download.figures,
        [(number(Metric::TputDown), vec![1_650_000])]
    );
    assert_eq!(download.clock_offset_us, Some(-60 * SECOND));
    assert_eq!(
        (download.received, download.between_agents),
        (start(), false)
    );
}

#[test]
fn the_numbers_that_databases_hold_stay() {
    let numbers = [
        (Metric::DelayRt, 0),
        (Metric::DelayRtTcp, 1),
        (Metric::DelayVariation, 2),
        (Metric::LossRt, 3),
        (Metric::PdvRt, 4),
        (Metric::HopCount, 5),
        (Metric::TputDown, 6),
        (Metric::TputUp, 7),
        (Metric::TputMtDown, 8),
        (Metric::TputMtUp, 9),
        (Metric::PacketPair, 10),
        (Metric::DnsRt, 11),
    ];
    for (metric, number) in numbers {
        assert_eq!(metric as u8, number, "{metric:?}");
        assert_eq!(Metric::ALL[usize::from(number)], metric);
    }
}
