//! The gap: what the spool lost, kept on disk until it has become an entry of its own.
//!
//! Two slots of one small file are written in turn, so that a cut while writing leaves the older one. The file has its
//! full size from the start: noting a loss needs no space on a full device.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use super::codec::{Frame, Id};
use super::disk::{self, Disk};
use super::{Error, Sync};

/// What is missing from the stream of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gap {
    /// Entries known to be lost.
    pub entries: u32,
    /// Bytes of their bodies.
    pub bytes: u64,
    /// Bytes in which an unknown number of further entries may have stood.
    pub unreadable_bytes: u64,
    /// Time of the oldest lost entry, microseconds UTC; `None` without known entries.
    pub first_us: Option<i64>,
    /// Time of the newest lost entry.
    pub last_us: Option<i64>,
}

impl Gap {
    /// Whether nothing is missing.
    pub fn is_empty(&self) -> bool {
        self.entries == 0 && self.unreadable_bytes == 0
    }

    /// Adds a lost entry.
    pub(super) fn lose(&mut self, frame: &Frame) {
        self.add(&Self {
            entries: 1,
            bytes: u64::from(frame.body_len),
            unreadable_bytes: 0,
            first_us: Some(frame.time_us),
            last_us: Some(frame.time_us),
        });
    }

    /// Adds what another gap counts.
    pub(super) fn add(&mut self, other: &Self) {
        self.entries = self.entries.saturating_add(other.entries);
        self.bytes = self.bytes.saturating_add(other.bytes);
        self.unreadable_bytes = self.unreadable_bytes.saturating_add(other.unreadable_bytes);
        self.first_us = self.first_us.into_iter().chain(other.first_us).min();
        self.last_us = self.last_us.into_iter().chain(other.last_us).max();
    }

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&self.bytes.to_le_bytes());
        out.extend_from_slice(&self.unreadable_bytes.to_le_bytes());
        out.extend_from_slice(&self.first_us.unwrap_or(i64::MAX).to_le_bytes());
        out.extend_from_slice(&self.last_us.unwrap_or(i64::MIN).to_le_bytes());
    }

    fn decode(bytes: &[u8; GAP_LEN]) -> Option<Self> {
        let long = |at: usize| Some(*bytes.get(at..)?.first_chunk::<8>()?);
        let (first, last) = (i64::from_le_bytes(long(20)?), i64::from_le_bytes(long(28)?));
        Some(Self {
            entries: u32::from_le_bytes(*bytes.first_chunk()?),
            bytes: u64::from_le_bytes(long(4)?),
            unreadable_bytes: u64::from_le_bytes(long(12)?),
            first_us: (first <= last).then_some(first),
            last_us: (first <= last).then_some(last),
        })
    }
}

const GAP_LEN: usize = 36;
const MAGIC: [u8; 4] = *b"GGAP";
/// Magic, serial, last evicted segment, pending gap, flag and id of the gap being recorded, that gap, CRC.
const SLOT_LEN: usize = 4 + 4 + 4 + GAP_LEN + 4 + 16 + GAP_LEN + 4;
/// Length of the gap file.
pub(super) const FILE_LEN: u64 = 2 * SLOT_LEN as u64;

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    serial: u32,
    /// Segments up to this number were evicted: if one is still there, it is to be deleted.
    pub(super) evicted_through: u32,
    /// Lost and not yet recorded.
    pub(super) pending: Gap,
    /// Being turned into the entry of this id.
    pub(super) recording: Option<(Id, Gap)>,
}

impl State {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(SLOT_LEN);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&self.serial.to_le_bytes());
        out.extend_from_slice(&self.evicted_through.to_le_bytes());
        self.pending.encode(&mut out);
        let (id, gap) = self.recording.unwrap_or_default();
        out.extend_from_slice(&u32::from(self.recording.is_some()).to_le_bytes());
        out.extend_from_slice(&id);
        gap.encode(&mut out);
        let crc = crc32fast::hash(&out);
        out.extend_from_slice(&crc.to_le_bytes());
        out
    }

    fn decode(slot: &[u8; SLOT_LEN]) -> Option<Self> {
        let word = |at: usize| Some(u32::from_le_bytes(*slot.get(at..)?.first_chunk()?));
        if slot[..4] != MAGIC || crc32fast::hash(&slot[..SLOT_LEN - 4]) != word(SLOT_LEN - 4)? {
            return None;
        }
        let gap = |at: usize| Gap::decode(slot.get(at..)?.first_chunk()?);
        let recording = match word(48)? {
            0 => None,
            _ => Some((*slot.get(52..)?.first_chunk()?, gap(68)?)),
        };
        Some(Self {
            serial: word(4)?,
            evicted_through: word(8)?,
            pending: gap(12)?,
            recording,
        })
    }
}

/// The file, and what it should say.
pub(super) struct GapFile {
    path: PathBuf,
    file: Option<File>,
    sync: Sync,
    dirty: bool,
    pub(super) state: State,
}

