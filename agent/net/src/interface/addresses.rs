//! The local networks this machine is part of: what a search among the devices of the home may be sent into.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};
use nix::sys::socket::SockaddrStorage;

use crate::target::{AddressClass, classify};

/// An address with the length of its network's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The machine's own address in it.
    pub address: IpAddr,
    /// Leading bits that all its addresses share.
    pub prefix_length: u8,
}

impl Network {
    /// Whether `other` lies in this network.
    pub fn contains(&self, other: IpAddr) -> bool {
        let differing = match (self.address, other) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).leading_zeros()
            }
            _ => return false,
        };
        differing >= u32::from(self.prefix_length)
    }
}

/// An address of an interface, as the kernel lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceAddress {
    /// Name of the interface.
    pub interface: String,
    /// Its number.
    pub index: u32,
    /// Whether it is up, can multicast, and is neither the loopback nor a tunnel to one peer.
    pub multicasts: bool,
    /// The address.
    pub network: Network,
}

/// A way into a local network: one interface, one source address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanLink {
    /// Name of the interface.
    pub interface: String,
    /// Its number, the zone of link-local addresses.
    pub index: u32,
    /// What to send from. Of IPv6 always a link-local address.
    pub source: IpAddr,
    /// The networks of the interface in that version of the protocol.
    pub networks: Vec<Network>,
}

impl LanLink {
    /// Whether `address` lies in a network of this interface.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.networks
            .iter()
            .any(|network| network.contains(address))
    }
}

/// The ways into local networks among `addresses`. An interface counts as part of a home if it has a private address and
/// no IPv4 address that is public or shared by a provider's customers (100.64/10): a router's outer interface has a link-local
/// IPv6 address too, and what is multicast there reaches the neighbours. IPv6 is used where there is a link-local
/// address to send from.
pub fn lan_links(addresses: &[InterfaceAddress]) -> Vec<LanLink> {
    let mut interfaces: BTreeMap<u32, Vec<&InterfaceAddress>> = BTreeMap::new();
    for address in addresses.iter().filter(|address| address.multicasts) {
        interfaces.entry(address.index).or_default().push(address);
    }
    let mut links = Vec::new();
    for entries in interfaces.into_values() {
        let foreign = |entry: &&InterfaceAddress| {
            let address = entry.network.address;
            address.is_ipv4() && !is_home(address)
        };
        if entries.iter().any(foreign) || !entries.iter().any(|entry| is_private(entry)) {
            continue;
        }
        let networks = |ipv4: bool| -> Vec<Network> {
            entries
                .iter()
                .map(|entry| entry.network)
                .filter(|network| network.address.is_ipv4() == ipv4)
                .filter_map(within_home)
                .collect()
        };
        let (ipv4, ipv6) = (networks(true), networks(false));
        let link = |source: IpAddr, networks: &[Network]| {
            entries.first().map(|entry| LanLink {
                interface: entry.interface.clone(),
                index: entry.index,
                source,
                networks: networks.to_vec(),
            })
        };
        links.extend(ipv4.iter().filter_map(|own| link(own.address, &ipv4)));
        let link_local = ipv6
            .iter()
            .find(|own| classify(own.address) == AddressClass::LinkLocal);
        links.extend(link_local.and_then(|own| link(own.address, &ipv6)));
    }
    links
}

/// The ways into the local networks of this machine.
///
/// # Errors
/// What the kernel said when it was asked for the addresses.
pub fn local_links() -> io::Result<Vec<LanLink>> {
    let addresses: Vec<InterfaceAddress> = getifaddrs()?
        .filter_map(|entry| {
            let network = network(entry.address.as_ref()?, entry.netmask.as_ref()?)?;
            let wanted = InterfaceFlags::IFF_UP
                | InterfaceFlags::IFF_RUNNING
                | InterfaceFlags::IFF_MULTICAST;
            let unwanted = InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_POINTOPOINT;
            Some(InterfaceAddress {
                index: if_nametoindex(entry.interface_name.as_str()).ok()?,
                interface: entry.interface_name,
                multicasts: entry.flags.contains(wanted) && !entry.flags.intersects(unwanted),
                network,
            })
        })
        .collect();
    Ok(lan_links(&addresses))
}

