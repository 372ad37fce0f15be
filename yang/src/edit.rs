//! Edits of a tree (RFC 6241 §7.2, RFC 8040 §4.4–4.7, RFC 8072). Either an edit is done as a whole, or the tree stays as it was;
//! whether it is valid afterwards, [`crate::validate`] tells.

use std::collections::HashMap;

use crate::read::shape::choices_of;
use crate::schema::{Kind, Node, NodeId, Schema};
use crate::tree::{is_hollow, place as insert_sorted, position, sort};
use crate::{Content, DataPath, Error, Instance, Select, Step, Tag, Tree};

#[cfg(test)]
mod tests;

/// What is done to the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// It comes to be; it may not be there.
    Create,
    /// What is given is added to what is there, or comes to be.
    Merge,
    /// What is given takes its place, or comes to be.
    Replace,
    /// It goes; it has to be there.
    Delete,
    /// It goes, if it is there.
    Remove,
}

/// Where an entry goes among those of its list (`ordered-by user` only).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before all others.
    First,
    /// After all others.
    Last,
    /// Before that entry.
    Before(Select),
    /// After that entry.
    After(Select),
}

/// What an edit did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edited {
    /// The target came to be.
    Created,
    /// The target was there before.
    Changed,
    /// The target went.
    Removed,
    /// There was nothing to remove.
    Nothing,
}

/// Does something to the instance at `path`. `value` is needed where something comes to be, and is an instance of the target, as
/// [`crate::read::Reader::target`] gives it. Containers without `presence` above the target are made; other nodes above have to be
/// there.
///
/// Errors: [`Tag::DataExists`], [`Tag::DataMissing`]; [`Tag::InvalidValue`] for a path or value that does not fit;
/// [`Tag::OperationNotSupported`] for keys, state and the datastore itself; [`Tag::BadAttribute`] with `missing-instance` for a
/// place beside an entry that is not there.
pub fn edit(
    tree: &mut Tree,
    path: &DataPath,
    operation: Operation,
    value: Option<Instance>,
    place: Option<&Place>,
) -> Result<Edited, Error> {
    let schema = tree.schema;
    let Some((last, above)) = path.steps.split_last() else {
        return Err(Error::new(
            Tag::OperationNotSupported,
            "the datastore itself is only replaced or merged as a whole",
        ));
    };
    check_target(schema, path, last)?;
    if matches!(operation, Operation::Delete | Operation::Remove) {
        return remove(tree, path, last, above, operation);
    }
    let value = value
        .filter(|value| value.node == last.node)
        .ok_or_else(|| {
            Error::new(Tag::InvalidValue, "an instance of the target is needed").at(path.clone())
        })?;
    if schema.node(last.node).is(Node::KEY) {
        return match tree.find(path) {
            Some(key) if key.content == value.content => Ok(Edited::Changed),
            _ => Err(Error::new(Tag::InvalidValue, "a key cannot change").at(path.clone())),
        };
    }
    let there = tree
        .inside(above)
        .and_then(|siblings| position(schema, siblings, last).map(|at| &siblings[at]));
    if operation == Operation::Create && there.is_some_and(|instance| !is_hollow(schema, instance))
    {
        let message = format!("'{}' exists already", schema.name(last.node));
        return Err(Error::new(Tag::DataExists, message).at(path.clone()));
    }
    check_parents(tree, above)?;
    if value.default {
        return remove(tree, path, last, above, Operation::Remove);
    }
    if let Some(place) = place {
        check_place(tree, path, above, last.node, place)?;
    }
    let siblings = make_parents(tree, above);
    Ok(put(schema, siblings, last, operation, value, place))
}

fn check_target(schema: &Schema, path: &DataPath, last: &Step) -> Result<(), Error> {
    let name = schema.name(last.node);
    let kind = schema.node(last.node).kind;
    if !kind.is_data() || !path.is_instance(schema) {
        let message = format!("'{name}': one instance is needed, with its keys");
        return Err(Error::new(Tag::InvalidValue, message).at(path.clone()));
    }
    Ok(())
}

fn remove(
    tree: &mut Tree,
    path: &DataPath,
    last: &Step,
    above: &[Step],
    operation: Operation,
) -> Result<Edited, Error> {
    let schema = tree.schema;
    if schema.node(last.node).is(Node::KEY) {
        let message = format!("key '{}' goes only with its entry", schema.name(last.node));
        return Err(Error::new(Tag::OperationNotSupported, message).at(path.clone()));
    }
    let siblings = tree.inside_mut(above);
    let at = siblings
        .as_deref()
        .and_then(|siblings| position(schema, siblings, last));
    match (siblings, at) {
        (Some(siblings), Some(at)) => {
            siblings.remove(at);
            Ok(Edited::Removed)
        }
        _ if operation == Operation::Remove => Ok(Edited::Nothing),
        _ => {
            let message = format!("'{}' is not there", schema.name(last.node));
            Err(Error::new(Tag::DataMissing, message).at(path.clone()))
        }
    }
}

