//! Which windows are to be computed.

use crate::config::Alto;
use glimpse_aggregate::{Ledger, Span, Window};

/// How often late results are looked for.
const LATE_CHECK_US: i64 = 6 * 3_600_000_000;

pub(super) fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

/// The windows that are shown from now on, the longest first: who is new then enters the ledger with most of what it has measured.
pub(super) fn windows(config: &Alto, now_us: i64) -> Vec<(Span, Window)> {
    let closed_us = now_us.saturating_sub(micros(config.wait));
    let mut windows = Vec::new();
    for span in config.spans.iter().rev() {
        windows.push((*span, span.closed_at(closed_us)));
        if config.rules.k.is_lab() {
            // Of the seven that are open the one that began first, so that a night does not empty it.
            windows.extend(span.holding(now_us).first().map(|open| (*span, *open)));
        }
    }
    windows
}

/// Those that were never computed, those that are still open, and, where `late` results are looked for, those that still take them in.
pub(super) fn due(config: &Alto, ledger: &Ledger, now_us: i64, late: bool) -> Vec<(Span, Window)> {
    let sealed_us = now_us.saturating_sub(micros(config.late));
    let is_due = |window: &Window| {
        ledger.versions(window) == 0
            || window.end_us() > now_us
            || (late && window.end_us() > sealed_us)
    };
    let mut windows = windows(config, now_us);
    windows.retain(|(_, window)| is_due(window));
    windows
}

/// Whether late results are looked for at this moment, having been looked for at another.
pub(super) fn is_late_check(config: &Alto, now_us: i64, last_us: i64) -> bool {
    let number = |at_us: i64| {
        at_us
            .saturating_sub(micros(config.wait))
            .div_euclid(LATE_CHECK_US)
    };
    number(now_us) > number(last_us)
}

/// When there is something new at the earliest, unless an operator asks before.
pub(super) fn next_us(config: &Alto, now_us: i64) -> i64 {
    if config.rules.k.is_lab() {
        return now_us.saturating_add(micros(config.interval));
    }
    let wait_us = micros(config.wait);
    let closed_us = now_us.saturating_sub(wait_us);
    let open = config.spans.iter().filter_map(|span| {
        let holding = span.holding(closed_us);
        holding.first().map(Window::end_us)
    });
    let check = closed_us
        .div_euclid(LATE_CHECK_US)
        .saturating_add(1)
        .saturating_mul(LATE_CHECK_US);
    open.chain([check])
        .min()
        .unwrap_or(check)
        .saturating_add(wait_us)
}
