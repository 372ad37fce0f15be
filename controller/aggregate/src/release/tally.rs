//! Counts the votes: every subscriber's own statistic first, then the statistic over subscribers.

use super::offer::{Item, Offers, calendars, counted, destination};
use crate::confidence::Confidence;
use crate::group::{Profile, Tree};
use crate::observe::{Entry, runs};
use crate::public::{Calendar, Entries, Figure, Rules};
use crate::{K, Metric, Statistic, Window, parallel};

/// The own statistics that statistics over subscribers are made of.
const OWN: [Statistic; 4] = [
    Statistic::Min,
    Statistic::Max,
    Statistic::Mean,
    Statistic::Median,
];

/// One subscriber's vote in one cell.
#[derive(Clone, Copy, Debug)]
struct Vote {
    /// Place among all voters, in the order of places.
    position: u32,
    samples: u64,
    /// By [`OWN`]; those that no wanted statistic needs are zero.
    own: [u64; 4],
}

/// What is wanted of a metric: the statistic asked for, as it is computed, and the own statistic it is made of.
type Wanted = Vec<(Statistic, Statistic, usize)>;

/// A cell: place and destination by their indices in the release.
pub(super) struct Found {
    pub(crate) place: usize,
    /// `None` is `TOTAL`.
    pub(crate) destination: Option<u32>,
    pub(crate) subscribers: usize,
    pub(crate) samples: u64,
    pub(crate) figures: Vec<Figure>,
    pub(crate) calendars: Vec<Entries>,
}

/// Who votes where.
pub(super) struct Tally<'a> {
    window: Window,
    adopt: &'a [bool],
    rules: &'a Rules,
    k: K,
    /// By subscriber; `None` for those who do not vote at all.
    positions: Vec<Option<u32>>,
    profiles: &'a [Profile],
    offers: &'a Offers,
    /// First and last position, by place, of those places with voters.
    spans: Vec<(usize, u32, u32)>,
}

/// The votes for one item.
struct Ballot {
    item: usize,
    /// What is counted: everything in one interval, or a calendar.
    calendar: Option<Calendar>,
    /// By interval: the votes, and the values of the subscriber whose turn it is.
    votes: Vec<Vec<Vote>>,
    values: Vec<Vec<u64>>,
}

/// Subscribers whose entries towards everywhere are brought together at once.
const BLOCK: usize = 256;

/// Tells the entries of each subscriber, subscriber by subscriber. Runs to several destinations are not copied as a whole.
fn by_subscriber(runs: &[&[Entry]], mut tell: impl FnMut(&[Entry])) {
    let each = |a: &Entry, b: &Entry| a.subscriber() == b.subscriber();
    if let [run] = runs {
        run.chunk_by(each).for_each(tell);
        return;
    }
    let mut runs = runs.to_vec();
    let mut block = Vec::new();
    while let Some(first) = runs
        .iter()
        .filter_map(|run| run.first())
        .map(|e| e.subscriber())
        .min()
    {
        for run in &mut runs {
            let end = run.partition_point(|e| e.subscriber() < first + BLOCK);
            block.extend_from_slice(&run[..end]);
            *run = &run[end..];
        }
        runs.retain(|run| !run.is_empty());
        block.sort_by_key(|e| e.subscriber());
        block.chunk_by(each).for_each(&mut tell);
        block.clear();
    }
}

