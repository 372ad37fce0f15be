//! `cargo xtask size`: what the agent weighs as a package, against the gate.

mod archive;
mod elf;
mod musl;

use crate::workspace::{self, Metadata};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::PathBuf;

/// Above this the command fails, in bytes.
const GATE: usize = 2_000_000;
/// What we want to reach, in bytes.
const AIM: usize = 1_400_000;
/// Where the program lies in the package.
const INSTALLED: &str = "usr/sbin/glimpse-agent";

/// Builds the agent as routers have it, statically and with the profile `small`, and returns where it lies.
pub(crate) fn build() -> Result<PathBuf> {
    musl::build(&Metadata::read(musl::TARGET)?.target_directory)
}

/// Builds the agent and weighs it.
pub(crate) fn run() -> Result<()> {
    let target = musl::TARGET;
    let built = build()?;
    let program = fs::read(&built).with_context(|| built.display().to_string())?;
    ensure!(
        elf::is_static(&program)?,
        "{} asks for a dynamic linker",
        built.display()
    );

    let package = archive::tar_gz(INSTALLED, &program)?;
    let kept = built.with_extension("tar.gz");
    fs::write(&kept, &package).with_context(|| kept.display().to_string())?;

    println!("glimpse-agent, profile small, {target}, static");
    println!("  program   {:>10} bytes", program.len());
    println!(
        "  tar.gz    {:>10} bytes   {}",
        package.len(),
        workspace::shown(&kept)
    );
    println!(
        "  gate      {GATE:>10} bytes   {}",
        verdict(package.len(), GATE)
    );
    println!(
        "  aim       {AIM:>10} bytes   {}",
        verdict(package.len(), AIM)
    );
    if package.len() > GATE {
        bail!(
            "the package is {} bytes over the gate",
            package.len() - GATE
        );
    }
    Ok(())
}

fn verdict(bytes: usize, limit: usize) -> String {
    if bytes <= limit {
        format!("kept, {} to spare", limit - bytes)
    } else {
        format!("missed by {}", bytes - limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts() {
        assert_eq!(verdict(GATE, GATE), "kept, 0 to spare");
        assert_eq!(verdict(GATE + 7, GATE), "missed by 7");
    }
}
