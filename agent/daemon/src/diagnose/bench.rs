//! What the steps measure with: the methods of the registry, names, and the small files of the system.

pub(super) mod own;

use super::finding::Reason;
use super::means::Means;
use super::slow::Trips;
use super::values::{Families, Version};
use crate::guard;
use crate::local::verdict::median;
use glimpse_model::outcome::{Ending, Outcome};
use glimpse_net::interface::{self, DefaultRoute};
use glimpse_probe::context::{Context, Meter};
use glimpse_probe::methods::http::url::Url;
use glimpse_probe::resolve::Host;
use serde_json::{Map, Value, json};
use std::fs;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// How long a name of a target is looked up.
const LOOKUP_LIMIT: Duration = Duration::from_secs(3);

/// A place outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    /// Its addresses, one of each version at most.
    pub(super) addresses: Families<IpAddr>,
    /// A TCP port that may answer where echoes are not answered.
    pub(super) port: u16,
}

/// Measures for the steps of one run, and counts what that uses.
pub(super) struct Bench<'a> {
    pub(super) means: &'a Means,
    meters: Mutex<Vec<Meter>>,
}

impl<'a> Bench<'a> {
    pub(super) fn new(means: &'a Means) -> Self {
        Self {
            means,
            meters: Mutex::default(),
        }
    }

    /// Bytes used so far, by runs that were given up too.
    pub(super) fn bytes(&self) -> u64 {
        let meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        meters.iter().map(|meter| meter.read().total()).sum()
    }

    /// Surroundings of a run of our own, whose bytes are counted.
    pub(super) fn context(&self, limit: Duration) -> Context {
        let mut meters = self.meters.lock().unwrap_or_else(PoisonError::into_inner);
        let number = meters.len() as u64;
        let context = Context {
            tls: Arc::clone(&self.means.tls),
            ..Context::unlimited(limit, self.means.seed.wrapping_add(number))
        };
        meters.push(context.meter.clone());
        context
    }

    /// The same for a host or URL of the settings: one that the controller gave may not lead into the household's network.
    pub(super) fn context_for(&self, text: &str, limit: Duration) -> Context {
        let settings = &self.means.settings;
        let context = self.context(limit);
        if !settings.diagnose.is_stranger(text) {
            return context;
        }
        let lab = settings.lab.targets;
        Context {
            admit: Arc::new(move |address| guard::target::admit(address, false, lab)),
            ..context
        }
    }

    /// Runs a method.
    pub(super) async fn measure(
        &self,
        method: &'static str,
        options: Value,
    ) -> Result<Outcome, Reason> {
        self.measure_for("", method, options).await
    }

    /// Runs a method towards a host or URL of the settings.
    pub(super) async fn measure_for(
        &self,
        text: &str,
        method: &'static str,
        options: Value,
    ) -> Result<Outcome, Reason> {
        let Some(descriptor) = self.means.registry.find(method) else {
            return Err(Reason::NoMethod(method));
        };
        let Value::Object(options) = options else {
            return Err(Reason::NoMethod(method));
        };
        let options = descriptor
            .read(&options)
            .map_err(|refused| Reason::NoAnswer(Some(format!("{method}: {refused}"))))?;
        let context = self.context_for(text, descriptor.longest_run(&options));
        Ok(descriptor.run(&options, &context).await)
    }

    /// Echoes: `count` of them, `interval_ms` apart, each waited for `timeout_ms`.
    pub(super) async fn ping(
        &self,
        address: IpAddr,
        count: u32,
        interval_ms: u32,
        timeout_ms: u32,
    ) -> Result<Trips, Reason> {
        let options = |kind| {
            json!({"host": address.to_string(), "type": kind, "count": count, "interval": interval_ms,
                "timeout": timeout_ms, "payload": 56, "source_port": 0})
        };
        let mut outcome = self.measure("ping", options("Icmp")).await?;
        if outcome.ending == Ending::Failed {
            // Without leave for ICMP there is still what closed ports answer.
            outcome = self.measure("ping", options("Udp")).await?;
        }
        Ok(trips(&outcome.probe_result))
    }

    /// A connection attempt: whatever answers it answers.
    pub(super) async fn knock(&self, address: IpAddr, port: u16) -> Result<Trips, Reason> {
        let options = json!({"host": address.to_string(), "type": "Tcp", "count": 1, "timeout": 1000,
            "destination_port": port, "source_port": 0});
        let outcome = self.measure("ping", options).await?;
        Ok(trips(&outcome.probe_result))
    }

    /// The way to a target, hop by hop; round trips with each.
    pub(super) async fn trace(
        &self,
        address: IpAddr,
        most_hops: u8,
    ) -> Result<Vec<Option<(IpAddr, u64)>>, Reason> {
        let options = json!({"host": address.to_string(), "ping_type": "Icmp", "count": 2, "max_hops": most_hops,
            "interval": 20, "gap_limit": 3, "receive_timeout": 1000, "source_port": 0});
        let mut outcome = self.measure("traceroute", options.clone()).await?;
        if outcome.ending == Ending::Failed {
            let mut options = options;
            options["ping_type"] = "Udp".into();
            outcome = self.measure("traceroute", options).await?;
        }
        let mut hops = hops(&outcome.probe_result);
        // Where the next hop does not answer, this machine itself says so.
        let own = own::addresses();
        for hop in &mut hops {
            *hop = hop.filter(|(address, _)| own.iter().all(|(_, own)| own != address));
        }
        Ok(hops)
    }

