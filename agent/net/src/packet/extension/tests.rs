#![allow(clippy::unwrap_used, clippy::expect_used)]

use proptest::prelude::*;

use super::*;
use crate::packet::{
    Message, PROTOCOL_UDP, QuotedTransport, internet_checksum, parse_icmpv4, parse_icmpv6,
    parse_quote,
};

/// Label 24001, class 5, bottom, TTL 1; and one above it: label 16, TTL 254.
const STACK: [u8; 8] = [0x00, 0x01, 0x00, 254, 0x05, 0xdc, 0x1b, 1];
const LABELS: [Label; 2] = [
    Label {
        label: 16,
        class: 0,
        bottom: false,
        ttl: 254,
    },
    Label {
        label: 24001,
        class: 5,
        bottom: true,
        ttl: 1,
    },
];

fn summed(mut structure: Vec<u8>) -> Vec<u8> {
    let checksum = internet_checksum(&structure);
    structure[2..4].copy_from_slice(&checksum.to_be_bytes());
    structure
}

/// An extension structure of the objects, each class, type and body.
fn structure(objects: &[(u8, u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0x20, 0, 0, 0];
    for (class, kind, body) in objects {
        let length = u16::try_from(body.len() + 4).unwrap();
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&[*class, *kind]);
        bytes.extend_from_slice(body);
    }
    summed(bytes)
}

fn mpls() -> Vec<u8> {
    structure(&[(1, 1, &STACK)])
}

/// An IPv4 packet of 60 bytes: a UDP header and 32 bytes of `a`, TTL 1.
fn original() -> Vec<u8> {
    let mut packet = vec![
        0x45,
        0xb8,
        0,
        60,
        0xbe,
        0xef,
        0,
        0,
        1,
        PROTOCOL_UDP,
        0,
        0,
        192,
        0,
        2,
        2,
        198,
        51,
        100,
        7,
    ];
    packet.extend_from_slice(&[0x82, 0x35, 0x82, 0x36, 0, 40, 0xca, 0xfe]);
    packet.extend_from_slice(&[b'a'; 32]);
    packet
}

fn padded(mut original: Vec<u8>, to: usize) -> Vec<u8> {
    original.resize(to, 0);
    original
}

fn message_v4(length: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![11, 0, 0, 0, 0, length, 0, 0];
    message.extend_from_slice(body);
    summed(message)
}

#[test]
fn labels_are_read_behind_other_objects() {
    assert_eq!(extensions(&mpls()), LABELS);
    let busy = structure(&[(2, 1, &[1; 12]), (1, 1, &STACK[..4]), (1, 1, &STACK[4..])]);
    assert_eq!(extensions(&busy), LABELS);
    assert_eq!(
        extensions(&structure(&[(1, 2, &STACK), (9, 1, &STACK)])),
        []
    );
}

#[test]
fn an_error_with_an_announced_length_gives_quote_and_labels() {
    for quoted in [128, 160] {
        let mut body = padded(original(), quoted);
        body.extend_from_slice(&mpls());
        let message = message_v4(u8::try_from(quoted / 4).unwrap(), &body);
        let Message::Error(error) = parse_icmpv4(&message).unwrap() else {
            panic!("an error was encoded")
        };
        assert_eq!(error.labels(), LABELS);
        assert_eq!(error.quote.payload, [b'a'; 32], "without the padding");
        assert_eq!((error.quote.ttl, error.quote.total_length), (1, 60));
        assert_eq!(error.quote.identification, 0xbeef);
        assert_eq!(error.quote.traffic_class, 0xb8);
    }
}

#[test]
fn an_unannounced_structure_is_found_at_128_bytes_if_its_checksum_is_right() {
    let mut body = padded(original(), PADDED_ORIGINAL);
    body.extend_from_slice(&mpls());
    let read = |body: &[u8]| match parse_icmpv4(&message_v4(0, body)).unwrap() {
        Message::Error(error) => error.labels(),
        other => panic!("{other:?}"),
    };
    assert_eq!(read(&body), LABELS);
    let mut without_checksum = body.clone();
    without_checksum[130..132].copy_from_slice(&[0, 0]);
    assert_eq!(read(&without_checksum), [], "could be anything");
    let mut wrong = body.clone();
    wrong[140] ^= 1;
    assert_eq!(read(&wrong), []);
    assert_eq!(read(&body[..body.len() - 1]), []);
}

