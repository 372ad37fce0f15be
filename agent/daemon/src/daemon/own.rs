//! What the household measures for itself: by hand, by its schedules, with the trouble-shooter. It is counted beside the
//! donated traffic, shown in the history, and goes nowhere else; it needs neither consent nor controller.

mod schedules;
#[cfg(test)]
mod tests;
mod troubles;

use super::Daemon;
use crate::clock;
use crate::executor::Turn;
use crate::host::proc::{CpuTimes, cpu_usage};
use crate::local::jobs::{Busy, JobEvent, Jobs, Kind, Line, Order, Yielded};
use crate::local::service::{Event, Own};
use crate::random;
use crate::scheduler::plan::Plan;
use crate::scheduler::skips::Skips;
use crate::scheduler::state::SeenFile;
use crate::spooler::new_id;
use crate::tls;
use glimpse_model::capability::Need;
use glimpse_model::id::{InstructionId, ResultId};
use glimpse_model::options::Options;
use glimpse_model::outcome::Outcome;
use glimpse_model::record::{Flag, Record, Status};
use glimpse_model::time::Timestamp;
use glimpse_probe::context::{Context, Meter};
use glimpse_probe::registry::Descriptor;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::sync::{broadcast, mpsc, watch};

/// Messages of jobs that may wait.
const WAITING: usize = 32;
/// Figures of a job's record in its status: beside it there must be room in a message.
const RECORD_BYTES: usize = 48 << 10;

/// The household's side of the daemon.
pub(super) struct Household {
    jobs: Jobs,
    events: mpsc::Receiver<JobEvent>,
    /// Measurements under way by the ids of their jobs.
    measuring: BTreeMap<ResultId, Measuring>,
    /// Its schedules.
    plan: Plan,
    /// Firings of theirs that did not take place.
    skips: Skips,
    seen: SeenFile,
}

/// A measurement under way.
struct Measuring {
    method: String,
    target: String,
    schedule: Option<InstructionId>,
    planned: Timestamp,
    meter: Meter,
    pre_info: Map<String, Value>,
    cpu: Option<CpuTimes>,
    /// When it began, by both clocks.
    began: Option<(Timestamp, Instant)>,
}

impl Household {
    /// Nothing under way; what was planned before is known from the durable directory.
    pub(super) fn new(state_dir: &Path, tell: broadcast::Sender<Event>) -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        Self {
            jobs: Jobs::new(sender, tell),
            events,
            measuring: BTreeMap::new(),
            plan: Plan::new(random::seed()),
            skips: Skips::default(),
            seen: SeenFile::new(state_dir.join("schedules.json")),
        }
    }

    /// The next message of a job.
    pub(super) async fn next(&mut self) -> Option<JobEvent> {
        self.events.recv().await
    }

    /// Whether a measurement of the household's own has the line.
    pub(super) fn has_line(&self) -> bool {
        self.jobs.has_line()
    }
}

fn refuse(error: impl std::fmt::Display) -> Value {
    json!({"error": error.to_string()})
}

fn no_job(id: ResultId) -> Value {
    refuse(format_args!(
        "there is no test {id}, or no more: results are kept for 15 minutes"
    ))
}

/// What is measured, as the options of any method name it.
pub(super) fn target_of(options: &Options) -> String {
    ["host", "url", "ip"]
        .into_iter()
        .map(|name| options.text(name))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
        .to_owned()
}

impl Daemon {
    /// Starts what the household asks for.
    pub(super) fn run_own(&mut self, own: &Own) -> Value {
        let (wanted, schedule) = match own {
            Own::Method { method, options } => (self.wanted(method, options), None),
            Own::Schedule(name) => {
                let schedules = &self.settings.schedules;
                let Some(schedule) = schedules.iter().find(|schedule| schedule.name == *name)
                else {
                    return refuse(format_args!(
                        "there is no schedule '{}'",
                        glimpse_model::read::printable(name)
                    ));
                };
                (self.wanted_by(schedule), Some(schedule.name.clone()))
            }
        };
        let started = wanted.and_then(|(method, options)| {
            let now = clock::now();
            let (order, measuring) = self.order(method, options, schedule, now);
            let started = self.own.jobs.start(order, clock::steady());
            let id = started.map_err(|busy: Busy| busy.to_string())?;
            self.own.measuring.insert(id, measuring);
            Ok(id)
        });
        match started {
            Ok(id) => json!({"id": id}),
            Err(error) => refuse(error),
        }
    }