    /// The default routes: of IPv6 only where there is an address to go out with. Routers of a home announce themselves
    /// whether they have a way out or not.
    pub(super) fn routes(&self) -> Families<DefaultRoute> {
        let read = |name: &str| self.file(&format!("proc/net/{name}"));
        let mut own = own::addresses().into_iter().map(|(_, address)| address);
        let has_ipv6 = own.any(|address| address.is_ipv6() && own::leads_out(address));
        let routes = Families {
            ipv4: read("route").and_then(|text| interface::parse_ipv4_routes(&text)),
            ipv6: read("ipv6_route").and_then(|text| interface::parse_ipv6_routes(&text)),
        };
        Families {
            ipv6: routes.ipv6.filter(|_| has_ipv6),
            ..routes
        }
    }

    /// The device that packets to the Internet go by.
    pub(super) fn way_out(&self) -> Option<String> {
        let routes = self.routes();
        let told = self.means.wan.l3_device.clone();
        told.or_else(|| routes.ipv4.or(routes.ipv6).map(|route| route.interface))
    }

    /// A small file of the system; `None` when it is not there, no text, or longer than any of them.
    pub(super) fn file(&self, path: &str) -> Option<String> {
        let bytes = crate::files::read_bounded(&self.means.root.join(path), 256 << 10).ok()?;
        String::from_utf8(bytes).ok()
    }

    /// The names of the network devices.
    pub(super) fn devices(&self) -> Vec<String> {
        let entries = fs::read_dir(self.means.root.join("sys/class/net"));
        let entries = entries.into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort_unstable();
        names
    }

    /// The addresses of `host`, one of each version that the line has a way for.
    pub(super) async fn locate(&self, host: &Host) -> Families<IpAddr> {
        let found = match host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => {
                let context = self.context(LOOKUP_LIMIT);
                let lookup = context.resolver.resolve(name);
                match tokio::time::timeout(LOOKUP_LIMIT, lookup).await {
                    Ok(Ok(found)) => found,
                    _ => Vec::new(),
                }
            }
        };
        let routes = self.routes();
        let mut addresses = Families::none();
        for version in Version::BOTH {
            let first = found
                .iter()
                .map(IpAddr::to_canonical)
                .find(|&address| version.fits(address));
            addresses.set(version, first.filter(|_| routes.of(version).is_some()));
        }
        addresses
    }

    /// The references with their ports: those of the settings, or else the controller.
    pub(super) fn references(&self) -> Vec<(Host, u16)> {
        let settings = &self.means.settings;
        let named = settings.diagnose.references.iter();
        let named: Vec<(Host, u16)> = named
            .filter_map(|text| Some((Host::parse(text).ok()?, 443)))
            .collect();
        if !named.is_empty() {
            return named;
        }
        let controller = settings.controller.url.as_deref();
        let controller = controller.and_then(|url| Url::parse(url).ok());
        controller
            .map(|url| (url.host, url.port))
            .into_iter()
            .collect()
    }

    /// The references that have an address. Those of the controller's offer have none in the household's network.
    pub(super) async fn targets(&self) -> Vec<Target> {
        let references = self.references();
        let diagnose = &self.means.settings.diagnose;
        let offered = diagnose.references.first();
        let offered = offered.is_some_and(|text| diagnose.is_stranger(text));
        let lab = self.means.settings.lab.targets;
        let allowed =
            |address: &IpAddr| !offered || guard::target::admit(*address, false, lab).is_ok();
        let located = references
            .iter()
            .map(|(host, port)| async move {
                let addresses = self.locate(host).await;
                let addresses = Families {
                    ipv4: addresses.ipv4.filter(allowed),
                    ipv6: addresses.ipv6.filter(allowed),
                };
                let port = *port;
                Target { addresses, port }
            })
            .collect();
        let mut targets = together(located).await;
        targets.retain(|target| target.addresses.iter().next().is_some());
        targets
    }
}

/// The figures of a ping.
fn trips(result: &Map<String, Value>) -> Trips {
    let number = |name: &str| {
        let number = result.get(name).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok())
    };
    let all = result.get("round_trip_ms").and_then(Value::as_array);
    let us = |ms: &Value| {
        let us = ms.as_f64()? * 1000.0;
        // Figures of the method: a minute at most.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "within a minute"
        )]
        (us.is_finite() && us >= 0.0).then_some(us.round() as u64)
    };
    Trips {
        sent: number("round_trip_sent").unwrap_or(0),
        received: number("round_trip_received").unwrap_or(0),
        median_us: median(all.into_iter().flatten().filter_map(us).collect()),
    }
}

/// The hops of a traceroute.
fn hops(result: &Map<String, Value>) -> Vec<Option<(IpAddr, u64)>> {
    let hops = result.get("results").and_then(Value::as_array);
    let hop = |hop: &Value| {
        let address = hop["hop"].as_str()?.parse().ok()?;
        Some((address, hop["rtt_min"].as_u64().unwrap_or(0)))
    };
    hops.into_iter().flatten().map(hop).collect()
}

/// Waits for all of them at the same time; what they give is in their order.
pub(super) async fn together<F: Future>(work: Vec<F>) -> Vec<F::Output> {
    let mut work: Vec<Pin<Box<F>>> = work.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = work.iter().map(|_| None).collect();
    poll_fn(|wakes| {
        let mut waiting = false;
        for (work, done) in work.iter_mut().zip(&mut done) {
            if done.is_none() {
                match work.as_mut().poll(wakes) {
                    Poll::Ready(output) => *done = Some(output),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[cfg(test)]
pub(in crate::diagnose) mod tests;
