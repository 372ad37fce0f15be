//! What may be asked of `upnp`.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_net::count::datagram_bytes;
use glimpse_net::packet::Family;

use super::machine::{LINK_LIMIT, RECEIVE_LIMIT, ROUND_REQUESTS, ROUNDS};
use super::ssdp::{ANSWER_LIMIT, REQUEST_LIMIT};

/// Bytes that fetching one description may cost on the line, both directions.
pub(super) const DESCRIPTION_ALLOWANCE: u64 = 384 * 1024;
/// Bytes that asking one gateway for its facts may cost on the line, both directions.
pub(super) const FACTS_ALLOWANCE: u64 = 192 * 1024;
/// Time for all devices together, after the search.
pub(super) const INSPECT_LIMIT: Duration = Duration::from_secs(30);
/// Beyond all time-outs: start and clean-up.
const SLACK: Duration = Duration::from_secs(2);

const SEARCHES: &[Cow<'static, str>] = &[
    Cow::Borrowed("gateways"),
    Cow::Borrowed("media"),
    Cow::Borrowed("all"),
];

/// The table of options. The first has the original client's spelling.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::boolean(
        "MediaServerSearch",
        false,
        "search for media servers instead of gateways; the same as search=media",
    ),
    OptionSpec::choice("search", SEARCHES, "what is searched for"),
    OptionSpec::integer(
        "timeout",
        2000,
        1000,
        10_000,
        "ms",
        "how long the search takes",
    ),
    OptionSpec::integer(
        "max_devices",
        8,
        1,
        32,
        "devices",
        "how many devices are asked for their description",
    ),
];

/// What is searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    /// Internet gateway devices.
    Gateways,
    /// Media servers.
    Media,
    /// All devices.
    All,
}

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpnpOptions {
    /// What is searched for.
    pub search: Search,
    /// Milliseconds from the first request to the end of the search: 1000 to 10 000.
    pub timeout_ms: u32,
    /// Devices that are asked: 1 to 32.
    pub max_devices: usize,
}

impl UpnpOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name when a number does not fit, which the table prevents.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let search = match options.text("search") {
            "media" => Search::Media,
            "all" => Search::All,
            _ if options.boolean("MediaServerSearch") => Search::Media,
            _ => Search::Gateways,
        };
        let fit = |name: &str| {
            u32::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
        };
        Ok(Self {
            search,
            timeout_ms: fit("timeout")?,
            max_devices: fit("max_devices")? as usize,
        })
    }

    /// Bytes at IP level that the run can need, in the longer headers of IPv6.
    pub fn worst_case_bytes(&self) -> u64 {
        let requests = (LINK_LIMIT * ROUNDS * ROUND_REQUESTS) as u64
            * datagram_bytes(Family::V6, REQUEST_LIMIT);
        let answers = RECEIVE_LIMIT + datagram_bytes(Family::V6, ANSWER_LIMIT + 1);
        let device = DESCRIPTION_ALLOWANCE + FACTS_ALLOWANCE;
        requests + answers + self.max_devices as u64 * device
    }

    /// How long the run can take.
    pub fn longest_run(&self) -> Duration {
        Duration::from_millis(u64::from(self.timeout_ms)) + INSPECT_LIMIT + SLACK
    }
}
