//! Changes of the line that explain a step in the household's graphs: another way to the Internet, another address.

use super::Daemon;
use crate::local::history::EventKind;
use glimpse_model::precondition::Link;
use std::net::IpAddr;

/// How the line was seen last.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The device that packets go by.
    device: Option<String>,
    /// What tells one address from another; none where nobody tells.
    addresses: Vec<IpAddr>,
}

impl Seen {
    fn new(device: String, addresses: &[IpAddr]) -> Self {
        let mut addresses: Vec<IpAddr> = addresses.iter().map(lasting).collect();
        addresses.sort_unstable();
        addresses.dedup();
        Self {
            device: Some(device),
            addresses,
        }
    }

    /// What has changed since `before`.
    fn changes(&self, before: &Self, kind: Link) -> Vec<(EventKind, String)> {
        let mut changes = Vec::new();
        if let (Some(old), Some(new)) = (&before.device, &self.device)
            && old != new
        {
            let mobile = if kind == Link::Mobile {
                ", a mobile line"
            } else {
                ""
            };
            changes.push((
                EventKind::Path,
                format!("the way to the Internet is {new}{mobile}; it was {old}"),
            ));
        }
        // Where one version comes later than the other, nothing has changed that was there.
        let kept = before
            .addresses
            .iter()
            .any(|address| self.addresses.contains(address));
        if !before.addresses.is_empty() && !self.addresses.is_empty() && !kept {
            changes.push((
                EventKind::Address,
                "the line has another address".to_owned(),
            ));
        }
        changes
    }
}

/// Of IPv6 the network: the rest changes by itself.
fn lasting(address: &IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => *address,
        IpAddr::V6(v6) => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
    }
}

impl Daemon {
    /// Looks whether the line has changed. One that is down is waited for.
    pub(super) fn look_at_line(&mut self) {
        let (device, kind) = self
            .surroundings
            .link(&self.settings.limits.mobile_interfaces);
        let Some(device) = device else {
            return;
        };
        let facts = self.surroundings.facts();
        let addresses = facts.wan.as_ref().map_or(&[][..], |wan| &wan.addresses);
        let mut seen = Seen::new(device, addresses);
        if seen.addresses.is_empty() {
            seen.addresses.clone_from(&self.line_seen.addresses);
        }
        for (kind, text) in seen.changes(&self.line_seen, kind) {
            self.note_event(kind, text);
        }
        self.line_seen = seen;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn seen(device: &str, addresses: &[&str]) -> Seen {
        let addresses: Vec<IpAddr> = addresses.iter().map(|text| text.parse().unwrap()).collect();
        Seen::new(device.to_owned(), &addresses)
    }

    fn kinds(before: &Seen, now: &Seen) -> Vec<EventKind> {
        let changes = now.changes(before, Link::Mobile);
        changes.into_iter().map(|(kind, _)| kind).collect()
    }

    #[test]
    fn another_way_and_another_address_are_told() {
        let home = seen("eth1", &["192.0.2.7", "2001:db8:1::1"]);
        assert!(kinds(&Seen::default(), &home).is_empty(), "the first look");
        assert!(kinds(&home, &home).is_empty());
        let moved = seen("eth1", &["192.0.2.8", "2001:db8:2::1"]);
        assert_eq!(kinds(&home, &moved), [EventKind::Address]);
        // The part of an address that hosts choose, and a version that is not there yet.
        let other_host = seen("eth1", &["2001:db8:1::ffff"]);
        assert!(kinds(&home, &other_host).is_empty());
        let stick = seen("wwan0", &["198.51.100.1"]);
        assert_eq!(kinds(&home, &stick), [EventKind::Path, EventKind::Address]);
        let words = &stick.changes(&home, Link::Mobile)[0].1;
        assert_eq!(
            words,
            "the way to the Internet is wwan0, a mobile line; it was eth1"
        );
        assert!(kinds(&home, &seen("eth1", &[])).is_empty());
    }
}
