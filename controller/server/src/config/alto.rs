//! `[alto]`: what is published, and when.

use glimpse_aggregate::{Calendar, Clusters, K, Metric, Percentile, Rules, Span, Statistic, Trust};
use glimpse_alto::Prefix;
use glimpse_model::read::Refused;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DAY: Duration = Duration::from_hours(24);
/// Results that were received less than that long ago may not be in the database yet, and are left for the next version.
pub(crate) const SETTLED: Duration = Duration::from_mins(1);

/// What is published, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alto {
    /// How often is looked whether a window has closed, or another controller has published.
    pub interval: Duration,
    /// How long results are waited for after a window has closed.
    pub wait: Duration,
    /// How long after its end a window takes in late results.
    pub late: Duration,
    /// Months that stay in the archive.
    pub archive_months: u32,
    /// Lengths of the windows that are published.
    pub spans: BTreeSet<Span>,
    /// How targets become clusters.
    pub clusters: Clusters,
    /// Which results are counted.
    pub trust: Trust,
    /// Smallest group, statistics, calendars.
    pub rules: Rules,
    /// Where labels and prefixes come from that agents do not have.
    pub places: PlaceFiles,
    /// Proxies whose word for the client's address is taken.
    pub trusted_proxies: Vec<Prefix>,
    /// Bounds of requests.
    pub limits: AltoLimits,
}

/// Files of the operator that say where addresses are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlaceFiles {
    /// JSON: place, such as `as3320:de-by`, to address type to prefixes.
    pub prefixes: Option<PathBuf>,
    /// MMDBs from addresses to autonomous systems; the first that knows an address counts.
    pub asn_databases: Vec<PathBuf>,
    /// MMDBs from addresses to countries and regions, likewise.
    pub geo_databases: Vec<PathBuf>,
}

/// Bounds of requests by ALTO clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AltoLimits {
    /// Longest body.
    pub body_bytes: usize,
    /// Most endpoints, or pairs of endpoints, in one request.
    pub pairs: usize,
    /// Requests of one client in a minute; then it is told to come later.
    pub requests_per_minute: u32,
    /// Update streams that are open at once.
    pub streams: usize,
    /// Update streams of one client.
    pub client_streams: usize,
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Section {
    interval_s: u32,
    wait_s: u32,
    late_days: u32,
    archive_months: u32,
    spans: Vec<String>,
    k: usize,
    lab: bool,
    clusters: Vec<Vec<String>>,
    statistics: BTreeMap<String, Vec<String>>,
    calendars: BTreeMap<String, Vec<String>>,
    trust: TrustSection,
    prefixes: Option<PathBuf>,
    asn_databases: Vec<PathBuf>,
    geo_databases: Vec<PathBuf>,
    trusted_proxies: Vec<String>,
    limits: LimitsSection,
}

