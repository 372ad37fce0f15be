#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_net::packet::parse_quote;
use proptest::prelude::*;

use super::*;

fn wire(target: &str, payload: usize, seed: u64) -> Wire {
    let target: IpAddr = target.parse().unwrap();
    Wire {
        source: match target {
            IpAddr::V4(_) => "192.0.2.1".parse().unwrap(),
            IpAddr::V6(_) => "2001:db8::1".parse().unwrap(),
        },
        target,
        source_ports: vec![33434],
        destination_port: 33434,
        identifier: 0x4242,
        payload,
        seed,
    }
}

fn probe(index: u32, flow: u16) -> Probe {
    Probe {
        index,
        flow,
        ttl: 1,
    }
}

/// A UDP message with its header, as it goes over the line.
fn datagram(wire: &Wire, probe: Probe) -> Vec<u8> {
    let mut data = Vec::new();
    wire.write_datagram(probe, &mut data);
    let mut message = Vec::new();
    let length = u16::try_from(8 + data.len()).unwrap();
    for word in [
        wire.source_port(probe.flow),
        wire.destination(probe.flow).port(),
        length,
        0,
    ] {
        message.extend_from_slice(&word.to_be_bytes());
    }
    message.extend_from_slice(&data);
    let checksum = wire.checksum(PROTOCOL_UDP, &message);
    message[6..8].copy_from_slice(&checksum.to_be_bytes());
    message
}

/// An IPv4 packet cut to `length` bytes.
fn quote(wire: &Wire, protocol: u8, message: &[u8], length: usize) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(target)) = (wire.source, wire.target) else {
        panic!("ipv4");
    };
    let mut packet = vec![0x45, 0];
    packet.extend_from_slice(&u16::try_from(20 + message.len()).unwrap().to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 0, 1, protocol, 0, 0]);
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&target.octets());
    packet.extend_from_slice(message);
    packet.truncate(length);
    packet
}

fn claim(wire: &Wire, packet: &[u8], flow_of: impl Fn(u32) -> Option<u16>) -> Option<Claim> {
    let quote = parse_quote(Family::V4, packet).unwrap();
    wire.quoted(&quote, flow_of)
}

#[test]
fn eight_bytes_behind_the_ip_header_name_a_datagram() {
    let wire = wire("203.0.113.1", 74, 7);
    for index in [0, 1, 99, 20_000] {
        let message = datagram(&wire, probe(index, 3));
        for length in [28, 29, 35, 36, 102] {
            let packet = quote(&wire, PROTOCOL_UDP, &message, length);
            let found = claim(&wire, &packet, |known| (known == index).then_some(3));
            assert_eq!(found, Some(Claim::Probe(index)), "{index} {length}");
        }
    }
}

#[test]
fn eight_bytes_behind_the_ip_header_name_an_echo() {
    let wire = wire("203.0.113.1", 74, 8);
    for index in [0, 1, 99, 20_000] {
        let mut message = Vec::new();
        wire.write_echo(probe(index, 5), &mut message);
        for length in [28, 36, 102] {
            let packet = quote(&wire, PROTOCOL_ICMP, &message, length);
            let found = claim(&wire, &packet, |known| (known == index).then_some(5));
            assert_eq!(found, Some(Claim::Probe(index)), "{index} {length}");
        }
    }
}

#[test]
fn forged_quotes_are_not_ours() {
    let wire = wire("203.0.113.1", 74, 9);
    let sent = |index| (index < 10).then_some(0);
    let message = datagram(&wire, probe(4, 0));
    let packet = quote(&wire, PROTOCOL_UDP, &message, 28);
    assert_eq!(claim(&wire, &packet, sent), Some(Claim::Probe(4)));
    // Target, protocol, ports, length; each byte of them.
    for at in [9, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25] {
        let mut forged = packet.clone();
        forged[at] ^= 0x55;
        assert_eq!(claim(&wire, &forged, sent), None, "byte {at}");
    }
    // A checksum of no probe that was sent.
    let mut forged = packet.clone();
    forged[26..28].copy_from_slice(&wire.checksum_of(10).to_be_bytes());
    assert_eq!(claim(&wire, &forged, sent), None);
    for checksum in [0, 0xffff_u16] {
        forged[26..28].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(claim(&wire, &forged, sent), None);
    }
    // The right header before another's payload.
    let mut forged = quote(&wire, PROTOCOL_UDP, &message, 60);
    forged[30] ^= 1;
    assert_eq!(claim(&wire, &forged, sent), None);
    // A probe of another flow.
    let other = datagram(&wire, probe(4, 1));
    let packet = quote(&wire, PROTOCOL_UDP, &other, 28);
    assert_eq!(claim(&wire, &packet, sent), None);
}

#[test]
fn forged_echoes_are_not_ours() {
    let wire = wire("203.0.113.1", 74, 9);
    let sent = |index| (index < 10).then_some(0);
    let mut message = Vec::new();
    wire.write_echo(probe(4, 0), &mut message);
    let packet = quote(&wire, PROTOCOL_ICMP, &message, 28);
    assert_eq!(claim(&wire, &packet, sent), Some(Claim::Probe(4)));
    for at in [9, 19, 20, 22, 23, 24, 25] {
        let mut forged = packet.clone();
        forged[at] ^= 0x55;
        assert_eq!(claim(&wire, &forged, sent), None, "byte {at}");
    }
    let payload = &message[8..];
    let sequence = u16::from_be_bytes([message[6], message[7]]);
    assert_eq!(
        wire.echoed(0x4242, sequence, payload),
        Some(Claim::Probe(4))
    );
    assert_eq!(wire.echoed(0x4243, sequence, payload), None);
    assert_eq!(wire.echoed(0x4242, sequence ^ 1, payload), None);
    assert_eq!(wire.echoed(0x4242, sequence, &payload[..73]), None);
    assert_eq!(wire.echoed(0x4242, sequence, &[0; 74]), None);
}

