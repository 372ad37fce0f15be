//! The machine and its way to the Internet, as guard and records want them.

use crate::guard::Guard;
use crate::guard::accounts::Purse;
use crate::host::proc::CpuTimes;
use crate::host::{self, ConnectionMode, Host};
use crate::local::ubus::Facts;
use crate::local::ubus::facts::Wan;
use glimpse_model::precondition::Link;
use glimpse_net::interface::{self, LinkKind};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::time::Instant;
use tokio::sync::watch;

#[cfg(test)]
mod tests;

/// Drivers of telephones and sticks that look like Ethernet. The first is that of some plain adapters too; taking a wire
/// for a mobile network costs the household nothing.
const TETHERED: [&str; 4] = ["cdc_ether", "rndis_host", "huawei_cdc_ncm", "ipheth"];

/// Looks at one machine.
#[derive(Debug)]
pub struct Surroundings {
    root: PathBuf,
    host: Host,
    facts: watch::Receiver<Facts>,
}

impl Surroundings {
    /// The machine whose `/proc` and `/sys` stand below `root`; `disk` is where the agent keeps data.
    pub fn new(root: &Path, disk: &Path) -> Self {
        Self {
            root: root.to_owned(),
            host: Host::new(root, disk),
            facts: watch::channel(Facts::default()).1,
        }
    }

    /// The same machine, with what its system bus tells, which is more than guesses.
    #[must_use]
    pub fn knowing(self, facts: watch::Receiver<Facts>) -> Self {
        Self { facts, ..self }
    }

    /// What the system bus tells now.
    pub fn facts(&self) -> Facts {
        self.facts.borrow().clone()
    }

    /// The way to the Internet: its interface, if there is a default route, and its kind.
    /// Interfaces in `mobile` are mobile whatever they look like, by the name of the device or of the configuration.
    pub fn link(&self, mobile: &[String]) -> (Option<String>, Link) {
        let facts = self.facts.borrow();
        if let Some((wan, device)) = told(&facts) {
            let kind = self.kind_of(wan, device, mobile);
            return (Some(device.to_owned()), kind);
        }
        drop(facts);
        let Some(route) = interface::default_route(&self.root) else {
            return (None, Link::Unknown);
        };
        let kind = if mobile.contains(&route.interface) {
            Link::Mobile
        } else {
            self.kind(&route.interface)
        };
        (Some(route.interface), kind)
    }

    fn kind_of(&self, wan: &Wan, device: &str, mobile: &[String]) -> Link {
        let below = wan.device.as_deref();
        if wan.is_mobile() || mobile.iter().any(|name| wan.is_named(name)) {
            return Link::Mobile;
        }
        match (self.kind(device), below.map(|below| self.kind(below))) {
            // A tunnel over a stick is as costly as the stick.
            (_, Some(Link::Mobile)) => Link::Mobile,
            (Link::Unknown, Some(below)) => below,
            (kind, _) => kind,
        }
    }

    fn kind(&self, device: &str) -> Link {
        let driver = self
            .root
            .join("sys/class/net")
            .join(device)
            .join("device/driver");
        let driver = std::fs::read_link(driver).ok();
        let driver = driver.as_deref().and_then(Path::file_name);
        if driver.is_some_and(|driver| TETHERED.iter().any(|name| driver == *name)) {
            return Link::Mobile;
        }
        match interface::link_kind(&self.root, device) {
            LinkKind::Wired => Link::Wired,
            LinkKind::Wireless => Link::Wireless,
            LinkKind::Mobile => Link::Mobile,
            LinkKind::Unknown => Link::Unknown,
        }
    }

