//! `/health` and `/metrics`.

use crate::app::Shared;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use std::sync::Arc;

pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/metrics", get(metrics))
        .with_state(shared)
}

#[derive(Serialize)]
struct Health {
    ok: bool,
    database_readable: bool,
    writer_alive: bool,
    queued_jobs: usize,
    alto_published: bool,
    version: &'static str,
}

async fn health(State(shared): State<Arc<Shared>>) -> Response {
    let store = shared.store.health().await.ok();
    let readable = store.is_some_and(|store| store.readable);
    let writer_alive = store.is_some_and(|store| store.writer_alive);
    let health = Health {
        ok: readable && writer_alive,
        database_readable: readable,
        writer_alive,
        queued_jobs: store.map_or(0, |store| store.queued),
        alto_published: shared.publication.load().is_some(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let status = if health.ok {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(health)).into_response()
}

async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let queued = shared.store.health().await.map_or(0, |store| store.queued);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    let text = shared.metrics.to_text(queued, shared.connections.count());
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
