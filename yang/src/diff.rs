//! What changed between two trees: for access control, entity tags and events.

use std::collections::HashMap;

use crate::schema::{Kind, NodeId, Schema};
use crate::{DataPath, Instance, Select, Tree};

#[cfg(test)]
mod tests;

/// What happened to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// It came to be, with all inside.
    Created,
    /// Its value is another.
    Replaced,
    /// It went, with all inside.
    Deleted,
    /// It stands elsewhere among the entries of its list.
    Moved,
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub what: What,
    /// To which node.
    pub path: DataPath,
}

/// The changes that lead from `old` to `new`: those in `new` in its order, then what went. Of what came or went, only the uppermost
/// node is told. The order of entries counts whoever orders them.
pub fn diff(old: &Tree, new: &Tree) -> Vec<Change> {
    let mut changes = Vec::new();
    siblings(
        new.schema,
        &DataPath::default(),
        &old.top,
        &new.top,
        &mut changes,
    );
    changes
}

/// A node and what tells its instances apart; the last number tells equals apart.
type Identity<'a> = (NodeId, Vec<&'a str>, usize);

fn identities<'a>(schema: &Schema, siblings: &'a [Instance]) -> Vec<Identity<'a>> {
    let mut seen: HashMap<(NodeId, Vec<&'a str>), usize> = HashMap::new();
    siblings
        .iter()
        .map(|instance| {
            let texts = match schema.node(instance.node).kind {
                Kind::List => instance.keys(schema),
                Kind::LeafList => instance.text().into_iter().collect(),
                _ => Vec::new(),
            };
            let count = seen.entry((instance.node, texts.clone())).or_default();
            *count += 1;
            (instance.node, texts, *count)
        })
        .collect()
}

fn siblings(
    schema: &'static Schema,
    above: &DataPath,
    old: &[Instance],
    new: &[Instance],
    changes: &mut Vec<Change>,
) {
    if old == new {
        return;
    }
    let old_identities = identities(schema, old);
    let new_identities = identities(schema, new);
    let at: HashMap<&Identity<'_>, usize> = old_identities.iter().zip(0..).collect();
    let mut kept: Vec<Option<usize>> = Vec::with_capacity(new.len());
    for (instance, identity) in new.iter().zip(&new_identities) {
        let before = at.get(identity).copied();
        kept.push(before);
        let path = || {
            let select = match instance.select(schema, new) {
                Select::Position(_) => {
                    Select::Position(u32::try_from(identity.2).unwrap_or(u32::MAX))
                }
                select => select,
            };
            above.child(instance.node, select)
        };
        match before.map(|before| &old[before]) {
            None => changes.push(Change {
                what: What::Created,
                path: path(),
            }),
            Some(before) if before.content == instance.content => {}
            Some(before) => match instance.value() {
                None if !instance.children().is_empty() || !before.children().is_empty() => {
                    siblings(
                        schema,
                        &path(),
                        before.children(),
                        instance.children(),
                        changes,
                    );
                }
                _ => changes.push(Change {
                    what: What::Replaced,
                    path: path(),
                }),
            },
        }
    }
    moved(schema, above, new, &kept, changes);
    let mut gone = vec![true; old.len()];
    for before in kept.into_iter().flatten() {
        gone[before] = false;
    }
    for (instance, _) in old.iter().zip(gone).filter(|(_, gone)| *gone) {
        changes.push(Change {
            what: What::Deleted,
            path: above.child(instance.node, instance.select(schema, old)),
        });
    }
}

/// Entries that come after one they came before.
fn moved(
    schema: &Schema,
    above: &DataPath,
    new: &[Instance],
    kept: &[Option<usize>],
    changes: &mut Vec<Change>,
) {
    let mut last: Option<(NodeId, usize)> = None;
    for (instance, before) in new.iter().zip(kept) {
        let Some(before) = *before else { continue };
        match last {
            Some((node, furthest)) if node == instance.node && before < furthest => {
                changes.push(Change {
                    what: What::Moved,
                    path: above.child(instance.node, instance.select(schema, new)),
                });
            }
            _ => last = Some((instance.node, before)),
        }
    }
}
