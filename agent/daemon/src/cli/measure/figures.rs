//! The members of an outcome, any of which may be missing or null. Much of their text was written by strangers: none of it
//! reaches a terminal but through [`plain`].

use serde_json::{Map, Value};

/// Characters of a text that are shown.
const TEXT_LIMIT: usize = 256;

/// The members of an object.
#[derive(Clone, Copy)]
pub(super) struct Figures<'a>(&'a Map<String, Value>);

impl<'a> Figures<'a> {
    pub(super) fn new(members: &'a Map<String, Value>) -> Self {
        Self(members)
    }

    pub(super) fn has(self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub(super) fn value(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Made harmless; `None` if it is empty.
    pub(super) fn text(self, name: &str) -> Option<String> {
        text_of(self.value(name)?)
    }

    pub(super) fn number(self, name: &str) -> Option<f64> {
        self.value(name)?.as_f64()
    }

    pub(super) fn whole(self, name: &str) -> Option<u64> {
        self.value(name)?.as_u64()
    }

    pub(super) fn is(self, name: &str) -> bool {
        self.value(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(super) fn list(self, name: &str) -> &'a [Value] {
        let list = self.value(name).and_then(Value::as_array);
        list.map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn inner(self, name: &str) -> Option<Self> {
        self.value(name)?.as_object().map(Self)
    }

    /// The objects of a list.
    pub(super) fn each(self, name: &str) -> impl Iterator<Item = Self> + use<'a> {
        self.list(name)
            .iter()
            .filter_map(Value::as_object)
            .map(Self)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// A text made harmless; `None` if it is none or empty.
pub(super) fn text_of(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| !text.is_empty())?;
    Some(plain(text, TEXT_LIMIT))
}

/// `text` cut to `limit` characters, with those replaced that would move the cursor, change colours or the direction of
/// writing, or hide something.
pub(in crate::cli) fn plain(text: &str, limit: usize) -> String {
    let mut plain: String = text
        .chars()
        .take(limit)
        .map(|c| if is_unseen(c) { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(limit).is_some() {
        plain.push('…');
    }
    plain
}

fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_cannot_steer_a_terminal() {
        assert_eq!(
            plain("a\u{1b}[2Jb\r\nc\u{9b}31m\u{202e}d\u{7f}ü", 64),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}c\u{fffd}31m\u{fffd}d\u{fffd}ü"
        );
        assert_eq!(plain("abcd", 4), "abcd");
        assert_eq!(plain("abcde", 4), "abcd…");
    }
}
