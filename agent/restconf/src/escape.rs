//! Characters that JSON, XML and URIs keep for themselves.

use std::fmt::Write;

/// A JSON string with its quotes (RFC 8259 §7).
pub(crate) fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Text of an XML element or of an attribute in either kind of quotes. What XML 1.0 cannot hold becomes U+FFFD.
pub(crate) fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\r' => out.push_str("&#13;"),
            '\n' | '\t' => out.push(character),
            control if control < ' ' || matches!(control, '\u{fffe}' | '\u{ffff}') => {
                out.push('\u{fffd}');
            }
            other => out.push(other),
        }
    }
    out
}

/// One value in a URI's path: all but RFC 3986's unreserved characters percent-encoded, the comma among them (RFC 8040
/// §3.5.3).
pub(crate) fn percent(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Undoes percent-encoding, once. `None` for a `%` without two hexadecimal digits, for what is not UTF-8, and for control
/// characters, which no YANG string holds but tab, line feed and return (RFC 7950 §9.4).
pub(crate) fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        if *byte == b'%' {
            let digit = |offset: usize| {
                let digit = char::from(*bytes.get(at + offset)?).to_digit(16)?;
                u8::try_from(digit).ok()
            };
            out.push(digit(1)? << 4 | digit(2)?);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    let text = String::from_utf8(out).ok()?;
    let clean = text
        .chars()
        .all(|character| character >= ' ' || matches!(character, '\t' | '\n' | '\r'));
    clean.then_some(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn decoding_happens_once() {
        assert_eq!(decode("a%252Fb").as_deref(), Some("a%2Fb"));
        assert_eq!(decode("a%2fb%2C").as_deref(), Some("a/b,"));
        for broken in ["%", "%2", "%zz", "%ff", "%c3%28", "%00", "a%1b"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    #[test]
    fn reserved_characters_are_escaped() {
        assert_eq!(json("a\"\\\u{1}\n"), r#""a\"\\\u0001\n""#);
        assert_eq!(xml("<a b='\"&\u{1}"), "&lt;a b=&apos;&quot;&amp;\u{fffd}");
    }

    proptest! {
        #[test]
        fn encoding_comes_back(text in "\\PC{0,30}") {
            prop_assert_eq!(decode(&percent(&text)), Some(text));
        }

        #[test]
        fn no_text_breaks_decoding(text in any::<String>()) {
            let _ = decode(&text);
        }
    }
}
