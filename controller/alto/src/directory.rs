//! The information resource directory (RFC 7285 §9.2).

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use thiserror::Error;

use crate::publication::Anonymity;
use crate::{CostMetric, CostMode, CostType, ResourceId, media};

/// Why entries make no directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// Two entries have one id.
    #[error("resource id {0} is used twice")]
    DuplicateId(ResourceId),
    /// Two entries answer to one method at one URI.
    #[error("URI {0:?} is used twice for one method")]
    DuplicateUri(String),
    /// An entry uses, or offers a property of, what is no network map of this directory.
    #[error("resource {resource} refers to {target}, which is no network map here")]
    UnresolvedMap {
        /// The entry.
        resource: ResourceId,
        /// What it names.
        target: String,
    },
    /// An entry names a cost type that the directory does not define.
    #[error("resource {resource} names the undefined cost type {name:?}")]
    UnresolvedCostType {
        /// The entry.
        resource: ResourceId,
        /// What it names.
        name: String,
    },
    /// A cost map that is fetched has exactly one cost type (RFC 7285 §11.2.3.4).
    #[error("cost map {resource} must have one cost type, has {count}")]
    CostTypeCount {
        /// The entry.
        resource: ResourceId,
        /// How many it names.
        count: usize,
    },
    /// Two cost types of one resource differ in their context or name only (RFC 9439 §3.1).
    #[error("resource {resource} has {metric} {mode} twice", mode = .mode.name())]
    AmbiguousCostType {
        /// The entry.
        resource: ResourceId,
        /// The metric.
        metric: CostMetric,
        /// The mode.
        mode: CostMode,
    },
    /// Two cost maps over one network map have one metric and mode (RFC 7285 §11.2.3.5).
    #[error("cost maps {first} and {second} have the same cost type")]
    SecondCostMap {
        /// One.
        first: ResourceId,
        /// The other.
        second: ResourceId,
    },
    /// The default network map is not in the directory.
    #[error("default network map {0} is no network map here")]
    DefaultMap(ResourceId),
    /// The property `pid` is not offered for a network map (RFC 7285 §11.4.1.4).
    #[error("no endpoint property resource offers {0}.pid")]
    NoPid(ResourceId),
    /// No cost map has the metric `routingcost` (RFC 7285 §11.2.3).
    #[error("there is no cost map for routingcost")]
    NoRoutingcost,
}

/// What a resource is, with what the directory tells about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// A network map.
    NetworkMap,
    /// A cost map to fetch.
    CostMap {
        /// The network map whose PIDs it has.
        network_map: ResourceId,
        /// Names of cost types in this directory: exactly one.
        cost_type_names: Vec<String>,
    },
    /// Endpoint properties.
    EndpointProperty {
        /// Network maps whose property `pid` is offered.
        pid_of: Vec<ResourceId>,
    },
}

/// A resource in the directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub id: ResourceId,
    /// Its URI, relative to the directory's.
    pub uri: String,
    /// What it is.
    pub service: Service,
}

/// The entries of a directory that is being put together.
#[derive(Clone, Debug)]
pub struct DirectoryBuilder {
    default_map: ResourceId,
    anonymity: Anonymity,
    cost_types: BTreeMap<String, CostType>,
    entries: Vec<Entry>,
}

impl DirectoryBuilder {
    /// A directory without entries.
    pub fn new(default_map: ResourceId, anonymity: Anonymity) -> Self {
        Self {
            default_map,
            anonymity,
            cost_types: BTreeMap::new(),
            entries: Vec::new(),
        }
    }

