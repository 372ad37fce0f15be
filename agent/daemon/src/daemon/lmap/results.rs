//! Results that wait for schedules and collectors, one file each, named by their ids.
//!
//! They stand beside the spool, in RAM or on flash as it does, and are written in its thread. What a collector refused for good
//! is put aside, the oldest of it given up.

use crate::files;
use crate::spooler::Spooler;
use glimpse_lmap::Output;
use glimpse_lmap::output::Place;
use glimpse_model::id::ResultId;
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
    /// The directory beside `spool`, and what waits in it.
    pub(super) fn open(spool: &Path) -> (Self, Vec<(Output, Vec<Place>)>) {
        let mut name: OsString = spool.file_name().unwrap_or_default().to_owned();
        name.push("-lmap");
        let dir = spool.with_file_name(name);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&dir);
        if let Err(error) = made {
            log::error!("cannot make {}: {error}", dir.display());
        }
        let mut waiting = Vec::new();
        let mut paths: Vec<PathBuf> = fs::read_dir(&dir)
            .into_iter()
            .flatten()
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|kind| kind == "json"))
            .filter(|path| !is_aside(path))
            .take(MOST)
            .collect();
        // The ids begin with their times.
        paths.sort();
        for path in paths {
            let read = files::read_bounded(&path, LIMIT).map_err(|error| error.to_string());
            let read = read.and_then(|bytes| Output::parse(&bytes).map_err(|e| e.to_string()));
            match read {
                Ok(read) => waiting.push(read),
                Err(error) => {
                    log::warn!("{}: {error}", path.display());
                    let _ = fs::remove_file(&path);
                }
            }
        }
        (Self { dir, refused: 0 }, waiting)
    }

    fn path(&self, id: ResultId) -> PathBuf {
        self.dir.join(format!("{id}.json"))
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
        let name = format!("{ASIDE}{:02}.json", self.refused % REFUSED);
        self.refused = self.refused.wrapping_add(1);
        drop(
            spooler
                .note(&self.dir.join(name), output.document(&[]))
                .await,
        );
    }
}

fn is_aside(path: &Path) -> bool {
    path.file_name()
        .and_then(|name| name.to_str())
        .is_some_and(|name| name.starts_with(ASIDE))
}
