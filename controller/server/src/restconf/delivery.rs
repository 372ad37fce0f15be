//! What happens when an agent is there: its tree is read, and what waits for it is handed over in order.
//!
//! Each edit is judged against the tree that the agent has now, not the one it had when the edit was written: it is validated, admission
//! sees what the agent would then send, and the agent is asked on condition that its configuration is the one that was judged.

mod change;
mod patch;
mod read;
mod submit;

pub(super) use change::{Change, admit, intention};
pub(super) use read::{Read, read, recall};
pub(super) use submit::{Sent, submit};

use super::asker::lost_right;
use super::engine::{self, Known, Written, aside, editor};
use super::pass::{self, Told};
use crate::admission;
use crate::app::Shared;
use crate::callhome::{Link, Lost};
use crate::config::Operator;
use axum::http::StatusCode;
use glimpse_model::id::AgentId;
use glimpse_restconf::Plan;
use glimpse_store::{Edit, Error as StoreError, Outcome, Settled};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How often an edit is tried whose ground has changed in between, and a contact when the database was busy.
pub(super) const TRIES: u32 = 3;
/// After the database was busy, before it is asked again.
const AFTER_FAULT: Duration = Duration::from_secs(1);
/// How often it is looked for what waits though nobody has written anything.
const LOOK: Duration = Duration::from_mins(1);
/// A whole contact: whoever is slower is asked again later, when others had their turn.
const CONTACT: Duration = Duration::from_mins(1);

/// Why a conversation with an agent ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    #[error("{0}")]
    Lost(#[from] Lost),
    #[error("{0}")]
    Store(#[from] StoreError),
    #[error("the agent answered {0} when it was asked for its datastore")]
    Status(StatusCode),
    #[error("{0}")]
    Failed(String),
    #[error("the agent took too long")]
    Late,
}

/// What happens first with an agent that has called, and whenever something was written for it. Whether anything did: there may be
/// somebody at it already, or it is too early after it has failed.
pub(crate) async fn contact(shared: &Shared, agent: &AgentId, link: &Link) -> bool {
    let Some(busy) = shared.connections.begin_contact(agent, shared.now()) else {
        return false;
    };
    loop {
        let turn = shared.connections.turn(agent);
        let _turn = turn.lock().await;
        // A whole town comes back at once after an outage. Whoever waits for another who writes to the same agent takes no place.
        let Ok(_place) = shared.connections.places.acquire().await else {
            return true;
        };
        let ended = tokio::time::timeout(CONTACT, conversation(shared, agent, link)).await;
        let ended = ended.unwrap_or(Err(Ended::Late));
        let well = ended.is_ok();
        if let Err(error) = ended {
            link.remember(None);
            tracing::info!(%agent, %error, "call home: contact ended");
        }
        busy.note(well, link.pause, shared.now());
        if !(well && busy.again()) {
            return true;
        }
    }
}

async fn conversation(shared: &Shared, agent: &AgentId, link: &Link) -> Result<(), Ended> {
    let mut tries = 0;
    loop {
        tries += 1;
        match converse(shared, agent, link).await {
            Err(Ended::Store(error)) if error.is_passing() && tries < TRIES => {
                tracing::debug!(%agent, %error, "call home: contact is tried again");
                tokio::time::sleep(AFTER_FAULT).await;
            }
            ended => return ended,
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
            // Of an agent that somebody is at already, that one hears.
            if shared.connections.is_busy(&agent) {
                continue;
            }
            let shared = Arc::clone(&shared);
            tasks.spawn(async move {
                contact(&shared, &agent, &link).await;
            });
        }
    }
}

async fn converse(shared: &Shared, agent: &AgentId, link: &Link) -> Result<(), Ended> {
    let read = recall(shared, agent, link).await?;
    let edits = shared.store.pending(agent).await?;
    if read.fresh {
        keep(shared, agent, link, &read).await?;
    }
    let mut talk = Talk {
        shared,
        agent,
        link,
        fresh: read.fresh,
        read,
        unsure: false,
    };
    for edit in &edits {
        talk.hand_over(edit).await?;
    }
    // What is admitted for edits that wait stays counted until they are settled, and each of them was accounted for.
    if talk.fresh {
        account(shared, agent, talk.read.known.as_deref()).await?;
    }
    Ok(())
}

/// Stores what was read, and remembers on the connection that it is what is stored.
pub(super) async fn keep(
    shared: &Shared,
    agent: &AgentId,
    link: &Link,
    read: &Read,
) -> Result<(), StoreError> {
    link.remember(None);
    shared.store.know(agent.clone(), read.store(link)).await?;
    if read.known.is_some() {
        link.remember(read.tag.clone());
    }
    Ok(())
}

/// Counts what an agent sends by its configuration, as far as nothing waits for it: of what was let pass, what it has still; of what it
/// has beside that, no more than its part.
async fn account(
    shared: &Shared,
    agent: &AgentId,
    known: Option<&Known>,
) -> Result<(), StoreError> {
    let Some(Ok(loads)) = known.map(|known| known.loads(shared.own())) else {
        return Ok(());
    };
    if !shared.store.pending(agent).await?.is_empty() {
        return Ok(());
    }
    let now = shared.now();
    let counted = shared
        .store
        .count_loads(agent.clone(), loads, now, admission::remains);
    let foreign = counted.await?;
    let counts = admission::foreign(&foreign, &shared.config.limits, now);
    if shared.store.put_foreign(agent.clone(), counts).await? {
        let loads = foreign.len();
        tracing::info!(%agent, loads, "the agent's own configuration sends what was not let pass here");
    }
    Ok(())
}

/// An agent that is being written to.
struct Talk<'a> {
    shared: &'a Shared,
    agent: &'a AgentId,
    link: &'a Link,
    read: Read,
    /// It was read in this conversation.
    fresh: bool,
    /// The agent has taken an edit without telling the tag of what it is now.
    unsure: bool,
}

