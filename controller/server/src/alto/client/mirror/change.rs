//! What differs between two documents, and patches that make one the other.

use serde_json::{Map, Value};

/// A place whose value changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Names of members, outermost first.
    pub path: Vec<String>,
    /// What was there.
    pub before: Option<Value>,
    /// What is there.
    pub after: Option<Value>,
}

/// Applies a merge patch (RFC 7396 §2). The depth is bounded by the reader that made the patch.
pub fn merge_patch(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(members) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            members.remove(&name);
        } else {
            merge_patch(members.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Bytes that a change takes beside its path and values.
const CHANGE: usize = 128;

/// What differs, in the order of names. Objects are compared by their members, everything else as a whole. `None` if it takes more than
/// `most` bytes: a long name is told again with everything below it.
pub fn changes(before: &Value, after: &Value, most: usize) -> Option<Vec<Change>> {
    let mut found = Found {
        changes: Vec::new(),
        room: most,
    };
    compare(Some(before), Some(after), &mut Vec::new(), &mut found)?;
    Some(found.changes)
}

struct Found {
    changes: Vec<Change>,
    room: usize,
}

impl Found {
    fn push(&mut self, change: Change) -> Option<()> {
        let path: usize = change.path.iter().map(|name| name.len() + 32).sum();
        self.room = self.room.checked_sub(path + CHANGE)?;
        self.changes.push(change);
        Some(())
    }
}

fn compare(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut Vec<String>,
    found: &mut Found,
) -> Option<()> {
    if before == after {
        return Some(());
    }
    let empty = Map::new();
    match (before, after) {
        (Some(Value::Object(before)), Some(Value::Object(after))) => {
            each(before, after, path, found)
        }
        // A row that came or went is told cell by cell.
        (Some(Value::Object(before)), None) if !before.is_empty() => {
            each(before, &empty, path, found)
        }
        (None, Some(Value::Object(after))) if !after.is_empty() => each(&empty, after, path, found),
        _ => found.push(Change {
            path: path.clone(),
            before: before.cloned(),
            after: after.cloned(),
        }),
    }
}

fn each(
    before: &Map<String, Value>,
    after: &Map<String, Value>,
    path: &mut Vec<String>,
    found: &mut Found,
) -> Option<()> {
    let mut names: Vec<&String> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    for name in names {
        path.push(name.clone());
        compare(before.get(name), after.get(name), path, found)?;
        path.pop();
    }
    Some(())
}
