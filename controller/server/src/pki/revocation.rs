//! Which certificates and agents are no longer believed.

use super::AgentCertificate;
use arc_swap::ArcSwap;
use glimpse_model::id::AgentId;
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::watch;

/// What is revoked: single certificates, and agents with all their certificates, past and future.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revoked {
    /// Serial numbers as [`AgentCertificate::serial`] writes them.
    pub serials: HashSet<String>,
    /// Agents. One that is to come back has to be taken out again, its old serials put in.
    pub agents: HashSet<AgentId>,
}

/// The set in force, shared by everything that asks. A change holds from the next question on and wakes whoever
/// waits in [`Revocations::revoked`]; nothing is restarted.
///
/// The set lives in memory: the store is read at start, and after that each revocation is first stored, then put here.
#[derive(Debug, Clone)]
pub struct Revocations {
    set: Arc<ArcSwap<Revoked>>,
    changed: Arc<watch::Sender<()>>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new(Revoked::default())
    }
}

impl Revocations {
    /// Begins with `revoked`.
    pub fn new(revoked: Revoked) -> Self {
        Self {
            set: Arc::new(ArcSwap::from_pointee(revoked)),
            changed: Arc::new(watch::Sender::new(())),
        }
    }

    /// Puts another set in force.
    pub fn replace(&self, revoked: Revoked) {
        self.set.store(Arc::new(revoked));
        self.changed.send_replace(());
    }

    /// Changes the set in force.
    pub fn update(&self, change: impl Fn(&mut Revoked)) {
        self.set.rcu(|set| {
            let mut next = Revoked::clone(set);
            change(&mut next);
            next
        });
        self.changed.send_replace(());
    }

    /// Whether `certificate` is revoked, itself or by its agent.
    pub fn contains(&self, certificate: &AgentCertificate) -> bool {
        let set = self.set.load();
        set.serials.contains(&certificate.serial) || set.agents.contains(&certificate.agent)
    }

    /// Returns when `certificate` is revoked: at once if it is, perhaps never.
    pub async fn revoked(&self, certificate: &AgentCertificate) {
        let mut changed = self.changed.subscribe();
        while !self.contains(certificate) {
            if changed.changed().await.is_err() {
                // We hold the sender ourselves, so it cannot be gone.
                return std::future::pending().await;
            }
        }
    }
}
