//! The admission function as the store calls it, within its transactions.

use super::{Limits, Load, Refused, Tally};
use glimpse_model::instruction::{Instruction, MAX_INSTRUCTIONS};
use glimpse_model::read::{self, Cursor};
use glimpse_model::time::Timestamp;
use glimpse_store::{
    Admit, AdmitLoads, Judge, LoadChange, Standing, StandingLoad, StoredInstruction, Withholding,
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
        add_loads(&mut tally, &standing.loads, now);
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
        add_loads(&mut tally, &standing.loads, now);
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
        add_loads(&mut tally, &standing.loads, now);
        changes
            .iter()
            .map(|change| exchange(&mut tally, change, &limits, now))
            .collect()
    })
}

/// One agent's change, as a whole or not at all.
fn exchange(
    tally: &mut Tally,
    change: &LoadChange,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), Withholding> {
    let mut next = tally.clone();
    for (document, given) in &change.gone {
        if let Ok(instruction) = stored(document) {
            next.remove(&of_one(&instruction, *given), now);
        }
    }
    for document in &change.new {
        let instruction = stored(document).map_err(|refused| Withholding {
            target: String::new(),
            reason: refused.to_string(),
        })?;
        next.admit(&of_one(&instruction, now), limits, now)
            .map_err(|refused| Withholding {
                target: refused.target().to_string(),
                reason: refused.to_string(),
            })?;
    }
    *tally = next;
    Ok(())
}

fn of_one(instruction: &Instruction, given: Timestamp) -> Load<'_> {
    Load {
        instruction,
        agents: 1,
        given,
        cancelled: None,
    }
}

fn add_loads(tally: &mut Tally, loads: &[StandingLoad], now: Timestamp) {
    for standing in loads {
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
