//! What outlives the process: counters, what has happened once, and which suppressions are active. Results wait elsewhere
//! ([`crate::Output::document`]).

use crate::event::{Delayed, EVENT_LIMIT, Mark};
use crate::run::{ActionCounters, Completion, Machine, ScheduleCounters};
use crate::suppression::Held;
use glimpse_model::sorted::{SortedMap, SortedSet};
use glimpse_model::time::Timestamp;
use serde_json::{Map, Value, json};

/// Version of the document.
const VERSION: u64 = 1;

/// Largest document read, in bytes.
pub const MAX_BYTES: usize = 4 << 20;

/// Most entries of each kind.
const MAX_ENTRIES: usize = 10_000;

/// What a former process left.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// It stopped by itself after writing this; else times since then may have passed, nobody knows which.
    pub clean: bool,
    /// The controller was lost.
    pub lost: bool,
    /// Of events.
    pub marks: SortedMap<String, Mark>,
    /// Of suppressions.
    pub held: SortedMap<String, Held>,
    /// Suppressions that come and go with events that repeat. Only [`Snapshot::is_urgent_after`] asks; the document has none.
    pub passing: SortedSet<String>,
    /// Counters of schedules.
    pub schedules: SortedMap<String, ScheduleCounters>,
    /// Counters of instructions of the JSON door.
    pub json: SortedMap<String, ScheduleCounters>,
}

/// A document that is not a snapshot. The agent starts anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("saved state: {0}; the agent starts without it")]
pub struct Damaged(&'static str);

const SHAPE: Damaged = Damaged("a member is missing or of another type");

impl Machine {
    /// What a later process must know; `clean` where this one stops now.
    pub fn snapshot(&self, clean: bool) -> Snapshot {
        let schedules = self.control().schedules.iter();
        let repeats = |event: &Option<String>| {
            let event = event.as_ref();
            event.is_some_and(|event| self.agenda().is_repeating(event))
        };
        let held = self.suppressions().held();
        let passing = held.iter();
        Snapshot {
            clean,
            lost: self.agenda().is_lost(),
            marks: self.agenda().marks(),
            passing: passing
                .filter(|(_, held)| repeats(&held.start) && repeats(&held.end))
                .map(|(name, _)| name.clone())
                .collect(),
            held,
            schedules: schedules
                .filter_map(|s| Some((s.name.clone(), self.counters(&s.name)?.clone())))
                .collect(),
            json: self.all_json_counters().clone(),
        }
    }
}

impl Snapshot {
    /// Whether one-shots differ from `other`, or suppressions that such have started or ended: what must be on the device at once.
    /// Everything else may wait for the hour, for flash wears by writing: counters, whether the controller is lost, and suppressions that
    /// come and go by themselves, of which each later process learns with their next event.
    pub fn is_urgent_after(&self, other: &Self) -> bool {
        let done = |marks: &SortedMap<String, Mark>| -> Vec<(String, u64, usize, Option<usize>)> {
            let marks = marks.iter();
            let of = |(name, mark): (&String, &Mark)| {
                let waiting = mark.done.then_some(mark.waiting.len());
                (name.clone(), mark.digest, mark.served.len(), waiting)
            };
            marks.map(of).collect()
        };
        let lasting = |held: &SortedMap<String, Held>| -> Vec<(String, Held)> {
            let lasting = held
                .iter()
                .filter(|(name, _)| !self.passing.contains(*name));
            lasting
                .map(|(name, held)| (name.clone(), held.clone()))
                .collect()
        };
        lasting(&self.held) != lasting(&other.held) || done(&self.marks) != done(&other.marks)
    }

    /// The document. Where it would be larger than [`MAX_BYTES`] it has no counters: what must not happen twice is worth more.
    pub fn document(&self) -> Vec<u8> {
        let whole = self.write(&self.schedules, &self.json);
        if whole.len() <= MAX_BYTES {
            return whole;
        }
        let none = SortedMap::new();
        self.write(&none, &none)
    }

    fn write(
        &self,
        schedules: &SortedMap<String, ScheduleCounters>,
        json: &SortedMap<String, ScheduleCounters>,
    ) -> Vec<u8> {
        let marks: Map<String, Value> = self
            .marks
            .iter()
            .map(|(name, mark)| {
                let value = json!([
                    format!("{:016x}", mark.digest),
                    mark.since,
                    mark.cursor,
                    mark.done,
                    mark.served,
                    mark.waiting.iter().map(put_delayed).collect::<Vec<_>>()
                ]);
                (name.clone(), value)
            })
            .collect();
        let held: Map<String, Value> = self
            .held
            .iter()
            .map(|(name, held)| {
                (
                    name.clone(),
                    json!([held.start, held.end, held.active, held.ended]),
                )
            })
            .collect();
        let counters = |all: &SortedMap<String, ScheduleCounters>| -> Value {
            let all = all.iter();
            Value::Object(
                all.map(|(name, of)| (name.clone(), put_schedule(of)))
                    .collect(),
            )
        };
        json!({
            "version": VERSION, "clean": self.clean, "lost": self.lost, "events": marks, "suppressions": held,
            "schedules": counters(schedules), "json": counters(json),
        })
        .to_string()
        .into_bytes()
    }

    /// Reads a document.
    ///
    /// # Errors
    /// [`Damaged`], also for a document of another version or larger than [`MAX_BYTES`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Damaged> {
        if bytes.len() > MAX_BYTES {
            return Err(Damaged("it is larger than any that is written"));
        }
        let document: Value =
            serde_json::from_slice(bytes).map_err(|_| Damaged("it is not JSON"))?;
        if document["version"] != VERSION {
            return Err(Damaged("it is of another version"));
        }
        let mut snapshot = Self {
            clean: boolean(&document["clean"])?,
            lost: boolean(&document["lost"])?,
            ..Self::default()
        };
        for (name, value) in object(&document["events"])? {
            let mark = Mark {
                digest: value[0]
                    .as_str()
                    .and_then(|digits| u64::from_str_radix(digits, 16).ok())
                    .ok_or(SHAPE)?,
                since: time(&value[1])?.ok_or(SHAPE)?,
                cursor: time(&value[2])?.ok_or(SHAPE)?,
                done: boolean(&value[3])?,
                served: read_all(&value[4], usize::MAX, text)?,
                // Older versions did not write it down.
                waiting: match &value[5] {
                    Value::Null => Vec::new(),
                    waiting => read_all(waiting, EVENT_LIMIT, read_delayed)?,
                },
            };
            snapshot.marks.insert(name.clone(), mark);
        }
        for (name, value) in object(&document["suppressions"])? {
            let held = Held {
                start: value[0].as_str().map(str::to_owned),
                end: value[1].as_str().map(str::to_owned),
                active: boolean(&value[2])?,
                ended: boolean(&value[3])?,
            };
            snapshot.held.insert(name.clone(), held);
        }
        for (member, into) in [
            ("schedules", &mut snapshot.schedules),
            ("json", &mut snapshot.json),
        ] {
            for (name, value) in object(&document[member])? {
                into.insert(name.clone(), read_schedule(value)?);
            }
        }
        Ok(snapshot)
    }
}

