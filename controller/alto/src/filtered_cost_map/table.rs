//! The cells of an answer.

use serde::ser::SerializeSeq;
use serde::{Serialize, Serializer};

use super::offer::Offer;
use super::question::Question;
use crate::query::Refusal;
use crate::{Cost, CostMode, Preference};

/// Most numbers in one answer: some ten megabytes of JSON.
const MOST_NUMBERS: usize = 2_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value<'a> {
    Absent,
    One(Cost),
    Intervals(&'a [Cost]),
}

/// Cells in the order of their sources and destinations. A source without cells has no row.
#[derive(Debug)]
pub(crate) struct Table<'a> {
    question: &'a Question,
    cells: Vec<(&'a str, &'a str)>,
    /// As many for each cell as there are cost types.
    values: Vec<Value<'a>>,
    numbers: usize,
}

impl<'a> Table<'a> {
    /// An empty answer.
    pub(crate) fn new(question: &'a Question) -> Self {
        Self {
            question,
            cells: Vec::new(),
            values: Vec::new(),
            numbers: 0,
        }
    }

    /// Adds a pair, if it is wanted and has a value at all, by what its columns have for it.
    ///
    /// # Errors
    /// [`Refusal::TooMany`] when the answer becomes too long.
    pub(crate) fn add(
        &mut self,
        (source, destination): (&'a str, &'a str),
        cost: impl Fn(usize) -> Option<Cost>,
        intervals: impl Fn(usize) -> Option<&'a [Cost]>,
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
        if added.iter().all(|value| *value == Value::Absent) {
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
        self.cells.push((source, destination));
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
}

impl Serialize for Table<'_> {
    /// The data member: source, destination, cell.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let width = self.question.asked.len().max(1);
        let mut values = self.values.as_slice();
        let rows = self.cells.chunk_by(|a, b| a.0 == b.0).map(|cells| {
            let (own, rest) = values.split_at(cells.len() * width);
            values = rest;
            let row = Row {
                cells,
                values: own,
                question: self.question,
            };
            (cells[0].0, row)
        });
        serializer.collect_map(rows)
    }
}

struct Row<'a> {
    cells: &'a [(&'a str, &'a str)],
    values: &'a [Value<'a>],
    question: &'a Question,
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let destinations = self.cells.iter().map(|(_, destination)| destination);
        if self.question.multi {
            let width = self.question.asked.len().max(1);
            serializer.collect_map(destinations.zip(self.values.chunks(width)))
        } else {
            serializer.collect_map(destinations.zip(self.values))
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Absent => serializer.serialize_unit(),
            Self::One(cost) => cost.serialize(serializer),
            Self::Intervals(costs) => {
                let mut sequence = serializer.serialize_seq(Some(costs.len()))?;
                for cost in *costs {
                    sequence.serialize_element(cost)?;
                }
                sequence.end()
            }
        }
    }
}
