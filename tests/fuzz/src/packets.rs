//! Packets of the network: ICMP messages, what they quote, what they append.

use glimpse_net::packet::{
    Family, Message, extensions as labels, internet_checksum, parse_icmpv4, parse_icmpv6,
    parse_ipv4, parse_ipv6, parse_quote, split_extensions,
};

/// Most MPLS labels that are read of one message.
const MOST_LABELS: usize = 16;

/// ICMPv4 messages, as they come and with their checksum mended; raw sockets show whole packets, so those too.
pub fn icmpv4(bytes: &[u8]) {
    if let Ok((header, payload)) = parse_ipv4(bytes) {
        assert!(header.header_length + payload.len() <= bytes.len());
        message(Family::V4, parse_icmpv4(payload).ok(), payload.len());
    }
    message(Family::V4, parse_icmpv4(bytes).ok(), bytes.len());
    let mut mended = bytes.to_vec();
    if let Some(place) = mended.get_mut(2..4) {
        place.fill(0);
        let sum = internet_checksum(&mended);
        mended[2..4].copy_from_slice(&sum.to_be_bytes());
        message(Family::V4, parse_icmpv4(&mended).ok(), mended.len());
    }
}

/// ICMPv6 messages and IPv6 headers.
pub fn icmpv6(bytes: &[u8]) {
    if let Ok((_, payload)) = parse_ipv6(bytes) {
        message(Family::V6, parse_icmpv6(payload).ok(), payload.len());
    }
    message(Family::V6, parse_icmpv6(bytes).ok(), bytes.len());
}

fn message(family: Family, message: Option<Message<'_>>, length: usize) {
    match message {
        Some(Message::EchoRequest(echo) | Message::EchoReply(echo)) => {
            assert_eq!(echo.payload.len() + 8, length);
        }
        Some(Message::Error(error)) => {
            assert!(error.quote.payload.len() + error.extensions.len() <= length);
            assert!(error.labels().len() <= MOST_LABELS);
            assert_ne!(error.mtu(family), Some(0));
        }
        Some(Message::Other { .. }) | None => {}
    }
}

/// Quoted packets; the first byte chooses the version.
pub fn quote(bytes: &[u8]) {
    let Some((&version, bytes)) = bytes.split_first() else {
        return;
    };
    if let Ok(quote) = parse_quote(family(version), bytes) {
        assert!(quote.payload.len() <= bytes.len());
        assert_eq!(quote.source.is_ipv4(), quote.destination.is_ipv4());
    }
}

/// Extensions of RFC 4884; the first byte chooses the version, the second is the length that the message announces.
pub fn extensions(bytes: &[u8]) {
    let Some((&[version, length], bytes)) = bytes.split_first_chunk() else {
        return;
    };
    let (quote, rest) = split_extensions(family(version), length, bytes);
    assert_eq!(quote.len() + rest.len(), bytes.len());
    for bytes in [rest, bytes] {
        let labels = labels(bytes);
        assert!(labels.len() <= MOST_LABELS);
        assert!(
            labels
                .iter()
                .all(|label| label.label < 1 << 20 && label.class < 8)
        );
    }
}

/// The version of IP that a byte stands for.
pub(crate) const fn family(byte: u8) -> Family {
    if byte & 1 == 0 {
        Family::V4
    } else {
        Family::V6
    }
}
