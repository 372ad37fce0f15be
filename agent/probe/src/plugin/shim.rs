//! What stands between the agent and a plug-in: the agent's own program, started with a subcommand that no help mentions.
//!
//! [`KEEP`] is the keeper: it stays root, takes in every process that a plug-in leaves behind, and ends them all. [`ENTER`]
//! is the entrance: it gives up everything and becomes the plug-in.

mod enter;
mod keep;

pub(super) use keep::end_orphans;

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use super::Account;

/// The subcommand under which a program hands its other words to [`main`].
pub const SUBCOMMAND: &str = "plugin-shim";

/// First word after [`SUBCOMMAND`]: the keeper.
pub(super) const KEEP: &str = "keep";
/// First word after [`SUBCOMMAND`]: the entrance.
const ENTER: &str = "enter";

/// All that a plug-in finds in its environment.
pub(super) const ENVIRONMENT: [(&str, &str); 2] =
    [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C")];

/// Longest line of options, in bytes: less than a pipe holds (64 KiB), so that handing it over never waits.
pub(super) const INPUT_LIMIT: usize = 48 << 10;

/// Largest exit code of a plug-in that is told apart from those above it.
pub const CODES: u8 = 118;
/// The keeper's exit code: the plug-in could not be started; standard error says why.
pub(super) const CANNOT: u8 = 119;
/// The keeper's exit code: the plug-in's time was up.
pub(super) const LATE: u8 = 120;
/// The keeper's exit code: the agent did not want the plug-in any more.
const UNWANTED: u8 = 121;
/// Added to the number of the signal that killed the plug-in.
pub(super) const SIGNALS: u8 = 128;

/// What keeper and entrance are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Who the plug-in is to be.
    pub(super) account: Account,
    /// When it is ended.
    pub(super) time_ms: u64,
    /// Its address space, in bytes.
    pub(super) memory_bytes: u64,
    /// The executable.
    pub(super) program: PathBuf,
    /// Its one argument.
    pub(super) word: String,
}

impl Order {
    /// The words of the command line that say it.
    pub(super) fn words(&self, role: &str) -> [OsString; 8] {
        [
            SUBCOMMAND.into(),
            role.into(),
            self.account.uid.to_string().into(),
            self.account.gid.to_string().into(),
            self.time_ms.to_string().into(),
            self.memory_bytes.to_string().into(),
            self.program.clone().into(),
            self.word.clone().into(),
        ]
    }

    /// Role and order from the words after the subcommand.
    fn read(words: impl IntoIterator<Item = OsString>) -> Option<(String, Self)> {
        let mut words = words.into_iter();
        let mut text = || words.next()?.into_string().ok();
        let role = text()?;
        let order = Self {
            account: Account {
                uid: text()?.parse().ok().filter(|uid| *uid != 0)?,
                gid: text()?.parse().ok().filter(|gid| *gid != 0)?,
            },
            time_ms: text()?.parse().ok()?,
            memory_bytes: text()?.parse().ok()?,
            program: text()?.into(),
            word: text()?,
        };
        words.next().is_none().then_some((role, order))
    }
}

/// Runs as keeper or entrance; `words` are those after [`SUBCOMMAND`].
pub fn main(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done = match Order::read(words) {
        Some((role, order)) if role == KEEP => keep::run(&order),
        Some((role, order)) if role == ENTER => Err(enter::run(&order)),
        _ => Err("this is for the agent itself to call".to_owned()),
    };
    let code = done.unwrap_or_else(|reason| {
        // There is nowhere to say that standard error is gone.
        let _ = writeln!(io::stderr(), "{reason}");
        CANNOT
    });
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn order() -> Order {
        Order {
            account: Account { uid: 7, gid: 8 },
            time_ms: 1500,
            memory_bytes: 1 << 33,
            program: "/usr/lib/x y".into(),
            word: "run".to_owned(),
        }
    }

    #[test]
    fn an_order_reads_back() {
        let words = order().words(KEEP);
        assert_eq!(words[0], SUBCOMMAND);
        let read = Order::read(words.into_iter().skip(1));
        assert_eq!(read, Some((KEEP.to_owned(), order())));
    }

    #[test]
    fn nobody_becomes_root() {
        for fault in [Account { uid: 0, gid: 8 }, Account { uid: 7, gid: 0 }] {
            let order = Order {
                account: fault,
                ..order()
            };
            assert_eq!(Order::read(order.words(ENTER).into_iter().skip(1)), None);
        }
        let more = order().words(ENTER).into_iter().skip(1).chain(["x".into()]);
        assert_eq!(Order::read(more), None);
    }
}
