//! The simulation: packets, links and queues in virtual time.
//!
//! Where nothing on the way depends on the order of packets, a packet is carried as far as that holds in one go; only at
//! rate limits, serialisers and counters it waits for its turn in the queue of events. Runs of thousands of probes over
//! plain routers therefore cost little more than reading and writing their headers.

mod departure;
mod errors;
mod flight;
mod hosts;
mod translation;

use super::plan::{LinkIndex, NodeIndex, Plan, VANTAGE, by_destination};
use super::random::{Random, mix, scale};
use super::topology::Topology;
use super::topology::file::{Balance, Reason};
pub use departure::{Departure, HEAD_LENGTH};
use errors::Fault;
use flight::{Flight, Origin};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;

/// Nodes that a packet may pass before it is taken for lost: beyond every TTL, for loops that do not count it.
const STEP_LIMIT: u16 = 600;

/// A place where packets leave and enter the simulation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlet(usize);

impl Outlet {
    /// The vantage point.
    pub const VANTAGE: Self = Self(0);
}

/// A network in motion.
#[derive(Debug)]
pub struct Network {
    plan: Arc<Plan>,
    random: Random,
    seed: u64,
    links: Vec<LinkState>,
    nodes: Vec<NodeState>,
    events: BinaryHeap<Reverse<Event>>,
    /// What has arrived or will: at the vantage point first, then at the other outlets.
    arrivals: Vec<(NodeIndex, BinaryHeap<Reverse<Event>>)>,
    now_ns: u64,
    serial: u64,
    departures: Vec<Departure>,
    lost: u64,
}

#[derive(Clone, Debug, Default)]
struct LinkState {
    /// When the serialiser will have nothing left to send.
    busy_until_ns: u64,
    sent: u64,
}

#[derive(Clone, Debug, Default)]
struct NodeState {
    /// When the next ICMP message would be in time; the generic cell rate algorithm (ITU-T I.371).
    icmp_due_ns: u64,
    turn: usize,
    identification: u16,
}

#[derive(Debug)]
struct Event {
    at_ns: u64,
    serial: u64,
    node: NodeIndex,
    /// The link it came over; none for packets that begin here.
    via: Option<LinkIndex>,
    flight: Flight,
}

impl PartialEq for Event {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Event {}

impl PartialOrd for Event {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Event {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at_ns, self.serial).cmp(&(other.at_ns, other.serial))
    }
}

/// What becomes of a packet at a node.
enum Verdict {
    /// It goes on.
    Forward(LinkIndex),
    /// It ends here and another one sets out, so much later.
    Answer(Flight, u64),
    /// It ends here.
    Gone,
}

impl Network {
    /// A network at rest. All that is random in its life, and the hashes of its balancers, come from `seed`.
    pub fn new(topology: &Topology, seed: u64) -> Self {
        let plan = Arc::clone(&topology.plan);
        Self {
            random: Random::new(mix(seed)),
            seed,
            links: vec![LinkState::default(); plan.links.len()],
            nodes: vec![NodeState::default(); plan.nodes.len()],
            events: BinaryHeap::new(),
            arrivals: (0..plan.nodes.len())
                .filter(|&node| plan.nodes[node].outlet)
                .map(|node| (node, BinaryHeap::new()))
                .collect(),
            plan,
            now_ns: 0,
            serial: 0,
            departures: Vec::new(),
            lost: 0,
        }
    }

    /// Takes a whole IP packet that leaves the vantage point at `now_ns`. As a kernel does, it fills in the checksum of an
    /// IPv4 header; those within the payload are the sender's. What is no packet to another host is dropped.
    pub fn send(&mut self, now_ns: u64, packet: &[u8]) {
        self.send_at(Outlet::VANTAGE, now_ns, packet);
    }

    /// When the next thing happens: at that time at the earliest [`Network::receive`] has a packet, though it may have none.
    pub fn next_ns(&self) -> Option<u64> {
        let at = |heap: &BinaryHeap<Reverse<Event>>| heap.peek().map(|event| event.0.at_ns);
        let arrivals = self.arrivals.iter().filter_map(|(_, heap)| at(heap));
        arrivals.chain(at(&self.events)).min()
    }

    /// A packet that has reached the vantage point by `now_ns`, the earliest first.
    pub fn receive(&mut self, now_ns: u64) -> Option<Vec<u8>> {
        let (_, packet) = self.receive_at(Outlet::VANTAGE, now_ns)?;
        Some(packet)
    }

