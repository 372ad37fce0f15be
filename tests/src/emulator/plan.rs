//! A topology in the form that the simulation runs on: numbers instead of names, every route looked up beforehand.

use super::dns::Zone;
use super::random::{mix, scale};
use super::topology::file::{Balance, Closed, Field, Label, Protocol, QuotedLength, Reason};
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

/// The number of the vantage point's node.
pub(super) const VANTAGE: usize = 0;

/// Number of a node.
pub(super) type NodeIndex = usize;
/// Number of a directed link: even away from the vantage point, the next odd one back.
pub(super) type LinkIndex = usize;

/// At most one address of each family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) v4: Option<IpAddr>,
    pub(super) v6: Option<IpAddr>,
}

impl Addresses {
    /// The address in the family of `other`.
    pub(super) const fn like(&self, other: IpAddr) -> Option<IpAddr> {
        match other {
            IpAddr::V4(_) => self.v4,
            IpAddr::V6(_) => self.v6,
        }
    }

    /// Each address there is.
    pub(super) fn each(self) -> impl Iterator<Item = IpAddr> {
        self.v4.into_iter().chain(self.v6)
    }

    /// Whether `address` is one of them.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.like(address) == Some(address)
    }
}

/// What is true of a whole run.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) nodes: Vec<Node>,
    pub(super) links: Vec<Link>,
    pub(super) owners: HashMap<IpAddr, NodeIndex>,
    pub(super) zone: Zone,
    /// Next hops by node, then destination.
    pub(super) routes: Vec<Vec<LinkIndex>>,
}

impl Plan {
    /// The next hops at `node` towards `destination`.
    pub(super) fn next_hops(&self, node: NodeIndex, destination: NodeIndex) -> &[LinkIndex] {
        &self.routes[node * self.nodes.len() + destination]
    }

    /// The next hops that packets to `address` may take at `node`, whatever else stands in them.
    pub(super) fn ways(&self, node: NodeIndex, address: IpAddr) -> &[LinkIndex] {
        let Some(&destination) = self.owners.get(&address) else {
            return &[];
        };
        let hops = self.next_hops(node, destination);
        match self.nodes[node].balance {
            _ if hops.len() < 2 => hops,
            Balance::Single => &hops[..1],
            Balance::Destination => {
                let chosen = by_destination(node, address, hops.len());
                &hops[chosen..=chosen]
            }
            Balance::Flow | Balance::Packet | Balance::RoundRobin => hops,
        }
    }

    /// The address that an ICMP error of `node` carries when the offending packet came over `via`.
    pub(super) fn interface(
        &self,
        node: NodeIndex,
        via: Option<LinkIndex>,
        family: IpAddr,
    ) -> Option<IpAddr> {
        via.and_then(|via| self.links[via].far.like(family))
            .or_else(|| self.nodes[node].addresses.like(family))
    }
}

/// The choice of a balancer that looks at the destination alone.
pub(super) fn by_destination(node: NodeIndex, address: IpAddr, count: usize) -> usize {
    let hash = mix(fold_address(address) ^ mix(node as u64));
    usize::try_from(scale(hash, count as u64)).unwrap_or(0)
}

/// An address as one word.
pub(super) fn fold_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => u64::from(address.to_bits()),
        IpAddr::V6(address) => {
            let [high, low] = [
                address.to_bits() >> 64,
                address.to_bits() & u128::from(u64::MAX),
            ]
            .map(|half| u64::try_from(half).unwrap_or(0));
            mix(high) ^ low
        }
    }
}

/// A node.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: String,
    pub(super) addresses: Addresses,
    pub(super) forwards: bool,
    /// A real system stands here.
    pub(super) outlet: bool,
    pub(super) ttl: u8,
    pub(super) silent: bool,
    pub(super) balance: Balance,
    pub(super) fields: Vec<Field>,
    /// Nanoseconds between two ICMP messages; 0 without limit.
    pub(super) icmp_interval_ns: u64,
    /// How far ahead of that pace it may be.
    pub(super) icmp_burst_ns: u64,
    pub(super) delay_ns: u64,
    pub(super) quote_bytes: Option<usize>,
    pub(super) quoted_length: QuotedLength,
    pub(super) quote_length_field: bool,
    pub(super) zero_ttl_forwarding: bool,
    pub(super) hidden: bool,
    pub(super) labels: Vec<Label>,
    pub(super) translates_to: Addresses,
    pub(super) translates_quotes: bool,
    pub(super) hides_behind: Addresses,
    pub(super) refusals: Vec<Refusal>,
    pub(super) services: Services,
    /// Whether the order in which packets come here matters, so that none may run ahead of time.
    pub(super) stateful: bool,
}

/// What a node does with packets to itself.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) echo: bool,
    pub(super) udp: BTreeMap<u16, Service>,
    pub(super) udp_closed: Closed,
    pub(super) tcp_open: Vec<u16>,
    pub(super) tcp_closed: Closed,
}

/// What answers on a UDP port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Echo,
    Answer,
    Dns,
}

/// Where a node does not forward to.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) destination: NodeIndex,
    pub(super) reason: Reason,
    pub(super) protocols: Vec<Protocol>,
}

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) name: Arc<str>,
    pub(super) to: NodeIndex,
    /// Addresses of the end it leads to.
    pub(super) far: Addresses,
    pub(super) delay_ns: u64,
    pub(super) jitter_ns: u64,
    /// In 2³² parts.
    pub(super) loss: u64,
    pub(super) lose_every: u64,
    /// In 2³² parts.
    pub(super) duplicate: u64,
    pub(super) rate_bps: u64,
    pub(super) queue_bytes: u64,
    /// Largest packet; `usize::MAX` takes all.
    pub(super) mtu: usize,
}

impl Link {
    /// Whether it leads away from the vantage point.
    pub(super) const fn is_forward(link: LinkIndex) -> bool {
        link.is_multiple_of(2)
    }
}
