//! From editions to documents and directories.

mod placed;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::placed::{Placed, place};
use super::{
    Anonymity, Content, Document, Publication, PublicationError, Published, ROOT, Resource,
    ResourceKind, Shelf, body, kind,
};
use crate::directory::{DirectoryBuilder, Entry, Service};
use crate::query::Query;
use crate::{
    CalendarKind, Column, CostMode, DirectoryError, Edition, EndpointCost, EndpointProperties,
    FilteredCostMap, FilteredNetworkMap, FilteredPropertyMap, PropertyMap, ResourceId, parallel,
};

const ENDPOINT_PROPERTY: (&str, &str) = ("endpoint-property", "endpointprop");
const UPDATES: (&str, &str) = ("updates", "updates");

/// Makes a document in a buffer that holds what the last one left.
type Make<'a> = Box<dyn FnOnce(&mut Vec<u8>) -> Document + Send + 'a>;

/// What is composed so far.
struct Composition<'a> {
    /// Documents that are to be made, as they stand in their directories.
    drafts: Vec<Draft<'a>>,
    resources: BTreeMap<String, Published>,
    directories: BTreeMap<Shelf, (DirectoryBuilder, Option<i64>)>,
}

struct Draft<'a> {
    entry: Entry,
    shelf: Shelf,
    newest_us: Option<i64>,
    make: Make<'a>,
}

/// All resources by their paths, and the editions they are made of.
type Composed = (BTreeMap<String, Published>, Vec<Arc<Edition>>);

pub(super) fn compose(
    content: Content,
    before: Option<&Publication>,
) -> Result<Composed, PublicationError> {
    let mut placed = Vec::new();
    for shelved in content.editions {
        placed.push(place(shelved, before)?);
    }
    let default = placed
        .iter()
        .find(|p| p.shelf == Shelf::Current)
        .ok_or(PublicationError::NoCurrent)?;
    let mut composition = Composition {
        drafts: Vec::new(),
        resources: BTreeMap::new(),
        directories: directories(&placed, &default.vtag.resource_id, content.fetched_only),
    };
    for one in &placed {
        composition.network_map(one);
        composition.cost_maps(one)?;
        composition.property_map(one)?;
    }
    composition.make()?;
    if !content.fetched_only {
        for one in &placed {
            composition.questions(one)?;
        }
        composition.endpoint_properties(&placed)?;
        composition.update_stream()?;
    }
    let resources = composition.finish()?;
    let editions = placed.into_iter().map(|one| one.edition).collect();
    Ok((resources, editions))
}

