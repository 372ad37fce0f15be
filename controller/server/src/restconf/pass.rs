//! Requests to connected agents, and their answers as seen from here.

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

/// What goes through to the agent, and what comes back. Everything else is between the two ends of one connection.
const REQUEST: [HeaderName; 6] = [
    header::ACCEPT,
    header::CONTENT_TYPE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
];
const RESPONSE: [&str; 9] = [
    "content-type",
    "etag",
    "last-modified",
    "cache-control",
    "date",
    "allow",
    "accept-patch",
    "retry-after",
    "location",
];

/// What the agent is called in its own answers (RFC 8040 has absolute URIs in some).
const AUTHORITY: &str = "https://agent.invalid";

/// The path of the API resource by `/.well-known/host-meta` (RFC 8040 §3.1); the usual one where an agent has none.
pub(crate) fn root_of(response: &Response<Bytes>) -> String {
    let usual = "/restconf".to_owned();
    if response.status() != StatusCode::OK {
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

/// A path that can stand in a request line as it is.
fn is_path(text: &str) -> bool {
    text.starts_with('/')
        && text.len() <= 256
        && text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
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

/// An agent's answer under the root it has here: `root` is `/agents/ID/restconf`, `host` how we were called.
pub(super) fn rewritten(
    answer: Response<Bytes>,
    link: &Link,
    root: &str,
    host: Option<&str>,
) -> (StatusCode, Vec<(&'static str, String)>, Vec<u8>) {
    let here = host.map_or_else(|| root.to_owned(), |host| format!("https://{host}{root}"));
    let there = format!("{AUTHORITY}{}", link.root);
    let (parts, body) = answer.into_parts();
    let mut headers = Vec::new();
    for name in RESPONSE {
        let Some(value) = parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
        else {
            continue;
        };
        headers.push((
            name,
            if name == "location" {
                location(value, link, &here)
            } else {
                value.to_owned()
            },
        ));
    }
    (
        parts.status,
        headers,
        replace(&body, there.as_bytes(), here.as_bytes()),
    )
}

/// Whatever host the agent put into it, the path counts.
fn location(value: &str, link: &Link, here: &str) -> String {
    let path = match value.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => value,
    };
    match path.strip_prefix(&*link.root) {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("{here}{rest}"),
        _ => value.to_owned(),
    }
}

fn replace(body: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// One error of an agent's answer, as `glimpse-fleet` tells it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) struct Told {
    pub(super) tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) app_tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) message: Option<String>,
}

/// Most errors kept of one answer, and most bytes of a text in one.
const MAX_ERRORS: usize = 16;
const MAX_TEXT: usize = 1000;

/// The errors in a body of JSON, wherever they stand in it: `ietf-restconf:errors`, or those of a YANG Patch by edit.
pub(super) fn errors(body: &[u8]) -> Vec<Told> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        collect(&value, &mut found);
    }
    found
}

fn collect(value: &serde_json::Value, found: &mut Vec<Told>) {
    match value {
        serde_json::Value::Object(members) => {
            let text = |name: &str| {
                let text = members.get(name)?.as_str()?;
                let clean = text
                    .chars()
                    .map(|c| if c.is_control() { '\u{fffd}' } else { c });
                let mut text: String = clean.collect();
                text.truncate(text.floor_char_boundary(MAX_TEXT));
                Some(text)
            };
            if let Some(tag) = text("error-tag") {
                if found.len() < MAX_ERRORS {
                    found.push(Told {
                        tag,
                        app_tag: text("error-app-tag"),
                        path: text("error-path"),
                        message: text("error-message"),
                    });
                }
            } else {
                members.values().for_each(|value| collect(value, found));
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, found)),
        _ => {}
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
        for odd in ["https://elsewhere/x", "/a b", "/a?b", "", "no xml"] {
            assert_eq!(meta(&of(odd)), "/restconf", "{odd}");
        }
        assert_eq!(meta("not xml"), "/restconf");
    }

    #[test]
    fn errors_are_found_wherever_they_stand() {
        let plain = br#"{"ietf-restconf:errors":{"error":[{"error-type":"application","error-tag":"data-missing",
            "error-app-tag":"instance-required","error-path":"/a:b","error-message":"gone\u0007"}]}}"#;
        let [told] = &errors(plain)[..] else { panic!() };
        assert_eq!(
            (told.tag.as_str(), told.message.as_deref()),
            ("data-missing", Some("gone\u{fffd}"))
        );
        let patch = br#"{"ietf-yang-patch:yang-patch-status":{"patch-id":"p","edit-status":{"edit":[
            {"edit-id":"1","ok":[null]},{"edit-id":"2","errors":{"error":[{"error-tag":"invalid-value"}]}}]}}}"#;
        assert_eq!(errors(patch)[0].tag, "invalid-value");
        assert!(errors(b"<errors/>").is_empty());
    }

    #[test]
    fn uris_of_the_agent_become_ours() {
        let body = br#"["https://agent.invalid/restconf/yang/x","https://agent.invalid/other"]"#;
        let new = replace(
            body,
            b"https://agent.invalid/restconf",
            b"https://c/agents/a/restconf",
        );
        assert_eq!(
            new,
            br#"["https://c/agents/a/restconf/yang/x","https://agent.invalid/other"]"#
        );
    }
}
