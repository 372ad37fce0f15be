//! Latency under load: what a queue of known length adds.
//!
//! The queue is tbf's, on a router between: `limit` bytes of frames at its rate are the longest that anything waits in it.
//! TCP fills it and backs off, so the median is below that, and the 95th percentile is what the queue adds when full.

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
    let line = Line::shaped(Tbf {
        rate_bps: RATE_BPS,
        burst_bytes: BURST,
        limit_bytes: RATE_BPS / 8000 * QUEUE_MS,
    })?;
    let server = http::serve(line.far())?;
    let options = json!({
        "url": format!("http://{FAR}:{}/", server.port()), "directions": "each",
        "idle_time": 2000, "ramp_up_time": 3000, "target_time": scale.of(8000, 30_000),
        "interval": 20, "max_bytes": 1_000_000_000,
    });
    let measured = lab.measure(Some(line.near()), "latencyload", &options)?;
    let mut rows = Vec::new();
    for way in ["down", "up"] {
        let found = &measured.result[way];
        rows.push(row(way, "p95", found)?.cost(measured.cost, None));
        rows.push(row(way, "median", found)?);
    }
    Ok(rows)
}

#[expect(clippy::cast_precision_loss, reason = "200")]
fn row(way: &str, figure: &str, found: &Value) -> Result<Row> {
    let truth = QUEUE_MS as f64;
    let added = found[format!("added_{figure}_us")]
        .as_f64()
        .with_context(|| format!("no figure {figure} in {found}"))?
        / 1000.0;
    let error = (added / truth - 1.0).abs() * 100.0;
    let row = Row::new(
        format!("added {way}, {figure}"),
        Figure::ms(added).decimals(1),
    )
    .truth(Figure::ms(truth).decimals(1));
    Ok(row.gate(Figure::percent(error), Limit::AtMost(ERROR_PERCENT)))
}
