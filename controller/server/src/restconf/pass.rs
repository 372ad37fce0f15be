//! Requests to connected agents.

mod answer;

pub(super) use answer::{Told, errors, rewritten};

use super::engine::Written;
use crate::callhome::{Link, Lost};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use glimpse_restconf::{Error, Tag};
use glimpse_yang::{Limits, xml};
use http_body_util::Full;
use hyper::body::Bytes;

pub(super) const JSON: &str = "application/yang-data+json";

/// Who an agent hears that it is asked for; nothing but its log learns from it.
const OPERATOR: HeaderName = HeaderName::from_static("glimpse-operator");

/// What goes through to the agent. Everything else is between the two ends of one connection.
const REQUEST: [HeaderName; 6] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];

/// A host-meta is short; it is read whenever an agent calls, among what serves.
const META_BYTES: usize = 16 << 10;

/// The path of the API resource by `/.well-known/host-meta` (RFC 8040 §3.1); the usual one where an agent has none.
pub fn root_of(response: &Response<Bytes>) -> String {
    let usual = "/restconf".to_owned();
    if response.status() != StatusCode::OK || response.body().len() > META_BYTES {
        return usual;
    }
    let Ok(elements) = xml::parse(response.body(), Limits::default()) else {
        return usual;
    };
    let link = elements.iter().flat_map(|top| &top.children).find(|link| {
        let rel =
            |attribute: &&xml::Attribute| attribute.name == "rel" && attribute.value == "restconf";
        link.name == "Link" && link.attributes.iter().any(|attribute| rel(&attribute))
    });
    let href = link.and_then(|link| {
        let mut attributes = link.attributes.iter();
        attributes.find(|attribute| attribute.name == "href")
    });
    match href {
        Some(href) if is_path(&href.value) => href.value.trim_end_matches('/').to_owned(),
        _ => usual,
    }
}

/// A character that says the same to whoever reads it in a path, a request line or a log (RFC 3986 §3.3 without what is encoded).
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn is_path(text: &str) -> bool {
    let mut names = text.trim_end_matches('/').split('/').skip(1);
    text.starts_with('/')
        && text.len() <= 256
        && names.all(|name| !matches!(name, "" | "." | "..") && name.bytes().all(is_plain))
}

/// Why an agent's answer is missing, in the words of RESTCONF.
pub(super) fn lost(lost: Lost) -> Error {
    let status = match lost {
        Lost::NotConnected | Lost::Crowded => 503,
        Lost::NoAnswer => 504,
        Lost::TooLong => 502,
    };
    Error::new(Tag::OperationFailed, lost.to_string()).with_status(status)
}

/// Sends a request; `target` is path and query at the agent.
async fn send(
    link: &Link,
    method: Method,
    target: &str,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response<Bytes>, Lost> {
    let mut request = Request::builder()
        .method(method)
        .uri(target)
        .body(Full::new(body))
        .map_err(|_| Lost::NotConnected)?;
    *request.headers_mut() = headers;
    link.ask(request).await
}

fn with_query(link: &Link, path: &str, query: Option<&str>) -> String {
    match query {
        Some(query) => format!("{}{path}?{query}", link.root),
        None => format!("{}{path}", link.root),
    }
}

/// Reads a resource of the agent as JSON.
pub(super) async fn read(
    link: &Link,
    path: &str,
    query: Option<&str>,
) -> Result<Response<Bytes>, Lost> {
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(JSON))]);
    send(
        link,
        Method::GET,
        &with_query(link, path, query),
        headers,
        Bytes::new(),
    )
    .await
}

/// What `HEAD` says of a resource: its status and entity tag.
pub(super) async fn look(
    link: &Link,
    path: &str,
) -> Result<(StatusCode, Option<HeaderValue>), Lost> {
    let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(JSON))]);
    let target = with_query(link, path, None);
    let response = send(link, Method::HEAD, &target, headers, Bytes::new()).await?;
    Ok((
        response.status(),
        response.headers().get(header::ETAG).cloned(),
    ))
}

/// Sends an edit that has waited, on the condition given.
pub(super) async fn write(
    link: &Link,
    written: &Written,
    operator: &str,
    condition: Option<(HeaderName, HeaderValue)>,
) -> Result<Response<Bytes>, Lost> {
    let mut headers = HeaderMap::new();
    headers.insert(header::ACCEPT, HeaderValue::from_static(JSON));
    if let Some(kind) = written
        .content_type
        .as_deref()
        .and_then(|kind| HeaderValue::from_str(kind).ok())
    {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.extend(condition);
    sign(&mut headers, operator);
    let method = Method::from_bytes(written.method.as_bytes()).map_err(|_| Lost::NotConnected)?;
    let target = with_query(link, &written.path, written.query.as_deref());
    send(link, method, &target, headers, written.body.clone().into()).await
}

/// Hands a request through. `path` is what follows the root, here as there.
pub(super) async fn through(
    link: &Link,
    path: &str,
    operator: &str,
    request: &glimpse_restconf::Request,
) -> Result<Response<Bytes>, Lost> {
    let mut headers = HeaderMap::new();
    for name in REQUEST {
        let value = request.header(name.as_str());
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    sign(&mut headers, operator);
    let method =
        Method::from_bytes(request.method.as_str().as_bytes()).map_err(|_| Lost::NotConnected)?;
    let target = with_query(link, path, request.query.as_deref());
    send(link, method, &target, headers, request.body.clone().into()).await
}

fn sign(headers: &mut HeaderMap, operator: &str) {
    if let Ok(operator) = HeaderValue::from_str(operator) {
        headers.insert(OPERATOR, operator);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn meta(body: &str) -> String {
        root_of(&Response::new(Bytes::from(body.to_owned())))
    }

    #[test]
    fn the_root_is_where_host_meta_says() {
        let of = |href: &str| {
            format!(
                "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'><Link rel='author' href='/a'/><Link rel='restconf' href='{href}'/></XRD>"
            )
        };
        assert_eq!(meta(&of("/top/restconf/")), "/top/restconf");
        for odd in [
            "https://elsewhere/x",
            "/a b",
            "/a?b",
            "",
            "no xml",
            "/a%2fb",
            "/a/../b",
            "/./a",
            "/a\\b",
            "/a{b}",
            "//elsewhere/x",
            "/ü",
        ] {
            assert_eq!(meta(&of(odd)), "/restconf", "{odd}");
        }
        assert_eq!(meta("not xml"), "/restconf");
        let long = of("/top").replace(
            "<Link rel='author'",
            &format!("<!--{}--><Link rel='author'", "x".repeat(META_BYTES)),
        );
        assert_eq!(meta(&long), "/restconf");
    }
}
