//! Runs what was admitted: exclusive methods alone, others side by side up to a limit, each with a
//! deadline.

use crate::clock;
use crate::guard::Denied;
use crate::guard::gate::Refusal;
use crate::guard::quiet::{self, QuietLine, Verdict};
use glimpse_model::capability::Need;
use glimpse_model::id::ResultId;
use glimpse_model::instruction::Execution;
use glimpse_model::options::Options;
use glimpse_model::outcome::Outcome;
use glimpse_model::record::SkipReason;
use glimpse_model::time::Timestamp;
use glimpse_probe::context::Context;
use glimpse_probe::registry::Descriptor;
use glimpse_probe::responder::Recall;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;

/// One task that may run.
#[derive(Debug)]
pub struct Job {
    /// The id its record will bear.
    pub result: ResultId,
    /// What it measures, as the instruction names it.
    pub target: String,
    /// The method.
    pub method: Descriptor,
    /// Its checked options.
    pub options: Options,
    /// Limits and rights of the run.
    pub context: Context,
    /// Where its `admit` notes why it refused an address.
    pub refusal: Refusal,
    /// For runs that fill the line: how to see whether it is quiet.
    pub line: Option<LineWatch>,
    /// By which its owner ends it, once it has begun.
    pub recall: Recall,
}

/// What became of a run.
#[derive(Debug)]
pub struct Ended {
    /// The id of its record.
    pub result: ResultId,
    /// When it started.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// How long it took on a steady clock, in milliseconds.
    pub duration_ms: u64,
    /// What it yielded.
    pub outcome: Outcome,
    /// The guard refused an address after resolution, for this reason.
    pub refused: Option<Denied>,
}

/// How a run that fills the line sees whether others use it.
#[derive(Clone)]
pub struct LineWatch {
    /// Mean level below which the line counts as quiet, in bit/s.
    pub limit_bps: u64,
    /// Bytes that the line has carried in both directions; `None` where nobody knows.
    pub bytes: Arc<dyn Fn() -> Option<u64> + Send + Sync>,
}

impl fmt::Debug for LineWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineWatch")
            .field("limit_bps", &self.limit_bps)
            .finish_non_exhaustive()
    }
}

impl LineWatch {
    /// Waits for a quiet window.
    async fn quiet(&self) -> Result<(), Denied> {
        // The timer's own clock: the windows are made of its sleeps.
        #[expect(clippy::disallowed_methods, reason = "this is the edge")]
        let began = tokio::time::Instant::now();
        let mut line = QuietLine::new(self.limit_bps);
        loop {
            let Some(bytes) = (self.bytes)() else {
                log::debug!("the line has no counters to see whether it is quiet");
                return Ok(());
            };
            let now_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            match line.see(now_ms, bytes) {
                Verdict::Quiet => return Ok(()),
                Verdict::Wait => tokio::time::sleep(Duration::from_millis(quiet::LOOK_MS)).await,
                Verdict::Busy(bps) => {
                    return Err(Denied {
                        reason: SkipReason::CrossTraffic,
                        words: format!(
                            "the line carried {} kbit/s for {} s; less than {} kbit/s is quiet",
                            bps / 1000,
                            quiet::PATIENCE_MS / 1000,
                            self.limit_bps / 1000
                        ),
                    });
                }
            }
        }
    }
}

/// The owner's answer to a run that is about to start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It starts.
    Now,
    /// Another agent's session fills the line: it asks again, as patiently as it waits for a quiet line.
    Later,
}

/// What a run tells its owner.
#[derive(Debug)]
pub enum RunEvent {
    /// It is about to start and waits for the answer: now is the time to look at the machine.
    Begins(ResultId, oneshot::Sender<Turn>),
    /// It had its turn and does not take place: the line is not quiet.
    Denied(ResultId, Denied),
    /// It is over.
    Ended(Ended),
}

/// Starts runs and lets so many of them go on at a time, and so many at one target. Dropping it ends
/// them.
#[derive(Debug)]
pub struct Executor {
    places: Arc<Semaphore>,
    parallel: u32,
    /// Places at each target that is being measured or waited for.
    targets: BTreeMap<String, Weak<Semaphore>>,
    events: mpsc::Sender<RunEvent>,
    firings: JoinSet<()>,
}

impl Executor {
    /// An executor of `parallel` places (at least one) that reports to `events`.
    pub fn new(parallel: u32, events: mpsc::Sender<RunEvent>) -> Self {
        let parallel = parallel.max(1);
        Self {
            places: Arc::new(Semaphore::new(parallel as usize)),
            parallel,
            targets: BTreeMap::new(),
            events,
            firings: JoinSet::new(),
        }
    }

    /// Measurements that may run side by side.
    pub fn parallel(&self) -> u32 {
        self.parallel
    }

