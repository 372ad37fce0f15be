//! Segments and acknowledgements as bytes: encode, decode, scan. Pure.

use crc32fast::Hasher;

/// The id of an entry (a `ResultId` of the agent; opaque here).
pub type Id = [u8; 16];

/// What a segment begins with: magic, version 1, three reserved bytes.
pub const SEGMENT_HEADER: [u8; 8] = *b"GSPL\x01\0\0\0";
/// Bytes of a frame before its body.
pub const FRAME_HEADER: usize = 36;
/// Longest body a frame may announce.
pub const MAX_BODY: usize = 16 * 1024 * 1024;
/// Bytes of one acknowledgement.
pub const ACK_LEN: usize = 8;

/// Where an entry stands in its segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The entry's id.
    pub id: Id,
    /// The entry's time, microseconds UTC.
    pub time_us: i64,
    /// Offset of the frame in the segment.
    pub offset: u32,
    /// Length of the body.
    pub body_len: u32,
}

impl Frame {
    /// Bytes of the whole frame.
    pub fn bytes(&self) -> u64 {
        FRAME_HEADER as u64 + u64::from(self.body_len)
    }
}

/// A stretch of a segment that cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The head of the frame is sound, its body is not: exactly this entry is lost.
    Body(Frame),
    /// No frame head can be made out: an unknown number of entries is lost.
    Region {
        /// Where it begins.
        offset: u32,
        /// How long it is.
        len: u32,
    },
}

/// What a segment holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Sound entries in order.
    pub frames: Vec<Frame>,
    /// Damage in order.
    pub damaged: Vec<Damage>,
    /// Offset after the last sound entry: the segment may be cut and continued here.
    pub sound_end: u32,
    /// Bytes of an unfinished frame at the end.
    pub torn: u32,
}

/// Appends the frame of an entry to `out`, which becomes part of `segment` at `offset`.
///
/// The body must not be longer than [`MAX_BODY`]; what is beyond is not written.
pub fn encode(out: &mut Vec<u8>, segment: u32, offset: u32, id: &Id, time_us: i64, body: &[u8]) {
    let body = body.get(..MAX_BODY).unwrap_or(body);
    let mut head = [0; FRAME_HEADER];
    head[..4].copy_from_slice(&narrow(body.len()).to_le_bytes());
    head[4..20].copy_from_slice(id);
    head[20..28].copy_from_slice(&time_us.to_le_bytes());
    head[28..32].copy_from_slice(&placed_crc(segment, offset, body).to_le_bytes());
    let head_crc = placed_crc(segment, offset, &head[..32]);
    head[32..].copy_from_slice(&head_crc.to_le_bytes());
    out.extend_from_slice(&head);
    out.extend_from_slice(body);
}

/// Reads the frame that `bytes` begins with, and its body; `None` when anything of it is missing or altered.
pub fn decode(bytes: &[u8], segment: u32, offset: u32) -> Option<(Frame, &[u8])> {
    let (frame, body_crc) = decode_head(bytes, segment, offset)?;
    let body = bytes.get(FRAME_HEADER..)?.get(..frame.body_len as usize)?;
    (placed_crc(segment, offset, body) == body_crc).then_some((frame, body))
}

/// Reads a whole segment. Never fails: what cannot be read is part of the verdict.
pub fn scan(segment: u32, bytes: &[u8]) -> Scan {
    // The magic is for people and `file(1)`; frames prove themselves, so a damaged magic costs nothing.
    let start = SEGMENT_HEADER.len();
    let mut scan = Scan {
        sound_end: narrow(start),
        ..Scan::default()
    };
    if bytes.len() < start {
        scan.sound_end = 0;
        scan.torn = narrow(bytes.len());
        return scan;
    }
    let mut at = start;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let offset = narrow(at);
        match decode_head(rest, segment, offset) {
            Some((frame, _)) if rest.len() < FRAME_HEADER + frame.body_len as usize => {
                scan.torn = narrow(rest.len());
                break;
            }
            Some((frame, _)) => {
                at += FRAME_HEADER + frame.body_len as usize;
                if decode(rest, segment, offset).is_some() {
                    scan.frames.push(frame);
                    scan.sound_end = narrow(at);
                } else {
                    scan.damaged.push(Damage::Body(frame));
                }
            }
            None => {
                let next = (at + 1..bytes.len())
                    .find(|&p| decode(&bytes[p..], segment, narrow(p)).is_some());
                if next.is_none() && rest.len() < FRAME_HEADER {
                    scan.torn = narrow(rest.len());
                    break;
                }
                let end = next.unwrap_or(bytes.len());
                scan.damaged.push(Damage::Region {
                    offset,
                    len: narrow(end - at),
                });
                at = end;
            }
        }
    }
    scan
}

