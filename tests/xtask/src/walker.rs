//! The walker through ALTO servers, in `tests/alto`: a Python program with a virtual environment beside what is built, of
//! the versions that `requirements.txt` names.

use crate::packages::PYTHON;
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is installed, as pip reads it.
const REQUIREMENTS: &str = "requirements.txt";

/// Installs what the walker is made of, unless the very versions are there.
pub(crate) fn ensure(workspace: &Path, target_directory: &Path) -> Result<()> {
    let folder = environment(target_directory);
    let wanted = program(workspace).join(REQUIREMENTS);
    if is_installed(&wanted, &folder) {
        return Ok(());
    }
    eprintln!("The walker's libraries are not installed; installing them (once).");
    process::run(
        Command::new(PYTHON.program)
            .args(["-m", "venv", "--clear"])
            .arg(&folder),
    )
    .context("by hand: apt-get install python3-venv")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"])
        .arg(&wanted);
    process::run(&mut pip)
        .with_context(|| format!("by hand: pip install -r {}", wanted.display()))?;
    // Last, so that an installation that was broken off is begun anew.
    fs::copy(&wanted, folder.join(REQUIREMENTS)).with_context(|| wanted.display().to_string())?;
    Ok(())
}

/// The walker on its way to the directory at `url`, whose certificate is trusted by those in `ca`.
pub(crate) fn command(workspace: &Path, target_directory: &Path, url: &str, ca: &Path) -> Command {
    let mut walk = Command::new(environment(target_directory).join("bin/python"));
    walk.current_dir(program(workspace))
        // Nothing is left behind among the sources.
        .args(["-B", "-m", "walker", url, "--ca"])
        .arg(ca);
    walk
}

fn program(workspace: &Path) -> PathBuf {
    workspace.join("tests/alto")
}

fn environment(target_directory: &Path) -> PathBuf {
    target_directory.join("tools/walker")
}

/// Whether the environment is there, and is the one that is wanted.
fn is_installed(wanted: &Path, folder: &Path) -> bool {
    let there = fs::read(folder.join(REQUIREMENTS));
    match (fs::read(wanted), there) {
        (Ok(wanted), Ok(there)) => wanted == there && folder.join("bin/python").exists(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn other_versions_want_another_environment() {
        let dir = tempfile::tempdir().unwrap();
        let (wanted, folder) = (dir.path().join(REQUIREMENTS), dir.path().join("walker"));
        fs::create_dir_all(folder.join("bin")).unwrap();
        fs::write(&wanted, "httpx==1").unwrap();
        assert!(!is_installed(&wanted, &folder));
        fs::write(folder.join(REQUIREMENTS), "httpx==1").unwrap();
        assert!(!is_installed(&wanted, &folder), "without an interpreter");
        fs::write(folder.join("bin/python"), "").unwrap();
        assert!(is_installed(&wanted, &folder));
        fs::write(&wanted, "httpx==2").unwrap();
        assert!(!is_installed(&wanted, &folder));
    }
}
