//! GLIMPSE: from stored ping results to figures that may be published.
//!
//! ```text
//! PingRow ──▶ Observations ──▶ groups of ≥ k subscribers ──▶ Public
//!             (window, method,  (merge upwards, complementary   (PIDs, clusters,
//!              trust, labels)    suppression)                    cells in µs, counts)
//! ```
//!
//! Invariants:
//! - One subscriber has one vote in every cell: its own statistic is computed first
//!   (`per-subscriber-first`), whatever the number of its results.
//! - [`Public`] has no other constructor than [`Observations::publish`], so that nothing leaves this
//!   crate without having passed the k-anonymity step ([`K`]).
//! - The result depends on the set of rows alone, never on their order, a clock or chance.
//!
//! ```
//! use glimpse_aggregate::{Clusters, DelayMethod, K, Observations, PingKind, PingRow, Statistic, Window};
//!
//! let rows: Vec<PingRow> = (0..12)
//!     .map(|n| PingRow {
//!         subscriber: format!("agent-{n}"),
//!         isp: Some("as3320".into()),
//!         region: Some("de-by".into()),
//!         target: "192.0.2.1".into(),
//!         kind: PingKind::Icmp,
//!         rtt_us: vec![10_000, 20_000, 30_000],
//!         start_us: 1_000,
//!         trusted: true,
//!     })
//!     .collect();
//! let window = Window::new(0, 3_600_000_000)?;
//! let public = Observations::collect(rows, window, DelayMethod::Datagram, &Clusters::PerTarget)
//!     .publish(K::DEFAULT, &[Statistic::Median]);
//! let cell = public.cell("as3320:de-by", "MSMNT-CL1").expect("twelve subscribers are enough");
//! assert_eq!(cell.value(Statistic::Median), Some(20_000));
//! assert_eq!(cell.subscribers(), 10); // twelve, rounded down to a multiple of five
//! # Ok::<(), glimpse_aggregate::WindowError>(())
//! ```

mod cluster;
mod group;
mod k;
mod observe;
mod place;
mod public;
mod row;
mod statistic;
mod window;

pub use cluster::{CLUSTER_PREFIX, Clusters};
pub use k::{K, KError};
pub use observe::Observations;
pub use place::{Place, TOTAL};
pub use public::{Public, PublicCell, PublicCluster};
pub use row::{DelayMethod, PingKind, PingRow, UnknownPingKind};
pub use statistic::{Percentile, Statistic, UnknownStatistic};
pub use window::{Window, WindowError};

/// The value of `cost-context.parameters.aggregation` for every figure of this crate: a subscriber's
/// own statistic first, then the statistic over subscribers.
pub const AGGREGATION: &str = "per-subscriber-first";
