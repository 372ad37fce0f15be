//! Figures of the real programs, taken by running them.
//!
//! ```text
//!  idle        agent ──100 pings──▶ controller, then nothing to do   → memory, CPU
//!  schedule    agent fires 1000 times                                → start − plan
//!  call-home   2000 agents ══TLS══▶ controller   memory of each, an edit of all
//!  alto        10 million records ──▶ maps; clients ══TLS══▶ controller, nginx   time, memory, ratios
//!  repository  8 clients ══mTLS══▶ controller    records per second  ┐
//!              1 connection ─────▶ SQLite        rows per second     ┴→ ratio
//! ```
//! Sizes and ratios are gates: the program ends with 1 when one is missed. Times and CPU depend on the machine and are
//! reported. The programs are those that cargo built beside this one:
//! `cargo build --release -p glimpse-agent -p glimpse-controller`.

mod alto;
mod callhome;
mod clock;
mod fleet;
mod idle;
mod machine;
mod report;
mod repository;
mod schedule;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Takes figures of the agent and the controller, and holds them against their gates.
#[derive(Debug, Parser)]
#[command(name = "glimpse-bench")]
struct Arguments {
    #[command(subcommand)]
    figure: Figure,
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Figure {
    /// Memory and CPU of an agent that has measured 100 times and has nothing to do.
    Idle(idle::Idle),
    /// How far from plan an agent starts its measurements.
    Schedule(schedule::Schedule),
    /// Memory of the controller for each agent that has called home, and how long it takes to edit all of them.
    CallHome(callhome::CallHome),
    /// The publisher of maps: time, memory, questions, streams, and maps against nginx.
    Alto(alto::Alto),
    /// Records stored per second, against plain inserts into SQLite in the same run.
    Repository(repository::Load),
}

fn main() -> Result<ExitCode> {
    let Arguments { figure, json } = Arguments::parse();
    let report = match figure {
        Figure::Idle(idle) => idle.run()?,
        Figure::Schedule(schedule) => schedule.run()?,
        Figure::CallHome(fleet) => fleet.run()?,
        Figure::Alto(alto) => alto.run()?,
        Figure::Repository(load) => load.run()?,
    };
    if json {
        println!("{:#}", report.json());
    } else {
        print!("{report}");
    }
    Ok(if report.keeps_gates() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
