//! What is true of a network, computed from its routes alone: which ways lead to a target, which addresses a prober sees
//! on them, how long it waits and how much it can send. Nothing here runs the simulation, so each can check the other.

use super::Topology;
use super::plan::{LinkIndex, NodeIndex, Plan, VANTAGE};
use super::topology::file::Reason;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// The address that answers for a TTL; none where nobody does.
pub type Hop = Option<IpAddr>;
/// What probes with TTL 1, 2, 3, … of one flow see, up to and including the target's answer.
pub type Path = Vec<Hop>;

/// Ways are cut here, should they never end.
pub const TTL_LIMIT: usize = 30;

/// All that probes can see on the ways to a target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// The addresses at TTL 1, 2, 3, …
    pub hops: Vec<BTreeSet<Hop>>,
    /// The links from TTL 1 to 2, from 2 to 3, …
    pub edges: Vec<BTreeSet<(Hop, Hop)>>,
}

impl Graph {
    /// For each TTL from one, how many successors each of its addresses has: what a multipath prober has to find behind it.
    pub fn branching(&self) -> Vec<BTreeMap<Hop, usize>> {
        let count = |edges: &BTreeSet<(Hop, Hop)>| {
            let mut counts = BTreeMap::new();
            for (from, _) in edges {
                *counts.entry(*from).or_insert(0) += 1;
            }
            counts
        };
        self.edges.iter().map(count).collect()
    }

    fn add(&mut self, path: &Path) {
        for (at, &hop) in path.iter().enumerate() {
            if self.hops.len() <= at {
                self.hops.push(BTreeSet::new());
            }
            self.hops[at].insert(hop);
        }
        for (at, pair) in path.windows(2).enumerate() {
            if self.edges.len() <= at {
                self.edges.push(BTreeSet::new());
            }
            self.edges[at].insert((pair[0], pair[1]));
        }
    }
}

/// What the author of a topology declares about one target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// The target.
    pub target: IpAddr,
    /// Addresses and links by TTL.
    pub graph: Graph,
    /// How many distinct ways there are.
    pub paths: usize,
    /// TTLs that the graph covers.
    pub limit: usize,
    /// Whether every way ends with an answer of the target.
    pub reached: bool,
    /// Largest packet that gets through; none where nothing is lost for its size.
    pub mtu: Option<usize>,
    /// Shortest round trip for each TTL from one; none where nobody answers.
    pub rtt_us: Vec<Option<u64>>,
}

/// One way with all that was counted along it.
struct Way {
    path: Path,
    rtt_ns: Vec<Option<u64>>,
    mtu: usize,
    reached: bool,
}

impl Topology {
    /// Every distinct way to `target`, as far as [`TTL_LIMIT`]. A balancer by packets lets each of its ways be mixed with
    /// the others; they are listed apart all the same.
    pub fn paths(&self, target: IpAddr) -> BTreeSet<Path> {
        self.ways(target, TTL_LIMIT)
            .into_iter()
            .map(|way| way.path)
            .collect()
    }

    /// The ways to `target` laid over one another.
    pub fn graph(&self, target: IpAddr) -> Graph {
        let mut graph = Graph::default();
        for way in self.ways(target, TTL_LIMIT) {
            graph.add(&way.path);
        }
        graph
    }

    /// The truth as computed, to be compared with [`Topology::truths`]; TTLs above `limit` are not looked at.
    pub fn computed(&self, target: IpAddr, limit: usize) -> Truth {
        let ways = self.ways(target, limit);
        let mut graph = Graph::default();
        let mut rtt_ns: Vec<Option<u64>> = Vec::new();
        for way in &ways {
            graph.add(&way.path);
            for (at, &rtt) in way.rtt_ns.iter().enumerate() {
                if rtt_ns.len() <= at {
                    rtt_ns.push(None);
                }
                rtt_ns[at] = [rtt_ns[at], rtt].into_iter().flatten().min();
            }
        }
        let mtu = ways.iter().map(|way| way.mtu).min();
        Truth {
            target,
            graph,
            limit,
            reached: ways.iter().all(|way| way.reached),
            mtu: mtu.filter(|&mtu| mtu < usize::MAX),
            rtt_us: rtt_ns
                .into_iter()
                .map(|rtt| rtt.map(|ns| ns / 1_000))
                .collect(),
            paths: ways
                .into_iter()
                .map(|way| way.path)
                .collect::<BTreeSet<_>>()
                .len(),
        }
    }

