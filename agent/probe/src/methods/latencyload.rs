//! `latencyload`: what happens to round trips while the line is full ("bufferbloat").
//!
//! Round trips to the server are taken while the line is idle, then while it is loaded down, up, or both ways, by the
//! transfers of `httpdownload` and `httpupload`. Of each phase the record has the distribution and how much was added to the
//! idle one. Probes are ICMP echoes; where this machine may not send them, or the server answers none, the opening of TCP
//! connections to its port.

mod machine;
mod options;
mod outcome;
mod probes;
mod run;

pub use machine::{Phase, Quantiles, Samples};
pub use options::{LatencyLoadOptions, ProbeChoice};

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::capability::Need;
use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

const FUNCTIONS: &[Cow<'static, str>] = &[Cow::Borrowed(
    "https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-Periodic-StandingQueue__Seconds_95Percentile",
)];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("latencyload"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[Need::ExclusiveLine]),
        method: Arc::new(LatencyLoad),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct LatencyLoad;

impl Method for LatencyLoad {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        LatencyLoadOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        LatencyLoadOptions::read(options).map_or(0, |options| options.max_bytes)
    }

    fn longest_run(&self, options: &Options) -> Duration {
        LatencyLoadOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