#[test]
fn a_translated_checksum_does_not_matter_where_the_payload_came_back() {
    let wire = wire("203.0.113.1", 74, 10);
    let mut message = datagram(&wire, probe(4, 0));
    message[6] ^= 0x37;
    let packet = quote(&wire, PROTOCOL_UDP, &message, 102);
    assert_eq!(claim(&wire, &packet, |_| Some(0)), Some(Claim::Probe(4)));
}

#[test]
fn less_than_eight_bytes_name_the_flow() {
    let wire = wire("203.0.113.1", 74, 11);
    let packet = quote(&wire, PROTOCOL_UDP, &datagram(&wire, probe(4, 2)), 24);
    assert_eq!(claim(&wire, &packet, |_| Some(2)), Some(Claim::Flow(2)));
    let mut message = Vec::new();
    wire.write_echo(probe(4, 2), &mut message);
    let packet = quote(&wire, PROTOCOL_ICMP, &message, 24);
    assert_eq!(claim(&wire, &packet, |_| Some(2)), Some(Claim::Flow(2)));
    let packet = quote(&wire, PROTOCOL_ICMP, &message, 23);
    assert_eq!(claim(&wire, &packet, |_| Some(2)), None);
}

#[test]
fn the_error_queue_shows_the_payload_or_nothing() {
    let wire = wire("203.0.113.1", 74, 12);
    let mut data = Vec::new();
    wire.write_datagram(probe(4, 2), &mut data);
    let sent = |index| (index == 4).then_some(2);
    let port = wire.destination(2).port();
    assert_eq!(wire.returned(port, &data, sent), Some(Claim::Probe(4)));
    assert_eq!(wire.returned(port, &data[..8], sent), Some(Claim::Probe(4)));
    assert_eq!(wire.returned(port, &data[..7], sent), Some(Claim::Flow(2)));
    assert_eq!(wire.returned(port, &[], sent), Some(Claim::Flow(2)));
    assert_eq!(wire.returned(port, &[7; 74], sent), None);
    assert_eq!(wire.returned(port + 1, &data, sent), None);
    assert_eq!(wire.returned(80, &data, sent), None);
}

proptest! {
    #[test]
    fn datagrams_of_a_flow_differ_in_checksum_alone(
        seed: u64, first in 0_u32..25_000, second in 0_u32..25_000, flow in 0_u16..60_000, payload in 12_usize..200, v6: bool,
    ) {
        let wire = wire(if v6 { "2001:db8:2::1" } else { "203.0.113.1" }, payload, seed);
        let (one, other) = (datagram(&wire, probe(first, flow)), datagram(&wire, probe(second, flow)));
        prop_assert_eq!(one.len(), 8 + payload);
        prop_assert_eq!(&one[..6], &other[..6]);
        prop_assert_eq!(one[6..8] == other[6..8], first == second);
        prop_assert_eq!(u16::from_be_bytes([one[6], one[7]]), wire.checksum_of(first));
        prop_assert_eq!(wire.index_of_payload(&one[8..]), Some(first));
    }

    #[test]
    fn echoes_of_a_flow_differ_behind_the_identifier_alone(
        seed: u64, first in 0_u32..25_000, second in 0_u32..25_000, flow in 0_u16..60_000, payload in 12_usize..200, v6: bool,
    ) {
        let wire = wire(if v6 { "2001:db8:2::1" } else { "203.0.113.1" }, payload, seed);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        wire.write_echo(probe(first, flow), &mut one);
        wire.write_echo(probe(second, flow), &mut other);
        prop_assert_eq!(&one[..6], &other[..6]);
        prop_assert_eq!(one[6..8] == other[6..8], first == second);
        // The checksum that was chosen is the right one.
        let protocol = if v6 { PROTOCOL_ICMPV6 } else { PROTOCOL_ICMP };
        prop_assert_eq!(wire.checksum(protocol, &one), 0);
        wire.write_echo(probe(first, flow ^ 1), &mut other);
        prop_assert_ne!(&one[2..4], &other[2..4]);
    }

    #[test]
    fn ports_and_flows_are_each_others_inverse(base in 1_u16.., flow in 0_u16..60_000) {
        let mut wire = wire("203.0.113.1", 74, 1);
        wire.destination_port = base;
        let port = wire.destination(flow).port();
        prop_assert!(flow == 0 || port >= LOWEST_PORT);
        prop_assert_eq!(wire.flow_to(port), Some(flow));
    }

    #[test]
    fn no_quote_panics(bytes in proptest::collection::vec(any::<u8>(), 0..120), seed: u64) {
        let wire = wire("203.0.113.1", 74, seed);
        if let Ok(quote) = parse_quote(Family::V4, &bytes) {
            prop_assert_eq!(wire.quoted(&quote, |_| None), None);
        }
        let _ = wire.returned(33434, &bytes, |_| None);
    }
}
