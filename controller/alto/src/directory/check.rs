//! Whether a directory and those it links hold together.

use std::collections::{BTreeMap, BTreeSet};

use super::service::{Constraints, Costs};
use super::{DirectoryBuilder, DirectoryError, Entry, Service, pid_property};
use crate::{CostMetric, CostMode, ResourceId};

/// All that is to be looked at across directories.
struct Closure<'a> {
    /// Directories with their URIs relative to the root.
    directories: Vec<(String, &'a DirectoryBuilder)>,
    ids: BTreeSet<&'a ResourceId>,
    maps: BTreeSet<&'a ResourceId>,
}

/// Metric and mode over a network map.
type Key<'a> = (&'a ResourceId, CostMetric, CostMode);

pub(super) fn closure(root: &DirectoryBuilder) -> Result<(), DirectoryError> {
    let closure = Closure::of(root)?;
    if let Some(default) = &root.default_map
        && !root
            .entries
            .iter()
            .any(|e| e.id == *default && e.service == Service::NetworkMap)
    {
        return Err(DirectoryError::DefaultMap(default.clone()));
    }
    closure.check_uses()?;
    closure.check_costs()?;
    if root.fetched_only {
        return Ok(());
    }
    closure.check_properties()
}

impl<'a> Closure<'a> {
    fn of(root: &'a DirectoryBuilder) -> Result<Self, DirectoryError> {
        let mut this = Self {
            directories: Vec::new(),
            ids: BTreeSet::new(),
            maps: BTreeSet::new(),
        };
        this.collect(String::new(), root);
        let mut uris = BTreeSet::new();
        for (base, directory) in &this.directories {
            if let Some(name) = &directory.conflict {
                return Err(DirectoryError::CostTypeConflict(name.clone()));
            }
            for entry in &directory.entries {
                if !this.ids.insert(&entry.id) {
                    return Err(DirectoryError::DuplicateId(entry.id.clone()));
                }
                let uri = format!("{base}{}", entry.uri);
                if !uris.insert((uri.clone(), entry.service.accepts().is_some())) {
                    return Err(DirectoryError::DuplicateUri(uri));
                }
                if entry.service == Service::NetworkMap {
                    this.maps.insert(&entry.id);
                }
            }
        }
        Ok(this)
    }

    fn collect(&mut self, base: String, directory: &'a DirectoryBuilder) {
        for (uri, linked) in &directory.linked {
            self.collect(format!("{base}{uri}"), linked);
        }
        self.directories.push((base, directory));
    }

    fn entries(&self) -> impl Iterator<Item = (&'a DirectoryBuilder, &'a Entry)> {
        self.directories
            .iter()
            .flat_map(|(_, directory)| directory.entries.iter().map(|entry| (*directory, entry)))
    }

    fn check_uses(&self) -> Result<(), DirectoryError> {
        for (_, Entry { id, service, .. }) in self.entries() {
            let targets = match service {
                Service::FilteredNetworkMap { .. }
                | Service::CostMap { .. }
                | Service::FilteredCostMap { .. } => &self.maps,
                _ => &self.ids,
            };
            let patched = match service {
                Service::UpdateStream { updates, patched } => {
                    patched.iter().find(|id| !updates.contains(id))
                }
                _ => None,
            };
            let target = service.uses().iter().find(|used| !targets.contains(used));
            if let Some(target) = target.or(patched) {
                return Err(DirectoryError::Unresolved {
                    resource: id.clone(),
                    target: target.to_string(),
                });
            }
        }
        Ok(())
    }

    fn check_costs(&self) -> Result<(), DirectoryError> {
        let mut seen: BTreeMap<Key<'_>, &ResourceId> = BTreeMap::new();
        for (directory, Entry { id, service, .. }) in self.entries() {
            match service {
                Service::CostMap {
                    network_map,
                    cost_type_names,
                } => {
                    for (metric, mode) in cost_types(directory, id, cost_type_names)? {
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
                Service::FilteredCostMap { costs, .. } | Service::EndpointCost { costs } => {
                    cost_types(directory, id, &costs.cost_type_names)?;
                    check_capabilities(id, costs)?;
                }
                _ => {}
            }
        }
        let routingcost = CostMetric::routingcost();
        if seen.keys().any(|(_, metric, _)| *metric == routingcost) {
            Ok(())
        } else {
            Err(DirectoryError::NoRoutingcost)
        }
    }

    fn check_properties(&self) -> Result<(), DirectoryError> {
        let mut offered = BTreeSet::new();
        for (_, Entry { id, service, .. }) in self.entries() {
            let Service::EndpointProperty { pid_of, .. } = service else {
                continue;
            };
            for map in pid_of {
                if !self.maps.contains(map) {
                    return Err(DirectoryError::Unresolved {
                        resource: id.clone(),
                        target: pid_property(map),
                    });
                }
                offered.insert(map);
            }
        }
        match self.maps.difference(&offered).next() {
            Some(map) => Err(DirectoryError::NoPid((*map).clone())),
            None => Ok(()),
        }
    }
}

/// The metrics and modes of a resource, each once.
fn cost_types(
    directory: &DirectoryBuilder,
    id: &ResourceId,
    names: &[String],
) -> Result<BTreeSet<(CostMetric, CostMode)>, DirectoryError> {
    let mut own = BTreeSet::new();
    for name in names {
        let cost_type =
            directory
                .cost_types
                .get(name)
                .ok_or_else(|| DirectoryError::UnresolvedCostType {
                    resource: id.clone(),
                    name: name.clone(),
                })?;
        let (metric, mode) = cost_type.key();
        if !own.insert((metric.clone(), mode)) {
            return Err(DirectoryError::AmbiguousCostType {
                resource: id.clone(),
                metric,
                mode,
            });
        }
    }
    Ok(own)
}

/// RFC 8189 §4.1.1, RFC 8896 §4.1: only own cost types, and each in one calendar at most.
fn check_capabilities(id: &ResourceId, costs: &Costs) -> Result<(), DirectoryError> {
    if costs.cost_type_names.is_empty() {
        return Err(DirectoryError::CostTypeCount {
            resource: id.clone(),
            count: 0,
        });
    }
    let own: BTreeSet<&String> = costs.cost_type_names.iter().collect();
    let testable = match &costs.constraints {
        Constraints::Testable(names) => names.as_slice(),
        Constraints::None | Constraints::Asked => &[],
    };
    let mut with_calendar = BTreeSet::new();
    let calendars = costs.calendars.iter().flat_map(|c| &c.cost_type_names);
    let bad = testable
        .iter()
        .find(|name| !own.contains(name))
        .or_else(|| {
            calendars
                .into_iter()
                .find(|name| !own.contains(name) || !with_calendar.insert(*name))
        });
    match bad {
        Some(name) => Err(DirectoryError::Capability {
            resource: id.clone(),
            name: name.clone(),
        }),
        None => Ok(()),
    }
}