    /// The outlet at the host `name`, for a real system in its place.
    pub fn outlet(&self, name: &str) -> Option<Outlet> {
        let named = |(node, _): &(NodeIndex, _)| self.plan.nodes[*node].name == name;
        self.arrivals.iter().position(named).map(Outlet)
    }

    /// As [`Network::send`], at another outlet.
    pub fn send_at(&mut self, outlet: Outlet, now_ns: u64, packet: &[u8]) {
        self.advance(now_ns);
        let (node, _) = self.arrivals[outlet.0];
        let origin = if node == VANTAGE {
            Origin::Vantage
        } else {
            Origin::Outlet
        };
        if let Some(flight) = Flight::read(&self.plan, origin, packet) {
            self.carry(self.now_ns, node, None, flight);
        }
    }

    /// As [`Network::receive`], at another outlet, and with the moment at which the packet arrived.
    pub fn receive_at(&mut self, outlet: Outlet, now_ns: u64) -> Option<(u64, Vec<u8>)> {
        self.advance(now_ns);
        let (_, arrivals) = &mut self.arrivals[outlet.0];
        if arrivals.peek()?.0.at_ns > now_ns {
            return None;
        }
        let Reverse(event) = arrivals.pop()?;
        Some((event.at_ns, event.flight.into_bytes()))
    }

    /// What has left links with a rate so far, in the order of their decisions; the log begins anew.
    pub fn departures(&mut self) -> Vec<Departure> {
        std::mem::take(&mut self.departures)
    }

