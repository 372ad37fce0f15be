//! A client of ALTO servers, ours and other people's: everything but the network.
//!
//! ```text
//!  Walk ──▶ Directories ──▶ choice ──▶ Resource ─┬─▶ question (body of a POST)
//!  (follows sub-directories, bounded)            └─▶ reading (answer as rows)
//!  bytes ──▶ sse::Parser ──▶ Mirror ──▶ Happening (what changed), request (resumes by tag)
//! ```
//!
//! It knows the RFCs alone, nothing of our own names: what a resource is follows from its media types (RFC 7285 §9.2.2), and members
//! that are not known are ignored (§8.3.7). All input is foreign: no text is trusted to be short, no reader here panics, and what a
//! document takes in memory is bounded before it is read: short texts make large trees.

pub mod choice;
pub mod directory;
pub mod mirror;
pub mod question;
pub mod reading;
pub mod sse;
#[cfg(test)]
mod tests;

pub use glimpse_alto::media;
use serde_json::{Map, Value};
use std::fmt;

/// Why a document could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// A member is missing or has another type.
    #[error("its member {0} is missing or has another type than RFC 7285 says")]
    Member(&'static str),
    /// It has more members and elements than are taken.
    #[error("it would take more than {0} bytes of memory")]
    Heavy(usize),
}

/// What documents may take in memory (see [`weight`]) where texts may have `bytes`: more than maps of whole countries need, and far less
/// than what a text of that length can be made to take.
pub const fn heaviest(bytes: usize) -> usize {
    bytes.saturating_mul(8)
}

/// Bytes that the tree of a JSON text takes in memory at most, as if what is in strings counted too: one object with a single member
/// takes a whole node of its map.
pub fn weight(text: &[u8]) -> usize {
    let node = |byte: &u8| match byte {
        b',' => 96,
        b'[' => 160,
        b'{' => 768,
        _ => 1,
    };
    text.iter().map(node).sum()
}

/// A version tag (RFC 7285 §10.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct VersionTag {
    /// Of which resource.
    pub resource_id: String,
    /// The version.
    pub tag: String,
}

impl VersionTag {
    fn of(value: &Value) -> Option<Self> {
        let text = |name| Some(value.get(name)?.as_str()?.to_owned());
        Some(Self {
            resource_id: text("resource-id")?,
            tag: text("tag")?,
        })
    }
}

/// What `meta` of a document tells about versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// Its own version, where it has one.
    pub own: Option<VersionTag>,
    /// The versions of the resources it was made from.
    pub dependencies: Vec<VersionTag>,
}

impl Versions {
    /// The versions in a document; unreadable ones are none.
    pub fn of(document: &Value) -> Self {
        let meta = document.get("meta");
        let dependencies = meta
            .and_then(|meta| meta.get("dependent-vtags"))
            .and_then(Value::as_array);
        Self {
            own: meta
                .and_then(|meta| meta.get("vtag"))
                .and_then(VersionTag::of),
            dependencies: dependencies
                .into_iter()
                .flatten()
                .filter_map(VersionTag::of)
                .collect(),
        }
    }
}

/// An error object (RFC 7285 §8.5.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The code, registered or not.
    pub code: String,
    /// The member that is wrong.
    pub field: Option<String>,
    /// Its value.
    pub value: Option<String>,
    /// Where the body is no JSON.
    pub syntax_error: Option<String>,
}

impl Refused {
    /// The error object in a body, if it is one.
    pub fn of(body: &[u8]) -> Option<Self> {
        let document: Value = serde_json::from_slice(body).ok()?;
        let meta = document.get("meta")?;
        let text = |name| match meta.get(name)? {
            Value::String(text) => Some(text.clone()),
            // RFC 8895 §6.6 sends a list of ids where RFC 7285 has a string.
            other => Some(other.to_string()),
        };
        Some(Self {
            code: meta.get("code")?.as_str()?.to_owned(),
            field: text("field"),
            value: text("value"),
            syntax_error: text("syntax-error"),
        })
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let meaning = match self.code.as_str() {
            "E_SYNTAX" => "the question is no JSON",
            "E_MISSING_FIELD" => "a member is missing",
            "E_INVALID_FIELD_TYPE" => "a member has the wrong type",
            "E_INVALID_FIELD_VALUE" => "a value is not allowed",
            _ => "a code of the server's own",
        };
        write!(f, "{} ({meaning})", printable(&self.code))?;
        if let Some(field) = &self.field {
            write!(f, ", member {}", printable(field))?;
        }
        if let Some(value) = &self.value {
            write!(f, ", value {:?}", printable(value))?;
        }
        if let Some(text) = &self.syntax_error {
            write!(f, ": {}", printable(text))?;
        }
        Ok(())
    }
}

/// Characters of a foreign text that are shown.
const SHOWN: usize = 200;

/// Whether a terminal may obey the character instead of showing it: control characters, line ends, and what turns the direction of
/// writing.
pub fn is_unprintable(c: char) -> bool {
    let turns = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

/// A foreign text as it may be shown on a terminal: no [unprintable](is_unprintable) characters, not too long.
pub fn printable(text: &str) -> String {
    let clean = |c| if is_unprintable(c) { '\u{fffd}' } else { c };
    let mut shown: String = text.chars().take(SHOWN).map(clean).collect();
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    shown
}

/// Reads a text whose tree takes at most `most` bytes.
fn json(bytes: &[u8], most: usize) -> Result<Value, DocumentError> {
    if weight(bytes) > most {
        return Err(DocumentError::Heavy(most));
    }
    serde_json::from_slice(bytes).map_err(|error| DocumentError::Json(error.to_string()))
}

fn object<'a>(
    document: &'a Value,
    name: &'static str,
) -> Result<&'a Map<String, Value>, DocumentError> {
    document
        .get(name)
        .and_then(Value::as_object)
        .ok_or(DocumentError::Member(name))
}

/// The strings of an array; other elements are passed over.
fn strings(value: Option<&Value>) -> Vec<String> {
    value
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|element| Some(element.as_str()?.to_owned()))
        .collect()
}
