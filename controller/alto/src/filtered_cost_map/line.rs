//! What a column, or its calendar, has from one source, target by target.

use crate::PidName;
use crate::cost_map::Pairs;

/// Figures of one column from one source to the targets of a question, in order. Targets are named by their index.
#[derive(Debug)]
pub(super) struct Line<T> {
    /// Index of the column.
    pub(super) column: usize,
    /// Whether it makes cells; else it is only compared.
    is_asked: bool,
    figures: Vec<(usize, T)>,
    taken: usize,
}

impl<T: Copy> Line<T> {
    pub(super) fn new(column: usize, is_asked: bool) -> Self {
        Self {
            column,
            is_asked,
            figures: Vec::new(),
            taken: 0,
        }
    }

    /// Begins with the figures of another source.
    pub(super) fn begin(&mut self, figures: impl Iterator<Item = (usize, T)>) {
        self.figures.clear();
        self.figures.extend(figures);
        self.taken = 0;
    }

    /// The next target for which it makes a cell.
    pub(super) fn next(&self) -> Option<usize> {
        let (target, _) = self.figures.get(self.taken)?;
        self.is_asked.then_some(*target)
    }

    /// Its figure for a target behind that of the last time.
    pub(super) fn take(&mut self, target: usize) -> Option<T> {
        while let Some((at, figure)) = self.figures.get(self.taken) {
            if *at > target {
                break;
            }
            self.taken += 1;
            if *at == target {
                return Some(*figure);
            }
        }
        None
    }
}

/// Pairs towards some targets, which are looked up by name once instead of in each row.
#[derive(Debug)]
pub(super) struct Towards<'a> {
    pairs: &'a Pairs,
    /// The target that has a number among the pairs' names.
    targets: Vec<Option<usize>>,
}

impl<'a> Towards<'a> {
    pub(super) fn new(pairs: &'a Pairs, targets: &[&PidName]) -> Self {
        let mut numbered = vec![None; pairs.names().len()];
        for (index, target) in targets.iter().enumerate() {
            if let Some(number) = pairs.number(target) {
                numbered[number as usize] = Some(index);
            }
        }
        Self {
            pairs,
            targets: numbered,
        }
    }

    /// Targets from a source, each with the index of the pair, in order.
    pub(super) fn from(&self, source: &PidName) -> impl Iterator<Item = (usize, usize)> {
        let pairs = self.pairs.from(source);
        pairs.filter_map(|(number, index)| Some((self.targets[number as usize]?, index)))
    }
}
