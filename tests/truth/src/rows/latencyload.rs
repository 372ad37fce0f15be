//! Latency under load: what a queue of known length adds.
//!
//! The queue is tbf's, on a router between: a sender's own qdisc would hold its TCP back before the queue fills. `limit`
//! bytes of frames at its rate are the longest that anything waits in it once the bucket is empty; to tc's `latency` the
//! bucket would be added. TCP fills the queue, loses and backs off, as reno and cubic do: the 95th percentile is what the
//! queue adds when it is full, and is held against the truth; the median lies below it by as much as TCP backs off.

use crate::far::http;
use crate::far::line::{FAR, Line};
use crate::lab::{Lab, Scale};
use crate::row::{Figure, Limit, Row};
use anyhow::{Context, Result};
use glimpse_tests::namespace::Tbf;
use serde_json::{Value, json};

/// Rate of the line.
const RATE_BPS: u64 = 20_000_000;
/// Length of its queue.
const QUEUE_MS: u64 = 200;
/// What may pass at once, in bytes: two frames.
const BURST: u64 = 2 * 1514;
/// What the added latency may be off, in per cent.
const ERROR_PERCENT: f64 = 10.0;

pub(super) fn run(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    super::again(scale, || measure(lab, scale))
}

fn measure(lab: &Lab, scale: Scale) -> Result<Vec<Row>> {
    let line = Line::shaped(Tbf {
        rate_bps: RATE_BPS,
        burst_bytes: BURST,
        limit_bytes: RATE_BPS / 8000 * QUEUE_MS,
    })?;
    let server = http::serve(line.far())?;
    let options = json!({
        "url": format!("http://{FAR}:{}/", server.port()), "directions": "each",
        "idle_time": 2000, "ramp_up_time": 3000, "target_time": scale.of(6000, 30_000),
        "interval": 20, "max_bytes": 1_000_000_000,
    });
    let measured = lab.measure(Some(line.near()), "latencyload", &options)?;
    let mut rows = Vec::new();
    for way in ["down", "up"] {
        let found = &measured.result[way];
        let full = added(found, "p95")?;
        let error = (full / truth_ms() - 1.0).abs() * 100.0;
        rows.push(
            row(way, "p95", full)
                .gate(Figure::percent(error), Limit::AtMost(ERROR_PERCENT))
                .cost(measured.cost, None),
        );
        let half = added(found, "median")?;
        let error = (half / truth_ms() - 1.0).abs() * 100.0;
        rows.push(row(way, "median", half).error(Figure::percent(error)));
    }
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "200")]
const fn truth_ms() -> f64 {
    QUEUE_MS as f64
}

/// What the load has added to a quantile, in milliseconds.
fn added(found: &Value, quantile: &str) -> Result<f64> {
    let us = found[format!("added_{quantile}_us")].as_f64();
    us.map(|us| us / 1000.0)
        .with_context(|| format!("no figure {quantile} in {found}"))
}

fn row(way: &str, quantile: &str, added_ms: f64) -> Row {
    Row::new(
        format!("added {way}, {quantile}"),
        Figure::ms(added_ms).decimals(1),
    )
    .truth(Figure::ms(truth_ms()).decimals(1))
}
