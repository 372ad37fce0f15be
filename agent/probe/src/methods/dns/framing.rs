//! Messages on a stream: each has its length before it, two bytes, big-endian (RFC 1035 §4.2.2, RFC 7858 §3.3). Pure; takes
//! any bytes.

/// Bytes of the length.
pub const LENGTH: usize = 2;
/// Longest message with its length, in bytes: more than this never has to be kept.
pub const LONGEST: usize = LENGTH + u16::MAX as usize;

/// What the bytes that have come of a stream begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framed<'a> {
    /// A message, empty or not.
    Whole {
        /// The message.
        message: &'a [u8],
        /// Bytes to be dropped before the next one: those of the message and its length.
        used: usize,
    },
    /// The beginning of one.
    Partial {
        /// Bytes that are certain to be missing: reading so many never reaches into the next message.
        missing: usize,
        /// Length of the message in bytes, once that is known.
        announced: Option<usize>,
    },
}

/// The first message of `come`, or what is missing of it.
pub fn next(come: &[u8]) -> Framed<'_> {
    let Some((length, rest)) = come.split_first_chunk::<LENGTH>() else {
        return Framed::Partial {
            missing: LENGTH - come.len(),
            announced: None,
        };
    };
    let whole = usize::from(u16::from_be_bytes(*length));
    match rest.get(..whole) {
        Some(message) => Framed::Whole {
            message,
            used: LENGTH + whole,
        },
        None => Framed::Partial {
            missing: whole - rest.len(),
            announced: Some(whole),
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_whole_when_its_announced_bytes_have_come() {
        let partial = |missing, announced| Framed::Partial { missing, announced };
        let whole = |message, used| Framed::Whole { message, used };
        for (come, found) in [
            (&b""[..], partial(2, None)),
            (b"\0", partial(1, None)),
            (b"\0\x03", partial(3, Some(3))),
            (b"\0\x03ab", partial(1, Some(3))),
            (b"\0\x03abc", whole(b"abc", 5)),
            (b"\0\x03abc\0", whole(b"abc", 5)),
            (b"\0\0", whole(b"", 2)),
            (b"\xff\xff", partial(65_535, Some(65_535))),
        ] {
            assert_eq!(next(come), found, "{come:?}");
        }
    }

    proptest! {
        #[test]
        fn messages_come_out_as_they_went_in_however_they_are_cut(
            messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 0..6),
            most in 1..50_usize,
        ) {
            let mut line = Vec::new();
            for message in &messages {
                line.extend_from_slice(&u16::try_from(message.len()).unwrap().to_be_bytes());
                line.extend_from_slice(message);
            }
            let (mut come, mut found, mut line) = (Vec::new(), Vec::new(), line.as_slice());
            loop {
                prop_assert!(come.len() <= LONGEST);
                match next(&come) {
                    Framed::Whole { message, used } => {
                        found.push(message.to_vec());
                        come.drain(..used);
                        prop_assert!(come.is_empty(), "no read reached into the next message");
                    }
                    Framed::Partial { missing, .. } => {
                        prop_assert!(missing > 0);
                        let (part, rest) = line.split_at(missing.min(most).min(line.len()));
                        if part.is_empty() {
                            break;
                        }
                        come.extend_from_slice(part);
                        line = rest;
                    }
                }
            }
            prop_assert_eq!(found, messages);
        }
    }
}
