//! `cargo xtask truth`: the agent beside the truth and beside the tools of the field.

use crate::packages::{
    self, CURL, FPING, GCC, IPERF3, IPROUTE2, IPUTILS_PING, IRTT, KDIG, MINIUPNPD, MTR, SCAMPER,
};
use crate::{process, workspace};
use anyhow::{Result, bail};

/// What `cargo xtask truth` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Few repetitions: five minutes at most
    #[arg(long)]
    quick: bool,
    /// Rows to run, such as `ping` [default: all]
    rows: Vec<String>,
}

/// Builds the programs and compares; a full run of all rows writes `docs/truth.md`.
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
    let mut build = process::cargo();
    build.args(["build", "--release", "--locked"]);
    for package in ["glimpse-agent", "glimpse-tests", "glimpse-truth"] {
        build.args(["--package", package]);
    }
    process::run(build.arg("--bins"))?;
    let mut truth = process::cargo();
    truth
        .args(["run", "--release", "--locked", "--quiet"])
        .args(["--package", "glimpse-truth", "--"]);
    if arguments.quick {
        truth.arg("--quick");
    } else if arguments.rows.is_empty() {
        truth
            .arg("--markdown")
            .arg(workspace::root().join("docs/truth.md"));
    }
    process::run(truth.args(&arguments.rows))
}
