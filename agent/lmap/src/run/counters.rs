//! What is counted of schedules and actions. Counters wrap and are never reset.

use glimpse_model::sorted::SortedMap;
use glimpse_model::time::Timestamp;

/// Of a schedule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ScheduleCounters {
    /// Runs that started.
    pub invocations: u32,
    /// Starts that were suppressed, by the controller or by the household.
    pub suppressions: u32,
    /// Starts that came while it ran.
    pub overlaps: u32,
    /// Runs of which an action failed.
    pub failures: u32,
    /// When the last run started.
    pub last_invocation: Option<Timestamp>,
    /// Of its actions.
    pub actions: SortedMap<String, ActionCounters>,
}

/// Of an action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ActionCounters {
    /// Runs that started, or could not.
    pub invocations: u32,
    /// Starts that were suppressed.
    pub suppressions: u32,
    /// Starts that came while it ran.
    pub overlaps: u32,
    /// Runs that ended with another status than 0.
    pub failures: u32,
    /// When the last run started.
    pub last_invocation: Option<Timestamp>,
    /// The last run that ended.
    pub last: Option<Completion>,
    /// The last run that failed.
    pub last_failed: Option<Completion>,
}

/// How a run of an action ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// When.
    pub at: Timestamp,
    /// Its status.
    pub status: i32,
    /// What was said; empty where nothing was.
    pub message: String,
}

/// Longest message kept, in bytes.
const LONGEST: usize = 512;

pub(crate) fn increment(counter: &mut u32) {
    *counter = counter.wrapping_add(1);
}

impl ScheduleCounters {
    /// The counters of an action.
    pub(crate) fn action(&mut self, name: &str) -> &mut ActionCounters {
        self.actions.entry(name.to_owned()).or_default()
    }
}

impl ActionCounters {
    pub(crate) fn began(&mut self, at: Timestamp) {
        increment(&mut self.invocations);
        self.last_invocation = Some(at);
    }

    pub(crate) fn ended(&mut self, at: Timestamp, status: i32, message: &str) {
        let mut message = crate::names::clean(message);
        if message.len() > LONGEST {
            let end = (0..=LONGEST)
                .rev()
                .find(|end| message.is_char_boundary(*end));
            message.truncate(end.unwrap_or(0));
        }
        let completion = Completion {
            at,
            status,
            message,
        };
        if status != 0 {
            increment(&mut self.failures);
            self.last_failed = Some(completion.clone());
        }
        self.last = Some(completion);
    }
}
