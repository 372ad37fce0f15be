//! RESTCONF (RFC 8040): the root of the controller itself, one root for each agent, and the collector of reports.
//!
//! ```text
//!  operator ─▶ /restconf ──────────────▶ own: glimpse-fleet, jobs
//!           ─▶ /agents/ID/restconf ─▶ agents ─┬─ connected: judged, then handed through
//!                                             └─ not: last known tree; edits are judged and wait ─▶ delivery
//!  agent ───▶ /restconf/operations/ietf-lmap-report:report ─▶ report
//!  agent ───▶ call home ─▶ delivery: reads its tree, hands over what waits
//! ```
//! Whatever may make an agent send packets is judged by [`crate::admission::loads`] first, whichever way it takes.

mod agents;
mod answers;
mod asker;
mod delivery;
mod engine;
mod fleet;
mod loads;
mod own;
mod pass;
mod places;
mod report;
mod routes;
#[cfg(test)]
mod tests;

pub(crate) use delivery::{contact, deliver};
pub use pass::root_of;
pub(crate) use report::forget as forget_reports;
pub(crate) use routes::{agents as agent_routes, elsewhere, routes};

use crate::caller::Shares;
use glimpse_model::time::Timestamp;
use places::Places;

/// What is kept between requests; nothing that is not in the database.
#[derive(Debug)]
pub(crate) struct Restconf {
    /// Places for bodies of operators that come in.
    bodies: Places,
    /// Places for requests about the fleet.
    reads: Places,
    /// Requests to agents that each operator has open.
    open: Shares<String>,
    fleet: fleet::Cache,
    failures: asker::Failures,
    /// Held by whoever reads the labels of agents to write them.
    editing: tokio::sync::Mutex<()>,
}

impl Restconf {
    pub(crate) fn new(started: Timestamp) -> Self {
        Self {
            bodies: Places::new(16, 8),
            reads: Places::new(4, 16),
            open: Shares::default(),
            fleet: fleet::Cache::new(started),
            failures: asker::Failures::default(),
            editing: tokio::sync::Mutex::default(),
        }
    }
}
