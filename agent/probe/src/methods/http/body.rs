//! Bodies of HTTP/1 responses: where the content is and where it ends (RFC 9112 §6–7). Pure; bytes are looked at in place,
//! content is never copied here.

use super::head::Framing;

/// Longest line of a chunk's size, and all trailer fields together, in bytes.
const LINE_LIMIT: u32 = 4096;

/// Why the bytes are not the body that the head announced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The connection ended too early.
    #[error("the server closed after {received} of {announced} bytes of content")]
    Short {
        /// Bytes of content that came.
        received: u64,
        /// Bytes that were announced.
        announced: u64,
    },
    /// The connection ended within a chunked body.
    #[error("the server closed within the content, after {0} bytes")]
    Cut(u64),
    /// A chunk's frame is malformed.
    #[error("the answer's chunks are malformed")]
    Chunk,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of content follow.
    Content(u64),
    /// Content until the connection ends.
    Close,
    /// In the line of a chunk's size.
    Size {
        value: u64,
        digits: u32,
        extension: u32,
    },
    /// So many bytes of this chunk follow.
    Chunk(u64),
    /// In the line end behind a chunk.
    ChunkEnd,
    /// In the trailer: bytes of this line, bytes of all.
    Trailer {
        line: u32,
        all: u32,
    },
    Done,
}

const SIZE: State = State::Size {
    value: 0,
    digits: 0,
    extension: 0,
};

/// A body being received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Body {
    state: State,
    received: u64,
    announced: Option<u64>,
}

impl Body {
    /// A body that is framed as its head says.
    pub const fn new(framing: Framing) -> Self {
        let (state, announced) = match framing {
            Framing::Length(0) => (State::Done, Some(0)),
            Framing::Length(length) => (State::Content(length), Some(length)),
            Framing::Chunked => (SIZE, None),
            Framing::Close => (State::Close, None),
        };
        Self {
            state,
            received: 0,
            announced,
        }
    }

    /// Whether its end has come.
    pub const fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// Bytes of content so far.
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Takes what came next; `content` sees the content among it. Returns how many bytes belong to the body: less than all
    /// only when it is done.
    pub fn take(
        &mut self,
        bytes: &[u8],
        mut content: impl FnMut(&[u8]),
    ) -> Result<usize, BodyError> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Done => break,
                State::Close => {
                    at += self.content(&bytes[at..], u64::MAX, &mut content);
                }
                State::Content(left) | State::Chunk(left) => {
                    let taken = self.content(&bytes[at..], left, &mut content);
                    at += taken;
                    let left = left - taken as u64;
                    self.state = match (self.state, left) {
                        (State::Content(_), 0) => State::Done,
                        (State::Content(_), left) => State::Content(left),
                        (_, 0) => State::ChunkEnd,
                        (_, left) => State::Chunk(left),
                    };
                }
                frame => {
                    self.state = step(frame, byte).ok_or(BodyError::Chunk)?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    /// How many bytes of content are sure to come next, should the connection last: they need not be looked at.
    pub const fn sure(&self) -> u64 {
        match self.state {
            State::Content(left) | State::Chunk(left) => left,
            State::Close => u64::MAX,
            State::Size { .. } | State::ChunkEnd | State::Trailer { .. } | State::Done => 0,
        }
    }

    /// So many of them, at most [`Self::sure`], came and were not looked at.
    pub fn passed(&mut self, bytes: u64) {
        self.received = self.received.saturating_add(bytes);
        self.state = match self.state {
            State::Content(left) if bytes >= left => State::Done,
            State::Content(left) => State::Content(left - bytes),
            State::Chunk(left) if bytes >= left => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - bytes),
            other => other,
        };
    }

    fn content(&mut self, bytes: &[u8], left: u64, content: &mut impl FnMut(&[u8])) -> usize {
        let taken = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.received = self.received.saturating_add(taken as u64);
        content(&bytes[..taken]);
        taken
    }

    /// The connection has ended.
    pub fn closed(&self) -> Result<(), BodyError> {
        match (self.state, self.announced) {
            (State::Done | State::Close, _) => Ok(()),
            (_, Some(announced)) => Err(BodyError::Short {
                received: self.received,
                announced,
            }),
            (_, None) => Err(BodyError::Cut(self.received)),
        }
    }
}

