//! Instances of schema nodes.
//!
//! Siblings stand in the order of the schema; entries of one list or leaf-list stay in the order in which they came, whoever orders
//! them by the schema.

use std::fmt;

use crate::schema::{Kind, Node, NodeId, Schema};
use crate::value::Value;
use crate::view::View;
use crate::write::Writer;
use crate::{DataPath, Encoding, Error, Select, Step, json, xml};

#[cfg(test)]
mod tests;

/// What `anydata` holds, as it came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Any {
    /// A JSON value.
    Json(json::Value),
    /// The elements inside.
    Xml(Vec<xml::Element>),
}

/// What an instance holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Of a leaf or a leaf-list entry.
    Value(Value),
    /// Of a container or a list entry.
    Children(Vec<Instance>),
    /// Of `anydata` and `anyxml`.
    Any(Any),
}

/// An instance of a data node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Of which schema node.
    pub node: NodeId,
    /// What is in it.
    pub content: Content,
    /// Whether it is there only because it is the default (RFC 6243 §3.4).
    pub default: bool,
}

/// Parts of a datastore (RFC 8040 §4.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What clients write.
    Config,
    /// What the device tells, with the keys and nodes around it.
    NonConfig,
    /// Both.
    All,
}

/// A data tree.
#[derive(Clone)]
pub struct Tree {
    /// What it is an instance of.
    pub schema: &'static Schema,
    /// The node whose children stand at the top: input, output, notification or structure; [`NodeId::NONE`] for a datastore.
    pub root: NodeId,
    /// What stands at the top.
    pub top: Vec<Instance>,
}

impl PartialEq for Tree {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self.schema, other.schema) && self.root == other.root && self.top == other.top
    }
}

impl Eq for Tree {}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Writer::new(self.schema, Encoding::Json).data(self))
    }
}

/// Puts `instance` among its siblings: after those of the same node and of nodes before it.
pub(crate) fn place(
    schema: &Schema,
    parent: NodeId,
    siblings: &mut Vec<Instance>,
    instance: Instance,
) {
    if siblings
        .last()
        .is_none_or(|last| last.node == instance.node)
    {
        siblings.push(instance);
        return;
    }
    let order = schema.data_children(parent);
    let rank = |node: NodeId| order.iter().position(|other| *other == node);
    let own = rank(instance.node);
    let at = siblings
        .iter()
        .rposition(|sibling| rank(sibling.node) <= own)
        .map_or(0, |at| at + 1);
    siblings.insert(at, instance);
}

/// Whether an instance says no more than its absence would (RFC 7950 §7.5.1): a container without `presence` that holds nothing.
pub fn is_hollow(schema: &Schema, instance: &Instance) -> bool {
    let node = schema.node(instance.node);
    node.kind == Kind::Container
        && !node.is(Node::PRESENCE)
        && instance
            .children()
            .iter()
            .all(|child| is_hollow(schema, child))
}

/// Puts siblings into the order of the schema, keeping that of entries.
pub(crate) fn sort(schema: &Schema, parent: NodeId, siblings: &mut [Instance]) {
    let order = schema.data_children(parent);
    siblings.sort_by_cached_key(|sibling| order.iter().position(|other| *other == sibling.node));
}

/// The instance that `step` means.
pub(crate) fn find_in<'a>(
    schema: &Schema,
    siblings: &'a [Instance],
    step: &Step,
) -> Option<&'a Instance> {
    position(schema, siblings, step).map(|at| &siblings[at])
}

/// Where the instance is that `step` means.
pub(crate) fn position(schema: &Schema, siblings: &[Instance], step: &Step) -> Option<usize> {
    let mut of_node = siblings
        .iter()
        .enumerate()
        .filter(|(_, instance)| instance.node == step.node);
    let found = match &step.select {
        Select::All => of_node.next(),
        Select::Position(at) => of_node.nth((*at as usize).checked_sub(1)?),
        select => of_node.find(|(_, instance)| instance.is(schema, select)),
    };
    found.map(|(at, _)| at)
}

impl Instance {
    /// An empty container or list entry.
    pub const fn container(node: NodeId) -> Self {
        Self {
            node,
            content: Content::Children(Vec::new()),
            default: false,
        }
    }

    /// A leaf or leaf-list entry.
    pub const fn of(node: NodeId, value: Value) -> Self {
        Self {
            node,
            content: Content::Value(value),
            default: false,
        }
    }

