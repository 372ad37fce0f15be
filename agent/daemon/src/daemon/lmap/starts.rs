//! Starts that did not last. A configuration that ends the agent soon after each start would do so for ever: after two such starts it is
//! put aside but for its access control, which nobody is to open by making the agent fail; after one more, that too.

use crate::files;
use glimpse_model::time::SECOND;
use std::fs;
use std::path::{Path, PathBuf};

/// File of the durable directory: how many starts in a row have not lasted. It is there only while one has not.
const FILE: &str = "lmap.starts";
/// From when on a start has lasted, in microseconds.
const LASTS: i64 = 60 * SECOND;
/// Starts that may fail by chance: power is cut, a box is switched off and on.
const CHANCE: u8 = 2;

/// What of a configuration is to be put aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Suspect {
    /// Nothing.
    Nothing,
    /// All but who may do what.
    Instructions,
    /// All.
    All,
}

/// This start.
#[derive(Debug)]
pub(super) struct Starts {
    path: PathBuf,
    /// It is noted, and has not lasted yet.
    noted: bool,
}

impl Starts {
    /// Notes a start with what is configured in `configuration`, and says what of that is to be put aside. Without one nothing is noted:
    /// flash is spared where nobody uses the door.
    pub(super) fn note(dir: &Path, configuration: &Path) -> (Self, Suspect) {
        let path = dir.join(FILE);
        let former = files::read_bounded(&path, 8).ok();
        let former = former.and_then(|bytes| std::str::from_utf8(&bytes).ok()?.parse::<u8>().ok());
        let former = former.unwrap_or(0);
        if !configuration.exists() {
            let mut starts = Self { path, noted: true };
            starts.clear();
            return (starts, Suspect::Nothing);
        }
        let mut starts = Self { path, noted: true };
        let suspect = match former {
            0..CHANCE => Suspect::Nothing,
            CHANCE => Suspect::Instructions,
            _ => {
                starts.clear();
                return (starts, Suspect::All);
            }
        };
        let now = (former + 1).to_string();
        if let Err(error) = files::replace(&starts.path, now.as_bytes(), 0o600) {
            log::warn!("cannot note {}: {error}", starts.path.display());
        }
        (starts, suspect)
    }

    /// When it will have lasted, in microseconds since the start.
    pub(super) fn wake_us(&self) -> Option<i64> {
        self.noted.then_some(LASTS)
    }

    /// So much time has passed since the start.
    pub(super) fn lasted(&mut self, us: i64) {
        if us >= LASTS {
            self.clear();
        }
    }

    /// It has lasted, or ends because it is told to.
    pub(super) fn clear(&mut self) {
        if std::mem::take(&mut self.noted) {
            // Where there is none there is nothing to remove.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn after_two_starts_that_did_not_last_the_configuration_is_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let configuration = dir.path().join("c");
        let note = || Starts::note(dir.path(), &configuration).1;
        let twice = || (note(), note());
        assert_eq!(
            twice(),
            (Suspect::Nothing, Suspect::Nothing),
            "there is none"
        );
        assert!(!dir.path().join(FILE).exists());
        fs::write(&configuration, "x").unwrap();
        assert_eq!(twice(), (Suspect::Nothing, Suspect::Nothing));
        assert_eq!(note(), Suspect::Instructions, "the third");
        assert_eq!(note(), Suspect::All, "the fourth");
        assert_eq!(note(), Suspect::Nothing, "and from the beginning");
        let (mut starts, _) = Starts::note(dir.path(), &configuration);
        assert_eq!(starts.wake_us(), Some(LASTS));
        starts.lasted(LASTS - 1);
        assert!(dir.path().join(FILE).exists());
        starts.lasted(LASTS);
        assert!(!dir.path().join(FILE).exists() && starts.wake_us().is_none());
        assert_eq!(
            twice(),
            (Suspect::Nothing, Suspect::Nothing),
            "one that lasted ends the row"
        );
    }
}
