//! What each subscriber has to offer: the items it has measured.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::observe::{ELSEWHERE, Entry, Subject, runs};
use crate::pattern::{self, PatternId, Patterns};
use crate::public::{Calendar, Rules};
use crate::{Metric, Observations, Window, parallel};

/// The item that everybody has of whom anything was received, counted or filtered.
pub(super) const SEEN: usize = 0;

/// What a cell, or all entries of a calendar, are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Item {
    pub(super) metric: Metric,
    /// `None` is `TOTAL`.
    pub(super) destination: Option<u32>,
    pub(super) calendar: Option<Calendar>,
}

/// Items and who has them.
#[derive(Debug)]
pub(super) struct Offers {
    pub(super) patterns: Patterns,
    /// By subscriber.
    pub(super) patterns_of: Vec<PatternId>,
    index: HashMap<Item, usize>,
}

/// Where a subscriber has results: one bit for each interval.
#[derive(Clone, Copy, Debug, Default)]
struct Intervals {
    hours: u32,
    days: u64,
}

impl Intervals {
    const ALL_HOURS: u32 = (1 << 24) - 1;

    fn with(mut self, entry: &Entry, first_hour: usize) -> Self {
        let hour = entry.hour() + first_hour;
        self.hours |= 1 << (hour % 24);
        self.days |= 1_u64
            .checked_shl(u32::try_from(hour / 24).unwrap_or(u32::MAX))
            .unwrap_or(0);
        self
    }

    fn and(self, other: Self) -> Self {
        Self {
            hours: self.hours | other.hours,
            days: self.days | other.days,
        }
    }

    fn fill(self, calendar: Calendar, intervals: usize) -> bool {
        match calendar {
            Calendar::HourOfDay => self.hours == Self::ALL_HOURS,
            Calendar::DayOfWindow => self.days.count_ones() as usize == intervals,
        }
    }
}

impl Offers {
    /// The number of an item, if at least k have it.
    pub(super) fn item(&self, item: Item) -> Option<usize> {
        self.index.get(&item).copied()
    }

    /// Items that fewer than k have are in nobody's pattern: they would only keep people apart.
    pub(super) fn of(state: &Observations, adopt: &[bool], rules: &Rules) -> Self {
        let k = rules.k.subscribers();
        let index = items(state, adopt, rules);
        let mut patterns = Patterns::new(index.len() + 1);
        let words = patterns.words();
        let mut bits = vec![0; words * state.subscribers.len()];
        for entry in state.entries().filter(|e| is_counted(e, adopt)) {
            pattern::put(&mut bits[entry.subscriber() * words..][..words], SEEN);
        }
        let metrics: Vec<Metric> = rules.statistics.keys().copied().collect();
        let marked = parallel::map(&metrics, |(): &mut (), metric| {
            let mut bits = vec![0; words * state.subscribers.len()];
            mark(state, adopt, rules, *metric, &index, &mut |own, item| {
                pattern::put(&mut bits[own * words..][..words], item);
            });
            bits
        });
        for marked in marked {
            bits.iter_mut().zip(marked).for_each(|(all, of)| *all |= of);
        }
        let mut support = vec![0_usize; words * 64];
        for set in bits.chunks_exact(words) {
            for (item, count) in support.iter_mut().enumerate() {
                *count += usize::from(set[item / 64] >> (63 - item % 64) & 1 == 1);
            }
        }
        let mut enough = vec![0; words];
        for item in (0..support.len()).filter(|item| support[*item] >= k) {
            pattern::put(&mut enough, item);
        }
        let patterns_of = bits
            .chunks_exact_mut(words)
            .map(|set| {
                set.iter_mut()
                    .zip(&enough)
                    .for_each(|(word, enough)| *word &= enough);
                patterns.id(set)
            })
            .collect();
        Self {
            patterns,
            patterns_of,
            index,
        }
    }
}

/// The entries that count: those in time, and late ones that are taken in.
pub(super) fn counted<'a>(
    entries: &'a [Entry],
    adopt: &'a [bool],
) -> impl Iterator<Item = &'a Entry> {
    entries.iter().filter(|e| is_counted(e, adopt))
}

fn is_counted(entry: &Entry, adopt: &[bool]) -> bool {
    !entry.is_late() || adopt[entry.subscriber()]
}

