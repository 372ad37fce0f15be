//! The report for the provider: plain English, times in UTC, how each figure was taken, and no address of any device of
//! the home.

use super::chain::{Kind, StepCode};
use super::finding::{Conclusion, Finding, State};
use super::values::Values;
use super::words::{self, fill};
use glimpse_model::time::Timestamp;
use std::fmt::Write as _;

/// The report of a run between two times.
pub(super) fn text(
    kind: Kind,
    [begun, ended]: [Timestamp; 2],
    steps: impl Iterator<Item = (StepCode, State, Values)>,
    conclusion: &Conclusion,
    bytes: u64,
) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(
        text,
        "Check of the line: {}\nBy: {} on the customer's router\nFrom {begun} to {ended} (UTC)\n\n",
        words::question(kind),
        crate::VERSION,
    );
    let finding = &conclusion.finding;
    let said = words::finding(finding.code);
    let _ = writeln!(text, "Finding: {}", fill(said.heading, &finding.values));
    if !said.tell.is_empty() {
        let _ = writeln!(text, "{}", fill(said.tell, &finding.values));
    }
    for other in &conclusion.others {
        let _ = writeln!(text, "Also: {}", told(other));
    }
    text.push_str("\nWhat was looked at:\n");
    for (code, state, values) in steps {
        let _ = writeln!(
            text,
            "- {}: {}. {} (by {})",
            words::title(code),
            state.as_str(),
            words::seen(code, state, &values),
            words::method(code),
        );
    }
    let _ = writeln!(text, "\nBytes used by this check: {bytes}");
    text
}

/// What of a finding is the provider's affair, or else what it is.
fn told(finding: &Finding) -> String {
    let said = words::finding(finding.code);
    let sentence = if said.tell.is_empty() {
        said.heading
    } else {
        said.tell
    };
    fill(sentence, &finding.values)
}

#[cfg(test)]
mod tests;
