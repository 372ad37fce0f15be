#![allow(clippy::unwrap_used)]

use crate::app::alto_router;
use crate::fixture::{Answer, Fixture, batch, read, record, start};
use axum::body::Body;
use axum::http::Request;
use glimpse_model::id::InstructionId;
use glimpse_model::time::SECOND;
use glimpse_store::{Audience, NewInstruction, Options};
use serde_json::json;
use std::sync::Arc;
use tower::ServiceExt;

async fn get(fixture: &Fixture, path: &str, fields: &[(&str, &str)]) -> Answer {
    let router = alto_router(Arc::clone(&fixture.shared));
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    read(
        router
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap(),
    )
    .await
}

async fn measured(config: &str) -> Fixture {
    let fixture = Fixture::with(config, Options::default()).await;
    let instruction = NewInstruction {
        id: InstructionId::new("i-1").unwrap(),
        document: json!({"id": "i-1", "timing": {"immediate": {}}, "tasks": [{"id": "t-1",
            "method": "ping", "options": {"host": "192.0.2.1"}}]})
        .to_string(),
        audience: Audience::default(),
        created: start(),
    };
    let added = fixture
        .shared
        .store
        .add_instructions(vec![instruction], Box::new(|_| Ok(())));
    added.await.unwrap();
    for agent in ["a-1", "a-2"] {
        fixture.enrol(agent).await;
    }
    let mut off = record(3);
    off["start_time"] = json!(start().plus_micros(600 * SECOND).to_string());
    off["probe_result"]["round_trip_ms"] = json!([9000.0]);
    for (agent, records) in [("a-1", vec![record(1), off]), ("a-2", vec![record(2)])] {
        assert_eq!(fixture.post(agent, batch(&records)).await.status, 200);
    }
    fixture
}

#[tokio::test]
async fn stored_pings_become_a_cost_map() {
    let fixture = measured("[alto]\nlab = true").await;
    let early = get(&fixture, "/", &[]).await;
    early.problem(503);
    fixture.shared.publish().await;
    let directory = get(&fixture, "/", &[]).await;
    assert_eq!(
        directory.header("content-type"),
        Some("application/alto-directory+json")
    );
    assert_eq!(directory.json()["meta"]["glimpse-lab"], true);
    let map = get(&fixture, "/costmap/nm/delay-rt", &[]).await.json();
    assert_eq!(
        map["cost-map"]["as1:x"]["MSMNT-CL1"], 20_000,
        "the median, without the result of a wrong clock: {map}"
    );
    let network = get(&fixture, "/networkmap/nm", &[]).await.json();
    assert_eq!(
        network["network-map"]["MSMNT-CL1"]["ipv4"],
        json!(["192.0.2.1/32"])
    );
}

#[tokio::test]
async fn two_subscribers_are_not_published_outside_the_laboratory() {
    let fixture = measured("").await;
    fixture.shared.publish().await;
    let map = get(&fixture, "/costmap/nm/delay-rt", &[]).await.json();
    assert_eq!(map["cost-map"], json!({}));
    assert_eq!(
        get(&fixture, "/", &[]).await.json()["meta"]["glimpse-k"],
        10
    );
}

#[tokio::test]
async fn representations_are_made_once_and_conditional() {
    let fixture = measured("[alto]\nlab = true").await;
    fixture.shared.publish().await;
    let packed = get(&fixture, "/networkmap/nm", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    let tag = packed.header("etag").unwrap();
    let fields = [("accept-encoding", "gzip"), ("if-none-match", tag)];
    assert_eq!(get(&fixture, "/networkmap/nm", &fields).await.status, 304);
    let plain = get(&fixture, "/networkmap/nm", &[]).await;
    assert_ne!(plain.header("etag"), Some(tag));
    assert!(plain.header("cache-control").unwrap().contains("max-age"));
    assert_eq!(get(&fixture, "/nowhere", &[]).await.status, 404);
}
