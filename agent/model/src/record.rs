//! Records: what an agent says back, and the receipts it gets for them.

mod receipt;
mod skip;

pub use receipt::{Batch, Receipt, Rejected};
pub use skip::{Gap, Skip, SkipReason};

use crate::id::{InstructionId, ResultId, TaskId};
use crate::outcome::{ByteCount, Ending, Outcome};
use crate::read::{Cursor, Refused};
use crate::time::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

/// Most records in one batch.
pub const MAX_BATCH: usize = 10_000;

/// What became of a firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// At least one figure or answer that was asked for came, and `error` names what is missing; total loss is a measurement
    /// too.
    Ok,
    /// None came; `error` says why.
    Failed,
    /// Stopped at its deadline or from outside.
    Aborted,
    /// Not run; `skip` says why.
    Skipped,
    /// The instruction is not carried out; `error` has the path to the offending member.
    Refused,
    /// Records were lost to the bound of the spool; `gap` counts them.
    Gap,
}

impl Status {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
            Self::Skipped => "skipped",
            Self::Refused => "refused",
            Self::Gap => "gap",
        }
    }

    /// Reads the word.
    ///
    /// # Errors
    /// [`Refused`] naming the words there are.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let word = cursor.text(16)?;
        [
            Self::Ok,
            Self::Failed,
            Self::Aborted,
            Self::Skipped,
            Self::Refused,
            Self::Gap,
        ]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| cursor.refuse("must be one of ok, failed, aborted, skipped, refused, gap"))
    }
}

impl From<Ending> for Status {
    fn from(ending: Ending) -> Self {
        match ending {
            Ending::Done => Self::Ok,
            Ending::Failed => Self::Failed,
            Ending::Aborted => Self::Aborted,
        }
    }
}

/// Something about the circumstances of a run that speaks against its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// The processor was too busy to be sure of times and rates.
    CpuLoad,
}

impl Flag {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CpuLoad => "cpu_load",
        }
    }

    /// Flags that are not known come from newer agents and say nothing to this program.
    fn read_all(cursor: &Cursor<'_>) -> Result<Vec<Self>, Refused> {
        let mut flags = Vec::new();
        for item in cursor.array(16)? {
            if item.text(32)? == Self::CpuLoad.as_str() && flags.is_empty() {
                flags.push(Self::CpuLoad);
            }
        }
        Ok(flags)
    }
}

/// One result with its circumstances: the paper's listing 2, with ids.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Record {
    /// Made on the agent; the repository stores an id once.
    pub id: ResultId,
    /// The instruction that asked for it; missing where it had no readable id.
    pub instruction_id: Option<InstructionId>,
    /// The task within the instruction.
    pub task_id: Option<TaskId>,
    /// Name of the method.
    pub method: Option<String>,
    /// What became of the firing.
    pub status: Status,
    /// When the run was planned, without its random spread.
    pub planned_time: Option<Timestamp>,
    /// When it started.
    pub start_time: Option<Timestamp>,
    /// When it ended.
    pub end_time: Option<Timestamp>,
    /// End minus start on a steady clock, in milliseconds.
    pub duration: u64,
    /// What went wrong, for people; empty when nothing did.
    pub error: String,
    /// What speaks against the figures; missing when nothing does.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub flags: Vec<Flag>,
    /// For `skipped`.
    pub skip: Option<Skip>,
    /// For `gap`.
    pub gap: Option<Gap>,
    /// The method's figures.
    pub probe_result: Map<String, Value>,
    /// State of the machine before the run.
    pub pre_info: Map<String, Value>,
    /// State of the machine after the run.
    pub post_info: Map<String, Value>,
    /// Bytes counted.
    pub bytes: ByteCount,
}

impl Record {
    /// A record of `status` with nothing but its id: the others are set by name.
    pub fn new(id: ResultId, status: Status) -> Self {
        Self {
            id,
            instruction_id: None,
            task_id: None,
            method: None,
            status,
            planned_time: None,
            start_time: None,
            end_time: None,
            duration: 0,
            error: String::new(),
            flags: Vec::new(),
            skip: None,
            gap: None,
            probe_result: Map::new(),
            pre_info: Map::new(),
            post_info: Map::new(),
            bytes: ByteCount::default(),
        }
    }

    /// The record of a finished run.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.status = outcome.ending.into();
        self.probe_result = outcome.probe_result;
        self.error = outcome.error.unwrap_or_default();
        self.bytes = outcome.bytes;
        self
    }

    /// Reads a record of a batch; members that are not known are ignored.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let time = |name| {
            members
                .optional(name)
                .map(|at| Timestamp::read(&at))
                .transpose()
        };
        let map = |name| match members.optional(name) {
            Some(map) => map.object().map(|m| m.map().clone()),
            None => Ok(Map::new()),
        };
        let record = Self {
            id: ResultId::read(&members.required("id")?)?,
            instruction_id: members
                .optional("instruction_id")
                .map(|id| InstructionId::read(&id))
                .transpose()?,
            task_id: members
                .optional("task_id")
                .map(|id| TaskId::read(&id))
                .transpose()?,
            method: members
                .optional("method")
                .map(|method| method.text(64).map(str::to_owned))
                .transpose()?,
            status: Status::read(&members.required("status")?)?,
            planned_time: time("planned_time")?,
            start_time: time("start_time")?,
            end_time: time("end_time")?,
            duration: members
                .optional("duration")
                .map_or(Ok(0), |d| d.unsigned())?,
            error: match members.optional("error") {
                Some(error) => error.text(4096)?.to_owned(),
                None => String::new(),
            },
            flags: members
                .optional("flags")
                .map_or(Ok(Vec::new()), |flags| Flag::read_all(&flags))?,
            skip: members
                .optional("skip")
                .map(|skip| Skip::read(&skip))
                .transpose()?,
            gap: members
                .optional("gap")
                .map(|gap| Gap::read(&gap))
                .transpose()?,
            probe_result: map("probe_result")?,
            pre_info: map("pre_info")?,
            post_info: map("post_info")?,
            bytes: match members.optional("bytes") {
                Some(bytes) => read_bytes(&bytes)?,
                None => ByteCount::default(),
            },
        };
        if let Some(name) = [&record.probe_result, &record.pre_info, &record.post_info]
            .into_iter()
            .zip(["probe_result", "pre_info", "post_info"])
            .find_map(|(map, name)| map.iter().any(|(k, v)| has_nul(k, v)).then_some(name))
        {
            return Err(Refused::new(
                members.path_of(name),
                "must not contain NUL characters",
            ));
        }
        Ok(record)
    }
}

/// NUL has no place in a figure, and not every database stores it.
fn has_nul(key: &str, value: &Value) -> bool {
    key.contains('\0')
        || match value {
            Value::String(text) => text.contains('\0'),
            Value::Array(items) => items.iter().any(|item| has_nul("", item)),
            Value::Object(map) => map.iter().any(|(k, v)| has_nul(k, v)),
            _ => false,
        }
}

fn read_bytes(cursor: &Cursor<'_>) -> Result<ByteCount, Refused> {
    let members = cursor.object()?;
    Ok(ByteCount {
        sent: members.required("sent")?.unsigned()?,
        received: members.required("received")?.unsigned()?,
    })
}

#[cfg(test)]
mod tests;
