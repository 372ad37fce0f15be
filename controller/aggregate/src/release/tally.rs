//! Counts the votes: every subscriber's own statistic first, then the statistic over subscribers.

use super::offer::{Item, Offers, calendars, destination};
use crate::confidence::Confidence;
use crate::group::{Profile, Tree};
use crate::observe::{Entry, runs};
use crate::pattern::NOTHING;
use crate::public::{Contents, Figure, Rules, Writer};
use crate::{K, Metric, Statistic, Window, parallel};

mod ascending;
mod ballot;

use ascending::Ascending;
use ballot::{Ballot, OWN, Span, by_subscriber};

/// What is wanted of a metric.
struct Wanted {
    /// The statistic asked for, as it is computed, and the own statistic it is made of.
    statistics: Vec<(Statistic, Statistic, usize)>,
    /// By [`OWN`]: those that are needed, as they are computed.
    own: [Option<Statistic>; OWN.len()],
}

impl Wanted {
    fn of(metric: Metric, statistics: &[Statistic]) -> Self {
        let mut wanted: Vec<(Statistic, Statistic, usize)> = statistics
            .iter()
            .filter_map(|asked| {
                let computed = metric.statistic(*asked)?;
                let of = computed.of_subscriber();
                Some((*asked, computed, OWN.iter().position(|own| *own == of)?))
            })
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut own = [None; OWN.len()];
        for (.., needed) in &wanted {
            own[*needed] = metric.statistic(OWN[*needed]);
        }
        Self {
            statistics: wanted,
            own,
        }
    }
}

/// The statistics that cells can have by these rules, in order.
pub(super) fn operators(rules: &Rules) -> Vec<Statistic> {
    let mut operators = Vec::new();
    for (metric, statistics) in &rules.statistics {
        let wanted = Wanted::of(*metric, statistics).statistics;
        operators.extend(wanted.into_iter().map(|(asked, ..)| asked));
    }
    operators.sort_unstable();
    operators.dedup();
    operators
}

/// The cells of one item.
pub(super) struct Sheet {
    /// Index in the release; `None` is `TOTAL`.
    pub(super) destination: Option<u32>,
    /// The place of each cell, by its index in the release, and where its bytes end.
    cells: Vec<(usize, usize)>,
    bytes: Vec<u8>,
}

impl Sheet {
    /// The place and the bytes of a cell.
    pub(super) fn cell(&self, index: usize) -> Option<(usize, &[u8])> {
        let (place, end) = *self.cells.get(index)?;
        let before = index.checked_sub(1).map(|before| self.cells[before].1);
        Some((place, &self.bytes[before.unwrap_or(0)..end]))
    }
}

/// Who votes where.
pub(super) struct Tally<'a> {
    window: Window,
    adopt: &'a [bool],
    rules: &'a Rules,
    k: K,
    operators: &'a [Statistic],
    /// Who votes at all, in the order of places.
    voters: Vec<usize>,
    /// The places with voters.
    spans: Vec<Span>,
    profiles: &'a [Profile],
    offers: &'a Offers,
}

/// What a thread works with.
#[derive(Default)]
struct Desk {
    confidence: Confidence,
    contents: Contents,
    ascending: Ascending,
    /// The values of a calendar at a place, by statistic.
    columns: Vec<Vec<u64>>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(
        window: Window,
        adopt: &'a [bool],
        rules: &'a Rules,
        operators: &'a [Statistic],
        tree: &Tree,
        offers: &'a Offers,
        profiles: &'a [Profile],
    ) -> Self {
        let mut voters: Vec<usize> = (0..profiles.len())
            .filter(|index| profiles[*index].pattern != NOTHING)
            .collect();
        voters.sort_by_key(|index| profiles[*index].place);
        let at = |place: usize| voters.partition_point(|index| profiles[*index].place < place);
        let span = |place| Span {
            place,
            seats: at(place)..at(tree.end(place)),
        };
        let spans = (0..tree.places().len()).map(span);
        Self {
            window,
            adopt,
            rules,
            k: rules.k,
            operators,
            spans: spans.filter(|span| !span.seats.is_empty()).collect(),
            voters,
            profiles,
            offers,
        }
    }

    /// Every cell of a metric that has voters, by destination (`TOTAL` last) and place.
    pub(super) fn sheets(&self, metric: Metric, figures: &[Entry]) -> Vec<Sheet> {
        let statistics = self.rules.statistics.get(&metric);
        let wanted = Wanted::of(metric, statistics.map_or(&[], Vec::as_slice));
        let split: Vec<(u32, &[Entry])> = runs(figures)
            .filter_map(|(subject, run)| Some((destination(subject)?, run)))
            .collect();
        // `TOTAL` first: it is as much work as all others together.
        let everything = (None, split.iter().map(|(_, run)| *run).collect());
        let single = split.iter().map(|(to, run)| (Some(*to), vec![*run]));
        let items: Vec<(Option<u32>, Vec<&[Entry]>)> =
            std::iter::once(everything).chain(single).collect();
        let mut sheets = parallel::map(&items, |desk: &mut Desk, (to, runs)| {
            self.sheet(metric, *to, runs, &wanted, desk)
        });
        sheets.rotate_left(1);
        sheets
    }

