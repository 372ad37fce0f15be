//! All paths: the Multipath Detection Algorithm (Augustin, Friedman, Teixeira 2007).
//!
//! ```text
//!   level h     nodes that answer at TTL h, each with the flows that are known to reach it
//!                 │ such a flow, at TTL h + 1, shows a next hop of its node;
//!                 │ when n_k flows have shown k next hops, the node is done
//!                 ▼
//!   level h + 1 begins when all nodes of level h are done
//! ```
//! A node short of flows gets them by *node control*: flows that have not been used at TTL h are, until enough of them come
//! out at the node. A node that is the only one of its level needs no control: all flows pass it, as long as no flow that
//! shows another next hop is found to have passed elsewhere.
//!
//! A node whose first flow comes out at the target needs no more: the target is on a link of the node's own, and routers do
//! not balance over those. scamper does the same. So the first flow of a node goes ahead of the others. This host is no
//! such node: where its line parts in two, its own flows show it.
//!
//! Where packets rather than flows may be balanced, one flow is repeated: see `mixing`. A node that was met at a lower TTL,
//! from the same distance by the TTL of its answers, is not explored twice: that is how ways of different length join, and
//! how a circle ends.

mod graph;
mod mixing;
mod next;
mod node;
mod silence;

pub use graph::{Diamond, Edge, Graph};
pub use node::Node;

use glimpse_model::sorted::SortedMap;
use std::collections::VecDeque;

use super::ledger::{Ledger, Probe, Reply, Settled};
use super::single::stop_of;
use super::stopping::{Confidence, Stopping};
use super::{Pace, Stop};
use node::{NodeId, Vertex};

/// The origin of all flows: this host.
const ROOT: NodeId = 0;
/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Not a probe of this algorithm.
    None,
    /// A flow of this node, one hop further.
    Test(NodeId),
    /// A flow that may reach this node.
    Control(NodeId),
    /// A flow of this node once more, to see whether it keeps its way.
    Repeat(NodeId),
    /// A flow one hop before where it was first used, to see where a node hangs.
    Link,
}

/// A flow at a TTL.
#[derive(Clone, Copy, Debug, Default)]
struct Cell {
    /// The node it passes one hop before.
    owner: Option<NodeId>,
    /// Where it came out.
    place: Option<NodeId>,
    attempts: u8,
}

#[derive(Clone, Debug)]
pub(super) struct Multipath {
    max_hops: u8,
    gap_limit: u8,
    attempts: u8,
    stopping: Stopping,
    nodes: Vec<Vertex>,
    /// The nodes that are being explored, all of one TTL.
    level: Vec<NodeId>,
    ttl: u8,
    /// The nodes of the level before.
    before: Vec<NodeId>,
    /// The one node that every flow passes in the level before, if there is one.
    gate: Option<NodeId>,
    cells: SortedMap<(u8, u16), Cell>,
    next_flow: u16,
    /// Flows to be looked for at a TTL.
    links: VecDeque<(u8, u16)>,
    purposes: Vec<Purpose>,
    /// Probes under way that the level waits for.
    waiting: u32,
    finished: bool,
}

impl Multipath {
    pub(super) fn new(pace: &Pace, confidence: Confidence) -> Self {
        Self {
            max_hops: pace.max_hops,
            gap_limit: pace.gap_limit,
            attempts: pace.count,
            stopping: Stopping::new(confidence),
            nodes: vec![Vertex::root(pace.first_hop - 1)],
            level: vec![ROOT],
            ttl: pace.first_hop - 1,
            before: Vec::new(),
            gate: None,
            cells: SortedMap::new(),
            next_flow: 0,
            links: VecDeque::new(),
            purposes: Vec::new(),
            waiting: 0,
            finished: false,
        }
    }

