//! What stands in a topology file. Unknown fields are refused everywhere.
//!
//! ```toml
//! description = "two routers and a web server"
//! router = [
//!     { name = "r1", addresses = ["198.51.100.1"] },
//!     { name = "r2", addresses = ["198.51.100.2"], balance = "flow" },
//! ]
//! host = [{ name = "target", addresses = ["203.0.113.1"], tcp_open = [80] }]
//! [vantage]
//! addresses = ["192.0.2.1"]
//! [[link]]
//! along = ["vantage", "r1", "r2", "target"]
//! delay_us = 1000
//! ```
//! Packets find their way by the links: from a node, every link that was declared away from it and can still reach the
//! destination is a next hop; where there is none (always so on the way back) the shortest way is taken. `[[route]]` says
//! otherwise where that is wanted. Laboratories live in the documentation prefixes of RFC 5737 and RFC 3849.

use serde::Deserialize;
use std::net::IpAddr;
use toml::Spanned;

/// A topology file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// What it shows, in a line.
    pub description: String,
    /// Where the measurements start.
    pub vantage: Vantage,
    /// What forwards packets.
    #[serde(default)]
    pub router: Vec<Router>,
    /// What answers them.
    #[serde(default)]
    pub host: Vec<Host>,
    /// What lies between.
    pub link: Vec<Link>,
    /// Next hops other than those that follow from the links.
    #[serde(default)]
    pub route: Vec<Route>,
    /// Routers that refuse to forward.
    #[serde(default)]
    pub refusal: Vec<Refusal>,
    /// Names that the name servers know.
    #[serde(default)]
    pub name: Vec<Name>,
    /// What is true of the network.
    #[serde(default)]
    pub truth: Vec<TruthSection>,
}

/// The vantage point: the node called `vantage`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vantage {
    /// At most one address of each family.
    pub addresses: Spanned<Vec<IpAddr>>,
}

/// A router. It answers echo requests to its own addresses, refuses UDP and TCP there, and says with ICMP errors what it
/// cannot forward.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Router {
    /// What links and routes call it.
    pub name: Spanned<String>,
    /// At most one address of each family; errors carry it where the link gives no other.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// TTL or hop limit that its own packets start with.
    #[serde(default = "router_ttl")]
    pub ttl: u8,
    /// How it chooses among several next hops.
    #[serde(default)]
    pub balance: Balance,
    /// What the choice depends on; only with `balance = "flow"`.
    pub fields: Option<Vec<Field>>,
    /// It forwards but never answers.
    #[serde(default)]
    pub silent: bool,
    /// ICMP messages it sends in a second at most.
    pub icmp_per_second: Option<u32>,
    /// ICMP messages it may send at once before that limit holds.
    #[serde(default = "one")]
    pub icmp_burst: u32,
    /// How long it takes to make an ICMP message.
    #[serde(default)]
    pub icmp_delay_us: u64,
    /// Bytes it quotes of the offending packet; without, as many as RFC 1812 §4.3.2.3 and RFC 4443 §2.4 allow.
    pub quote_bytes: Option<usize>,
    /// What it makes of the total length in the header that it quotes.
    #[serde(default)]
    pub quoted_length: QuotedLength,
    /// It forwards packets whose TTL it has brought to zero (Augustin et al., IMC 2006, §4.1.1).
    #[serde(default)]
    pub zero_ttl_forwarding: bool,
    /// It does not count as a hop: inside an MPLS tunnel that hides its routers (RFC 3443 §5, "pipe").
    #[serde(default)]
    pub hidden: bool,
    /// MPLS label stack under which packets reach it, outermost first: shown in its errors (RFC 4950).
    #[serde(default)]
    pub labels: Vec<Label>,
    /// Whether errors with labels say the length of their quote (RFC 4884 §4); old routers do not (§5).
    #[serde(default = "yes")]
    pub quote_length_field: bool,
    /// It translates the source of the vantage point's packets to its own addresses here, and back.
    #[serde(default)]
    pub translates_to: Vec<IpAddr>,
    /// Whether the translation reaches into the packets that ICMP errors quote (RFC 5508 §4).
    #[serde(default = "yes")]
    pub translates_quotes: bool,
    /// It replaces the source of everything that it passes towards the vantage point by its own addresses here.
    #[serde(default)]
    pub hides_behind: Vec<IpAddr>,
}

