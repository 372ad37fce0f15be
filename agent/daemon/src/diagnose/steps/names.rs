//! Whether name servers answer: the provider's, the router's own, and a public one where the household allows it.

use super::super::bench::{Bench, together};
use super::super::down::{Asked, Names};
use super::super::finding::Reason;
use glimpse_probe::methods::dns::server::SystemServers;
use glimpse_probe::methods::http::url::Url;
use glimpse_probe::resolve::Host;
use serde_json::{Value, json};
use std::net::IpAddr;

/// Servers of the provider that are asked.
const SERVERS: usize = 3;
/// Where OpenWrt keeps the provider's servers, as its own name service uses them.
const UPSTREAM: [&str; 2] = ["tmp/resolv.conf.d/resolv.conf.auto", "tmp/resolv.conf.auto"];

/// The servers by kind: the provider's, the router's own.
pub(in crate::diagnose) fn servers(bench: &Bench<'_>) -> (Vec<IpAddr>, Vec<IpAddr>) {
    let listed = |path: &str| {
        let text = bench.file(path).unwrap_or_default();
        SystemServers::parse(&text).servers
    };
    let (own, mut provider): (Vec<IpAddr>, Vec<IpAddr>) = listed("etc/resolv.conf")
        .into_iter()
        .partition(IpAddr::is_loopback);
    let upstream = UPSTREAM.iter().map(|path| listed(path));
    if let Some(upstream) = upstream.into_iter().find(|servers| !servers.is_empty()) {
        provider = upstream;
    }
    if !bench.means.wan.servers.is_empty() {
        provider.clone_from(&bench.means.wan.servers);
    }
    let public = bench.means.settings.diagnose.public_dns;
    let linked = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    provider
        .retain(|address| !address.is_loopback() && Some(*address) != public && !linked(address));
    provider.truncate(SERVERS);
    (provider, own)
}

/// A name to ask for: one that the agent uses anyhow; `None`: the root, which every server knows.
pub(super) fn name(bench: &Bench<'_>) -> Option<String> {
    let settings = &bench.means.settings;
    let diagnose = &settings.diagnose;
    let urls = [
        &settings.controller.url,
        &diagnose.page_url,
        &diagnose.speed_url,
    ];
    let hosts = urls
        .into_iter()
        .flatten()
        .filter_map(|url| Some(Url::parse(url).ok()?.host));
    let references = diagnose.references.iter();
    let references = references.filter_map(|text| Host::parse(text).ok());
    hosts.chain(references).find_map(|host| match host {
        Host::Name(name) => Some(name),
        Host::Address(_) => None,
    })
}

/// Asks `server` once, or again if that is lost. How long the answer took, or why there is none.
pub(super) async fn ask(
    bench: &Bench<'_>,
    name: Option<&str>,
    server: Option<IpAddr>,
    timeout_ms: u32,
    retries: u32,
) -> Result<Result<u64, String>, Reason> {
    let (host, kind) = match name {
        Some(name) => (name, "A"),
        None => (".", "NS"),
    };
    let options = json!({"host": host, "type": kind, "timeout": timeout_ms, "retries": retries,
        "dns_server": server.map(|server| server.to_string()).unwrap_or_default()});
    let outcome = bench.measure("dnslookup", options).await?;
    let queries = outcome
        .probe_result
        .get("queries")
        .and_then(Value::as_array);
    // That there is no such name is an answer too.
    let good = |query: &&Value| {
        let rcode = query["rcode"].as_str();
        rcode.is_some_and(|rcode| ["NOERROR", "NXDOMAIN"].contains(&rcode))
    };
    let found = queries.into_iter().flatten().find(good);
    Ok(match found {
        Some(query) => Ok(query["query_us"].as_u64().unwrap_or(0)),
        None => Err(outcome.error.unwrap_or_else(|| "no answer".to_owned())),
    })
}

pub(in crate::diagnose) async fn names(bench: &Bench<'_>) -> Result<Names, Reason> {
    let (provider, router) = servers(bench);
    let public: Vec<IpAddr> = bench
        .means
        .settings
        .diagnose
        .public_dns
        .into_iter()
        .collect();
    let name = name(bench);
    let (provider, router, public) = tokio::join!(
        all(bench, name.as_deref(), &provider),
        all(bench, name.as_deref(), &router),
        all(bench, name.as_deref(), &public),
    );
    let ((provider, first), (router, second), (public, _)) = (provider?, router?, public?);
    Ok(Names {
        name: name.unwrap_or_else(|| ".".to_owned()),
        provider,
        router,
        public,
        error: first.or(second),
    })
}

async fn all(
    bench: &Bench<'_>,
    name: Option<&str>,
    servers: &[IpAddr],
) -> Result<(Asked, Option<String>), Reason> {
    let asked = servers
        .iter()
        .map(|&server| ask(bench, name, Some(server), 2000, 1))
        .collect();
    let answers = together(asked).await;
    let answers = answers.into_iter().collect::<Result<Vec<_>, Reason>>()?;
    let times = answers.iter().filter_map(|answer| answer.as_ref().ok());
    let seen = Asked {
        asked: u32::try_from(answers.len()).unwrap_or(0),
        answered: u32::try_from(times.clone().count()).unwrap_or(0),
        us: times.min().copied(),
    };
    let error = answers.into_iter().find_map(Result::err);
    Ok((seen, error))
}
