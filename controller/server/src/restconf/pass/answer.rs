//! Answers of agents as they go on. An agent is not trusted with more than its own resources: what it answers comes from the
//! controller's origin then, where browsers and other clients act as the operator.

use super::is_plain;
use crate::callhome::Link;
use axum::http::{Response, StatusCode};
use glimpse_lmap::names;
use glimpse_restconf::{Error, Tag};
use hyper::body::Bytes;

/// What comes back; `Location` and `Content-Type` are looked at before.
const RESPONSE: [&str; 6] = [
    "etag",
    "last-modified",
    "date",
    "allow",
    "accept-patch",
    "retry-after",
];

/// What an agent's answer may be (RFC 8040 §11.3, RFC 8072 §4.2, RFC 6415 §2, RFC 6020 §14.1).
const MEDIA_TYPES: [&str; 6] = [
    "application/yang-data+json",
    "application/yang-data+xml",
    "application/yang-patch+json",
    "application/yang-patch+xml",
    "application/xrd+xml",
    "application/yang",
];

/// What the agent is called in its own answers (RFC 8040 has absolute URIs in some).
const AUTHORITY: &str = "https://agent.invalid";

/// Status, header fields and body.
pub(in crate::restconf) type Rewritten = (StatusCode, Vec<(&'static str, String)>, Vec<u8>);

/// An agent's answer under the root it has here: `root` is `/agents/ID/restconf`, `host` how we were called.
///
/// # Errors
/// 502 for what is no answer of a RESTCONF server to a request that it knows the asker of.
pub(in crate::restconf) fn rewritten(
    answer: Response<Bytes>,
    link: &Link,
    root: &str,
    host: Option<&str>,
) -> Result<Rewritten, Error> {
    let here = host.map_or_else(|| root.to_owned(), |host| format!("https://{host}{root}"));
    let there = format!("{AUTHORITY}{}", link.root);
    let (parts, body) = answer.into_parts();
    let status = parts.status;
    if !is_passed(status) {
        return Err(odd(&format!("the agent answered {}", status.as_u16())));
    }
    let text = |name: &str| {
        parts
            .headers
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    let mut headers = Vec::new();
    match text("content-type") {
        Some(kind) => headers.push(("content-type", media_type(kind)?.to_owned())),
        None if body.is_empty() => {}
        None => return Err(odd("the agent answered without a media type")),
    }
    for name in RESPONSE {
        if let Some(value) = text(name) {
            headers.push((name, value.to_owned()));
        }
    }
    if let Some(place) = text("location").and_then(|value| location(value, &link.root, &here)) {
        headers.push(("location", place));
    }
    let body = replace(&body, there.as_bytes(), here.as_bytes());
    Ok((status, headers, body))
}

/// Redirections would lead clients elsewhere with what they are known by; what a server asks of who is not known would have them
/// show it anew.
fn is_passed(status: StatusCode) -> bool {
    match status.as_u16() {
        200 | 201 | 202 | 204 | 304 => true,
        401 | 407 => false,
        other => (400..600).contains(&other),
    }
}

fn odd(message: &str) -> Error {
    let message = format!("{message}, which is no answer of a RESTCONF server to this");
    Error::new(Tag::OperationFailed, message).with_status(502)
}

fn media_type(value: &str) -> Result<&'static str, Error> {
    let kind = value.split(';').next().unwrap_or_default().trim();
    MEDIA_TYPES
        .into_iter()
        .find(|known| known.eq_ignore_ascii_case(kind))
        .ok_or_else(|| odd("the agent answered with another media type"))
}

/// Whatever host the agent put into it, the path counts; nothing that is not below the agent's root.
fn location(value: &str, root: &str, here: &str) -> Option<String> {
    let path = match value.split_once("://") {
        Some((_, rest)) => &rest[rest.find('/')?..],
        None => value,
    };
    let rest = path.strip_prefix(root)?;
    let below = rest.is_empty() || rest.starts_with('/');
    // Keys of lists are encoded; a name of dots is none even so.
    let plain = rest
        .bytes()
        .all(|byte| matches!(byte, b'/' | b'%') || is_plain(byte));
    let decoded = rest.to_ascii_lowercase().replace("%2e", ".");
    let stays = !decoded.split('/').any(|name| matches!(name, "." | ".."));
    (below && plain && stays).then(|| format!("{here}{rest}"))
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
pub(in crate::restconf) struct Told {
    pub(in crate::restconf) tag: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::restconf) app_tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::restconf) path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::restconf) message: Option<String>,
}