#[test]
fn an_icmpv6_error_counts_its_length_in_eights() {
    let mut packet = vec![0x6b, 0x8a, 0xbc, 0xde, 0, 40, PROTOCOL_UDP, 1];
    packet.extend_from_slice(&[0x20; 32]);
    packet.extend_from_slice(&[0x82, 0x35, 0x82, 0x36, 0, 40, 0xca, 0xfe]);
    packet.extend_from_slice(&[b'a'; 32]);
    let mut message = vec![3, 0, 0, 0, 16, 0, 0, 0];
    message.extend_from_slice(&padded(packet, 128));
    message.extend_from_slice(&mpls());
    let Message::Error(error) = parse_icmpv6(&message).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!(error.labels(), LABELS);
    assert_eq!((error.quote.total_length, error.quote.ttl), (80, 1));
    assert_eq!(error.quote.identification, 0xa_bcde);
    assert_eq!(error.quote.traffic_class, 0xb8);
    // Of "packet too big" the same bytes are the MTU.
    message[0] = 2;
    message[4..8].copy_from_slice(&1280_u32.to_be_bytes());
    let Message::Error(error) = parse_icmpv6(&message).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!(error.labels(), []);
    assert_eq!(error.mtu(Family::V6), Some(1280));
}

#[test]
fn the_mtu_is_told_beside_a_length() {
    let mut message = vec![3, 4, 0, 0, 0, 32, 0x05, 0x78];
    message.extend_from_slice(&padded(original(), 128));
    message.extend_from_slice(&mpls());
    let message = summed(message);
    let Message::Error(error) = parse_icmpv4(&message).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!(error.mtu(Family::V4), Some(1400));
    assert_eq!(error.labels(), LABELS);
    let time_exceeded = message_v4(0, &original());
    let Message::Error(error) = parse_icmpv4(&time_exceeded).unwrap() else {
        panic!("an error was encoded")
    };
    assert_eq!(error.mtu(Family::V4), None);
}

#[test]
fn a_length_that_cannot_be_is_not_believed() {
    for length in [1, 8, 31, 200, 255] {
        let (quote, rest) = split_extensions(Family::V4, length, &[7; 300]);
        assert_eq!((quote.len(), rest.len()), (300, 0), "{length}");
    }
    assert_eq!(split_extensions(Family::V4, 0, &[7; 100]).0.len(), 100);
}

#[test]
fn a_quote_of_28_bytes_and_wrong_lengths_still_name_the_probe() {
    let ports = QuotedTransport::Udp {
        source_port: 33333,
        destination_port: 33334,
        length: 40,
        checksum: 0xcafe,
    };
    // Total length right, byte-swapped, without the header, of the header alone, one byte more, 0.
    for total in [60_u16, 0x3c00, 40, 20, 21, 0] {
        for quoted in [28, 40, 60] {
            let mut packet = original();
            packet[2..4].copy_from_slice(&total.to_be_bytes());
            packet.truncate(quoted);
            let quote = parse_quote(Family::V4, &packet).unwrap();
            assert_eq!(quote.transport, ports, "{total} {quoted}");
            assert_eq!(quote.total_length, u32::from(total));
            assert!(quote.payload.iter().all(|&byte| byte == b'a'));
        }
    }
}

#[test]
fn at_most_sixteen_labels_are_read() {
    let entries: Vec<u8> = STACK.repeat(50);
    assert_eq!(extensions(&structure(&[(1, 1, &entries)])).len(), 16);
    let objects: Vec<(u8, u8, &[u8])> = vec![(1, 1, &STACK); 50];
    assert_eq!(extensions(&structure(&objects)).len(), 16);
}

#[test]
fn what_is_no_structure_gives_nothing() {
    for bytes in [
        vec![],
        vec![0x20, 0, 0],
        vec![0x10, 0, 0, 0, 0, 8, 1, 1, 0, 0, 0, 0],
        vec![0x20, 0, 1, 1, 0, 8, 1, 1, 0, 0, 0, 0],
        // Objects of no length, of less than their header, and beyond the end.
        vec![0x20, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0],
        vec![0x20, 0, 0, 0, 0, 3, 1, 1, 0, 0, 0, 0],
        vec![0x20, 0, 0, 0, 0, 9, 1, 1, 0, 0, 0, 0],
    ] {
        assert_eq!(extensions(&bytes), [], "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), length: u8, v6: bool) {
        let family = if v6 { Family::V6 } else { Family::V4 };
        prop_assert!(extensions(&bytes).len() <= 16);
        let mut versioned = vec![0x20, 0, 0, 0];
        versioned.extend_from_slice(&bytes);
        prop_assert!(extensions(&versioned).len() <= 16);
        let (quote, rest) = split_extensions(family, length, &bytes);
        prop_assert_eq!(quote.len() + rest.len(), bytes.len());
    }

    #[test]
    fn what_was_encoded_is_read_back(entries in proptest::collection::vec((0..1_u32 << 20, 0..8_u8, any::<bool>(), any::<u8>()), 0..16)) {
        let labels: Vec<Label> = entries
            .into_iter()
            .map(|(label, class, bottom, ttl)| Label { label, class, bottom, ttl })
            .collect();
        let body: Vec<u8> = labels
            .iter()
            .flat_map(|entry| {
                let word = entry.label << 12 | u32::from(entry.class) << 9 | u32::from(entry.bottom) << 8 | u32::from(entry.ttl);
                word.to_be_bytes()
            })
            .collect();
        prop_assert_eq!(extensions(&structure(&[(1, 1, &body)])), labels);
    }
}
