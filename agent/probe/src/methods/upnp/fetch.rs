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
use tokio::io::{AsyncRead, AsyncWrite};
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
pub enum FetchError {
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
        let wanted = Wanted {
            limit,
            statuses,
            allowance: self.stage.limit(),
        };
        let found = timeout(
            ANSWER_LIMIT,
            converse(stream, request, &wanted, || self.show()),
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

/// What an answer may be.
struct Wanted<'a> {
    /// Longest document, in bytes.
    limit: usize,
    statuses: &'a [StatusCode],
    /// Bytes that the stream may use, for words.
    allowance: u64,
}

/// The answer to a request for the description at `location` that comes on `stream`, bounded in bytes as on a socket; the
/// caller bounds the time.
///
/// # Errors
/// [`FetchError`].
pub async fn read_description(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    location: &Location,
) -> Result<Vec<u8>, FetchError> {
    let request = request(location).method(Method::GET).body(Full::default());
    let wanted = Wanted {
        limit: DESCRIPTION_LIMIT,
        statuses: &[StatusCode::OK],
        allowance: u64::MAX,
    };
    converse(stream, request.map_err(FetchError::Path)?, &wanted, || ()).await
}

/// One request and its answer; `came` is called as it grows.
async fn converse(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    wanted: &Wanted<'_>,
    came: impl Fn(),
) -> Result<Vec<u8>, FetchError> {
    let broken = |error: &hyper::Error| broken(error, wanted.allowance);
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| broken(&error))?;
    let answer = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| broken(&error))?;
        if !wanted.statuses.contains(&response.status()) {
            return Err(FetchError::Status(response.status().as_u16()));
        }
        let mut body = response.into_body();
        let mut document = Vec::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| broken(&error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if document.len() + data.len() > wanted.limit {
                return Err(FetchError::TooLong(wanted.limit));
            }
            document.extend_from_slice(&data);
            came();
        }
        Ok(document)
    };
    // The connection is driven here, so that it ends with this future.
    tokio::pin!(answer, connection);
    tokio::select! {
        biased;
        document = &mut answer => document,
        ended = &mut connection => match ended {
            Err(error) => Err(broken(&error)),
            Ok(()) => answer.await,
        },
    }
}

fn broken(error: &hyper::Error, allowance: u64) -> FetchError {
    if is_limit(error) {
        return FetchError::Limit(allowance);
    }
    let mut cause: &dyn Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    FetchError::Broken(cause.to_string())
}

fn request(location: &Location) -> http::request::Builder {
    Request::builder()
        .uri(location.path.as_str())
        .header(HOST, location.host_port())
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    use super::*;

    async fn read(answer: &[u8]) -> Result<Vec<u8>, FetchError> {
        let from = SocketAddr::from(([192, 0, 2, 1], 1900));
        let location = Location::parse("http://192.0.2.1:5000/d.xml", from).unwrap();
        let (ours, mut theirs) = duplex(4096);
        let serving = async {
            let mut heard = [0; 1024];
            let length = theirs.read(&mut heard).await.unwrap();
            assert!(heard[..length].starts_with(b"GET /d.xml HTTP/1.1\r\n"));
            // Whoever has heard enough closes.
            let _ = theirs.write_all(answer).await;
            let _ = theirs.shutdown().await;
        };
        tokio::join!(read_description(ours, &location), serving).0
    }

    #[tokio::test]
    async fn an_answer_is_read_from_any_stream_and_bounded() {
        let good = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<a/>";
        assert_eq!(read(good).await.unwrap(), b"<a/>");
        let mut long = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
        long.resize(DESCRIPTION_LIMIT + 100, b'x');
        let headless = vec![b'x'; 20_000];
        for (answer, words) in [
            (long.as_slice(), "sends more than 262144 bytes"),
            (b"HTTP/1.1 302 Go\r\n\r\n", "answered with http status 302"),
            (b"\x01garbage\r\n\r\n", "no http answer: "),
            (&good[..good.len() - 1], "no http answer: "),
            (headless.as_slice(), "no http answer: "),
        ] {
            let told = read(answer).await.unwrap_err().to_string();
            assert!(told.starts_with(words), "{told} instead of {words}");
        }
    }
}
