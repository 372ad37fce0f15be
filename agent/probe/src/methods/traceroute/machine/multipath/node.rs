//! A node of the graph, and what is known of its next hops.

use std::net::IpAddr;

use super::super::Stop;
use super::super::ledger::Reply;

pub(super) type NodeId = usize;

/// A node as the result shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The TTL at which it was first met.
    pub ttl: u8,
    /// Its address; `None` for one that does not answer.
    pub address: Option<IpAddr>,
    /// Why no way goes on from it; `None` when one does.
    pub stop: Option<Stop>,
    /// Whether it sends packets of one flow different ways.
    pub per_packet: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Vertex {
    pub(super) ttl: u8,
    pub(super) address: Option<IpAddr>,
    /// TTL of its answers.
    reply_ttl: Option<u8>,
    /// It answered for a router before it that forwarded what it should have dropped.
    zero_ttl: bool,
    pub(super) stop: Option<Stop>,
    pub(super) per_packet: bool,
    /// The node it is explored with; mostly itself.
    pub(super) leader: NodeId,
    /// Those that are explored with it, itself too.
    pub(super) members: Vec<NodeId>,
    id: NodeId,
    pub(super) parents: Vec<NodeId>,
    /// Its next hops, with the TTL at which they answered.
    pub(super) successors: Vec<(NodeId, u8)>,
    /// A flow of it and where that came out.
    pub(super) known: Option<(u16, NodeId)>,
    /// Flows that reach it and have not been used beyond it.
    pub(super) fresh: Vec<u16>,
    /// Flows to be tried again beyond it.
    pub(super) retry: Vec<u16>,
    /// Flows that were not answered beyond it, and what to think of that is not yet clear.
    pub(super) lost: Vec<u16>,
    /// Flows whose next hop is known.
    pub(super) tested: u32,
    /// Those of them that were not seen at the node, because there was no other.
    pub(super) assumed: u32,
    /// Flows whose next hop is being asked for, those in `retry` and `lost` too.
    pub(super) waiting: u32,
    /// Whether it is known what became of its first flow.
    pub(super) scouted: bool,
    pub(super) control_waiting: u32,
    pub(super) control_misses: u32,
    pub(super) repeats: u32,
    pub(super) repeats_waiting: u32,
    /// Silent nodes in a row that end with this one.
    pub(super) gap: u8,
}

impl Vertex {
    pub(super) fn root(ttl: u8) -> Self {
        Self {
            ttl,
            address: None,
            reply_ttl: None,
            zero_ttl: false,
            stop: None,
            per_packet: false,
            leader: 0,
            members: vec![0],
            id: 0,
            parents: Vec::new(),
            successors: Vec::new(),
            known: None,
            fresh: Vec::new(),
            retry: Vec::new(),
            lost: Vec::new(),
            tested: 0,
            assumed: 0,
            waiting: 0,
            scouted: false,
            control_waiting: 0,
            control_misses: 0,
            repeats: 0,
            repeats_waiting: 0,
            gap: 0,
        }
    }

    pub(super) fn silent(id: NodeId, ttl: u8, gap: u8) -> Self {
        Self {
            id,
            leader: id,
            members: vec![id],
            gap,
            ..Self::root(ttl)
        }
    }

    pub(super) fn answering(id: NodeId, ttl: u8, reply: &Reply) -> Self {
        Self {
            address: Some(reply.from),
            reply_ttl: reply.ttl,
            zero_ttl: reply.quoted_ttl == Some(0),
            ..Self::silent(id, ttl, 0)
        }
    }

    /// Whether the answer to a probe of `ttl` is this node's. At another TTL than its own the answer must have come as far
    /// as those before: a translator puts its address on all that lie behind it. What the target and others answer at the
    /// end is theirs at every TTL.
    pub(super) fn is_sender(&self, ttl: u8, reply: &Reply) -> bool {
        let same = self.address == Some(reply.from)
            && self.zero_ttl == (reply.quoted_ttl == Some(0))
            && reply.is_final() == self.is_end();
        same && (self.ttl == ttl || self.is_end() || self.reply_ttl == reply.ttl)
    }

    /// Whether the way ends here by what it answered.
    fn is_end(&self) -> bool {
        matches!(
            self.stop,
            Some(Stop::Target | Stop::Unreachable(_) | Stop::PacketTooBig(_))
        )
    }

    pub(super) fn is_silent(&self) -> bool {
        self.address.is_none() && !self.is_root()
    }

    pub(super) fn is_root(&self) -> bool {
        self.id == 0
    }

    /// Whether its first flow is under way, by whose answer it shows how many more are needed.
    pub(super) fn is_scouting(&self) -> bool {
        self.waiting > 0 && !self.scouted
    }

    /// Whether it has one next hop, for all that is known, and that is such.
    pub(super) fn leads_to_one(&self, such: impl Fn(&(NodeId, u8)) -> bool) -> bool {
        self.successors.len() == 1 && self.successors.iter().all(such)
    }

    pub(super) fn is_leader(&self) -> bool {
        self.leader == self.id
    }

    /// Whether it stands for several, behind a balancer by packets.
    pub(super) fn is_mixed(&self) -> bool {
        self.members.len() > 1
    }

    pub(super) fn lead_to(&mut self, next: NodeId, ttl: u8) {
        if self.successors.iter().all(|&(known, _)| known != next) {
            self.successors.push((next, ttl));
        }
    }

    pub(super) fn to_node(&self) -> Node {
        Node {
            ttl: self.ttl,
            address: self.address,
            stop: self.stop,
            per_packet: self.per_packet,
        }
    }
}
