//! The grammar of instance-identifiers.

use super::{DataPath, LONGEST, Select, Step, unknown_node};
use crate::schema::{Kind, NodeId};
use crate::value::{Context, Reject};

/// Reads all of `text`.
pub(super) fn read(context: &Context<'_>, text: &str) -> Result<DataPath, Reject> {
    let mut reader = Reader {
        context,
        rest: text,
        whole: text,
    };
    let mut path = DataPath::default();
    if text == "/" {
        return Ok(path);
    }
    while !reader.rest.is_empty() {
        if path.steps.len() == LONGEST {
            return Err(reader.wrong("it has too many steps"));
        }
        let step = reader.step(path.node())?;
        path.steps.push(step);
    }
    if path.steps.is_empty() {
        return Err(reader.wrong("it is empty"));
    }
    Ok(path)
}

struct Reader<'a, 'c> {
    context: &'a Context<'c>,
    rest: &'a str,
    whole: &'a str,
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
        schema.child_of(parent, module, name).ok_or_else(|| {
            let module = schema.text(schema.module(module).name);
            let unknown = crate::Unknown::Name;
            let error = unknown_node(schema, parent, Some(module), name, unknown);
            self.wrong(&error.message)
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

    fn step(&mut self, parent: NodeId) -> Result<Step, Reject> {
        let schema = self.context.schema;
        self.expect('/')?;
        let node = self.node(parent)?;
        let kind = schema.node(node).kind;
        let keys: Vec<NodeId> = schema.keys(node).collect();
        let mut found: Vec<Option<String>> = vec![None; keys.len()];
        let mut select = Select::All;
        while self.rest.starts_with('[') {
            self.expect('[')?;
            self.space();
            if self.rest.starts_with(|c: char| c.is_ascii_digit()) {
                let digits = self.part()?;
                let at = digits.parse().ok().filter(|at| *at > 0);
                let at = at.ok_or_else(|| self.wrong("a position counts from 1"))?;
                if kind != Kind::List || !keys.is_empty() || select != Select::All {
                    return Err(self.wrong("only one entry of a list without keys has a position"));
                }
                select = Select::Position(at);
            } else if let Some(rest) = self.rest.strip_prefix('.') {
                self.rest = rest;
                let text = self.equal()?;
                if kind != Kind::LeafList || select != Select::All {
                    return Err(self.wrong("only one entry of a leaf-list has a value here"));
                }
                select = Select::Value(self.canonical(node, text)?);
            } else {
                let key = self.node(node)?;
                let text = self.equal()?;
                let value = self.canonical(key, text)?;
                match keys.iter().position(|known| *known == key) {
                    Some(at) if found[at].is_none() => found[at] = Some(value),
                    _ => return Err(self.wrong("not a key, or twice")),
                }
            }
            self.space();
            self.expect(']')?;
        }
        if found.iter().any(Option::is_some) {
            let all: Option<Vec<String>> = found.into_iter().collect();
            select = Select::Keys(all.ok_or_else(|| self.wrong("some keys are missing"))?);
        }
        Ok(Step { node, select })
    }

    fn equal(&mut self) -> Result<&'a str, Reject> {
        self.space();
        self.expect('=')?;
        self.space();
        self.quoted()
    }
}
