//! Rules as the configuration has them.

use super::{Access, MODULE, NACM, Rights};
use crate::message::User;
use glimpse_yang::path::{Fit, NodeIdentifier};
use glimpse_yang::schema::Schema;
use glimpse_yang::view::View;
use glimpse_yang::{DataPath, Error, Segment, Step, Tree};

/// A `*` or one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
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

    pub(super) fn fits(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::One(own) => own == name,
        }
    }
}

/// `rule-type`.
#[derive(Clone, Debug)]
pub(super) enum About {
    /// No case: everything.
    Everything,
    Operation(Name),
    Notification(Name),
    /// The node at this path and all below it, as the configuration has it.
    Data(String),
}

#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) module: Name,
    pub(super) about: About,
    pub(super) accesses: u8,
    pub(super) permit: bool,
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
pub(super) struct Applied {
    pub(super) rule: Rule,
    path: Option<NodeIdentifier>,
}

impl Applied {
    /// Whether it is about the data at that path.
    pub(super) fn fits_data(&self, path: &[Step], user: &str) -> Fit {
        match (&self.rule.about, &self.path) {
            (About::Everything, _) => Fit::All,
            (About::Data(_), Some(own)) => own.fits(path, user),
            _ => Fit::No,
        }
    }
}

impl Rule {
    fn applied(&self, schema: &'static Schema) -> Applied {
        let path = match &self.about {
            About::Data(path) => NodeIdentifier::parse(schema, path).ok(),
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
        let Some(nacm) = tree.view(NACM) else {
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
            user: user.name.clone(),
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

/// The rules whose path cannot be read: they would match nothing, and what they deny would stand open. Each error has the path of the
/// leaf.
pub fn unreadable(tree: &Tree) -> Vec<Error> {
    let mut errors = Vec::new();
    let lists = tree.view(NACM);
    for list in lists.iter().flat_map(|nacm| nacm.list("rule-list")) {
        for rule in list.list("rule") {
            let Some(Err(error)) = rule
                .leaf("path")
                .map(|path| NodeIdentifier::parse(tree.schema, path))
            else {
                continue;
            };
            let key = |entry: &View<'_>| Some(vec![entry.leaf("name")?.to_owned()]);
            let at = |module, name, keys| Segment { module, name, keys };
            let leaf = [
                at(Some(MODULE), "nacm", None),
                at(None, "rule-list", key(&list)),
                at(None, "rule", key(&rule)),
                at(None, "path", None),
            ];
            errors.push(match DataPath::from_segments(tree.schema, &leaf) {
                Ok(leaf) => error.at(leaf),
                Err(_) => error,
            });
        }
    }
    errors
}
