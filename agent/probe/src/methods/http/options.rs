//! What all transfers may be asked: bounds and defaults of the original where it has them.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;

use super::connection::PHASE_LIMIT;
use super::upload::ANSWER_WAIT;
use super::url::{URL_LIMIT, Url};
use crate::resolve::{FamilyChoice, RESOLVE_LIMIT};

/// Connections at most. The original had 6.
pub(crate) const THREAD_LIMIT: i64 = 16;
/// Least and most of `max_bytes`.
const BYTES_LEAST: i64 = 1_000_000;
const BYTES_MOST: i64 = 64_000_000_000;
/// Unless told otherwise: 13 s at 150 Mbit/s.
const BYTES_DEFAULT: i64 = 250_000_000;
/// Of those, kept back for each connection: openings that begin while the last room is used, and resets.
const RESERVE: u64 = 2048;
/// Beyond all limits, for a machine that is slow.
const SLACK: Duration = Duration::from_secs(3);

pub(crate) const FAMILIES: &[Cow<'static, str>] = &[
    Cow::Borrowed("any"),
    Cow::Borrowed("ipv4"),
    Cow::Borrowed("ipv6"),
];

pub(crate) const URL: OptionSpec =
    OptionSpec::text("url", URL_LIMIT, "what is transferred: http or https");
pub(crate) const REDIRECTS: OptionSpec = OptionSpec::integer(
    "redirects",
    0,
    0,
    10,
    "",
    "how often a redirect is followed, each judged anew; 0: a redirect is an error",
);
pub(crate) const MAX_BYTES: OptionSpec = OptionSpec::integer(
    "max_bytes",
    BYTES_DEFAULT,
    BYTES_LEAST,
    BYTES_MOST,
    "bytes",
    "bytes on the line, both directions together, after which the run ends early",
);
pub(crate) const FAMILY: OptionSpec = OptionSpec::choice(
    "family",
    FAMILIES,
    "which version of the internet protocol is used",
);
pub(crate) const AVOID_CACHES: OptionSpec = OptionSpec::boolean(
    "avoid_caches",
    false,
    "adds a parameter to the URL that no cache has seen",
);
pub(crate) const RAMP_UP_TIME: OptionSpec = OptionSpec::integer(
    "ramp_up_time",
    3000,
    1000,
    10_000,
    "ms",
    "transferring before bytes begin to count",
);
pub(crate) const TARGET_TIME: OptionSpec = OptionSpec::integer(
    "target_time",
    10_000,
    2000,
    45_000,
    "ms",
    "how long bytes count",
);

/// The options that transfers share, as a table; `more` are those that one has alone.
macro_rules! transfer_options {
    ($($more:expr),* $(,)?) => {
        &[
            $crate::methods::http::options::URL,
            $crate::methods::http::options::AVOID_CACHES,
            glimpse_model::options::OptionSpec::integer(
                "threads", 1, 1, $crate::methods::http::options::THREAD_LIMIT, "", "connections at the same time",
            ),
            $crate::methods::http::options::TARGET_TIME,
            $crate::methods::http::options::RAMP_UP_TIME,
            glimpse_model::options::OptionSpec::integer(
                "slot_length", 1000, 250, 45_000, "ms", "length of the slots that rates are told for; target_time at most",
            ),
            glimpse_model::options::OptionSpec::integer(
                "source_port", 0, 0, 65_535, "", "port of the first connection, the others have the next; 0: any",
            ),
            $crate::methods::http::options::REDIRECTS,
            $crate::methods::http::options::MAX_BYTES,
            $crate::methods::http::options::FAMILY,
            $($more,)*
        ]
    };
}
pub(crate) use transfer_options;

/// The options of a transfer as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TransferOptions {
    /// What is transferred.
    pub url: Url,
    /// Adds a parameter to the URL that no cache has seen.
    pub avoid_caches: bool,
    /// Connections: 1 to 16.
    pub threads: u16,
    /// How long bytes count, in milliseconds: 2000 to 45 000.
    pub target_ms: u64,
    /// For how long they do not before, in milliseconds: 1000 to 10 000.
    pub ramp_ms: u64,
    /// Length of a slot, in milliseconds: 250 to `target_ms`.
    pub slot_ms: u64,
    /// Port of the first connection; 0 is an ephemeral one for each.
    pub source_port: u16,
    /// Redirects that are followed.
    pub redirects: u32,
    /// Bytes at IP level that may be used.
    pub max_bytes: u64,
    /// Which addresses may be used.
    pub family: FamilyChoice,
}

impl TransferOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no URL, a slot longer than the measured time, ports beyond the last.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let read = Self {
            url: url(options, "url")?,
            avoid_caches: options.boolean("avoid_caches"),
            threads: number(options, "threads")?,
            target_ms: number(options, "target_time")?,
            ramp_ms: number(options, "ramp_up_time")?,
            slot_ms: number(options, "slot_length")?,
            source_port: number(options, "source_port")?,
            redirects: number(options, "redirects")?,
            max_bytes: number(options, "max_bytes")?,
            family: family(options),
        };
        if read.slot_ms > read.target_ms {
            return Err(Refused::new("slot_length", "must be <= target_time"));
        }
        if read.source_port.checked_add(read.threads - 1).is_none() {
            return Err(Refused::new(
                "source_port",
                "leaves no ports for all threads",
            ));
        }
        Ok(read)
    }

    /// How long the run can take, resolving included.
    pub fn longest_run(&self) -> Duration {
        way_limit(self.redirects) + Duration::from_millis(self.ramp_ms + self.target_ms) + SLACK
    }
}

/// The limit of a run's tally, so that its bytes stay below `bytes` whatever `threads` connections do at the end.
pub(crate) fn tally_limit(bytes: u64, threads: u16) -> u64 {
    bytes.saturating_sub(RESERVE * (u64::from(threads) + 1))
}

/// How long it can take to the first byte that counts: each hop, the permission and the transfer itself resolve, connect,
/// shake hands and answer; the last answer of an upload may follow.
pub(crate) fn way_limit(redirects: u32) -> Duration {
    // A server without HEAD is asked twice.
    let asked = RESOLVE_LIMIT + PHASE_LIMIT * 6;
    asked * (redirects + 1) + PHASE_LIMIT * 4 + PHASE_LIMIT * 3 + ANSWER_WAIT
}

pub(crate) fn url(options: &Options, name: &str) -> Result<Url, Refused> {
    Url::parse(options.text(name)).map_err(|error| Refused::new(name, error.to_string()))
}

pub(crate) fn family(options: &Options) -> FamilyChoice {
    match options.text("family") {
        "ipv4" => FamilyChoice::Ipv4,
        "ipv6" => FamilyChoice::Ipv6,
        _ => FamilyChoice::Any,
    }
}

/// The option as a number of the wanted width; the table's bounds make it fit.
pub(crate) fn number<T: TryFrom<i64>>(options: &Options, name: &str) -> Result<T, Refused> {
    T::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
}