    pub(super) fn sent(&mut self, probe: Probe, purpose: Purpose) {
        self.purposes.push(purpose);
        let Probe { flow, ttl, .. } = probe;
        if flow == self.next_flow && matches!(purpose, Purpose::Test(_) | Purpose::Control(_)) {
            self.next_flow = self.next_flow.wrapping_add(1);
        }
        self.waiting += 1;
        match purpose {
            Purpose::None => {}
            Purpose::Test(id) => {
                let node = &mut self.nodes[id];
                if let Some(place) = node.retry.iter().position(|&known| known == flow) {
                    node.retry.remove(place);
                } else {
                    node.fresh.retain(|&known| known != flow);
                    node.waiting += 1;
                }
                let cell = self.cells.entry((ttl, flow)).or_default();
                cell.owner = Some(id);
                cell.attempts = cell.attempts.saturating_add(1);
            }
            Purpose::Control(id) => {
                let owner = self.owner(ttl, flow);
                if let Some(owner) = owner {
                    self.nodes[owner].fresh.retain(|&known| known != flow);
                }
                let cell = self.cells.entry((ttl, flow)).or_default();
                cell.owner = owner;
                cell.attempts = 1;
                self.nodes[id].control_waiting += 1;
            }
            Purpose::Repeat(id) => {
                self.nodes[id].repeats += 1;
                self.nodes[id].repeats_waiting += 1;
            }
            Purpose::Link => {
                self.links.retain(|&known| known != (ttl, flow));
                self.cells.entry((ttl, flow)).or_default().attempts = 1;
            }
        }
    }

    /// The node that the flow passes before `ttl`, if that is known: by a probe of it, or because there is only one.
    fn owner(&self, ttl: u8, flow: u16) -> Option<NodeId> {
        let above = ttl.checked_sub(1)?;
        if above == self.nodes[ROOT].ttl {
            return Some(ROOT);
        }
        let place = match self.cells.get(&(above, flow)) {
            Some(cell) => cell.place?,
            None => self.gate?,
        };
        let leader = self.nodes[place].leader;
        (self.nodes[leader].ttl == above).then_some(leader)
    }

    pub(super) fn settled(&mut self, ledger: &Ledger, index: u32, settled: Settled) {
        let Some(entry) = ledger.entry(index) else {
            return;
        };
        let purpose = usize::try_from(index)
            .ok()
            .and_then(|index| self.purposes.get(index));
        let (Probe { flow, ttl, .. }, Some(&purpose)) = (entry.probe, purpose) else {
            return;
        };
        self.waiting = self.waiting.saturating_sub(1);
        match (settled, &entry.reply) {
            (Settled::Answered, Some(reply)) => self.answered(purpose, flow, ttl, reply),
            (Settled::Void, _) => self.voided(purpose, flow, ttl),
            _ => self.lost(purpose, flow, ttl),
        }
        if let Purpose::Test(id) = purpose {
            self.review(id);
        }
        let width = self.nodes.iter().map(|node| node.successors.len()).max();
        let widest = width.unwrap_or_default().max(self.level.len());
        self.stopping
            .extend(u32::try_from(widest).unwrap_or(u32::MAX));
    }

    fn answered(&mut self, purpose: Purpose, flow: u16, ttl: u8, reply: &Reply) {
        let place = self.place(ttl, reply);
        match purpose {
            Purpose::None => {}
            Purpose::Test(id) => self.tested(id, flow, ttl, place),
            Purpose::Control(id) => {
                let hit = self.nodes[place].leader == self.nodes[id].leader;
                let node = &mut self.nodes[id];
                node.control_waiting = node.control_waiting.saturating_sub(1);
                node.control_misses = if hit { 0 } else { node.control_misses + 1 };
                self.controlled(flow, ttl, place);
            }
            Purpose::Repeat(id) => {
                let node = &mut self.nodes[id];
                node.repeats_waiting = node.repeats_waiting.saturating_sub(1);
                node.per_packet |= node.known.is_some_and(|(_, known)| known != place);
                self.join(id, place, ttl);
            }
            Purpose::Link => {
                self.cell(ttl, flow).place = Some(place);
                self.arrive(place, ttl, flow);
            }
        }
    }

    /// A flow of the node came out at `place`.
    fn tested(&mut self, id: NodeId, flow: u16, ttl: u8, place: NodeId) {
        let proven = self.owner(ttl, flow) == Some(self.nodes[id].leader);
        let above = self.nodes[id].ttl;
        let answers = !self.nodes[place].is_silent();
        let node = &mut self.nodes[id];
        node.waiting = node.waiting.saturating_sub(1);
        node.scouted = true;
        let new = node.successors.iter().all(|&(known, _)| known != place);
        self.cell(ttl, flow).place = Some(place);
        if new && !proven {
            // Was this really the only node? Whether the flow passes it decides whose next hop this is.
            self.cell(ttl, flow).owner = None;
            self.links.push_back((above, flow));
        } else {
            let node = &mut self.nodes[id];
            node.tested += 1;
            if proven {
                // What stays unanswered may have been lost anywhere.
                if answers {
                    node.known.get_or_insert((flow, place));
                }
            } else {
                node.assumed += 1;
            }
            self.join(id, place, ttl);
        }
        self.arrive(place, ttl, flow);
    }

