//! Paths to data: as instance-identifiers (RFC 7950 §9.13, RFC 7951 §6.11) and as parts of URIs (RFC 8040 §3.5.3).

use std::fmt::Write as _;

use crate::schema::{Kind, ModuleId, NodeId, Schema};
use crate::value::{Context, Form, Reject, Value};
use crate::{Error, Tag, Unknown};

mod identifier;
mod node;
#[cfg(test)]
mod tests;
mod uri;

pub use node::{Fit, NodeIdentifier};

/// Steps a path may have.
const LONGEST: usize = 64;

/// Which of several instances.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Select {
    /// All of them; of nodes that are there only once, that one.
    All,
    /// The list entry with these keys, in the order of the schema, each in canonical form.
    Keys(Vec<String>),
    /// The leaf-list entry with this canonical value.
    Value(String),
    /// The entry of a list without keys, counted from 1.
    Position(u32),
}

/// A step down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Step {
    /// A data node below that of the step before.
    pub node: NodeId,
    /// Which instance.
    pub select: Select,
}

/// A step of a path whose names are not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment<'a> {
    /// The module, where it is named.
    pub module: Option<&'a str>,
    /// The name.
    pub name: &'a str,
    /// The keys, or the value of a leaf-list entry, decoded; none where all are meant.
    pub keys: Option<Vec<String>>,
}

/// A path from the top; without steps, the datastore.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct DataPath {
    /// The steps.
    pub steps: Vec<Step>,
}

impl DataPath {
    /// The schema node it leads to; [`NodeId::NONE`] for the datastore.
    pub fn node(&self) -> NodeId {
        self.steps.last().map_or(NodeId::NONE, |step| step.node)
    }

    /// The path without its last step; none for the datastore.
    pub fn parent(&self) -> Option<Self> {
        let (_, above) = self.steps.split_last()?;
        Some(Self {
            steps: above.to_vec(),
        })
    }

    /// The path with one more step.
    #[must_use]
    pub fn child(&self, node: NodeId, select: Select) -> Self {
        let mut steps = Vec::with_capacity(self.steps.len() + 1);
        steps.extend_from_slice(&self.steps);
        steps.push(Step { node, select });
        Self { steps }
    }

    /// Whether it can lead to one instance at most.
    pub fn is_instance(&self, schema: &Schema) -> bool {
        self.steps
            .iter()
            .all(|step| !schema.node(step.node).kind.is_many() || step.select != Select::All)
    }

