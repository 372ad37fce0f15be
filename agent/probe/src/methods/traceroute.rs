//! `traceroute`: the way to a host, or all ways, hop by hop.
//!
//! | type | sends | needs |
//! |---|---|---|
//! | `Udp` | datagrams to a port that nobody should listen on | nothing; `CAP_NET_RAW` to tell apart answers that quote 28 bytes |
//! | `Icmp` | echo requests | a ping socket or `CAP_NET_RAW` |
//! | `Tcp` | SYN, from a socket each | nothing |
//!
//! What makes a flow, by type and version of the protocol, stands in `wire`; what the record says, in `outcome`. The
//! answer of the target is known by what it says, where that can be told, and not by its address alone: "port unreachable"
//! to `Udp`, an echo reply to `Icmp`, whatever address a translator has put on them. `Tcp` has its answers from the kernel,
//! which takes them from the target's address only.
//!
//! Several hops are asked at once. The way of one flow is the default; with `multipath` all ways are found by the
//! Multipath Detection Algorithm, within a number of packets.

mod attempts;
mod datagrams;
mod face;
mod machine;
mod options;
mod outcome;
mod run;
mod wire;

pub use face::Face;
pub use machine::{
    Action, Claim, Confidence, Diamond, Edge, Entry, Graph, Machine, Mode, Node, Pace, Probe,
    Reply, Response, Stop, Stopping, Trace,
};
pub use options::{ProbeType, TracerouteOptions};
pub use wire::Wire;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

/// The private names of what it measures; RFC 8911 has none for paths.
const FUNCTIONS: &[Cow<'static, str>] = &[
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-UDP-Traceroute-Paris__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-ICMP-Traceroute-Paris__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-TCP-Traceroute-Paris__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-UDP-Traceroute__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-ICMP-Traceroute__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-TCP-Traceroute__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-UDP-Traceroute-Multipath__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-ICMP-Traceroute-Multipath__Multiple_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_MPMonitor_Active_IP-TCP-Traceroute-Multipath__Multiple_Raw",
    ),
];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("traceroute"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        // Only the type `Icmp` needs a socket of its own, and says so when it cannot have one.
        needs: Cow::Borrowed(&[]),
        method: Arc::new(Traceroute),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct Traceroute;

impl Method for Traceroute {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        TracerouteOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        TracerouteOptions::read(options).map_or(0, |options| options.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        TracerouteOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