    /// A flow that was sent to find a node came out at `place`.
    fn controlled(&mut self, flow: u16, ttl: u8, place: NodeId) {
        let cell = self.cell(ttl, flow);
        cell.place = Some(place);
        let owner = cell.owner;
        match owner {
            Some(owner) => {
                self.nodes[owner].tested += 1;
                self.join(owner, place, ttl);
            }
            // A node of which nobody knows where it hangs.
            None if self.nodes[place].parents.is_empty() => self.links.push_back((ttl - 1, flow)),
            None => {}
        }
        self.arrive(place, ttl, flow);
    }

    /// The flow is known to reach the node at this TTL.
    fn arrive(&mut self, place: NodeId, ttl: u8, flow: u16) {
        let leader = self.nodes[place].leader;
        if self.nodes[leader].ttl != ttl || self.nodes[leader].stop.is_some() {
            return;
        }
        let below = ttl.saturating_add(1);
        match self.cells.get_mut(&(below, flow)) {
            None => self.nodes[leader].fresh.push(flow),
            Some(cell) if cell.owner.is_none() => {
                cell.owner = Some(leader);
                if let Some(next) = cell.place {
                    self.nodes[leader].tested += 1;
                    self.join(leader, next, below);
                }
            }
            Some(_) => {}
        }
    }

    fn join(&mut self, from: NodeId, to: NodeId, ttl: u8) {
        self.nodes[from].lead_to(to, ttl);
        let leader = self.nodes[to].leader;
        for node in [to, leader] {
            if !self.nodes[node].parents.contains(&from) {
                self.nodes[node].parents.push(from);
            }
        }
    }

    /// The node that sent the answer.
    fn place(&mut self, ttl: u8, reply: &Reply) -> NodeId {
        if let Some(known) = self
            .nodes
            .iter()
            .position(|node| node.is_sender(ttl, reply))
        {
            return known;
        }
        let mut node = Vertex::answering(self.nodes.len(), ttl, reply);
        node.stop = stop_of(reply).or((ttl >= self.max_hops).then_some(Stop::MaxHops));
        self.add(node)
    }

    fn add(&mut self, node: Vertex) -> NodeId {
        let id = self.nodes.len();
        // Node control has found it: its level is being explored.
        if node.ttl == self.ttl && node.stop.is_none() {
            // The others of its level are not the only ones: what was taken for theirs may be its.
            for &other in &self.level {
                let other = &mut self.nodes[other];
                other.tested -= std::mem::take(&mut other.assumed);
            }
            self.level.push(id);
        }
        self.nodes.push(node);
        id
    }

    /// Goes on to the next level.
    fn descend(&mut self) {
        let below = self.ttl.saturating_add(1);
        for id in std::mem::take(&mut self.before) {
            if self.nodes[id].per_packet {
                self.mix(id, self.ttl);
            }
        }
        let nodes = &self.nodes;
        self.level.retain(|&id| nodes[id].is_leader());
        for id in self.level.clone() {
            if self.nodes[id].successors.len() > 1 && self.nodes[id].is_mixed() {
                self.mix(id, below);
            }
        }
        let gate = self.level.first().copied();
        self.gate = gate.filter(|&id| self.is_gate(id));
        let ready = |node: &Vertex| node.ttl == below && node.is_leader() && node.stop.is_none();
        let next = (0..self.nodes.len())
            .filter(|&id| id != ROOT && ready(&self.nodes[id]))
            .collect();
        self.before = std::mem::replace(&mut self.level, next);
        self.ttl = below;
        self.finished = self.level.is_empty() || below == u8::MAX;
    }

    fn cell(&mut self, ttl: u8, flow: u16) -> &mut Cell {
        self.cells.entry((ttl, flow)).or_default()
    }
}
