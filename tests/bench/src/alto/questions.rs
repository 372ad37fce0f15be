//! Questions at a steady rate over TLS, and the longest prefix that holds an address.

use super::client::{Caller, Question};
use super::work;
use crate::clock;
use anyhow::{Context, Result, ensure};
use glimpse_alto::NetworkMap;
use hyper::StatusCode;
use hyper::body::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// Questions about costs between PIDs in a second.
pub(super) const MAP_RATE: u32 = 500;
/// Questions about endpoints in a second.
pub(super) const ENDPOINT_RATE: u32 = 20;
const SECONDS: u32 = 10;
const CONNECTIONS: u32 = 16;
/// PIDs on the one side; on the other are all clusters and `TOTAL`.
const SOURCES: usize = 100;
pub(super) const ENDPOINTS: usize = 1_000;
/// Of them destinations, where pairs are asked for: as many as the default limit of pairs allows.
const DESTINATIONS: usize = 10;
/// Addresses that are looked up before the clock stops.
const LOOKUPS: usize = 5_000_000;
/// So many different ones, which no cache holds with the tables.
const ADDRESSES: usize = 1 << 20;

/// Milliseconds from asking to the last byte, sorted.
pub(super) struct Times {
    pub(super) name: String,
    pub(super) bytes: usize,
    pub(super) rate: u32,
    pub(super) ms: Vec<f64>,
}

/// All questions, kind by kind.
pub(super) async fn ask(caller: &Caller, port: u16) -> Result<Vec<Times>> {
    let mut random = fastrand::Rng::with_seed(61);
    let mut times = Vec::new();
    let cost_type = json!({"cost-mode": "numerical", "cost-metric": "delay-rt"});
    let params = |name: &str| format!("application/alto-{name}+json");

    let mut leaves = work::leaves();
    let destinations: Vec<String> = (1..=work::CLUSTERS)
        .map(|cluster| format!("MSMNT-CL{cluster}"))
        .chain(["TOTAL".to_owned()])
        .collect();
    let filtered = (0..64).map(|_| {
        random.shuffle(&mut leaves);
        let body = json!({
            "cost-type": cost_type, "constraints": ["ge 10000", "le 60000"],
            "pids": {"srcs": leaves[..SOURCES], "dsts": destinations},
        });
        Question::post("/costmap/nm-seg/filter", &params("costmapfilter"), &body)
    });
    let filtered: Vec<Question> = filtered.collect();
    let name = format!("FCM {SOURCES} x {}, two constraints", destinations.len());
    times.push(paced(caller, port, name, filtered, MAP_RATE).await?);

    let clusters: Vec<String> = (0..DESTINATIONS)
        .map(|cluster| format!("ipv4:{}", work::target(cluster)))
        .collect();
    let mut endpoints =
        |count: usize| -> Vec<String> { (0..count).map(|_| work::endpoint(&mut random)).collect() };
    let costs: Vec<Question> = (0..16)
        .map(|_| {
            let sources = endpoints(ENDPOINTS - DESTINATIONS);
            let body = json!({
                "cost-type": cost_type, "endpoints": {"srcs": sources, "dsts": clusters},
            });
            Question::post("/endpointcost/nm-seg", &params("endpointcostparams"), &body)
        })
        .collect();
    let name = format!(
        "ECS of {ENDPOINTS} endpoints, {} x {DESTINATIONS}",
        ENDPOINTS - DESTINATIONS
    );
    times.push(paced(caller, port, name, costs, ENDPOINT_RATE).await?);

    let one: Vec<Question> = (0..16)
        .map(|_| {
            let body = json!({
                "cost-type": cost_type,
                "endpoints": {"srcs": endpoints(ENDPOINTS), "dsts": clusters[..1]},
            });
            Question::post("/endpointcost/nm-seg", &params("endpointcostparams"), &body)
        })
        .collect();
    let name = format!("ECS of {ENDPOINTS} endpoints to one");
    times.push(paced(caller, port, name, one, ENDPOINT_RATE).await?);

    let properties: Vec<Question> = (0..16)
        .map(|_| {
            let body = json!({"properties": ["nm-seg.pid"], "endpoints": endpoints(ENDPOINTS)});
            Question::post("/endpointprop", &params("endpointpropparams"), &body)
        })
        .collect();
    let name = format!("EPS of {ENDPOINTS} endpoints");
    times.push(paced(caller, port, name, properties, ENDPOINT_RATE).await?);
    Ok(times)
}

/// Asks at a steady rate, whether the answers come or not. A question whose moment has passed while its connection waited
/// for an answer counts from its moment.
async fn paced(
    caller: &Caller,
    port: u16,
    name: String,
    questions: Vec<Question>,
    rate: u32,
) -> Result<Times> {
    let interval = Duration::from_secs(1) / rate;
    let questions = Arc::new(questions);
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut client = caller.open(port).await?;
        // What is made by the first question of a connection is no part of it.
        client.body(&questions[0]).await?;
        clients.push(client);
    }
    let began = clock::steady();
    let mut asking = JoinSet::new();
    for (nth, mut client) in (0..).zip(clients) {
        let questions = Arc::clone(&questions);
        asking.spawn(async move {
            let (mut ms, mut bytes) = (Vec::new(), 0);
            for number in (nth..rate * SECONDS).step_by(CONNECTIONS as usize) {
                let planned = interval * number;
                let question = &questions[number as usize % questions.len()];
                let mut since = planned;
                if began.elapsed() < planned {
                    tokio::time::sleep_until((began + planned).into()).await;
                    since = began.elapsed();
                }
                let answer = client.ask(question).await?;
                ensure!(
                    answer.status == StatusCode::OK,
                    "{}: status {}: {}",
                    question.path,
                    answer.status,
                    String::from_utf8_lossy(&answer.body)
                );
                ms.push(began.elapsed().saturating_sub(since).as_secs_f64() * 1e3);
                bytes = bytes.max(answer.body.len());
            }
            Ok((ms, bytes))
        });
    }
    let mut times = Times {
        name,
        bytes: 0,
        rate,
        ms: Vec::new(),
    };
    while let Some(one) = asking.join_next().await {
        let (ms, bytes) = one??;
        times.ms.extend(ms);
        times.bytes = times.bytes.max(bytes);
    }
    times.ms.sort_by(f64::total_cmp);
    Ok(times)
}

/// Nanoseconds for finding the PID of an address in a map as it was fetched, and how many prefixes the map has.
pub(super) fn longest_prefix(document: &[u8]) -> Result<(f64, usize)> {
    #[derive(Deserialize)]
    struct Document {
        #[serde(rename = "network-map")]
        map: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    }
    let Document { map } = serde_json::from_slice(document)?;
    let map = NetworkMap::parse(&map)?;
    let mut random = fastrand::Rng::with_seed(62);
    let addresses: Vec<IpAddr> = (0..ADDRESSES).map(|_| work::address(&mut random)).collect();
    let mut found = 0_usize;
    let began = clock::steady();
    for address in addresses.iter().cycle().take(LOOKUPS) {
        found += usize::from(map.pid_of(*address).is_some());
    }
    let taken = began.elapsed();
    ensure!(
        found == LOOKUPS,
        "{} addresses have no PID",
        LOOKUPS - found
    );
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let each = taken.as_nanos() as f64 / LOOKUPS as f64;
    Ok((each, map.prefix_count()))
}

/// The tag of a fetched map.
pub(super) fn tag(document: &Bytes) -> Result<String> {
    let document: Value = serde_json::from_slice(document)?;
    let tag = document["meta"]["vtag"]["tag"].as_str();
    Ok(tag.context("no tag")?.to_owned())
}
