#![allow(clippy::unwrap_used)]

use crate::app::admin_router;
use crate::fixture::{Answer, Fixture, read};
use axum::body::Body;
use axum::http::Request;
use std::sync::Arc;
use tower::ServiceExt;

async fn get(fixture: &Fixture, path: &str) -> Answer {
    let router = admin_router(Arc::clone(&fixture.shared));
    let request = Request::get(path).body(Body::empty()).unwrap();
    read(router.oneshot(request).await.unwrap()).await
}

#[tokio::test]
async fn health_follows_the_database() {
    let fixture = Fixture::new().await;
    let good = get(&fixture, "/health").await;
    assert_eq!(good.status, 200);
    assert_eq!(good.json()["ok"], true);
    assert_eq!(good.json()["alto_published"], false);
    fixture.shared.publish().await;
    assert_eq!(
        get(&fixture, "/health").await.json()["alto_published"],
        true
    );
    fixture.shared.store.close().await.unwrap();
    let bad = get(&fixture, "/health").await;
    assert_eq!(bad.status, 503);
    assert_eq!(bad.json()["writer_alive"], false);
}

#[tokio::test]
async fn metrics_are_in_the_text_format() {
    let fixture = Fixture::new().await;
    fixture.shared.metrics.polls.count();
    let answer = get(&fixture, "/metrics").await;
    assert_eq!(
        answer.header("content-type"),
        Some("text/plain; version=0.0.4")
    );
    let text = String::from_utf8(answer.body).unwrap();
    assert!(
        text.contains("\nglimpse_supervisor_polls_total 1\n"),
        "{text}"
    );
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        assert!(
            name.starts_with("glimpse_") && value.parse::<u64>().is_ok(),
            "{line}"
        );
    }
    let families = text.lines().filter(|line| line.starts_with("# TYPE"));
    assert_eq!(families.count(), 8);
}