    /// Defines a cost type. Its name is local to the directory.
    #[must_use]
    pub fn cost_type(mut self, name: &str, cost_type: CostType) -> Self {
        self.cost_types.insert(name.to_owned(), cost_type);
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// The directory, if everything it says holds together.
    pub fn build(self) -> Result<Directory, DirectoryError> {
        self.check_unique()?;
        let maps = self.network_maps();
        if !maps.contains(&self.default_map) {
            return Err(DirectoryError::DefaultMap(self.default_map));
        }
        self.check_cost_maps(&maps)?;
        self.check_properties(&maps)?;
        Ok(Directory {
            default_map: self.default_map,
            anonymity: self.anonymity,
            cost_types: self.cost_types,
            entries: self.entries,
        })
    }

    fn network_maps(&self) -> BTreeSet<ResourceId> {
        self.entries
            .iter()
            .filter(|e| e.service == Service::NetworkMap)
            .map(|e| e.id.clone())
            .collect()
    }

    fn check_unique(&self) -> Result<(), DirectoryError> {
        let mut ids = BTreeSet::new();
        let mut uris = BTreeSet::new();
        for entry in &self.entries {
            if !ids.insert(&entry.id) {
                return Err(DirectoryError::DuplicateId(entry.id.clone()));
            }
            if !uris.insert((&entry.uri, entry.service.accepts())) {
                return Err(DirectoryError::DuplicateUri(entry.uri.clone()));
            }
        }
        Ok(())
    }

    fn check_cost_maps(&self, maps: &BTreeSet<ResourceId>) -> Result<(), DirectoryError> {
        let mut seen: BTreeMap<_, &ResourceId> = BTreeMap::new();
        for Entry { id, service, .. } in &self.entries {
            let Service::CostMap {
                network_map,
                cost_type_names,
            } = service
            else {
                continue;
            };
            if !maps.contains(network_map) {
                let target = network_map.to_string();
                return Err(DirectoryError::UnresolvedMap {
                    resource: id.clone(),
                    target,
                });
            }
            let mut own = BTreeSet::new();
            for name in cost_type_names {
                let cost_type = self.cost_types.get(name).ok_or_else(|| {
                    DirectoryError::UnresolvedCostType {
                        resource: id.clone(),
                        name: name.clone(),
                    }
                })?;
                let (metric, mode) = cost_type.key();
                if !own.insert((metric.clone(), mode)) {
                    return Err(DirectoryError::AmbiguousCostType {
                        resource: id.clone(),
                        metric,
                        mode,
                    });
                }
                if let Some(first) = seen.insert((network_map, metric, mode), id) {
                    return Err(DirectoryError::SecondCostMap {
                        first: first.clone(),
                        second: id.clone(),
                    });
                }
            }
            if cost_type_names.len() != 1 {
                return Err(DirectoryError::CostTypeCount {
                    resource: id.clone(),
                    count: cost_type_names.len(),
                });
            }
        }
        let routingcost = CostMetric::routingcost();
        if seen.keys().any(|(_, metric, _)| *metric == routingcost) {
            Ok(())
        } else {
            Err(DirectoryError::NoRoutingcost)
        }
    }

    fn check_properties(&self, maps: &BTreeSet<ResourceId>) -> Result<(), DirectoryError> {
        let mut offered = BTreeSet::new();
        for Entry { id, service, .. } in &self.entries {
            let Service::EndpointProperty { pid_of } = service else {
                continue;
            };
            for map in pid_of {
                if !maps.contains(map) {
                    return Err(DirectoryError::UnresolvedMap {
                        resource: id.clone(),
                        target: pid_property(map),
                    });
                }
                offered.insert(map.clone());
            }
        }
        match maps.difference(&offered).next() {
            Some(map) => Err(DirectoryError::NoPid(map.clone())),
            None => Ok(()),
        }
    }
}

/// The name of the property `pid` of a network map.
pub(crate) fn pid_property(map: &ResourceId) -> String {
    format!("{map}.pid")
}

impl Service {
    fn media_type(&self) -> &'static str {
        match self {
            Self::NetworkMap => media::NETWORK_MAP,
            Self::CostMap { .. } => media::COST_MAP,
            Self::EndpointProperty { .. } => media::ENDPOINT_PROPERTY,
        }
    }

    /// The type of a request's body; a resource without is fetched.
    fn accepts(&self) -> Option<&'static str> {
        match self {
            Self::NetworkMap | Self::CostMap { .. } => None,
            Self::EndpointProperty { .. } => Some(media::ENDPOINT_PROPERTY_PARAMS),
        }
    }

    fn capabilities(&self) -> Option<Capabilities> {
        match self {
            Self::NetworkMap => None,
            Self::CostMap {
                cost_type_names, ..
            } => Some(Capabilities {
                cost_type_names: Some(cost_type_names.clone()),
                prop_types: None,
            }),
            Self::EndpointProperty { pid_of } => Some(Capabilities {
                cost_type_names: None,
                prop_types: Some(pid_of.iter().map(pid_property).collect()),
            }),
        }
    }

    fn uses(&self) -> Option<[&ResourceId; 1]> {
        match self {
            Self::CostMap { network_map, .. } => Some([network_map]),
            Self::NetworkMap | Self::EndpointProperty { .. } => None,
        }
    }
}

/// A directory in which every reference resolves.
#[derive(Clone, Debug)]
pub struct Directory {
    default_map: ResourceId,
    anonymity: Anonymity,
    cost_types: BTreeMap<String, CostType>,
    entries: Vec<Entry>,
}

impl Directory {
    /// The entries, in the order in which they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The document.
    pub fn to_bytes(&self) -> Vec<u8> {
        let resources = self
            .entries
            .iter()
            .map(|entry| (&entry.id, resource(entry)))
            .collect();
        crate::publication::canonical(&Document {
            meta: self.meta(),
            resources,
        })
    }

    fn meta(&self) -> Meta<'_> {
        let (glimpse_k, glimpse_lab) = match self.anonymity {
            Anonymity::K(k) => (Some(k), None),
            Anonymity::Lab => (None, Some(true)),
        };
        Meta {
            cost_types: &self.cost_types,
            default_alto_network_map: &self.default_map,
            glimpse_k,
            glimpse_lab,
        }
    }
}

fn resource(entry: &Entry) -> Resource<'_> {
    Resource {
        uri: &entry.uri,
        media_type: entry.service.media_type(),
        accepts: entry.service.accepts(),
        capabilities: entry.service.capabilities(),
        uses: entry.service.uses(),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    meta: Meta<'a>,
    resources: BTreeMap<&'a ResourceId, Resource<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Meta<'a> {
    cost_types: &'a BTreeMap<String, CostType>,
    default_alto_network_map: &'a ResourceId,
    #[serde(skip_serializing_if = "Option::is_none")]
    glimpse_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    glimpse_lab: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Resource<'a> {
    uri: &'a str,
    media_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    accepts: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Capabilities>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<[&'a ResourceId; 1]>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Capabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_type_names: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prop_types: Option<Vec<String>>,
}
