//! `cargo xtask size`: what the agent weighs as a package, against the gate.

mod archive;
mod elf;

use crate::packages::{self, GCC};
use crate::process;
use crate::workspace::{self, Metadata};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::Path;

/// Above this the command fails, in bytes.
const GATE: usize = 2_000_000;
/// What we want to reach, in bytes.
const AIM: usize = 1_400_000;
/// The targets by preference: what OpenWrt has first, then what every toolchain can build.
const TARGETS: [&str; 2] = ["x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"];
/// Where the program lies in the package.
const INSTALLED: &str = "usr/sbin/glimpse-agent";

/// Builds the agent statically with the profile `small` and weighs it.
pub(crate) fn run() -> Result<()> {
    packages::ensure(&[GCC])?;
    let target = TARGETS
        .into_iter()
        .find(|target| has_standard_library(target))
        .context("the toolchain has no standard library for x86_64 Linux")?;
    process::run(
        process::cargo()
            .args(["build", "--package", "glimpse-agent", "--locked"])
            .args(["--profile", "small", "--target", target])
            .env("RUSTFLAGS", "-C target-feature=+crt-static"),
    )?;
    let built = Metadata::read(target)?
        .target_directory
        .join(target)
        .join("small/glimpse-agent");
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

fn has_standard_library(target: &str) -> bool {
    std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .args(["--print", "target-libdir", "--target", target])
        .output()
        .ok()
        .filter(|output| output.status.success())
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .is_some_and(|folder| Path::new(folder.trim()).is_dir())
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

    #[test]
    fn the_host_has_a_target_and_nonsense_has_none() {
        assert!(TARGETS.into_iter().any(has_standard_library));
        assert!(!has_standard_library("x86_64-unknown-nonsense"));
    }
}
