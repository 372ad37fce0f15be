//! `dnslookup`: what a server of the domain name system answers, and how fast.
//!
//! Every type is asked for by itself, over a socket of its own; the system's resolver is not involved, and its cache
//! only if the server asked has one. The clock of `query_us` runs from the query's leaving to its answer's coming, by
//! the kernel's stamps over UDP; connecting and TLS have figures of their own.

mod options;
mod outcome;
mod run;

pub use options::DnsLookupOptions;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::methods::dns::lookup::SYSTEM_FILE;
use crate::registry::{Descriptor, Method, Run};

/// The private names of what it measures (RFC 8912 §6 has response latency by UDP, with parameters a run need not have).
const FUNCTIONS: &[Cow<'static, str>] = &[
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RTDNS_Active_IP-UDP-Periodic__Seconds_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RLDNS_Active_IP-UDP-Periodic__Logical_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RTDNS_Active_IP-TCP-Periodic__Seconds_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RLDNS_Active_IP-TCP-Periodic__Logical_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RTDNS_Active_IP-TCP-TLS-Periodic__Seconds_Raw",
    ),
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RLDNS_Active_IP-TCP-TLS-Periodic__Logical_Raw",
    ),
    #[cfg(feature = "doh")]
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RTDNS_Active_IP-TCP-TLS-HTTP-Periodic__Seconds_Raw",
    ),
    #[cfg(feature = "doh")]
    Cow::Borrowed(
        "https://www.measure-it.net/metrics/Priv_RLDNS_Active_IP-TCP-TLS-HTTP-Periodic__Logical_Raw",
    ),
];

/// The descriptor of this method.
pub fn descriptor() -> Descriptor {
    described(SYSTEM_FILE.into())
}

/// The same, with the system's servers in another file.
fn described(system_file: PathBuf) -> Descriptor {
    Descriptor {
        name: Cow::Borrowed("dnslookup"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[]),
        method: Arc::new(DnsLookup { system_file }),
    }
}

/// The method.
#[derive(Clone, Debug)]
struct DnsLookup {
    system_file: PathBuf,
}

impl Method for DnsLookup {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        DnsLookupOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        DnsLookupOptions::read(options).map_or(0, |options| options.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        DnsLookupOptions::read(options).map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, &self.system_file, context))
    }
}

#[cfg(test)]
mod tests;