/// Empty directories of all shelves in use; each declares the weakest protection in it.
fn directories(
    placed: &[Placed<'_>],
    default: &ResourceId,
    fetched_only: bool,
) -> BTreeMap<Shelf, (DirectoryBuilder, Option<i64>)> {
    let mut shelves: BTreeMap<Shelf, (Anonymity, Option<i64>)> = BTreeMap::new();
    for Placed { edition, shelf, .. } in placed {
        let provenance = &edition.provenance;
        let (anonymity, newest_us) = shelves
            .entry(*shelf)
            .or_insert((provenance.anonymity, provenance.newest_us));
        *anonymity = anonymity.weaker(provenance.anonymity);
        *newest_us = (*newest_us).max(provenance.newest_us);
    }
    shelves
        .into_iter()
        .map(|(shelf, (anonymity, newest_us))| {
            let builder = match shelf {
                Shelf::Current => DirectoryBuilder::new(default.clone(), anonymity),
                Shelf::Recent | Shelf::Archive => DirectoryBuilder::linked(anonymity),
            };
            let builder = if fetched_only {
                builder.fetched_only()
            } else {
                builder
            };
            (shelf, (builder, newest_us))
        })
        .collect()
}

/// Path of what stands at a URI relative to the shelf's directory.
fn path(shelf: Shelf, uri: &str) -> String {
    match shelf.directory_id() {
        Some(directory) => format!("{ROOT}{directory}/{uri}"),
        None => format!("{ROOT}{uri}"),
    }
}

/// Ids of the resources that a property map uses.
fn defined_by(map: &PropertyMap) -> Vec<ResourceId> {
    map.uses()
        .iter()
        .map(|vtag| vtag.resource_id.clone())
        .collect()
}

impl<'a> Composition<'a> {
    /// Notes a document of an edition that is to be made.
    fn draft(
        &mut self,
        entry: Entry,
        placed: &Placed<'_>,
        make: impl FnOnce(&mut Vec<u8>) -> Document + Send + 'a,
    ) {
        self.drafts.push(Draft {
            entry,
            shelf: placed.shelf,
            newest_us: placed.edition.provenance.newest_us,
            make: Box::new(make),
        });
    }

    /// Makes all documents, on all processors, and enters them.
    fn make(&mut self) -> Result<(), PublicationError> {
        let drafts = std::mem::take(&mut self.drafts);
        let made = parallel::map(drafts, |buffer: &mut Vec<u8>, draft| {
            let Draft {
                entry,
                shelf,
                newest_us,
                make,
            } = draft;
            (entry, shelf, newest_us, make(buffer))
        });
        for (entry, shelf, newest_us, document) in made {
            self.add(entry, shelf, newest_us, Resource::Document(document))?;
        }
        Ok(())
    }

    /// Enters a resource at its path and in its directory.
    fn add(
        &mut self,
        entry: Entry,
        shelf: Shelf,
        newest_us: Option<i64>,
        resource: Resource,
    ) -> Result<(), PublicationError> {
        let dependencies = match &entry.service {
            Service::EndpointProperty { pid_of, .. } => pid_of.clone(),
            service => service.uses().to_vec(),
        };
        let published = Published {
            id: Some(entry.id.clone()),
            dependencies,
            shelf,
            newest_us,
            resource,
        };
        let path = path(shelf, &entry.uri);
        if self.resources.insert(path, published).is_some() {
            return Err(DirectoryError::DuplicateUri(entry.uri).into());
        }
        self.change(shelf, |directory| directory.entry(entry));
        Ok(())
    }

    fn change(&mut self, shelf: Shelf, f: impl FnOnce(DirectoryBuilder) -> DirectoryBuilder) {
        if let Some((directory, newest_us)) = self.directories.remove(&shelf) {
            self.directories.insert(shelf, (f(directory), newest_us));
        }
    }

    fn network_map(&mut self, placed: &'a Placed<'_>) {
        let edition = &placed.edition;
        let id = &edition.id;
        let entry = Entry {
            id: id.clone(),
            uri: format!("networkmap/{id}"),
            service: Service::NetworkMap,
        };
        self.draft(entry, placed, |buffer| {
            placed
                .taken_over(id, |_| true)
                .unwrap_or_else(|| body::network_map(buffer, &edition.map, &placed.vtag))
        });
    }

    fn cost_maps(&mut self, placed: &'a Placed<'_>) -> Result<(), PublicationError> {
        for (name, cost_type) in placed.edition.cost_types() {
            self.change(placed.shelf, |d| d.cost_type(&name, cost_type));
        }
        for (column, end) in placed.edition.columns.iter().zip(&placed.ends) {
            if column.fetched {
                self.cost_map(placed, column, end, CostMode::Numerical)?;
            }
            if column.ranks_are_fetched() {
                let end = format!("{end}-ordinal");
                self.cost_map(placed, column, &end, CostMode::Ordinal)?;
            }
        }
        Ok(())
    }

    fn cost_map(
        &mut self,
        placed: &'a Placed<'_>,
        column: &'a Column,
        end: &str,
        mode: CostMode,
    ) -> Result<(), PublicationError> {
        let edition = &placed.edition;
        let id = ResourceId::new(&format!("{}-{end}", edition.id))?;
        let entry = Entry {
            id: id.clone(),
            uri: format!("costmap/{}/{end}", edition.id),
            service: Service::CostMap {
                network_map: edition.id.clone(),
                cost_type_names: vec![column.cost_type_name(mode)],
            },
        };
        self.draft(entry, placed, move |buffer| {
            let provenance = &edition.provenance;
            let unchanged = |before: &Edition| {
                before.provenance.window() == provenance.window() && before.columns.contains(column)
            };
            let before = placed.taken_over(&id, unchanged);
            before.unwrap_or_else(|| {
                body::cost_map(buffer, id, column, mode, &placed.vtag, provenance)
            })
        });
        Ok(())
    }

    fn property_map(&mut self, placed: &'a Placed<'_>) -> Result<(), PublicationError> {
        let edition = &placed.edition;
        let map = PropertyMap::of_pids(edition);
        let id = ResourceId::new(&format!("{}-properties", edition.id))?;
        let entry = Entry {
            id: id.clone(),
            uri: format!("propmap/{}", edition.id),
            service: Service::PropertyMap {
                mappings: map.mappings(),
                defined_by: defined_by(&map),
            },
        };
        self.draft(entry, placed, move |_| {
            let unchanged = |before: &Edition| before.properties == edition.properties;
            let before = placed.taken_over(&id, unchanged);
            before.unwrap_or_else(|| body::property_map(id, &map))
        });
        Ok(())
    }

    /// What is asked by POST about one edition.
    fn questions(&mut self, placed: &Placed<'_>) -> Result<(), PublicationError> {
        let edition = &placed.edition;
        let id = &edition.id;
        self.question(placed, "filter", format!("networkmap/{id}/filter"), |_| {
            let query = FilteredNetworkMap::new(placed.vtag.clone(), Arc::clone(&edition.map));
            let network_map = id.clone();
            (Service::FilteredNetworkMap { network_map }, Arc::new(query))
        })?;
        self.question(
            placed,
            "property-filter",
            format!("propmap/{id}/filter"),
            |_| {
                let map = PropertyMap::of_edition(edition);
                let service = Service::FilteredPropertyMap {
                    mappings: map.mappings(),
                    defined_by: defined_by(&map),
                };
                (service, Arc::new(FilteredPropertyMap::new(map)))
            },
        )?;
        // A resource with costs has at least one cost type.
        if edition.columns.is_empty() {
            return Ok(());
        }
        self.filtered_costs(placed, CalendarKind::HourOfDay, "costs", "filter")?;
        if edition.has_calendar(CalendarKind::DayOfWindow) {
            self.filtered_costs(placed, CalendarKind::DayOfWindow, "costs-by-day", "by-day")?;
        }
        self.question(
            placed,
            "endpoint-costs",
            format!("endpointcost/{id}"),
            |own| {
                let query = EndpointCost::new(own.clone(), edition);
                let costs = query.costs();
                (Service::EndpointCost { costs }, Arc::new(query))
            },
        )
    }

    fn filtered_costs(
        &mut self,
        placed: &Placed<'_>,
        kind: CalendarKind,
        end: &str,
        uri_end: &str,
    ) -> Result<(), PublicationError> {
        let edition = &placed.edition;
        let uri = format!("costmap/{}/{uri_end}", edition.id);
        self.question(placed, end, uri, |own| {
            let query = FilteredCostMap::new(own.clone(), edition, kind);
            let service = Service::FilteredCostMap {
                network_map: edition.id.clone(),
                costs: query.costs(),
            };
            (service, Arc::new(query))
        })
    }

    /// A resource that is asked by POST, made for its id.
    fn question(
        &mut self,
        placed: &Placed<'_>,
        end: &str,
        uri: String,
        make: impl FnOnce(&ResourceId) -> (Service, Arc<dyn Query>),
    ) -> Result<(), PublicationError> {
        let edition = &placed.edition;
        let id = ResourceId::new(&format!("{}-{end}", edition.id))?;
        let (service, query) = make(&id);
        let entry = Entry { id, uri, service };
        let newest_us = edition.provenance.newest_us;
        self.add(entry, placed.shelf, newest_us, Resource::Query(query))
    }

    fn endpoint_properties(&mut self, placed: &[Placed<'_>]) -> Result<(), PublicationError> {
        // The default map comes first: what is said of all addresses is what its PIDs have.
        let (current, others): (Vec<&Placed<'_>>, Vec<&Placed<'_>>) =
            placed.iter().partition(|p| p.shelf == Shelf::Current);
        let in_order = || current.iter().chain(&others).map(|p| &p.edition);
        let service = Service::EndpointProperty {
            pid_of: in_order().map(|edition| edition.id.clone()).collect(),
            global: EndpointProperties::global(),
        };
        let query = Arc::new(EndpointProperties::new(in_order()));
        self.once(ENDPOINT_PROPERTY, service, Resource::Query(query))
    }

    fn update_stream(&mut self) -> Result<(), PublicationError> {
        let mut updates = Vec::new();
        let mut patched = Vec::new();
        for (path, published) in &self.resources {
            let Some(kind) = kind(path, published).filter(ResourceKind::is_streamed) else {
                continue;
            };
            updates.push(kind.id.clone());
            let ranks = matches!(&published.resource, Resource::Document(d) if !d.patchable);
            if !ranks {
                patched.push(kind.id.clone());
            }
        }
        updates.sort();
        let service = Service::UpdateStream { updates, patched };
        self.once(UPDATES, service, Resource::UpdateStream)
    }

    /// A resource that is there once, in the root directory.
    fn once(
        &mut self,
        (id, uri): (&str, &str),
        service: Service,
        resource: Resource,
    ) -> Result<(), PublicationError> {
        let entry = Entry {
            id: ResourceId::new(id)?,
            uri: uri.to_owned(),
            service,
        };
        let newest_us = self.newest_us();
        self.add(entry, Shelf::Current, newest_us, resource)
    }

    fn newest_us(&self) -> Option<i64> {
        self.directories
            .values()
            .filter_map(|(_, newest_us)| *newest_us)
            .max()
    }

    /// Links the directories, checks them and adds their documents.
    fn finish(mut self) -> Result<BTreeMap<String, Published>, PublicationError> {
        let newest_us = self.newest_us();
        let mut shelves = std::mem::take(&mut self.directories);
        let Some((mut root, _)) = shelves.remove(&Shelf::Current) else {
            return Err(PublicationError::NoCurrent);
        };
        let mut linked = Vec::new();
        for (shelf, (directory, newest_us)) in shelves {
            if let Some(name) = shelf.directory_id() {
                let id = ResourceId::new(name)?;
                root = root.link(id.clone(), &format!("{name}/"), directory);
                linked.push((id, shelf, newest_us));
            }
        }
        let directory = root.build()?;
        for ((id, shelf, newest_us), (_, directory)) in linked.into_iter().zip(directory.linked()) {
            let document = Document::directory(Some(id.clone()), &directory.to_bytes());
            self.insert_directory(path(shelf, ""), Some(id), shelf, newest_us, document);
        }
        let document = Document::directory(None, &directory.to_bytes());
        self.insert_directory(ROOT.to_owned(), None, Shelf::Current, newest_us, document);
        Ok(self.resources)
    }

    fn insert_directory(
        &mut self,
        path: String,
        id: Option<ResourceId>,
        shelf: Shelf,
        newest_us: Option<i64>,
        document: Document,
    ) {
        let published = Published {
            id,
            dependencies: Vec::new(),
            shelf,
            newest_us,
            resource: Resource::Document(document),
        };
        self.resources.insert(path, published);
    }
}