/// One byte of a chunk's frame.
fn step(state: State, byte: u8) -> Option<State> {
    Some(match (state, byte) {
        (State::Size { value, digits, .. }, b'\n') if digits > 0 => match value {
            0 => State::Trailer { line: 0, all: 0 },
            value => State::Chunk(value),
        },
        (
            State::Size {
                value,
                digits,
                extension: 0,
            },
            byte,
        ) if byte.is_ascii_hexdigit() => {
            let digit = char::from(byte).to_digit(16)?;
            State::Size {
                value: value.checked_mul(16)?.checked_add(u64::from(digit))?,
                // Zeros could lead for ever.
                digits: Some(digits + 1).filter(|&digits| digits <= LINE_LIMIT)?,
                extension: 0,
            }
        }
        (
            State::Size {
                value,
                digits,
                extension,
            },
            b'\r' | b' ' | b'\t' | b';',
        ) if digits > 0 => State::Size {
            value,
            digits,
            extension: Some(extension + 1).filter(|&length| length <= LINE_LIMIT)?,
        },
        (
            State::Size {
                value,
                digits,
                extension,
            },
            _,
        ) if extension > 0 => State::Size {
            value,
            digits,
            extension: Some(extension + 1).filter(|&length| length <= LINE_LIMIT)?,
        },
        (State::ChunkEnd, b'\r') => State::ChunkEnd,
        (State::ChunkEnd, b'\n') => SIZE,
        (State::Trailer { line: 0, .. }, b'\n') => State::Done,
        (State::Trailer { line, all }, byte) => State::Trailer {
            line: match byte {
                b'\n' => 0,
                b'\r' => line,
                _ => line + 1,
            },
            all: Some(all + 1).filter(|&length| length <= LINE_LIMIT)?,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use proptest::prelude::*;

    use super::*;

    /// Feeds `bytes` in parts of `step` and returns the content and how many bytes were the body's.
    fn read(
        framing: Framing,
        bytes: &[u8],
        step: usize,
    ) -> Result<(Vec<u8>, usize, Body), BodyError> {
        let mut body = Body::new(framing);
        let (mut content, mut used) = (Vec::new(), 0);
        for part in bytes.chunks(step) {
            used += body.take(part, |bytes| content.extend_from_slice(bytes))?;
        }
        Ok((content, used, body))
    }

    #[test]
    fn each_framing_ends_where_it_says() {
        let chunked = b"5;a=b\r\nhello\r\n0006 \r\n world\r\n0\r\nX: y\r\n\r\nHTTP/1.1";
        for step in 1..chunked.len() {
            let (content, used, body) = read(Framing::Chunked, chunked, step).unwrap();
            assert_eq!(
                (content.as_slice(), body.is_done()),
                (&b"hello world"[..], true),
                "{step}"
            );
            assert_eq!(used, chunked.len() - 8);
            let (content, used, body) =
                read(Framing::Length(7), b"1234567HTTP", step.min(11)).unwrap();
            assert_eq!(
                (content.as_slice(), used, body.is_done()),
                (&b"1234567"[..], 7, true)
            );
        }
        let (content, _, body) = read(Framing::Close, b"abc", 2).unwrap();
        assert_eq!(
            (content.len(), body.is_done(), body.closed()),
            (3, false, Ok(()))
        );
        assert!(Body::new(Framing::Length(0)).is_done());
    }

    #[test]
    fn an_early_end_is_told_with_figures() {
        let (_, _, body) = read(Framing::Length(10), b"1234", 4).unwrap();
        assert_eq!(
            body.closed().unwrap_err().to_string(),
            "the server closed after 4 of 10 bytes of content"
        );
        let (_, _, body) = read(Framing::Chunked, b"5\r\nab", 9).unwrap();
        assert_eq!(body.closed(), Err(BodyError::Cut(2)));
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let long = format!("1;{}\r\n", "x".repeat(5000));
        let zeros = "0".repeat(5000);
        let trailer = format!("0\r\nX: {}\r\n", "x".repeat(5000));
        for text in [
            "x\r\n",
            "\r\n",
            "-1\r\n",
            "11111111111111111\r\n",
            "1\r\nab",
            &long,
            &zeros,
            &trailer,
        ] {
            assert_eq!(
                read(Framing::Chunked, text.as_bytes(), 100).map(|_| ()),
                Err(BodyError::Chunk),
                "{}",
                &text[..text.len().min(20)]
            );
        }
    }

    proptest! {
        #[test]
        fn content_may_pass_unseen(sizes in proptest::collection::vec(1..40_usize, 0..5), step in 1..50_usize, see in 1..50_usize) {
            let mut bytes = Vec::new();
            for size in &sizes {
                bytes.extend_from_slice(format!("{size:x}\r\n{}\r\n", "x".repeat(*size)).as_bytes());
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
            for (framing, bytes) in [(Framing::Chunked, &bytes[..]), (Framing::Length(30), &[b'x'; 30]), (Framing::Close, &[b'x'; 30])] {
                let mut body = Body::new(framing);
                let mut rest = bytes;
                while !rest.is_empty() {
                    let unseen = usize::try_from(body.sure()).unwrap_or(usize::MAX).min(step).min(rest.len());
                    body.passed(unseen as u64);
                    rest = &rest[unseen..];
                    let seen = rest.len().min(see);
                    prop_assert_eq!(body.take(&rest[..seen], |_| ()).unwrap(), seen);
                    rest = &rest[seen..];
                }
                let content = if framing == Framing::Chunked { sizes.iter().sum::<usize>() } else { 30 };
                prop_assert_eq!(body.received(), content as u64);
                prop_assert_eq!(body.is_done(), framing != Framing::Close);
            }
        }

        #[test]
        fn no_bytes_break_the_reader_and_parts_do_not_matter(
            bytes in proptest::collection::vec(prop::sample::select(b"0123aF;\r\n x\xff".to_vec()), 0..200),
            step in 1..50_usize,
        ) {
            for framing in [Framing::Chunked, Framing::Close, Framing::Length(50)] {
                let whole = read(framing, &bytes, usize::MAX).map(|(content, ..)| content);
                prop_assert_eq!(read(framing, &bytes, step).map(|(content, ..)| content), whole);
            }
        }
    }
}
