//! The household's own runs within the daemon: a measurement by hand or by the household's schedule, the trouble-shooter,
//! an enrolment.
//!
//! ```text
//!  start ──▶ waiting ──▶ running ──▶ done
//!               └───────────┴──────▶ cancelled
//! ```
//! At most [`MOST_RUNNING`] go on at a time. One that fills the line takes it as the runs for others do: it waits until all
//! that are under way have ended, and those behind it wait for it. What a job came to is kept for [`KEPT`], of
//! [`MOST_KEPT`] jobs at most. A job ends by being dropped.

#[cfg(test)]
mod tests;

use super::service::{Event, JobState};
use crate::executor::Turn;
use crate::guard::quiet;
use glimpse_model::id::ResultId;
use glimpse_model::outcome::Outcome;
use glimpse_probe::context::Meter;
use serde_json::{Map, Value, json};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::AbortHandle;

/// Jobs that go on at a time.
pub const MOST_RUNNING: usize = 2;
/// Jobs that are remembered.
pub const MOST_KEPT: usize = 16;
/// How long what a job came to can be asked for.
pub const KEPT: Duration = Duration::from_mins(15);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One measurement.
    Measurement,
    /// The trouble-shooter's chain.
    Diagnose,
    /// Becoming known to a controller.
    Enrol,
}

impl Kind {
    /// The word in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Measurement => "measurement",
            Self::Diagnose => "diagnose",
            Self::Enrol => "enrol",
        }
    }
}

/// What a job came to.
#[derive(Debug)]
pub enum Yielded {
    /// A measurement.
    Outcome(Box<Outcome>),
    /// Members of the answer.
    Answer(Map<String, Value>),
}

/// What a job tells its owner.
#[derive(Debug)]
pub enum JobEvent {
    /// It has its place and waits for leave to begin.
    Begins(ResultId, oneshot::Sender<Turn>),
    /// It is over.
    Ended(ResultId, Yielded),
}

/// The work of a job.
pub type Work = Pin<Box<dyn Future<Output = Yielded> + Send>>;
/// The wait for the line; `None` when there will never be one.
pub type Line = Pin<Box<dyn Future<Output = Option<OwnedSemaphorePermit>> + Send>>;

/// A job to be started.
pub struct Order {
    /// Its id, which its record bears too.
    pub id: ResultId,
    /// What it does.
    pub kind: Kind,
    /// Of a measurement, the method.
    pub method: Option<String>,
    /// The schedule that asked for it.
    pub schedule: Option<String>,
    /// How long it may take once it has begun.
    pub longest: Duration,
    /// Where it shows the bytes it has used.
    pub meter: Meter,
    /// Where it shows how far it has come: an object.
    pub progress: watch::Receiver<Value>,
    /// Of one that fills the line, the wait for it.
    pub line: Option<Line>,
    /// What it does.
    pub work: Work,
}

/// No room for another job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// As many go on as may.
    #[error("two tests are under way already: wait until one has ended, or cancel it")]
    Running,
    /// As many wait as may.
    #[error("too many tests are waiting")]
    Full,
}

struct Job {
    id: ResultId,
    kind: Kind,
    method: Option<String>,
    schedule: Option<String>,
    longest: Duration,
    meter: Meter,
    progress: watch::Receiver<Value>,
    fills_line: bool,
    state: JobState,
    began: Option<Instant>,
    ended: Option<Instant>,
    answer: Map<String, Value>,
    task: AbortHandle,
}

impl Job {
    const fn is_under_way(&self) -> bool {
        matches!(self.state, JobState::Waiting | JobState::Running)
    }

