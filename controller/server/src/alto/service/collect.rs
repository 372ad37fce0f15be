//! One pass over the stored results for all windows of a turn.

use super::kept::{Kept, Names};
use super::{AltoError, due};
use crate::config::{Alto, SETTLED};
use glimpse_aggregate::{
    Clusters, Facts, Labels, Metric, Observations, Public, Refused, Row, Span, Window,
};
use glimpse_store::{MeasuredRow, Rows};

/// A window under way.
pub(super) struct Task {
    span: Span,
    state: Observations,
}

/// Up to when results are in the database, by our clock.
fn as_of_us(config: &Alto, now_us: i64) -> i64 {
    if config.rules.k.is_lab() {
        return now_us;
    }
    now_us.saturating_sub(due::micros(SETTLED))
}

/// Empty states of those windows that the ledger lets have another version.
pub(super) fn tasks(
    config: &Alto,
    kept: &Kept,
    windows: &[(Span, Window)],
    now_us: i64,
) -> Vec<Task> {
    let as_of_us = as_of_us(config, now_us);
    let task = |(span, window): &(Span, Window)| {
        let observed = kept
            .ledger
            .observe(*window, as_of_us, &config.clusters, config.trust);
        match observed {
            Ok(state) => Some(Task { span: *span, state }),
            Err(refused @ Refused::Changed) => {
                tracing::info!(span = span.name(), start_us = window.start_us(), reason = %refused, "window stays as it is");
                None
            }
            Err(_) => None,
        }
    };
    windows.iter().filter_map(task).collect()
}

/// From the first moment of all windows to the last.
pub(super) fn range_us(tasks: &[Task]) -> Option<(i64, i64)> {
    let windows = || tasks.iter().map(|task| task.state.window());
    let start_us = windows().map(|w| w.start_us()).min()?;
    Some((start_us, windows().map(|w| w.end_us()).max()?))
}

/// Counts the rows and releases what may be published, the windows in their order.
pub(super) fn release(
    mut tasks: Vec<Task>,
    mut rows: Rows<MeasuredRow>,
    kept: &mut Kept,
    config: &Alto,
    now_us: i64,
) -> Result<Vec<(Span, Public)>, AltoError> {
    let mut names = Names::of(kept);
    while let Some(row) = rows.next_blocking()? {
        count(&row, names.name(&row.agent), config, &mut tasks);
    }
    let as_of_us = as_of_us(config, now_us);
    let mut publics = Vec::new();
    for Task { span, state } in tasks {
        // The windows before may have changed the ledger, but nothing of this window: the state fits still.
        let window = state.window();
        match kept.ledger.release(state, &config.rules) {
            Ok(public) => publics.push((span, public)),
            Err(refused) => {
                tracing::info!(span = span.name(), start_us = window.start_us(), as_of_us, reason = %refused, "window stays as it is");
            }
        }
    }
    kept.ledger
        .seal(now_us.saturating_sub(due::micros(config.late)));
    Ok(publics)
}

fn count(row: &MeasuredRow, subscriber: &str, config: &Alto, tasks: &mut [Task]) {
    let facts = Facts {
        cpu_percent: row.cpu_percent,
        cross_traffic_bps: row.cross_traffic_bps,
        wifi_dbm: row.wifi_dbm,
        clock_offset_us: row.clock_offset_us,
        clock_suspect: row.clock_suspect,
    };
    let unnamed = row.between_agents && config.clusters == Clusters::PerTarget;
    let one = |metric, values| Row {
        subscriber,
        labels: Labels {
            isp: row.isp.as_deref(),
            region: row.region.as_deref(),
            technology: row.technology.as_deref(),
            contract: row.contract.as_deref(),
        },
        metric,
        // Another agent's address is a household's.
        target: if unnamed { "" } else { &row.target },
        values,
        start_us: row.start.as_micros(),
        received_us: row.received.as_micros(),
        facts,
    };
    // A result that is not counted, or has no figure, is one result, not one for each metric.
    let figures: &[(u8, Vec<u64>)] = match config.trust.refusal(&facts) {
        Some(_) => &[],
        None => &row.figures,
    };
    for task in tasks {
        if figures.is_empty() {
            task.state.add(&one(Metric::DelayRt, &[]));
        }
        for (number, values) in figures {
            // A number that is not known is of a later program.
            if let Some(metric) = Metric::ALL.get(usize::from(*number)) {
                task.state.add(&one(*metric, values));
            }
        }
    }
}
