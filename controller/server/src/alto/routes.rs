//! Every path of the ALTO listener; what is answered is decided by the publication.

use super::Published;
use super::clients::{Client, Rates};
use super::streams::{self, CONTROL, Key, Streams};
use crate::app::Shared;
use crate::body;
use crate::caller::Shares;
use crate::config::AltoLimits;
use crate::error::Problem;
use crate::listener::Peer;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use glimpse_alto::{
    Applied, Limits, Request, Serving, StreamRefusal, answer, media, same_media_type,
};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// When there is no publication yet, or no room for a question.
const RETRY_S: u32 = 5;
/// When there are as many streams as there may be: they end seldom.
const RETRY_STREAMS_S: u32 = 60;
/// What a guess of a control URI costs, in requests.
const GUESS: u32 = 10;
/// Clients that are told apart within a minute.
const CLIENTS: usize = 100_000;
/// KiB of bodies that are received and worked on at once.
const BODIES_KIB: usize = 64 << 10;
/// Questions of one client at once.
const CLIENT_QUESTIONS: usize = 64;
/// For the whole of a body to come in.
const ARRIVAL: Duration = Duration::from_secs(20);
/// For a place to work on a question.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the ALTO listener keeps between requests.
#[derive(Debug)]
pub(crate) struct Edge {
    limits: Limits,
    rates: Rates,
    bodies: Arc<Semaphore>,
    asking: Shares<IpAddr>,
    /// Questions that are worked on at once.
    working: Arc<Semaphore>,
    streams: Arc<Streams>,
}

impl Edge {
    pub(crate) fn new(limits: &AltoLimits) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            limits: Limits {
                body_bytes: limits.body_bytes,
                endpoints: limits.pairs,
                pairs: limits.pairs,
            },
            rates: Rates::new(limits.requests_per_minute, CLIENTS),
            bodies: Arc::new(Semaphore::new(BODIES_KIB)),
            asking: Shares::default(),
            working: Arc::new(Semaphore::new(2 * processors)),
            streams: Streams::new(limits),
        }
    }

    /// Update streams that are open.
    #[cfg(test)]
    pub(crate) fn open_streams(&self) -> usize {
        self.streams.count()
    }
}

pub(crate) fn routes(shared: Arc<Shared>) -> Router {
    Router::new().fallback(any).with_state(shared)
}

async fn any(
    State(shared): State<Arc<Shared>>,
    peer: Option<Extension<Peer>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let published = shared.publication.load_full().ok_or_else(|| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nothing is published yet").after(RETRY_S)
    })?;
    let peer = peer.map(|Extension(peer)| peer);
    let client = Client::of(peer.as_ref(), &headers, &shared.config.alto.trusted_proxies);
    let asked = Asked {
        shared,
        published,
        client,
        method,
        uri,
        headers,
    };
    asked.spend(1)?;
    if let Some(key) = asked.control() {
        return asked.apply(key, body).await;
    }
    if asked.method == Method::POST {
        return asked.question(body).await;
    }
    Ok(asked.answer(&[]))
}

/// A request without its body.
struct Asked {
    shared: Arc<Shared>,
    published: Arc<Published>,
    client: Client,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
}

impl Asked {
    fn edge(&self) -> &Edge {
        &self.shared.edge
    }

