#![allow(clippy::unwrap_used, clippy::expect_used)]
// Runs that come to their end take three seconds or more: the least that the options allow.

use std::net::Ipv4Addr;

use glimpse_model::outcome::{Ending, Outcome};
use serde_json::{Value, json};

use super::*;
use crate::methods::http::server::{Authority, Server};

async fn measure_in(context: &Context, mut value: Value) -> Outcome {
    let map = value.as_object_mut().unwrap();
    map.entry("target_time").or_insert(json!(2000));
    map.entry("ramp_up_time").or_insert(json!(1000));
    map.entry("slot_length").or_insert(json!(500));
    let options = descriptor().read(value.as_object().unwrap()).unwrap();
    let outcome = descriptor().run(&options, context).await;
    assert!(
        outcome.bytes.total()
            <= descriptor()
                .worst_case_bytes(&options)
                .min(context.byte_limit)
    );
    assert_eq!(outcome.bytes, context.meter.read());
    outcome
}

async fn measure(value: Value) -> Outcome {
    measure_in(&Context::unlimited(Duration::from_mins(1), 0x5eed), value).await
}

fn text(outcome: &Outcome) -> &str {
    outcome.error.as_deref().unwrap_or_default()
}

/// The figures that an upload over two connections must have.
fn assert_uploaded(outcome: &Outcome, server: &Server) {
    assert_eq!((outcome.ending, text(outcome)), (Ending::Done, ""));
    let result = &outcome.probe_result;
    assert_eq!(
        (&result["results_ok"], &result["actual_num_threads"]),
        (&json!(true), &json!(2))
    );
    let threads = result["bandwidth_bps_per_thread"].as_array().unwrap();
    let sum: u64 = threads
        .iter()
        .map(|thread| thread["avg"].as_u64().unwrap())
        .sum();
    assert_eq!(result["bandwidth_bps_avg"], sum);
    assert!(sum > 50_000_000, "{sum}");
    // What was acknowledged, what arrived, and what was counted on the line agree.
    let (arrived, sent) = (
        server.received(),
        result["transferred_bytes"].as_u64().unwrap(),
    );
    assert!(
        arrived <= sent + sent / 50 && sent <= arrived + arrived / 20 + 8_000_000,
        "{arrived} {sent}"
    );
    assert!(outcome.bytes.sent > arrived, "{:?}", outcome.bytes);
}

#[tokio::test]
async fn a_chunked_upload_is_confirmed_by_the_server() {
    let server = Server::start().await;
    let outcome =
        measure(json!({"url": server.url("/sink"), "threads": 2, "max_bytes": 60_000_000_000_u64}))
            .await;
    assert_uploaded(&outcome, &server);
    let result = &outcome.probe_result;
    assert_eq!(
        (&result["http_status"], &result["requests"]),
        (&json!(200), &json!(2))
    );
    // Each says what had come by then from both.
    assert!(result["server_bytes"].as_u64().unwrap() >= server.received());
    assert!(result["retransmits"].is_u64() && result["min_rtt_us"].is_u64());
}

#[tokio::test]
async fn bodies_of_a_length_are_posted_one_after_the_other() {
    let server = Server::start().await;
    let given = json!({"url": server.url("/sink"), "threads": 2, "body_bytes": 20_000_000, "max_bytes": 60_000_000_000_u64});
    let outcome = measure(given).await;
    assert_uploaded(&outcome, &server);
    assert!(outcome.probe_result["requests"].as_u64().unwrap() > 3);
    assert!(
        server
            .seen()
            .iter()
            .all(|line| line == "POST /sink HTTP/1.1")
    );
}

#[tokio::test]
async fn uploads_go_over_tls() {
    let authority = Authority::new();
    let server = Server::start_with(
        Ipv4Addr::LOCALHOST.into(),
        Some(authority.server("127.0.0.1", (2020, 2050))),
    )
    .await;
    let client = authority.client();
    let context = Context {
        tls: Arc::new(move || Ok(Arc::clone(&client))),
        ..Context::unlimited(Duration::from_mins(1), 1)
    };
    let url = format!("https://{}/sink", server.address);
    let outcome = measure_in(
        &context,
        json!({"url": url, "threads": 2, "max_bytes": 60_000_000_000_u64}),
    )
    .await;
    assert_eq!((outcome.ending, text(&outcome)), (Ending::Done, ""));
    assert!(outcome.probe_result["server_bytes"].as_u64().unwrap() > 1_000_000);
    assert!(outcome.probe_result["bandwidth_bps_avg"].as_u64().unwrap() > 1_000_000);
}

#[tokio::test]
async fn servers_that_refuse_or_say_nothing_are_told() {
    let server = Server::start().await;
    let outcome = measure(json!({"url": server.url("/full")})).await;
    assert_eq!(
        (outcome.ending, text(&outcome)),
        (Ending::Failed, "the server answered with status 413")
    );
    let outcome = measure(json!({"url": server.url("/garbage")})).await;
    assert!(
        text(&outcome).starts_with("the answer is not http"),
        "{outcome:?}"
    );
    assert_eq!(outcome.ending, Ending::Failed);
    // It takes all there is, and never says a word.
    let outcome = measure(json!({"url": server.url("/mute"), "max_bytes": 3_000_000})).await;
    assert_eq!(
        (outcome.ending, text(&outcome)),
        (Ending::Failed, "the server did not answer within 5000 ms")
    );
    assert_eq!(outcome.probe_result["stopped"], "byte_limit");
    assert!(
        server.received() > 1_000_000,
        "the content was not to blame"
    );
    // It takes what its buffers hold, and never says a word.
    let outcome = measure(json!({"url": server.url("/silent")})).await;
    assert!(
        text(&outcome).starts_with("the server did not answer within 5000 ms"),
        "{outcome:?}"
    );
    assert_eq!(outcome.ending, Ending::Failed);
    assert_eq!(outcome.probe_result["bandwidth_bps_avg"], 0);
}

#[tokio::test]
async fn bodies_of_a_length_that_are_not_taken_have_failed() {
    let server = Server::start().await;
    let outcome = measure(json!({"url": server.url("/silent"), "body_bytes": 900_000_000})).await;
    assert!(
        text(&outcome).starts_with("the server did not answer within "),
        "{outcome:?}"
    );
    assert_eq!(outcome.ending, Ending::Failed);
}

#[tokio::test]
async fn the_byte_limit_holds_for_uploads_too() {
    let server = Server::start().await;
    let outcome =
        measure(json!({"url": server.url("/sink"), "threads": 4, "max_bytes": 3_000_000})).await;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (Ending::Done, None),
        "{outcome:?}"
    );
    assert_eq!(outcome.probe_result["stopped"], "byte_limit");
    assert!(server.received() > 1_000_000 && server.received() < 3_000_000);
    // The bodies were ended within the limit, so that the server could say so.
    assert_eq!(outcome.probe_result["http_status"], 200);
}

#[test]
fn the_announcement_has_the_length_of_bodies() {
    let capability = serde_json::to_value(descriptor().capability()).unwrap();
    assert_eq!(capability["needs"], json!(["exclusive_line"]));
    assert_eq!(
        capability["options"]["properties"]["body_bytes"]["default"],
        0
    );
    assert_eq!(
        capability["options"]["properties"]["threads"]["maximum"],
        16
    );
}