fn object(value: &Value) -> Result<&Map<String, Value>, Damaged> {
    match value.as_object() {
        Some(map) if map.len() <= MAX_ENTRIES => Ok(map),
        Some(_) => Err(Damaged("it has too many entries")),
        None => Err(SHAPE),
    }
}

fn boolean(value: &Value) -> Result<bool, Damaged> {
    value.as_bool().ok_or(SHAPE)
}

fn time(value: &Value) -> Result<Option<Timestamp>, Damaged> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => Timestamp::parse(text).map(Some).ok_or(SHAPE),
        _ => Err(SHAPE),
    }
}

fn counter(value: &Value) -> Result<u32, Damaged> {
    value
        .as_u64()
        .and_then(|count| u32::try_from(count).ok())
        .ok_or(SHAPE)
}

fn read_all<T, C: FromIterator<T>>(
    value: &Value,
    most: usize,
    read: impl Fn(&Value) -> Result<T, Damaged>,
) -> Result<C, Damaged> {
    let values = value.as_array().ok_or(SHAPE)?;
    values.iter().take(most).map(read).collect()
}

fn text(value: &Value) -> Result<String, Damaged> {
    value.as_str().map(str::to_owned).ok_or(SHAPE)
}

fn put_delayed(of: &Delayed) -> Value {
    json!([of.nominal, of.due, of.only])
}

fn read_delayed(value: &Value) -> Result<Delayed, Damaged> {
    Ok(Delayed {
        nominal: time(&value[0])?.ok_or(SHAPE)?,
        due: time(&value[1])?.ok_or(SHAPE)?,
        only: match &value[2] {
            Value::Null => None,
            names => Some(read_all(names, usize::MAX, text)?),
        },
    })
}

fn put_schedule(of: &ScheduleCounters) -> Value {
    let actions: Map<String, Value> = of
        .actions
        .iter()
        .map(|(name, of)| (name.clone(), put_action(of)))
        .collect();
    json!([
        of.invocations,
        of.suppressions,
        of.overlaps,
        of.failures,
        of.last_invocation,
        actions
    ])
}

fn put_completion(of: Option<&Completion>) -> Value {
    of.map_or(Value::Null, |of| json!([of.at, of.status, of.message]))
}

fn put_action(of: &ActionCounters) -> Value {
    json!([
        of.invocations,
        of.suppressions,
        of.overlaps,
        of.failures,
        of.last_invocation,
        put_completion(of.last.as_ref()),
        put_completion(of.last_failed.as_ref()),
    ])
}

fn read_schedule(value: &Value) -> Result<ScheduleCounters, Damaged> {
    let mut of = ScheduleCounters {
        invocations: counter(&value[0])?,
        suppressions: counter(&value[1])?,
        overlaps: counter(&value[2])?,
        failures: counter(&value[3])?,
        last_invocation: time(&value[4])?,
        actions: SortedMap::new(),
    };
    for (name, value) in object(&value[5])? {
        of.actions.insert(name.clone(), read_action(value)?);
    }
    Ok(of)
}

fn read_action(value: &Value) -> Result<ActionCounters, Damaged> {
    Ok(ActionCounters {
        invocations: counter(&value[0])?,
        suppressions: counter(&value[1])?,
        overlaps: counter(&value[2])?,
        failures: counter(&value[3])?,
        last_invocation: time(&value[4])?,
        last: read_completion(&value[5])?,
        last_failed: read_completion(&value[6])?,
    })
}

fn read_completion(value: &Value) -> Result<Option<Completion>, Damaged> {
    if value.is_null() {
        return Ok(None);
    }
    Ok(Some(Completion {
        at: time(&value[0])?.ok_or(SHAPE)?,
        status: value[1]
            .as_i64()
            .and_then(|status| i32::try_from(status).ok())
            .ok_or(SHAPE)?,
        message: value[2].as_str().ok_or(SHAPE)?.to_owned(),
    }))
}
