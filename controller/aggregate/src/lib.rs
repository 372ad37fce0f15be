//! GLIMPSE: from stored results to figures that may be published.
//!
//! ```text
//! Row ──▶ Observations ──▶ Ledger::release ──▶ Public
//!         (window, trust,   (cohorts of ≥ k     (PIDs, clusters, cells,
//!          mergeable)        subscribers, kept)  intervals, calendars, counts)
//! ```
//!
//! Invariants:
//! - One subscriber has one vote in every cell: its own statistic is computed first
//!   (`per-subscriber-first`), whatever the number of its results.
//! - [`Public`] has no other maker than [`Ledger::release`]; it can be kept and read back. Every set of subscribers behind anything it ever published
//!   is a union of cohorts of at least k, so that differences of cells, windows and versions are too.
//! - The result depends on the set of rows and the ledger alone, never on order, a clock or chance.
//!
//! ```
//! use std::collections::BTreeMap;
//! use glimpse_aggregate::{Clusters, Facts, Labels, Ledger, Metric, Row, Rules, Statistic, Trust, Window};
//!
//! let mut ledger = Ledger::default();
//! let hour = Window::hour_of(0);
//! let mut observations = ledger.observe(hour, hour.end_us(), &Clusters::PerTarget, Trust::default())?;
//! for n in 0..12 {
//!     observations.add(&Row {
//!         subscriber: &format!("agent-{n}"),
//!         labels: Labels { isp: Some("as3320"), region: Some("de-by"), ..Labels::default() },
//!         metric: Metric::DelayRt,
//!         target: "192.0.2.1",
//!         values: &[10_000, 20_000, 30_000],
//!         start_us: 1_000,
//!         received_us: 2_000,
//!         facts: Facts::default(),
//!     });
//! }
//! let rules = Rules {
//!     statistics: BTreeMap::from([(Metric::DelayRt, vec![Statistic::Median])]),
//!     ..Rules::default()
//! };
//! let public = ledger.release(observations, &rules)?;
//! let cell = public.cell(Metric::DelayRt, "as3320:de-by", "MSMNT-CL1").expect("twelve subscribers are enough");
//! assert_eq!(cell.value(Statistic::Median), Some(20_000));
//! assert_eq!(cell.subscribers(), 10); // twelve, rounded down to a multiple of five
//! # Ok::<(), glimpse_aggregate::Refused>(())
//! ```

mod cluster;
mod confidence;
mod extract;
mod group;
mod k;
mod ledger;
mod metric;
mod observe;
mod parallel;
mod pattern;
mod place;
mod public;
mod release;
mod row;
mod statistic;
mod trust;
mod window;

pub use cluster::{CLUSTER_PREFIX, Clusters};
pub use confidence::Interval;
pub use extract::{Extract, MAX_VALUES, Material, OPTIONS, extract};
pub use k::{K, KError};
pub use ledger::{Ledger, Refused};
pub use metric::{Metric, Unit};
pub use observe::{MergeError, Observations};
pub use place::{Labels, Level, Place, TOTAL};
pub use public::{
    Calendar, Figure, Filtered, Public, PublicCell, PublicCluster, PublicPlace, Rules, Unreadable,
};
pub use row::{DelayMethod, PingKind, Row, UnknownPingKind};
pub use statistic::{Percentile, Statistic, UnknownStatistic};
pub use trust::{Facts, Reason, Trust};
pub use window::{Span, Window, WindowError};

/// The value of `cost-context.parameters.aggregation` for every figure of this crate: a subscriber's
/// own statistic first, then the statistic over subscribers.
pub const AGGREGATION: &str = "per-subscriber-first";
