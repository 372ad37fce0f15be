//! A package of one file: `tar` (POSIX.1-1988 ustar) in `gzip`, the same bytes for the same file on every machine.

use anyhow::{Context, Result, ensure};
use flate2::{Compression, GzBuilder};
use std::io::Write;

const BLOCK: usize = 512;

/// The file at `path`, mode 0755, owned by root, dated 1970, as `tar.gz` of the strongest compression.
pub(super) fn tar_gz(path: &str, content: &[u8]) -> Result<Vec<u8>> {
    // Without a name and a time in the gzip header nothing depends on when and where it was made.
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(&header(path, content.len())?)?;
    gzip.write_all(content)?;
    let padding = content.len().next_multiple_of(BLOCK) - content.len();
    gzip.write_all(&vec![0; padding + 2 * BLOCK])?;
    gzip.finish().context("gzip")
}

fn header(path: &str, size: usize) -> Result<[u8; BLOCK]> {
    ensure!(path.len() < 100, "the path is too long for a tar header");
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, path.as_bytes());
    put(100, b"0000755\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum is taken with its own field full of blanks.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    put(265, b"root\0");
    put(297, b"root\0");
    let sum: u32 = block.iter().map(|&byte| u32::from(byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    Ok(block)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::process::Command;

    #[test]
    fn the_systems_tar_unpacks_it() {
        let content: Vec<u8> = (0..=255).cycle().take(100_001).collect();
        let folder = tempfile::tempdir().unwrap();
        let archive = folder.path().join("a.tar.gz");
        std::fs::write(&archive, tar_gz("usr/sbin/x", &content).unwrap()).unwrap();
        let unpacked = Command::new("tar")
            .arg("-xzf")
            .arg(&archive)
            .arg("-C")
            .arg(folder.path())
            .output()
            .unwrap();
        assert!(
            unpacked.status.success(),
            "{}",
            String::from_utf8_lossy(&unpacked.stderr)
        );
        assert_eq!(
            std::fs::read(folder.path().join("usr/sbin/x")).unwrap(),
            content
        );
    }

    #[test]
    fn twice_the_same() {
        assert_eq!(tar_gz("x", b"abc").unwrap(), tar_gz("x", b"abc").unwrap());
        assert!(tar_gz(&"x".repeat(100), b"").is_err());
    }
}
