//! The work: who has measured what, and which prefixes places have.
//!
//! ```text
//! 20 ISPs × 21 regions × 3 technologies: 20 + 420 + 1 260 = 1 700 places, and TOTAL
//! 14 subscribers in each of the smallest: 17 640, of whom some have not measured some metric
//! 12 metrics towards 20 clusters once each, and delay-rt again and again: 10 million records
//! ```

use anyhow::Result;
use glimpse_aggregate::{Facts, Labels, Ledger, Metric, Observations, Row, Window};
use glimpse_controller::config::Alto;
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, Ipv6Addr};

const ISPS: usize = 20;
const REGIONS: usize = 21;
const TECHNOLOGIES: [&str; 3] = ["cable", "fttp", "vdsl"];
/// Of a place without smaller ones: fewer than 2 k, so that nobody can be left out of a cohort.
const SUBSCRIBERS: usize = 14;
pub(super) const CLUSTERS: usize = 20;
/// Everybody's records, of which one to each cluster is of each metric.
const RECORDS_EACH: usize = 568;
/// Clusters to which a subscriber measures delays in each hour of the day, so that they have calendars.
const HOURLY_CLUSTERS: usize = 8;
/// One subscriber in so many has not measured one of the metrics.
const GAPS: usize = 50;
const HOUR_US: i64 = 3_600_000_000;

/// Prefixes of IPv4: /24 one beside the other, and a /20 around each sixteen.
const SMALL_PREFIXES: u32 = 188_000;
const SMALL_IN_LARGE: u32 = 16;
/// Prefixes of IPv6: /48 one beside the other.
const IPV6_PREFIXES: u32 = 50_250;
/// Prefixes in all.
pub(super) const PREFIXES: u32 = SMALL_PREFIXES + SMALL_PREFIXES / SMALL_IN_LARGE + IPV6_PREFIXES;
const FIRST_IPV4: u32 = 0x0b00_0000;
const FIRST_IPV6: u128 = 0x2a00 << 112;

/// The address that a cluster is measured at.
pub(super) fn target(cluster: usize) -> String {
    format!("192.0.2.{}", cluster + 1)
}

/// The smallest places, as PIDs.
pub(super) fn leaves() -> Vec<String> {
    let places = (0..ISPS).flat_map(|isp| (0..REGIONS).map(move |region| (isp, region)));
    places
        .flat_map(|(isp, region)| {
            TECHNOLOGIES.map(|tech| format!("{}:{}:{tech}", isp_name(isp), region_name(region)))
        })
        .collect()
}

fn isp_name(isp: usize) -> String {
    format!("as{}", 64_500 + isp)
}

fn region_name(region: usize) -> String {
    format!("zz-{region:02}")
}

/// All results of the window as a state, and how many they are.
pub(super) fn observations(
    ledger: &Ledger,
    window: Window,
    as_of_us: i64,
    config: &Alto,
) -> Result<(Observations, usize)> {
    let mut state = ledger.observe(window, as_of_us, &config.clusters, config.trust)?;
    let targets: Vec<String> = (0..CLUSTERS).map(target).collect();
    let mut random = fastrand::Rng::with_seed(6);
    let (mut subscriber, mut records) = (0_usize, 0_usize);
    for (isp, region, technology, _) in population() {
        let (isp, region) = (isp_name(isp), region_name(region));
        let name = format!("{subscriber:022}");
        let labels = Labels {
            isp: Some(&isp),
            region: Some(&region),
            technology: Some(technology),
            contract: None,
        };
        let mut add = |metric: Metric, cluster: usize, hour: usize, value: u64| {
            // A day for each hour in turn, so that the days have results too.
            let day = (hour + cluster) % 7;
            let after = i64::try_from(day * 24 + hour % 24).unwrap_or(0) * HOUR_US;
            let start_us = window.start_us() + after + 1;
            records += 1;
            state.add(&Row {
                subscriber: &name,
                labels,
                metric,
                target: &targets[cluster],
                values: &[value],
                start_us,
                received_us: start_us + 1,
                facts: Facts::default(),
            });
        };
        for (nth, metric) in Metric::ALL.into_iter().enumerate() {
            if subscriber % GAPS == 0 && subscriber / GAPS % Metric::ALL.len() == nth {
                continue;
            }
            for cluster in 0..CLUSTERS {
                add(metric, cluster, cluster, figure(metric, &mut random));
            }
        }
        for nth in 0..RECORDS_EACH - Metric::ALL.len() * CLUSTERS {
            let hourly = HOURLY_CLUSTERS * 24;
            let (cluster, hour) = if nth < hourly {
                (nth / 24, nth % 24)
            } else {
                (HOURLY_CLUSTERS + nth % (CLUSTERS - HOURLY_CLUSTERS), nth)
            };
            let value = figure(Metric::DelayRt, &mut random);
            add(Metric::DelayRt, cluster, hour, value);
        }
        subscriber += 1;
    }
    Ok((state, records))
}

