//! `btc_ma`: bulk transport capacity (RFC 3148) to another agent, by one TCP flow in each direction asked for.
//!
//! The receiver counts: the figures are payload that has arrived, in slices of equal length after a ramp-up. The other end
//! is a [`responder`](crate::responder), which files the same figures as `btc_mp`.

mod options;
mod run;

pub use options::BtcOptions;

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
    "https://www.measure-it.net/metrics/Priv_OWBTC_Active_IP-TCP-SustainedBurst__BPS_Mean",
)];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("btc_ma"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[Need::Peer, Need::ExclusiveLine]),
        method: Arc::new(Btc),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct Btc;

impl Method for Btc {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        BtcOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        BtcOptions::read(options).map_or(0, |options| options.plan.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        BtcOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
