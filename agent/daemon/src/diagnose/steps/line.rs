//! Link and addresses, from the system bus where there is one, else from the kernel's files.

use super::super::bench::{Bench, own};
use super::super::down::{Address, Link};
use super::super::values::{Families, Version};
use glimpse_net::interface::{self, LinkKind};
use std::net::IpAddr;

/// `IFF_UP` of `linux/if.h`.
const IFF_UP: u32 = 1;
/// How devices are called that lead outside where no route says so.
const OUTWARD: [&str; 5] = ["wan", "pppoe-", "wwan", "ppp", "eth0.2"];

pub(in crate::diagnose) fn link(bench: &Bench<'_>) -> Link {
    let wan = &bench.means.wan;
    let device = wan.device.clone().or_else(|| device(bench));
    let read = |device: &str, file: &str| bench.file(&format!("sys/class/net/{device}/{file}"));
    let flags = device.as_deref().and_then(|device| read(device, "flags"));
    let flags =
        flags.and_then(|text| u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok());
    // The kernel gives no carrier of a device that is switched off.
    let carrier = device.as_deref().and_then(|device| read(device, "carrier"));
    let kind = |device: &str| match interface::link_kind(&bench.means.root, device) {
        LinkKind::Wired => "wired",
        LinkKind::Wireless => "wireless",
        LinkKind::Mobile => "mobile",
        LinkKind::Unknown => "unknown",
    };
    Link {
        interface: wan.interface.clone(),
        kind: device.as_deref().map(kind),
        up: flags.map(|flags| flags & IFF_UP != 0),
        carrier: carrier.map(|text| text.trim() != "0"),
        device,
    }
}

/// The device of the line where nobody tells: that of the default route, else one whose name says so, else the only one.
fn device(bench: &Bench<'_>) -> Option<String> {
    bench.way_out().or_else(|| {
        let devices: Vec<String> = bench
            .devices()
            .into_iter()
            .filter(|name| name != "lo")
            .collect();
        let outward = |name: &&String| OUTWARD.iter().any(|start| name.starts_with(start));
        match (devices.iter().find(outward), &devices[..]) {
            (Some(found), _) => Some(found.clone()),
            (None, [only]) => Some(only.clone()),
            _ => None,
        }
    })
}

pub(in crate::diagnose) fn address(bench: &Bench<'_>) -> Address {
    let wan = &bench.means.wan;
    let routes = bench.routes();
    let device = bench.way_out().or_else(|| device(bench));
    let all = own::addresses();
    let mut own = Families::none();
    for version in Version::BOTH {
        let usable = |address: IpAddr| version.fits(address) && own::leads_out(address);
        let on_line = all
            .iter()
            .find(|(name, address)| Some(name) == device.as_ref() && usable(*address));
        // A provider may give a prefix for the home, and none to the line itself.
        let anywhere = || {
            let routed = version == Version::V6 && routes.ipv6.is_some();
            all.iter().find(|(_, address)| routed && usable(*address))
        };
        let found = on_line.or_else(anywhere).map(|(_, address)| *address);
        own.set(version, found);
    }
    Address {
        protocol: wan.protocol.clone(),
        own,
        route: routes.ipv4.is_some() || routes.ipv6.is_some(),
        error: wan.error.clone(),
    }
}