fn wanted(metric: Metric, statistics: &[Statistic]) -> Wanted {
    let mut wanted: Wanted = statistics
        .iter()
        .filter_map(|asked| {
            let computed = metric.statistic(*asked)?;
            let own = OWN
                .iter()
                .position(|own| *own == computed.of_subscriber())?;
            Some((*asked, computed, own))
        })
        .collect();
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

impl<'a> Tally<'a> {
    pub(super) fn new(
        window: Window,
        adopt: &'a [bool],
        rules: &'a Rules,
        tree: &Tree,
        offers: &'a Offers,
        profiles: &'a [Profile],
    ) -> Self {
        let mut voters: Vec<usize> = (0..profiles.len())
            .filter(|index| profiles[*index].pattern != crate::pattern::NOTHING)
            .collect();
        voters.sort_by_key(|index| profiles[*index].place);
        let mut positions = vec![None; profiles.len()];
        for (position, index) in (0_u32..).zip(&voters) {
            positions[*index] = Some(position);
        }
        let at = |place: usize| voters.partition_point(|index| profiles[*index].place < place);
        let spans = (0..tree.places().len())
            .map(|place| (place, at(place), at(tree.end(place))))
            .filter(|(_, first, end)| first < end)
            .filter_map(|(place, first, end)| {
                Some((place, u32::try_from(first).ok()?, u32::try_from(end).ok()?))
            })
            .collect();
        Self {
            window,
            adopt,
            rules,
            k: rules.k,
            positions,
            profiles,
            offers,
            spans,
        }
    }

    /// Every cell of a metric that has voters, by place and destination (`TOTAL` last).
    pub(super) fn cells(&self, metric: Metric, figures: &[Entry]) -> Vec<Found> {
        let statistics = self.rules.statistics.get(&metric);
        let wanted = wanted(metric, statistics.map_or(&[], Vec::as_slice));
        let split: Vec<(u32, &[Entry])> = runs(figures)
            .filter_map(|(subject, run)| Some((destination(subject)?, run)))
            .collect();
        // `TOTAL` first: it is as much work as all others together.
        let everything = (None, split.iter().map(|(_, run)| *run).collect());
        let single = split.iter().map(|(to, run)| (Some(*to), vec![*run]));
        let items: Vec<(Option<u32>, Vec<&[Entry]>)> =
            std::iter::once(everything).chain(single).collect();
        let found = parallel::map(&items, |confidence: &mut Confidence, (to, runs)| {
            self.item(metric, *to, runs, &wanted, confidence)
        });
        let mut found: Vec<Found> = found.into_iter().flatten().collect();
        found.sort_by_key(|f| (f.place, f.destination.is_none(), f.destination));
        found
    }

    fn item(
        &self,
        metric: Metric,
        destination: Option<u32>,
        runs: &[&[Entry]],
        wanted: &Wanted,
        confidence: &mut Confidence,
    ) -> Vec<Found> {
        let ballot = |calendar, intervals| {
            let item = self.offers.item(Item {
                metric,
                destination,
                calendar,
            })?;
            Some(Ballot {
                item,
                calendar,
                votes: vec![Vec::new(); intervals],
                values: vec![Vec::new(); intervals],
            })
        };
        let Some(everything) = ballot(None, 1) else {
            return Vec::new();
        };
        let calendars = calendars(&self.window, self.rules, metric);
        let calendars = calendars.iter().filter_map(|(c, n)| ballot(Some(*c), *n));
        let mut ballots: Vec<Ballot> = std::iter::once(everything).chain(calendars).collect();
        self.vote(metric, runs, wanted, &mut ballots);
        let mut found = Vec::new();
        for Ballot {
            calendar, votes, ..
        } in ballots
        {
            let Some(calendar) = calendar else {
                let cell = |(place, votes): (usize, &[Vote])| Found {
                    place,
                    destination,
                    subscribers: self.k.rounded(votes.len()),
                    samples: self.samples(votes),
                    figures: self.figures(votes, wanted, Some(&mut *confidence)),
                    calendars: Vec::new(),
                };
                found.extend(self.by_place(&votes[0]).map(cell));
                continue;
            };
            self.calendar(calendar, &votes, wanted, &mut found);
        }
        found
    }

    /// Appends a calendar to the cells of its places. The voters are the same in all intervals.
    fn calendar(
        &self,
        calendar: Calendar,
        votes: &[Vec<Vote>],
        wanted: &Wanted,
        found: &mut [Found],
    ) {
        let mut columns: Vec<Vec<(usize, Vec<Figure>)>> = Vec::new();
        for interval in votes {
            let figures =
                |(place, votes): (usize, &[Vote])| (place, self.figures(votes, wanted, None));
            columns.push(self.by_place(interval).map(figures).collect());
        }
        let places = columns.first().map_or(0, Vec::len);
        for row in 0..places {
            let place = columns[0][row].0;
            // They are in the order of places.
            let Ok(at) = found.binary_search_by_key(&place, |f| f.place) else {
                continue;
            };
            for (nth, figure) in columns[0][row].1.iter().enumerate() {
                let values: Option<Box<[u64]>> = columns
                    .iter()
                    .map(|column| Some(column.get(row)?.1.get(nth)?.value))
                    .collect();
                if let Some(values) = values {
                    found[at]
                        .calendars
                        .push((calendar, figure.statistic, values));
                }
            }
        }
    }

    /// Adds the votes of all who are published with a ballot's item, by interval, in the order of positions.
    fn vote(&self, metric: Metric, runs: &[&[Entry]], wanted: &Wanted, ballots: &mut [Ballot]) {
        let needed = OWN.map(|own| {
            let index = OWN.iter().position(|o| *o == own);
            let computed = metric.statistic(own);
            computed.filter(|_| wanted.iter().any(|(_, _, needs)| Some(*needs) == index))
        });
        by_subscriber(runs, |own| {
            let subscriber = own[0].subscriber();
            let Some(position) = self.positions[subscriber] else {
                return;
            };
            let pattern = self.profiles[subscriber].pattern;
            for ballot in ballots.iter_mut() {
                if self.offers.patterns.contains(pattern, ballot.item) {
                    ballot.add(position, counted(own, self.adopt), &needed, &self.window);
                }
            }
        });
        for votes in ballots.iter_mut().flat_map(|ballot| &mut ballot.votes) {
            votes.sort_unstable_by_key(|v| v.position);
        }
    }

    /// The votes inside each place that has any.
    fn by_place<'v>(&self, votes: &'v [Vote]) -> impl Iterator<Item = (usize, &'v [Vote])> {
        self.spans.iter().filter_map(move |(place, first, end)| {
            let from = votes.partition_point(|v| v.position < *first);
            let to = votes.partition_point(|v| v.position < *end);
            (from < to).then(|| (*place, &votes[from..to]))
        })
    }

    fn samples(&self, votes: &[Vote]) -> u64 {
        let samples: u64 = votes.iter().map(|v| v.samples).sum();
        usize::try_from(samples).map_or(samples, |n| self.k.rounded(n) as u64)
    }

    fn figures(
        &self,
        votes: &[Vote],
        wanted: &Wanted,
        mut confidence: Option<&mut Confidence>,
    ) -> Vec<Figure> {
        let mut columns: [Option<Vec<u64>>; 4] = [const { None }; 4];
        let mut figures = Vec::with_capacity(wanted.len());
        let few = votes.len() < self.k.for_extremes();
        for (statistic, computed, own) in wanted {
            if few && computed.is_extreme(votes.len()) {
                continue;
            }
            let column = columns[*own].get_or_insert_with(|| {
                let mut column: Vec<u64> = votes.iter().map(|v| v.own[*own]).collect();
                // A mean needs no order.
                if OWN[*own] != Statistic::Mean {
                    column.sort_unstable();
                }
                column
            });
            let Some(value) = computed.of_sorted(column) else {
                continue;
            };
            let confidence = confidence
                .as_deref_mut()
                .and_then(|known| known.interval(*computed, column, !few));
            figures.push(Figure {
                statistic: *statistic,
                value,
                confidence,
            });
        }
        figures
    }
}

impl Ballot {
    /// One subscriber's votes.
    fn add<'e>(
        &mut self,
        position: u32,
        entries: impl Iterator<Item = &'e Entry>,
        needed: &[Option<Statistic>; 4],
        window: &Window,
    ) {
        self.values.iter_mut().for_each(Vec::clear);
        for entry in entries {
            let hour = entry.hour() + window.first_hour_of_day();
            let interval = match self.calendar {
                None => 0,
                Some(Calendar::HourOfDay) => hour % 24,
                Some(Calendar::DayOfWindow) => hour / 24,
            };
            if let Some(values) = self.values.get_mut(interval) {
                values.push(entry.value());
            }
        }
        for (values, votes) in self.values.iter_mut().zip(&mut self.votes) {
            // Late values follow those in time, and one destination's those of another.
            if !values.is_sorted() {
                values.sort_unstable();
            }
            let own = needed.map(|s| s.and_then(|s| s.of_sorted(values)).unwrap_or(0));
            votes.push(Vote {
                position,
                samples: values.len() as u64,
                own,
            });
        }
    }
}
