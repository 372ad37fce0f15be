//! Whose an answer is: the machines of ping and traceroute against answers that may be forged. Inputs are
//! [pieces](crate::pieces), one for each event.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use glimpse_model::token::MeasureId;
use glimpse_net::packet::Family;
use glimpse_net::socket::{ErrorOrigin, ErrorReport, Event, EventKind, SocketKind};
use glimpse_net::stamp::Stamp;
use glimpse_probe::methods::{ping, traceroute};
use glimpse_probe::peer::datagram::Datagram;
use traceroute::{Confidence, Face, Machine, Mode, Wire};

use crate::{packets, pieces};

const SECOND_NS: u64 = 1_000_000_000;
/// When the answers of an input come.
const ANSWERED_NS: u64 = SECOND_NS / 2;
/// The identifier of echo requests.
pub const IDENTIFIER: u16 = 4_711;
/// Polls in which a run must have come to its end.
const POLLS: u32 = 100_000;

/// The machine of ping. The first byte is the number of packets sent; in each piece, the first byte is the kind of claim,
/// the second the packet, the rest its text.
pub fn ping(bytes: &[u8]) {
    let Some((&count, bytes)) = bytes.split_first() else {
        return;
    };
    let count = u32::from(count % 16) + 1;
    let mut machine = pinging(count);
    for piece in pieces::split(bytes) {
        let Some((&[kind, index], text)) = piece.split_first_chunk() else {
            continue;
        };
        let index = u32::from(index);
        let at = Stamp::monotonic(ANSWERED_NS);
        let claim = match kind % 6 {
            0 | 5 => ping::Claim::Quoted(text),
            1 => ping::Claim::Reply(text),
            2 => ping::Claim::Numbered { index, text },
            3 => ping::Claim::Attempt(index),
            _ => {
                machine.transmitted(text, 1);
                continue;
            }
        };
        if kind % 6 == 5 {
            machine.failed(claim, String::from_utf8_lossy(text).into_owned());
        } else if let Some(index) = machine.answered(claim, at) {
            assert!(index < count, "an answer to a packet that was not sent");
            machine.reply_ttl(index, kind);
        }
    }
    settled(&mut machine, count);
}

/// A session with another agent.
pub fn guest() -> ping::Guest {
    ping::Guest {
        session: MeasureId::from_random([0x5e; 16]),
        tag: [0x7a; 8],
    }
}

/// What a responder answers to packet `index` within a session.
pub fn echo_reply(guest: ping::Guest, index: u32) -> Vec<u8> {
    let body = [&index.to_be_bytes()[..], &ping_text(index)].concat();
    let (tag, mut bytes) = (guest.tag, Vec::new());
    Datagram::EchoReply { tag, body: &body }.write(&mut bytes);
    bytes
}

/// What tells the answers of ping from others', before the machine. The first byte chooses version, socket, number of
/// packets, and whether another agent is asked.
pub fn ping_face(bytes: &[u8]) {
    pinged(bytes);
}

/// The same; says how many packets were answered.
///
/// # Panics
/// When something does not hold that must.
pub fn pinged(bytes: &[u8]) -> u32 {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return 0;
    };
    let (_, target) = ends(choice);
    let face = ping::Face {
        kind: socket(choice),
        target,
        identifier: IDENTIFIER,
        payload: ping_text(0).len(),
        guest: (choice & 1 << 6 != 0).then(guest),
    };
    let count = u32::from(choice >> 3 & 7) + 1;
    let mut machine = pinging(count);
    for piece in pieces::split(bytes) {
        let Some((&kind, piece)) = piece.split_first() else {
            continue;
        };
        let Some((event, bytes)) = event(kind, piece, target) else {
            continue;
        };
        let before = machine.tally().received;
        let ours = face.tell(&event, bytes, &mut machine);
        let received = machine.tally().received;
        assert!(received <= before + 1, "one answer for two");
        let replied = matches!(event.kind, EventKind::Received { .. });
        let named = |index: u32| match face.guest {
            None => bytes.get(..8) == Some(&ping_text(index)[..8]),
            // As above, of the text only the beginning.
            Some(guest) => bytes.get(..24) == echo_reply(guest, index).get(..24),
        };
        if !ours
            || face.kind == SocketKind::Udp
                && replied
                && (ping::is_ours(bytes) || face.guest.is_some())
                && !(0..count).any(named)
        {
            assert!(received <= before, "an answer to another's packet");
        }
    }
    settled(&mut machine, count)
}

/// A run of so many packets, all of them sent.
fn pinging(count: u32) -> ping::Machine {
    let pace = ping::Pace {
        count,
        interval_ns: 1_000_000,
        timeout_ns: SECOND_NS,
        window: count,
    };
    let mut machine = ping::Machine::new(pace, 0);
    let mut now_ns = 0;
    while let ping::Action::Send(index) = poll_ping(&mut machine, &mut now_ns) {
        machine.sent(&ping_text(index), Stamp::monotonic(now_ns));
    }
    machine
}

/// Ends a run of so many packets; says how many were answered.
fn settled(machine: &mut ping::Machine, count: u32) -> u32 {
    assert_eq!(machine.poll(10 * SECOND_NS), ping::Action::Done);
    let tally = machine.tally();
    assert_eq!(tally.sent, count);
    assert!(tally.received <= count, "more answers than packets");
    assert_eq!(
        tally.trips.len() + usize::try_from(tally.untimed).unwrap_or_default(),
        usize::try_from(tally.received).unwrap_or_default()
    );
    tally.received
}

/// The text of packet `index`, as the seeds have it: others begin otherwise.
pub fn ping_text(index: u32) -> [u8; 32] {
    let mut text = [b'.'; 32];
    let token = format!("{:08x}", index.wrapping_mul(0x9e37_79b9));
    text[..8].copy_from_slice(token.as_bytes());
    text
}

