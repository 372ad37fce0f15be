//! Names of PIDs and resources (RFC 7285 §10.1, §10.2).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};
use thiserror::Error;

/// Why a text is no PID name and no resource id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameError {
    /// Empty, or longer than 64 characters.
    #[error("name must have 1 to 64 characters, got {0}")]
    Length(usize),
    /// Only ASCII letters, digits, `-`, `:`, `@` and `_` are free; the dot is reserved.
    #[error("character {0:?} is not allowed in a name")]
    Character(char),
}

const LONGEST: usize = 64;

fn checked(text: &str) -> Result<Arc<str>, NameError> {
    if let Some(bad) = text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | ':' | '@' | '_'))
    {
        return Err(NameError::Character(bad));
    }
    if (1..=LONGEST).contains(&text.len()) {
        Ok(text.into())
    } else {
        Err(NameError::Length(text.len()))
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes a text that has the syntax of such a name.
            pub fn new(text: &str) -> Result<Self, NameError> {
                checked(text).map(Self)
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
    };
}

name! {
    /// Name of a provider-defined identifier, a group of endpoints.
    PidName
}

name! {
    /// Id of an information resource. It stays the same while the data changes.
    ResourceId
}

impl PidName {
    /// `TOTAL`: as a source or destination of costs, all measurements of that side; as a group of
    /// addresses, the rest of the world.
    pub fn total() -> Self {
        Self("TOTAL".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_64_characters_at_most_and_no_dot() {
        let longest = "x".repeat(64);
        for good in ["as3320:de-by", "MSMNT-CL1", "a@b_c", longest.as_str()] {
            assert_eq!(
                PidName::new(good).map(|n| n.to_string()),
                Ok(good.to_owned())
            );
        }
        assert_eq!(PidName::new("nm.pid"), Err(NameError::Character('.')));
        assert_eq!(ResourceId::new(""), Err(NameError::Length(0)));
        assert_eq!(ResourceId::new(&"x".repeat(65)), Err(NameError::Length(65)));
        for bad in ["a b", "é", "a\0", "a/b", "\u{ff41}"] {
            assert!(
                matches!(PidName::new(bad), Err(NameError::Character(_))),
                "{bad}"
            );
        }
    }
}
