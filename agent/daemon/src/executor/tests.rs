#![allow(clippy::unwrap_used)]
use super::*;
use glimpse_model::outcome::{ByteCount, Ending};
use glimpse_model::read::Refused;
use glimpse_probe::registry::{Method, Run};
use serde_json::Map;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU32, Ordering};

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
        refusal: Refusal::default(),
        line: None,
        recall: Recall::default(),
        method,
    }
}

struct Bench {
    executor: Executor,
    events: mpsc::Receiver<RunEvent>,
    running: usize,
    most: usize,
    ended: Vec<Ended>,
    denied: Vec<Denied>,
    /// So many that ask for their turn are told to ask again.
    later: u32,
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
            denied: Vec::new(),
            later: 0,
        }
    }

    /// Takes events until `n` runs have ended; returns the seconds that passed.
    async fn until_ended(&mut self, n: usize) -> u64 {
        #[expect(clippy::disallowed_methods, reason = "the virtual clock of the test")]
        let start = tokio::time::Instant::now();
        while self.ended.len() + self.denied.len() < n {
            match self.events.recv().await.unwrap() {
                RunEvent::Begins(_, reply) if self.later > 0 => {
                    self.later -= 1;
                    reply.send(Turn::Later).unwrap();
                }
                RunEvent::Begins(_, reply) => {
                    self.running += 1;
                    self.most = self.most.max(self.running);
                    reply.send(Turn::Now).unwrap();
                }
                RunEvent::Ended(ended) => {
                    self.running -= 1;
                    self.ended.push(ended);
                }
                RunEvent::Denied(_, denied) => self.denied.push(denied),
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
    let refusal = refused.refusal.clone();
    refused.context.admit = Arc::new(move |_| {
        refusal.note(Denied {
            reason: SkipReason::TargetRefused,
            words: "is private".to_owned(),
        });
        Err("is private".to_owned())
    });
    bench
        .executor
        .start(Execution::Sequential, vec![refused], 16);
    bench.until_ended(1).await;
    let denied = bench.ended[0].refused.as_ref().unwrap();
    assert_eq!(denied.reason, SkipReason::TargetRefused);
}

/// A line that carries `bytes` more at every look.
fn watched(bytes: u32) -> Job {
    let carried = AtomicU32::new(0);
    let mut job = job(0, &[Need::ExclusiveLine], false);
    job.line = Some(LineWatch {
        limit_bps: 200_000,
        bytes: Arc::new(move || Some(carried.fetch_add(bytes, Ordering::Relaxed).into())),
    });
    job
}

#[tokio::test(start_paused = true)]
async fn what_fills_the_line_waits_until_it_is_quiet() {
    let mut bench = Bench::new(1);
    bench
        .executor
        .start(Execution::Sequential, vec![watched(1000)], 16);
    bench.until_ended(1).await;
    assert_eq!((bench.ended.len(), bench.denied.len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_fills_the_line_does_not_run_beside_the_household() {
    let mut bench = Bench::new(1);
    bench.executor.start(
        Execution::Sequential,
        vec![watched(200_000), job(1, &[], false)],
        16,
    );
    bench.until_ended(2).await;
    assert_eq!(bench.denied[0].reason, SkipReason::CrossTraffic);
    assert!(
        bench.denied[0].words.contains("3200 kbit/s"),
        "{:?}",
        bench.denied[0]
    );
    assert_eq!(bench.ended.len(), 1, "the next one runs");
}

#[tokio::test(start_paused = true)]
async fn what_fills_the_line_waits_for_the_session_of_another_agent() {
    let mut bench = Bench::new(1);
    bench.later = 20;
    let jobs = vec![job(0, &[Need::ExclusiveLine], false), job(1, &[], false)];
    bench.executor.start(Execution::Sequential, jobs, 16);
    // Twenty looks of half a second, and two runs of a second.
    assert_eq!(bench.until_ended(2).await, 12);
    assert_eq!((bench.ended.len(), bench.denied.len()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn patience_with_the_session_of_another_agent_ends() {
    let mut bench = Bench::new(1);
    bench.later = 61;
    let jobs = vec![job(0, &[Need::ExclusiveLine], false), job(1, &[], false)];
    bench.executor.start(Execution::Sequential, jobs, 16);
    assert_eq!(bench.until_ended(2).await, 31);
    assert_eq!(bench.denied[0].reason, SkipReason::CrossTraffic);
    assert_eq!(bench.ended.len(), 1, "the next one runs");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_recalled_ends_with_its_reason_and_the_next_goes_on() {
    let mut bench = Bench::new(1);
    let stuck = job(0, &[], true);
    let recall = stuck.recall.clone();
    bench
        .executor
        .start(Execution::Sequential, vec![stuck, job(1, &[], false)], 16);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        recall.end("these are the household's quiet hours");
    });
    assert_eq!(bench.until_ended(2).await, 3);
    let outcome = &bench.ended[0].outcome;
    assert_eq!(
        (outcome.ending, outcome.error.as_deref()),
        (
            Ending::Aborted,
            Some("these are the household's quiet hours")
        )
    );
    assert_eq!(bench.ended[1].outcome.ending, Ending::Done);
}
