//! What happens when an agent is there: its tree is read, and what waits for it is handed over in order.
//!
//! Each edit is judged against the tree that the agent has now, not the one it had when the edit was written: it is validated, admission
//! sees what the agent would then send, and the agent is asked on condition that nothing changed in between.

use super::engine::{self, Known, Written};
use super::pass::{self, Told};
use crate::admission;
use crate::app::Shared;
use crate::callhome::{Link, Lost};
use axum::http::{HeaderValue, Response, StatusCode, header};
use glimpse_model::id::AgentId;
use glimpse_restconf::{Errors, Plan};
use glimpse_store::{Edit, Error as StoreError, Intention, Outcome, Settled};
use glimpse_yang::Tree;
use hyper::body::Bytes;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often an edit is tried whose ground has changed in between, and a contact when the database was busy.
const TRIES: u32 = 3;
/// After the database was busy, before it is asked again.
const AFTER_FAULT: Duration = Duration::from_secs(1);
/// How often it is looked for what waits though nobody has written anything.
const LOOK: Duration = Duration::from_mins(1);

/// Why a conversation with an agent ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Lost(#[from] Lost),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the agent answered {0} when it was asked for its datastore")]
    Status(StatusCode),
}

/// What happens first with an agent that has called, and whenever something was written for it.
pub(crate) async fn contact(shared: &Shared, agent: &AgentId, link: &Link) {
    // A whole town comes back at once after an outage: its agents take turns.
    let Ok(_place) = shared.connections.contacts.acquire().await else {
        return;
    };
    let turn = shared.connections.turn(agent);
    let _turn = turn.lock().await;
    for _ in 0..TRIES {
        match converse(shared, agent, link).await {
            Ok(()) => return,
            Err(Ended::Store(error)) if error.is_passing() => {
                tracing::debug!(%agent, %error, "call home: contact is tried again");
                tokio::time::sleep(AFTER_FAULT).await;
            }
            Err(error) => {
                tracing::info!(%agent, %error, "call home: contact ended");
                return;
            }
        }
    }
}

/// Hands over what waits for agents that are connected, whenever something is written for any; from time to time too, for what an
/// earlier contact could not.
pub(crate) async fn deliver(shared: Arc<Shared>) {
    let mut tasks = JoinSet::new();
    loop {
        // Either ending means the same: look.
        let _ = tokio::time::timeout(LOOK, shared.connections.written.notified()).await;
        while tasks.try_join_next().is_some() {}
        let awaited = match shared.store.awaited().await {
            Ok(awaited) => awaited,
            Err(error) => {
                tracing::error!(%error, "cannot read what waits for agents");
                continue;
            }
        };
        for agent in awaited {
            let Some(link) = shared.connections.link(&agent) else {
                continue;
            };
            let shared = Arc::clone(&shared);
            tasks.spawn(async move { contact(&shared, &agent, &link).await });
        }
    }
}

async fn converse(shared: &Shared, agent: &AgentId, link: &Link) -> Result<(), Ended> {
    let read = read(shared, agent, link).await?;
    let edits = shared.store.pending(agent).await?;
    let loads = match &read.known {
        // What is admitted for edits that wait stays counted until they are settled.
        Some(known) if edits.is_empty() => known.loads().ok(),
        _ => None,
    };
    shared
        .store
        .know(agent.clone(), read.store(link, loads))
        .await?;
    let mut talk = Talk {
        shared,
        agent,
        link,
        read,
    };
    for edit in &edits {
        talk.hand_over(edit).await?;
    }
    Ok(())
}

/// What an agent's datastore was found to be.
pub(super) struct Read {
    /// `None` where its modules are not known here.
    pub(super) known: Option<Known>,
    module_set: Option<String>,
    text: String,
    tag: Option<HeaderValue>,
    at: glimpse_model::time::Timestamp,
}

impl Read {
    pub(super) fn store(&self, link: &Link, loads: Option<Vec<String>>) -> glimpse_store::Known {
        let version = |known: &Known| known.leaf("capabilities", "version");
        glimpse_store::Known {
            module_set: self.module_set.clone(),
            version: self.known.as_ref().and_then(version),
            address: Some(link.address.ip().to_canonical().to_string()),
            tree: self.text.clone(),
            at: self.at,
            loads,
        }
    }
}

