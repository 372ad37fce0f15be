//! The votes for one item: own statistics of those who vote, seat by seat.

use std::ops::Range;

use super::super::offer::counted;
use crate::Statistic;
use crate::observe::{Entry, Measured};
use crate::public::Calendar;

/// The own statistics that statistics over subscribers are made of.
pub(super) const OWN: [Statistic; 4] = [
    Statistic::Min,
    Statistic::Max,
    Statistic::Mean,
    Statistic::Median,
];
/// Instead of a seat: has no vote here.
const ABSENT: u32 = u32::MAX;
/// Subscribers whose entries towards everywhere are brought together at once.
const BLOCK: usize = if cfg!(test) { 16 } else { 256 };

/// A place, by its index in the release, and the seats of those inside it.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) place: usize,
    pub(super) seats: Range<usize>,
}

/// What is counted: everything in one interval, or a calendar.
pub(super) struct Ballot {
    pub(super) calendar: Option<Calendar>,
    pub(super) intervals: usize,
    /// The places with voters.
    pub(super) spans: Vec<Span>,
    /// By seat: how many values stand behind the votes. Empty for a calendar.
    pub(super) samples: Vec<u64>,
    /// By subscriber: the seat, in the order of places.
    seats: Vec<u32>,
    /// How many seats there are.
    count: usize,
    /// By [`OWN`], interval and seat; empty where nothing needs them.
    columns: [Vec<u64>; OWN.len()],
    /// By interval: the values of the subscriber whose turn it is.
    values: Vec<Vec<u64>>,
}

impl Ballot {
    /// For those of all voters, in the order of places, who have a vote.
    pub(super) fn new(
        calendar: Option<Calendar>,
        intervals: usize,
        subscribers: usize,
        voters: impl Iterator<Item = (usize, bool)>,
        all: &[Span],
    ) -> Self {
        let mut seats = vec![ABSENT; subscribers];
        let mut count = 0_u32;
        // By position among all voters: seats before it.
        let mut before = vec![0];
        for (voter, votes) in voters {
            if votes {
                seats[voter] = count;
                count += 1;
            }
            before.push(count as usize);
        }
        let span = |span: &Span| Span {
            place: span.place,
            seats: before[span.seats.start]..before[span.seats.end],
        };
        let spans = all.iter().map(span).filter(|span| !span.seats.is_empty());
        Self {
            calendar,
            intervals,
            spans: spans.collect(),
            samples: Vec::new(),
            seats,
            count: count as usize,
            columns: [const { Vec::new() }; OWN.len()],
            values: vec![Vec::new(); intervals],
        }
    }

    /// Makes room for the votes.
    pub(super) fn prepare(&mut self, needed: &[Option<Statistic>; OWN.len()]) {
        for (column, needed) in self.columns.iter_mut().zip(needed) {
            if needed.is_some() {
                *column = vec![0; self.intervals * self.count];
            }
        }
        if self.calendar.is_none() {
            self.samples = vec![0; self.count];
        }
    }

    /// Takes one subscriber's values, which are in order.
    pub(super) fn add(
        &mut self,
        subscriber: usize,
        own: &[Measured],
        needed: &[Option<Statistic>; OWN.len()],
        first_hour: usize,
    ) {
        let seat = match self.seats[subscriber] {
            ABSENT => return,
            seat => seat as usize,
        };
        if let Some(samples) = self.samples.get_mut(seat) {
            *samples = own.len() as u64;
        }
        if let (None, [only]) = (self.calendar, own) {
            // Whatever statistic it is.
            for column in self.columns.iter_mut().filter(|c| !c.is_empty()) {
                column[seat] = only.value();
            }
            return;
        }
        match self.calendar {
            None => self.values[0].extend(own.iter().map(|measured| measured.value())),
            Some(calendar) => {
                for measured in own {
                    let hour = measured.hour() + first_hour;
                    let interval = match calendar {
                        Calendar::HourOfDay => hour % 24,
                        Calendar::DayOfWindow => hour / 24,
                    };
                    if let Some(values) = self.values.get_mut(interval) {
                        values.push(measured.value());
                    }
                }
            }
        }
        let ats = (seat..).step_by(self.count);
        for (at, values) in ats.zip(&mut self.values) {
            for (column, statistic) in self.columns.iter_mut().zip(needed) {
                if let Some(statistic) = statistic {
                    column[at] = match values[..] {
                        [value] => value,
                        _ => statistic.of_sorted(values).unwrap_or(0),
                    };
                }
            }
            values.clear();
        }
    }

    /// The votes of a place in one interval, by the index of the own statistic.
    pub(super) fn votes(&self, own: usize, interval: usize, span: &Span) -> &[u64] {
        let first = interval * self.count;
        &self.columns[own][first + span.seats.start..first + span.seats.end]
    }
}

/// Tells the counted values of each subscriber in order. Runs to several destinations are not copied as a whole.
pub(super) fn by_subscriber(
    runs: &[&[Entry]],
    adopt: &[bool],
    mut tell: impl FnMut(usize, &[Measured]),
) {
    if let [run] = runs {
        let mut own: Vec<Measured> = Vec::new();
        for entries in run.chunk_by(|a, b| a.subscriber() == b.subscriber()) {
            own.clear();
            own.extend(counted(entries, adopt).map(|e| e.measured()));
            if !own.is_sorted() {
                own.sort_unstable();
            }
            tell(entries[0].subscriber(), &own);
        }
        return;
    }
    let mut runs = runs.to_vec();
    let mut block: Vec<Vec<Measured>> = vec![Vec::new(); BLOCK];
    while let Some(first) = runs
        .iter()
        .filter_map(|run| run.first())
        .map(|e| e.subscriber())
        .min()
    {
        for run in &mut runs {
            let end = run.partition_point(|e| e.subscriber() < first + BLOCK);
            for entry in counted(&run[..end], adopt) {
                block[entry.subscriber() - first].push(entry.measured());
            }
            *run = &run[end..];
        }
        runs.retain(|run| !run.is_empty());
        let having = (first..).zip(&mut block).filter(|(_, own)| !own.is_empty());
        for (subscriber, own) in having {
            own.sort_unstable();
            tell(subscriber, own);
            own.clear();
        }
    }
}
