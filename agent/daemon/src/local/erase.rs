//! Erasing: what this device knows of its household and of itself is deleted, and the controller is asked to forget it.
//!
//! The household's settings stay: they are its own words. It goes in steps that can be cut off at any point:
//!
//! 1. [`mark`]: from now on everything is to be deleted, whatever happens to the machine.
//! 2. The daemon stops, as always.
//! 3. [`carry_out`]: the identity is put aside for [`crate::uplink::forget`], which cannot ask the controller without it;
//!    everything else is deleted; last the mark.
//!
//! A daemon that starts and finds the mark begins with step 3. Only names that the agent gives are deleted: who keeps its
//! state in a directory with other things loses none of them.

use super::uci::Settings;
use crate::files;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The mark.
const MARK: &str = "erase";
/// What the places of identities put aside begin with.
const ASIDE: &str = "forgetting-";
/// Where such a place keeps the address of the controller.
const URL: &str = "url";
/// Identities that can wait at a time. Each needs an enrolment and an erasure while the controller cannot be reached.
const MOST: u8 = 8;

/// Files of the state and of the run directory; each may also stand there half-written, with `.new`.
const FILES: [&str; 12] = [
    "accounts.json",
    "configuration.json",
    "instructions.json",
    "lmap.json",
    "lmap.starts",
    "open.json",
    "running.lmap",
    "running.lmap.bad",
    "schedules.json",
    "seen.json",
    "sessions.json",
    "survey.json",
];
/// Files of an identity.
const IDENTITY: [&str; 5] = ["key.pem", "ca.pem", "controller", "certificate.pem", URL];
/// Files of the history.
const HISTORY: [&str; 1] = ["rollups"];

/// An identity that waits to be forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aside {
    /// Where it is kept.
    pub dir: PathBuf,
    /// Its controller.
    pub url: String,
}

/// Notes that everything is to be deleted. Nothing is, yet.
///
/// # Errors
/// The error of the system: then nothing is going to be deleted.
pub fn mark(state_dir: &Path) -> io::Result<()> {
    fs::create_dir_all(state_dir)?;
    files::replace(&state_dir.join(MARK), b"", 0o600)
}

/// Whether everything is to be deleted.
pub fn is_marked(state_dir: &Path) -> bool {
    state_dir.join(MARK).exists()
}

/// Deletes everything, with the daemon stopped. The identity, where there is one and it has a controller, is put aside.
///
/// # Errors
/// The path and the error of the system; the mark stands, so that it is tried again at the next start.
pub fn carry_out(settings: &Settings, run_dir: &Path) -> io::Result<()> {
    let state = &settings.controller.state_dir;
    put_aside(settings)?;
    remove_files(&state.join("identity"), &IDENTITY)?;
    remove_directory(&state.join("identity"))?;
    remove_files(&settings.storage.history_dir, &HISTORY)?;
    let spool = &settings.storage.spool_dir;
    let mut beside = spool.file_name().unwrap_or_default().to_owned();
    beside.push("-lmap");
    let rejected = spool.join("rejected");
    remove_kinds(&rejected, &["rej"])?;
    remove_directory(&rejected)?;
    remove_files(spool, &["gap"])?;
    remove_kinds(spool, &["seg", "ack"])?;
    let results = spool.with_file_name(beside);
    remove_kinds(&results, &["json", "new"])?;
    remove_directory(&results)?;
    for dir in [run_dir, state] {
        remove_files(dir, &FILES)?;
    }
    // The mark goes when all else has gone for good.
    for dir in [
        &rejected,
        spool,
        &results,
        &settings.storage.history_dir,
        state,
    ] {
        match File::open(dir).and_then(|dir| dir.sync_all()) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(at(dir, &error)),
            _ => {}
        }
    }
    remove(&state.join(MARK))
}

/// Whether there is an identity to be forgotten by the controller it was enrolled with.
pub fn is_enrolled(state_dir: &Path) -> bool {
    state_dir.join("identity/certificate.pem").exists()
}

/// The address of the controller that the agent was enrolled with; what the settings say where the identity is older than
/// this note.
pub fn controller(settings: &Settings) -> Option<String> {
    let noted = settings.controller.state_dir.join("identity").join(URL);
    files::read_bounded(&noted, 4096)
        .ok()
        .and_then(|url| String::from_utf8(url).ok())
        .or_else(|| settings.controller.url.clone())
}

/// The identities that wait to be forgotten.
pub fn aside(state_dir: &Path) -> Vec<Aside> {
    (0..MOST)
        .map(|number| state_dir.join(format!("{ASIDE}{number}")))
        .filter_map(|dir| match files::read_bounded(&dir.join(URL), 4096) {
            Ok(url) => {
                let url = String::from_utf8(url).ok()?;
                Some(Aside { dir, url })
            }
            Err(error) => {
                if error.kind() != ErrorKind::NotFound {
                    log::error!("{}", at(&dir, &error));
                }
                None
            }
        })
        .collect()
}

/// Deletes an identity that was put aside.
///
/// # Errors
/// The path and the error of the system.
pub fn let_go(aside: &Aside) -> io::Result<()> {
    remove_files(&aside.dir, &IDENTITY)?;
    remove_directory(&aside.dir)
}

