#![allow(clippy::unwrap_used, clippy::expect_used)]
// A run takes the second of its shortest idle phase, a pause and three seconds a load: the least that the options allow.

use glimpse_model::outcome::{Ending, Outcome};
use serde_json::{Value, json};

use super::*;
use crate::methods::http::server::Server;

fn read(value: &Value) -> Result<Options, Refused> {
    descriptor().read(value.as_object().unwrap())
}

async fn measure(mut value: Value) -> Outcome {
    let map = value.as_object_mut().unwrap();
    map.entry("target_time").or_insert(json!(2500));
    map.entry("ramp_up_time").or_insert(json!(1000));
    map.entry("idle_time").or_insert(json!(1000));
    map.entry("interval").or_insert(json!(50));
    map.entry("max_bytes").or_insert(json!(64_000_000_000_u64));
    let options = read(&value).unwrap();
    let context = Context::unlimited(Duration::from_mins(2), 0x5eed);
    let outcome = descriptor().run(&options, &context).await;
    assert!(
        outcome.bytes.total() <= descriptor().worst_case_bytes(&options),
        "{:?}",
        outcome.bytes
    );
    assert_eq!(outcome.bytes, context.meter.read());
    outcome
}

fn assert_phase(phase: &Value, idle: &Value, directions: &[&str]) {
    for name in [
        "min_us",
        "median_us",
        "avg_us",
        "p90_us",
        "p95_us",
        "p99_us",
        "max_us",
    ] {
        assert!(phase[name].as_u64().unwrap() < 2_000_000, "{phase}");
    }
    assert!(
        phase["sent"].as_u64().unwrap() >= 20 && phase["received"].as_u64().unwrap() > 0,
        "{phase}"
    );
    for name in ["median", "p90", "p95", "p99", "avg"] {
        let of = |map: &Value| map[format!("{name}_us")].as_i64().unwrap();
        assert_eq!(phase[format!("added_{name}_us")], of(phase) - of(idle));
    }
    assert!(phase["round_trips_per_minute"].as_u64().unwrap() > 30);
    for direction in ["down", "up"] {
        let bandwidth = &phase[format!("bandwidth_bps_{direction}")];
        if directions.contains(&direction) {
            assert!(bandwidth.as_u64().unwrap() > 10_000_000, "{phase}");
            assert_eq!(phase[format!("results_ok_{direction}")], true);
            assert_eq!(phase[format!("stopped_{direction}")], "target_time");
        } else {
            assert_eq!(*bandwidth, Value::Null);
        }
    }
}

#[tokio::test]
async fn each_load_has_its_distribution_and_what_it_added() {
    let server = Server::start().await;
    let outcome = measure(json!({
        "url": server.url("/endless"), "upload_url": server.url("/sink"), "directions": "all", "threads": 2, "probe": "tcp",
    }))
    .await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None)
    );
    let result = &outcome.probe_result;
    assert_eq!(
        (&result["probe"], &result["destination_ip"]),
        (&json!("Tcp"), &json!("127.0.0.1"))
    );
    assert_eq!(result["idle"]["sent"], 20);
    assert_phase(&result["down"], &result["idle"], &["down"]);
    assert_phase(&result["up"], &result["idle"], &["up"]);
    let loss_based = ["cubic", "reno"];
    assert!(loss_based.contains(&result["up"]["congestion_control_up"].as_str().unwrap()));
    assert_phase(&result["both"], &result["idle"], &["down", "up"]);
}

#[tokio::test]
async fn auto_takes_what_works_here() {
    let server = Server::start().await;
    let outcome = measure(json!({"url": server.url("/endless"), "threads": 1})).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None)
    );
    assert!(["Icmp", "Tcp"].contains(&outcome.probe_result["probe"].as_str().unwrap()));
    assert_phase(
        &outcome.probe_result["down"],
        &outcome.probe_result["idle"],
        &["down"],
    );
}

#[tokio::test]
async fn a_load_that_fails_or_runs_out_of_bytes_says_so() {
    let server = Server::start().await;
    let outcome = measure(json!({"url": server.url("/status/503"), "probe": "tcp"})).await;
    assert_eq!(outcome.ending, Ending::Failed);
    let error = "down: download: the server answered with status 503 (4 times)";
    assert_eq!(outcome.error.as_deref(), Some(error));
    assert!(
        outcome.probe_result["idle"]["median_us"].is_u64(),
        "what there was is kept"
    );

    let outcome =
        measure(json!({"url": server.url("/endless"), "probe": "tcp", "max_bytes": 3_000_000}))
            .await;
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.probe_result["down"]["stopped_down"], "byte_limit");
    assert_eq!(outcome.probe_result["down"]["added_median_us"], Value::Null);
    assert_eq!(
        outcome.error.as_deref(),
        Some(
            "the line could not be loaded long enough to take round trips: max_bytes was used up, or nothing was \
             transferred after the ramp-up"
        )
    );
}

#[tokio::test]
async fn a_load_that_is_never_answered_has_failed() {
    let server = Server::start().await;
    let outcome = measure(json!({"url": server.url("/slow"), "probe": "tcp", "threads": 1})).await;
    assert_eq!(outcome.ending, Ending::Failed);
    let error = outcome.error.unwrap();
    assert!(
        error.starts_with("down: download: the server did not answer within "),
        "{error}"
    );
    assert!(outcome.probe_result["down"]["sent"].as_u64().unwrap() > 0);
}

#[test]
fn options_are_read_with_their_bounds() {
    for (given, error) in [
        (json!({}), "url: is missing"),
        (
            json!({"url": "http://h/", "upload_url": "h"}),
            "upload_url: must begin with http:// or https://",
        ),
        (
            json!({"url": "http://h/", "directions": "sideways"}),
            "directions: must be one of down, up, each, both, all",
        ),
        (
            json!({"url": "http://h/", "interval": 10}),
            "interval: must be >= 20",
        ),
        (
            json!({"url": "http://h/", "directions": "all", "interval": 20, "target_time": 45_000, "max_bytes": 1_000_000}),
            "max_bytes: leaves too little for the load beside the probes",
        ),
    ] {
        assert_eq!(read(&given).unwrap_err().to_string(), error);
    }
    let options = LatencyLoadOptions::read(&read(&json!({"url": "http://h/x"})).unwrap()).unwrap();
    assert_eq!(
        (options.threads, options.phases.as_slice()),
        (4, &[Phase::Down][..])
    );
    assert_eq!(options.upload_url, options.url);
    assert!(options.load_bytes(options.max_bytes) > options.max_bytes * 9 / 10);
}

#[test]
fn loads_and_probes_fit_what_is_announced() {
    for directions in ["down", "each", "all"] {
        let given = json!({"url": "http://h/", "directions": directions, "interval": 20, "max_bytes": 50_000_000});
        let options = LatencyLoadOptions::read(&read(&given).unwrap()).unwrap();
        let loads = options.load_bytes(50_000_000) * options.phases.len() as u64;
        assert!(loads > 30_000_000 && loads < 50_000_000, "{loads}");
    }
}
