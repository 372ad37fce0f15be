//! Instructions: one timing, an ordered list of tasks, and what must hold.

use crate::SCHEMA;
use crate::id::{InstructionId, TaskId};
use crate::precondition::Precondition;
use crate::read::{self, Cursor, Members, Refused};
use crate::timing::Timing;
use serde::Serialize;
use serde_json::{Map, Value};

/// Most instructions in one set.
pub const MAX_INSTRUCTIONS: usize = 1000;
/// Longest purpose of an instruction, in characters.
pub const MAX_PURPOSE: usize = 200;
/// Most tasks in one instruction.
pub const MAX_TASKS: usize = 32;

/// One measurement of an instruction. The options are checked by the method's own table.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Task {
    /// Its id, which its results bear.
    pub id: TaskId,
    /// Name of the method, such as `ping`.
    pub method: String,
    /// Options of the method as they came.
    pub options: Map<String, Value>,
}

/// In what order the tasks of an instruction run (RFC 8194 `execution-mode`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Execution {
    /// The next when the previous one has ended, whatever its status: the JSON door's default.
    #[default]
    Sequential,
    /// All at once.
    Parallel,
    /// Stage by stage, each one's result handed to the next: the LMAP door's default.
    Pipelined,
}

/// What the agent is to do, and when.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Instruction {
    /// Its id, which its results bear.
    pub id: InstructionId,
    /// When it fires.
    pub timing: Timing,
    /// What runs at a firing, in order; at least one. A document with one may say `task` instead.
    pub tasks: Vec<Task>,
    /// In what order.
    pub execution: Execution,
    /// What must hold.
    pub precondition: Precondition,
    /// Targets in the household's own network are meant; runs only where the household allows it.
    pub lan: bool,
    /// What it is for, in words for the household that measures: at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(length(max = 200)))]
    pub purpose: Option<String>,
}

impl Instruction {
    /// Reads one instruction; `check` judges each task by its method's own table, with paths
    /// relative to the task.
    pub fn read(cursor: &Cursor<'_>, check: &TaskCheck<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let execution = match members.optional("execution") {
            None => Execution::Sequential,
            Some(mode) => match mode.text(16)? {
                "sequential" => Execution::Sequential,
                "parallel" => Execution::Parallel,
                "pipelined" => Execution::Pipelined,
                _ => return Err(mode.refuse("must be one of sequential, parallel, pipelined")),
            },
        };
        Ok(Self {
            id: InstructionId::read(&members.required("id")?)?,
            timing: Timing::read(&members.required("timing")?)?,
            tasks: read_tasks(&members, check)?,
            execution,
            precondition: members
                .optional("precondition")
                .map_or_else(|| Ok(Precondition::default()), |p| Precondition::read(&p))?,
            lan: members
                .optional("lan")
                .map_or(Ok(false), |lan| lan.boolean())?,
            purpose: members
                .optional("purpose")
                .map(|purpose| read_purpose(&purpose))
                .transpose()?,
        })
    }
}

fn read_purpose(cursor: &Cursor<'_>) -> Result<String, Refused> {
    let text = cursor.text(4 * MAX_PURPOSE)?;
    if text.chars().count() > MAX_PURPOSE {
        return Err(cursor.refuse(format_args!(
            "must be at most {MAX_PURPOSE} characters long"
        )));
    }
    Ok(text.to_owned())
}

/// Judges a task beyond its form: whether the method exists and its options hold.
pub type TaskCheck<'a> = dyn Fn(&Task) -> Result<(), Refused> + 'a;

fn read_tasks(members: &Members<'_>, check: &TaskCheck<'_>) -> Result<Vec<Task>, Refused> {
    let tasks = match (members.optional("task"), members.optional("tasks")) {
        (Some(_), Some(both)) => return Err(both.refuse("must not stand beside task")),
        (Some(task), None) => vec![Task::read(&task, check)?],
        (None, Some(tasks)) => tasks
            .array(MAX_TASKS)?
            .iter()
            .map(|task| Task::read(task, check))
            .collect::<Result<_, _>>()?,
        (None, None) => return Err(Refused::new(members.path_of("task"), "is missing")),
    };
    if tasks.is_empty() {
        return Err(Refused::new(members.path_of("tasks"), "must not be empty"));
    }
    for (i, task) in tasks.iter().enumerate() {
        if tasks[..i].iter().any(|other| other.id == task.id) {
            return Err(Refused::new(
                members.path_of(&format!("tasks[{i}].id")),
                "is used twice",
            ));
        }
    }
    Ok(tasks)
}

