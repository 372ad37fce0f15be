//! The machine and its way to the Internet, as guard and records want them.

use crate::guard::Guard;
use crate::guard::accounts::Purse;
use crate::host::proc::CpuTimes;
use crate::host::{self, ConnectionMode, Host};
use glimpse_model::precondition::Link;
use glimpse_net::interface::{self, LinkKind};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Looks at one machine.
#[derive(Debug)]
pub struct Surroundings {
    root: PathBuf,
    host: Host,
}

impl Surroundings {
    /// The machine whose `/proc` and `/sys` stand below `root`; `disk` is where the agent keeps data.
    pub fn new(root: &Path, disk: &Path) -> Self {
        Self {
            root: root.to_owned(),
            host: Host::new(root, disk),
        }
    }

    /// The way to the Internet: its interface, if there is a default route, and its kind.
    /// Interfaces in `mobile` are mobile whatever they look like.
    pub fn link(&self, mobile: &[String]) -> (Option<String>, Link) {
        let Some(route) = interface::default_route(&self.root) else {
            return (None, Link::Unknown);
        };
        let kind = if mobile.contains(&route.interface) {
            Link::Mobile
        } else {
            match interface::link_kind(&self.root, &route.interface) {
                LinkKind::Wired => Link::Wired,
                LinkKind::Wireless => Link::Wireless,
                LinkKind::Mobile => Link::Mobile,
                LinkKind::Unknown => Link::Unknown,
            }
        };
        (Some(route.interface), kind)
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
        let root = self.root.clone();
        move || {
            let route = interface::default_route(&root)?;
            let counters = interface::counters(&root, &route.interface).ok()?;
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
        match serde_json::to_value(self.host.snapshot(link, &traffic)) {
            Ok(Value::Object(info)) => info,
            _ => Map::new(),
        }
    }
}