impl Default for Section {
    fn default() -> Self {
        Self {
            interval_s: 60,
            wait_s: 900,
            late_days: 7,
            archive_months: 24,
            spans: Span::ALL.map(|span| span.name().to_owned()).into(),
            k: K::DEFAULT.subscribers(),
            lab: false,
            clusters: Vec::new(),
            statistics: BTreeMap::new(),
            calendars: BTreeMap::new(),
            trust: TrustSection::default(),
            prefixes: None,
            asn_databases: Vec::new(),
            geo_databases: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: LimitsSection::default(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TrustSection {
    cpu_percent: u32,
    cross_traffic_bps: u64,
    wifi_dbm: i32,
    clock_offset_ms: u64,
}

impl Default for TrustSection {
    fn default() -> Self {
        let Trust {
            cpu_percent,
            cross_traffic_bps,
            wifi_dbm,
            clock_offset_us,
        } = Trust::default();
        Self {
            cpu_percent,
            cross_traffic_bps,
            wifi_dbm,
            clock_offset_ms: clock_offset_us / 1000,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct LimitsSection {
    body_bytes: usize,
    pairs: usize,
    requests_per_minute: u32,
    streams: usize,
    client_streams: usize,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            body_bytes: 1 << 20,
            pairs: 10_000,
            requests_per_minute: 600,
            streams: 5_000,
            client_streams: 16,
        }
    }
}

/// A metric by the name under which its columns are published; `tput` is both directions.
const METRICS: [(&str, &[Metric]); 10] = [
    ("delay-rt", &[Metric::DelayRt]),
    ("delay-rt-tcp", &[Metric::DelayRtTcp]),
    ("delay-variation", &[Metric::DelayVariation]),
    ("loss-rt", &[Metric::LossRt]),
    ("pdv-rt", &[Metric::PdvRt]),
    ("hopcount", &[Metric::HopCount]),
    ("tput", &[Metric::TputDown, Metric::TputUp]),
    ("tput-mt", &[Metric::TputMtDown, Metric::TputMtUp]),
    ("ppt", &[Metric::PacketPair]),
    ("dns-rt", &[Metric::DnsRt]),
];

const CALENDARS: [(&str, Calendar); 2] = [
    ("hour-of-day", Calendar::HourOfDay),
    ("day-of-window", Calendar::DayOfWindow),
];

impl Section {
    /// The checked section; paths are relative to `base`.
    pub(super) fn checked(self, base: &Path) -> Result<Alto, Refused> {
        let seconds = |key: &str, value: u32, least: u32| {
            at_least(key, u64::from(value), u64::from(least))?;
            Ok(Duration::from_secs(u64::from(value)))
        };
        at_least("late_days", u64::from(self.late_days), 1)?;
        at_least("archive_months", u64::from(self.archive_months), 1)?;
        let settled_s = u32::try_from(SETTLED.as_secs()).unwrap_or(u32::MAX);
        let k = if self.lab {
            K::lab()
        } else {
            K::new(self.k).map_err(|error| Refused::new("k", error.to_string()))?
        };
        let mut rules = Rules {
            k,
            ..default_rules()
        };
        for (name, texts) in &self.statistics {
            let metrics = metrics(name).map_err(|r| r.within("statistics"))?;
            let wanted = statistics(name, texts, metrics).map_err(|r| r.within("statistics"))?;
            for metric in metrics {
                rules.statistics.insert(*metric, wanted.clone());
            }
        }
        for (name, texts) in &self.calendars {
            let metrics = metrics(name).map_err(|r| r.within("calendars"))?;
            let wanted = texts.iter().enumerate().map(|(i, text)| {
                one_of(&format!("calendars.{name}[{i}]"), text, &CALENDARS).copied()
            });
            let wanted: Vec<Calendar> = unique(wanted)?;
            for metric in metrics {
                rules.calendars.insert(*metric, wanted.clone());
            }
        }
        // Of it the mandatory `routingcost` is made.
        let delays = rules.statistics.entry(Metric::DelayRt).or_default();
        if !delays.contains(&Statistic::Median) {
            delays.insert(0, Statistic::Median);
        }
        rules.statistics.retain(|_, wanted| !wanted.is_empty());
        Ok(Alto {
            interval: seconds("interval_s", self.interval_s, 1)?,
            wait: seconds("wait_s", self.wait_s, settled_s)?,
            late: DAY.saturating_mul(self.late_days),
            archive_months: self.archive_months,
            spans: spans(&self.spans)?,
            clusters: clusters(self.clusters)?,
            trust: Trust {
                cpu_percent: self.trust.cpu_percent,
                cross_traffic_bps: self.trust.cross_traffic_bps,
                wifi_dbm: self.trust.wifi_dbm,
                clock_offset_us: self.trust.clock_offset_ms.saturating_mul(1000),
            },
            rules,
            places: PlaceFiles {
                prefixes: self.prefixes.map(|path| base.join(path)),
                asn_databases: below(base, &self.asn_databases),
                geo_databases: below(base, &self.geo_databases),
            },
            trusted_proxies: proxies(&self.trusted_proxies)?,
            limits: self.limits.checked().map_err(|r| r.within("limits"))?,
        })
    }
}

impl LimitsSection {
    fn checked(self) -> Result<AltoLimits, Refused> {
        for (key, value) in [
            ("body_bytes", self.body_bytes as u64),
            ("pairs", self.pairs as u64),
            ("requests_per_minute", u64::from(self.requests_per_minute)),
        ] {
            at_least(key, value, 1)?;
        }
        Ok(AltoLimits {
            body_bytes: self.body_bytes,
            pairs: self.pairs,
            requests_per_minute: self.requests_per_minute,
            streams: self.streams,
            client_streams: self.client_streams,
        })
    }
}

fn at_least(key: &str, value: u64, least: u64) -> Result<(), Refused> {
    if value < least {
        return Err(Refused::new(key, format!("must be >= {least}, is {value}")));
    }
    Ok(())
}

/// The value of that name.
fn one_of<'a, T>(key: &str, text: &str, known: &'a [(&'static str, T)]) -> Result<&'a T, Refused> {
    let found = known.iter().find(|(name, _)| *name == text);
    found.map(|(_, value)| value).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
        Refused::new(
            key,
            format!("must be one of {}, is {text:?}", names.join(", ")),
        )
    })
}

fn metrics(name: &str) -> Result<&'static [Metric], Refused> {
    one_of(name, name, &METRICS).copied()
}

/// Each once, in their order.
fn unique<T: PartialEq>(
    values: impl Iterator<Item = Result<T, Refused>>,
) -> Result<Vec<T>, Refused> {
    let mut kept = Vec::new();
    for value in values {
        let value = value?;
        if !kept.contains(&value) {
            kept.push(value);
        }
    }
    Ok(kept)
}

fn statistics(name: &str, texts: &[String], metrics: &[Metric]) -> Result<Vec<Statistic>, Refused> {
    unique(texts.iter().enumerate().map(|(i, text)| {
        let refuse = |reason: String| Refused::new(format!("{name}[{i}]"), reason);
        let statistic: Statistic = text.parse().map_err(|_| {
            refuse(format!(
                "must be median, mean, min, max, stddev or a percentile such as p95, is {text:?}"
            ))
        })?;
        if metrics.iter().any(|m| m.statistic(statistic).is_none()) {
            return Err(refuse(format!("{name} has no {text}")));
        }
        Ok(statistic)
    }))
}

fn spans(texts: &[String]) -> Result<BTreeSet<Span>, Refused> {
    let known = Span::ALL.map(|span| (span.name(), span));
    let mut spans = BTreeSet::new();
    for (i, text) in texts.iter().enumerate() {
        spans.insert(*one_of(&format!("spans[{i}]"), text, &known)?);
    }
    if !spans.contains(&Span::SevenDays) {
        return Err(Refused::new(
            "spans",
            "must have 7-days, of which the default map is",
        ));
    }
    Ok(spans)
}

fn below(base: &Path, paths: &[PathBuf]) -> Vec<PathBuf> {
    paths.iter().map(|path| base.join(path)).collect()
}

/// An address may be in one cluster only: a network map could not tell whose it is.
fn clusters(list: Vec<Vec<String>>) -> Result<Clusters, Refused> {
    let mut known: BTreeMap<IpAddr, usize> = BTreeMap::new();
    for (i, targets) in list.iter().enumerate() {
        for (j, target) in targets.iter().enumerate() {
            let Ok(address) = target.trim().parse::<IpAddr>() else {
                continue;
            };
            if let Some(other) = known.insert(address, i)
                && other != i
            {
                return Err(Refused::new(
                    format!("clusters[{i}][{j}]"),
                    format!("{address} is in clusters[{other}] already"),
                ));
            }
        }
    }
    Ok(if list.is_empty() {
        Clusters::PerTarget
    } else {
        Clusters::Listed(list)
    })
}

fn proxies(texts: &[String]) -> Result<Vec<Prefix>, Refused> {
    let read = |(i, text): (usize, &String)| match text.parse::<IpAddr>() {
        Ok(address) => Ok(Prefix::host(address)),
        Err(_) => text.parse::<Prefix>().map_err(|error| {
            Refused::new(
                format!("trusted_proxies[{i}]"),
                format!("must be an address or a prefix, is {text:?}: {error}"),
            )
        }),
    };
    texts.iter().enumerate().map(read).collect()
}

/// What is computed unless the operator says otherwise.
fn default_rules() -> Rules {
    use Statistic::{Mean, Median, Min, Stddev};
    let percentile = |n| Percentile::new(n).map(Statistic::Percentile);
    let with = |own: &[Statistic], percentiles: &[u32]| -> Vec<Statistic> {
        let more = percentiles.iter().filter_map(|n| percentile(*n));
        own.iter().copied().chain(more).collect()
    };
    let delay = with(&[Median, Mean, Min, Stddev], &[95, 99]);
    let rate = with(&[Median, Mean, Stddev], &[25]);
    let both = vec![Calendar::HourOfDay, Calendar::DayOfWindow];
    Rules {
        k: K::DEFAULT,
        statistics: BTreeMap::from([
            (Metric::DelayRt, delay.clone()),
            (Metric::DelayRtTcp, delay),
            (Metric::DelayVariation, with(&[Median, Mean], &[95])),
            (Metric::LossRt, with(&[Median, Mean], &[95])),
            (Metric::PdvRt, with(&[Median, Mean], &[95])),
            (Metric::HopCount, with(&[Median], &[95])),
            (Metric::TputDown, rate.clone()),
            (Metric::TputUp, rate.clone()),
            (Metric::TputMtDown, rate.clone()),
            (Metric::TputMtUp, rate),
            (Metric::PacketPair, with(&[Median, Mean], &[])),
            (Metric::DnsRt, with(&[Median, Mean], &[95])),
        ]),
        calendars: [Metric::DelayRt, Metric::TputDown, Metric::TputUp]
            .map(|metric| (metric, both.clone()))
            .into(),
    }
}
