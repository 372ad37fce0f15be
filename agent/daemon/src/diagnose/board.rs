//! The steps as they stand, shown live.

use super::chain::{Kind, StepCode};
use super::finding::{Conclusion, Judged, Reason, State, conclude};
use super::values::Values;
use crate::clock;
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A step on the board.
#[derive(Clone, Debug)]
struct Place {
    code: StepCode,
    state: State,
    judged: Option<Judged>,
    took: Duration,
}

/// All steps of a run.
pub(super) struct Board<'a> {
    kind: Kind,
    begun: Instant,
    places: Vec<Place>,
    progress: &'a watch::Sender<Value>,
    bytes: &'a (dyn Fn() -> u64 + Send + Sync),
}

impl<'a> Board<'a> {
    /// A board on which all wait. `bytes` tells what has been used.
    pub(super) fn new(
        kind: Kind,
        progress: &'a watch::Sender<Value>,
        bytes: &'a (dyn Fn() -> u64 + Send + Sync),
    ) -> Self {
        let place = |&code| Place {
            code,
            state: State::Waiting,
            judged: None,
            took: Duration::ZERO,
        };
        let board = Self {
            kind,
            begun: clock::steady(),
            places: kind.steps().iter().map(place).collect(),
            progress,
            bytes,
        };
        board.show();
        board
    }

    /// Runs a step within its time and that of the chain; `None` when either is over.
    pub(super) async fn run<T>(
        &mut self,
        code: StepCode,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        self.begin(code);
        let begun = clock::steady();
        let left = self.kind.longest_run().saturating_sub(self.begun.elapsed());
        let done = tokio::time::timeout(code.limit().min(left), work)
            .await
            .ok();
        if let Some(place) = self.place(code) {
            place.took = begun.elapsed();
        }
        if done.is_none() {
            self.settle(code, Judged::skipped(&Reason::TooLong));
        }
        done
    }

    /// Runs a step that is judged by what it returns alone.
    pub(super) async fn judge(&mut self, code: StepCode, work: impl Future<Output = Judged>) {
        if let Some(judged) = self.run(code, work).await {
            self.settle(code, judged);
        }
    }

    /// That a step has begun.
    pub(super) fn begin(&mut self, code: StepCode) {
        if let Some(place) = self.place(code) {
            place.state = State::Running;
        }
        self.show();
    }

    /// What a step came to.
    pub(super) fn settle(&mut self, code: StepCode, judged: Judged) {
        if let Some(place) = self.place(code) {
            place.state = judged.state;
            place.judged = Some(judged);
        }
        self.show();
    }

    /// The end: what was found. Steps that were never settled count as not looked at.
    pub(super) fn conclude(&mut self) -> Conclusion {
        let mut judged: Vec<(StepCode, Judged)> = self
            .places
            .iter()
            .map(|place| {
                let judged = place.judged.clone();
                let judged = judged.unwrap_or_else(|| Judged::skipped(&Reason::TooLong));
                (place.code, judged)
            })
            .collect();
        let conclusion = conclude(self.kind, &mut judged);
        for (place, (_, judged)) in self.places.iter_mut().zip(judged) {
            place.state = judged.state;
            place.judged = Some(judged);
        }
        conclusion
    }

    /// What stands on it, for the report.
    pub(super) fn seen(&self) -> impl Iterator<Item = (StepCode, State, Values)> {
        self.places.iter().map(|place| {
            let values = place.judged.as_ref().map(|judged| judged.values.clone());
            (place.code, place.state, values.unwrap_or_default())
        })
    }

    /// The whole as `run_status` has it.
    pub(super) fn json(&self, finding: &Value, report: &Value) -> Value {
        let step = |place: &Place| {
            let values = place.judged.as_ref().map(|judged| &judged.values.0);
            json!({
                "code": place.code.as_str(),
                "state": place.state.as_str(),
                "values": values.cloned().unwrap_or_default(),
                "took_ms": u64::try_from(place.took.as_millis()).unwrap_or(u64::MAX),
            })
        };
        json!({
            "steps": self.places.iter().map(step).collect::<Vec<_>>(),
            "finding": finding,
            "report": report,
            "bytes": (self.bytes)(),
        })
    }

    fn show(&self) {
        self.progress
            .send_replace(self.json(&Value::Null, &Value::Null));
    }

    fn place(&mut self, code: StepCode) -> Option<&mut Place> {
        self.places.iter_mut().find(|place| place.code == code)
    }
}
