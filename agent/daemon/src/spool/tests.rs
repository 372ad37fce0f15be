//! The store against crashes, full devices and damage.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;

fn id(n: u32) -> Id {
    let mut id = [0; 16];
    id[..4].copy_from_slice(&n.to_be_bytes());
    id
}

fn number(id: &Id) -> u32 {
    u32::from_be_bytes(*id.first_chunk().unwrap())
}

fn body(n: u32) -> Vec<u8> {
    format!("{{\"n\":{n},\"pad\":\"{}\"}}", "x".repeat(n as usize % 50)).into_bytes()
}

fn small() -> Options {
    Options {
        max_bytes: 16 * 1024,
        segment_bytes: 300,
        sync: Sync::Never,
        max_rejected: 3,
    }
}

fn put(spool: &mut Spool, n: u32) -> Result<Option<Evicted>, Error> {
    spool.append(&id(n), i64::from(n) * 10, &body(n))
}

fn filled(dir: &Path, options: Options, count: u32) -> Spool {
    let mut spool = Spool::open(dir, options).unwrap();
    (0..count).for_each(|n| assert_eq!(put(&mut spool, n).unwrap(), None));
    spool
}

/// The numbers of all waiting entries, whose bodies must be what was put in.
fn waiting(spool: &mut Spool) -> Vec<u32> {
    let batch = spool.batch(usize::MAX, usize::MAX).unwrap();
    batch
        .iter()
        .filter(|entry| entry.body.first() == Some(&b'{'))
        .for_each(|entry| {
            assert_eq!(entry.body, body(number(&entry.id)));
            assert_eq!(entry.time_us, i64::from(number(&entry.id)) * 10);
        });
    batch.iter().map(|entry| number(&entry.id)).collect()
}

fn files(dir: &Path, extension: &str) -> Vec<PathBuf> {
    store::numbered(dir, extension)
        .unwrap()
        .into_iter()
        .map(|(_, path)| path)
        .collect()
}

fn bytes_below(dir: &Path) -> u64 {
    let items = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    items
        .map(|item| {
            if item.path().is_dir() {
                bytes_below(&item.path())
            } else {
                item.metadata().unwrap().len()
            }
        })
        .sum()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for item in std::fs::read_dir(from)
        .unwrap()
        .map(Result::unwrap)
        .filter(|item| item.path().is_file())
    {
        std::fs::copy(item.path(), to.join(item.file_name())).unwrap();
    }
}

#[test]
fn entries_wait_in_order_and_outlive_a_restart() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    drop(filled(dir.path(), small(), 20));
    let mut spool = Spool::open(dir.path(), small()).unwrap();
    assert_eq!(spool.recovery().entries, 20);
    assert_eq!(waiting(&mut spool), (0..20).collect::<Vec<_>>());
    assert_eq!((spool.len(), spool.oldest_us()), (20, Some(0)));
    assert!(files(dir.path(), "seg").len() > 3);
    put(&mut spool, 20).unwrap();
    assert_eq!(waiting(&mut spool).last(), Some(&20));
    assert_eq!(spool.bytes(), bytes_below(dir.path()));
}

#[test]
fn acknowledged_entries_are_not_offered_again() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = filled(dir.path(), small(), 20);
    let segments = files(dir.path(), "seg").len();
    let done: Vec<Id> = (0..20).filter(|n| n % 3 != 1).map(id).collect();
    assert_eq!(spool.acknowledge(&done), done.len());
    assert_eq!(spool.acknowledge(&done), 0);
    let left: Vec<u32> = (0..20).filter(|n| n % 3 == 1).collect();
    assert_eq!(waiting(&mut spool), left);
    assert_eq!(spool.bytes(), bytes_below(dir.path()));
    drop(spool);
    let mut spool = Spool::open(dir.path(), small()).unwrap();
    assert_eq!(waiting(&mut spool), left);
    assert!(spool.recovery().acknowledged > 0);
    assert_eq!(files(dir.path(), "seg").len(), segments);
    // Everything acknowledged: no file of the segments is left, and numbers go on.
    let last = files(dir.path(), "seg").pop().unwrap();
    spool.acknowledge(&left.iter().map(|n| id(*n)).collect::<Vec<_>>());
    assert!(files(dir.path(), "seg").is_empty() && files(dir.path(), "ack").is_empty());
    put(&mut spool, 99).unwrap();
    assert!(files(dir.path(), "seg")[0] > last);
}

