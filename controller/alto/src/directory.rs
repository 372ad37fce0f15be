//! The information resource directory (RFC 7285 §9.2) and those linked from it.

mod check;
mod document;
mod service;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::publication::Anonymity;
use crate::{CostMetric, CostMode, CostType, ResourceId};

pub use service::{CalendarAttributes, Constraints, Costs, Service};

/// Why entries make no directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DirectoryError {
    /// Two entries, of whatever directories, have one id.
    #[error("resource id {0} is used twice")]
    DuplicateId(ResourceId),
    /// Two entries answer to one method at one URI.
    #[error("URI {0:?} is used twice for one method")]
    DuplicateUri(String),
    /// An entry refers to what is in none of the directories, or is no such resource.
    #[error("resource {resource} refers to {target}, which is no such resource here")]
    Unresolved {
        /// The entry.
        resource: ResourceId,
        /// What it names.
        target: String,
    },
    /// An entry names a cost type that its directory does not define.
    #[error("resource {resource} names the undefined cost type {name:?}")]
    UnresolvedCostType {
        /// The entry.
        resource: ResourceId,
        /// What it names.
        name: String,
    },
    /// A cost type that can be tested, or has a calendar, is none of the resource, or is named there twice.
    #[error("resource {resource} promises more of cost type {name:?} than it may")]
    Capability {
        /// The entry.
        resource: ResourceId,
        /// The cost type.
        name: String,
    },
    /// One name stands for two cost types in one directory.
    #[error("cost type name {0:?} has two meanings")]
    CostTypeConflict(String),
    /// A cost map that is fetched has exactly one cost type (RFC 7285 §11.2.3.4), any other at least one.
    #[error("cost map {resource} has {count} cost types")]
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
    /// The default network map is not in the root directory.
    #[error("default network map {0} is no network map here")]
    DefaultMap(ResourceId),
    /// The property `pid` is not offered for a network map (RFC 7285 §11.4.1.4).
    #[error("no endpoint property resource offers {0}.pid")]
    NoPid(ResourceId),
    /// No cost map has the metric `routingcost` (RFC 7285 §11.2.3).
    #[error("there is no cost map for routingcost")]
    NoRoutingcost,
}

/// A resource in a directory.
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
    default_map: Option<ResourceId>,
    anonymity: Anonymity,
    fetched_only: bool,
    cost_types: BTreeMap<String, CostType>,
    conflict: Option<String>,
    entries: Vec<Entry>,
    linked: Vec<(String, DirectoryBuilder)>,
}

impl DirectoryBuilder {
    /// A root directory without entries.
    pub fn new(default_map: ResourceId, anonymity: Anonymity) -> Self {
        Self {
            default_map: Some(default_map),
            ..Self::linked(anonymity)
        }
    }

    /// A directory without entries that another links to; it needs no default network map (RFC 7285 §9.2.2).
    pub fn linked(anonymity: Anonymity) -> Self {
        Self {
            default_map: None,
            anonymity,
            fetched_only: false,
            cost_types: BTreeMap::new(),
            conflict: None,
            entries: Vec::new(),
            linked: Vec::new(),
        }
    }

    /// Nothing is posted to, as on a server of mere files: the property `pid`, which is, need not be there.
    #[must_use]
    pub fn fetched_only(mut self) -> Self {
        self.fetched_only = true;
        self
    }

    /// Defines a cost type. Its name is local to the directory.
    #[must_use]
    pub fn cost_type(mut self, name: &str, cost_type: CostType) -> Self {
        let before = self.cost_types.insert(name.to_owned(), cost_type);
        if before.is_some() && before.as_ref() != self.cost_types.get(name) {
            self.conflict = Some(name.to_owned());
        }
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn entry(mut self, entry: Entry) -> Self {
        self.entries.push(entry);
        self
    }

    /// Links a directory, whose URI is relative to this one's and ends with `/`.
    #[must_use]
    pub fn link(self, id: ResourceId, uri: &str, directory: Self) -> Self {
        let mut this = self.entry(Entry {
            id,
            uri: uri.to_owned(),
            service: Service::Directory,
        });
        this.linked.push((uri.to_owned(), directory));
        this
    }

    /// The directory with those that it links, if everything they say holds together.
    ///
    /// # Errors
    /// [`DirectoryError`].
    pub fn build(self) -> Result<Directory, DirectoryError> {
        check::closure(&self)?;
        Ok(self.unchecked())
    }

    fn unchecked(self) -> Directory {
        Directory {
            default_map: self.default_map,
            anonymity: self.anonymity,
            cost_types: self.cost_types,
            entries: self.entries,
            linked: self
                .linked
                .into_iter()
                .map(|(uri, builder)| (uri, builder.unchecked()))
                .collect(),
        }
    }
}

/// The name of the property `pid` of a network map.
pub(crate) fn pid_property(map: &ResourceId) -> String {
    format!("{map}.pid")
}

/// A directory in which every reference resolves, among its own entries or in those of linked directories.
#[derive(Clone, Debug)]
pub struct Directory {
    default_map: Option<ResourceId>,
    anonymity: Anonymity,
    cost_types: BTreeMap<String, CostType>,
    entries: Vec<Entry>,
    linked: Vec<(String, Directory)>,
}

impl Directory {
    /// The entries, in the order in which they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The directories it links to, with their URIs.
    pub fn linked(&self) -> impl Iterator<Item = (&str, &Self)> {
        self.linked
            .iter()
            .map(|(uri, linked)| (uri.as_str(), linked))
    }
}
