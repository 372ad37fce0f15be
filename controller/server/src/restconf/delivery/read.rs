//! What an agent's datastore is at a moment.

use super::Ended;
use crate::app::Shared;
use crate::callhome::Link;
use crate::restconf::engine::{self, Known, aside};
use crate::restconf::pass;
use axum::http::{HeaderValue, Response, StatusCode, header};
use glimpse_model::id::AgentId;
use glimpse_model::time::Timestamp;
use hyper::body::Bytes;
use std::sync::Arc;

/// What an agent's datastore was found to be.
#[derive(Debug, Clone)]
pub(in crate::restconf) struct Read {
    /// `None` where its modules are not known here.
    pub(in crate::restconf) known: Option<Arc<Known>>,
    /// The entity tag of the configuration.
    pub(in crate::restconf) tag: Option<HeaderValue>,
    /// Read just now, rather than earlier on this connection.
    pub(in crate::restconf) fresh: bool,
    module_set: Option<String>,
    text: String,
    at: Timestamp,
}

impl Read {
    /// What is to be stored of it.
    pub(in crate::restconf) fn store(&self, link: &Link) -> glimpse_store::Known {
        let known = self.known.as_deref();
        glimpse_store::Known {
            module_set: self.module_set.clone(),
            version: known.and_then(|known| known.leaf("capabilities", "version")),
            address: Some(link.address.ip().to_canonical().to_string()),
            identity: known.map(Known::identity).unwrap_or_default(),
            tree: self.text.clone(),
            at: self.at,
        }
    }

    /// The same after an edit: another configuration, of which the agent has told the tag or has not. The state stays as it was read.
    pub(in crate::restconf) fn after(&self, next: Known, tag: Option<HeaderValue>) -> Self {
        Self {
            text: next.text(),
            known: Some(Arc::new(next)),
            tag,
            fresh: true,
            module_set: self.module_set.clone(),
            at: self.at,
        }
    }
}

/// What the agent's datastore is by what was read on this connection, or else by reading it. Whether it has changed since is shown
/// by its tag, which goes with every edit.
pub(in crate::restconf) async fn recall(
    shared: &Shared,
    agent: &AgentId,
    link: &Link,
) -> Result<Read, Ended> {
    if let Some(tag) = link.remembered()
        && let Some((stored, Some(text))) = shared.store.datastore(agent).await?
    {
        let at = stored.known.unwrap_or(Timestamp::from_micros(0));
        let read = aside(move || {
            let known = Known::read(text.as_bytes(), at.as_micros());
            known.map(|known| (Arc::new(known), text))
        });
        if let Ok(Ok((known, text))) = read.await {
            return Ok(Read {
                known: Some(known),
                tag: Some(tag),
                fresh: false,
                module_set: stored.module_set,
                text,
                at,
            });
        }
    }
    read(shared, agent, link).await
}

/// Reads an agent's datastore: configuration, and state with the library in it.
pub(in crate::restconf) async fn read(
    shared: &Shared,
    agent: &AgentId,
    link: &Link,
) -> Result<Read, Ended> {
    link.remember(None);
    let running = whole(link, "content=config").await?;
    let state = whole(link, "content=nonconfig").await?;
    let tag = running.headers().get(header::ETAG).cloned();
    let at = shared.now();
    let here = engine::root(agent.as_str());
    let there = Arc::clone(&link.root);
    let found = aside(move || {
        let (running, state) = (running.into_body(), state.into_body());
        let roots = (&*there, here.as_str());
        Known::of(&running, &state, roots, at.as_micros())
            .map(|known| {
                let text = known.text();
                (Arc::new(known), text)
            })
            .map_err(|error| (error, running))
    });
    let found = found.await.map_err(|error| Ended::Failed(error.message))?;
    Ok(match found {
        Ok((known, text)) => Read {
            module_set: match known.module_set() {
                Some(own) => Some(own),
                None => module_set(link).await?,
            },
            known: Some(known),
            tag,
            fresh: true,
            text,
            at,
        },
        Err((error, running)) => {
            tracing::info!(%agent, %error, "the agent's datastore is not of modules that are known here");
            Read {
                known: None,
                tag,
                fresh: true,
                module_set: module_set(link).await?,
                text: String::from_utf8_lossy(&running).into_owned(),
                at,
            }
        }
    })
}

async fn whole(link: &Link, query: &str) -> Result<Response<Bytes>, Ended> {
    let answer = pass::read(link, "/data", Some(query)).await?;
    if answer.status() == StatusCode::OK {
        Ok(answer)
    } else {
        Err(Ended::Status(answer.status()))
    }
}

/// `content-id` of RFC 8525, or `module-set-id` of RFC 7895, where the whole of the state did not have it.
async fn module_set(link: &Link) -> Result<Option<String>, Ended> {
    for (path, member) in [
        (
            "/data/ietf-yang-library:yang-library/content-id",
            "ietf-yang-library:content-id",
        ),
        (
            "/data/ietf-yang-library:modules-state/module-set-id",
            "ietf-yang-library:module-set-id",
        ),
    ] {
        let answer = pass::read(link, path, None).await?;
        if answer.status() != StatusCode::OK {
            continue;
        }
        let value: serde_json::Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        if let Some(id) = value.get(member).and_then(serde_json::Value::as_str) {
            return Ok(Some(id.chars().take(256).collect()));
        }
    }
    Ok(None)
}
