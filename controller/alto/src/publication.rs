//! Everything that is published at one moment, as finished bytes.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use thiserror::Error;

use crate::directory::{DirectoryBuilder, Entry, Service};
use crate::{
    CostContext, CostMap, CostMetric, CostMode, CostType, DirectoryError, EndpointProperties,
    NameError, NetworkMap, Parameter, PidName, Preference, ResourceId, Tag, VersionTag, media,
    rfc3339,
};

/// The rule that protects households in the published figures; the directory declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Anonymity {
    /// No figure stands for fewer subscribers than this (`meta.glimpse-k`).
    K(u64),
    /// The rule is lifted (`meta.glimpse-lab`).
    Lab,
}

/// How the figures came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provenance {
    /// First moment of the window, microseconds UTC since 1970.
    pub window_start_us: i64,
    /// First moment after the window.
    pub window_end_us: i64,
    /// How results became figures, for instance `per-subscriber-first`.
    pub aggregation: String,
    /// How the delay was measured, for instance `udp-icmp-echo`.
    pub method: String,
    /// Round-trip times behind the figures.
    pub samples: u64,
    /// Subscribers behind the figures, as it may be published.
    pub subscribers: u64,
    /// Newest measurement in the data, microseconds UTC since 1970 (RFC 9439 §6.2).
    pub newest_us: Option<i64>,
    /// The rule that was applied.
    pub anonymity: Anonymity,
}

/// What is to be published.
#[derive(Clone, Debug)]
pub struct Content {
    /// Id of the network map, for instance `nm`. The ids of the cost maps begin with it.
    pub network_map_id: ResourceId,
    /// The groups of addresses.
    pub network_map: NetworkMap,
    /// Median round-trip times in microseconds; the source is where the pings were sent from
    /// (RFC 9439 §4.2: source → destination → source).
    pub delay_rt: CostMap,
    /// How they came about.
    pub provenance: Provenance,
}

/// Why content cannot be published.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PublicationError {
    /// A cost map names a PID that the network map does not have.
    #[error("cost of {0}, which is no PID of the network map")]
    UnknownPid(PidName),
    /// The id of the network map is too long to begin other ids with.
    #[error("resource id: {0}")]
    Name(#[from] NameError),
    /// The directory does not hold together.
    #[error("directory: {0}")]
    Directory(#[from] DirectoryError),
}

/// One form of a document with its entity tag.
#[derive(Clone, Debug)]
pub struct Representation {
    /// The body.
    pub bytes: Arc<[u8]>,
    /// Strong entity tag, with its quotes; another for each coding (RFC 9110 §8.8.3.3).
    pub etag: String,
}

/// A document that is fetched by GET.
#[derive(Clone, Debug)]
pub struct Document {
    /// Bare media type.
    pub media_type: &'static str,
    /// As it is.
    pub identity: Representation,
    /// Compressed, if [`Publication::compressed`] made it.
    pub gzip: Option<Representation>,
}

impl Document {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let etag = format!("\"{}\"", Tag::of(&bytes).as_str());
        Self {
            media_type,
            identity: Representation {
                bytes: bytes.into(),
                etag,
            },
            gzip: None,
        }
    }

    fn compress(&mut self, gzip: impl Fn(&[u8]) -> Vec<u8>) {
        let etag = format!("{}-gzip\"", self.identity.etag.trim_end_matches('"'));
        self.gzip = Some(Representation {
            bytes: gzip(&self.identity.bytes).into(),
            etag,
        });
    }
}

/// What answers at a path.
#[derive(Clone, Debug)]
pub(crate) enum Resource {
    Document(Document),
    EndpointProperties(EndpointProperties),
}

/// Everything that is published at one moment. Cheap to answer from: all documents are finished.
#[derive(Clone, Debug)]
pub struct Publication {
    resources: BTreeMap<String, Resource>,
    newest_us: Option<i64>,
}

