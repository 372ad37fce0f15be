#![allow(clippy::unwrap_used)]
use super::*;
use crate::clock;
use glimpse_model::outcome::ByteCount;
use glimpse_model::time::Timestamp;

struct Bench {
    jobs: Jobs,
    events: mpsc::Receiver<JobEvent>,
    told: broadcast::Receiver<Event>,
    now: Instant,
    made: u8,
}

impl Bench {
    fn new() -> Self {
        let (sender, events) = mpsc::channel(32);
        let (tell, told) = broadcast::channel(64);
        Self {
            jobs: Jobs::new(sender, tell),
            events,
            told,
            now: clock::steady(),
            made: 0,
        }
    }

    /// A job that takes so long.
    fn order(&mut self, takes: Duration) -> Order {
        self.made += 1;
        let id = ResultId::from_parts(Timestamp::from_unix_seconds(1), [self.made; 10]);
        let (progress, shown) = watch::channel(json!({"steps": []}));
        let work = async move {
            progress.send_replace(json!({"steps": ["one"]}));
            tokio::time::sleep(takes).await;
            Yielded::Outcome(Box::new(Outcome::failed("x", ByteCount::default())))
        };
        Order {
            id,
            kind: Kind::Measurement,
            method: Some("ping".to_owned()),
            schedule: None,
            longest: Duration::from_secs(30),
            meter: Meter::default(),
            progress: shown,
            line: None,
            work: Box::pin(work),
        }
    }

    fn start(&mut self, takes_s: u64) -> Result<ResultId, Busy> {
        let order = self.order(Duration::from_secs(takes_s));
        self.jobs.start(order, self.now)
    }

    fn state(&mut self, id: ResultId) -> Option<String> {
        let status = self.jobs.status(id, self.now)?;
        Some(status["state"].as_str().unwrap().to_owned())
    }

    /// The next job that may begin does.
    async fn begin(&mut self) -> ResultId {
        match self.events.recv().await.unwrap() {
            JobEvent::Begins(id, reply) => {
                assert!(self.jobs.begin(id, self.now));
                reply.send(Turn::Now).unwrap();
                id
            }
            JobEvent::Ended(..) => panic!("nothing has begun"),
        }
    }

