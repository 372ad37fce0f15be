//! What of the plan outlives the process.
//!
//! Two files: `seen.json` on the durable side changes when the instruction set does, when a
//! one-shot fires, and at a clean stop; `open.json` on the volatile side changes with every firing and
//! holds the last slots and the runs under way with the result ids they will bear. A run found open
//! at start was cut off: it becomes an `aborted` record under the same id, so that a result that had
//! reached the spool before the end is not stored twice.

use super::plan::Seen;
use crate::files;
use glimpse_model::id::{InstructionId, ResultId, TaskId};
use glimpse_model::read::{self, Cursor, Refused};
use glimpse_model::time::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

/// A run that was started and has no record yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenRun {
    /// The id its record will bear.
    pub result: ResultId,
    /// The instruction.
    pub instruction: InstructionId,
    /// The task.
    pub task: TaskId,
    /// Name of the method.
    pub method: String,
    /// Planned time.
    pub slot: Timestamp,
}

/// The durable side alone.
#[derive(Debug)]
pub struct SeenFile(PathBuf);

impl SeenFile {
    /// The file at `path`.
    pub const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Whether there is one.
    pub fn exists(&self) -> bool {
        self.0.exists()
    }

    /// What was known, and whether the process that wrote it stopped by itself; a file that is missing or damaged counts as
    /// empty, with a warning.
    pub fn load(&self) -> (BTreeMap<InstructionId, Seen>, bool) {
        let read = |document: Value| read_seen(&Cursor::root(&document));
        match load(&self.0).map(read) {
            None => (BTreeMap::new(), false),
            Some(Ok(seen)) => seen,
            Some(Err(error)) => {
                log::warn!("{}: {error}; starting anew", self.0.display());
                (BTreeMap::new(), false)
            }
        }
    }

    /// Writes it; `clean` at the end of a process that stops by itself.
    ///
    /// # Errors
    /// The system's.
    pub fn save(&self, seen: &BTreeMap<InstructionId, Seen>, clean: bool) -> io::Result<()> {
        let entries: Vec<Value> = seen
            .iter()
            .map(|(id, seen)| {
                json!({"id": id, "first": seen.first, "last": seen.last_slot, "done": seen.done})
            })
            .collect();
        let document = json!({"seen": entries, "clean": clean});
        files::replace(&self.0, document.to_string().as_bytes(), 0o600)
    }
}

/// The two files.
#[derive(Debug)]
pub struct StateFiles {
    seen: SeenFile,
    open: PathBuf,
}

/// What the files held.
#[derive(Debug, Default, PartialEq)]
pub struct Remembered {
    /// The instructions that were known.
    pub seen: BTreeMap<InstructionId, Seen>,
    /// The runs that were cut off.
    pub open: Vec<OpenRun>,
    /// The last slots are those at the end of the former process; else they may be old.
    pub current: bool,
}

impl StateFiles {
    /// Files in the durable and the volatile directory.
    pub fn new(durable: &Path, volatile: &Path) -> Self {
        Self {
            seen: SeenFile::new(durable.join("seen.json")),
            open: volatile.join("open.json"),
        }
    }

    /// Reads both; a file that is missing or damaged counts as empty, with a warning.
    pub fn load(&self) -> Remembered {
        let (seen, clean) = self.seen.load();
        let mut remembered = Remembered {
            seen,
            open: Vec::new(),
            current: clean,
        };
        if let Some(document) = load(&self.open) {
            match read_open(&Cursor::root(&document)) {
                Ok((slots, open)) => {
                    for (id, slot) in slots {
                        if let Some(seen) = remembered.seen.get_mut(&id) {
                            seen.last_slot = seen.last_slot.max(Some(slot));
                        }
                    }
                    remembered.open = open;
                    remembered.current = true;
                }
                Err(error) => log::warn!("{}: {error}; starting anew", self.open.display()),
            }
        }
        remembered
    }

    /// Writes the durable side; `clean` at the end of a process that stops by itself.
    pub fn save_seen(&self, seen: &BTreeMap<InstructionId, Seen>, clean: bool) -> io::Result<()> {
        self.seen.save(seen, clean)
    }

    /// Path of the volatile side.
    pub fn open_path(&self) -> &Path {
        &self.open
    }

