//! An edit on its way to an agent, on condition that its configuration is what was judged.

use super::patch;
use super::{Read, told};
use crate::callhome::{Link, Lost};
use crate::restconf::engine::Written;
use crate::restconf::pass::{self, Told};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode, header};
use glimpse_restconf::Commit;
use hyper::body::Bytes;

/// What an agent said to an edit.
pub(in crate::restconf) enum Sent {
    /// It has taken it; the tag that its configuration has now, if it told.
    Taken(Option<HeaderValue>),
    /// It has refused it.
    Refused(StatusCode, Vec<Told>),
    /// Its configuration is another than the one that was judged.
    Stale,
}

/// Asks an agent for an edit which was planned as `commit` by what was `read`, and admitted.
pub(in crate::restconf) async fn submit(
    link: &Link,
    read: &Read,
    commit: &Commit,
    written: &Written,
    operator: &str,
    root: &str,
) -> Result<Sent, Lost> {
    let Some((known, tag)) = read.known.as_deref().zip(read.tag.clone()) else {
        return by_target(link, None, written, operator).await;
    };
    let condition = Some((header::IF_MATCH, tag.clone()));
    if written.path == "/data" {
        let answer = pass::write(link, written, operator, condition).await?;
        return Ok(sent(&answer, true));
    }
    let Some(patch) = patch::of(known, commit, written, root) else {
        return by_target(link, Some(&tag), written, operator).await;
    };
    let answer = pass::write(link, &patch, operator, condition).await?;
    match answer.status() {
        // It knows no YANG Patch.
        StatusCode::UNSUPPORTED_MEDIA_TYPE
        | StatusCode::METHOD_NOT_ALLOWED
        | StatusCode::NOT_IMPLEMENTED => by_target(link, Some(&tag), written, operator).await,
        _ => Ok(sent(&answer, true)),
    }
}

/// The edit as it was written, where the whole cannot be the condition: the whole is compared right before, and the target is the
/// condition.
async fn by_target(
    link: &Link,
    tag: Option<&HeaderValue>,
    written: &Written,
    operator: &str,
) -> Result<Sent, Lost> {
    let condition: Option<(HeaderName, HeaderValue)> = match pass::look(link, &written.path).await?
    {
        (StatusCode::OK, Some(own)) => Some((header::IF_MATCH, own)),
        (StatusCode::NOT_FOUND, _) if written.method == "PUT" => {
            Some((header::IF_NONE_MATCH, HeaderValue::from_static("*")))
        }
        _ => None,
    };
    if let Some(tag) = tag
        && pass::look(link, "/data").await?.1.as_ref() != Some(tag)
    {
        return Ok(Sent::Stale);
    }
    let answer = pass::write(link, written, operator, condition).await?;
    Ok(sent(&answer, false))
}

fn sent(answer: &Response<Bytes>, whole: bool) -> Sent {
    let status = answer.status();
    let mut errors = pass::errors(answer.body());
    if status == StatusCode::PRECONDITION_FAILED && errors.iter().all(|told| told.app_tag.is_none())
    {
        return Sent::Stale;
    }
    if status.is_success() && errors.is_empty() {
        let tag = answer.headers().get(header::ETAG).cloned();
        return Sent::Taken(tag.filter(|_| whole));
    }
    if errors.is_empty() {
        let message = format!("the agent answered {status}");
        errors.push(told("operation-failed", None, &message));
    }
    Sent::Refused(status, errors)
}
