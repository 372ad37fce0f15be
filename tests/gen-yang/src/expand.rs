//! The schema tree: every `uses`, `refine`, `augment` and `if-feature` applied (RFC 7950 §5.6, §7).

mod augment;
mod inherit;

use crate::kinds::Kind;
use crate::types::Type;
use crate::{Error, Modules, Statement};
use inherit::{Inherited, settle};

/// A schema node and what is below.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) name: String,
    /// The module whose namespace it is in.
    pub(crate) module: usize,
    pub(crate) kind: Kind,
    pub(crate) config: Option<bool>,
    pub(crate) mandatory: bool,
    pub(crate) user_ordered: bool,
    pub(crate) presence: bool,
    pub(crate) deny_write: bool,
    pub(crate) deny_all: bool,
    pub(crate) deprecated: bool,
    pub(crate) keys: Vec<String>,
    pub(crate) unique: Vec<String>,
    pub(crate) min_elements: u32,
    pub(crate) max_elements: u32,
    pub(crate) defaults: Vec<String>,
    pub(crate) kind_of_value: Option<Type>,
    pub(crate) must: Vec<Condition>,
    pub(crate) when: Vec<Condition>,
    pub(crate) children: Vec<Self>,
}

/// A `must` or `when`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Condition {
    pub(crate) expression: String,
    pub(crate) message: String,
    pub(crate) app_tag: String,
    /// The module whose prefixes it uses.
    pub(crate) origin: usize,
    /// Whether its context is the node above, as in `uses` and `augment`.
    pub(crate) above: bool,
}

/// Where names are looked up: a module and the statements around, the innermost last.
#[derive(Debug, Clone)]
pub(crate) struct Scope<'a> {
    pub(crate) module: usize,
    pub(crate) around: Vec<&'a Statement>,
}

impl<'a> Scope<'a> {
    fn inside(&self, statement: &'a Statement) -> Self {
        let mut inner = self.clone();
        inner.around.push(statement);
        inner
    }
}

/// The work of expanding a set.
pub(crate) struct Expansion<'a> {
    pub(crate) modules: &'a Modules,
}

/// Statements that are understood elsewhere or say nothing about data.
const SILENT: &[&str] = &[
    "action",
    "anydata",
    "anyxml",
    "argument",
    "augment",
    "base",
    "case",
    "choice",
    "config",
    "contact",
    "container",
    "default",
    "description",
    "extension",
    "feature",
    "grouping",
    "identity",
    "if-feature",
    "import",
    "input",
    "key",
    "leaf",
    "leaf-list",
    "list",
    "mandatory",
    "max-elements",
    "min-elements",
    "must",
    "namespace",
    "notification",
    "ordered-by",
    "organization",
    "output",
    "prefix",
    "presence",
    "reference",
    "revision",
    "rpc",
    "status",
    "type",
    "typedef",
    "unique",
    "units",
    "uses",
    "when",
    "yang-version",
    "refine",
];

fn kind_of(keyword: &str) -> Option<Kind> {
    Some(match keyword {
        "container" => Kind::Container,
        "list" => Kind::List,
        "leaf" => Kind::Leaf,
        "leaf-list" => Kind::LeafList,
        "choice" => Kind::Choice,
        "case" => Kind::Case,
        "anydata" | "anyxml" => Kind::Any,
        "rpc" => Kind::Rpc,
        "action" => Kind::Action,
        "input" => Kind::Input,
        "output" => Kind::Output,
        "notification" => Kind::Notification,
        _ => return None,
    })
}

/// Expands the modules: the top of each, in their order.
pub(crate) fn expand(modules: &Modules) -> Result<Vec<Vec<Tree>>, Error> {
    let expansion = Expansion { modules };
    let mut tops = Vec::new();
    for (at, module) in modules.all.iter().enumerate() {
        let scope = Scope {
            module: at,
            around: vec![&module.statement],
        };
        let mut top = if module.implemented {
            expansion.children(&module.statement, &scope, at)?
        } else {
            expansion.known(&module.statement, at)?;
            Vec::new()
        };
        top.extend(expansion.structures(&module.statement, &scope, at)?);
        tops.push(top);
    }
    expansion.augment(&mut tops)?;
    for top in &mut tops {
        for tree in top {
            settle(tree, Inherited::default());
        }
    }
    Ok(tops)
}

