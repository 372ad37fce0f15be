//! What may be asked of `btc_ma`. The original's `initial_data_size` has no successor: the time is fixed, not reckoned from
//! a first transfer.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_model::token::{MAX_LEN, PeerMethod, Token};

use crate::peer::plan::{BulkPlan, fits};
use crate::peer::{Direction, Limits, PORT, SILENCE};
use crate::resolve::{FamilyChoice, HOST_LIMIT, Host, RESOLVE_LIMIT};

/// How long one connection may take to open.
pub(super) const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Start and clean-up.
const SLACK: Duration = Duration::from_secs(3);

const DIRECTIONS: &[Cow<'static, str>] = &[
    Cow::Borrowed("down"),
    Cow::Borrowed("up"),
    Cow::Borrowed("both"),
];
const FAMILIES: &[Cow<'static, str>] = &[
    Cow::Borrowed("any"),
    Cow::Borrowed("ipv4"),
    Cow::Borrowed("ipv6"),
];

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = &[
    OptionSpec::text("host", HOST_LIMIT, "name or address of the other agent"),
    OptionSpec::integer(
        "port",
        0,
        0,
        65535,
        "",
        "port of the other agent's responder; 0 means 5105",
    ),
    OptionSpec::text(
        "token",
        MAX_LEN,
        "the controller's leave for this measurement",
    ),
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
    OptionSpec::choice(
        "family",
        FAMILIES,
        "which version of the internet protocol is used",
    ),
];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BtcOptions {
    /// The other agent.
    pub host: Host,
    /// Its responder's port.
    pub port: u16,
    /// Leave to measure.
    pub token: Token,
    /// What is to be done, as far as the token allows.
    pub plan: BulkPlan,
    /// Which addresses may be used.
    pub family: FamilyChoice,
}

impl BtcOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, a token that cannot be read or is for another method or allows
    /// too little.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let host = Host::parse(options.text("host"))
            .map_err(|error| Refused::new("host", error.to_string()))?;
        let token = Token::parse(options.text("token"))?;
        fits(token.claims(), PeerMethod::Btc)?;
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
            host,
            port: Some(number(options, "port")?)
                .filter(|&port| port != 0)
                .unwrap_or(PORT),
            plan: plan
                .within(&Limits::of(token.claims()))
                .map_err(|reason| Refused::new("token", reason))?,
            token,
            family: match options.text("family") {
                "ipv4" => FamilyChoice::Ipv4,
                "ipv6" => FamilyChoice::Ipv6,
                _ => FamilyChoice::Any,
            },
        })
    }

    /// How long the run can take, resolving the name included.
    pub fn longest_run(&self) -> Duration {
        let connections = u32::try_from(self.plan.directions.len()).unwrap_or(2) + 1;
        RESOLVE_LIMIT + CONNECT_LIMIT * connections + SILENCE + self.plan.longest() + SLACK
    }
}

/// The option as a number of the wanted width; the table's bounds make it fit.
fn number<T: TryFrom<i64>>(options: &Options, name: &str) -> Result<T, Refused> {
    T::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
}
