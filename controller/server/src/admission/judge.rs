//! The admission function as the store calls it, within its transactions.

use super::demand::{self, Demand};
use super::{Limits, Load, ONE_AGENT, Refused, Tally};
use glimpse_model::instruction::{Instruction, MAX_INSTRUCTIONS};
use glimpse_model::read::{self, Cursor};
use glimpse_model::time::Timestamp;
use glimpse_model::timing::Timing;
use glimpse_store::{
    Admit, AdmitLoads, ForeignLoad, Judge, LoadChange, Standing, StoredInstruction, Withholding,
};
use std::collections::HashMap;

/// Reads an instruction as it is stored.
///
/// # Errors
/// [`read::Refused`] when something else wrote it.
pub fn stored(document: &str) -> Result<Instruction, read::Refused> {
    Instruction::read(
        &Cursor::root(&read::json(document.as_bytes())?),
        &|_| Ok(()),
    )
}

/// Judges an addition: one new instruction after the other, each beside what stands and what was let
/// pass before it. A group that has no agent yet will have one, and counts as one.
pub fn additions(new: Vec<Instruction>, limits: Limits, now: Timestamp) -> Admit {
    Box::new(move |standing: &Standing| {
        if standing.most_per_agent > MAX_INSTRUCTIONS as u64 {
            return Err(format!(
                "an agent takes at most {MAX_INSTRUCTIONS} instructions; cancel some first"
            )
            .into());
        }
        let mut tally = Tally::default();
        for (known, lately) in standing.instructions.iter().zip(&standing.told_lately) {
            let Ok(instruction) = stored(&known.document) else {
                continue;
            };
            add(&mut tally, &instruction, known, *lately, now);
            if known.reach + known.withheld == 0 {
                let expected = Load {
                    instruction: &instruction,
                    agents: 1,
                    given: known.created,
                    cancelled: known.cancelled,
                };
                tally.add(&expected, now);
            }
        }
        add_loads(&mut tally, standing, now);
        for (instruction, reach) in new.iter().zip(&standing.reach) {
            let load = Load {
                instruction,
                agents: (*reach).max(1),
                given: now,
                cancelled: None,
            };
            tally.admit(&load, &limits, now)?;
        }
        Ok(())
    })
}

/// Judges which instructions one agent more may be told.
pub fn newcomers(limits: Limits) -> Judge {
    Judge::new(move |standing: &Standing, now| {
        let mut tally = Tally::default();
        let mut known = Vec::with_capacity(standing.instructions.len());
        for (row, lately) in standing.instructions.iter().zip(&standing.told_lately) {
            let instruction = stored(&row.document);
            if let Ok(instruction) = &instruction {
                add(&mut tally, instruction, row, *lately, now);
            }
            known.push(instruction);
        }
        add_loads(&mut tally, standing, now);
        let limits = limits.clone();
        // The tally only grows: what was refused once is refused for every agent after it.
        let mut refused: HashMap<usize, Withholding> = HashMap::new();
        Box::new(move |place| {
            if let Some(withholding) = refused.get(&place) {
                return Err(withholding.clone());
            }
            let verdict = one_more(&mut tally, known.get(place), &limits, now);
            if let Err(withholding) = &verdict {
                refused.insert(place, withholding.clone());
            }
            verdict
        })
    })
}

/// Judges what agents are to send by their own configuration, one change after the other. What a change takes away
/// makes room; what it leaves as it is is not judged again.
pub fn loads(limits: Limits, now: Timestamp) -> AdmitLoads {
    Box::new(move |standing: &Standing, changes: &[LoadChange]| {
        let mut tally = Tally::default();
        for (known, lately) in standing.instructions.iter().zip(&standing.told_lately) {
            if let Ok(instruction) = stored(&known.document) {
                add(&mut tally, &instruction, known, *lately, now);
            }
        }
        add_loads(&mut tally, standing, now);
        changes
            .iter()
            .map(|change| exchange(&mut tally, change, &limits, now))
            .collect()
    })
}

