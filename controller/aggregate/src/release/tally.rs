//! Counts the votes: every subscriber's own statistic first, then the statistic over subscribers.

use super::Found;
use super::offer::{Item, Offers, calendars, counted};
use crate::confidence::Confidence;
use crate::group::{Profile, Tree};
use crate::observe::{Entry, Subject, runs};
use crate::public::{Calendar, Figure, PublicCell, Rules};
use crate::{K, Metric, Observations, Statistic};

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

#[derive(Default)]
struct Output {
    found: Vec<Found>,
    confidence: Confidence,
}

struct Tally<'a> {
    adopt: &'a [bool],
    k: K,
    /// By subscriber; `None` for those who do not vote at all.
    positions: Vec<Option<u32>>,
    profiles: &'a [Profile],
    offers: &'a Offers,
    /// First and last position, by place, of those places with voters.
    spans: Vec<(usize, u32, u32)>,
    first_hour: usize,
}

/// Every cell that has voters, by metric, place and destination (`TOTAL` last).
pub(super) fn cells(
    state: &Observations,
    adopt: &[bool],
    rules: &Rules,
    tree: &Tree,
    offers: &Offers,
    profiles: &[Profile],
) -> Vec<Found> {
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
    let tally = Tally {
        adopt,
        k: rules.k,
        positions,
        profiles,
        offers,
        spans,
        first_hour: state.window.first_hour_of_day(),
    };
    let mut output = Output::default();
    for (metric, statistics) in &rules.statistics {
        let wanted = wanted(*metric, statistics);
        let calendars = calendars(state, rules, *metric);
        let figures = state.figures(*metric);
        for (subject, run) in runs(figures) {
            if let Subject::Figure { destination, .. } = subject {
                tally.item(
                    *metric,
                    Some(destination),
                    run,
                    &wanted,
                    &calendars,
                    &mut output,
                );
            }
        }
        let all = by_subscriber(figures, profiles.len());
        tally.item(*metric, None, &all, &wanted, &calendars, &mut output);
    }
    let mut found = output.found;
    found.sort_by_key(|f| (f.metric, f.place, f.destination.is_none(), f.destination));
    found
}

/// The entries once more, by subscriber alone.
fn by_subscriber(entries: &[Entry], subscribers: usize) -> Vec<Entry> {
    let mut next = vec![0_usize; subscribers + 1];
    for entry in entries {
        next[entry.subscriber() + 1] += 1;
    }
    for index in 1..next.len() {
        next[index] += next[index - 1];
    }
    let mut sorted = entries.to_vec();
    for entry in entries {
        let at = &mut next[entry.subscriber()];
        sorted[*at] = *entry;
        *at += 1;
    }
    sorted
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

impl Tally<'_> {
    fn item(
        &self,
        metric: Metric,
        destination: Option<u32>,
        entries: &[Entry],
        wanted: &Wanted,
        calendars: &[(Calendar, usize)],
        output: &mut Output,
    ) {
        let Output { found, confidence } = output;
        let item = |calendar| {
            self.offers.item(Item {
                metric,
                destination,
                calendar,
            })
        };
        let Some(plain) = item(None) else {
            return;
        };
        let everything = self.votes(metric, plain, entries, wanted, 1, |_| Some(0));
        let first = found.len();
        for votes in everything {
            for (place, votes) in self.by_place(&votes) {
                let cell = PublicCell {
                    subscribers: self.k.rounded(votes.len()),
                    samples: self.samples(votes),
                    figures: self.figures(votes, wanted, Some(confidence)),
                    calendars: Vec::new(),
                };
                found.push(Found {
                    metric,
                    place,
                    destination,
                    cell,
                });
            }
        }
        for (calendar, intervals) in calendars {
            let Some(item) = item(Some(*calendar)) else {
                continue;
            };
            let interval = |entry: &Entry| {
                let hour = entry.hour() + self.first_hour;
                let index = match calendar {
                    Calendar::HourOfDay => hour % 24,
                    Calendar::DayOfWindow => hour / 24,
                };
                (index < *intervals).then_some(index)
            };
            let votes = self.votes(metric, item, entries, wanted, *intervals, interval);
            self.calendar(*calendar, &votes, wanted, &mut found[first..]);
        }
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
            let Some(cell) = found.iter_mut().find(|f| f.place == place) else {
                continue;
            };
            for (nth, figure) in columns[0][row].1.iter().enumerate() {
                let values: Option<Box<[u64]>> = columns
                    .iter()
                    .map(|column| Some(column.get(row)?.1.get(nth)?.value))
                    .collect();
                if let Some(values) = values {
                    cell.cell
                        .calendars
                        .push((calendar, figure.statistic, values));
                }
            }
        }
    }

    /// The votes of all who are published with the item, by interval, in the order of positions.
    fn votes(
        &self,
        metric: Metric,
        item: usize,
        entries: &[Entry],
        wanted: &Wanted,
        intervals: usize,
        interval: impl Fn(&Entry) -> Option<usize>,
    ) -> Vec<Vec<Vote>> {
        let needed = OWN.map(|own| {
            let index = OWN.iter().position(|o| *o == own);
            let computed = metric.statistic(own);
            computed.filter(|_| wanted.iter().any(|(_, _, needs)| Some(*needs) == index))
        });
        let mut votes: Vec<Vec<Vote>> = vec![Vec::new(); intervals];
        let mut values: Vec<Vec<u64>> = vec![Vec::new(); intervals];
        for own in entries.chunk_by(|a, b| a.subscriber() == b.subscriber()) {
            let subscriber = own[0].subscriber();
            let Some(position) = self.positions[subscriber] else {
                continue;
            };
            if !self
                .offers
                .patterns
                .contains(self.profiles[subscriber].pattern, item)
            {
                continue;
            }
            values.iter_mut().for_each(Vec::clear);
            for entry in counted(own, self.adopt) {
                if let Some(index) = interval(entry) {
                    values[index].push(entry.value());
                }
            }
            for (values, votes) in values.iter_mut().zip(&mut votes) {
                // Late values follow those in time.
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
        for votes in &mut votes {
            votes.sort_unstable_by_key(|v| v.position);
        }
        votes
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