    /// Content of the volatile side.
    pub fn open_document(slots: &BTreeMap<InstructionId, Timestamp>, open: &[OpenRun]) -> Vec<u8> {
        let slots: Vec<Value> = slots.iter().map(|(id, slot)| json!([id, slot])).collect();
        let open: Vec<Value> = open
            .iter()
            .map(|run| json!([run.result, run.instruction, run.task, run.method, run.slot]))
            .collect();
        json!({"slots": slots, "open": open})
            .to_string()
            .into_bytes()
    }
}

fn load(path: &Path) -> Option<Value> {
    let bytes = match files::read_bounded(path, 4 << 20) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        Err(error) => {
            log::warn!("cannot read {}: {error}", path.display());
            return None;
        }
    };
    read::json(&bytes)
        .inspect_err(|error| log::warn!("{}: {error}; starting anew", path.display()))
        .ok()
}

const LIMIT: usize = 10_000;

fn read_seen(cursor: &Cursor<'_>) -> Result<(BTreeMap<InstructionId, Seen>, bool), Refused> {
    let members = cursor.object()?;
    let clean = members.required("clean")?.boolean()?;
    let entries = members.required("seen")?.array(LIMIT)?;
    let seen: Result<_, Refused> = entries
        .iter()
        .map(|entry| {
            let members = entry.object()?;
            let seen = Seen {
                first: Timestamp::read(&members.required("first")?)?,
                last_slot: members
                    .optional("last")
                    .map(|at| Timestamp::read(&at))
                    .transpose()?,
                done: members.required("done")?.boolean()?,
            };
            Ok((InstructionId::read(&members.required("id")?)?, seen))
        })
        .collect();
    Ok((seen?, clean))
}

type Open = (Vec<(InstructionId, Timestamp)>, Vec<OpenRun>);

fn read_open(cursor: &Cursor<'_>) -> Result<Open, Refused> {
    let members = cursor.object()?;
    let slots = members
        .required("slots")?
        .array(LIMIT)?
        .iter()
        .map(|entry| match entry.array(2)?.as_slice() {
            [id, slot] => Ok((InstructionId::read(id)?, Timestamp::read(slot)?)),
            _ => Err(entry.refuse("must be a pair")),
        })
        .collect::<Result<_, _>>()?;
    let open = members
        .required("open")?
        .array(LIMIT)?
        .iter()
        .map(|entry| match entry.array(5)?.as_slice() {
            [result, instruction, task, method, slot] => Ok(OpenRun {
                result: ResultId::read(result)?,
                instruction: InstructionId::read(instruction)?,
                task: TaskId::read(task)?,
                method: method.text(64)?.to_owned(),
                slot: Timestamp::read(slot)?,
            }),
            _ => Err(entry.refuse("must have five elements")),
        })
        .collect::<Result<_, _>>()?;
    Ok((slots, open))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn both_sides_come_back_together() {
        let dir = tempfile::tempdir().unwrap();
        let files = StateFiles::new(dir.path(), dir.path());
        assert_eq!(files.load(), Remembered::default());

        let id = InstructionId::new("i").unwrap();
        let at = Timestamp::from_micros(1_000_000);
        let seen = BTreeMap::from([(
            id.clone(),
            Seen {
                first: at,
                last_slot: None,
                done: true,
            },
        )]);
        files.save_seen(&seen, false).unwrap();
        let later = at.plus_micros(7);
        let moved = BTreeMap::from([(
            id.clone(),
            Seen {
                first: at,
                last_slot: Some(later),
                done: true,
            },
        )]);
        let run = OpenRun {
            result: ResultId::from_parts(at, [1; 10]),
            instruction: id.clone(),
            task: TaskId::new("t").unwrap(),
            method: "ping".to_owned(),
            slot: later,
        };
        let document =
            StateFiles::open_document(&BTreeMap::from([(id, later)]), std::slice::from_ref(&run));
        std::fs::write(files.open_path(), document).unwrap();
        assert_eq!(
            files.load(),
            Remembered {
                seen: moved,
                open: vec![run],
                current: true
            }
        );
    }

    #[test]
    fn damaged_files_count_as_empty() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["", "{", r#"{"seen":[{"id":7}]}"#, "[]", "\0"] {
            std::fs::write(dir.path().join("seen.json"), content).unwrap();
            std::fs::write(dir.path().join("open.json"), content).unwrap();
            let files = StateFiles::new(dir.path(), dir.path());
            assert_eq!(files.load(), Remembered::default());
        }
    }
}