    /// A leaf or leaf-list entry from text, with names of modules as prefixes. Error: [`crate::Tag::InvalidValue`].
    pub fn leaf(schema: &'static Schema, node: NodeId, text: &str) -> Result<Self, Error> {
        Ok(Self::of(node, Value::parse(schema, node, text)?))
    }

    /// The instances inside; none in leaves.
    pub fn children(&self) -> &[Self] {
        match &self.content {
            Content::Children(children) => children,
            Content::Value(_) | Content::Any(_) => &[],
        }
    }

    /// The instances inside, to be changed; their order is the caller's care.
    pub const fn children_mut(&mut self) -> Option<&mut Vec<Self>> {
        match &mut self.content {
            Content::Children(children) => Some(children),
            Content::Value(_) | Content::Any(_) => None,
        }
    }

    /// The instances inside, to be changed; what cannot have any is emptied so that it can.
    pub(crate) fn children_made(&mut self) -> &mut Vec<Self> {
        if !matches!(self.content, Content::Children(_)) {
            self.content = Content::Children(Vec::new());
        }
        match &mut self.content {
            Content::Children(children) => children,
            Content::Value(_) | Content::Any(_) => unreachable!("replaced just above"),
        }
    }

    /// The value of a leaf or leaf-list entry.
    pub const fn value(&self) -> Option<&Value> {
        match &self.content {
            Content::Value(value) => Some(value),
            Content::Children(_) | Content::Any(_) => None,
        }
    }

    /// The canonical text of a leaf or leaf-list entry.
    pub fn text(&self) -> Option<&str> {
        self.value().map(Value::text)
    }

    /// The first instance of `node` inside.
    pub fn child(&self, node: NodeId) -> Option<&Self> {
        self.all(node).next()
    }

    /// The instances of `node` inside.
    pub fn all(&self, node: NodeId) -> impl Iterator<Item = &Self> {
        self.children()
            .iter()
            .filter(move |child| child.node == node)
    }

    /// The values of the keys of a list entry, in their order; keys that are missing are left out.
    pub fn keys(&self, schema: &Schema) -> Vec<&str> {
        schema
            .keys(self.node)
            .filter_map(|key| self.child(key)?.text())
            .collect()
    }

    /// Puts an instance inside, in the order of the schema, after others of its node.
    pub fn push(&mut self, schema: &Schema, child: Self) {
        let node = self.node;
        if let Some(children) = self.children_mut() {
            place(schema, node, children, child);
        }
    }

    /// Whether it is the one selected; positions are not known here.
    pub(crate) fn is(&self, schema: &Schema, select: &Select) -> bool {
        match select {
            Select::All => true,
            Select::Keys(keys) => schema
                .keys(self.node)
                .zip(keys)
                .all(|(key, wanted)| self.child(key).and_then(Self::text) == Some(wanted)),
            Select::Value(value) => self.text() == Some(value),
            Select::Position(_) => false,
        }
    }

    /// What tells it from its siblings; `siblings` are needed for lists without keys.
    pub fn select(&self, schema: &Schema, siblings: &[Self]) -> Select {
        match schema.node(self.node).kind {
            Kind::LeafList => Select::Value(self.text().unwrap_or_default().to_owned()),
            Kind::List => {
                let keys = self.keys(schema);
                if keys.is_empty() {
                    let at = siblings
                        .iter()
                        .filter(|other| other.node == self.node)
                        .position(|other| std::ptr::eq(other, self))
                        .unwrap_or_default();
                    Select::Position(u32::try_from(at + 1).unwrap_or(u32::MAX))
                } else {
                    Select::Keys(keys.into_iter().map(str::to_owned).collect())
                }
            }
            _ => Select::All,
        }
    }

    /// How many instances it is, with those inside.
    pub fn count(&self) -> usize {
        1 + self.children().iter().map(Self::count).sum::<usize>()
    }

    /// Only a part of it; nothing if none of it is in that part.
    fn part(&self, schema: &Schema, part: Part) -> Option<Self> {
        let node = schema.node(self.node);
        match part {
            Part::All => Some(self.clone()),
            Part::Config if node.is(Node::CONFIG) => Some(match &self.content {
                Content::Children(children) => Self {
                    content: Content::Children(
                        children
                            .iter()
                            .filter_map(|child| child.part(schema, part))
                            .collect(),
                    ),
                    ..*self
                },
                Content::Value(_) | Content::Any(_) => self.clone(),
            }),
            Part::Config => None,
            Part::NonConfig if !node.is(Node::CONFIG) => Some(self.clone()),
            Part::NonConfig => {
                let mut state = false;
                let children: Vec<Self> = self
                    .children()
                    .iter()
                    .filter_map(|child| {
                        if schema.node(child.node).is(Node::KEY) {
                            return Some(child.clone());
                        }
                        let inside = child.part(schema, part);
                        state |= inside.is_some();
                        inside
                    })
                    .collect();
                state.then_some(Self {
                    content: Content::Children(children),
                    ..*self
                })
            }
        }
    }
}

