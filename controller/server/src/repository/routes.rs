//! `POST /agent/v2/results`.

use super::service;
use crate::alto;
use crate::app::Shared;
use crate::body;
use crate::caller::Caller;
use crate::error::Problem;
use crate::listener::Peer;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Extension, Json, Router};
use glimpse_model::record::Receipt;
use std::sync::Arc;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new().route("/agent/v2/results", post(results))
}

async fn results(
    State(shared): State<Arc<Shared>>,
    Caller(agent): Caller,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Receipt>, Problem> {
    let limits = shared.config.uploads;
    service::allow(&shared, &agent)?;
    let place = service::place(&shared, &agent).await?;
    let (coding, bytes) = body::receive(&headers, body, limits.body_bytes).await?;
    // The place goes along: this work goes on when the agent has hung up, and its memory is taken until it ends.
    let parsed = tokio::task::spawn_blocking(move || {
        let bytes = body::inflate(coding, bytes, limits.inflated_bytes)?;
        let length = bytes.len();
        Ok::<_, Problem>((place, length, service::parse(&bytes)?))
    });
    let (_place, length, batch) = parsed.await.map_err(|error| {
        tracing::error!(agent = %agent, error = %error, "reading a batch failed");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the batch cannot be read",
        )
    })??;
    shared.allowances.spend(&agent, length, shared.now());
    let receipt = service::ingest(&shared, agent.clone(), batch).await?;
    alto::note(&shared, &agent, peer.addr.ip()).await;
    Ok(Json(receipt))
}