impl Task {
    fn read(cursor: &Cursor<'_>, check: &TaskCheck<'_>) -> Result<Self, Refused> {
        let members = cursor.object()?;
        let options = match members.optional("options") {
            Some(options) => options.object()?.map().clone(),
            None => Map::new(),
        };
        let task = Self {
            id: TaskId::read(&members.required("id")?)?,
            method: members.required("method")?.text(64)?.to_owned(),
            options,
        };
        check(&task).map_err(|refused| refused.within(cursor.path()))?;
        Ok(task)
    }
}

/// The whole of what a controller asks of an agent, replaced as a whole.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstructionSet {
    /// What was understood.
    pub instructions: Vec<Instruction>,
    /// What was not; each is reported as a record with `status` `refused`.
    pub refused: Vec<RefusedInstruction>,
}

/// An instruction that is not carried out, and why.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedInstruction {
    /// Its id where it had a readable one.
    pub id: Option<InstructionId>,
    /// Path and reason.
    pub refused: Refused,
}

impl InstructionSet {
    /// Parses a set. Instructions that are not understood are set apart, the others stand.
    ///
    /// # Errors
    /// [`Refused`] when the document as a whole is not an instruction set; the agent then keeps the
    /// set it has.
    pub fn parse(bytes: &[u8]) -> Result<Self, Refused> {
        Self::parse_checked(bytes, &|_| Ok(()))
    }

    /// Parses a set whose tasks `check` judges too: a task it refuses refuses its instruction.
    ///
    /// # Errors
    /// As [`InstructionSet::parse`].
    pub fn parse_checked(bytes: &[u8], check: &TaskCheck<'_>) -> Result<Self, Refused> {
        let document = read::json(bytes)?;
        let members = Cursor::root(&document).object()?;
        members.schema()?;
        let mut set = Self::default();
        for item in members.required("instructions")?.array(MAX_INSTRUCTIONS)? {
            match Instruction::read(&item, check) {
                Ok(new) if set.instructions.iter().any(|known| known.id == new.id) => {
                    let path = format!("{}.id", item.path());
                    set.refused.push(RefusedInstruction {
                        id: Some(new.id),
                        refused: Refused::new(path, "is used twice"),
                    });
                }
                Ok(new) => set.instructions.push(new),
                Err(refused) => set.refused.push(RefusedInstruction {
                    id: item
                        .object()
                        .ok()
                        .and_then(|members| members.optional("id"))
                        .and_then(|id| InstructionId::read(&id).ok()),
                    refused,
                }),
            }
        }
        Ok(set)
    }
}

/// The document a controller sends, for printing.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct InstructionDocument<'a> {
    schema: u32,
    instructions: &'a [Instruction],
}

