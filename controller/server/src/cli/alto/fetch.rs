//! HTTP for ALTO clients: one request, one connection, everything bounded.

mod error;
mod trust;

pub(super) use error::FetchError;

use crate::alto::client::{Refused, media, printable};
use flate2::read::MultiGzDecoder;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, LOCATION,
    RETRY_AFTER, USER_AGENT,
};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use url::Url;

/// Time to connect and to shake hands, each.
const CONNECT: Duration = Duration::from_secs(10);
/// Time until an answer begins, and until all of it is here.
const PATIENCE: Duration = Duration::from_mins(2);
/// Redirections that are followed.
const MOST_REDIRECTIONS: usize = 5;
/// Longest body of a refusal that is looked at.
const LONGEST_REFUSAL: usize = 64 << 10;

/// A whole answer of status 200.
#[derive(Debug)]
pub(super) struct Reply {
    /// Where it came from in the end.
    pub(super) url: Url,
    /// Its type, without parameters.
    pub(super) media_type: String,
    /// Its body, inflated.
    pub(super) body: Vec<u8>,
}

/// What is asked with.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// Its type.
    pub(super) media_type: String,
    /// The body.
    pub(super) body: Bytes,
}

/// A client of any server.
#[derive(Debug)]
pub(super) struct Client {
    tls: Arc<ClientConfig>,
    limit: usize,
}

type Sent = Response<Incoming>;

impl Client {
    /// A client that trusts the roots in `ca`, or those of the system, and takes answers of at most `limit` bytes.
    pub(super) fn new(ca: Option<&Path>, limit: usize) -> Result<Self, FetchError> {
        Ok(Self {
            tls: Arc::new(trust::trusting(ca)?),
            limit,
        })
    }

    /// Fetches, or asks where there is a question, and takes the whole answer.
    pub(super) async fn fetch(
        &self,
        url: &Url,
        accept: &str,
        question: Option<&Question>,
    ) -> Result<Reply, FetchError> {
        let expired = |_| FetchError::Timeout {
            url: url.to_string(),
            after: PATIENCE,
        };
        timeout(PATIENCE, self.whole(url, accept, question))
            .await
            .map_err(expired)?
    }

    async fn whole(
        &self,
        url: &Url,
        accept: &str,
        question: Option<&Question>,
    ) -> Result<Reply, FetchError> {
        let (url, response) = self.follow(url, accept, "gzip", question).await?;
        let (head, body) = response.into_parts();
        let body = collect(&url, body, self.limit).await?;
        Ok(Reply {
            media_type: media_type(&head.headers),
            body: inflate(&url, &coding(&head.headers), body, self.limit)?,
            url,
        })
    }

    /// Asks, and gives the answer's body as it comes.
    pub(super) async fn stream(
        &self,
        url: &Url,
        question: &Question,
    ) -> Result<Stream, FetchError> {
        let expired = |_| FetchError::Timeout {
            url: url.to_string(),
            after: PATIENCE,
        };
        let asked = self.follow(url, media::EVENT_STREAM, "identity", Some(question));
        let (url, response) = timeout(PATIENCE, asked).await.map_err(expired)??;
        let found = media_type(response.headers());
        if found != media::EVENT_STREAM {
            return Err(FetchError::Type {
                url: url.into(),
                media_type: printable(&found),
                wanted: media::EVENT_STREAM,
            });
        }
        let coding = coding(response.headers());
        if coding != "identity" {
            return Err(FetchError::Coding {
                url: url.into(),
                coding: printable(&coding),
            });
        }
        Ok(Stream {
            url,
            body: response.into_body(),
        })
    }

