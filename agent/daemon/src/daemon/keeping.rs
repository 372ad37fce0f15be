//! What the daemon hands on and writes down.

use super::Daemon;
use crate::clock;
use crate::files;
use crate::local::history::{EventKind, Happening, Raw, Sample};
use crate::local::series::sample::{host_of, measured};
use crate::local::service::Event;
use crate::scheduler::skips::Skipped;
use crate::scheduler::state::{OpenRun, StateFiles};
use crate::spooler::new_id;
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_model::instruction::RefusedInstruction;
use glimpse_model::record::{Record, Status};
use serde_json::{Value, json};
use tokio::sync::oneshot;

/// Refusals remembered so that each is reported once.
const REPORTED: usize = 2000;

/// Files of the durable directory: what the controller said last.
pub(super) const CONFIGURATION: &str = "configuration.json";
pub(super) const INSTRUCTIONS: &str = "instructions.json";

impl Daemon {
    /// A refused instruction goes back as a record, once; a `known` one was reported by a former
    /// process.
    pub(super) async fn report_refusal(&mut self, refused: RefusedInstruction, known: bool) {
        let words = refused.refused.to_string();
        // The place in the set may change from one set to the next; the fault does not.
        let fault = words
            .split_once(']')
            .map_or(words.as_str(), |(_, rest)| rest)
            .to_owned();
        if !self.reported.insert((refused.id.clone(), fault)) || known {
            return;
        }
        while self.reported.len() > REPORTED {
            self.reported.pop_first();
        }
        log::warn!("instruction refused: {words}");
        let now = clock::now();
        let mut record = Record::new(new_id(now), Status::Refused);
        record.instruction_id = refused.id;
        record.planned_time = Some(now);
        record.error = words;
        self.keep(record, None).await;
    }

    /// Hands a record to spool and history.
    pub(super) async fn keep(&mut self, record: Record, target: Option<&str>) {
        self.show(&record, target);
        self.spooler.append(&record).await;
    }

    /// Shows the household a record of what others asked for.
    pub(super) fn show(&mut self, record: &Record, target: Option<&str>) {
        let asked_by = self.asked_by(record.instruction_id.as_ref());
        self.show_as(record, target, false, asked_by);
    }

    /// Shows the household a record of its own: it goes nowhere else.
    pub(super) fn show_own(&mut self, record: &Record, target: Option<&str>) {
        let asked_by = json!({"door": "household", "name": record.instruction_id});
        self.show_as(record, target, true, asked_by);
    }

    fn show_as(&mut self, record: &Record, target: Option<&str>, own: bool, asked_by: Value) {
        let now = clock::now();
        let made = record.end_time.unwrap_or(now).as_micros();
        if let Ok(mut shown) = serde_json::to_value(record) {
            shown["own"] = own.into();
            shown["asked_by"] = asked_by;
            let raw = Raw::new(record, made, own, shown.to_string());
            let target = host_of(target.unwrap_or_default());
            let measured = match target {
                "" => Vec::new(),
                _ => measured(record),
            };
            let samples: Vec<Sample<'_>> = measured.iter().map(|it| it.sample(target)).collect();
            let raw = raw.with_samples(target, &samples);
            self.history.record(now.as_micros(), raw, &samples);
        }
        // Whoever listens may be gone.
        let _ = self.tell.send(Event::Result {
            id: record.id,
            method: record.method.clone(),
            status: record.status,
            own,
        });
        let level = match record.status {
            Status::Ok => log::Level::Debug,
            _ => log::Level::Info,
        };
        log::log!(
            level,
            result:% = record.id,
            instruction = record.instruction_id.as_ref().map_or("", InstructionId::as_str),
            method = record.method.as_deref().unwrap_or(""),
            error = record.error.as_str();
            "{}", record.status.as_str()
        );
    }

    /// Notes what explains a step in the household's graphs.
    pub(super) fn note_event(&mut self, kind: EventKind, text: String) {
        self.history.note(Happening {
            time_us: clock::now().as_micros(),
            kind,
            text,
        });
    }

    /// Who asked for what bears the id of an instruction; of a session that another agent opened, nobody knows.
    pub(super) fn asked_by(&self, id: Option<&InstructionId>) -> Value {
        let Some(id) = id else {
            return Value::Null;
        };
        let door = if self.plan.find(id).is_none() && self.lmap.has(id) {
            "lmap"
        } else {
            "json"
        };
        json!({"door": door, "name": self.settings.controller.url})
    }

    pub(super) async fn record_skip(&mut self, skipped: Skipped) {
        let mut record = Record::new(new_id(clock::now()), Status::Skipped);
        record.instruction_id = Some(skipped.instruction);
        record.task_id = skipped.task;
        record.method = skipped.method;
        record.planned_time = Some(skipped.first);
        record.error = skipped.words;
        record.skip = Some(skipped.skip);
        self.keep(record, None).await;
    }

    pub(super) async fn written(&mut self, id: &ResultId) {
        if self.open.remove(id).is_some() {
            // Nobody waits for it: until it is there, a crash repeats the record under its id.
            drop(self.note_open().await);
        }
    }

    /// Notes the runs under way and the last slots. The order in which notes and records reach the
    /// device is the order of these calls.
    pub(super) async fn note_open(&self) -> oneshot::Receiver<()> {
        let open: Vec<OpenRun> = self.open.values().cloned().collect();
        let document = StateFiles::open_document(&self.plan.last_slots(), &open);
        self.spooler
            .note(self.state_files.open_path(), document)
            .await
    }

    pub(super) fn save_seen(&self, clean: bool) {
        if let Err(error) = self.state_files.save_seen(&self.plan.seen(), clean) {
            log::warn!("cannot note the instructions seen: {error}");
        }
    }

    /// Notes the traffic used.
    pub(super) async fn note_accounts(&mut self, stopping: bool) {
        let (control, door) = (self.traffic.take(), self.lmap.take_bytes());
        let accounts = self.guard.accounts_mut();
        accounts.note_control(control.saturating_add(door));
        accounts.note_door(door);
        let accounts = self.guard.accounts();
        let rules = self.guard.rules();
        let smaller_cap = match rules.mobile_cap {
            0 => rules.cap,
            mobile => mobile.min(rules.cap),
        };
        let saved = self
            .account_files
            .save_durable(accounts, smaller_cap, stopping);
        if let Err(error) = saved {
            log::warn!("cannot note the traffic used: {error}");
        }
        let (path, content) = self.account_files.volatile(accounts);
        drop(self.spooler.note(path, content).await);
    }

    pub(super) fn save_state(&self, name: &str, bytes: &[u8]) {
        let path = self.state_dir.join(name);
        // Flash wears by writing: a controller may repeat itself as often as it likes.
        if files::read_bounded(&path, bytes.len() as u64).is_ok_and(|kept| kept == bytes) {
            return;
        }
        if let Err(error) = files::replace(&path, bytes, 0o600) {
            log::warn!("cannot keep {}: {error}", path.display());
        }
    }
}
