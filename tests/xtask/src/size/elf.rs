//! The little of the ELF format that tells a static program, of any width and order of bytes.

use anyhow::{Context, Result, bail, ensure};

const PT_INTERP: u64 = 3;

/// Whether a program names no dynamic linker.
pub(crate) fn is_static(program: &[u8]) -> Result<bool> {
    ensure!(program.starts_with(b"\x7fELF"), "no ELF file");
    let elf = Elf {
        bytes: program,
        big_endian: match number(program, 5, 1, false)? {
            1 => false,
            2 => true,
            other => bail!("an ELF file of byte order {other}"),
        },
    };
    let (table, entry, count) = match number(program, 4, 1, false)? {
        1 => (elf.at(0x1c, 4)?, elf.at(0x2a, 2)?, elf.at(0x2c, 2)?),
        2 => (elf.at(0x20, 8)?, elf.at(0x36, 2)?, elf.at(0x38, 2)?),
        other => bail!("an ELF file of class {other}"),
    };
    for i in 0..count {
        let place = i
            .checked_mul(entry)
            .and_then(|offset| offset.checked_add(table));
        if elf.at(place.context(CUT)?, 4)? == PT_INTERP {
            return Ok(false);
        }
    }
    Ok(true)
}

const CUT: &str = "the ELF file is cut short";

struct Elf<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Elf<'_> {
    fn at(&self, offset: u64, width: usize) -> Result<u64> {
        number(self.bytes, usize::try_from(offset)?, width, self.big_endian)
    }
}

fn number(bytes: &[u8], offset: usize, width: usize, big_endian: bool) -> Result<u64> {
    let digits = bytes
        .get(offset..)
        .and_then(|rest| rest.get(..width))
        .context(CUT)?;
    let fold = |value: u64, &digit: &u8| value << 8 | u64::from(digit);
    Ok(if big_endian {
        digits.iter().fold(0, fold)
    } else {
        digits.iter().rev().fold(0, fold)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn wide(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 64 + 56];
        bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
        bytes[0x20] = 64;
        bytes[0x36] = 56;
        bytes[0x38] = 1;
        bytes[64] = kind;
        bytes
    }

    /// As on big-endian MIPS.
    fn narrow(kind: u8) -> Vec<u8> {
        let mut bytes = vec![0; 52 + 32];
        bytes[..6].copy_from_slice(b"\x7fELF\x01\x02");
        bytes[0x1f] = 52;
        bytes[0x2b] = 32;
        bytes[0x2d] = 1;
        bytes[55] = kind;
        bytes
    }

    #[test]
    fn the_interpreter_tells() {
        for program in [wide, narrow] {
            assert!(is_static(&program(1)).unwrap());
            assert!(!is_static(&program(3)).unwrap());
            assert!(is_static(&program(1)[..55]).is_err());
        }
        assert!(is_static(b"#!/bin/sh").is_err());
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(
            is_static(&own).unwrap(),
            cfg!(target_feature = "crt-static")
        );
    }
}
