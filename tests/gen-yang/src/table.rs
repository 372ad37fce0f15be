//! The table: the schema tree as rows of numbers, everything that is equal once.

mod conditions;
mod listing;
mod types;

use crate::expand::Tree;
use crate::kinds::flag;
use crate::xpath::Steps;
use crate::{Error, Modules};
use std::collections::VecDeque;
use types::canonical;

/// Rows of the table, each as the Rust expression that makes it.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) pool: String,
    pub(crate) modules: Vec<String>,
    pub(crate) nodes: Vec<String>,
    pub(crate) types: Vec<String>,
    pub(crate) rules: Vec<String>,
    pub(crate) conditions: Vec<String>,
    pub(crate) tests: Vec<String>,
    pub(crate) ranges: Vec<String>,
    pub(crate) patterns: Vec<String>,
    pub(crate) names: Vec<String>,
    pub(crate) identities: Vec<String>,
    pub(crate) texts: Vec<String>,
    pub(crate) spans: Vec<String>,
    pub(crate) numbers: Vec<String>,
    /// One line per node, for people.
    pub(crate) listing: Vec<String>,
}

/// A node in the order of the table.
struct Flat<'a> {
    tree: &'a Tree,
    parent: Option<usize>,
    first: usize,
    count: usize,
}

struct Encoder<'a> {
    modules: &'a Modules,
    flat: Vec<Flat<'a>>,
    identities: Vec<Identity>,
    table: Table,
}

struct Identity {
    module: usize,
    name: String,
    bases: Vec<usize>,
}

/// Encodes the expanded modules.
pub(crate) fn encode(modules: &Modules, tops: &[Vec<Tree>]) -> Result<Table, Error> {
    let mut flat: Vec<Flat<'_>> = Vec::new();
    let mut spans = Vec::new();
    let bare = |tree, parent| Flat {
        tree,
        parent,
        first: 0,
        count: 0,
    };
    for top in tops {
        spans.push((flat.len(), top.len()));
        flat.extend(top.iter().map(|tree| bare(tree, None)));
    }
    let mut at = 0;
    while at < flat.len() {
        let children = &flat[at].tree.children;
        flat[at].first = flat.len();
        flat[at].count = children.len();
        flat.extend(children.iter().map(|tree| bare(tree, Some(at))));
        at += 1;
    }
    let mut encoder = Encoder {
        modules,
        flat,
        identities: Vec::new(),
        table: Table::default(),
    };
    encoder.longest_texts_first(tops);
    encoder.identities()?;
    encoder.modules(&spans)?;
    for at in 0..encoder.flat.len() {
        let row = encoder.node(at)?;
        encoder.table.nodes.push(row);
    }
    let most = usize::from(u16::MAX) - 1;
    let table = encoder.table;
    let fits = [
        table.pool.len(),
        table.nodes.len(),
        table.types.len(),
        table.numbers.len(),
    ]
    .iter()
    .all(|&length| length <= most);
    if fits {
        Ok(table)
    } else {
        Err(Error::TooLarge)
    }
}

