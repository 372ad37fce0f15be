//! `cargo xtask size`: what the agent weighs as a package, against the gate; and the recipe by which it is built for routers.

mod archive;
mod elf;
mod map;
mod recipe;
mod target;
mod toolchain;
mod zig;

use crate::workspace;
use anyhow::{Context, Result, ensure};
pub(crate) use recipe::{Built, build_for};
use std::fs;
use std::path::PathBuf;
pub(crate) use target::{Target, Variant};

/// Above this the command fails: bytes of YANG in the program, the table of the modules and the code over it.
const YANG_GATE: usize = 200_000;
/// Where the program lies in the package.
const INSTALLED: &str = "usr/sbin/glimpse-agent";

/// What `cargo xtask size` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The kind of router
    #[arg(long, value_enum, default_value = "x86_64")]
    target: Target,
    /// Build the agent without the LMAP door and DNS over HTTPS, too, and say what they cost
    #[arg(long)]
    compare: bool,
}

/// Above this the command fails, in bytes of the package (docs/figures.md).
fn gate(target: Target, variant: Variant) -> Option<usize> {
    match (target, variant) {
        (Target::X86_64, Variant::Full) => Some(2_200_000),
        (Target::Mipsel24kc, Variant::Full) => Some(2_100_000),
        (Target::Mipsel24kc, Variant::Mini) => Some(1_700_000),
        _ => None,
    }
}

/// What we want to reach, in bytes.
fn aim(variant: Variant) -> usize {
    match variant {
        Variant::Full => 1_500_000,
        Variant::Mini => 1_000_000,
    }
}

/// Builds the agent as routers have it and returns where it lies.
pub(crate) fn build() -> Result<PathBuf> {
    Ok(build_for(Target::X86_64, Variant::Full)?.program)
}

/// Builds the agent and weighs it.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let target = arguments.target;
    let weigh = |variant| Weight::of(target, variant, &build_for(target, variant)?);
    // First, so that what cargo leaves behind in the end is the program with everything.
    let mini = arguments
        .compare
        .then(|| weigh(Variant::Mini))
        .transpose()?;
    let full = weigh(Variant::Full)?;

    println!("profile small, {}, static", target.triple());
    full.print();
    if let Some(mini) = &mini {
        mini.print();
        println!("the LMAP door and DNS over HTTPS cost");
        let cost = |full: usize, mini: usize| full.saturating_sub(mini);
        println!("  program   {:>10} bytes", cost(full.program, mini.program));
        println!("  tar.gz    {:>10} bytes", cost(full.package, mini.package));
    }
    let table = glimpse_yang::table::AGENT.bytes();
    let yang = table + full.yang;
    println!("YANG in the program");
    println!("  table     {table:>10} bytes");
    println!("  code      {:>10} bytes", full.yang);
    println!(
        "  gate      {YANG_GATE:>10} bytes   {}",
        verdict(yang, YANG_GATE)
    );
    full.keep()?;
    mini.map_or(Ok(()), |mini| mini.keep())?;
    ensure!(
        full.yang > 0,
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
pub(crate) struct Weight {
    target: Target,
    variant: Variant,
    /// Bytes of the program.
    pub(crate) program: usize,
    /// Bytes of the package.
    pub(crate) package: usize,
    /// Where the package lies.
    kept: PathBuf,
    /// Bytes of the code of glimpse-yang.
    yang: usize,
}

impl Weight {
    /// Packs what was built and weighs it.
    pub(crate) fn of(target: Target, variant: Variant, built: &Built) -> Result<Self> {
        let path = built.program.display();
        let program = fs::read(&built.program).with_context(|| path.to_string())?;
        ensure!(
            elf::is_static(&program)?,
            "{path} asks for a dynamic linker"
        );
        let map = fs::read(&built.map).with_context(|| built.map.display().to_string())?;
        let package = archive::tar_gz(INSTALLED, &program)?;
        let kept = built.program.with_extension("tar.gz");
        fs::write(&kept, &package).with_context(|| kept.display().to_string())?;
        Ok(Self {
            target,
            variant,
            program: program.len(),
            package: package.len(),
            kept,
            yang: map::bytes_of(&String::from_utf8_lossy(&map), "glimpse_yang"),
        })
    }

    fn print(&self) {
        println!("{}", self.variant.package());
        println!("  program   {:>10} bytes", self.program);
        println!(
            "  tar.gz    {:>10} bytes   {}",
            self.package,
            workspace::shown(&self.kept)
        );
        if let Some(gate) = gate(self.target, self.variant) {
            println!(
                "  gate      {gate:>10} bytes   {}",
                verdict(self.package, gate)
            );
        }
        let aim = aim(self.variant);
        println!(
            "  aim       {aim:>10} bytes   {}",
            verdict(self.package, aim)
        );
    }

    fn keep(&self) -> Result<()> {
        let Some(gate) = gate(self.target, self.variant) else {
            return Ok(());
        };
        ensure!(
            self.package <= gate,
            "the package {} is {} bytes over the gate",
            self.variant.package(),
            self.package.saturating_sub(gate)
        );
        Ok(())
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
        assert_eq!(verdict(5, 5), "kept, 0 to spare");
        assert_eq!(verdict(12, 5), "missed by 7");
    }
}
