//! Configuration and state as one tree, which is what clients read.

use crate::server::Asked;
use crate::{access, library};
use glimpse_yang::schema::{Kind, Node, NodeId, Schema};
use glimpse_yang::{Content, DataPath, Instance, Part, Select, Step, Tree};
use std::collections::HashMap;

/// Configuration and state around `path`, all of it for the datastore. Unless `whole`, entries that the path does not lead to are
/// left out.
pub(crate) fn merged(asked: &Asked<'_>, path: &DataPath, part: Part, whole: bool) -> Tree {
    let schema = asked.exchange.schema;
    let wanted = path.steps.first().map(|step| step.node);
    let mut tree = Tree::new(schema);
    let steps = if whole {
        &path.steps[..path.steps.len().min(1)]
    } else {
        &path.steps[..]
    };
    tree.top = along(schema, &asked.store.running().top, steps);
    let set = path.steps.last().is_some_and(|last| {
        let node = schema.node(last.node);
        node.is(Node::CONFIG) && matches!(node.kind, Kind::Leaf | Kind::LeafList)
    }) && tree.find(path).is_some();
    if part == Part::Config || set {
        return tree;
    }
    let described =
        wanted.is_none_or(|wanted| library::DESCRIBED.contains(&schema.module_name(wanted)));
    if described {
        let location = |path: &str| asked.request.location(path);
        let own = library::describe(asked.server.settings(), asked.store.counters(), &location);
        if let Ok(mut own) = own {
            if let Some(told) = asked.store.library() {
                let library = |top: &Instance| schema.module_name(top.node) == library::LIBRARY;
                own.top.retain(|top| !library(top));
                overlay(schema, &mut tree.top, only(told, wanted));
            }
            overlay(schema, &mut tree.top, only(own, wanted));
        }
    }
    overlay(schema, &mut tree.top, only(asked.store.state(path), wanted));
    tree
}

/// A copy of what steps lead to, with the keys of the entries on the way.
fn along(schema: &'static Schema, siblings: &[Instance], steps: &[Step]) -> Vec<Instance> {
    let Some((first, rest)) = steps.split_first() else {
        return siblings.to_vec();
    };
    siblings
        .iter()
        .filter(|instance| {
            instance.node == first.node
                && (first.select == Select::All
                    || access::step(schema, instance).select == first.select)
        })
        .map(|instance| match &instance.content {
            Content::Children(children) if !rest.is_empty() => {
                let mut copy = Instance::container(instance.node);
                let keys = children
                    .iter()
                    .filter(|child| schema.node(child.node).is(Node::KEY));
                let further = along(schema, children, rest);
                let key_is_wanted = rest
                    .first()
                    .is_some_and(|step| schema.node(step.node).is(Node::KEY));
                let kept = keys.filter(|_| !key_is_wanted).cloned();
                copy.content = Content::Children(kept.chain(further).collect());
                copy
            }
            _ => instance.clone(),
        })
        .collect()
}

fn only(tree: Tree, wanted: Option<NodeId>) -> Vec<Instance> {
    let mut top = tree.top;
    top.retain(|instance| wanted.is_none_or(|wanted| wanted == instance.node));
    top
}

/// Lays state over configuration: containers and entries that are in both become one.
fn overlay(schema: &'static Schema, under: &mut Vec<Instance>, over: Vec<Instance>) {
    let mut over = over.into_iter().peekable();
    while let Some(first) = over.next() {
        let node = first.node;
        let mut same = vec![first];
        while let Some(next) = over.next_if(|next| next.node == node) {
            same.push(next);
        }
        let added = match schema.node(node).kind {
            Kind::List if schema.keys(node).next().is_some() => {
                overlay_entries(schema, under, node, same)
            }
            Kind::Container => match under.iter_mut().find(|own| own.node == node) {
                Some(own) => {
                    for more in same {
                        into(schema, own, more);
                    }
                    Vec::new()
                }
                None => same,
            },
            Kind::Leaf if under.iter().any(|own| own.node == node) => Vec::new(),
            _ => same,
        };
        place(schema, under, node, added);
    }
}

fn into(schema: &'static Schema, own: &mut Instance, more: Instance) {
    if let Content::Children(more) = more.content
        && let Some(children) = own.children_mut()
    {
        overlay(schema, children, more);
    }
}

/// The same for entries of one list, found by their keys. What is in no entry that is there.
fn overlay_entries(
    schema: &'static Schema,
    under: &mut [Instance],
    list: NodeId,
    entries: Vec<Instance>,
) -> Vec<Instance> {
    let texts = |entry: &Instance| -> Vec<String> {
        entry.keys(schema).into_iter().map(str::to_owned).collect()
    };
    let places: HashMap<Vec<String>, usize> = under
        .iter()
        .enumerate()
        .filter(|(_, own)| own.node == list)
        .map(|(at, own)| (texts(own), at))
        .collect();
    let mut added = Vec::new();
    for entry in entries {
        let own = places.get(&texts(&entry)).and_then(|at| under.get_mut(*at));
        match own {
            Some(own) => into(schema, own, entry),
            None => added.push(entry),
        }
    }
    added
}

/// Instances of one node into the order of the schema, behind their equals.
fn place(schema: &'static Schema, among: &mut Vec<Instance>, node: NodeId, added: Vec<Instance>) {
    if added.is_empty() {
        return;
    }
    let order = schema.data_children(schema.data_parent(node));
    let rank = |node: NodeId| order.iter().position(|own| *own == node);
    let own = rank(node);
    let at = among
        .iter()
        .position(|other| rank(other.node) > own)
        .unwrap_or(among.len());
    among.splice(at..at, added);
}