#[test]
fn a_batch_keeps_to_its_limits() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = Spool::open(dir.path(), small()).unwrap();
    for (n, len) in [(0, 50), (1, 200), (2, 10), (3, 10)] {
        spool.append(&id(n), 0, &vec![b'b'; len]).unwrap();
    }
    let mut numbers = |bytes, entries| -> Vec<u32> {
        spool
            .batch(bytes, entries)
            .unwrap()
            .iter()
            .map(|entry| number(&entry.id))
            .collect()
    };
    assert_eq!(numbers(60, 10), [0]);
    assert_eq!(numbers(250, 10), [0, 1]);
    assert_eq!(numbers(249, 10), [0]);
    assert_eq!(numbers(1000, 3), [0, 1, 2]);
    assert_eq!(numbers(1, 10), [0], "larger than the limit: alone");
    assert_eq!(numbers(1000, 0), [0; 0]);
}

#[test]
fn a_cut_at_every_byte_of_the_last_write_leaves_the_entries_before() {
    let whole = tempfile::tempdir_in(ram()).unwrap();
    drop(filled(
        whole.path(),
        Options {
            segment_bytes: 100_000,
            ..small()
        },
        5,
    ));
    let segment = files(whole.path(), "seg").pop().unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    let ends: Vec<usize> = codec::scan(1, &bytes)
        .frames
        .iter()
        .map(|f| f.offset as usize + f.bytes() as usize)
        .collect();
    for cut in 0..=bytes.len() {
        let dir = tempfile::tempdir_in(ram()).unwrap();
        copy(whole.path(), dir.path());
        std::fs::write(dir.path().join(segment.file_name().unwrap()), &bytes[..cut]).unwrap();
        let mut spool = Spool::open(dir.path(), small()).unwrap();
        let expected: Vec<u32> = (0..5).filter(|&n| ends[n as usize] <= cut).collect();
        assert_eq!(waiting(&mut spool), expected, "cut at {cut}");
        assert_eq!(spool.pending_gap(), None);
        // The spool goes on from there, and what follows is sound as well.
        put(&mut spool, 7).unwrap();
        drop(spool);
        let mut spool = Spool::open(dir.path(), small()).unwrap();
        assert_eq!(waiting(&mut spool), [&expected[..], &[7]].concat());
        assert_eq!(spool.recovery().torn_bytes, 0);
    }
}

#[test]
fn damage_is_counted_once_and_the_rest_is_offered() {
    let whole = tempfile::tempdir_in(ram()).unwrap();
    drop(filled(whole.path(), small(), 12));
    let segments = files(whole.path(), "seg");
    for segment in [&segments[1], segments.last().unwrap()] {
        let bytes = std::fs::read(segment).unwrap();
        for at in codec::SEGMENT_HEADER.len()..bytes.len() {
            let dir = tempfile::tempdir_in(ram()).unwrap();
            copy(whole.path(), dir.path());
            let mut altered = bytes.clone();
            altered[at] ^= 0x10;
            std::fs::write(dir.path().join(segment.file_name().unwrap()), altered).unwrap();
            let mut spool = Spool::open(dir.path(), small()).unwrap();
            assert_eq!(waiting(&mut spool).len(), 11, "byte {at}");
            let gap = spool.pending_gap().unwrap();
            assert!(gap.entries == 1 || gap.unreadable_bytes > 0, "{gap:?}");
            put(&mut spool, 50).unwrap();
            drop(spool);
            let mut again = Spool::open(dir.path(), small()).unwrap();
            assert_eq!(again.pending_gap(), Some(gap), "not counted twice");
            assert_eq!(waiting(&mut again).len(), 12);
        }
    }
}

#[test]
fn damage_after_opening_is_found_when_reading() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = filled(dir.path(), small(), 12);
    let segments = files(dir.path(), "seg");
    let mut bytes = std::fs::read(&segments[0]).unwrap();
    bytes[50] ^= 1;
    std::fs::write(&segments[0], bytes).unwrap();
    std::fs::remove_file(&segments[1]).unwrap();
    let left = waiting(&mut spool);
    let gap = spool.pending_gap().unwrap();
    assert_eq!(left.len() + gap.entries as usize, 12);
    assert!(gap.entries >= 2 && !left.contains(&0));
    assert_eq!((gap.first_us, spool.len()), (Some(0), left.len()));
}

