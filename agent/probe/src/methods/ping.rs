//! `ping`: round trips to a host, by UDP, TCP, ICMP, by the system's own program, or with another agent.
//!
//! | type | sends | counts as an answer | needs |
//! |---|---|---|---|
//! | `Udp` | datagrams of random text | "unreachable" from the target itself, or a UDP reply | nothing |
//! | `Tcp` | SYN, from a fresh socket each | SYN/ACK or reset | nothing |
//! | `Icmp` | echo requests | echo replies with our identifier, number and text | a ping socket or `CAP_NET_RAW` |
//! | `System` | what `ping` sends | what `ping` counts | that program |
//! | `Peer` | ECHO, after a handshake | ECHO REPLY with our tag, number and text | a token, and a responder |
//!
//! An ICMP error from a host on the way is no answer: it would be the round trip to somebody else. It ends the wait for that
//! packet and is told in `error`.
//!
//! Whoever knows both addresses and ports can forge ICMP errors. Random text in every packet tells them apart, as far as it
//! is quoted; a quote that shows none of it ends no wait, and answers only while there are no more such quotes than packets.

mod datagram;
mod machine;
mod options;
mod outcome;
mod payload;
mod run;
mod system;
mod tcp;

pub use datagram::{Face, Guest};
pub use machine::{Action, Claim, Machine, Pace, Tally};
pub use options::{PingOptions, PingType};
pub use payload::is_ours;
pub use system::Report as SystemReport;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::registry::{Descriptor, Method, Run};

/// The private names of what it measures (the registered ones promise parameters that a run need not have).
const FUNCTIONS: &[Cow<'static, str>] = &[
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw",
    ),
    Cow::Borrowed("https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-TCP-HS__Seconds_Raw"),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RTDelay_Active_IP-ICMP-Periodic__Seconds_Raw",
    ),
];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("ping"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        // Only the type `Icmp` needs a socket of its own, and says so when it cannot have one.
        needs: Cow::Borrowed(&[]),
        method: Arc::new(Ping),
    }
}

/// The method.
#[derive(Clone, Copy, Debug)]
struct Ping;

impl Method for Ping {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        PingOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        PingOptions::read(options).map_or(0, |options| options.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        PingOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, context))
    }
}

#[cfg(test)]
mod tests;
