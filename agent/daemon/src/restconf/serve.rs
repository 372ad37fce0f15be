//! HTTP on one connection, whoever dialled.

use super::body::{Answer, Events, Reader};
use super::credentials::Credentials;
use super::patient::Patient;
use super::places::Place;
use super::{BODY_LIMIT, Exchange, Reply, STREAMS, Shared, Told};
use crate::clock;
use crate::identity::Validity;
use crate::uplink::http::Counted;
use glimpse_model::read::printable;
use glimpse_model::time::SECOND;
use glimpse_restconf::media::{self, Encoding};
use glimpse_restconf::{Error, Errors, Method, Request, Response, Tag, User};
use glimpse_yang::table::AGENT;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::header::HeaderValue;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Version, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use rustls::server::Acceptor;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

/// Time to shake hands, from the client's first word on.
pub(super) const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for a body to arrive.
const BODY: Duration = Duration::from_secs(30);
/// Time for the daemon to answer: it may be writing to slow flash.
const ANSWER: Duration = Duration::from_secs(30);
/// When a client may ask again that was told that too many bytes went by, in seconds.
const RETRY: &str = "900";
/// A body of fewer bytes is read at any time.
const SMALL_BODY: usize = 64 << 10;
/// Bytes of a body that is too large which are taken and thrown away.
const DRAIN: usize = 16 << 20;
/// Bytes of a body, and requests on a connection, from beyond the household when the bytes of the month are used up: what it
/// takes to have the agent do less.
const SPENT_BODY: usize = 16 << 10;
const SPENT_REQUESTS: u32 = 8;
/// Most header fields, and bytes of them.
const HEADERS: usize = 64;
const HEADER_BYTES: usize = 16 << 10;
/// Probes of a silent peer: after this many seconds, this far apart, so many.
const KEEP_ALIVE: (u32, u32, u32) = (60, 15, 4);

/// A connection whose client is known.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TlsStream<Patient>,
    /// Who the client is.
    pub(super) user: User,
    peer: String,
    /// It comes from beyond the household.
    far: bool,
    /// While its certificate holds.
    validity: Validity,
}

/// How a connection came to be.
#[derive(Debug)]
pub(super) struct Way {
    /// From or to where.
    pub(super) peer: String,
    /// It comes from beyond the household: its bytes are bounded.
    pub(super) far: bool,
    /// How long the client's first word may take.
    pub(super) hello: Duration,
}

/// Shakes hands on a fresh connection.
///
/// # Errors
/// What went wrong, for the log and for `error` in `doors`.
pub(super) async fn accept(
    tcp: TcpStream,
    way: Way,
    credentials: &Credentials,
    shared: &Shared,
) -> Result<Connection, String> {
    // Answers are small: waiting to fill packets would only delay them.
    let _ = tcp.set_nodelay(true);
    keep_alive(&tcp);
    let traffic = if way.far {
        &shared.door
    } else {
        &shared.traffic
    };
    let patient = Patient::new(Counted::new(tcp, traffic.clone()));
    let untrusted = |error| format!("no trusted connection: {error}");
    let hello = LazyConfigAcceptor::new(Acceptor::default(), patient);
    let hello = timeout(way.hello, hello)
        .await
        .map_err(|_| "the client says nothing".to_owned())?
        .map_err(untrusted)?;
    let stream = timeout(HANDSHAKE, hello.into_stream(credentials.tls.clone()))
        .await
        .map_err(|_| "the handshake took too long".to_owned())?
        .map_err(untrusted)?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let unknown = || "the client is not known".to_owned();
    let user = credentials.user(certificates).ok_or_else(unknown)?;
    let validity = certificates.first().and_then(|own| Validity::of(own));
    Ok(Connection {
        validity: validity.ok_or_else(unknown)?,
        stream,
        user,
        peer: way.peer,
        far: way.far,
    })
}

fn keep_alive(tcp: &TcpStream) {
    let (idle, interval, count) = KEEP_ALIVE;
    // Where the kernel does not do it, the limit of idleness ends the connection later.
    let _ = setsockopt(tcp, sockopt::KeepAlive, &true);
    let _ = setsockopt(tcp, sockopt::TcpKeepIdle, &idle);
    let _ = setsockopt(tcp, sockopt::TcpKeepInterval, &interval);
    let _ = setsockopt(tcp, sockopt::TcpKeepCount, &count);
}

