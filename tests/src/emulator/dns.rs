//! A name server for A and AAAA questions, as small as a laboratory needs it (RFC 1035).

use std::collections::BTreeMap;
use std::net::IpAddr;

const TYPE_A: u16 = 1;
const TYPE_AAAA: u16 = 28;
const TTL_S: u32 = 300;
const RCODE_FORMAT: u8 = 1;
const RCODE_NAME: u8 = 3;

/// Names, in lower case without the last dot, and their addresses.
pub type Zone = BTreeMap<String, Vec<IpAddr>>;

/// Answers a query from `zone`: with its addresses, with none of the type asked for, or that there is no such name. What
/// is no query gets no answer; one that cannot be read, a format error.
pub fn answer(zone: &Zone, query: &[u8]) -> Option<Vec<u8>> {
    let header: [u8; 12] = *query.first_chunk()?;
    let is_query = header[2] & 0x80 == 0;
    if !is_query {
        return None;
    }
    let mut out = header.to_vec();
    // A response, authoritative, recursion as asked for; one question, no other sections yet.
    out[2] = 0x84 | (header[2] & 0x01);
    out[3] = 0;
    out[4..].copy_from_slice(&[0, 1, 0, 0, 0, 0, 0, 0]);
    let Some((name, end)) = question(query) else {
        out[3] = RCODE_FORMAT;
        out[5] = 0;
        return Some(out);
    };
    out.extend_from_slice(&query[12..end]);
    let kind = u16::from_be_bytes([query[end - 4], query[end - 3]]);
    let Some(addresses) = zone.get(&name) else {
        out[3] = RCODE_NAME;
        return Some(out);
    };
    for address in addresses {
        let (of_kind, bytes) = match address {
            IpAddr::V4(address) => (TYPE_A, address.octets().to_vec()),
            IpAddr::V6(address) => (TYPE_AAAA, address.octets().to_vec()),
        };
        if of_kind == kind && out[7] < u8::MAX {
            out[7] += 1;
            // The name is that of the question, at offset 12.
            out.extend_from_slice(&[0xc0, 12]);
            out.extend_from_slice(&kind.to_be_bytes());
            out.extend_from_slice(&[0, 1]);
            out.extend_from_slice(&TTL_S.to_be_bytes());
            let length = u16::try_from(bytes.len()).unwrap_or(0);
            out.extend_from_slice(&length.to_be_bytes());
            out.extend_from_slice(&bytes);
        }
    }
    Some(out)
}

/// The name of the first question in lower case, and where the question ends.
fn question(query: &[u8]) -> Option<(String, usize)> {
    let mut at = 12;
    let mut name = String::new();
    loop {
        let length = usize::from(*query.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        if length > 63 || name.len() + length > 253 {
            return None;
        }
        let label = query.get(at..at + length)?;
        at += length;
        if !name.is_empty() {
            name.push('.');
        }
        name.extend(
            label
                .iter()
                .map(|&byte| char::from(byte.to_ascii_lowercase())),
        );
    }
    query.get(at..at + 4)?;
    Some((name, at + 4))
}
