//! Defaults (RFC 7950 §7.6.1, §7.7.2, §7.9.3) and how much of them is shown (RFC 6243).

use crate::condition::{Frame, World};
use crate::read::shape::choices_of;
use crate::schema::{Kind, Node, NodeId, Schema};
use crate::tree::is_hollow;
use crate::{Content, DataPath, Instance, Part, Tree, Value};

#[cfg(test)]
mod tests;

/// Values of the query parameter `with-defaults`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WithDefaults {
    /// `explicit`: what was set, and of state the defaults, too.
    Explicit,
    /// `trim`: nothing that is the default, even if it was set.
    Trim,
    /// `report-all`: defaults as if they had been set.
    ReportAll,
    /// `report-all-tagged`: the same, with [`Instance::default`] set for [`crate::write::Writer::tagged`].
    ReportAllTagged,
}

impl WithDefaults {
    /// The mode of that name; none if there is none.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "explicit" => Self::Explicit,
            "trim" => Self::Trim,
            "report-all" => Self::ReportAll,
            "report-all-tagged" => Self::ReportAllTagged,
            _ => return None,
        })
    }
}

/// The default values of a leaf or leaf-list; none where there are none.
pub fn default_values(schema: &'static Schema, node: NodeId) -> Vec<Value> {
    let Some(rules) = schema.rules_at(node) else {
        return Vec::new();
    };
    let first = usize::from(rules.defaults.first);
    schema
        .texts
        .get(first..first + usize::from(rules.defaults.count))
        .unwrap_or_default()
        .iter()
        .filter_map(|text| Value::parse(schema, node, schema.text(*text)).ok())
        .collect()
}

/// The name of the default case of a choice.
fn default_case(schema: &Schema, choice: NodeId) -> Option<&'static str> {
    let rules = schema.rules_at(choice)?;
    if rules.defaults.count == 0 {
        return None;
    }
    let text = schema.texts.get(usize::from(rules.defaults.first))?;
    Some(schema.text(*text))
}

/// The case of a choice that some sibling is in.
pub(crate) fn active_case(
    schema: &Schema,
    choice: NodeId,
    siblings: &[Instance],
) -> Option<NodeId> {
    siblings
        .iter()
        .filter(|sibling| !sibling.default && !is_hollow(schema, sibling))
        .find_map(|sibling| {
            choices_of(schema, sibling.node)
                .into_iter()
                .find(|(known, _)| *known == choice)
                .map(|(_, case)| case)
        })
}

/// The tree with as much of its defaults as the mode asks for. Defaults are added to `part` only; what was set stays, of whatever
/// part it is, unless `trim` drops it.
#[must_use]
pub fn with_defaults(tree: &Tree, mode: WithDefaults, part: Part) -> Tree {
    match mode {
        // State is shown whatever it is (RFC 6243 §3.3).
        WithDefaults::Explicit if part != Part::Config && tree.root == NodeId::NONE => {
            let mut tree = filled(tree, Part::NonConfig);
            untag(&mut tree.top);
            tree
        }
        WithDefaults::Explicit => tree.clone(),
        WithDefaults::Trim => {
            let mut tree = tree.clone();
            trim(tree.schema, &mut tree.top);
            tree
        }
        WithDefaults::ReportAll => {
            let mut tree = filled(tree, part);
            untag(&mut tree.top);
            tree
        }
        WithDefaults::ReportAllTagged => filled(tree, part),
    }
}

/// What is at `path` when defaults count: the instances there, or the defaults of a leaf or leaf-list that is not set but whose
/// parent is there (RFC 8040 §3.5.4).
pub fn in_use(tree: &Tree, path: &DataPath) -> Vec<Instance> {
    let there: Vec<Instance> = tree.select(path).into_iter().cloned().collect();
    if !there.is_empty() {
        return there;
    }
    filled(tree, Part::All)
        .select(path)
        .into_iter()
        .filter(|instance| instance.value().is_some())
        .cloned()
        .map(|mut instance| {
            instance.default = false;
            instance
        })
        .collect()
}

fn untag(siblings: &mut [Instance]) {
    for instance in siblings {
        instance.default = false;
        if let Some(children) = instance.children_mut() {
            untag(children);
        }
    }
}

