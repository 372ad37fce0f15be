//! `reversednslookup`: the name of an address, by the PTR records that its owner has published.
//!
//! One question of type PTR below `in-addr.arpa` or `ip6.arpa`, by the same sockets and with the same figures as
//! `dnslookup`. The address itself is judged like a target: whoever may not measure a host of the home may not learn
//! its name from the home's resolver either.

mod options;
mod outcome;
mod run;

pub use options::ReverseDnsLookupOptions;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use glimpse_model::options::Options;
use glimpse_model::read::Refused;

use crate::context::Context;
use crate::methods::dns::lookup::SYSTEM_FILE;
use crate::registry::{Descriptor, Method, Run};

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
        name: Cow::Borrowed("reversednslookup"),
        functions: Cow::Borrowed(FUNCTIONS),
        options: Cow::Borrowed(options::OPTIONS),
        needs: Cow::Borrowed(&[]),
        method: Arc::new(ReverseDnsLookup { system_file }),
    }
}

/// The method.
#[derive(Clone, Debug)]
struct ReverseDnsLookup {
    system_file: PathBuf,
}

impl Method for ReverseDnsLookup {
    fn check(&self, options: &Options) -> Result<(), Refused> {
        ReverseDnsLookupOptions::read(options).map(|_| ())
    }

    fn worst_case_bytes(&self, options: &Options) -> u64 {
        ReverseDnsLookupOptions::read(options).map_or(0, |options| options.worst_case_bytes())
    }

    fn longest_run(&self, options: &Options) -> Duration {
        ReverseDnsLookupOptions::read(options)
            .map_or(Duration::ZERO, |options| options.longest_run())
    }

    fn run<'a>(&'a self, options: &'a Options, context: &'a Context) -> Run<'a> {
        Box::pin(run::run(options, &self.system_file, context))
    }
}

#[cfg(test)]
mod tests;
