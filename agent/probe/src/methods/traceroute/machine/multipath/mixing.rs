//! Balancers by packets.
//!
//! Behind one, what a flow passes at one TTL says nothing about the next. So the flows of each of its next hops come out at
//! all that lies behind any of them, while behind a balancer by flows each next hop has its own, unless the ways meet again
//! at once or are meshed. Where they look mixed, and only there, one flow of the node is repeated as often as it takes to be
//! as sure as of everything else, or with three times the doubt where the ways meet at once: no link depends on it there.
//! If it comes out elsewhere, flows mean nothing behind the node, and its next hops are explored as one until the ways meet
//! again.

use glimpse_model::sorted::SortedSet;

use super::node::NodeId;
use super::{Multipath, Purpose};

/// The doubt that is left where the ways meet at once, in that of the stopping rule.
const MET_DOUBT: u64 = 3;

impl Multipath {
    /// A probe that shows whether a node of the level before balances by packets, once this level is known.
    pub(super) fn repeat(&self, free: impl Fn(&u16) -> bool) -> Option<(u16, u8, Purpose)> {
        let repeating: u32 = (self.before.iter())
            .map(|&id| self.nodes[id].repeats_waiting)
            .sum();
        if self.waiting > repeating {
            return None;
        }
        self.before.iter().find_map(|&id| {
            let (flow, _) = self.nodes[id].known.filter(|(flow, _)| free(flow))?;
            let wanted = self.is_doubtful(id);
            wanted.then_some((flow, self.ttl, Purpose::Repeat(id)))
        })
    }

    /// Whether the node may balance by packets, for all that is known: most of its next hops lead to most of what lies behind
    /// them, and its flow has not been repeated often enough.
    fn is_doubtful(&self, id: NodeId) -> bool {
        let node = &self.nodes[id];
        let width = u32::try_from(node.successors.len()).unwrap_or(u32::MAX);
        if width < 2 || node.per_packet || node.is_mixed() {
            return false;
        }
        let (mut links, mut parted, mut behind) = (0, 0, SortedSet::new());
        for &(next, _) in &node.successors {
            let leader = &self.nodes[self.nodes[next].leader];
            links += leader.successors.len();
            parted += usize::from(!leader.successors.is_empty());
            behind.extend(leader.successors.iter().map(|&(beyond, _)| beyond));
        }
        let doubt = if behind.len() == 1 { MET_DOUBT } else { 1 };
        2 * links > parted * behind.len() && node.repeats < self.stopping.repeats(width, doubt)
    }

    /// Makes the next hops of a node one.
    pub(super) fn mix(&mut self, id: NodeId, below: u8) {
        let together: Vec<NodeId> = self.nodes[id]
            .successors
            .iter()
            .map(|&(next, _)| self.nodes[next].leader)
            .filter(|&next| self.nodes[next].ttl == below && self.nodes[next].stop.is_none())
            .collect();
        let Some((&leader, others)) = together.split_first() else {
            return;
        };
        for &other in others.iter().filter(|&&other| other != leader) {
            let members = std::mem::take(&mut self.nodes[other].members);
            let fresh = std::mem::take(&mut self.nodes[other].fresh);
            let successors = std::mem::take(&mut self.nodes[other].successors);
            for &member in &members {
                self.nodes[member].leader = leader;
            }
            self.nodes[leader].members.extend(members);
            self.nodes[leader].fresh.extend(fresh);
            for (next, ttl) in successors {
                self.join(leader, next, ttl);
            }
        }
    }
}
