//! `/.well-known/est` (RFC 7030 §3.2.2).

use super::{EnrolmentError, service};
use crate::app::Shared;
use crate::body;
use crate::caller::Caller;
use crate::error::Problem;
use crate::listener::Peer;
use crate::pki::MAX_REQUEST_BYTES;
use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::sync::Arc;

pub(crate) fn routes() -> Router<Arc<Shared>> {
    Router::new()
        .route("/.well-known/est/cacerts", get(cacerts))
        .route("/.well-known/est/simpleenroll", post(simpleenroll))
        .route("/.well-known/est/simplereenroll", post(simplereenroll))
}

async fn cacerts(State(shared): State<Arc<Shared>>) -> Result<Response, Problem> {
    Ok(certificates(service::authorities(&shared)?))
}

async fn simpleenroll(
    State(shared): State<Arc<Shared>>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    // Before the body: who has no token need not send one.
    let token = basic_password(&headers).ok_or(EnrolmentError::NoToken)?;
    let (_, request) = body::receive(&headers, body, MAX_REQUEST_BYTES).await?;
    Ok(certificates(
        service::enrol(&shared, peer.addr, &token, &request).await?,
    ))
}

async fn simplereenroll(
    State(shared): State<Arc<Shared>>,
    Caller(agent): Caller,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let (_, request) = body::receive(&headers, body, MAX_REQUEST_BYTES).await?;
    Ok(certificates(
        service::renew(&shared, agent, &request).await?,
    ))
}

/// The password of `Authorization: Basic` (RFC 7617); the user name says nothing.
fn basic_password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (_, password) = text.split_once(':')?;
    Some(password.to_owned())
}

/// A certs-only answer (RFC 7030 §4.2.3); the transfer encoding is what RFC 7030 clients look for.
fn certificates(envelope: String) -> Response {
    (
        [
            (
                header::CONTENT_TYPE,
                HeaderValue::from_static("application/pkcs7-mime; smime-type=certs-only"),
            ),
            (
                HeaderName::from_static("content-transfer-encoding"),
                HeaderValue::from_static("base64"),
            ),
        ],
        envelope,
    )
        .into_response()
}
