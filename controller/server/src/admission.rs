//! The one function that lets instructions pass: whatever asks agents to send packets is judged here
//! by what the whole fleet would then send to each target.
//!
//! Pure: what stands, the limits and the moment are arguments.

mod demand;
mod opt_out;
#[cfg(test)]
mod tests;

pub use demand::{Load, Target};
pub use opt_out::OptOuts;

use demand::Demand;
use glimpse_model::time::Timestamp;
use std::collections::BTreeMap;

/// What all agents together may send to one target.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Runs per hour.
    pub runs_per_hour: f64,
    /// Packets per second, when all that may fall together does.
    pub packets_per_second: f64,
    /// Who wants no packets at all.
    pub opt_outs: OptOuts,
}

/// Why an instruction may not pass, and what would.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refused {
    /// The target opted out.
    #[error("{target}: opted out of being measured; choose another target")]
    OptedOut {
        /// The target.
        target: Target,
    },
    /// Too many runs.
    #[error(
        "{target}: {rate} runs per hour over the fleet, the limit is {limit}; \
         use a longer interval or fewer agents"
    )]
    RunsPerHour {
        /// The target.
        target: Target,
        /// What it would come to, with all that stands.
        rate: f64,
        /// What is allowed.
        limit: f64,
    },
    /// Too many packets at once.
    #[error(
        "{target}: {rate} packets per second when all agents start together, the limit is {limit}; \
         use a randomSpread, fewer packets or fewer agents"
    )]
    PacketsPerSecond {
        /// The target.
        target: Target,
        /// What it would come to, with all that stands.
        rate: f64,
        /// What is allowed.
        limit: f64,
    },
}

/// Judges `new` beside what stands.
///
/// # Errors
/// [`Refused`] for the first target over a limit, in the order of the targets.
pub fn admit(
    standing: &[Load<'_>],
    new: &Load<'_>,
    limits: &Limits,
    now: Timestamp,
) -> Result<(), Refused> {
    let mut targets = new.instruction.tasks.iter().filter_map(Target::of_task);
    if let Some(target) = targets.find(|target| limits.opt_outs.covers(target)) {
        return Err(Refused::OptedOut { target });
    }
    let mut total: BTreeMap<Target, Demand> = new.demands(now);
    for load in standing {
        for (target, demand) in load.demands(now) {
            // What the new one does not touch is not made worse by it.
            if let Some(sum) = total.get_mut(&target) {
                sum.add(demand);
            }
        }
    }
    for (target, demand) in total {
        if demand.runs_per_hour > limits.runs_per_hour {
            return Err(Refused::RunsPerHour {
                target,
                rate: rounded(demand.runs_per_hour),
                limit: limits.runs_per_hour,
            });
        }
        if demand.packets_per_second > limits.packets_per_second {
            return Err(Refused::PacketsPerSecond {
                target,
                rate: rounded(demand.packets_per_second),
                limit: limits.packets_per_second,
            });
        }
    }
    Ok(())
}

/// One decimal is enough to see what is wrong.
fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}
