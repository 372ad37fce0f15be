//! GLIMPSE: ALTO (RFC 7285, RFC 9439) as plain values.
//!
//! ```text
//! Content ──▶ Publication ──▶ answer(request) ──▶ status, headers, bytes
//! (editions)  (documents with tags, serialised once; questions)
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
//! use std::collections::BTreeMap;
//! use std::sync::Arc;
//!
//! use glimpse_alto::{
//!     Anonymity, Column, Content, Cost, CostContext, CostMap, CostMetric, Edition, Limits, NetworkMap, PidName, Preference,
//!     Provenance, Publication, Request, ResourceId, Serving, Shelf, Shelved, answer,
//! };
//!
//! let (isp, cluster) = (PidName::new("as3320:de-by")?, PidName::new("MSMNT-CL1")?);
//! let groups = [(isp.clone(), vec![]), (cluster.clone(), vec!["192.0.2.1/32".parse()?])];
//! let delay = CostMap::new([(isp, cluster, Cost::new(12_500))]);
//! let column = |name: &str, metric, costs| Column {
//!     name: name.into(),
//!     metric,
//!     preference: Preference::Lower,
//!     context: CostContext::default(),
//!     description: "median round-trip time".into(),
//!     costs,
//!     calendars: vec![],
//!     fetched: true,
//!     samples: 480,
//!     subscribers: 10,
//! };
//! let edition = Edition {
//!     id: ResourceId::new("nm")?,
//!     map: Arc::new(NetworkMap::with_rest(groups, &PidName::total())?),
//!     columns: vec![
//!         column("routingcost", CostMetric::routingcost(), delay.routingcost()),
//!         column("delay-rt", CostMetric::delay_rt(), delay),
//!     ],
//!     properties: BTreeMap::new(),
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
//! };
//! let editions = vec![Shelved { edition, shelf: Shelf::Current }];
//! let publication = Publication::new(Content { editions, fetched_only: false })?;
//! let request = Request { method: "GET", path: "/costmap/nm/delay-rt", ..Request::default() };
//! let serving = Serving { now_us: 3_600_000_000, next_us: 7_200_000_000, limits: Limits::default() };
//! let response = answer(&publication, &request, &serving);
//! assert_eq!(response.status, 200);
//! assert!(response.body.starts_with(br#"{"cost-map":{"as3320:de-by":{"MSMNT-CL1":12500}}"#));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod address;
mod answer;
mod constraint;
mod cost_map;
mod directory;
mod edition;
mod endpoint_cost;
mod endpoint_property;
mod entity;
mod fault;
mod filtered_cost_map;
mod filtered_network_map;
mod instant;
mod lookup;
mod metric;
mod name;
mod negotiate;
mod network_map;
mod parallel;
mod property_map;
mod publication;
mod query;
mod request_body;
mod tag;
mod update_stream;

pub mod media;
pub mod merge_patch;

pub use address::{Endpoint, EndpointError, Family, Prefix, PrefixError};
pub use answer::{Limits, Request, Response, Serving, admit, answer};
pub use cost_map::{Cost, CostMap, CostMaps, CostRow, CostSlice, Intervals, Preference};
pub use directory::{
    CalendarAttributes, Constraints, Costs, Directory, DirectoryBuilder, DirectoryError, Entry,
    Service,
};
pub use edition::{Calendar, CalendarKind, Column, Edition};
pub use endpoint_cost::EndpointCost;
pub use endpoint_property::EndpointProperties;
pub use entity::{EntityDomain, PropertyName, PropertyNameError};
pub use fault::{Code, Fault};
pub use filtered_cost_map::FilteredCostMap;
pub use filtered_network_map::FilteredNetworkMap;
pub use instant::{http_date, rfc3339};
pub use metric::{CostContext, CostMetric, CostMode, CostType, MetricError, Parameter};
pub use name::{NameError, PidName, ResourceId};
pub use negotiate::{Acceptance, accepts, accepts_gzip, etag_matches, same_media_type};
pub use network_map::{Group, NetworkMap, NetworkMapError};
pub use property_map::{FilteredPropertyMap, PropertyMap};
pub use publication::{
    Anonymity, Content, Document, Provenance, Publication, PublicationError, Representation,
    ResourceKind, Shelf, Shelved,
};
pub use query::Refusal;
pub use tag::{Tag, VersionTag};
pub use update_stream::{
    Applied, COMMENT, Event, EventText, Next, Stream, StreamLimits, StreamRefusal, Turn,
};
