//! What may be asked of `dnslookup`.

use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use hickory_proto::rr::Name;

use crate::methods::dns::kinds::{self, number};
use crate::methods::dns::options::{Asking, asking_options};
use crate::methods::dns::query;
use crate::resolve::{HOST_LIMIT, Host};

/// Types asked for in one run.
const KIND_LIMIT: usize = 16;

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = asking_options![
    OptionSpec::text("host", HOST_LIMIT, "name to look up; . for the root"),
    OptionSpec::optional_text(
        "type",
        "",
        32,
        "type to ask for, such as MX or TYPE65; empty for A and AAAA",
    ),
    OptionSpec::optional_text(
        "types",
        "",
        255,
        "several types, such as A,AAAA,MX, each asked for by itself; instead of type",
    ),
];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DnsLookupOptions {
    /// The name, in the letter case given.
    pub name: Name,
    /// The name as it was given.
    pub host: String,
    /// The types asked for: 1 to 16.
    pub kinds: Vec<u16>,
    /// How they are asked for.
    pub asking: Asking,
}

impl DnsLookupOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no name, a type that cannot be asked for, more than an hour.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let host = options.text("host");
        if host != "." {
            match Host::parse(host) {
                Ok(Host::Name(_)) => {}
                Ok(Host::Address(_)) => {
                    return Err(Refused::new(
                        "host",
                        "must be a name: addresses are looked up by reversednslookup",
                    ));
                }
                Err(error) => return Err(Refused::new("host", error.to_string())),
            }
        }
        let name = query::name(host).ok_or_else(|| Refused::new("host", "is no host name"))?;
        let (one, several) = (options.text("type"), options.text("types"));
        let refused = |option, error: kinds::KindError| Refused::new(option, error.to_string());
        let kinds = match (one, several) {
            ("", "") => vec![number::A, number::AAAA],
            (one, "") => vec![kinds::parse(one).map_err(|error| refused("type", error))?],
            ("", several) => {
                kinds::parse_list(several, KIND_LIMIT).map_err(|error| refused("types", error))?
            }
            _ => {
                return Err(Refused::new(
                    "types",
                    "must not be given together with type",
                ));
            }
        };
        let asking = Asking::read(options, kinds.len())?;
        Ok(Self {
            name,
            host: host.to_owned(),
            kinds,
            asking,
        })
    }

    /// Bytes at IP level that the run can need.
    pub fn worst_case_bytes(&self) -> u64 {
        self.asking.worst_case_bytes(self.kinds.len())
    }

    /// How long the run can take.
    pub fn longest_run(&self) -> Duration {
        self.asking.longest_run(self.kinds.len())
    }
}
