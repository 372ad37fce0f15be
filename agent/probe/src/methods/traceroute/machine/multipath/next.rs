//! What to send next.

use super::super::ledger::Ledger;
use super::super::{Stop, Wish};
use super::node::{NodeId, Vertex};
use super::{Multipath, Purpose, ROOT};

/// Misses after which node control gives up, in stopping points of the level's width: a node of fair share would have
/// been hit long before.
const CONTROL_PATIENCE: u32 = 2;

impl Multipath {
    /// What to send next. Goes on to the next level when this one is done.
    pub(in super::super) fn wish(&mut self, ledger: &Ledger) -> Wish<Purpose> {
        loop {
            if self.finished {
                return Wish::Nothing;
            }
            if let Some((flow, ttl, purpose)) = self.want(ledger) {
                return Wish::Send(flow, ttl, purpose);
            }
            if self.waiting > 0 {
                return Wish::Answers;
            }
            self.descend();
        }
    }

    fn want(&self, ledger: &Ledger) -> Option<(u16, u8, Purpose)> {
        let free = |flow: &u16| !ledger.is_busy(*flow);
        if let Some(&(ttl, flow)) = self.links.iter().find(|(_, flow)| free(flow)) {
            return Some((flow, ttl, Purpose::Link));
        }
        let below = self.ttl.checked_add(1)?;
        for &id in &self.level {
            let node = &self.nodes[id];
            if let Some(&flow) = node.retry.iter().find(|flow| free(flow)) {
                return Some((flow, below, Purpose::Test(id)));
            }
            if self.deficit(node) > 0 {
                if let Some(&flow) = node.fresh.iter().find(|flow| free(flow)) {
                    return Some((flow, below, Purpose::Test(id)));
                }
                if self.is_gate(id) {
                    return Some((self.next_flow, below, Purpose::Test(id)));
                }
            }
        }
        self.control(free).or_else(|| self.repeat(free))
    }

    /// A probe that looks for flows of a node that lacks them. No more are under way than flows are lacking.
    fn control(&self, free: impl Fn(&u16) -> bool) -> Option<(u16, u8, Purpose)> {
        let lacking = |node: &Vertex| {
            let fresh = u32::try_from(node.fresh.len()).unwrap_or(u32::MAX);
            self.deficit(node).saturating_sub(fresh)
        };
        let level = || self.level.iter().map(|&id| (id, &self.nodes[id]));
        let under_way: u32 = level().map(|(_, node)| node.control_waiting).sum();
        if under_way >= level().map(|(_, node)| lacking(node)).sum() {
            return None;
        }
        let (id, node) = level().find(|(_, node)| lacking(node) > 0 && !self.is_given_up(node))?;
        // A flow known to pass a node before this one is likelier to pass this one than any other.
        let nearby = node.parents.iter().filter(|&&parent| parent != ROOT);
        let flow = nearby
            .flat_map(|&parent| self.nodes[parent].fresh.iter())
            .find(|flow| free(flow) && !self.cells.contains_key(&(self.ttl, **flow)));
        let flow = flow.copied().unwrap_or(self.next_flow);
        Some((flow, self.ttl, Purpose::Control(id)))
    }

    /// Whether every flow passes this node: it is the only one of its TTL, and all ways so far are of one length.
    pub(super) fn is_gate(&self, id: NodeId) -> bool {
        let level = [id];
        id == ROOT
            || self.level == level
                && self.nodes.iter().all(|node| {
                    node.stop.is_none()
                        && (node.ttl != self.ttl || node.leader == id)
                        && (node.successors.iter()).all(|&(next, ttl)| self.nodes[next].ttl == ttl)
                })
    }

    /// Flows that the node still needs beyond those under way.
    fn deficit(&self, node: &Vertex) -> u32 {
        if !node.is_root() {
            let is_target = |&(next, _): &(NodeId, u8)| self.nodes[next].stop == Some(Stop::Target);
            if node.is_scouting() || node.leads_to_one(is_target) {
                return 0;
            }
        }
        let width = u32::try_from(node.successors.len()).unwrap_or(u32::MAX);
        self.stopping
            .flows(width)
            .saturating_sub(node.tested + node.waiting)
    }

    fn is_given_up(&self, node: &Vertex) -> bool {
        let width = u32::try_from(self.level.len()).unwrap_or(u32::MAX);
        node.control_misses >= CONTROL_PATIENCE * self.stopping.flows(width)
    }
}