/// The path of the directory, relative to where the service is mounted.
const ROOT: &str = "/";
const ENDPOINT_PROPERTY_ID: &str = "endpoint-property";
const ENDPOINT_PROPERTY_URI: &str = "endpointprop";

impl Publication {
    /// Checks the content, derives `routingcost` and the ordinal maps, and serialises everything.
    pub fn new(content: Content) -> Result<Self, PublicationError> {
        let Content {
            network_map_id,
            network_map,
            delay_rt,
            provenance,
        } = content;
        if let Some(unknown) = delay_rt
            .cells()
            .flat_map(|(s, d, _)| [s, d])
            .find(|pid| !network_map.contains(pid))
        {
            return Err(PublicationError::UnknownPid(unknown.clone()));
        }
        let map_vtag = VersionTag {
            resource_id: network_map_id.clone(),
            tag: network_map.tag(),
        };
        let mut directory = DirectoryBuilder::new(network_map_id.clone(), provenance.anonymity);
        let mut resources = BTreeMap::new();

        let uri = format!("networkmap/{network_map_id}");
        resources.insert(
            path(&uri),
            Resource::Document(network_map_document(&network_map, &map_vtag)),
        );
        directory = directory.entry(Entry {
            id: network_map_id.clone(),
            uri,
            service: Service::NetworkMap,
        });

        for CostMapPlan {
            name,
            cost_type,
            map,
        } in cost_maps(&delay_rt, &provenance)
        {
            let id = ResourceId::new(&format!("{network_map_id}-{name}"))?;
            let uri = format!("costmap/{network_map_id}/{name}");
            let vtag = VersionTag {
                resource_id: id.clone(),
                tag: map.tag(),
            };
            let document = cost_map_document(&map, &cost_type, &map_vtag, &vtag, &provenance);
            resources.insert(path(&uri), Resource::Document(document));
            let service = Service::CostMap {
                network_map: network_map_id.clone(),
                cost_type_names: vec![name.to_owned()],
            };
            directory = directory
                .cost_type(name, cost_type)
                .entry(Entry { id, uri, service });
        }

        let properties = EndpointProperties::new([(map_vtag, Arc::new(network_map))]);
        resources.insert(
            path(ENDPOINT_PROPERTY_URI),
            Resource::EndpointProperties(properties),
        );
        let directory = directory
            .entry(Entry {
                id: ResourceId::new(ENDPOINT_PROPERTY_ID)?,
                uri: ENDPOINT_PROPERTY_URI.to_owned(),
                service: Service::EndpointProperty {
                    pid_of: vec![network_map_id],
                },
            })
            .build()?;
        let document = Document::new(media::DIRECTORY, directory.to_bytes());
        resources.insert(ROOT.to_owned(), Resource::Document(document));
        Ok(Self {
            resources,
            newest_us: provenance.newest_us,
        })
    }

    /// The same with every document compressed once by the given gzip.
    #[must_use]
    pub fn compressed(mut self, gzip: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        for resource in self.resources.values_mut() {
            if let Resource::Document(document) = resource {
                document.compress(&gzip);
            }
        }
        self
    }

    /// All documents that are fetched by GET, with their paths (`/` is the directory).
    pub fn documents(&self) -> impl Iterator<Item = (&str, &Document)> {
        self.resources
            .iter()
            .filter_map(|(path, resource)| match resource {
                Resource::Document(document) => Some((path.as_str(), document)),
                Resource::EndpointProperties(_) => None,
            })
    }

    /// Newest measurement in the data, microseconds UTC since 1970.
    pub fn newest_us(&self) -> Option<i64> {
        self.newest_us
    }

    pub(crate) fn resource(&self, path: &str) -> Option<&Resource> {
        self.resources.get(path)
    }
}

fn path(uri: &str) -> String {
    format!("{ROOT}{uri}")
}

/// A cost map before it is a document.
struct CostMapPlan {
    /// Name of the cost type, and end of id and URI.
    name: &'static str,
    cost_type: CostType,
    map: CostMap,
}