/// Reads library and datastore of an agent.
pub(super) async fn read(shared: &Shared, agent: &AgentId, link: &Link) -> Result<Read, Ended> {
    let module_set = module_set(link).await?;
    let running = whole(link, Some("content=config")).await?;
    let all = whole(link, None).await?;
    let at = shared.now();
    let (known, text) = match Known::of(running.body(), all.body(), at.as_micros()) {
        Ok(known) => {
            let text = known.text();
            (Some(known), text)
        }
        Err(error) => {
            tracing::info!(%agent, %error, "the agent's datastore is not of modules that are known here");
            (None, String::from_utf8_lossy(all.body()).into_owned())
        }
    };
    Ok(Read {
        known,
        module_set,
        tag: running.headers().get(header::ETAG).cloned(),
        text,
        at,
    })
}

async fn whole(link: &Link, query: Option<&str>) -> Result<Response<Bytes>, Ended> {
    let answer = pass::read(link, "/data", query).await?;
    if answer.status() == StatusCode::OK {
        Ok(answer)
    } else {
        Err(Ended::Status(answer.status()))
    }
}

/// `content-id` of RFC 8525, or `module-set-id` of RFC 7895.
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

/// An agent that is being written to.
struct Talk<'a> {
    shared: &'a Shared,
    agent: &'a AgentId,
    link: &'a Link,
    read: Read,
}

/// What one try of an edit came to.
enum Tried {
    Settled(Outcome, Vec<Told>),
    /// The agent's tree is another than the one that was read.
    Stale,
}

impl Talk<'_> {
    async fn hand_over(&mut self, edit: &Edit) -> Result<(), Ended> {
        let mut tries = 0;
        let (outcome, errors) = loop {
            tries += 1;
            match self.attempt(edit).await? {
                Tried::Settled(outcome, errors) => break (outcome, errors),
                Tried::Stale if tries < TRIES => {
                    self.read = read(self.shared, self.agent, self.link).await?;
                }
                Tried::Stale => {
                    let message = "the agent's configuration changed while it was written";
                    break (
                        Outcome::Refused,
                        vec![told("operation-failed", None, message)],
                    );
                }
            }
        };
        tracing::info!(agent = %self.agent, edit = edit.id, outcome = outcome.as_str(), "edit settled");
        if outcome != Outcome::Delivered
            && let Some(Ok(loads)) = self.read.known.as_ref().map(Known::loads)
        {
            // What was counted for it is not sent.
            let now = self.shared.now();
            self.shared
                .store
                .count_loads(self.agent.clone(), loads, now)
                .await?;
        }
        let known = (outcome == Outcome::Delivered).then(|| self.read.store(self.link, None));
        let settled = Settled {
            edit: edit.id,
            agent: self.agent.clone(),
            outcome,
            errors: serde_json::to_string(&errors).unwrap_or_else(|_| "[]".to_owned()),
            at: self.shared.now(),
            known,
        };
        self.shared.store.settle(settled).await?;
        Ok(())
    }

    async fn attempt(&mut self, edit: &Edit) -> Result<Tried, Ended> {
        let refuse = |outcome, told| Ok(Tried::Settled(outcome, vec![told]));
        let Ok(written) = serde_json::from_str::<Written>(&edit.request) else {
            let message = "the edit that was stored does not read";
            return refuse(Outcome::Refused, told("operation-failed", None, message));
        };
        let Some(known) = &self.read.known else {
            let message =
                "the agent's modules are not known here: what it would send cannot be judged";
            return refuse(
                Outcome::Withheld,
                told("operation-not-supported", None, message),
            );
        };
        let root = engine::root(self.agent.as_str());
        let request = written.request(&root, &edit.operator, self.shared.now().as_micros());
        let commit = match known.plan(&root, &request) {
            Plan::Commit(commit) => commit,
            // It is so already.
            Plan::Reply(finished) if finished.response.status < 300 => {
                return Ok(Tried::Settled(Outcome::Delivered, Vec::new()));
            }
            Plan::Reply(finished) => {
                return Ok(Tried::Settled(
                    Outcome::Refused,
                    pass::errors(&finished.response.body),
                ));
            }
            Plan::Invoke(_) | Plan::Stream(_) => {
                let message = "only edits wait for agents";
                return refuse(
                    Outcome::Refused,
                    told("operation-not-supported", None, message),
                );
            }
        };
        let next = known.with(commit.tree.clone(), commit.marks.clone());
        let loads = match next.loads() {
            Ok(loads) => loads,
            Err(error) => {
                return refuse(
                    Outcome::Refused,
                    told(error.tag.as_str(), None, &error.message),
                );
            }
        };
        if let Err(reason) = admit(self.shared, self.agent, Some(loads), false, None).await? {
            return refuse(
                Outcome::Withheld,
                told("resource-denied", Some(ADMISSION), &reason),
            );
        }
        let condition = if written.path == "/data" {
            self.read.tag.clone().map(|tag| (header::IF_MATCH, tag))
        } else {
            match pass::look(self.link, &written.path).await? {
                (StatusCode::OK, Some(tag)) => Some((header::IF_MATCH, tag)),
                (StatusCode::NOT_FOUND, _) if written.method == "PUT" => {
                    Some((header::IF_NONE_MATCH, HeaderValue::from_static("*")))
                }
                _ => None,
            }
        };
        self.shared.store.attempt(edit.id).await?;
        let answer = pass::write(self.link, &written, &edit.operator, condition).await?;
        let errors = pass::errors(answer.body());
        if answer.status() == StatusCode::PRECONDITION_FAILED
            && errors.iter().all(|told| told.app_tag.is_none())
        {
            return Ok(Tried::Stale);
        }
        if !answer.status().is_success() || !errors.is_empty() {
            let errors = if errors.is_empty() {
                vec![told(
                    "operation-failed",
                    None,
                    &format!("the agent answered {}", answer.status()),
                )]
            } else {
                errors
            };
            return Ok(Tried::Settled(Outcome::Refused, errors));
        }
        self.read.text = next.text();
        self.read.known = Some(next);
        self.read.at = self.shared.now();
        self.read.tag = answer
            .headers()
            .get(header::ETAG)
            .cloned()
            .filter(|_| written.path == "/data");
        if self.read.tag.is_none() {
            self.read.tag = pass::look(self.link, "/data").await?.1;
        }
        Ok(Tried::Settled(Outcome::Delivered, Vec::new()))
    }
}

