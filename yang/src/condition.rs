//! `must` and `when`: the shapes of `XPath` that a table can hold.
//!
//! Steps upwards are counted from the data node that has the condition; for one that a choice or case has, from a data node in it.

use crate::schema::{Condition, Kind, NodeId, Path, Span, Test, Text};
use crate::{DataPath, Instance, Select, Step, Tree};

/// A place on the way down a tree.
#[derive(Clone, Copy)]
pub(crate) struct Frame<'a> {
    /// The schema node.
    pub(crate) node: NodeId,
    /// Its instance; none in containers that are only thought to be there.
    pub(crate) instance: Option<&'a Instance>,
    /// The instance and those beside it.
    pub(crate) siblings: &'a [Instance],
}

/// The path to a place.
pub(crate) fn path_of(tree: &Tree, above: &[Frame<'_>]) -> DataPath {
    DataPath {
        steps: above
            .iter()
            .map(|frame| Step {
                node: frame.node,
                select: frame.instance.map_or(Select::All, |instance| {
                    instance.select(tree.schema, frame.siblings)
                }),
            })
            .collect(),
    }
}

/// What conditions can see.
#[derive(Clone, Copy)]
pub(crate) struct World<'a> {
    /// The tree they are in.
    pub(crate) tree: &'a Tree,
    /// The datastore beside it, if it is none itself.
    pub(crate) datastore: Option<&'a Tree>,
}

impl<'a> World<'a> {
    /// Whether every `when` of a node below the last of `above`, there or not, is true.
    pub(crate) fn applies(&self, node: NodeId, above: &[Frame<'a>]) -> bool {
        self.conditions(node, |rules| rules.when)
            .iter()
            .all(|condition| self.holds(&condition.test, above, None))
    }

    /// The conditions of one kind that a node has.
    pub(crate) fn conditions(
        &self,
        node: NodeId,
        which: impl Fn(&crate::schema::Rules) -> Span,
    ) -> &'static [Condition] {
        let schema = self.tree.schema;
        let Some(rules) = schema.rules_at(node) else {
            return &[];
        };
        let span = which(rules);
        let first = usize::from(span.first);
        schema
            .conditions
            .get(first..first + usize::from(span.count))
            .unwrap_or_default()
    }

    /// Whether a test is true at `own`, below the last of `above`.
    pub(crate) fn holds(
        &self,
        test: &Test,
        above: &[Frame<'a>],
        own: Option<&'a Instance>,
    ) -> bool {
        let schema = self.tree.schema;
        let parts = |span: Span| {
            let first = usize::from(span.first);
            schema
                .tests
                .get(first..first + usize::from(span.count))
                .unwrap_or_default()
        };
        match *test {
            Test::Exists(path) => !self.at(path, above, own).is_empty(),
            Test::Absent(path) => self.at(path, above, own).is_empty(),
            Test::Equals(path, text) => self.some(path, above, own, text, true),
            Test::Differs(path, text) => self.some(path, above, own, text, false),
            Test::Any(span) => parts(span).iter().any(|test| self.holds(test, above, own)),
            Test::All(span) => parts(span).iter().all(|test| self.holds(test, above, own)),
            Test::Not(at) => schema
                .tests
                .get(usize::from(at))
                .is_some_and(|test| !self.holds(test, above, own)),
            Test::Derived {
                path,
                identity,
                or_self,
            } => self
                .at(path, above, own)
                .iter()
                .filter_map(|instance| instance.text())
                .any(|text| self.is_derived(text, identity, or_self)),
        }
    }

    fn some(
        &self,
        path: Path,
        above: &[Frame<'a>],
        own: Option<&'a Instance>,
        text: Text,
        equal: bool,
    ) -> bool {
        let text = self.tree.schema.text(text);
        self.at(path, above, own)
            .iter()
            .filter_map(|instance| instance.text())
            .any(|value| (value == text) == equal)
    }

    fn is_derived(&self, text: &str, base: u16, or_self: bool) -> bool {
        let schema = self.tree.schema;
        let Some((module, name)) = text.split_once(':') else {
            return false;
        };
        schema.identities.iter().enumerate().any(|(at, identity)| {
            if schema.text(identity.name) != name
                || schema.text(schema.module(identity.module).name) != module
            {
                return false;
            }
            let first = usize::from(identity.bases.first);
            let bases = schema
                .numbers
                .get(first..first + usize::from(identity.bases.count))
                .unwrap_or_default();
            bases.contains(&base) || (or_self && at == usize::from(base))
        })
    }

    /// The data nodes a path goes down by.
    pub(crate) fn down(&self, path: Path) -> impl Iterator<Item = NodeId> + use<> {
        let schema = self.tree.schema;
        let first = usize::from(path.down.first);
        schema
            .numbers
            .get(first..first + usize::from(path.down.count))
            .unwrap_or_default()
            .iter()
            .map(|number| NodeId(*number))
            .filter(|id| !matches!(schema.node(*id).kind, Kind::Choice | Kind::Case))
    }

    /// Where an absolute path begins; none if it begins in a datastore that is not known.
    pub(crate) fn top_for(&self, path: Path) -> Option<&'a [Instance]> {
        let first = self.down(path).next()?;
        if self.tree.root != NodeId::NONE && self.tree.schema.data_parent(first) == NodeId::NONE {
            self.datastore.map(|tree| tree.top.as_slice())
        } else {
            Some(&self.tree.top)
        }
    }

    /// The instances a path leads to.
    fn at(&self, path: Path, above: &[Frame<'a>], own: Option<&'a Instance>) -> Vec<&'a Instance> {
        let mut down = self.down(path);
        let mut found: Vec<&'a Instance>;
        if path.up == 0 {
            found = own.into_iter().collect();
        } else {
            let start: &'a [Instance] = if path.up == Path::ABSOLUTE {
                self.top_for(path).unwrap_or_default()
            } else {
                self.upwards(path.up, above)
            };
            let Some(first) = down.next() else {
                return start.iter().take(1).collect();
            };
            found = start
                .iter()
                .filter(|instance| instance.node == first)
                .collect();
        }
        for node in down {
            found = found
                .into_iter()
                .flat_map(|instance| instance.all(node))
                .collect();
        }
        found
    }

    /// What is inside the node so many levels above.
    pub(crate) fn upwards(&self, up: u8, above: &[Frame<'a>]) -> &'a [Instance] {
        match above.len().checked_sub(usize::from(up)) {
            Some(at) => above[at]
                .instance
                .map_or(&[], |instance| instance.children()),
            None if usize::from(up) == above.len() + 1 => &self.tree.top,
            None => &[],
        }
    }
}
