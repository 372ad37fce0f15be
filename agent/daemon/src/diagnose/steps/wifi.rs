//! The asking device's own association with the router's Wi-Fi; of nobody else's anything is read, and nothing of it kept.

use super::super::bench::Bench;
use super::super::finding::Reason;
use super::super::slow::Station;
use super::gateway::neighbour;

pub(in crate::diagnose) async fn wifi(bench: &Bench<'_>) -> Result<Station, Reason> {
    let client = bench.means.client.ok_or(Reason::NoClient)?;
    let stations = bench.means.stations.as_ref().ok_or(Reason::NoFacts)?;
    let table = bench.file("proc/net/arp").ok_or(Reason::NoFacts)?;
    let (_, hardware) = neighbour(&table, client.to_canonical()).ok_or(Reason::NoClient)?;
    let station = stations.station(hardware).await;
    station.ok_or(Reason::NotWireless)
}