    /// Starts the tasks of one firing, in their order, at most `at_target` of them at one target.
    /// They wait their turn: first come, first served; an exclusive one waits until it is alone and
    /// holds up those behind it.
    pub fn start(&mut self, execution: Execution, jobs: Vec<Job>, at_target: u32) {
        while self.firings.try_join_next().is_some() {}
        self.targets.retain(|_, places| places.strong_count() > 0);
        let jobs: Vec<(Job, Arc<Semaphore>)> = jobs
            .into_iter()
            .map(|job| {
                let places = self.places_at(&job.target, at_target);
                (job, places)
            })
            .collect();
        match execution {
            // No built-in method takes another's result as input: stage by stage is one by one.
            Execution::Sequential | Execution::Pipelined => {
                let line = self.line();
                self.firings.spawn(async move {
                    for (job, at_target) in jobs {
                        line.run(job, &at_target).await;
                    }
                });
            }
            Execution::Parallel => {
                for (job, at_target) in jobs {
                    let line = self.line();
                    self.firings
                        .spawn(async move { line.run(job, &at_target).await });
                }
            }
        }
    }

    /// The wait for all places, in turn with the runs: who holds them has the line for itself.
    pub fn whole_line(&self) -> impl Future<Output = Option<OwnedSemaphorePermit>> + Send + use<> {
        let wait = self.places.clone().acquire_many_owned(self.parallel);
        async move { wait.await.ok() }
    }

    /// Ends all runs where they stand.
    pub fn abort(&mut self) {
        self.firings.abort_all();
    }

    /// The places at a target: those of the runs that are there, or new ones.
    fn places_at(&mut self, target: &str, at_target: u32) -> Arc<Semaphore> {
        if let Some(places) = self.targets.get(target).and_then(Weak::upgrade) {
            return places;
        }
        let places = Arc::new(Semaphore::new(at_target.max(1) as usize));
        self.targets
            .insert(target.to_owned(), Arc::downgrade(&places));
        places
    }

    fn line(&self) -> Line {
        Line {
            places: self.places.clone(),
            parallel: self.parallel,
            events: self.events.clone(),
        }
    }
}

struct Line {
    places: Arc<Semaphore>,
    parallel: u32,
    events: mpsc::Sender<RunEvent>,
}

impl Line {
    async fn run(&self, job: Job, at_target: &Semaphore) {
        // The target first: who waits there does not keep a place from others.
        let Ok(_place_there) = at_target.acquire().await else {
            return;
        };
        let exclusive = job.method.needs.contains(&Need::ExclusiveLine);
        let places = if exclusive { self.parallel } else { 1 };
        let Ok(_place) = self.places.acquire_many(places).await else {
            return;
        };
        match self.turn(&job).await {
            Some(Ok(())) => {}
            Some(Err(denied)) => {
                // The owner is gone only when the agent stops.
                let _ = self.events.send(RunEvent::Denied(job.result, denied)).await;
                return;
            }
            None => return,
        }
        let (start, started) = (clock::now(), clock::steady());
        let outcome = tokio::select! {
            outcome = job.method.run(&job.options, &job.context) => outcome,
            reason = job.recall.ended() => Outcome::aborted(reason, job.context.meter.read()),
        };
        let ended = Ended {
            result: job.result,
            start,
            end: clock::now(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome,
            refused: job.refusal.take(),
        };
        // The owner is gone only when the agent stops.
        let _ = self.events.send(RunEvent::Ended(ended)).await;
    }

    /// Waits for the line, where the run fills it, and for the owner's leave; `None` when nobody wants the run any more.
    async fn turn(&self, job: &Job) -> Option<Result<(), Denied>> {
        // Not those of the quiet window, which looks after itself.
        let mut waited_ms = 0;
        loop {
            if let Some(line) = &job.line
                && let Err(denied) = line.quiet().await
            {
                return Some(Err(denied));
            }
            let (reply, ready) = oneshot::channel();
            let asked = self.events.send(RunEvent::Begins(job.result, reply)).await;
            asked.ok()?;
            // An owner that drops the reply has no more use for the run.
            match ready.await.ok()? {
                Turn::Now => return Some(Ok(())),
                Turn::Later if waited_ms < quiet::PATIENCE_MS => {}
                Turn::Later => {
                    return Some(Err(Denied {
                        reason: SkipReason::CrossTraffic,
                        words: format!(
                            "another agent measured on this line for {} s",
                            quiet::PATIENCE_MS / 1000
                        ),
                    }));
                }
            }
            tokio::time::sleep(Duration::from_millis(quiet::LOOK_MS)).await;
            waited_ms += quiet::LOOK_MS;
        }
    }
}

#[cfg(test)]
mod tests;
