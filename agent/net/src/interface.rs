//! Which interface leads to the Internet, what kind of link it is, and what it has counted: from the text files of
//! `/proc/net` and `/sys/class/net`, three small reads instead of a netlink library. Every reader takes the root of the
//! file system, `/` in the program, a directory of fixtures in a test.

pub mod addresses;

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

/// `RTF_UP` of `linux/route.h`.
const ROUTE_UP: u32 = 0x0001;
/// `RTF_REJECT`: an "unreachable" route.
const ROUTE_REJECT: u32 = 0x0200;
/// `ARPHRD_ETHER` of `linux/if_arp.h`.
const TYPE_ETHERNET: u32 = 1;
/// `ARPHRD_RAWIP`: mobile modems without an Ethernet face.
const TYPE_RAW_IP: u32 = 519;
/// Bridges on VLANs on modems: deeper stacks are not met.
const STACK_LIMIT: u32 = 4;

/// A default route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultRoute {
    /// Name of the interface it leaves by.
    pub interface: String,
    /// Next hop; `None` on point-to-point links.
    pub gateway: Option<IpAddr>,
    /// Lower is preferred.
    pub metric: u32,
}

/// What an interface is, as far as the traffic rules care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkKind {
    /// Ethernet and what behaves like it (DSL and fibre modems behind it, `PPPoE`).
    Wired,
    /// IEEE 802.11.
    Wireless,
    /// A mobile network: GSM to 5G.
    Mobile,
    /// Not known.
    Unknown,
}

/// Totals of an interface since it came up, as the kernel counts them (link layer included).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InterfaceCounters {
    /// Bytes received.
    pub received_bytes: u64,
    /// Bytes sent.
    pub sent_bytes: u64,
    /// Packets received.
    pub received_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
}

/// The preferred default route in the text of `/proc/net/route`.
pub fn parse_ipv4_routes(text: &str) -> Option<DefaultRoute> {
    let routes = text.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let interface = fields.next()?;
        let destination = hex(fields.next()?)?;
        let gateway = hex(fields.next()?)?;
        let flags = hex(fields.next()?)?;
        let metric = fields.nth(2)?.parse().ok()?;
        let mask = hex(fields.next()?)?;
        let usable = flags & (ROUTE_UP | ROUTE_REJECT) == ROUTE_UP && is_name(interface);
        // The kernel prints the address's bytes as a number of its own byte order.
        let gateway = (gateway != 0).then(|| Ipv4Addr::from(gateway.to_ne_bytes()).into());
        (usable && destination == 0 && mask == 0).then(|| DefaultRoute {
            interface: interface.to_owned(),
            gateway,
            metric,
        })
    });
    routes.min_by_key(|route| route.metric)
}

/// The preferred default route in the text of `/proc/net/ipv6_route`.
pub fn parse_ipv6_routes(text: &str) -> Option<DefaultRoute> {
    let routes = text.lines().filter_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let &[
            destination,
            length,
            _,
            source_length,
            gateway,
            metric,
            _,
            _,
            flags,
            interface,
        ] = fields.as_slice()
        else {
            return None;
        };
        let flags = hex(flags)?;
        let usable = flags & (ROUTE_UP | ROUTE_REJECT) == ROUTE_UP
            && interface != "lo"
            && is_name(interface);
        let default = [length, source_length]
            .iter()
            .all(|length| hex(length) == Some(0))
            && u128::from_str_radix(destination, 16) == Ok(0);
        let gateway = u128::from_str_radix(gateway, 16).ok()?;
        let gateway = (gateway != 0).then(|| Ipv6Addr::from(gateway).into());
        (usable && default).then_some(DefaultRoute {
            interface: interface.to_owned(),
            gateway,
            metric: hex(metric)?,
        })
    });
    routes.min_by_key(|route| route.metric)
}

/// The default route of this machine: IPv4 where there is one, else IPv6. `None` without either.
pub fn default_route(root: &Path) -> Option<DefaultRoute> {
    let read = |name: &str| fs::read_to_string(root.join("proc/net").join(name)).ok();
    let ipv4 = read("route").and_then(|text| parse_ipv4_routes(&text));
    ipv4.or_else(|| read("ipv6_route").and_then(|text| parse_ipv6_routes(&text)))
}

/// The kind of `interface`. A bridge or VLAN is what all links below it are, or unknown when they differ.
pub fn link_kind(root: &Path, interface: &str) -> LinkKind {
    kind_within(root, interface, STACK_LIMIT)
}

/// The totals of `interface`.
///
/// # Errors
/// The file's error when the interface does not exist, `InvalidInput` for what is no interface name, `InvalidData` for a
/// counter that is no number.
pub fn counters(root: &Path, interface: &str) -> io::Result<InterfaceCounters> {
    if !is_name(interface) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let statistics = folder(root, interface).join("statistics");
    let read = |name: &str| -> io::Result<u64> {
        let text = fs::read_to_string(statistics.join(name))?;
        text.trim()
            .parse()
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    };
    Ok(InterfaceCounters {
        received_bytes: read("rx_bytes")?,
        sent_bytes: read("tx_bytes")?,
        received_packets: read("rx_packets")?,
        sent_packets: read("tx_packets")?,
    })
}

fn kind_within(root: &Path, interface: &str, depth: u32) -> LinkKind {
    if !is_name(interface) || depth == 0 {
        return LinkKind::Unknown;
    }
    let folder = folder(root, interface);
    let uevent = fs::read_to_string(folder.join("uevent")).unwrap_or_default();
    let device_type = uevent
        .lines()
        .find_map(|line| line.strip_prefix("DEVTYPE="))
        .unwrap_or_default();
    if device_type == "wlan" || folder.join("wireless").exists() || folder.join("phy80211").exists()
    {
        return LinkKind::Wireless;
    }
    // `3g-` and `4g-` are the names netifd gives dialled-up sticks, `qmi`, `wwan`, `rmnet`, `ccmni` those of modem drivers.
    let mobile = ["wwan", "rmnet", "ccmni", "qmi", "wwp", "3g-", "4g-"]
        .iter()
        .any(|prefix| interface.starts_with(prefix));
    let number = fs::read_to_string(folder.join("type"))
        .ok()
        .and_then(|text| text.trim().parse::<u32>().ok());
    if mobile || device_type == "wwan" || number == Some(TYPE_RAW_IP) {
        return LinkKind::Mobile;
    }
    if interface.starts_with("pppoe-") {
        return LinkKind::Wired;
    }
    let mut below = lower_links(&folder)
        .into_iter()
        .map(|name| kind_within(root, &name, depth - 1));
    if let Some(first) = below.next() {
        return if below.all(|kind| kind == first) {
            first
        } else {
            LinkKind::Unknown
        };
    }
    match number {
        Some(TYPE_ETHERNET) => LinkKind::Wired,
        _ => LinkKind::Unknown,
    }
}

fn lower_links(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()?
                .strip_prefix("lower_")
                .map(str::to_owned)
        })
        .collect()
}

fn folder(root: &Path, interface: &str) -> PathBuf {
    root.join("sys/class/net").join(interface)
}

/// Names the kernel accepts (`dev_valid_name`), so that none of them can leave its directory.
fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() < 16
        && name != "."
        && name != ".."
        && !name.contains(['/', ':', '\0'])
}

fn hex(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
