//! Data paths in URIs (RFC 8040 §3.5.3).

use super::{DataPath, Segment, Select};
use crate::schema::Schema;
use crate::{Error, Tag};

impl DataPath {
    /// Reads what follows `…/data/` in a URI, still percent-encoded. Errors as [`DataPath::from_segments`], and
    /// [`Tag::InvalidValue`] for what is not encoded as it should be.
    pub fn from_uri(schema: &'static Schema, uri: &str) -> Result<Self, Error> {
        let trimmed = uri.trim_matches('/');
        if trimmed.is_empty() {
            return Ok(Self::default());
        }
        let mut decoded: Vec<(Option<String>, String, Option<Vec<String>>)> = Vec::new();
        for segment in trimmed.split('/') {
            let (name, keys) = segment
                .split_once('=')
                .map_or((segment, None), |(name, keys)| (name, Some(keys)));
            let name = decode(name)?;
            let (module, name) = match name.split_once(':') {
                Some((module, name)) => (Some(module.to_owned()), name.to_owned()),
                None => (None, name),
            };
            let keys = keys
                .map(|keys| keys.split(',').map(decode).collect::<Result<Vec<_>, _>>())
                .transpose()?;
            decoded.push((module, name, keys));
        }
        let segments: Vec<Segment<'_>> = decoded
            .iter()
            .map(|(module, name, keys)| Segment {
                module: module.as_deref(),
                name,
                keys: keys.clone(),
            })
            .collect();
        Self::from_segments(schema, &segments)
    }

    /// What follows `…/data/` in a URI, percent-encoded; a position in a list without keys cannot be said there.
    pub fn to_uri(&self, schema: &Schema) -> String {
        let mut out = String::new();
        let mut above = None;
        for step in &self.steps {
            if !out.is_empty() {
                out.push('/');
            }
            out.push_str(&schema.short(step.node, above));
            above = schema.module_of(step.node);
            let values = match &step.select {
                Select::All | Select::Position(_) => &[][..],
                Select::Keys(keys) => keys,
                Select::Value(value) => std::slice::from_ref(value),
            };
            for (at, value) in values.iter().enumerate() {
                out.push(if at == 0 { '=' } else { ',' });
                encode(value, &mut out);
            }
        }
        out
    }
}

fn decode(text: &str) -> Result<String, Error> {
    let wrong = || {
        Error::new(
            Tag::InvalidValue,
            format!("'{text}' is not percent-encoded UTF-8"),
        )
    };
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16));
        let code = digit().zip(digit()).map(|(high, low)| high * 16 + low);
        let code = code.and_then(|code| u8::try_from(code).ok());
        bytes.push(code.filter(|code| *code != 0).ok_or_else(wrong)?);
    }
    String::from_utf8(bytes).map_err(|_| wrong())
}

fn encode(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}
