//! `gzip` without a name and a time: the same bytes for the same content on every machine.

use anyhow::{Context, Result};
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};
use std::io::Write;
use std::num::NonZeroU64;

/// Rounds in which zopfli looks for shorter codes: more cost time and bring a thousandth.
const ROUNDS: NonZeroU64 = NonZeroU64::MIN.saturating_add(4);

/// Below this many bytes three percent are not worth the time.
const WORTH_IT: usize = 256 << 10;

/// What `gzip -9n` makes.
pub(super) fn fast(content: &[u8]) -> Result<Vec<u8>> {
    let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
    deflate.write_all(content)?;
    Ok(wrap(&deflate.finish().context("deflate")?, content))
}

/// The same, for a large content three percent smaller and slow to make.
pub(super) fn small(content: &[u8]) -> Result<Vec<u8>> {
    if content.len() < WORTH_IT {
        return fast(content);
    }
    let options = zopfli::Options {
        iteration_count: ROUNDS,
        ..zopfli::Options::default()
    };
    let mut deflated = Vec::new();
    zopfli::compress(options, zopfli::Format::Deflate, content, &mut deflated).context("zopfli")?;
    Ok(wrap(&deflated, content))
}

fn wrap(deflated: &[u8], content: &[u8]) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(content);
    // RFC 1952: deflate, no flags, no time, strongest compression, Unix.
    let mut gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3];
    gzip.extend(deflated);
    gzip.extend(crc.sum().to_le_bytes());
    gzip.extend(crc.amount().to_le_bytes());
    gzip
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::read::GzDecoder;
    use std::io::Read;

    #[test]
    fn both_are_read_back_and_the_slow_one_is_smaller() {
        let mut state = 5_u32;
        let letters = (0..WORTH_IT).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"etaoin shrdlucme"[(state >> 28) as usize]
        });
        let content: Vec<u8> = letters.collect();
        let (fast, small) = (fast(&content).unwrap(), small(&content).unwrap());
        for gzip in [&fast, &small] {
            let mut read = Vec::new();
            GzDecoder::new(&gzip[..]).read_to_end(&mut read).unwrap();
            assert!(read == content);
            assert_eq!(gzip[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 3]);
        }
        assert!(small.len() < fast.len(), "{} {}", small.len(), fast.len());
    }
}
