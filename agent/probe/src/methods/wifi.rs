//! `wifi`: how this machine's own Wi-Fi interfaces are doing: signal, noise, channel, bit rates, and how busy the air is.
//!
//! Asks the kernel by generic netlink (`nl80211`), as `iw` does. It sends nothing, scans nothing, and needs no privilege.
//! Neighbours' networks are never listed; the devices that use an access point appear without their addresses.
//!
//! It has been tested on replies recorded by hand from the kernel's definitions, not on a radio.

mod netlink;
mod nl80211;
mod options;
mod outcome;
mod run;

pub use netlink::{Dump, Malformed, Message, Progress, attributes, messages};
pub use nl80211::{
    Interface, Station, Survey, parse_family, parse_interface, parse_station, parse_survey,
};
pub use options::WifiOptions;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

/// The private name of what it tells.
const FUNCTIONS: &[Cow<'static, str>] = &[Cow::Borrowed(
    "https://www.measure-it.net/metrics/Priv_SPMonitor_Passive_WiFi__Multiple_Raw",
)];
/// Longest run: the kernel answers at once or not at all.
const RUN_LIMIT: Duration = Duration::from_secs(5);

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("wifi"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[]),
        method: Arc::new(Wifi),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct Wifi;

impl Method for Wifi {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        WifiOptions::read(options).map(|_| ())
    }

    /// Nothing leaves the machine.
    fn worst_case_bytes(&self, _: &Options) -> u64 {
        0
    }

    fn longest_run(&self, _: &Options) -> Duration {
        RUN_LIMIT
    }

    fn run<'a>(&'a self, options: &'a Options, _: &'a Context) -> Run<'a> {
        Box::pin(run::run(options))
    }
}

#[cfg(test)]
mod tests;
