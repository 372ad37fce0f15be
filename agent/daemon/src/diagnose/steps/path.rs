//! How far packets get.

use super::super::bench::{Bench, Target, together};
use super::super::down::Way;
use super::super::finding::Reason;
use super::super::values::{Families, Version};
use std::net::IpAddr;
use std::time::Duration;
use tokio::time::sleep;

/// Targets tried of each version.
const TARGETS: usize = 2;
/// How far the way is followed that does not reach its target.
const HOPS: u8 = 10;
/// Before the way is followed.
const PAUSE: Duration = Duration::from_secs(1);

/// What the later steps build on.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::diagnose) struct Reached {
    /// A target of each version that answers echoes.
    pub(in crate::diagnose) echoing: Families<IpAddr>,
}

/// Tries the way to the targets; to the provider's name servers where none has an address.
pub(in crate::diagnose) async fn path(
    bench: &Bench<'_>,
    targets: &[Target],
    servers: &[IpAddr],
) -> Result<(Families<Way>, Reached), Reason> {
    let (ipv4, ipv6) = tokio::join!(
        version(bench, Version::V4, targets, servers),
        version(bench, Version::V6, targets, servers),
    );
    let (ipv4, ipv6) = (ipv4?, ipv6?);
    let echoing = Families {
        ipv4: ipv4.and_then(|(_, echoing)| echoing),
        ipv6: ipv6.and_then(|(_, echoing)| echoing),
    };
    let ways = Families {
        ipv4: ipv4.map(|(way, _)| way),
        ipv6: ipv6.map(|(way, _)| way),
    };
    Ok((ways, Reached { echoing }))
}

async fn version(
    bench: &Bench<'_>,
    version: Version,
    targets: &[Target],
    servers: &[IpAddr],
) -> Result<Option<(Way, Option<IpAddr>)>, Reason> {
    let mut tried: Vec<(IpAddr, u16)> = targets
        .iter()
        .filter_map(|target| Some((*target.addresses.of(version)?, target.port)))
        .take(TARGETS)
        .collect();
    let outside = !tried.is_empty();
    if !outside && bench.routes().of(version).is_some() {
        let servers = servers.iter().filter(|&&server| version.fits(server));
        tried = servers.take(TARGETS).map(|&server| (server, 53)).collect();
    }
    if tried.is_empty() {
        return Ok(None);
    }
    let knocks = tried
        .iter()
        .map(|&(address, port)| async move {
            let echoes = bench.ping(address, 2, 300, 1500).await?;
            if echoes.received > 0 {
                return Ok((Some(address), echoes));
            }
            // Many answer no echo, and yet connections.
            Ok((None, bench.knock(address, port).await?))
        })
        .collect();
    let answers = together(knocks).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, Reason>>()?;
    let reached = answers.iter().filter(|(_, trips)| trips.received > 0);
    let rtt_us = reached
        .clone()
        .filter_map(|(_, trips)| trips.median_us)
        .min();
    let reached = reached.count();
    let mut last_hop = 0;
    if reached == 0 {
        // Routers answer only so many lost packets in a second, and the echoes before were some.
        sleep(PAUSE).await;
        for &(address, _) in &tried {
            let hops = bench.trace(address, HOPS).await?;
            let last = hops.iter().rposition(Option::is_some);
            let last = last.and_then(|place| u8::try_from(place + 1).ok());
            last_hop = last.unwrap_or(0).max(last_hop);
        }
    }
    let echoing = answers.iter().find_map(|(echoing, _)| *echoing);
    let way = Way {
        tried: u32::try_from(tried.len()).unwrap_or(0),
        reached: u32::try_from(reached).unwrap_or(0),
        outside,
        last_hop,
        rtt_us,
    };
    Ok(Some((way, echoing)))
}
