//! `/lmap` as plain values: what RFC 8194 calls configuration and instruction.

pub mod limits;
mod read;
#[cfg(test)]
mod tests;
pub(crate) mod write;

use glimpse_model::precondition::Precondition;
use glimpse_model::time::Timestamp;
use glimpse_model::timing::CivilTimes;

/// Everything below `/lmap` that a client configures. Lists are in the order in which their entries came: `action` has an order
/// though the module does not say so.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Control {
    /// `agent`.
    pub agent: Agent,
    /// `tasks/task`.
    pub tasks: Vec<Task>,
    /// `schedules/schedule`.
    pub schedules: Vec<Schedule>,
    /// `suppressions/suppression`.
    pub suppressions: Vec<Suppression>,
    /// `events/event`.
    pub events: Vec<Event>,
}

/// Who the agent is, and how much of that stands in reports.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// `agent-id`, a UUID in lower case.
    pub agent_id: Option<String>,
    /// `group-id`.
    pub group_id: Option<String>,
    /// `measurement-point`.
    pub measurement_point: Option<String>,
    /// `report-agent-id`; false where it is not configured (RFC 8194, not RFC 8193).
    pub report_agent_id: bool,
    /// `report-group-id`.
    pub report_group_id: bool,
    /// `report-measurement-point`.
    pub report_measurement_point: bool,
    /// `controller-timeout` in seconds; without it the controller is never lost.
    pub controller_timeout_s: Option<u32>,
}

/// An entry of a registry of metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its URI.
    pub uri: String,
    /// The roles taken in it.
    pub roles: Vec<String>,
}

/// One option. Neither its name nor its value need be there; its order matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptionEntry {
    /// Tells it from others of the same list, and means nothing.
    pub id: String,
    /// Its name.
    pub name: Option<String>,
    /// Its value, to be taken literally.
    pub value: Option<String>,
}

/// A configured task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Task {
    /// Its name.
    pub name: String,
    /// What it measures.
    pub functions: Vec<Function>,
    /// What runs; where missing, it is chosen by `functions`.
    pub program: Option<String>,
    /// Options of all its actions.
    pub options: Vec<OptionEntry>,
    /// Labels of its results.
    pub tags: Vec<String>,
}

/// `execution-mode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// One after the other.
    Sequential,
    /// All at once.
    Parallel,
    /// One after the other, what each yields handed to the next.
    #[default]
    Pipelined,
}

/// What ends a run early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// An event.
    End(String),
    /// A time from the start of the run, in seconds.
    Duration(u32),
}

/// A schedule.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schedule {
    /// Its name.
    pub name: String,
    /// The event that starts it.
    pub start: String,
    /// What ends it.
    pub stop: Option<Stop>,
    /// How its actions run.
    pub mode: Mode,
    /// Labels of its results.
    pub tags: Vec<String>,
    /// What globs of suppressions are held against.
    pub suppression_tags: Vec<String>,
    /// `glimpse-agent:precondition`.
    pub precondition: Precondition,
    /// `glimpse-agent:lan`.
    pub lan: bool,
    /// In the order in which they came.
    pub actions: Vec<Action>,
}

/// An action.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Action {
    /// Its name.
    pub name: String,
    /// The task it runs.
    pub task: String,
    /// `glimpse-agent` parameters, options with types.
    pub parameters: Option<Parameters>,
    /// Options after those of the task.
    pub options: Vec<OptionEntry>,
    /// Schedules that get what it yields.
    pub destinations: Vec<String>,
    /// Labels of its results.
    pub tags: Vec<String>,
    /// What globs of suppressions are held against.
    pub suppression_tags: Vec<String>,
}

/// Options as leaves with types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Name of the container: that of the method, or `plugin`.
    pub method: String,
    /// Names and values in canonical text.
    pub values: Vec<(String, String)>,
}

/// A suppression.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Suppression {
    /// Its name.
    pub name: String,
    /// The event from which it holds; without one it holds at once.
    pub start: Option<String>,
    /// The event that ends it.
    pub end: Option<String>,
    /// Globs.
    pub matches: Vec<String>,
    /// Whether it ends what runs.
    pub stop_running: bool,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name.
    pub name: String,
    /// Upper bound of the random delay, in seconds.
    pub random_spread_s: Option<u32>,
    /// Base of cycle numbers, in seconds.
    pub cycle_interval_s: Option<u32>,
    /// When it happens.
    pub kind: EventKind,
}

/// `event-type`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind {
    /// None is configured, which is valid: it never happens.
    Never,
    /// Again and again.
    Periodic {
        /// Seconds between, at least 1.
        interval_s: u32,
        /// The first one; when missing, the moment of configuration.
        start: Option<Timestamp>,
        /// None after this.
        end: Option<Timestamp>,
    },
    /// At civil times.
    Calendar(CalendarEvent),
    /// Once.
    OneOff {
        /// When.
        time: Timestamp,
    },
    /// Once, when it is configured.
    Immediate,
    /// When the agent starts.
    Startup,
    /// When the controller was not heard for `controller-timeout`.
    ControllerLost,
    /// When it is heard again.
    ControllerConnected,
    /// When somebody asks (`glimpse-agent:on-demand`).
    OnDemand,
}

/// Civil times.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CalendarEvent {
    /// Each set; an empty one stands for `*`.
    pub times: CivilTimes,
    /// Minutes east of UTC; where missing, the system's zone counts.
    pub offset_minutes: Option<i32>,
    /// None before this.
    pub start: Option<Timestamp>,
    /// None after this.
    pub end: Option<Timestamp>,
}

impl Control {
    /// The task of that name.
    pub fn task(&self, name: &str) -> Option<&Task> {
        self.tasks.iter().find(|task| task.name == name)
    }

    /// The schedule of that name.
    pub fn schedule(&self, name: &str) -> Option<&Schedule> {
        self.schedules.iter().find(|schedule| schedule.name == name)
    }

    /// The event of that name.
    pub fn event(&self, name: &str) -> Option<&Event> {
        self.events.iter().find(|event| event.name == name)
    }
}

/// Names of months in the order of their numbers.
pub(crate) const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// Names of days in the order of their numbers.
pub(crate) const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
