//! The grammar of instance-identifiers.

use super::{DataPath, LONGEST, Select, Step, unknown_node};
use crate::schema::{Kind, ModuleId, NodeId, Schema};
use crate::value::{Context, Reject};

/// What a predicate wants a key or value to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Whatever it is.
    Any,
    /// This canonical text.
    Text(String),
    /// The name of the user: `$USER` (RFC 8341 §4, `node-instance-identifier`).
    User,
}

/// A step as it is written.
#[derive(Debug)]
pub(super) struct Parsed {
    pub(super) node: NodeId,
    /// By key, in the order of the schema, or of the value alone; nothing without predicates.
    pub(super) wanted: Vec<Wanted>,
    pub(super) position: Option<u32>,
}

/// Reads all of `text`.
pub(super) fn read(context: &Context<'_>, text: &str) -> Result<DataPath, Reject> {
    let steps = parse(context, text, false)?
        .into_iter()
        .map(|parsed| whole(context.schema, parsed))
        .collect::<Result<_, _>>()?;
    Ok(DataPath { steps })
}

/// A step that names every key, or none.
fn whole(schema: &Schema, parsed: Parsed) -> Result<Step, Reject> {
    let Parsed {
        node,
        wanted,
        position,
    } = parsed;
    let mut texts = Vec::with_capacity(wanted.len());
    for one in wanted {
        match one {
            Wanted::Text(text) => texts.push(text),
            Wanted::Any | Wanted::User => {
                return Err(Reject::new("instance-identifier: some keys are missing"));
            }
        }
    }
    let select = match position {
        Some(at) => Select::Position(at),
        None if texts.is_empty() => Select::All,
        None if schema.node(node).kind == Kind::LeafList => Select::Value(texts.concat()),
        None => Select::Keys(texts),
    };
    Ok(Step { node, select })
}

/// Reads the steps of all of `text`; none for `/`. With `loose`, `$USER` may stand for a value, and actions and notifications of
/// data nodes may be named.
pub(super) fn parse(context: &Context<'_>, text: &str, loose: bool) -> Result<Vec<Parsed>, Reject> {
    let mut reader = Reader {
        context,
        rest: text,
        whole: text,
        loose,
    };
    let mut steps: Vec<Parsed> = Vec::new();
    if text == "/" {
        return Ok(steps);
    }
    while !reader.rest.is_empty() {
        if steps.len() == LONGEST {
            return Err(reader.wrong("it has too many steps"));
        }
        let parent = steps.last().map_or(NodeId::NONE, |step| step.node);
        let step = reader.step(parent)?;
        steps.push(step);
    }
    if steps.is_empty() {
        return Err(reader.wrong("it is empty"));
    }
    Ok(steps)
}

struct Reader<'a, 'c> {
    context: &'a Context<'c>,
    rest: &'a str,
    whole: &'a str,
    loose: bool,
}

