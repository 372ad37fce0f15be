//! `packettrains_ma`: trains of packet pairs to or from another agent. They are sent at the rates asked for; the rates at
//! which they arrive, and how far each pair was pulled apart, tell the capacity of the bottleneck.
//!
//! The other end is a [`responder`](crate::responder), which files the same figures as `packettrains_mp`. How the capacity
//! is read stands in [`trains`](crate::peer::trains).

mod options;
mod run;

pub use options::TrainOptions;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::capability::Need;
use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

/// The private name of what it measures.
const FUNCTIONS: &[Cow<'static, str>] = &[Cow::Borrowed(
    "https://www.measure-it.net/metrics/Priv_OWMBM_Active_IP-UDP-PacketPair__BPS_Median",
)];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("packettrains_ma"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[Need::Peer]),
        method: Arc::new(PacketTrains),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct PacketTrains;

impl Method for PacketTrains {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        TrainOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        TrainOptions::read(options).map_or(0, |options| options.plan.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        TrainOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
