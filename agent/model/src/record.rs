//! Records: what an agent says back, and the receipts it gets for them.

use crate::SCHEMA;
use crate::id::{InstructionId, ResultId, TaskId};
use crate::outcome::{ByteCount, Ending, Outcome};
use crate::read::{self, Cursor, Refused};
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
    /// Measured; total loss is a measurement too.
    Ok,
    /// The measurement could not be made; `error` says why.
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

    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
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

/// Why a firing did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SkipReason {
    /// The household has not agreed to measure for others.
    Consent,
    /// The monthly cap leaves no room.
    Budget,
    /// A member of `precondition` did not hold.
    Precondition,
    /// The household's quiet hours.
    QuietHours,
    /// The household forbids the method.
    MethodForbidden,
    /// The target may not be measured from here.
    TargetRefused,
    /// The target was measured too often, or is being measured.
    TargetRate,
    /// The line was in use by the household.
    CrossTraffic,
    /// The clock is not yet trusted.
    ClockUntrusted,
    /// The instruction was still running.
    Overlap,
    /// The time passed while the agent was off, asleep or busy.
    Missed,
    /// Suppressed by the controller (RFC 8193 §4.7).
    Suppressed,
    /// Too many measurements were waiting.
    QueueFull,
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

/// Runs that did not take place, one after the other for the same reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Skip {
    /// Why.
    pub reason: SkipReason,
    /// How many runs.
    pub count: u32,
    /// Planned time of the last of them; the record's `planned_time` is that of the first.
    pub last: Timestamp,
}

/// Records that were evicted before they could be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Gap {
    /// How many.
    pub count: u32,
    /// When the oldest of them was made.
    pub first: Timestamp,
    /// When the newest of them was made.
    pub last: Timestamp,
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

fn read_count(cursor: &Cursor<'_>) -> Result<u32, Refused> {
    u32::try_from(cursor.unsigned()?).map_err(|_| cursor.refuse("must be < 2^32"))
}

impl Skip {
    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let reason = members.required("reason")?;
        let word = reason.text(32)?;
        Ok(Self {
            reason: SkipReason::ALL
                .into_iter()
                .find(|known| known.as_str() == word)
                .ok_or_else(|| reason.refuse("is not a known reason"))?,
            count: read_count(&members.required("count")?)?,
            last: Timestamp::read(&members.required("last")?)?,
        })
    }
}

impl SkipReason {
    const ALL: [Self; 13] = [
        Self::Consent,
        Self::Budget,
        Self::Precondition,
        Self::QuietHours,
        Self::MethodForbidden,
        Self::TargetRefused,
        Self::TargetRate,
        Self::CrossTraffic,
        Self::ClockUntrusted,
        Self::Overlap,
        Self::Missed,
        Self::Suppressed,
        Self::QueueFull,
    ];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Budget => "budget",
            Self::Precondition => "precondition",
            Self::QuietHours => "quiet_hours",
            Self::MethodForbidden => "method_forbidden",
            Self::TargetRefused => "target_refused",
            Self::TargetRate => "target_rate",
            Self::CrossTraffic => "cross_traffic",
            Self::ClockUntrusted => "clock_untrusted",
            Self::Overlap => "overlap",
            Self::Missed => "missed",
            Self::Suppressed => "suppressed",
            Self::QueueFull => "queue_full",
        }
    }
}

impl Gap {
    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        Ok(Self {
            count: read_count(&members.required("count")?)?,
            first: Timestamp::read(&members.required("first")?)?,
            last: Timestamp::read(&members.required("last")?)?,
        })
    }
}

/// A record that is not stored, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Rejected {
    /// Its id, or its place in the batch (`records[3]`) where it had no readable one.
    pub id: String,
    /// Why.
    pub reason: String,
}

