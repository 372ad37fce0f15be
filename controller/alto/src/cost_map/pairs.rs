//! Which pairs of PIDs have costs.

use std::ops::Range;
use std::sync::Arc;

use super::short;
use crate::PidName;

/// Pairs of PIDs in the order of their names, each with an index. Names are kept once; a pair is a number.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pairs {
    /// PIDs in order, at least all that occur among them. Each is numbered by its index.
    names: Arc<[PidName]>,
    /// Sources that have pairs, in order, each with the index of its first pair.
    rows: Box<[(u32, u32)]>,
    /// Destinations of all pairs, in order within a row.
    destinations: Box<[u32]>,
}

impl Pairs {
    /// Pairs of numbers of these names, in order, each once.
    pub(super) fn new(
        names: &Arc<[PidName]>,
        pairs: impl ExactSizeIterator<Item = (u32, u32)>,
    ) -> Self {
        let mut rows: Vec<(u32, u32)> = Vec::new();
        let mut destinations = Vec::with_capacity(pairs.len());
        for (source, destination) in pairs {
            if rows.last().is_none_or(|(last, _)| *last != source) {
                rows.push((source, short(destinations.len())));
            }
            destinations.push(destination);
        }
        Self {
            names: Arc::clone(names),
            rows: rows.into(),
            destinations: destinations.into(),
        }
    }

    /// The number of a PID; `None` if it is not among the names.
    pub(crate) fn number(&self, pid: &PidName) -> Option<u32> {
        self.names.binary_search(pid).ok().map(short)
    }

    /// All PIDs that may be a source or a destination, in order.
    pub(crate) fn names(&self) -> &[PidName] {
        &self.names
    }

    /// The PID with the number.
    pub(super) fn name(&self, number: u32) -> &PidName {
        &self.names[number as usize]
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.destinations.len()
    }

    /// The destination of the pair with the index.
    pub(super) fn destination(&self, index: usize) -> u32 {
        self.destinations[index]
    }

    /// Numbers of sources with the indices of their pairs, in order.
    pub(super) fn rows(&self) -> impl Iterator<Item = (u32, Range<usize>)> {
        let rows = self.rows.iter().enumerate();
        rows.map(|(row, (source, _))| (*source, self.range(row)))
    }

    /// Indices of the pairs of a source; `None` if it has none.
    pub(super) fn row(&self, source: u32) -> Option<Range<usize>> {
        let row = self.rows.binary_search_by_key(&source, |(s, _)| *s).ok()?;
        Some(self.range(row))
    }

    fn range(&self, row: usize) -> Range<usize> {
        let next = self.rows.get(row + 1);
        let end = next.map_or(self.destinations.len(), |(_, next)| *next as usize);
        self.rows[row].1 as usize..end
    }

    /// The index of a destination among the pairs of its row.
    pub(super) fn find(&self, row: Range<usize>, destination: u32) -> Option<usize> {
        let found = self.destinations[row.clone()].binary_search(&destination);
        Some(row.start + found.ok()?)
    }

    /// The index of a pair; `None` if it is not among these.
    pub(super) fn index(&self, source: &PidName, destination: &PidName) -> Option<usize> {
        let row = self.row(self.number(source)?)?;
        self.find(row, self.number(destination)?)
    }

    /// Numbers of destinations from a source, each with the index of the pair, in order.
    pub(crate) fn from(&self, source: &PidName) -> impl Iterator<Item = (u32, usize)> {
        let row = self.number(source).and_then(|number| self.row(number));
        let indices = row.into_iter().flatten();
        indices.map(|index| (self.destinations[index], index))
    }
}