/// An end host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// What links and routes call it.
    pub name: Spanned<String>,
    /// All its addresses; the first of each family is the one it names itself by.
    pub addresses: Vec<IpAddr>,
    /// TTL or hop limit that its packets start with.
    #[serde(default = "host_ttl")]
    pub ttl: u8,
    /// It receives but never answers.
    #[serde(default)]
    pub silent: bool,
    /// Whether it answers echo requests.
    #[serde(default = "yes")]
    pub echo: bool,
    /// How long it takes to answer.
    #[serde(default)]
    pub delay_us: u64,
    /// ICMP messages it sends in a second at most, echo replies too.
    pub icmp_per_second: Option<u32>,
    /// ICMP messages it may send at once before that limit holds.
    #[serde(default = "one")]
    pub icmp_burst: u32,
    /// UDP ports that send every datagram back.
    #[serde(default)]
    pub udp_echo: Vec<u16>,
    /// UDP ports that answer every datagram with the five bytes `reply`.
    #[serde(default)]
    pub udp_answer: Vec<u16>,
    /// UDP ports with a name server.
    #[serde(default)]
    pub dns: Vec<u16>,
    /// What becomes of datagrams to other ports.
    #[serde(default)]
    pub udp_closed: Closed,
    /// A real system stands here: packets to it are handed out, and those that it sends taken in, as at the vantage point.
    #[serde(default)]
    pub outlet: bool,
    /// TCP ports that accept.
    #[serde(default)]
    pub tcp_open: Vec<u16>,
    /// What becomes of segments to other ports.
    #[serde(default)]
    pub tcp_closed: Closed,
}

/// What a closed port does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    /// It answers by "port unreachable" or RST.
    #[default]
    Refuses,
    /// It says nothing.
    Silent,
}

/// How a router chooses among several next hops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Balance {
    /// It takes the first.
    #[default]
    Single,
    /// By a hash over `fields`, that differs from router to router and from seed to seed.
    Flow,
    /// By a hash over the destination address, the same in every run.
    Destination,
    /// At random for each packet.
    Packet,
    /// In turn.
    RoundRobin,
}

/// A field that the hash of a balancer covers. Those a packet does not have count as zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Field {
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// Protocol.
    Protocol,
    /// Type of service or traffic class.
    TrafficClass,
    /// IPv6 flow label.
    FlowLabel,
    /// Source port of UDP or TCP.
    SourcePort,
    /// Destination port of UDP or TCP.
    DestinationPort,
    /// Checksum of ICMP: what many routers read where ports would stand (Augustin et al., IMC 2006, §3).
    IcmpChecksum,
    /// Identifier of an ICMP echo.
    IcmpIdentifier,
}

/// What a router makes of the total length in the IP header that it quotes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuotedLength {
    /// As it was.
    #[default]
    Kept,
    /// With its two bytes changed round, as stacks did that keep it in the order of the host.
    Swapped,
    /// Without the header.
    WithoutHeader,
    /// Zero.
    Zero,
}

/// An entry of an MPLS label stack (RFC 3032 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Label {
    /// Label, 20 bits.
    pub label: u32,
    /// Traffic class, 3 bits.
    #[serde(default)]
    pub traffic_class: u8,
    /// Time to live.
    #[serde(default = "one_hop")]
    pub ttl: u8,
}

/// One direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Direction {
    /// Propagation delay.
    pub delay_us: u64,
    /// Further delay, evenly spread up to this much, for each packet alone: packets may overtake one another.
    pub jitter_us: u64,
    /// Probability that a packet is lost.
    pub loss: f64,
    /// Every so many packets one is lost.
    pub lose_every: u32,
    /// Probability that a packet arrives twice.
    pub duplicate: f64,
    /// Bits in a second that the link serialises, counted in whole IP packets; 0 takes no time.
    pub rate_bps: u64,
    /// Bytes that may wait for the serialiser; what does not fit is lost.
    pub queue_bytes: u64,
    /// Largest IP packet; 0 takes all.
    pub mtu: usize,
}

