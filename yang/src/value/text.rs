//! Characters of strings, and `binary` (RFC 7950 §9.4, §9.8).

use super::Reject;

/// `yang-char` of RFC 7950 §14.
pub(super) const fn is_yang(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' => true,
        '\0'..='\u{1f}' => false,
        // Of each plane, the last two are no characters.
        other => {
            let code = other as u32;
            code & 0xfffe != 0xfffe && !(0xfdd0 <= code && code <= 0xfdef)
        }
    }
}

/// Base 64 without white space, and how many bytes it stands for.
pub(super) fn binary(text: &str) -> Result<(String, i128), Reject> {
    let wrong = || Reject::new("not base 64 (RFC 4648 §4) with its padding");
    let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let digits = packed.trim_end_matches('=');
    let padding = packed.len() - digits.len();
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    if !packed.len().is_multiple_of(4) || padding > 2 || !digits.bytes().all(known) {
        return Err(wrong());
    }
    let bytes = i128::try_from(packed.len() / 4 * 3 - padding).map_err(|_| wrong())?;
    Ok((packed, bytes))
}
