//! One connection from its acceptance to its end.

use super::connections::{Ask, Lost};
use crate::app::Shared;
use crate::listener::Gate;
use crate::pki::{AgentCertificate, SharedClientConfig};
use crate::{restconf, supervisor};
use axum::http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsConnector;

/// Longest answer of an agent: a router's configuration and state.
const ANSWER_BYTES: usize = 3 << 19;
/// hyper's buffer for one connection: a header of an answer has to go into it.
const HEADER_BYTES: usize = 16 << 10;
/// Before the system asks whether an idle peer is there, and between two of its questions.
const TCP_IDLE: Duration = Duration::from_mins(1);
const TCP_INTERVAL: Duration = Duration::from_secs(20);
/// Before it is looked again whether nobody else reads an agent that has called anew.
const AFTER_OTHERS: Duration = Duration::from_millis(100);
/// Nobody was dialled, so there is no name: one that names nobody.
const NO_NAME: &str = "agent.invalid";

/// What is waited for, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times {
    /// From accept to the end of the TLS handshake.
    pub(crate) handshake: Duration,
    /// For the first answer, and for that to the question whether an idle agent lives.
    pub(crate) sign: Duration,
    /// For any answer, its body included.
    pub(crate) answer: Duration,
    /// Idle before the agent is asked whether it lives.
    pub(crate) idle: Duration,
    /// Between two readings of one agent, however often it calls.
    pub(crate) pause: Duration,
}

impl Times {
    pub(crate) fn new(idle: Duration) -> Self {
        Self {
            handshake: Duration::from_secs(10),
            sign: Duration::from_secs(20),
            answer: Duration::from_secs(30),
            idle,
            pause: Duration::from_secs(10),
        }
    }
}

/// What every connection needs.
#[derive(Clone)]
pub(crate) struct CallHome {
    pub(crate) shared: Arc<Shared>,
    pub(crate) config: SharedClientConfig,
    pub(crate) gate: Gate,
    pub(crate) times: Times,
}

impl CallHome {
    /// Serves a connection until it ends, its agent is revoked, or a newer one of the agent has come.
    pub(crate) async fn serve(self, stream: TcpStream, address: SocketAddr) {
        let mut stop = self.shared.stop.clone();
        tokio::select! {
            ended = self.converse(stream, address) => {
                if let Err(reason) = ended {
                    tracing::debug!(peer = %address, error = reason, "call-home connection ended");
                }
            }
            _ = stop.wait_for(|stop| *stop) => {}
        }
    }

    async fn converse(&self, stream: TcpStream, address: SocketAddr) -> Result<(), &'static str> {
        let keep_alive = TcpKeepalive::new()
            .with_time(TCP_IDLE)
            .with_interval(TCP_INTERVAL);
        if let Err(error) = SockRef::from(&stream).set_tcp_keepalive(&keep_alive) {
            tracing::debug!(peer = %address, %error, "no TCP keep-alive");
        }
        let name = ServerName::try_from(NO_NAME).map_err(|_| "no name")?;
        let connector = TlsConnector::from(self.config.load_full());
        let handshake = tokio::time::timeout(self.times.handshake, connector.connect(name, stream));
        let stream = match handshake.await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                tracing::info!(peer = %address, %error, "call home: handshake failed");
                return Err("handshake failed");
            }
            Err(_) => return Err("handshake took too long"),
        };
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first)
            .and_then(|certificate| AgentCertificate::parse(certificate).ok())
            .ok_or("no agent's certificate")?;
        if let Some(reason) = self.gate.refusal(&certificate) {
            return Err(reason);
        }
        let agent = &certificate.agent;
        // Whoever is not in the repository is not asked anything (RFC 8071 §4.1, C5).
        if let Err(error) = supervisor::admit_caller(&self.shared, agent).await {
            tracing::info!(peer = %address, %agent, %error, "call home refused");
            return Err("not an agent of ours");
        }
        let (mut sender, connection) = Builder::new()
            .max_buf_size(HEADER_BYTES)
            .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
            .await
            .map_err(|_| "no HTTP")?;
        let mut connection = pin!(connection);
        let expired = async {
            loop {
                tokio::time::sleep(self.times.idle).await;
                if self.gate.refusal(&certificate).is_some() {
                    return;
                }
            }
        };
        let talk = async {
            let connections = &self.shared.connections;
            let greeted = connections.greet(agent);
            let greeted = greeted.ok_or("too many connections that were not answered")?;
            let root = restconf::root_of(&first(&mut sender, self.times.sign).await?);
            drop(greeted);
            let now = self.shared.now();
            let (place, link, asked) =
                connections.enter(agent, now, address, &root, self.times.pause);
            tracing::info!(peer = %address, %agent, %root, "agent called home");
            let heard = || self.shared.store.seen(agent, self.shared.now());
            let contact = async {
                // Its room is given back when it is done: the connection lives long.
                loop {
                    tokio::time::sleep(connections.pause(agent, self.shared.now())).await;
                    if Box::pin(restconf::contact(&self.shared, agent, &link)).await {
                        break;
                    }
                    // Somebody is at an older connection of it still.
                    tokio::time::sleep(AFTER_OTHERS).await;
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                ended = drive(&mut sender, asked, &root, self.times, &heard) => ended,
                () = place.replaced() => Err("a newer connection of the agent has come"),
                () = contact => Ok(()),
            }
        };
        tokio::select! {
            // The conversation first: what was answered last is handed over though the peer has hung up behind it.
            biased;
            ended = talk => ended,
            ended = connection.as_mut() => match ended {
                Ok(()) => Err("closed by the agent"),
                Err(error) => {
                    tracing::debug!(peer = %address, %agent, %error, "call-home connection failed");
                    Err("connection failed")
                }
            },
            () = self.gate.revocations.revoked(&certificate) => Err("certificate revoked"),
            () = expired => Err("certificate expired"),
        }
    }
}