/// The bytes that acknowledge the entry `id` at `offset` of `segment`.
pub fn encode_ack(segment: u32, offset: u32, id: &Id) -> [u8; ACK_LEN] {
    let mut out = [0; ACK_LEN];
    out[..4].copy_from_slice(&offset.to_le_bytes());
    out[4..].copy_from_slice(&placed_crc(segment, offset, id).to_le_bytes());
    out
}

/// Splits an acknowledgement file into records, to be compared with [`encode_ack`]; an unfinished last one is left out.
pub fn acks(bytes: &[u8]) -> impl Iterator<Item = [u8; ACK_LEN]> {
    bytes.as_chunks().0.iter().copied()
}

fn decode_head(bytes: &[u8], segment: u32, offset: u32) -> Option<(Frame, u32)> {
    let head: &[u8; FRAME_HEADER] = bytes.first_chunk()?;
    let word = |at: usize| Some(u32::from_le_bytes(*head.get(at..)?.first_chunk()?));
    if placed_crc(segment, offset, &head[..32]) != word(32)? {
        return None;
    }
    let body_len = word(0)?;
    let id = *head.get(4..)?.first_chunk()?;
    let time_us = i64::from_le_bytes(*head.get(20..)?.first_chunk()?);
    (body_len as usize <= MAX_BODY).then_some((
        Frame {
            id,
            time_us,
            offset,
            body_len,
        },
        word(28)?,
    ))
}