/// Whether everything above the target is there or can be made.
fn check_parents(tree: &Tree, above: &[Step]) -> Result<(), Error> {
    let schema = tree.schema;
    let mut siblings = Some(tree.top.as_slice());
    for (at, step) in above.iter().enumerate() {
        let found = siblings.and_then(|siblings| crate::tree::find_in(schema, siblings, step));
        siblings = found.map(Instance::children);
        let node = schema.node(step.node);
        let can_be_made = node.kind == Kind::Container && !node.is(Node::PRESENCE);
        if found.is_none() && !can_be_made {
            let message = format!("'{}' is not there: create it first", schema.name(step.node));
            return Err(Error::new(Tag::DataMissing, message).at(DataPath {
                steps: above[..=at].to_vec(),
            }));
        }
    }
    Ok(())
}

/// What is inside the last of `above`; containers that are missing are made.
fn make_parents<'a>(tree: &'a mut Tree, above: &[Step]) -> &'a mut Vec<Instance> {
    let schema = tree.schema;
    let mut parent = tree.root;
    let mut siblings = &mut tree.top;
    for step in above {
        let at = if let Some(at) = position(schema, siblings, step) {
            at
        } else {
            drop_other_cases(schema, siblings, &[step.node]);
            insert_sorted(schema, parent, siblings, Instance::container(step.node));
            position(schema, siblings, step).unwrap_or_default()
        };
        parent = step.node;
        siblings = siblings[at].children_made();
    }
    siblings
}

/// Puts the value where it belongs; nothing can go wrong any more.
fn put(
    schema: &'static Schema,
    siblings: &mut Vec<Instance>,
    last: &Step,
    operation: Operation,
    mut value: Instance,
    place: Option<&Place>,
) -> Edited {
    drop_other_cases(schema, siblings, &[last.node]);
    let at = position(schema, siblings, last);
    let edited = if at.is_some() {
        Edited::Changed
    } else {
        Edited::Created
    };
    let at = if let Some(at) = at {
        if operation == Operation::Merge {
            merge(schema, &mut siblings[at], value);
        } else {
            drop_defaults(&mut value);
            siblings[at] = value;
        }
        at
    } else {
        drop_defaults(&mut value);
        let parent = schema.data_parent(last.node);
        insert_sorted(schema, parent, siblings, value);
        // After its equals.
        siblings
            .iter()
            .rposition(|sibling| sibling.node == last.node)
            .unwrap_or_default()
    };
    if let Some(place) = place {
        shift(schema, siblings, at, place);
    }
    edited
}

/// Moves the entry at `at` to its place.
fn shift(schema: &Schema, siblings: &mut Vec<Instance>, at: usize, place: &Place) {
    let entry = siblings.remove(at);
    let node = entry.node;
    let beside = |select: &Select| {
        let select = select.clone();
        position(schema, siblings, &Step { node, select })
    };
    let first = siblings.iter().position(|sibling| sibling.node == node);
    let after_last = siblings
        .iter()
        .rposition(|sibling| sibling.node == node)
        .map(|last| last + 1);
    let to = match place {
        Place::First => first,
        Place::Last => after_last,
        Place::Before(select) => beside(select),
        Place::After(select) => beside(select).map(|at| at + 1),
    };
    siblings.insert(to.unwrap_or(at), entry);
}

fn check_place(
    tree: &Tree,
    path: &DataPath,
    above: &[Step],
    node: NodeId,
    place: &Place,
) -> Result<(), Error> {
    let schema = tree.schema;
    let name = schema.name(node);
    let definition = schema.node(node);
    if !definition.kind.is_many() || !definition.is(Node::USER_ORDERED) {
        let message = format!("'{name}' is not ordered by the user: leave out insert and point");
        return Err(Error::new(Tag::InvalidValue, message).at(path.clone()));
    }
    if let Place::Before(select) | Place::After(select) = place {
        let step = Step {
            node,
            select: select.clone(),
        };
        let own = path.steps.last().is_some_and(|last| last.select == *select);
        let there = tree
            .inside(above)
            .and_then(|siblings| position(schema, siblings, &step));
        if there.is_none() || own || *select == Select::All {
            let message = format!("there is no other entry of '{name}' to be put beside");
            return Err(Error::new(Tag::BadAttribute, message)
                .app_tag("missing-instance")
                .at(path.clone()));
        }
    }
    Ok(())
}

