//! `cargo xtask test`: whether the YANG tables are those of the modules, the documentation's examples, then everything
//! else by nextest, whose summary comes last.

use crate::packages::{
    self, BUSYBOX, CHROMIUM, CMAKE, CURL, GCC, IPROUTE2, IPUTILS_PING, LIBYANG_TOOLS, NFTABLES,
    NODEJS, NPM, OPENSSL, PCRE2, PKG_CONFIG, PYTHON, PYTHON_DEV, SHELLCHECK,
};
use crate::workspace::Metadata;
use crate::{browser, gen_yang, process, walker};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// The judge of modules.
const PYANG: &str = "pyang==2.7.1";

/// What `cargo xtask test` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Handed to nextest, such as a filter or `--no-capture`
    #[arg(last = true)]
    nextest: Vec<String>,
}

/// Runs the tests.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::ensure(&[
        GCC,
        IPROUTE2,
        IPUTILS_PING,
        CMAKE,
        PKG_CONFIG,
        PCRE2,
        CURL,
        NFTABLES,
        OPENSSL,
        LIBYANG_TOOLS,
        PYTHON,
        PYTHON_DEV,
        BUSYBOX,
        SHELLCHECK,
        CHROMIUM,
        NODEJS,
        NPM,
    ])?;
    ensure_nextest()?;
    let metadata = Metadata::read(&crate::workspace::host()?)?;
    ensure_pyang(&metadata.target_directory)?;
    browser::ensure_driver(&crate::workspace::root(), &metadata.target_directory)?;
    walker::ensure(&crate::workspace::root(), &metadata.target_directory)?;
    // One selection for all: the programs, the tests and their libraries are then built once, not once per command.
    process::run(process::cargo().args(["build", "--workspace", "--all-targets", "--locked"]))?;
    gen_yang::check()?;
    process::run(process::cargo().args(["test", "--workspace", "--doc", "--locked"]))?;
    let profile = if std::env::var_os("CI").is_some() {
        "ci"
    } else {
        "default"
    };
    process::run(
        process::cargo()
            .args(["nextest", "run", "--workspace", "--all-targets", "--locked"])
            .args(["--profile", profile])
            .args(&arguments.nextest),
    )
}

fn ensure_nextest() -> Result<()> {
    if process::succeeds(process::cargo().args(["nextest", "--version"])) {
        return Ok(());
    }
    eprintln!(
        "cargo-nextest, the test runner, is not installed; installing it (some minutes, once)."
    );
    let mut install: Command = process::cargo();
    // Outside the workspace: the tool is no part of its build.
    install
        .current_dir(std::env::temp_dir())
        .args(["install", "cargo-nextest", "--locked"]);
    process::run(&mut install).context("by hand: cargo install cargo-nextest --locked")
}

/// Debian has no package of it: where the system has none, it is installed beside what is built.
fn ensure_pyang(target_directory: &Path) -> Result<()> {
    let folder = target_directory.join("tools/pyang");
    if process::find("pyang").is_some() || folder.join("bin/pyang").is_file() {
        return Ok(());
    }
    eprintln!("pyang, a judge of YANG modules, is not installed; installing it (once).");
    process::run(
        Command::new(PYTHON.program)
            .args(["-m", "venv"])
            .arg(&folder),
    )
    .context("by hand: apt-get install python3-venv")?;
    let mut pip = Command::new(folder.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", PYANG]);
    process::run(&mut pip).with_context(|| format!("by hand: pip install {PYANG}"))
}
