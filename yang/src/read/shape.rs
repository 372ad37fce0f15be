//! What siblings alone can show: everything once, every entry with its keys, one case of each choice.

use std::collections::HashSet;

use crate::schema::{Kind, Node, NodeId, Schema};
use crate::{DataPath, Error, Instance, Select, Step, Tag};

/// What is wrong with siblings that stand in the order of the schema; paths begin at them.
pub(crate) fn check(schema: &Schema, siblings: &[Instance]) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut choices: Vec<(NodeId, NodeId)> = Vec::new();
    for same in siblings.chunk_by(|one, other| one.node == other.node) {
        let Some(first) = same.first() else { continue };
        let id = first.node;
        let node = schema.node(id);
        match node.kind {
            Kind::List => entries(schema, id, same, &mut errors),
            Kind::LeafList => {
                if node.is(Node::CONFIG) {
                    values(schema, id, same, &mut errors);
                }
            }
            _ => {
                if same.len() > 1 {
                    errors.push(twice(schema, id, Select::All));
                }
            }
        }
        if let Some(error) = cases(schema, id, &mut choices) {
            errors.push(error);
        }
    }
    errors
}

fn at(node: NodeId, select: Select) -> DataPath {
    DataPath {
        steps: vec![Step { node, select }],
    }
}

fn twice(schema: &Schema, node: NodeId, select: Select) -> Error {
    let which = match &select {
        Select::Keys(keys) => format!(" with keys '{}'", keys.join("', '")),
        Select::Value(value) => format!(" '{value}'"),
        Select::All | Select::Position(_) => String::new(),
    };
    Error::new(
        Tag::BadElement,
        format!(
            "'{}'{which} is there twice: leave one out",
            schema.name(node)
        ),
    )
    .at(at(node, select))
}

fn entries(schema: &Schema, list: NodeId, same: &[Instance], errors: &mut Vec<Error>) {
    let keys: Vec<NodeId> = schema.keys(list).collect();
    if keys.is_empty() {
        return;
    }
    let mut seen: HashSet<Vec<&str>> = HashSet::with_capacity(same.len());
    for (position, entry) in same.iter().enumerate() {
        let values = entry.keys(schema);
        if values.len() < keys.len() {
            let missing = keys.iter().find(|key| entry.child(**key).is_none());
            let name = missing.map_or("", |key| schema.name(*key));
            let position = u32::try_from(position + 1).unwrap_or(u32::MAX);
            errors.push(
                Error::new(
                    Tag::MissingElement,
                    format!("an entry of '{}' has no key '{name}'", schema.name(list)),
                )
                .at(at(list, Select::Position(position))),
            );
        } else {
            let texts = values.iter().map(|text| (*text).to_owned()).collect();
            if !seen.insert(values) {
                errors.push(twice(schema, list, Select::Keys(texts)));
            }
        }
    }
}

fn values(schema: &Schema, node: NodeId, same: &[Instance], errors: &mut Vec<Error>) {
    let mut seen = HashSet::with_capacity(same.len());
    for text in same.iter().filter_map(Instance::text) {
        if !seen.insert(text) {
            errors.push(twice(schema, node, Select::Value(text.to_owned())));
        }
    }
}

/// The choices around a node, inner ones first, each with the case the node is in.
pub(crate) fn choices_of(schema: &Schema, node: NodeId) -> Vec<(NodeId, NodeId)> {
    let mut found = Vec::new();
    let mut case = node;
    let mut above = schema.node(node).parent;
    while above != NodeId::NONE {
        match schema.node(above).kind {
            Kind::Choice => found.push((above, case)),
            Kind::Case => {}
            _ => break,
        }
        case = above;
        above = schema.node(above).parent;
    }
    found
}

fn cases(schema: &Schema, node: NodeId, seen: &mut Vec<(NodeId, NodeId)>) -> Option<Error> {
    for (choice, case) in choices_of(schema, node) {
        match seen.iter().find(|(known, _)| *known == choice) {
            Some((_, other)) if *other != case => {
                return Some(
                    Error::new(
                        Tag::BadElement,
                        format!(
                            "'{}' excludes other cases of choice '{}': keep one",
                            schema.name(node),
                            schema.name(choice)
                        ),
                    )
                    .at(at(node, Select::All)),
                );
            }
            Some(_) => {}
            None => seen.push((choice, case)),
        }
    }
    None
}
