//! Several inputs in one: each with its length before it, in two bytes, most significant first.

/// The pieces of `bytes`; the last may be shorter than it says.
pub fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let length = usize::from(u16::from_be_bytes(*length)).min(after.len());
        let (piece, after) = after.split_at(length);
        rest = after;
        Some(piece)
    })
}

/// The bytes of which [`split`] makes these pieces; of a piece, at most 65 535 bytes.
pub fn joined<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in pieces {
        let length = u16::try_from(piece.len()).unwrap_or(u16::MAX);
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&piece[..length.into()]);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_taken_apart_as_they_were_put_together() {
        let pieces: [&[u8]; 3] = [b"one", b"", &[7; 300]];
        let bytes = joined(pieces);
        assert_eq!(split(&bytes).collect::<Vec<_>>(), pieces);
        assert_eq!(split(&bytes[..4]).collect::<Vec<_>>(), [b"on"], "cut short");
        assert_eq!(split(&[0]).count(), 0);
    }
}
