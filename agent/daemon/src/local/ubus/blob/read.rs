//! Attributes and documents out of bytes.

use super::{EXTENDED, HEAD, Kind, LENGTH, MAX_DEPTH, MAX_VALUES, Malformed, padded};
use serde_json::{Map, Number, Value};

/// An attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Its id; the type, when it is a named value.
    pub id: u8,
    /// Whether it is a named value.
    pub extended: bool,
    /// Its bytes, without padding.
    pub payload: &'a [u8],
}

impl Attribute<'_> {
    /// The payload as an integer.
    ///
    /// # Errors
    /// [`Malformed::Value`] when it is no integer of 32 bits.
    pub fn integer(&self) -> Result<u32, Malformed> {
        let bytes = self.payload.try_into().map_err(|_| Malformed::Value)?;
        Ok(u32::from_be_bytes(bytes))
    }

    /// The payload as a truth value.
    ///
    /// # Errors
    /// [`Malformed::Value`] when it is not one byte.
    pub fn flag(&self) -> Result<bool, Malformed> {
        match self.payload {
            [byte] => Ok(*byte != 0),
            _ => Err(Malformed::Value),
        }
    }

    /// The payload as a text.
    ///
    /// # Errors
    /// [`Malformed::Value`] when it does not end with NUL.
    pub fn text(&self) -> Result<String, Malformed> {
        text(self.payload)
    }
}

/// The attributes that follow each other in some bytes; ends after the first fault.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

/// The attributes in `bytes`.
pub fn attributes(bytes: &[u8]) -> Attributes<'_> {
    Attributes { rest: bytes }
}

impl<'a> Attributes<'a> {
    fn read(&mut self) -> Option<Attribute<'a>> {
        let (head, after) = self.rest.split_first_chunk::<HEAD>()?;
        let head = u32::from_be_bytes(*head);
        let length = usize::try_from(head & LENGTH).ok()?;
        let payload = after.get(..length.checked_sub(HEAD)?)?;
        self.rest = after.get(padded(length) - HEAD..)?;
        Some(Attribute {
            id: (head >> 24) as u8 & 0x7f,
            extended: head & EXTENDED != 0,
            payload,
        })
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let read = self.read();
        if read.is_none() {
            self.rest = &[];
        }
        Some(read.ok_or(Malformed::Length))
    }
}

/// A named value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    /// Its type.
    pub kind: Kind,
    /// Its name, without the NUL; empty in arrays.
    pub name: &'a [u8],
    /// Its bytes.
    pub value: &'a [u8],
}

/// The named values that follow each other in some bytes; ends after the first fault.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    attributes: Attributes<'a>,
}

/// The named values in `bytes`.
pub fn fields(bytes: &[u8]) -> Fields<'_> {
    Fields {
        attributes: attributes(bytes),
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<Field<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.attributes.next()?.and_then(field);
        if read.is_err() {
            self.attributes.rest = &[];
        }
        Some(read)
    }
}

fn field(attribute: Attribute<'_>) -> Result<Field<'_>, Malformed> {
    if !attribute.extended {
        return Err(Malformed::Name);
    }
    let kind = Kind::from_code(attribute.id).ok_or(Malformed::Type)?;
    let named = || {
        let (length, after) = attribute.payload.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        let name = after.get(..length)?;
        let ends = after.iter().position(|&byte| byte == 0) == Some(length);
        let value = attribute.payload.get(padded(2 + length + 1)..)?;
        ends.then_some((name, value))
    };
    let (name, value) = named().ok_or(Malformed::Name)?;
    Ok(Field { kind, name, value })
}

/// A document: the named values in `bytes` as an object. Where a name stands twice, the last one counts; a text that is
/// not UTF-8 is mended.
///
/// # Errors
/// [`Malformed`], whatever the bytes are; [`Malformed::Excess`] when it is out of bounds.
pub fn to_json(bytes: &[u8]) -> Result<Value, Malformed> {
    let mut left = MAX_VALUES;
    table(bytes, MAX_DEPTH, &mut left)
}

fn table(bytes: &[u8], depth: usize, left: &mut usize) -> Result<Value, Malformed> {
    let mut members = Map::new();
    for field in fields(bytes) {
        let field = field?;
        let name = String::from_utf8_lossy(field.name).into_owned();
        members.insert(name, value(&field, depth, left)?);
    }
    Ok(Value::Object(members))
}

fn array(bytes: &[u8], depth: usize, left: &mut usize) -> Result<Value, Malformed> {
    fields(bytes)
        .map(|field| value(&field?, depth, left))
        .collect::<Result<_, _>>()
        .map(Value::Array)
}

fn value(field: &Field<'_>, depth: usize, left: &mut usize) -> Result<Value, Malformed> {
    *left = left.checked_sub(1).ok_or(Malformed::Excess)?;
    let inside = || depth.checked_sub(1).ok_or(Malformed::Excess);
    Ok(match field.kind {
        Kind::Null => Value::Null,
        Kind::Array => array(field.value, inside()?, left)?,
        Kind::Table => table(field.value, inside()?, left)?,
        Kind::Text => Value::String(text(field.value)?),
        Kind::Int64 => i64::from_be_bytes(sized(field.value)?).into(),
        Kind::Int32 => i32::from_be_bytes(sized(field.value)?).into(),
        Kind::Int16 => i16::from_be_bytes(sized(field.value)?).into(),
        Kind::Bool => Value::Bool(sized(field.value)? != [0]),
        // JSON knows no infinity.
        Kind::Double => Number::from_f64(f64::from_be_bytes(sized(field.value)?))
            .map_or(Value::Null, Value::Number),
    })
}

fn sized<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Malformed> {
    bytes.try_into().map_err(|_| Malformed::Value)
}

/// A text as C has it: up to the first NUL, of which there must be one.
fn text(bytes: &[u8]) -> Result<String, Malformed> {
    let (Some(0), Some(end)) = (bytes.last(), bytes.iter().position(|&byte| byte == 0)) else {
        return Err(Malformed::Value);
    };
    let text = bytes.get(..end).unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}
