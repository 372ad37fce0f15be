//! The results of one window, as a state that can be merged. Not publishable.

use std::collections::HashMap;
use std::sync::Arc;

use thiserror::Error;

use crate::cluster::{ClusterKey, Clusters};
use crate::{Labels, Metric, Reason, Row, Trust, Window, parallel};

mod order;

use order::{Numbers, by_key, by_subscriber, group, ranked};

/// Values are packed with the hour they were measured in: 48 bits for the value above 16 for the hour.
const HOUR_BITS: u32 = 16;
const LARGEST: u64 = (1 << (64 - HOUR_BITS)) - 1;
/// Instead of a metric's number: a result that was filtered; the destination is then the reason.
const FILTERED: u64 = 0x7f;
/// Instead of a metric's number: a result without values.
const SEEN: u64 = 0x7e;
/// Instead of a destination's number: a target outside the operator's list.
pub(crate) const ELSEWHERE: u32 = 0xff_ffff;

/// When what was first published was collected, and what was taken in since.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Results received later are late; `None` if nothing was published of the window.
    pub(crate) published_us: Option<i64>,
    /// The same for subscribers whose late results were taken in.
    pub(crate) adopted_us: HashMap<String, i64>,
}

/// The results of one window by subscriber, metric and destination, each figure as it is: an exact state of
/// 16 bytes a figure. [`Observations::merge`] is associative and commutative, and an empty state is neutral, so that a
/// distributed engine can make parts in any order. Nothing in here may be published;
/// [`Ledger::release`](crate::Ledger::release) is the only way out.
#[derive(Clone, Debug)]
pub struct Observations {
    pub(crate) window: Window,
    pub(crate) as_of_us: i64,
    pub(crate) clusters: Clusters,
    pub(crate) trust: Trust,
    pub(crate) cuts: Arc<Cuts>,
    pub(crate) subscribers: Vec<Subscriber>,
    by_name: HashMap<String, u32>,
    pub(crate) destinations: Vec<ClusterKey>,
    by_key: HashMap<ClusterKey, u32>,
    by_target: HashMap<String, u32>,
    /// By metric, so that a release can let go of one after the other.
    pub(crate) figures: [Vec<Entry>; Metric::ALL.len()],
    /// Results that were filtered or without values.
    pub(crate) others: Vec<Entry>,
}

/// One household.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subscriber {
    pub(crate) name: String,
    /// The labels of its newest result, so that a move in mid-window makes no second vote.
    labels: [Option<String>; 4],
    labelled_us: Option<i64>,
    /// The newest counted result, among those in time and among the late ones.
    pub(crate) newest_us: [Option<i64>; 2],
}

impl Subscriber {
    pub(crate) fn labels(&self) -> Labels<'_> {
        let [isp, region, technology, contract] = &self.labels;
        Labels {
            isp: isp.as_deref(),
            region: region.as_deref(),
            technology: technology.as_deref(),
            contract: contract.as_deref(),
        }
    }

    /// Takes the labels of the newer result; between equals the labels themselves decide, so that order does not matter.
    fn label(&mut self, labels: Labels<'_>, at_us: i64) {
        let own = self.labels().chain();
        if labels.chain() == own {
            self.labelled_us = self.labelled_us.max(Some(at_us));
        } else if (Some(at_us), labels.chain()) > (self.labelled_us, own) {
            self.labels = labels.chain().map(|label| label.map(str::to_owned));
            self.labelled_us = Some(at_us);
        }
    }
}

/// One figure: metric, destination, subscriber and lateness in the key, value and hour beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    key: u64,
    measured: Measured,
}

/// A value and the hour of the window it was measured in, in the order of values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Measured(u64);

impl Measured {
    fn new(value: u64, hour: u64) -> Self {
        Self(value.min(LARGEST) << HOUR_BITS | hour)
    }

    pub(crate) fn value(self) -> u64 {
        self.0 >> HOUR_BITS
    }

    /// The hour of the window.
    pub(crate) fn hour(self) -> usize {
        (self.0 & ((1 << HOUR_BITS) - 1)) as usize
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    Figure { metric: Metric, destination: u32 },
    Filtered(Reason),
    Seen,
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "fields of known width are taken out of a word"
)]
impl Entry {
    fn new(kind: u64, destination: u32, subscriber: u32, late: bool, measured: Measured) -> Self {
        let key = kind << 57
            | u64::from(destination) << 33
            | u64::from(subscriber) << 1
            | u64::from(late);
        Self { key, measured }
    }

