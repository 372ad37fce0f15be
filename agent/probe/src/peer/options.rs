//! What both methods between agents may be asked: who the other agent is, and the leave to measure with it.

use std::borrow::Cow;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use glimpse_model::token::{MAX_LEN, PeerMethod, Token};

use super::plan::fits;
use super::{Limits, PORT};
use crate::resolve::{FamilyChoice, HOST_LIMIT, Host};

const FAMILIES: &[Cow<'static, str>] = &[
    Cow::Borrowed("any"),
    Cow::Borrowed("ipv4"),
    Cow::Borrowed("ipv6"),
];

/// Option `host`.
pub const HOST_OPTION: OptionSpec =
    OptionSpec::text("host", HOST_LIMIT, "name or address of the other agent");
/// Option `port`.
pub const PORT_OPTION: OptionSpec = OptionSpec::integer(
    "port",
    0,
    0,
    65535,
    "",
    "port of the other agent's responder; 0 means 5105",
);
/// Option `token`.
pub const TOKEN_OPTION: OptionSpec = OptionSpec::text(
    "token",
    MAX_LEN,
    "the controller's leave for this measurement",
)
.secret();
/// Option `family`.
pub const FAMILY_OPTION: OptionSpec = OptionSpec::choice(
    "family",
    FAMILIES,
    "which version of the internet protocol is used",
);

/// These options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other agent.
    pub host: Host,
    /// Its responder's port.
    pub port: u16,
    /// Leave to measure.
    pub token: Token,
    /// Which addresses may be used.
    pub family: FamilyChoice,
}

impl Peer {
    /// Makes values of options that the table has accepted, for `method`.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no host name, a token that cannot be read or is for another method.
    pub fn read(options: &Options, method: PeerMethod) -> Result<Self, Refused> {
        let host = Host::parse(options.text("host"))
            .map_err(|error| Refused::new("host", error.to_string()))?;
        let token = Token::parse(options.text("token"))?;
        fits(token.claims(), method)?;
        Ok(Self {
            host,
            port: Some(number(options, "port")?)
                .filter(|&port| port != 0)
                .unwrap_or(PORT),
            token,
            family: match options.text("family") {
                "ipv4" => FamilyChoice::Ipv4,
                "ipv6" => FamilyChoice::Ipv6,
                _ => FamilyChoice::Any,
            },
        })
    }

    /// What the token allows.
    pub fn limits(&self) -> Limits {
        Limits::of(self.token.claims())
    }
}

/// The option as a number of the wanted width; the table's bounds make it fit.
///
/// # Errors
/// [`Refused`] with the option's name where they do not.
pub fn number<T: TryFrom<i64>>(options: &Options, name: &str) -> Result<T, Refused> {
    T::try_from(options.integer(name)).map_err(|_| Refused::new(name, "is out of range"))
}
