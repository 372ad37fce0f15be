//! From a request to an answer, without a network.

use std::net::IpAddr;
use std::sync::Arc;

use crate::publication::{Document, Representation, Resource};
use crate::query::{Asking, Query, Refusal};
use crate::{
    Acceptance, Publication, accepts, accepts_gzip, etag_matches, http_date, media, same_media_type,
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
    /// The client's address, if the edge knows it (RFC 7285 §11.5.1.3).
    pub peer: Option<IpAddr>,
    /// The body. The edge stops reading after [`Limits::body_bytes`] and one more.
    pub body: &'a [u8],
}

/// Bounds on the work for one request; beyond them the answer is 413.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest body.
    pub body_bytes: usize,
    /// Most endpoints, or entities, in one request.
    pub endpoints: usize,
    /// Most pairs of endpoints in one request (RFC 7285 §15.5.1).
    pub pairs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            endpoints: 10_000,
            pairs: 10_000,
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

    /// The answer to a question that is not answered.
    pub fn refused(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Fault(fault) => {
                Self::empty(BAD_REQUEST).with_body(media::ERROR, fault.to_bytes().into())
            }
            Refusal::TooMany => Self::empty(CONTENT_TOO_LARGE),
        }
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
/// refusals, so those have no body. The answer to who may open an update stream has no body either: the edge goes on with the events.
pub fn answer(publication: &Publication, request: &Request<'_>, serving: &Serving) -> Response {
    let Some(published) = publication.resource(request.path) else {
        return Response::empty(NOT_FOUND);
    };
    let allowed = match published.resource {
        Resource::Document(_) => "GET, HEAD, OPTIONS",
        Resource::Query(_) | Resource::UpdateStream => "POST, OPTIONS",
    };
    let newest_us = published.newest_us;
    match (request.method, &published.resource) {
        ("OPTIONS", _) => Response::empty(NO_CONTENT).with("allow", allowed),
        ("GET" | "HEAD", Resource::Document(document)) => {
            fetch(document, newest_us, request, serving)
        }
        ("POST", Resource::Query(query)) => ask(&**query, newest_us, request, serving),
        ("POST", Resource::UpdateStream) => {
            let admitted = admit(
                request,
                media::UPDATE_STREAM_PARAMS,
                media::EVENT_STREAM,
                &serving.limits,
            );
            admitted.err().unwrap_or_else(|| {
                Response::empty(OK)
                    .with("cache-control", "no-store")
                    .with("content-type", media::EVENT_STREAM)
            })
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
    let (seconds, dates) = freshness(newest_us, serving);
    let mut response = Response::empty(if unchanged { NOT_MODIFIED } else { OK })
        .with("etag", etag)
        .with("vary", "Accept-Encoding")
        .with("cache-control", format!("max-age={seconds}"));
    response.headers.extend(dates);
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

/// Seconds until the next computation, and the only standard places for the age of the data (RFC 9439 §6.2, §6.4.1). A computation
/// that is overdue is expected within the second; a measurement from the future was not made later than now.
fn freshness(newest_us: Option<i64>, serving: &Serving) -> (i64, Vec<(&'static str, String)>) {
    let next_us = serving
        .next_us
        .max(serving.now_us.saturating_add(SECOND_US));
    let seconds = next_us.saturating_sub(serving.now_us) / SECOND_US;
    let mut fields = vec![("expires", http_date(next_us))];
    fields.extend(
        newest_us.map(|newest_us| ("last-modified", http_date(newest_us.min(serving.now_us)))),
    );
    (seconds, fields)
}

fn ask(
    query: &dyn Query,
    newest_us: Option<i64>,
    request: &Request<'_>,
    serving: &Serving,
) -> Response {
    let limits = &serving.limits;
    if let Err(refused) = admit(request, query.accepts(), query.media_type(), limits) {
        return refused;
    }
    let asking = Asking {
        peer: request.peer,
        limits,
    };
    match query.answer(request.body, &asking) {
        Ok(body) => {
            // Whom a client asks about is its own affair: no cache on the way keeps it.
            let mut response = Response::empty(OK).with("cache-control", "no-store");
            response.headers.extend(freshness(newest_us, serving).1);
            response.with_body(query.media_type(), body.into())
        }
        Err(refusal) => Response::refused(&refusal),
    }
}

/// Whether a POST may be looked at: the client takes the answer (406), sends the right type (415) and not too much (413).
///
/// # Errors
/// The answer to one that may not.
pub fn admit(
    request: &Request<'_>,
    accepted: &str,
    answered: &str,
    limits: &Limits,
) -> Result<(), Response> {
    if accepts(request.accept, answered) == Acceptance::NotAcceptable {
        Err(Response::empty(NOT_ACCEPTABLE))
    } else if !same_media_type(request.content_type, accepted) {
        Err(Response::empty(UNSUPPORTED_MEDIA_TYPE))
    } else if request.body.len() > limits.body_bytes {
        Err(Response::empty(CONTENT_TOO_LARGE))
    } else {
        Ok(())
    }
}
