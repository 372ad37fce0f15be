//! Writes the tables of `glimpse-yang`, or says what would change. `cargo xtask gen-yang` runs it with the right folders.

use glimpse_gen_yang::{AGENT, CONTROLLER, Folders, generate};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Bytes that the agent's table may have.
const AGENT_LIMIT: usize = 60_000;
/// Lines of difference that are shown.
const SHOWN: usize = 40;

struct Arguments {
    folders: Folders,
    tables: PathBuf,
    check: bool,
}

fn arguments() -> Result<Arguments, String> {
    let usage = || "usage: glimpse-gen-yang MODULES TABLES [--check] [--from DIR]".to_owned();
    let mut given = std::env::args_os().skip(1);
    let ours = given.next().ok_or_else(usage)?.into();
    let tables = given.next().ok_or_else(usage)?.into();
    let mut arguments = Arguments {
        folders: Folders {
            ours,
            canonical: None,
        },
        tables,
        check: false,
    };
    while let Some(argument) = given.next() {
        match argument.to_str() {
            Some("--check") => arguments.check = true,
            Some("--from") => {
                arguments.folders.canonical = Some(given.next().ok_or_else(usage)?.into());
            }
            _ => return Err(usage()),
        }
    }
    Ok(arguments)
}

fn main() -> ExitCode {
    let done = arguments().and_then(|arguments| run(&arguments));
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("gen-yang: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let mut changed = false;
    for set in [AGENT, CONTROLLER] {
        let generated =
            generate(&set, &arguments.folders).map_err(|error| format!("{}: {error}", set.name))?;
        println!(
            "{}: {} schema nodes, {} bytes",
            set.name,
            generated.listing.lines().count(),
            generated.bytes
        );
        if set.name == AGENT.name && generated.bytes > AGENT_LIMIT {
            return Err(format!(
                "the agent's table has {} bytes, at most {AGENT_LIMIT}",
                generated.bytes
            ));
        }
        let source = arguments.tables.join(set.file);
        let listing = source.with_extension("txt");
        for (path, text) in [(listing, generated.listing), (source, generated.source)] {
            let before = fs::read_to_string(&path).unwrap_or_default();
            if before == text {
                continue;
            }
            changed = true;
            if path.extension().is_some_and(|extension| extension == "txt") {
                show(&before, &text);
            }
            println!("{} differs", shown(&path));
            if !arguments.check {
                fs::write(&path, text).map_err(|error| format!("{}: {error}", path.display()))?;
                println!("{} written", shown(&path));
            }
        }
    }
    if !changed {
        println!("nothing changed");
    }
    Ok(if changed && arguments.check {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn shown(path: &Path) -> String {
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}

/// The schema nodes that came, went or changed.
fn show(before: &str, after: &str) {
    let old: BTreeSet<&str> = before.lines().collect();
    let new: BTreeSet<&str> = after.lines().collect();
    let lines: Vec<String> = old
        .difference(&new)
        .map(|line| format!("- {line}"))
        .chain(new.difference(&old).map(|line| format!("+ {line}")))
        .collect();
    for line in lines.iter().take(SHOWN) {
        println!("{line}");
    }
    if lines.len() > SHOWN {
        println!("… {} more lines", lines.len() - SHOWN);
    }
}
