//! What one agent may hold of the controller at once.

use glimpse_model::id::AgentId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many requests of one kind each agent has open.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shares(Arc<Mutex<HashMap<AgentId, usize>>>);

/// Counts one request for as long as it lives.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    agent: AgentId,
}

impl Shares {
    /// One more request of `agent`; `None` when it has `most` open already.
    pub(crate) fn enter(&self, agent: &AgentId, most: usize) -> Option<Share> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(agent.clone()).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Share {
            shares: self.clone(),
            agent: agent.clone(),
        })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let shares = &self.shares.0;
        let mut open = shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.agent) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.agent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_share_is_each_agents_own_and_comes_back() {
        let shares = Shares::default();
        let [one, two] = ["one", "two"].map(|id| AgentId::new(id).unwrap());
        let first = shares.enter(&one, 2).unwrap();
        let _second = shares.enter(&one, 2).unwrap();
        assert!(shares.enter(&one, 2).is_none());
        assert!(shares.enter(&two, 2).is_some());
        drop(first);
        assert!(shares.enter(&one, 2).is_some());
        assert_eq!(
            shares.0.lock().unwrap().len(),
            1,
            "nothing is kept of who holds nothing"
        );
    }
}
