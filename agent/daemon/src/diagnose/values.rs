//! What a step has seen, as members of a JSON object. What is not known is missing, and foreign texts are short and
//! without control characters.

use serde_json::{Map, Number, Value};
use std::fmt::Display;
use std::net::IpAddr;

/// Longest text, in characters.
const TEXT_LIMIT: usize = 200;

/// Members by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Values(pub Map<String, Value>);

impl Values {
    /// None.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a text, if it is known and not empty.
    #[must_use]
    pub fn text(mut self, name: &str, text: Option<impl Display>) -> Self {
        let clean = |text: String| -> String {
            text.chars()
                .take(TEXT_LIMIT)
                .map(|c| if c.is_control() { '\u{fffd}' } else { c })
                .collect()
        };
        let text = text.map(|text| clean(text.to_string()));
        self.put(name, text.filter(|text| !text.is_empty()));
        self
    }

    /// With a whole number, if it is known.
    #[must_use]
    pub fn number(mut self, name: &str, number: Option<impl Into<Number>>) -> Self {
        self.put(name, number.map(|number| Value::Number(number.into())));
        self
    }

    /// With a yes or no, if it is known.
    #[must_use]
    pub fn flag(mut self, name: &str, flag: Option<bool>) -> Self {
        self.put(name, flag);
        self
    }

    /// With all members of `other`.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn put(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.0.insert(name.to_owned(), value.into());
        }
    }
}

/// Something of each version of the Internet Protocol that the line has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families<T> {
    /// Of IPv4.
    pub ipv4: Option<T>,
    /// Of IPv6.
    pub ipv6: Option<T>,
}

impl<T> Default for Families<T> {
    fn default() -> Self {
        Self::none()
    }
}

impl<T> Families<T> {
    /// Neither.
    pub const fn none() -> Self {
        Self {
            ipv4: None,
            ipv6: None,
        }
    }

    /// Both, in their order.
    pub fn each(&self) -> [(Version, Option<&T>); 2] {
        [
            (Version::V4, self.ipv4.as_ref()),
            (Version::V6, self.ipv6.as_ref()),
        ]
    }

    /// Those that are there.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.ipv4.iter().chain(&self.ipv6)
    }

    /// Sets that of `version`.
    pub fn set(&mut self, version: Version, value: Option<T>) {
        match version {
            Version::V4 => self.ipv4 = value,
            Version::V6 => self.ipv6 = value,
        }
    }

    /// That of `version`.
    pub fn of(&self, version: Version) -> Option<&T> {
        match version {
            Version::V4 => self.ipv4.as_ref(),
            Version::V6 => self.ipv6.as_ref(),
        }
    }
}

/// A version of the Internet Protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Version {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The word in names of values, and in options of methods.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::V4 => "ipv4",
            Self::V6 => "ipv6",
        }
    }

    /// Whether `address` is of it.
    pub const fn fits(self, address: IpAddr) -> bool {
        address.is_ipv4() == matches!(self, Self::V4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_missing_and_texts_are_tame() {
        let long = format!("a\u{1b}[31m{}", "x".repeat(300));
        let values = Values::new()
            .text("location", Some(&long))
            .text("empty", Some(""))
            .text("none", None::<&str>)
            .number("count", Some(3_u32))
            .number("missing", None::<u32>)
            .flag("up", Some(false));
        let location = values.0["location"].as_str().unwrap_or_default();
        assert!(location.starts_with("a\u{fffd}[31mx") && location.chars().count() == TEXT_LIMIT);
        assert_eq!(values.0["count"], 3);
        assert_eq!(values.0["up"], false);
        assert_eq!(values.0.len(), 3);
    }
}
