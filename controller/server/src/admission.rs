//! The one function that lets instructions pass, [`Tally::admit`]: whatever asks agents to send packets
//! is judged there by what the whole fleet would then send to each target. New instructions come to it
//! by [`additions`], agents that enrol after an instruction was given by [`newcomers`], what agents are to
//! send by their own configuration (RFC 8194) by [`loads`].
//!
//! Pure: what stands, the limits and the moment are arguments.

mod demand;
mod judge;
mod opt_out;
mod targets;
#[cfg(test)]
mod tests;

pub use demand::{Load, Target, task};
pub use judge::{additions, foreign, loads, newcomers, remains, stored};
pub use opt_out::OptOuts;
pub use targets::{MOST_TARGETS, Program, Weight, place};

use demand::Demand;
use glimpse_model::time::Timestamp;
use glimpse_store::ForeignLoad;
use std::collections::BTreeMap;

/// A fleet at its limit stays there however its rates are added up.
const ROUNDING: f64 = 1.0 + 1e-9;

/// The part of a limit that operators may fill who are confined to some agents: the rest is left to those who answer for all.
const CONFINED: f64 = 0.5;

/// The part of a limit that one agent counts for with what nobody here has let pass, whatever it says that it sends.
const ONE_AGENT: f64 = 0.01;

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

impl Limits {
    /// The same for operators who are confined to some agents.
    #[must_use]
    pub fn confined(mut self) -> Self {
        self.runs_per_hour *= CONFINED;
        self.packets_per_second *= CONFINED;
        self
    }
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

impl Refused {
    /// The target that would get too much.
    pub fn target(&self) -> &Target {
        match self {
            Self::OptedOut { target }
            | Self::RunsPerHour { target, .. }
            | Self::PacketsPerSecond { target, .. } => target,
        }
    }
}

/// What each target gets of the whole fleet.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    total: BTreeMap<Target, Demand>,
}

impl Tally {
    /// Counts what stands.
    pub fn add(&mut self, load: &Load<'_>, now: Timestamp) {
        for (target, demand) in load.demands(now) {
            self.total.entry(target).or_default().add(demand);
        }
    }

    /// Counts what stands no more.
    pub fn remove(&mut self, load: &Load<'_>, now: Timestamp) {
        for (target, demand) in load.demands(now) {
            if let Some(total) = self.total.get_mut(&target) {
                total.remove(demand);
            }
        }
    }

    /// Counts what agents send that nobody here has let pass.
    fn add_foreign(&mut self, foreign: &ForeignLoad) {
        let part = |millionths: u64| {
            #[expect(clippy::cast_precision_loss, reason = "below a limit")]
            let rate = millionths as f64;
            rate / 1e6
        };
        let demand = Demand::new(
            part(foreign.runs_per_hour_millionths),
            part(foreign.packets_per_second_millionths),
        );
        self.total
            .entry(Target::of(&foreign.target))
            .or_default()
            .add(demand);
    }

    /// Judges `new` beside what was counted, and counts it when it passes. What it does not touch is
    /// not made worse by it.
    ///
    /// # Errors
    /// [`Refused`] for the first target over a limit, in the order of the targets.
    pub fn admit(
        &mut self,
        new: &Load<'_>,
        limits: &Limits,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let mut targets = new.instruction.tasks.iter().flat_map(Target::all);
        if let Some(target) = targets.find(|target| limits.opt_outs.covers(target)) {
            return Err(Refused::OptedOut { target });
        }
        for (target, mut demand) in new.demands(now) {
            if let Some(standing) = self.total.get(&target) {
                demand.add(*standing);
            }
            if demand.runs_per_hour() > limits.runs_per_hour * ROUNDING {
                return Err(Refused::RunsPerHour {
                    target,
                    rate: rounded(demand.runs_per_hour()),
                    limit: limits.runs_per_hour,
                });
            }
            if demand.packets_per_second() > limits.packets_per_second * ROUNDING {
                return Err(Refused::PacketsPerSecond {
                    target,
                    rate: rounded(demand.packets_per_second()),
                    limit: limits.packets_per_second,
                });
            }
        }
        self.add(new, now);
        Ok(())
    }
}

/// One decimal is enough to see what is wrong.
fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}
