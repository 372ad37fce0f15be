//! Requests' bodies: a JSON object, read as far as somebody asks for its members.
//!
//! ```text
//! body ── syntax ──▶ Members ── require ──▶ missing ── kinds ──▶ type ── the service ──▶ value
//! ```
//! Values stay slices of the body until they are asked for, so that what a body costs is a small multiple of its
//! length, whatever is in it. Scanning does not recurse: depth costs a byte a level.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::Fault;
use crate::query::Refusal;

/// Types of JSON values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Flag,
    Null,
}

/// A value as it stands in the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// Its type.
    pub(crate) fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::Text,
            Some(b't' | b'f') => Kind::Flag,
            Some(b'n') => Kind::Null,
            _ => Kind::Number,
        }
    }

    /// Its JSON text.
    pub(crate) fn raw(self) -> &'a str {
        self.0
    }

    /// The content of a string; `None` for other types, and for half a surrogate pair.
    pub(crate) fn text(self) -> Option<Cow<'a, str>> {
        let inner = self.0.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            serde_json::from_str(self.0).ok().map(Cow::Owned)
        } else {
            Some(Cow::Borrowed(inner))
        }
    }

    /// A truth value.
    pub(crate) fn flag(self) -> Option<bool> {
        match self.0 {
            "true" => Some(true),
            "false" => Some(false),
            _ => None,
        }
    }

    /// The elements of an array.
    pub(crate) fn elements(self) -> Option<Vec<Json<'a>>> {
        let elements: Vec<&'a RawValue> = match self.kind() {
            Kind::Array => serde_json::from_str(self.0).ok()?,
            _ => return None,
        };
        Some(elements.into_iter().map(|raw| Json(raw.get())).collect())
    }

    /// The members of an object in the order of the document; of a repeated one the last counts. At most `most`, so that
    /// looking for repetitions is cheap; `None` for more, for other types, and for names with half a surrogate pair.
    pub(crate) fn members(self, most: usize) -> Option<Vec<(String, Json<'a>)>> {
        let members = object(self.0.as_bytes(), &|_| true, most).ok()?;
        (members.len() <= most).then_some(members)
    }

    /// The members of an object with the given names; `None` for other types.
    pub(crate) fn pick<const N: usize>(self, names: [&str; N]) -> Option<[Option<Json<'a>>; N]> {
        let members = object(self.0.as_bytes(), &|name| names.contains(&name), N).ok()?;
        let named = |name: &str| members.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
        Some(names.map(named))
    }

    /// The fault that this is no value for `field`, or for an element of it: strings without their quotes, the rest as written.
    pub(crate) fn fault(self, field: &str) -> Fault {
        match self.text() {
            Some(text) => Fault::text(field, text),
            None => Fault::text(field, self.0),
        }
    }
}

/// The members with the wanted paths, such as `pids` and `pids/srcs`, in the order of the document. Others are skipped
/// without being kept (RFC 7285 §8.3.7).
#[derive(Debug)]
pub(crate) struct Members<'a>(Vec<(String, Json<'a>)>);

/// The name of a member and the names in its array.
type Names<'a> = (&'a str, Vec<Cow<'a, str>>);

impl<'a> Members<'a> {
    /// Reads the body. Of a repeated member the last counts.
    pub(crate) fn parse(body: &'a [u8], wanted: &[&str]) -> Result<Self, Fault> {
        let mut read = Vec::new();
        below(&mut read, "", body, wanted).map_err(|error| Fault::syntax(error.to_string()))?;
        Ok(Self(read))
    }

    /// Refuses a body without one of the given members, the first named being the first reported. A member of a member is
    /// missed only where the outer one is an object.
    pub(crate) fn require(&self, paths: &[&str]) -> Result<(), Fault> {
        let missed = |path: &&&str| {
            let outer_is_there = match path.rsplit_once('/') {
                Some((outer, _)) => self.get(outer).is_some_and(|v| v.kind() == Kind::Object),
                None => true,
            };
            outer_is_there && self.get(path).is_none()
        };
        match paths.iter().find(missed) {
            Some(absent) => Err(Fault::missing(absent)),
            None => Ok(()),
        }
    }

