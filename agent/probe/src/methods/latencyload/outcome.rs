//! From round trips and transfers to the figures of the record. All times are microseconds.

use serde_json::{Map, Value};

use super::machine::{Quantiles, Samples};
use crate::methods::http::load::Transfer;
use crate::methods::http::outcome::{
    average, congestion_control, faults, is_answered, is_ok, stopped,
};

/// What a phase came to.
pub(super) struct Loaded {
    pub(super) samples: Samples,
    pub(super) down: Option<Result<Transfer, String>>,
    pub(super) up: Option<Result<Transfer, String>>,
}

impl Loaded {
    /// Whether there is something to tell of it: the line was loaded by transfers that were answered, and round trips were
    /// taken meanwhile, be it in vain. A run without such a phase has failed; with one, `error` tells of the others.
    pub(super) fn has_figures(&self) -> bool {
        let loaded = |transfer: &Result<Transfer, String>| {
            transfer.as_ref().is_ok_and(|transfer| {
                is_answered(transfer) && average(transfer).is_some_and(|rate| rate > 0)
            })
        };
        let transfers = [&self.down, &self.up];
        self.samples.sent > 0 && transfers.into_iter().flatten().all(loaded)
    }

    /// What went wrong in it.
    pub(super) fn fault(&self) -> Option<String> {
        let told: Vec<String> = [("download", &self.down), ("upload", &self.up)]
            .into_iter()
            .filter_map(|(name, transfer)| {
                let fault = match transfer.as_ref()? {
                    Ok(transfer) => faults(transfer)?,
                    Err(error) => error.clone(),
                };
                Some(format!("{name}: {fault}"))
            })
            .collect();
        (!told.is_empty()).then(|| told.join("; "))
    }

    /// The members of the record, held against the idle line.
    pub(super) fn into_map(self, idle: Option<&Quantiles>) -> Map<String, Value> {
        let loaded = self.samples.quantiles();
        let mut map = distribution(&self.samples);
        let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
        let added = |of: fn(&Quantiles) -> u32| match (&loaded, idle) {
            (Some(loaded), Some(idle)) => (i64::from(of(loaded)) - i64::from(of(idle))).into(),
            _ => Value::Null,
        };
        put("added_median_us", added(|q| q.median_us));
        put("added_p90_us", added(|q| q.p90_us));
        put("added_p95_us", added(|q| q.p95_us));
        put("added_p99_us", added(|q| q.p99_us));
        put("added_avg_us", added(|q| q.avg_us));
        let per_minute = loaded
            .as_ref()
            .and_then(|loaded| 60_000_000_u32.checked_div(loaded.median_us));
        put("round_trips_per_minute", per_minute.into());
        if let Some(Ok(up)) = &self.up {
            put("congestion_control_up", congestion_control(up));
        }
        for (name, transfer) in [("down", self.down), ("up", self.up)] {
            if let Some(transfer) = transfer {
                put(
                    &format!("bandwidth_bps_{name}"),
                    transfer.as_ref().ok().and_then(average).into(),
                );
                put(
                    &format!("results_ok_{name}"),
                    transfer.as_ref().is_ok_and(is_ok).into(),
                );
                put(
                    &format!("stopped_{name}"),
                    transfer.as_ref().map_or("fault", stopped).into(),
                );
            }
        }
        map
    }
}

/// The members that idle and loaded phases share.
pub(super) fn distribution(samples: &Samples) -> Map<String, Value> {
    let mut map = Map::new();
    let mut put = |name: &str, value: Value| map.insert(name.to_owned(), value);
    put("sent", samples.sent.into());
    put("received", samples.received.into());
    let lost = samples.sent.saturating_sub(samples.received);
    put(
        "loss",
        match samples.sent {
            0 => Value::Null,
            sent => Value::from(f64::from(lost) / f64::from(sent)),
        },
    );
    let quantiles = samples.quantiles();
    let mut figure =
        |name: &str, of: fn(&Quantiles) -> u32| put(name, quantiles.as_ref().map(of).into());
    figure("min_us", |q| q.min_us);
    figure("median_us", |q| q.median_us);
    figure("avg_us", |q| q.avg_us);
    figure("p90_us", |q| q.p90_us);
    figure("p95_us", |q| q.p95_us);
    figure("p99_us", |q| q.p99_us);
    figure("max_us", |q| q.max_us);
    map
}
