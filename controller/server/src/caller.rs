//! Which agent asks: known by its certificate alone, and looked up at each request.

mod allowances;
mod shares;

pub(crate) use allowances::Allowances;
pub(crate) use shares::{Share, Shares};

use crate::app::Shared;
use crate::error::Problem;
use crate::listener::Peer;
use crate::supervisor;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use glimpse_model::id::AgentId;
use std::sync::Arc;

/// The agent that asks: enrolled and not revoked when the request began.
#[derive(Debug, Clone)]
pub(crate) struct Caller(pub(crate) AgentId);

impl FromRequestParts<Arc<Shared>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(
        parts: &mut Parts,
        shared: &Arc<Shared>,
    ) -> Result<Self, Self::Rejection> {
        let certificate = parts
            .extensions
            .get::<Peer>()
            .and_then(|peer| peer.agent.clone())
            .ok_or_else(|| {
                Problem::new(
                    StatusCode::FORBIDDEN,
                    "an agent's certificate is needed: enrol first",
                )
            })?;
        supervisor::admit_caller(shared, &certificate.agent).await?;
        Ok(Self(certificate.agent.clone()))
    }
}
