//! `/agent/v2`: configuration, instructions, capabilities, and the wish to be forgotten.

use super::service;
use crate::app::Shared;
use crate::body;
use crate::caller::Caller;
use crate::error::Problem;
use crate::listener::Peer;
use crate::repository;
use axum::Router;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::{get, post, put};
use glimpse_model::forget;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// Longest announcement, as sent and as inflated.
const MAX_CAPABILITIES_BYTES: usize = 256 << 10;
/// Longest time a request for instructions is held open.
const MAX_WAIT_S: u64 = 300;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/agent/v2/configuration", get(configuration))
        .route("/agent/v2/instructions", get(instructions))
        .route("/agent/v2/capabilities", put(capabilities))
        .route("/agent/v2/forget", post(forget))
}

async fn configuration(
    State(shared): State<Arc<Shared>>,
    Caller(_): Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    Ok(service::configuration(&shared)?.answer(&headers))
}

#[derive(Debug, Deserialize)]
struct Wait {
    #[serde(default)]
    wait: u64,
}

async fn instructions(
    State(shared): State<Arc<Shared>>,
    Caller(agent): Caller,
    wait: Result<Query<Wait>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wait_s = match wait {
        Ok(Query(Wait { wait })) if wait <= MAX_WAIT_S => wait,
        _ => {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                format!("wait: must be a whole number of seconds from 0 to {MAX_WAIT_S}"),
            ));
        }
    };
    let known = |document: &crate::document::Document| document.is_known_to(&headers);
    let wait = Duration::from_secs(wait_s);
    let document = service::instructions(&shared, &agent, wait, known).await?;
    Ok(document.answer(&headers))
}

async fn capabilities(
    State(shared): State<Arc<Shared>>,
    Caller(agent): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let _place = repository::place(&shared, &agent).await?;
    let (coding, bytes) = body::receive(&headers, body, MAX_CAPABILITIES_BYTES).await?;
    let bytes = body::inflate(coding, bytes, MAX_CAPABILITIES_BYTES)?;
    service::announce(&shared, agent, &bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn forget(
    State(shared): State<Arc<Shared>>,
    Caller(agent): Caller,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Problem> {
    let (coding, bytes) = body::receive(&headers, body, forget::MAX_LEN).await?;
    let bytes = body::inflate(coding, bytes, forget::MAX_LEN)?;
    let key = peer.agent.as_ref().map_or(&[][..], |known| &known.key);
    service::forget(&shared, agent, key, &bytes).await?;
    Ok(StatusCode::NO_CONTENT)
}
