//! What the publisher of maps reads and keeps.

use glimpse_model::time::Timestamp;
use std::sync::Arc;

/// What one result has measured of what is published, and its circumstances. What is not known is `None`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Measured {
    /// Name or address of the far end; `None` where there is none that may be named.
    pub target: Option<String>,
    /// Whether the far end is another agent, and so perhaps a household.
    pub between_agents: bool,
    /// Load of the agent's processors, percent.
    pub cpu_percent: Option<u32>,
    /// What others sent and received over the line meanwhile, bits per second.
    pub cross_traffic_bps: Option<u64>,
    /// Signal of the wireless link, dBm.
    pub wifi_dbm: Option<i32>,
    /// How far the agent's clock was off, microseconds.
    pub clock_offset_us: Option<i64>,
    /// Values by the number of their metric, in the metric's unit. The numbers are the publisher's and never change their meaning.
    pub figures: Vec<(u8, Vec<u64>)>,
}

/// A stored result with what it measured, joined with its agent's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeasuredRow {
    /// Whose it is.
    pub agent: Arc<str>,
    /// The agent's label `isp`.
    pub isp: Option<Arc<str>>,
    /// The agent's label `region`.
    pub region: Option<Arc<str>>,
    /// The agent's label `technology`.
    pub technology: Option<Arc<str>>,
    /// The agent's label `contract`.
    pub contract: Option<Arc<str>>,
    /// Name or address of the far end; empty where there is none that may be named.
    pub target: String,
    /// Whether the far end is another agent, and so perhaps a household: its address must not be published.
    pub between_agents: bool,
    /// When it started, by the agent's clock.
    pub start: Timestamp,
    /// When it was received, by ours.
    pub received: Timestamp,
    /// Whether the agent's clock was far off.
    pub clock_suspect: bool,
    /// Load of the agent's processors, percent.
    pub cpu_percent: Option<u32>,
    /// What others sent and received over the line meanwhile, bits per second.
    pub cross_traffic_bps: Option<u64>,
    /// Signal of the wireless link, dBm.
    pub wifi_dbm: Option<i32>,
    /// How far the agent's clock was off, microseconds.
    pub clock_offset_us: Option<i64>,
    /// Values by the number of their metric, in the metric's unit; a result may have none.
    pub figures: Vec<(u8, Vec<u64>)>,
}

/// What was published of one window. The store knows nothing of what the document says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AltoPublic {
    /// Which kind of window it is, such as `hour`.
    pub span: String,
    /// First moment of the window.
    pub start_us: i64,
    /// First moment after it.
    pub end_us: i64,
    /// Which version of the window.
    pub version: u64,
    /// What was published.
    pub document: Vec<u8>,
}