fn placed_crc(segment: u32, offset: u32, bytes: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&segment.to_le_bytes());
    hasher.update(&offset.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Offsets and lengths fit: the store never reads or writes a segment of 4 GiB.
#[expect(
    clippy::cast_possible_truncation,
    reason = "segments are far below 4 GiB"
)]
fn narrow(value: usize) -> u32 {
    value as u32
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap
    )]
    use super::*;
    use proptest::prelude::*;

    fn segment(number: u32, bodies: &[Vec<u8>]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = SEGMENT_HEADER.to_vec();
        let mut ends = vec![bytes.len()];
        for (index, body) in bodies.iter().enumerate() {
            let at = bytes.len() as u32;
            encode(
                &mut bytes,
                number,
                at,
                &[index as u8; 16],
                index as i64 * 1000,
                body,
            );
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn layout_is_little_endian_on_every_machine() {
        let mut bytes = Vec::new();
        encode(&mut bytes, 7, 8, &[0xAB; 16], 0x0102_0304_0506_0708, b"xyz");
        assert_eq!(bytes[..4], [3, 0, 0, 0]);
        assert_eq!(bytes[4..20], [0xAB; 16]);
        assert_eq!(bytes[20..28], [8, 7, 6, 5, 4, 3, 2, 1]);
        let crc = crc32fast::hash(b"\x07\0\0\0\x08\0\0\0xyz");
        assert_eq!(bytes[28..32], crc.to_le_bytes());
        assert_eq!(&bytes[36..], b"xyz");
        assert_eq!(bytes.len(), FRAME_HEADER + 3);
    }

    #[test]
    fn a_frame_copied_elsewhere_is_not_one() {
        let (inner, _) = segment(3, &[b"inner".to_vec()]);
        // A body that is itself a segment: after a cut inside it nothing of it may be taken for an entry.
        let (outer, ends) = segment(3, &[b"first".to_vec(), inner]);
        for cut in ends[1]..outer.len() {
            assert_eq!(scan(3, &outer[..cut]).frames.len(), 1, "cut at {cut}");
        }
        assert!(
            scan(4, &outer).frames.is_empty(),
            "another segment's number"
        );
    }

    #[test]
    fn reading_goes_on_behind_damage() {
        let (bytes, ends) = segment(1, &[b"one".to_vec(), b"two".to_vec(), b"three".to_vec()]);
        let mut body = bytes.clone();
        body[ends[1] + FRAME_HEADER] ^= 1;
        let seen = scan(1, &body);
        assert_eq!(
            seen.frames.iter().map(|f| f.id[0]).collect::<Vec<_>>(),
            [0, 2]
        );
        assert!(
            matches!(seen.damaged[..], [Damage::Body(f)] if f.id == [1; 16] && f.time_us == 1000)
        );

        let mut head = bytes.clone();
        head[ends[1]] ^= 0x40;
        let seen = scan(1, &head);
        assert_eq!(
            seen.frames.iter().map(|f| f.id[0]).collect::<Vec<_>>(),
            [0, 2]
        );
        let region = Damage::Region {
            offset: ends[1] as u32,
            len: (ends[2] - ends[1]) as u32,
        };
        assert_eq!(seen.damaged, [region]);
    }

    #[test]
    fn zeros_after_a_power_cut_are_damage_not_entries() {
        let (mut bytes, ends) = segment(1, &[b"one".to_vec()]);
        bytes.resize(bytes.len() + 200, 0);
        let seen = scan(1, &bytes);
        assert_eq!((seen.frames.len(), seen.sound_end as usize), (1, ends[1]));
        assert!(matches!(
            seen.damaged[..],
            [Damage::Region { len: 200, .. }]
        ));
    }

    proptest! {
        #[test]
        fn every_cut_recovers_exactly_the_prefix(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..6),
            number in any::<u32>(),
        ) {
            let (bytes, ends) = segment(number, &bodies);
            for cut in 0..=bytes.len() {
                let seen = scan(number, &bytes[..cut]);
                let whole = ends.iter().skip(1).filter(|&&end| end <= cut).count();
                prop_assert_eq!(seen.frames.len(), whole);
                prop_assert!(seen.damaged.is_empty());
                let sound = ends.iter().copied().filter(|&end| end <= cut).max().unwrap_or(0);
                prop_assert_eq!(seen.sound_end as usize, sound);
                prop_assert_eq!(seen.torn as usize, cut - sound);
                for (frame, body) in seen.frames.iter().zip(&bodies) {
                    let (again, read) = decode(&bytes[frame.offset as usize..], number, frame.offset).unwrap();
                    prop_assert_eq!(again, *frame);
                    prop_assert_eq!(read, &body[..]);
                }
            }
        }

        #[test]
        fn a_flipped_byte_costs_one_entry_at_most(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 2..6),
            place in any::<proptest::sample::Index>(),
            mask in 1u8..,
        ) {
            let (mut bytes, ends) = segment(9, &bodies);
            let at = place.index(bytes.len());
            bytes[at] ^= mask;
            let seen = scan(9, &bytes);
            let hit = ends.iter().position(|&end| at < end).unwrap();
            let expected: Vec<u8> = (0..bodies.len()).filter(|&i| i + 1 != hit).map(|i| i as u8).collect();
            prop_assert_eq!(seen.frames.iter().map(|f| f.id[0]).collect::<Vec<_>>(), expected);
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), segment in any::<u32>()) {
            let seen = scan(segment, &bytes);
            prop_assert!(seen.frames.is_empty());
            prop_assert!(seen.sound_end as usize <= bytes.len());
            prop_assert!(decode(&bytes, segment, 0).is_none());
            prop_assert_eq!(acks(&bytes).count(), bytes.len() / ACK_LEN);
        }
    }
}
