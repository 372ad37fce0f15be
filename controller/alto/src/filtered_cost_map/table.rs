//! The cells of an answer.

use super::offer::Offer;
use super::question::Question;
use crate::publication::{append, begin_member};
use crate::query::Refusal;
use crate::{Cost, CostMode, CostSlice, Preference};

/// Most numbers in one answer: some ten megabytes of JSON.
const MOST_NUMBERS: usize = 2_000_000;

#[derive(Clone, Copy, Debug)]
enum Value<'a> {
    Absent,
    One(Cost),
    Intervals(CostSlice<'a>),
}

/// Cells in the order of their sources and destinations.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    question: &'a Question,
    /// Sources, each with the index of its first cell.
    rows: Vec<(&'a str, usize)>,
    /// Of all cells.
    destinations: Vec<&'a str>,
    /// As many for each cell as there are cost types.
    values: Vec<Value<'a>>,
    numbers: usize,
}

impl<'a> Table<'a> {
    /// An empty answer.
    pub(crate) fn new(question: &'a Question) -> Self {
        Self {
            question,
            rows: Vec::new(),
            destinations: Vec::new(),
            values: Vec::new(),
            numbers: 0,
        }
    }

    /// From here on, cells are those of this source, a PID or an endpoint: names in which JSON escapes nothing.
    pub(crate) fn row(&mut self, source: &'a str) {
        self.rows.push((source, self.destinations.len()));
    }

    /// Adds a cell, if it is wanted and has a value at all, by what its columns have for it. Its destination is such a name too.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the answer becomes too long.
    pub(crate) fn add(
        &mut self,
        destination: &'a str,
        cost: impl Fn(usize) -> Option<Cost>,
        intervals: impl Fn(usize) -> Option<CostSlice<'a>>,
    ) -> Result<(), Refusal> {
        if !self.question.constraint.passes(&cost) {
            return Ok(());
        }
        let before = self.values.len();
        for asked in &self.question.asked {
            let value = if asked.calendar {
                intervals(asked.column).map(Value::Intervals)
            } else {
                cost(asked.column).map(Value::One)
            };
            self.values.push(value.unwrap_or(Value::Absent));
        }
        let added = &self.values[before..];
        if added.iter().all(|value| matches!(value, Value::Absent)) {
            self.values.truncate(before);
            return Ok(());
        }
        self.numbers += added
            .iter()
            .map(|value| match value {
                Value::Intervals(costs) => costs.len(),
                Value::One(_) | Value::Absent => 1,
            })
            .sum::<usize>();
        self.destinations.push(destination);
        if self.numbers > MOST_NUMBERS {
            return Err(Refusal::TooMany);
        }
        Ok(())
    }

    /// Replaces costs that are asked for as ranks by their ranks among each other, from 1 for the best (RFC 7285 §6.1.2.2).
    pub(crate) fn rank(&mut self, offer: &Offer) {
        let width = self.question.asked.len();
        for (index, asked) in self.question.asked.iter().enumerate() {
            if asked.mode != CostMode::Ordinal {
                continue;
            }
            let costs = self.values.iter().skip(index).step_by(width);
            let costs = costs.filter_map(|value| match value {
                Value::One(cost) => Some(*cost),
                Value::Absent | Value::Intervals(_) => None,
            });
            let mut distinct: Vec<Cost> = costs.collect();
            distinct.sort_unstable();
            distinct.dedup();
            let preference = offer.column(asked.column).preference;
            for value in self.values.iter_mut().skip(index).step_by(width) {
                if let Value::One(cost) = value {
                    let lower = distinct.partition_point(|other| other < cost);
                    let rank = match preference {
                        Preference::Lower => lower + 1,
                        Preference::Higher => distinct.len() - lower,
                    };
                    *cost = Cost::new(rank as u64);
                }
            }
        }
    }

    /// Appends the data member: source, destination, cell. A source without cells has no row.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let width = self.question.asked.len();
        let ends = self.rows.iter().skip(1).map(|(_, first)| *first);
        let ends = ends.chain([self.destinations.len()]);
        out.push(b'{');
        let mut rows = 0;
        for ((source, first), end) in self.rows.iter().zip(ends) {
            if *first == end {
                continue;
            }
            begin_member(out, rows, source);
            rows += 1;
            out.push(b'{');
            for cell in *first..end {
                begin_member(out, cell - first, self.destinations[cell]);
                let values = &self.values[cell * width..][..width];
                match values {
                    [one] if !self.question.multi => one.write(out),
                    several => list(out, several, Value::write),
                }
            }
            out.push(b'}');
        }
        out.push(b'}');
    }
}

fn list<T>(
    out: &mut Vec<u8>,
    elements: impl IntoIterator<Item = T>,
    write: impl Fn(T, &mut Vec<u8>),
) {
    out.push(b'[');
    for (index, element) in elements.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(element, out);
    }
    out.push(b']');
}

impl Value<'_> {
    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Absent => out.extend_from_slice(b"null"),
            Self::One(cost) => append(out, cost),
            Self::Intervals(costs) => list(out, costs.iter(), |cost, out| append(out, &cost)),
        }
    }
}
