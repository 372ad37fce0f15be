//! What an answer must look like to be one of ours. Pure: bytes and stamps in, calls of the machine out.

use std::net::IpAddr;

use glimpse_net::count::packet_bytes;
use glimpse_net::packet::{
    Family, IcmpError, Message, QuotedTransport, parse_icmpv4, parse_icmpv6, parse_ipv4,
};
use glimpse_net::socket::{ErrorOrigin, ErrorReport, Event, EventKind, SocketKind};

use super::machine::{Claim, Machine, Reply, Response};
use super::wire::{TOKEN_LENGTH, Wire};

const ECHO_HEADER: usize = 8;

/// The marks of the answers to one run.
#[derive(Clone, Debug)]
pub struct Face {
    /// How the probes are made.
    pub wire: Wire,
    /// Which sockets send them.
    pub kind: SocketKind,
    /// Whether the errors come by a raw socket.
    pub listening: bool,
}

impl Face {
    /// Tells the machine what an event of a sending socket means, and says whether it is traffic of this run. Pure.
    pub fn tell(&self, event: &Event, bytes: &[u8], machine: &mut Machine) -> bool {
        match event.kind {
            EventKind::Transmitted => {
                self.transmitted(event, bytes, machine);
                false
            }
            EventKind::Received { from } if self.kind == SocketKind::Udp => {
                let claim = from
                    .filter(|from| from.ip() == self.wire.target)
                    .and_then(|from| {
                        let flow_of = |index| machine.flow_of(index);
                        let known = self.wire.returned(from.port(), bytes, flow_of);
                        // What a service says of its own accord shows the flow alone.
                        known.or_else(|| self.wire.flow_to(from.port()).map(Claim::Flow))
                    });
                Self::reply(claim, self.wire.target, event, machine)
            }
            EventKind::Received { from } => {
                let from = from.map_or(self.wire.target, |from| from.ip());
                self.echo(from, event, bytes, machine)
            }
            EventKind::Failed(report) => match report.origin {
                ErrorOrigin::Icmp => !self.listening && self.failed(&report, event, bytes, machine),
                ErrorOrigin::Local => {
                    machine.fault(report.reason());
                    false
                }
                ErrorOrigin::Other => false,
            },
        }
    }

    /// Tells the machine what the raw socket heard, and says whether it is an answer to this run. Pure.
    pub fn overheard(&self, event: &Event, bytes: &[u8], machine: &mut Machine) -> bool {
        let EventKind::Received { from } = event.kind else {
            return false;
        };
        let (sender, ttl, message) = match Family::from(self.wire.target) {
            Family::V4 => {
                let Ok((header, payload)) = parse_ipv4(bytes) else {
                    return false;
                };
                let message = parse_icmpv4(payload);
                (IpAddr::from(header.source), Some(header.ttl), message)
            }
            Family::V6 => {
                let Some(from) = from else { return false };
                (from.ip(), event.ttl, parse_icmpv6(bytes))
            }
        };
        let event = Event { ttl, ..*event };
        match message {
            Ok(Message::Error(error)) => self.error(sender, &error, &event, machine),
            // The sending socket is connected, and a raw one hears nobody but the target; a ping socket hears all.
            Ok(Message::EchoReply(_))
                if self.kind == SocketKind::IcmpRaw && sender != self.wire.target =>
            {
                self.echo(sender, &event, bytes, machine)
            }
            _ => false,
        }
    }

    /// Tells the machine of an ICMP error with all that it quotes. Pure.
    fn error(
        &self,
        from: IpAddr,
        error: &IcmpError<'_>,
        event: &Event,
        machine: &mut Machine,
    ) -> bool {
        let family = Family::from(self.wire.target);
        let Some(response) = response(family, error.kind, error.code, error.mtu(family)) else {
            return false;
        };
        let flow_of = |index| machine.flow_of(index);
        let Some(claim) = self.wire.quoted(&error.quote, flow_of) else {
            if error.quote.destination == self.wire.target {
                machine.foreign();
            }
            return false;
        };
        let reply = Reply {
            from,
            is_target: self.is_target(from, response),
            response,
            at: event.stamp,
            ttl: event.ttl,
            quoted_ttl: Some(error.quote.ttl),
            labels: error.labels(),
        };
        machine.replied(claim, reply)
    }

