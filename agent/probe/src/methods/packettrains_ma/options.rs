//! What may be asked of `packettrains_ma`: the original's options with its defaults, but its rates are kept.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_model::token::{MAX_LEN, PeerMethod, Token};

use crate::peer::plan::{TrainPlan, fits};
use crate::peer::{Direction, Limits, PORT, SILENCE};
use crate::resolve::{FamilyChoice, HOST_LIMIT, Host, RESOLVE_LIMIT};

/// Handshake, start and clean-up.
const SLACK: Duration = Duration::from_secs(8);

const DIRECTIONS: &[Cow<'static, str>] = &[Cow::Borrowed("up"), Cow::Borrowed("down")];
const FAMILIES: &[Cow<'static, str>] = &[
    Cow::Borrowed("any"),
    Cow::Borrowed("ipv4"),
    Cow::Borrowed("ipv6"),
];

/// The table of options, with the original client's defaults.
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
        "who sends: up is this agent, down the other",
    ),
    OptionSpec::integer(
        "packet_size",
        1000,
        32,
        1452,
        "bytes",
        "udp payload of each packet",
    ),
    OptionSpec::integer(
        "train_length",
        48,
        2,
        1000,
        "packets",
        "packets of each train",
    ),
    OptionSpec::integer(
        "iterations",
        1,
        1,
        255,
        "trains",
        "trains, 5000 packets together at most",
    ),
    OptionSpec::integer(
        "rate_min",
        10_485_760,
        1_000,
        1_250_000_000,
        "bytes/s",
        "udp payload per second in the first of several trains",
    ),
    OptionSpec::integer(
        "rate_max",
        262_144_000,
        1_000,
        1_250_000_000,
        "bytes/s",
        "udp payload per second in the last train, or the only one",
    ),
    OptionSpec::integer(
        "delay",
        200_000_000,
        0,
        10_000_000_000,
        "ns",
        "time from one train to the next",
    ),
    OptionSpec::choice(
        "family",
        FAMILIES,
        "which version of the internet protocol is used",
    ),
];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainOptions {
    /// The other agent.
    pub host: Host,
    /// Its responder's port.
    pub port: u16,
    /// Leave to measure.
    pub token: Token,
    /// What is to be done, as far as the token allows.
    pub plan: TrainPlan,
    /// Which addresses may be used.
    pub family: FamilyChoice,
}

impl TrainOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, a token that cannot be read or is for another method or allows
    /// too little, too many packets, more than ten minutes.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let host = Host::parse(options.text("host"))
            .map_err(|error| Refused::new("host", error.to_string()))?;
        let token = Token::parse(options.text("token"))?;
        fits(token.claims(), PeerMethod::PacketTrains)?;
        let plan = TrainPlan {
            direction: if options.text("direction") == "down" {
                Direction::Down
            } else {
                Direction::Up
            },
            packet_size: number(options, "packet_size")?,
            train_length: number(options, "train_length")?,
            iterations: number(options, "iterations")?,
            rate_min: number(options, "rate_min")?,
            rate_max: number(options, "rate_max")?,
            delay_ns: number(options, "delay")?,
        };
        plan.check()?;
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
        RESOLVE_LIMIT + SILENCE + self.plan.longest() + SLACK
    }
}

/// The option as a number of the wanted width; the table's bounds make it fit.
fn number<T: TryFrom<i64>>(options: &Options, name: &str) -> Result<T, Refused> {
    T::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
}
