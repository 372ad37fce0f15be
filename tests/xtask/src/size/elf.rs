//! The little of the ELF format that tells a static program.

use anyhow::{Context, Result, ensure};

const PT_INTERP: u32 = 3;

/// Whether a 64-bit little-endian program names no dynamic linker.
pub(super) fn is_static(program: &[u8]) -> Result<bool> {
    ensure!(
        program.starts_with(b"\x7fELF\x02\x01"),
        "no 64-bit little-endian ELF file"
    );
    let table = usize::try_from(u64::from_le_bytes(at(program, 0x20)?))?;
    let size = usize::from(u16::from_le_bytes(at(program, 0x36)?));
    let count = usize::from(u16::from_le_bytes(at(program, 0x38)?));
    for i in 0..count {
        if u32::from_le_bytes(at(program, table + i * size)?) == PT_INTERP {
            return Ok(false);
        }
    }
    Ok(true)
}

fn at<const N: usize>(program: &[u8], offset: usize) -> Result<[u8; N]> {
    program
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .context("the ELF file is cut short")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn program(kind: u32) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x20] = 64;
        bytes[0x36] = 56;
        bytes[0x38] = 1;
        bytes[64..68].copy_from_slice(&kind.to_le_bytes());
        bytes
    }

    #[test]
    fn the_interpreter_tells() {
        assert!(is_static(&program(1)).unwrap());
        assert!(!is_static(&program(PT_INTERP)).unwrap());
        assert!(is_static(&program(1)[..66]).is_err());
        assert!(is_static(b"#!/bin/sh").is_err());
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(
            is_static(&own).unwrap(),
            cfg!(target_feature = "crt-static")
        );
    }
}
