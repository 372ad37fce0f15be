//! YANG (RFC 7950) without an engine: a schema compiled to a table, and data trees over it.
//!
//! ```text
//! bytes -> json/xml -> Reader -> Tree -> edit, defaults, diff -> validate -> Writer -> bytes
//! ```
//!
//! Nothing here knows a particular module; what a tree may hold stands in the [`schema::Schema`] it is read against. Every value is
//! kept in its canonical form (RFC 7950 §9.1), so that equal values have equal texts. Foreign bytes meet parsers bounded in depth
//! and number of nodes that cannot panic; the caller bounds the number of bytes.

mod condition;
pub mod defaults;
pub mod diff;
pub mod draft;
pub mod edit;
pub mod error;
pub mod json;
mod nodes;
pub mod path;
pub mod pattern;
pub mod read;
#[cfg(test)]
mod sample;
pub mod schema;
#[allow(clippy::unreadable_literal, reason = "generated: numbers of rows")]
pub mod table;
pub mod tree;
pub mod validate;
pub mod value;
pub mod view;
pub mod write;
pub mod xml;

pub use error::{Error, Tag};
pub use nodes::Unknown;
pub use path::{DataPath, Segment, Select, Step};
pub use tree::{Any, Content, Instance, Part, Tree};
pub use value::{Form, Value};

/// The two encodings of data (RFC 7951; RFC 7950 for XML).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// `application/yang-data+json`.
    Json,
    /// `application/yang-data+xml`.
    Xml,
}

/// What a parser of foreign bytes may make of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Levels of nesting.
    pub depth: u16,
    /// Values, members, elements and attributes.
    pub nodes: u32,
}

impl Limits {
    /// What fits a large controller; small devices set less.
    pub const USUAL: Self = Self {
        depth: 64,
        nodes: 1_000_000,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::USUAL
    }
}

/// Counts what [`Limits::nodes`] bounds.
#[derive(Debug)]
struct Budget {
    left: u32,
}

impl Budget {
    const fn new(limits: Limits) -> Self {
        Self { left: limits.nodes }
    }

    fn take(&mut self) -> Result<(), Error> {
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| Error::new(Tag::TooBig, "the message has too many nodes: split it"))?;
        Ok(())
    }
}
