//! One connection: handshake, peer, requests.
//!
//! Most connections wait: what is large lies on the heap, for a future has room for what it awaits at each place where that is moved.

use super::stall::Stall;
use super::{Bounds, Gate, Peer};
use crate::pki::AgentCertificate;
use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use sha2::{Digest as _, Sha256};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;

/// HTTP/1.1 header buffers below this are refused by hyper.
const LEAST_HEADER_BYTES: usize = 8 * 1024;
/// Requests at once on one HTTP/2 connection.
const STREAMS: u32 = 64;
/// How often an idle HTTP/2 connection is asked whether it is alive, and how long it may think.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Serves connections that were accepted elsewhere, over any stream.
#[derive(Debug, Clone)]
pub struct Connections {
    app: Router,
    bounds: Bounds,
    gate: Gate,
    stop: watch::Receiver<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Http1,
    Http2,
}

impl Connections {
    /// Connections that are answered by `app` and end, after the request in hand, when `stop` holds `true` or its
    /// sender is gone.
    pub fn new(app: Router, bounds: Bounds, gate: Gate, stop: watch::Receiver<bool>) -> Self {
        Self {
            app,
            bounds,
            gate,
            stop,
        }
    }

    /// Serves HTTP/1.1 without TLS until the connection ends.
    pub async fn plain<S>(&self, stream: S, addr: SocketAddr)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let peer = Peer {
            addr,
            agent: None,
            pinned: None,
        };
        let stream = Stall::new(stream, self.bounds.stall);
        self.serve(stream, peer, Protocol::Http1).await;
    }

    /// Does the TLS handshake by `config`, then serves what ALPN chose (HTTP/1.1 without ALPN) until the connection
    /// ends or the peer's certificate is revoked.
    pub async fn tls<S>(&self, stream: S, addr: SocketAddr, config: Arc<ServerConfig>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let stream = Stall::new(stream, self.bounds.stall);
        let handshake = TlsAcceptor::from(config).accept(stream);
        let handshake = Box::pin(tokio::time::timeout(self.bounds.handshake, handshake));
        let stream = tokio::select! {
            () = self.stopped() => return,
            done = handshake => match done {
                Ok(Ok(stream)) => Box::new(stream),
                Ok(Err(error)) => {
                    tracing::debug!(peer = %addr, %error, "handshake failed");
                    return;
                }
                Err(_) => {
                    tracing::debug!(peer = %addr, "handshake took too long");
                    return;
                }
            },
        };
        let session = stream.get_ref().1;
        let shown = session.peer_certificates().and_then(<[_]>::first);
        // What is pinned is never taken for an agent's, whatever it says of itself.
        let pinned = shown
            .map(|certificate| <[u8; 32]>::from(Sha256::digest(certificate)))
            .filter(|digest| self.gate.pins.contains(digest));
        let agent = match shown {
            None => None,
            Some(_) if pinned.is_some() => None,
            Some(certificate) => match AgentCertificate::parse(certificate) {
                Ok(certificate) => Some(Arc::new(certificate)),
                // A configuration that verifies something other than agents was handed in.
                Err(error) => {
                    tracing::warn!(peer = %addr, %error, "client certificate is not an agent's");
                    return;
                }
            },
        };
        let protocol = match session.alpn_protocol() {
            Some(b"h2") => Protocol::Http2,
            _ => Protocol::Http1,
        };
        let peer = Peer {
            addr,
            agent,
            pinned,
        };
        self.serve(stream, peer, protocol).await;
    }

    async fn stopped(&self) {
        // An error means that the sender is gone, which ends us as well.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    async fn serve<S>(&self, stream: S, peer: Peer, protocol: Protocol)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let Peer { addr, agent, .. } = peer.clone();
        let asked = AtomicBool::new(false);
        // hyper keeps room for the answer's future as long as the connection is open: that of a box is small.
        let service = service_fn(|request| {
            asked.store(true, Ordering::Relaxed);
            Box::pin(self.answer(request, peer.clone()))
        });
        let builder = self.builder(protocol);
        let mut connection =
            Box::pin(builder.serve_connection_with_upgrades(TokioIo::new(stream), service));
        let revoked = async {
            match &agent {
                Some(certificate) => self.gate.revocations.revoked(certificate).await,
                None => std::future::pending().await,
            }
        };
        // hyper bounds the wait for a header of HTTP/1.1, not that for the preface of HTTP/2.
        let silent = async {
            tokio::time::sleep(self.bounds.header).await;
            if asked.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = revoked => {
                tracing::info!(peer = %addr, agent = agent.as_ref().map(|agent| agent.agent.as_str()), "revoked, connection cut");
                return;
            }
            () = silent => {
                tracing::debug!(peer = %addr, "no request in time");
                return;
            }
            () = self.stopped() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(peer = %addr, %error, "connection ended");
        }
    }

    /// The protocol is known, so hyper need not wait for bytes to guess it: that wait has no bound.
    fn builder(&self, protocol: Protocol) -> auto::Builder<TokioExecutor> {
        let mut builder = auto::Builder::new(TokioExecutor::new());
        builder
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(self.bounds.header)
            .max_buf_size(self.bounds.header_bytes.max(LEAST_HEADER_BYTES));
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(u32::try_from(self.bounds.header_bytes).unwrap_or(u32::MAX))
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        match protocol {
            Protocol::Http1 => builder.http1_only(),
            Protocol::Http2 => builder.http2_only(),
        }
    }

    fn answer(
        &self,
        mut request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Result<Response, Infallible>> + Send + 'static {
        let refusal = peer
            .agent
            .as_ref()
            .and_then(|agent| self.gate.refusal(agent));
        request.extensions_mut().insert(peer);
        let app = self.app.clone();
        async move {
            match refusal {
                Some(title) => Ok(refused(title)),
                None => app.oneshot(request.map(Body::new)).await,
            }
        }
    }
}

/// 403 with a problem document (RFC 9457) and the end of the connection.
fn refused(title: &str) -> Response {
    let body = serde_json::json!({ "title": title, "status": 403 }).to_string();
    let headers = [
        (header::CONTENT_TYPE, "application/problem+json"),
        (header::CONNECTION, "close"),
    ];
    (StatusCode::FORBIDDEN, headers, body).into_response()
}
