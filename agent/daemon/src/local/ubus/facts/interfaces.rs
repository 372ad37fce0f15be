//! `network.interface dump`: which interface leads to the Internet.

use super::{device, text};
use serde_json::Value;
use std::net::{IpAddr, Ipv6Addr};

/// Most interfaces looked at.
const INTERFACES: usize = 64;
/// Most routes, addresses or servers of one.
const ENTRIES: usize = 64;
/// Most addresses or servers kept.
const KEPT: usize = 8;
/// The main table of routes; the others are chosen by rules of the household's.
const MAIN_TABLE: u64 = 254;

/// Protocols of mobile networks.
const MOBILE: [&str; 7] = [
    "3g",
    "qmi",
    "mbim",
    "ncm",
    "modemmanager",
    "wwan",
    "directip",
];

/// The way to the Internet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wan {
    /// Its name in the configuration, such as `wan`.
    pub interface: String,
    /// The device of the line itself, such as `eth1`.
    pub device: Option<String>,
    /// The device that packets go by, such as `pppoe-wan`.
    pub l3_device: Option<String>,
    /// How addresses are asked for, such as `dhcp`.
    pub protocol: Option<String>,
    /// Whether it is up.
    pub up: bool,
    /// Whether a default route leads by it.
    pub routed: bool,
    /// How long it was up when this was asked, in seconds.
    pub uptime_s: Option<u64>,
    /// Its addresses, of both versions, without those of the link alone.
    pub addresses: Vec<IpAddr>,
    /// Next hops of the default routes; none on links between two points.
    pub gateways: Vec<IpAddr>,
    /// The provider's name servers.
    pub servers: Vec<IpAddr>,
    /// The code of the last error, such as `AUTH_TOPEER_FAILED`.
    pub error: Option<String>,
}

/// A default route of one version.
struct Way<'a> {
    interface: &'a Value,
    metric: u64,
    gateway: Option<IpAddr>,
}

impl Wan {
    /// Reads the answer of `network.interface dump`: the interface with the default route of the lowest metric, of
    /// IPv4 before IPv6. Where there is no route, the interface that was it (`last`), or else the first that should be up
    /// and asks a provider for its address.
    pub fn read(dump: &Value, last: Option<&str>) -> Option<Self> {
        let interfaces = entries(dump, "interface", INTERFACES);
        let up = |interface: &&Value| flag(interface, "up");
        let route = |ipv6| {
            let routes = interfaces
                .iter()
                .filter(up)
                .filter_map(|interface| default(interface, ipv6));
            routes.min_by_key(|route| route.metric)
        };
        let routes: Vec<Way<'_>> = [route(false), route(true)].into_iter().flatten().collect();
        let Some(first) = routes.first() else {
            let named = |interface: &&Value| {
                last.is_some() && interface.get("interface").and_then(Value::as_str) == last
            };
            let wanting = |interface: &&Value| {
                let protocol = interface.get("proto").and_then(Value::as_str);
                let asks = !matches!(protocol, None | Some("static" | "none" | "unmanaged"));
                asks && flag(interface, "autostart") && !flag(interface, "dynamic")
            };
            let down = interfaces
                .iter()
                .find(named)
                .or_else(|| interfaces.iter().find(wanting))?;
            return Self::of(down, &[down]);
        };
        let parts: Vec<&Value> = routes.iter().map(|route| route.interface).collect();
        let mut wan = Self::of(first.interface, &parts)?;
        wan.routed = true;
        wan.gateways = routes.iter().filter_map(|route| route.gateway).collect();
        Some(wan)
    }

    /// Whether it is a mobile network by its protocol.
    pub fn is_mobile(&self) -> bool {
        let protocol = self.protocol.as_deref();
        protocol.is_some_and(|protocol| MOBILE.contains(&protocol))
    }

    /// Whether it has that name, or goes by that device.
    pub fn is_named(&self, name: &str) -> bool {
        let devices = [&self.device, &self.l3_device];
        self.interface == name || devices.into_iter().flatten().any(|device| device == name)
    }

    fn of(interface: &Value, parts: &[&Value]) -> Option<Self> {
        let member = |name: &str| interface.get(name).and_then(text);
        let mut wan = Self {
            interface: member("interface")?,
            device: interface.get("device").and_then(device),
            l3_device: interface.get("l3_device").and_then(device),
            protocol: member("proto"),
            up: flag(interface, "up"),
            uptime_s: interface.get("uptime").and_then(Value::as_u64),
            error: error(interface),
            ..Self::default()
        };
        for part in parts {
            for name in ["ipv4-address", "ipv6-address"] {
                let addresses = entries(part, name, ENTRIES).iter();
                add(
                    &mut wan.addresses,
                    addresses.filter_map(|entry| address(entry.get("address")?)),
                );
            }
            // A provider may give a prefix for the home and no address for the router itself.
            let prefixes = entries(part, "ipv6-prefix-assignment", ENTRIES).iter();
            let own = |entry: &Value| address(entry.get("local-address")?.get("address")?);
            add(&mut wan.addresses, prefixes.filter_map(own));
            add(
                &mut wan.servers,
                entries(part, "dns-server", ENTRIES)
                    .iter()
                    .filter_map(address),
            );
        }
        Some(wan)
    }
}

fn add(kept: &mut Vec<IpAddr>, found: impl Iterator<Item = IpAddr>) {
    for address in found {
        if kept.len() < KEPT && !kept.contains(&address) && !is_of_link(address) {
            kept.push(address);
        }
    }
}

fn is_of_link(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

fn default(interface: &Value, ipv6: bool) -> Option<Way<'_>> {
    let target: IpAddr = if ipv6 {
        Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    let number = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64);
    let own = number(interface, "metric").unwrap_or(0);
    let routes = entries(interface, "route", ENTRIES).iter().filter(|route| {
        let to = route.get("target").and_then(address);
        to == Some(target)
            && number(route, "mask") == Some(0)
            && number(route, "table").is_none_or(|table| table == MAIN_TABLE)
    });
    let routes = routes.map(|route| Way {
        interface,
        metric: number(route, "metric").unwrap_or(own),
        gateway: route
            .get("nexthop")
            .and_then(address)
            .filter(|gateway| !gateway.is_unspecified()),
    });
    routes.min_by_key(|route| route.metric)
}

fn error(interface: &Value) -> Option<String> {
    let errors = entries(interface, "errors", ENTRIES);
    errors
        .iter()
        .rev()
        .find_map(|error| text(error.get("code")?))
}

fn flag(interface: &Value, name: &str) -> bool {
    interface.get(name).and_then(Value::as_bool) == Some(true)
}

fn address(value: &Value) -> Option<IpAddr> {
    value.as_str()?.parse().ok()
}

fn entries<'a>(of: &'a Value, name: &str, most: usize) -> &'a [Value] {
    let entries = of.get(name).and_then(Value::as_array);
    let entries = entries.map_or(&[][..], Vec::as_slice);
    entries.get(..most).unwrap_or(entries)
}