/// How many subscribers there are.
pub(super) fn subscribers() -> usize {
    population().count()
}

fn population() -> impl Iterator<Item = (usize, usize, &'static str, usize)> {
    (0..ISPS).flat_map(|isp| {
        (0..REGIONS).flat_map(move |region| {
            TECHNOLOGIES.into_iter().flat_map(move |technology| {
                (0..SUBSCRIBERS).map(move |nth| (isp, region, technology, nth))
            })
        })
    })
}

fn figure(metric: Metric, random: &mut fastrand::Rng) -> u64 {
    use glimpse_aggregate::Unit;
    match metric.unit() {
        Unit::Microseconds => random.u64(5_000..80_000),
        Unit::PartsPerMillion => random.u64(0..20_000),
        Unit::Hops => random.u64(4..20),
        Unit::BytesPerSecond => random.u64(1_000_000..120_000_000),
    }
}

/// The file that says which place a prefix belongs to: neighbours belong to different ones.
pub(super) fn prefixes() -> Value {
    let places = leaves();
    let mut by_place: Vec<[Vec<String>; 2]> = vec![Default::default(); places.len()];
    let mut give = |number: u32, family: usize, prefix: String| {
        let place = number as usize * 7_919 % places.len();
        by_place[place][family].push(prefix);
    };
    for number in 0..SMALL_PREFIXES {
        let address = Ipv4Addr::from_bits(FIRST_IPV4 + (number << 8));
        give(number, 0, format!("{address}/24"));
        if number % SMALL_IN_LARGE == 0 {
            give(number + 1, 0, format!("{address}/20"));
        }
    }
    for number in 0..IPV6_PREFIXES {
        let address = Ipv6Addr::from_bits(FIRST_IPV6 + (u128::from(number) << 80));
        give(number, 1, format!("{address}/48"));
    }
    let member = |(place, [ipv4, ipv6]): (String, [Vec<String>; 2])| {
        (place, json!({"ipv4": ipv4, "ipv6": ipv6}))
    };
    places
        .into_iter()
        .zip(by_place)
        .map(member)
        .collect::<Map<_, _>>()
        .into()
}

/// An address within the prefixes, seldom beside them.
pub(super) fn address(random: &mut fastrand::Rng) -> std::net::IpAddr {
    if random.u32(0..5) == 0 {
        let number = u128::from(random.u32(0..IPV6_PREFIXES + IPV6_PREFIXES / 50));
        let host = u128::from(random.u64(..));
        return Ipv6Addr::from_bits(FIRST_IPV6 + (number << 80) + host).into();
    }
    let number = random.u32(0..SMALL_PREFIXES + SMALL_PREFIXES / 50);
    Ipv4Addr::from_bits(FIRST_IPV4 + (number << 8) + random.u32(0..256)).into()
}

/// An address of the network as ALTO writes it (RFC 7285 §10.4.3).
pub(super) fn endpoint(random: &mut fastrand::Rng) -> String {
    let address = address(random);
    let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
    format!("{family}:{address}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_work_is_as_large_as_it_says() {
        assert_eq!(ISPS + ISPS * REGIONS + leaves().len(), 1_700);
        assert_eq!(subscribers(), 17_640);
        assert!(subscribers() * RECORDS_EACH > 10_000_000);
        assert_eq!(PREFIXES, 250_000);
        let file = prefixes();
        let all: BTreeSet<&str> = file
            .as_object()
            .into_iter()
            .flat_map(Map::values)
            .flat_map(|families| [&families["ipv4"], &families["ipv6"]])
            .flat_map(|list| list.as_array().into_iter().flatten())
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(all.len(), PREFIXES as usize);
    }
}
