//! `cargo xtask gen-yang`: the YANG modules compiled to the tables of `glimpse-yang`.

use crate::packages::{self, CMAKE, GCC, PCRE2, PKG_CONFIG};
use crate::{process, workspace};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// What `cargo xtask gen-yang` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail and say what would change
    #[arg(long)]
    check: bool,
    /// A folder with the canonical modules of the IETF, under the names they have in yang/modules, to be taken instead
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
}

/// Writes the tables, or compares.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    packages::ensure(&[GCC, CMAKE, PKG_CONFIG, PCRE2])?;
    let folder = workspace::root().join("yang");
    let mut generator = process::cargo();
    generator
        .args(["run", "--locked", "--quiet"])
        .args(["--package", "glimpse-gen-yang", "--"])
        .arg(folder.join("modules"))
        .arg(folder.join("src/table"));
    if arguments.check {
        generator.arg("--check");
    }
    if let Some(from) = &arguments.from {
        // The generator runs in the workspace's folder, the command anywhere.
        generator.arg("--from").arg(std::path::absolute(from)?);
    }
    if process::run(&mut generator).is_ok() {
        return Ok(());
    }
    if arguments.check {
        bail!(
            "the tables are not those of yang/modules; `cargo xtask gen-yang` writes them anew, where it can"
        );
    }
    bail!("no table was written")
}

/// `gen-yang --check`, as a part of the tests.
pub(crate) fn check() -> Result<()> {
    run(&Arguments {
        check: true,
        from: None,
    })
}