/// Moves the identity to where it waits; without a controller's address there is nobody to ask.
fn put_aside(settings: &Settings) -> io::Result<()> {
    let state = &settings.controller.state_dir;
    let identity = state.join("identity");
    if !is_enrolled(state) {
        return Ok(());
    }
    let Some(url) = controller(settings) else {
        log::warn!("it is not known which controller has to forget this agent: none is asked");
        return Ok(());
    };
    let free = (0..MOST)
        .map(|number| state.join(format!("{ASIDE}{number}")))
        .find(|dir| !dir.join(URL).exists());
    let Some(dir) = free else {
        log::warn!(
            "too many erased identities wait for their controllers: this one is deleted without asking"
        );
        return Ok(());
    };
    files::replace(&identity.join(URL), url.as_bytes(), 0o644)?;
    // Left behind by an erasure that was cut off, without an address: it is of no use.
    remove_files(&dir, &IDENTITY)?;
    remove_directory(&dir)?;
    fs::rename(&identity, &dir).map_err(|error| at(&identity, &error))
}

fn remove_files(dir: &Path, names: &[&str]) -> io::Result<()> {
    for name in names {
        remove(&dir.join(name))?;
        remove(&dir.join(format!("{name}.new")))?;
    }
    Ok(())
}

/// Removes files by the ends of their names.
fn remove_kinds(dir: &Path, kinds: &[&str]) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| at(dir, &error))?,
    };
    for entry in entries {
        let path = entry?.path();
        let ours = path.file_name().and_then(|name| name.to_str());
        if ours.is_some_and(|name| is_ours(name, kinds)) {
            remove(&path)?;
        }
    }
    Ok(())
}

/// Whether a name is one that the agent gives: ten digits or a UUID, after which comes one of `kinds`.
fn is_ours(name: &str, kinds: &[&str]) -> bool {
    let stem = kinds
        .iter()
        .find_map(|kind| name.strip_suffix(kind)?.strip_suffix('.'));
    stem.is_some_and(|stem| {
        let stem = stem.strip_suffix(".json").unwrap_or(stem);
        let stem = stem.strip_prefix("refused-").unwrap_or(stem);
        let digits = |byte: u8| byte.is_ascii_hexdigit() || byte == b'-';
        !stem.is_empty() && stem.bytes().all(digits)
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at(path, &error)),
        _ => Ok(()),
    }
}

/// Removes a directory of ours; one in which somebody else keeps something stays, and in a jail one that is a mount.
fn remove_directory(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::NotFound
                    | ErrorKind::DirectoryNotEmpty
                    | ErrorKind::ReadOnlyFilesystem
                    | ErrorKind::ResourceBusy
            ) =>
        {
            Err(at(path, &error))
        }
        _ => Ok(()),
    }
}

fn at(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn laid_out() -> (tempfile::TempDir, Settings, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let mut settings = Settings::default();
        let run = dir.path().join("run");
        settings.controller.url = Some("https://c.example".to_owned());
        settings.controller.state_dir = dir.path().join("state");
        settings.storage.history_dir = dir.path().join("state/history");
        settings.storage.spool_dir = dir.path().join("spool");
        for path in [
            "state/identity/key.pem",
            "state/identity/certificate.pem",
            "state/accounts.json",
            "state/instructions.json.new",
            "state/running.lmap",
            "state/history/rollups",
            "spool/0000000001.seg",
            "spool/0000000001.ack",
            "spool/gap",
            "spool/rejected/0000000001.rej",
            "spool-lmap/01890a5d-ac96-774b-bcce-b302099a8057.json",
            "spool-lmap/refused-3.json",
            "spool-lmap/01890a5d-ac96-774b-bcce-b302099a8057.json.new",
            "run/open.json",
        ] {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        }
        (dir, settings, run)
    }

    fn left(dir: &Path) -> Vec<String> {
        let mut left = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.extend(self::left(&path));
            } else {
                left.push(path.file_name().unwrap().to_string_lossy().into_owned());
            }
        }
        left.sort();
        left
    }

    #[test]
    fn all_of_it_goes_and_nothing_of_others() {
        let (dir, settings, run) = laid_out();
        fs::write(dir.path().join("state/wireless"), "others").unwrap();
        fs::write(dir.path().join("spool/movie.seg"), "others").unwrap();
        mark(&settings.controller.state_dir).unwrap();
        assert!(is_marked(&settings.controller.state_dir));
        carry_out(&settings, &run).unwrap();
        assert!(!is_marked(&settings.controller.state_dir));
        assert_eq!(
            left(dir.path()),
            ["certificate.pem", "key.pem", "movie.seg", "url", "wireless"]
        );
        let waiting = aside(&settings.controller.state_dir);
        assert_eq!(waiting.len(), 1);
        assert_eq!(waiting[0].url, "https://c.example");
        let_go(&waiting[0]).unwrap();
        assert_eq!(left(dir.path()), ["movie.seg", "wireless"]);
        assert!(aside(&settings.controller.state_dir).is_empty());
        // Once more, with nothing there.
        carry_out(&settings, &run).unwrap();
    }

    #[test]
    fn each_identity_waits_for_itself_and_without_a_controller_none_does() {
        let (dir, mut settings, run) = laid_out();
        carry_out(&settings, &run).unwrap();
        let again = |settings: &Settings| {
            let identity = dir.path().join("state/identity");
            fs::create_dir_all(&identity).unwrap();
            fs::write(identity.join("key.pem"), "y").unwrap();
            fs::write(identity.join("certificate.pem"), "y").unwrap();
            carry_out(settings, &run).unwrap();
            aside(&settings.controller.state_dir).len()
        };
        assert_eq!(again(&settings), 2);
        settings.controller.url = None;
        assert_eq!(again(&settings), 2);
        assert!(!dir.path().join("state/identity").exists());
    }
}