impl<'a> InstructionDocument<'a> {
    /// A document of schema 2.
    pub fn new(instructions: &'a [Instruction]) -> Self {
        Self {
            schema: SCHEMA,
            instructions,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn ping(id: &str) -> Value {
        json!({"id": id, "timing": {"immediate": {}},
            "task": {"id": "t", "method": "ping", "options": {"host": "192.0.2.1"}}})
    }

    fn parse(instructions: &Value) -> InstructionSet {
        let document = json!({"schema": 2, "new in 2.1": true, "instructions": instructions});
        InstructionSet::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_bad_instruction_does_not_stop_the_others() {
        let mut bad = ping("b");
        bad["timing"] = json!({"periodic": {"interval": 0}});
        let set = parse(&json!([ping("a"), ping("a"), 7, bad]));
        assert_eq!(set.instructions.len(), 1);
        let said: Vec<String> = set.refused.iter().map(|r| r.refused.to_string()).collect();
        assert_eq!(
            said,
            [
                "instructions[1].id: is used twice",
                "instructions[2]: must be an object",
                "instructions[3].timing.periodic.interval: must be > 0",
            ]
        );
        assert_eq!(set.refused[2].id.as_ref().unwrap().as_str(), "b");
    }

    #[test]
    fn composite_measurements() {
        let mut composite = ping("a");
        let task = composite.as_object_mut().unwrap().remove("task").unwrap();
        let mut second = task.clone();
        second["id"] = json!(2);
        composite["tasks"] = json!([task, second]);
        composite["execution"] = json!("parallel");
        let set = parse(&json!([composite]));
        assert_eq!(set.instructions[0].execution, Execution::Parallel);
        assert_eq!(set.instructions[0].tasks[1].id.as_str(), "2");

        let mut twice = composite.clone();
        twice["tasks"][1]["id"] = twice["tasks"][0]["id"].clone();
        let mut both = composite.clone();
        both["task"] = task;
        let mut none = composite;
        none["tasks"] = json!([]);
        let said: Vec<String> = parse(&json!([twice, both, none]))
            .refused
            .iter()
            .map(|r| r.refused.to_string())
            .collect();
        assert_eq!(
            said,
            [
                "instructions[0].tasks[1].id: is used twice",
                "instructions[1].tasks: must not stand beside task",
                "instructions[2].tasks: must not be empty",
            ]
        );
    }

    #[test]
    fn limits_that_are_not_understood_refuse() {
        for (member, value) in [
            ("timing", json!({"immediate": {"jitter": 5}})),
            ("precondition", json!({"max_load": 0.5})),
        ] {
            let mut instruction = ping("a");
            instruction[member] = value;
            let set = parse(&json!([instruction]));
            assert!(set.instructions.is_empty(), "{member}");
        }
    }

    #[test]
    fn a_purpose_is_short_and_plain() {
        for (purpose, said) in [
            (
                json!("é".repeat(201)),
                "must be at most 200 characters long",
            ),
            (json!("x".repeat(801)), "must be at most 800 bytes long"),
            (json!("a\nb"), "must not contain control characters"),
            (json!(7), "must be a string"),
        ] {
            let mut instruction = ping("a");
            instruction["purpose"] = purpose;
            let refused = &parse(&json!([instruction])).refused[0].refused;
            assert_eq!(
                refused.to_string(),
                format!("instructions[0].purpose: {said}")
            );
        }
        let mut instruction = ping("a");
        instruction["purpose"] = json!("é".repeat(200));
        let set = parse(&json!([instruction]));
        assert_eq!(set.instructions[0].purpose, Some("é".repeat(200)));
    }

    #[test]
    fn glimpse_check_23_an_unknown_method_is_refused_and_said() {
        let document = json!({"schema": 2, "instructions": [ping("a")]}).to_string();
        let set = InstructionSet::parse_checked(document.as_bytes(), &|task| {
            Err(Refused::new(
                "method",
                format!("{} is not offered here", task.method),
            ))
        })
        .unwrap();
        assert!(set.instructions.is_empty());
        assert_eq!(
            set.refused[0].refused.to_string(),
            "instructions[0].task.method: ping is not offered here"
        );
    }

    #[test]
    fn whole_documents_that_are_none() {
        for (bytes, said) in [
            (
                &b"{"[..],
                "document: EOF while parsing an object at line 1 column 1",
            ),
            (b"[]", "document: must be an object"),
            (b"{}", "schema: is missing"),
            (br#"{"schema":3,"instructions":[]}"#, "schema: must be 2"),
            (br#"{"schema":2}"#, "instructions: is missing"),
        ] {
            assert_eq!(InstructionSet::parse(bytes).unwrap_err().to_string(), said);
        }
        let deep = format!("{}1{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(InstructionSet::parse(deep.as_bytes()).is_err());
    }

    #[test]
    fn what_is_printed_reads_back() {
        let set = parse(&json!([ping("a"), {
            "id": 7, "timing": {"calendar": {"hours": [6], "offset": 60, "randomSpread": 9}},
            "precondition": {"on_cellular": false}, "lan": true, "purpose": "Wie schnell ist es abends?",
            "task": {"id": 9, "method": "ping", "options": {}}}]));
        let printed = serde_json::to_vec(&InstructionDocument::new(&set.instructions)).unwrap();
        assert_eq!(InstructionSet::parse(&printed).unwrap(), set);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes: Vec<u8>) {
            let _ = InstructionSet::parse(&bytes);
        }
    }
}
