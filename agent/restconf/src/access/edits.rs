//! What an edit needs: one right for each node that it creates, changes or deletes (RFC 8341 §3.4.5).

use super::{Access, Rights, step};
use glimpse_yang::diff::{Change, What};
use glimpse_yang::schema::{Kind, Node, NodeId, Schema};
use glimpse_yang::{Content, DataPath, Instance, Select, Step, Tree};

/// A container without meaning of its own needs no right: what it holds does.
pub(crate) fn is_bare(schema: &Schema, node: NodeId) -> bool {
    let node = schema.node(node);
    node.kind == Kind::Container && !node.is(Node::PRESENCE)
}

impl Rights {
    /// Whether this user might create, change or delete the node at that path, or anything that may be below it.
    pub fn writes(&self, path: &[Step]) -> bool {
        self.unlimited() || self.might_write(&mut path.to_vec())
    }

    fn might_write(&self, path: &mut Vec<Step>) -> bool {
        let at = path.last().map_or(NodeId::NONE, |last| last.node);
        let might = |access| {
            self.decide(at, access, true, |applied| {
                applied.fits_data(path, &self.user)
            })
        };
        let own = at != NodeId::NONE
            && (might(Access::Create) || might(Access::Update) || might(Access::Delete));
        own || self.schema.data_children(at).into_iter().any(|node| {
            if !self.schema.node(node).is(Node::CONFIG) {
                return false;
            }
            let select = Select::All;
            path.push(Step { node, select });
            let found = self.might_write(path);
            path.pop();
            found
        })
    }

    /// Whether there is something in `instance`, which is at `path`, that this user may neither see nor set.
    pub fn is_blind(&self, path: &[Step], instance: &Instance) -> bool {
        let above = path.len().saturating_sub(1);
        !self.unlimited()
            && self.is_blind_below(&mut path.to_vec(), instance, self.reads(&path[..above]))
    }

    fn is_blind_below(&self, path: &mut Vec<Step>, instance: &Instance, seen: bool) -> bool {
        let seen = seen && self.data(path, Access::Read);
        if !seen
            && !is_bare(self.schema, instance.node)
            && !self.data(path, Access::Create)
            && !self.data(path, Access::Update)
        {
            return true;
        }
        instance.children().iter().any(|child| {
            path.push(step(self.schema, child));
            let blind = self.is_blind_below(path, child, seen);
            path.pop();
            blind
        })
    }

    /// The first node that this user may not change so.
    pub fn refuses(&self, old: &Tree, new: &Tree, changes: &[Change]) -> Option<DataPath> {
        if self.unlimited() {
            return None;
        }
        changes.iter().find_map(|change| {
            let mut path = change.path.steps.clone();
            match change.what {
                What::Created => {
                    let made = new.find(&change.path)?;
                    self.refuses_subtree(&mut path, made, Access::Create)
                }
                What::Deleted => {
                    if replaced_by_other_case(new, &change.path) {
                        return None;
                    }
                    let gone = old.find(&change.path)?;
                    self.refuses_subtree(&mut path, gone, Access::Delete)
                }
                What::Replaced | What::Moved => {
                    (!self.data(&path, Access::Update)).then(|| change.path.clone())
                }
            }
        })
    }

    fn refuses_subtree(
        &self,
        path: &mut Vec<Step>,
        instance: &Instance,
        access: Access,
    ) -> Option<DataPath> {
        if !is_bare(self.schema, instance.node) && !self.data(path, access) {
            return Some(DataPath {
                steps: path.clone(),
            });
        }
        let Content::Children(children) = &instance.content else {
            return None;
        };
        children.iter().find_map(|child| {
            path.push(step(self.schema, child));
            let refused = self.refuses_subtree(path, child, access);
            path.pop();
            refused
        })
    }
}

/// The choices around a node up to its data parent, with the case of each that it is in.
fn cases(schema: &Schema, node: NodeId) -> Vec<(NodeId, NodeId)> {
    let mut found = Vec::new();
    let mut at = node;
    loop {
        let above = schema.node(at).parent;
        if above == NodeId::NONE {
            return found;
        }
        match schema.node(above).kind {
            Kind::Choice => found.push((above, at)),
            Kind::Case => {}
            _ => return found,
        }
        at = above;
    }
}

/// Whether a node is gone because the edit chose another case, which needs no right to delete it.
fn replaced_by_other_case(new: &Tree, path: &DataPath) -> bool {
    let Some(last) = path.steps.last() else {
        return false;
    };
    let own = cases(new.schema, last.node);
    if own.is_empty() {
        return false;
    }
    let above = DataPath {
        steps: path.steps[..path.steps.len() - 1].to_vec(),
    };
    let siblings = if above.steps.is_empty() {
        new.top.as_slice()
    } else {
        new.find(&above).map_or(&[][..], Instance::children)
    };
    siblings.iter().any(|sibling| {
        cases(new.schema, sibling.node)
            .iter()
            .any(|(choice, case)| own.iter().any(|(at, mine)| at == choice && mine != case))
    })
}