/// What one try of an edit came to.
enum Tried {
    Settled(Outcome, Vec<Told>),
    /// The agent's tree is another than the one that was read.
    Stale,
}

fn refused(outcome: Outcome, tag: &str, app_tag: Option<&str>, message: &str) -> Tried {
    Tried::Settled(outcome, vec![told(tag, app_tag, message)])
}

impl Talk<'_> {
    async fn hand_over(&mut self, edit: &Edit) -> Result<(), Ended> {
        if std::mem::take(&mut self.unsure) {
            self.read_again().await?;
        }
        let mut tries = 0;
        let (outcome, errors) = loop {
            tries += 1;
            match self.attempt(edit).await? {
                Tried::Settled(outcome, errors) => break (outcome, errors),
                Tried::Stale if tries < TRIES => {
                    self.read_again().await?;
                }
                Tried::Stale => {
                    let message = "the agent's configuration changed while it was written";
                    let errors = vec![told("operation-failed", None, message)];
                    break (Outcome::Refused, errors);
                }
            }
        };
        tracing::info!(agent = %self.agent, edit = edit.id, outcome = outcome.as_str(), "edit settled");
        let known = (outcome == Outcome::Delivered).then(|| self.read.store(self.link));
        let settled = Settled {
            edit: edit.id,
            agent: self.agent.clone(),
            outcome,
            errors: serde_json::to_string(&errors).unwrap_or_else(|_| "[]".to_owned()),
            at: self.shared.now(),
            known,
        };
        self.link.remember(None);
        self.shared.store.settle(settled).await?;
        self.link.remember(self.read.tag.clone());
        Ok(())
    }

    async fn read_again(&mut self) -> Result<(), Ended> {
        self.read = read(self.shared, self.agent, self.link).await?;
        self.fresh = true;
        keep(self.shared, self.agent, self.link, &self.read).await?;
        Ok(())
    }

    /// Whoever wrote an edit has to be one still who may: it may have waited for long.
    async fn author(&self, edit: &Edit) -> Result<Result<Operator, Tried>, StoreError> {
        let operators = &self.shared.config.operators;
        let author = operators.iter().find(|known| known.name == edit.operator);
        let lost = lost_right(self.shared, self.agent, &edit.operator).await?;
        let reason = lost.unwrap_or("who has written this is not known");
        Ok(author
            .filter(|_| lost.is_none())
            .cloned()
            .ok_or_else(|| refused(Outcome::Withheld, "access-denied", None, reason)))
    }

    async fn attempt(&mut self, edit: &Edit) -> Result<Tried, Ended> {
        let Ok(written) = serde_json::from_str::<Written>(&edit.request) else {
            let message = "the edit that was stored does not read";
            return Ok(refused(Outcome::Refused, "operation-failed", None, message));
        };
        let author = match self.author(edit).await? {
            Ok(author) => author,
            Err(refused) => return Ok(refused),
        };
        let Some(known) = self.read.known.clone() else {
            let message =
                "the agent's modules are not known here: what it would send cannot be judged";
            let tag = "operation-not-supported";
            return Ok(refused(Outcome::Withheld, tag, None, message));
        };
        let root = engine::root(self.agent.as_str());
        let time = self.shared.now().as_micros();
        let request = written.request(&root, editor(&author), time);
        let plan = {
            let (known, root) = (Arc::clone(&known), root.clone());
            aside(move || known.plan(&root, &request)).await
        };
        let commit = match plan.map_err(|error| Ended::Failed(error.message))? {
            Plan::Commit(commit) => commit,
            // By what was read a while ago it is so; the agent may have changed since.
            Plan::Reply(_) if !self.read.fresh => return Ok(Tried::Stale),
            // It is so already.
            Plan::Reply(finished) if finished.response.status < 300 => {
                return Ok(Tried::Settled(Outcome::Delivered, Vec::new()));
            }
            Plan::Reply(finished) => {
                let errors = pass::errors(&finished.response.body);
                return Ok(Tried::Settled(Outcome::Refused, errors));
            }
            Plan::Invoke(_) | Plan::Stream(_) => {
                let message = "only edits wait for agents";
                let tag = "operation-not-supported";
                return Ok(refused(Outcome::Refused, tag, None, message));
            }
        };
        let changed = Change::of(self.shared, &known, commit).await;
        let (commit, change) = changed.map_err(|error| Ended::Failed(error.message))?;
        let change = match change {
            Ok(change) => change,
            Err(error) => {
                let (tag, message) = (error.tag.as_str(), &error.message);
                return Ok(refused(Outcome::Refused, tag, None, message));
            }
        };
        if let Err(reason) = change.admit(self.shared, self.agent, &author).await? {
            let (tag, app_tag) = ("resource-denied", Some(ADMISSION));
            return Ok(refused(Outcome::Withheld, tag, app_tag, &reason));
        }
        self.shared.store.attempt(edit.id).await?;
        let sent = submit(
            self.link,
            &self.read,
            &commit,
            &written,
            &edit.operator,
            &root,
        );
        match sent.await? {
            Sent::Stale => {
                change.drop(self.shared, self.agent).await?;
                Ok(Tried::Stale)
            }
            Sent::Refused(_, errors) => {
                change.drop(self.shared, self.agent).await?;
                Ok(Tried::Settled(Outcome::Refused, errors))
            }
            Sent::Taken(tag) => {
                change.make(self.shared, self.agent).await?;
                let next = known.with(commit.tree.clone(), commit.marks.clone());
                self.unsure = tag.is_none();
                self.read = self.read.after(next, tag);
                Ok(Tried::Settled(Outcome::Delivered, Vec::new()))
            }
        }
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

/// The last known tree of an agent with what waits for it, as far as that fits.
pub(super) async fn intended(
    shared: &Shared,
    agent: &AgentId,
    known: &Known,
) -> Result<Known, StoreError> {
    let edits = shared.store.pending(agent).await?;
    if edits.is_empty() {
        return Ok(known.clone());
    }
    let root = engine::root(agent.as_str());
    let start = known.clone();
    let replay = aside(move || {
        let mut next = start;
        for edit in edits {
            let Ok(written) = serde_json::from_str::<Written>(&edit.request) else {
                continue;
            };
            let author = engine::unlimited(&edit.operator);
            let request = written.request(&root, author, edit.written.as_micros());
            if let Plan::Commit(commit) = next.plan(&root, &request) {
                next = next.with(commit.tree.clone(), commit.marks.clone());
            }
        }
        next
    });
    Ok(replay.await.unwrap_or_else(|_| known.clone()))
}
