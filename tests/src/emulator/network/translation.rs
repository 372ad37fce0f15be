//! Addresses that change on the way: network address translation, and routers that hide what lies behind them.

use super::flight::Flight;
use crate::emulator::packet::{adjust, checksum, checksum_offset, replace};
use crate::emulator::plan::{NodeIndex, Plan, VANTAGE};
use glimpse_net::packet::{Family, PROTOCOL_ICMP, PROTOCOL_UDP};
use std::net::IpAddr;

/// Changes what `node` changes in packets that it passes on.
pub(super) fn out(plan: &Plan, node: NodeIndex, flight: &mut Flight) {
    let here = &plan.nodes[node];
    let sender = flight.sender();
    if flight.is_homeward() {
        if let Some(mask) = here.hides_behind.like(sender) {
            flight.set_sender(mask);
        }
    } else if let Some(outside) = here.translates_to.like(sender)
        && plan.nodes[VANTAGE].addresses.contains(sender)
    {
        flight.set_sender(outside);
    }
}

/// Undoes the translation of `node` in an answer to its outer address.
pub(super) fn home(plan: &Plan, node: NodeIndex, flight: &mut Flight) {
    let here = &plan.nodes[node];
    let outside = flight.receiver();
    if !here.translates_to.contains(outside) {
        return;
    }
    let Some(inside) = plan.nodes[VANTAGE].addresses.like(outside) else {
        return;
    };
    flight.set_receiver(plan, inside);
    if here.translates_quotes {
        translate_quote(flight, outside, inside);
    }
}

/// Undoes the translation in what an ICMP error quotes, the checksums within and without included (RFC 5508 §4.2).
fn translate_quote(flight: &mut Flight, outside: IpAddr, inside: IpAddr) {
    let is_error = match flight.family() {
        Family::V4 => matches!(flight.message().first(), Some(3 | 11 | 12)),
        Family::V6 => matches!(flight.message().first(), Some(1..=4)),
    };
    if !flight.is_icmp()
        || !is_error
        || flight.message().len() < 8 + flight.family().header_length()
    {
        return;
    }
    let family = flight.family();
    let start = flight.transport_offset();
    let quote = start + 8;
    let bytes = flight.bytes_mut();
    let sum_before = !checksum(&bytes[quote..]);
    let (source_at, protocol, header) = match family {
        Family::V4 => (12, bytes[quote + 9], usize::from(bytes[quote] & 0x0f) * 4),
        Family::V6 => (8, bytes[quote + 6], 40),
    };
    if quoted_source(family, &bytes[quote..]) != Some(outside) {
        return;
    }
    let checksum_at = checksum_place(family, protocol, &bytes[quote..], header);
    write_address(&mut bytes[quote..], source_at, inside, checksum_at);
    if family == Family::V4 && header >= 20 && bytes.len() >= quote + header {
        bytes[quote + 10..quote + 12].fill(0);
        let checksum = checksum(&bytes[quote..quote + header]);
        bytes[quote + 10..quote + 12].copy_from_slice(&checksum.to_be_bytes());
    }
    let sum_after = !checksum(&bytes[quote..]);
    adjust(bytes, Some(start + 2), sum_before, sum_after);
}

fn quoted_source(family: Family, quote: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => quote
            .get(12..16)?
            .first_chunk::<4>()
            .map(|octets| IpAddr::from(*octets)),
        Family::V6 => quote
            .get(8..24)?
            .first_chunk::<16>()
            .map(|octets| IpAddr::from(*octets)),
    }
}

/// Where a packet has a checksum that covers its addresses.
pub(super) fn checksum_place(
    family: Family,
    protocol: u8,
    packet: &[u8],
    transport: usize,
) -> Option<usize> {
    if family == Family::V4 && protocol == PROTOCOL_ICMP {
        return None;
    }
    let at = transport + checksum_offset(protocol)?;
    let field = packet.get(at..at + 2)?;
    // RFC 768: zero says that there is none.
    (protocol != PROTOCOL_UDP || field != [0, 0]).then_some(at)
}

/// Writes an address at `at`, and brings the checksum that covers it in line.
pub(super) fn write_address(
    packet: &mut [u8],
    at: usize,
    address: IpAddr,
    checksum_at: Option<usize>,
) {
    match address {
        IpAddr::V4(address) => replace(packet, at, &address.octets(), checksum_at),
        IpAddr::V6(address) => replace(packet, at, &address.octets(), checksum_at),
    }
}