    fn destination(self) -> u32 {
        (self.key >> 33) as u32 & ELSEWHERE
    }

    pub(crate) fn subject(self) -> Subject {
        let destination = self.destination();
        match (self.key >> 57) as usize {
            kind if kind == FILTERED as usize => Reason::ALL
                .get(destination as usize)
                .map_or(Subject::Seen, |r| Subject::Filtered(*r)),
            kind => Metric::ALL
                .get(kind)
                .map_or(Subject::Seen, |metric| Subject::Figure {
                    metric: *metric,
                    destination,
                }),
        }
    }

    /// Index into [`Observations::subscribers`].
    pub(crate) fn subscriber(self) -> usize {
        (self.key >> 1) as u32 as usize
    }

    pub(crate) fn is_late(self) -> bool {
        self.key & 1 == 1
    }

    pub(crate) fn measured(self) -> Measured {
        self.measured
    }

    /// Equal for the entries of one metric and destination.
    fn group(self) -> u64 {
        self.key >> 33
    }

    fn with(self, destination: u32, subscriber: u32) -> Self {
        Self::new(
            self.key >> 57,
            destination,
            subscriber,
            self.is_late(),
            self.measured,
        )
    }
}

/// Two states are not of the same publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "states of another window, moment, cluster list, filter or earlier version cannot be merged"
)]
pub struct MergeError;

impl Observations {
    pub(crate) fn new(
        window: Window,
        as_of_us: i64,
        clusters: Clusters,
        trust: Trust,
        cuts: Arc<Cuts>,
    ) -> Self {
        Self {
            window,
            as_of_us,
            clusters,
            trust,
            cuts,
            subscribers: Vec::new(),
            by_name: HashMap::new(),
            destinations: Vec::new(),
            by_key: HashMap::new(),
            by_target: HashMap::new(),
            figures: Default::default(),
            others: Vec::new(),
        }
    }

    /// The window of the results.
    pub fn window(&self) -> Window {
        self.window
    }

    /// Takes one result. Ignored if it did not start inside the window, or was received after the moment of the observations.
    pub fn add(&mut self, row: &Row<'_>) {
        if !self.window.contains(row.start_us) || row.received_us > self.as_of_us {
            return;
        }
        let subscriber = self.subscriber(row.subscriber);
        let late = self.is_late(row);
        self.subscribers[subscriber as usize].label(row.labels, row.start_us);
        if let Some(reason) = self.trust.refusal(&row.facts) {
            let nothing = Measured::new(0, 0);
            self.others.push(Entry::new(
                FILTERED,
                reason as u32,
                subscriber,
                late,
                nothing,
            ));
        } else if row.values.is_empty() {
            let nothing = Measured::new(0, 0);
            self.others
                .push(Entry::new(SEEN, 0, subscriber, late, nothing));
        } else {
            let newest_us = &mut self.subscribers[subscriber as usize].newest_us[usize::from(late)];
            *newest_us = (*newest_us).max(Some(row.start_us));
            let destination = self.destination(row.target);
            let hour = u64::from(self.window.hour_index(row.start_us));
            let entries = row.values.iter().map(|value| {
                let measured = Measured::new(*value, hour);
                Entry::new(row.metric as u64, destination, subscriber, late, measured)
            });
            self.figures[row.metric as usize].extend(entries);
        }
    }

    fn is_late(&self, row: &Row<'_>) -> bool {
        self.cuts.published_us.is_some_and(|published_us| {
            let cut = self.cuts.adopted_us.get(row.subscriber).copied();
            row.received_us > cut.unwrap_or(published_us)
        })
    }

    /// Takes all of another state of the same window.
    pub fn merge(&mut self, other: &Self) -> Result<(), MergeError> {
        if self.scope() != other.scope() {
            return Err(MergeError);
        }
        let subscribers: Vec<u32> = other
            .subscribers
            .iter()
            .map(|theirs| self.take(theirs))
            .collect();
        let destinations: Vec<u32> = other
            .destinations
            .iter()
            .map(|key| self.number(key))
            .collect();
        let numbers = Numbers {
            subscribers,
            destinations,
        };
        for (own, theirs) in self.figures.iter_mut().zip(&other.figures) {
            own.extend(theirs.iter().map(|entry| numbers.of(*entry)));
        }
        let others = other.others.iter().map(|entry| numbers.of(*entry));
        self.others.extend(others);
        Ok(())
    }

