#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

fn ipv4_around(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0x12, 0x34, 0x40, 0, 3, protocol, 0, 0];
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(body);
    let total = u16::try_from(packet.len()).unwrap();
    packet[2..4].copy_from_slice(&total.to_be_bytes());
    packet
}

fn ipv6_around(
    chain: &[u8],
    first: u8,
    source: Ipv6Addr,
    destination: Ipv6Addr,
    body: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x60, 0x0a, 0xbc, 0xde, 0, 0, first, 7];
    packet.extend_from_slice(&source.octets());
    packet.extend_from_slice(&destination.octets());
    packet.extend_from_slice(chain);
    packet.extend_from_slice(body);
    packet
}

fn icmpv4_error(kind: u8, code: u8, info: u32, quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![kind, code, 0, 0];
    message.extend_from_slice(&info.to_be_bytes());
    message.extend_from_slice(quoted);
    let checksum = internet_checksum(&message);
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    message
}

#[test]
fn checksum_of_the_rfc_1071_example() {
    assert_eq!(
        internet_checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]),
        !0xddf2
    );
    assert_eq!(internet_checksum(&[]), 0xffff);
    assert_eq!(
        internet_checksum(&[0x01]),
        !0x0100,
        "an odd last byte is padded on the right"
    );
}

#[test]
fn checksum_of_an_icmpv6_echo_covers_the_pseudo_header() {
    // ::1 to ::1, identifier 1, sequence 1, no data. By hand: !(0x8000 + 1 + 1 + 1 + 1 + 8 + 58).
    let mut message = vec![128, 0, 0, 0, 0, 1, 0, 1];
    let checksum = internet_checksum_v6(
        Ipv6Addr::LOCALHOST,
        Ipv6Addr::LOCALHOST,
        PROTOCOL_ICMPV6,
        &message,
    );
    message[2..4].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(checksum, 0x7fb9);
    assert_eq!(
        internet_checksum_v6(
            Ipv6Addr::LOCALHOST,
            Ipv6Addr::LOCALHOST,
            PROTOCOL_ICMPV6,
            &message
        ),
        0
    );
}

#[test]
fn a_time_exceeded_names_the_udp_probe_that_caused_it() {
    let udp = [0x82, 0x35, 0x82, 0x36, 0, 82, 0xbe, 0xef, b'a', b'b'];
    let quoted = ipv4_around(
        PROTOCOL_UDP,
        Ipv4Addr::new(192, 0, 2, 2),
        Ipv4Addr::new(198, 51, 100, 7),
        &udp,
    );
    let message = icmpv4_error(11, 0, 0, &quoted);
    let Message::Error(error) = parse_icmpv4(&message).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!((error.kind, error.code), (11, 0));
    assert_eq!(error.quote.source, IpAddr::from([192, 0, 2, 2]));
    assert_eq!(error.quote.destination, IpAddr::from([198, 51, 100, 7]));
    assert_eq!(error.quote.ttl, 3);
    assert_eq!(
        error.quote.transport,
        QuotedTransport::Udp {
            source_port: 33333,
            destination_port: 33334,
            length: 82,
            checksum: 0xbeef
        }
    );
    assert_eq!(error.quote.payload, b"ab");
}

#[test]
fn fragmentation_needed_carries_the_mtu() {
    let quoted = ipv4_around(
        PROTOCOL_TCP,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::LOCALHOST,
        &[0, 1, 0, 2, 9, 9, 9, 9],
    );
    let message = icmpv4_error(3, 4, 1400, &quoted);
    let Message::Error(error) = parse_icmpv4(&message).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!(error.info, 1400);
    assert_eq!(
        error.quote.transport,
        QuotedTransport::Tcp {
            source_port: 1,
            destination_port: 2,
            sequence: 0x0909_0909
        }
    );
}

#[test]
fn an_icmpv6_error_is_read_through_extension_headers() {
    let (source, destination) = (
        "2001:db8::1".parse().unwrap(),
        "2001:db8::2".parse().unwrap(),
    );
    // Hop-by-hop (8 bytes), then destination options (16 bytes), then an ICMPv6 echo.
    let mut chain = vec![60, 0, 0, 0, 0, 0, 0, 0];
    chain.extend_from_slice(&[PROTOCOL_ICMPV6, 1]);
    chain.extend_from_slice(&[0; 14]);
    let quoted = ipv6_around(
        &chain,
        0,
        source,
        destination,
        &[128, 0, 1, 2, 0xab, 0xcd, 0, 5, b'x'],
    );
    let mut message = vec![3, 0, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&quoted);
    let Message::Error(error) = parse_icmpv6(&message).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!(error.quote.destination, IpAddr::V6(destination));
    assert_eq!(
        error.quote.transport,
        QuotedTransport::Icmp {
            kind: 128,
            code: 0,
            checksum: 0x0102,
            identifier: 0xabcd,
            sequence: 5
        }
    );
    assert_eq!(error.quote.payload, b"x");
}

