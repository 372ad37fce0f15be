//! Topology files: parsed, checked and compiled once, then shared by any number of runs.

mod compile;
pub mod file;

use super::plan::Plan;
use super::truth::Truth;
use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a topology cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum TopologyError {
    /// The file cannot be read.
    #[error("cannot read topology {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not TOML, or has a field or type that topologies do not have; the text names line and column.
    #[error("{0}")]
    Syntax(#[from] toml::de::Error),
    /// It contradicts itself.
    #[error("line {line}: {what}")]
    Meaning {
        /// Line, counted from one.
        line: usize,
        /// What is wrong and what to do.
        what: String,
    },
    /// One of the above, in this file.
    #[error("{path}: {source}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<TopologyError>,
    },
}

/// A network to be played: nodes, links and routes, and what its author declares to be true of it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Topology {
    name: String,
    description: String,
    truths: Vec<Truth>,
    pub(super) plan: Arc<Plan>,
}

impl Topology {
    /// Reads the text of a topology file ([`file::File`] describes it). The topology has no name.
    pub fn parse(text: &str) -> Result<Self, TopologyError> {
        let file: file::File = toml::from_str(text)?;
        let compiled = compile::compile(text, &file)?;
        Ok(Self {
            name: String::new(),
            description: file.description,
            truths: compiled.truths,
            plan: Arc::new(compiled.plan),
        })
    }

    /// Reads a topology file; its name is that of the file without `.toml`.
    pub fn read(path: &Path) -> Result<Self, TopologyError> {
        let text = fs::read_to_string(path).map_err(|source| TopologyError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut topology = Self::parse(&text).map_err(|source| TopologyError::File {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        topology.name = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
            .unwrap_or_default();
        Ok(topology)
    }

    /// The topology `name` of `tests/data/topologies`.
    pub fn load(name: &str) -> Result<Self, TopologyError> {
        Self::read(&path(name))
    }

    /// Every topology of `tests/data/topologies`, by name.
    pub fn all() -> Result<Vec<Self>, TopologyError> {
        let folder = folder();
        let unreadable = |source| TopologyError::Read {
            path: folder.clone(),
            source,
        };
        let mut paths = Vec::new();
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path
                .extension()
                .is_some_and(|extension| extension == "toml")
            {
                paths.push(path);
            }
        }
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    /// Its name; empty if it came from text.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it shows.
    pub fn description(&self) -> &str {
        &self.description
    }

    /// What its author declares: one truth for each target worth measuring.
    pub fn truths(&self) -> &[Truth] {
        &self.truths
    }

    /// The addresses of the vantage point.
    pub fn vantages(&self) -> impl Iterator<Item = IpAddr> {
        self.plan.nodes[super::plan::VANTAGE].addresses.each()
    }

    /// The addresses of the node `name`, one of each family at most.
    pub fn addresses(&self, name: &str) -> Vec<IpAddr> {
        let node = self.plan.nodes.iter().find(|node| node.name == name);
        node.map_or_else(Vec::new, |node| node.addresses.each().collect())
    }

    /// The address of the vantage point in the family of `target`, if it has one.
    pub fn vantage(&self, target: IpAddr) -> Option<IpAddr> {
        self.plan.nodes[super::plan::VANTAGE].addresses.like(target)
    }
}

/// Where `tests/data/topologies` keeps the topology `name`.
pub fn path(name: &str) -> PathBuf {
    folder().join(format!("{name}.toml"))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data/topologies")
}
