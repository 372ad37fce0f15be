//! What may be asked of `packettrains_ma`: the original's options with its defaults, but its rates are kept.

use std::borrow::Cow;
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_model::token::PeerMethod;

use crate::peer::options::{FAMILY_OPTION, HOST_OPTION, PORT_OPTION, Peer, TOKEN_OPTION, number};
use crate::peer::plan::TrainPlan;
use crate::peer::{Direction, SILENCE};
use crate::resolve::RESOLVE_LIMIT;

/// Handshake, start and clean-up.
const SLACK: Duration = Duration::from_secs(8);

const DIRECTIONS: &[Cow<'static, str>] = &[Cow::Borrowed("up"), Cow::Borrowed("down")];

/// The table of options, with the original client's defaults.
pub(super) const OPTIONS: &[OptionSpec] = &[
    HOST_OPTION,
    PORT_OPTION,
    TOKEN_OPTION,
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
    FAMILY_OPTION,
];

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrainOptions {
    /// The other agent, and the leave to measure with it.
    pub peer: Peer,
    /// What is to be done, as far as the token allows.
    pub plan: TrainPlan,
}

impl TrainOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, a token that cannot be read or is for another method or allows
    /// too little, too many packets, more than ten minutes.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let peer = Peer::read(options, PeerMethod::PacketTrains)?;
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
            plan: plan
                .within(&peer.limits())
                .map_err(|reason| Refused::new("token", reason))?,
            peer,
        })
    }

    /// How long the run can take, resolving the name included.
    pub fn longest_run(&self) -> Duration {
        RESOLVE_LIMIT + SILENCE + self.plan.longest() + SLACK
    }
}
