//! `cargo xtask lint`: everything that can be judged without running the programs. All checks run, then the verdict.

mod compiler;
mod length;
mod licence;
mod sources;
mod supply;

use crate::packages::{self, CMAKE, GCC, PCRE2, PKG_CONFIG};
use crate::workspace::Metadata;
use crate::{process, workspace};
use anyhow::{Result, bail};

/// A check that prints what it finds.
type Check = fn() -> Result<()>;

/// Runs every check and names those that failed.
pub(crate) fn run() -> Result<()> {
    let checks: [(&str, Check); 6] = [
        ("formatting", formatting),
        ("clippy", clippy),
        ("file lengths", || {
            length::check(&sources::rust_files(&workspace::root())?)
        }),
        ("words", || sources::check_words(&workspace::root())),
        ("dependencies", dependencies),
        ("cargo-deny", cargo_deny),
    ];
    let mut failed = Vec::new();
    for (name, check) in checks {
        eprintln!("== {name}");
        if let Err(error) = check() {
            eprintln!("{error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        eprintln!("lint: all {} checks passed", checks.len());
        return Ok(());
    }
    bail!("lint: failed: {}", failed.join(", "))
}

fn formatting() -> Result<()> {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn clippy() -> Result<()> {
    // Clippy compiles what build scripts compile.
    packages::ensure(&[GCC, CMAKE, PKG_CONFIG, PCRE2])?;
    process::run(
        process::cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked"])
            .args(["--", "-D", "warnings"]),
    )
}

fn dependencies() -> Result<()> {
    let rules = supply::Rules::read(&workspace::root().join("deny.toml"))?;
    let mut faults = Vec::new();
    for target in rules.targets() {
        let metadata = Metadata::read(target)?;
        for fault in rules
            .faults(&metadata)
            .into_iter()
            .chain(compiler::faults(&metadata))
        {
            if !faults.contains(&fault) {
                faults.push(fault);
            }
        }
    }
    if faults.is_empty() {
        return Ok(());
    }
    bail!("{}", faults.join("\n"))
}

/// The advisories need a download that not every machine may make; the rest of its checks are ours too.
fn cargo_deny() -> Result<()> {
    if !process::succeeds(process::cargo().args(["deny", "--version"])) {
        eprintln!(
            "cargo-deny is not installed: bans, licences and sources were checked above, advisories were not \
             (cargo install cargo-deny --locked)"
        );
        return Ok(());
    }
    process::run(process::cargo().args(["deny", "--all-features", "check"]))
}