    /// The method and its options, checked.
    fn wanted(
        &self,
        name: &str,
        given: &Map<String, Value>,
    ) -> Result<(Descriptor, Options), String> {
        let method = self.method(name)?;
        let options = method
            .read(given)
            .map_err(|refused| refused.within("options").to_string())?;
        Ok((method, options))
    }

    fn method(&self, name: &str) -> Result<Descriptor, String> {
        let registry = self.registry.borrow();
        registry.find(name).cloned().ok_or_else(|| {
            let name = glimpse_model::read::printable(name);
            format!("'{name}' is not a method of this agent")
        })
    }

    /// A measurement to be made, and what there is to know of it.
    fn order(
        &self,
        method: Descriptor,
        options: Options,
        schedule: Option<String>,
        planned: Timestamp,
    ) -> (Order, Measuring) {
        let longest = method.longest_run(&options);
        let context = Context {
            tls: tls::measuring(),
            ..Context::unlimited(longest, random::seed())
        };
        let meter = context.meter.clone();
        let measuring = Measuring {
            method: method.name.to_string(),
            target: target_of(&options),
            schedule: schedule
                .as_deref()
                .and_then(|name| InstructionId::new(name).ok()),
            planned,
            meter: meter.clone(),
            pre_info: Map::new(),
            cpu: None,
            began: None,
        };
        let line = method
            .needs
            .contains(&Need::ExclusiveLine)
            .then(|| self.line());
        let order = Order {
            id: new_id(planned),
            kind: Kind::Measurement,
            method: Some(measuring.method.clone()),
            schedule,
            longest,
            meter,
            progress: watch::channel(json!({})).1,
            line,
            work: Box::pin(async move {
                let outcome = method.run(&options, &context).await;
                Yielded::Outcome(Box::new(outcome))
            }),
        };
        (order, measuring)
    }

    /// The wait for the line.
    fn line(&self) -> Line {
        let wait = self.executor.whole_line();
        Box::pin(wait)
    }

    /// How a job stands.
    pub(super) fn run_status(&mut self, id: ResultId) -> Value {
        let status = self.own.jobs.status(id, clock::steady());
        status.unwrap_or_else(|| no_job(id))
    }

    /// Ends a job; what its measurement has used until then is counted, and its record says who ended it.
    pub(super) async fn cancel(&mut self, id: ResultId) -> Value {
        match self.own.jobs.cancel(id, clock::steady()) {
            None => no_job(id),
            Some(false) => json!({}),
            Some(true) => {
                self.cancelled(id, "cancelled by the household").await;
                json!({})
            }
        }
    }

    async fn cancelled(&mut self, id: ResultId, words: &str) {
        if let Some(measuring) = self.own.measuring.remove(&id) {
            if measuring.began.is_none() {
                return;
            }
            let outcome = Outcome::aborted(words, measuring.meter.read());
            let record = self.close(id, measuring, outcome).await;
            self.own.jobs.tell_of(id, "record", record);
        } else {
            let status = self.own.jobs.status(id, clock::steady());
            self.count(status.as_ref().map_or(0, bytes_of)).await;
        }
    }

