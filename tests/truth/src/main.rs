//! `glimpse-truth`: the agent's measurements beside the truth, and beside the tools that an engineer would use instead.
//!
//! ```text
//!   rows/*.rs ── Lab (namespaces, the emulator, programs with their CPU time and memory) ──▶ Row ──▶ Table
//! ```
//! Ours and theirs run in turn, in the same network, in the same minutes. Ratios and errors are gates: the program ends
//! with 1 when one is broken, and with 2 when it is called wrongly. Times are reported.

mod far;
mod lab;
mod machine;
mod row;
mod rows;
mod statistics;
mod table;

use anyhow::{Context, Result, bail};
use clap::Parser;
use lab::{Lab, Scale};
use row::Row;
use rows::{SUBJECTS, Subject};
use std::path::PathBuf;
use std::process::ExitCode;
use table::{Section, Table};

/// Compares what the agent measures with the truth of emulated networks and with the field's tools.
#[derive(Debug, Parser)]
#[command(name = "glimpse-truth", version)]
struct Arguments {
    /// Rows to run, by the names that `--list` prints [default: all]
    rows: Vec<String>,
    /// Few repetitions: minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Print the names of the rows and end
    #[arg(long)]
    list: bool,
    /// The agent's program [default: the one beside this program]
    #[arg(long, value_name = "FILE")]
    agent: Option<PathBuf>,
    /// Write the table as a page of the documentation, too
    #[arg(long, value_name = "FILE")]
    markdown: Option<PathBuf>,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        for subject in SUBJECTS {
            println!("{:<12} {}", subject.name, subject.title);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let subjects = chosen(&arguments.rows)?;
    let scale = if arguments.quick {
        Scale::Quick
    } else {
        Scale::Full
    };
    let lab = Lab::new(arguments.agent)?;
    let mut table = Table {
        conditions: machine::conditions(&lab, scale)?,
        sections: Vec::new(),
    };
    for subject in subjects {
        eprintln!("{}: {} …", subject.name, subject.title);
        let start = lab::now();
        let rows = (subject.run)(&lab, scale).unwrap_or_else(|error| {
            // What cannot be compared has not been shown to be true.
            vec![Row::failed(subject.name, &format!("{error:#}"))]
        });
        table.sections.push(Section {
            title: subject.title,
            rows,
            took: lab::since(start),
        });
    }
    println!("{table}");
    if let Some(path) = &arguments.markdown {
        std::fs::write(path, table.markdown())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(if table.keeps_gates() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The subjects by these names, in the order of the table.
fn chosen(names: &[String]) -> Result<Vec<&'static Subject>> {
    if let Some(unknown) = names
        .iter()
        .find(|name| SUBJECTS.iter().all(|subject| subject.name != **name))
    {
        let known: Vec<&str> = SUBJECTS.iter().map(|subject| subject.name).collect();
        bail!("no row is called {unknown}; known are {}", known.join(", "));
    }
    Ok(SUBJECTS
        .iter()
        .filter(|subject| names.is_empty() || names.iter().any(|name| *name == subject.name))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_chosen_by_name_and_all_without() {
        assert_eq!(chosen(&[]).unwrap().len(), SUBJECTS.len());
        let ping = chosen(&["ping".to_owned()]).unwrap();
        assert_eq!(ping.len(), 1);
        let error = chosen(&["pong".to_owned()]).unwrap_err().to_string();
        assert!(
            error.starts_with("no row is called pong; known are ping"),
            "{error}"
        );
    }
}