/// Asks where the API is: whoever does not answer that is no RESTCONF server.
async fn first(
    sender: &mut SendRequest<Full<Bytes>>,
    limit: Duration,
) -> Result<Response<Bytes>, &'static str> {
    let request = Request::get("/.well-known/host-meta")
        .header(header::HOST, NO_NAME)
        .header(header::ACCEPT, "application/xrd+xml")
        .body(Full::default())
        .map_err(|_| "no request")?;
    match tokio::time::timeout(limit, send(sender, request)).await {
        Ok(Ok(response)) => Ok(response),
        Ok(Err(_)) => Err("no answer to the first request"),
        Err(_) => Err("no answer to the first request in time"),
    }
}

/// Answers those who ask, one after the other, and asks itself when nobody does.
async fn drive(
    sender: &mut SendRequest<Full<Bytes>>,
    mut asked: mpsc::Receiver<Ask>,
    root: &str,
    times: Times,
    heard: &(dyn Fn() + Sync),
) -> Result<(), &'static str> {
    loop {
        match tokio::time::timeout(times.idle, asked.recv()).await {
            Ok(None) => return Ok(()),
            Ok(Some(ask)) => {
                // Whoever asked has gone: nothing of it happens.
                if ask.answer.is_closed() {
                    continue;
                }
                let answer = tokio::time::timeout(times.answer, send(sender, ask.request)).await;
                let answer = answer.unwrap_or(Err(Lost::NoAnswer));
                let lost = answer.as_ref().err().copied();
                // Nobody may be waiting any more.
                let _ = ask.answer.send(answer);
                if lost.is_some() {
                    return Err("an answer did not come as it should");
                }
            }
            Err(_) => {
                let request = Request::head(root)
                    .header(header::HOST, NO_NAME)
                    .body(Full::default())
                    .map_err(|_| "no request")?;
                match tokio::time::timeout(times.sign, send(sender, request)).await {
                    Ok(Ok(_)) => heard(),
                    _ => return Err("no sign of life"),
                }
            }
        }
    }
}

async fn send(
    sender: &mut SendRequest<Full<Bytes>>,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Bytes>, Lost> {
    request
        .headers_mut()
        .entry(header::HOST)
        .or_insert(header::HeaderValue::from_static(NO_NAME));
    sender.ready().await.map_err(|_| Lost::NotConnected)?;
    let response = sender
        .send_request(request)
        .await
        .map_err(|_| Lost::NoAnswer)?;
    let (parts, body) = response.into_parts();
    let body = match Limited::new(body, ANSWER_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<http_body_util::LengthLimitError>() => return Err(Lost::TooLong),
        Err(_) => return Err(Lost::NoAnswer),
    };
    Ok(Response::from_parts(parts, body))
}
