//! Round trips in batches: each is a run of `ping`, short enough that none reaches far beyond the phase it belongs to.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use glimpse_model::outcome::Ending;
use glimpse_model::ping::{PingFigures, round_trips_us};
use glimpse_net::count::Counter;
use glimpse_net::stamp::monotonic_ns;
use glimpse_net::stream::Tally;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::machine::{Prober, Samples};
use super::options::LatencyLoadOptions;
use crate::context::{Context, Meter};
use crate::methods::http::slots::Span;

/// When the transfers of a load measure, and whether one of them is over.
#[derive(Default)]
pub(super) struct Watch {
    spans: Mutex<Vec<Span>>,
    changed: Notify,
    over: Notify,
}

impl Watch {
    /// A transfer has begun.
    pub(super) fn begins(&self, span: Span) {
        self.spans
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(span);
        self.changed.notify_one();
    }

    /// A transfer has ended: the line is no longer loaded as it should be.
    pub(super) fn ends(&self) {
        self.over.notify_one();
    }

    /// Waits for the time in which all `expected` transfers measure.
    async fn common(&self, expected: usize) -> (u64, u64) {
        loop {
            {
                let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
                if spans.len() >= expected {
                    let begin = spans.iter().map(Span::begin_ns).max();
                    let end = spans.iter().map(Span::end_ns).min();
                    return (begin.unwrap_or_default(), end.unwrap_or_default());
                }
            }
            self.changed.notified().await;
        }
    }
}

/// Whose round trips are taken, and how.
pub(super) struct Probes<'a> {
    pub(super) options: &'a LatencyLoadOptions,
    pub(super) context: &'a Context,
    pub(super) tally: Tally,
    pub(super) target: SocketAddr,
    pub(super) prober: Prober,
    /// Why the latest batch had no round trips.
    pub(super) error: Option<String>,
}

impl Probes<'_> {
    /// The idle line; with other probes from its beginning when the first are not answered.
    pub(super) async fn idle(&mut self) -> Samples {
        let mut samples = Samples::default();
        let mut batches = 0;
        while batches < self.options.idle_batches() {
            let batch = self.batch().await;
            if self.prober.falls_back(batch.received) {
                (samples, batches) = (Samples::default(), 0);
                continue;
            }
            samples.add(&batch);
            batches += 1;
        }
        samples
    }

    /// Round trips while all `expected` transfers of a load measure. A batch that is under way when that ends is left out.
    pub(super) async fn under_load(
        &mut self,
        watch: &Watch,
        expected: usize,
        samples: &mut Samples,
    ) {
        let taking = async {
            let (begin_ns, end_ns) = watch.common(expected).await;
            until(begin_ns).await;
            tokio::select! {
                () = until(end_ns) => {}
                () = async {
                    loop {
                        let batch = self.batch().await;
                        samples.add(&batch);
                    }
                } => {}
            }
        };
        tokio::select! {
            () = taking => {}
            () = watch.over.notified() => {}
        }
    }

    async fn batch(&mut self) -> Samples {
        let used = Used {
            meter: Meter::default(),
            tally: &self.tally,
        };
        let method = LatencyLoadOptions::prober();
        let given = self
            .options
            .batch(self.prober.is_icmp(), self.target.ip(), self.target.port());
        let options = match method.read(&given) {
            Ok(options) => options,
            Err(refused) => {
                self.error = Some(refused.to_string());
                return Samples::default();
            }
        };
        let context = Context {
            byte_limit: method.worst_case_bytes(&options),
            time_limit: method.longest_run(&options),
            meter: used.meter.clone(),
            // Batches differ, so that no answer to one is taken for an answer to another.
            seed: self.context.seed ^ monotonic_ns(),
            ..self.context.clone()
        };
        let outcome = method.run(&options, &context).await;
        if outcome.error.is_some() || outcome.ending != Ending::Done {
            self.error = outcome.error;
        }
        let figures = PingFigures::from_result(&outcome.probe_result);
        Samples {
            sent: figures.sent.unwrap_or(0),
            received: figures.received.unwrap_or(0),
            trips_us: round_trips_us(&outcome.probe_result),
        }
    }
}

/// Counts what a batch has used, be it dropped in the middle.
struct Used<'a> {
    meter: Meter,
    tally: &'a Tally,
}

impl Drop for Used<'_> {
    fn drop(&mut self) {
        let bytes = self.meter.read();
        self.tally.add(&Counter {
            sent_bytes: bytes.sent,
            received_bytes: bytes.received,
            ..Counter::default()
        });
    }
}

fn until(ns: u64) -> impl Future<Output = ()> {
    sleep(Duration::from_nanos(ns.saturating_sub(monotonic_ns())))
}
