//! HTTP on one connection, whoever dialled.

use super::body::{Answer, Events};
use super::credentials::Credentials;
use super::{BODY_LIMIT, Exchange, Reply, Shared, Told};
use crate::clock;
use crate::uplink::http::Counted;
use glimpse_model::read::printable;
use glimpse_restconf::media::{self, Encoding};
use glimpse_restconf::{Error, Errors, Method, Request, Response, Tag, User};
use glimpse_yang::table::AGENT;
use http_body_util::BodyExt;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Version, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::socket::{setsockopt, sockopt};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::{Sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Time to shake hands.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Time for a body to arrive.
const BODY: Duration = Duration::from_secs(30);
/// Time for the daemon to answer: it may be writing to slow flash.
const ANSWER: Duration = Duration::from_secs(30);
/// Time that a client may take nothing of what it is sent.
const STALL: Duration = Duration::from_secs(30);
/// A body of fewer bytes is read at any time.
const SMALL_BODY: usize = 64 << 10;
/// Bytes of a body that is too large which are taken and thrown away.
const DRAIN: usize = 16 << 20;
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
}

/// Shakes hands on a fresh connection.
///
/// # Errors
/// What went wrong, for the log and for `error` in `doors`.
pub(super) async fn accept(
    tcp: TcpStream,
    peer: String,
    credentials: &Credentials,
    shared: &Shared,
) -> Result<Connection, String> {
    // Answers are small: waiting to fill packets would only delay them.
    let _ = tcp.set_nodelay(true);
    keep_alive(&tcp);
    let patient = Patient {
        inner: Counted::new(tcp, shared.traffic.clone()),
        stalled: None,
    };
    let acceptor = TlsAcceptor::from(credentials.tls.clone());
    let stream = timeout(HANDSHAKE, acceptor.accept(patient))
        .await
        .map_err(|_| "the handshake took too long".to_owned())?
        .map_err(|error| format!("no trusted connection: {error}"))?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let user = credentials
        .user(certificates)
        .ok_or_else(|| "the client is not known".to_owned())?;
    Ok(Connection { stream, user, peer })
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
        let client = Arc::new((self.user, self.peer));
        let service = service_fn(|request: hyper::Request<Incoming>| {
            let (client, answered, shared) = (client.clone(), answered.clone(), shared.clone());
            async move {
                let response = respond(request, &client.0, &client.1, &shared).await;
                answered.fetch_add(1, Ordering::Relaxed);
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

/// A refusal that the daemon need not hear of.
fn refuse(error: Error, encoding: Encoding) -> hyper::Response<Answer> {
    let errors = Errors(vec![error]);
    let body = errors.body(&AGENT, encoding);
    let response = Response::new(errors.status(), clock::now().as_micros())
        .with_body(media::media_type(encoding), body)
        // What was not read of the request would be taken for the next one.
        .with("Connection", "close");
    whole(response)
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
    user: &User,
    peer: &str,
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
        user: Some(user.clone()),
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
    request.body = match read(body, &parts.headers, shared).await {
        Ok(bytes) => bytes,
        Err(error) => return refuse(error, encoding),
    };
    let operator = request.header("glimpse-operator");
    let (reply, answer) = oneshot::channel();
    let exchange = Exchange {
        request,
        peer: peer.to_owned(),
        operator: operator.map(|name| printable(&name)),
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
            let Ok(place) = shared.streams.clone().try_acquire_owned() else {
                let error = Error::protocol(Tag::ResourceDenied, "too many streams are open");
                return refuse(error.with_status(503), encoding);
            };
            let headers = stream.response.headers.clone();
            let status = stream.response.status;
            let events = Events::follow(*stream, notices, shared.clone(), place);
            head(status, &headers, Answer::Events(events))
        }
        None => {
            let error = Error::new(Tag::OperationFailed, "the agent is stopping or too busy");
            refuse(error.with_status(503), encoding)
        }
    }
}

/// The body of a request, within the bounds of bytes and time.
async fn read(
    mut body: Incoming,
    headers: &hyper::HeaderMap,
    shared: &Shared,
) -> Result<Vec<u8>, Error> {
    let too_big = || {
        let message = format!("a body has at most {BODY_LIMIT} bytes: divide it");
        Error::protocol(Tag::TooBig, message)
    };
    let declared: Option<usize> = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    let large = declared.is_some_and(|length| length > BODY_LIMIT);
    if large && headers.contains_key(header::EXPECT) {
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
            if large || passed > BODY_LIMIT {
                // Who still writes does not read: what is too much is taken, so that the answer is heard.
                bytes = Vec::new();
                if passed > DRAIN {
                    return Err(too_big());
                }
                continue;
            }
            if passed > SMALL_BODY && place.is_none() {
                place = shared.large_bodies.acquire().await.ok();
            }
            bytes.extend_from_slice(&data);
        }
        if large || passed > BODY_LIMIT {
            return Err(too_big());
        }
        Ok(bytes)
    };
    timeout(BODY, reading).await.unwrap_or_else(|_| {
        let error = Error::protocol(Tag::OperationFailed, "the body took too long");
        Err(error.with_status(408))
    })
}

/// A stream that gives up a peer that takes nothing.
#[derive(Debug)]
struct Patient {
    inner: Counted,
    stalled: Option<Pin<Box<Sleep>>>,
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, buf);
        if poll.is_ready() {
            self.stalled = None;
            return poll;
        }
        let stalled = self
            .stalled
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(STALL)));
        stalled
            .as_mut()
            .poll(cx)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