    fn ways(&self, target: IpAddr, limit: usize) -> Vec<Way> {
        let mut search = Search {
            plan: &self.plan,
            target,
            limit,
            found: Vec::new(),
        };
        search.follow(&Trail {
            node: VANTAGE,
            via: None,
            path: Vec::new(),
            rtt_ns: Vec::new(),
            delay_ns: 0,
            mtu: usize::MAX,
            zero_ttl: false,
        });
        search.found
    }
}

/// A way as far as it has been followed.
#[derive(Clone)]
struct Trail {
    node: NodeIndex,
    via: Option<LinkIndex>,
    path: Path,
    rtt_ns: Vec<Option<u64>>,
    delay_ns: u64,
    mtu: usize,
    /// A router has let a packet pass whose TTL it had brought to zero: the next one answers for it.
    zero_ttl: bool,
}

struct Search<'a> {
    plan: &'a Plan,
    target: IpAddr,
    limit: usize,
    found: Vec<Way>,
}

impl Search<'_> {
    fn follow(&mut self, trail: &Trail) {
        let here = &self.plan.nodes[trail.node];
        let mut trail = trail.clone();
        let destination = self.plan.owners.get(&self.target).copied();
        if destination == Some(trail.node) {
            let answers = self.answer(&trail, Some(self.target));
            // The TTL that ended in a router before is answered by the target already.
            trail.add(answers);
            self.end(trail, answers.is_some());
            return;
        }
        let refusal = here
            .refusals
            .iter()
            .find(|refusal| Some(refusal.destination) == destination);
        let error_source = self.plan.interface(trail.node, trail.via, self.target);
        if let Some(refusal) = refusal {
            let answer = match refusal.reason {
                Reason::BlackHole => None,
                _ => self.answer(&trail, error_source),
            };
            trail.add(answer);
            self.end(trail, false);
            return;
        }
        if trail.node != VANTAGE && !here.hidden {
            let answer = self.answer(&trail, error_source);
            if trail.zero_ttl {
                trail.add(answer);
                trail.zero_ttl = false;
            }
            if here.zero_ttl_forwarding {
                trail.zero_ttl = true;
            } else {
                trail.add(answer);
            }
        }
        let ways = self.plan.ways(trail.node, self.target);
        if trail.path.len() >= self.limit || ways.is_empty() {
            trail.path.truncate(self.limit);
            trail.rtt_ns.truncate(self.limit);
            self.end(trail, false);
            return;
        }
        for &way in ways {
            let link = &self.plan.links[way];
            let mut next = trail.clone();
            next.node = link.to;
            next.via = Some(way);
            next.delay_ns += link.delay_ns;
            next.mtu = next.mtu.min(link.mtu);
            self.follow(&next);
        }
    }

    fn end(&mut self, trail: Trail, reached: bool) {
        self.found.push(Way {
            path: trail.path,
            rtt_ns: trail.rtt_ns,
            mtu: trail.mtu,
            reached,
        });
    }

    /// What the vantage point sees of an answer that the node at the end of `trail` sends from `source`: the address, and
    /// how long it took.
    fn answer(&self, trail: &Trail, source: Option<IpAddr>) -> Option<(IpAddr, u64)> {
        let mut source = source?;
        let here = &self.plan.nodes[trail.node];
        if here.silent {
            return None;
        }
        let mut delay_ns = trail.delay_ns + here.delay_ns;
        let (mut node, mut steps) = (trail.node, 0);
        while node != VANTAGE {
            let back = *self.plan.next_hops(node, VANTAGE).first()?;
            delay_ns += self.plan.links[back].delay_ns;
            if let Some(mask) = self.plan.nodes[node].hides_behind.like(source)
                && node != trail.node
            {
                source = mask;
            }
            node = self.plan.links[back].to;
            steps += 1;
            if steps > self.plan.nodes.len() {
                return None;
            }
        }
        Some((source, delay_ns))
    }
}

impl Trail {
    fn add(&mut self, answer: Option<(IpAddr, u64)>) {
        self.path.push(answer.map(|(source, _)| source));
        self.rtt_ns.push(answer.map(|(_, rtt)| rtt));
    }
}
