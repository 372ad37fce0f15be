//! The spool: finished records wait here, on flash or in RAM, until a receipt names them.
//!
//! # Constraints
//! - Routers lose power and processes get killed: a cut at *any* byte of *any* write must leave a spool that opens by
//!   itself, offers every entry whose [`Spool::append`] returned, and offers no half of one.
//! - Flash is small and wears: bytes on disk have a hard limit ([`Options::max_bytes`]), files are only appended to, an
//!   acknowledgement costs eight bytes or the deletion of a file, and when to sync is the owner's choice ([`Sync`]).
//! - Nothing vanishes silently. What is evicted or found damaged is counted in a [`Gap`] that is on disk before the data
//!   are gone, and stays there until [`Spool::record_gap`] has turned it into an entry of its own.
//! - 32-bit big-endian machines read the same files: every integer is little-endian, sizes are fixed, nothing is mapped.
//! - Little memory: 32 bytes per waiting entry, bodies stay on disk.
//!
//! # Files
//! ```text
//! NNNNNNNNNN.seg   segment: 8 bytes of magic and version, then frames
//!     frame        body length u32 | id [16] | time i64 | CRC of body u32 | CRC of the above u32 | body
//! NNNNNNNNNN.ack   which frames of that segment are done with: (offset u32 | CRC u32) each
//! gap              two slots written in turn: the pending gap, and the number of the last evicted segment
//! rejected/*.rej   entries the repository refused, one per file: a segment of one frame, reason before the body
//! ```
//! Segment numbers only rise. Both CRCs of a frame cover the segment's number and the frame's offset as well, so bytes of
//! a frame that turn up elsewhere (in a body, in a reused block) are not taken for one. The CRC of an acknowledgement
//! covers the id it stands for: if a power cut takes the unsynced end of a segment but not its `.ack` file, the entry
//! written later at the same offset is not taken for acknowledged.
//!
//! # Recovery
//! Opening reads every segment. An unfinished frame at the end is what a killed `append` leaves: it was never promised, so
//! it is cut off and reported in [`Recovery`] only. A finished frame whose body fails its CRC, or a stretch with no
//! readable frame head, is *damage*: the next frame that checks out is looked for and reading goes on there; what lies
//! between is counted in the gap. Segments up to the last evicted number are deleted (the cut came between counting and
//! deleting), so are segments without live entries, and `.ack` files without a segment.
//!
//! An acknowledgement lost in a crash only means that the entry is offered again; the repository knows its id.
//!
//! # A full device
//! A write that fails is taken back to the last good offset, the caller gets [`Error::Full`] and still has its record;
//! what is already there can be read, sent and acknowledged. Space is made by acknowledgement or, if the owner wants
//! newer records more than older ones, by [`Spool::evict_oldest`].

pub mod codec;
mod disk;
mod gap;
mod recover;
mod rejected;
mod store;
#[cfg(test)]
mod tests;
mod write;

use std::path::{Path, PathBuf};

pub use codec::Id;
pub use disk::{Disk, OsDisk};
pub use gap::Gap;
pub use rejected::Rejected;
pub use store::Spool;

/// When written data are forced to the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// After every entry: an entry survives a power cut once `append` has returned.
    Each,
    /// When the owner calls [`Spool::flush`], and when a segment is full.
    #[default]
    Batch,
    /// Never: for a spool in RAM.
    Never,
}

/// How a spool behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Upper limit, in bytes, of everything below the spool's directory.
    pub max_bytes: u64,
    /// Bytes after which a segment is closed; also what an eviction takes at once. At most a quarter of `max_bytes` is used.
    pub segment_bytes: u32,
    /// When to sync.
    pub sync: Sync,
    /// How many rejected entries are kept aside; the oldest goes first. Their bytes are limited to a quarter of `max_bytes`.
    pub max_rejected: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            max_bytes: 2 * 1024 * 1024,
            segment_bytes: 64 * 1024,
            sync: Sync::default(),
            max_rejected: 32,
        }
    }
}

/// A waiting entry, as [`Spool::batch`] hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The id a receipt names.
    pub id: Id,
    /// The time given at `append`, microseconds UTC.
    pub time_us: i64,
    /// The opaque body.
    pub body: Vec<u8>,
}

/// What one eviction took away; it is also added to [`Spool::pending_gap`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evicted {
    /// Counts and times.
    pub gap: Gap,
    /// The ids, oldest first.
    pub ids: Vec<Id>,
}

/// What opening a spool found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Recovery {
    /// Entries waiting.
    pub entries: usize,
    /// Entries already acknowledged whose segment is still there.
    pub acknowledged: usize,
    /// Bytes of unfinished frames at the end of segments.
    pub torn_bytes: u64,
    /// Entries and bytes found damaged; already part of the pending gap.
    pub damaged: Gap,
}

/// What went wrong with the spool.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The device is full (or the quota reached): nothing of the entry was kept.
    #[error("no space left on the device for {path}")]
    Full {
        /// The file that could not grow.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The entry cannot fit even into an empty spool.
    #[error("entry of {bytes} bytes is larger than the limit of {limit} bytes")]
    TooLarge {
        /// Length of the body.
        bytes: usize,
        /// Longest body this spool can hold.
        limit: u64,
    },
    /// Another process holds the directory.
    #[error("{path} is in use by another process")]
    Locked {
        /// The spool's directory.
        path: PathBuf,
    },
    /// Any other failure of the file system.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
}

impl Error {
    fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        let path = path.to_owned();
        match source.kind() {
            StorageFull | QuotaExceeded => Self::Full { path, source },
            _ => Self::Io {
                action,
                path,
                source,
            },
        }
    }
}
