//! What nodes do with packets to their own addresses.

use super::errors::Fault;
use super::flight::{Flight, Origin};
use super::{Network, Verdict};
use crate::emulator::dns;
use crate::emulator::packet::{
    Ip, TCP_ACK, TCP_FIN, TCP_RST, TCP_SYN, Tcp, encode_ip, fill_checksum, tcp, transport_checksum,
    udp,
};
use crate::emulator::plan::{Node, NodeIndex, Plan, Service};
use crate::emulator::topology::file::Closed;
use glimpse_net::packet::{Family, PROTOCOL_TCP, PROTOCOL_UDP};

const ANSWER: &[u8] = b"reply";
const WINDOW: u16 = 65_535;

impl Network {
    /// Takes a packet. One with a wrong checksum, or in fragments, goes unanswered.
    pub(super) fn deliver(
        &mut self,
        plan: &Plan,
        at_ns: u64,
        node: NodeIndex,
        flight: &Flight,
    ) -> Verdict {
        let here = &plan.nodes[node];
        if here.silent
            || flight.origin == Origin::Made
            || flight.is_fragment()
            || !is_intact(flight)
        {
            return Verdict::Gone;
        }
        match flight.protocol() {
            _ if flight.is_icmp() => self.echo(plan, at_ns, node, flight),
            PROTOCOL_UDP => self.datagram(plan, at_ns, node, flight),
            PROTOCOL_TCP => self.segment(plan, node, flight),
            _ => Verdict::Gone,
        }
    }

    fn echo(&mut self, plan: &Plan, at_ns: u64, node: NodeIndex, flight: &Flight) -> Verdict {
        let here = &plan.nodes[node];
        let (request, reply) = match flight.family() {
            Family::V4 => (8, 0),
            Family::V6 => (128, 129),
        };
        let asked = flight.message().len() >= 8 && flight.message()[0] == request;
        if !asked || !here.services.echo || !self.may_send_icmp(here, node, at_ns) {
            return Verdict::Gone;
        }
        let mut ip = self.answering(here, node, flight);
        ip.traffic_class = flight.traffic_class();
        let mut message = flight.message().to_vec();
        message[0] = reply;
        fill_checksum(&ip, &mut message);
        made(plan, here, &ip, &message)
    }

    fn datagram(&mut self, plan: &Plan, at_ns: u64, node: NodeIndex, flight: &Flight) -> Verdict {
        let here = &plan.nodes[node];
        let message = flight.message();
        let (source, port) = (word(message, 0), word(message, 2));
        let payload = match here.services.udp.get(&port) {
            Some(Service::Echo) => message[8..].to_vec(),
            Some(Service::Answer) => ANSWER.to_vec(),
            Some(Service::Dns) => match dns::answer(&plan.zone, &message[8..]) {
                Some(answer) => answer,
                None => return Verdict::Gone,
            },
            None => {
                return match here.services.udp_closed {
                    Closed::Silent => Verdict::Gone,
                    Closed::Refuses => {
                        self.refuse(plan, at_ns, node, None, flight, Fault::PortUnreachable)
                    }
                };
            }
        };
        let ip = self.answering(here, node, flight);
        let datagram = udp(&ip, port, source, &payload);
        made(plan, here, &ip, &datagram)
    }

    /// A TCP that lets connections begin, and resets them with the first word that follows.
    fn segment(&mut self, plan: &Plan, node: NodeIndex, flight: &Flight) -> Verdict {
        let here = &plan.nodes[node];
        let message = flight.message();
        if message.len() < 20 || message[13] & TCP_RST != 0 {
            return Verdict::Gone;
        }
        let (source, port, flags) = (word(message, 0), word(message, 2), message[13]);
        let long =
            |at: usize| u32::from(word(message, at)) << 16 | u32::from(word(message, at + 2));
        let (sequence, acknowledged) = (long(4), long(8));
        let open = here.services.tcp_open.contains(&port);
        if !open && here.services.tcp_closed == Closed::Silent {
            return Verdict::Gone;
        }
        let header = usize::from(message[12] >> 4) * 4;
        let data = u32::try_from(message.len().saturating_sub(header)).unwrap_or(0);
        let occupied = data + u32::from(flags & TCP_SYN != 0) + u32::from(flags & TCP_FIN != 0);
        let answer = if open && flags & (TCP_SYN | TCP_ACK) == TCP_SYN {
            Tcp {
                sequence: self.random_sequence(),
                acknowledgement: sequence.wrapping_add(1),
                flags: TCP_SYN | TCP_ACK,
                window: WINDOW,
            }
        } else if flags & TCP_ACK != 0 {
            // RFC 9293 §3.10.7.1: a reset takes the number that the other side expects.
            Tcp {
                sequence: acknowledged,
                acknowledgement: 0,
                flags: TCP_RST,
                window: 0,
            }
        } else {
            Tcp {
                sequence: 0,
                acknowledgement: sequence.wrapping_add(occupied),
                flags: TCP_RST | TCP_ACK,
                window: 0,
            }
        };
        let ip = self.answering(here, node, flight);
        let segment = tcp(&ip, port, source, &answer);
        made(plan, here, &ip, &segment)
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 of the 64 random bits")]
    fn random_sequence(&mut self) -> u32 {
        self.random.next() as u32
    }

    /// The header of an answer to a packet.
    fn answering(&mut self, here: &Node, node: NodeIndex, flight: &Flight) -> Ip {
        let mut ip = Ip::new(
            flight.receiver(),
            flight.sender(),
            flight.protocol(),
            here.ttl,
        );
        ip.identification = self.identification(node);
        ip
    }
}

fn made(plan: &Plan, here: &Node, ip: &Ip, message: &[u8]) -> Verdict {
    match Flight::made(plan, encode_ip(ip, message)) {
        Some(answer) => Verdict::Answer(answer, here.delay_ns),
        None => Verdict::Gone,
    }
}

/// Whether lengths and checksum of a message are right.
fn is_intact(flight: &Flight) -> bool {
    let message = flight.message();
    if flight.protocol() == PROTOCOL_UDP {
        let fits = message.len() >= 8 && usize::from(word(message, 4)) == message.len();
        if !fits {
            return false;
        }
        if word(message, 6) == 0 {
            // RFC 768: no checksum; of IPv6 there must be one (RFC 8200 §8.1).
            return flight.family() == Family::V4;
        }
    }
    transport_checksum(
        flight.sender(),
        flight.receiver(),
        flight.protocol(),
        message,
    ) == 0
}

fn word(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |word| u16::from_be_bytes([word[0], word[1]]))
}
