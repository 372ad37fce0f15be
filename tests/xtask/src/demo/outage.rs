//! The controller's outage: what it is killed for, and what comes back afterwards.

use super::Programs;
use super::cast::Controller;
use super::fleet::Home;
use super::page::Page;
use super::stage::Stage;
use super::tally::Tally;
use crate::clock;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// Results that must wait before the controller comes back, by agent.
const ENOUGH: u64 = 2;
/// How long results may take to wait, and to arrive.
const PATIENCE: Duration = Duration::from_secs(40);
/// How often the agents are asked.
const LOOK: Duration = Duration::from_millis(250);

/// Kills the controller, lets the agents go on, starts it again and waits until all has arrived.
pub(super) fn show(
    programs: &Programs,
    stage: &mut Stage,
    page: &Page,
    controller: &Controller,
    homes: &[Home],
    tally: &mut Tally,
) -> Result<()> {
    stage.crash("controller")?;
    page.step("outage       controller killed; the agents go on measuring");
    let waiting = until(stage, "results wait in the agents", || {
        let waiting = waiting(programs, homes)?;
        Ok(waiting
            .iter()
            .all(|n| *n >= ENOUGH)
            .then_some(waiting.iter().sum::<u64>()))
    })?;
    let before = tally.stored();
    controller.serve(stage)?;
    until(stage, "waiting results arrive", || {
        let left: u64 = waiting_at(programs, homes)?;
        Ok((left == 0).then_some(()))
    })?;
    controller.count(tally)?;
    let arrived = tally.stored() - before;
    if (arrived as u64) < waiting {
        bail!("{waiting} results waited, {arrived} arrived");
    }
    page.step(&format!(
        "recovered    {waiting} results had waited in the agents; all of them are stored now"
    ));
    Ok(())
}

fn waiting_at(programs: &Programs, homes: &[Home]) -> Result<u64> {
    Ok(waiting(programs, homes)?.iter().sum())
}

/// Records that wait at each home.
fn waiting(programs: &Programs, homes: &[Home]) -> Result<Vec<u64>> {
    homes
        .iter()
        .map(|home| {
            let mut status = Command::new(&programs.agent);
            status
                .args(["status", "--json", "--config"])
                .arg(&home.config);
            let answer: Value = serde_json::from_str(&Stage::ask(&mut status)?)?;
            answer["spool"]["waiting"]
                .as_u64()
                .with_context(|| format!("`status` of {} tells no waiting results", home.name))
        })
        .collect()
}

fn until<T>(
    stage: &mut Stage,
    what: &str,
    mut look: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let started = clock::now();
    loop {
        stage.check_children()?;
        if let Some(found) = look()? {
            return Ok(found);
        }
        if stage.interrupted() {
            bail!("interrupted");
        }
        if started.elapsed() > PATIENCE {
            bail!("{what}: not within {} s", PATIENCE.as_secs());
        }
        stage.wait(LOOK);
    }
}
