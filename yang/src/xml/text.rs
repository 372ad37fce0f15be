//! Characters and ends of lines.

/// Characters XML 1.0 allows.
pub(super) const fn is_allowed(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | '\u{20}'..='\u{fffd}' | '\u{10000}'..)
}

pub(super) fn is_name_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

pub(super) fn is_name(character: char) -> bool {
    is_name_start(character) || matches!(character, '-' | '.' | '\u{b7}') || character.is_numeric()
}

pub(super) fn push_text(text: &str, out: &mut String, attribute: bool) {
    if attribute {
        let plain = text.replace("\r\n", " ");
        out.push_str(&plain.replace(['\t', '\r', '\n'], " "));
    } else {
        push_lines(text, out);
    }
}

/// Ends of lines as XML 1.0 §2.11 has them.
pub(super) fn push_lines(text: &str, out: &mut String) {
    if text.contains('\r') {
        out.push_str(&text.replace("\r\n", "\n").replace('\r', "\n"));
    } else {
        out.push_str(text);
    }
}
