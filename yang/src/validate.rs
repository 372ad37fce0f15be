//! What RFC 7950 §8 asks of a whole tree, with the errors of its §15.

use std::collections::{HashMap, HashSet};

use crate::condition::{Frame, World, path_of};
use crate::defaults::{active_case, filled};
use crate::read::shape;
use crate::schema::{Kind, Node, NodeId, Path, Schema, Span, Type, TypeId};
use crate::{DataPath, Error, Instance, Part, Select, Tag, Tree};

#[cfg(test)]
mod tests;

/// Errors that are told at once.
const MOST: usize = 32;

/// What a tree is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// A datastore of configuration: no state in it.
    Configuration,
    /// A datastore with its state, everything in its place.
    Everything,
    /// A datastore with some of its state (RFC 8342 §5.3): state may lack mandatory nodes and refer to what is not there.
    Reply,
    /// Input or output of an operation, a notification or a structure.
    Operation,
}

/// Everything that is wrong with a tree, in its order; empty if it is valid. `datastore` is where absolute references of operations
/// and notifications look; without it they are not followed.
///
/// Tags: [`Tag::DataMissing`] with `instance-required` for references, with `missing-choice` for choices and without for leaves (in
/// operations [`Tag::MissingElement`]); [`Tag::OperationFailed`] with `must-violation` or that of the `must`, `too-few-elements`,
/// `too-many-elements`, `data-not-unique`; [`Tag::UnknownElement`] where `when` is false and for state in configuration; and what
/// [`crate::read::Reader`] refuses.
pub fn validate(tree: &Tree, check: Check, datastore: Option<&Tree>) -> Vec<Error> {
    let part = if check == Check::Configuration {
        Part::Config
    } else {
        Part::All
    };
    let tree = filled(tree, part);
    let mut walk = Walk {
        world: World {
            tree: &tree,
            datastore,
        },
        schema: tree.schema,
        check,
        errors: Vec::new(),
        targets: HashMap::new(),
    };
    walk.inside(tree.root, &tree.top, &mut Vec::new());
    walk.errors.truncate(MOST);
    walk.errors
}

struct Walk<'a> {
    world: World<'a>,
    schema: &'static Schema,
    check: Check,
    errors: Vec<Error>,
    /// Values that references may have, by type and by the node the path begins in.
    targets: HashMap<(TypeId, usize), HashSet<&'a str>>,
}

type Above<'a> = Vec<Frame<'a>>;

impl<'a> Walk<'a> {
    fn is_full(&self) -> bool {
        self.errors.len() >= MOST
    }

    fn path(&self, above: &Above<'a>) -> DataPath {
        path_of(self.world.tree, above)
    }

    fn inside(&mut self, parent: NodeId, siblings: &'a [Instance], above: &mut Above<'a>) {
        for mut error in shape::check(self.schema, siblings) {
            let mut path = self.path(above);
            path.steps
                .extend(error.path.take().map(|own| own.steps).unwrap_or_default());
            self.errors.push(error.at(path));
        }
        let nodes = self.schema.schema_children(parent);
        self.required(&nodes, siblings, above);
        for same in siblings.chunk_by(|one, other| one.node == other.node) {
            if let Some(first) = same.first()
                && self.schema.node(first.node).kind == Kind::List
            {
                self.unique(first.node, same, above);
            }
        }
        for instance in siblings {
            if self.is_full() {
                return;
            }
            above.push(Frame {
                node: instance.node,
                instance: Some(instance),
                siblings,
            });
            self.instance(instance, above);
            above.pop();
        }
    }

    /// One instance, which is the last of `above`.
    fn instance(&mut self, instance: &'a Instance, above: &mut Above<'a>) {
        let node = self.schema.node(instance.node);
        if self.check == Check::Configuration && self.schema.is_state(instance.node) {
            self.errors.push(
                Error::new(
                    Tag::UnknownElement,
                    format!(
                        "'{}' is state, not configuration",
                        self.schema.name(instance.node)
                    ),
                )
                .at(self.path(above)),
            );
            return;
        }
        self.conditions(instance, above);
        if node.kind.is_data() && instance.value().is_some() {
            let loose = self.check == Check::Reply && !node.is(Node::CONFIG);
            if !loose {
                self.reference(instance, above);
            }
        }
        if !instance.children().is_empty() || matches!(node.kind, Kind::Container | Kind::List) {
            self.inside(instance.node, instance.children(), above);
        }
    }

