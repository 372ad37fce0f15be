//! Netlink messages and attributes (`linux/netlink.h`, `linux/genetlink.h`), in the byte order of this machine. The kernel is
//! not an attacker, but emulated ones and vendors' drivers write wrong lengths: every length is checked, and one
//! that would not move the reader on is refused.

/// Length of a message header (`nlmsghdr`), in bytes.
const HEADER: usize = 16;
/// Length of a generic header (`genlmsghdr`), in bytes.
const GENERIC_HEADER: usize = 4;
/// Length of an attribute header (`nlattr`), in bytes.
const ATTRIBUTE_HEADER: usize = 4;
/// Messages and attributes begin at multiples of this many bytes.
const ALIGNMENT: usize = 4;
/// `NLMSG_ERROR`: an error, or with number 0 an acknowledgement.
const KIND_ERROR: u16 = 2;
/// `NLMSG_DONE`: the end of a dump.
const KIND_DONE: u16 = 3;
/// `NLMSG_MIN_TYPE`: below are control messages.
const KIND_MIN: u16 = 0x10;
/// `NLM_F_REQUEST`.
const FLAG_REQUEST: u16 = 1;
/// `NLM_F_MULTI`: more follows, up to `NLMSG_DONE`.
const FLAG_MULTI: u16 = 2;
/// `NLM_F_DUMP`: all objects.
const FLAG_DUMP: u16 = 0x300;
/// Without `NLA_F_NESTED` and `NLA_F_NET_BYTEORDER`.
const ATTRIBUTE_KIND: u16 = 0x3fff;
/// Bytes of one dump at most.
const DUMP_LIMIT: usize = 512 * 1024;
/// Messages of one dump at most.
const MESSAGE_LIMIT: usize = 512;

/// Why a datagram is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header that is cut off.
    #[error("netlink: {0} bytes are no header")]
    Short(usize),
    /// A length that is smaller than its own header or larger than what is there.
    #[error("netlink: a length of {length} where {room} bytes are left")]
    Length {
        /// What stands there.
        length: usize,
        /// Bytes that are left, its header included.
        room: usize,
    },
    /// More than any answer has.
    #[error("netlink: the answer does not end")]
    Endless,
}

/// A message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its type: 2 an error, 3 the end of a dump, else a family.
    pub kind: u16,
    /// `NLM_F_…`.
    pub flags: u16,
    /// That of the request.
    pub sequence: u32,
    /// What follows the header.
    pub payload: &'a [u8],
}

/// Type and value of an attribute.
type Attribute<'a> = (u16, &'a [u8]);

/// The messages of a datagram. After an error there is nothing more.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, Malformed>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (message, after) = split_message(rest);
        rest = after;
        Some(message)
    })
}

/// The attributes of a payload or of a nested attribute: type and value. After an error there is nothing more.
pub fn attributes(payload: &[u8]) -> impl Iterator<Item = Result<Attribute<'_>, Malformed>> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (attribute, after) = split_attribute(rest);
        rest = after;
        Some(attribute)
    })
}

fn split_message(bytes: &[u8]) -> (Result<Message<'_>, Malformed>, &[u8]) {
    let Some((header, _)) = bytes.split_first_chunk::<HEADER>() else {
        return (Err(Malformed::Short(bytes.len())), &[]);
    };
    let [a, b, c, d, k0, k1, f0, f1, s0, s1, s2, s3, ..] = *header;
    let length = usize::try_from(u32::from_ne_bytes([a, b, c, d])).unwrap_or(usize::MAX);
    match body(bytes, HEADER, length) {
        Err(fault) => (Err(fault), &[]),
        Ok((payload, rest)) => {
            let message = Message {
                kind: u16::from_ne_bytes([k0, k1]),
                flags: u16::from_ne_bytes([f0, f1]),
                sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
                payload,
            };
            (Ok(message), rest)
        }
    }
}

fn split_attribute(bytes: &[u8]) -> (Result<Attribute<'_>, Malformed>, &[u8]) {
    let Some((&[l0, l1, k0, k1], _)) = bytes.split_first_chunk::<ATTRIBUTE_HEADER>() else {
        return (Err(Malformed::Short(bytes.len())), &[]);
    };
    let length = usize::from(u16::from_ne_bytes([l0, l1]));
    match body(bytes, ATTRIBUTE_HEADER, length) {
        Err(fault) => (Err(fault), &[]),
        Ok((value, rest)) => {
            let kind = u16::from_ne_bytes([k0, k1]) & ATTRIBUTE_KIND;
            (Ok((kind, value)), rest)
        }
    }
}

