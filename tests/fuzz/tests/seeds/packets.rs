//! Packets: pings and their answers, ICMP errors with what they quote and append, netlink replies.

use crate::Seed;
use glimpse_fuzz::{pieces, probes};
use glimpse_net::packet::{Echo, Family, encode_echo_request, internet_checksum};
use glimpse_probe::methods::traceroute::{Face, Probe};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host on the way.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

pub(crate) fn seeds() -> Vec<Seed> {
    let mut seeds = icmp();
    seeds.extend(traces());
    seeds.extend(wifi());
    seeds
}

fn icmp() -> Vec<Seed> {
    let face = probes::face(0);
    let mut request = Vec::new();
    let echo = Echo {
        identifier: 7,
        sequence: 1,
        payload: b"GLIMPSE measure-it.net",
    };
    encode_echo_request(Family::V4, &echo, &mut request);
    let mut reply = request.clone();
    reply[0] = 0;
    let exceeded = icmp_error(11, 0, 0, &probe4(&face, 0), &[]);
    let fragmentation = icmp_error(3, 4, 1280, &probe4(&face, 0), &[]);
    let mpls = icmp_error(11, 0, 0, &probe4(&face, 0), &stack());
    let too_big = icmp6_error(2, 0, 1280, &probe6(&probes::face(1), 0));
    let quote4 = [&[0][..], &probe4(&face, 1)].concat();
    let quote6 = [&[1][..], &probe6(&probes::face(1), 1)].concat();
    let short = quote4[..=28].to_vec();
    let mut options = vec![0, 0x46];
    options.extend_from_slice(&probe4(&face, 0)[1..20]);
    options.extend_from_slice(&[1; 4]);
    options.extend_from_slice(&probe4(&face, 0)[20..]);
    let mut chained = vec![1];
    chained.extend_from_slice(&ip6(44, 24, 1)[..40]);
    // A fragment header, then UDP.
    chained.extend_from_slice(&[17, 0, 0, 1, 0, 0, 0, 9]);
    chained.extend_from_slice(&[0x9c, 0x41, 0x82, 0x9a, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let padded = {
        let mut bytes = probe4(&face, 0);
        bytes.resize(128, 0);
        bytes.extend_from_slice(&stack());
        bytes
    };
    vec![
        ("icmpv4", "echo-request", request),
        ("icmpv4", "echo-reply", reply),
        ("icmpv4", "time-exceeded", exceeded.clone()),
        ("icmpv4", "whole-packet", ip4(1, ROUTER, &exceeded)),
        ("icmpv4", "fragmentation-needed", fragmentation),
        ("icmpv4", "mpls", mpls),
        ("icmpv6", "too-big", too_big),
        (
            "icmpv6",
            "time-exceeded",
            icmp6_error(3, 0, 0, &probe6(&probes::face(1), 0)),
        ),
        ("icmpv6", "echo-reply", vec![129, 0, 0, 0, 0, 7, 0, 1, b'x']),
        ("quote", "udp", quote4),
        ("quote", "udp6", quote6),
        ("quote", "28-bytes", short),
        ("quote", "ip-options", options),
        ("quote", "fragment6", chained),
        (
            "icmp_extensions",
            "announced",
            [&[0, 32][..], &padded].concat(),
        ),
        (
            "icmp_extensions",
            "unannounced",
            [&[0, 0][..], &padded].concat(),
        ),
        ("icmp_extensions", "alone", [&[0, 0][..], &stack()].concat()),
        (
            "icmp_extensions",
            "endless-object",
            vec![0, 0, 0x20, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1],
        ),
    ]
}

fn traces() -> Vec<Seed> {
    let face = probes::face(8);
    let exceeded = |index| ip4(1, ROUTER, &icmp_error(11, 0, 0, &probe4(&face, index), &[]));
    let heard = |bytes: &[u8]| event(0x40 | 1 << 2, [0, 0], 0, bytes);
    let mpls = ip4(
        1,
        ROUTER,
        &icmp_error(11, 0, 0, &probe4(&face, 0), &stack()),
    );
    let mut forged = exceeded(0);
    forged[20 + 8 + 20 + 6] ^= 0xff;
    let six = probes::face(9);
    let exceeded6 = icmp6_error(3, 0, 0, &probe6(&six, 0));
    let mut datagram = Vec::new();
    let queued = probes::face(0);
    let first = Probe {
        index: 0,
        flow: 0,
        ttl: 1,
    };
    queued.wire.write_datagram(first, &mut datagram);
    let failed = event(0x80 | 3 << 2, [11, 0], 33_434, &datagram);
    let pings = probes::face(4);
    let replies: Vec<Vec<u8>> = [0, 1]
        .map(|index| {
            let mut echo = Vec::new();
            let probe = Probe {
                index,
                flow: 0,
                ttl: 1,
            };
            pings.wire.write_echo(probe, &mut echo);
            echo[0] = 0;
            echo[2..4].fill(0);
            let sum = internet_checksum(&echo);
            echo[2..4].copy_from_slice(&sum.to_be_bytes());
            event(1 << 2, [0, 0], 0, &echo)
        })
        .to_vec();
    let joined = |choice: u8, events: &[Vec<u8>]| {
        let mut bytes = vec![choice];
        bytes.extend(pieces::joined(events.iter().map(Vec::as_slice)));
        bytes
    };
    vec![
        (
            "traceroute",
            "udp-time-exceeded",
            joined(8, &[heard(&exceeded(0))]),
        ),
        ("traceroute", "udp-mpls", joined(8, &[heard(&mpls)])),
        (
            "traceroute",
            "udp-error-queue",
            joined(0, std::slice::from_ref(&failed)),
        ),
        (
            "traceroute",
            "udp6-time-exceeded",
            joined(9, &[heard(&exceeded6)]),
        ),
        ("traceroute", "echo-replies", joined(4, &replies)),
        ("traceroute", "forged", joined(8, &[heard(&forged)])),
        (
            "traceroute",
            "multipath",
            joined(8 | 32, &[heard(&exceeded(0)), heard(&exceeded(1)), failed]),
        ),
        (
            "traceroute",
            "twice-and-unreachable",
            joined(
                8,
                &[
                    heard(&exceeded(0)),
                    heard(&exceeded(0)),
                    heard(&ip4(
                        1,
                        ROUTER,
                        &icmp_error(3, 13, 0, &probe4(&face, 3), &[]),
                    )),
                ],
            ),
        ),
    ]
}

/// Replies of the kernel that the tests of `wifi` recorded.
fn wifi() -> Vec<Seed> {
    let recorded = [
        (
            "family",
            include_str!("../../../../agent/probe/tests/data/wifi/family.hex"),
        ),
        (
            "interfaces",
            include_str!("../../../../agent/probe/tests/data/wifi/interfaces.hex"),
        ),
        (
            "stations",
            include_str!("../../../../agent/probe/tests/data/wifi/stations_of_ap.hex"),
        ),
        (
            "survey",
            include_str!("../../../../agent/probe/tests/data/wifi/survey_of_client.hex"),
        ),
        (
            "refused",
            include_str!("../../../../agent/probe/tests/data/wifi/not_supported.hex"),
        ),
    ];
    let mut seeds = Vec::new();
    for (name, text) in recorded {
        let bytes: Vec<u8> = text
            .lines()
            .map(|line| line.split('#').next().unwrap())
            .flat_map(str::split_ascii_whitespace)
            .map(|byte| u8::from_str_radix(byte, 16).unwrap())
            .collect();
        if name != "refused" {
            // The first message's attributes, behind both headers.
            let length = u32::from_ne_bytes(*bytes.first_chunk().unwrap()) as usize;
            seeds.push(("nl80211", name, bytes[20..length.min(bytes.len())].to_vec()));
        }
        seeds.push(("wifi_dump", name, bytes));
    }
    seeds
}

/// A UDP probe of traceroute as a router quotes it.
fn probe4(face: &Face, index: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let probe = Probe {
        index,
        flow: 0,
        ttl: 1,
    };
    face.wire.write_datagram(probe, &mut payload);
    let IpAddr::V4(target) = face.wire.target else {
        panic!("a face of IPv4")
    };
    let mut packet = ip4(17, target, &udp(face, index, &payload));
    let IpAddr::V4(source) = face.wire.source else {
        panic!("a face of IPv4")
    };
    let target = target.octets();
    packet[12..16].copy_from_slice(&source.octets());
    packet[16..20].copy_from_slice(&target);
    packet
}

fn probe6(face: &Face, index: u32) -> Vec<u8> {
    let mut payload = Vec::new();
    let probe = Probe {
        index,
        flow: 0,
        ttl: 1,
    };
    face.wire.write_datagram(probe, &mut payload);
    let datagram = udp(face, index, &payload);
    let mut packet = ip6(17, u16::try_from(datagram.len()).unwrap(), 1);
    for (place, address) in [(8, face.wire.source), (24, face.wire.target)] {
        let IpAddr::V6(address) = address else {
            panic!("a face of IPv6")
        };
        packet[place..place + 16].copy_from_slice(&address.octets());
    }
    packet.extend_from_slice(&datagram);
    packet
}

fn udp(face: &Face, index: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let length = u16::try_from(8 + payload.len()).unwrap();
    for word in [
        face.wire.source_port(0),
        face.wire.destination(0).port(),
        length,
        face.wire.checksum_of(index),
    ] {
        bytes.extend_from_slice(&word.to_be_bytes());
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// An IPv4 packet from `from`.
pub(crate) fn ip4(protocol: u8, from: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(20 + body.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[0, 1, 0, 0, 1, protocol, 0, 0]);
    packet.extend_from_slice(&from.octets());
    packet.extend_from_slice(&[192, 0, 2, 1]);
    packet.extend_from_slice(body);
    packet
}

fn ip6(next: u8, length: u16, hops: u8) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend_from_slice(&length.to_be_bytes());
    packet.extend_from_slice(&[next, hops]);
    for last in [1, 9] {
        packet.extend_from_slice(&Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last).octets());
    }
    packet
}

/// An ICMP error; with extensions, the quote is padded and its length announced.
fn icmp_error(kind: u8, code: u8, mtu: u16, quote: &[u8], extensions: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0, 0, 0];
    bytes.extend_from_slice(&mtu.to_be_bytes());
    bytes.extend_from_slice(quote);
    if !extensions.is_empty() {
        bytes[5] = 32;
        bytes.resize(8 + 128, 0);
        bytes.extend_from_slice(extensions);
    }
    let sum = internet_checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn icmp6_error(kind: u8, code: u8, info: u32, quote: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend_from_slice(&info.to_be_bytes());
    bytes.extend_from_slice(quote);
    bytes
}

/// An extension structure with a stack of two MPLS labels.
fn stack() -> Vec<u8> {
    let mut bytes = vec![0x20, 0, 0, 0, 0, 12, 1, 1];
    bytes.extend_from_slice(&[0x00, 0x3e, 0x80, 0x01, 0x00, 0x3e, 0x91, 0x01]);
    let sum = internet_checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// A piece for the targets `traceroute` and `ping_face`.
pub(crate) fn event(kind: u8, icmp: [u8; 2], port: u16, bytes: &[u8]) -> Vec<u8> {
    let [high, low] = port.to_be_bytes();
    [&[kind, icmp[0], icmp[1], high, low][..], bytes].concat()
}
