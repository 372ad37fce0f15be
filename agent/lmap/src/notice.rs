//! Notifications of `glimpse-agent`: what those who listen are told as it happens.

use glimpse_model::record::SkipReason;
use glimpse_model::time::Timestamp;
use glimpse_yang::schema::Schema;
use glimpse_yang::{Error, Instance, Tag, Tree};

/// One notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The state of a schedule has changed.
    ScheduleState {
        /// Its name.
        schedule: String,
        /// The new state.
        state: &'static str,
    },
    /// The state of a suppression has changed.
    SuppressionState {
        /// Its name.
        suppression: String,
        /// The new state.
        state: &'static str,
    },
    /// The controller was lost, or is back.
    ControllerState {
        /// It is back.
        connected: bool,
        /// When it was heard last.
        last_contact: Option<Timestamp>,
    },
    /// Something that was due did not run.
    Skipped(Skipped),
    /// A result is stored and waits to be sent.
    ResultStored {
        /// Its id.
        id: String,
        /// The schedule.
        schedule: String,
        /// The action.
        action: String,
        /// When it was due.
        event: Timestamp,
        /// How it ended.
        status: i32,
    },
}

/// Runs that did not take place. A skip is a record too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// The schedule.
    pub schedule: String,
    /// The action; none where the whole schedule was skipped, or several of its actions.
    pub action: Option<String>,
    /// When it was due, or the first of them was.
    pub first: Timestamp,
    /// When the last of them was due.
    pub last: Timestamp,
    /// How many.
    pub count: u32,
    /// Why.
    pub reason: SkipReason,
    /// Why, in words.
    pub words: String,
}

impl Notice {
    /// The body of the notification.
    ///
    /// # Errors
    /// [`glimpse_yang::Tag::UnknownElement`] where the schema has no such notification.
    pub fn tree(&self, schema: &'static Schema) -> Result<Tree, Error> {
        let name = match self {
            Self::ScheduleState { .. } => "schedule-state",
            Self::SuppressionState { .. } => "suppression-state",
            Self::ControllerState { .. } => "controller-state",
            Self::Skipped(_) => "skipped",
            Self::ResultStored { .. } => "result-stored",
        };
        let node = schema.notification("glimpse-agent", name).ok_or_else(|| {
            let message = format!("there is no notification {name}");
            Error::new(Tag::UnknownElement, message)
        })?;
        let mut tree = Tree::under(schema, node);
        let mut leaf = |name: &str, text: &str| -> Result<(), Error> {
            let node = schema
                .child(node, None, name)
                .map_err(|_| Error::new(Tag::UnknownElement, format!("there is no leaf {name}")))?;
            tree.push(Instance::leaf(schema, node, text)?);
            Ok(())
        };
        match self {
            Self::ScheduleState { schedule, state } => {
                leaf("schedule", schedule)?;
                leaf("state", state)?;
            }
            Self::SuppressionState { suppression, state } => {
                leaf("suppression", suppression)?;
                leaf("state", state)?;
            }
            Self::ControllerState {
                connected,
                last_contact,
            } => {
                leaf("state", if *connected { "connected" } else { "lost" })?;
                if let Some(at) = last_contact {
                    leaf("last-contact", &at.to_string())?;
                }
            }
            Self::Skipped(skipped) => {
                leaf("schedule", &skipped.schedule)?;
                if let Some(action) = &skipped.action {
                    leaf("action", action)?;
                }
                leaf("event", &skipped.last.to_string())?;
                leaf("reason", skipped.reason.as_str())?;
            }
            Self::ResultStored {
                id,
                schedule,
                action,
                event,
                status,
            } => {
                leaf("id", id)?;
                leaf("schedule", schedule)?;
                leaf("action", action)?;
                leaf("event", &event.to_string())?;
                leaf("status", &status.to_string())?;
            }
        }
        Ok(tree)
    }
}
