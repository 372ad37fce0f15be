//! What an action yielded, with all that a report says of it: names, options and tags are those with which it started.

use crate::control::{OptionEntry, Parameters};
use glimpse_model::read::{self, Cursor};
use glimpse_model::record::{Record, Status};
use glimpse_model::time::Timestamp;
use serde_json::{Value, json};

/// Most places one result may wait at.
const MAX_PLACES: usize = 1000;

/// Longest value of an option that is repeated with every result, in bytes; of longer ones a result has the name alone.
pub const MAX_VALUE: usize = 1 << 10;

/// Bytes of options and parameters that are repeated with every result. Options of methods that can run take less.
const MAX_OPTIONS: usize = 16 << 10;

/// Bytes of a block of the file systems of most routers and servers, where nothing better is known.
pub const BLOCK: u64 = 4096;

/// Another action that ran at the same time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Conflict {
    /// Its schedule.
    pub schedule: String,
    /// The action.
    pub action: String,
    /// Its task.
    pub task: String,
}

/// Where a result waits: for the next run of a schedule, or for the collectors of a reporting action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The schedule.
    pub schedule: String,
    /// The reporting action; none for the schedule as a whole.
    pub action: Option<String>,
}

/// What one run of one action yielded.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// The result.
    pub record: Record,
    /// The schedule.
    pub schedule: String,
    /// The action.
    pub action: String,
    /// The task.
    pub task: String,
    /// Options of the task, then of the action, as configured.
    pub options: Vec<OptionEntry>,
    /// Typed parameters, as configured.
    pub parameters: Option<Parameters>,
    /// Labels of task, schedule and action, each once.
    pub tags: Vec<String>,
    /// When it was due, without random delay.
    pub event: Timestamp,
    /// The cycle it belongs to.
    pub cycle: Option<String>,
    /// How it ended: 0, an exit status, or minus the number of a signal.
    pub status: i32,
    /// What ran at the same time.
    pub conflicts: Vec<Conflict>,
    /// What it measured.
    pub functions: Vec<String>,
}

/// A stored result that cannot be read back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("stored result: {0}; it is dropped")]
pub struct Damaged(String);

/// `status` of reports for a record of ours: 0 as measured, 1 where nothing could be measured, −15 (SIGTERM) where it was stopped.
pub const fn status_of(status: Status) -> i32 {
    match status {
        Status::Ok => 0,
        Status::Aborted => -15,
        _ => 1,
    }
}

impl Output {
    /// The document under which it is stored, with the places at which it waits.
    pub fn document(&self, places: &[Place]) -> Vec<u8> {
        let options: Vec<Value> = self
            .options
            .iter()
            .map(|option| json!([option.id, option.name, option.value]))
            .collect();
        let conflicts: Vec<Value> = self
            .conflicts
            .iter()
            .map(|conflict| json!([conflict.schedule, conflict.action, conflict.task]))
            .collect();
        let places: Vec<Value> = places
            .iter()
            .map(|place| json!([place.schedule, place.action]))
            .collect();
        let parameters = self
            .parameters
            .as_ref()
            .map(|p| json!([p.method, p.values]));
        json!({
            "lmap": 1, "places": places, "schedule": self.schedule, "action": self.action, "task": self.task,
            "options": options, "parameters": parameters, "tags": self.tags, "event": self.event,
            "cycle": self.cycle, "status": self.status, "conflicts": conflicts, "functions": self.functions,
            "record": self.record,
        })
        .to_string()
        .into_bytes()
    }