impl GapFile {
    /// Reads the file; makes it when it is not there. That it cannot be made (full device) does not stop the spool.
    pub(super) fn open(path: PathBuf, sync: Sync, disk: &mut dyn Disk) -> Result<Self, Error> {
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(Error::io("read", &path, e)),
        };
        let slots = bytes.as_chunks::<SLOT_LEN>().0.iter();
        let state = slots
            .filter_map(State::decode)
            .max_by_key(|state| state.serial)
            .unwrap_or_default();
        let mut gap = Self {
            path,
            file: None,
            sync,
            dirty: bytes.len() as u64 != FILE_LEN,
            state,
        };
        if gap.dirty {
            // Both slots at once: the file gets its full length while there is room.
            let _ = gap.save(disk).and_then(|()| gap.rewrite(disk));
        }
        Ok(gap)
    }

    /// Changes the state and writes it. After a failure the state stands in memory and is written with the next change.
    pub(super) fn update(
        &mut self,
        disk: &mut dyn Disk,
        change: impl FnOnce(&mut State),
    ) -> Result<(), Error> {
        change(&mut self.state);
        self.rewrite(disk)
    }

    /// Writes the state if an earlier attempt failed.
    pub(super) fn save(&mut self, disk: &mut dyn Disk) -> Result<(), Error> {
        if self.dirty {
            self.rewrite(disk)
        } else {
            Ok(())
        }
    }

    fn rewrite(&mut self, disk: &mut dyn Disk) -> Result<(), Error> {
        self.dirty = true;
        if self.file.is_none() {
            self.file =
                Some(open(&self.path, disk).map_err(|e| Error::io("create", &self.path, e))?);
        }
        let Some(file) = &self.file else {
            return Ok(());
        };
        // The slot of the serial that is valid on disk must stay untouched, also when the last attempt failed half-way.
        let next = State {
            serial: self.state.serial.wrapping_add(1),
            ..self.state
        };
        let offset = u64::from(next.serial % 2) * SLOT_LEN as u64;
        disk.overwrite(file, offset, &next.encode())
            .map_err(|e| Error::io("write", &self.path, e))?;
        if self.sync != Sync::Never {
            disk.sync(file)
                .map_err(|e| Error::io("sync", &self.path, e))?;
        }
        self.state.serial = next.serial;
        self.dirty = false;
        Ok(())
    }
}

fn open(path: &Path, disk: &mut dyn Disk) -> std::io::Result<File> {
    if !path.exists() {
        drop(disk.create(path)?);
    }
    // Not the handle of `create`: that one appends wherever it is told to write.
    OpenOptions::new().write(true).open(path)
}

pub(super) fn load(dir: &Path, sync: Sync, disk: &mut dyn Disk) -> Result<GapFile, Error> {
    GapFile::open(dir.join("gap"), sync, disk)
}

/// Deletes a segment and what belongs to it, the segment first: an acknowledgement without its segment is harmless.
pub(super) fn remove_segment(disk: &mut dyn Disk, dir: &Path, number: u32) -> Result<(), Error> {
    disk::remove(disk, &super::store::segment_path(dir, number))?;
    disk::remove(disk, &super::store::ack_path(dir, number))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::OsDisk;
    use super::*;

    fn gap(entries: u32) -> Gap {
        Gap {
            entries,
            bytes: 10,
            unreadable_bytes: 3,
            first_us: Some(-5),
            last_us: Some(i64::from(entries)),
        }
    }

    #[test]
    fn survives_a_cut_at_every_byte_of_a_write() {
        let dir = tempfile::tempdir().unwrap();
        let mut file = load(dir.path(), Sync::Never, &mut OsDisk).unwrap();
        file.update(&mut OsDisk, |s| s.pending = gap(1)).unwrap();
        let before = std::fs::read(dir.path().join("gap")).unwrap();
        file.update(&mut OsDisk, |s| {
            s.pending = gap(2);
            s.recording = Some(([7; 16], gap(4)));
        })
        .unwrap();
        let after = std::fs::read(dir.path().join("gap")).unwrap();
        assert_eq!(before.len() as u64, FILE_LEN);
        assert_eq!(after.len() as u64, FILE_LEN);

        let changed: Vec<usize> = (0..after.len())
            .filter(|&i| before[i] != after[i])
            .collect();
        for cut in 0..=after.len() {
            let mut bytes = before.clone();
            bytes[..cut].copy_from_slice(&after[..cut]);
            std::fs::write(dir.path().join("gap"), &bytes).unwrap();
            let state = load(dir.path(), Sync::Never, &mut OsDisk).unwrap().state;
            let complete = cut > *changed.last().unwrap();
            assert_eq!(
                state.pending,
                if complete { gap(2) } else { gap(1) },
                "cut at {cut}"
            );
            assert_eq!(state.recording.is_some(), complete);
        }
    }

    #[test]
    fn sums_keep_the_outer_times() {
        let mut sum = Gap::default();
        assert!(sum.is_empty());
        sum.add(&gap(2));
        sum.add(&Gap {
            unreadable_bytes: 9,
            ..Gap::default()
        });
        sum.add(&gap(8));
        assert_eq!(
            (sum.entries, sum.unreadable_bytes, sum.first_us, sum.last_us),
            (10, 15, Some(-5), Some(8))
        );
    }
}
