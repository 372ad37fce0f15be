//! ICMP errors, as well and as badly as routers make them.

use super::flight::{Flight, Origin};
use super::{Network, Verdict};
use crate::emulator::packet::{Ip, checksum, encode_ip, fill_checksum, fill_header_checksum};
use crate::emulator::plan::{LinkIndex, Node, NodeIndex, Plan};
use crate::emulator::topology::file::{QuotedLength, Reason};
use glimpse_net::packet::{Family, PROTOCOL_ICMP, PROTOCOL_ICMPV6};

/// Largest ICMPv4 error (RFC 1812 §4.3.2.3) and ICMPv6 error (RFC 4443 §2.4), headers included.
const V4_LIMIT: usize = 576;
const V6_LIMIT: usize = 1280;
/// RFC 4884 §4: the quote in front of extensions has at least 128 bytes.
const EXTENDED_QUOTE: usize = 128;
/// Class and type of an MPLS label stack (RFC 4950 §3).
const MPLS_CLASS: u8 = 1;
const MPLS_STACK: u8 = 1;
/// Internetwork control (RFC 1812 §4.3.2.5).
const ERROR_TRAFFIC_CLASS: u8 = 0xc0;

/// Why a packet is not forwarded or taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    TimeExceeded,
    Unreachable(Reason),
    PortUnreachable,
    TooBig(usize),
}

impl Fault {
    /// Type, code and the number in the second word; none where nothing is said.
    fn words(self, family: Family) -> Option<(u8, u8, u32)> {
        let v4 = family == Family::V4;
        Some(match self {
            Self::TimeExceeded => (if v4 { 11 } else { 3 }, 0, 0),
            Self::PortUnreachable => (if v4 { 3 } else { 1 }, if v4 { 3 } else { 4 }, 0),
            Self::TooBig(mtu) => {
                let mtu = u32::try_from(mtu).unwrap_or(u32::MAX);
                if v4 { (3, 4, mtu) } else { (2, 0, mtu) }
            }
            Self::Unreachable(reason) => {
                let (code_v4, code_v6) = match reason {
                    Reason::NetworkUnreachable => (0, 0),
                    Reason::HostUnreachable => (1, 3),
                    Reason::AdministrativelyProhibited => (13, 1),
                    Reason::BlackHole => return None,
                };
                if v4 { (3, code_v4, 0) } else { (1, code_v6, 0) }
            }
        })
    }
}

impl Network {
    /// The ICMP error about a packet, if the node sends one.
    pub(super) fn refuse(
        &mut self,
        plan: &Plan,
        at_ns: u64,
        node: NodeIndex,
        via: Option<LinkIndex>,
        flight: &Flight,
        fault: Fault,
    ) -> Verdict {
        let here = &plan.nodes[node];
        let Some((kind, code, number)) = fault.words(flight.family()) else {
            return Verdict::Gone;
        };
        // RFC 1122 §3.2.2: no errors about errors, nor about fragments but the first.
        let quiet = here.silent
            || flight.origin == Origin::Made
            || flight.is_later_fragment()
            || is_no_probe(flight);
        let source = match fault {
            Fault::PortUnreachable => Some(flight.receiver()),
            _ => plan.interface(node, via, flight.sender()),
        };
        let Some(source) = source.filter(|_| !quiet) else {
            return Verdict::Gone;
        };
        if !self.may_send_icmp(here, node, at_ns) {
            return Verdict::Gone;
        }
        let (protocol, room) = match flight.family() {
            Family::V4 => (PROTOCOL_ICMP, V4_LIMIT - 28),
            Family::V6 => (PROTOCOL_ICMPV6, V6_LIMIT - 48),
        };
        let mut message = vec![kind, code, 0, 0];
        message.extend_from_slice(&number.to_be_bytes());
        let mut quote = flight.head(here.quote_bytes.unwrap_or(room).min(room));
        change_length(here.quoted_length, flight.family(), &mut quote);
        let extensible = !matches!(fault, Fault::TooBig(_));
        if extensible && !here.labels.is_empty() {
            quote.resize(EXTENDED_QUOTE, 0);
            if here.quote_length_field {
                // RFC 4884 §4.1–4.3: in words of 32 bits and of 64 bits.
                match flight.family() {
                    Family::V4 => message[5] = 32,
                    Family::V6 => message[4] = 16,
                }
            }
            message.extend_from_slice(&quote);
            message.extend_from_slice(&label_stack(here));
        } else {
            message.extend_from_slice(&quote);
        }
        let mut ip = Ip::new(source, flight.sender(), protocol, here.ttl);
        ip.traffic_class = ERROR_TRAFFIC_CLASS;
        ip.identification = self.identification(node);
        fill_checksum(&ip, &mut message);
        match Flight::made(plan, encode_ip(&ip, &message)) {
            Some(error) => Verdict::Answer(error, here.delay_ns),
            None => Verdict::Gone,
        }
    }

    /// Whether the node's limit leaves room for an ICMP message now.
    pub(super) fn may_send_icmp(&mut self, here: &Node, node: NodeIndex, at_ns: u64) -> bool {
        if here.icmp_interval_ns == 0 {
            return true;
        }
        let due_ns = &mut self.nodes[node].icmp_due_ns;
        if *due_ns > at_ns + here.icmp_burst_ns {
            return false;
        }
        *due_ns = (*due_ns).max(at_ns) + here.icmp_interval_ns;
        true
    }

    /// The next identification of a node's own packets.
    pub(super) fn identification(&mut self, node: NodeIndex) -> u16 {
        let next = &mut self.nodes[node].identification;
        *next = next.wrapping_add(1);
        *next
    }
}

/// Whether a packet is ICMP but no echo: it must not be answered by an error.
fn is_no_probe(flight: &Flight) -> bool {
    let echo = match flight.family() {
        Family::V4 => matches!(flight.message().first(), Some(0 | 8)),
        Family::V6 => matches!(flight.message().first(), Some(128 | 129)),
    };
    flight.is_icmp() && !echo
}

fn change_length(change: QuotedLength, family: Family, quote: &mut [u8]) {
    let (at, header) = match family {
        Family::V4 => (2, 20),
        // Of IPv6 the field counts what follows the header already.
        Family::V6 => (4, 0),
    };
    let Some(field) = quote.get_mut(at..at + 2) else {
        return;
    };
    let length = u16::from_be_bytes([field[0], field[1]]);
    let length = match change {
        QuotedLength::Kept => return,
        QuotedLength::Swapped => length.swap_bytes(),
        QuotedLength::WithoutHeader => length.saturating_sub(header),
        QuotedLength::Zero => 0,
    };
    field.copy_from_slice(&length.to_be_bytes());
    if family == Family::V4 && quote.len() >= 20 {
        fill_header_checksum(quote);
    }
}

/// The extension structure with the label stack of a router (RFC 4884 §7, RFC 4950 §3).
fn label_stack(here: &Node) -> Vec<u8> {
    let length = u16::try_from(4 + 4 * here.labels.len()).unwrap_or(u16::MAX);
    let mut out = vec![2 << 4, 0, 0, 0];
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(&[MPLS_CLASS, MPLS_STACK]);
    for (at, label) in here.labels.iter().enumerate() {
        let bottom = u32::from(at + 1 == here.labels.len());
        let entry = label.label << 12
            | u32::from(label.traffic_class & 7) << 9
            | bottom << 8
            | u32::from(label.ttl);
        out.extend_from_slice(&entry.to_be_bytes());
    }
    let checksum = checksum(&out);
    out[2..4].copy_from_slice(&checksum.to_be_bytes());
    out
}
