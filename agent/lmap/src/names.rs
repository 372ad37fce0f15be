//! Safe names from arbitrary ones. Names of RFC 8194 are any characters, `..` and `/` among them (its §5). They become ids of
//! records, and never names of files: results are filed by ids of their own.

use glimpse_model::id::{InstructionId, TaskId};
use std::fmt::Write as _;

/// 64 bits of FNV-1a; the same in every build, unlike the hash of the standard library.
pub(crate) fn digest64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// 128 bits of FNV-1a. No defence against somebody who looks for collisions, who could only confuse names of his own.
fn digest128(bytes: &[u8]) -> u128 {
    bytes
        .iter()
        .fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d, |hash, byte| {
            (hash ^ u128::from(*byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b)
        })
}

/// `name` with all but letters, digits and `-` written as `escape` and two hexadecimal digits; where that is longer than `limit`, its
/// head with a digest of the whole. Different names stay different.
fn safe(name: &str, escape: char, mark: char, limit: usize) -> String {
    let mut out = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "{escape}{byte:02x}");
        }
    }
    if out.len() > limit {
        // No shorter name contains the mark, so none is taken for a shortened one.
        out.truncate(limit.saturating_sub(33));
        let _ = write!(out, "{mark}{:032x}", digest128(name.as_bytes()));
    }
    out
}

/// The id under which records of a schedule run.
pub fn instruction_id(schedule: &str) -> Option<InstructionId> {
    InstructionId::new(&format!("lmap:{}", safe(schedule, '_', '@', 58))).ok()
}

/// The id under which records of an action run.
pub fn task_id(action: &str) -> Option<TaskId> {
    TaskId::new(&safe(action, '_', '@', 64)).ok()
}

/// Text as YANG's strings take it (RFC 7950 §9.4): control characters and what XML has no place for are replaced.
pub fn clean(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' | '\r' => c,
            c if c.is_control() => '\u{fffd}',
            c if (u32::from(c) & 0xfffe) == 0xfffe || ('\u{fdd0}'..='\u{fdef}').contains(&c) => {
                '\u{fffd}'
            }
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::sorted::SortedSet;

    #[test]
    fn lmap_check_68_hostile_names_become_distinct_safe_ids() {
        let long = "ü".repeat(300);
        let mut other = long.clone();
        other.replace_range(0..2, "ö");
        let names = [
            "../../etc/x",
            "..",
            ".",
            "a/b",
            "a%2fb",
            "a b",
            "a_20b",
            "-",
            "con",
            &long,
            &other,
            &format!("{long}x"),
        ];
        let ids: SortedSet<String> = names
            .iter()
            .map(|name| instruction_id(name).unwrap().as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), names.len());
        for id in &ids {
            assert!(id.len() <= 64 && id.starts_with("lmap:"), "{id}");
            assert!(
                id.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"-_@:".contains(&b)),
                "{id}"
            );
        }
        let ids: SortedSet<_> = names.iter().map(|name| task_id(name).unwrap()).collect();
        assert_eq!(ids.len(), names.len());
    }

    #[test]
    fn lmap_trap_21_two_long_names_do_not_meet_when_cut() {
        let head = "a".repeat(400);
        let (one, two) = (format!("{head}1"), format!("{head}2"));
        assert_ne!(instruction_id(&one), instruction_id(&two));
        assert_ne!(task_id(&one), task_id(&two));
        // Nor does a short name look like the shortened form of a long one.
        let cut = task_id(&one).unwrap();
        assert_ne!(Some(&cut), task_id(cut.as_str()).as_ref());
    }
}
