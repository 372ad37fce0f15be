//! The households of the demonstration.

use std::net::Ipv4Addr;
use std::path::PathBuf;

/// One household with its agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Home {
    /// Its name in the tables.
    pub(super) name: String,
    /// Its agent's id, given by the controller.
    pub(super) agent: String,
    /// Its provider.
    pub(super) isp: &'static str,
    /// Where it lives.
    pub(super) region: &'static str,
    /// Its address.
    pub(super) address: Ipv4Addr,
    /// Its settings.
    pub(super) config: PathBuf,
}

impl Home {
    /// What is said when its agent has enrolled.
    pub(super) fn enrolled_line(&self) -> String {
        format!(
            "{:<12} {} · {} · {:<14} enrolled as {}",
            self.name, self.isp, self.region, self.address, self.agent
        )
    }
}