impl Encoder<'_> {
    fn fault(&self, at: usize, what: impl Into<String>) -> Error {
        Error::Node {
            path: self.path(at),
            what: what.into(),
        }
    }

    /// The path of schema node names.
    fn path(&self, at: usize) -> String {
        let node = &self.flat[at];
        let module = &self.modules.all[node.tree.module].name;
        match node.parent {
            None => format!("/{module}:{}", node.tree.name),
            Some(parent) if self.flat[parent].tree.module == node.tree.module => {
                format!("{}/{}", self.path(parent), node.tree.name)
            }
            Some(parent) => format!("{}/{module}:{}", self.path(parent), node.tree.name),
        }
    }

    /// Texts that contain others go into the pool before them.
    fn longest_texts_first(&mut self, tops: &[Vec<Tree>]) {
        let mut texts = Vec::new();
        let mut open: VecDeque<&Tree> = tops.iter().flatten().collect();
        while let Some(tree) = open.pop_front() {
            texts.push(tree.name.clone());
            open.extend(&tree.children);
        }
        for module in &self.modules.all {
            texts.extend([module.namespace.clone(), module.name.clone()]);
        }
        texts.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        texts.dedup();
        for text in texts {
            self.text(&text);
        }
    }

    fn text(&mut self, text: &str) -> String {
        let pool = &mut self.table.pool;
        let at = if text.is_empty() {
            0
        } else {
            pool.find(text).unwrap_or_else(|| {
                pool.push_str(text);
                pool.len() - text.len()
            })
        };
        format!("t({at},{})", text.len())
    }

    fn identities(&mut self) -> Result<(), Error> {
        let modules = self.modules;
        for (at, module) in modules.all.iter().enumerate() {
            if module.implemented {
                for statement in module.statement.all("identity") {
                    self.identities.push(Identity {
                        module: at,
                        name: statement.argument.clone(),
                        bases: Vec::new(),
                    });
                }
            }
        }
        let expansion = crate::expand::Expansion { modules };
        let mut direct = Vec::new();
        for identity in &self.identities {
            let statement = modules.all[identity.module]
                .statement
                .all("identity")
                .find(|statement| statement.argument == identity.name);
            let mut bases = Vec::new();
            for base in statement.into_iter().flat_map(|found| found.all("base")) {
                let (module, name) = expansion.identity(&base.argument, identity.module, base)?;
                bases.extend(self.identity(module, &name));
            }
            direct.push(bases);
        }
        for at in 0..direct.len() {
            let mut found: Vec<usize> = Vec::new();
            let mut open = direct[at].clone();
            while let Some(base) = open.pop() {
                if !found.contains(&base) {
                    found.push(base);
                    open.extend(&direct[base]);
                }
            }
            found.sort_unstable();
            self.identities[at].bases = found;
        }
        for at in 0..self.identities.len() {
            let (module, name, bases) = {
                let identity = &self.identities[at];
                (
                    identity.module,
                    identity.name.clone(),
                    identity.bases.clone(),
                )
            };
            let name = self.text(&name);
            let bases = self.numbers(&bases);
            self.table
                .identities
                .push(format!("id({name},{module},{bases})"));
        }
        Ok(())
    }

    fn identity(&self, module: usize, name: &str) -> Option<usize> {
        self.identities
            .iter()
            .position(|identity| identity.module == module && identity.name == name)
    }

    fn modules(&mut self, spans: &[(usize, usize)]) -> Result<(), Error> {
        let modules = self.modules;
        for (module, span) in modules.all.iter().zip(spans) {
            let name = self.text(&module.name);
            let namespace = self.text(&module.namespace);
            let prefix = self.text(&module.prefix);
            let revision = self.text(&module.revision);
            let features: Vec<String> = module
                .features
                .iter()
                .map(|feature| self.text(feature))
                .collect();
            let features = run(&mut self.table.texts, &features);
            self.table.modules.push(format!(
                "m([{name},{namespace},{prefix},{revision}],{},{},{features},s({},{}))",
                module.implemented, module.client, span.0, span.1
            ));
        }
        if modules.all.len() > usize::from(u8::MAX) {
            return Err(Error::TooLarge);
        }
        Ok(())
    }

    fn node(&mut self, at: usize) -> Result<String, Error> {
        let tree = self.flat[at].tree;
        let name = self.text(&tree.name);
        let kind_of_value = match &tree.kind_of_value {
            Some(kind) => self.kind_of_value(at, kind, 0)?,
            None => usize::from(u16::MAX),
        };
        let is_key = self.flat[at]
            .parent
            .is_some_and(|parent| self.is_key(parent, tree));
        let flags = [
            (tree.config == Some(true), flag::CONFIG),
            (tree.mandatory, flag::MANDATORY),
            (tree.user_ordered, flag::USER_ORDERED),
            (tree.presence, flag::PRESENCE),
            (is_key, flag::KEY),
            (tree.deny_write, flag::DENY_WRITE),
            (tree.deny_all, flag::DENY_ALL),
            (tree.deprecated, flag::DEPRECATED),
        ]
        .iter()
        .filter(|(on, _)| *on)
        .fold(0, |all, (_, bit)| all | bit);
        let rules = self.rules(at)?;
        let listed = self.listed(at, flags);
        self.table.listing.push(listed);
        let flat = &self.flat[at];
        Ok(format!(
            "n({name},{},Kind::{:?},[{flags},{},{},{},{kind_of_value},{}])",
            tree.module,
            tree.kind,
            flat.parent.unwrap_or(usize::from(u16::MAX)),
            flat.first,
            flat.count,
            rules.unwrap_or(usize::from(u16::MAX)),
        ))
    }

    fn is_key(&self, parent: usize, tree: &Tree) -> bool {
        let list = self.flat[parent].tree;
        list.module == tree.module && list.keys.contains(&tree.name)
    }

    fn rules(&mut self, at: usize) -> Result<Option<usize>, Error> {
        let tree = self.flat[at].tree;
        let mut defaults = Vec::new();
        for text in &tree.defaults {
            let canonical = match &tree.kind_of_value {
                Some(kind) => canonical(kind, text).ok_or_else(|| {
                    self.fault(at, format!("the default `{text}` is not of the type"))
                })?,
                None => text.clone(),
            };
            defaults.push(self.text(&canonical));
        }
        let defaults = run(&mut self.table.texts, &defaults);
        let mut unique = Vec::new();
        for statement in &tree.unique {
            let mut leaves = Vec::new();
            for path in statement.split_whitespace() {
                let steps = Steps::parse(path).map_err(|what| self.fault(at, what))?;
                let down = self.down(Some(at), &steps.down, tree.module, tree.module, at)?;
                leaves.extend(down.last().copied());
            }
            unique.push(self.numbers(&leaves));
        }
        let unique = run(&mut self.table.spans, &unique);
        let must = self.conditions(at, &tree.must)?;
        let when = self.conditions(at, &tree.when)?;
        let row = format!(
            "r({defaults},[{},{}],{},{unique},{must},{when})",
            tree.min_elements,
            tree.max_elements,
            tree.keys.len()
        );
        let nothing = "r(s(0,0),[0,4294967295],0,s(0,0),s(0,0),s(0,0))";
        Ok((row != nothing).then(|| one(&mut self.table.rules, row)))
    }

    /// A path as a row, and the node to which it leads.
    fn steps(
        &mut self,
        at: usize,
        steps: &Steps,
        origin: usize,
        names: usize,
    ) -> Result<(String, Option<usize>), Error> {
        let mut context = if steps.absolute { None } else { Some(at) };
        if context.is_some() && self.flat[at].tree.kind.is_schema_only() {
            context = self.above(at);
        }
        for _ in 0..steps.up {
            let Some(node) = context else {
                return Err(self.fault(at, "a path leads above the top"));
            };
            context = self.above(node);
        }
        let down = self.down(context, &steps.down, origin, names, at)?;
        let last = down.last().copied().or(context);
        let up = if steps.absolute { u8::MAX } else { steps.up };
        let down = self.numbers(&down);
        Ok((format!("p({up},{down})"), last))
    }

    /// The node above, choices and cases skipped.
    fn above(&self, at: usize) -> Option<usize> {
        let parent = self.flat[at].parent?;
        if self.flat[parent].tree.kind.is_schema_only() {
            self.above(parent)
        } else {
            Some(parent)
        }
    }

    fn down(
        &self,
        from: Option<usize>,
        names: &[String],
        origin: usize,
        own: usize,
        at: usize,
    ) -> Result<Vec<usize>, Error> {
        let mut found = Vec::new();
        let mut context = from;
        for name in names {
            let (prefix, local) = name.split_once(':').unwrap_or(("", name));
            let module = match prefix {
                "" => own,
                _ => *self.modules.all[origin]
                    .prefixes
                    .get(prefix)
                    .ok_or_else(|| {
                        self.fault(at, format!("no module has the prefix of `{name}`"))
                    })?,
            };
            let next = self.child(context, module, local).ok_or_else(|| {
                self.fault(at, format!("a path names `{name}`, which is not there"))
            })?;
            found.push(next);
            context = Some(next);
        }
        Ok(found)
    }

    fn child(&self, of: Option<usize>, module: usize, name: &str) -> Option<usize> {
        let mut range = match of {
            Some(at) => self.flat[at].first..self.flat[at].first + self.flat[at].count,
            None => {
                0..self
                    .flat
                    .iter()
                    .position(|flat| flat.parent.is_some())
                    .unwrap_or(self.flat.len())
            }
        };
        range.find_map(|at| {
            let tree = self.flat[at].tree;
            if tree.kind.is_schema_only() {
                self.child(Some(at), module, name)
            } else {
                (tree.kind.is_data() && tree.module == module && tree.name == name).then_some(at)
            }
        })
    }

    fn numbers(&mut self, numbers: &[usize]) -> String {
        let rows: Vec<String> = numbers.iter().map(ToString::to_string).collect();
        run(&mut self.table.numbers, &rows)
    }
}

/// Where the row is, added where it is not.
fn one(rows: &mut Vec<String>, row: String) -> usize {
    rows.iter()
        .position(|present| *present == row)
        .unwrap_or_else(|| {
            rows.push(row);
            rows.len() - 1
        })
}

/// Where the rows stand side by side, added where they do not.
fn run(rows: &mut Vec<String>, wanted: &[String]) -> String {
    if wanted.is_empty() {
        return "s(0,0)".to_owned();
    }
    let first = rows
        .windows(wanted.len())
        .position(|window| window == wanted)
        .unwrap_or_else(|| {
            rows.extend_from_slice(wanted);
            rows.len() - wanted.len()
        });
    format!("s({first},{})", wanted.len())
}
