//! What agents' addresses say of their places, as it becomes known.

use crate::app::Shared;
use glimpse_model::id::AgentId;
use glimpse_store::Labels;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

/// Agents of which is remembered what was noted last.
const MAX_KNOWN: usize = 200_000;

/// Digests of what was noted of agents, so that the database is written to only when that changes.
#[derive(Debug, Default)]
pub(super) struct Noted(Mutex<HashMap<AgentId, u64>>);

impl Noted {
    fn is_known(&self, agent: &AgentId, labels: &Labels) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(agent) == Some(&digest(labels))
    }

    fn insert(&self, agent: AgentId, labels: &Labels) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_KNOWN {
            known.clear();
        }
        known.insert(agent, digest(labels));
    }
}

fn digest(labels: &Labels) -> u64 {
    let mut hasher = DefaultHasher::new();
    labels.hash(&mut hasher);
    hasher.finish()
}

/// Notes the labels of the address that an agent's upload came from. The address itself is kept nowhere.
pub(crate) async fn note(shared: &Shared, agent: &AgentId, address: IpAddr) {
    let places = &shared.places;
    if !places.knows_addresses() {
        return;
    }
    let labels = places.labels(address);
    if labels.is_empty() || places.noted.is_known(agent, &labels) {
        return;
    }
    match shared.store.found(agent.clone(), labels.clone()).await {
        Ok(_) => places.noted.insert(agent.clone(), &labels),
        Err(error) => tracing::warn!(%agent, error = %error, "the agent's place is not noted"),
    }
}