#[test]
fn an_acknowledgement_does_not_cover_a_later_entry_at_the_same_place() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = filled(
        dir.path(),
        Options {
            segment_bytes: 100_000,
            ..small()
        },
        3,
    );
    spool.acknowledge([&id(2)]);
    drop(spool);
    // A power cut that took the unsynced end of the segment, not the acknowledgement.
    let segment = files(dir.path(), "seg").pop().unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    let third = codec::scan(1, &bytes).frames[2].offset as usize;
    std::fs::write(&segment, &bytes[..third]).unwrap();
    put(&mut Spool::open(dir.path(), small()).unwrap(), 52).unwrap();
    assert_eq!(
        waiting(&mut Spool::open(dir.path(), small()).unwrap()),
        [0, 1, 52]
    );
}

#[test]
fn numbers_are_not_used_again_and_stray_acknowledgements_go() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = filled(dir.path(), small(), 3);
    spool.acknowledge([&id(1)]);
    drop(spool);
    let segment = files(dir.path(), "seg").pop().unwrap();
    std::fs::remove_file(&segment).unwrap();
    assert_eq!(files(dir.path(), "ack").len(), 1);
    let mut spool = filled(dir.path(), small(), 3);
    assert!(files(dir.path(), "ack").is_empty());
    assert!(files(dir.path(), "seg")[0] > segment);
    assert_eq!(waiting(&mut spool), [0, 1, 2]);
}

#[test]
fn eviction_takes_the_oldest_and_leaves_a_gap() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let options = Options {
        max_bytes: 4096,
        ..small()
    };
    let mut spool = Spool::open(dir.path(), options.clone()).unwrap();
    let mut evicted = Evicted::default();
    for n in 0..200 {
        if let Some(more) = put(&mut spool, n).unwrap() {
            evicted.gap.add(&more.gap);
            evicted.ids.extend(more.ids);
        }
        if n % 7 == 0 {
            spool.acknowledge([&id(n)]);
        }
        assert!(
            bytes_below(dir.path()) <= options.max_bytes,
            "{} bytes after {n}",
            bytes_below(dir.path())
        );
        assert_eq!(spool.bytes(), bytes_below(dir.path()));
    }
    let left = waiting(&mut spool);
    let gap = spool.pending_gap().unwrap();
    assert_eq!(gap, evicted.gap);
    assert_eq!(gap.entries as usize, evicted.ids.len());
    assert_eq!(left.len() + gap.entries as usize, 200 - 29);
    assert_eq!(
        (gap.first_us, gap.last_us),
        (
            Some(10),
            Some(i64::from(number(evicted.ids.last().unwrap())) * 10)
        )
    );
    assert!(number(evicted.ids.last().unwrap()) < left[0]);
    assert_eq!(
        gap.bytes,
        evicted
            .ids
            .iter()
            .map(|id| body(number(id)).len() as u64)
            .sum::<u64>()
    );
    drop(spool);

    let mut spool = Spool::open(dir.path(), options.clone()).unwrap();
    assert_eq!(spool.pending_gap(), Some(gap));
    assert!(
        spool
            .record_gap(5000, |gap| (
                id(900),
                format!("gap of {}", gap.entries).into_bytes()
            ))
            .unwrap()
    );
    assert!(!spool.record_gap(5000, |_| unreachable!()).unwrap());
    let entry = spool.batch(usize::MAX, usize::MAX).unwrap().pop().unwrap();
    assert_eq!(
        (entry.id, entry.body),
        (id(900), format!("gap of {}", gap.entries).into_bytes())
    );
    drop(spool);
    assert_eq!(
        Spool::open(dir.path(), options).unwrap().pending_gap(),
        None
    );
}

#[test]
fn too_large_an_entry_is_refused_and_the_largest_fits() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = Spool::open(
        dir.path(),
        Options {
            max_bytes: 4096,
            ..small()
        },
    )
    .unwrap();
    let limit = spool.largest_body() as usize;
    assert!(matches!(
        spool.append(&id(1), 0, &vec![0; limit + 1]),
        Err(Error::TooLarge { .. })
    ));
    assert_eq!(spool.append(&id(1), 0, &vec![0; limit]).unwrap(), None);
    assert_eq!(spool.batch(10, 10).unwrap()[0].body.len(), limit);
}