impl<'a> Expansion<'a> {
    pub(crate) fn fault(&self, module: usize, at: &Statement, what: &str) -> Error {
        Error::Module {
            module: self.modules.all[module].name.clone(),
            line: at.line,
            statement: format!("{} {}", at.keyword, at.argument),
            what: what.to_owned(),
        }
    }

    /// The module that a prefix stands for, and the name behind it.
    pub(crate) fn split<'n>(
        &self,
        name: &'n str,
        module: usize,
        at: &Statement,
    ) -> Result<(Option<usize>, &'n str), Error> {
        let Some((prefix, local)) = name.split_once(':') else {
            return Ok((None, name));
        };
        match self.modules.all[module].prefixes.get(prefix) {
            Some(&found) => Ok((Some(found), local)),
            None => Err(self.fault(module, at, &format!("no module has the prefix `{prefix}`"))),
        }
    }

    /// A typedef or grouping by name, and the scope in which it stands.
    pub(crate) fn lookup(
        &self,
        keyword: &str,
        name: &str,
        scope: &Scope<'a>,
        at: &Statement,
    ) -> Result<(&'a Statement, Scope<'a>), Error> {
        let (module, local) = self.split(name, scope.module, at)?;
        let scope = match module {
            Some(module) if module != scope.module => Scope {
                module,
                around: vec![&self.modules.all[module].statement],
            },
            _ => scope.clone(),
        };
        for depth in (0..scope.around.len()).rev() {
            let found = scope.around[depth]
                .substatements
                .iter()
                .find(|s| s.keyword == keyword && s.argument == local);
            if let Some(found) = found {
                let around = scope.around[..=depth].to_vec();
                return Ok((
                    found,
                    Scope {
                        module: scope.module,
                        around,
                    },
                ));
            }
        }
        Err(self.fault(scope.module, at, &format!("there is no {keyword} `{name}`")))
    }

    /// An identity by name, as module and name.
    pub(crate) fn identity(
        &self,
        name: &str,
        module: usize,
        at: &Statement,
    ) -> Result<(usize, String), Error> {
        let (found, local) = self.split(name, module, at)?;
        let found = found.unwrap_or(module);
        let there = self.modules.all[found]
            .statement
            .all("identity")
            .any(|identity| identity.argument == local);
        if there {
            Ok((found, local.to_owned()))
        } else {
            Err(self.fault(module, at, &format!("there is no identity `{name}`")))
        }
    }

    /// Whether every `if-feature` of a statement holds.
    pub(crate) fn featured(&self, statement: &Statement, module: usize) -> Result<bool, Error> {
        for condition in statement.all("if-feature") {
            let text = condition.argument.trim();
            let (negated, name) = match text.strip_prefix("not ") {
                Some(name) => (true, name.trim()),
                None => (false, text),
            };
            if name.contains([' ', '(', ')']) {
                return Err(self.fault(
                    module,
                    condition,
                    "only `if-feature NAME` and `if-feature \"not NAME\"` are supported",
                ));
            }
            let (found, local) = self.split(name, module, condition)?;
            let on = self.modules.all[found.unwrap_or(module)]
                .features
                .contains(local);
            if on == negated {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Refuses statements and extensions that nothing here understands.
    fn known(&self, statement: &Statement, module: usize) -> Result<(), Error> {
        for inner in &statement.substatements {
            if SILENT.contains(&inner.keyword.as_str()) || self.extension(inner, module)?.is_some()
            {
                continue;
            }
            return Err(self.fault(module, inner, "this statement is not supported"));
        }
        Ok(())
    }

    /// The extension that a statement uses, where it is one that is understood or says nothing about data.
    fn extension<'s>(
        &self,
        statement: &'s Statement,
        module: usize,
    ) -> Result<Option<&'s str>, Error> {
        let (Some(found), local) = self.split(&statement.keyword, module, statement)? else {
            return Ok(None);
        };
        let known = matches!(
            (self.modules.all[found].name.as_str(), local),
            (
                "ietf-netconf-acm",
                "default-deny-write" | "default-deny-all"
            ) | ("ietf-restconf", "yang-data")
                | ("ietf-yang-structure-ext", "structure")
        );
        Ok(known.then_some(local))
    }

    fn structures(
        &self,
        statement: &'a Statement,
        scope: &Scope<'a>,
        module: usize,
    ) -> Result<Vec<Tree>, Error> {
        let mut found = Vec::new();
        for inner in &statement.substatements {
            if !inner.keyword.contains(':')
                || !matches!(
                    self.extension(inner, module)?,
                    Some("yang-data" | "structure")
                )
            {
                continue;
            }
            let mut tree = Self::bare(inner, Kind::Structure, module);
            tree.children = self.children(inner, &scope.inside(inner), module)?;
            found.push(tree);
        }
        Ok(found)
    }

    fn bare(statement: &Statement, kind: Kind, namespace: usize) -> Tree {
        Tree {
            name: statement.argument.clone(),
            module: namespace,
            kind,
            config: None,
            mandatory: false,
            user_ordered: false,
            presence: false,
            deny_write: false,
            deny_all: false,
            deprecated: false,
            keys: Vec::new(),
            unique: Vec::new(),
            min_elements: 0,
            max_elements: u32::MAX,
            defaults: Vec::new(),
            kind_of_value: None,
            must: Vec::new(),
            when: Vec::new(),
            children: Vec::new(),
        }
    }

    /// The nodes that the substatements define, in the namespace of `namespace`.
    fn children(
        &self,
        statement: &'a Statement,
        scope: &Scope<'a>,
        namespace: usize,
    ) -> Result<Vec<Tree>, Error> {
        self.known(statement, scope.module)?;
        let mut found = Vec::new();
        for inner in &statement.substatements {
            if inner.keyword == "uses" {
                found.extend(self.uses(inner, scope, namespace)?);
            } else if let Some(kind) = kind_of(&inner.keyword) {
                found.extend(self.node(inner, kind, scope, namespace)?);
            }
        }
        Ok(found)
    }

    fn node(
        &self,
        statement: &'a Statement,
        kind: Kind,
        scope: &Scope<'a>,
        namespace: usize,
    ) -> Result<Option<Tree>, Error> {
        if !self.featured(statement, scope.module)? {
            return Ok(None);
        }
        let mut tree = Self::bare(statement, kind, namespace);
        if matches!(kind, Kind::Input | Kind::Output) {
            tree.name.clone_from(&statement.keyword);
        }
        let inside = scope.inside(statement);
        tree.children = self.children(statement, &inside, namespace)?;
        if let Some(found) = statement.first("type") {
            let resolved = self.resolve(found, &inside)?;
            let required = statement.argument_of("mandatory") == Some("true")
                || statement
                    .argument_of("min-elements")
                    .is_some_and(|text| text != "0");
            if let (Some(default), false) = (resolved.default, required) {
                tree.defaults = vec![default];
            }
            tree.kind_of_value = Some(resolved.kind);
        }
        self.properties(&mut tree, statement, scope.module)?;
        match kind {
            Kind::Choice => tree.children = cases(tree.children),
            Kind::Rpc | Kind::Action => {
                for (part, name) in [(Kind::Input, "input"), (Kind::Output, "output")] {
                    if !tree.children.iter().any(|child| child.kind == part) {
                        let mut empty = Self::bare(statement, part, namespace);
                        name.clone_into(&mut empty.name);
                        tree.children.push(empty);
                    }
                }
                tree.children.sort_by_key(|part| part.kind == Kind::Output);
            }
            _ => {}
        }
        Ok(Some(tree))
    }

    /// What substatements say about the node itself; also those of `refine`.
    fn properties(
        &self,
        tree: &mut Tree,
        statement: &Statement,
        module: usize,
    ) -> Result<(), Error> {
        let fault = |at: &Statement, what: &str| self.fault(module, at, what);
        let number = |at: &Statement| {
            at.argument
                .parse::<u32>()
                .map_err(|_| fault(at, "not a number"))
        };
        let mut own_defaults = Vec::new();
        for inner in &statement.substatements {
            match inner.keyword.as_str() {
                "config" => tree.config = Some(inner.argument == "true"),
                "mandatory" => tree.mandatory = inner.argument == "true",
                "ordered-by" => tree.user_ordered = inner.argument == "user",
                "presence" => tree.presence = true,
                "status" => tree.deprecated = inner.argument != "current",
                "key" => {
                    tree.keys = inner
                        .argument
                        .split_whitespace()
                        .map(|key| key.rsplit(':').next().unwrap_or(key).to_owned())
                        .collect();
                }
                "unique" => tree.unique.push(inner.argument.clone()),
                "min-elements" => tree.min_elements = number(inner)?,
                "max-elements" if inner.argument == "unbounded" => tree.max_elements = u32::MAX,
                "max-elements" => tree.max_elements = number(inner)?,
                "default" => own_defaults.push(inner.argument.clone()),
                "must" => tree.must.push(condition(inner, module, false)),
                "when" => tree.when.push(condition(inner, module, false)),
                keyword if keyword.contains(':') => match self.extension(inner, module)? {
                    Some("default-deny-write") => tree.deny_write = true,
                    Some("default-deny-all") => tree.deny_all = true,
                    _ => return Err(fault(inner, "this extension is not understood here")),
                },
                _ => {}
            }
        }
        if !own_defaults.is_empty() {
            tree.defaults = own_defaults;
        }
        Ok(())
    }

    fn uses(
        &self,
        statement: &'a Statement,
        scope: &Scope<'a>,
        namespace: usize,
    ) -> Result<Vec<Tree>, Error> {
        if !self.featured(statement, scope.module)? {
            return Ok(Vec::new());
        }
        let (grouping, outside) = self.lookup("grouping", &statement.argument, scope, statement)?;
        if scope
            .around
            .iter()
            .any(|around| std::ptr::eq(*around, grouping))
        {
            return Err(self.fault(scope.module, statement, "a grouping that uses itself"));
        }
        let mut found = self.children(grouping, &outside.inside(grouping), namespace)?;
        for refine in statement.all("refine") {
            let target = self.below(
                &mut found,
                &refine.argument,
                namespace,
                scope.module,
                refine,
            )?;
            if !self.featured(refine, scope.module)? {
                return Err(self.fault(scope.module, refine, "if-feature is not supported here"));
            }
            self.properties(target, refine, scope.module)?;
        }
        for augment in statement.all("augment") {
            self.graft(&mut found, augment, scope, namespace, namespace)?;
        }
        for when in statement.all("when") {
            for tree in &mut found {
                tree.when.push(condition(when, scope.module, true));
            }
        }
        Ok(found)
    }
}

fn condition(statement: &Statement, origin: usize, above: bool) -> Condition {
    let text = |keyword: &str| {
        statement
            .argument_of(keyword)
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
            .unwrap_or_default()
    };
    Condition {
        expression: statement.argument.clone(),
        message: text("error-message"),
        app_tag: text("error-app-tag"),
        origin,
        above,
    }
}

/// RFC 7950 §7.9.2: a node that stands in a choice without case is the case of its name.
fn cases(nodes: Vec<Tree>) -> Vec<Tree> {
    nodes
        .into_iter()
        .map(|node| {
            if node.kind == Kind::Case {
                return node;
            }
            let mut case = node.clone();
            case.kind = Kind::Case;
            case.kind_of_value = None;
            case.defaults.clear();
            case.must.clear();
            case.when.clear();
            case.keys.clear();
            case.unique.clear();
            case.mandatory = false;
            case.user_ordered = false;
            case.presence = false;
            case.min_elements = 0;
            case.max_elements = u32::MAX;
            case.children = vec![node];
            case
        })
        .collect()
}
