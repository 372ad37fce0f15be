//! The system bus of OpenWrt, ubus: the agent's object on it, and what the router's services tell there.
//!
//! ```text
//!  blob ◀── message ◀── session          bytes of the bus, and what passes over a connection: pure
//!                          ▲
//!  object (pure) ──▶ connection ──▶ service        calls of `glimpse`, notifications
//!  facts  ◀──────────── Bus                        interfaces, Wi-Fi, machine
//! ```
//! Where there is no bus, nothing of this happens, and the agent works all the same.

pub mod blob;
mod connection;
pub mod facts;
pub mod message;
pub mod object;
pub mod session;

pub use connection::{Bus, Change};
pub use facts::Facts;
pub use session::CallError;

use super::service::Service;
use std::path::PathBuf;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

/// Where ubusd has its socket: since 21.02, and before.
const USUAL: [&str; 2] = ["/var/run/ubus/ubus.sock", "/var/run/ubus.sock"];
/// Changes that wait for a slow listener; it then misses the oldest.
const CHANGES: usize = 32;

/// Where the system bus is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Place {
    /// Where OpenWrt has it, if this is one.
    #[default]
    Usual,
    /// At this socket.
    At(PathBuf),
    /// The bus is left alone.
    Off,
}

impl Place {
    /// Reads `off`, or an absolute path.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "off" => Some(Self::Off),
            path if path.starts_with('/') => Some(Self::At(path.into())),
            _ => None,
        }
    }

    fn sockets(&self) -> Vec<PathBuf> {
        match self {
            Self::Usual => USUAL.map(PathBuf::from).to_vec(),
            Self::At(path) => vec![path.clone()],
            Self::Off => Vec::new(),
        }
    }
}

/// What others have of the bus. When it is dropped the agent leaves the bus.
#[derive(Debug)]
pub struct Ends {
    /// Calls methods of others.
    pub bus: Bus,
    /// What is known of the line and the machine.
    pub facts: watch::Receiver<Facts>,
    changes: broadcast::Sender<Change>,
    _tasks: JoinSet<()>,
}

impl Ends {
    /// What changes from now on.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }
}

/// Begins to serve `service` on the bus and to gather facts.
pub fn start(place: &Place, service: Service) -> Ends {
    let (bus, calls) = Bus::new();
    let (changes, followed) = broadcast::channel(CHANGES);
    let (facts_tx, facts) = watch::channel(Facts::default());
    let sockets = place.sockets();
    let mut tasks = JoinSet::new();
    if !sockets.is_empty() {
        tasks.spawn(facts::follow(bus.clone(), followed, facts_tx));
        tasks.spawn(connection::keep(sockets, service, calls, changes.clone()));
    }
    Ends {
        bus,
        facts,
        changes,
        _tasks: tasks,
    }
}
