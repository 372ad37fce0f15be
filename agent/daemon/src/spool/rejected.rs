//! Entries the repository refused: kept aside, few and listable, for somebody to look at.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::codec::{self, Id, SEGMENT_HEADER};
use super::disk::{self, Disk};
use super::store::{FIRST_OFFSET, numbered};
use super::{Entry, Error};

/// One refused entry, without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// The entry's id.
    pub id: Id,
    /// The entry's time, microseconds UTC.
    pub time_us: i64,
    /// What the repository said.
    pub reason: String,
    /// Length of the body.
    pub body_len: usize,
}

struct Kept {
    number: u32,
    file_bytes: u64,
    what: Rejected,
}

pub(super) struct RejectedArea {
    dir: PathBuf,
    kept: VecDeque<Kept>,
    max_entries: usize,
    max_bytes: u64,
    next: u32,
}

/// Longest reason kept; repositories are not trusted to be brief.
const MAX_REASON: usize = 512;

impl RejectedArea {
    pub(super) fn open(
        dir: PathBuf,
        max_entries: usize,
        max_bytes: u64,
        disk: &mut dyn Disk,
    ) -> Result<Self, Error> {
        let mut area = Self {
            dir,
            kept: VecDeque::new(),
            max_entries,
            max_bytes,
            next: 1,
        };
        for (number, path) in numbered(&area.dir, "rej")? {
            area.next = number.saturating_add(1);
            match read(&path, number)? {
                Some((what, _, file_bytes)) => area.kept.push_back(Kept {
                    number,
                    file_bytes,
                    what,
                }),
                None => disk::remove(disk, &path)?,
            }
        }
        area.make_room(0, 0, disk)?;
        Ok(area)
    }

    /// Keeps an entry; `false` when it is too large for the area.
    pub(super) fn keep(
        &mut self,
        entry: &Entry,
        reason: &str,
        disk: &mut dyn Disk,
    ) -> Result<bool, Error> {
        if self.kept.iter().any(|kept| kept.what.id == entry.id) {
            // A crash between keeping it aside and taking it out of the queue.
            return Ok(true);
        }
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        let mut body = Vec::with_capacity(2 + reason.len() + entry.body.len());
        body.extend_from_slice(
            &u16::try_from(reason.len())
                .unwrap_or_default()
                .to_le_bytes(),
        );
        body.extend_from_slice(reason.as_bytes());
        body.extend_from_slice(&entry.body);
        let number = self.next;
        let mut bytes = SEGMENT_HEADER.to_vec();
        codec::encode(
            &mut bytes,
            number,
            FIRST_OFFSET,
            &entry.id,
            entry.time_us,
            &body,
        );
        let file_bytes = bytes.len() as u64;
        if file_bytes > self.max_bytes || self.max_entries == 0 {
            return Ok(false);
        }
        self.make_room(1, file_bytes, disk)?;
        self.next = number.saturating_add(1);
        let path = self.dir.join(file_name(number));
        let written = disk
            .create(&path)
            .and_then(|file| disk::append_all(disk, &file, &bytes));
        if let Err(e) = written {
            let _ = disk.remove(&path);
            return Err(Error::io("write", &path, e));
        }
        let (id, time_us, body_len) = (entry.id, entry.time_us, entry.body.len());
        let what = Rejected {
            id,
            time_us,
            reason: reason.to_owned(),
            body_len,
        };
        self.kept.push_back(Kept {
            number,
            file_bytes,
            what,
        });
        Ok(true)
    }

    pub(super) fn list(&self) -> impl ExactSizeIterator<Item = &Rejected> {
        self.kept.iter().map(|kept| &kept.what)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.kept.iter().map(|kept| kept.file_bytes).sum()
    }

    pub(super) fn body(&self, id: &Id) -> Result<Option<Vec<u8>>, Error> {
        let Some(kept) = self.kept.iter().find(|kept| kept.what.id == *id) else {
            return Ok(None);
        };
        Ok(read(&self.dir.join(file_name(kept.number)), kept.number)?.map(|(_, body, _)| body))
    }

    pub(super) fn clear(&mut self, disk: &mut dyn Disk) -> Result<(), Error> {
        while !self.kept.is_empty() {
            self.drop_oldest(disk)?;
        }
        Ok(())
    }

    fn make_room(&mut self, entries: usize, bytes: u64, disk: &mut dyn Disk) -> Result<(), Error> {
        while self.kept.len() + entries > self.max_entries || self.bytes() + bytes > self.max_bytes
        {
            if self.kept.is_empty() {
                break;
            }
            self.drop_oldest(disk)?;
        }
        Ok(())
    }

    fn drop_oldest(&mut self, disk: &mut dyn Disk) -> Result<(), Error> {
        if let Some(oldest) = self.kept.front() {
            disk::remove(disk, &self.dir.join(file_name(oldest.number)))?;
            self.kept.pop_front();
        }
        Ok(())
    }
}

fn file_name(number: u32) -> String {
    format!("{number:010}.rej")
}

fn read(path: &Path, number: u32) -> Result<Option<(Rejected, Vec<u8>, u64)>, Error> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io("read", path, e)),
    };
    Ok(parse(&bytes, number).map(|(what, body)| (what, body, bytes.len() as u64)))
}

fn parse(bytes: &[u8], number: u32) -> Option<(Rejected, Vec<u8>)> {
    let (frame, body) = codec::decode(bytes.get(FIRST_OFFSET as usize..)?, number, FIRST_OFFSET)?;
    let (reason_len, rest) = body.split_first_chunk()?;
    let (reason, body) = rest.split_at_checked(usize::from(u16::from_le_bytes(*reason_len)))?;
    let reason = String::from_utf8_lossy(reason).into_owned();
    Some((
        Rejected {
            id: frame.id,
            time_us: frame.time_us,
            reason,
            body_len: body.len(),
        },
        body.to_vec(),
    ))
}

pub(super) fn load(
    dir: &Path,
    max_entries: usize,
    max_bytes: u64,
    disk: &mut dyn Disk,
) -> Result<RejectedArea, Error> {
    RejectedArea::open(dir.join("rejected"), max_entries, max_bytes, disk)
}