/// What lies between a header and the `length` it says, and what follows behind the padding.
fn body(bytes: &[u8], header: usize, length: usize) -> Result<(&[u8], &[u8]), Malformed> {
    let wrong = Malformed::Length {
        length,
        room: bytes.len(),
    };
    let body = bytes.get(header..length).ok_or(wrong)?;
    // The padding of the last one may be missing.
    let next = length.next_multiple_of(ALIGNMENT).min(bytes.len());
    Ok((body, bytes.get(next..).unwrap_or_default()))
}

/// A generic request of all objects (`dump`) or one, with attributes.
pub(super) fn request(
    family: u16,
    command: u8,
    dump: bool,
    sequence: u32,
    given: &[(u16, &[u8])],
) -> Vec<u8> {
    let flags = FLAG_REQUEST | if dump { FLAG_DUMP } else { 0 };
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&family.to_ne_bytes());
    bytes.extend_from_slice(&flags.to_ne_bytes());
    bytes.extend_from_slice(&sequence.to_ne_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&[command, 1, 0, 0]);
    for (kind, value) in given {
        let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_ne_bytes());
        bytes.extend_from_slice(&kind.to_ne_bytes());
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_ne_bytes());
    bytes
}

/// What a datagram has brought a [`Dump`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More is to come.
    More,
    /// It is complete.
    Complete,
    /// The kernel refused with this error number.
    Refused(i32),
}

/// Collects the answer to one request, whatever number of datagrams it comes in.
#[derive(Debug)]
pub struct Dump {
    sequence: u32,
    seen_bytes: usize,
    bodies: Vec<Vec<u8>>,
}

impl Dump {
    /// Waits for the answer to the request `sequence`.
    pub const fn new(sequence: u32) -> Self {
        Self {
            sequence,
            seen_bytes: 0,
            bodies: Vec::new(),
        }
    }

    /// Takes a datagram; messages of other requests are passed over.
    ///
    /// # Errors
    /// [`Malformed`] when it cannot be read, or the answer has grown beyond 512 KiB or 512 messages.
    pub fn take(&mut self, datagram: &[u8]) -> Result<Progress, Malformed> {
        self.seen_bytes = self.seen_bytes.saturating_add(datagram.len());
        if self.seen_bytes > DUMP_LIMIT {
            return Err(Malformed::Endless);
        }
        for message in messages(datagram) {
            let message = message?;
            if message.sequence != self.sequence {
                continue;
            }
            match message.kind {
                KIND_ERROR | KIND_DONE => {
                    let number = message
                        .payload
                        .first_chunk::<4>()
                        .map_or(0, |bytes| i32::from_ne_bytes(*bytes));
                    return Ok(match number {
                        0 => Progress::Complete,
                        number => Progress::Refused(number.saturating_neg()),
                    });
                }
                kind if kind < KIND_MIN => {}
                _ => {
                    let attributes = message
                        .payload
                        .get(GENERIC_HEADER..)
                        .ok_or(Malformed::Short(message.payload.len()))?;
                    if self.bodies.len() == MESSAGE_LIMIT {
                        return Err(Malformed::Endless);
                    }
                    self.bodies.push(attributes.to_vec());
                    if message.flags & FLAG_MULTI == 0 {
                        return Ok(Progress::Complete);
                    }
                }
            }
        }
        Ok(Progress::More)
    }

