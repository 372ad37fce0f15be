//! The changes to segment files: writing a frame, taking it back when that fails, retiring entries, deleting segments.

use std::io::{self, ErrorKind};
use std::mem;
use std::path::Path;

use super::codec::{self, FRAME_HEADER, Frame, Id, SEGMENT_HEADER};
use super::disk::{self, Disk};
use super::gap::{self, Gap};
use super::store::{FIRST_OFFSET, Segment, ack_path, segment_path};
use super::{Error, Spool, Sync};

impl Spool {
    pub(super) fn append_to_new(
        &mut self,
        id: &Id,
        time_us: i64,
        body: &[u8],
    ) -> Result<(), Error> {
        let number = self.next;
        let path = segment_path(&self.dir, number);
        let offset = FIRST_OFFSET;
        let mut bytes = SEGMENT_HEADER.to_vec();
        codec::encode(&mut bytes, number, offset, id, time_us, body);
        let file = self
            .disk
            .create(&path)
            .map_err(|e| Error::io("create", &path, e))?;
        self.next = number.saturating_add(1);
        let written = disk::append_all(&mut *self.disk, &file, &bytes).and_then(|()| {
            if self.options.sync == Sync::Each {
                self.disk.sync(&file)?;
                self.disk.sync(&self.lock)?;
            }
            Ok(())
        });
        if let Err(e) = written {
            // Of two ways to take it back one suffices; if both fail, the next open may find an entry that was refused.
            let _ = self.disk.truncate(&file, 0);
            let _ = self.disk.remove(&path);
            return Err(Error::io("write", &path, e));
        }
        let live = vec![frame(id, time_us, offset, body)];
        self.segments.push_back(Segment {
            number,
            bytes: bytes.len() as u64,
            ack_bytes: 0,
            live,
        });
        self.active = Some(file);
        self.unsynced = self.options.sync == Sync::Batch;
        Ok(())
    }

    pub(super) fn append_to_active(
        &mut self,
        id: &Id,
        time_us: i64,
        body: &[u8],
    ) -> Result<(), Error> {
        let (Some(file), Some(segment)) = (self.active.take(), self.segments.back_mut()) else {
            return self.append_to_new(id, time_us, body);
        };
        let path = segment_path(&self.dir, segment.number);
        let offset = u32::try_from(segment.bytes).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(FRAME_HEADER + body.len());
        codec::encode(&mut bytes, segment.number, offset, id, time_us, body);
        let written = disk::append_all(&mut *self.disk, &file, &bytes).and_then(|()| {
            if self.options.sync == Sync::Each {
                self.disk.sync(&file)
            } else {
                Ok(())
            }
        });
        if let Err(e) = written {
            if self.disk.truncate(&file, segment.bytes).is_ok() {
                self.active = Some(file);
            } else {
                // Whatever stands there now, nothing may follow it.
                segment.bytes = file.metadata().map_or(segment.bytes, |meta| meta.len());
            }
            return Err(Error::io("write", &path, e));
        }
        segment.live.push(frame(id, time_us, offset, body));
        segment.bytes += bytes.len() as u64;
        self.active = Some(file);
        self.unsynced = self.options.sync == Sync::Batch;
        Ok(())
    }

    pub(super) fn close_active(&mut self) {
        if let Some(file) = self.active.take()
            && self.unsynced
        {
            let _ = self.disk.sync(&file);
        }
    }

    /// Counts entries as lost and takes them out.
    pub(super) fn lose(&mut self, lost: &[(u32, Frame)]) {
        let mut gap = Gap::default();
        for (_, frame) in lost {
            gap.lose(frame);
        }
        let _ = self
            .gap
            .update(&mut *self.disk, |state| state.pending.add(&gap));
        for index in 0..self.segments.len() {
            let number = self.segments[index].number;
            self.retire(index, |frame| lost.contains(&(number, *frame)));
        }
        self.sweep();
    }

    /// Takes the entries that `done` names out of a segment and writes that down, unless the segment goes as a whole.
    pub(super) fn retire(&mut self, index: usize, done: impl Fn(&Frame) -> bool) -> usize {
        let Some(segment) = self.segments.get_mut(index) else {
            return 0;
        };
        let number = segment.number;
        let (retired, live): (Vec<Frame>, Vec<Frame>) =
            mem::take(&mut segment.live).into_iter().partition(done);
        segment.live = live;
        if retired.is_empty() || segment.live.is_empty() {
            return retired.len();
        }
        let bytes: Vec<u8> = retired
            .iter()
            .flat_map(|f| codec::encode_ack(number, f.offset, &f.id))
            .collect();
        match append_acks(
            &mut *self.disk,
            &ack_path(&self.dir, number),
            segment.ack_bytes,
            &bytes,
        ) {
            Ok(()) => segment.ack_bytes += bytes.len() as u64,
            Err(_) => self.unsaved_acks = self.unsaved_acks.saturating_add(1),
        }
        retired.len()
    }

    /// Deletes segments in which nothing waits. One that cannot be deleted now is tried again at the next sweep.
    pub(super) fn sweep(&mut self) {
        for index in (0..self.segments.len()).rev() {
            if self.segments[index].live.is_empty() {
                let _ = self.drop_segment(index);
            }
        }
    }

    pub(super) fn drop_segment(&mut self, index: usize) -> Result<(), Error> {
        let Some(segment) = self.segments.get(index) else {
            return Ok(());
        };
        let (number, last) = (segment.number, index + 1 == self.segments.len());
        if last {
            self.active = None;
        }
        gap::remove_segment(&mut *self.disk, &self.dir, number)?;
        self.segments.remove(index);
        Ok(())
    }
}

fn frame(id: &Id, time_us: i64, offset: u32, body: &[u8]) -> Frame {
    Frame {
        id: *id,
        time_us,
        offset,
        body_len: u32::try_from(body.len()).unwrap_or(u32::MAX),
    }
}

fn append_acks(disk: &mut dyn Disk, path: &Path, len: u64, bytes: &[u8]) -> io::Result<()> {
    let file = match disk::open_append(path) {
        Err(e) if e.kind() == ErrorKind::NotFound => disk.create(path)?,
        other => other?,
    };
    disk::append_all(disk, &file, bytes).inspect_err(|_| {
        // Records are found by counting: half of one would spoil those after it.
        let _ = disk.truncate(&file, len);
    })
}
