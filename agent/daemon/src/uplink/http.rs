//! A thin HTTPS client: one connection, kept while the other side keeps it, every byte counted.

use crate::tls::Refusal;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Time to connect and to shake hands, each.
const CONNECT: Duration = Duration::from_secs(10);

/// Longest problem document that is looked at, in bytes.
const LONGEST_PROBLEM: usize = 16 << 10;

/// Longest entity tag that is kept, in bytes.
const LONGEST_TAG: usize = 256;

/// Bytes on the wire since the counter was last read; TLS records counted, IP headers not.
#[derive(Debug, Default)]
pub struct Traffic {
    bytes: AtomicU32,
}

impl Traffic {
    /// Bytes in both directions since the last call.
    pub fn take(&self) -> u64 {
        self.bytes.swap(0, Ordering::Relaxed).into()
    }

    /// The same without taking them.
    pub fn peek(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).into()
    }

    fn add(&self, bytes: usize) {
        // 32 bits are enough between two readings, and all that a small router's CPU has. Where they are not, nobody is to get
        // away with less than was counted.
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let more = |sum: u32| Some(sum.saturating_add(bytes));
        let _ = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The address is none of ours.
    #[error("{0} is not an https address")]
    Url(String),
    /// The name cannot be looked up.
    #[error("cannot look up {host}: {source}")]
    Resolve {
        /// The name.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// No connection.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Host and port.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The other side is not who it must be, or does not accept us. Nothing of a request was sent.
    #[error("no trusted connection to {host}: {source}")]
    Tls {
        /// Host and port.
        host: String,
        /// What the handshake said.
        source: io::Error,
    },
    /// The connection broke.
    #[error("the connection to {host} broke: {source}")]
    Broken {
        /// Host and port.
        host: String,
        /// What the protocol said.
        source: hyper::Error,
    },
    /// No answer in time.
    #[error("{host} does not answer")]
    Timeout {
        /// Host and port.
        host: String,
    },
    /// The answer is larger than accepted.
    #[error("{host} answers with more than {limit} bytes")]
    TooLarge {
        /// Host and port.
        host: String,
        /// Bytes accepted.
        limit: usize,
    },
}

impl HttpError {
    /// What kind of failure it is, in words that tell nothing of the network it happened in.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Url(_) => "it has no https address",
            Self::Resolve { .. } => "its name cannot be looked up",
            Self::Connect { .. } => "no connection",
            Self::Tls { .. } => "not trusted",
            Self::Broken { .. } => "the connection broke",
            Self::Timeout { .. } => "no answer",
            Self::TooLarge { .. } => "its answer is too large",
        }
    }

    /// What happened, for people: where trust is the matter, what it means and what to do.
    pub fn explain(&self) -> String {
        match self.refusal() {
            Some(refusal) => refusal.to_string(),
            None => self.to_string(),
        }
    }

    /// The matter of trust behind the error, if it is one.
    pub fn refusal(&self) -> Option<Refusal> {
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            if let Some(refusal) = error.downcast_ref::<io::Error>().and_then(Refusal::of) {
                return Some(refusal);
            }
            source = error.source();
        }
        None
    }
}

/// An answer, whatever its status.
#[derive(Debug)]
pub struct Answer {
    /// Status code.
    pub status: StatusCode,
    /// `ETag`, if any that is worth being sent back each time.
    pub etag: Option<HeaderValue>,
    /// `Retry-After`, if any.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Bytes,
}

impl Answer {
    /// What a refusal says, for people: status and the `detail` of a problem document (RFC 9457).
    pub fn describe(&self) -> String {
        let short = Some(&self.body).filter(|body| body.len() <= LONGEST_PROBLEM);
        let detail = short
            .and_then(|body| serde_json::from_slice::<serde_json::Value>(body).ok())
            .and_then(|problem| {
                Some(glimpse_model::read::printable(
                    problem.get("detail")?.as_str()?,
                ))
            });
        match detail {
            Some(detail) => format!("{} ({detail})", self.status),
            None => self.status.to_string(),
        }
    }
}

/// Whether `base` is an address that a [`Client`] can be made for.
pub fn is_base(base: &str) -> bool {
    split(base).is_some()
}

/// The parts of an https address without a query, and its host without brackets.
fn split(base: &str) -> Option<(Uri, String)> {
    let uri: Uri = base.trim_end_matches('/').parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']).to_owned();
    let plain = uri.scheme_str() == Some("https") && uri.query().is_none();
    (plain && !host.is_empty()).then_some((uri, host))
}

/// One request.
#[derive(Debug, Default)]
pub struct Call {
    /// Method; `GET` by default.
    pub method: Method,
    /// Path and query below the base address, with a leading `/`.
    pub path: String,
    /// Headers beside host and user agent.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Body; none for `GET`.
    pub body: Bytes,
    /// Time for the whole exchange after the connection stands.
    pub patience: Duration,
    /// Largest answer accepted, in bytes.
    pub limit: usize,
}