/// Most errors kept of one answer, and most bytes of the texts in one.
const MAX_ERRORS: usize = 16;
const MAX_TEXT: usize = 1000;
const MAX_APP_TAG: usize = 64;

/// The errors in a body of JSON, wherever they stand in it: `ietf-restconf:errors`, or those of a YANG Patch by edit.
pub(in crate::restconf) fn errors(body: &[u8]) -> Vec<Told> {
    let mut found = Vec::new();
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(body) {
        collect(&value, &mut found);
    }
    found
}

fn collect(value: &serde_json::Value, found: &mut Vec<Told>) {
    match value {
        serde_json::Value::Object(members) => {
            let text = |name: &str, most: usize| {
                let mut text = names::clean(members.get(name)?.as_str()?);
                text.truncate(text.floor_char_boundary(most));
                Some(text)
            };
            if let Some(tag) = members.get("error-tag").and_then(|tag| tag.as_str()) {
                if found.len() < MAX_ERRORS {
                    let known = Tag::named(tag).unwrap_or(Tag::OperationFailed);
                    found.push(Told {
                        tag: known.as_str().to_owned(),
                        app_tag: text("error-app-tag", MAX_APP_TAG),
                        path: text("error-path", MAX_TEXT),
                        message: text("error-message", MAX_TEXT),
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

    #[test]
    fn what_an_agent_says_of_an_error_is_text_of_yang_and_a_known_tag() {
        let body = "{\"error\": {\"error-tag\": \"\u{fffe}\", \"error-app-tag\": \"\u{fdd0}x\", \"error-message\": \"LONG\"}}"
            .replace("LONG", &"\u{1ffff}".repeat(2000));
        let [told] = &errors(body.as_bytes())[..] else {
            panic!()
        };
        assert_eq!(told.tag, "operation-failed");
        assert_eq!(told.app_tag.as_deref(), Some("\u{fffd}x"));
        let message = told.message.as_deref().unwrap();
        assert!(message.len() <= 1000 && message.chars().all(|c| c == '\u{fffd}'));
    }

    #[test]
    fn only_what_a_restconf_server_answers_goes_on() {
        for passed in [200, 201, 202, 204, 304, 400, 404, 412, 500, 503] {
            assert!(is_passed(StatusCode::from_u16(passed).unwrap()), "{passed}");
        }
        for odd in [101, 103, 206, 299, 301, 302, 307, 401, 407, 600, 999] {
            assert!(!is_passed(StatusCode::from_u16(odd).unwrap()), "{odd}");
        }
        assert_eq!(
            media_type("Application/yang-data+XML; charset=utf-8").unwrap(),
            "application/yang-data+xml"
        );
        for odd in [
            "text/html",
            "application/xhtml+xml",
            "image/svg+xml",
            "",
            "x",
        ] {
            assert_eq!(media_type(odd).unwrap_err().status, 502, "{odd}");
        }
    }

    #[test]
    fn a_location_stays_below_the_agents_root() {
        let to = |value: &str| location(value, "/restconf", "https://c/agents/a/restconf");
        for (value, rest) in [
            (
                "https://agent.invalid/restconf/data/x=1%2F2",
                "/data/x=1%2F2",
            ),
            ("http://elsewhere/restconf/data", "/data"),
            ("/restconf", ""),
        ] {
            let here = format!("https://c/agents/a/restconf{rest}");
            assert_eq!(to(value), Some(here), "{value}");
        }
        for odd in [
            "https://elsewhere/x",
            "https://elsewhere",
            "/restconfx",
            "/restconf/../../../restconf/data",
            "/restconf/%2e%2E/x",
            "/restconf/data?x",
            "/restconf/<script>",
            "javascript:alert(1)",
            "//elsewhere/restconf",
        ] {
            assert_eq!(to(odd), None, "{odd}");
        }
    }
}
