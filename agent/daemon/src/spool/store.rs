//! The spool as files: append, hand out, acknowledge, evict.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::mem;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::codec::{self, ACK_LEN, FRAME_HEADER, Frame, Id, SEGMENT_HEADER};
use super::disk::{Disk, OsDisk};
use super::gap::{self, Gap, GapFile};
use super::rejected::{Rejected, RejectedArea};
use super::{Entry, Error, Evicted, Options, Recovery, Sync, recover};

/// Offset of a segment's first frame.
pub(super) const FIRST_OFFSET: u32 = 8;

/// One segment file and what still waits in it.
pub(super) struct Segment {
    pub(super) number: u32,
    /// Length of the segment file.
    pub(super) bytes: u64,
    /// Length of its acknowledgement file.
    pub(super) ack_bytes: u64,
    /// Entries not yet acknowledged, in order.
    pub(super) live: Vec<Frame>,
}

/// A directory of waiting entries. One process, one owner; calls block for as long as the device takes.
pub struct Spool {
    pub(super) dir: PathBuf,
    pub(super) options: Options,
    pub(super) disk: Box<dyn Disk>,
    pub(super) segments: VecDeque<Segment>,
    /// Handle of the last segment while entries may be appended to it.
    pub(super) active: Option<File>,
    pub(super) next: u32,
    pub(super) gap: GapFile,
    pub(super) rejected: RejectedArea,
    pub(super) recovery: Recovery,
    /// The directory, locked against a second process for as long as it is open.
    pub(super) lock: File,
    pub(super) unsynced: bool,
    pub(super) unsaved_acks: u32,
}

impl Spool {
    /// Opens the spool in `dir`, which is made (mode 0700) when it is not there, and repairs what a crash left.
    pub fn open(dir: &Path, options: Options) -> Result<Self, Error> {
        Self::open_on(dir, options, Box::new(OsDisk))
    }

    /// As [`Spool::open`], on a file system of the caller's making.
    pub fn open_on(dir: &Path, options: Options, disk: Box<dyn Disk>) -> Result<Self, Error> {
        recover::open(dir, options, disk)
    }

    /// Adds an entry at the end.
    ///
    /// Returns what had to be evicted for it to keep within [`Options::max_bytes`]. After an error nothing of the entry is
    /// kept and everything else is as before, but for evictions, which stand in [`Spool::pending_gap`].
    pub fn append(&mut self, id: &Id, time_us: i64, body: &[u8]) -> Result<Option<Evicted>, Error> {
        let limit = self.largest_body();
        if body.len() as u64 > limit {
            return Err(Error::TooLarge {
                bytes: body.len(),
                limit,
            });
        }
        // A failure to note a gap is not this entry's failure: the note is kept in memory and tried again.
        let _ = self.gap.save(&mut *self.disk);
        let need = (FRAME_HEADER + body.len()) as u64;
        let evicted = self.make_room(need)?;
        if self
            .active_bytes()
            .is_none_or(|bytes| bytes + need > self.segment_limit())
        {
            self.close_active();
            self.append_to_new(id, time_us, body)?;
        } else {
            self.append_to_active(id, time_us, body)?;
        }
        Ok(evicted)
    }

