//! Types `Udp`, `Icmp` and `Peer`: packets out, events in, each event told to the machine as what it claims to answer.

use std::io;
use std::net::{IpAddr, SocketAddr};

use glimpse_model::read::printable;
use glimpse_model::token::{MeasureId, Token};
use glimpse_net::count::Counter;
use glimpse_net::packet::{
    Echo, Family, Message, encode_echo_request, parse_icmpv4, parse_icmpv6, parse_ipv4,
};
use glimpse_net::socket::{
    ErrorOrigin, ErrorReport, Event, EventKind, ProbeSocket, SocketError, SocketKind,
};
use glimpse_net::stamp::{Stamp, monotonic_ns};
use glimpse_net::stream::Tally;

use super::machine::{Claim, Machine};
use super::options::{ECHO_PREFIX, PingOptions};
use super::payload;
use super::run::describe;
use crate::context::Context;
use crate::peer::Limits;
use crate::peer::datagram::{Datagram, ECHO_HEADER as PEER_HEADER, Tag, parse};
use crate::peer::handshake::shake_hands;
use crate::peer::opening::Opening;
use crate::peer::plan::Request;

/// Longest packet that is read whole; answers to packets of at most 1400 bytes are shorter.
const BUFFER: usize = 2048;
/// Events taken at a time, so that a flood cannot keep the loop from its clock.
const DRAIN_LIMIT: usize = 256;
/// Bytes of an ICMP echo header.
const ECHO_HEADER: usize = 8;

/// A connected socket and what tells its answers from others.
pub(super) struct Datagrams {
    socket: ProbeSocket,
    face: Face,
    buffer: Vec<u8>,
    packet: Vec<u8>,
}

/// What an answer must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Face {
    /// The socket it comes by.
    pub kind: SocketKind,
    /// Who is asked.
    pub target: IpAddr,
    /// Identifier of our echo requests; not of UDP.
    pub identifier: u16,
    /// Bytes of payload.
    pub payload: usize,
    /// The session with another agent, where that is who is asked.
    pub guest: Option<Guest>,
}

/// By what the packets of a session with another agent are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guest {
    /// The session.
    pub session: MeasureId,
    /// What its responder calls it.
    pub tag: Tag,
}

impl Datagrams {
    pub(super) fn udp(remote: SocketAddr, options: &PingOptions) -> Result<Self, SocketError> {
        let socket = ProbeSocket::udp(remote, options.source_port, options.ttl)?;
        mark(&socket, options)?;
        Ok(Self::new(socket, remote.ip(), 0, options.payload))
    }

    pub(super) fn icmp(
        target: IpAddr,
        options: &PingOptions,
        seed: u64,
    ) -> Result<Self, SocketError> {
        let socket = ProbeSocket::icmp(target, options.ttl)?;
        mark(&socket, options)?;
        Ok(Self::new(
            socket,
            target,
            payload::identifier(seed),
            options.payload,
        ))
    }

    fn new(socket: ProbeSocket, target: IpAddr, identifier: u16, payload: usize) -> Self {
        let face = Face {
            kind: socket.kind(),
            target,
            identifier,
            payload,
            guest: None,
        };
        Self {
            socket,
            face,
            buffer: vec![0; BUFFER],
            packet: Vec::with_capacity(ECHO_HEADER + payload),
        }
    }

    /// Has another agent's responder open a session, and says what it may use.
    pub(super) async fn enter(
        &mut self,
        token: &Token,
        session: MeasureId,
        tally: &Tally,
        context: &Context,
    ) -> Result<Limits, String> {
        let request = Request::Echo.encode();
        let opening = Opening::new(session, token.as_str(), request, monotonic_ns());
        let (socket, buffer) = (&mut self.socket, &mut self.buffer);
        let opened = shake_hands(socket, opening, tally, context, buffer).await?;
        self.face.guest = Some(Guest {
            session,
            tag: opened.tag,
        });
        Ok(opened.limits)
    }

    /// Lets another agent's responder go, so that the next may come.
    pub(super) fn leave(&mut self) {
        if let Some(Guest { tag, .. }) = self.face.guest {
            Datagram::EchoEnd { tag }.write(&mut self.packet);
            // It ends by silence as well.
            let _ = self.socket.send(&self.packet);
        }
    }