    async fn end(&mut self) -> ResultId {
        match self.events.recv().await.unwrap() {
            JobEvent::Ended(id, Yielded::Outcome(_)) => {
                let answer = json!({"record": {"status": "failed"}});
                let answer = answer.as_object().unwrap().clone();
                assert!(self.jobs.finish(id, answer, self.now));
                id
            }
            event => panic!("{event:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_waits_runs_and_is_done() {
    let mut bench = Bench::new();
    let id = bench.start(2).unwrap();
    assert_eq!(bench.state(id).unwrap(), "waiting");
    bench.begin().await;
    bench.now += Duration::from_secs(2);
    tokio::task::yield_now().await;
    let running = bench.jobs.status(id, bench.now).unwrap();
    assert_eq!(
        running,
        json!({"id": id, "kind": "measurement", "state": "running", "elapsed_ms": 2000,
            "longest_ms": 30_000, "bytes": 0, "method": "ping", "steps": ["one"]})
    );
    assert_eq!(bench.end().await, id);
    bench.now += Duration::from_secs(10);
    let done = bench.jobs.status(id, bench.now).unwrap();
    assert_eq!(
        (
            &done["state"],
            &done["elapsed_ms"],
            &done["record"]["status"]
        ),
        (&json!("done"), &json!(2000), &json!("failed"))
    );
    let states: Vec<Event> = std::iter::from_fn(|| bench.told.try_recv().ok()).collect();
    let expected = [JobState::Waiting, JobState::Running, JobState::Done];
    assert_eq!(states, expected.map(|state| Event::Job { id, state }));
}

#[tokio::test(start_paused = true)]
async fn two_run_and_a_third_is_told_so() {
    let mut bench = Bench::new();
    bench.start(5).unwrap();
    bench.start(5).unwrap();
    assert_eq!(bench.start(5), Err(Busy::Running));
    // Schedules are more patient: theirs waits for a place.
    let order = bench.order(Duration::from_secs(5));
    let third = bench.jobs.queue(order, bench.now).unwrap();
    bench.begin().await;
    bench.begin().await;
    tokio::task::yield_now().await;
    assert!(bench.events.try_recv().is_err(), "there are two places");
    bench.end().await;
    assert_eq!(bench.jobs.under_way(), 2);
    bench.end().await;
    assert_eq!(bench.begin().await, third);
}

#[tokio::test(start_paused = true)]
async fn what_is_cancelled_ends_at_once() {
    let mut bench = Bench::new();
    let alive = Arc::new(());
    let kept = alive.clone();
    let mut order = bench.order(Duration::ZERO);
    order.work = Box::pin(async move {
        let fields = std::future::pending().await;
        drop(kept);
        fields
    });
    let id = bench.jobs.start(order, bench.now).unwrap();
    bench.begin().await;
    assert_eq!(Arc::strong_count(&alive), 2);
    assert_eq!(bench.jobs.cancel(id, bench.now), Some(true));
    tokio::task::yield_now().await;
    assert_eq!(Arc::strong_count(&alive), 1, "its future was dropped");
    assert_eq!(bench.state(id).unwrap(), "cancelled");
    assert_eq!(bench.jobs.cancel(id, bench.now), Some(false));
    assert!(
        !bench.jobs.finish(id, Map::new(), bench.now),
        "what comes late"
    );
    let unknown = ResultId::from_bytes([9; 16]);
    assert_eq!(bench.jobs.cancel(unknown, bench.now), None);
    // One that waits is not let begin any more.
    let waiting = bench.start(1).unwrap();
    assert_eq!(bench.jobs.cancel(waiting, bench.now), Some(true));
    assert!(!bench.jobs.begin(waiting, bench.now));
}

#[tokio::test(start_paused = true)]
async fn results_are_kept_for_a_while_and_a_few() {
    let mut bench = Bench::new();
    let mut ids = Vec::new();
    for _ in 0..MOST_KEPT {
        ids.push(bench.start(0).unwrap());
        bench.begin().await;
        bench.end().await;
        bench.now += Duration::from_secs(1);
    }
    assert!(bench.state(ids[0]).is_some());
    let another = bench.start(0).unwrap();
    assert!(bench.state(ids[0]).is_none(), "the oldest gave way");
    bench.begin().await;
    bench.end().await;
    bench.now += KEPT.saturating_sub(Duration::from_millis(1));
    assert!(bench.state(another).is_some());
    assert!(bench.state(ids[1]).is_none(), "15 minutes are over");
    bench.now += Duration::from_millis(1);
    assert!(bench.state(another).is_none());
}

#[tokio::test(start_paused = true)]
async fn as_many_wait_as_are_kept() {
    let mut bench = Bench::new();
    for _ in 0..MOST_KEPT {
        let order = bench.order(Duration::from_mins(1));
        bench.jobs.queue(order, bench.now).unwrap();
    }
    let order = bench.order(Duration::ZERO);
    assert_eq!(bench.jobs.queue(order, bench.now), Err(Busy::Full));
}

#[tokio::test(start_paused = true)]
async fn the_line_is_waited_for() {
    let mut bench = Bench::new();
    let line = Arc::new(Semaphore::new(4));
    let other = line.clone().acquire_owned().await.unwrap();
    let mut order = bench.order(Duration::from_secs(1));
    let wait = line.clone().acquire_many_owned(4);
    order.line = Some(Box::pin(async move { wait.await.ok() }));
    let id = bench.jobs.start(order, bench.now).unwrap();
    tokio::task::yield_now().await;
    assert!(
        bench.events.try_recv().is_err(),
        "a run for others is under way"
    );
    assert!(bench.jobs.fills_line(id) && !bench.jobs.has_line());
    drop(other);
    bench.begin().await;
    assert!(bench.jobs.has_line());
    assert_eq!(line.available_permits(), 0, "others wait for it");
    bench.end().await;
    assert!(!bench.jobs.has_line());
    tokio::task::yield_now().await;
    assert_eq!(line.available_permits(), 4);
}
