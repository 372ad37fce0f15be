//! Access control (RFC 8341): rules as the configuration has them, and what they allow to one user.

use glimpse_yang::diff::Change;
use glimpse_yang::path::Fit;
use glimpse_yang::schema::{Kind, Node, NodeId, Schema};
use glimpse_yang::{Content, Instance, Select, Step};

mod edits;
mod rules;

pub(crate) use edits::is_bare;
use rules::{About, Applied};
pub use rules::{Rules, unreadable};

/// The module of the rules.
const MODULE: &str = "ietf-netconf-acm";
/// Their container.
pub(crate) const NACM: &str = "ietf-netconf-acm:nacm";

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// `create`.
    Create,
    /// `read`.
    Read,
    /// `update`.
    Update,
    /// `delete`.
    Delete,
    /// `exec`.
    Execute,
}

impl Access {
    const fn bit(self) -> u8 {
        match self {
            Self::Create => 1,
            Self::Read => 1 << 1,
            Self::Update => 1 << 2,
            Self::Delete => 1 << 3,
            Self::Execute => 1 << 4,
        }
    }

    const fn writes(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Delete)
    }
}

/// What was refused: the counters of `/ietf-netconf-acm:nacm`, or what to add to them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// `denied-operations`.
    pub operations: u32,
    /// `denied-data-writes`.
    pub data_writes: u32,
    /// `denied-notifications`.
    pub notifications: u32,
}

impl Counters {
    /// Adds what one request was refused; they wrap.
    pub fn add(&mut self, more: Self) {
        self.operations = self.operations.wrapping_add(more.operations);
        self.data_writes = self.data_writes.wrapping_add(more.data_writes);
        self.notifications = self.notifications.wrapping_add(more.notifications);
    }
}

/// Whether any change is one of the rules.
pub(crate) fn is_changed(schema: &'static Schema, changes: &[Change]) -> bool {
    changes.iter().any(|change| {
        let top = change.path.steps.first();
        top.is_none_or(|top| schema.module_name(top.node) == MODULE)
    })
}

/// What one user may do.
#[derive(Clone, Debug)]
pub struct Rights {
    schema: &'static Schema,
    user: String,
    unlimited: bool,
    read: bool,
    write: bool,
    execute: bool,
    rules: Vec<Applied>,
}

impl Rights {
    /// Whether access control does not apply to this user at all.
    pub const fn unlimited(&self) -> bool {
        self.unlimited
    }

    /// By the first rule that fits, or what holds without; `might`: a rule that fits in part and permits is enough.
    fn decide(
        &self,
        node: NodeId,
        access: Access,
        might: bool,
        fits: impl Fn(&Applied) -> Fit,
    ) -> bool {
        if self.unlimited {
            return true;
        }
        let module = self.schema.module_name(node);
        for applied in &self.rules {
            let rule = &applied.rule;
            if rule.accesses & access.bit() == 0 || !rule.module.fits(module) {
                continue;
            }
            match fits(applied) {
                Fit::All => return rule.permit,
                Fit::Some if might && rule.permit => return true,
                Fit::Some | Fit::No => {}
            }
        }
        let node = self.schema.node(node);
        if node.is(Node::DENY_ALL) || access.writes() && node.is(Node::DENY_WRITE) {
            return false;
        }
        match access {
            Access::Read => self.read,
            Access::Create | Access::Update | Access::Delete => self.write,
            Access::Execute => self.execute,
        }
    }

    /// Whether this may be done to the instance at that path (RFC 8341 §3.4.5). What is above it is another question.
    pub fn data(&self, path: &[Step], access: Access) -> bool {
        let Some(last) = path.last() else {
            return true;
        };
        self.decide(last.node, access, false, |applied| {
            applied.fits_data(path, &self.user)
        })
    }

    /// Whether the instance at that path and everything above it may be read.
    pub fn reads(&self, path: &[Step]) -> bool {
        (1..=path.len()).all(|length| self.data(&path[..length], Access::Read))
    }

    /// Whether the operation may be invoked (RFC 8341 §3.4.4).
    pub fn operation(&self, operation: NodeId) -> bool {
        let name = self.schema.name(operation);
        self.decide(
            operation,
            Access::Execute,
            false,
            |applied| match &applied.rule.about {
                About::Everything => Fit::All,
                About::Operation(own) if own.fits(name) => Fit::All,
                _ => Fit::No,
            },
        )
    }

    /// Whether the notification may be seen (RFC 8341 §3.4.6).
    pub fn notification(&self, notification: NodeId) -> bool {
        let name = self.schema.name(notification);
        self.decide(
            notification,
            Access::Read,
            false,
            |applied| match &applied.rule.about {
                About::Everything => Fit::All,
                About::Notification(own) if own.fits(name) => Fit::All,
                _ => Fit::No,
            },
        )
    }

    /// Takes away what may not be read below the instance at `path`; an entry whose keys are hidden goes as a whole.
    pub fn prune(&self, path: &mut Vec<Step>, children: &mut Vec<Instance>) {
        if self.unlimited {
            return;
        }
        children.retain_mut(|child| {
            path.push(step(self.schema, child));
            let visible = self.data(path, Access::Read);
            if visible && let Content::Children(below) = &mut child.content {
                self.prune(path, below);
            }
            path.pop();
            let whole = self
                .schema
                .keys(child.node)
                .all(|key| child.child(key).is_some());
            visible && whole
        });
    }
}

/// The step that leads to an instance from the one above it.
pub fn step(schema: &'static Schema, instance: &Instance) -> Step {
    let select = match schema.node(instance.node).kind {
        Kind::List => {
            let keys: Vec<String> = instance
                .keys(schema)
                .into_iter()
                .map(str::to_owned)
                .collect();
            if keys.is_empty() {
                Select::All
            } else {
                Select::Keys(keys)
            }
        }
        Kind::LeafList => Select::Value(instance.text().unwrap_or_default().to_owned()),
        _ => Select::All,
    };
    Step {
        node: instance.node,
        select,
    }
}
