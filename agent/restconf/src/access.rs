//! Access control (RFC 8341): rules as the configuration has them, and what they allow to one user.

use crate::message::User;
use glimpse_yang::schema::{Kind, Node, NodeId, Schema};
use glimpse_yang::view::View;
use glimpse_yang::{Content, DataPath, Instance, Select, Step, Tree};

pub mod edits;

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

/// A `*` or one name.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Name {
    Every,
    One(String),
}

impl Name {
    fn new(text: &str) -> Self {
        if text == "*" {
            Self::Every
        } else {
            Self::One(text.to_owned())
        }
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::One(own) => own == name,
        }
    }
}

/// `rule-type`.
#[derive(Clone, Debug)]
enum About {
    /// No case: everything.
    Everything,
    Operation(Name),
    Notification(Name),
    /// The node at this path and all below it, as the configuration has it.
    Data(String),
}

#[derive(Clone, Debug)]
struct Rule {
    module: Name,
    about: About,
    accesses: u8,
    permit: bool,
}

#[derive(Clone, Debug)]
struct RuleList {
    groups: Vec<String>,
    rules: Vec<Rule>,
}

/// The rules of a configuration.
#[derive(Clone, Debug)]
pub struct Rules {
    enabled: bool,
    read: bool,
    write: bool,
    execute: bool,
    external_groups: bool,
    groups: Vec<(String, Vec<String>)>,
    lists: Vec<RuleList>,
}

impl Default for Rules {
    /// What holds without any configuration: nobody writes (RFC 8341 §3.4.1).
    fn default() -> Self {
        Self {
            enabled: true,
            read: true,
            write: false,
            execute: true,
            external_groups: true,
            groups: Vec::new(),
            lists: Vec::new(),
        }
    }
}

fn accesses(text: &str) -> u8 {
    text.split_ascii_whitespace()
        .map(|name| match name {
            "*" => u8::MAX,
            "create" => Access::Create.bit(),
            "read" => Access::Read.bit(),
            "update" => Access::Update.bit(),
            "delete" => Access::Delete.bit(),
            "exec" => Access::Execute.bit(),
            _ => 0,
        })
        .fold(0, |all, bit| all | bit)
}

/// A rule with its path, if it has one, in the schema that it is applied to (none where that has no such node).
#[derive(Clone, Debug)]
struct Applied {
    rule: Rule,
    path: Option<Vec<Step>>,
}

impl Rule {
    fn applied(&self, schema: &'static Schema) -> Applied {
        let path = match &self.about {
            About::Data(path) if path == "/" => Some(Vec::new()),
            About::Data(path) => DataPath::parse(schema, path).ok().map(|path| path.steps),
            _ => None,
        };
        Applied {
            rule: self.clone(),
            path,
        }
    }

    fn from_view(rule: &View<'_>) -> Self {
        let name = |leaf| rule.leaf(leaf).map(Name::new);
        let about = if let Some(name) = name("rpc-name") {
            About::Operation(name)
        } else if let Some(name) = name("notification-name") {
            About::Notification(name)
        } else if let Some(path) = rule.leaf("path") {
            About::Data(path.to_owned())
        } else {
            About::Everything
        };
        Self {
            module: name("module-name").unwrap_or(Name::Every),
            about,
            accesses: rule.leaf("access-operations").map_or(u8::MAX, accesses),
            permit: rule.leaf("action") == Some("permit"),
        }
    }
}