    /// The way to the Internet as the household is shown it; `null` when there is none, and none should be.
    pub fn link_report(&self, mobile: &[String], now: Instant) -> Value {
        let (device, kind) = self.link(mobile);
        let facts = self.facts.borrow();
        if let Some(wan) = &facts.wan {
            let kind = match kind {
                Link::Unknown if wan.is_mobile() => Link::Mobile,
                kind => kind,
            };
            return json!({
                "interface": wan.interface,
                "device": wan.l3_device.as_ref().or(wan.device.as_ref()),
                "kind": word(kind),
                "protocol": wan.protocol,
                "up": wan.up,
                "uptime_s": facts.uptime_s(now),
                "signal_dbm": facts.radio.as_ref().and_then(|radio| radio.signal_dbm),
            });
        }
        let Some(device) = device else {
            return Value::Null;
        };
        json!({"interface": null, "device": device, "kind": word(kind), "protocol": null, "up": true,
            "uptime_s": null, "signal_dbm": null})
    }

    /// What machine this is, as the household is shown it; `null` when nobody tells.
    pub fn board_report(&self) -> Value {
        let facts = self.facts.borrow();
        facts
            .board
            .as_ref()
            .map_or(Value::Null, crate::local::ubus::facts::Board::to_json)
    }

    /// Battery charge in percent, where there is a battery.
    pub fn charge(&self) -> Option<u8> {
        self.host.battery_level()
    }

    /// Processor time since boot.
    pub fn cpu_times(&self) -> Option<CpuTimes> {
        self.host.cpu_times()
    }

    /// What tells how many bytes the way to the Internet has carried in both directions.
    pub fn carried(&self) -> impl Fn() -> Option<u64> + Send + Sync + use<> {
        let (root, facts) = (self.root.clone(), self.facts.clone());
        move || {
            let device = told(&facts.borrow()).map(|(_, device)| device.to_owned());
            let device = device.or_else(|| Some(interface::default_route(&root)?.interface))?;
            let counters = interface::counters(&root, &device).ok()?;
            Some(counters.received_bytes.saturating_add(counters.sent_bytes))
        }
    }

    /// `pre_info` or `post_info` of a record.
    pub fn info(&mut self, mobile: &[String], guard: &Guard) -> Map<String, Value> {
        let (interface, link) = self.link(mobile);
        let mode = match link {
            Link::Wired => ConnectionMode::Ethernet,
            Link::Wireless => ConnectionMode::Wlan,
            // Which generation of mobile network it is, nobody here knows.
            Link::Mobile | Link::Unknown => ConnectionMode::Unknown,
        };
        let (rules, accounts) = (guard.rules(), guard.accounts());
        let (fixed, over_mobile) = (
            accounts.ledger(Purse::Fixed),
            accounts.ledger(Purse::Mobile),
        );
        let traffic = host::Traffic {
            available: fixed.available(rules.cap),
            used: fixed.used(),
            available_mobile: over_mobile.available(rules.mobile_cap),
            used_mobile: over_mobile.used(),
            mobile_allowed: rules.mobile_cap > 0,
        };
        let link = host::Link {
            interface: interface.as_deref(),
            mode,
        };
        let mut snapshot = self.host.snapshot(link, &traffic);
        if snapshot.signal_strength.is_none() {
            let facts = self.facts.borrow();
            let radio = facts
                .radio
                .as_ref()
                .filter(|_| mode == ConnectionMode::Wlan);
            snapshot.signal_strength = radio.and_then(|radio| radio.quality_percent);
        }
        match serde_json::to_value(snapshot) {
            Ok(Value::Object(info)) => info,
            _ => Map::new(),
        }
    }
}

/// The way to the Internet that the bus tells of, if it is up, and the device that packets go by.
fn told(facts: &Facts) -> Option<(&Wan, &str)> {
    let wan = facts.wan.as_ref().filter(|wan| wan.up && wan.routed)?;
    Some((wan, wan.l3_device.as_deref()?))
}

fn word(link: Link) -> &'static str {
    match link {
        Link::Wired => "wired",
        Link::Wireless => "wireless",
        Link::Mobile => "mobile",
        Link::Unknown => "unknown",
    }
}
