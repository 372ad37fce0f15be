//! Which files in the directory are plug-ins: those that nobody but root or the agent's user can have put there.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Fault;

/// Most plug-ins taken from a directory.
const MOST: usize = 64;
/// Write permission of group and others.
const FOREIGN_WRITE: u32 = 0o022;
/// Only owners rename and delete.
const STICKY: u32 = 0o1000;
/// Any execute permission.
const EXECUTE: u32 = 0o111;

/// Whose files are trusted: root's, and those of this user.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owners {
    /// The user the agent runs as.
    pub(super) agent: u32,
}

impl Owners {
    fn include(self, uid: u32) -> bool {
        uid == 0 || uid == self.agent
    }
}

/// The plug-ins in `directory`, sorted by name, and what else looks like one. Files that nobody may execute, hidden files
/// and folders are none.
pub(super) fn candidates(
    directory: &Path,
    owners: Owners,
) -> Result<(Vec<PathBuf>, Vec<Fault>), Fault> {
    let failed = |source| Fault::Read {
        path: directory.to_owned(),
        source,
    };
    let directory = directory.canonicalize().map_err(failed)?;
    check_directory(&directory, owners)?;
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(&directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str());
        if name.is_some_and(|name| name.starts_with('.')) {
            continue;
        }
        let fault = match look(&path) {
            Ok(file) if file.is_dir() || (file.is_file() && file.mode() & EXECUTE == 0) => continue,
            Ok(_) if name.is_none() => Some(refuse(&path, "must have a name in UTF-8")),
            Ok(file) => check_file(&path, &file, owners).err(),
            Err(fault) => Some(fault),
        };
        match fault {
            Some(fault) => faults.push(fault),
            None => found.push(path),
        }
    }
    found.sort();
    for path in found.drain(MOST.min(found.len())..) {
        faults.push(refuse(
            &path,
            "is one too many: a directory holds 64 plug-ins at most",
        ));
    }
    Ok((found, faults))
}

/// Looks again, right before a run.
pub(super) fn check(path: &Path, owners: Owners) -> Result<(), Fault> {
    check_directory(path.parent().unwrap_or(Path::new("/")), owners)?;
    check_file(path, &look(path)?, owners)
}

/// The directory and everything above it: who could rename one of them could put another there.
fn check_directory(directory: &Path, owners: Owners) -> Result<(), Fault> {
    for (depth, path) in directory.ancestors().enumerate() {
        let found = look(path)?;
        if !found.is_dir() {
            return Err(refuse(path, "is no directory"));
        }
        if !owners.include(found.uid()) {
            return Err(refuse(path, "must belong to root or to the agent's user"));
        }
        let guarded = depth > 0 && found.mode() & STICKY != 0;
        if found.mode() & FOREIGN_WRITE != 0 && !guarded {
            return Err(refuse(
                path,
                "must not be writable by its group or by others",
            ));
        }
    }
    Ok(())
}

fn check_file(path: &Path, found: &Metadata, owners: Owners) -> Result<(), Fault> {
    if found.is_symlink() {
        return Err(refuse(path, "is a symbolic link, which is not followed"));
    }
    if !found.is_file() {
        return Err(refuse(path, "is no regular file"));
    }
    if !owners.include(found.uid()) {
        return Err(refuse(path, "must belong to root or to the agent's user"));
    }
    if found.mode() & FOREIGN_WRITE != 0 {
        return Err(refuse(
            path,
            "must not be writable by its group or by others",
        ));
    }
    Ok(())
}

fn look(path: &Path) -> Result<Metadata, Fault> {
    fs::symlink_metadata(path).map_err(|source| Fault::Read {
        path: path.to_owned(),
        source,
    })
}

fn refuse(path: &Path, reason: &'static str) -> Fault {
    Fault::Unsafe {
        path: path.to_owned(),
        reason,
    }
}
