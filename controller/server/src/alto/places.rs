//! Where things come from that agents do not say: the place of an agent without labels, and the prefixes of places.

mod database;
mod noted;
mod prefixes;
#[cfg(test)]
mod tests;

pub(crate) use noted::note;
pub use prefixes::Prefixes;

use crate::config::PlaceFiles;
use database::{Database, Kind};
use glimpse_alto::{NameError, PidName, Prefix, PrefixError};
use glimpse_store::Labels;
use noted::Noted;
use std::net::IpAddr;
use std::path::PathBuf;

/// Why a file of the operator cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PlaceError {
    /// It cannot be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It is no MMDB, or not all of one.
    #[error("{}: is no whole MMDB file: {reason}; fetch it again", path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// It is an MMDB of something else.
    #[error("{}: an MMDB of type {kind:?}, whose records have no {wanted}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it says it is.
        kind: String,
        /// What is looked for.
        wanted: &'static str,
    },
    /// It is no JSON object of PID to address type to prefixes.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column.
        reason: String,
    },
    /// A member is no name of a PID.
    #[error("{}: PID {name:?}: {error}", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
        /// What is wrong with it.
        error: NameError,
    },
    /// A prefix is none, or has bits set after its length.
    #[error("{}: PID {pid}: {error}", path.display())]
    Prefix {
        /// The file.
        path: PathBuf,
        /// The PID.
        pid: PidName,
        /// What is wrong, with the prefix.
        error: PrefixError,
    },
    /// A prefix stands under another address type than its own, or the type is none that is known.
    #[error("{}: PID {pid}: {prefix:?} is no prefix of type {kind:?}; types are ipv4 and ipv6", path.display())]
    AddressType {
        /// The file.
        path: PathBuf,
        /// The PID.
        pid: PidName,
        /// The type.
        kind: String,
        /// The prefix.
        prefix: String,
    },
    /// Addresses would be in two PIDs.
    #[error("{}: prefix {prefix} is in PID {first} and in PID {second}", path.display())]
    Overlap {
        /// The file.
        path: PathBuf,
        /// The prefix.
        prefix: Prefix,
        /// One PID.
        first: PidName,
        /// The other.
        second: PidName,
    },
}

/// What the operator's files say of addresses.
#[derive(Debug, Default)]
pub struct Places {
    systems: Vec<Database>,
    regions: Vec<Database>,
    prefixes: Prefixes,
    noted: Noted,
}

impl Places {
    /// Reads the files.
    ///
    /// # Errors
    /// [`PlaceError`] for the first that cannot be used.
    pub fn open(files: &PlaceFiles) -> Result<Self, PlaceError> {
        let open = |paths: &[PathBuf], kind| -> Result<Vec<Database>, PlaceError> {
            paths
                .iter()
                .map(|path| Database::open(path, kind))
                .collect()
        };
        Ok(Self {
            systems: open(&files.asn_databases, Kind::System)?,
            regions: open(&files.geo_databases, Kind::Region)?,
            prefixes: match &files.prefixes {
                Some(path) => Prefixes::read(path)?,
                None => Prefixes::default(),
            },
            noted: Noted::default(),
        })
    }

    /// The prefixes of places.
    pub fn prefixes(&self) -> &Prefixes {
        &self.prefixes
    }

    /// The labels `isp` (`as3320`) and `region` (`de-by`, or `de` where no more is known) of an address, as far as the
    /// databases know them.
    pub fn labels(&self, address: IpAddr) -> Labels {
        let address = address.to_canonical();
        let first = |databases: &[Database]| databases.iter().find_map(|db| db.label(address));
        let isp = first(&self.systems).map(|label| ("isp".to_owned(), label));
        let region = first(&self.regions).map(|label| ("region".to_owned(), label));
        isp.into_iter().chain(region).collect()
    }

    /// Whether any database is there.
    fn knows_addresses(&self) -> bool {
        !self.systems.is_empty() || !self.regions.is_empty()
    }
}
