//! The commands of the README, as `cargo xtask …`.
//!
//! Each command brings what it needs or says what is missing, and nothing is skipped silently. Exit codes: 0 done,
//! 1 failed, 2 wrong usage.

mod browser;
mod clock;
mod cross;
mod demo;
mod fuzz;
mod gen_yang;
mod lint;
mod package;
mod packages;
mod process;
mod size;
mod test;
mod truth;
mod walker;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Build, check, measure and show GLIMPSE")]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Start a controller and agents on this machine and show what they measure, until Ctrl-C
    Demo(demo::Arguments),
    /// Run every test: documentation examples first, then nextest
    Test(test::Arguments),
    /// Formatting, clippy, file lengths, words, dependencies, licences, compiler versions
    Lint,
    /// Run every parser of foreign bytes under libFuzzer, each for 60 s
    Fuzz(fuzz::Arguments),
    /// Compile yang/modules to the tables of glimpse-yang
    GenYang(gen_yang::Arguments),
    /// Build the agent for a router and weigh its package
    Size(size::Arguments),
    /// Build the agent for every kind of router, and run it by emulators against a controller
    CrossTest(cross::Arguments),
    /// Make the packages of OpenWrt and the index of a feed of them, in target/openwrt
    Package(package::Arguments),
    /// Compare what the agent measures with the truth and with the tools of the field, side by side
    Truth(truth::Arguments),
    /// A target for measurements: answers UDP, accepts TCP
    #[command(hide = true)]
    Echo(demo::target::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Task::Demo(arguments) => demo::run(&arguments),
        Task::Test(arguments) => test::run(&arguments),
        Task::Lint => lint::run(),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::GenYang(arguments) => gen_yang::run(&arguments),
        Task::Size(arguments) => size::run(&arguments),
        Task::CrossTest(arguments) => cross::run(&arguments),
        Task::Package(arguments) => package::run(&arguments),
        Task::Truth(arguments) => truth::run(&arguments),
        Task::Echo(arguments) => demo::target::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