    /// What a job says.
    pub(super) async fn job_event(&mut self, event: JobEvent) {
        match event {
            JobEvent::Begins(id, reply) => {
                // Here and where sessions are let in, both of this one task: so the two never have the line at once.
                if self.own.jobs.fills_line(id) && self.is_line_lent() {
                    // Whoever is gone meanwhile needs no answer.
                    let _ = reply.send(Turn::Later);
                } else if self.own.jobs.begin(id, clock::steady()) {
                    self.begin_own(id);
                    let _ = reply.send(Turn::Now);
                }
            }
            JobEvent::Ended(id, yielded) => self.job_ended(id, yielded).await,
        }
    }

    fn begin_own(&mut self, id: ResultId) {
        let mobile = &self.settings.limits.mobile_interfaces;
        let (info, cpu) = (
            self.surroundings.info(mobile, &self.guard),
            self.surroundings.cpu_times(),
        );
        if let Some(measuring) = self.own.measuring.get_mut(&id) {
            measuring.pre_info = info;
            measuring.cpu = cpu;
            measuring.began = Some((clock::now(), clock::steady()));
        }
    }

    async fn job_ended(&mut self, id: ResultId, yielded: Yielded) {
        let answer = match yielded {
            Yielded::Outcome(outcome) => {
                let Some(measuring) = self.own.measuring.remove(&id) else {
                    // Cancelled while it ended.
                    return;
                };
                let record = self.close(id, measuring, *outcome).await;
                Map::from_iter([("record".to_owned(), record)])
            }
            Yielded::Answer(answer) => {
                let bytes = answer.get("bytes").and_then(Value::as_u64);
                self.count(bytes.unwrap_or(0)).await;
                answer
            }
        };
        self.own.jobs.finish(id, answer, clock::steady());
    }

    /// The record of a measurement that is over: shown and counted. As the job's status has it.
    async fn close(&mut self, id: ResultId, measuring: Measuring, outcome: Outcome) -> Value {
        let mut record = Record::new(id, Status::Aborted).with_outcome(outcome);
        record.instruction_id = measuring.schedule;
        record.method = Some(measuring.method);
        record.planned_time = Some(measuring.planned);
        record.end_time = Some(clock::now());
        if let Some((start, started)) = measuring.began {
            record.start_time = Some(start);
            let took = clock::steady().saturating_duration_since(started);
            record.duration = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        }
        record.pre_info = measuring.pre_info;
        let mobile = &self.settings.limits.mobile_interfaces;
        record.post_info = self.surroundings.info(mobile, &self.guard);
        let load = measuring
            .cpu
            .zip(self.surroundings.cpu_times())
            .and_then(|(before, after)| cpu_usage(&before, &after));
        if let Some(load) = load {
            let name = "cpu_usage_run".to_owned();
            record.post_info.insert(name, load.into());
            if load * 100.0 > f64::from(self.guard.rules().cpu_load) {
                record.flags.push(Flag::CpuLoad);
            }
        }
        self.count(record.bytes.total()).await;
        self.show_own(&record, Some(&measuring.target));
        let raw = self.history.raw().rev().find(|raw| raw.id == id);
        let shown = raw.and_then(|raw| crate::local::results::record(raw, RECORD_BYTES));
        // Where the history is too small to keep it, the job has it all the same.
        shown.unwrap_or_else(|| serde_json::to_value(&record).unwrap_or(Value::Null))
    }

    /// Counts what the household has used for itself.
    pub(super) async fn count(&mut self, bytes: u64) {
        if bytes > 0 {
            self.guard.accounts_mut().note_own(bytes);
            self.note_accounts(false).await;
        }
    }

    /// Ends everything of the household's with the agent.
    pub(super) async fn stop_own(&mut self) {
        for id in self.own.jobs.open() {
            self.own.jobs.cancel(id, clock::steady());
            self.cancelled(id, "the agent was stopped").await;
        }
        for skipped in self.own.skips.drain() {
            self.show_skip(skipped);
        }
        self.save_own(true);
    }
}

fn bytes_of(status: &Value) -> u64 {
    status["bytes"].as_u64().unwrap_or(0)
}

/// How long an enrolment may take.
const ENROLMENT: Duration = Duration::from_mins(1);