#[test]
fn rejected_entries_are_kept_aside_few_and_listable() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let mut spool = filled(dir.path(), small(), 8);
    for n in 0..5 {
        assert!(spool.reject(&id(n), &format!("reason {n}")).unwrap());
    }
    assert!(!spool.reject(&id(0), "again").unwrap());
    assert_eq!(waiting(&mut spool), [5, 6, 7]);
    assert_eq!(spool.bytes(), bytes_below(dir.path()));
    drop(spool);
    let mut spool = Spool::open(dir.path(), small()).unwrap();
    assert_eq!(waiting(&mut spool), [5, 6, 7]);
    let seen: Vec<_> = spool
        .rejected()
        .map(|r| (number(&r.id), r.reason.as_str(), r.body_len))
        .collect();
    assert_eq!(
        seen,
        [2, 3, 4].map(|n| (
            n,
            ["reason 2", "reason 3", "reason 4"][n as usize - 2],
            body(n).len()
        ))
    );
    assert_eq!(spool.rejected_body(&id(3)).unwrap(), Some(body(3)));
    assert_eq!(spool.pending_gap(), None);
    spool.clear_rejected().unwrap();
    assert_eq!(
        (
            spool.rejected().len(),
            files(&dir.path().join("rejected"), "rej").len()
        ),
        (0, 0)
    );
}

#[test]
fn a_second_process_is_kept_out() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let spool = filled(dir.path(), small(), 1);
    assert!(matches!(
        Spool::open(dir.path(), small()),
        Err(Error::Locked { .. })
    ));
    drop(spool);
    assert!(Spool::open(dir.path(), small()).is_ok());
}

/// What a faulty device does from a certain point on.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// No more bytes can be added (`ENOSPC`); files can be cut and deleted.
    Full,
    /// The process is gone: nothing happens any more.
    Killed,
}

#[derive(Clone)]
struct Faulty {
    /// Bytes and operations left; a byte written costs one, every other change one.
    left: Arc<Mutex<u64>>,
    fault: Fault,
}

impl Faulty {
    fn new(left: u64, fault: Fault) -> Self {
        Self {
            left: Arc::new(Mutex::new(left)),
            fault,
        }
    }

    fn error(&self) -> io::Error {
        if self.fault == Fault::Full {
            io::ErrorKind::StorageFull.into()
        } else {
            io::Error::other("killed")
        }
    }

    fn spend(&self, wanted: u64) -> u64 {
        let mut left = self.left.lock().unwrap();
        let granted = wanted.min(*left);
        *left -= granted;
        granted
    }

    fn change(&self) -> io::Result<()> {
        if self.fault == Fault::Full || self.spend(1) == 1 {
            Ok(())
        } else {
            Err(self.error())
        }
    }
}

impl Disk for Faulty {
    fn create(&mut self, path: &Path) -> io::Result<File> {
        if self.spend(1) == 0 {
            Err(self.error())
        } else {
            OsDisk.create(path)
        }
    }

    fn append(&mut self, file: &File, bytes: &[u8]) -> io::Result<usize> {
        match self.spend(bytes.len() as u64) {
            0 => Err(self.error()),
            granted => OsDisk.append(file, &bytes[..granted as usize]),
        }
    }

    fn overwrite(&mut self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.fault == Fault::Full {
            let grows = offset + bytes.len() as u64 > file.metadata()?.len();
            return if grows && self.spend(1) == 0 {
                Err(self.error())
            } else {
                OsDisk.overwrite(file, offset, bytes)
            };
        }
        let granted = self.spend(bytes.len() as u64) as usize;
        OsDisk.overwrite(file, offset, &bytes[..granted])?;
        if granted < bytes.len() {
            Err(self.error())
        } else {
            Ok(())
        }
    }

    fn truncate(&mut self, file: &File, len: u64) -> io::Result<()> {
        self.change()?;
        OsDisk.truncate(file, len)
    }

    fn sync(&mut self, _: &File) -> io::Result<()> {
        self.change()
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.change()?;
        OsDisk.remove(path)
    }
}

