//! What two printed documents have in common when they say the same: order that means nothing is put in order.

use glimpse_yang::schema::{Kind, Node, NodeId, Schema, Type};
use roxmltree as xml;
use serde_json::Value;
use std::collections::BTreeMap;

/// A document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Normal {
    Branch(BTreeMap<String, Vec<Normal>>),
    Leaf(String),
}

/// The data nodes below `parent` in a JSON object.
pub(crate) fn json(schema: &'static Schema, parent: NodeId, document: &Value) -> Option<Normal> {
    let mut found = BTreeMap::new();
    for (name, value) in document.as_object()? {
        let (module, local) = match name.split_once(':') {
            Some((module, local)) => (Some(module), local),
            None => (None, name.as_str()),
        };
        let id = schema.child(parent, module, local).ok()?;
        let node = schema.node(id);
        let values: Vec<&Value> = match value {
            Value::Array(values) if matches!(node.kind, Kind::List | Kind::LeafList) => {
                values.iter().collect()
            }
            other => vec![other],
        };
        let mut normals = Vec::new();
        for value in values {
            normals.push(match node.kind {
                Kind::Container | Kind::List => json(schema, id, value)?,
                _ => Normal::Leaf(value.to_string()),
            });
        }
        keep(schema, id, normals, &mut found);
    }
    Some(Normal::Branch(found))
}

/// The data nodes below `parent` among the children of an XML node.
pub(crate) fn from_xml(
    schema: &'static Schema,
    parent: NodeId,
    element: xml::Node<'_, '_>,
) -> Option<Normal> {
    let mut groups: BTreeMap<u16, Vec<Normal>> = BTreeMap::new();
    for child in element.children().filter(xml::Node::is_element) {
        let namespace = child.tag_name().namespace()?;
        let module = schema
            .modules
            .iter()
            .find(|module| schema.text(module.namespace) == namespace)?;
        let id = schema
            .child(
                parent,
                Some(schema.text(module.name)),
                child.tag_name().name(),
            )
            .ok()?;
        let normal = match schema.node(id).kind {
            Kind::Container | Kind::List => from_xml(schema, id, child)?,
            _ => Normal::Leaf(resolved(schema, id, child)),
        };
        groups.entry(id.0).or_default().push(normal);
    }
    let mut found = BTreeMap::new();
    for (id, normals) in groups {
        keep(schema, NodeId(id), normals, &mut found);
    }
    Some(Normal::Branch(found))
}

/// The text with prefixes replaced by namespaces, where it is of a type that has some.
fn resolved(schema: &'static Schema, id: NodeId, element: xml::Node<'_, '_>) -> String {
    let text = element.text().unwrap_or_default();
    let prefixed = matches!(
        schema.type_of(schema.node(id).kind_of_value),
        Type::Identity(_)
            | Type::Instance(_)
            | Type::String {
                canonical: glimpse_yang::schema::Canonical::XPath,
                ..
            }
    );
    if !prefixed {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut word = String::new();
    for next in text.chars() {
        if next == ':' {
            match element.lookup_namespace_uri(Some(&word)) {
                Some(namespace) => out.extend(["{", namespace, "}"]),
                None => out.extend([word.as_str(), ":"]),
            }
            word.clear();
        } else if next.is_alphanumeric() || matches!(next, '-' | '_' | '.') {
            word.push(next);
        } else {
            out.push_str(&word);
            word.clear();
            out.push(next);
        }
    }
    out.push_str(&word);
    out
}

fn keep(
    schema: &'static Schema,
    id: NodeId,
    mut normals: Vec<Normal>,
    found: &mut BTreeMap<String, Vec<Normal>>,
) {
    let node = schema.node(id);
    // libyang sorts what the system orders; we keep it as it came.
    let keyed = schema.rules_of(node).is_some_and(|rules| rules.keys > 0);
    if !node.is(Node::USER_ORDERED) && (keyed || node.kind == Kind::LeafList) {
        normals.sort();
    }
    // RFC 7950 §7.5.1: such a container without content says nothing.
    if node.kind == Kind::Container && !node.is(Node::PRESENCE) {
        normals.retain(|normal| !matches!(normal, Normal::Branch(inner) if inner.is_empty()));
    }
    if !normals.is_empty() {
        found.insert(
            format!("{}:{}", node.module.0, schema.text(node.name)),
            normals,
        );
    }
}

/// Where two documents first differ, and what stands there.
pub(crate) fn difference(left: Option<&Normal>, right: Option<&Normal>) -> String {
    match (left, right) {
        (Some(Normal::Branch(left)), Some(Normal::Branch(right))) => {
            for name in left.keys().chain(right.keys()) {
                let (a, b) = (left.get(name), right.get(name));
                if a == b {
                    continue;
                }
                if let (Some(a), Some(b)) = (a, b)
                    && a.len() == b.len()
                    && let Some((a, b)) = a.iter().zip(b).find(|(a, b)| a != b)
                {
                    return format!("{name}/{}", difference(Some(a), Some(b)));
                }
                return format!("{name}: ours {a:?} theirs {b:?}");
            }
            String::new()
        }
        _ => format!("ours {left:?} theirs {right:?}"),
    }
}
