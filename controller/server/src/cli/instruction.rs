//! `instruction add|list|cancel`.

use super::agent::{agent_id, group_name};
use super::output::{Output, ago};
use super::{CliError, Place, open};
use crate::admission::{self, Target};
use crate::clock;
use clap::{Args, Subcommand};
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::instruction::{Instruction, InstructionSet};
use glimpse_model::read::{self, Cursor};
use glimpse_model::time::Timestamp;
use glimpse_store::{Addition, Audience, NewInstruction, Store, StoredInstruction};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;

/// Longest file of instructions.
const MAX_FILE_BYTES: u64 = 8 << 20;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Give an instruction, or a set of them: all are taken, or none.
    Add(Add),
    /// Instructions in force.
    List(List),
    /// Take an instruction back.
    Cancel(Cancel),
}

#[derive(Debug, Args)]
pub(super) struct Add {
    #[command(flatten)]
    place: Place,
    /// File with one instruction, or a document with `instructions`; `-` is standard input.
    file: PathBuf,
    /// For this agent; may be given several times. Without --agent and --group it is for all.
    #[arg(long = "agent", value_name = "ID")]
    agents: Vec<String>,
    /// For this group; may be given several times.
    #[arg(long = "group", value_name = "GROUP")]
    groups: Vec<String>,
}

#[derive(Debug, Args)]
pub(super) struct List {
    #[command(flatten)]
    place: Place,
    /// Those that were taken back too.
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
pub(super) struct Cancel {
    #[command(flatten)]
    place: Place,
    /// Id of the instruction.
    id: String,
}

impl Command {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        match self {
            Self::Add(add) => add.run(output).await,
            Self::List(list) => list.run(output).await,
            Self::Cancel(cancel) => cancel.run(output).await,
        }
    }
}

/// Reads one instruction, or a whole set; a refused one refuses the file.
fn parse(bytes: &[u8]) -> Result<Vec<Instruction>, CliError> {
    let value = read::json(bytes).map_err(CliError::failed)?;
    if value.get("instructions").is_none() {
        let one =
            Instruction::read(&Cursor::root(&value), &|_| Ok(())).map_err(CliError::failed)?;
        return Ok(vec![one]);
    }
    let set = InstructionSet::parse(bytes).map_err(CliError::failed)?;
    match set.refused.first() {
        Some(refused) => Err(CliError::failed(&refused.refused)),
        None if set.instructions.is_empty() => {
            Err(CliError::failed("instructions: must not be empty"))
        }
        None => Ok(set.instructions),
    }
}

#[derive(Serialize)]
struct Added<'a> {
    id: &'a InstructionId,
    agents: u64,
}

impl Add {
    fn read(&self) -> Result<Vec<u8>, CliError> {
        let mut bytes = Vec::new();
        let reader: Box<dyn Read> =
            if self.file.as_os_str() == "-" {
                Box::new(std::io::stdin())
            } else {
                Box::new(std::fs::File::open(&self.file).map_err(|error| {
                    CliError::failed(format!("{}: {error}", self.file.display()))
                })?)
            };
        reader
            .take(MAX_FILE_BYTES + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| CliError::failed(format!("{}: {error}", self.file.display())))?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(CliError::failed(format!(
                "{}: must have at most {MAX_FILE_BYTES} bytes",
                self.file.display()
            )));
        }
        Ok(bytes)
    }

    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let config = self.place.load()?;
        let instructions = parse(&self.read()?)?;
        let agents: Result<Vec<AgentId>, _> = self.agents.iter().map(|id| agent_id(id)).collect();
        let groups: Result<Vec<String>, _> = self.groups.into_iter().map(group_name).collect();
        let audience = Audience {
            agents: agents?,
            groups: groups?,
        };
        let now = clock::now();
        let new: Vec<NewInstruction> = instructions
            .iter()
            .map(|instruction| {
                Ok(NewInstruction {
                    id: instruction.id.clone(),
                    document: serde_json::to_string(instruction)?,
                    audience: audience.clone(),
                    created: now,
                })
            })
            .collect::<Result<_, serde_json::Error>>()
            .map_err(CliError::failed)?;
        let store = open(&config).await?;
        let admit = admission::additions(instructions.clone(), config.limits.clone(), now);
        let addition = store.add_instructions(new, admit).await?;
        store.close().await?;
        let reach = reach(addition)?;
        let added: Vec<Added<'_>> = instructions
            .iter()
            .zip(reach)
            .map(|(instruction, agents)| Added {
                id: &instruction.id,
                agents,
            })
            .collect();
        if output.json {
            return Ok(output.json(&added)?);
        }
        for Added { id, agents } in added {
            writeln!(
                output.out,
                "Instruction {id} given; it reaches {agents} agents now."
            )?;
        }
        Ok(())
    }
}

/// How many agents each of the instructions reaches that were to be added.
///
/// # Errors
/// Why none of them was.
pub(super) fn reach(addition: Addition) -> Result<Vec<u64>, CliError> {
    match addition {
        Addition::Added(reach) => Ok(reach),
        Addition::Exists(id) => Err(CliError::hinting(
            &format!("there is an instruction {id} already"),
            "agents remember what they have carried out: choose a new id",
        )),
        Addition::UnknownAgent(id) => Err(unknown_agent(&id)),
        Addition::Refused(refusal) => Err(CliError::failed(format!("not admitted: {refusal}"))),
    }
}