    /// The attributes of each message, without their headers.
    pub fn into_bodies(self) -> Vec<Vec<u8>> {
        self.bodies
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    fn attribute(length: u16, kind: u16, value: &[u8]) -> Vec<u8> {
        [&length.to_ne_bytes()[..], &kind.to_ne_bytes(), value].concat()
    }

    #[test]
    fn lengths_below_the_header_are_refused_and_end_the_reading() {
        for length in 0..4 {
            let bytes = [attribute(length, 1, &[0; 4]), attribute(8, 2, &[0; 4])].concat();
            let read: Vec<_> = attributes(&bytes).collect();
            let wrong = Malformed::Length {
                length: length.into(),
                room: 16,
            };
            assert_eq!(read, [Err(wrong)]);
        }
        for length in 0..16_u32 {
            let mut bytes = request(20, 1, false, 1, &[]);
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            assert_eq!(messages(&bytes).filter(Result::is_err).count(), 1);
            assert_eq!(messages(&bytes).count(), 1);
        }
    }

    #[test]
    fn lengths_beyond_the_end_are_refused() {
        let bytes = attribute(9, 1, &[0; 4]);
        let wrong = Malformed::Length { length: 9, room: 8 };
        assert_eq!(attributes(&bytes).collect::<Vec<_>>(), [Err(wrong)]);
        assert_eq!(
            attributes(&[4, 0, 1]).collect::<Vec<_>>(),
            [Err(Malformed::Short(3))]
        );
        let mut bytes = request(20, 1, false, 1, &[]);
        bytes[..4].copy_from_slice(&u32::MAX.to_ne_bytes());
        assert!(messages(&bytes).all(|message| message.is_err()));
    }

    #[test]
    fn flags_of_attributes_are_no_part_of_their_type() {
        let bytes = [
            attribute(5, 0x8015, &[7, 0, 0, 0]),
            attribute(4, 0x4003, &[]),
        ]
        .concat();
        let read: Vec<_> = attributes(&bytes).map(Result::unwrap).collect();
        assert_eq!(read, [(21, &[7][..]), (3, &[])]);
    }

    #[test]
    fn a_request_is_read_as_it_was_written() {
        let bytes = request(
            28,
            17,
            true,
            5,
            &[(3, &7_u32.to_ne_bytes()), (2, b"wlan0\0")],
        );
        assert_eq!(bytes.len() % 4, 0);
        let message = messages(&bytes).next().unwrap().unwrap();
        assert_eq!(
            (message.kind, message.flags, message.sequence),
            (28, 0x301, 5)
        );
        assert_eq!(message.payload[..4], [17, 1, 0, 0]);
        let read: Vec<_> = attributes(&message.payload[4..])
            .map(Result::unwrap)
            .collect();
        assert_eq!(read, [(3, &7_u32.to_ne_bytes()[..]), (2, b"wlan0\0")]);
    }

    #[test]
    fn a_dump_ends_when_it_says_so_or_has_grown_too_long() {
        let answer = |flags: u16, kind: u16, sequence| {
            let mut bytes = request(kind, 7, false, sequence, &[(3, &[1, 0, 0, 0])]);
            bytes[6..8].copy_from_slice(&flags.to_ne_bytes());
            bytes
        };
        let mut dump = Dump::new(9);
        assert_eq!(
            dump.take(&answer(2, 28, 8)),
            Ok(Progress::More),
            "of another request"
        );
        assert_eq!(dump.take(&answer(2, 28, 9)), Ok(Progress::More));
        let mut done = answer(2, 3, 9);
        done[16..20].fill(0);
        assert_eq!(dump.take(&done), Ok(Progress::Complete));
        assert_eq!(dump.into_bodies().len(), 1);
        let mut refused = answer(0, 2, 9);
        refused[16..20].copy_from_slice(&(-2_i32).to_ne_bytes());
        assert_eq!(Dump::new(9).take(&refused), Ok(Progress::Refused(2)));
        assert_eq!(Dump::new(9).take(&answer(0, 28, 9)), Ok(Progress::Complete));
        let mut endless = Dump::new(9);
        let last = (0..=MESSAGE_LIMIT)
            .map(|_| endless.take(&answer(2, 28, 9)))
            .last();
        assert_eq!(last, Some(Err(Malformed::Endless)));
    }

    proptest! {
        #[test]
        fn no_datagram_upsets_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            for message in messages(&bytes).flatten() {
                prop_assert!(attributes(message.payload).count() <= message.payload.len());
            }
            prop_assert!(attributes(&bytes).count() <= bytes.len() / 4 + 1);
            let _ = Dump::new(0).take(&bytes);
        }

        #[test]
        fn a_damaged_request_is_read_or_refused(place in 0..36_usize, byte: u8) {
            let mut bytes = request(28, 17, true, 5, &[(3, &[7, 0, 0, 0]), (2, b"wlan0\0")]);
            bytes[place] = byte;
            let mut dump = Dump::new(5);
            let _ = dump.take(&bytes);
            for body in dump.into_bodies() {
                prop_assert!(attributes(&body).count() <= 8);
            }
        }
    }
}
