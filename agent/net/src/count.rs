//! Bytes on the line, as the traffic ledger settles them: IP header, transport header and payload, without the link layer.
//! Plain fields, fed by the sockets that own them.

use crate::packet::Family;

/// Length of a UDP header and of an ICMP echo or error header, in bytes.
pub const SHORT_HEADER: usize = 8;
/// Length of a TCP SYN or SYN/ACK with the options Linux sends (MSS, SACK, timestamps, window scale), in bytes.
pub const TCP_SYN: usize = 40;
/// Length of a bare TCP acknowledgement with timestamps, in bytes.
pub const TCP_ACK: usize = 32;
/// Length of a TCP reset, in bytes.
pub const TCP_RESET: usize = 20;

/// What one socket, or one run, has put on the line and taken from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counter {
    /// Bytes sent, IP headers included.
    pub sent_bytes: u64,
    /// Bytes received, IP headers included; also those of packets that were nobody's answer.
    pub received_bytes: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Packets received.
    pub received_packets: u64,
}

impl Counter {
    /// Adds one sent packet of `length` bytes at IP level.
    pub fn sent(&mut self, length: u64) {
        self.sent_bytes = self.sent_bytes.saturating_add(length);
        self.sent_packets = self.sent_packets.saturating_add(1);
    }

    /// Adds one received packet of `length` bytes at IP level.
    pub fn received(&mut self, length: u64) {
        self.received_bytes = self.received_bytes.saturating_add(length);
        self.received_packets = self.received_packets.saturating_add(1);
    }

    /// Adds what another counter has counted.
    pub fn add(&mut self, other: &Self) {
        self.sent_bytes = self.sent_bytes.saturating_add(other.sent_bytes);
        self.received_bytes = self.received_bytes.saturating_add(other.received_bytes);
        self.sent_packets = self.sent_packets.saturating_add(other.sent_packets);
        self.received_packets = self.received_packets.saturating_add(other.received_packets);
    }

    /// Bytes in both directions.
    pub fn total_bytes(&self) -> u64 {
        self.sent_bytes.saturating_add(self.received_bytes)
    }
}

/// IP length of a packet with `body` bytes behind its IP header.
pub const fn packet_bytes(family: Family, body: usize) -> u64 {
    (family.header_length() + body) as u64
}

/// IP length of a UDP datagram with `payload` bytes.
pub const fn datagram_bytes(family: Family, payload: usize) -> u64 {
    packet_bytes(family, SHORT_HEADER + payload)
}

/// IP length of an ICMP error that quotes a packet with `quoted_body` bytes behind its own IP header.
pub const fn icmp_error_bytes(family: Family, quoted_body: usize) -> u64 {
    packet_bytes(family, SHORT_HEADER + family.header_length() + quoted_body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_those_of_the_line() {
        // The original charges 192 bytes for one UDP ping of 74 bytes: 28 + 2 × (8 + 74); the IP headers are what it forgot.
        assert_eq!(datagram_bytes(Family::V4, 74), 20 + 8 + 74);
        assert_eq!(datagram_bytes(Family::V6, 74), 40 + 8 + 74);
        assert_eq!(icmp_error_bytes(Family::V4, 8 + 74), 20 + 8 + 20 + 8 + 74);
        assert_eq!(packet_bytes(Family::V4, TCP_SYN), 60);
    }

    #[test]
    fn a_counter_adds_and_never_wraps() {
        let mut counter = Counter::default();
        counter.sent(100);
        counter.received(60);
        counter.add(&Counter {
            sent_bytes: u64::MAX,
            ..Counter::default()
        });
        assert_eq!(counter.sent_bytes, u64::MAX);
        assert_eq!((counter.sent_packets, counter.received_packets), (1, 1));
        assert_eq!(counter.total_bytes(), u64::MAX);
    }
}
