//! Reading outside documents: a cursor that always knows where it stands.

use serde_json::{Map, Value};
use std::fmt;

/// Why a document, or one member of it, is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {reason}")]
pub struct Refused {
    /// Path to the offending member, such as `instructions[3].timing.periodic.interval`.
    pub path: String,
    /// What is wrong, as a lower-case fragment.
    pub reason: String,
}

impl Refused {
    /// A refusal of the member at `path`.
    pub fn new(path: impl Into<String>, reason: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            reason: reason.into(),
        }
    }

    /// The same refusal seen from an enclosing document: `prefix` is put before the path.
    #[must_use]
    pub fn within(mut self, prefix: &str) -> Self {
        self.path = match (prefix.is_empty(), self.path.is_empty()) {
            (true, _) => self.path,
            (_, true) => prefix.to_owned(),
            _ => format!("{prefix}.{}", self.path),
        };
        self
    }
}

/// Parses `bytes` as one JSON document; depth is bounded by the parser (128 levels).
///
/// # Errors
/// [`Refused`] at `document` with line and column of the fault.
pub fn json(bytes: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(bytes).map_err(|error| Refused::new("document", error.to_string()))
}

/// A value and the path that leads to it.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    value: &'a Value,
    path: String,
}

impl<'a> Cursor<'a> {
    /// The whole document; member paths start with the member's name.
    pub fn root(value: &'a Value) -> Self {
        Self::at(value, "")
    }

    /// A value that stands at `path` of a larger document.
    pub fn at(value: &'a Value, path: impl Into<String>) -> Self {
        Self {
            value,
            path: path.into(),
        }
    }

    /// The path to this value; `document` for the root.
    pub fn path(&self) -> &str {
        if self.path.is_empty() {
            "document"
        } else {
            &self.path
        }
    }

    /// The value as it came.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// A refusal of this very value.
    pub fn refuse(&self, reason: impl fmt::Display) -> Refused {
        Refused::new(self.path(), reason.to_string())
    }

    /// The members of an object.
    pub fn object(&self) -> Result<Members<'a>, Refused> {
        match self.value {
            Value::Object(map) => Ok(Members {
                map,
                path: self.path.clone(),
            }),
            _ => Err(self.refuse("must be an object")),
        }
    }

    /// The elements of an array of at most `limit` elements.
    pub fn array(&self, limit: usize) -> Result<Vec<Cursor<'a>>, Refused> {
        let Value::Array(items) = self.value else {
            return Err(self.refuse("must be an array"));
        };
        if items.len() > limit {
            return Err(self.refuse(format_args!("must have at most {limit} elements")));
        }
        Ok(items
            .iter()
            .enumerate()
            .map(|(i, value)| Cursor::at(value, format!("{}[{i}]", self.path)))
            .collect())
    }

    /// A text of at most `limit` bytes without control characters.
    pub fn text(&self, limit: usize) -> Result<&'a str, Refused> {
        let Value::String(text) = self.value else {
            return Err(self.refuse("must be a string"));
        };
        if text.len() > limit {
            return Err(self.refuse(format_args!("must be at most {limit} bytes long")));
        }
        if text.chars().any(char::is_control) {
            return Err(self.refuse("must not contain control characters"));
        }
        Ok(text)
    }

    /// A whole number from `min` to `max`.
    pub fn integer(&self, min: i64, max: i64) -> Result<i64, Refused> {
        let Some(number) = self.value.as_i64() else {
            return Err(self.refuse("must be a whole number"));
        };
        if number < min {
            return Err(if min == 1 {
                self.refuse("must be > 0")
            } else {
                self.refuse(format_args!("must be >= {min}"))
            });
        }
        if number > max {
            return Err(self.refuse(format_args!("must be <= {max}")));
        }
        Ok(number)
    }

    /// A whole number that is not negative.
    pub fn unsigned(&self) -> Result<u64, Refused> {
        self.value
            .as_u64()
            .ok_or_else(|| self.refuse("must be a whole number >= 0"))
    }

    /// `true` or `false`.
    pub fn boolean(&self) -> Result<bool, Refused> {
        self.value
            .as_bool()
            .ok_or_else(|| self.refuse("must be true or false"))
    }
}

/// The members of an object, with the path to the object.
#[derive(Debug, Clone)]
pub struct Members<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Members<'a> {
    /// The object's own map.
    pub fn map(&self) -> &'a Map<String, Value> {
        self.map
    }

    /// A member that may be missing; `null` counts as missing.
    pub fn optional(&self, name: &str) -> Option<Cursor<'a>> {
        self.map
            .get(name)
            .filter(|value| !value.is_null())
            .map(|value| Cursor::at(value, self.path_of(name)))
    }

    /// A member that must be there.
    pub fn required(&self, name: &str) -> Result<Cursor<'a>, Refused> {
        self.optional(name)
            .ok_or_else(|| Refused::new(self.path_of(name), "is missing"))
    }

    /// Refuses any member not in `known`: used where a limit that is not understood must not be
    /// dropped.
    pub fn only(&self, known: &[&str]) -> Result<(), Refused> {
        match self.map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(Refused::new(
                self.path_of(&printable(key)),
                "is not known here",
            )),
            None => Ok(()),
        }
    }

    /// Path of the member `name`.
    pub fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }

    /// Checks `"schema": 2`; a missing member is refused too.
    pub fn schema(&self) -> Result<(), Refused> {
        let schema = self.required("schema")?;
        match schema.value().as_u64() {
            Some(number) if number == u64::from(crate::SCHEMA) => Ok(()),
            _ => Err(schema.refuse(format_args!("must be {}", crate::SCHEMA))),
        }
    }
}

/// `text` cut to 64 characters with control characters replaced, safe to be shown and logged.
pub fn printable(text: &str) -> String {
    text.chars()
        .take(64)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}
