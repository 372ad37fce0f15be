//! What deviates: names, one version of the Internet Protocol against the other, the way against that of before.

use super::super::bench::{Bench, Target};
use super::super::finding::{Judged, Reason};
use super::super::slow::{self, Hops, Lookups, Trips};
use super::super::values::Families;
use super::names::{ask, name, servers};
use crate::local::verdict::median;
use std::net::IpAddr;

/// Look-ups, one after the other, and the milliseconds that each may take.
const LOOKUPS: u32 = 5;
const LOOKUP_MS: u32 = 1500;
/// Echoes over each version.
const ECHOES: u32 = 15;

/// How long the provider's first name server takes, or the system's where none is known.
pub(in crate::diagnose) async fn lookups(bench: &Bench<'_>) -> Result<Lookups, Reason> {
    let (provider, _) = servers(bench);
    let name = name(bench);
    let mut times = Vec::new();
    for _ in 0..LOOKUPS {
        let first = provider.first().copied();
        let answer = ask(bench, name.as_deref(), first, LOOKUP_MS, 0).await?;
        times.extend(answer.ok());
    }
    Ok(Lookups {
        asked: LOOKUPS,
        answered: u32::try_from(times.len()).unwrap_or(0),
        median_us: median(times),
    })
}

/// Echoes over both versions to a reference that has both.
pub(in crate::diagnose) async fn families(
    bench: &Bench<'_>,
    targets: &[Target],
) -> Result<Families<Trips>, Reason> {
    let both = targets
        .iter()
        .find_map(|target| target.addresses.ipv4.zip(target.addresses.ipv6));
    let (ipv4, ipv6) = both.ok_or(Reason::NoIpv6)?;
    let (ipv4, ipv6) = tokio::join!(
        bench.ping(ipv4, ECHOES, 200, 1000),
        bench.ping(ipv6, ECHOES, 200, 1000),
    );
    Ok(Families {
        ipv4: Some(ipv4?),
        ipv6: Some(ipv6?),
    })
}

/// The way just seen against the first one known to the same place.
pub(in crate::diagnose) fn path_change(bench: &Bench<'_>, way: Option<&(IpAddr, Hops)>) -> Judged {
    let Some((target, hops)) = way else {
        return Judged::skipped(&Reason::NoTarget);
    };
    let before = bench.means.ways.iter().find(|way| way.target == *target);
    match before {
        Some(before) => slow::path_change(hops, &before.hops, before.at),
        None => Judged::skipped(&Reason::NoHistory),
    }
}