    fn scope(&self) -> (Window, i64, &Clusters, &Trust, &Cuts) {
        (
            self.window,
            self.as_of_us,
            &self.clusters,
            &self.trust,
            &self.cuts,
        )
    }

    fn take(&mut self, theirs: &Subscriber) -> u32 {
        let index = self.subscriber(&theirs.name);
        let own = &mut self.subscribers[index as usize];
        if let Some(at_us) = theirs.labelled_us {
            own.label(theirs.labels(), at_us);
        }
        for (own, theirs) in own.newest_us.iter_mut().zip(theirs.newest_us) {
            *own = (*own).max(theirs);
        }
        index
    }

    fn subscriber(&mut self, name: &str) -> u32 {
        if let Some(index) = self.by_name.get(name) {
            return *index;
        }
        let index = u32::try_from(self.subscribers.len()).unwrap_or(u32::MAX);
        self.by_name.insert(name.to_owned(), index);
        self.subscribers.push(Subscriber {
            name: name.to_owned(),
            labels: [const { None }; 4],
            labelled_us: None,
            newest_us: [None; 2],
        });
        index
    }

    fn destination(&mut self, target: &str) -> u32 {
        if let Some(number) = self.by_target.get(target) {
            return *number;
        }
        let number = match self.clusters.key(target) {
            Some(key) => self.number(&key),
            None => ELSEWHERE,
        };
        self.by_target.insert(target.to_owned(), number);
        number
    }

    fn number(&mut self, key: &ClusterKey) -> u32 {
        if let Some(number) = self.by_key.get(key) {
            return *number;
        }
        let number = u32::try_from(self.destinations.len())
            .unwrap_or(ELSEWHERE)
            .min(ELSEWHERE);
        self.by_key.insert(key.clone(), number);
        self.destinations.push(key.clone());
        number
    }

    /// The state by destination and by name, whatever the order it was made in. The figures of one pair are in no order.
    pub(crate) fn sorted(mut self) -> Self {
        let (names, subscribers) = ranked(self.subscribers, |a, b| a.name.cmp(&b.name));
        let (destinations, keys) = ranked(self.destinations, Ord::cmp);
        let numbers = Numbers {
            subscribers: names,
            destinations,
        };
        let elsewhere = keys.len();
        parallel::map(&mut self.figures, |(): &mut (), entries| {
            numbers.give(entries);
            group(entries, elsewhere + 1, |entry| {
                elsewhere.min(entry.destination() as usize)
            });
        });
        let runs = |entries| <[Entry]>::chunk_by_mut(entries, |a, b| a.group() == b.group());
        parallel::map(
            self.figures.iter_mut().flat_map(|f| runs(f)),
            |(): &mut (), run| {
                by_subscriber(run, subscribers.len());
            },
        );
        numbers.give(&mut self.others);
        by_key(&mut self.others);
        Self {
            by_name: HashMap::new(),
            by_key: HashMap::new(),
            by_target: HashMap::new(),
            subscribers,
            destinations: keys,
            ..self
        }
    }

    /// Who has late results.
    pub(crate) fn late(&self) -> Vec<bool> {
        let mut late = vec![false; self.subscribers.len()];
        // Before the first publication nothing is.
        if self.cuts.published_us.is_some() {
            for entry in self.entries().filter(|e| e.is_late()) {
                late[entry.subscriber()] = true;
            }
        }
        late
    }

    /// All entries.
    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.figures.iter().chain([&self.others]).flatten()
    }

    /// The entries of one metric.
    pub(crate) fn figures(&self, metric: Metric) -> &[Entry] {
        &self.figures[metric as usize]
    }
}

/// The runs of sorted entries with one metric and destination.
pub(crate) fn runs(mut entries: &[Entry]) -> impl Iterator<Item = (Subject, &[Entry])> {
    std::iter::from_fn(move || {
        let first = *entries.first()?;
        let end = entries.partition_point(|e| e.group() <= first.group());
        let (run, rest) = entries.split_at(end);
        entries = rest;
        Some((first.subject(), run))
    })
}

impl PartialEq for Observations {
    /// Whether both hold the same results of the same publication.
    fn eq(&self, other: &Self) -> bool {
        let key = |state: &Self| {
            let mut sorted = state.clone().sorted();
            sorted.figures.iter_mut().for_each(|f| by_key(f));
            (
                sorted.subscribers,
                sorted.destinations,
                sorted.figures,
                sorted.others,
            )
        };
        self.scope() == other.scope() && key(self) == key(other)
    }
}

#[cfg(test)]
mod tests;
