//! What may be asked of `reversednslookup`.

use std::net::IpAddr;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;

use crate::methods::dns::options::{Asking, asking_options};

/// Longest text of an address, in bytes.
const ADDRESS_LIMIT: usize = 45;

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = asking_options![OptionSpec::text(
    "ip",
    ADDRESS_LIMIT,
    "address whose name is looked up"
),];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReverseDnsLookupOptions {
    /// The address; of a mapped one, the IPv4 address.
    pub ip: IpAddr,
    /// How it is asked for.
    pub asking: Asking,
}

impl ReverseDnsLookupOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let ip: IpAddr = options
            .text("ip")
            .parse()
            .map_err(|_| Refused::new("ip", "must be an IPv4 or IPv6 address"))?;
        Ok(Self {
            ip: ip.to_canonical(),
            asking: Asking::read(options, 1)?,
        })
    }

    /// Bytes at IP level that the run can need.
    pub fn worst_case_bytes(&self) -> u64 {
        self.asking.worst_case_bytes(1)
    }

    /// How long the run can take.
    pub fn longest_run(&self) -> Duration {
        self.asking.longest_run(1)
    }
}
