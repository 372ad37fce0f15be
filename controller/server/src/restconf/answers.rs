//! Answers on their way out: in the words of RESTCONF, and so that nothing of them runs, or stays, where it should not.

use crate::clock;
use axum::body::Body;
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use glimpse_restconf::{Errors, Method, Request};
use glimpse_yang::Encoding;
use glimpse_yang::table::CONTROLLER;

/// What a 401 asks for.
pub(super) const CHALLENGE: &str = "Basic realm=\"glimpse\", charset=\"UTF-8\"";

/// After which a request that was one too many may come again, in seconds.
const RETRY_S: u32 = 30;

/// Browsers attach what an operator is known by to whatever is asked of this origin, and much of what is answered here was written
/// by agents: none of it is run, guessed at, or shown to other origins.
const GUARDS: [(HeaderName, &str); 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// What every answer bears, whoever made it: also `Cache-Control` and `Date` (RFC 8040 §5.5, RFC 9110 §6.6.1).
pub(super) async fn guarded(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    let no_cache = HeaderValue::from_static("no-cache");
    headers.entry(header::CACHE_CONTROL).or_insert(no_cache);
    if !headers.contains_key(header::DATE) {
        let seconds = clock::now().as_micros().div_euclid(1_000_000);
        if let Ok(date) = HeaderValue::from_str(&glimpse_restconf::date::http_date(seconds)) {
            headers.insert(header::DATE, date);
        }
    }
    response
}

/// How an error is written: as the asker accepts it, else as it wrote itself.
pub(super) fn encoding(request: &Request) -> Encoding {
    let fallback = request
        .header("content-type")
        .as_deref()
        .and_then(glimpse_restconf::media::content_type)
        .map_or(Encoding::Json, glimpse_restconf::media::Content::encoding);
    glimpse_restconf::media::negotiate(request.header("accept").as_deref(), fallback)
        .unwrap_or(fallback)
}

/// An error as the answer to a request.
pub(super) fn refusal(error: glimpse_restconf::Error, request: &Request) -> Response {
    let encoding = encoding(request);
    let errors = Errors::from(error);
    let mut refused = glimpse_restconf::Response::new(errors.status(), request.time).with_body(
        glimpse_restconf::media::media_type(encoding),
        errors.body(&CONTROLLER, encoding),
    );
    match errors.status() {
        401 => refused = refused.with("WWW-Authenticate", CHALLENGE),
        429 => refused = refused.with("Retry-After", RETRY_S.to_string()),
        _ => {}
    }
    if request.method == Method::Head {
        refused.body.clear();
    }
    response(refused)
}

/// The same for axum. What is of a length that it says is sent so.
pub(super) fn response(response: glimpse_restconf::Response) -> Response {
    let status = StatusCode::from_u16(response.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut out = (status, Body::from(response.body)).into_response();
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) = (
            HeaderName::from_bytes(name.as_bytes()),
            HeaderValue::from_str(&value),
        ) {
            out.headers_mut().insert(name, value);
        }
    }
    out
}
