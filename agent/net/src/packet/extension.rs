//! Extensions of ICMP errors (RFC 4884): of the objects that may follow the quoted packet, the MPLS label stack (RFC 4950).

use super::{Family, internet_checksum};

/// What the quoted packet is padded to when extensions follow it (RFC 4884 §5.1).
pub const PADDED_ORIGINAL: usize = 128;
/// Most labels that are read; real stacks have one to four.
const LABEL_LIMIT: usize = 16;
const VERSION: u8 = 2;
const HEADER_LENGTH: usize = 4;
/// Class and type of "MPLS label stack, incoming" (RFC 4950 §3).
const MPLS: [u8; 2] = [1, 1];

/// One entry of an MPLS label stack (RFC 3032 §2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Label, 20 bits.
    pub label: u32,
    /// Traffic class (once "experimental"), 3 bits.
    pub class: u8,
    /// Whether it is the last of its stack.
    pub bottom: bool,
    /// Time to live.
    pub ttl: u8,
}

/// The MPLS labels in an extension structure, the outermost first, at most sixteen. Nothing when `bytes` does not begin
/// with the header of one, or its checksum (which may be left out) is wrong; as far as they go when objects are cut short.
pub fn extensions(bytes: &[u8]) -> Vec<Label> {
    let mut labels = Vec::new();
    let Some(mut rest) = objects(bytes) else {
        return labels;
    };
    while let Some(&[high, low, class, kind]) = rest.first_chunk() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let Some(object) = rest.get(HEADER_LENGTH..length) else {
            break;
        };
        if [class, kind] == MPLS {
            let room = LABEL_LIMIT - labels.len();
            labels.extend(object.chunks_exact(4).take(room).map(label));
        }
        rest = &rest[length..];
    }
    labels
}

/// The objects behind a valid header.
fn objects(bytes: &[u8]) -> Option<&[u8]> {
    let &[version, _, first, second] = bytes.first_chunk()?;
    let summed = [first, second] == [0, 0] || internet_checksum(bytes) == 0;
    (version >> 4 == VERSION && summed).then(|| &bytes[HEADER_LENGTH..])
}

fn label(entry: &[u8]) -> Label {
    let word = u32::from_be_bytes([entry[0], entry[1], entry[2], entry[3]]);
    Label {
        label: word >> 12,
        class: entry[2] >> 1 & 0x07,
        bottom: entry[2] & 1 == 1,
        ttl: entry[3],
    }
}

/// Whether an extension structure that nobody announced begins at `bytes`: routers older than RFC 4884 append it 128 bytes
/// behind the beginning of the quote. Its checksum must be there and right, since it could be any payload.
pub fn is_unannounced(bytes: &[u8]) -> bool {
    let summed = bytes.get(2..4).is_some_and(|checksum| checksum != [0, 0]);
    bytes.len() > HEADER_LENGTH && summed && objects(bytes).is_some()
}

/// Takes what follows the eight bytes of an ICMP error header apart into the quoted packet and the extension structure,
/// which may be empty. `length` is the byte of the header that tells the length of the quote (RFC 4884 §4), 0 from routers
/// that do not know of it.
pub fn split_extensions(family: Family, length: u8, bytes: &[u8]) -> (&[u8], &[u8]) {
    let unit = match family {
        Family::V4 => 4,
        Family::V6 => 8,
    };
    let announced = usize::from(length) * unit;
    if announced != 0 {
        // An announced length below the minimum, or beyond the message, is not believed.
        return match bytes.split_at_checked(announced) {
            Some(parts) if announced >= PADDED_ORIGINAL => parts,
            _ => (bytes, &[]),
        };
    }
    match bytes.split_at_checked(PADDED_ORIGINAL) {
        Some(parts) if is_unannounced(parts.1) => parts,
        _ => (bytes, &[]),
    }
}

#[cfg(test)]
mod tests;
