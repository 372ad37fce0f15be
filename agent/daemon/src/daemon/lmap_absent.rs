//! A build without the LMAP door: nothing of it happens.
#![allow(
    clippy::unused_self,
    clippy::unused_async,
    clippy::needless_pass_by_value,
    reason = "it has the face of the door"
)]

use super::Daemon;
use crate::guard::Rules;
use crate::local::uci::Settings;
use crate::scheduler::skips::Skipped;
use crate::scheduler::state::OpenRun;
use crate::uplink::http::Traffic;
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_model::precondition::Link;
use glimpse_model::record::{Record, SkipReason};
use glimpse_model::time::Timestamp;
use glimpse_probe::registry::Registry;
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::watch;

/// They lead nowhere.
#[derive(Debug, Default)]
pub struct Links(());

impl Links {
    /// There is no door to open.
    pub fn open(settings: watch::Receiver<Settings>, _: Arc<Traffic>) -> Self {
        if settings.borrow().restconf.enabled {
            log::warn!("this build has no RESTCONF: config restconf has no effect");
        }
        Self(())
    }
}

/// There is nothing to be bounded.
pub(super) fn allowance(_: &Rules, _: Link) -> u64 {
    0
}

/// Nothing comes from outside.
pub(super) type Happened = Infallible;

/// No door.
pub(super) struct Lmap;

impl Lmap {
    pub(super) fn new(_: &Settings, _: Arc<Registry>, _: Links, _: Timestamp) -> Self {
        Self
    }

    pub(super) async fn next(&mut self) -> Option<Happened> {
        std::future::pending().await
    }

    pub(super) fn wake_at(&self, _: Timestamp) -> Option<Timestamp> {
        None
    }

    pub(super) fn tick(&mut self, _: Timestamp) {}

    pub(super) fn contact(&mut self, _: Timestamp) {}

    pub(super) fn equip(&mut self, _: &Settings, _: &Arc<Registry>, _: Timestamp) {}

    pub(super) fn began(&mut self, _: &OpenRun, _: Timestamp) {}

    pub(super) fn ended(&mut self, _: &OpenRun, _: &Record, _: Option<i32>, _: Timestamp) -> bool {
        false
    }

    pub(super) fn denied(&mut self, _: ResultId, _: SkipReason, _: &str, _: Timestamp) -> bool {
        false
    }

    pub(super) fn skipped(&mut self, _: &Skipped) {}

    pub(super) fn has(&self, _: &InstructionId) -> bool {
        false
    }

    pub(super) fn take_bytes(&self) -> u64 {
        0
    }
}

impl Daemon {
    pub(super) async fn happened(&mut self, happened: Happened) {
        match happened {}
    }

    pub(super) async fn follow_lmap(&mut self) {}

    pub(super) fn note_instructions(&mut self) {}

    pub(super) async fn stop_lmap(&mut self) {}

    pub(super) fn lmap_schedules(&self) -> Vec<Value> {
        Vec::new()
    }

    pub(super) fn door(&self) -> Value {
        Value::Null
    }

    pub(super) fn weigh_door(&self) {}

    pub(super) fn send_due(&mut self) {}

    pub(super) fn reset_access(&mut self) -> Result<(), String> {
        Err("this build has no LMAP door".to_owned())
    }
}