    pub(super) fn send(&mut self, index: u32, text: &[u8]) -> io::Result<Stamp> {
        if let Some(guest) = self.face.guest {
            let (tag, body) = (guest.tag, [].as_slice());
            Datagram::Echo { tag, body }.write(&mut self.packet);
            self.packet.extend_from_slice(&index.to_be_bytes());
            self.packet.extend_from_slice(text);
            return self.socket.send(&self.packet);
        }
        if self.face.kind == SocketKind::Udp {
            return self.socket.send(text);
        }
        let sequence = u16::try_from(index + 1).unwrap_or_default();
        let echo = Echo {
            identifier: self.face.identifier,
            sequence,
            payload: text,
        };
        self.packet.clear();
        encode_echo_request(self.socket.family(), &echo, &mut self.packet);
        self.socket.send(&self.packet)
    }

    pub(super) async fn next(&mut self, machine: &mut Machine) -> io::Result<()> {
        let event = self.socket.next(&mut self.buffer).await?;
        self.tell(&event, machine);
        Ok(())
    }

    pub(super) fn drain(&mut self, machine: &mut Machine) -> io::Result<()> {
        for _ in 0..DRAIN_LIMIT {
            let Some(event) = self.socket.take(&mut self.buffer)? else {
                break;
            };
            self.tell(&event, machine);
        }
        Ok(())
    }

    /// Tells the machine what this host knows of the packet just sent: when it left, or the MTU that it was too long for.
    pub(super) fn after_sending(&mut self, machine: &mut Machine) -> io::Result<()> {
        if let Some(event) = self.socket.take_report(&mut self.buffer)? {
            self.tell(&event, machine);
        }
        Ok(())
    }

    fn tell(&mut self, event: &Event, machine: &mut Machine) {
        if self.face.tell(event, &self.buffer[..event.length], machine) {
            self.socket.claim(event);
        }
    }

    pub(super) fn is_stamping(&self) -> bool {
        self.socket.is_stamping()
    }

    pub(super) fn counter(&self) -> Counter {
        *self.socket.counter()
    }
}

/// Sets what the options say of the IP header.
fn mark(socket: &ProbeSocket, options: &PingOptions) -> Result<(), SocketError> {
    if options.dscp != 0 {
        socket.set_dscp(options.dscp)?;
    }
    socket.set_dont_fragment(options.dont_fragment)
}

impl Face {
    /// Tells the machine what an event of the socket means, and says whether it is traffic of this run. Pure.
    pub fn tell(self, event: &Event, bytes: &[u8], machine: &mut Machine) -> bool {
        match event.kind {
            EventKind::Transmitted => {
                if let Some(kernel_ns) = event.stamp.kernel_ns {
                    machine.transmitted(bytes, kernel_ns);
                }
                false
            }
            EventKind::Received { .. } if self.kind == SocketKind::Udp => {
                match self.guest {
                    Some(guest) => self.echoed(guest, bytes, event, machine),
                    None => answered(Claim::Reply(bytes), event, machine),
                }
                true
            }
            EventKind::Received { .. } => self.echo(bytes, event, machine),
            EventKind::Failed(report) => match report.origin {
                ErrorOrigin::Icmp if self.kind == SocketKind::Udp => {
                    self.quoted_datagram(&report, event.quoted(bytes), event, machine);
                    true
                }
                ErrorOrigin::Icmp => self.quoted_echo(&report, event.quoted(bytes), machine),
                // The call that sent it has failed as well, and gives the reason; the MTU is told here alone.
                ErrorOrigin::Local => {
                    match report.mtu() {
                        Some(mtu) => machine.too_long(mtu),
                        None => machine.fault(report.reason()),
                    }
                    false
                }
                ErrorOrigin::Other => false,
            },
        }
    }

    /// What a responder said.
    fn echoed(self, guest: Guest, bytes: &[u8], event: &Event, machine: &mut Machine) {
        match parse(bytes) {
            Ok(Datagram::EchoReply { tag, body }) if tag == guest.tag => match numbered(body) {
                Some(claim) if bytes.len() == ECHO_PREFIX + self.payload => {
                    answered(claim, event, machine);
                }
                _ => machine.foreign(),
            },
            Ok(Datagram::Refused { session, reason }) if session == guest.session => {
                machine.stop(format!("the peer ended the session: {}", printable(reason)));
            }
            _ => machine.foreign(),
        }
    }