#[test]
fn a_later_fragment_and_a_stub_quote_name_no_ports() {
    let mut fragment = ipv4_around(
        PROTOCOL_UDP,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::LOCALHOST,
        &[1; 16],
    );
    fragment[6..8].copy_from_slice(&185_u16.to_be_bytes());
    assert_eq!(
        parse_quote(Family::V4, &fragment).unwrap().transport,
        QuotedTransport::Unknown
    );
    let stub = ipv4_around(
        PROTOCOL_UDP,
        Ipv4Addr::LOCALHOST,
        Ipv4Addr::LOCALHOST,
        &[1; 7],
    );
    assert_eq!(
        parse_quote(Family::V4, &stub).unwrap().transport,
        QuotedTransport::Unknown
    );
}

#[test]
fn what_is_not_a_packet_is_refused_with_the_reason() {
    assert_eq!(
        parse_icmpv4(&[8, 0]),
        Err(PacketError::Short {
            what: "icmp header",
            need: 4,
            have: 2
        })
    );
    assert_eq!(
        parse_icmpv4(&[8, 0, 0, 0, 0, 0, 0, 0]),
        Err(PacketError::Checksum)
    );
    assert_eq!(
        parse_ipv4(&[0x60; 20]).unwrap_err(),
        PacketError::Version(6)
    );
    assert_eq!(
        parse_ipv4(&[0x44; 20]).unwrap_err(),
        PacketError::Length("ipv4 header length")
    );
    assert_eq!(
        parse_ipv4(&[0x4f; 20]).unwrap_err(),
        PacketError::Short {
            what: "ipv4 options",
            need: 60,
            have: 20
        }
    );
}

#[test]
fn an_endless_chain_of_extension_headers_ends() {
    let chain: Vec<u8> = [0_u8, 0, 0, 0, 0, 0, 0, 0].repeat(100);
    let packet = ipv6_around(&chain, 0, Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST, &[]);
    let (header, _) = parse_ipv6(&packet).unwrap();
    assert_eq!(header.next_header, 0);
    assert_eq!(header.header_length, 40 + 8 * 8);
}

proptest! {
    #[test]
    fn an_encoded_echo_is_read_back(identifier: u16, sequence: u16, payload in proptest::collection::vec(any::<u8>(), 0..1500)) {
        let echo = Echo { identifier, sequence, payload: &payload };
        let mut bytes = vec![0xee; 3];
        encode_echo_request(Family::V4, &echo, &mut bytes);
        prop_assert_eq!(parse_icmpv4(&bytes[3..]).unwrap(), Message::EchoRequest(echo));
        bytes.clear();
        encode_echo_request(Family::V6, &echo, &mut bytes);
        prop_assert_eq!(parse_icmpv6(&bytes).unwrap(), Message::EchoRequest(echo));
    }

    #[test]
    fn one_flipped_bit_fails_the_checksum(payload in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, bit in 0..8_u32) {
        let mut bytes = Vec::new();
        encode_echo_request(Family::V4, &Echo { identifier: 7, sequence: 9, payload: &payload }, &mut bytes);
        let position = at.index(bytes.len());
        bytes[position] ^= 1 << bit;
        prop_assert_eq!(parse_icmpv4(&bytes), Err(PacketError::Checksum));
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_icmpv4(&bytes);
        let _ = parse_icmpv6(&bytes);
        let _ = parse_ipv4(&bytes);
        let _ = parse_ipv6(&bytes);
        let _ = parse_quote(Family::V4, &bytes);
        let _ = parse_quote(Family::V6, &bytes);
    }

    #[test]
    fn a_valid_error_cut_anywhere_or_overwritten_never_panics(cut in 0..90_usize, at in 0..80_usize, value: u8) {
        let quoted = ipv4_around(PROTOCOL_UDP, Ipv4Addr::LOCALHOST, Ipv4Addr::LOCALHOST, &[5; 40]);
        let mut message = icmpv4_error(3, 3, 0, &quoted);
        if let Some(byte) = message.get_mut(at) {
            *byte = value;
        }
        message.truncate(cut);
        if message.len() >= 4 {
            message[2..4].copy_from_slice(&[0, 0]);
            let checksum = internet_checksum(&message);
            message[2..4].copy_from_slice(&checksum.to_be_bytes());
        }
        let _ = parse_icmpv4(&message);
    }
}
