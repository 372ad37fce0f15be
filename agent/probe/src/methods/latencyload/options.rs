//! What may be asked of `latencyload`.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use glimpse_model::options::{OptionSpec, Options};
use glimpse_model::read::Refused;
use serde_json::{Map, Value, json};

use super::machine::Phase;
use crate::methods::http::options::{
    AVOID_CACHES, FAMILY, MAX_BYTES, RAMP_UP_TIME, REDIRECTS, TARGET_TIME, THREAD_LIMIT, URL,
    family, number, tally_limit, url as read_url, way_limit,
};
use crate::methods::http::url::{URL_LIMIT, Url};
use crate::methods::ping;
use crate::registry::Descriptor;
use crate::resolve::FamilyChoice;

/// Bytes that finding the way to one server may use: handshakes and heads of all hops.
pub(super) const WAY_BYTES: u64 = 128 * 1024;
/// Between phases, for queues to run empty.
pub(super) const PAUSE: Duration = Duration::from_secs(1);
/// How long the probes of one batch are sent, in milliseconds; a batch in which the load ends is not counted.
const BATCH_MS: u64 = 1000;
/// How long an answer is waited for under load, in milliseconds; `ping` waits for TCP a second at most.
const TIMEOUT_MS: u64 = 2000;
/// Beyond all limits, for a machine that is slow.
const SLACK: Duration = Duration::from_secs(5);
/// For connections and TLS before a load, and the end of an upload after it.
const LOAD_EDGES: Duration = Duration::from_secs(25);

const DIRECTIONS: &[Cow<'static, str>] = &[
    Cow::Borrowed("down"),
    Cow::Borrowed("up"),
    Cow::Borrowed("each"),
    Cow::Borrowed("both"),
    Cow::Borrowed("all"),
];
const PROBES: &[Cow<'static, str>] = &[
    Cow::Borrowed("auto"),
    Cow::Borrowed("icmp"),
    Cow::Borrowed("tcp"),
];

/// The table of options.
pub(super) const OPTIONS: &[OptionSpec] = &[
    URL,
    OptionSpec::optional_text(
        "upload_url",
        "",
        URL_LIMIT,
        "where content is posted; empty: to url as well",
    ),
    OptionSpec::choice(
        "directions",
        DIRECTIONS,
        "how the line is loaded: down, up, each (down, then up), both (at once), all (down, then up, then both at once)",
    ),
    OptionSpec::integer(
        "threads",
        4,
        1,
        THREAD_LIMIT,
        "",
        "connections that load the line, in each direction",
    ),
    OptionSpec::integer(
        "idle_time",
        5000,
        1000,
        30_000,
        "ms",
        "how long round trips are taken on the idle line",
    ),
    RAMP_UP_TIME,
    TARGET_TIME,
    OptionSpec::integer(
        "interval",
        100,
        20,
        1000,
        "ms",
        "time from one probe to the next",
    ),
    OptionSpec::choice(
        "probe",
        PROBES,
        "what is sent as probes; auto: icmp where it works, else tcp",
    ),
    AVOID_CACHES,
    REDIRECTS,
    MAX_BYTES,
    FAMILY,
];

/// By what round trips are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeChoice {
    /// ICMP where it works, else TCP.
    Auto,
    /// ICMP echoes.
    Icmp,
    /// TCP connections to the server's port.
    Tcp,
}

/// The options as values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyLoadOptions {
    /// What is downloaded.
    pub url: Url,
    /// Where is posted to.
    pub upload_url: Url,
    /// The loads, in their order.
    pub phases: Vec<Phase>,
    /// Connections in each direction: 1 to 16.
    pub threads: u16,
    /// Milliseconds of the idle phase.
    pub idle_ms: u64,
    /// Milliseconds from the beginning of a load until round trips count.
    pub ramp_ms: u64,
    /// Milliseconds for which they do.
    pub target_ms: u64,
    /// Milliseconds from one probe to the next.
    pub interval_ms: u64,
    /// By what round trips are taken.
    pub probe: ProbeChoice,
    /// Whether requests have a parameter that no cache has seen.
    pub avoid_caches: bool,
    /// Redirects that are followed.
    pub redirects: u32,
    /// Bytes at IP level that may be used by all phases together.
    pub max_bytes: u64,
    /// Which addresses may be used.
    pub family: FamilyChoice,
}

