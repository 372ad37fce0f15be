//! Which schedules and actions are suppressed.
//!
//! A suppression is active or not; what is suppressed is worked out from the set of active ones whenever it is asked, and never
//! counted up and down.

use crate::control::Suppression;
use crate::event::{Missed, Occurrence};
use crate::glob;
use glimpse_model::sorted::SortedMap;

/// What a later process must know of a suppression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Its start event, as configured.
    pub start: Option<String>,
    /// Its end event, as configured.
    pub end: Option<String>,
    /// It is active.
    pub active: bool,
    /// Its end has come.
    pub ended: bool,
}

/// The suppressions in force.
#[derive(Debug, Default)]
pub struct Suppressions {
    entries: SortedMap<String, (Suppression, Held)>,
}

/// `suppression/state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuppressionState {
    /// It waits for its start.
    Enabled,
    /// It can never become active.
    Disabled,
    /// It suppresses.
    Active,
}

impl SuppressionState {
    /// The word of the module.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Active => "active",
        }
    }
}

/// How an event is named by the suppression that it starts.
pub(crate) fn start_of(suppression: &str) -> String {
    format!("suppression start {suppression}")
}

/// How an event is named by the suppression that it ends.
pub(crate) fn end_of(suppression: &str) -> String {
    format!("suppression end {suppression}")
}

impl Suppressions {
    /// Puts suppressions in force. One whose events are the same stays as it is, whatever else of it has changed; one with another end
    /// goes on until that. `known` is what a former process knew, `changed` says whether an event is another one than before, and `over`
    /// whether it will not come because its time has passed: what would have ended by it, has.
    pub fn configure(
        &mut self,
        suppressions: &[Suppression],
        known: &SortedMap<String, Held>,
        changed: impl Fn(&str) -> bool,
        over: impl Fn(&str) -> bool,
    ) {
        let mut old = std::mem::take(&mut self.entries);
        for suppression in suppressions {
            let end = suppression.end.as_deref();
            let ended = end.is_some_and(&over);
            let held = old
                .remove(&suppression.name)
                .map(|(_, held)| held)
                .or_else(|| known.get(&suppression.name).cloned())
                .filter(|held| held.start == suppression.start);
            let held = match held {
                Some(held) if held.end == suppression.end && !end.is_some_and(&changed) => held,
                other => {
                    let active = suppression.start.is_none() || other.is_some_and(|h| h.active);
                    Held {
                        start: suppression.start.clone(),
                        end: suppression.end.clone(),
                        active: active && !ended,
                        ended,
                    }
                }
            };
            self.entries
                .insert(suppression.name.clone(), (suppression.clone(), held));
        }
    }

    /// An event happens: it starts and ends what names it. Where it does both, the end wins.
    pub fn occur(&mut self, occurrence: &Occurrence) {
        let named = |event: &Option<String>, referrer: String| {
            event.as_ref() == Some(&occurrence.event) && occurrence.is_for(&referrer)
        };
        for (name, (suppression, held)) in &mut self.entries {
            if named(&suppression.start, start_of(name)) {
                held.active = true;
                held.ended = false;
            }
            if named(&suppression.end, end_of(name)) {
                held.active = false;
                held.ended = true;
            }
        }
    }

    /// Events came to pass while nobody looked: what they started or ended is so, though late. The last of them decides.
    pub fn miss(&mut self, missed: &[Missed]) {
        let last = |event: &Option<String>| {
            let missed = missed.iter().filter(|missed| !missed.crowded);
            missed
                .filter(|missed| event.as_ref() == Some(&missed.event))
                .map(|missed| missed.last)
                .max()
        };
        for (suppression, held) in self.entries.values_mut() {
            let (start, end) = (last(&suppression.start), last(&suppression.end));
            if start.is_some() || end.is_some() {
                held.active = start > end;
                held.ended = !held.active;
            }
        }
    }

    fn hitting<'a>(&'a self, tags: &'a [String]) -> impl Iterator<Item = &'a Suppression> {
        self.entries
            .values()
            .filter(|(_, held)| held.active)
            .map(|(suppression, _)| suppression)
            .filter(|suppression| {
                suppression
                    .matches
                    .iter()
                    .any(|pattern| tags.iter().any(|tag| glob::matches(pattern, tag)))
            })
    }

    /// Whether something with these tags is suppressed.
    pub fn suppresses(&self, tags: &[String]) -> bool {
        self.hitting(tags).next().is_some()
    }

    /// Whether something with these tags is to be ended where it runs.
    pub fn stops(&self, tags: &[String]) -> bool {
        self.hitting(tags)
            .any(|suppression| suppression.stop_running)
    }

    /// The state of a suppression; `exhausted` says whether an event is over for good.
    pub fn state(&self, name: &str, exhausted: impl Fn(&str) -> bool) -> SuppressionState {
        match self.entries.get(name) {
            Some((_, held)) if held.active => SuppressionState::Active,
            Some((suppression, _)) if !suppression.start.as_deref().is_none_or(exhausted) => {
                SuppressionState::Enabled
            }
            _ => SuppressionState::Disabled,
        }
    }

    /// What a later process must know.
    pub fn held(&self) -> SortedMap<String, Held> {
        let entries = self.entries.iter();
        entries
            .map(|(name, (_, held))| (name.clone(), held.clone()))
            .collect()
    }
}
