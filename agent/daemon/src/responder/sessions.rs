//! Where the sessions that others have opened are noted until their tokens expire.
//!
//! On the volatile side before each begins; on the durable side when the agent stops by itself, so that a machine that
//! is started anew in good order knows them as well (flash wears out). What is read is both together.

use crate::clock;
use crate::files;
use glimpse_probe::responder::Memory;
use glimpse_probe::responder::memory::{DOCUMENT_LIMIT, Used};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The two files.
#[derive(Debug, Clone)]
pub struct SessionFiles {
    durable: PathBuf,
    volatile: PathBuf,
}

impl SessionFiles {
    /// `sessions.json` in both directories.
    pub fn new(durable: &Path, volatile: &Path) -> Self {
        Self {
            durable: durable.join("sessions.json"),
            volatile: volatile.join("sessions.json"),
        }
    }

    /// A memory of what former processes have let in, kept on the volatile side. A file that is missing or damaged
    /// counts as empty, with a warning.
    pub fn memory(&self) -> Memory {
        let mut used = load(&self.volatile);
        used.merge(load(&self.durable));
        used.forget(clock::now());
        let path = self.volatile.clone();
        Memory::new(
            used,
            Arc::new(move |document| files::replace_unsynced(&path, document, 0o600)),
        )
    }

    /// Puts the volatile side on the durable one.
    pub fn save_durable(&self) {
        let used = load(&self.volatile);
        // Nobody has come since the start: the durable side says all there is to say.
        if used.is_empty() {
            return;
        }
        let document = used.document(clock::now());
        if files::read_bounded(&self.durable, DOCUMENT_LIMIT).is_ok_and(|kept| kept == document) {
            return;
        }
        if let Err(error) = files::replace(&self.durable, &document, 0o600) {
            log::warn!(
                "cannot keep the sessions of other agents: {}: {error}",
                self.durable.display()
            );
        }
    }
}

fn load(path: &Path) -> Used {
    let parsed = match files::read_bounded(path, DOCUMENT_LIMIT) {
        Ok(bytes) => Used::parse(&bytes).map_err(|error| error.to_string()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Used::default(),
        Err(error) => Err(error.to_string()),
    };
    parsed.unwrap_or_else(|error| {
        log::warn!("{}: {error}; its sessions are forgotten", path.display());
        Used::default()
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::id::AgentId;
    use glimpse_model::token::{Claims, MeasureId, PeerMethod};
    use glimpse_probe::responder::Reason;
    use std::fs;

    fn claims(token: u8) -> Claims {
        Claims {
            id: MeasureId::from_random([token; 16]),
            initiator: AgentId::new("one").unwrap(),
            responder: AgentId::new("two").unwrap(),
            method: PeerMethod::Btc,
            not_before: clock::now(),
            expires: clock::now().plus_micros(60_000_000),
            sessions: 1,
            max_bytes: 1,
            max_rate_bps: 1,
            max_duration_ms: 1,
        }
    }

    fn enter(files: &SessionFiles, token: u8) -> Result<(), Reason> {
        let session = MeasureId::from_random([9; 16]);
        files.memory().enter(&claims(token), session, clock::now())
    }

    #[test]
    fn a_session_is_known_after_a_crash_and_after_a_start_in_good_order() {
        let (flash, ram) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = SessionFiles::new(flash.path(), ram.path());
        assert_eq!(enter(&files, 1), Ok(()));
        assert_eq!(enter(&files, 1), Err(Reason::Replayed), "after a crash");
        assert_eq!(
            fs::read_dir(flash.path()).unwrap().count(),
            0,
            "flash is spared"
        );
        files.save_durable();
        // The machine is started anew.
        fs::remove_file(ram.path().join("sessions.json")).unwrap();
        assert_eq!(enter(&files, 2), Ok(()));
        assert_eq!(enter(&files, 1), Err(Reason::Replayed));
        assert_eq!(enter(&files, 2), Err(Reason::Replayed));
        files.save_durable();
        fs::remove_file(ram.path().join("sessions.json")).unwrap();
        for token in [1, 2] {
            assert_eq!(enter(&files, token), Err(Reason::Replayed));
        }
    }

    #[test]
    fn a_damaged_file_counts_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        let files = SessionFiles::new(&dir.path().join("none"), dir.path());
        for content in ["", "{", r#"{"used":[[1,2,3]]}"#, "\0"] {
            fs::write(dir.path().join("sessions.json"), content).unwrap();
            assert_eq!(enter(&files, 1), Ok(()));
        }
    }
}