impl LatencyLoadOptions {
    /// Makes values of options that the table has accepted.
    ///
    /// # Errors
    /// [`Refused`] with the option's name: no URL, fewer bytes than the probes need.
    pub fn read(options: &Options) -> Result<Self, Refused> {
        let url = read_url(options, "url")?;
        let upload_url = match options.text("upload_url") {
            "" => url.clone(),
            _ => read_url(options, "upload_url")?,
        };
        let phases = match options.text("directions") {
            "up" => vec![Phase::Up],
            "each" => vec![Phase::Down, Phase::Up],
            "both" => vec![Phase::Both],
            "all" => vec![Phase::Down, Phase::Up, Phase::Both],
            _ => vec![Phase::Down],
        };
        let read = Self {
            url,
            upload_url,
            phases,
            threads: number(options, "threads")?,
            idle_ms: number(options, "idle_time")?,
            ramp_ms: number(options, "ramp_up_time")?,
            target_ms: number(options, "target_time")?,
            interval_ms: number(options, "interval")?,
            probe: match options.text("probe") {
                "icmp" => ProbeChoice::Icmp,
                "tcp" => ProbeChoice::Tcp,
                _ => ProbeChoice::Auto,
            },
            avoid_caches: options.boolean("avoid_caches"),
            redirects: number(options, "redirects")?,
            max_bytes: number(options, "max_bytes")?,
            family: family(options),
        };
        if read.load_bytes(read.max_bytes) < read.max_bytes / 4 / read.phases.len() as u64 {
            return Err(Refused::new(
                "max_bytes",
                "leaves too little for the load beside the probes",
            ));
        }
        Ok(read)
    }

    /// The bytes that each load may use of `bytes` for all.
    pub(super) fn load_bytes(&self, bytes: u64) -> u64 {
        let beside = self.probe_bytes() + 2 * WAY_BYTES;
        let share = bytes.saturating_sub(beside) / self.phases.len().max(1) as u64;
        tally_limit(share, self.threads * 2)
    }

    /// Bytes that probes need at most, in all phases.
    fn probe_bytes(&self) -> u64 {
        // What stands for the longest: TCP over IPv6.
        let dearest = [true, false].map(|icmp| {
            let batch = self.batch(icmp, Ipv6Addr::LOCALHOST.into(), 1);
            let method = ping::descriptor();
            method
                .read(&batch)
                .map_or(0, |options| method.worst_case_bytes(&options))
        });
        let batches =
            self.idle_batches() * 2 + self.phases.len() as u64 * (self.target_ms / BATCH_MS + 2);
        dearest
            .into_iter()
            .max()
            .unwrap_or(0)
            .saturating_mul(batches)
    }

    /// Batches of the idle phase.
    pub(super) fn idle_batches(&self) -> u64 {
        self.idle_ms.div_ceil(BATCH_MS)
    }

    /// One batch of probes to `address`, as options of [`ping`].
    pub(super) fn batch(&self, icmp: bool, address: IpAddr, port: u16) -> Map<String, Value> {
        let given = json!({
            "host": address.to_string(),
            "type": if icmp { "Icmp" } else { "Tcp" },
            "count": (BATCH_MS / self.interval_ms.max(1)).max(1),
            "interval": self.interval_ms,
            "timeout": TIMEOUT_MS,
            "destination_port": port,
            "source_port": 0,
            "payload": 56,
        });
        match given {
            Value::Object(map) => map,
            _ => Map::new(),
        }
    }

    /// The method that takes round trips.
    pub(super) fn prober() -> Descriptor {
        ping::descriptor()
    }

    /// How long the run can take, resolving included.
    pub fn longest_run(&self) -> Duration {
        let batch = Duration::from_millis(BATCH_MS + TIMEOUT_MS);
        let idle = batch * u32::try_from(self.idle_batches()).unwrap_or(u32::MAX) * 2;
        let load = PAUSE + LOAD_EDGES + Duration::from_millis(self.ramp_ms + self.target_ms);
        way_limit(self.redirects) * 2
            + idle
            + load * u32::try_from(self.phases.len()).unwrap_or(u32::MAX)
            + SLACK
    }
}