/// Numbers the items that can have k subscribers, common ones first: neighbours in order then differ in rare ones.
fn items(state: &Observations, adopt: &[bool], rules: &Rules) -> HashMap<Item, usize> {
    let metrics: Vec<Metric> = rules.statistics.keys().copied().collect();
    let supports = parallel::map(&metrics, |(): &mut (), metric| {
        let support = |(subject, run)| Some((destination(subject)?, chunks(run, adopt).count()));
        let found = runs(state.figures(*metric)).filter_map(support);
        found.collect::<Vec<(u32, usize)>>()
    });
    let mut found: Vec<(bool, Reverse<usize>, Item)> = Vec::new();
    for (metric, supports) in metrics.into_iter().zip(supports) {
        let calendars = calendars(&state.window, rules, metric);
        let mut offer = |destination: Option<u32>, support: usize| {
            let kinds = std::iter::once(None).chain(calendars.iter().map(|(c, _)| Some(*c)));
            found.extend(kinds.map(|calendar| {
                (
                    calendar.is_some(),
                    Reverse(support),
                    Item {
                        metric,
                        destination,
                        calendar,
                    },
                )
            }));
        };
        let most = supports.iter().map(|(_, support)| *support).max();
        for (destination, support) in supports {
            if destination != ELSEWHERE && support >= rules.k.subscribers() {
                offer(Some(destination), support);
            }
        }
        if most > Some(0) {
            offer(None, usize::MAX);
        }
    }
    // Stable: equals stay in the order of metrics and destinations.
    found.sort_by_key(|(calendar, support, _)| (*calendar, *support));
    found
        .into_iter()
        .map(|(_, _, item)| item)
        .zip(SEEN + 1..)
        .collect()
}

/// Where figures were measured to.
pub(super) fn destination(subject: Subject) -> Option<u32> {
    match subject {
        Subject::Figure { destination, .. } => Some(destination),
        Subject::Filtered(_) | Subject::Seen => None,
    }
}

/// The calendars of a metric in this window, with their intervals.
pub(super) fn calendars(window: &Window, rules: &Rules, metric: Metric) -> Vec<(Calendar, usize)> {
    let wanted = rules
        .calendars
        .get(&metric)
        .map(Vec::as_slice)
        .unwrap_or_default();
    wanted
        .iter()
        .filter_map(|c| Some((*c, c.intervals(window)?)))
        .collect()
}

/// The counted entries of each subscriber with any, of one run.
fn chunks<'a>(run: &'a [Entry], adopt: &'a [bool]) -> impl Iterator<Item = &'a [Entry]> {
    run.chunk_by(|a, b| a.subscriber() == b.subscriber())
        .filter(|own| counted(own, adopt).next().is_some())
}

/// Tells every item of the metric that a subscriber has.
fn mark(
    state: &Observations,
    adopt: &[bool],
    rules: &Rules,
    metric: Metric,
    index: &HashMap<Item, usize>,
    tell: &mut impl FnMut(usize, usize),
) {
    let calendars = calendars(&state.window, rules, metric);
    let first_hour = state.window.first_hour_of_day();
    let mut overall = vec![
        Intervals::default();
        if calendars.is_empty() {
            0
        } else {
            state.subscribers.len()
        }
    ];
    let item = |destination, calendar| {
        index
            .get(&Item {
                metric,
                destination,
                calendar,
            })
            .copied()
    };
    let total = item(None, None);
    for (subject, run) in runs(state.figures(metric)) {
        let Some(destination) = destination(subject) else {
            continue;
        };
        let own_item = item(Some(destination), None);
        for own in chunks(run, adopt) {
            let subscriber = own[0].subscriber();
            for item in [total, own_item].into_iter().flatten() {
                tell(subscriber, item);
            }
            if calendars.is_empty() {
                continue;
            }
            let intervals =
                counted(own, adopt).fold(Intervals::default(), |i, e| i.with(e, first_hour));
            overall[subscriber] = overall[subscriber].and(intervals);
            for (calendar, count) in calendars
                .iter()
                .filter(|(c, count)| intervals.fill(*c, *count))
            {
                debug_assert!(*count > 0);
                if let Some(item) = item(Some(destination), Some(*calendar)) {
                    tell(subscriber, item);
                }
            }
        }
    }
    for (calendar, count) in calendars {
        let Some(item) = item(None, Some(calendar)) else {
            continue;
        };
        for subscriber in (0..overall.len()).filter(|s| overall[*s].fill(calendar, count)) {
            tell(subscriber, item);
        }
    }
}
