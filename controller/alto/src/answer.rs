//! From a request to an answer, without a network.

use std::sync::Arc;

use crate::endpoint_property::Refusal;
use crate::publication::{Document, Representation, Resource};
use crate::{
    Acceptance, EndpointProperties, Fault, Publication, accepts, accepts_gzip, etag_matches,
    http_date, media, same_media_type,
};

const SECOND_US: i64 = 1_000_000;

/// What of an HTTP request matters here. Fields that came in several lines are joined by commas.
#[derive(Clone, Copy, Debug, Default)]
pub struct Request<'a> {
    /// In capitals.
    pub method: &'a str,
    /// Path below the mount point, beginning with `/`, without a query.
    pub path: &'a str,
    /// Field `Accept`.
    pub accept: Option<&'a str>,
    /// Field `Accept-Encoding`.
    pub accept_encoding: Option<&'a str>,
    /// Field `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Field `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// The body. The edge stops reading after [`Limits::body_bytes`] and one more.
    pub body: &'a [u8],
}

/// Bounds on the work for one request; beyond them the answer is 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body.
    pub body_bytes: usize,
    /// Most endpoints in one request.
    pub endpoints: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            endpoints: 10_000,
        }
    }
}

/// The moment of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Serving {
    /// Now, microseconds UTC since 1970.
    pub now_us: i64,
    /// When the next computation is due (RFC 9439 §6.4.1).
    pub next_us: i64,
    /// Bounds on the work.
    pub limits: Limits,
}

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status code.
    pub status: u16,
    /// Header fields, names in lower case. `content-length` is that of the GET for a HEAD too.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for HEAD and 304.
    pub body: Arc<[u8]>,
}

impl Response {
    /// The value of a header field, its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| *n == name)
            .map(|(_, value)| value.as_str())
    }

    fn empty(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: Arc::default(),
        }
    }

    fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    fn with_body(self, media_type: &'static str, body: Arc<[u8]>) -> Self {
        let length = body.len().to_string();
        Self {
            body,
            ..self
                .with("content-type", media_type)
                .with("content-length", length)
        }
    }
}

const OK: u16 = 200;
const NO_CONTENT: u16 = 204;
const NOT_MODIFIED: u16 = 304;
const BAD_REQUEST: u16 = 400;
const NOT_FOUND: u16 = 404;
const METHOD_NOT_ALLOWED: u16 = 405;
const NOT_ACCEPTABLE: u16 = 406;
const CONTENT_TOO_LARGE: u16 = 413;
const UNSUPPORTED_MEDIA_TYPE: u16 = 415;

/// Answers a request. Only a bad body gets an ALTO error object; no registered code fits the other
/// refusals, so those have no body.
pub fn answer(publication: &Publication, request: &Request<'_>, serving: &Serving) -> Response {
    let Some(resource) = publication.resource(request.path) else {
        return Response::empty(NOT_FOUND);
    };
    let allowed = match resource {
        Resource::Document(_) => "GET, HEAD, OPTIONS",
        Resource::EndpointProperties(_) => "POST, OPTIONS",
    };
    match (request.method, resource) {
        ("OPTIONS", _) => Response::empty(NO_CONTENT).with("allow", allowed),
        ("GET" | "HEAD", Resource::Document(document)) => {
            fetch(document, publication.newest_us(), request, serving)
        }
        ("POST", Resource::EndpointProperties(properties)) => {
            ask(properties, request, &serving.limits)
        }
        _ => Response::empty(METHOD_NOT_ALLOWED).with("allow", allowed),
    }
}

fn fetch(
    document: &Document,
    newest_us: Option<i64>,
    request: &Request<'_>,
    serving: &Serving,
) -> Response {
    if accepts(request.accept, document.media_type) == Acceptance::NotAcceptable {
        return Response::empty(NOT_ACCEPTABLE);
    }
    let (Representation { bytes, etag }, coding) = match &document.gzip {
        Some(gzip) if accepts_gzip(request.accept_encoding) => (gzip, Some("gzip")),
        _ => (&document.identity, None),
    };
    let unchanged = etag_matches(request.if_none_match, etag);
    let mut response = Response::empty(if unchanged { NOT_MODIFIED } else { OK })
        .with("etag", etag)
        .with("vary", "Accept-Encoding");
    response.headers.extend(freshness(newest_us, serving));
    if unchanged {
        return response;
    }
    if let Some(coding) = coding {
        response = response.with("content-encoding", coding);
    }
    response = response.with_body(document.media_type, Arc::clone(bytes));
    if request.method == "HEAD" {
        response.body = Arc::default();
    }
    response
}

/// The only standard places for the age of the data (RFC 9439 §6.2, §6.4.1). A computation that is
/// overdue is expected within the second; a measurement from the future was not made later than now.
fn freshness(newest_us: Option<i64>, serving: &Serving) -> Vec<(&'static str, String)> {
    let next_us = serving
        .next_us
        .max(serving.now_us.saturating_add(SECOND_US));
    let seconds = next_us.saturating_sub(serving.now_us) / SECOND_US;
    let mut fields = vec![
        ("cache-control", format!("max-age={seconds}")),
        ("expires", http_date(next_us)),
    ];
    fields.extend(
        newest_us.map(|newest_us| ("last-modified", http_date(newest_us.min(serving.now_us)))),
    );
    fields
}

fn ask(properties: &EndpointProperties, request: &Request<'_>, limits: &Limits) -> Response {
    if accepts(request.accept, media::ENDPOINT_PROPERTY) == Acceptance::NotAcceptable {
        return Response::empty(NOT_ACCEPTABLE);
    }
    if !same_media_type(request.content_type, media::ENDPOINT_PROPERTY_PARAMS) {
        return Response::empty(UNSUPPORTED_MEDIA_TYPE);
    }
    if request.body.len() > limits.body_bytes {
        return Response::empty(CONTENT_TOO_LARGE);
    }
    match properties.answer(request.body, limits.endpoints) {
        // Whom a client asks about is its own affair: no cache on the way keeps it.
        Ok(body) => Response::empty(OK)
            .with("cache-control", "no-store")
            .with_body(media::ENDPOINT_PROPERTY, body.into()),
        Err(Refusal::Fault(fault)) => refusal(&fault),
        Err(Refusal::TooMany) => Response::empty(CONTENT_TOO_LARGE),
    }
}

fn refusal(fault: &Fault) -> Response {
    Response::empty(BAD_REQUEST).with_body(media::ERROR, fault.to_bytes().into())
}
