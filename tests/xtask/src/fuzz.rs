//! `cargo xtask fuzz`: libFuzzer over every parser of foreign bytes, one after the other.
//!
//! The targets are the functions of `tests/fuzz`; each has its folder of seeds there. What a run learns is kept in
//! `target/fuzz/corpus` and not committed. An input that crashes is kept in `tests/fuzz/artifacts`; once the fault is
//! mended it belongs among the seeds, which the ordinary tests replay.

mod figures;

use crate::packages::{self, GCC, GPP};
use crate::process;
use crate::workspace::{Metadata, host, root, shown};
use anyhow::{Context, Result, bail, ensure};
use figures::Figures;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What libFuzzer needs of the compiler, as cargo-fuzz sets it: counters of edges, their places, and the operands of
/// comparisons. All of it is stable.
const FLAGS: [&str; 6] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
];
/// Longest input, in bytes: longer than any datagram, and than the documents of the seeds.
const LONGEST_BYTES: u32 = 8192;
/// Memory that a target may use, in MB.
const MEMORY_MB: u32 = 512;
/// Time that one input may take, in seconds.
const INPUT_S: u32 = 5;
/// Program of the package `glimpse-fuzz`.
const PROGRAM: &str = "glimpse-fuzz";

/// What `cargo xtask fuzz` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How long each target runs
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
    /// Targets, by the names of the folders in tests/fuzz/seeds; all when none is named
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
}

/// Runs the targets and fails when one crashed.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets = chosen(&known(&seeds())?, &arguments.targets)?;
    packages::ensure(&[GCC, GPP])?;
    let host = host()?;
    let folder = Metadata::read(&host)?.target_directory;
    let program = build(&host, &folder)?;
    fs::create_dir_all(artifacts())?;
    println!("{}", figures::head());
    let mut crashed = Vec::new();
    for target in targets {
        let (figures, found) = fuzz(
            &program,
            &folder.join("fuzz/corpus"),
            &target,
            arguments.seconds,
        )?;
        println!("{}", figures.row(&target, found.len()));
        crashed.extend(found);
    }
    if crashed.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = crashed.iter().map(|path| shown(path)).collect();
    bail!(
        "{} inputs were not borne; each is kept:\n{}",
        list.len(),
        list.join("\n")
    )
}

fn seeds() -> PathBuf {
    root().join("tests/fuzz/seeds")
}

fn artifacts() -> PathBuf {
    root().join("tests/fuzz/artifacts")
}

/// The targets there are: each has a folder of seeds, which a test of `glimpse-fuzz` sees to.
fn known(seeds: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(seeds).with_context(|| seeds.display().to_string())? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn chosen(known: &[String], named: &[String]) -> Result<Vec<String>> {
    if named.is_empty() {
        return Ok(known.to_vec());
    }
    for name in named {
        ensure!(
            known.contains(name),
            "{name} is no target; there are: {}",
            known.join(" ")
        );
    }
    Ok(named.to_vec())
}

/// Builds the program for all targets. A target triple keeps the flags away from build scripts and macros.
fn build(host: &str, folder: &Path) -> Result<PathBuf> {
    let mut command = process::cargo();
    command
        .args(["build", "--package", PROGRAM, "--bin", PROGRAM])
        .args(["--features", "libfuzzer", "--profile", "fuzz", "--locked"])
        .args(["--target", host])
        .env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
    process::run(&mut command)?;
    Ok(folder.join(host).join("fuzz").join(PROGRAM))
}

/// Runs one target; gives its figures and the inputs that it did not bear.
fn fuzz(
    program: &Path,
    corpora: &Path,
    target: &str,
    seconds: u32,
) -> Result<(Figures, Vec<PathBuf>)> {
    let corpus = corpora.join(target);
    fs::create_dir_all(&corpus)?;
    let prefix = artifacts().join(format!("{target}-"));
    let mut command = Command::new(program);
    command
        .arg(&corpus)
        .arg(seeds().join(target))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST_BYTES}"))
        .arg(format!("-rss_limit_mb={MEMORY_MB}"))
        .arg(format!("-timeout={INPUT_S}"))
        .arg(format!("-artifact_prefix={}", prefix.display()))
        .arg("-print_final_stats=1")
        // Backtraces then show our own files by their paths in the workspace.
        .current_dir(root())
        .env("GLIMPSE_FUZZ_TARGET", target)
        .env("RUST_BACKTRACE", "1")
        .stdout(Stdio::null());
    let output = command
        .output()
        .with_context(|| format!("{} did not start", program.display()))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let found = figures::kept(&said);
    if !output.status.success() {
        eprintln!("{}", figures::fault(&said));
        ensure!(
            !found.is_empty(),
            "{target} ended ({}) and kept no input:\n{}",
            output.status,
            said.trim_end()
        );
    }
    Ok((Figures::read(&said), found))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn targets_are_the_folders_of_seeds() {
        let known = known(&seeds()).unwrap();
        assert!(known.len() > 20 && known.contains(&"dns_answer".to_owned()));
        assert_eq!(chosen(&known, &[]).unwrap(), known);
        assert_eq!(chosen(&known, &["uci".to_owned()]).unwrap(), ["uci"]);
        let said = chosen(&known, &["nothing".to_owned()])
            .unwrap_err()
            .to_string();
        assert!(
            said.starts_with("nothing is no target; there are: ") && said.contains("dns_answer"),
            "{said}"
        );
    }
}