/// One agent's change, as a whole or not at all. A run that a load has had goes on counting when the load is gone.
fn exchange(
    tally: &mut Tally,
    change: &LoadChange,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), Withholding> {
    let mut next = tally.clone();
    for (document, given) in &change.gone {
        let Ok(instruction) = stored(document) else {
            continue;
        };
        next.remove(&of_one(&instruction, *given), now);
        if let Some((run, since)) = run_of(instruction, *given, now) {
            next.add(&of_one(&run, since), now);
        }
    }
    let mut new: Vec<&String> = change.new.iter().collect();
    // What is counted already and begins only now: of what runs once, now is when it runs.
    for (document, given) in &change.begin {
        let instruction = stored(document).map_err(|refused| unread(&refused))?;
        if instruction.timing.fires_once() {
            next.remove(&of_one(&instruction, *given), now);
            new.push(document);
        }
    }
    for document in new {
        let instruction = stored(document).map_err(|refused| unread(&refused))?;
        next.admit(&of_one(&instruction, now), limits, now)
            .map_err(|refused| Withholding {
                target: refused.target().to_string(),
                reason: refused.to_string(),
            })?;
    }
    *tally = next;
    Ok(())
}

fn unread(refused: &read::Refused) -> Withholding {
    Withholding {
        target: String::new(),
        reason: refused.to_string(),
    }
}

fn run_of(
    mut instruction: Instruction,
    given: Timestamp,
    at: Timestamp,
) -> Option<(Instruction, Timestamp)> {
    let since = demand::ran(&instruction, given, at)?;
    instruction.timing = Timing::Immediate {};
    Some((instruction, since))
}

/// What goes on counting of a load that an agent no longer has, and since when: a run within the last hour.
pub fn remains(document: &str, given: Timestamp, at: Timestamp) -> Option<(String, Timestamp)> {
    let (run, since) = run_of(stored(document).ok()?, given, at)?;
    Some((serde_json::to_string(&run).ok()?, since))
}

/// Loads of one agent that are looked at though nobody here has let them pass.
const MOST_FOREIGN: usize = 1000;

/// What counts of loads that an agent has though nobody here has let them pass: no more at one target than one agent's part of its
/// limit, so that no agent fills it by its word alone.
pub fn foreign(documents: &[String], limits: &Limits, now: Timestamp) -> Vec<ForeignLoad> {
    let mut tally = Tally::default();
    for document in documents.iter().take(MOST_FOREIGN) {
        if let Ok(instruction) = stored(document) {
            tally.add(&of_one(&instruction, now), now);
        }
    }
    let most = Demand::new(
        limits.runs_per_hour * ONE_AGENT,
        limits.packets_per_second * ONE_AGENT,
    );
    let millionths = |rate: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and no rate is negative"
        )]
        let parts = (rate * 1e6).ceil() as u64;
        parts.min(1 << 62)
    };
    let counted = tally.total.into_iter().map(|(target, demand)| {
        let demand = demand.within(most);
        ForeignLoad {
            target: target.to_string(),
            runs_per_hour_millionths: millionths(demand.runs_per_hour()),
            packets_per_second_millionths: millionths(demand.packets_per_second()),
        }
    });
    counted.take(MOST_FOREIGN).collect()
}

fn of_one(instruction: &Instruction, given: Timestamp) -> Load<'_> {
    Load {
        instruction,
        agents: 1,
        given,
        cancelled: None,
    }
}

fn add_loads(tally: &mut Tally, standing: &Standing, now: Timestamp) {
    for foreign in &standing.foreign {
        tally.add_foreign(foreign);
    }
    for standing in &standing.loads {
        if let Ok(instruction) = stored(&standing.document) {
            let load = Load {
                instruction: &instruction,
                agents: standing.agents,
                given: standing.given,
                cancelled: None,
            };
            tally.add(&load, now);
        }
    }
}

fn one_more(
    tally: &mut Tally,
    known: Option<&Result<Instruction, read::Refused>>,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), Withholding> {
    let unread = |reason: String| Withholding {
        target: String::new(),
        reason,
    };
    let instruction = match known {
        Some(Ok(instruction)) => instruction,
        Some(Err(refused)) => return Err(unread(refused.to_string())),
        None => return Err(unread("there is no such instruction".to_owned())),
    };
    let load = Load {
        instruction,
        agents: 1,
        given: now,
        cancelled: None,
    };
    tally
        .admit(&load, limits, now)
        .map_err(|refused: Refused| Withholding {
            target: refused.target().to_string(),
            reason: refused.to_string(),
        })
}

/// Counts those that are told an instruction. An agent that was told lately runs a one-shot lately,
/// however long ago that was given.
fn add(
    tally: &mut Tally,
    instruction: &Instruction,
    known: &StoredInstruction,
    lately: u64,
    now: Timestamp,
) {
    let load = |agents, given| Load {
        instruction,
        agents,
        given,
        cancelled: known.cancelled,
    };
    tally.add(
        &load(known.reach.saturating_sub(lately), known.created),
        now,
    );
    tally.add(&load(lately, known.cancelled.unwrap_or(now)), now);
}
