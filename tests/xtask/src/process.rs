//! Running other programs, with errors that name the command line.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// `cargo` of the toolchain that runs this program.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(crate::workspace::root());
    command
}

/// The command line as one would type it.
pub(crate) fn line(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(program.as_os_str());
    std::iter::once(name)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Prints the command line, runs it in the open, and fails when it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = line(command);
    eprintln!("$ {line}");
    let status = command
        .status()
        .with_context(|| format!("`{line}` did not start"))?;
    if !status.success() {
        bail!("`{line}` failed ({status})");
    }
    Ok(())
}

/// Runs the command in silence and returns its standard output; its standard error is in the error.
pub(crate) fn read(command: &mut Command) -> Result<Vec<u8>> {
    let line = line(command);
    let Output {
        status,
        stdout,
        stderr,
    } = command
        .output()
        .with_context(|| format!("`{line}` did not start"))?;
    if !status.success() {
        let said = String::from_utf8_lossy(&stderr);
        bail!("`{line}` failed ({status}): {}", said.trim());
    }
    Ok(stdout)
}

/// Whether the command runs and succeeds; it is silent either way.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}

/// Where `program` is, on the search path or where Debian keeps administrators' programs.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn failures_name_the_command_and_what_it_said() {
        let error =
            read(Command::new("/bin/sh").args(["-c", "echo oh no >&2; exit 3"])).unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("`sh -c"), "{said}");
        assert!(
            said.contains("exit status: 3") && said.ends_with("oh no"),
            "{said}"
        );
        assert!(run(&mut Command::new("/no/such/program")).is_err());
    }

    #[test]
    fn programs_are_found() {
        assert!(find("sh").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }
}
