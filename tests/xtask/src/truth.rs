//! `cargo xtask truth`: the agent, built as routers have it, beside the truth and beside the tools of the field.

use crate::packages::{
    self, CURL, FPING, GCC, IPERF3, IPROUTE2, IPUTILS_PING, IRTT, KDIG, MINIUPNPD, MTR, SCAMPER,
};
use crate::workspace::{self, Metadata};
use crate::{process, size};
use anyhow::{Result, bail};
use std::path::PathBuf;
use std::process::Command;

/// What `cargo xtask truth` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Few repetitions: five minutes at most
    #[arg(long)]
    quick: bool,
    /// Where the table is written as a page, too [default: docs/truth.md, of a full run of all rows]
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Rows to run, such as `ping` [default: all]
    rows: Vec<String>,
}

/// Builds the programs and compares; a full run of all rows writes `docs/truth.md`, and any run the page that is named.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::ensure(&[
        GCC,
        IPROUTE2,
        IPUTILS_PING,
        FPING,
        SCAMPER,
        MTR,
        IPERF3,
        CURL,
        KDIG,
        IRTT,
        MINIUPNPD,
    ])?;
    if !nix::unistd::geteuid().is_root() {
        bail!("the laboratory lays out network namespaces: start this command as root");
    }
    let agent = size::build()?;
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked"]);
    for package in ["glimpse-tests", "glimpse-truth"] {
        build.args(["--package", package]);
    }
    process::run(build.arg("--bins"))?;
    // Not by `cargo run`, which would build it again with the features of this package alone.
    let target = Metadata::read("x86_64-unknown-linux-gnu")?.target_directory;
    let mut truth = Command::new(target.join("release/glimpse-truth"));
    truth.arg("--agent").arg(agent);
    if arguments.quick {
        truth.arg("--quick");
    }
    let whole = !arguments.quick && arguments.rows.is_empty();
    let page = match &arguments.page {
        None => whole.then(|| workspace::root().join("docs/truth.md")),
        // The program runs elsewhere than this command was called.
        Some(page) => Some(std::path::absolute(page)?),
    };
    if let Some(page) = page {
        truth.arg("--markdown").arg(page);
    }
    process::run(truth.args(&arguments.rows))
}