/// `error-app-tag` of what admission refused.
pub(super) const ADMISSION: &str = "glimpse-admission";

pub(super) fn told(tag: &str, app_tag: Option<&str>, message: &str) -> Told {
    Told {
        tag: tag.to_owned(),
        app_tag: app_tag.map(str::to_owned),
        path: None,
        message: Some(message.to_owned()),
    }
}

/// Asks the one admission function whether an agent may come to send this, and counts it if so; a refusal is told in words.
/// Loads that are not known yet are judged when the edit is handed over.
pub(super) async fn admit(
    shared: &Shared,
    agent: &AgentId,
    loads: Option<Vec<String>>,
    once: bool,
    edit: Option<glimpse_store::NewEdit>,
) -> Result<Result<(), String>, StoreError> {
    let now = shared.now();
    let judge = admission::loads(shared.config.limits.clone(), now);
    let intention = Intention {
        agent: agent.clone(),
        loads,
        once,
        edit,
    };
    let verdicts = shared.store.intend(vec![intention], now, judge).await?;
    let verdict = verdicts.into_iter().next().unwrap_or(Ok(()));
    Ok(verdict.map_err(|withholding| withholding.reason))
}

/// The last known tree of an agent with what waits for it, as far as that fits.
pub(super) async fn intended(
    shared: &Shared,
    agent: &AgentId,
    known: &Known,
) -> Result<Known, StoreError> {
    let root = engine::root(agent.as_str());
    let mut next = known.clone();
    for edit in shared.store.pending(agent).await? {
        let Ok(written) = serde_json::from_str::<Written>(&edit.request) else {
            continue;
        };
        let request = written.request(&root, &edit.operator, edit.written.as_micros());
        if let Plan::Commit(commit) = next.plan(&root, &request) {
            next = next.with(commit.tree.clone(), commit.marks.clone());
        }
    }
    Ok(next)
}

/// What a configuration would make the agent send, or why that is not known.
pub(super) fn loads_of(
    known: &Known,
    tree: &Tree,
    marks: &glimpse_restconf::tags::Marks,
) -> Result<Vec<String>, Errors> {
    known
        .with(tree.clone(), marks.clone())
        .loads()
        .map_err(Errors::from)
}
