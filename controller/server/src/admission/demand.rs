//! What an instruction makes a fleet send, target by target.

use super::targets::{MOST_TARGETS, Program, Weight};
use glimpse_model::id::TaskId;
use glimpse_model::instruction::{Instruction, Task};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_model::timing::Timing;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// What runs once counts for this long.
pub(super) const HOUR_US: i64 = 3600 * SECOND;

/// Rates are counted in whole parts of this size, so that what is taken away is exactly what was added.
const PARTS: f64 = 1e12;

/// What stands before the method of a task that [`task`] made.
const MADE: &str = "lmap:";

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
        let unzoned = bare.split('%').next().unwrap_or(bare);
        if let Ok(address) = unzoned.parse::<IpAddr>() {
            return Self::Address(address.to_canonical());
        }
        let text = text.trim_end_matches('.');
        match legacy(text) {
            Some(address) => Self::Address(address.into()),
            None => Self::Name(text.to_ascii_lowercase()),
        }
    }

    /// The targets of a task: of each of its options that names any.
    pub fn all(task: &Task) -> BTreeSet<Self> {
        let mut found = BTreeSet::new();
        if task.method.starts_with(MADE) {
            let made = task.options.get("targets").and_then(Value::as_array);
            let texts = made.into_iter().flatten().filter_map(Value::as_str);
            found.extend(texts.map(Self::of));
            return found;
        }
        let program = Program::named(&task.method);
        for (name, value) in &task.options {
            program.targets(Some(name), value, &mut found);
        }
        found
    }
}

/// What `inet_aton` takes for an address: one to four numbers, decimal, octal or hexadecimal, the last of which fills what is left.
fn legacy(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(part).collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    if first.len() > 3 || first.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(first.len()).ok()?;
    if u64::from(*last) >= 1_u64 << room {
        return None;
    }
    let high = first.iter().zip([24, 16, 8]);
    Some(Ipv4Addr::from_bits(
        high.fold(*last, |bits, (part, shift)| bits | part << shift),
    ))
}

fn part(text: &str) -> Option<u32> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = match hexadecimal {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_number
        .then(|| u32::from_str_radix(digits, radix).ok())
        .flatten()
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A task that stands for one of a configuration (RFC 8194): what it runs is said by targets and weight alone.
///
/// # Errors
/// How many targets there are, when they are too many.
pub fn task(
    id: TaskId,
    program: &str,
    targets: &BTreeSet<Target>,
    weight: Weight,
) -> Result<Task, usize> {
    if targets.len() > MOST_TARGETS {
        return Err(targets.len());
    }
    let targets: Vec<Value> = targets
        .iter()
        .map(|target| Value::from(target.to_string()))
        .collect();
    let name: String = program
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        .take(40)
        .collect();
    let options = Map::from_iter([
        ("targets".to_owned(), Value::from(targets)),
        ("packets".to_owned(), Value::from(weight.packets)),
        ("length".to_owned(), Value::from(weight.length_ms)),
    ]);
    Ok(Task {
        id,
        method: format!("{MADE}{name}"),
        options,
    })
}

fn weight(task: &Task) -> Weight {
    if task.method.starts_with(MADE) {
        let number = |name: &str| task.options.get(name).and_then(Value::as_u64);
        return Weight {
            packets: number("packets").unwrap_or(1),
            length_ms: number("length").unwrap_or(1),
        };
    }
    Program::named(&task.method).weight(&task.options)
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

/// What one target gets, in parts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Demand {
    runs: u128,
    packets: u128,
}

impl Demand {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and no rate is negative"
    )]
    pub(super) fn new(runs_per_hour: f64, packets_per_second: f64) -> Self {
        Self {
            runs: (runs_per_hour * PARTS).round() as u128,
            packets: (packets_per_second * PARTS).round() as u128,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate to be compared")]
    pub(super) fn runs_per_hour(self) -> f64 {
        self.runs as f64 / PARTS
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate to be compared")]
    pub(super) fn packets_per_second(self) -> f64 {
        self.packets as f64 / PARTS
    }

    fn times(self, agents: u64) -> Self {
        Self {
            runs: self.runs.saturating_mul(agents.into()),
            packets: self.packets.saturating_mul(agents.into()),
        }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.runs = self.runs.saturating_add(other.runs);
        self.packets = self.packets.saturating_add(other.packets);
    }

    pub(super) fn remove(&mut self, other: Self) {
        self.runs = self.runs.saturating_sub(other.runs);
        self.packets = self.packets.saturating_sub(other.packets);
    }

    /// No more than `most` of either.
    pub(super) fn within(self, most: Self) -> Self {
        Self {
            runs: self.runs.min(most.runs),
            packets: self.packets.min(most.packets),
        }
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
            let each = self.of(task).times(self.agents);
            for target in Target::all(task) {
                let demand: &mut Demand = demands.entry(target).or_default();
                demand.add(each);
            }
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

    /// What one agent sends.
    fn of(&self, task: &Task) -> Demand {
        let timing = &self.instruction.timing;
        let spread_ms = match timing {
            Timing::OneOff { spread_ms, .. } => *spread_ms,
            Timing::Periodic(periodic) => periodic.spread_ms,
            Timing::Calendar(calendar) => calendar.spread_ms,
            Timing::Immediate {} | Timing::OnDemand {} => 0,
        };
        let weight = weight(task);
        // Runs that may fall together share one window; a burst is counted over a second at least.
        let spread_ms = u64::try_from(spread_ms).unwrap_or(0);
        let length_ms = weight.length_ms.saturating_add(spread_ms).max(1000);
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        let packets_per_second = weight.packets as f64 * 1000.0 / length_ms as f64;
        Demand::new(timing.per_hour(), packets_per_second)
    }
}

/// Since when a run still counts of a load that an agent no longer has: one in the last hour; of what repeats, one beyond what it
/// counted for while it stood: the first comes at once. Whoever gives the same again and again has each counted.
pub(super) fn ran(instruction: &Instruction, given: Timestamp, at: Timestamp) -> Option<Timestamp> {
    let hour_ago = at.plus_micros(-HOUR_US);
    match &instruction.timing {
        Timing::OnDemand {} => None,
        Timing::Immediate {} => (given > hour_ago).then_some(given),
        Timing::OneOff { time, .. } => {
            let planned = (*time).max(given);
            (planned <= at && planned > hour_ago).then_some(planned)
        }
        timing => {
            let spread_ms = match timing {
                Timing::Periodic(periodic) => periodic.spread_ms,
                Timing::Calendar(calendar) => calendar.spread_ms,
                _ => 0,
            };
            let spread_us = spread_ms.saturating_mul(1000);
            // Without a start, the moment at which it is given is its first time.
            let since = hour_ago.plus_micros(-spread_us);
            let since = since.max(given.plus_micros(-1));
            let slot = timing.next(since, given);
            slot.is_some_and(|slot| slot <= at).then_some(at)
        }
    }
}
