//! What an instruction makes a fleet send, target by target.

use glimpse_model::instruction::{Instruction, Task};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_model::timing::Timing;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

/// What runs once counts for this long.
const HOUR_US: i64 = 3600 * SECOND;
/// Packets of a run and milliseconds between them where the options do not say.
const DEFAULT_COUNT: f64 = 3.0;
const DEFAULT_INTERVAL_MS: f64 = 1000.0;

/// A target in comparable form.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// An address; an IPv4 address within IPv6 is the IPv4 address.
    Address(IpAddr),
    /// A name in lower case without the final dot.
    Name(String),
}

impl Target {
    /// The target that a text names.
    pub fn of(text: &str) -> Self {
        let text = text.trim();
        let bare = text
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
            .unwrap_or(text);
        match bare.parse::<IpAddr>() {
            Ok(address) => Self::Address(address.to_canonical()),
            Err(_) => Self::Name(text.trim_end_matches('.').to_ascii_lowercase()),
        }
    }

    /// The target of a task: `options.host`, or the host of `options.url`.
    pub fn of_task(task: &Task) -> Option<Self> {
        let text = |name: &str| task.options.get(name).and_then(Value::as_str);
        let host = text("host").or_else(|| text("url").and_then(host_of_url))?;
        (!host.trim().is_empty()).then(|| Self::of(host))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The host of `scheme://user@host:port/path` (RFC 3986 §3.2).
fn host_of_url(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    if host.starts_with('[') {
        return host.find(']').map(|end| &host[..=end]);
    }
    host.split(':').next()
}

/// An instruction and how many agents carry it out.
#[derive(Debug, Clone, Copy)]
pub struct Load<'a> {
    /// What they do.
    pub instruction: &'a Instruction,
    /// How many of them.
    pub agents: u64,
    /// When it was given.
    pub given: Timestamp,
    /// When it was taken back, if it was.
    pub cancelled: Option<Timestamp>,
}

/// What one target gets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Demand {
    pub(super) runs_per_hour: f64,
    pub(super) packets_per_second: f64,
}

impl Demand {
    pub(super) fn add(&mut self, other: Self) {
        self.runs_per_hour += other.runs_per_hour;
        self.packets_per_second += other.packets_per_second;
    }

    pub(super) fn remove(&mut self, other: Self) {
        self.runs_per_hour = (self.runs_per_hour - other.runs_per_hour).max(0.0);
        self.packets_per_second = (self.packets_per_second - other.packets_per_second).max(0.0);
    }
}

impl Load<'_> {
    /// What each target gets; nothing of what is over, was taken back, or only the household starts.
    pub(super) fn demands(&self, now: Timestamp) -> BTreeMap<Target, Demand> {
        let mut demands = BTreeMap::new();
        if !self.counts(now) {
            return demands;
        }
        for task in &self.instruction.tasks {
            let Some(target) = Target::of_task(task) else {
                continue;
            };
            let demand: &mut Demand = demands.entry(target).or_default();
            demand.add(self.of(task));
        }
        demands
    }

    fn counts(&self, now: Timestamp) -> bool {
        match &self.instruction.timing {
            Timing::OnDemand {} => false,
            Timing::Immediate {} => self.ran_or_will_run(self.given, now),
            Timing::OneOff { time, .. } => self.ran_or_will_run((*time).max(self.given), now),
            timing => self.cancelled.is_none() && timing.next(now, self.given).is_some(),
        }
    }

    /// What runs once counts from when it was given until an hour after its time: agents see it at
    /// different moments.
    fn ran_or_will_run(&self, planned: Timestamp, now: Timestamp) -> bool {
        now.since(planned) < HOUR_US && self.cancelled.is_none_or(|at| at >= planned)
    }

    fn of(&self, task: &Task) -> Demand {
        let option = |name: &str, default: f64| {
            task.options
                .get(name)
                .and_then(Value::as_f64)
                .filter(|number| number.is_finite() && *number >= 0.0)
                .unwrap_or(default)
        };
        #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 agents")]
        let agents = self.agents as f64;
        let timing = &self.instruction.timing;
        #[expect(
            clippy::cast_precision_loss,
            reason = "at most 400 days in milliseconds"
        )]
        let spread_ms = match timing {
            Timing::OneOff { spread_ms, .. } => *spread_ms as f64,
            Timing::Periodic(periodic) => periodic.spread_ms as f64,
            Timing::Calendar(calendar) => calendar.spread_ms as f64,
            Timing::Immediate {} | Timing::OnDemand {} => 0.0,
        };
        let packets = option("count", DEFAULT_COUNT);
        // Runs that may fall together share one window; a burst is counted over a second at least.
        let length_ms = spread_ms + packets * option("interval", DEFAULT_INTERVAL_MS);
        Demand {
            runs_per_hour: agents * timing.per_hour(),
            packets_per_second: agents * packets * 1000.0 / length_ms.max(1000.0),
        }
    }
}
