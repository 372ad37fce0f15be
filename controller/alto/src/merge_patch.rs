//! Merge patches (RFC 7396): what has changed between two versions of a JSON document.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// Documents of this crate have five levels at most; a difference below these is not looked for.
const LEVELS: usize = 32;
const NULL: &str = "null";

/// The patch that makes `new` out of `old`, names in order and without white space; values stand in it as they do in `new`.
/// Arrays are replaced whole.
///
/// There is none if a patch cannot say it (a member of the new version is `null`, which in a patch deletes),
/// if it would not be shorter than the new version, or if the documents are no objects.
pub fn diff(old: &[u8], new: &[u8]) -> Option<Vec<u8>> {
    let (old, new) = (str::from_utf8(old).ok()?, str::from_utf8(new).ok()?);
    let mut patch = Vec::new();
    let bound = new.len();
    objects(members(old)?, members(new)?, &mut patch, bound, LEVELS)?;
    (patch.len() < bound).then_some(patch)
}

/// Applies a patch to a document (RFC 7396 §2).
pub fn apply(document: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *document = patch;
        return;
    };
    if !document.is_object() {
        *document = Value::Object(serde_json::Map::new());
    }
    let Value::Object(members) = document else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            apply(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// The patch that replaces the members of one member of the document, whatever they were. There is none if that member
/// is absent, or holds what a patch cannot say.
pub(crate) fn restate(document: &[u8], member: &str) -> Option<Vec<u8>> {
    let document = members(str::from_utf8(document).ok()?)?;
    let value = document.get(member)?.get();
    if deletes(value, LEVELS) {
        return None;
    }
    let mut patch = vec![b'{'];
    name(member, &mut patch);
    patch.extend_from_slice(value.as_bytes());
    patch.push(b'}');
    Some(patch)
}

/// The names of the members of one member of the document.
pub(crate) fn names_within(document: &[u8], member: &str) -> Option<Vec<String>> {
    let document = members(str::from_utf8(document).ok()?)?;
    let within = members(document.get(member)?.get())?;
    Some(within.into_keys().map(|name| name.0.into_owned()).collect())
}

/// A name, borrowed where it is written without escapes.
#[derive(Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl std::borrow::Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

type Members<'a> = BTreeMap<Name<'a>, &'a RawValue>;

fn members(text: &str) -> Option<Members<'_>> {
    serde_json::from_str(text).ok()
}

fn objects<'a>(
    mut old: Members<'a>,
    new: Members<'a>,
    patch: &mut Vec<u8>,
    bound: usize,
    levels: usize,
) -> Option<()> {
    let levels = levels.checked_sub(1)?;
    let mut changes = BTreeMap::new();
    for (name, after) in new {
        let before = old.remove(&name);
        if before.is_none_or(|before| before.get() != after.get()) {
            changes.insert(name, (before, Some(after)));
        }
    }
    changes.extend(
        old.into_iter()
            .map(|(name, gone)| (name, (Some(gone), None))),
    );
    let mut separator = b'{';
    for (key, (before, after)) in changes {
        patch.push(separator);
        separator = b',';
        name(&key.0, patch);
        match (before.map(RawValue::get), after.map(RawValue::get)) {
            (_, None) => patch.extend_from_slice(NULL.as_bytes()),
            (Some(before), Some(after)) if is_object(before) && is_object(after) => {
                objects(members(before)?, members(after)?, patch, bound, levels)?;
            }
            (_, Some(after)) if deletes(after, levels) => return None,
            (_, Some(after)) => patch.extend_from_slice(after.as_bytes()),
        }
        if patch.len() >= bound {
            return None;
        }
    }
    if separator == b'{' {
        patch.push(b'{');
    }
    patch.push(b'}');
    Some(())
}

fn name(name: &str, patch: &mut Vec<u8>) {
    patch.extend_from_slice(&crate::publication::canonical(&name));
    patch.push(b':');
}

fn is_object(text: &str) -> bool {
    text.starts_with('{')
}

/// Whether a value would, within a patch, delete instead of stand: `null`, or an object with such a member.
/// What lies in an array is safe.
fn deletes(text: &str, levels: usize) -> bool {
    if !is_object(text) {
        return text == NULL;
    }
    if !text.contains(NULL) {
        return false;
    }
    match (members(text), levels.checked_sub(1)) {
        (Some(members), Some(levels)) => members.values().any(|value| deletes(value.get(), levels)),
        _ => true,
    }
}
