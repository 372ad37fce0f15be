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
mod asker;
mod delivery;
mod engine;
mod fleet;
mod loads;
mod own;
mod pass;
mod report;
mod routes;
#[cfg(test)]
mod tests;

pub(crate) use delivery::{contact, deliver};
pub(crate) use pass::root_of;
pub(crate) use routes::{agents as agent_routes, routes};