fn trim(schema: &'static Schema, siblings: &mut Vec<Instance>) {
    let mut dropped: Vec<NodeId> = Vec::new();
    for same in siblings.chunk_by(|one, other| one.node == other.node) {
        let Some(first) = same.first() else { continue };
        let node = schema.node(first.node);
        if node.is(Node::KEY) || first.value().is_none() {
            continue;
        }
        let defaults = default_values(schema, first.node);
        let values = same.iter().filter_map(Instance::value);
        if !defaults.is_empty() && values.eq(defaults.iter()) {
            dropped.push(first.node);
        }
    }
    siblings.retain(|instance| !dropped.contains(&instance.node));
    for instance in siblings {
        if let Some(children) = instance.children_mut() {
            trim(schema, children);
        }
    }
}

/// The tree with every default in use, marked as such.
pub(crate) fn filled(tree: &Tree, part: Part) -> Tree {
    let filler = Filler {
        world: World {
            tree,
            datastore: None,
        },
        schema: tree.schema,
        part,
    };
    Tree {
        top: filler.inside(tree.root, &tree.top, &mut Vec::new()),
        ..*tree
    }
}

struct Filler<'a> {
    world: World<'a>,
    schema: &'static Schema,
    part: Part,
}

impl<'a> Filler<'a> {
    fn inside(
        &self,
        parent: NodeId,
        siblings: &'a [Instance],
        above: &mut Vec<Frame<'a>>,
    ) -> Vec<Instance> {
        let mut filled = Vec::with_capacity(siblings.len());
        for instance in siblings {
            if is_hollow(self.schema, instance) {
                // It comes again below, if it has defaults and its case is in use.
                continue;
            }
            filled.push(match &instance.content {
                Content::Children(children) => {
                    above.push(Frame {
                        node: instance.node,
                        instance: Some(instance),
                        siblings,
                    });
                    let inside = self.inside(instance.node, children, above);
                    above.pop();
                    Instance {
                        content: Content::Children(inside),
                        ..*instance
                    }
                }
                Content::Value(_) | Content::Any(_) => instance.clone(),
            });
        }
        let before = filled.len();
        self.missing(
            &self.schema.schema_children(parent),
            siblings,
            above,
            &mut filled,
        );
        if filled.len() > before {
            crate::tree::sort(self.schema, parent, &mut filled);
        }
        filled
    }

    fn is_wanted(&self, node: &Node) -> bool {
        match self.part {
            Part::All => true,
            Part::Config => node.is(Node::CONFIG),
            Part::NonConfig => !node.is(Node::CONFIG),
        }
    }

    /// Adds what `nodes` have as defaults where `siblings` have nothing.
    fn missing(
        &self,
        nodes: &[NodeId],
        siblings: &'a [Instance],
        above: &mut Vec<Frame<'a>>,
        filled: &mut Vec<Instance>,
    ) {
        for id in nodes.iter().copied() {
            let node = self.schema.node(id);
            let there = || {
                let mut same = siblings.iter().filter(|sibling| sibling.node == id);
                same.any(|sibling| !is_hollow(self.schema, sibling))
            };
            match node.kind {
                Kind::Leaf | Kind::LeafList => {
                    if !self.is_wanted(node) || there() || !self.world.applies(id, above) {
                        continue;
                    }
                    for value in default_values(self.schema, id) {
                        filled.push(Instance {
                            default: true,
                            ..Instance::of(id, value)
                        });
                    }
                }
                Kind::Container => {
                    if node.is(Node::PRESENCE) || there() || !self.world.applies(id, above) {
                        continue;
                    }
                    above.push(Frame {
                        node: id,
                        instance: None,
                        siblings: &[],
                    });
                    let inside = self.inside(id, &[], above);
                    above.pop();
                    if !inside.is_empty() {
                        filled.push(Instance {
                            node: id,
                            content: Content::Children(inside),
                            default: true,
                        });
                    }
                }
                Kind::Choice => {
                    if !self.world.applies(id, above) {
                        continue;
                    }
                    let case = active_case(self.schema, id, siblings).or_else(|| {
                        let name = default_case(self.schema, id)?;
                        let mut cases = self.schema.schema_children(id).into_iter();
                        cases.find(|case| self.schema.name(*case) == name)
                    });
                    if let Some(case) = case {
                        self.missing(&[case], siblings, above, filled);
                    }
                }
                Kind::Case if self.world.applies(id, above) => {
                    let inside = self.schema.schema_children(id);
                    self.missing(&inside, siblings, above, filled);
                }
                _ => {}
            }
        }
    }
}