    fn spend(&self, requests: u32) -> Result<(), Problem> {
        let now_us = self.shared.now().as_micros();
        let spent = self.edge().rates.spend(&self.client, requests, now_us);
        spent.map_err(|seconds| {
            Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too many requests in a minute",
            )
            .after(seconds)
        })
    }

    /// The last segment of a stream control's path.
    fn control(&self) -> Option<&str> {
        let (stream, key) = self.uri.path().rsplit_once(CONTROL)?;
        self.published
            .publication
            .is_update_stream(stream)
            .then_some(key)
    }

    /// What the publication says to this request with this body.
    fn said(&self, body: &[u8]) -> glimpse_alto::Response {
        let joined = |name| joined(&self.headers, &name);
        let (accept, accept_encoding) = (joined(header::ACCEPT), joined(header::ACCEPT_ENCODING));
        let (content_type, if_none_match) =
            (joined(header::CONTENT_TYPE), joined(header::IF_NONE_MATCH));
        let request = Request {
            method: self.method.as_str(),
            path: self.uri.path(),
            accept: accept.as_deref(),
            accept_encoding: accept_encoding.as_deref(),
            content_type: content_type.as_deref(),
            if_none_match: if_none_match.as_deref(),
            peer: self.client.address,
            body,
        };
        let serving = Serving {
            now_us: self.shared.now().as_micros(),
            next_us: self.published.next.as_micros(),
            limits: self.edge().limits,
        };
        answer(&self.published.publication, &request, &serving)
    }

    fn answer(&self, body: &[u8]) -> Response {
        response(self.said(body))
    }

    async fn question(self, body: Body) -> Result<Response, Problem> {
        let crowded = || {
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many questions at once").after(RETRY_S)
        };
        let network = &self.client.network;
        let _share = self
            .edge()
            .asking
            .enter(network, CLIENT_QUESTIONS)
            .ok_or_else(crowded)?;
        let (bytes, room) = self.body(body).await?;
        if self.published.publication.is_update_stream(self.uri.path()) {
            return self.stream(bytes).await;
        }
        let working =
            tokio::time::timeout(PATIENCE, Arc::clone(&self.edge().working).acquire_owned());
        let Ok(Ok(permit)) = working.await else {
            return Err(busy());
        };
        let work = move || {
            let response = self.answer(&bytes);
            drop((permit, room));
            response
        };
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            tracing::error!(%error, "a question was not answered");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the question cannot be answered",
            )
        })
    }

    /// Receives a body, with room for it that is held until it has been worked on.
    async fn body(&self, body: Body) -> Result<(Vec<u8>, OwnedSemaphorePermit), Problem> {
        let most = self.edge().limits.body_bytes;
        let announced = hyper::body::Body::size_hint(&body).exact();
        let bytes = announced.map_or(most, |bytes| {
            usize::try_from(bytes).unwrap_or(most).min(most)
        });
        let kib = u32::try_from((bytes.div_ceil(1024) + 1).min(BODIES_KIB)).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.edge().bodies)
            .try_acquire_many_owned(kib)
            .map_err(|_| busy())?;
        let received = tokio::time::timeout(ARRIVAL, body::receive(&self.headers, body, most));
        let (coding, bytes) = received.await.map_err(|_| {
            Problem::new(StatusCode::REQUEST_TIMEOUT, "the body did not come in time")
        })??;
        Ok((body::inflate(coding, bytes, most)?, room))
    }

    async fn stream(self, body: Vec<u8>) -> Result<Response, Problem> {
        let mut admitted = response(self.said(&body));
        if admitted.status() != StatusCode::OK {
            return Ok(admitted);
        }
        let streams = &self.edge().streams;
        let path = self.uri.path();
        match streams
            .open(&self.shared, &self.published, &self.client, path, body)
            .await
        {
            Ok(events) => {
                *admitted.body_mut() = events;
                // Reverse proxies that collect answers before they pass them on would hold events back.
                let fields = admitted.headers_mut();
                fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
                Ok(admitted)
            }
            Err(refusal) => refused(&refusal),
        }
    }

    async fn apply(&self, key: &str, body: Body) -> Result<Response, Problem> {
        const ALLOWED: &str = "POST, OPTIONS";
        let streams = &self.edge().streams;
        let Some(key) = Key::parse(key).filter(|key| streams.knows(*key)) else {
            self.spend(GUESS)?;
            return refused(&StreamRefusal::Closed);
        };
        if self.method == Method::OPTIONS {
            return Ok((StatusCode::NO_CONTENT, [(header::ALLOW, ALLOWED)]).into_response());
        }
        if self.method != Method::POST {
            return Ok((StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, ALLOWED)]).into_response());
        }
        let content_type = joined(&self.headers, &header::CONTENT_TYPE);
        if !same_media_type(content_type.as_deref(), media::UPDATE_STREAM_PARAMS) {
            return Ok(StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response());
        }
        let (bytes, _room) = self.body(body).await?;
        match streams.control(&self.published, key, bytes).await {
            Ok(Applied::Already) => Ok(StatusCode::NO_CONTENT.into_response()),
            Ok(Applied::Soon) => Ok(StatusCode::ACCEPTED.into_response()),
            Err(refusal) => refused(&refusal),
        }
    }
}

fn busy() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "too many questions at present",
    )
    .after(RETRY_S)
}

fn refused(refusal: &StreamRefusal) -> Result<Response, Problem> {
    if let Some(refusal) = streams::of_a_resource(refusal) {
        return Ok(response(glimpse_alto::Response::refused(&refusal)));
    }
    Err(match refusal {
        StreamRefusal::Closed => Problem::new(StatusCode::NOT_FOUND, "there is no such stream"),
        _ => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "there are too many update streams",
        )
        .after(RETRY_STREAMS_S),
    })
}

/// The answer as it goes out; its bytes are shared, not copied.
fn response(answered: glimpse_alto::Response) -> Response {
    let mut response = Body::from(Bytes::from_owner(answered.body)).into_response();
    *response.status_mut() =
        StatusCode::from_u16(answered.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answered.headers {
        if let Ok(value) = value.parse() {
            response
                .headers_mut()
                .insert(HeaderName::from_static(name), value);
        }
    }
    response
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

#[cfg(test)]
mod tests;
