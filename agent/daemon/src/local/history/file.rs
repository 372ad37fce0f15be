//! The file of roll-ups on flash: written whole, beside the old one, which it then replaces.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use super::{Error, Rollups};

const NAME: &str = "rollups";
const NEW_NAME: &str = "rollups.new";

pub(super) fn read(dir: &Path, max_bytes: usize) -> Result<Option<Rollups>, Error> {
    let path = dir.join(NAME);
    let failed = |source| Error::Io {
        action: "read",
        path: path.clone(),
        source,
    };
    let file = match File::open(&path) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(failed)?,
    };
    let mut bytes = Vec::new();
    // The limit may have been lowered since the file was written, by any amount; twice the standard one is never ours.
    let limit = max_bytes.max(512 * 1024) as u64;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Rollups::decode(&bytes)
        .map(Some)
        .ok_or(Error::Damaged { path: path.clone() })
}

pub(super) fn write(dir: &Path, bytes: &[u8]) -> Result<(), Error> {
    let (path, new) = (dir.join(NAME), dir.join(NEW_NAME));
    let failed = |source| Error::Io {
        action: "write",
        path: path.clone(),
        source,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    // A new file always, never what a link there leads to.
    let _ = std::fs::remove_file(&new);
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_data()))
        .and_then(|()| std::fs::rename(&new, &path))
        .and_then(|()| File::open(dir)?.sync_data());
    if written.is_err() {
        // On a full flash the half-written one must not keep what space there is.
        let _ = std::fs::remove_file(&new);
    }
    written.map_err(failed)
}
