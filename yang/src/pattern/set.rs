//! Sets of characters.

/// Classes that have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// `\d`, `\p{Nd}`: ASCII digits.
    Digit,
    /// `\s`: space, tab, line feed, carriage return.
    Space,
    /// `\w`: neither punctuation nor separator nor control.
    Word,
    /// `\i`: first character of an XML name.
    NameStart,
    /// `\c`: character of an XML name.
    Name,
    /// `\p{L}`.
    Letter,
    /// `\p{Lu}`.
    Upper,
    /// `\p{Ll}`.
    Lower,
    /// `\p{N}`.
    Number,
    /// `\p{Z}`.
    Separator,
    /// `\p{C}`.
    Control,
    /// `\p{IsBasicLatin}`.
    Ascii,
}

impl Class {
    /// The class of that name in `\p{…}`.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "L" => Self::Letter,
            "Lu" => Self::Upper,
            "Ll" => Self::Lower,
            "N" => Self::Number,
            "Nd" => Self::Digit,
            "Z" => Self::Separator,
            "C" => Self::Control,
            "IsBasicLatin" => Self::Ascii,
            _ => return None,
        })
    }

    fn contains(self, character: char) -> bool {
        match self {
            Self::Digit => character.is_ascii_digit(),
            Self::Space => matches!(character, ' ' | '\t' | '\n' | '\r'),
            Self::Word if character.is_ascii() => {
                character.is_ascii_alphanumeric() || "$+<=>^`|~".contains(character)
            }
            Self::Word => !character.is_whitespace() && !character.is_control(),
            Self::NameStart => matches!(character, '_' | ':') || character.is_alphabetic(),
            Self::Name => {
                matches!(character, '_' | ':' | '-' | '.' | '\u{b7}') || character.is_alphanumeric()
            }
            Self::Letter => character.is_alphabetic(),
            Self::Upper => character.is_uppercase(),
            Self::Lower => character.is_lowercase(),
            Self::Number => character.is_numeric(),
            Self::Separator => character.is_whitespace() && !character.is_control(),
            Self::Control => character.is_control(),
            Self::Ascii => character.is_ascii(),
        }
    }
}

/// What a set is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// Characters from the first to the second.
    Range(char, char),
    /// A class, or all but it.
    Class(Class, bool),
}

/// A set of characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) items: Vec<Item>,
    pub(super) negated: bool,
    pub(super) without: Option<Box<Self>>,
}

impl Set {
    /// One character.
    pub(super) fn just(character: char) -> Self {
        Self::of(Item::Range(character, character))
    }

    /// One item.
    pub(super) fn of(item: Item) -> Self {
        Self {
            items: vec![item],
            ..Self::default()
        }
    }

    /// `.`: anything but ends of lines.
    pub(super) fn dot() -> Self {
        Self {
            items: vec![Item::Range('\n', '\n'), Item::Range('\r', '\r')],
            negated: true,
            without: None,
        }
    }

    /// Whether `character` is in it.
    pub(super) fn contains(&self, character: char) -> bool {
        let named = self.items.iter().any(|item| match *item {
            Item::Range(first, last) => (first..=last).contains(&character),
            Item::Class(class, negated) => class.contains(character) != negated,
        });
        named != self.negated
            && !self
                .without
                .as_ref()
                .is_some_and(|without| without.contains(character))
    }
}