    /// How many packets links have lost so far: by chance, by count or because a queue was full.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    fn advance(&mut self, now_ns: u64) {
        while let Some(Reverse(event)) = self.events.peek()
            && event.at_ns <= now_ns
        {
            let Some(Reverse(event)) = self.events.pop() else {
                break;
            };
            self.now_ns = self.now_ns.max(event.at_ns);
            self.carry(event.at_ns, event.node, event.via, event.flight);
        }
        self.now_ns = self.now_ns.max(now_ns);
    }

    /// Keeps a packet until it is due at `node`: to be handed out there if a real system stands there, to go on otherwise.
    fn schedule(&mut self, at_ns: u64, node: NodeIndex, via: Option<LinkIndex>, flight: Flight) {
        self.serial += 1;
        let event = Reverse(Event {
            at_ns,
            serial: self.serial,
            node,
            via,
            flight,
        });
        let arrivals = self.arrivals.iter_mut().find(|(outlet, _)| *outlet == node);
        match arrivals.filter(|_| via.is_some()) {
            Some((_, arrivals)) => arrivals.push(event),
            None => self.events.push(event),
        }
    }

    /// Carries a packet that is at `node` since `at_ns` as far as it can go without regard to others.
    fn carry(
        &mut self,
        mut at_ns: u64,
        mut node: NodeIndex,
        mut via: Option<LinkIndex>,
        mut flight: Flight,
    ) {
        let plan = Arc::clone(&self.plan);
        loop {
            let waits = plan.nodes[node].stateful && at_ns > self.now_ns;
            if waits || via.is_some() && plan.nodes[node].outlet {
                self.schedule(at_ns, node, via, flight);
                return;
            }
            flight.steps += 1;
            match self.judge(&plan, at_ns, node, via, &mut flight) {
                Verdict::Gone => return,
                Verdict::Answer(answer, delay_ns) => {
                    flight = answer;
                    at_ns += delay_ns;
                    via = None;
                }
                Verdict::Forward(link) => {
                    let Some(arrival_ns) = self.transmit(&plan, at_ns, link, &flight) else {
                        self.lost += 1;
                        return;
                    };
                    at_ns = arrival_ns;
                    node = plan.links[link].to;
                    via = Some(link);
                }
            }
        }
    }

    /// Decides about a packet at a node.
    fn judge(
        &mut self,
        plan: &Plan,
        at_ns: u64,
        node: NodeIndex,
        via: Option<LinkIndex>,
        flight: &mut Flight,
    ) -> Verdict {
        let here = &plan.nodes[node];
        if flight.steps > STEP_LIMIT {
            return Verdict::Gone;
        }
        if via.is_some() && flight.is_homeward() {
            translation::home(plan, node, flight);
        }
        if flight.destination == Some(node) {
            return self.deliver(plan, at_ns, node, flight);
        }
        let fault = |network: &mut Self, flight: &Flight, fault| {
            network.refuse(plan, at_ns, node, via, flight, fault)
        };
        let Some(destination) = flight.destination else {
            if node == VANTAGE {
                // Somebody nobody knows: the first router says so.
                return match plan.links.first() {
                    Some(link) if link.mtu >= flight.len() => Verdict::Forward(0),
                    _ => Verdict::Gone,
                };
            }
            return fault(self, flight, Fault::Unreachable(Reason::NetworkUnreachable));
        };
        if via.is_some() {
            if !here.forwards {
                return Verdict::Gone;
            }
            let refusal = here.refusals.iter().find(|refusal| {
                refusal.destination == destination && flight.is_any_of(&refusal.protocols)
            });
            if let Some(refusal) = refusal {
                return fault(self, flight, Fault::Unreachable(refusal.reason));
            }
            if !here.hidden {
                match flight.ttl() {
                    1 if here.zero_ttl_forwarding => flight.set_ttl(0),
                    0 | 1 => return fault(self, flight, Fault::TimeExceeded),
                    ttl => flight.set_ttl(ttl - 1),
                }
            }
        }
        let Some(link) = self.choose(plan, node, destination, flight) else {
            return fault(self, flight, Fault::Unreachable(Reason::NetworkUnreachable));
        };
        let mtu = plan.links[link].mtu;
        if flight.len() > mtu && flight.must_not_be_fragmented() {
            return fault(self, flight, Fault::TooBig(mtu));
        }
        if via.is_some() {
            translation::out(plan, node, flight);
        }
        Verdict::Forward(link)
    }

    /// The next hop of a packet.
    fn choose(
        &mut self,
        plan: &Plan,
        node: NodeIndex,
        destination: NodeIndex,
        flight: &Flight,
    ) -> Option<LinkIndex> {
        let hops = plan.next_hops(node, destination);
        if hops.len() < 2 {
            return hops.first().copied();
        }
        let here = &plan.nodes[node];
        let spread = |hash| usize::try_from(scale(hash, hops.len() as u64)).unwrap_or(0);
        let chosen = match here.balance {
            Balance::Single => 0,
            Balance::Flow => {
                let salt = mix(self.seed ^ mix(node as u64));
                spread(flight.hash(&here.fields, salt))
            }
            Balance::Destination => by_destination(node, flight.receiver(), hops.len()),
            Balance::Packet => spread(self.random.next()),
            Balance::RoundRobin => {
                let turn = &mut self.nodes[node].turn;
                *turn += 1;
                (*turn - 1) % hops.len()
            }
        };
        hops.get(chosen).copied()
    }

    /// Puts a packet on a link; gives when it arrives, if it does.
    fn transmit(
        &mut self,
        plan: &Plan,
        at_ns: u64,
        index: LinkIndex,
        flight: &Flight,
    ) -> Option<u64> {
        let link = &plan.links[index];
        let mut leaves_ns = at_ns;
        if link.rate_bps > 0 {
            let state = &mut self.links[index];
            let bits = |bytes: usize| u128::from(u64::try_from(bytes).unwrap_or(u64::MAX)) * 8;
            let waiting_ns = state.busy_until_ns.saturating_sub(at_ns);
            let waiting_bits = u128::from(waiting_ns) * u128::from(link.rate_bps) / 1_000_000_000;
            let queue_bits = u128::from(link.queue_bytes) * 8;
            if waiting_ns > 0 && waiting_bits + bits(flight.len()) > queue_bits {
                return None;
            }
            let takes_ns = bits(flight.len()) * 1_000_000_000 / u128::from(link.rate_bps);
            leaves_ns = at_ns + waiting_ns + u64::try_from(takes_ns).unwrap_or(u64::MAX);
            state.busy_until_ns = leaves_ns;
            self.departures.push(Departure {
                link: Arc::clone(&link.name),
                at_ns: leaves_ns,
                bytes: flight.len(),
                head: flight.head(HEAD_LENGTH),
            });
        }
        if link.lose_every > 0 {
            let sent = &mut self.links[index].sent;
            *sent += 1;
            if sent.is_multiple_of(link.lose_every) {
                return None;
            }
        }
        if self.random.happens(link.loss) {
            return None;
        }
        if self.random.happens(link.duplicate) {
            let twin_ns = leaves_ns + link.delay_ns + self.jitter(link.jitter_ns);
            self.schedule(twin_ns, link.to, Some(index), flight.clone());
        }
        Some(leaves_ns + link.delay_ns + self.jitter(link.jitter_ns))
    }

    fn jitter(&mut self, limit_ns: u64) -> u64 {
        if limit_ns == 0 {
            0
        } else {
            self.random.up_to(limit_ns)
        }
    }
}

#[cfg(test)]
mod tests;
