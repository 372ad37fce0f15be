//! What the steps of "Internet does not work" have seen, and what each means by itself. Pure.

mod outside;

pub use outside::{Asked, Came, Certificate, Clock, Longest, Names, PacketSize, Page};

use super::finding::{FindingCode as F, Judged, Reach, Reason, State};
use super::values::{Families, Values, Version};
use std::net::IpAddr;

/// Errors of a provider that refuses a login, as netifd's protocols spell them.
const LOGIN_ERRORS: [&str; 2] = ["AUTH", "PASSWORD"];
/// Errors of a SIM card.
const SIM_ERRORS: [&str; 2] = ["SIM", "PIN"];
/// The hop up to which a way counts as the provider's.
pub const PROVIDER_HOPS: u8 = 5;

/// The line to the provider.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Name of the interface in the configuration, such as `wan`.
    pub interface: Option<String>,
    /// Name of the device, such as `eth1`.
    pub device: Option<String>,
    /// `wired`, `wireless`, `mobile` or `unknown`.
    pub kind: Option<&'static str>,
    /// Whether it is switched on.
    pub up: Option<bool>,
    /// Whether there is a signal.
    pub carrier: Option<bool>,
}

impl Link {
    /// What it means.
    pub fn judge(&self) -> Judged {
        if self.device.is_none() && self.interface.is_none() {
            return Judged::skipped(&Reason::NoFacts);
        }
        let device = Values::new().text("device", self.device.as_ref());
        let values = device
            .clone()
            .text("interface", self.interface.as_ref())
            .text("kind", self.kind)
            .flag("up", self.up)
            .flag("carrier", self.carrier);
        if self.up == Some(false) {
            let figures = device.text("interface", self.interface.as_ref());
            return Judged::found(State::Bad, values, F::InterfaceDown, figures);
        }
        if self.carrier == Some(false) {
            let figures = device.text("kind", self.kind);
            return Judged::found(State::Bad, values, F::NoCarrier, figures);
        }
        Judged::good(values)
    }
}

/// The addresses that the provider gives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    /// How they are asked for, such as `dhcp` or `pppoe`.
    pub protocol: Option<String>,
    /// The first address of each version that is not of the link alone.
    pub own: Families<IpAddr>,
    /// Whether there is a way out beside them.
    pub route: bool,
    /// Why there is none, as the system spells it, such as `AUTH_TOPEER_FAILED`.
    pub error: Option<String>,
}

impl Address {
    /// What it means.
    pub fn judge(&self) -> Judged {
        let about = Values::new()
            .text("protocol", self.protocol.as_ref())
            .text("error", self.error.as_ref());
        let values = about
            .clone()
            .text("ipv4", self.own.ipv4)
            .text("ipv6", self.own.ipv6)
            .flag("route", Some(self.route));
        if self.route && self.own.iter().next().is_some() {
            return Judged::good(values);
        }
        let error = self.error.as_deref().unwrap_or_default();
        let says = |words: &[&str]| words.iter().any(|word| error.contains(word));
        let (code, figures) = if says(&LOGIN_ERRORS) {
            (F::LoginRefused, about)
        } else if says(&SIM_ERRORS) {
            (
                F::SimRefused,
                Values::new().text("error", self.error.as_ref()),
            )
        } else {
            (F::NoAddress, about)
        };
        Judged::found(State::Bad, values, code, figures)
    }
}

/// Echoes to one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Echoes {
    /// Sent.
    pub sent: u32,
    /// Answered.
    pub received: u32,
    /// Median round trip.
    pub rtt_us: Option<u64>,
}

/// The provider's first box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Its address; not known on lines between two points.
    pub address: Option<IpAddr>,
    /// Whether it answers on the link, where that can be seen.
    pub neighbour: Option<bool>,
    /// What it answers to pings, or to a packet whose time ends there.
    pub echoes: Echoes,
}

impl Gateway {
    /// Whether it was heard.
    pub fn answers(&self) -> bool {
        self.echoes.received > 0 || self.neighbour == Some(true)
    }
}

