//! One try over HTTPS (RFC 8484), by HTTP/1.1. Redirects are not followed: they would lead to another server.

use std::pin::pin;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::Tally;
use http::header::{ACCEPT, CONTENT_TYPE, HOST};
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::Failure;
use super::answer::{Answer, judge};
use super::lookup::Exchange;
use super::options::Asking;
use super::stream::{connect, limit, secure};
use crate::context::Context;

const MESSAGE: &str = "application/dns-message";
/// Longest DNS message, in bytes.
const MESSAGE_LIMIT: usize = 65_535;
/// Longest head of a response, in bytes.
const HEAD_LIMIT: usize = 16_384;

/// Sends `query` and waits for its answer; the caller sets the time-out.
pub(super) async fn exchange(
    query: &[u8],
    asking: &Asking,
    context: &Context,
    tally: &Tally,
    notes: &mut Exchange,
) -> Result<Answer, Failure> {
    let request = request(query, asking, notes)?;
    let stream = connect(tally, notes).await?;
    let stream = secure(stream, asking, context, &[b"http/1.1"], tally, notes).await?;
    let failure = |error: &(dyn std::error::Error + 'static)| {
        limit(error, tally).unwrap_or_else(|| Failure::Http(words(error)))
    };
    let started_ns = monotonic_ns();
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|error| failure(&error))?;
    let conversation = async {
        let response = sender
            .send_request(request)
            .await
            .map_err(|error| failure(&error))?;
        let status = response.status();
        if status != http::StatusCode::OK {
            return Err(Failure::Http(format!("status {}", status.as_u16())));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        if kind.is_none_or(|kind| !kind.as_bytes().eq_ignore_ascii_case(MESSAGE.as_bytes())) {
            return Err(Failure::Http(format!("the response is no {MESSAGE}")));
        }
        match Limited::new(response.into_body(), MESSAGE_LIMIT)
            .collect()
            .await
        {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) => Err(failure(error.as_ref())),
        }
    };
    let (mut conversation, mut connection) = (pin!(conversation), pin!(connection));
    let mut open = true;
    let body = loop {
        tokio::select! {
            biased;
            ended = &mut conversation => break ended?,
            // The conversation learns by itself how the connection ended.
            _ = &mut connection, if open => open = false,
        }
    };
    let ended_ns = monotonic_ns();
    let Some(answer) = judge(query, &body) else {
        notes.mismatched += 1;
        return Err(Failure::Http(
            "the message is no answer to the query".to_owned(),
        ));
    };
    notes.query_ns = Some(ended_ns.saturating_sub(started_ns));
    notes.response_bytes = Some(body.len());
    Ok(answer)
}

fn request(
    query: &[u8],
    asking: &Asking,
    notes: &Exchange,
) -> Result<Request<Full<Bytes>>, Failure> {
    let port = notes.server.port();
    let host = match &asking.tls_name {
        Some(name) if port == 443 => name.to_str().into_owned(),
        Some(name) => format!("{}:{port}", name.to_str()),
        None => notes.server.to_string(),
    };
    let (method, path, body) = if asking.http_get {
        let coded = URL_SAFE_NO_PAD.encode(query);
        let mark = if asking.http_path.contains('?') {
            '&'
        } else {
            '?'
        };
        let path = format!("{}{mark}dns={}", asking.http_path, coded);
        (Method::GET, path, Bytes::new())
    } else {
        (
            Method::POST,
            asking.http_path.clone(),
            Bytes::copy_from_slice(query),
        )
    };
    let mut request = Request::builder()
        .method(&method)
        .uri(path)
        .header(HOST, host)
        .header(ACCEPT, MESSAGE);
    if method == Method::POST {
        request = request.header(CONTENT_TYPE, MESSAGE);
    }
    request
        .body(Full::new(body))
        .map_err(|error| Failure::Http(error.to_string()))
}

/// An error and what it was made of.
fn words(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    if let Some(source) = error.source() {
        text.push_str(": ");
        text.push_str(&source.to_string());
    }
    text
}
