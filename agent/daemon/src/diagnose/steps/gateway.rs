//! Whether the provider's first box answers.

use super::super::bench::{Bench, Target};
use super::super::down::{Echoes, Gateway};
use super::super::finding::Reason;
use super::super::slow::Trips;
use super::super::values::{Families, Version};
use glimpse_net::interface::DefaultRoute;
use glimpse_net::target::{AddressClass, classify};
use std::net::IpAddr;

/// `ATF_COM` of `linux/if_arp.h`: the neighbour has answered.
const ARP_COMPLETE: u32 = 2;

/// Asks the gateways of both versions. `targets` are where a packet is sent whose time ends at the first box, where that
/// has no address to ask it by.
pub(in crate::diagnose) async fn gateway(
    bench: &Bench<'_>,
    targets: &[Target],
) -> Result<Families<Gateway>, Reason> {
    let routes = bench.routes();
    let routed = routes.iter().next().is_some();
    let (ipv4, ipv6) = tokio::join!(
        one(bench, routes.ipv4, Version::V4, targets),
        one(bench, routes.ipv6, Version::V6, targets),
    );
    let (ipv4, ipv6) = (ipv4?, ipv6?);
    if routed && ipv4.is_none() && ipv6.is_none() {
        // Between two points, and nothing behind it to send to.
        return Err(Reason::NoTarget);
    }
    Ok(Families { ipv4, ipv6 })
}

async fn one(
    bench: &Bench<'_>,
    route: Option<DefaultRoute>,
    version: Version,
    targets: &[Target],
) -> Result<Option<Gateway>, Reason> {
    let Some(route) = route else { return Ok(None) };
    let linked = |address: &IpAddr| classify(*address) == AddressClass::LinkLocal;
    // An address of the link alone needs the link's name as well, which the methods do not take.
    let Some(address) = route.gateway.filter(|address| !linked(address)) else {
        let far = targets
            .iter()
            .find_map(|target| target.addresses.of(version));
        let Some(&far) = far else { return Ok(None) };
        let hops = bench.trace(far, 1).await?;
        let first = hops.first().copied().flatten();
        return Ok(Some(Gateway {
            address: route.gateway.or(first.map(|(address, _)| address)),
            neighbour: None,
            echoes: Echoes {
                sent: 2,
                received: u32::from(first.is_some()),
                rtt_us: first.map(|(_, us)| us),
            },
        }));
    };
    let Trips {
        sent,
        received,
        median_us,
    } = bench.ping(address, 3, 300, 1000).await?;
    let table = bench.file("proc/net/arp").unwrap_or_default();
    Ok(Some(Gateway {
        address: Some(address),
        neighbour: neighbour(&table, address).map(|(complete, _)| complete),
        echoes: Echoes {
            sent,
            received,
            rtt_us: median_us,
        },
    }))
}

/// Whether the neighbour with this address has answered, and its hardware address, from the text of `/proc/net/arp`;
/// `None` when it does not stand there.
pub(super) fn neighbour(table: &str, address: IpAddr) -> Option<(bool, &str)> {
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let own: IpAddr = fields.next()?.parse().ok()?;
        let flags = fields.nth(1)?.trim_start_matches("0x");
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let hardware = fields.next()?;
        (own == address).then_some((flags & ARP_COMPLETE != 0, hardware))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_stand_in_the_table_with_or_without_an_answer() {
        let table = "IP address       HW type     Flags       HW address            Mask     Device\n\
                     192.0.2.1        0x1         0x2         02:00:00:00:00:01     *        eth1\n\
                     192.0.2.2        0x1         0x0         00:00:00:00:00:00     *        eth1\n\
                     rubbish\n";
        let of = |text: &str| neighbour(table, text.parse().unwrap_or([0; 4].into()));
        assert_eq!(of("192.0.2.1"), Some((true, "02:00:00:00:00:01")));
        assert_eq!(of("192.0.2.2"), Some((false, "00:00:00:00:00:00")));
        assert_eq!(of("192.0.2.3"), None);
        assert_eq!(neighbour("", [192, 0, 2, 1].into()), None);
    }
}