/// A client of one server.
#[derive(Debug)]
pub struct Client {
    host: String,
    port: u16,
    prefix: String,
    tls: watch::Receiver<Arc<ClientConfig>>,
    traffic: Arc<Traffic>,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    /// A client of `base`, such as `https://controller.example.net:8443`.
    ///
    /// # Errors
    /// [`HttpError::Url`]; plain HTTP is not spoken.
    pub fn new(
        base: &str,
        tls: watch::Receiver<Arc<ClientConfig>>,
        traffic: Arc<Traffic>,
    ) -> Result<Self, HttpError> {
        let bad = || HttpError::Url(base.to_owned());
        let (uri, host) = split(base).ok_or_else(bad)?;
        Ok(Self {
            host,
            port: uri.port_u16().unwrap_or(443),
            prefix: uri.path().trim_end_matches('/').to_owned(),
            tls,
            traffic,
            connection: None,
        })
    }

    /// Host and port, for messages.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Sends one request and takes the whole answer. A kept connection that the other side had
    /// closed is opened anew, once.
    pub async fn call(&mut self, call: &Call) -> Result<Answer, HttpError> {
        if self.tls.has_changed().unwrap_or(false) {
            self.connection = None;
        }
        if let Some(kept) = self.connection.take().filter(|kept| !kept.is_closed()) {
            match self.exchange(kept, call).await {
                Err(HttpError::Broken { source, .. })
                    if source.is_canceled() || source.is_incomplete_message() => {}
                done => return done,
            }
        }
        let fresh = self.connect().await?;
        self.exchange(fresh, call).await
    }

    async fn exchange(
        &mut self,
        mut connection: SendRequest<Full<Bytes>>,
        call: &Call,
    ) -> Result<Answer, HttpError> {
        let host = || self.authority();
        let exchange = async {
            let broken = |source| HttpError::Broken {
                host: host(),
                source,
            };
            connection.ready().await.map_err(broken)?;
            let response = connection
                .send_request(self.request(call)?)
                .await
                .map_err(broken)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, call.limit)
                .collect()
                .await
                .map_err(|error| match error.downcast::<hyper::Error>() {
                    Ok(source) => broken(*source),
                    Err(other) => {
                        debug_assert!(other.is::<LengthLimitError>());
                        HttpError::TooLarge {
                            host: host(),
                            limit: call.limit,
                        }
                    }
                })?
                .to_bytes();
            Ok(Answer {
                status: head.status,
                etag: head
                    .headers
                    .get("etag")
                    .filter(|tag| tag.len() <= LONGEST_TAG)
                    .cloned(),
                retry_after: head
                    .headers
                    .get("retry-after")
                    .and_then(|value| value.to_str().ok())
                    .map(super::backoff::retry_after),
                body,
            })
        };
        let answer = timeout(call.patience, exchange)
            .await
            .map_err(|_| HttpError::Timeout { host: host() })??;
        self.connection = Some(connection);
        Ok(answer)
    }

    fn request(&self, call: &Call) -> Result<Request<Full<Bytes>>, HttpError> {
        let path = format!("{}{}", self.prefix, call.path);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(path.as_str())
            .header(HOST, self.authority())
            .header(USER_AGENT, crate::VERSION);
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        request
            .body(Full::new(call.body.clone()))
            .map_err(|_| HttpError::Url(path))
    }

    async fn connect(&mut self) -> Result<SendRequest<Full<Bytes>>, HttpError> {
        let authority = self.authority();
        let tcp = self.dial().await?;
        // Small requests and answers: waiting to fill packets would only delay them.
        let _ = tcp.set_nodelay(true);
        let counted = Counted::new(tcp, self.traffic.clone());
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| HttpError::Url(authority.clone()))?;
        let config = self.tls.borrow_and_update().clone();
        let tls = timeout(CONNECT, TlsConnector::from(config).connect(name, counted))
            .await
            .map_err(|_| HttpError::Timeout {
                host: authority.clone(),
            })?
            .map_err(|source| HttpError::Tls {
                host: authority.clone(),
                source,
            })?;
        let (sender, driver) = http1::handshake(TokioIo::new(tls))
            .await
            .map_err(|source| HttpError::Broken {
                host: authority,
                source,
            })?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                log::debug!("connection to the controller ended: {error}");
            }
        });
        Ok(sender)
    }

    /// Tries the addresses of the host one after the other.
    async fn dial(&self) -> Result<TcpStream, HttpError> {
        let addresses = tokio::net::lookup_host((self.host.as_str(), self.port))
            .await
            .map_err(|source| HttpError::Resolve {
                host: self.host.clone(),
                source,
            })?;
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in addresses {
            match timeout(CONNECT, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(HttpError::Connect {
            host: self.authority(),
            source: last,
        })
    }
}

/// A stream that counts what passes.
#[derive(Debug)]
pub(crate) struct Counted {
    inner: TcpStream,
    traffic: Arc<Traffic>,
}

impl Counted {
    pub(crate) fn new(inner: TcpStream, traffic: Arc<Traffic>) -> Self {
        Self { inner, traffic }
    }
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.inner).poll_read(cx, buf);
        self.traffic.add(buf.filled().len() - before);
        poll
    }
}

impl AsyncWrite for Counted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.inner).poll_write(cx, buf);
        if let Poll::Ready(Ok(written)) = poll {
            self.traffic.add(written);
        }
        poll
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_that_is_full_does_not_begin_anew() {
        let traffic = Traffic::default();
        for _ in 0..3 {
            traffic.add(2_000_000_000);
        }
        assert_eq!(traffic.peek(), u64::from(u32::MAX));
        assert_eq!((traffic.take(), traffic.peek()), (u64::from(u32::MAX), 0));
    }
}
