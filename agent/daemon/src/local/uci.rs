//! The agent's settings, as the household writes them: one file in UCI syntax.
//!
//! On OpenWrt that is `/etc/config/glimpse`, written by LuCI; elsewhere the same file stands where `--config` says. The
//! daemon only reads it. [`syntax`] knows what UCI looks like and nothing of the agent; [`settings`] knows what the
//! options mean. Errors name section, option, value and line; what is not known is a warning, so that a file
//! written for a newer agent still works.

pub mod channel;
mod diagnose;
mod host;
mod limits;
mod plugins;
pub mod quiet;
mod responder;
pub mod restconf;
pub mod schedule;
pub mod settings;
pub mod syntax;
mod value;

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use channel::Channel;
pub use diagnose::Diagnose;
pub use limits::Limits;
pub use plugins::Plugins;
pub use quiet::{QuietHours, QuietZone, system_zone};
pub use responder::Responder;
pub use restconf::Restconf;
pub use schedule::Schedule;
pub use settings::{Consent, Controller, Lab, Local, Log, Settings, Storage};

/// Longest settings file read, in bytes.
pub const MAX_FILE: usize = 64 * 1024;

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// The text is not UCI.
    #[error("line {line}: {reason}")]
    Syntax {
        /// Line, counted from 1.
        line: u32,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A section may stand only once.
    #[error("{section}: this section stands twice (line {line})")]
    Twice {
        /// Type of the section.
        section: String,
        /// Line of the second.
        line: u32,
    },
    /// An option has a value that it must not have.
    #[error("{section}.{option} '{value}': {reason} (line {line})")]
    Value {
        /// Type of the section.
        section: String,
        /// Name of the option.
        option: String,
        /// The value, cut to a readable length.
        value: String,
        /// What it must be.
        reason: String,
        /// Where it stands.
        line: u32,
    },
}

/// Something in the file that has no effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Type of the section.
    pub section: String,
    /// The option; `None` when the whole section is unknown.
    pub option: Option<String>,
    /// Where it stands.
    pub line: u32,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.option {
            Some(option) => write!(
                f,
                "{}.{option}: unknown option, ignored (line {})",
                self.section, self.line
            ),
            None => write!(
                f,
                "{}: unknown section, ignored (line {})",
                self.section, self.line
            ),
        }
    }
}

/// Reads the settings in `path`. The warnings are for the log.
pub fn load(path: &Path) -> Result<(Settings, Vec<Warning>), Error> {
    settings::parse(&read(path)?)
}

/// What of a faulty file says where things are, see [`settings::places`].
///
/// # Errors
/// The file cannot be read.
pub fn load_places(path: &Path) -> Result<Settings, Error> {
    read(path).map(|bytes| settings::places(&bytes))
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAX_FILE as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(failed)?;
    Ok(bytes)
}