/// What the gateways of both versions mean.
pub fn gateway(seen: &Families<Gateway>) -> Judged {
    let mut values = Values::new();
    let mut reach = Families::none();
    for (version, one) in seen.each() {
        let Some(one) = one else { continue };
        let name = |name: &str| format!("{}_{name}", version.as_str());
        values = values
            .text(version.as_str(), one.address)
            .flag(&name("neighbour"), one.neighbour)
            .number(&name("sent"), Some(one.echoes.sent))
            .number(&name("received"), Some(one.echoes.received))
            .number(&name("rtt_us"), one.echoes.rtt_us);
        reach.set(version, one.answers().then_some(Reach::Nowhere));
    }
    let answers = |one: &Gateway| one.answers();
    if seen.iter().next().is_none() {
        return Judged::skipped(&Reason::NoRoute);
    }
    let figures = Values::new()
        .text("ipv4", seen.ipv4.and_then(|one| one.address))
        .text("ipv6", seen.ipv6.and_then(|one| one.address));
    apart(seen, answers, values, "gateway", F::GatewaySilent, figures)
}

/// All versions fail, one fails, or none.
fn apart<T>(
    seen: &Families<T>,
    works: impl Fn(&T) -> bool,
    values: Values,
    step: &'static str,
    all: F,
    figures: Values,
) -> Judged {
    let fails = |version| seen.of(version).is_some_and(|one| !works(one));
    let one = Values::new().text("step", Some(step));
    if !seen.iter().any(&works) {
        Judged::found(State::Bad, values, all, figures)
    } else if fails(Version::V4) {
        Judged::found(State::Fair, values, F::Ipv4Broken, one)
    } else if fails(Version::V6) {
        Judged::found(State::Fair, values, F::Ipv6Broken, one)
    } else {
        Judged::good(values)
    }
}

/// The way to the targets outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Way {
    /// Targets tried.
    pub tried: u32,
    /// Those that answered.
    pub reached: u32,
    /// Whether the targets lie outside the provider's network, as its name servers do not.
    pub outside: bool,
    /// The last hop that answered, of the way that led furthest; 0: none. Of targets that answered it is not looked for.
    pub last_hop: u8,
    /// Round trip to the nearest.
    pub rtt_us: Option<u64>,
}

impl Way {
    /// The same where it is known that the first hop answers.
    #[must_use]
    pub fn behind(mut self, gateway: Option<&Gateway>) -> Self {
        if gateway.is_some_and(Gateway::answers) {
            self.last_hop = self.last_hop.max(1);
        }
        self
    }
}

/// What the ways of both versions mean.
pub fn path(seen: &Families<Way>) -> Judged {
    let mut values = Values::new();
    let mut reach = Families::none();
    for (version, one) in seen.each() {
        let Some(one) = one else { continue };
        let name = |name: &str| format!("{}_{name}", version.as_str());
        let unreached = one.reached < one.tried;
        values = values
            .number(&name("tried"), Some(one.tried))
            .number(&name("reached"), Some(one.reached))
            .number(&name("last_hop"), unreached.then_some(one.last_hop))
            .number(&name("rtt_us"), one.rtt_us);
        let far = match (one.reached, one.last_hop) {
            (1.., _) if one.outside => Reach::Outside,
            (1.., _) | (0, 2..) => Reach::Provider,
            _ => Reach::Nowhere,
        };
        reach.set(version, Some(far));
    }
    let Some(furthest) = seen.iter().map(|way| way.last_hop).max() else {
        return Judged::skipped(&Reason::NoTarget);
    };
    let code = if furthest < PROVIDER_HOPS {
        F::ProviderNetwork
    } else {
        F::BeyondProvider
    };
    let figures = Values::new().number("last_hop", Some(furthest));
    apart(seen, |way| way.reached > 0, values, "path", code, figures).reaching(reach)
}

#[cfg(test)]
mod tests;
