//! Attributes and documents into bytes.

use super::{EXTENDED, HEAD, Kind, LENGTH, MAX_DEPTH, padded};
use serde_json::{Map, Value};

/// Writes attributes one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// An attribute of the bus.
    pub fn attribute(&mut self, id: u8, payload: &[u8]) {
        self.nest(u32::from(id & 0x7f) << 24, |inner| {
            inner.bytes.extend_from_slice(payload);
        });
    }

    /// An attribute of the bus that is a text.
    pub fn text_attribute(&mut self, id: u8, text: &str) {
        self.nest(u32::from(id & 0x7f) << 24, |inner| inner.terminated(text));
    }

    /// A table, of what `fill` writes.
    pub fn table(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.field(Kind::Table, name, fill);
    }

    /// An array, of what `fill` writes with empty names.
    pub fn array(&mut self, name: &str, fill: impl FnOnce(&mut Self)) {
        self.field(Kind::Array, name, fill);
    }

    /// A text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.field(Kind::Text, name, |inner| inner.terminated(text));
    }

    /// An integer of 32 bits, where it fits; of 64 bits otherwise.
    pub fn integer(&mut self, name: &str, value: i64) {
        match i32::try_from(value) {
            Ok(short) => self.plain(Kind::Int32, name, &short.to_be_bytes()),
            Err(_) => self.plain(Kind::Int64, name, &value.to_be_bytes()),
        }
    }

    /// A value of JSON; levels deeper than [`MAX_DEPTH`] become `null`.
    pub fn value(&mut self, name: &str, value: &Value) {
        self.nested(name, value, MAX_DEPTH);
    }

    /// The members of a document.
    pub fn members(&mut self, members: &Map<String, Value>) {
        for (name, value) in members {
            self.value(name, value);
        }
    }

    fn nested(&mut self, name: &str, value: &Value, depth: usize) {
        match (value, depth.checked_sub(1)) {
            (Value::Array(items), Some(depth)) => self.array(name, |inner| {
                for item in items {
                    inner.nested("", item, depth);
                }
            }),
            (Value::Object(members), Some(depth)) => self.table(name, |inner| {
                for (name, value) in members {
                    inner.nested(name, value, depth);
                }
            }),
            (Value::Array(_) | Value::Object(_), None) | (Value::Null, _) => {
                self.plain(Kind::Null, name, &[]);
            }
            (Value::Bool(flag), _) => self.plain(Kind::Bool, name, &[u8::from(*flag)]),
            (Value::String(text), _) => self.text(name, text),
            (Value::Number(number), _) => {
                if let Some(integer) = number.as_i64() {
                    self.integer(name, integer);
                } else {
                    let double = number.as_f64().unwrap_or_default();
                    self.plain(Kind::Double, name, &double.to_be_bytes());
                }
            }
        }
    }

    fn plain(&mut self, kind: Kind, name: &str, value: &[u8]) {
        self.field(kind, name, |inner| inner.bytes.extend_from_slice(value));
    }

    fn field(&mut self, kind: Kind, name: &str, fill: impl FnOnce(&mut Self)) {
        // The length of a name has 16 bits; a NUL would end it early.
        let name = name.split('\0').next().unwrap_or_default();
        let name = &name[..name.floor_char_boundary(usize::from(u16::MAX))];
        let length = u16::try_from(name.len()).unwrap_or_default();
        self.nest(EXTENDED | u32::from(kind.code()) << 24, |inner| {
            let start = inner.bytes.len();
            inner.bytes.extend_from_slice(&length.to_be_bytes());
            inner.bytes.extend_from_slice(name.as_bytes());
            inner.bytes.resize(start + padded(2 + name.len() + 1), 0);
            fill(inner);
        });
    }

    fn terminated(&mut self, text: &str) {
        let text = text.split('\0').next().unwrap_or_default();
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    /// An attribute with `head`, of what `fill` writes. What holds it must not be longer than its length can say: messages
    /// are weighed before they are sent.
    fn nest(&mut self, head: u32, fill: impl FnOnce(&mut Self)) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD]);
        fill(self);
        let length =
            u32::try_from(self.bytes.len() - start).map_or(LENGTH, |length| length.min(LENGTH));
        if let Some(place) = self.bytes.get_mut(start..start + HEAD) {
            place.copy_from_slice(&(head | length).to_be_bytes());
        }
        self.bytes.resize(padded(self.bytes.len()), 0);
    }
}