    fn echo(self, bytes: &[u8], event: &Event, machine: &mut Machine) -> bool {
        let message = match (Family::from(self.target), self.kind) {
            (Family::V4, SocketKind::IcmpRaw) => {
                parse_ipv4(bytes).and_then(|(_, payload)| parse_icmpv4(payload))
            }
            (Family::V4, _) => parse_icmpv4(bytes),
            (Family::V6, _) => parse_icmpv6(bytes),
        };
        match message {
            Ok(Message::EchoReply(reply)) if self.is_ours(reply.identifier) => {
                let (index, text) = (u32::from(reply.sequence).wrapping_sub(1), reply.payload);
                if text.len() == self.payload {
                    answered(Claim::Numbered { index, text }, event, machine);
                } else {
                    machine.foreign();
                }
                true
            }
            Ok(Message::EchoReply(_)) | Err(_) => {
                machine.foreign();
                false
            }
            // A raw socket sees what else its peer sends; on loopback, our own requests. Errors come by the queue.
            Ok(_) => false,
        }
    }

    /// Only the target itself can answer: "port unreachable" and its like. A host on the way tells that the packet is lost.
    fn quoted_datagram(
        self,
        report: &ErrorReport,
        text: &[u8],
        event: &Event,
        machine: &mut Machine,
    ) {
        if self.guest.is_some() {
            // A responder answers by itself; that its port is closed is no round trip.
            let quoted = text.get(PEER_HEADER..).and_then(numbered);
            return failed(quoted.unwrap_or(Claim::Quoted(&[])), report, machine);
        }
        let claim = Claim::Quoted(text);
        if report.offender == Some(self.target) && report.is_unreachable(self.target.into()) {
            answered(claim, event, machine);
        } else {
            failed(claim, report, machine);
        }
    }

    fn quoted_echo(self, report: &ErrorReport, bytes: &[u8], machine: &mut Machine) -> bool {
        let Some((header, text)) = bytes.split_at_checked(ECHO_HEADER) else {
            machine.fault(describe(report));
            return false;
        };
        // A raw socket also hears of what other programs sent to the same target.
        let ours = self.is_ours(u16::from_be_bytes([header[4], header[5]]));
        if ours {
            let index = u32::from(u16::from_be_bytes([header[6], header[7]])).wrapping_sub(1);
            failed(Claim::Numbered { index, text }, report, machine);
        }
        ours
    }

    /// The kernel has checked the identifier of a ping socket, and chosen it.
    fn is_ours(self, identifier: u16) -> bool {
        self.kind != SocketKind::IcmpRaw || identifier == self.identifier
    }
}

/// The packet that the body of an echo names.
fn numbered(body: &[u8]) -> Option<Claim<'_>> {
    let (index, text) = body.split_first_chunk()?;
    let index = u32::from_be_bytes(*index);
    Some(Claim::Numbered { index, text })
}

/// Tells the machine of an answer and the TTL it came with.
fn answered(claim: Claim<'_>, event: &Event, machine: &mut Machine) {
    if let Some(index) = machine.answered(claim, event.stamp)
        && let Some(ttl) = event.ttl
    {
        machine.reply_ttl(index, ttl);
    }
}

