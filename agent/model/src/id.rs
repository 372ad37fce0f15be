//! Identifiers, each a type of its own.

use crate::read::{Cursor, Refused};
use crate::time::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt;

/// Longest identifier accepted, in bytes.
pub const MAX_LEN: usize = 64;

fn checked(text: &str) -> Result<Box<str>, &'static str> {
    if text.is_empty() {
        return Err("must not be empty");
    }
    if text.len() > MAX_LEN {
        return Err("must be at most 64 bytes long");
    }
    if !text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"-_.:@".contains(&b))
    {
        return Err("must consist of letters, digits and - _ . : @");
    }
    Ok(text.into())
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(transparent)]
        pub struct $name(
            #[cfg_attr(feature = "schema", schemars(regex(pattern = r"^[A-Za-z0-9._:@-]{1,64}$")))]
            Box<str>,
        );

        impl $name {
            /// Checks `text`: 1 to 64 bytes of letters, digits and `- _ . : @`.
            ///
            /// # Errors
            /// The rule that is broken, as a lower-case fragment.
            pub fn new(text: &str) -> Result<Self, &'static str> {
                checked(text).map(Self)
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Reads a string, or a whole number as the original's documents have it.
            pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
                let text = match cursor.value() {
                    Value::String(text) => Self::new(text),
                    Value::Number(number) if number.is_u64() => Self::new(&number.to_string()),
                    _ => Err("must be a string or a whole number"),
                };
                text.map_err(|reason| cursor.refuse(reason))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// An agent, as the controller's certificate names it.
    AgentId
}
text_id! {
    /// An instruction of an instruction set.
    InstructionId
}
text_id! {
    /// A task within an instruction.
    TaskId
}

/// A result: a UUID of version 7 (RFC 9562 §5.7) made on the agent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResultId([u8; 16]);

impl ResultId {
    /// The id of a result made at `now`; `random` fills the 74 free bits.
    pub fn from_parts(now: Timestamp, random: [u8; 10]) -> Self {
        let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
        Self(
            uuid::Builder::from_unix_timestamp_millis(millis, &random)
                .into_uuid()
                .into_bytes(),
        )
    }

    /// The 16 bytes, most significant first.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// An id from its 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Reads the usual text form with hyphens, either case.
    ///
    /// # Errors
    /// A lower-case fragment when `text` is no UUID.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() != 36 {
            return Err("must be a UUID");
        }
        uuid::Uuid::try_parse(text)
            .map(|id| Self(id.into_bytes()))
            .map_err(|_| "must be a UUID")
    }

    /// Reads a UUID string.
    pub fn read(cursor: &Cursor<'_>) -> Result<Self, Refused> {
        let text = cursor.text(36)?;
        Self::parse(text).map_err(|reason| cursor.refuse(reason))
    }
}

impl fmt::Display for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        uuid::Uuid::from_bytes(self.0).as_hyphenated().fmt(f)
    }
}

impl fmt::Debug for ResultId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ResultId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for ResultId {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ResultId".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "format": "uuid"})
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_ids_are_bounded() {
        assert!(AgentId::new("home-1").is_ok());
        for bad in ["", "a b", "a\0b", "ü", &"x".repeat(65)] {
            assert!(AgentId::new(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn numbers_of_the_original_are_accepted() {
        let value = serde_json::json!(1043);
        let id = InstructionId::read(&Cursor::at(&value, "id")).unwrap();
        assert_eq!(id.as_str(), "1043");
    }

    #[test]
    fn result_ids_order_by_time_and_read_back() {
        let at = |ms: i64| ResultId::from_parts(Timestamp::from_micros(ms * 1000), [7; 10]);
        assert!(at(1) < at(2));
        let text = at(1_700_000_000_000).to_string();
        assert_eq!(&text[14..15], "7", "version 7: {text}");
        assert_eq!(ResultId::parse(&text).unwrap(), at(1_700_000_000_000));
        assert!(ResultId::parse("018bcfe56800700707070707070707").is_err());
    }
}
