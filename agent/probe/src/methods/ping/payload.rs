//! What the packets hold: random text, so that an answer can be told from a forged one.

/// How the text ends where there is room, so that whoever finds the packets on the wire can find us.
const SUFFIX: &[u8] = b" measure-it.net";
/// Bytes at the beginning of each payload by which it is recognised.
pub(super) const TOKEN_LENGTH: usize = 8;
const LETTERS: &[u8; 62] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// Fills `out` with the payload of packet `index`: `length` bytes, a function of the seed.
pub(super) fn write(seed: u64, index: u32, length: usize, out: &mut Vec<u8>) {
    out.clear();
    let suffix = if length > SUFFIX.len() { SUFFIX } else { &[] };
    let mut state = seed ^ (u64::from(index) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while out.len() < length - suffix.len() {
        state = mix(state);
        let letter = (state >> 32) % LETTERS.len() as u64;
        out.push(LETTERS[usize::try_from(letter).unwrap_or_default()]);
    }
    out.extend_from_slice(suffix);
}

/// An identifier of the run.
pub(super) fn identifier(seed: u64) -> u16 {
    u16::try_from(mix(!seed) >> 48).unwrap_or_default()
}

/// Whether the text has the form of our payloads.
pub fn is_ours(text: &[u8]) -> bool {
    text.ends_with(SUFFIX)
}

/// One step of `splitmix64`.
fn mix(state: u64) -> u64 {
    let mut z = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(seed: u64, index: u32, length: usize) -> Vec<u8> {
        let mut out = vec![9; 3];
        write(seed, index, length, &mut out);
        out
    }

    #[test]
    fn the_text_has_its_length_and_its_end() {
        for length in 0..200 {
            let text = text(7, 0, length);
            assert_eq!(text.len(), length);
            assert!(text.is_ascii());
            assert_eq!(is_ours(&text), length > SUFFIX.len());
        }
        assert!(text(7, 0, 74).ends_with(b" measure-it.net"));
    }

    #[test]
    fn packets_and_runs_differ_and_a_seed_repeats() {
        let mut seen: Vec<Vec<u8>> = (0..1000)
            .map(|index| text(1, index, TOKEN_LENGTH))
            .collect();
        seen.extend((0..1000).map(|index| text(2, index, TOKEN_LENGTH)));
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 2000);
        assert_eq!(text(1, 5, 74), text(1, 5, 74));
    }
}