    /// The oldest waiting entries: at most `max_entries`, their bodies at most `max_bytes` together, but always at least
    /// one entry if there is one. They stay until acknowledged.
    ///
    /// Entries that turn out to be damaged are taken out and counted in the gap.
    pub fn batch(&mut self, max_bytes: usize, max_entries: usize) -> Result<Vec<Entry>, Error> {
        let mut batch: Vec<Entry> = Vec::new();
        let mut lost: Vec<(u32, Frame)> = Vec::new();
        let mut bytes = 0;
        'segments: for segment in &self.segments {
            if segment.live.is_empty() {
                continue;
            }
            let path = segment_path(&self.dir, segment.number);
            let file = match File::open(&path) {
                Ok(file) => Some(file),
                Err(e) if e.kind() == ErrorKind::NotFound => None,
                Err(e) => return Err(Error::io("open", &path, e)),
            };
            for frame in &segment.live {
                let len = frame.body_len as usize;
                if batch.len() >= max_entries || (!batch.is_empty() && bytes + len > max_bytes) {
                    break 'segments;
                }
                let read = file
                    .as_ref()
                    .map(|file| read_body(file, segment.number, frame))
                    .transpose();
                match read.map_err(|e| Error::io("read", &path, e))?.flatten() {
                    Some(body) => batch.push(Entry {
                        id: frame.id,
                        time_us: frame.time_us,
                        body,
                    }),
                    None => lost.push((segment.number, *frame)),
                }
                bytes += len;
            }
        }
        if !lost.is_empty() {
            self.lose(&lost);
            if batch.is_empty() {
                return self.batch(max_bytes, max_entries);
            }
        }
        Ok(batch)
    }

    /// Marks entries as received by the repository; unknown ids are passed over. Returns how many were waiting.
    ///
    /// That the mark could not be written is no error (the entries would only be offered again after a restart); such
    /// cases are counted in [`Spool::unsaved_acks`].
    pub fn acknowledge<'a>(&mut self, ids: impl IntoIterator<Item = &'a Id>) -> usize {
        let ids: HashSet<&Id> = ids.into_iter().collect();
        let mut count = 0;
        for index in 0..self.segments.len() {
            if ids.is_empty() {
                break;
            }
            count += self.retire(index, |frame| ids.contains(&frame.id));
        }
        self.sweep();
        count
    }

    /// Takes a refused entry out of the queue and keeps it aside. Returns whether it was waiting.
    ///
    /// An entry that cannot be kept aside (too large, full device) is given up and counted in the gap: it must not come
    /// back for ever.
    pub fn reject(&mut self, id: &Id, reason: &str) -> Result<bool, Error> {
        let found = self
            .segments
            .iter()
            .find_map(|s| Some((s.number, *s.live.iter().find(|f| f.id == *id)?)));
        let Some((number, frame)) = found else {
            return Ok(false);
        };
        let path = segment_path(&self.dir, number);
        let body = File::open(&path).and_then(|file| read_body(&file, number, &frame));
        let kept = match body.map_err(|e| Error::io("read", &path, e))? {
            Some(body) => self
                .make_room(
                    (4 * SEGMENT_HEADER.len() + FRAME_HEADER + body.len() + reason.len()) as u64,
                )
                .and_then(|_| {
                    let entry = Entry {
                        id: frame.id,
                        time_us: frame.time_us,
                        body,
                    };
                    self.rejected.keep(&entry, reason, &mut *self.disk)
                })
                .unwrap_or(false),
            None => false,
        };
        if kept {
            self.acknowledge([id]);
        } else {
            self.lose(&[(number, frame)]);
        }
        Ok(true)
    }

    /// Entries kept aside, oldest first.
    pub fn rejected(&self) -> impl ExactSizeIterator<Item = &Rejected> {
        self.rejected.list()
    }

    /// The body of an entry kept aside.
    pub fn rejected_body(&self, id: &Id) -> Result<Option<Vec<u8>>, Error> {
        self.rejected.body(id)
    }

    /// Forgets all entries kept aside.
    pub fn clear_rejected(&mut self) -> Result<(), Error> {
        self.rejected.clear(&mut *self.disk)
    }

    /// Drops the oldest segment, whatever still waits in it; `None` when the spool is empty.
    pub fn evict_oldest(&mut self) -> Result<Option<Evicted>, Error> {
        self.sweep();
        let Some(oldest) = self.segments.front_mut() else {
            return Ok(None);
        };
        let frames = mem::take(&mut oldest.live);
        let number = oldest.number;
        let mut evicted = Evicted::default();
        for frame in &frames {
            evicted.gap.lose(frame);
            evicted.ids.push(frame.id);
        }
        // Counted on disk first, deleted then. On a full device the count may have to wait for the space.
        let counted = self.gap.update(&mut *self.disk, |state| {
            state.pending.add(&evicted.gap);
            state.evicted_through = state.evicted_through.max(number);
        });
        self.drop_segment(0)?;
        if counted.is_err() {
            let _ = self.gap.save(&mut *self.disk);
        }
        Ok(Some(evicted))
    }

    /// What was lost and is not yet part of the stream of entries; `None` when nothing is missing.
    pub fn pending_gap(&self) -> Option<Gap> {
        Some(self.gap.state.pending).filter(|gap| !gap.is_empty())
    }

    /// Turns the pending gap into an entry, made by `make` as id and body; `false` when nothing is missing.
    ///
    /// A crash at any point leaves either the gap pending or the entry waiting, not both and not neither. Best called just
    /// before an upload: a gap entry that is itself evicted counts as one lost entry and takes its figures with it.
    pub fn record_gap(
        &mut self,
        time_us: i64,
        make: impl FnOnce(&Gap) -> (Id, Vec<u8>),
    ) -> Result<bool, Error> {
        let Some(gap) = self.pending_gap() else {
            return Ok(false);
        };
        let (id, body) = make(&gap);
        let begun = self.gap.update(&mut *self.disk, |state| {
            state.pending = Gap::default();
            state.recording = Some((id, gap));
        });
        let appended = begun.and_then(|()| self.append(&id, time_us, &body));
        let done = self.gap.update(&mut *self.disk, |state| {
            if appended.is_err() {
                state.pending.add(&gap);
            }
            state.recording = None;
        });
        appended?;
        // The entry is in; that the note of it could not be written is made good by the next write or at the next open.
        let _ = done;
        Ok(true)
    }

    /// Forces everything written so far to the device, unless the policy is [`Sync::Never`].
    pub fn flush(&mut self) -> Result<(), Error> {
        self.gap.save(&mut *self.disk)?;
        if self.options.sync == Sync::Never || !self.unsynced {
            return Ok(());
        }
        if let (Some(file), Some(last)) = (&self.active, self.segments.back()) {
            self.disk
                .sync(file)
                .map_err(|e| Error::io("sync", &segment_path(&self.dir, last.number), e))?;
        }
        self.disk
            .sync(&self.lock)
            .map_err(|e| Error::io("sync", &self.dir, e))?;
        self.unsynced = false;
        Ok(())
    }

    /// Number of waiting entries.
    pub fn len(&self) -> usize {
        self.segments.iter().map(|segment| segment.live.len()).sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.segments.iter().all(|segment| segment.live.is_empty())
    }

    /// Time of the oldest waiting entry, microseconds UTC.
    pub fn oldest_us(&self) -> Option<i64> {
        self.segments
            .iter()
            .find_map(|segment| segment.live.first())
            .map(|frame| frame.time_us)
    }

    /// Whether an entry of this id waits.
    pub fn contains(&self, id: &Id) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.live.iter().any(|frame| frame.id == *id))
    }

    /// Bytes of all files of the spool.
    pub fn bytes(&self) -> u64 {
        let segments: u64 = self
            .segments
            .iter()
            .map(|segment| segment.bytes + segment.ack_bytes)
            .sum();
        segments + self.rejected.bytes() + gap::FILE_LEN
    }

    /// What opening found.
    pub fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// How many acknowledgements could not be written since the spool was opened.
    pub fn unsaved_acks(&self) -> u32 {
        self.unsaved_acks
    }

    /// The longest body this spool takes, in bytes.
    pub fn largest_body(&self) -> u64 {
        // Half, because a quarter may be taken by rejected entries and some by acknowledgements.
        (self.options.max_bytes / 2)
            .min(codec::MAX_BODY as u64)
            .saturating_sub(256)
    }

    fn segment_limit(&self) -> u64 {
        u64::from(self.options.segment_bytes).min(self.options.max_bytes / 4)
    }

    fn active_bytes(&self) -> Option<u64> {
        self.active
            .as_ref()
            .and_then(|_| self.segments.back())
            .map(|segment| segment.bytes)
    }

    /// Evicts until `need` more bytes, and the acknowledgements they may cost, fit.
    fn make_room(&mut self, need: u64) -> Result<Option<Evicted>, Error> {
        let need = need + (SEGMENT_HEADER.len() + ACK_LEN) as u64;
        let mut sum: Option<Evicted> = None;
        while self.bytes() + need + ACK_LEN as u64 * self.len() as u64 > self.options.max_bytes {
            let Some(evicted) = self.evict_oldest()? else {
                break;
            };
            let sum = sum.get_or_insert_default();
            sum.gap.add(&evicted.gap);
            sum.ids.extend(evicted.ids);
        }
        Ok(sum)
    }
}

fn read_body(file: &File, segment: u32, frame: &Frame) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = vec![0; FRAME_HEADER + frame.body_len as usize];
    match file.read_exact_at(&mut bytes, u64::from(frame.offset)) {
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let sound =
        codec::decode(&bytes, segment, frame.offset).is_some_and(|(found, _)| found == *frame);
    Ok(sound.then(|| bytes.split_off(FRAME_HEADER)))
}

pub(super) fn segment_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.seg"))
}

pub(super) fn ack_path(dir: &Path, number: u32) -> PathBuf {
    dir.join(format!("{number:010}.ack"))
}

/// The files of `dir` named by ten digits and `extension`, by rising number.
pub(super) fn numbered(dir: &Path, extension: &str) -> Result<Vec<(u32, PathBuf)>, Error> {
    let failed = |e| Error::io("list", dir, e);
    let mut found = Vec::new();
    for item in std::fs::read_dir(dir).map_err(failed)? {
        let path = item.map_err(failed)?.path();
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .filter(|stem| stem.len() == 10);
        if let Some(number) = stem.and_then(|stem| stem.parse().ok())
            && path.extension().is_some_and(|found| found == extension)
        {
            found.push((number, path));
        }
    }
    found.sort_unstable();
    Ok(found)
}