/// The repository's answer to a batch: what it names as accepted is stored for good.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Receipt {
    /// Always 2.
    pub schema: u32,
    /// Stored now or before; the agent may delete them.
    pub accepted: Vec<ResultId>,
    /// Not stored and never will be; the agent keeps them aside.
    pub rejected: Vec<Rejected>,
}

impl Receipt {
    /// An empty receipt.
    pub fn new() -> Self {
        Self {
            schema: SCHEMA,
            accepted: Vec::new(),
            rejected: Vec::new(),
        }
    }

    /// Parses an answer. An empty body is no receipt: nothing is acknowledged by it.
    ///
    /// # Errors
    /// [`Refused`] naming the member.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        members.schema()?;
        Ok(Self {
            schema: SCHEMA,
            accepted: members
                .required("accepted")?
                .array(MAX_BATCH)?
                .iter()
                .map(ResultId::read)
                .collect::<Result<_, _>>()?,
            rejected: match members.optional("rejected") {
                None => Vec::new(),
                Some(list) => list
                    .array(MAX_BATCH)?
                    .iter()
                    .map(Rejected::read)
                    .collect::<Result<_, _>>()?,
            },
        })
    }
}

impl Default for Receipt {
    fn default() -> Self {
        Self::new()
    }
}

impl Rejected {
    fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        Ok(Self {
            id: members.required("id")?.text(64)?.to_owned(),
            reason: members.required("reason")?.text(1000)?.to_owned(),
        })
    }
}

/// A batch of records (`POST /agent/v2/results`), for its schema; agents send records as they lie
/// in the spool.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Batch {
    /// Always 2.
    pub schema: u32,
    /// The records, oldest first.
    pub records: Vec<Record>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn sample() -> Record {
        let now = Timestamp::parse("2026-11-21T22:48:32.396Z").unwrap();
        let mut record = Record::new(ResultId::from_parts(now, [3; 10]), Status::Skipped);
        record.instruction_id = InstructionId::new("i-1").ok();
        record.planned_time = Some(now);
        record.skip = Some(Skip {
            reason: SkipReason::QuietHours,
            count: 3,
            last: now,
        });
        record
            .probe_result
            .insert("round_trip_avg".to_owned(), json!(0.047));
        record
    }

    #[test]
    fn what_is_printed_reads_back() {
        let record = sample();
        let value = serde_json::to_value(&record).unwrap();
        assert_eq!(Record::read(&Cursor::root(&value)).unwrap(), record);
        for reason in SkipReason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
    }

    #[test]
    fn foreign_records_are_checked() {
        for (member, value, said) in [
            ("id", json!(7), "id: must be a string"),
            (
                "status",
                json!("fine"),
                "status: must be one of ok, failed, aborted, skipped, refused, gap",
            ),
            (
                "duration",
                json!(-1),
                "duration: must be a whole number >= 0",
            ),
            (
                "probe_result",
                json!({"a": ["x\u{0}"]}),
                "probe_result: must not contain NUL characters",
            ),
            (
                "error",
                json!("a\u{0}b"),
                "error: must not contain control characters",
            ),
        ] {
            let mut document = serde_json::to_value(sample()).unwrap();
            document[member] = value;
            assert_eq!(
                Record::read(&Cursor::root(&document))
                    .unwrap_err()
                    .to_string(),
                said
            );
        }
    }

    #[test]
    fn glimpse_check_46_an_empty_answer_acknowledges_nothing() {
        for body in [&b""[..], b"{}", b"null", b"{\"schema\":2}"] {
            assert!(Receipt::parse(body).is_err());
        }
    }

    #[test]
    fn receipts_read_back() {
        let mut receipt = Receipt::new();
        receipt.accepted.push(sample().id);
        receipt.rejected.push(Rejected {
            id: "records[3]".into(),
            reason: "no".into(),
        });
        assert_eq!(
            Receipt::parse(&serde_json::to_vec(&receipt).unwrap()).unwrap(),
            receipt
        );
    }
}
