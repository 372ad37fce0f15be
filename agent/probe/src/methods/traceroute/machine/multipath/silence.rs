//! Probes that were not answered: lost on the way, or come out at a node that says nothing.

use super::super::Stop;
use super::node::{NodeId, Vertex};
use super::{Multipath, Purpose};

impl Multipath {
    pub(super) fn lost(&mut self, purpose: Purpose, flow: u16, ttl: u8) {
        match purpose {
            Purpose::None => {}
            Purpose::Test(id) => {
                self.nodes[id].scouted = true;
                self.nodes[id].lost.push(flow);
            }
            Purpose::Link => self.arrive_unseen(ttl, flow),
            Purpose::Control(id) => {
                let node = &mut self.nodes[id];
                node.control_waiting = node.control_waiting.saturating_sub(1);
                if node.is_silent() {
                    node.control_misses = 0;
                    let leader = node.leader;
                    self.controlled(flow, ttl, leader);
                } else {
                    node.control_misses += 1;
                }
            }
            Purpose::Repeat(id) => {
                let node = &mut self.nodes[id];
                node.repeats_waiting = node.repeats_waiting.saturating_sub(1);
            }
        }
    }

    /// As if the probe had not been sent.
    pub(super) fn voided(&mut self, purpose: Purpose, flow: u16, ttl: u8) {
        match purpose {
            Purpose::None => {}
            Purpose::Test(id) => {
                self.cell(ttl, flow).attempts -= 1;
                self.nodes[id].retry.push(flow);
            }
            Purpose::Control(id) => {
                self.cells.remove(&(ttl, flow));
                let node = &mut self.nodes[id];
                node.control_waiting = node.control_waiting.saturating_sub(1);
            }
            Purpose::Repeat(id) => {
                let node = &mut self.nodes[id];
                node.repeats_waiting = node.repeats_waiting.saturating_sub(1);
                node.repeats = node.repeats.saturating_sub(1);
            }
            Purpose::Link => self.links.push_back((ttl, flow)),
        }
    }

    /// What becomes of the unanswered flows of a node. Where others were answered, each is tried again until its tries are
    /// used up. Where none was, one flow tries for all: if it stays unanswered the next hop is silent.
    pub(super) fn review(&mut self, id: NodeId) {
        let below = self.nodes[id].ttl.saturating_add(1);
        let tried = |multipath: &Self, flow: u16| {
            multipath
                .cells
                .get(&(below, flow))
                .map_or(u8::MAX, |cell| cell.attempts)
        };
        let answered = self.nodes[id]
            .successors
            .iter()
            .any(|&(next, _)| !self.nodes[next].is_silent());
        let lost = std::mem::take(&mut self.nodes[id].lost);
        if answered {
            for flow in lost {
                if tried(self, flow) < self.attempts {
                    self.nodes[id].retry.push(flow);
                } else {
                    self.silence(id, flow);
                }
            }
            return;
        }
        let known_silent = !self.nodes[id].successors.is_empty();
        if known_silent {
            for flow in lost {
                self.silence(id, flow);
            }
            return;
        }
        let under_way = usize::try_from(self.nodes[id].waiting).unwrap_or_default() > lost.len();
        let scout = lost.iter().copied().max_by_key(|&flow| tried(self, flow));
        match scout {
            Some(flow) if tried(self, flow) < self.attempts => {
                if self.nodes[id].retry.is_empty() && !under_way {
                    self.nodes[id].retry.push(flow);
                    self.nodes[id].lost = lost.into_iter().filter(|&known| known != flow).collect();
                } else {
                    self.nodes[id].lost = lost;
                }
            }
            Some(_) if !under_way => {
                for flow in lost {
                    self.silence(id, flow);
                }
            }
            _ => self.nodes[id].lost = lost,
        }
    }

    /// The flow comes out at a node that does not answer.
    fn silence(&mut self, id: NodeId, flow: u16) {
        let below = self.nodes[id].ttl.saturating_add(1);
        let known = self
            .nodes
            .iter()
            .position(|node| node.ttl == below && node.is_silent());
        let place = known.unwrap_or_else(|| {
            let gap = self.nodes[id].gap.saturating_add(1);
            let mut node = Vertex::silent(self.nodes.len(), below, gap);
            if gap >= self.gap_limit {
                node.stop = Some(Stop::GapLimit);
            } else if below >= self.max_hops {
                node.stop = Some(Stop::MaxHops);
            }
            self.add(node)
        });
        self.tested(id, flow, below, place);
    }

    /// A flow that must pass some node of this TTL was not answered there: the silent one it is, else the first.
    fn arrive_unseen(&mut self, ttl: u8, flow: u16) {
        let here = |node: &&Vertex| node.ttl == ttl && node.is_leader();
        let mut nodes = self.nodes.iter().filter(here);
        let first = nodes.clone().next();
        let found = nodes.find(|node| node.is_silent()).or(first);
        if let Some(place) = found.map(|node| node.leader) {
            self.cell(ttl, flow).place = Some(place);
            self.arrive(place, ttl, flow);
        }
    }
}