    fn conditions(&mut self, instance: &'a Instance, above: &Above<'a>) {
        let outer = &above[..above.len() - 1];
        let mut at = instance.node;
        loop {
            if !self.world.applies(at, outer) {
                let condition = self.world.conditions(at, |rules| rules.when);
                let text = condition
                    .first()
                    .map_or("", |one| self.schema.text(one.expression));
                self.errors.push(
                    Error::new(
                        Tag::UnknownElement,
                        format!(
                            "'{}' may be there only when {text}",
                            self.schema.name(instance.node)
                        ),
                    )
                    .at(self.path(above)),
                );
                return;
            }
            at = self.schema.node(at).parent;
            if at == NodeId::NONE || !matches!(self.schema.node(at).kind, Kind::Choice | Kind::Case)
            {
                break;
            }
        }
        for condition in self.world.conditions(instance.node, |rules| rules.must) {
            if self.world.holds(&condition.test, outer, Some(instance)) {
                continue;
            }
            let name = self.schema.name(instance.node);
            let message = match self.schema.text(condition.message) {
                "" => format!(
                    "'{name}': {} must hold",
                    self.schema.text(condition.expression)
                ),
                message => message.to_owned(),
            };
            let app_tag = match self.schema.text(condition.app_tag) {
                "" => "must-violation",
                app_tag => app_tag,
            };
            let error = Error::new(Tag::OperationFailed, message).app_tag(app_tag);
            self.errors.push(error.at(self.path(above)));
        }
    }

    /// Whether nodes of it have to be there.
    const fn is_held(&self, node: &Node) -> bool {
        match self.check {
            Check::Configuration | Check::Reply => node.is(Node::CONFIG),
            Check::Everything | Check::Operation => true,
        }
    }

    /// What has to be there, and how often, among `siblings`.
    fn required(&mut self, nodes: &[NodeId], siblings: &'a [Instance], above: &mut Above<'a>) {
        for id in nodes.iter().copied() {
            if self.is_full() {
                return;
            }
            let node = self.schema.node(id);
            match node.kind {
                Kind::Leaf | Kind::Any
                    if node.is(Node::MANDATORY)
                        && self.is_held(node)
                        && !siblings.iter().any(|sibling| sibling.node == id)
                        && self.world.applies(id, above) =>
                {
                    self.missing(id, above);
                }
                Kind::List | Kind::LeafList => self.elements(id, siblings, above),
                Kind::Container => {
                    if node.is(Node::PRESENCE)
                        || siblings.iter().any(|sibling| sibling.node == id)
                        || !self.world.applies(id, above)
                    {
                        continue;
                    }
                    above.push(Frame {
                        node: id,
                        instance: None,
                        siblings: &[],
                    });
                    let inside = self.schema.schema_children(id);
                    self.required(&inside, &[], above);
                    above.pop();
                }
                Kind::Choice => {
                    if let Some(case) = active_case(self.schema, id, siblings) {
                        self.required(&[case], siblings, above);
                    } else if node.is(Node::MANDATORY)
                        && self.is_held(node)
                        && self.world.applies(id, above)
                    {
                        let name = self.schema.name(id);
                        let message = format!("one case of choice '{name}' is needed");
                        let error = Error::new(Tag::DataMissing, message).app_tag("missing-choice");
                        self.errors.push(error.at(self.path(above)));
                    }
                }
                Kind::Case => {
                    let inside = self.schema.schema_children(id);
                    self.required(&inside, siblings, above);
                }
                _ => {}
            }
        }
    }

    fn missing(&mut self, leaf: NodeId, above: &Above<'a>) {
        let tag = if self.check == Check::Operation {
            Tag::MissingElement
        } else {
            Tag::DataMissing
        };
        let name = self.schema.name(leaf);
        let path = self.path(above).child(leaf, Select::All);
        let error = Error::new(tag, format!("'{name}' is mandatory: add it"));
        self.errors.push(error.at(path));
    }