    fn sheet(
        &self,
        metric: Metric,
        destination: Option<u32>,
        runs: &[&[Entry]],
        wanted: &Wanted,
        desk: &mut Desk,
    ) -> Sheet {
        let mut sheet = Sheet {
            destination,
            cells: Vec::new(),
            bytes: Vec::new(),
        };
        let ballot = |calendar, intervals| {
            let item = self.offers.item(Item {
                metric,
                destination,
                calendar,
            })?;
            let votes = |voter: usize| {
                let pattern = self.profiles[voter].pattern;
                self.offers.patterns.contains(pattern, item)
            };
            let subscribers = self.profiles.len();
            let voters = self.voters.iter().map(|voter| (*voter, votes(*voter)));
            let mut ballot = Ballot::new(calendar, intervals, subscribers, voters, &self.spans);
            ballot.prepare(&wanted.own);
            Some(ballot)
        };
        let Some(everything) = ballot(None, 1) else {
            return sheet;
        };
        let calendars = calendars(&self.window, self.rules, metric);
        let calendars = calendars.iter().filter_map(|(c, n)| ballot(Some(*c), *n));
        let mut ballots: Vec<Ballot> = std::iter::once(everything).chain(calendars).collect();
        let first_hour = self.window.first_hour_of_day();
        by_subscriber(runs, self.adopt, |subscriber, own| {
            for ballot in &mut ballots {
                ballot.add(subscriber, own, &wanted.own, first_hour);
            }
        });
        let Some((everything, calendars)) = ballots.split_first() else {
            return sheet;
        };
        let mut out = Writer::default();
        for span in &everything.spans {
            self.figures(everything, span, wanted, desk);
            for calendar in calendars {
                self.calendar(calendar, span.place, wanted, desk);
            }
            desk.contents.write(&self.window, self.operators, &mut out);
            sheet.cells.push((span.place, out.0.len()));
        }
        sheet.bytes = out.0;
        sheet
    }

    /// Whether a statistic is no single voter's value of too few.
    fn is_told(&self, computed: Statistic, voters: usize) -> bool {
        voters >= self.k.for_extremes() || !computed.is_extreme(voters)
    }

    /// Begins a place's cell with the figures over the whole window.
    fn figures(&self, ballot: &Ballot, span: &Span, wanted: &Wanted, desk: &mut Desk) {
        let contents = &mut desk.contents;
        let voters = span.seats.len();
        let samples: u64 = ballot.samples[span.seats.clone()].iter().sum();
        contents.subscribers = self.k.rounded(voters);
        contents.samples = usize::try_from(samples).map_or(samples, |n| self.k.rounded(n) as u64);
        contents.figures.clear();
        contents.calendars.clear();
        contents.values.clear();
        desk.ascending.clear();
        let few = voters < self.k.for_extremes();
        for (statistic, computed, own) in &wanted.statistics {
            if !self.is_told(*computed, voters) {
                continue;
            }
            let votes = ballot.votes(*own, 0, span);
            let votes = in_order(*computed, votes, &mut desk.ascending);
            if let Some(value) = computed.of_ranked(votes) {
                contents.figures.push(Figure {
                    statistic: *statistic,
                    value,
                    confidence: desk.confidence.interval(*computed, votes, !few),
                });
            }
        }
    }

    /// Appends a calendar to a place's cell, if the place has voters in it: they are the same in all intervals.
    fn calendar(&self, ballot: &Ballot, place: usize, wanted: &Wanted, desk: &mut Desk) {
        let at = ballot.spans.binary_search_by_key(&place, |s| s.place);
        let (Some(calendar), Ok(at)) = (ballot.calendar, at) else {
            return;
        };
        let span = &ballot.spans[at];
        let told =
            |(_, computed, _): &&(_, Statistic, _)| self.is_told(*computed, span.seats.len());
        let statistics: Vec<_> = wanted.statistics.iter().filter(told).collect();
        desk.columns.resize_with(statistics.len(), Vec::new);
        desk.columns.iter_mut().for_each(Vec::clear);
        for interval in 0..ballot.intervals {
            desk.ascending.clear();
            for ((_, computed, own), column) in statistics.iter().zip(&mut desk.columns) {
                let votes = ballot.votes(*own, interval, span);
                let votes = in_order(*computed, votes, &mut desk.ascending);
                column.extend(computed.of_ranked(votes));
            }
        }
        for ((asked, ..), column) in statistics.iter().zip(&desk.columns) {
            if column.len() == ballot.intervals {
                desk.contents.calendars.push((calendar, *asked));
                desk.contents.values.extend_from_slice(column);
            }
        }
    }
}

/// The votes as a statistic over them needs them. All that need order are made of the same own statistic: they are sorted once.
fn in_order<'v>(computed: Statistic, votes: &'v [u64], ascending: &'v mut Ascending) -> &'v [u64] {
    if computed.needs_order() {
        ascending.of(votes)
    } else {
        votes
    }
}