impl<'a> Reader<'a, '_> {
    fn wrong(&self, what: &str) -> Reject {
        let at = self.whole.len() - self.rest.len();
        Reject::new(format!("instance-identifier, byte {at}: {what}"))
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn expect(&mut self, token: char) -> Result<(), Reject> {
        self.rest = self
            .rest
            .strip_prefix(token)
            .ok_or_else(|| self.wrong(&format!("expected '{token}'")))?;
        Ok(())
    }

    fn part(&mut self) -> Result<&'a str, Reject> {
        let length = self
            .rest
            .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
            .unwrap_or(self.rest.len());
        let (part, rest) = self.rest.split_at(length);
        if part.is_empty() {
            return Err(self.wrong("expected a name"));
        }
        self.rest = rest;
        Ok(part)
    }

    fn node(&mut self, parent: NodeId) -> Result<NodeId, Reject> {
        let schema = self.context.schema;
        let first = self.part()?;
        let (prefix, name) = match self.rest.strip_prefix(':') {
            Some(rest) => {
                self.rest = rest;
                (Some(first), self.part()?)
            }
            None => (None, first),
        };
        let module = match prefix {
            Some(_) => self.context.module(prefix),
            None if parent == NodeId::NONE => None,
            None => Some(schema.node(parent).module),
        };
        let module = module
            .ok_or_else(|| self.wrong(&format!("no module known for '{name}' before here")))?;
        let data = schema.child_of(parent, module, name);
        let found = data.or_else(|| self.inner(parent, module, name));
        found.ok_or_else(|| {
            let module = schema.text(schema.module(module).name);
            let unknown = crate::Unknown::Name;
            let error = unknown_node(schema, parent, Some(module), name, unknown);
            self.wrong(&error.message)
        })
    }

    /// The action or notification of a data node.
    fn inner(&self, parent: NodeId, module: ModuleId, name: &str) -> Option<NodeId> {
        if !self.loose || parent == NodeId::NONE {
            return None;
        }
        let schema = self.context.schema;
        schema.schema_children(parent).into_iter().find(|id| {
            let node = schema.node(*id);
            matches!(node.kind, Kind::Action | Kind::Notification)
                && node.module == module
                && schema.name(*id) == name
        })
    }

    fn quoted(&mut self) -> Result<&'a str, Reject> {
        let quote = self
            .rest
            .chars()
            .next()
            .filter(|c| matches!(c, '\'' | '"'))
            .ok_or_else(|| self.wrong("expected a value in quotes"))?;
        let (inside, rest) = self.rest[1..]
            .split_once(quote)
            .ok_or_else(|| self.wrong("the quote does not end"))?;
        self.rest = rest;
        Ok(inside)
    }

    fn canonical(&self, node: NodeId, text: &str) -> Result<String, Reject> {
        let context = Context {
            module: self.context.schema.node(node).module,
            ..*self.context
        };
        let value = context.text(context.schema.type_at(node), text)?;
        Ok(value.text().to_owned())
    }

    fn step(&mut self, parent: NodeId) -> Result<Parsed, Reject> {
        let schema = self.context.schema;
        self.expect('/')?;
        let node = self.node(parent)?;
        let kind = schema.node(node).kind;
        let keys: Vec<NodeId> = schema.keys(node).collect();
        let mut wanted: Vec<Wanted> = Vec::new();
        let mut position = None;
        while self.rest.starts_with('[') {
            self.expect('[')?;
            self.space();
            if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
                let digits = self.part()?;
                let at = digits.parse().ok().filter(|at| *at > 0);
                let at = at.ok_or_else(|| self.wrong("a position counts from 1"))?;
                if kind != Kind::List || !keys.is_empty() || position.is_some() {
                    return Err(self.wrong("only one entry of a list without keys has a position"));
                }
                position = Some(at);
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                if kind != Kind::LeafList || !wanted.is_empty() {
                    return Err(self.wrong("only one entry of a leaf-list has a value here"));
                }
                wanted.push(self.equal(node)?);
            } else {
                let key = self.node(node)?;
                let value = self.equal(key)?;
                wanted.resize(keys.len(), Wanted::Any);
                match keys.iter().position(|known| *known == key) {
                    Some(at) if wanted[at] == Wanted::Any => wanted[at] = value,
                    _ => return Err(self.wrong("not a key, or twice")),
                }
            }
            self.space();
            self.expect(']')?;
        }
        Ok(Parsed {
            node,
            wanted,
            position,
        })
    }

    /// What a key or value has to be equal to.
    fn equal(&mut self, node: NodeId) -> Result<Wanted, Reject> {
        self.space();
        self.expect('=')?;
        self.space();
        if self.loose
            && let Some(rest) = self.rest.strip_prefix("$USER")
        {
            self.rest = rest;
            return Ok(Wanted::User);
        }
        let text = self.quoted()?;
        self.canonical(node, text).map(Wanted::Text)
    }
}
