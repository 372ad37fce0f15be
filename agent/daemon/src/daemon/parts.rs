//! What the daemon is made of, and what comes in and out.

use super::{Links, Surroundings};
use crate::executor::{Executor, RunEvent};
use crate::local::history::History;
use crate::local::service::{Asked, Event};
use crate::local::ubus::Bus;
use crate::local::uci::Settings;
use crate::responder::Told;
use crate::spooler::Spooler;
use crate::uplink::Contact;
use crate::uplink::http::Traffic;
use crate::uplink::repository::Upload;
use crate::uplink::supervisor::Heard;
use glimpse_model::id::ResultId;
use glimpse_model::time::Timestamp;
use glimpse_probe::registry::Registry;
use std::sync::Arc;
use tokio::sync::{broadcast, mpsc, watch};

/// Why the daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was told to stop.
    Stop,
    /// The household erases the agent: everything begins anew when that is done.
    Erase,
}

/// Who this agent is to its controller, for `status`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Membership {
    /// The id in its certificate.
    pub agent: Option<String>,
    /// Until when the certificate holds.
    pub valid_until: Option<Timestamp>,
    /// Why it is not a member, or why it cannot renew.
    pub error: Option<String>,
}

/// The ends of the channels that lead to the daemon.
#[derive(Debug)]
pub struct Inboxes {
    /// From the pulling side.
    pub heard: mpsc::Receiver<Heard>,
    /// From the sending side.
    pub uploads: mpsc::Receiver<Contact>,
    /// From the runs.
    pub runs: mpsc::Receiver<RunEvent>,
    /// From the spool: records that are on the device.
    pub written: mpsc::UnboundedReceiver<ResultId>,
    /// From programs on this machine.
    pub asked: mpsc::Receiver<Asked>,
    /// Who this agent is.
    pub membership: watch::Receiver<Membership>,
    /// From the responder.
    pub told: mpsc::Receiver<Told>,
    /// New settings after SIGHUP.
    pub settings: watch::Receiver<Settings>,
    /// SIGTERM.
    pub stop: tokio::sync::oneshot::Receiver<()>,
}

/// What the daemon is made of.
pub struct Parts {
    /// The household's settings.
    pub settings: Settings,
    /// The methods.
    pub registry: watch::Receiver<Arc<Registry>>,
    /// Where runs go.
    pub executor: Executor,
    /// Where records go.
    pub spooler: Spooler,
    /// What the household sees.
    pub history: History,
    /// Where events are told.
    pub tell: broadcast::Sender<Event>,
    /// The system bus, where there is one.
    pub bus: Option<Bus>,
    /// What is wrong with the settings file.
    pub settings_error: watch::Receiver<Option<String>>,
    /// The machine.
    pub surroundings: Surroundings,
    /// When results are sent, for the sending side.
    pub upload: watch::Sender<Upload>,
    /// Bytes exchanged with the controller.
    pub traffic: Arc<Traffic>,
    /// The key that tokens of other agents are signed with, for the responder.
    pub peer_key: watch::Sender<Option<[u8; 32]>>,
    /// What comes by the LMAP door.
    pub links: Links,
}
