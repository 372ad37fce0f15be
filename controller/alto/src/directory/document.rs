//! A directory as JSON (RFC 7285 §9.2.2).

use std::collections::BTreeMap;

use serde::Serialize;

use super::service::{CalendarAttributes, Constraints, Costs};
use super::{Directory, Entry, Service, pid_property};
use crate::publication::Anonymity;
use crate::{CostType, ResourceId, media};

impl Directory {
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
            default_alto_network_map: self.default_map.as_ref(),
            glimpse_k,
            glimpse_lab,
        }
    }
}

fn resource(entry: &Entry) -> Resource<'_> {
    Resource {
        accepts: entry.service.accepts(),
        capabilities: capabilities(&entry.service),
        media_type: entry.service.media_type(),
        uri: &entry.uri,
        uses: Some(entry.service.uses()).filter(|uses| !uses.is_empty()),
    }
}

fn capabilities(service: &Service) -> Option<Capabilities<'_>> {
    let none = Capabilities::default();
    match service {
        Service::Directory | Service::NetworkMap | Service::FilteredNetworkMap { .. } => None,
        Service::CostMap {
            cost_type_names, ..
        } => Some(Capabilities {
            cost_type_names: Some(cost_type_names),
            ..none
        }),
        Service::FilteredCostMap { costs, .. } | Service::EndpointCost { costs } => {
            Some(Capabilities::of_costs(costs))
        }
        Service::EndpointProperty { pid_of, global } => Some(Capabilities {
            prop_types: Some(
                pid_of
                    .iter()
                    .map(pid_property)
                    .chain(global.iter().cloned())
                    .collect(),
            ),
            ..none
        }),
        Service::PropertyMap { mappings, .. } | Service::FilteredPropertyMap { mappings, .. } => {
            Some(Capabilities {
                mappings: Some(mappings),
                ..none
            })
        }
        Service::UpdateStream { patched, .. } => Some(Capabilities {
            incremental_change_media_types: Some(
                patched.iter().map(|id| (id, media::MERGE_PATCH)).collect(),
            ),
            support_stream_control: Some(true),
            ..none
        }),
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
    #[serde(skip_serializing_if = "Option::is_none")]
    default_alto_network_map: Option<&'a ResourceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    glimpse_k: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    glimpse_lab: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    accepts: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    capabilities: Option<Capabilities<'a>>,
    media_type: &'static str,
    uri: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uses: Option<&'a [ResourceId]>,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Capabilities<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    calendar_attributes: Option<Vec<Calendars<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_constraints: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_type_names: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    incremental_change_media_types: Option<BTreeMap<&'a ResourceId, &'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mappings: Option<&'a BTreeMap<String, Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_cost_types: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prop_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    support_stream_control: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    testable_cost_type_names: Option<&'a [String]>,
}

impl<'a> Capabilities<'a> {
    fn of_costs(costs: &'a Costs) -> Self {
        let (cost_constraints, testable_cost_type_names) = match &costs.constraints {
            Constraints::None => (None, None),
            Constraints::Asked => (Some(true), None),
            Constraints::Testable(names) => (None, Some(names.as_slice())),
        };
        let calendars = costs.calendars.iter().map(Calendars::of).collect();
        Self {
            calendar_attributes: Some(calendars).filter(|all: &Vec<_>| !all.is_empty()),
            cost_constraints,
            cost_type_names: Some(&costs.cost_type_names),
            max_cost_types: Some(costs.max_cost_types).filter(|max| *max > 0),
            testable_cost_type_names,
            ..Self::default()
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Calendars<'a> {
    cost_type_names: &'a [String],
    number_of_intervals: usize,
    time_interval_size: u32,
}

impl<'a> Calendars<'a> {
    fn of(attributes: &'a CalendarAttributes) -> Self {
        Self {
            cost_type_names: &attributes.cost_type_names,
            number_of_intervals: attributes.intervals,
            time_interval_size: attributes.interval_s,
        }
    }
}