pub(super) fn unknown_agent(id: &AgentId) -> CliError {
    CliError::hinting(
        &format!("there is no agent {id}, or it was revoked"),
        "glimpse-controller agent list names them all",
    )
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a InstructionId,
    everybody: bool,
    agents: Vec<&'a str>,
    groups: &'a [String],
    reach: u64,
    withheld: u64,
    created: Timestamp,
    cancelled: Option<Timestamp>,
    instruction: Option<Value>,
}

impl List {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let store = open(&self.place.load()?).await?;
        let instructions = store.instructions(self.all).await?;
        store.close().await?;
        if output.json {
            let rows: Vec<Row<'_>> = instructions
                .iter()
                .map(|known| Row {
                    id: &known.id,
                    everybody: known.audience.is_everybody(),
                    agents: known.audience.agents.iter().map(AgentId::as_str).collect(),
                    groups: &known.audience.groups,
                    reach: known.reach,
                    withheld: known.withheld,
                    created: known.created,
                    cancelled: known.cancelled,
                    instruction: serde_json::from_str(&known.document).ok(),
                })
                .collect();
            return Ok(output.json(&rows)?);
        }
        if instructions.is_empty() {
            writeln!(
                output.err,
                "No instructions. Give one: glimpse-controller instruction add FILE."
            )?;
            return Ok(());
        }
        let now = clock::now();
        let rows: Vec<Vec<String>> = instructions.iter().map(|known| row(known, now)).collect();
        output.table(
            &["INSTRUCTION", "WHAT", "WHEN", "FOR", "AGENTS", "GIVEN"],
            &rows,
        )?;
        Ok(())
    }
}

fn row(known: &StoredInstruction, now: Timestamp) -> Vec<String> {
    let (what, when) = admission::stored(&known.document).map_or_else(
        |refused| (refused.to_string(), String::new()),
        |instruction| {
            let tasks: Vec<String> = instruction
                .tasks
                .iter()
                .map(|task| {
                    let mut words = task.method.clone();
                    for target in Target::all(task) {
                        words.push(' ');
                        words.push_str(&target.to_string());
                    }
                    words
                })
                .collect();
            (tasks.join(", "), timing_word(&instruction))
        },
    );
    let agents = known.audience.agents.iter().map(AgentId::to_string);
    let names: Vec<String> = agents
        .chain(known.audience.groups.iter().cloned())
        .collect();
    vec![
        known.id.to_string(),
        what,
        match known.cancelled {
            Some(_) => "cancelled".to_owned(),
            None => when,
        },
        if names.is_empty() {
            "all".to_owned()
        } else {
            names.join(" ")
        },
        match known.withheld {
            0 => known.reach.to_string(),
            withheld => format!("{} ({withheld} withheld)", known.reach),
        },
        ago(Some(known.created), now),
    ]
}

fn timing_word(instruction: &Instruction) -> String {
    use glimpse_model::timing::Timing;
    match &instruction.timing {
        Timing::Immediate {} => "at once".to_owned(),
        Timing::OneOff { time, .. } => time.to_string(),
        Timing::Periodic(periodic) if periodic.interval_ms % 1000 == 0 => {
            format!("every {} s", periodic.interval_ms / 1000)
        }
        Timing::Periodic(periodic) => format!("every {} ms", periodic.interval_ms),
        Timing::Calendar(_) => "calendar".to_owned(),
        Timing::OnDemand {} => "on demand".to_owned(),
    }
}

#[derive(Serialize)]
struct Cancelled<'a> {
    id: &'a InstructionId,
    cancelled: bool,
}

impl Cancel {
    async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let id = InstructionId::new(&self.id)
            .map_err(|reason| CliError::Usage(format!("instruction id: {reason}")))?;
        let store = open(&self.place.load()?).await?;
        let cancelled = store.cancel_instruction(id.clone(), clock::now()).await?;
        store.close().await?;
        if !cancelled {
            return Err(CliError::hinting(
                &format!("there is no instruction {id} in force"),
                "glimpse-controller instruction list names them all",
            ));
        }
        if output.json {
            return Ok(output.json(&Cancelled { id: &id, cancelled })?);
        }
        writeln!(output.out, "Instruction {id} is taken back.")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn why_nothing_was_added_is_said_with_what_helps() {
        assert_eq!(reach(Addition::Added(vec![3, 0])).unwrap(), [3, 0]);
        let id = InstructionId::new("i-1").unwrap();
        let agent = AgentId::new("a-1").unwrap();
        for (addition, said, helps) in [
            (
                Addition::Exists(id),
                "there is an instruction i-1 already",
                "choose a new id",
            ),
            (
                Addition::UnknownAgent(agent),
                "there is no agent a-1, or it was revoked",
                "agent list",
            ),
            (
                Addition::Refused("too often".into()),
                "not admitted: too often",
                "",
            ),
        ] {
            let Err(CliError::Failed { message, hint }) = reach(addition) else {
                panic!("{said}");
            };
            assert_eq!(message, said);
            assert!(hint.contains(helps), "{hint}");
        }
    }
}
