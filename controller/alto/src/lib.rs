//! GLIMPSE: ALTO (RFC 7285, RFC 9439) as plain values.
//!
//! ```text
//! Content ──▶ Publication ──▶ answer(request) ──▶ status, headers, bytes
//! (maps, provenance)  (documents with tags, serialised once)
//! ```
//!
//! Invariants:
//! - What was parsed is right: [`PidName`], [`ResourceId`], [`Prefix`], [`CostType`], [`NetworkMap`] and
//!   [`Directory`] cannot hold a value that the RFCs forbid.
//! - Equal content has equal bytes and an equal tag, on any machine and after any restart: everything
//!   is serialised in the order of its names, and a tag is the SHA-256 of the data member.
//! - No clock, file, socket or compressor: the moment of the answer and the compressor are arguments.
//!
//! ```
//! use glimpse_alto::{
//!     Anonymity, Content, Cost, CostMap, Limits, NetworkMap, PidName, Provenance, Publication, Request, ResourceId,
//!     Serving, answer,
//! };
//!
//! let (isp, cluster) = (PidName::new("as3320:de-by")?, PidName::new("MSMNT-CL1")?);
//! let groups = [(isp.clone(), vec![]), (cluster.clone(), vec!["192.0.2.1/32".parse()?])];
//! let publication = Publication::new(Content {
//!     network_map_id: ResourceId::new("nm")?,
//!     network_map: NetworkMap::with_rest(groups, &PidName::total())?,
//!     delay_rt: CostMap::new([(isp, cluster, Cost::new(12_500))]),
//!     provenance: Provenance {
//!         window_start_us: 0,
//!         window_end_us: 3_600_000_000,
//!         aggregation: "per-subscriber-first".into(),
//!         method: "udp-icmp-echo".into(),
//!         samples: 480,
//!         subscribers: 10,
//!         newest_us: Some(3_599_000_000),
//!         anonymity: Anonymity::K(10),
//!     },
//! })?;
//! let request = Request { method: "GET", path: "/costmap/nm/delay-rt", ..Request::default() };
//! let serving = Serving { now_us: 3_600_000_000, next_us: 7_200_000_000, limits: Limits::default() };
//! let response = answer(&publication, &request, &serving);
//! assert_eq!(response.status, 200);
//! assert!(response.body.starts_with(br#"{"cost-map":{"as3320:de-by":{"MSMNT-CL1":12500}}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod answer;
mod cost_map;
mod directory;
mod endpoint_property;
mod fault;
mod instant;
mod metric;
mod name;
mod negotiate;
mod network_map;
mod publication;
mod request_body;
mod tag;

pub mod media;

pub use address::{Endpoint, EndpointError, Family, Prefix, PrefixError};
pub use answer::{Limits, Request, Response, Serving, answer};
pub use cost_map::{Cost, CostMap, Preference};
pub use directory::{Directory, DirectoryBuilder, DirectoryError, Entry, Service};
pub use endpoint_property::EndpointProperties;
pub use fault::{Code, Fault};
pub use instant::{http_date, rfc3339};
pub use metric::{CostContext, CostMetric, CostMode, CostType, MetricError, Parameter};
pub use name::{NameError, PidName, ResourceId};
pub use negotiate::{Acceptance, accepts, accepts_gzip, etag_matches, same_media_type};
pub use network_map::{NetworkMap, NetworkMapError};
pub use publication::{
    Anonymity, Content, Document, Provenance, Publication, PublicationError, Representation,
};
pub use tag::{Tag, VersionTag};
