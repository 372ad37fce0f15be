//! Opening a spool: reading what is there and mending what a crash left.

use std::collections::{HashSet, VecDeque};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::codec::{self, ACK_LEN, Damage, Frame, Id, Scan};
use super::disk::{self, Disk};
use super::store::{Segment, ack_path, numbered};
use super::{Error, Gap, Options, Recovery, Spool, gap, rejected};

/// Longest segment read; one that is longer was not written by us.
const MAX_SEGMENT: u64 = 64 * 1024 * 1024;

pub(super) fn open(dir: &Path, options: Options, mut disk: Box<dyn Disk>) -> Result<Spool, Error> {
    for path in [dir, &dir.join("rejected")] {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|e| Error::io("create", path, e))?;
    }
    let lock = lock(dir)?;
    let gap = gap::load(dir, options.sync, &mut *disk)?;
    let rejected = rejected::load(dir, options.max_rejected, options.max_bytes / 4, &mut *disk)?;
    let mut spool = Spool {
        dir: dir.to_owned(),
        next: gap.state.evicted_through.saturating_add(1),
        options,
        disk,
        segments: VecDeque::new(),
        active: None,
        gap,
        rejected,
        recovery: Recovery::default(),
        lock,
        unsynced: false,
        unsaved_acks: 0,
    };
    read_segments(&mut spool)?;
    remove_orphans(&mut spool)?;
    settle_recording(&mut spool);
    spool.recovery.entries = spool.len();
    Ok(spool)
}

fn lock(dir: &Path) -> Result<File, Error> {
    // The directory itself, not a file in it: locking must also work on a full device.
    let file = File::open(dir).map_err(|e| Error::io("open", dir, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Locked {
            path: dir.to_owned(),
        }),
        Err(TryLockError::Error(e)) => Err(Error::io("lock", dir, e)),
    }
}

fn read_segments(spool: &mut Spool) -> Result<(), Error> {
    let paths = numbered(&spool.dir, "seg")?;
    let last = paths.last().map(|(number, _)| *number);
    for (number, path) in paths {
        spool.next = spool.next.max(number.saturating_add(1));
        if number <= spool.gap.state.evicted_through {
            // Already counted as lost; that it cannot be deleted now must not bring its entries back.
            let _ = gap::remove_segment(&mut *spool.disk, &spool.dir, number);
            continue;
        }
        let (bytes, whole_len) = read(&path)?;
        let mut scan = codec::scan(number, &bytes);
        let missing = whole_len.saturating_sub(bytes.len() as u64);
        if missing > 0 {
            let offset = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            scan.damaged.push(Damage::Region {
                offset,
                len: u32::try_from(missing).unwrap_or(u32::MAX),
            });
        }
        spool.recovery.torn_bytes += u64::from(scan.torn);
        let (done, mut ack_bytes) = read_acks(spool, number)?;
        let lost = unnoted(number, &scan, &done);
        if !lost.is_empty() {
            ack_bytes += note_damage(spool, number, &lost);
        }
        let live =
            |frame: &Frame| !done.contains(&codec::encode_ack(number, frame.offset, &frame.id));
        let (live, acknowledged): (Vec<Frame>, Vec<Frame>) =
            scan.frames.iter().partition(|frame| live(frame));
        spool.recovery.acknowledged += acknowledged.len();
        spool.segments.push_back(Segment {
            number,
            bytes: whole_len,
            ack_bytes,
            live,
        });
        if last == Some(number) && missing == 0 {
            continue_segment(spool, &path, &scan);
        }
    }
    spool.sweep();
    Ok(())
}

/// The contents as far as they can be read, and the file's length.
fn read(path: &Path) -> Result<(Vec<u8>, u64), Error> {
    let failed = |e| Error::io("read", path, e);
    let file = File::open(path).map_err(failed)?;
    let len = file.metadata().map_err(failed)?.len();
    let mut bytes = Vec::new();
    // A bad block must not cost what stands before it: what was read until then is kept, the rest counts as damage.
    let _ = file.take(MAX_SEGMENT).read_to_end(&mut bytes);
    Ok((bytes, len))
}

