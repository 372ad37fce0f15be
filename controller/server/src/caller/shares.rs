//! What one agent, or one operator, may hold of the controller at once.

use glimpse_model::id::AgentId;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

/// How many requests of one kind each caller has open.
#[derive(Debug, Clone)]
pub(crate) struct Shares<K = AgentId>(Arc<Mutex<HashMap<K, usize>>>);

/// Counts one request for as long as it lives.
#[derive(Debug)]
pub(crate) struct Share<K: Eq + Hash = AgentId> {
    shares: Shares<K>,
    caller: K,
}

impl<K> Default for Shares<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Eq + Hash + Clone> Shares<K> {
    /// One more request of `caller`; `None` when it has `most` open already.
    pub(crate) fn enter(&self, caller: &K, most: usize) -> Option<Share<K>> {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(caller.clone()).or_insert(0);
        if *count >= most {
            return None;
        }
        *count += 1;
        drop(open);
        Some(Share {
            shares: self.clone(),
            caller: caller.clone(),
        })
    }
}

impl<K: Eq + Hash> Drop for Share<K> {
    fn drop(&mut self) {
        let shares = &self.shares.0;
        let mut open = shares.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.caller) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.caller);
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
