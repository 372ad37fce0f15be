//! Runs what was admitted: exclusive methods alone, others side by side up to a limit, each with a
//! deadline.

use crate::clock;
use glimpse_model::capability::Need;
use glimpse_model::id::ResultId;
use glimpse_model::instruction::Execution;
use glimpse_model::options::Options;
use glimpse_model::outcome::Outcome;
use glimpse_model::time::Timestamp;
use glimpse_probe::context::{Admit, Context};
use glimpse_probe::registry::Descriptor;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::{Semaphore, mpsc, oneshot};
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
    /// Limits and rights of the run; its `admit` is wrapped to remember a refusal.
    pub context: Context,
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
    pub target_refused: Option<String>,
}

/// What a run tells its owner.
#[derive(Debug)]
pub enum RunEvent {
    /// It is about to start and waits for the answer: now is the time to look at the machine.
    Begins(ResultId, oneshot::Sender<()>),
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
    async fn run(&self, mut job: Job, at_target: &Semaphore) {
        // The target first: who waits there does not keep a place from others.
        let Ok(_place_there) = at_target.acquire().await else {
            return;
        };
        let exclusive = job.method.needs.contains(&Need::ExclusiveLine);
        let places = if exclusive { self.parallel } else { 1 };
        let Ok(_place) = self.places.acquire_many(places).await else {
            return;
        };
        let (reply, ready) = oneshot::channel();
        if self
            .events
            .send(RunEvent::Begins(job.result, reply))
            .await
            .is_err()
        {
            return;
        }
        // An owner that drops the reply has no more use for the run.
        if ready.await.is_err() {
            return;
        }
        let refusal = Refusal::default();
        job.context.admit = refusal.watch(job.context.admit.clone());
        let (start, started) = (clock::now(), clock::steady());
        let outcome = job.method.run(&job.options, &job.context).await;
        let ended = Ended {
            result: job.result,
            start,
            end: clock::now(),
            duration_ms: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            outcome,
            target_refused: refusal.take(),
        };
        // The owner is gone only when the agent stops.
        let _ = self.events.send(RunEvent::Ended(ended)).await;
    }
}

/// Remembers that the guard refused an address, so that the run counts as skipped, not as failed.
#[derive(Debug, Clone, Default)]
struct Refusal(Arc<Mutex<Option<String>>>);

