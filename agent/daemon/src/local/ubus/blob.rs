//! Blobs: attributes of the bus, and the named, typed ones of which documents are made (blobmsg).
//!
//! ```text
//!  blob     u32: extended (1) | id (7) | length (24, with these 4 bytes, without padding) ; payload ; padding to 4
//!  blobmsg  the same with the extended bit and the type as id ; u16 name length ; name ; NUL ; padding to 4 ; value
//! ```
//! All integers are big-endian. Documents are read into JSON and written from it: integers that fit into 32 bits travel as
//! such, longer ones as 64 bits, truth values as 8 bits. Depth and number of the values read are bounded.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub use read::{Attribute, Attributes, Field, Fields, attributes, fields, to_json};
pub use write::Writer;

/// Bytes before the payload of an attribute.
pub const HEAD: usize = 4;
/// Deepest nesting of a document that is read or written.
pub const MAX_DEPTH: usize = 32;
/// Most values of a document that is read.
pub const MAX_VALUES: usize = 32_768;

/// The extended bit of an attribute's head.
const EXTENDED: u32 = 1 << 31;
/// The bits of its length.
pub(super) const LENGTH: u32 = (1 << 24) - 1;

/// The types of named values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing: `null`.
    Null = 0,
    /// An array: values with empty names.
    Array = 1,
    /// A table: values with names.
    Table = 2,
    /// A text that ends with NUL.
    Text = 3,
    /// An integer of 64 bits.
    Int64 = 4,
    /// An integer of 32 bits.
    Int32 = 5,
    /// An integer of 16 bits.
    Int16 = 6,
    /// A truth value, in 8 bits.
    Bool = 7,
    /// A number of double precision.
    Double = 8,
}

impl Kind {
    /// The type of that code.
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Null,
            1 => Self::Array,
            2 => Self::Table,
            3 => Self::Text,
            4 => Self::Int64,
            5 => Self::Int32,
            6 => Self::Int16,
            7 => Self::Bool,
            8 => Self::Double,
            _ => return None,
        })
    }

    /// Its code.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// Why bytes are no blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// An attribute is longer than what holds it, or shorter than its own head.
    #[error("an attribute does not end where what holds it does")]
    Length,
    /// A named value has no name, or one that does not end.
    #[error("a value has no proper name")]
    Name,
    /// A value whose bytes are not of its type.
    #[error("a value does not have the size of its type")]
    Value,
    /// A type that nobody knows.
    #[error("a value has an unknown type")]
    Type,
    /// Too deep, or too many values.
    #[error("a document has more than 32768 values, or more than 32 levels of them")]
    Excess,
    /// A message of another version of the protocol.
    #[error("a message is of another version of the protocol")]
    Version,
    /// A message of more than 1 MiB.
    #[error("a message is longer than 1 MiB")]
    TooLong,
}

/// `length` with its padding.
pub(super) fn padded(length: usize) -> usize {
    length.next_multiple_of(4)
}