impl Rules {
    /// Reads `/ietf-netconf-acm:nacm`. They may be applied to a datastore of another schema; a rule about a path that it does not
    /// have matches nothing there.
    pub fn from_tree(tree: &Tree) -> Self {
        let mut rules = Self::default();
        let Some(nacm) = tree.view("ietf-netconf-acm:nacm") else {
            return rules;
        };
        let is = |leaf: &str, usual: bool, yes: &str| {
            nacm.leaf(leaf).map_or(usual, |value| value == yes)
        };
        rules.enabled = is("enable-nacm", true, "true");
        rules.read = is("read-default", true, "permit");
        rules.write = is("write-default", false, "permit");
        rules.execute = is("exec-default", true, "permit");
        rules.external_groups = is("enable-external-groups", true, "true");
        if let Some(groups) = nacm.container("groups") {
            for group in groups.list("group") {
                let users = group.leaf_list("user-name").map(str::to_owned).collect();
                let name = group.leaf("name").unwrap_or_default().to_owned();
                rules.groups.push((name, users));
            }
        }
        for list in nacm.list("rule-list") {
            rules.lists.push(RuleList {
                groups: list.leaf_list("group").map(str::to_owned).collect(),
                rules: list
                    .list("rule")
                    .map(|rule| Rule::from_view(&rule))
                    .collect(),
            });
        }
        rules
    }

    /// What they allow to one user in a datastore of that schema.
    pub fn of(&self, schema: &'static Schema, user: &User) -> Rights {
        let mut groups: Vec<&str> = self
            .groups
            .iter()
            .filter(|(_, users)| users.contains(&user.name))
            .map(|(name, _)| name.as_str())
            .collect();
        if self.external_groups {
            groups.extend(user.groups.iter().map(String::as_str));
        }
        // Who is in no group meets no rule list, not even one for `*` (RFC 8341 §3.4.4, step 4).
        let lists = self.lists.iter().filter(|list| {
            !groups.is_empty()
                && list
                    .groups
                    .iter()
                    .any(|group| group == "*" || groups.contains(&group.as_str()))
        });
        Rights {
            schema,
            unlimited: !self.enabled || user.recovery,
            read: self.read,
            write: self.write,
            execute: self.execute,
            rules: lists
                .flat_map(|list| &list.rules)
                .map(|rule| rule.applied(schema))
                .collect(),
        }
    }
}

/// What one user may do.
#[derive(Clone, Debug)]
pub struct Rights {
    schema: &'static Schema,
    unlimited: bool,
    read: bool,
    write: bool,
    execute: bool,
    rules: Vec<Applied>,
}

/// Whether a rule's path selects what is at `path`, or something above it.
fn covers(rule: &[Step], path: &[Step]) -> bool {
    rule.len() <= path.len()
        && rule.iter().zip(path).all(|(rule, own)| {
            rule.node == own.node
                && match &rule.select {
                    Select::All => true,
                    select => *select == own.select,
                }
        })
}

impl Rights {
    /// Whether access control does not apply to this user at all.
    pub const fn unlimited(&self) -> bool {
        self.unlimited
    }

    fn decide(&self, node: NodeId, access: Access, fits: impl Fn(&Applied) -> bool) -> bool {
        if self.unlimited {
            return true;
        }
        let module = self.schema.module_name(node);
        for applied in &self.rules {
            let rule = &applied.rule;
            if rule.accesses & access.bit() != 0 && rule.module.fits(module) && fits(applied) {
                return rule.permit;
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
        self.decide(last.node, access, |applied| match applied.rule.about {
            About::Everything => true,
            About::Data(_) => applied.path.as_ref().is_some_and(|rule| covers(rule, path)),
            _ => false,
        })
    }

    /// Whether the instance at that path and everything above it may be read.
    pub fn reads(&self, path: &[Step]) -> bool {
        (1..=path.len()).all(|length| self.data(&path[..length], Access::Read))
    }

    /// Whether the operation may be invoked (RFC 8341 §3.4.4).
    pub fn operation(&self, operation: NodeId) -> bool {
        let name = self.schema.name(operation);
        self.decide(operation, Access::Execute, |applied| {
            match &applied.rule.about {
                About::Everything => true,
                About::Operation(own) => own.fits(name),
                _ => false,
            }
        })
    }

    /// Whether the notification may be seen (RFC 8341 §3.4.6).
    pub fn notification(&self, notification: NodeId) -> bool {
        let name = self.schema.name(notification);
        self.decide(notification, Access::Read, |applied| {
            match &applied.rule.about {
                About::Everything => true,
                About::Notification(own) => own.fits(name),
                _ => false,
            }
        })
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
