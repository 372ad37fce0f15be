//! A static musl build, as routers have it, for any of them: the standard library is built from its sources with the agent, C by
//! Zig against the musl that it carries, and the linker is the toolchain's own.
//!
//! ```text
//!   rust-src (Debian, by hash) ─▶ sources ─┐
//!   the toolchain, by hard links ──────────┴─▶ a toolchain of our own ─▶ cargo -Zbuild-std ─▶ rust-lld ─▶ program
//!   ziglang (PyPI, by hash) ─▶ zig ─▶ C compiler of `ring`, musl's crt1.o and libc.a ─────────▲
//! ```
//!
//! No path of this machine reaches the program, and the same sources give the same bytes.

use super::target::{Target, Variant};
use super::toolchain::{self, Toolchain};
use super::zig::Zig;
use crate::packages::{self, DPKG, GCC, PYTHON};
use crate::process;
use crate::workspace::{self, Metadata};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What was built.
pub(crate) struct Built {
    /// The program, stripped; kept apart for each target and variant.
    pub(crate) program: PathBuf,
    /// What the linker says of its sections.
    pub(super) map: PathBuf,
}

/// Builds the agent with the profile `small`.
///
/// # Errors
/// When a tool is missing or the build fails.
pub(crate) fn build_for(target: Target, variant: Variant) -> Result<Built> {
    packages::ensure(&[GCC, DPKG, PYTHON])?;
    let target_directory = Metadata::read(target.triple())?.target_directory;
    let folder = target_directory.join("cross");
    let toolchain = toolchain::prepare(&folder)?;
    let zig = Zig::prepare(&folder)?;
    let place = folder.join(target.name());
    zig.tools(&toolchain, target, &place)?;
    let written = place.join("agent.map");
    if written.exists() {
        fs::remove_file(&written).with_context(|| written.display().to_string())?;
    }
    let mut cargo = cargo(&toolchain, target, &place)?;
    cargo
        .args(["build", "--package", "glimpse-agent", "--locked"])
        .args(["--profile", "small", "--target", target.triple()])
        .args(variant.features())
        .args(["-Zbuild-std=std,panic_abort"])
        .args(["-Zbuild-std-features=optimize_for_size"]);
    process::run(&mut cargo)?;
    let name = variant.package();
    let built = Built {
        program: place.join(name),
        map: place.join(format!("{name}.map")),
    };
    let made = target_directory
        .join(target.triple())
        .join("small/glimpse-agent");
    toolchain.strip(&made, &built.program)?;
    // What was built before is not linked again: each variant keeps its own map.
    if written.exists() {
        fs::rename(&written, &built.map).with_context(|| built.map.display().to_string())?;
    }
    Ok(built)
}

/// Cargo of the toolchain that can build the standard library, ready to build for `target` with the tools in `place`.
fn cargo(toolchain: &Toolchain, target: Target, place: &Path) -> Result<Command> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(
        [toolchain.bin(), place.to_path_buf()]
            .into_iter()
            .chain(std::env::split_paths(&path)),
    )?;
    let home = std::env::var_os("CARGO_HOME").map_or_else(
        || {
            std::env::home_dir()
                .map(|home| home.join(".cargo"))
                .context("no CARGO_HOME and no home directory")
        },
        |home| Ok(PathBuf::from(home)),
    )?;
    let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
    let sources = toolchain.sources();
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Clink-self-contained=no".to_owned(),
        // By name, found in `place`: its path is no part of the flags, by which symbols are named and ordered.
        "-Clinker=glimpse-ld".to_owned(),
        "-Clinker-flavor=ld.lld".to_owned(),
        // A panic aborts and says what was and in which file; nobody unwinds, and tables for it would be an eighth of the program.
        "-Cforce-unwind-tables=no".to_owned(),
        "-Zlocation-detail=file".to_owned(),
        // Derived `Debug` is a name without its members; nothing that people or programs read is made of more.
        "-Zfmt-debug=shallow".to_owned(),
        "-Crelocation-model=static".to_owned(),
        remap(&workspace::root(), "."),
        remap(&sources, "rust"),
        // As cargo names what lies below the workspace.
        remap(
            sources.strip_prefix(workspace::root()).unwrap_or(&sources),
            "rust",
        ),
    ];
    for registry in fs::read_dir(home.join("registry/src"))
        .into_iter()
        .flatten()
    {
        flags.push(remap(&registry?.path(), "crates"));
    }
    let triple = target.triple().replace('-', "_");
    let mut cargo = Command::new(toolchain.bin().join("cargo"));
    cargo
        .current_dir(workspace::root())
        .env("PATH", path)
        // What cargo was told about the other toolchain must not reach this one.
        .env_remove("RUSTC")
        .env_remove("RUSTDOC")
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO")
        .env_remove("LD_LIBRARY_PATH")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env(format!("CC_{triple}"), "glimpse-cc")
        .env(format!("AR_{triple}"), "glimpse-ar");
    Ok(cargo)
}
