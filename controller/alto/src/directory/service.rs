//! What the resources of a directory are.

use std::collections::BTreeMap;

use crate::{ResourceId, media};

/// What a resource is, with what the directory tells about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Service {
    /// Another directory.
    Directory,
    /// A network map.
    NetworkMap,
    /// Parts of a network map.
    FilteredNetworkMap {
        /// The map.
        network_map: ResourceId,
    },
    /// A cost map to fetch.
    CostMap {
        /// The network map whose PIDs it has.
        network_map: ResourceId,
        /// Names of cost types in this directory: exactly one.
        cost_type_names: Vec<String>,
    },
    /// Parts of cost maps.
    FilteredCostMap {
        /// The network map whose PIDs they have.
        network_map: ResourceId,
        /// What can be asked.
        costs: Costs,
    },
    /// Endpoint properties.
    EndpointProperty {
        /// Network maps whose property `pid` is offered.
        pid_of: Vec<ResourceId>,
        /// Global properties.
        global: Vec<String>,
    },
    /// Costs between endpoints. It names no map (RFC 7285 §11.5.1.5).
    EndpointCost {
        /// What can be asked.
        costs: Costs,
    },
    /// A property map to fetch.
    PropertyMap {
        /// Domains of entities and the names of their properties.
        mappings: BTreeMap<String, Vec<String>>,
        /// The resources that define domains and properties.
        defined_by: Vec<ResourceId>,
    },
    /// Parts of a property map.
    FilteredPropertyMap {
        /// Domains of entities and the names of their properties.
        mappings: BTreeMap<String, Vec<String>>,
        /// The resources that define domains and properties.
        defined_by: Vec<ResourceId>,
    },
    /// Streams of changes.
    UpdateStream {
        /// All resources whose changes it can tell.
        updates: Vec<ResourceId>,
        /// Those of them whose changes come as merge patches.
        patched: Vec<ResourceId>,
    },
}

/// What can be asked of a resource with costs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Names of cost types in this directory.
    pub cost_type_names: Vec<String>,
    /// What constraints can be about.
    pub constraints: Constraints,
    /// Most cost types in one answer (RFC 8189 §4.1.1); 0 leaves the capability out.
    pub max_cost_types: usize,
    /// Which cost types have calendars.
    pub calendars: Vec<CalendarAttributes>,
}

/// What constraints can be about; a resource may declare one of the two only (RFC 8189 §4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Constraints {
    /// Nothing.
    None,
    /// The cost type that is asked for (RFC 7285 §11.3.2.4).
    Asked,
    /// These cost types, asked for or not.
    Testable(Vec<String>),
}

/// Cost types with calendars of the same intervals (RFC 8896 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalendarAttributes {
    /// Names of cost types in this directory.
    pub cost_type_names: Vec<String>,
    /// Length of an interval in seconds.
    pub interval_s: u32,
    /// Number of intervals.
    pub intervals: usize,
}

impl Service {
    /// Media type of what is answered.
    pub fn media_type(&self) -> &'static str {
        match self {
            Self::Directory => media::DIRECTORY,
            Self::NetworkMap | Self::FilteredNetworkMap { .. } => media::NETWORK_MAP,
            Self::CostMap { .. } | Self::FilteredCostMap { .. } => media::COST_MAP,
            Self::EndpointProperty { .. } => media::ENDPOINT_PROPERTY,
            Self::EndpointCost { .. } => media::ENDPOINT_COST,
            Self::PropertyMap { .. } | Self::FilteredPropertyMap { .. } => media::PROPERTY_MAP,
            Self::UpdateStream { .. } => media::EVENT_STREAM,
        }
    }

    /// Media type of what is posted; a resource without is fetched.
    pub fn accepts(&self) -> Option<&'static str> {
        match self {
            Self::Directory
            | Self::NetworkMap
            | Self::CostMap { .. }
            | Self::PropertyMap { .. } => None,
            Self::FilteredNetworkMap { .. } => Some(media::NETWORK_MAP_FILTER),
            Self::FilteredCostMap { .. } => Some(media::COST_MAP_FILTER),
            Self::EndpointProperty { .. } => Some(media::ENDPOINT_PROPERTY_PARAMS),
            Self::EndpointCost { .. } => Some(media::ENDPOINT_COST_PARAMS),
            Self::FilteredPropertyMap { .. } => Some(media::PROPERTY_MAP_PARAMS),
            Self::UpdateStream { .. } => Some(media::UPDATE_STREAM_PARAMS),
        }
    }

    /// The resources it directly depends on.
    pub fn uses(&self) -> &[ResourceId] {
        match self {
            Self::Directory
            | Self::NetworkMap
            | Self::EndpointProperty { .. }
            | Self::EndpointCost { .. } => &[],
            Self::FilteredNetworkMap { network_map }
            | Self::CostMap { network_map, .. }
            | Self::FilteredCostMap { network_map, .. } => std::slice::from_ref(network_map),
            Self::PropertyMap { defined_by, .. } | Self::FilteredPropertyMap { defined_by, .. } => {
                defined_by
            }
            Self::UpdateStream { updates, .. } => updates,
        }
    }
}
