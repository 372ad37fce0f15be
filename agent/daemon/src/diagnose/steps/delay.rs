//! Delay and loss along the way: the same echoes at the same time to the first hops and to the references.

use super::super::bench::{Bench, Target, together};
use super::super::finding::Reason;
use super::super::slow::{Delay, Hops, Trips};
use super::super::values::Version;
use std::net::IpAddr;

/// Echoes to each place, and the milliseconds between them.
const ECHOES: (u32, u32) = (40, 100);
/// The same in the speed test.
const QUICK: (u32, u32) = (30, 100);
/// The last hop that counts as near: the home's own router behind this one, the provider's first boxes.
const NEAR: usize = 3;
/// How far the way is followed.
const HOPS: u8 = 20;
/// A hop that answers within this, in microseconds, is before the trouble.
const GOOD_US: u64 = 30_000;
const TIMEOUT_MS: u32 = 1000;

/// What was seen.
pub(in crate::diagnose) struct Seen {
    /// Delay and loss.
    pub(in crate::diagnose) delay: Delay,
    /// The way to the first reference.
    pub(in crate::diagnose) way: Option<(IpAddr, Hops)>,
}

/// The address of a target that the system would take first.
fn preferred(target: &Target) -> Option<IpAddr> {
    Version::BOTH
        .into_iter()
        .find_map(|version| target.addresses.of(version).copied())
}

pub(in crate::diagnose) async fn delay(
    bench: &Bench<'_>,
    targets: &[Target],
) -> Result<Seen, Reason> {
    let far: Vec<IpAddr> = targets.iter().filter_map(preferred).collect();
    let hops = match far.first() {
        Some(&first) => bench.trace(first, HOPS).await?,
        None => Vec::new(),
    };
    let gateway = bench.routes().ipv4.and_then(|route| route.gateway);
    let mut near: Vec<(u8, IpAddr)> = hops
        .iter()
        .take(NEAR)
        .zip(1..)
        .filter_map(|(hop, place)| Some((place, (*hop)?.0)))
        .filter(|(_, address)| !far.contains(address))
        .collect();
    // One that lets packets live too long does not show on the way.
    if near.first().is_none_or(|&(place, _)| place > 1)
        && let Some(gateway) = gateway.filter(|gateway| !far.contains(gateway))
    {
        near.insert(0, (1, gateway));
    }
    let (count, interval_ms) = ECHOES;
    let places = near.iter().map(|&(_, address)| address).chain(far.clone());
    let pings = places
        .map(|address| bench.ping(address, count, interval_ms, TIMEOUT_MS))
        .collect();
    let trips = together(pings).await;
    let mut trips = trips.into_iter().collect::<Result<Vec<Trips>, Reason>>()?;
    let far_trips = trips.split_off(near.len());
    let good = |hop: &Option<(IpAddr, u64)>| hop.is_some_and(|(_, us)| us < GOOD_US);
    let after_hop = hops.iter().rposition(good);
    Ok(Seen {
        delay: Delay {
            near: near
                .iter()
                .zip(trips)
                .map(|(&(place, _), trips)| (place, trips))
                .collect(),
            far: far_trips,
            after_hop: after_hop.and_then(|place| u8::try_from(place + 1).ok()),
        },
        way: far.first().map(|&target| {
            let hops = hops.iter().map(|hop| hop.map(|(address, _)| address));
            (target, hops.collect())
        }),
    })
}

/// The delay of the idle line, for the speed test.
pub(in crate::diagnose) async fn idle(
    bench: &Bench<'_>,
    targets: &[Target],
) -> Result<Trips, Reason> {
    let (count, interval_ms) = QUICK;
    let pings = targets
        .iter()
        .filter_map(preferred)
        .map(|address| bench.ping(address, count, interval_ms, TIMEOUT_MS))
        .collect();
    let trips = together(pings).await;
    let trips = trips.into_iter().collect::<Result<Vec<Trips>, Reason>>()?;
    // The nearest of those that answer.
    let nearest = trips
        .iter()
        .min_by_key(|trips| trips.median_us.unwrap_or(u64::MAX));
    Ok(nearest.copied().unwrap_or_default())
}
