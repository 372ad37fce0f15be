//! What the machine wants done.

use super::Daemon;
use crate::clock;
use crate::restconf::Noticed;
use crate::scheduler::skips::Skipped;
use crate::spooler::new_id;
use glimpse_lmap::names;
use glimpse_lmap::notice::{self, Notice};
use glimpse_lmap::run::{End, Ended, RunId, Start, Step};
use glimpse_model::instruction::{Execution, Instruction, Task};
use glimpse_model::record::{Record, Skip, SkipReason, Status};
use glimpse_model::time::Timestamp;
use glimpse_model::timing::Timing;
use std::sync::Arc;

impl Daemon {
    /// Does what is to be done, and what comes of that.
    pub(in crate::daemon) async fn follow_lmap(&mut self) {
        let now = clock::now();
        let registry = self.registry.borrow().clone();
        if !Arc::ptr_eq(&registry, &self.lmap.registry) {
            self.lmap.equip(&self.settings, &registry, now);
        }
        loop {
            let steps = self.lmap.machine.steps();
            if steps.is_empty() {
                return;
            }
            // Noted before anything runs: whatever happens, what is to run once does not run twice.
            self.lmap.write_urgent(now);
            let mut started = false;
            for step in steps {
                started |= matches!(step, Step::Start(_));
                self.obey(step, now).await;
            }
            if started {
                drop(self.note_open().await);
                self.note_accounts(false).await;
            }
        }
    }

    async fn obey(&mut self, step: Step, now: Timestamp) {
        match step {
            Step::Start(start) => self.start_run(*start, now),
            Step::Stop(run, end) => self.stop_run(run, end, now).await,
            Step::Post {
                schedule,
                action,
                collector,
                outputs,
            } => self.post(schedule, action, collector, outputs),
            step => self.obey_quietly(step, now).await,
        }
    }

    /// What neither starts nor ends anything.
    async fn obey_quietly(&mut self, step: Step, now: Timestamp) {
        match step {
            Step::Keep(output, places) => {
                let spooler = &self.spooler;
                self.lmap.results.keep(spooler, &output, &places).await;
            }
            Step::Forget(id) => self.lmap.results.forget(&self.spooler, id).await,
            Step::Quarantine {
                collector,
                output,
                reason,
            } => {
                log::warn!(result:% = output.record.id, error = reason.as_str(); "{collector} will not take a result: it is put aside");
                let spooler = &self.spooler;
                self.lmap.results.set_aside(spooler, &output).await;
            }
            Step::Skipped(skipped) => {
                if let Some(record) = skip_of(&skipped) {
                    self.record_skips(record, now).await;
                }
                self.notify(&Notice::Skipped(skipped), now);
            }
            Step::Notice(notice) => self.notify(&notice, now),
            Step::Start(_) | Step::Stop(..) | Step::Post { .. } => {}
        }
    }

    /// Stores what the machine has to store, at the end: nothing is started any more.
    pub(super) async fn keep_results(&mut self) {
        let now = clock::now();
        for step in self.lmap.machine.steps() {
            self.obey_quietly(step, now).await;
        }
    }

    /// Tells those who listen.
    fn notify(&self, notice: &Notice, now: Timestamp) {
        if self.lmap.notices.receiver_count() == 0 {
            return;
        }
        match notice.tree(self.lmap.schema) {
            Ok(tree) => {
                let time = now.as_micros();
                // Whoever listened may be gone.
                let _ = self.lmap.notices.send(Arc::new(Noticed { time, tree }));
            }
            Err(error) => log::error!("a notification cannot be made: {error}"),
        }
    }

    /// Asks the guard for a run, as for those of the other door.
    fn start_run(&mut self, start: Start, now: Timestamp) {
        let task = Task {
            id: start.task_id,
            method: start.method,
            options: start.options,
        };
        let instruction = Instruction {
            id: start.instruction_id,
            timing: Timing::Immediate {},
            tasks: Vec::new(),
            execution: Execution::Parallel,
            precondition: start.precondition,
            lan: start.lan,
            purpose: None,
        };
        let moment = self.lmap.moment(now);
        if let Some((status, words)) = self.cannot_run(&task) {
            let mut record = Record::new(new_id(now), Status::Failed);
            record.instruction_id = Some(instruction.id);
            record.task_id = Some(task.id);
            record.method = Some(task.method);
            record.planned_time = Some(start.event);
            record.start_time = Some(now);
            record.end_time = Some(now);
            record.error = words;
            self.show(&record, None);
            let ended = Ended {
                record,
                status: Some(status),
            };
            return self.lmap.machine.ended(start.run, ended, &moment);
        }
        if self.is_queue_full(1) {
            let words = "too many measurements are waiting";
            let machine = &mut self.lmap.machine;
            return machine.denied(start.run, SkipReason::QueueFull, words, &moment);
        }
        match self.admit(&instruction, &task, start.event, now) {
            Ok(job) => {
                self.lmap.runs.insert(job.result, start.run);
                let at_target = self.guard.rules().target_parallel;
                self.executor
                    .start(Execution::Parallel, vec![job], at_target);
            }
            Err(denied) => {
                let machine = &mut self.lmap.machine;
                machine.denied(start.run, denied.reason, &denied.words, &moment);
            }
        }
    }

    /// Why a task can never run, and the status of that, as shells have it: nobody keeps it from running, so it is a failure.
    fn cannot_run(&self, task: &Task) -> Option<(i32, String)> {
        let registry = self.registry.borrow();
        let Some(method) = registry.find(&task.method) else {
            let words = format!("'{}' is not a method of this agent", task.method);
            return Some((127, words));
        };
        let refused = method.read(&task.options).err()?;
        Some((126, refused.to_string()))
    }

    /// Ends a run of the machine's.
    async fn stop_run(&mut self, run: RunId, end: End, now: Timestamp) {
        let mut runs = self.lmap.runs.iter();
        let Some(id) = runs.find(|(_, own)| **own == run).map(|(id, _)| *id) else {
            return;
        };
        let words = match end {
            End::Graceful => "its schedule has ended it",
            End::Hard => "its schedule has ended it, and it took too long to end",
        };
        if let Some(running) = self.running.get(&id)
            && running.begun
        {
            return running.recall().end(words);
        }
        // It waits for its place: whoever asks for it then finds nobody.
        self.lmap.runs.remove(&id);
        if let Some(record) = self.withdraw(id, words).await {
            let moment = self.lmap.moment(now);
            let ended = Ended {
                record,
                status: None,
            };
            self.lmap.machine.ended(run, ended, &moment);
        }
    }
}

fn skip_of(skipped: &notice::Skipped) -> Option<Skipped> {
    let task = match &skipped.action {
        Some(action) => Some(names::task_id(action)?),
        None => None,
    };
    Some(Skipped {
        instruction: names::instruction_id(&skipped.schedule)?,
        task,
        method: None,
        first: skipped.first,
        skip: Skip {
            reason: skipped.reason,
            count: skipped.count,
            last: skipped.last,
        },
        words: skipped.words.clone(),
    })
}
