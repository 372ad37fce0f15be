//! How the door stands: `/glimpse-agent:agent/doors`.

use crate::local::uci::restconf::Remote;
use crate::uplink::Contact;
use glimpse_model::time::Timestamp;
use glimpse_restconf::cert_to_name::Entry;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A controller that is called.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Called {
    /// When the connection that stands was made.
    pub since: Option<Timestamp>,
    /// Who it proved to be.
    pub user: Option<String>,
    /// How attempts go.
    pub contact: Contact,
}

/// A moment of the door.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// Connections that are open, by where they were accepted.
    pub listens: BTreeMap<(IpAddr, u16), u32>,
    /// Who is called.
    pub called: BTreeMap<Remote, Called>,
    /// How users are named.
    pub entries: Vec<Entry>,
}

/// The door as its parts describe it.
#[derive(Debug, Default)]
pub struct Doors {
    standing: Mutex<Standing>,
    /// Its bytes of this month are used up.
    spent: AtomicBool,
}

impl Doors {
    /// How it stands now.
    pub fn standing(&self) -> Standing {
        self.lock().clone()
    }

    pub(super) fn clear(&self) {
        *self.lock() = Standing::default();
    }

    pub(super) fn known(&self, entries: Vec<Entry>) {
        self.lock().entries = entries;
    }

    pub(super) fn listens(&self, at: SocketAddr) {
        self.lock().listens.entry((at.ip(), at.port())).or_default();
    }

    pub(super) fn count(&self, at: SocketAddr, more: bool) {
        // Where nobody listens any more, the last connections are not counted.
        if let Some(count) = self.lock().listens.get_mut(&(at.ip(), at.port())) {
            *count = if more {
                count.saturating_add(1)
            } else {
                count.saturating_sub(1)
            };
        }
    }

    pub(super) fn called(&self, remote: &Remote, change: impl FnOnce(&mut Called)) {
        change(self.lock().called.entry(remote.clone()).or_default());
    }

    /// Says whether the bytes of this month are used up; whether that is news.
    pub fn set_spent(&self, spent: bool) -> bool {
        self.spent.swap(spent, Ordering::Relaxed) != spent
    }

    /// Whether the bytes of this month are used up.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
