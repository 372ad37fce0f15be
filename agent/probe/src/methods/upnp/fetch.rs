//! One short HTTP exchange with a device: bounded in bytes and time, never redirected, counted as it goes.

use std::error::Error;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use glimpse_net::count::{Counter, TCP_RESET, TCP_SYN, packet_bytes};
use glimpse_net::packet::Family;
use glimpse_net::stream::{CountedStream, Tally, is_limit};
use http::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpSocket;
use tokio::time::timeout;

use super::description::DESCRIPTION_LIMIT;
use super::location::Location;
use super::soap::REPLY_LIMIT;
use crate::context::Context;

/// Time to connect: shorter than the second after which the system would send another SYN.
const CONNECT_LIMIT: Duration = Duration::from_millis(990);
/// Time for request and answer, once connected.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Longest header of an answer, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;
/// Bytes that the kernel may take in before they are read, so that little comes for nothing from who sends too much.
const RECEIVE_BUFFER: u32 = 64 * 1024;
/// As `UPnP` Device Architecture 1.1 §2.5 wants it.
const AGENT: &str = concat!("Linux UPnP/1.1 glimpse/", env!("CARGO_PKG_VERSION"));

/// Why an exchange gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// The context does not admit the address.
    #[error("{0}")]
    Refused(String),
    /// No connection.
    #[error("no connection: {0}")]
    Connect(io::Error),
    /// The time was up.
    #[error("no whole answer within {} ms", (CONNECT_LIMIT + ANSWER_LIMIT).as_millis())]
    Slow,
    /// The connection broke, or what came is no HTTP.
    #[error("no http answer: {0}")]
    Broken(String),
    /// The path cannot be asked for.
    #[error("its path cannot be asked for: {0}")]
    Path(http::Error),
    /// Another answer than the document; a redirect is not followed.
    #[error("answered with http status {0}")]
    Status(u16),
    /// The document is longer than it may be.
    #[error("sends more than {0} bytes")]
    TooLong(usize),
    /// The bytes set aside are used up.
    #[error("stopped at its limit of {0} bytes")]
    Limit(u64),
}

/// What an exchange gave.
#[derive(Debug)]
pub(super) struct Reply {
    /// Our address towards the device.
    pub local: IpAddr,
    /// The document.
    pub body: Vec<u8>,
}

/// Makes the exchanges of one stage of a run, with so many bytes for all of them together. What they used is added to the
/// run's tally as soon as it is dropped.
#[derive(Debug)]
pub(super) struct Fetcher {
    context: Context,
    total: Tally,
    stage: Tally,
}

impl Fetcher {
    /// A stage of a run that has used `total` and may use `allowance` bytes more.
    pub(super) fn new(context: &Context, total: &Tally, allowance: u64) -> Self {
        Self {
            context: context.clone(),
            total: total.clone(),
            stage: Tally::limited(allowance.min(total.room())),
        }
    }

    /// The description at `location`, of at most 256 KiB.
    pub(super) async fn description(&self, location: &Location) -> Result<Reply, FetchError> {
        let request = request(location).method(Method::GET).body(Full::default());
        self.exchange(location, request, DESCRIPTION_LIMIT, &[StatusCode::OK])
            .await
    }

    /// The answer to a call of an action, of at most 16 KiB; also that of one that the service refused.
    pub(super) async fn call(
        &self,
        location: &Location,
        action: &str,
        body: &str,
    ) -> Result<Vec<u8>, FetchError> {
        let request = request(location)
            .method(Method::POST)
            .header(CONTENT_TYPE, "text/xml; charset=\"utf-8\"")
            .header("SOAPAction", action)
            .body(Full::from(body.to_owned()));
        let statuses = [StatusCode::OK, StatusCode::INTERNAL_SERVER_ERROR];
        self.exchange(location, request, REPLY_LIMIT, &statuses)
            .await
            .map(|reply| reply.body)
    }

    async fn exchange(
        &self,
        location: &Location,
        request: http::Result<Request<Full<Bytes>>>,
        limit: usize,
        statuses: &[StatusCode],
    ) -> Result<Reply, FetchError> {
        let request = request.map_err(FetchError::Path)?;
        let stream = self.connect(location.address).await?;
        let local = stream.stream().local_addr().map_err(FetchError::Connect)?;
        let found = timeout(
            ANSWER_LIMIT,
            self.converse(stream, request, limit, statuses),
        )
        .await;
        self.show();
        let body = found.map_err(|_| FetchError::Slow)??;
        Ok(Reply {
            local: local.ip(),
            body,
        })
    }

    async fn connect(&self, address: SocketAddr) -> Result<CountedStream, FetchError> {
        (self.context.admit)(address.ip()).map_err(FetchError::Refused)?;
        let family = Family::from(address.ip());
        if self.stage.room() < CountedStream::opening_bytes(family) {
            return Err(FetchError::Limit(self.stage.limit()));
        }
        let opened = async {
            let socket = if address.is_ipv4() {
                TcpSocket::new_v4()?
            } else {
                TcpSocket::new_v6()?
            };
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
            socket.connect(address).await
        };
        let failed = match timeout(CONNECT_LIMIT, opened).await {
            Ok(Ok(stream)) => {
                let stream = CountedStream::new(stream, self.stage.clone());
                self.show();
                return Ok(stream);
            }
            Ok(Err(error)) => FetchError::Connect(error),
            Err(_) => FetchError::Connect(io::ErrorKind::TimedOut.into()),
        };
        let mut attempt = Counter::default();
        attempt.sent(packet_bytes(family, TCP_SYN));
        if matches!(&failed, FetchError::Connect(error) if error.kind() == io::ErrorKind::ConnectionRefused)
        {
            attempt.received(packet_bytes(family, TCP_RESET));
        }
        self.stage.add(&attempt);
        Err(failed)
    }

    async fn converse(
        &self,
        stream: CountedStream,
        request: Request<Full<Bytes>>,
        limit: usize,
        statuses: &[StatusCode],
    ) -> Result<Vec<u8>, FetchError> {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(HEAD_LIMIT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| self.broken(&error))?;
        let answer = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|error| self.broken(&error))?;
            if !statuses.contains(&response.status()) {
                return Err(FetchError::Status(response.status().as_u16()));
            }
            let mut body = response.into_body();
            let mut document = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|error| self.broken(&error))?;
                let Ok(data) = frame.into_data() else {
                    continue;
                };
                if document.len() + data.len() > limit {
                    return Err(FetchError::TooLong(limit));
                }
                document.extend_from_slice(&data);
                self.show();
            }
            Ok(document)
        };
        // The connection is driven here, so that it ends with this future.
        tokio::pin!(answer, connection);
        tokio::select! {
            biased;
            document = &mut answer => document,
            ended = &mut connection => match ended {
                Err(error) => Err(self.broken(&error)),
                Ok(()) => answer.await,
            },
        }
    }

    fn broken(&self, error: &hyper::Error) -> FetchError {
        if is_limit(error) {
            return FetchError::Limit(self.stage.limit());
        }
        let mut cause: &dyn Error = error;
        while let Some(next) = cause.source() {
            cause = next;
        }
        FetchError::Broken(cause.to_string())
    }

    fn show(&self) {
        let mut counter = self.total.read();
        counter.add(&self.stage.read());
        self.context.meter.show(&counter);
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        self.total.add(&self.stage.read());
        self.context.meter.show(&self.total.read());
    }
}

fn request(location: &Location) -> http::request::Builder {
    Request::builder()
        .uri(location.path.as_str())
        .header(HOST, location.host_port())
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
}