impl Connection {
    /// Serves until the client goes, or asks nothing for `idle`. Returns how many requests were answered, and why it ended if
    /// not by itself.
    pub(super) async fn serve(self, idle: Duration, shared: &Shared) -> (u32, Option<String>) {
        let answered = Arc::new(AtomicU32::new(0));
        let spent = Arc::new(AtomicU32::new(0));
        let client = Arc::new(Client {
            user: self.user,
            peer: self.peer,
            far: self.far,
            validity: self.validity,
        });
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (client, answered, shared) = (client.clone(), answered.clone(), shared.clone());
            let spent = spent.clone();
            async move {
                let mut response = respond(request, &client, &shared).await;
                answered.fetch_add(1, Ordering::Relaxed);
                if client.is_spent(&shared)
                    && spent.fetch_add(1, Ordering::Relaxed) + 1 >= SPENT_REQUESTS
                {
                    let close = HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, Infallible>(response)
            }
        });
        let mut http = http1::Builder::new();
        // It also bounds the time between two requests.
        http.timer(TokioTimer::new())
            .header_read_timeout(idle)
            .max_headers(HEADERS)
            .max_header_size(HEADER_BYTES)
            .max_buf_size(2 * HEADER_BYTES)
            .auto_date_header(false);
        let ended = http
            .serve_connection(TokioIo::new(self.stream), service)
            .await;
        let error = ended.err().map(|error| error.to_string());
        (answered.load(Ordering::Relaxed), error)
    }
}

/// Whose requests come on a connection.
#[derive(Debug, Clone)]
pub(super) struct Client {
    user: User,
    peer: String,
    far: bool,
    validity: Validity,
}

impl Client {
    /// A client of a stream.
    #[cfg(test)]
    pub(super) fn new(user: User, far: bool, validity: Validity) -> Self {
        let peer = String::new();
        Self {
            user,
            peer,
            far,
            validity,
        }
    }

    /// Why the client is not served any more, if it is not: its certificate may end while it is connected.
    pub(super) fn is_over(&self) -> bool {
        !self.validity.contains(clock::now().as_micros() / SECOND)
    }

    /// Whether nothing more is sent to it but what it needs in order to edit.
    pub(super) fn is_spent(&self, shared: &Shared) -> bool {
        self.far && shared.doors.is_spent()
    }
}

/// A refusal that the daemon need not hear of.
fn refuse(error: Error, encoding: Encoding) -> hyper::Response<Answer> {
    // What was not read of the request would be taken for the next one.
    whole(refusal(error, encoding).with("Connection", "close"))
}

fn refusal(error: Error, encoding: Encoding) -> Response {
    let errors = Errors(vec![error]);
    let body = errors.body(&AGENT, encoding);
    Response::new(errors.status(), clock::now().as_micros())
        .with_body(media::media_type(encoding), body)
}

fn whole(response: Response) -> hyper::Response<Answer> {
    let body = Some(response.body).filter(|body| !body.is_empty());
    head(
        response.status,
        &response.headers,
        Answer::Whole(body.map(Bytes::from)),
    )
}

fn head(status: u16, headers: &[(&'static str, String)], body: Answer) -> hyper::Response<Answer> {
    let mut builder = hyper::Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, value.as_str());
    }
    builder.body(body).unwrap_or_else(|error| {
        log::error!("a response cannot be sent: {error}");
        let mut response = hyper::Response::new(Answer::Whole(None));
        *response.status_mut() = hyper::StatusCode::INTERNAL_SERVER_ERROR;
        response
    })
}