fn poll_ping(machine: &mut ping::Machine, now_ns: &mut u64) -> ping::Action {
    match machine.poll(*now_ns) {
        ping::Action::Wait(until_ns) if until_ns < ANSWERED_NS => {
            *now_ns = until_ns;
            machine.poll(until_ns)
        }
        action => action,
    }
}

/// The machine of traceroute behind what tells its answers from others'. The first byte chooses version, socket and mode.
pub fn traceroute(bytes: &[u8]) {
    answers(bytes);
}

/// The same; says how many probes were answered.
///
/// # Panics
/// When something does not hold that must.
pub fn answers(bytes: &[u8]) -> usize {
    let Some((&choice, bytes)) = bytes.split_first() else {
        return 0;
    };
    let face = face(choice);
    let pace = pace(choice);
    let mut machine = Machine::new(pace, 0);
    let mut now_ns = 0;
    while now_ns < ANSWERED_NS {
        match machine.poll(now_ns) {
            traceroute::Action::Send(_) => machine.sent(Stamp::monotonic(now_ns)),
            traceroute::Action::Wait(until_ns) => now_ns = until_ns,
            traceroute::Action::Done => break,
        }
    }
    for piece in pieces::split(bytes) {
        let Some((&kind, piece)) = piece.split_first() else {
            continue;
        };
        let Some((event, bytes)) = event(kind, piece, face.wire.target) else {
            continue;
        };
        if face.listening && kind & 0x40 != 0 {
            face.overheard(&event, bytes, &mut machine);
        } else {
            face.tell(&event, bytes, &mut machine);
        }
    }
    now_ns = now_ns.max(ANSWERED_NS);
    let mut polls = 0;
    loop {
        match machine.poll(now_ns) {
            traceroute::Action::Send(_) => machine.sent(Stamp::monotonic(now_ns)),
            traceroute::Action::Wait(until_ns) => now_ns = until_ns.max(now_ns + 1),
            traceroute::Action::Done => break,
        }
        polls += 1;
        assert!(polls < POLLS, "the run does not end");
    }
    let trace = machine.trace();
    let sent = trace.probes.len();
    assert!(
        u32::try_from(sent).is_ok_and(|sent| sent <= pace.most_probes()),
        "{sent} probes, at most {} were announced",
        pace.most_probes()
    );
    assert!(trace.last_ttl <= pace.max_hops);
    trace
        .probes
        .iter()
        .filter(|probe| probe.reply.is_some())
        .count()
}

/// How the probes of an input are made.
pub fn face(choice: u8) -> Face {
    let (source, target) = ends(choice);
    Face {
        wire: Wire {
            source,
            target,
            source_ports: vec![40_001, 40_002, 40_003],
            destination_port: 33_434,
            identifier: IDENTIFIER,
            payload: 32,
            seed: 7,
        },
        kind: socket(choice),
        listening: choice & 8 != 0,
    }
}

/// Our address and the target's.
fn ends(choice: u8) -> (IpAddr, IpAddr) {
    match packets::family(choice) {
        Family::V4 => (
            IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
            IpAddr::V4(Ipv4Addr::new(198, 51, 100, 9)),
        ),
        Family::V6 => (
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1)),
            IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 1, 0, 0, 0, 0, 9)),
        ),
    }
}

const fn socket(choice: u8) -> SocketKind {
    match choice >> 1 & 3 {
        0 | 1 => SocketKind::Udp,
        2 => SocketKind::IcmpDatagram,
        _ => SocketKind::IcmpRaw,
    }
}

/// How they follow each other.
pub fn pace(choice: u8) -> traceroute::Pace {
    traceroute::Pace {
        count: 3,
        interval_ns: 1_000_000,
        timeout_ns: SECOND_NS,
        run_limit_ns: 60 * SECOND_NS,
        first_hop: 1,
        max_hops: 8,
        in_flight: 8,
        gap_limit: 4,
        paris: choice & 16 == 0,
        exclusive_flows: false,
        mode: if choice & 32 == 0 {
            Mode::Single
        } else {
            Mode::Multipath {
                confidence: Confidence::Percent95,
                max_probes: 300,
            }
        },
    }
}

/// An event of a socket: who it is from, what happened, and the bytes that came.
fn event(kind: u8, piece: &[u8], target: IpAddr) -> Option<(Event, &[u8])> {
    let (&[icmp_type, icmp_code, port_high, port_low], bytes) = piece.split_first_chunk()?;
    let port = u16::from_be_bytes([port_high, port_low]);
    let stranger = match target {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(203, 0, 113, kind)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 2, 0, 0, 0, 0, kind.into())),
    };
    let from = if kind & 0x80 == 0 { target } else { stranger };
    let origin = match kind & 3 {
        2 => ErrorOrigin::Local,
        3 => ErrorOrigin::Other,
        _ => ErrorOrigin::Icmp,
    };
    let kind = match kind >> 2 & 3 {
        0 => EventKind::Transmitted,
        1 | 2 => EventKind::Received {
            from: Some(SocketAddr::new(from, port)),
        },
        _ => EventKind::Failed(ErrorReport {
            origin,
            errno: 113,
            icmp_type,
            icmp_code,
            info: 0,
            offender: Some(from),
            destination: Some(SocketAddr::new(target, port)),
        }),
    };
    let mut event = Event::new(kind, bytes.len(), Stamp::monotonic(ANSWERED_NS));
    event.ttl = Some(icmp_code);
    event.extensions_at = (icmp_code == 9).then_some(usize::from(port_low).min(bytes.len()));
    Some((event, bytes))
}