#[test]
fn a_full_device_refuses_the_entry_and_keeps_the_others() {
    // A device for every length: each is a real directory, hence the seconds.
    for left in 0..800 {
        let dir = tempfile::tempdir_in(ram()).unwrap();
        let disk = Faulty::new(left, Fault::Full);
        let mut spool = Spool::open_on(dir.path(), small(), Box::new(disk.clone())).unwrap();
        let mut stored = Vec::new();
        for n in 0..20 {
            match put(&mut spool, n) {
                Ok(None) => stored.push(n),
                Err(Error::Full { .. }) => {}
                other => panic!("{other:?}"),
            }
        }
        assert!(stored.len() < 20, "the device is too large for this test");
        assert_eq!(waiting(&mut spool), stored, "{left} bytes");
        // A restart on the full device: still readable, still acknowledgeable.
        drop(spool);
        let mut spool = Spool::open_on(dir.path(), small(), Box::new(disk.clone())).unwrap();
        assert_eq!(waiting(&mut spool), stored);
        assert_eq!(spool.recovery().torn_bytes, 0, "nothing half written");
        spool.acknowledge(&stored.iter().take(2).map(|n| id(*n)).collect::<Vec<_>>());
        // Space again: it goes on, and a lost acknowledgement at most offers an entry twice.
        *disk.left.lock().unwrap() = u64::MAX;
        put(&mut spool, 30).unwrap();
        let kept: Vec<u32> = stored.iter().copied().skip(2).chain([30]).collect();
        assert_eq!(waiting(&mut spool), kept);
        drop(spool);
        let again = waiting(&mut Spool::open(dir.path(), small()).unwrap());
        assert!(again.ends_with(&kept) && again.len() <= kept.len() + 2);
    }
}

#[test]
fn eviction_on_a_full_device_is_counted() {
    let dir = tempfile::tempdir_in(ram()).unwrap();
    let disk = Faulty::new(2000, Fault::Full);
    let mut spool = Spool::open_on(dir.path(), small(), Box::new(disk)).unwrap();
    let mut stored = (0..1000)
        .take_while(|n| put(&mut spool, *n).is_ok())
        .count();
    let evicted = spool.evict_oldest().unwrap().unwrap();
    stored -= evicted.ids.len();
    assert_eq!(evicted.gap.entries as usize, evicted.ids.len());
    drop(spool);
    let spool = Spool::open(dir.path(), small()).unwrap();
    assert_eq!(
        (spool.pending_gap(), spool.len()),
        (Some(evicted.gap), stored)
    );
}

// Some 4 000 lives, one per byte written: the only test here that takes seconds, because each is a real directory.
/// A life of a spool: appends with evictions, acknowledgements, rejections, recorded gaps. Notes what it was promised.
#[derive(Default)]
struct Promised {
    stored: BTreeSet<u32>,
    /// In doubt: the call that was under way when the process died.
    doubtful: BTreeSet<u32>,
    finished: BTreeSet<u32>,
    gap_ids: BTreeSet<u32>,
}

fn live(spool: &mut Spool, promised: &mut Promised, finishing: bool) -> Result<(), Error> {
    for n in 0..if finishing { 40 } else { 32u32 } {
        promised.doubtful = BTreeSet::from([n]);
        put(spool, n)?;
        promised.stored.insert(n);
        promised.doubtful.clear();
        if finishing && n % 4 == 2 {
            let ids: Vec<Id> = spool.batch(200, 3)?.iter().map(|entry| entry.id).collect();
            promised.finished.extend(ids.iter().skip(1).map(number));
            spool.acknowledge(&ids[1..]);
        }
        if finishing && n % 9 == 5 {
            let refused = spool.batch(1, 1)?[0].id;
            promised.finished.insert(number(&refused));
            spool.reject(&refused, "no")?;
        }
        if n == 25 || n == 35 {
            promised.gap_ids.insert(1000 + n);
            promised.doubtful.insert(1000 + n);
            let made = spool.record_gap(i64::from(n), |gap| {
                (id(1000 + n), format!("gap:{}", gap.entries).into_bytes())
            })?;
            if made {
                promised.stored.insert(1000 + n);
            }
            promised.doubtful.clear();
        }
    }
    Ok(())
}

#[test]
fn killed_at_every_byte_of_every_change_nothing_promised_is_lost_uncounted() {
    kill_everywhere(true);
}