    /// Refuses members of another type than the given one, the first in the document being reported.
    pub(crate) fn kinds(&self, kinds: &[(&str, Kind)]) -> Result<(), Fault> {
        let other = |(path, value): &&(String, Json<'_>)| {
            kinds.iter().any(|(p, k)| p == path && *k != value.kind())
        };
        match self.0.iter().find(other) {
            Some((path, _)) => Err(Fault::kind(path)),
            None => Ok(()),
        }
    }

    /// The member at a path.
    pub(crate) fn get(&self, path: &str) -> Option<Json<'a>> {
        let found = self.0.iter().find(|(name, _)| name == path);
        found.map(|(_, value)| *value)
    }

    /// The elements of the array at a path; `None` if there is none.
    pub(crate) fn array(&self, path: &str) -> Option<Vec<Json<'a>>> {
        self.get(path)?.elements()
    }

    /// All members as arrays, in the order of the document.
    pub(crate) fn arrays(&self) -> Result<Vec<(&str, Vec<Json<'a>>)>, Fault> {
        let array = |(name, value): &'_ (String, Json<'a>)| {
            value.elements().ok_or_else(|| Fault::kind(name))
        };
        self.0
            .iter()
            .map(|member| Ok((member.0.as_str(), array(member)?)))
            .collect()
    }

    /// All members as arrays of names, in the order of the document; what is no string is no name either, and stands as it came.
    ///
    /// # Errors
    /// A member that is no array, or more than `most` names in the one called `limited`.
    pub(crate) fn names(&self, limited: &str, most: usize) -> Result<Vec<Names<'_>>, Refusal> {
        let arrays = self.arrays()?;
        let too_many =
            |(field, elements): &(&str, Vec<_>)| *field == limited && elements.len() > most;
        if arrays.iter().any(too_many) {
            return Err(Refusal::TooMany);
        }
        let name = |element: Json<'a>| element.text().unwrap_or(Cow::Borrowed(element.raw()));
        let names = arrays.into_iter();
        Ok(names
            .map(|(field, elements)| (field, elements.into_iter().map(name).collect()))
            .collect())
    }

    /// Refuses with the fault whose member comes first in the document, if there are any.
    pub(crate) fn earliest(&self, faults: Vec<Fault>) -> Result<(), Fault> {
        let position = |fault: &Fault| {
            let named = |(path, _): &(String, Json<'_>)| Some(path.as_str()) == fault.field();
            self.0.iter().position(named)
        };
        match faults.into_iter().min_by_key(position) {
            Some(fault) => Err(fault),
            None => Ok(()),
        }
    }
}

/// Appends the wanted members of the object in `bytes`, whose own path ends `outer`, each before its own members.
fn below<'a>(
    read: &mut Vec<(String, Json<'a>)>,
    outer: &str,
    bytes: &'a [u8],
    wanted: &[&str],
) -> serde_json::Result<()> {
    let is_path_or_outer = |path: &str, name: &str| {
        let rest = path.strip_prefix(outer).and_then(|p| p.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let is_wanted =
        |name: &str| !name.contains('/') && wanted.iter().any(|path| is_path_or_outer(path, name));
    for (name, value) in object(bytes, &is_wanted, wanted.len())? {
        let path = format!("{outer}{name}");
        read.push((path.clone(), value));
        let inner = format!("{path}/");
        if value.kind() == Kind::Object && wanted.iter().any(|path| path.starts_with(&inner)) {
            below(read, &inner, value.0.as_bytes(), wanted)?;
        }
    }
    Ok(())
}

/// The members of the object in `bytes` whose names are wanted: at most `most` and one more are kept.
fn object<'a>(
    bytes: &'a [u8],
    wanted: &dyn Fn(&str) -> bool,
    most: usize,
) -> serde_json::Result<Vec<(String, Json<'a>)>> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let members = Object { wanted, most }.deserialize(&mut json)?;
    json.end()?;
    Ok(members)
}

struct Object<'w> {
    wanted: &'w dyn Fn(&str) -> bool,
    most: usize,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Vec<(String, Json<'de>)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<(String, Json<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members: Vec<(String, Json<'de>)> = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if members.len() > self.most || !(self.wanted)(&name) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value: &'de RawValue = map.next_value()?;
            members.retain(|(earlier, _)| *earlier != name);
            members.push((name, Json(value.get())));
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests;
