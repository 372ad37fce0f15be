//! Every path of the ALTO listener; what is answered is decided by the publication.

use crate::app::Shared;
use crate::error::Problem;
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use glimpse_alto::{Limits, Request, Serving, answer};
use http_body_util::{BodyExt, Limited};
use std::sync::Arc;

/// When there is no publication yet.
const RETRY_S: u32 = 5;

pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new().fallback(any).with_state(shared)
}

async fn any(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let published = shared.publication.load_full().ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nothing is published yet").after(RETRY_S)
    })?;
    let limits = Limits::default();
    // One byte more than is allowed tells that it is too long.
    let body = match Limited::new(body, limits.body_bytes + 1).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => {
            return Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body may have at most {} bytes", limits.body_bytes),
            ));
        }
    };
    let accept = joined(&headers, &header::ACCEPT);
    let accept_encoding = joined(&headers, &header::ACCEPT_ENCODING);
    let content_type = joined(&headers, &header::CONTENT_TYPE);
    let if_none_match = joined(&headers, &header::IF_NONE_MATCH);
    let request = Request {
        method: method.as_str(),
        path: uri.path(),
        accept: accept.as_deref(),
        accept_encoding: accept_encoding.as_deref(),
        content_type: content_type.as_deref(),
        if_none_match: if_none_match.as_deref(),
        body: &body,
    };
    let serving = Serving {
        now_us: shared.now().as_micros(),
        next_us: published.next.as_micros(),
        limits,
    };
    let answered = answer(&published.publication, &request, &serving);
    let mut response = Body::from(answered.body.to_vec()).into_response();
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answered.headers {
        if let Ok(value) = value.parse() {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    Ok(response)
}

/// A field that came in several lines, as one (RFC 9110 §5.3).
fn joined(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let lines: Vec<&str> = headers
        .get_all(name)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}