async fn respond(
    request: hyper::Request<Incoming>,
    client: &Client,
    shared: &Shared,
) -> hyper::Response<Answer> {
    let (parts, body) = request.into_parts();
    let mut headers = Vec::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        headers.push((name.as_str().to_owned(), value));
    }
    let mut request = Request {
        method: Method::parse(parts.method.as_str()),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().map(str::to_owned),
        headers,
        body: Vec::new(),
        user: Some(client.user.clone()),
        time: clock::now().as_micros(),
    };
    let sent = request.header("content-type");
    let sent = sent.as_deref().and_then(media::content_type);
    let fallback = sent.map_or(Encoding::Json, media::Content::encoding);
    let accept = request.header("accept");
    let encoding = media::negotiate(accept.as_deref(), fallback).unwrap_or(fallback);
    if parts.version == Version::HTTP_11 && !parts.headers.contains_key(header::HOST) {
        let error = Error::protocol(Tag::MalformedMessage, "the request has no Host");
        return refuse(error, encoding);
    }
    if client.is_over() {
        let error = Error::protocol(Tag::AccessDenied, "the client's certificate has ended");
        return refuse(error.with_status(401), encoding);
    }
    if request.method == Method::Get && client.is_spent(shared) {
        let message = "the bytes that the household gives for this in a month are used up";
        let error = Error::protocol(Tag::ResourceDenied, message).with_status(503);
        return whole(refusal(error, encoding).with("Retry-After", RETRY));
    }
    let place;
    (request.body, place) = match read(body, &parts.headers, client, shared).await {
        Ok(read) => read,
        Err(error) => return refuse(error, encoding),
    };
    let operator = request.header("glimpse-operator");
    let (reply, answer) = oneshot::channel();
    let exchange = Exchange {
        request,
        peer: client.peer.clone(),
        operator: operator.map(|name| printable(&name)),
        _body: place,
        reply,
    };
    let asked = shared.told.send(Told::Asked(Box::new(exchange))).await;
    let answer = match asked {
        Ok(()) => timeout(ANSWER, answer).await.ok().and_then(Result::ok),
        Err(_) => None,
    };
    match answer {
        Some(Reply::Whole(response)) => whole(response),
        Some(Reply::Events(stream, notices)) => {
            let (all, own) = STREAMS;
            let place = shared.streams.try_take(&client.user.name, own, all);
            let Some(place) = place else {
                let error = Error::protocol(Tag::ResourceDenied, "too many streams are open");
                return refuse(error.with_status(503), encoding);
            };
            let headers = stream.response.headers.clone();
            let status = stream.response.status;
            let reader = Reader {
                client: client.clone(),
                shared: shared.clone(),
                place,
            };
            let events = Events::follow(*stream, notices, reader);
            head(status, &headers, Answer::Events(events))
        }
        None => {
            let error = Error::new(Tag::OperationFailed, "the agent is stopping or too busy");
            refuse(error.with_status(503), encoding)
        }
    }
}

/// The body of a request, within the bounds of bytes and time, and the place it holds if it is large.
async fn read(
    mut body: Incoming,
    headers: &hyper::HeaderMap,
    client: &Client,
    shared: &Shared,
) -> Result<(Vec<u8>, Option<Place>), Error> {
    let spent = client.is_spent(shared);
    let (most, drain) = if spent {
        (SPENT_BODY, 0)
    } else {
        (BODY_LIMIT, DRAIN)
    };
    let too_big = || {
        let message = format!("a body has at most {most} bytes: divide it");
        Error::protocol(Tag::TooBig, message)
    };
    let declared: Option<usize> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let large = declared.is_some_and(|length| length > most);
    if large && (spent || headers.contains_key(header::EXPECT)) {
        return Err(too_big());
    }
    let reading = async {
        let (mut bytes, mut place, mut passed) = (Vec::new(), None, 0_usize);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| {
                Error::protocol(Tag::MalformedMessage, "the body ends before its length")
            })?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            passed = passed.saturating_add(data.len());
            if large || passed > most {
                // Who still writes does not read: what is too much is taken, so that the answer is heard.
                bytes = Vec::new();
                if passed > drain {
                    return Err(too_big());
                }
                continue;
            }
            if passed > SMALL_BODY && place.is_none() {
                place = shared.large_bodies.take(&client.user).await;
            }
            bytes.extend_from_slice(&data);
        }
        if large || passed > most {
            return Err(too_big());
        }
        Ok((bytes, place))
    };
    timeout(BODY, reading).await.unwrap_or_else(|_| {
        let error = Error::protocol(Tag::OperationFailed, "the body took too long");
        Err(error.with_status(408))
    })
}

#[cfg(test)]
mod tests;
