//! Firings, runs and their records.

use super::Daemon;
use crate::clock;
use crate::executor::{Ended, Job, RunEvent};
use crate::guard::{Ask, Denied, Ticket, target};
use crate::local::history::{History, Sample};
use crate::random;
use crate::scheduler::plan::{Firing, Missed};
use crate::scheduler::skips::Skipped;
use crate::scheduler::state::OpenRun;
use crate::spooler::new_id;
use glimpse_model::id::ResultId;
use glimpse_model::instruction::{Instruction, Task};
use glimpse_model::outcome::Outcome;
use glimpse_model::record::{Record, SkipReason, Status};
use glimpse_model::time::Timestamp;
use glimpse_probe::context::{Context, Meter};
use glimpse_probe::registry::Descriptor;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Runs that may wait for a place, beyond those that have one.
const QUEUE: usize = 64;

/// An admitted run.
#[derive(Debug)]
pub(super) struct Running {
    run: OpenRun,
    ticket: Ticket,
    target: String,
    meter: Meter,
    pre_info: Map<String, Value>,
    began: Option<Timestamp>,
    /// It has a place; it does not wait any more.
    pub(super) begun: bool,
}

impl Daemon {
    /// Runs one firing as far as the guard lets it.
    pub(super) async fn fire(&mut self, firing: Firing, now: Timestamp) {
        let instruction = &firing.instruction;
        let whole = |reason, words: &str| {
            Skipped::one(instruction.id.clone(), None, firing.slot, reason, words)
        };
        if self
            .running
            .values()
            .any(|run| run.run.instruction == instruction.id)
        {
            let words = "the last firing of this instruction is still running";
            return self.skip(whole(SkipReason::Overlap, words), now).await;
        }
        let waiting = self.running.values().filter(|run| !run.begun).count();
        if waiting + instruction.tasks.len() > QUEUE {
            let words = "too many measurements are waiting";
            return self.skip(whole(SkipReason::QueueFull, words), now).await;
        }
        for skipped in self.skips.interrupt(&instruction.id, None) {
            self.record_skip(skipped).await;
        }
        let mut jobs = Vec::new();
        for task in &instruction.tasks {
            match self.prepare(instruction, task, firing.slot, now) {
                Ok(job) => {
                    jobs.push(job);
                    for skipped in self.skips.interrupt(&instruction.id, Some(&task.id)) {
                        self.record_skip(skipped).await;
                    }
                }
                Err(denied) => {
                    let skipped = Skipped::one(
                        instruction.id.clone(),
                        Some((task.id.clone(), task.method.clone())),
                        firing.slot,
                        denied.reason,
                        denied.words,
                    );
                    self.skip(skipped, now).await;
                }
            }
        }
        if jobs.is_empty() {
            return;
        }
        if instruction.timing.fires_once() {
            // Noted before it runs: whatever happens, it does not run twice.
            self.save_seen();
        }
        self.executor.start(instruction.execution, jobs);
    }

    /// Asks the guard for one task and makes it ready to run.
    fn prepare(
        &mut self,
        instruction: &Instruction,
        task: &Task,
        slot: Timestamp,
        now: Timestamp,
    ) -> Result<Job, Denied> {
        let cannot = |words: String| Denied {
            reason: SkipReason::Missed,
            words,
        };
        // Both were checked when the set came in; a method may have gone since.
        let method: Descriptor =
            self.registry.find(&task.method).cloned().ok_or_else(|| {
                cannot(format!("'{}' is not a method of this agent", task.method))
            })?;
        let options = method
            .read(&task.options)
            .map_err(|refused| cannot(refused.to_string()))?;
        let target = match options.text("host") {
            "" => options.text("url"),
            host => host,
        }
        .to_owned();
        let worst_bytes = method.worst_case_bytes(&options);
        let (_, link) = self
            .surroundings
            .link(&self.settings.limits.mobile_interfaces);
        let ticket = self.guard.admit(
            &Ask {
                method: &task.method,
                target: &target,
                worst_bytes,
                precondition: &instruction.precondition,
                link,
                charge: self.surroundings.charge(),
                clock_trusted: clock::is_trusted(now),
            },
            now,
        )?;
        let rules = self.guard.rules();
        let (lan, lab) = (instruction.lan && rules.lan, rules.lab);
        let context = Context {
            admit: Arc::new(move |address| target::admit(address, lan, lab)),
            byte_limit: worst_bytes,
            ..Context::unlimited(method.longest_run(&options), random::seed())
        };
        let run = OpenRun {
            result: new_id(now),
            instruction: instruction.id.clone(),
            task: task.id.clone(),
            method: task.method.clone(),
            slot,
        };
        self.open.insert(run.result, run.clone());
        let result = run.result;
        self.running.insert(
            result,
            Running {
                run,
                ticket,
                target,
                meter: context.meter.clone(),
                pre_info: Map::new(),
                began: None,
                begun: false,
            },
        );
        Ok(Job {
            result,
            method,
            options,
            context,
        })
    }

