//! The graph that was found, and what it says about the ways as a whole.

use super::node::{Node, NodeId};
use super::{Multipath, ROOT, Stop};

/// A link between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// The nearer node; `None` is this host.
    pub from: Option<usize>,
    /// The farther node.
    pub to: usize,
    /// The TTL at which `to` answered.
    pub ttl: u8,
    /// Whether it is one of several that could be, behind a balancer by packets.
    pub inferred: bool,
}

/// A part of the graph between two nodes that all ways pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diamond {
    /// Where the ways part; `None` is this host.
    pub from: Option<usize>,
    /// Where they have met again; `None` when they do not.
    pub to: Option<usize>,
    /// Nodes side by side where there are most.
    pub width: u32,
    /// Links on the longest way from end to end.
    pub length: u8,
    /// Whether some node of it balances by packets.
    pub per_packet: bool,
}

/// All ways that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The nodes, in the order of TTL.
    pub nodes: Vec<Node>,
    /// The links; nodes by their places in `nodes`.
    pub edges: Vec<Edge>,
}

impl Graph {
    /// The parts where ways are apart.
    pub fn diamonds(&self) -> Vec<Diamond> {
        let (mut diamonds, mut passed) = (Vec::new(), Vec::new());
        let mut from = None;
        loop {
            let to = self.meeting(from);
            let next: Vec<usize> = self.beyond(from).collect();
            if next.len() > 1 {
                diamonds.push(self.diamond(from, to));
            }
            match to {
                // Where ways go in a circle, every node of it is met again.
                Some(node) if !passed.contains(&node) => {
                    passed.push(node);
                    from = to;
                }
                _ => return diamonds,
            }
        }
    }

    fn beyond(&self, from: Option<usize>) -> impl Iterator<Item = usize> {
        let edges = self.edges.iter();
        edges
            .filter(move |edge| edge.from == from && edge.from != Some(edge.to))
            .map(|edge| edge.to)
    }

    /// What can be reached from a node without passing another.
    fn reach(&self, from: Option<usize>, without: Option<usize>) -> Vec<usize> {
        let mut found: Vec<usize> = Vec::new();
        let mut open: Vec<Option<usize>> = vec![from];
        while let Some(node) = open.pop() {
            for next in self.beyond(node) {
                if Some(next) != without && Some(next) != from && !found.contains(&next) {
                    found.push(next);
                    open.push(Some(next));
                }
            }
        }
        found
    }

    /// The first node that all ways from `from` pass.
    fn meeting(&self, from: Option<usize>) -> Option<usize> {
        let all = self.reach(from, None);
        let is_end = |node: usize| self.beyond(Some(node)).next().is_none();
        let passes = |&node: &usize| {
            let rest = self.reach(from, Some(node));
            rest.iter().all(|&other| !is_end(other))
        };
        let meetings: Vec<usize> = all.into_iter().filter(passes).collect();
        // Of those that all pass, the one before which the fewest lie.
        meetings
            .into_iter()
            .min_by_key(|&node| self.reach(from, Some(node)).len())
    }

    fn diamond(&self, from: Option<usize>, to: Option<usize>) -> Diamond {
        let inside = self.reach(from, to);
        let ttl =
            |node: Option<usize>| node.map_or(self.first_ttl() - 1, |node| self.nodes[node].ttl);
        let links = self.edges.iter();
        let last = links
            .filter(|edge| match to {
                Some(to) => edge.to == to && edge.from.is_some_and(|node| inside.contains(&node)),
                None => inside.contains(&edge.to),
            })
            .map(|edge| edge.ttl)
            .max();
        let mut widths = [0_u32; 256];
        for &node in &inside {
            widths[usize::from(self.nodes[node].ttl)] += 1;
        }
        let here = from.map_or(&[][..], |node| &self.nodes[node..=node]);
        let per_packet = here.iter().any(|node| node.per_packet)
            || inside.iter().any(|&node| self.nodes[node].per_packet);
        Diamond {
            from,
            to,
            width: widths.into_iter().max().unwrap_or_default(),
            length: last.unwrap_or_default().saturating_sub(ttl(from)),
            per_packet,
        }
    }

    fn first_ttl(&self) -> u8 {
        self.nodes
            .iter()
            .map(|node| node.ttl)
            .min()
            .unwrap_or(1)
            .max(1)
    }

    /// Length of the shortest circle, if a way can come back to where it was. A node that leads to itself is one of length 1.
    pub(super) fn circle(&self) -> Option<u8> {
        let back = |edge: &&Edge| {
            edge.from == Some(edge.to)
                || edge
                    .from
                    .is_some_and(|from| self.reach(Some(edge.to), None).contains(&from))
        };
        let lengths = self.edges.iter().filter(back).filter_map(|edge| {
            let rise = edge.ttl.checked_sub(self.nodes[edge.to].ttl)?;
            (rise > 0).then_some(rise)
        });
        lengths.min()
    }
}

impl Multipath {
    /// The graph as far as it is known.
    pub(in super::super) fn graph(&self) -> Graph {
        let mut order: Vec<NodeId> = (1..self.nodes.len()).collect();
        order.sort_by_key(|&id| self.nodes[id].ttl);
        let mut place = vec![0; self.nodes.len()];
        for (at, &id) in order.iter().enumerate() {
            place[id] = at;
        }
        let mut edges = Vec::new();
        for node in &self.nodes {
            for &(next, ttl) in &node.successors {
                let inferred = node.is_mixed();
                let ends = node.members.iter().filter(|_| node.is_leader());
                edges.extend(ends.map(|&member| Edge {
                    from: (member != ROOT).then(|| place[member]),
                    to: place[next],
                    ttl,
                    inferred,
                }));
            }
        }
        edges.sort_unstable();
        edges.dedup();
        Graph {
            nodes: order.iter().map(|&id| self.nodes[id].to_node()).collect(),
            edges,
        }
    }

    /// The last TTL of the ways, why they end, and how long the circle is that they go in.
    pub(in super::super) fn end(&self) -> (u8, Stop, Option<u8>) {
        let stops = || self.nodes.iter().filter_map(|node| node.stop);
        let last_ttl = self
            .nodes
            .iter()
            .map(|node| node.ttl)
            .max()
            .unwrap_or(self.ttl);
        let stop = if self.finished {
            let circle = self.graph().circle();
            let unreachable =
                stops().find(|stop| matches!(stop, Stop::Unreachable(_) | Stop::PacketTooBig(_)));
            if stops().any(|stop| stop == Stop::Target) {
                Stop::Target
            } else if circle.is_some() {
                return (last_ttl, Stop::Loop, circle);
            } else if let Some(unreachable) = unreachable {
                unreachable
            } else if stops().any(|stop| stop == Stop::GapLimit) {
                Stop::GapLimit
            } else {
                Stop::MaxHops
            }
        } else {
            Stop::Limit
        };
        (last_ttl, stop, None)
    }
}