fn cost_maps(delay_rt: &CostMap, provenance: &Provenance) -> [CostMapPlan; 4] {
    let plan = |name, metric: CostMetric, mode, map: &CostMap, description| CostMapPlan {
        name,
        cost_type: CostType::new(metric, mode)
            .with_context(context(provenance))
            .with_description(description),
        map: match mode {
            CostMode::Numerical => map.clone(),
            CostMode::Ordinal => map.ordinal(Preference::Lower),
        },
    };
    let (delay, routing) = (CostMetric::delay_rt(), CostMetric::routingcost());
    let routing_map = delay_rt.routingcost();
    [
        plan(
            "delay-rt",
            delay.clone(),
            CostMode::Numerical,
            delay_rt,
            "median round-trip time in microseconds",
        ),
        plan(
            "delay-rt-ordinal",
            delay,
            CostMode::Ordinal,
            delay_rt,
            "ranks of the median round-trip times",
        ),
        plan(
            "routingcost",
            routing.clone(),
            CostMode::Numerical,
            &routing_map,
            "grows with the median round-trip time",
        ),
        plan(
            "routingcost-ordinal",
            routing,
            CostMode::Ordinal,
            &routing_map,
            "ranks of the routing costs",
        ),
    ]
}

/// What stays the same from run to run; clients compare cost types as a whole, so the dates of the
/// window stand in `meta.glimpse-stats` of the maps.
fn context(provenance: &Provenance) -> CostContext {
    let length_us = provenance
        .window_end_us
        .abs_diff(provenance.window_start_us);
    let window = BTreeMap::from([(
        "seconds".to_owned(),
        Parameter::Number(length_us.div_ceil(1_000_000)),
    )]);
    CostContext::new([
        (
            "aggregation",
            Parameter::Text(provenance.aggregation.clone()),
        ),
        ("method", Parameter::Text(provenance.method.clone())),
        ("window", Parameter::Object(window)),
    ])
}

fn network_map_document(map: &NetworkMap, vtag: &VersionTag) -> Document {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Body<'a> {
        meta: Meta<'a>,
        network_map: &'a NetworkMap,
    }
    #[derive(Serialize)]
    struct Meta<'a> {
        vtag: &'a VersionTag,
    }
    Document::new(
        media::NETWORK_MAP,
        canonical(&Body {
            meta: Meta { vtag },
            network_map: map,
        }),
    )
}

fn cost_map_document(
    map: &CostMap,
    cost_type: &CostType,
    network_map: &VersionTag,
    vtag: &VersionTag,
    provenance: &Provenance,
) -> Document {
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Body<'a> {
        cost_map: &'a CostMap,
        meta: Meta<'a>,
    }
    #[derive(Serialize)]
    #[serde(rename_all = "kebab-case")]
    struct Meta<'a> {
        cost_type: &'a CostType,
        dependent_vtags: [&'a VersionTag; 1],
        glimpse_stats: Stats,
        vtag: &'a VersionTag,
    }
    #[derive(Serialize)]
    struct Stats {
        samples: u64,
        subscribers: u64,
        window: Window,
    }
    #[derive(Serialize)]
    struct Window {
        end: String,
        start: String,
    }
    let window = Window {
        end: rfc3339(provenance.window_end_us),
        start: rfc3339(provenance.window_start_us),
    };
    let glimpse_stats = Stats {
        samples: provenance.samples,
        subscribers: provenance.subscribers,
        window,
    };
    let meta = Meta {
        cost_type,
        dependent_vtags: [network_map],
        glimpse_stats,
        vtag,
    };
    Document::new(
        media::COST_MAP,
        canonical(&Body {
            cost_map: map,
            meta,
        }),
    )
}

/// JSON without white space; the types of this crate keep their members in one order.
#[expect(
    clippy::expect_used,
    reason = "names are strings and no Serialize of this crate fails"
)]
pub(crate) fn canonical(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("our own types serialise")
}