    /// Looks up the names of segments, from the top. The last one may be an `action`. Errors: [`Tag::UnknownNamespace`],
    /// [`Tag::UnknownElement`]; [`Tag::InvalidValue`] for keys that are too few, too many or of another type.
    pub fn from_segments(schema: &'static Schema, segments: &[Segment<'_>]) -> Result<Self, Error> {
        let mut path = Self::default();
        for segment in segments {
            if path.steps.len() == LONGEST {
                return Err(Error::new(Tag::InvalidValue, "the path has too many steps"));
            }
            let parent = path.node();
            let node = schema
                .child(parent, segment.module, segment.name)
                .or_else(|unknown| action(schema, parent, segment).ok_or(unknown))
                .map_err(|unknown| {
                    let error = unknown_node(schema, parent, segment.module, segment.name, unknown);
                    error.at(path.clone())
                })?;
            let select = match &segment.keys {
                None => Select::All,
                Some(keys) => select(schema, node, keys).map_err(|error| error.at(path.clone()))?,
            };
            path.steps.push(Step { node, select });
        }
        Ok(path)
    }

    /// Reads an instance-identifier in its JSON form. Error: [`Tag::InvalidValue`].
    pub fn parse(schema: &'static Schema, text: &str) -> Result<Self, Error> {
        let context = Context {
            schema,
            names: crate::value::Names::Modules,
            module: ModuleId(0),
        };
        Self::read(&context, text).map_err(|reject| reject.error(schema, NodeId::NONE))
    }

    /// Reads an instance-identifier.
    pub(crate) fn read(context: &Context<'_>, text: &str) -> Result<Self, Reject> {
        identifier::read(context, text)
    }

    /// Whether an instance-identifier can say it: `XPath` 1.0 has no literal with both kinds of quotes in it.
    pub fn is_expressible(&self) -> bool {
        let sayable = |text: &String| !(text.contains('\'') && text.contains('"'));
        self.steps.iter().all(|step| match &step.select {
            Select::Keys(keys) => keys.iter().all(sayable),
            Select::Value(value) => sayable(value),
            Select::All | Select::Position(_) => true,
        })
    }

    /// The instance-identifier in its JSON form; `/` for the datastore. Of use where [`Self::is_expressible`].
    pub fn json(&self, schema: &Schema) -> String {
        let mut out = String::new();
        let mut above = None;
        for step in &self.steps {
            out.push('/');
            out.push_str(&schema.short(step.node, above));
            above = schema.module_of(step.node);
            let keys: Vec<String> = schema
                .keys(step.node)
                .map(|key| schema.short(key, above))
                .collect();
            predicates(&step.select, &keys, None, &mut out);
        }
        if out.is_empty() {
            out.push('/');
        }
        out
    }

    /// The instance-identifier in its XML form, and which namespace each prefix in it stands for.
    pub fn xml(&self, schema: &'static Schema) -> (String, Vec<(String, &'static str)>) {
        let mut prefixes = Prefixes::new(schema);
        let text = self.prefixed(schema, &mut prefixes);
        (text, prefixes.declared())
    }

    /// The instance-identifier in its XML form.
    pub(crate) fn prefixed(&self, schema: &'static Schema, prefixes: &mut Prefixes) -> String {
        let mut out = String::new();
        for step in &self.steps {
            let mut name = |node: NodeId| {
                let prefix = prefixes.of(schema.node(node).module);
                format!("{prefix}:{}", schema.name(node))
            };
            out.push('/');
            out.push_str(&name(step.node));
            let nodes: Vec<NodeId> = schema.keys(step.node).collect();
            let keys: Vec<String> = nodes.iter().map(|key| name(*key)).collect();
            let values = match &step.select {
                Select::Keys(values) => nodes
                    .iter()
                    .zip(values)
                    .map(|(key, text)| prefixes.value(*key, text))
                    .collect(),
                Select::Value(text) => vec![prefixes.value(step.node, text)],
                Select::All | Select::Position(_) => Vec::new(),
            };
            predicates(&step.select, &keys, Some(&values), &mut out);
        }
        if out.is_empty() {
            out.push('/');
        }
        out
    }
}

fn predicates(select: &Select, names: &[String], values: Option<&[String]>, out: &mut String) {
    let mut equal = |name: &str, value: &str| {
        let quote = if value.contains('\'') { '"' } else { '\'' };
        // Writing to a string cannot fail.
        let _ = write!(out, "[{name}={quote}{value}{quote}]");
    };
    match select {
        Select::All => {}
        Select::Keys(keys) => {
            for (name, value) in names.iter().zip(values.unwrap_or(keys)) {
                equal(name, value);
            }
        }
        Select::Value(value) => {
            let value = values.and_then(<[String]>::first).unwrap_or(value);
            equal(".", value);
        }
        Select::Position(at) => {
            let _ = write!(out, "[{at}]");
        }
    }
}

fn action(schema: &Schema, parent: NodeId, segment: &Segment<'_>) -> Option<NodeId> {
    if parent == NodeId::NONE || segment.keys.is_some() {
        return None;
    }
    let module = match segment.module {
        Some(name) => schema.module_named(name)?,
        None => schema.node(parent).module,
    };
    schema.schema_children(parent).into_iter().find(|id| {
        let node = schema.node(*id);
        node.kind == Kind::Action && node.module == module && schema.name(*id) == segment.name
    })
}

