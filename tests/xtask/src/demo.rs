//! `cargo xtask demo`: the whole path on one machine, from enrolment to maps.
//!
//! ```text
//!  home-1 ── Aster ──┐                 ┌── 10.77.0.10  targets, which answer
//!  home-3 ──────┘    ├── exchange ─────┴── 10.77.0.20  UDP, TCP and ICMP
//!  home-2 ── Borea ──┘        │              and a file by HTTP
//!                         controller (this machine)
//! ```
//! As root each name above is a network namespace; without root all of it is loopback.

mod campaign;
mod cast;
mod fleet;
mod map;
mod network;
mod outage;
mod page;
mod stage;
mod tally;
pub(crate) mod target;

use crate::packages::{self, GCC, IPROUTE2, IPUTILS_PING, PYTHON, PYTHON_DEV};
use crate::workspace::Metadata;
use crate::{clock, process, walker, workspace};
use anyhow::{Context, Result, anyhow, bail};
use campaign::PingType;
use network::Network;
use page::Page;
use stage::Stage;
use std::path::PathBuf;
use std::time::Duration;
use tally::Tally;

/// How often the page is brought up to date.
const REFRESH: Duration = Duration::from_secs(2);
/// How long `--once` waits for everything to arrive.
const DEADLINE: Duration = Duration::from_mins(2);

/// What `cargo xtask demo` takes.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// End with exit code 0 once every agent's results of each type are stored and the maps are printed
    #[arg(long)]
    once: bool,
    /// Let the walker of tests/alto check everything that is published; it fails when the walker does
    #[arg(long)]
    walk: bool,
    /// Number of agents, spread over two providers
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=32))]
    agents: u8,
}

/// Runs the demonstration.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = nix::unistd::geteuid().is_root();
    if root {
        packages::ensure(&[GCC, IPROUTE2, IPUTILS_PING])?;
    } else {
        packages::ensure(&[GCC, IPUTILS_PING])?;
    }
    let programs = build()?;
    if arguments.walk {
        packages::ensure(&[PYTHON, PYTHON_DEV])?;
        walker::ensure(&workspace::root(), &programs.target)?;
    }
    let mut stage = Stage::new()?;
    let shown = show(arguments, &programs, &mut stage, root);
    let interrupted = stage.interrupted();
    if shown.is_err() && !interrupted {
        stage.keep_logs();
    }
    drop(stage);
    match shown {
        // What fails because its neighbour was just stopped is no failure of its own.
        Err(_) if interrupted && !arguments.once => Ok(()),
        Err(_) if interrupted => bail!("interrupted"),
        other => other,
    }
}

/// Where the programs lie.
struct Programs {
    agent: PathBuf,
    controller: PathBuf,
    /// This very program, for the targets.
    this: PathBuf,
    /// Where exports go; they stay when the demonstration is over.
    exports: PathBuf,
    /// Where cargo builds.
    target: PathBuf,
}

fn build() -> Result<Programs> {
    process::run(
        process::cargo()
            .args([
                "build",
                "--locked",
                "--bin",
                "glimpse-agent",
                "--bin",
                "glimpse-controller",
            ])
            .args([
                "--package",
                "glimpse-agent",
                "--package",
                "glimpse-controller",
            ]),
    )?;
    let target = Metadata::read("x86_64-unknown-linux-gnu")?.target_directory;
    let folder = target.join("debug");
    Ok(Programs {
        agent: folder.join("glimpse-agent"),
        controller: folder.join("glimpse-controller"),
        this: std::env::current_exe().context("where is this program?")?,
        exports: target.join("demo"),
        target,
    })
}

fn show(arguments: &Arguments, programs: &Programs, stage: &mut Stage, root: bool) -> Result<()> {
    let started = clock::now();
    let mut page = Page::new();
    page.title(arguments.agents);

    let network = Network::lay_out(stage.name(), usize::from(arguments.agents), root)?;
    let (types, left_out) = PingType::possible(&network);
    for note in network
        .note()
        .into_iter()
        .chain(left_out.map(str::to_owned))
    {
        page.note(&note);
    }
    stage.keep(network);

    let controller = cast::start_controller(programs, stage)?;
    cast::start_targets(programs, stage)?;
    page.step(&format!("controller   {}", controller.url));

    let mut homes = Vec::new();
    for index in 0..usize::from(arguments.agents) {
        let home = cast::start_agent(programs, stage, &controller, index)?;
        page.step(&home.enrolled_line());
        homes.push(home);
    }
    controller.instruct(stage, &campaign::document(stage.network(), &types))?;
    page.step(&format!(
        "campaign     {} every {} s to {} targets, a download from one",
        types
            .iter()
            .map(|kind| kind.name())
            .collect::<Vec<_>>()
            .join(", "),
        campaign::INTERVAL.as_secs(),
        stage.network().targets().len()
    ));
    Page::gap();

    let mut complete = false;
    let mut tally = Tally::default();
    loop {
        stage.check_children()?;
        controller.count(&mut tally)?;
        page.live(&homes, &tally, &types);
        if !complete && tally.missing(&homes, &types).is_empty() {
            let maps = map::read(&controller.publish()?)?;
            if !maps.delay_rt.is_empty() && !maps.tput.is_empty() {
                complete = true;
                Page::gap();
                outage::show(programs, stage, &page, &controller, &homes, &mut tally)?;
                let maps = map::read(&controller.publish()?)?;
                page.result(&homes, &tally, &types, &controller.addresses(), &maps);
                if arguments.walk {
                    controller.walk(programs, stage)?;
                }
                if arguments.once {
                    return Ok(());
                }
                Page::going_on();
            }
        }
        if stage.interrupted() {
            Page::farewell(tally.stored());
            return if arguments.once {
                Err(anyhow!("interrupted"))
            } else {
                Ok(())
            };
        }
        if arguments.once && started.elapsed() > DEADLINE {
            let missing = tally.missing(&homes, &types);
            bail!(
                "after {} s there is still no {}",
                DEADLINE.as_secs(),
                missing_words(&missing)
            );
        }
        stage.wait(REFRESH);
    }
}

fn missing_words(missing: &[(String, PingType)]) -> String {
    if missing.is_empty() {
        return "delay and throughput in the ALTO maps".to_owned();
    }
    let each: Vec<String> = missing
        .iter()
        .map(|(home, kind)| format!("{} result of {home}", kind.name()))
        .collect();
    each.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(missing_words(&[]), "delay and throughput in the ALTO maps");
        let missing = [
            ("home-1".to_owned(), PingType::Icmp),
            ("home-2".to_owned(), PingType::System),
        ];
        assert_eq!(
            missing_words(&missing),
            "Icmp result of home-1, System result of home-2"
        );
    }
}