    fn failed(
        &self,
        report: &ErrorReport,
        event: &Event,
        bytes: &[u8],
        machine: &mut Machine,
    ) -> bool {
        let family = Family::from(self.wire.target);
        let response = response(family, report.icmp_type, report.icmp_code, report.mtu());
        let (Some(response), Some(from)) = (response, report.offender) else {
            return false;
        };
        let flow_of = |index| machine.flow_of(index);
        let quoted = event.quoted(bytes);
        let claim = if self.kind == SocketKind::Udp {
            let destination = report
                .destination
                .filter(|destination| destination.ip() == self.wire.target);
            destination
                .and_then(|destination| self.wire.returned(destination.port(), quoted, flow_of))
        } else {
            echo_header(quoted).and_then(|(transport, payload)| {
                self.wire.quoted_transport(&transport, payload, flow_of)
            })
        };
        let Some(claim) = claim else {
            machine.foreign();
            return false;
        };
        let reply = Reply {
            from,
            is_target: self.is_target(from, response),
            response,
            at: event.stamp,
            ttl: event.ttl,
            quoted_ttl: None,
            labels: event.labels(bytes),
        };
        machine.replied(claim, reply)
    }

    /// An echo reply that has identifier, sequence number and payload of a request is the target's, whoever it is from: a
    /// translator may have put its own address there.
    fn echo(&self, from: IpAddr, event: &Event, bytes: &[u8], machine: &mut Machine) -> bool {
        let message = match (Family::from(self.wire.target), self.kind) {
            (Family::V4, SocketKind::IcmpRaw) => {
                parse_ipv4(bytes).and_then(|(_, payload)| parse_icmpv4(payload))
            }
            (Family::V4, _) => parse_icmpv4(bytes),
            (Family::V6, _) => parse_icmpv6(bytes),
        };
        let Ok(Message::EchoReply(reply)) = message else {
            return false;
        };
        let claim = self
            .wire
            .echoed(reply.identifier, reply.sequence, reply.payload);
        Self::reply(claim, from, event, machine)
    }

    /// Tells the machine of an answer of the target's upper layer.
    fn reply(claim: Option<Claim>, from: IpAddr, event: &Event, machine: &mut Machine) -> bool {
        let Some(claim) = claim else {
            machine.foreign();
            return false;
        };
        let reply = Reply {
            from,
            is_target: true,
            response: Response::Answer,
            at: event.stamp,
            ttl: event.ttl,
            quoted_ttl: None,
            labels: Vec::new(),
        };
        machine.replied(claim, reply)
    }

    /// Whether the answer is the target's. "Port unreachable" is, whatever its sender: a translator may have put its own
    /// address there, but nobody else looks at the port.
    fn is_target(&self, from: IpAddr, response: Response) -> bool {
        let port_unreachable = match Family::from(self.wire.target) {
            Family::V4 => Response::Unreachable(3),
            Family::V6 => Response::Unreachable(4),
        };
        from == self.wire.target || (self.kind == SocketKind::Udp && response == port_unreachable)
    }

    /// A packet of ours came back whole with its stamp; the payload is its end.
    fn transmitted(&self, event: &Event, bytes: &[u8], machine: &mut Machine) {
        let start = bytes.len().checked_sub(self.wire.payload);
        let token = start.and_then(|start| bytes.get(start..start + TOKEN_LENGTH));
        let index = token.and_then(|token| self.wire.index_of_payload(token));
        if let (Some(index), Some(kernel_ns)) = (index, event.stamp.kernel_ns) {
            machine.transmitted(index, kernel_ns);
        }
    }

    pub(super) fn received_bytes(&self, event: &Event) -> u64 {
        let family = Family::from(self.wire.target);
        match (self.kind, family) {
            (SocketKind::IcmpRaw, Family::V4) => event.whole_length as u64,
            (SocketKind::Udp, _) => packet_bytes(family, ECHO_HEADER + event.whole_length),
            _ => packet_bytes(family, event.whole_length),
        }
    }
}

/// What an ICMP error says about a way; nothing if it is about something else.
pub(super) fn response(family: Family, kind: u8, code: u8, mtu: Option<u32>) -> Option<Response> {
    match (family, kind, code) {
        (Family::V4, 11, 0) | (Family::V6, 3, 0) => Some(Response::TimeExceeded),
        (Family::V4, 3, 4) | (Family::V6, 2, _) => Some(Response::PacketTooBig(mtu)),
        (Family::V4, 3, code) | (Family::V6, 1, code) => Some(Response::Unreachable(code)),
        _ => None,
    }
}

/// The echo header that an ICMP error quotes.
fn echo_header(bytes: &[u8]) -> Option<(QuotedTransport, &[u8])> {
    let (header, payload) = bytes.split_at_checked(ECHO_HEADER)?;
    let word = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
    let transport = QuotedTransport::Icmp {
        kind: header[0],
        code: header[1],
        checksum: word(2),
        identifier: word(4),
        sequence: word(6),
    };
    Some((transport, payload))
}