    /// Reads a document of [`Output::document`].
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, Vec<Place>), Damaged> {
        let document = read::json(bytes).map_err(|error| Damaged(error.to_string()))?;
        if document["lmap"] != 1 {
            return Err(Damaged("it is of another version".to_owned()));
        }
        let record = Record::read(&Cursor::at(&document["record"], "record"))
            .map_err(|error| Damaged(error.to_string()))?;
        let fault = || Damaged("a member is missing or of another type".to_owned());
        let text = |name: &str| document[name].as_str().map(str::to_owned).ok_or_else(fault);
        let list = |name: &str| document[name].as_array().ok_or_else(fault);
        let maybe = |value: &Value| value.as_str().map(str::to_owned);
        let texts = |name: &str| -> Result<Vec<String>, Damaged> {
            list(name)?
                .iter()
                .map(|v| maybe(v).ok_or_else(fault))
                .collect()
        };
        let places = list("places")?
            .iter()
            .take(MAX_PLACES)
            .map(|place| {
                Ok(Place {
                    schedule: maybe(&place[0]).ok_or_else(fault)?,
                    action: maybe(&place[1]),
                })
            })
            .collect::<Result<_, Damaged>>()?;
        let options = list("options")?
            .iter()
            .map(|option| {
                Ok(OptionEntry {
                    id: maybe(&option[0]).ok_or_else(fault)?,
                    name: maybe(&option[1]),
                    value: maybe(&option[2]),
                })
            })
            .collect::<Result<_, Damaged>>()?;
        let conflicts = list("conflicts")?
            .iter()
            .map(|conflict| {
                let at = |i: usize| maybe(&conflict[i]).ok_or_else(fault);
                Ok(Conflict {
                    schedule: at(0)?,
                    action: at(1)?,
                    task: at(2)?,
                })
            })
            .collect::<Result<_, Damaged>>()?;
        let parameters = match &document["parameters"] {
            Value::Null => None,
            value => Some(Parameters {
                method: maybe(&value[0]).ok_or_else(fault)?,
                values: value[1]
                    .as_array()
                    .ok_or_else(fault)?
                    .iter()
                    .map(|pair| {
                        Ok((
                            maybe(&pair[0]).ok_or_else(fault)?,
                            maybe(&pair[1]).ok_or_else(fault)?,
                        ))
                    })
                    .collect::<Result<_, Damaged>>()?,
            }),
        };
        let output = Self {
            record,
            schedule: text("schedule")?,
            action: text("action")?,
            task: text("task")?,
            options,
            parameters,
            tags: texts("tags")?,
            event: Timestamp::parse(&text("event")?).ok_or_else(fault)?,
            cycle: maybe(&document["cycle"]),
            status: document["status"]
                .as_i64()
                .and_then(|status| i32::try_from(status).ok())
                .ok_or_else(fault)?,
            conflicts,
            functions: texts("functions")?,
        };
        Ok((output, places))
    }

    /// What it takes where it waits: its document in whole blocks of `block` bytes.
    pub(crate) fn storage(&self, places: &[Place], block: u64) -> u64 {
        let bytes = u64::try_from(self.document(places).len()).unwrap_or(u64::MAX);
        bytes.checked_next_multiple_of(block).unwrap_or(bytes)
    }

    /// Takes out what those who read results are not to have, secret options of either kind, and what is configuration that would be
    /// repeated with every result: long values, and options beyond a few kilobytes.
    pub(crate) fn redact(&mut self, is_secret: impl Fn(&str) -> bool) {
        let mut left = MAX_OPTIONS;
        let mut fits = |length: usize| {
            left = left.saturating_sub(length);
            left > 0
        };
        for option in &mut self.options {
            let value = option.value.take();
            option.value = value.filter(|value| value.len() <= MAX_VALUE);
        }
        self.options.retain(|option| {
            let name = option.name.as_deref().unwrap_or_default();
            let value = option.value.as_deref().unwrap_or_default();
            !is_secret(name) && fits(option.id.len() + name.len() + value.len())
        });
        if let Some(parameters) = &mut self.parameters {
            let mut values = parameters.values.iter();
            let most = values.position(|(name, value)| !fits(name.len() + value.len()));
            parameters.values.truncate(most.unwrap_or(usize::MAX));
            parameters.values.retain(|(name, _)| !is_secret(name));
        }
    }
}