    /// The answer of status 200 behind redirections.
    async fn follow(
        &self,
        url: &Url,
        accept: &str,
        encodings: &str,
        question: Option<&Question>,
    ) -> Result<(Url, Sent), FetchError> {
        let (mut url, mut question) = (url.clone(), question);
        for _ in 0..=MOST_REDIRECTIONS {
            let response = self.send(&url, accept, encodings, question).await?;
            let status = response.status();
            if status.is_success() {
                return Ok((url, response));
            }
            if !status.is_redirection() || !response.headers().contains_key(LOCATION) {
                return Err(refusal(url, response).await);
            }
            // 303 leads to where the answer can be fetched (RFC 7285 §8.3.3); the others ask again elsewhere.
            if status == StatusCode::SEE_OTHER {
                question = None;
            }
            url = redirected(&url, response.headers())?;
        }
        Err(FetchError::Redirections { url: url.into() })
    }

    async fn send(
        &self,
        url: &Url,
        accept: &str,
        encodings: &str,
        question: Option<&Question>,
    ) -> Result<Sent, FetchError> {
        if !matches!(url.scheme(), "https" | "http") {
            return Err(FetchError::Address(url.to_string()));
        }
        let tcp = dial(url).await?;
        // Small requests: waiting to fill packets would only delay them.
        let _ = tcp.set_nodelay(true);
        let request = request(url, accept, encodings, question)?;
        if url.scheme() == "http" {
            return exchange(url, tcp, request).await;
        }
        let host = url.host_str().unwrap_or_default();
        let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
            .map_err(|_| FetchError::Address(url.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(&self.tls));
        let tls = timeout(CONNECT, connector.connect(name, tcp))
            .await
            .map_err(|_| FetchError::Timeout {
                url: url.to_string(),
                after: CONNECT,
            })?
            .map_err(|source| FetchError::Tls {
                url: url.to_string(),
                source,
            })?;
        exchange(url, tls, request).await
    }
}

/// A body that comes bit by bit.
#[derive(Debug)]
pub(super) struct Stream {
    /// Where it comes from in the end.
    pub(super) url: Url,
    body: Incoming,
}

impl Stream {
    /// The next bytes; `None` at the end. Silence of `patience` is a lost connection.
    pub(super) async fn next(&mut self, patience: Duration) -> Result<Option<Bytes>, FetchError> {
        loop {
            let frame =
                timeout(patience, self.body.frame())
                    .await
                    .map_err(|_| FetchError::Timeout {
                        url: self.url.to_string(),
                        after: patience,
                    })?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            let frame = frame.map_err(|source| FetchError::Broken {
                url: self.url.to_string(),
                source,
            })?;
            if let Ok(bytes) = frame.into_data() {
                return Ok(Some(bytes));
            }
        }
    }
}

/// Tries the addresses of the host one after the other.
async fn dial(url: &Url) -> Result<TcpStream, FetchError> {
    let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
        return Err(FetchError::Address(url.to_string()));
    };
    let host = host.trim_matches(['[', ']']);
    let addresses = tokio::net::lookup_host((host, port))
        .await
        .map_err(|source| FetchError::Resolve {
            url: url.to_string(),
            host: host.to_owned(),
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
    Err(FetchError::Connect {
        url: url.to_string(),
        source: last,
    })
}

fn request(
    url: &Url,
    accept: &str,
    encodings: &str,
    question: Option<&Question>,
) -> Result<Request<Full<Bytes>>, FetchError> {
    let target = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    let host = url.host_str().unwrap_or_default();
    let authority = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let accepts = format!("{accept},{}", media::ERROR);
    let agent = concat!("glimpse-controller/", env!("CARGO_PKG_VERSION"));
    let mut request = Request::builder()
        .uri(target)
        .header(HOST, authority)
        .header(ACCEPT, accepts)
        .header(ACCEPT_ENCODING, encodings)
        .header(USER_AGENT, agent);
    let body = if let Some(question) = question {
        request = request
            .method(Method::POST)
            .header(CONTENT_TYPE, &question.media_type);
        question.body.clone()
    } else {
        Bytes::new()
    };
    request
        .body(Full::new(body))
        .map_err(|_| FetchError::Address(url.to_string()))
}

async fn exchange(
    url: &Url,
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<Sent, FetchError> {
    let broken = |source| FetchError::Broken {
        url: url.to_string(),
        source,
    };
    let (mut sender, driver) = http1::handshake(TokioIo::new(io)).await.map_err(broken)?;
    // The connection lives as long as the answer's body is read, and no longer.
    tokio::spawn(async move {
        if let Err(error) = driver.await {
            tracing::debug!(error = %error, "connection to the server ended");
        }
    });
    sender.send_request(request).await.map_err(broken)
}

async fn collect(url: &Url, body: Incoming, limit: usize) -> Result<Bytes, FetchError> {
    let collected = Limited::new(body, limit).collect().await;
    Ok(collected
        .map_err(|error| match error.downcast::<hyper::Error>() {
            Ok(source) => FetchError::Broken {
                url: url.to_string(),
                source: *source,
            },
            Err(other) => {
                debug_assert!(other.is::<LengthLimitError>());
                FetchError::TooLarge {
                    url: url.to_string(),
                    limit,
                }
            }
        })?
        .to_bytes())
}

fn inflate(url: &Url, coding: &str, body: Bytes, limit: usize) -> Result<Vec<u8>, FetchError> {
    match coding {
        "identity" => return Ok(body.into()),
        "gzip" | "x-gzip" => {}
        _ => {
            return Err(FetchError::Coding {
                url: url.to_string(),
                coding: printable(coding),
            });
        }
    }
    let mut inflated = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    MultiGzDecoder::new(body.as_ref())
        .take(most)
        .read_to_end(&mut inflated)
        .map_err(|source| FetchError::Inflate {
            url: url.to_string(),
            source,
        })?;
    if inflated.len() > limit {
        return Err(FetchError::TooLarge {
            url: url.to_string(),
            limit,
        });
    }
    Ok(inflated)
}

/// What a refusal says: an ALTO error object, or the detail of a problem document (RFC 9457).
async fn refusal(url: Url, response: Sent) -> FetchError {
    let (head, body) = response.into_parts();
    let body = collect(&url, body, LONGEST_REFUSAL)
        .await
        .ok()
        .and_then(|body| inflate(&url, &coding(&head.headers), body, LONGEST_REFUSAL).ok())
        .unwrap_or_default();
    if media_type(&head.headers) == media::ERROR
        && let Some(refused) = Refused::of(&body)
    {
        return FetchError::Refused {
            url: url.into(),
            refused: Box::new(refused),
        };
    }
    let detail = serde_json::from_slice::<serde_json::Value>(&body)
        .ok()
        .and_then(|problem| Some(printable(problem.get("detail")?.as_str()?)));
    FetchError::Status {
        url: url.into(),
        status: head.status,
        detail,
        retry_after: text(&head.headers, &RETRY_AFTER)
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs),
    }
}

fn redirected(url: &Url, headers: &HeaderMap) -> Result<Url, FetchError> {
    let target = text(headers, &LOCATION).unwrap_or_default();
    let refused = |reason| FetchError::Redirection {
        url: url.to_string(),
        target: printable(target),
        reason,
    };
    let to = url.join(target).map_err(|_| refused("it is no address"))?;
    match (url.scheme(), to.scheme()) {
        (_, "https") | ("http", "http") => Ok(to),
        ("https", "http") => Err(refused("it is not encrypted")),
        _ => Err(refused("it is neither https nor http")),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim)
}

fn media_type(headers: &HeaderMap) -> String {
    let whole = text(headers, &CONTENT_TYPE).unwrap_or_default();
    let bare = whole.split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}

fn coding(headers: &HeaderMap) -> String {
    let coding = text(headers, &CONTENT_ENCODING).unwrap_or_default();
    if coding.is_empty() {
        "identity".to_owned()
    } else {
        coding.to_ascii_lowercase()
    }
}
