//! Firings, runs and their records.

use super::Daemon;
use super::own::target_of;
use crate::clock;
use crate::executor::{Ended, Job, LineWatch, RunEvent, Turn};
use crate::guard::gate::{Gate, Refusal};
use crate::guard::{Ask, Denied, Ticket};
use crate::host::proc::{CpuTimes, cpu_usage};
use crate::random;
use crate::scheduler::plan::{Firing, Missed};
use crate::scheduler::skips::Skipped;
use crate::scheduler::state::OpenRun;
use crate::spooler::new_id;
use crate::tls;
use glimpse_model::capability::Need;
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_model::instruction::{Execution, Instruction, Task};
use glimpse_model::outcome::Outcome;
use glimpse_model::record::{Flag, Record, SkipReason, Status};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_probe::context::{Bulk, Context, Meter};
use glimpse_probe::registry::Descriptor;
use glimpse_probe::responder::Recall;
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
    recall: Recall,
    pre_info: Map<String, Value>,
    began: Option<Timestamp>,
    cpu: Option<CpuTimes>,
    /// It has a place; it does not wait any more.
    pub(super) begun: bool,
}

impl Daemon {
    /// Makes one firing ready to run, as far as the guard lets it.
    pub(super) async fn prepare(
        &mut self,
        firing: Firing,
        now: Timestamp,
    ) -> Option<(Execution, Vec<Job>)> {
        let instruction = firing.instruction.clone();
        let whole = |reason, words: &str| {
            Skipped::one(instruction.id.clone(), None, firing.slot, reason, words)
        };
        if self
            .running
            .values()
            .any(|run| run.run.instruction == instruction.id)
        {
            let words = "the last firing of this instruction is still running";
            self.skip(whole(SkipReason::Overlap, words), now).await;
            return None;
        }
        if self.is_queue_full(instruction.tasks.len()) {
            if instruction.timing.fires_once() {
                self.plan.defer(firing, now.plus_micros(SECOND));
                return None;
            }
            let words = "too many measurements are waiting";
            self.skip(whole(SkipReason::QueueFull, words), now).await;
            return None;
        }
        for skipped in self.skips.interrupt(&instruction.id, None) {
            self.record_skip(skipped).await;
        }
        let mut jobs = Vec::new();
        for task in &instruction.tasks {
            match self.admit(&instruction, task, firing.slot, now) {
                Ok(job) => jobs.push(job),
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
        (!jobs.is_empty()).then_some((instruction.execution, jobs))
    }

    /// Whether so many more runs cannot wait for a place.
    pub(super) fn is_queue_full(&self, more: usize) -> bool {
        let waiting = self.running.values().filter(|run| !run.begun).count();
        waiting + more > QUEUE
    }

    /// Asks the guard for one task and makes it ready to run.
    pub(super) fn admit(
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
        let method: Descriptor = self
            .registry
            .borrow()
            .find(&task.method)
            .cloned()
            .ok_or_else(|| cannot(format!("'{}' is not a method of this agent", task.method)))?;
        let options = method
            .read(&task.options)
            .map_err(|refused| cannot(refused.to_string()))?;
        // Measurements of the home and of the machine have none.
        let target = target_of(&options);
        let worst_bytes = method.worst_case_bytes(&options);
        let (_, link) = self
            .surroundings
            .link(&self.settings.limits.mobile_interfaces);
        let ticket = self.guard.admit(
            &Ask {
                method: &task.method,
                instruction: Some(&instruction.id),
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
        let fills_line = method.needs.contains(&Need::ExclusiveLine);
        let refusal = Refusal::default();
        let gate = Gate {
            lan: instruction.lan && rules.lan,
            lab: rules.lab,
            // The bytes of those that fill the line are bounded otherwise: where they go is listed, opts in, or holds a
            // token. How often they knock somewhere to find that out is not.
            charge: Some(if fills_line { 0 } else { worst_bytes }),
            flow: self.guard.flow().clone(),
            refusal: refusal.clone(),
        };
        let line = rules
            .cross_traffic_bps
            .filter(|_| fills_line)
            .map(|limit_bps| LineWatch {
                limit_bps,
                bytes: Arc::new(self.surroundings.carried()),
            });
        let context = Context {
            admit: gate.admit(clock::now),
            bulk: if rules.lab {
                Bulk::Any
            } else {
                Bulk::Listed(self.settings.limits.bulk_targets.as_slice().into())
            },
            tls: tls::measuring(),
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
        let (result, recall) = (run.result, Recall::default());
        self.running.insert(
            result,
            Running {
                run,
                ticket,
                target: target.clone(),
                meter: context.meter.clone(),
                recall: recall.clone(),
                pre_info: Map::new(),
                began: None,
                cpu: None,
                begun: false,
            },
        );
        Ok(Job {
            result,
            target,
            method,
            options,
            context,
            refusal,
            line,
            recall,
        })
    }

    /// What a run says of itself.
    pub(super) async fn run_event(&mut self, event: RunEvent) {
        match event {
            RunEvent::Begins(id, reply) => {
                if let Some(turn) = self.begins(id).await {
                    // A run that was aborted meanwhile does not listen.
                    let _ = reply.send(turn);
                }
            }
            RunEvent::Denied(id, denied) => {
                if let Some(running) = self.running.remove(&id) {
                    self.revoke(running, 0, denied, clock::now()).await;
                }
            }
            RunEvent::Ended(ended) => self.ended(ended).await,
        }
    }

    /// Whether a run that has waited for its place may begin; the household may have changed its mind. `None`: it is
    /// not wanted any more.
    async fn begins(&mut self, id: ResultId) -> Option<Turn> {
        let now = clock::now();
        // Here and where sessions are let in, both of this one task: so the two never have the line at once.
        let method = self.running.get(&id)?.method();
        if self.fills_line(method) && self.is_line_lent() {
            return Some(Turn::Later);
        }
        let (info, cpu) = (self.info(), self.surroundings.cpu_times());
        let running = self.running.get_mut(&id)?;
        let run = &running.run;
        match self.guard.allows(&run.method, Some(&run.instruction), now) {
            Ok(()) => {
                running.begun = true;
                running.began = Some(now);
                running.pre_info = info;
                running.cpu = cpu;
                self.lmap.began(&running.run, now);
                Some(Turn::Now)
            }
            Err(denied) => {
                if let Some(running) = self.running.remove(&id) {
                    self.revoke(running, 0, denied, now).await;
                }
                None
            }
        }
    }

    /// A run that was admitted and did not come to measure: a skip takes the place of its record.
    async fn revoke(&mut self, running: Running, bytes: u64, denied: Denied, now: Timestamp) {
        let run = running.run;
        self.guard.settle(running.ticket, bytes);
        self.note_accounts(false).await;
        self.open.remove(&run.result);
        drop(self.note_open().await);
        if self
            .lmap
            .denied(run.result, denied.reason, &denied.words, now)
        {
            return;
        }
        let skipped = Skipped::one(
            run.instruction,
            Some((run.task, run.method)),
            run.slot,
            denied.reason,
            denied.words,
        );
        self.skip(skipped, now).await;
    }

    async fn ended(&mut self, ended: Ended) {
        let Some(running) = self.running.remove(&ended.result) else {
            return;
        };
        if let Some(denied) = ended.refused {
            let bytes = ended.outcome.bytes.total();
            return self.revoke(running, bytes, denied, ended.end).await;
        }
        let run = &running.run;
        for skipped in self.skips.interrupt(&run.instruction, Some(&run.task)) {
            self.record_skip(skipped).await;
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
        let exit = outcome.exit;
        record = record.with_outcome(outcome);
        record.pre_info = running.pre_info;
        record.post_info = self.info();
        // Over the run itself; `cpu_usage` is the load since the snapshot before, whenever that was.
        let load = running
            .cpu
            .zip(self.surroundings.cpu_times())
            .and_then(|(before, after)| cpu_usage(&before, &after));
        if let Some(load) = load {
            record
                .post_info
                .insert("cpu_usage_run".to_owned(), load.into());
            if load * 100.0 > f64::from(self.guard.rules().cpu_load) {
                record.flags.push(Flag::CpuLoad);
            }
        }
        if self.lmap.ended(&running.run, &record, exit, clock::now()) {
            // It goes where its schedule says, not where the other door sends.
            self.show(&record, Some(&running.target));
            self.open.remove(&running.run.result);
            drop(self.note_open().await);
        } else {
            self.keep(record, Some(&running.target)).await;
        }
    }

    /// Takes back a run that waits for its place; its record says why.
    #[cfg(feature = "lmap")]
    pub(super) async fn withdraw(&mut self, id: ResultId, words: &str) -> Option<Record> {
        let running = self.running.remove(&id)?;
        let mut record = run_record(&running);
        record.start_time = Some(clock::now());
        record.end_time = record.start_time;
        words.clone_into(&mut record.error);
        self.guard.settle(running.ticket, 0);
        self.note_accounts(false).await;
        self.open.remove(&id);
        drop(self.note_open().await);
        self.show(&record, Some(&running.target));
        Some(record)
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
        self.lmap.skipped(&skipped);
        self.record_skips(skipped, now).await;
    }

    /// Puts a skip into a record, by itself or with those like it.
    pub(super) async fn record_skips(&mut self, skipped: Skipped, now: Timestamp) {
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

impl Running {
    /// The method it runs.
    pub(super) fn method(&self) -> &str {
        &self.run.method
    }

    /// The instruction that asked for it.
    pub(super) const fn instruction(&self) -> &InstructionId {
        &self.run.instruction
    }

    /// By which it is ended.
    pub(super) const fn recall(&self) -> &Recall {
        &self.recall
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