/// Tells the machine that a packet is lost, and the MTU where that is why.
fn failed(claim: Claim<'_>, report: &ErrorReport, machine: &mut Machine) {
    if machine.failed(claim, describe(report))
        && let Some(mtu) = report.mtu()
    {
        machine.too_long(mtu);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;
    use crate::methods::ping::machine::{Action, Pace};

    fn waiting(text: &[u8]) -> Machine {
        let pace = Pace {
            count: 1,
            interval_ns: 1,
            timeout_ns: 1_000_000_000,
            window: 1,
        };
        let mut machine = Machine::new(pace, 0);
        assert_eq!(machine.poll(0), Action::Send(0));
        machine.sent(text, Stamp::monotonic(0));
        machine
    }

    fn face(kind: SocketKind) -> Face {
        Face {
            kind,
            target: [192, 0, 2, 1].into(),
            identifier: 0x1234,
            payload: 10,
            guest: None,
        }
    }

    fn event(kind: EventKind, length: usize) -> Event {
        Event::new(kind, length, Stamp::monotonic(5_000_000))
    }

    fn unreachable(offender: [u8; 4], kind: u8, code: u8) -> EventKind {
        EventKind::Failed(ErrorReport {
            origin: ErrorOrigin::Icmp,
            errno: 111,
            icmp_type: kind,
            icmp_code: code,
            info: 0,
            offender: Some(offender.into()),
            destination: None,
        })
    }

    fn reply(identifier: u16, sequence: u16, payload: &[u8], kind: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode_echo_request(
            Family::V4,
            &Echo {
                identifier,
                sequence,
                payload,
            },
            &mut bytes,
        );
        bytes[0] = kind;
        bytes[2..4].copy_from_slice(&[0, 0]);
        let checksum = glimpse_net::packet::internet_checksum(&bytes);
        bytes[2..4].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    #[test]
    fn another_agent_answers_by_its_tag_the_number_and_the_text() {
        let guest = Guest {
            session: MeasureId::from_random([1; 16]),
            tag: [2; 8],
        };
        let face = Face {
            guest: Some(guest),
            ..face(SocketKind::Udp)
        };
        let text = *b"0123456789";
        let body = |index: u32, text: &[u8]| [&index.to_be_bytes(), text].concat();
        let came = EventKind::Received { from: None };
        let written = |datagram: Datagram<'_>| {
            let mut bytes = Vec::new();
            datagram.write(&mut bytes);
            bytes
        };
        let reply = |tag, body: &[u8]| written(Datagram::EchoReply { tag, body });
        let refused = |session| {
            written(Datagram::Refused {
                session,
                reason: "no more",
            })
        };
        for (bytes, kind, received, why) in [
            (reply([2; 8], &body(0, &text)), came, 1, "its answer"),
            (reply([3; 8], &body(0, &text)), came, 0, "another tag"),
            (reply([2; 8], &body(1, &text)), came, 0, "never sent"),
            (
                reply([2; 8], &body(0, b"x123456789")),
                came,
                0,
                "other text",
            ),
            (reply([2; 8], &body(0, b"0123")), came, 0, "shorter"),
            (reply([2; 8], b"012"), came, 0, "no number"),
            (text.to_vec(), came, 0, "no datagram of the protocol"),
            (
                refused(MeasureId::from_random([9; 16])),
                came,
                0,
                "another's end",
            ),
            (
                written(Datagram::Echo {
                    tag: [2; 8],
                    body: &body(0, &text),
                }),
                unreachable([192, 0, 2, 1], 3, 3),
                0,
                "a closed port is no round trip",
            ),
        ] {
            let mut machine = waiting(&text);
            assert!(face.tell(&event(kind, bytes.len()), &bytes, &mut machine));
            let tally = machine.tally();
            assert_eq!(tally.received, received, "{why}");
            let faults = usize::from(kind != came);
            assert_eq!(tally.faults.len(), faults, "{why}: {tally:?}");
        }
        let (bytes, mut machine) = (refused(guest.session), waiting(&text));
        assert!(face.tell(&event(came, bytes.len()), &bytes, &mut machine));
        assert_eq!(
            machine.tally().faults,
            [("the peer ended the session: no more".to_owned(), 1)]
        );
    }

    #[test]
    fn only_the_target_answers_a_datagram() {
        let text = b"0123456789";
        for (kind, answered) in [
            (unreachable([192, 0, 2, 1], 3, 3), 1),
            (unreachable([192, 0, 2, 1], 3, 13), 1),
            (unreachable([198, 51, 100, 1], 3, 3), 0),
            (unreachable([198, 51, 100, 1], 11, 0), 0),
            (unreachable([192, 0, 2, 1], 11, 1), 0),
        ] {
            let mut machine = waiting(text);
            face(SocketKind::Udp).tell(&event(kind, 10), text, &mut machine);
            let tally = machine.tally();
            assert_eq!(tally.received, answered, "{kind:?}");
            assert_eq!(
                machine.poll(6_000_000),
                Action::Done,
                "either way the wait is over"
            );
            assert_eq!(tally.faults.len(), usize::from(answered == 0));
        }
    }

    #[test]
    fn an_echo_reply_must_match_in_identifier_number_length_and_text() {
        for (bytes, answered, foreign) in [
            (reply(0x9999, 1, b"0123456789", 0), 1, 0),
            (reply(0x9999, 2, b"0123456789", 0), 0, 1),
            (reply(0x9999, 0, b"0123456789", 0), 0, 1),
            (reply(0x9999, 1, b"0123456", 0), 0, 1),
            (reply(0x9999, 1, b"X123456789", 0), 0, 1),
            (reply(0x9999, 1, b"0123456789", 8), 0, 0),
            (vec![0; 8], 0, 1),
            (vec![], 0, 1),
        ] {
            let mut machine = waiting(b"0123456789");
            let received = event(EventKind::Received { from: None }, bytes.len());
            // The kernel has checked the identifier of a ping socket.
            face(SocketKind::IcmpDatagram).tell(&received, &bytes, &mut machine);
            let tally = machine.tally();
            assert_eq!(
                (tally.received, tally.foreign),
                (answered, foreign),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn a_raw_socket_checks_the_identifier_itself() {
        for (identifier, answered) in [(0x1234, 1), (0x9999, 0)] {
            let mut machine = waiting(b"0123456789");
            let mut packet = vec![
                0x45, 0, 0, 0, 0, 0, 0, 0, 64, 1, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2,
            ];
            packet.extend_from_slice(&reply(identifier, 1, b"0123456789", 0));
            let received = event(EventKind::Received { from: None }, packet.len());
            let ours = face(SocketKind::IcmpRaw).tell(&received, &packet, &mut machine);
            assert_eq!((machine.tally().received, ours), (answered, answered == 1));
        }
    }

    #[test]
    fn an_error_about_an_echo_ends_its_wait_and_anothers_does_not() {
        for (identifier, sequence, faults) in [(0x1234, 1, 1), (0x9999, 1, 0), (0x1234, 7, 0)] {
            let mut machine = waiting(b"0123456789");
            let quoted = reply(identifier, sequence, b"0123456789", 8);
            face(SocketKind::IcmpRaw).tell(
                &event(unreachable([198, 51, 100, 1], 3, 1), 18),
                &quoted,
                &mut machine,
            );
            assert_eq!(machine.tally().faults.len(), faults);
            assert_eq!(machine.tally().received, 0);
            assert_eq!(machine.poll(6_000_000) == Action::Done, faults == 1);
        }
    }

    #[test]
    fn a_flood_of_forged_quotes_is_no_answer_of_either_type() {
        let text = b"0123456789";
        let mut machine = waiting(text);
        let port_unreachable = unreachable([192, 0, 2, 1], 3, 3);
        for forged in 0..1000_u16 {
            let quoted = [forged.to_be_bytes(); 5].concat();
            let udp = event(port_unreachable, quoted.len());
            face(SocketKind::Udp).tell(&udp, &quoted, &mut machine);
            face(SocketKind::Udp).tell(&event(port_unreachable, 0), &[], &mut machine);
            let echo = reply(0x1234, forged, &quoted, 8);
            let icmp = event(port_unreachable, echo.len());
            face(SocketKind::IcmpRaw).tell(&icmp, &echo, &mut machine);
            face(SocketKind::IcmpRaw).tell(&event(port_unreachable, 8), &echo[..8], &mut machine);
        }
        let tally = machine.tally();
        assert_eq!((tally.received, tally.untimed, tally.mtu), (0, 0, None));
        assert!(tally.faults.len() <= 8);
        // The true one among them is.
        face(SocketKind::Udp).tell(&event(port_unreachable, 10), text, &mut machine);
        assert_eq!(machine.tally().received, 1);
    }

    #[test]
    fn an_answer_gives_its_ttl_and_too_long_a_packet_the_mtu() {
        let text = b"0123456789";
        let mut machine = waiting(text);
        let mut answer = event(unreachable([192, 0, 2, 1], 3, 3), 10);
        answer.ttl = Some(57);
        face(SocketKind::Udp).tell(&answer, text, &mut machine);
        assert_eq!(machine.tally().reply_ttl, Some((57, 57)));

        let needed = |quoted: &[u8], origin| {
            let report = ErrorReport {
                origin,
                errno: nix::errno::Errno::EMSGSIZE as i32,
                icmp_type: 3,
                icmp_code: 4,
                info: 1300,
                offender: Some([198, 51, 100, 1].into()),
                destination: None,
            };
            let mut machine = waiting(text);
            let event = event(EventKind::Failed(report), quoted.len());
            face(SocketKind::Udp).tell(&event, quoted, &mut machine);
            (machine.tally().mtu, machine.tally().received)
        };
        assert_eq!(needed(text, ErrorOrigin::Icmp), (Some(1300), 0));
        assert_eq!(needed(b"", ErrorOrigin::Local), (Some(1300), 0));
        for forged in [b"".as_slice(), b"0123X56789"] {
            assert_eq!(needed(forged, ErrorOrigin::Icmp), (None, 0));
        }
    }
}