impl Refusal {
    fn watch(&self, admit: Arc<Admit>) -> Arc<Admit> {
        let memory = self.0.clone();
        Arc::new(move |address: IpAddr| {
            admit(address).inspect_err(|reason| {
                *memory.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.clone());
            })
        })
    }

    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::outcome::{ByteCount, Ending};
    use glimpse_model::read::Refused;
    use glimpse_probe::registry::{Method, Run};
    use serde_json::Map;
    use std::borrow::Cow;
    use std::time::Duration;

    /// A method that takes a second, or for ever.
    struct Nap {
        stuck: bool,
    }

    impl Method for Nap {
        fn check(&self, _: &Options) -> Result<(), Refused> {
            Ok(())
        }
        fn worst_case_bytes(&self, _: &Options) -> u64 {
            0
        }
        fn longest_run(&self, _: &Options) -> Duration {
            Duration::from_secs(5)
        }
        fn run<'a>(&'a self, _: &'a Options, context: &'a Context) -> Run<'a> {
            Box::pin(async move {
                if let Err(reason) = (context.admit)([192, 168, 0, 1].into()) {
                    return Outcome::failed(reason, ByteCount::default());
                }
                if self.stuck {
                    std::future::pending::<()>().await;
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
                Outcome::done(Map::new(), ByteCount::default())
            })
        }
    }

    fn job(n: u8, needs: &'static [Need], stuck: bool) -> Job {
        let method = Descriptor {
            name: "nap".into(),
            functions: Cow::Borrowed(&[]),
            options: Cow::Borrowed(&[]),
            needs: Cow::Borrowed(needs),
            method: Arc::new(Nap { stuck }),
        };
        Job {
            result: ResultId::from_parts(Timestamp::from_micros(0), [n; 10]),
            target: "192.0.2.1".to_owned(),
            options: Options::from_words(&[], []).unwrap(),
            context: Context::unlimited(Duration::from_secs(5), 0),
            method,
        }
    }

    struct Bench {
        executor: Executor,
        events: mpsc::Receiver<RunEvent>,
        running: usize,
        most: usize,
        ended: Vec<Ended>,
    }

    impl Bench {
        fn new(parallel: u32) -> Self {
            let (sender, events) = mpsc::channel(8);
            let executor = Executor::new(parallel, sender);
            Self {
                executor,
                events,
                running: 0,
                most: 0,
                ended: Vec::new(),
            }
        }

        /// Takes events until `n` runs have ended; returns the seconds that passed.
        async fn until_ended(&mut self, n: usize) -> u64 {
            #[expect(clippy::disallowed_methods, reason = "the virtual clock of the test")]
            let start = tokio::time::Instant::now();
            while self.ended.len() < n {
                match self.events.recv().await.unwrap() {
                    RunEvent::Begins(_, reply) => {
                        self.running += 1;
                        self.most = self.most.max(self.running);
                        reply.send(()).unwrap();
                    }
                    RunEvent::Ended(ended) => {
                        self.running -= 1;
                        self.ended.push(ended);
                    }
                }
            }
            start.elapsed().as_secs()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn parallel_up_to_the_limit() {
        let mut bench = Bench::new(3);
        bench.executor.start(
            Execution::Parallel,
            (0..7).map(|n| job(n, &[], false)).collect(),
            16,
        );
        assert_eq!(bench.until_ended(7).await, 3);
        assert_eq!(bench.most, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn one_target_is_measured_by_so_many_at_a_time() {
        let mut bench = Bench::new(8);
        let jobs = (0..6).map(|n| job(n, &[], false)).collect();
        bench.executor.start(Execution::Parallel, jobs, 2);
        let mut other = job(9, &[], false);
        other.target = "192.0.2.9".to_owned();
        bench.executor.start(Execution::Sequential, vec![other], 2);
        assert_eq!(bench.until_ended(7).await, 3);
        assert_eq!(bench.most, 3, "two here, one there");
    }

    #[tokio::test(start_paused = true)]
    async fn sequential_one_by_one_in_order() {
        let mut bench = Bench::new(3);
        let jobs: Vec<Job> = (0..4).map(|n| job(n, &[], false)).collect();
        let order: Vec<ResultId> = jobs.iter().map(|job| job.result).collect();
        bench.executor.start(Execution::Sequential, jobs, 16);
        assert_eq!(bench.until_ended(4).await, 4);
        assert_eq!(bench.most, 1);
        assert!(bench.ended.iter().map(|ended| ended.result).eq(order));
    }

    #[tokio::test(start_paused = true)]
    async fn an_exclusive_run_is_alone() {
        let mut bench = Bench::new(4);
        for n in 0..3 {
            bench.executor.start(
                Execution::Sequential,
                vec![job(n, &[Need::ExclusiveLine], false)],
                16,
            );
            bench
                .executor
                .start(Execution::Sequential, vec![job(10 + n, &[], false)], 16);
        }
        bench.until_ended(6).await;
        assert_eq!(
            bench.most, 1,
            "ordinary runs stood alone between exclusive ones"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_stuck_run_is_aborted_and_the_next_goes_on() {
        let mut bench = Bench::new(1);
        bench.executor.start(
            Execution::Sequential,
            vec![job(0, &[], true), job(1, &[], false)],
            16,
        );
        assert_eq!(bench.until_ended(2).await, 6);
        assert_eq!(bench.ended[0].outcome.ending, Ending::Aborted);
        assert_eq!(bench.ended[1].outcome.ending, Ending::Done);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_address_is_told_apart_from_a_failure() {
        let mut bench = Bench::new(1);
        let mut refused = job(0, &[], false);
        refused.context.admit = Arc::new(|_| Err("is private".to_owned()));
        bench
            .executor
            .start(Execution::Sequential, vec![refused], 16);
        bench.until_ended(1).await;
        assert_eq!(bench.ended[0].target_refused.as_deref(), Some("is private"));
    }
}