/// The network, no wider than the block of private addresses it is in, whatever mask was set; `None` outside of them.
fn within_home(network: Network) -> Option<Network> {
    let block = match network.address {
        address if !is_home(address) => return None,
        IpAddr::V4(address) => match address.octets() {
            [10, ..] => 8,
            [172, ..] => 12,
            _ => 16,
        },
        IpAddr::V6(address) if address.is_unicast_link_local() => 10,
        IpAddr::V6(_) => 7,
    };
    Some(Network {
        prefix_length: network.prefix_length.max(block),
        ..network
    })
}

/// Whether the address is one of a home's network: private or link-local, but not of a provider's inner network (RFC 6598).
pub fn is_home(address: IpAddr) -> bool {
    let shared = matches!(address, IpAddr::V4(v4) if matches!(v4.octets(), [100, 64..=127, ..]));
    !shared
        && matches!(
            classify(address),
            AddressClass::Private | AddressClass::LinkLocal
        )
}

/// A link-local IPv6 address is on every interface and says nothing.
fn is_private(entry: &InterfaceAddress) -> bool {
    let address = entry.network.address;
    is_home(address) && (address.is_ipv4() || classify(address) == AddressClass::Private)
}

fn network(address: &SockaddrStorage, mask: &SockaddrStorage) -> Option<Network> {
    let ip = |socket: &SockaddrStorage| -> Option<IpAddr> {
        let v4 = socket.as_sockaddr_in().map(|v4| IpAddr::V4(v4.ip()));
        v4.or_else(|| socket.as_sockaddr_in6().map(|v6| IpAddr::V6(v6.ip())))
    };
    let ones = match ip(mask)? {
        IpAddr::V4(mask) => Ipv4Addr::to_bits(mask).leading_ones(),
        IpAddr::V6(mask) => Ipv6Addr::to_bits(mask).leading_ones(),
    };
    Some(Network {
        address: ip(address)?,
        prefix_length: u8::try_from(ones).ok()?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    fn entry(interface: &str, index: u32, text: &str) -> InterfaceAddress {
        let (address, length) = text.split_once('/').unwrap();
        InterfaceAddress {
            interface: interface.to_owned(),
            index,
            multicasts: interface != "lo",
            network: Network {
                address: address.parse().unwrap(),
                prefix_length: length.parse().unwrap(),
            },
        }
    }

    #[test]
    fn only_the_home_side_of_a_router_is_searched() {
        let links = lan_links(&[
            entry("lo", 1, "127.0.0.1/8"),
            entry("br-lan", 3, "192.168.1.1/24"),
            entry("br-lan", 3, "fd00:1::1/64"),
            entry("br-lan", 3, "2001:db8:1::1/64"),
            entry("br-lan", 3, "fe80::1/64"),
            entry("wan", 2, "203.0.113.7/24"),
            entry("wan", 2, "fe80::2/64"),
            entry("cgn", 4, "100.64.3.4/10"),
            entry("cgn", 4, "192.168.7.1/24"),
            entry("ds-lite", 5, "fe80::3/64"),
        ]);
        let sources: Vec<_> = links
            .iter()
            .map(|link| (link.index, link.source.to_string()))
            .collect();
        assert_eq!(
            sources,
            [(3, "192.168.1.1".to_owned()), (3, "fe80::1".to_owned())]
        );
        let inside = |link: usize, address: &str| links[link].contains(address.parse().unwrap());
        assert!(inside(0, "192.168.1.254") && !inside(0, "192.168.2.1") && !inside(0, "fe80::5"));
        assert!(inside(1, "fe80::5") && inside(1, "fd00:1::77") && !inside(1, "fd00:2::1"));
        assert!(
            !inside(1, "2001:db8:1::9"),
            "a global address is no LAN target"
        );
    }

    #[test]
    fn a_mask_too_wide_does_not_reach_outside() {
        let links = lan_links(&[entry("eth0", 2, "10.0.0.1/0")]);
        assert!(links[0].contains([10, 168, 3, 4].into()));
        assert!(!links[0].contains([8, 8, 8, 8].into()));
        assert!(!links[0].contains([100, 64, 0, 1].into()));
        assert!(!links[0].contains([127, 0, 0, 1].into()));
    }

    #[test]
    fn the_kernel_is_asked() {
        for link in local_links().unwrap() {
            assert!(
                is_home(link.source) && link.contains(link.source) && link.index > 0,
                "{link:?}"
            );
        }
    }
}
