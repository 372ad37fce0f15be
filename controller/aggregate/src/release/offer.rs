//! What each subscriber has to offer: the items it has measured.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ops::Range;

use crate::observe::{ELSEWHERE, Entry, Subject, runs};
use crate::pattern::{self, NOTHING, PatternId, Patterns};
use crate::public::{Calendar, Rules};
use crate::{Metric, Observations, Window, parallel};

/// Subscribers whose items are laid out at once, a row of bits for each; of all others only the different patterns are held.
const BLOCK: usize = if cfg!(test) { 16 } else { 1024 };
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
        let hour = entry.measured().hour() + first_hour;
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
        let index = items(state, adopt, rules);
        let count = index.len() + 1;
        let all = state.subscribers.len();
        let blocks: Vec<Range<usize>> = (0..all)
            .step_by(BLOCK)
            .map(|first| first..all.min(first + BLOCK))
            .collect();
        let marked = parallel::map(&blocks, |(): &mut (), block| {
            let mut patterns = Patterns::new(count);
            let words = patterns.words();
            let mut bits = vec![0; words * block.len()];
            mark(state, adopt, rules, &index, block, &mut |own, item| {
                let row = (own - block.start) * words;
                pattern::put(&mut bits[row..row + words], item);
            });
            let rows = bits.chunks_exact(words);
            let patterns_of: Vec<PatternId> = rows.map(|set| patterns.id(set)).collect();
            (patterns, patterns_of)
        });
        let mut patterns = Patterns::new(count);
        let mut patterns_of = Vec::with_capacity(all);
        for (own, of_block) in marked {
            let known = own.sets().map(|set| patterns.id(set));
            let known: Vec<PatternId> = known.collect();
            patterns_of.extend(of_block.into_iter().map(|id| known[id as usize]));
        }
        keep_common(&mut patterns, &mut patterns_of, rules.k.subscribers());
        Self {
            patterns,
            patterns_of,
            index,
        }
    }
}

/// Takes those items out of all patterns that fewer than k have.
fn keep_common(patterns: &mut Patterns, patterns_of: &mut [PatternId], k: usize) {
    let mut having = vec![0_usize; patterns.len()];
    for id in &*patterns_of {
        having[*id as usize] += 1;
    }
    let words = patterns.words();
    let mut support = vec![0_usize; words * 64];
    for (set, count) in patterns.sets().zip(&having) {
        for (item, support) in support.iter_mut().enumerate() {
            *support += usize::from(pattern::has(set, item)) * count;
        }
    }
    let mut enough = vec![0; words];
    for item in (0..support.len()).filter(|item| support[*item] >= k) {
        pattern::put(&mut enough, item);
    }
    let mut common = Patterns::new(words * 64);
    let mut rest = vec![0; words];
    let common_of: Vec<PatternId> = patterns
        .sets()
        .map(|set| {
            let both = set.iter().zip(&enough).map(|(set, enough)| set & enough);
            rest.iter_mut()
                .zip(both)
                .for_each(|(rest, both)| *rest = both);
            common.id(&rest)
        })
        .collect();
    for id in patterns_of {
        *id = common_of.get(*id as usize).copied().unwrap_or(NOTHING);
    }
    *patterns = common;
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

/// The entries of some subscribers in a run.
fn within<'a>(run: &'a [Entry], subscribers: &Range<usize>) -> &'a [Entry] {
    let first = run.partition_point(|e| e.subscriber() < subscribers.start);
    let end = run.partition_point(|e| e.subscriber() < subscribers.end);
    &run[first..end]
}

/// Tells every item that the subscribers of a block have.
fn mark(
    state: &Observations,
    adopt: &[bool],
    rules: &Rules,
    index: &HashMap<Item, usize>,
    block: &Range<usize>,
    tell: &mut impl FnMut(usize, usize),
) {
    for (_, run) in runs(&state.others) {
        for own in chunks(within(run, block), adopt) {
            tell(own[0].subscriber(), SEEN);
        }
    }
    for metric in Metric::ALL {
        mark_metric(state, adopt, rules, metric, index, block, tell);
    }
}

fn mark_metric(
    state: &Observations,
    adopt: &[bool],
    rules: &Rules,
    metric: Metric,
    index: &HashMap<Item, usize>,
    block: &Range<usize>,
    tell: &mut impl FnMut(usize, usize),
) {
    let calendars = calendars(&state.window, rules, metric);
    let first_hour = state.window.first_hour_of_day();
    let item = |destination, calendar| {
        let item = Item {
            metric,
            destination,
            calendar,
        };
        index.get(&item).copied()
    };
    let mut overall = vec![Intervals::default(); block.len()];
    let total = item(None, None);
    for (subject, run) in runs(state.figures(metric)) {
        let Some(destination) = destination(subject) else {
            continue;
        };
        let own_item = item(Some(destination), None);
        let own_calendars: Vec<(Calendar, usize, Option<usize>)> = calendars
            .iter()
            .map(|(c, intervals)| (*c, *intervals, item(Some(destination), Some(*c))))
            .collect();
        for own in chunks(within(run, block), adopt) {
            let subscriber = own[0].subscriber();
            for item in [Some(SEEN), total, own_item].into_iter().flatten() {
                tell(subscriber, item);
            }
            if calendars.is_empty() {
                continue;
            }
            let intervals =
                counted(own, adopt).fold(Intervals::default(), |i, e| i.with(e, first_hour));
            let overall = &mut overall[subscriber - block.start];
            *overall = overall.and(intervals);
            for (calendar, count, item) in &own_calendars {
                if let Some(item) = item
                    && intervals.fill(*calendar, *count)
                {
                    tell(subscriber, *item);
                }
            }
        }
    }
    for (calendar, count) in calendars {
        let Some(item) = item(None, Some(calendar)) else {
            continue;
        };
        for (subscriber, intervals) in block.clone().zip(&overall) {
            if intervals.fill(calendar, count) {
                tell(subscriber, item);
            }
        }
    }
}
