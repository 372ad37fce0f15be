//! `cargo xtask size`: what the agent weighs as a package, against the gate.

mod archive;
mod elf;
mod map;
mod musl;

use crate::workspace::{self, Metadata};
use anyhow::{Context, Result, ensure};
use musl::Built;
use std::fs;
use std::path::PathBuf;

/// Above this the command fails, in bytes. It was 2 000 000 before the LMAP door (docs/figures.md).
const GATE: usize = 2_300_000;
/// What we want to reach, in bytes.
const AIM: usize = 1_400_000;
/// Above this the command fails: bytes of YANG in the program, the table of the modules and the code over it.
const YANG_GATE: usize = 200_000;
/// Where the program lies in the package.
const INSTALLED: &str = "usr/sbin/glimpse-agent";

/// What `cargo xtask size` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Build the agent without the LMAP door, too, and say what the door costs
    #[arg(long)]
    compare: bool,
}

/// Builds the agent as routers have it, statically and with the profile `small`, and returns where it lies.
pub(crate) fn build() -> Result<PathBuf> {
    Ok(build_with(&[])?.program)
}

fn build_with(arguments: &[&str]) -> Result<Built> {
    musl::build(&Metadata::read(musl::TARGET)?.target_directory, arguments)
}

/// Builds the agent and weighs it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // First, so that what is left behind in the end is the program with everything.
    let without = arguments
        .compare
        .then(|| Weight::of(&build_with(&["--no-default-features"])?))
        .transpose()?;
    let built = build_with(&[])?;
    let whole = Weight::of(&built)?;
    let kept = built.program.with_extension("tar.gz");
    fs::write(&kept, &whole.package).with_context(|| kept.display().to_string())?;
    let package = whole.package.len();

    println!("glimpse-agent, profile small, {}, static", musl::TARGET);
    println!("  program   {:>10} bytes", whole.program);
    println!(
        "  tar.gz    {package:>10} bytes   {}",
        workspace::shown(&kept)
    );
    println!("  gate      {GATE:>10} bytes   {}", verdict(package, GATE));
    println!("  aim       {AIM:>10} bytes   {}", verdict(package, AIM));
    let table = glimpse_yang::table::AGENT.bytes();
    let yang = table + whole.yang;
    println!("YANG in the program");
    println!("  table     {table:>10} bytes");
    println!("  code      {:>10} bytes", whole.yang);
    println!(
        "  gate      {YANG_GATE:>10} bytes   {}",
        verdict(yang, YANG_GATE)
    );
    if let Some(without) = without {
        println!("without the LMAP door");
        println!(
            "  program   {:>10} bytes   the door costs {}",
            without.program,
            whole.program.saturating_sub(without.program)
        );
        println!(
            "  tar.gz    {:>10} bytes   the door costs {}",
            without.package.len(),
            package.saturating_sub(without.package.len())
        );
    }
    ensure!(
        package <= GATE,
        "the package is {} bytes over the gate",
        package.saturating_sub(GATE)
    );
    ensure!(
        whole.yang > 0,
        "the linker's map has no code of glimpse-yang: its names are other than expected"
    );
    ensure!(
        yang <= YANG_GATE,
        "table and code of YANG are {} bytes over their gate",
        yang.saturating_sub(YANG_GATE)
    );
    Ok(())
}

/// What a build weighs.
struct Weight {
    /// Bytes of the program.
    program: usize,
    /// The package.
    package: Vec<u8>,
    /// Bytes of the code of glimpse-yang.
    yang: usize,
}

impl Weight {
    fn of(built: &Built) -> Result<Self> {
        let path = built.program.display();
        let program = fs::read(&built.program).with_context(|| path.to_string())?;
        ensure!(
            elf::is_static(&program)?,
            "{path} asks for a dynamic linker"
        );
        let map = fs::read(&built.map).with_context(|| built.map.display().to_string())?;
        Ok(Self {
            program: program.len(),
            package: archive::tar_gz(INSTALLED, &program)?,
            yang: map::bytes_of(&String::from_utf8_lossy(&map), "glimpse_yang"),
        })
    }
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