/// The error about a name that is not there.
pub(crate) fn unknown_node(
    schema: &Schema,
    parent: NodeId,
    module: Option<&str>,
    name: &str,
    unknown: Unknown,
) -> Error {
    let place = if parent == NodeId::NONE {
        "at the top".to_owned()
    } else {
        format!("in '{}'", schema.name(parent))
    };
    match (unknown, module) {
        (Unknown::Module, Some(module)) => Error::new(
            Tag::UnknownNamespace,
            format!("'{module}:{name}' {place}: there is no such module"),
        ),
        (Unknown::Module, None) => Error::new(
            Tag::UnknownElement,
            format!("'{name}' {place}: a name there begins with its module, as in 'module:{name}'"),
        ),
        (Unknown::Name, Some(module)) => Error::new(
            Tag::UnknownElement,
            format!("there is no '{module}:{name}' {place}"),
        ),
        (Unknown::Name, None) => Error::new(
            Tag::UnknownElement,
            format!("there is no '{name}' {place}; of another module, it begins with its name"),
        ),
    }
}

/// Which instance of `node` the texts of keys mean.
fn select(schema: &'static Schema, node: NodeId, keys: &[String]) -> Result<Select, Error> {
    let wrong = |wanted: usize| {
        Error::new(
            Tag::InvalidValue,
            format!(
                "'{}' has {wanted} keys, not {}",
                schema.name(node),
                keys.len()
            ),
        )
    };
    match schema.node(node).kind {
        Kind::LeafList => match keys {
            [text] => Ok(Select::Value(
                Value::parse(schema, node, text)?.text().to_owned(),
            )),
            _ => Err(wrong(1)),
        },
        Kind::List => {
            let nodes: Vec<NodeId> = schema.keys(node).collect();
            if nodes.is_empty() || nodes.len() != keys.len() {
                return Err(wrong(nodes.len()));
            }
            let values: Result<_, Error> = nodes
                .iter()
                .zip(keys)
                .map(|(key, text)| Ok(Value::parse(schema, *key, text)?.text().to_owned()))
                .collect();
            values.map(Select::Keys)
        }
        _ => Err(Error::new(
            Tag::InvalidValue,
            format!("'{}' is no list: leave out '='", schema.name(node)),
        )),
    }
}

/// Prefixes handed out for modules, each another.
pub(crate) struct Prefixes {
    schema: &'static Schema,
    used: Vec<(ModuleId, String)>,
}

impl Prefixes {
    pub(crate) const fn new(schema: &'static Schema) -> Self {
        Self {
            schema,
            used: Vec::new(),
        }
    }

    /// The prefix of a module: its own, unless another module has taken that.
    pub(crate) fn of(&mut self, module: ModuleId) -> String {
        if let Some((_, prefix)) = self.used.iter().find(|(known, _)| *known == module) {
            return prefix.clone();
        }
        let own = self.schema.text(self.schema.module(module).prefix);
        let taken = self.used.iter().any(|(_, prefix)| prefix == own);
        let prefix = if taken {
            format!("{own}{}", module.0)
        } else {
            own.to_owned()
        };
        self.used.push((module, prefix.clone()));
        prefix
    }

    /// The text of a canonical value with prefixes.
    pub(crate) fn text(&mut self, text: &str, form: Form) -> String {
        match form {
            Form::Identity => {
                let (module, name) = text.split_once(':').unwrap_or(("", text));
                match self.schema.module_named(module) {
                    Some(module) => format!("{}:{name}", self.of(module)),
                    None => text.to_owned(),
                }
            }
            Form::Path => {
                let schema = self.schema;
                crate::value::xpath::to_prefixes(schema, text, &mut |module| self.of(module))
            }
            Form::Text | Form::Number | Form::Boolean | Form::Empty => text.to_owned(),
        }
    }

    fn value(&mut self, node: NodeId, text: &str) -> String {
        match Value::parse(self.schema, node, text) {
            Ok(value) => self.text(value.text(), value.form()),
            Err(_) => text.to_owned(),
        }
    }

    /// What they stand for.
    pub(crate) fn declared(&self) -> Vec<(String, &'static str)> {
        self.used
            .iter()
            .map(|(module, prefix)| {
                let namespace = self.schema.text(self.schema.module(*module).namespace);
                (prefix.clone(), namespace)
            })
            .collect()
    }
}