fn retain(
    siblings: &mut Vec<Instance>,
    above: &mut Vec<NodeId>,
    keep: &mut dyn FnMut(&[NodeId], &Instance) -> bool,
) {
    siblings.retain_mut(|instance| {
        let kept = keep(above, instance);
        let node = instance.node;
        if kept && let Some(children) = instance.children_mut() {
            above.push(node);
            retain(children, above, keep);
            above.pop();
        }
        kept
    });
}

impl Tree {
    /// An empty datastore.
    pub const fn new(schema: &'static Schema) -> Self {
        Self::under(schema, NodeId::NONE)
    }

    /// An empty input, output, notification or structure.
    pub const fn under(schema: &'static Schema, root: NodeId) -> Self {
        Self {
            schema,
            root,
            top: Vec::new(),
        }
    }

    /// Whether nothing is in it.
    pub const fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// How many instances are in it.
    pub fn nodes(&self) -> usize {
        self.top.iter().map(Instance::count).sum()
    }

    /// Puts an instance at the top, in the order of the schema.
    pub fn push(&mut self, instance: Instance) {
        place(self.schema, self.root, &mut self.top, instance);
    }

    /// The instance at `path`, the first one if several are meant; none for the datastore itself.
    pub fn find(&self, path: &DataPath) -> Option<&Instance> {
        let (last, above) = path.steps.split_last()?;
        find_in(self.schema, self.inside(above)?, last)
    }

    /// All instances `path` means, which can be several only at its last step.
    pub fn select(&self, path: &DataPath) -> Vec<&Instance> {
        let Some((last, above)) = path.steps.split_last() else {
            return self.top.iter().collect();
        };
        let Some(siblings) = self.inside(above) else {
            return Vec::new();
        };
        if last.select == Select::All {
            siblings
                .iter()
                .filter(|instance| instance.node == last.node)
                .collect()
        } else {
            find_in(self.schema, siblings, last).into_iter().collect()
        }
    }

    /// The instances inside the one that `steps` lead to.
    pub(crate) fn inside(&self, steps: &[Step]) -> Option<&[Instance]> {
        let mut siblings: &[Instance] = &self.top;
        for step in steps {
            siblings = find_in(self.schema, siblings, step)?.children();
        }
        Some(siblings)
    }

    /// The same, to be changed.
    pub(crate) fn inside_mut(&mut self, steps: &[Step]) -> Option<&mut Vec<Instance>> {
        let mut siblings = &mut self.top;
        for step in steps {
            let at = position(self.schema, siblings, step)?;
            siblings = siblings.get_mut(at)?.children_mut()?;
        }
        Some(siblings)
    }

    /// The instance at `path`, to be changed. What it becomes is the caller's care.
    pub fn find_mut(&mut self, path: &DataPath) -> Option<&mut Instance> {
        let (last, above) = path.steps.split_last()?;
        let schema = self.schema;
        let siblings = self.inside_mut(above)?;
        let at = position(schema, siblings, last)?;
        siblings.get_mut(at)
    }

    /// A part of a datastore. Keys and the nodes around what is kept stay.
    #[must_use]
    pub fn content(&self, part: Part) -> Self {
        Self {
            top: self
                .top
                .iter()
                .filter_map(|instance| instance.part(self.schema, part))
                .collect(),
            ..*self
        }
    }

    /// Drops instances, with all inside, for which `keep` says no; it is shown the nodes around and the instance, outer ones first.
    pub fn retain(&mut self, keep: &mut dyn FnMut(&[NodeId], &Instance) -> bool) {
        retain(&mut self.top, &mut Vec::new(), keep);
    }

    /// A view of the instance of that name (`module:name`) at the top.
    pub fn view(&self, name: &str) -> Option<View<'_>> {
        let (module, local) = name
            .split_once(':')
            .map_or((None, name), |(module, local)| (Some(module), local));
        let node = self.schema.child(self.root, module, local).ok()?;
        let instance = self.top.iter().find(|instance| instance.node == node)?;
        Some(View::new(self.schema, instance))
    }
}