/// Moves an entry. Errors as [`edit`].
pub fn move_to(tree: &mut Tree, path: &DataPath, place: &Place) -> Result<(), Error> {
    let schema = tree.schema;
    let missing = || Error::new(Tag::DataMissing, "there is no entry to move").at(path.clone());
    let (last, above) = path.steps.split_last().ok_or_else(missing)?;
    check_target(schema, path, last)?;
    check_place(tree, path, above, last.node, place)?;
    let siblings = tree.inside_mut(above).ok_or_else(missing)?;
    let at = position(schema, siblings, last).ok_or_else(missing)?;
    shift(schema, siblings, at, place);
    Ok(())
}

/// Puts a whole datastore in the place of another.
pub fn replace_all(tree: &mut Tree, mut new: Tree) {
    new.top.retain(|instance| !instance.default);
    new.top.iter_mut().for_each(drop_defaults);
    tree.top = new.top;
}

/// Merges a whole datastore into another.
pub fn merge_all(tree: &mut Tree, new: Tree) {
    merge_siblings(tree.schema, tree.root, &mut tree.top, new.top);
}

/// Drops containers that are not there by themselves (RFC 7950 §7.5.1): without `presence`, and with nothing inside.
pub fn drop_hollow(tree: &mut Tree) {
    solidify(tree.schema, &mut tree.top);
}

fn solidify(schema: &Schema, siblings: &mut Vec<Instance>) {
    siblings.retain_mut(|instance| {
        if let Some(children) = instance.children_mut() {
            solidify(schema, children);
        }
        !is_hollow(schema, instance)
    });
}

/// Drops what is there only because it is the default.
fn drop_defaults(instance: &mut Instance) {
    if let Some(children) = instance.children_mut() {
        children.retain(|child| !child.default);
        children.iter_mut().for_each(drop_defaults);
    }
}

/// Drops siblings that are in other cases than `nodes` of the choices `nodes` are in.
fn drop_other_cases(schema: &Schema, siblings: &mut Vec<Instance>, nodes: &[NodeId]) {
    let mut chosen: Vec<(NodeId, NodeId)> = Vec::new();
    for node in nodes {
        chosen.extend(choices_of(schema, *node));
    }
    if chosen.is_empty() {
        return;
    }
    siblings.retain(|sibling| {
        choices_of(schema, sibling.node)
            .into_iter()
            .all(|(choice, case)| {
                let mut same = chosen
                    .iter()
                    .filter(|(known, _)| *known == choice)
                    .peekable();
                same.peek().is_none() || same.any(|(_, chosen)| *chosen == case)
            })
    });
}

fn merge(schema: &'static Schema, target: &mut Instance, value: Instance) {
    let node = target.node;
    match (&mut target.content, value.content) {
        (Content::Children(there), Content::Children(new)) => {
            merge_siblings(schema, node, there, new);
        }
        (content, new) => *content = new,
    }
}

/// What tells entries apart: keys or the value.
fn identity(schema: &Schema, instance: &Instance) -> Option<(NodeId, Vec<String>)> {
    let texts = match schema.node(instance.node).kind {
        Kind::List => {
            let keys = instance.keys(schema);
            if keys.is_empty() {
                return None;
            }
            keys.into_iter().map(str::to_owned).collect()
        }
        Kind::LeafList => vec![instance.text()?.to_owned()],
        _ => Vec::new(),
    };
    Some((instance.node, texts))
}

fn merge_siblings(
    schema: &'static Schema,
    parent: NodeId,
    there: &mut Vec<Instance>,
    new: Vec<Instance>,
) {
    let mut nodes: Vec<NodeId> = new.iter().map(|instance| instance.node).collect();
    nodes.dedup();
    drop_other_cases(schema, there, &nodes);
    let (defaults, new): (Vec<Instance>, Vec<Instance>) =
        new.into_iter().partition(|instance| instance.default);
    there.retain(|instance| !defaults.iter().any(|default| default.node == instance.node));
    let known: HashMap<(NodeId, Vec<String>), usize> = there
        .iter()
        .enumerate()
        .filter_map(|(at, instance)| Some((identity(schema, instance)?, at)))
        .collect();
    let before = there.len();
    for mut instance in new {
        let at = identity(schema, &instance).and_then(|identity| known.get(&identity));
        if let Some(at) = at {
            merge(schema, &mut there[*at], instance);
        } else {
            drop_defaults(&mut instance);
            there.push(instance);
        }
    }
    if there.len() > before {
        sort(schema, parent, there);
    }
}
