//! k-anonymity as a partition of the subscribers.
//!
//! Every subscriber ends in exactly one group (or in none), a group has at least k members, and a
//! group votes as a whole: for its place and all larger ones, towards all clusters of its coverage and
//! towards `TOTAL`. So every published cell is a union of whole groups, and whatever an attacker
//! computes from published cells by set algebra (parent minus children, one cluster minus another)
//! is again a union of whole groups: empty, or at least k households.
//!
//! Groups start as "same place, same clusters measured". Those below k are merged, in this order:
//! 1. within the place, by giving up clusters that their partner does not have;
//! 2. upwards, region → ISP → everybody. A remainder that is still below k there takes the smallest
//!    published child of that place with it (complementary suppression), as long as another child stays
//!    published and the price is in proportion; else it votes in the next larger place only;
//! 3. what is still below k among everybody does not vote.

use std::collections::{BTreeMap, BTreeSet};

use crate::Place;

/// The clusters, by index, that all members of a group have measured.
pub(crate) type Coverage = BTreeSet<usize>;

/// A published sibling of this many times k or more is not given up for a remainder below k: leaving
/// out the remainder moves the parent's figure less (under a tenth of the votes) than the loss
/// of the sibling costs.
const PROPORTION: usize = 10;

/// Subscribers, by index, who vote together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) place: Place,
    pub(crate) coverage: Coverage,
    pub(crate) members: Vec<usize>,
}

type Node = BTreeMap<Coverage, Vec<usize>>;

/// Partitions the subscribers (place and coverage, by index) into groups of at least `k`.
pub(crate) fn partition(subscribers: &[(Place, Coverage)], k: usize) -> Vec<Group> {
    let mut tree = Tree {
        nodes: BTreeMap::new(),
        k,
    };
    for (index, (place, coverage)) in subscribers.iter().enumerate() {
        tree.put(place, coverage.clone(), vec![index]);
    }
    tree.settle_regions();
    tree.settle_isps();
    tree.settle_total();
    tree.into_groups()
}

struct Tree {
    /// The groups that belong to exactly this place, not to a smaller one.
    nodes: BTreeMap<Place, Node>,
    k: usize,
}

impl Tree {
    fn put(&mut self, place: &Place, coverage: Coverage, members: Vec<usize>) {
        self.nodes
            .entry(place.clone())
            .or_default()
            .entry(coverage)
            .or_default()
            .extend(members);
    }

    fn settle_regions(&mut self) {
        let regions: Vec<Place> = self
            .nodes
            .keys()
            .filter(|p| matches!(p, Place::Region(..)))
            .cloned()
            .collect();
        for region in regions {
            let rest = self.settle_node(&region);
            self.lift(&region, rest);
        }
    }

    fn settle_isps(&mut self) {
        let isps: BTreeSet<Place> = self
            .nodes
            .keys()
            .flat_map(Place::chain)
            .filter(|p| matches!(p, Place::Isp(_)))
            .collect();
        for isp in isps {
            let rest = self.settle_with_children(&isp);
            self.lift(&isp, rest);
        }
    }

    fn settle_total(&mut self) {
        // Dropped on purpose: fewer than k households that fit nowhere.
        let _left_out = self.settle_with_children(&Place::Total);
    }

    /// Lets a remainder vote in the next larger place only.
    fn lift(&mut self, place: &Place, rest: Option<(Coverage, Vec<usize>)>) {
        if let (Some((coverage, members)), Some(parent)) = (rest, place.parent()) {
            self.put(&parent, coverage, members);
        }
    }

    fn settle_node(&mut self, place: &Place) -> Option<(Coverage, Vec<usize>)> {
        settle(self.nodes.get_mut(place)?, self.k)
    }

    fn settle_with_children(&mut self, place: &Place) -> Option<(Coverage, Vec<usize>)> {
        loop {
            let (coverage, members) = self.settle_node(place)?;
            let Some(child) = self.sacrifice(place, &coverage) else {
                return Some((coverage, members));
            };
            self.put(place, coverage, members);
            self.raise(&child, place);
        }
    }

    /// The child of `place` that has to go with a remainder of the given coverage, if any.
    fn sacrifice(&self, place: &Place, coverage: &Coverage) -> Option<Place> {
        let mut sizes: BTreeMap<Place, (usize, bool)> = BTreeMap::new();
        for (below, node) in &self.nodes {
            let Some(child) = below.chain().find(|p| p.parent().as_ref() == Some(place)) else {
                continue;
            };
            for (theirs, members) in node {
                let (size, helps) = sizes.entry(child.clone()).or_default();
                *size += members.len();
                *helps |= theirs.is_subset(coverage);
            }
        }
        if sizes.len() < 2 {
            return None;
        }
        let (child, (size, helps)) = sizes.into_iter().min_by_key(|(_, (size, _))| *size)?;
        (helps && size < self.k.saturating_mul(PROPORTION)).then_some(child)
    }

    /// Moves all groups of `child` and below to `place`.
    fn raise(&mut self, child: &Place, place: &Place) {
        let below: Vec<Place> = self
            .nodes
            .keys()
            .filter(|p| p.chain().any(|q| q == *child))
            .cloned()
            .collect();
        for from in below {
            for (coverage, members) in self.nodes.remove(&from).unwrap_or_default() {
                self.put(place, coverage, members);
            }
        }
    }

    fn into_groups(self) -> Vec<Group> {
        let flat = |(place, node): (Place, Node)| {
            node.into_iter().map(move |(coverage, mut members)| {
                members.sort_unstable();
                Group {
                    place: place.clone(),
                    coverage,
                    members,
                }
            })
        };
        self.nodes.into_iter().flat_map(flat).collect()
    }
}

/// Merges the groups of one place until at most one of them is below k; that one is taken out.
fn settle(node: &mut Node, k: usize) -> Option<(Coverage, Vec<usize>)> {
    loop {
        let small = node
            .iter()
            .filter(|(_, members)| members.len() < k)
            .max_by_key(|(coverage, _)| coverage.len())
            .map(|(coverage, _)| coverage.clone())?;
        let members = node.remove(&small)?;
        let Some((partner, common)) = partner(node, &small, k) else {
            return Some((small, members));
        };
        let theirs = node.remove(&partner).unwrap_or_default();
        let merged = node.entry(common).or_default();
        merged.extend(members);
        merged.extend(theirs);
    }
}

/// The group to merge `small` with, and what both cover: one that loses nothing by it if there
/// is any, else another one below k.
fn partner(node: &Node, small: &Coverage, k: usize) -> Option<(Coverage, Coverage)> {
    let within = node
        .iter()
        .filter(|(theirs, _)| theirs.is_subset(small))
        .max_by_key(|(theirs, members)| (theirs.len(), members.len()))
        .map(|(theirs, _)| (theirs.clone(), theirs.clone()));
    within.or_else(|| {
        node.iter()
            .filter(|(_, members)| members.len() < k)
            .map(|(theirs, _)| {
                (
                    theirs.clone(),
                    theirs.intersection(small).copied().collect::<Coverage>(),
                )
            })
            .max_by_key(|(_, common)| common.len())
    })
}

#[cfg(test)]
mod tests;