    /// What a run says of itself.
    pub(super) async fn run_event(&mut self, event: RunEvent) {
        match event {
            RunEvent::Begins(id, reply) => {
                let info = self.info();
                if let Some(running) = self.running.get_mut(&id) {
                    running.begun = true;
                    running.began = Some(clock::now());
                    running.pre_info = info;
                    // A run that was aborted meanwhile does not listen.
                    let _ = reply.send(());
                }
            }
            RunEvent::Ended(ended) => self.ended(ended).await,
        }
    }

    async fn ended(&mut self, ended: Ended) {
        let Some(running) = self.running.remove(&ended.result) else {
            return;
        };
        if let Some(words) = ended.target_refused {
            let run = running.run;
            self.guard
                .settle(running.ticket, ended.outcome.bytes.total());
            self.note_accounts(false).await;
            // It never started as a measurement: the skip record takes its place.
            self.open.remove(&run.result);
            self.note_open().await;
            let skipped = Skipped::one(
                run.instruction,
                Some((run.task, run.method)),
                run.slot,
                SkipReason::TargetRefused,
                words,
            );
            return self.skip(skipped, ended.end).await;
        }
        let mut record = run_record(&running);
        record.start_time = Some(ended.start);
        record.end_time = Some(ended.end);
        record.duration = ended.duration_ms;
        self.finish(running, record, ended.outcome).await;
    }

    /// A run that is ended by the end of the agent.
    pub(super) async fn stopped(&mut self, id: ResultId) {
        let Some(running) = self.running.remove(&id) else {
            return;
        };
        let mut record = run_record(&running);
        record.start_time = running.began;
        record.end_time = Some(clock::now());
        let outcome = Outcome::aborted("the agent was stopped", running.meter.read());
        self.finish(running, record, outcome).await;
    }

    async fn finish(&mut self, running: Running, mut record: Record, outcome: Outcome) {
        self.guard.settle(running.ticket, outcome.bytes.total());
        self.note_accounts(false).await;
        record = record.with_outcome(outcome);
        record.pre_info = running.pre_info;
        record.post_info = self.info();
        self.keep(record, Some(&running.target)).await;
    }

    /// A run that a former process left open: it gets its record under its own id.
    pub(super) async fn cut_off(&mut self, run: OpenRun) {
        let mut record = Record::new(run.result, Status::Aborted);
        record.instruction_id = Some(run.instruction.clone());
        record.task_id = Some(run.task.clone());
        record.method = Some(run.method.clone());
        record.planned_time = Some(run.slot);
        "the agent was cut off during this run".clone_into(&mut record.error);
        self.open.insert(run.result, run);
        self.keep(record, None).await;
    }

    pub(super) async fn missed(&mut self, missed: Missed, now: Timestamp) {
        let mut skipped = Skipped::one(
            missed.instruction.id.clone(),
            None,
            missed.first,
            SkipReason::Missed,
            "the time passed while the agent was off, asleep or busy",
        );
        skipped.skip.count = missed.count;
        skipped.skip.last = missed.last;
        self.skip(skipped, now).await;
    }

    async fn skip(&mut self, skipped: Skipped, now: Timestamp) {
        for skipped in self.skips.note(skipped, now) {
            self.record_skip(skipped).await;
        }
    }

    /// The state of the machine now.
    fn info(&mut self) -> Map<String, Value> {
        let mobile = &self.settings.limits.mobile_interfaces;
        self.surroundings.info(mobile, &self.guard)
    }
}

fn run_record(running: &Running) -> Record {
    let run = &running.run;
    let mut record = Record::new(run.result, Status::Aborted);
    record.instruction_id = Some(run.instruction.clone());
    record.task_id = Some(run.task.clone());
    record.method = Some(run.method.clone());
    record.planned_time = Some(run.slot);
    record
}

/// Takes a record into the household's history; roll-ups take the round-trip times of its figures.
pub(super) fn note_history(
    history: &mut History,
    now: Timestamp,
    made: Timestamp,
    json: String,
    record: &Record,
    target: Option<&str>,
) {
    let rtts: Vec<u32> = glimpse_model::ping::round_trips_us(&record.probe_result);
    let figures = glimpse_model::ping::PingFigures::from_result(&record.probe_result);
    let sample = match (&record.method, target, figures.sent) {
        (Some(method), Some(target), Some(sent)) => Some(Sample {
            method,
            target,
            sent,
            received: figures.received.unwrap_or(0),
            rtts_us: &rtts,
        }),
        _ => None,
    };
    history.record(
        now.as_micros(),
        made.as_micros(),
        json.into_boxed_str(),
        sample.as_ref(),
    );
}