    fn elements(&mut self, id: NodeId, siblings: &'a [Instance], above: &Above<'a>) {
        let node = self.schema.node(id);
        let Some(rules) = self.schema.rules_of(node) else {
            return;
        };
        let count = siblings.iter().filter(|sibling| sibling.node == id).count();
        let few = count < rules.min_elements as usize
            && self.is_held(node)
            && self.world.applies(id, above);
        let many = count > rules.max_elements as usize;
        let (app_tag, wanted) = if few {
            (
                "too-few-elements",
                format!("at least {}", rules.min_elements),
            )
        } else if many {
            (
                "too-many-elements",
                format!("at most {}", rules.max_elements),
            )
        } else {
            return;
        };
        let name = self.schema.name(id);
        let path = self.path(above).child(id, Select::All);
        let message = format!("'{name}' is there {count} times, needed are {wanted}");
        let error = Error::new(Tag::OperationFailed, message).app_tag(app_tag);
        self.errors.push(error.at(path));
    }

    fn unique(&mut self, list: NodeId, entries: &'a [Instance], above: &Above<'a>) {
        let Some(rules) = self.schema.rules_at(list) else {
            return;
        };
        let first = usize::from(rules.unique.first);
        let statements: &'static [Span] = self
            .schema
            .spans
            .get(first..first + usize::from(rules.unique.count))
            .unwrap_or_default();
        for statement in statements {
            let path = Path {
                up: 0,
                down: *statement,
            };
            let leaves: Vec<NodeId> = self.world.down(path).collect();
            let mut seen: HashSet<Vec<&str>> = HashSet::new();
            for entry in entries {
                let values: Option<Vec<&str>> = leaves
                    .iter()
                    .map(|leaf| self.descendant(entry, *leaf)?.text())
                    .collect();
                if let Some(values) = values
                    && !seen.insert(values)
                {
                    let names: Vec<&str> =
                        leaves.iter().map(|leaf| self.schema.name(*leaf)).collect();
                    let path = self
                        .path(above)
                        .child(list, entry.select(self.schema, entries));
                    let message = format!(
                        "another entry of '{}' has the same {}",
                        self.schema.name(list),
                        names.join(" and ")
                    );
                    let error =
                        Error::new(Tag::OperationFailed, message).app_tag("data-not-unique");
                    self.errors.push(error.at(path));
                }
            }
        }
    }

    /// The leaf somewhere inside an entry, through containers only.
    fn descendant(&self, entry: &'a Instance, leaf: NodeId) -> Option<&'a Instance> {
        let mut way = vec![leaf];
        let mut above = self.schema.data_parent(leaf);
        while above != entry.node {
            if above == NodeId::NONE {
                return None;
            }
            way.push(above);
            above = self.schema.data_parent(above);
        }
        way.iter().rev().try_fold(entry, |at, node| at.child(*node))
    }

    /// Whether what a leaf refers to is there.
    fn reference(&mut self, instance: &'a Instance, above: &Above<'a>) {
        let id = self.schema.type_at(instance.node);
        let Some(text) = instance.text() else { return };
        let found = match *self.schema.type_of(id) {
            Type::LeafRef {
                path,
                required: true,
                ..
            } => self.is_target(id, path, text, &above[..above.len() - 1]),
            Type::Instance(true) => match DataPath::parse(self.schema, text) {
                Ok(path) => {
                    let datastore = self.world.datastore.unwrap_or(self.world.tree);
                    path.steps.is_empty() || datastore.find(&path).is_some()
                }
                Err(_) => false,
            },
            _ => true,
        };
        if !found {
            let message = format!(
                "'{}' refers to '{text}', which is not there: add it or refer to another",
                self.schema.name(instance.node)
            );
            let error = Error::new(Tag::DataMissing, message).app_tag("instance-required");
            self.errors.push(error.at(self.path(above)));
        }
    }

    fn is_target(&mut self, id: TypeId, path: Path, text: &str, above: &[Frame<'a>]) -> bool {
        let start: &'a [Instance] = if path.up == Path::ABSOLUTE {
            match self.world.top_for(path) {
                Some(start) => start,
                // In a datastore that nobody has handed in.
                None => return true,
            }
        } else {
            self.world.upwards(path.up, above)
        };
        let world = self.world;
        let key = (id, start.as_ptr().addr());
        let values = self.targets.entry(key).or_insert_with(|| {
            let mut down = world.down(path);
            let first = down.next();
            let mut found: Vec<&Instance> = start
                .iter()
                .filter(|instance| Some(instance.node) == first)
                .collect();
            for node in down {
                found = found.into_iter().flat_map(|one| one.all(node)).collect();
            }
            found.into_iter().filter_map(Instance::text).collect()
        });
        values.contains(text)
    }
}
