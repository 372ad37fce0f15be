//! The driver of the browser: playwright-core, the version and the sum that `tests/luci/package-lock.json` names. It lies
//! beside what is built, runs no scripts at its installation and brings no browser: that is the system's.

use crate::packages::NPM;
use crate::process;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Files that say what is installed.
const LOCKS: [&str; 2] = ["package.json", "package-lock.json"];

/// Installs the driver, unless what is locked is there.
pub(crate) fn ensure_driver(workspace: &Path, target_directory: &Path) -> Result<()> {
    let folder = target_directory.join("luci/node");
    let locked = workspace.join("tests/luci");
    if is_installed(&locked, &folder) {
        return Ok(());
    }
    eprintln!("The browser's driver, playwright-core, is not installed; installing it (once).");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    for name in LOCKS {
        fs::copy(locked.join(name), folder.join(name)).with_context(|| name.to_owned())?;
    }
    let mut install = Command::new(NPM.program);
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--prefix")
        .arg(&folder);
    process::run(&mut install).with_context(|| {
        format!(
            "by hand: npm ci --ignore-scripts --prefix {}",
            folder.display()
        )
    })
}

/// Whether the driver is there, and is the one that is locked.
fn is_installed(locked: &Path, folder: &Path) -> bool {
    let same = |name: &str| match (fs::read(locked.join(name)), fs::read(folder.join(name))) {
        (Ok(wanted), Ok(there)) => wanted == there,
        _ => false,
    };
    folder
        .join("node_modules/playwright-core/package.json")
        .is_file()
        && LOCKS.into_iter().all(same)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn another_lock_wants_another_driver() {
        let dir = tempfile::tempdir().unwrap();
        let (locked, folder) = (dir.path().join("locked"), dir.path().join("node"));
        let driver = folder.join("node_modules/playwright-core");
        fs::create_dir_all(&locked).unwrap();
        fs::create_dir_all(&driver).unwrap();
        for name in LOCKS {
            fs::write(locked.join(name), "1").unwrap();
            fs::write(folder.join(name), "1").unwrap();
        }
        assert!(!is_installed(&locked, &folder));
        fs::write(driver.join("package.json"), "{}").unwrap();
        assert!(is_installed(&locked, &folder));
        fs::write(locked.join(LOCKS[1]), "2").unwrap();
        assert!(!is_installed(&locked, &folder));
    }
}
