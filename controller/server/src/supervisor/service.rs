//! What the supervisor does, without HTTP.

use super::SupervisorError;
use crate::app::Shared;
use crate::document::Document;
use glimpse_model::SCHEMA;
use glimpse_model::forget::Forget;
use glimpse_model::id::AgentId;
use glimpse_model::read::{self, Cursor, Refused};
use glimpse_model::time::{SECOND, Timestamp};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How exactly it is noted when an agent was last heard of.
const SEEN_STEP_US: i64 = 60 * SECOND;
/// Requests for instructions that one agent may have open: the one it waits for, and those that its line has
/// swallowed, until they end.
const POLLS_OF_ONE_AGENT: usize = 8;
/// How often it is looked for what another server of this database was told to forget.
const LOOK: Duration = Duration::from_mins(10);
/// Most methods in an announcement.
const MAX_METHODS: usize = 100;

/// How old a wish to be forgotten may be: an agent that cannot reach us keeps trying for as long, and an old wish is not
/// to be shown again.
const WISH_AGE_US: i64 = 90 * 86_400 * SECOND;
/// How far an agent's clock may be ahead.
const WISH_AHEAD_US: i64 = 86_400 * SECOND;

/// When each agent was last noted, so that not every request is a write.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<AgentId, Timestamp>>);

impl Seen {
    /// Whether it is time to note `agent` again.
    fn is_due(&self, agent: &AgentId, now: Timestamp) -> bool {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match noted.get_mut(agent) {
            Some(at) if now.since(*at) < SEEN_STEP_US => false,
            Some(at) => {
                *at = now;
                true
            }
            None => {
                noted.insert(agent.clone(), now);
                true
            }
        }
    }
}

/// Lets an agent pass that is enrolled and not revoked, and notes that it was heard of.
pub(crate) async fn admit_caller(shared: &Shared, agent: &AgentId) -> Result<(), SupervisorError> {
    let known = shared.store.agent(agent).await?;
    match known {
        None => Err(SupervisorError::Unknown),
        Some(known) if known.revoked.is_some() => Err(SupervisorError::Revoked),
        Some(_) => {
            let now = shared.now();
            if shared.seen.is_due(agent, now) {
                shared.store.seen(agent, now);
            }
            Ok(())
        }
    }
}

pub(super) fn configuration(shared: &Shared) -> Result<Document, SupervisorError> {
    let mut configuration = shared.config.agents.clone();
    configuration.peer_key = Some(shared.pki.peers.public());
    let bytes = serde_json::to_vec(&configuration)
        .map_err(|error| Refused::new("configuration", error.to_string()))?;
    Ok(Document::new(bytes))
}

/// The agent's instructions: at once when they are not `known` to it, else as soon as they change,
/// at the latest after `wait`.
pub(super) async fn instructions(
    shared: &Shared,
    agent: &AgentId,
    wait: Duration,
    known: impl Fn(&Document) -> bool,
) -> Result<Document, SupervisorError> {
    shared.metrics.polls.count();
    let polls = &shared.polls;
    let _poll = polls
        .enter(agent, POLLS_OF_ONE_AGENT)
        .ok_or(SupervisorError::Crowded)?;
    let _waiting = shared.metrics.waiting.enter();
    let deadline = tokio::time::sleep(wait);
    tokio::pin!(deadline);
    loop {
        let stopped = async {
            // An error means that whoever stops us is gone, which stops us as well.
            let _ = shared.stop.clone().wait_for(|stop| *stop).await;
        };
        let told = shared.store.visible_to(agent).await?;
        let document = Document::new(set(&told.documents));
        if !known(&document) {
            return Ok(document);
        }
        tokio::select! {
            () = &mut deadline => return Ok(document),
            // Whoever stops us wants no request held open; the agent asks again.
            () = stopped => return Ok(document),
            changed = shared.store.changed(told.revision) => {
                changed?;
                admit_caller(shared, agent).await?;
            }
        }
    }
}

/// The set as a document of schema 2, of instructions that were checked when they were given.
fn set(documents: &[String]) -> Vec<u8> {
    format!(
        "{{\"schema\":{SCHEMA},\"instructions\":[{}]}}",
        documents.join(",")
    )
    .into_bytes()
}

pub(super) async fn announce(
    shared: &Shared,
    agent: AgentId,
    bytes: &[u8],
) -> Result<(), SupervisorError> {
    let value = read::json(bytes)?;
    let members = Cursor::root(&value).object()?;
    members.schema()?;
    members.required("agent_version")?.text(100)?;
    for method in members.required("methods")?.array(MAX_METHODS)? {
        method.object()?.required("name")?.text(64)?;
    }
    shared
        .store
        .announce(agent, value.to_string(), shared.now())
        .await?;
    Ok(())
}

/// Forgets an agent at its household's wish, which its `key` has signed: at once for everybody who asks for it, and its
/// results in pieces after that.
pub(super) async fn forget(
    shared: &Shared,
    agent: AgentId,
    key: &[u8],
    bytes: &[u8],
) -> Result<(), SupervisorError> {
    let wish = Forget::parse(bytes)?;
    if wish.agent != agent {
        return Err(SupervisorError::Wish("the wish is another agent's"));
    }
    let age = shared.now().since(wish.time);
    if !(-WISH_AHEAD_US..=WISH_AGE_US).contains(&age) {
        return Err(SupervisorError::Wish(
            "the wish is too old, or the agent's clock is wrong",
        ));
    }
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key)
        .verify(&Forget::signed(&wish.agent, wish.time), &wish.signature)
        .map_err(|_| SupervisorError::Wish("the signature is not the agent's"))?;
    let document = wish.to_json().to_string();
    shared
        .store
        .forget(agent.clone(), document, shared.now())
        .await?;
    tracing::info!(agent = agent.as_str(), "forgotten at its household's wish");
    shared.forgotten.notify_one();
    Ok(())
}

/// Deletes what forgotten agents had sent, whenever one is forgotten, and what a stopped server left; for ever.
pub(crate) async fn delete_forgotten(shared: Arc<Shared>) {
    loop {
        let deleted = delete_all_forgotten(&shared).await;
        match deleted {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "what forgotten agents had sent is deleted"),
            Err(error) => tracing::warn!(%error, "cannot delete what forgotten agents had sent"),
        }
        let look = tokio::time::sleep(LOOK);
        tokio::select! {
            () = look => {}
            () = shared.forgotten.notified() => {}
        }
    }
}

/// Deletes what forgotten agents had sent, in pieces: others want to write meanwhile.
pub(super) async fn delete_all_forgotten(shared: &Shared) -> Result<u64, glimpse_store::Error> {
    let mut all = 0;
    loop {
        match shared.store.delete_forgotten().await? {
            0 => return Ok(all),
            some => all += some,
        }
    }
}
