//! Results that wait for schedules and collectors, one file each, named by their ids: names of schedules never reach the file system.
//!
//! They stand beside the spool, in RAM or on flash as it does, and are written in its thread, by one rename each. What a collector
//! refused for good and what cannot be read is put aside, the oldest of it given up.

use crate::files;
use crate::spooler::Spooler;
use glimpse_lmap::Output;
use glimpse_lmap::output::{BLOCK, Place};
use glimpse_model::id::ResultId;
use nix::sys::statvfs::statvfs;
use std::ffi::OsString;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// Largest file that is read back, in bytes.
const LIMIT: u64 = 4 << 20;
/// Most files that are read back.
const MOST: usize = 10_000;
/// Results put aside.
const REFUSED: u32 = 16;
/// What their names begin with.
const ASIDE: &str = "refused-";

/// The directory.
#[derive(Debug)]
pub(super) struct Results {
    dir: PathBuf,
    refused: u32,
}

impl Results {
    /// The directory beside `spool`, and what waits in it: the oldest first, of no more than `bytes` together. What is beyond is removed:
    /// nobody would know of it, and it would stay for ever.
    pub(super) fn open(spool: &Path, bytes: u64) -> (Self, Vec<(Output, Vec<Place>)>) {
        let mut name: OsString = spool.file_name().unwrap_or_default().to_owned();
        name.push("-lmap");
        let dir = spool.with_file_name(name);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        if let Err(error) = made {
            log::error!("cannot make {}: {error}", dir.display());
        }
        let mut results = Self { dir, refused: 0 };
        let waiting = results.read(bytes, MOST);
        (results, waiting)
    }

    fn read(&mut self, bytes: u64, most: usize) -> Vec<(Output, Vec<Place>)> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with('.') || name.starts_with(ASIDE) {
                continue;
            }
            if name.ends_with(".json.new") {
                // It was being written when the machine stopped.
                let _ = fs::remove_file(entry.path());
            } else if Path::new(&name)
                .extension()
                .is_some_and(|kind| kind == "json")
            {
                names.push(name);
            }
        }
        // The ids begin with their times.
        names.sort_unstable();
        let (mut waiting, mut sum, mut removed) = (Vec::new(), 0_u64, 0_usize);
        for name in names {
            let path = self.dir.join(name);
            let length = fs::metadata(&path).map_or(0, |file| file.len());
            if waiting.len() >= most || sum.saturating_add(length) > bytes {
                removed += 1;
                let _ = fs::remove_file(&path);
                continue;
            }
            let read = files::read_bounded(&path, LIMIT).map_err(|error| error.to_string());
            let read = read.and_then(|bytes| Output::parse(&bytes).map_err(|e| e.to_string()));
            match read {
                Ok(read) => {
                    sum += length;
                    waiting.push(read);
                }
                Err(error) => {
                    log::warn!("{}: {error}; it is put aside", path.display());
                    let aside = self.aside();
                    let _ = fs::rename(&path, aside);
                }
            }
        }
        if removed > 0 {
            log::warn!("{removed} results beyond what may wait were given up");
        }
        waiting
    }

    /// Bytes of a block where results are stored.
    pub(super) fn block(&self) -> u64 {
        #[allow(clippy::useless_conversion, reason = "it is narrower on some machines")]
        let size = statvfs(&self.dir).map(|system| u64::from(system.fragment_size()));
        size.ok().filter(|size| *size > 0).unwrap_or(BLOCK)
    }

    fn path(&self, id: ResultId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn aside(&mut self) -> PathBuf {
        let name = format!("{ASIDE}{:02}.json", self.refused % REFUSED);
        self.refused = self.refused.wrapping_add(1);
        self.dir.join(name)
    }

    /// Stores a result in place of what is there under its id.
    pub(super) async fn keep(&self, spooler: &Spooler, output: &Output, places: &[Place]) {
        let document = output.document(places);
        // Nobody waits for it: until it is there, a crash leaves what was there before.
        drop(spooler.note(&self.path(output.record.id), document).await);
    }

    /// Gives up a result.
    pub(super) async fn forget(&self, spooler: &Spooler, id: ResultId) {
        spooler.erase(&self.path(id)).await;
    }

    /// Puts a result aside.
    pub(super) async fn set_aside(&mut self, spooler: &Spooler, output: &Output) {
        let path = self.aside();
        drop(spooler.note(&path, output.document(&[])).await);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::spooler::new_id;
    use glimpse_model::record::{Record, Status};
    use glimpse_model::time::Timestamp;

    fn output(second: i64) -> Output {
        let at = Timestamp::from_unix_seconds(1_800_000_000 + second);
        Output {
            record: Record::new(new_id(at), Status::Ok),
            schedule: "S".to_owned(),
            action: "A".to_owned(),
            task: "T".to_owned(),
            options: Vec::new(),
            parameters: None,
            tags: Vec::new(),
            event: at,
            cycle: None,
            status: 0,
            conflicts: Vec::new(),
            functions: Vec::new(),
        }
    }

    fn place() -> Place {
        Place {
            schedule: "D".to_owned(),
            action: None,
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn lmap_trap_15_what_was_being_written_or_is_damaged_is_no_result() {
        let dir = tempfile::tempdir().unwrap();
        let spool = dir.path().join("spool");
        let (results, none) = Results::open(&spool, 1 << 20);
        assert_eq!(none.len(), 0);
        let (good, torn) = (output(1), output(2));
        let document = good.document(&[place()]);
        fs::write(results.path(good.record.id), &document).unwrap();
        fs::write(results.path(torn.record.id), &document[..100]).unwrap();
        let half = results.dir.join("x.json.new");
        fs::write(&half, &document).unwrap();
        fs::write(results.dir.join(".x.json"), &document).unwrap();
        let (_, read) = Results::open(&spool, 1 << 20);
        let ids: Vec<ResultId> = read.iter().map(|(output, _)| output.record.id).collect();
        assert_eq!(ids, [good.record.id]);
        assert_eq!(read[0].1, [place()]);
        let left = [
            ".x.json",
            &format!("{}.json", good.record.id),
            "refused-00.json",
        ];
        assert_eq!(names(&results.dir), left, "what is damaged is kept apart");
    }

    #[test]
    fn lmap_trap_22_what_is_beyond_the_bounds_is_not_left_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let (mut results, _) = Results::open(&dir.path().join("spool"), 1 << 20);
        let outputs: Vec<Output> = (0..20).map(output).collect();
        let length = outputs[0].document(&[]).len() as u64;
        for output in outputs.iter().rev() {
            fs::write(results.path(output.record.id), output.document(&[])).unwrap();
        }
        let ids = |read: &[(Output, Vec<Place>)]| -> Vec<ResultId> {
            read.iter().map(|(output, _)| output.record.id).collect()
        };
        let oldest: Vec<ResultId> = outputs.iter().map(|output| output.record.id).collect();
        let read = results.read(1 << 20, 15);
        assert_eq!(ids(&read), oldest[..15]);
        let read = results.read(length * 10 + length / 2, 15);
        assert_eq!(ids(&read), oldest[..10], "the oldest stay");
        assert_eq!(names(&results.dir).len(), 10);
        assert!(results.block() >= 512 && results.block().is_power_of_two());
    }
}
