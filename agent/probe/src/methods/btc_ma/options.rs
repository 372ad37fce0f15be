//! What may be asked of `btc_ma`. The original's `initial_data_size` has no successor: the time is fixed, not reckoned from
//! a first transfer.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_model::token::PeerMethod;

use crate::peer::options::{FAMILY_OPTION, HOST_OPTION, PORT_OPTION, Peer, TOKEN_OPTION, number};
use crate::peer::plan::BulkPlan;
use crate::peer::{Direction, SILENCE};
use crate::resolve::RESOLVE_LIMIT;

/// How long one connection may take to open.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Start and clean-up.
const SLACK: Duration = Duration::from_secs(3);

const DIRECTIONS: &[Cow<'static, str>] = &[
    Cow::Borrowed("down"),
    Cow::Borrowed("up"),
    Cow::Borrowed("both"),
];

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = &[
    HOST_OPTION,
    PORT_OPTION,
    TOKEN_OPTION,
    OptionSpec::choice(
        "direction",
        DIRECTIONS,
        "who sends: down is the other agent, both is down and then up",
    ),
    OptionSpec::integer(
        "duration_ms",
        10_000,
        500,
        60_000,
        "ms",
        "time measured in each direction; shorter where the token allows less",
    ),
    OptionSpec::integer(
        "ramp_up_ms",
        1_000,
        0,
        10_000,
        "ms",
        "time before that which does not count",
    ),
    OptionSpec::integer(
        "slices",
        10,
        1,
        60,
        "",
        "parts of the measured time, each with a rate of its own",
    ),
    OptionSpec::integer(
        "max_bytes",
        0,
        0,
        1 << 40,
        "bytes",
        "payload in each direction at most; 0 means as much as the token allows",
    ),
    FAMILY_OPTION,
];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BtcOptions {
    /// The other agent, and the leave to measure with it.
    pub peer: Peer,
    /// What is to be done, as far as the token allows.
    pub plan: BulkPlan,
}

impl BtcOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, a token that cannot be read or is for another method or allows
    /// too little.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let peer = Peer::read(options, PeerMethod::Btc)?;
        let directions = match options.text("direction") {
            "up" => vec![Direction::Up],
            "both" => vec![Direction::Down, Direction::Up],
            _ => vec![Direction::Down],
        };
        let plan = BulkPlan {
            directions,
            duration_ms: number(options, "duration_ms")?,
            ramp_up_ms: number(options, "ramp_up_ms")?,
            slices: number(options, "slices")?,
            payload_bytes: Some(number(options, "max_bytes")?)
                .filter(|&bytes| bytes != 0)
                .unwrap_or(u64::MAX),
        };
        Ok(Self {
            plan: plan
                .within(&peer.limits())
                .map_err(|reason| Refused::new("token", reason))?,
            peer,
        })
    }

    /// How long the run can take, resolving the name included.
    pub fn longest_run(&self) -> Duration {
        let connections = u32::try_from(self.plan.directions.len()).unwrap_or(2) + 1;
        RESOLVE_LIMIT + CONNECT_LIMIT * connections + SILENCE + self.plan.longest() + SLACK
    }
}