/// One link, or a chain of equal ones.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Two nodes or more, the first nearest to the vantage point; one link between each two neighbours.
    pub along: Vec<Spanned<String>>,
    /// Name in the log of departures; without, the names of its ends joined by `-`.
    pub name: Option<String>,
    /// Addresses of the far end on this link.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Addresses of the near end on this link.
    #[serde(default)]
    pub near_addresses: Vec<IpAddr>,
    /// Propagation delay of each link, away from the vantage point.
    #[serde(default)]
    pub delay_us: u64,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default)]
    pub jitter_us: u64,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default)]
    pub loss: f64,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default)]
    pub lose_every: u32,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default)]
    pub duplicate: f64,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default)]
    pub rate_bps: u64,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default = "queue")]
    pub queue_bytes: u64,
    /// As in [`Direction`], away from the vantage point.
    #[serde(default)]
    pub mtu: usize,
    /// The way back. Without, it has the delay and the MTU of the way there and is perfect otherwise.
    pub back: Option<Direction>,
}

impl Link {
    /// The way away from the vantage point.
    pub const fn forward(&self) -> Direction {
        Direction {
            delay_us: self.delay_us,
            jitter_us: self.jitter_us,
            loss: self.loss,
            lose_every: self.lose_every,
            duplicate: self.duplicate,
            rate_bps: self.rate_bps,
            queue_bytes: self.queue_bytes,
            mtu: self.mtu,
        }
    }
}

/// Next hops at one node for one destination.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The node.
    pub at: Spanned<String>,
    /// The destination node.
    pub to: Spanned<String>,
    /// Its neighbours that come next.
    pub next: Vec<Spanned<String>>,
}

/// A router that does not forward to a destination.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The router.
    pub at: Spanned<String>,
    /// The destination node.
    pub to: Spanned<String>,
    /// What it says.
    pub because: Reason,
    /// Protocols it refuses; all, if none is named.
    #[serde(default)]
    pub protocols: Vec<Protocol>,
}

/// What a refusing router says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No route: code 0 of both versions.
    NetworkUnreachable,
    /// Host (code 1) or address (code 3) unreachable.
    HostUnreachable,
    /// Communication administratively prohibited: code 13 (RFC 1812) or 1.
    AdministrativelyProhibited,
    /// Nothing.
    BlackHole,
}

/// A protocol that can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// ICMP of either version.
    Icmp,
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A name and its addresses.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    /// The name, without the last dot.
    pub name: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

/// What the author declares of the way to one target. Tests compute the same from the network and compare.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TruthSection {
    /// Address of the target.
    pub target: Spanned<IpAddr>,
    /// For each TTL from one the addresses that answer, `*` for none.
    pub hops: Vec<Vec<String>>,
    /// For each TTL from one the links to the next: `a b` for each pair of addresses. Without, every address of a TTL
    /// leads to every one of the next.
    pub edges: Option<Vec<Vec<String>>>,
    /// Number of distinct ways; without, one.
    #[serde(default = "one_path")]
    pub paths: usize,
    /// TTLs looked at; for ways without an end.
    #[serde(default = "ttl_limit")]
    pub limit: usize,
    /// Whether the target answers at the end of every way.
    #[serde(default = "yes")]
    pub reached: bool,
    /// Largest packet that gets through; 0 where nothing is lost for its size.
    #[serde(default)]
    pub mtu: usize,
    /// For each TTL from one the shortest round trip; 0 for none.
    pub rtt_us: Vec<u64>,
}

const fn yes() -> bool {
    true
}

const fn one() -> u32 {
    1
}

const fn one_path() -> usize {
    1
}

const fn one_hop() -> u8 {
    1
}

const fn router_ttl() -> u8 {
    255
}

const fn host_ttl() -> u8 {
    64
}

const fn queue() -> u64 {
    u64::MAX
}

const fn ttl_limit() -> usize {
    30
}