fn read_acks(spool: &mut Spool, number: u32) -> Result<(HashSet<[u8; ACK_LEN]>, u64), Error> {
    let path = ack_path(&spool.dir, number);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
        Err(e) => return Err(Error::io("read", &path, e)),
    };
    let mut len = bytes.len() as u64;
    let whole = len - len % ACK_LEN as u64;
    if whole < len
        && let Ok(file) = disk::open_append(&path)
        && spool.disk.truncate(&file, whole).is_ok()
    {
        len = whole;
    }
    Ok((codec::acks(&bytes).collect(), len))
}

/// The damage of a segment that was not already counted by an earlier opening, as acknowledgements that say so.
fn unnoted(
    number: u32,
    scan: &Scan,
    done: &HashSet<[u8; ACK_LEN]>,
) -> Vec<([u8; ACK_LEN], Damage)> {
    let noted = |damage: &Damage| match damage {
        Damage::Body(frame) => codec::encode_ack(number, frame.offset, &frame.id),
        Damage::Region { offset, .. } => codec::encode_ack(number, *offset, &Id::default()),
    };
    scan.damaged
        .iter()
        .map(|damage| (noted(damage), *damage))
        .filter(|(note, _)| !done.contains(note))
        .collect()
}

/// Counts damage in the gap, then writes down that it is counted. Returns the bytes this took.
fn note_damage(spool: &mut Spool, number: u32, lost: &[([u8; ACK_LEN], Damage)]) -> u64 {
    let mut sum = Gap::default();
    for (_, damage) in lost {
        match damage {
            Damage::Body(frame) => sum.lose(frame),
            Damage::Region { len, .. } => sum.unreadable_bytes += u64::from(*len),
        }
    }
    spool.recovery.damaged.add(&sum);
    let _ = spool
        .gap
        .update(&mut *spool.disk, |state| state.pending.add(&sum));
    let path = ack_path(&spool.dir, number);
    let notes: Vec<u8> = lost.iter().flat_map(|(note, _)| *note).collect();
    let file = if path.exists() {
        disk::open_append(&path)
    } else {
        spool.disk.create(&path)
    };
    match file.and_then(|file| disk::append_all(&mut *spool.disk, &file, &notes)) {
        Ok(()) => notes.len() as u64,
        Err(_) => 0,
    }
}

/// Cuts the last segment behind its last sound entry, so that it can be appended to.
fn continue_segment(spool: &mut Spool, path: &Path, scan: &Scan) {
    let Some(segment) = spool.segments.back_mut() else {
        return;
    };
    if scan.sound_end == 0 {
        // Not even a head: nothing waits in it and the sweep deletes it.
        return;
    }
    let Ok(file) = disk::open_append(path) else {
        return;
    };
    let end = u64::from(scan.sound_end);
    if segment.bytes > end {
        if spool.disk.truncate(&file, end).is_err() {
            return;
        }
        segment.bytes = end;
    }
    spool.active = Some(file);
}

/// Acknowledgements whose segment is gone would be read as those of a later segment, were its number used again.
fn remove_orphans(spool: &mut Spool) -> Result<(), Error> {
    for (number, path) in numbered(&spool.dir, "ack")? {
        spool.next = spool.next.max(number.saturating_add(1));
        if !spool
            .segments
            .iter()
            .any(|segment| segment.number == number)
        {
            let _ = disk::remove(&mut *spool.disk, &path);
        }
    }
    Ok(())
}

/// A crash while a gap was being recorded: the entry is there, then the gap is settled; or it is not, then it is pending.
fn settle_recording(spool: &mut Spool) {
    if let Some((id, gap)) = spool.gap.state.recording {
        let there = spool.contains(&id);
        let _ = spool.gap.update(&mut *spool.disk, |state| {
            if !there {
                state.pending.add(&gap);
            }
            state.recording = None;
        });
    }
}