    fn to_json(&self, now: Instant) -> Value {
        let until = self.ended.unwrap_or(now);
        let elapsed = self.began.map_or(Duration::ZERO, |began| {
            until.saturating_duration_since(began)
        });
        let mut document = json!({
            "id": self.id,
            "kind": self.kind.as_str(),
            "state": self.state.as_str(),
            "elapsed_ms": millis(elapsed),
            "longest_ms": millis(self.longest),
            "bytes": self.meter.read().total(),
        });
        let named = [("method", &self.method), ("schedule", &self.schedule)];
        for (name, value) in named {
            if let Some(value) = value {
                document[name] = value.as_str().into();
            }
        }
        let progress = self.progress.borrow();
        let shown = progress.as_object().into_iter().flatten();
        for (name, value) in shown.chain(&self.answer) {
            document[name.as_str()] = value.clone();
        }
        document
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The jobs. Time is handed in; dropping them ends them all.
pub struct Jobs {
    /// In the order in which they were asked for.
    all: Vec<Job>,
    places: Arc<Semaphore>,
    events: mpsc::Sender<JobEvent>,
    tell: broadcast::Sender<Event>,
}

impl Jobs {
    /// No jobs; theirs arrive at `events`, and who listens to `tell` hears of their states.
    pub fn new(events: mpsc::Sender<JobEvent>, tell: broadcast::Sender<Event>) -> Self {
        Self {
            all: Vec::new(),
            places: Arc::new(Semaphore::new(MOST_RUNNING)),
            events,
            tell,
        }
    }

    /// Starts a job that the household asks for now.
    ///
    /// # Errors
    /// [`Busy::Running`] when as many are under way as may go on: nobody wants to watch a test wait for an unknown time.
    pub fn start(&mut self, order: Order, now: Instant) -> Result<ResultId, Busy> {
        if self.under_way() >= MOST_RUNNING {
            return Err(Busy::Running);
        }
        self.queue(order, now)
    }

    /// Starts a job, which waits for its place among the others.
    ///
    /// # Errors
    /// [`Busy::Full`].
    pub fn queue(&mut self, order: Order, now: Instant) -> Result<ResultId, Busy> {
        self.forget(now);
        if self.all.len() >= MOST_KEPT {
            let oldest = self.all.iter().position(|job| !job.is_under_way());
            self.all.remove(oldest.ok_or(Busy::Full)?);
        }
        let id = order.id;
        let fills_line = order.line.is_some();
        let turns = Turns {
            id,
            places: self.places.clone(),
            events: self.events.clone(),
        };
        let task = tokio::spawn(turns.run(order.line, order.work)).abort_handle();
        self.all.push(Job {
            id,
            kind: order.kind,
            method: order.method,
            schedule: order.schedule,
            longest: order.longest,
            meter: order.meter,
            progress: order.progress,
            fills_line,
            state: JobState::Waiting,
            began: None,
            ended: None,
            answer: Map::new(),
            task,
        });
        self.told(id, JobState::Waiting);
        Ok(id)
    }

    /// Jobs that have not ended.
    pub fn under_way(&self) -> usize {
        self.all.iter().filter(|job| job.is_under_way()).count()
    }

    /// Whether one that fills the line has begun.
    pub fn has_line(&self) -> bool {
        let mut jobs = self.all.iter();
        jobs.any(|job| job.fills_line && job.state == JobState::Running)
    }

    /// Whether a job fills the line.
    pub fn fills_line(&self, id: ResultId) -> bool {
        self.all.iter().any(|job| job.id == id && job.fills_line)
    }

    /// Whether a job of the schedule is under way.
    pub fn runs(&self, schedule: &str) -> bool {
        let mut jobs = self.all.iter();
        jobs.any(|job| job.is_under_way() && job.schedule.as_deref() == Some(schedule))
    }

    /// A job begins; `false` when it was cancelled meanwhile.
    pub fn begin(&mut self, id: ResultId, now: Instant) -> bool {
        let Some(job) = self.find(id).filter(|job| job.state == JobState::Waiting) else {
            return false;
        };
        job.state = JobState::Running;
        job.began = Some(now);
        self.told(id, JobState::Running);
        true
    }

    /// A job has ended with these members of its answer; `false` when it was cancelled before.
    pub fn finish(&mut self, id: ResultId, answer: Map<String, Value>, now: Instant) -> bool {
        self.close(id, JobState::Done, answer, now)
    }

    /// Ends a job where it stands; `None` when there is none of that id, `Some(false)` when it had ended.
    pub fn cancel(&mut self, id: ResultId, now: Instant) -> Option<bool> {
        self.find(id)?.task.abort();
        Some(self.close(id, JobState::Cancelled, Map::new(), now))
    }

    /// Adds to the answer of a job that was cancelled.
    pub fn tell_of(&mut self, id: ResultId, name: &str, value: Value) {
        if let Some(job) = self.find(id) {
            job.answer.insert(name.to_owned(), value);
        }
    }

    /// How a job stands; `None` when there is none of that id, or no more.
    pub fn status(&mut self, id: ResultId, now: Instant) -> Option<Value> {
        self.forget(now);
        self.find(id).map(|job| job.to_json(now))
    }

    /// The ids of those under way.
    pub fn open(&self) -> Vec<ResultId> {
        let open = self.all.iter().filter(|job| job.is_under_way());
        open.map(|job| job.id).collect()
    }

    fn close(
        &mut self,
        id: ResultId,
        state: JobState,
        answer: Map<String, Value>,
        now: Instant,
    ) -> bool {
        let Some(job) = self.find(id).filter(|job| job.is_under_way()) else {
            return false;
        };
        job.state = state;
        job.ended = Some(now);
        job.answer = answer;
        self.told(id, state);
        true
    }

    fn find(&mut self, id: ResultId) -> Option<&mut Job> {
        self.all.iter_mut().find(|job| job.id == id)
    }

    fn forget(&mut self, now: Instant) {
        self.all.retain(|job| {
            job.ended
                .is_none_or(|ended| now.saturating_duration_since(ended) < KEPT)
        });
    }

    fn told(&self, id: ResultId, state: JobState) {
        // Whoever listens may be gone.
        let _ = self.tell.send(Event::Job { id, state });
    }
}

impl Drop for Jobs {
    fn drop(&mut self) {
        for job in &self.all {
            job.task.abort();
        }
    }
}

/// What a job waits for.
struct Turns {
    id: ResultId,
    places: Arc<Semaphore>,
    events: mpsc::Sender<JobEvent>,
}

impl Turns {
    async fn run(self, line: Option<Line>, work: Work) {
        let Ok(_place) = self.places.acquire().await else {
            return;
        };
        let _line = match line {
            Some(line) => line.await,
            None => None,
        };
        loop {
            let (reply, turn) = oneshot::channel();
            let asked = self.events.send(JobEvent::Begins(self.id, reply)).await;
            // Nobody is there, or wants it, any more.
            if asked.is_err() {
                return;
            }
            match turn.await {
                Ok(Turn::Now) => break,
                Ok(Turn::Later) => {}
                Err(_) => return,
            }
            tokio::time::sleep(Duration::from_millis(quiet::LOOK_MS)).await;
        }
        let yielded = work.await;
        // The owner is gone only when the agent stops.
        let _ = self.events.send(JobEvent::Ended(self.id, yielded)).await;
    }
}