#[test]
fn killed_at_every_byte_of_every_change_losses_are_counted_exactly() {
    kill_everywhere(false);
}

fn kill_everywhere(finishing: bool) {
    let options = Options {
        max_bytes: if finishing { 1700 } else { 1600 },
        segment_bytes: 250,
        sync: Sync::Each,
        max_rejected: 2,
    };
    let mut ran_to_the_end = false;
    let (mut evictions, mut half_written, mut gap_entries) = (0, 0, 0);
    for left in 0..30_000 {
        let dir = tempfile::tempdir_in(ram()).unwrap();
        let mut promised = Promised::default();
        let disk = Box::new(Faulty::new(left, Fault::Killed));
        let outcome = Spool::open_on(dir.path(), options.clone(), disk)
            .map(|mut spool| live(&mut spool, &mut promised, finishing));
        let mut spool = Spool::open(dir.path(), options.clone()).unwrap();
        half_written += u32::from(spool.recovery().torn_bytes > 0);
        assert_eq!(
            spool.recovery().damaged,
            Gap::default(),
            "a kill damages nothing ({left})"
        );
        let batch = spool.batch(usize::MAX, usize::MAX).unwrap();
        let waits: BTreeSet<u32> = batch.iter().map(|entry| number(&entry.id)).collect();
        assert_eq!(waits.len(), batch.len(), "offered once ({left})");
        let known = &(&promised.stored | &promised.doubtful) | &promised.gap_ids;
        assert!(waits.is_subset(&known), "nothing invented ({left})");

        // Every promised entry waits, was finished with, or is counted: in the pending gap, or in a gap entry.
        let missing = promised
            .stored
            .iter()
            .filter(|n| !waits.contains(n) && !promised.finished.contains(n))
            .count();
        let pending = spool.pending_gap().map_or(0, |gap| gap.entries as usize);
        let recorded: usize = batch
            .iter()
            .filter_map(|entry| {
                std::str::from_utf8(&entry.body)
                    .ok()?
                    .strip_prefix("gap:")?
                    .parse::<usize>()
                    .ok()
            })
            .sum();
        let gap_entries_gone = promised
            .gap_ids
            .iter()
            .any(|n| promised.stored.contains(n) && !waits.contains(n));
        if !gap_entries_gone {
            // More may be counted than missed: a finished entry whose acknowledgement died with the process.
            let slack = promised.finished.len();
            let counted = pending + recorded;
            assert!(
                counted >= missing && counted <= missing + slack,
                "{missing} missing, {counted} counted ({left})"
            );
            evictions += usize::from(counted > 0);
            gap_entries += usize::from(recorded > 0);
        }
        if outcome.is_ok_and(|lived| lived.is_ok()) {
            ran_to_the_end = true;
            break;
        }
    }
    assert!(
        ran_to_the_end && evictions > 100 && half_written > 100 && gap_entries > 100,
        "{evictions} {half_written} {gap_entries}"
    );
}

/// Thousands of small files: in RAM where the machine has it.
fn ram() -> PathBuf {
    let shm = PathBuf::from("/dev/shm");
    if shm.is_dir() {
        shm
    } else {
        std::env::temp_dir()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_files_open_without_panic(
        segment in proptest::collection::vec(any::<u8>(), 0..300),
        acks in proptest::collection::vec(any::<u8>(), 0..60),
        gap in proptest::collection::vec(any::<u8>(), 0..300),
        rejected in proptest::collection::vec(any::<u8>(), 0..100),
    ) {
        let dir = tempfile::tempdir_in(ram()).unwrap();
        std::fs::create_dir(dir.path().join("rejected")).unwrap();
        std::fs::write(dir.path().join("0000000003.seg"), segment).unwrap();
        std::fs::write(dir.path().join("0000000003.ack"), acks).unwrap();
        std::fs::write(dir.path().join("gap"), gap).unwrap();
        std::fs::write(dir.path().join("rejected/0000000001.rej"), rejected).unwrap();
        std::fs::write(dir.path().join("notes.txt"), "not ours").unwrap();
        let mut spool = Spool::open(dir.path(), small()).unwrap();
        prop_assert_eq!((spool.len(), spool.rejected().len()), (0, 0));
        put(&mut spool, 1).unwrap();
        prop_assert_eq!(waiting(&mut spool), [1]);
    }
}
