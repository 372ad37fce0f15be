//! `upnp`: devices of the local network that describe themselves, and what gateways among them know of the line.
//!
//! ```text
//!   every LAN interface ──M-SEARCH──▶ answers ──checked──▶ descriptions ──▶ gateways: status, counters, addresses
//! ```
//!
//! Every answer is written by somebody who may be hostile. A description is fetched only from the address that answered,
//! inside the network that was searched; 256 KiB and three seconds at most, without redirects; its XML may define nothing.
//! Control URLs must lead to the same host. Serial numbers and unique names leave only as hashes. Without the
//! permission to measure in the home, nothing is sent at all.

mod description;
mod fetch;
mod gateway;
mod location;
mod machine;
mod options;
mod outcome;
mod run;
mod soap;
mod ssdp;

pub use description::{
    DESCRIPTION_LIMIT, Description, DescriptionError, Service, parse_description,
};
pub use fetch::{FetchError, read_description};
pub use location::{Location, LocationRefused};
pub use machine::{Action, Device, Machine, Refusals};
pub use options::{Search, UpnpOptions};
pub use soap::{SoapError, parse_reply};
pub use ssdp::{Answer, NoAnswer, parse_answer};

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

/// The private name of what it tells.
const FUNCTIONS: &[Cow<'static, str>] = &[Cow::Borrowed(
    "https://www.measure-it.net/metrics/Priv_SPMonitor_Active_UPnP-Discovery__Enumerated_Raw",
)];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("upnp"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[]),
        method: Arc::new(Upnp),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct Upnp;

impl Method for Upnp {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        UpnpOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        UpnpOptions::read(options).map_or(0, |options| options.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        UpnpOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
