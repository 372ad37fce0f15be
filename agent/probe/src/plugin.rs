//! Executables as methods. The contract with their authors is `docs/plugins.md`.
//!
//! ```text
//!   agent (root) ──spawn──▶ keeper (root, subreaper) ──spawn──▶ entrance ──exec──▶ plug-in (a user of its own)
//!     │  options, then open as long as the run is wanted ▶│  options ▶ standard input            │
//!     ◀──────────────────────────────── outcome, log ◀────┼──────────────────────────────────────┘
//! ```
//! The keeper and the entrance are this same program ([`shim`]), so that nothing between `fork` and `exec` needs unsafe
//! code. The keeper ends the plug-in and every process that came from it when the plug-in ends, at the deadline, and when
//! the agent closes its end of the pipe: by dropping the run, or by dying.
//!
//! Invariants: nothing of a plug-in runs as the user of the agent or as root; nothing of it outlives its keeper; a run is
//! charged with the announced worst case, whatever the plug-in says it used.

mod description;
mod directory;
mod method;
mod outcome;
mod process;
pub mod shim;

pub use description::{Description, Formula};
pub use outcome::Report;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::read::Refused;
use nix::unistd::Uid;
use tokio::task::JoinSet;

use crate::registry::Descriptor;
use directory::Owners;
use process::Call;
pub use process::Failure;

/// How long `describe` may take.
const DESCRIBE_TIME: Duration = Duration::from_secs(2);
/// Most that `describe` may print, in bytes.
const DESCRIBE_OUTPUT: u64 = 64 << 10;
/// Plug-ins described at a time.
const SIDE_BY_SIDE: usize = 4;

/// The user that plug-ins run as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its number; never 0, never the agent's.
    pub uid: u32,
    /// Its only group; never 0, never the agent's.
    pub gid: u32,
}

/// What a run of a plug-in may use at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Time from start to end.
    pub time: Duration,
    /// Address space of each of its processes, in bytes.
    pub memory_bytes: u64,
    /// Bytes it may print, and as many again that it may log.
    pub output_bytes: u64,
}

/// Where and how plug-ins run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// The program whose subcommand [`shim::SUBCOMMAND`] is [`shim::main`].
    pub shim: PathBuf,
    /// Who they are.
    pub account: Account,
    /// What they may use.
    pub limits: Limits,
}

/// Why a directory or a file in it is not used.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// It cannot be looked at.
    #[error("{path}: cannot be read: {source}")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Somebody could put a program of theirs there.
    #[error("{path}: {reason}")]
    Unsafe {
        /// The file or directory.
        path: PathBuf,
        /// What must be otherwise.
        reason: &'static str,
    },
    /// It did not describe itself.
    #[error("{path}: describe {failure}")]
    Mute {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        failure: Failure,
    },
    /// What it says of itself breaks the contract.
    #[error("{path}: describe: {refused}")]
    Description {
        /// The file.
        path: PathBuf,
        /// Where and how.
        refused: Refused,
    },
}

/// Asks every plug-in in `directory` to describe itself; in the order of their file names, without those whose file or
/// method is among `disabled`. The faults are of single files.
///
/// # Errors
/// When the directory itself cannot be used.
pub async fn load(
    directory: &Path,
    stage: &Arc<Stage>,
    disabled: &[String],
) -> Result<(Vec<Descriptor>, Vec<Fault>), Fault> {
    let owners = Owners {
        agent: Uid::effective().as_raw(),
    };
    let (files, mut faults) = directory::candidates(directory, owners)?;
    let is_disabled = |name: &str| disabled.iter().any(|other| other == name);
    let files: Vec<PathBuf> = files
        .into_iter()
        .filter(|file| {
            !file
                .file_name()
                .is_some_and(|n| n.to_str().is_some_and(is_disabled))
        })
        .collect();
    let mut found = Vec::new();
    for group in files.chunks(SIDE_BY_SIDE) {
        let mut asked = JoinSet::new();
        for (index, file) in group.iter().cloned().enumerate() {
            let stage = stage.clone();
            asked.spawn(async move { (index, describe(&stage, file).await) });
        }
        let mut answers = asked.join_all().await;
        answers.sort_by_key(|(index, _)| *index);
        for (_, answer) in answers {
            match answer {
                Ok((_, description)) if is_disabled(&description.name) => {}
                Ok((file, description)) => {
                    found.push(method::descriptor(stage, owners, file, description));
                }
                Err(fault) => faults.push(fault),
            }
        }
    }
    Ok((found, faults))
}

async fn describe(stage: &Stage, path: PathBuf) -> Result<(PathBuf, Description), Fault> {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let call = Call {
        program: &path,
        name: &name,
        word: "describe",
        input: b"{}",
        time: DESCRIBE_TIME,
        output_bytes: DESCRIBE_OUTPUT,
    };
    match process::call(stage, &call).await {
        Err(failure) => Err(Fault::Mute { path, failure }),
        Ok(printed) => match Description::parse(&printed) {
            Ok(description) => Ok((path, description)),
            Err(refused) => Err(Fault::Description { path, refused }),
        },
    }
}
