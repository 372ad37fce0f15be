//! Keeps the responder up while the household allows it, and down otherwise.
//!
//! It listens when four things come together: consent, `responder.enabled`, a certificate that names this agent, and a
//! configuration with the controller's `peer_key`. Whether a session may begin is decided by the daemon, for each anew;
//! which have begun is remembered beyond any one responder, and any one process.

mod sessions;

pub use sessions::SessionFiles;

use crate::clock;
use crate::daemon::Membership;
use crate::local::uci::Settings;
use glimpse_model::id::AgentId;
use glimpse_probe::peer::Limits;
use glimpse_probe::responder::{Config, Event, Memory, Responder};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};

/// Until the port is tried again.
const RETRY: Duration = Duration::from_mins(1);
/// Events that may wait within one responder.
const WAITING: usize = 16;

/// What the daemon is told.
#[derive(Debug)]
pub enum Told {
    /// By the responder.
    Event(Event),
    /// The responder has stopped, and with it every session that has not ended.
    Stopped,
}

/// What a responder is made of.
#[derive(Debug, Clone, PartialEq)]
struct Wanted {
    key: [u8; 32],
    agent: AgentId,
    port: u16,
    limits: Limits,
    max_sessions: u16,
}

/// The settings, the membership and the key that a responder depends on.
#[derive(Debug)]
pub struct Sources {
    /// The household's word.
    pub settings: watch::Receiver<Settings>,
    /// Who this agent is.
    pub membership: watch::Receiver<Membership>,
    /// The controller's key for tokens.
    pub key: watch::Receiver<Option<[u8; 32]>>,
    /// The sessions of all responders before.
    pub memory: Memory,
}

impl Sources {
    fn wanted(&mut self) -> Option<Wanted> {
        let key = *self.key.borrow_and_update();
        let agent = self.membership.borrow_and_update().agent.clone();
        let settings = self.settings.borrow_and_update();
        let granted = settings.responder;
        if !(settings.consent.enabled && granted.enabled) {
            return None;
        }
        Some(Wanted {
            key: key?,
            agent: AgentId::new(&agent?).ok()?,
            port: granted.port,
            limits: Limits {
                max_bytes: granted.max_bytes,
                max_rate_bps: granted.max_rate_bps,
                max_duration_ms: granted.max_duration_ms,
            },
            max_sessions: granted.max_sessions,
        })
    }

    /// Waits until something else is wanted. Once nobody can change anything any more, never returns.
    async fn changed(&mut self, old: Option<&Wanted>) {
        loop {
            let changed = tokio::select! {
                changed = self.settings.changed() => changed,
                changed = self.membership.changed() => changed,
                changed = self.key.changed() => changed,
            };
            if changed.is_err() {
                std::future::pending::<()>().await;
            }
            if self.wanted().as_ref() != old {
                return;
            }
        }
    }
}

/// Serves by what is wanted, anew whenever that changes. Never returns; dropping it ends all sessions.
pub async fn follow(mut sources: Sources, told: mpsc::Sender<Told>) {
    let memory = sources.memory.clone();
    loop {
        let wanted = sources.wanted();
        match &wanted {
            None => sources.changed(None).await,
            Some(some) => tokio::select! {
                () = serve(some, &memory, &told) => {}
                () = sources.changed(wanted.as_ref()) => {}
            },
        }
        if wanted.is_some() {
            // Sessions that were cut off are settled with what they have used.
            let _ = told.send(Told::Stopped).await;
        }
    }
}

async fn serve(wanted: &Wanted, memory: &Memory, told: &mpsc::Sender<Told>) {
    let config = Config {
        key: wanted.key,
        agent: wanted.agent.clone(),
        port: wanted.port,
        limits: wanted.limits,
        max_sessions: wanted.max_sessions,
        memory: memory.clone(),
        clock: Arc::new(clock::now),
    };
    let failed = match Responder::bind(config).await {
        Ok(responder) => {
            log::info!("the responder listens on port {}", responder.port());
            let (events, mut heard) = mpsc::channel(WAITING);
            let pass_on = async {
                while let Some(event) = heard.recv().await {
                    if told.send(Told::Event(event)).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                ended = responder.serve(events) => ended.err().map(|error| error.to_string()),
                // The daemon is stopping.
                () = pass_on => None,
            }
        }
        Err(error) => Some(error.to_string()),
    };
    if let Some(error) = failed {
        log::error!("the responder does not listen: {error}; next attempt in a minute");
    }
    tokio::time::sleep(RETRY).await;
}

#[cfg(test)]
mod tests;
