//! Values of leaves: from what came to the canonical form (RFC 7950 §9), by the rules of each encoding.

use std::sync::Arc;

use crate::schema::{Canonical, ModuleId, Name, NodeId, Schema, Span, Type, TypeId};
use crate::xml::Scope;
use crate::{DataPath, Error, Tag, json};

mod address;
mod date;
mod number;
#[cfg(test)]
mod tests;
mod text;
pub(crate) mod xpath;

use text::{binary, is_yang};

/// Leafrefs and unions inside each other.
const DEEPEST: u8 = 16;

/// How a value is written in JSON, and whether it holds names of modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// A string, the same in both encodings.
    Text,
    /// A number in JSON.
    Number,
    /// `true` or `false`.
    Boolean,
    /// `[null]` in JSON, nothing in XML.
    Empty,
    /// `module:name`; in XML with a prefix.
    Identity,
    /// A path with names of modules; in XML with prefixes.
    Path,
}

/// A value in canonical form.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value {
    text: Box<str>,
    form: Form,
}

impl Value {
    fn new(text: impl Into<Box<str>>, form: Form) -> Self {
        Self {
            text: text.into(),
            form,
        }
    }

    /// The canonical text; names of modules where XML has prefixes.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// How it is written.
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Reads the text of a leaf or leaf-list entry with names of modules as prefixes: as keys in URIs, defaults in the table, our
    /// own values. Error: [`Tag::InvalidValue`].
    pub fn parse(schema: &'static Schema, node: NodeId, text: &str) -> Result<Self, Error> {
        let kind = schema.type_at(node);
        if kind == TypeId::NONE {
            return Err(Reject::new("has no value").error(schema, node));
        }
        Context::modules(schema, node)
            .text(kind, text)
            .map_err(|reject| reject.error(schema, node))
    }
}

/// Why a value is none of its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reject {
    message: String,
    app_tag: &'static str,
}

impl Reject {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            app_tag: "",
        }
    }

    /// As an error about a node.
    pub(crate) fn error(self, schema: &Schema, node: NodeId) -> Error {
        let name = if node == NodeId::NONE {
            ""
        } else {
            schema.name(node)
        };
        Error::new(Tag::InvalidValue, format!("{name}: {}", self.message)).app_tag(self.app_tag)
    }
}

/// What prefixes mean.
#[derive(Clone, Copy)]
pub(crate) enum Names<'a> {
    /// They are names of modules; without one, the module of the node is meant.
    Modules,
    /// They are declared.
    Prefixes(Option<&'a Arc<Scope>>),
}

/// What a value is read in.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) schema: &'static Schema,
    pub(crate) names: Names<'a>,
    pub(crate) module: ModuleId,
}

/// A text cut so that it can stand in a message.
fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

impl Context<'_> {
    /// With names of modules, for a node.
    pub(crate) fn modules(schema: &'static Schema, node: NodeId) -> Self {
        Self {
            schema,
            names: Names::Modules,
            module: schema.node(node).module,
        }
    }

    /// The module a prefix stands for.
    pub(crate) fn module(&self, prefix: Option<&str>) -> Option<ModuleId> {
        match (self.names, prefix) {
            (Names::Modules, None) => Some(self.module),
            (Names::Modules, Some(name)) => self.schema.module_named(name),
            (Names::Prefixes(scope), prefix) => {
                let namespace = Scope::namespace(scope, prefix.unwrap_or_default())?;
                self.schema.module_by_namespace(namespace)
            }
        }
    }

    /// Reads text, as XML and URIs have it.
    pub(crate) fn text(&self, id: TypeId, text: &str) -> Result<Value, Reject> {
        self.typed(id, text, DEEPEST)
    }

    /// Reads a JSON value (RFC 7951 §6).
    pub(crate) fn json(&self, id: TypeId, value: &json::Value) -> Result<Value, Reject> {
        self.json_typed(id, value, DEEPEST)
    }

    fn json_typed(&self, id: TypeId, value: &json::Value, left: u8) -> Result<Value, Reject> {
        let left = left
            .checked_sub(1)
            .ok_or_else(|| Reject::new("type too deep"))?;
        let wanted = match *self.schema.type_of(id) {
            Type::LeafRef { target, .. } => return self.json_typed(target, value, left),
            Type::Union(members) => {
                return self.union(members, |member| self.json_typed(member, value, left));
            }
            Type::Signed(bits, _) | Type::Unsigned(bits, _) if bits <= 32 => {
                if let json::Value::Number(text) = value {
                    return self.typed(id, &number::plain(text), left);
                }
                "a number"
            }
            Type::Boolean => {
                if let json::Value::Bool(truth) = value {
                    return Ok(Value::new(
                        if *truth { "true" } else { "false" },
                        Form::Boolean,
                    ));
                }
                "true or false"
            }
            Type::Empty => {
                if let json::Value::Array(items) = value
                    && items[..] == [json::Value::Null]
                {
                    return Ok(Value::new("", Form::Empty));
                }
                "[null]"
            }
            _ => {
                if let json::Value::String(text) = value {
                    return self.typed(id, text, left);
                }
                "a string"
            }
        };
        Err(Reject::new(format!(
            "{} where {wanted} is needed",
            value.kind()
        )))
    }

    fn union(
        &self,
        members: Span,
        read: impl Fn(TypeId) -> Result<Value, Reject>,
    ) -> Result<Value, Reject> {
        let mut reasons: Vec<String> = Vec::new();
        for member in self.numbers(members) {
            match read(TypeId(*member)) {
                Ok(value) => return Ok(value),
                Err(reject) if reasons.len() < 8 => reasons.push(reject.message),
                Err(_) => {}
            }
        }
        Err(Reject::new(reasons.join("; ")))
    }

    fn numbers(&self, span: Span) -> &'static [u16] {
        let first = usize::from(span.first);
        self.schema
            .numbers
            .get(first..first + usize::from(span.count))
            .unwrap_or_default()
    }

    fn named(&self, span: Span) -> &'static [Name] {
        let first = usize::from(span.first);
        self.schema
            .names
            .get(first..first + usize::from(span.count))
            .unwrap_or_default()
    }

    fn typed(&self, id: TypeId, text: &str, left: u8) -> Result<Value, Reject> {
        let left = left
            .checked_sub(1)
            .ok_or_else(|| Reject::new("type too deep"))?;
        match *self.schema.type_of(id) {
            Type::Signed(bits, ranges) | Type::Unsigned(bits, ranges) => {
                let signed = matches!(self.schema.type_of(id), Type::Signed(..));
                let number = number::integer(text, bits, signed)?;
                self.in_ranges(ranges, number, "number", |bound| bound.to_string())?;
                let form = if bits <= 32 { Form::Number } else { Form::Text };
                Ok(Value::new(number.to_string(), form))
            }
            Type::Decimal(digits, ranges) => {
                let number = number::decimal(text, digits)?;
                self.in_ranges(ranges, number, "number", |bound| {
                    number::print_decimal(bound, digits)
                })?;
                Ok(Value::new(
                    number::print_decimal(number, digits),
                    Form::Text,
                ))
            }
            Type::String {
                lengths,
                patterns,
                canonical,
            } => {
                self.string(text, lengths, patterns)?;
                self.canonical(text, canonical)
            }
            Type::Boolean => match text {
                "true" | "false" => Ok(Value::new(text, Form::Boolean)),
                _ => Err(Reject::new(format!(
                    "'{}' is neither true nor false",
                    shown(text)
                ))),
            },
            Type::Empty if text.is_empty() => Ok(Value::new("", Form::Empty)),
            Type::Empty => Err(Reject::new("has no value: leave it empty")),
            Type::Binary(lengths) => {
                let (canonical, bytes) = binary(text)?;
                self.in_ranges(lengths, bytes, "length in bytes", |bound| bound.to_string())?;
                Ok(Value::new(canonical, Form::Text))
            }
            Type::Enumeration(names) => self.enumeration(names, text),
            Type::Bits(names) => self.bits(names, text),
            Type::Identity(allowed) => self.identity(allowed, text),
            Type::LeafRef { target, .. } => self.typed(target, text, left),
            Type::Instance(_) => {
                let path = DataPath::read(self, text)?;
                Ok(Value::new(path.json(self.schema), Form::Path))
            }
            Type::Union(members) => self.union(members, |member| self.typed(member, text, left)),
        }
    }

    fn in_ranges(
        &self,
        span: Span,
        number: i128,
        what: &str,
        show: impl Fn(i128) -> String,
    ) -> Result<(), Reject> {
        let first = usize::from(span.first);
        let ranges = self
            .schema
            .ranges
            .get(first..first + usize::from(span.count))
            .unwrap_or_default();
        if ranges.is_empty()
            || ranges
                .iter()
                .any(|range| (range.low..=range.high).contains(&number))
        {
            return Ok(());
        }
        let allowed: Vec<String> = ranges
            .iter()
            .map(|range| {
                if range.low == range.high {
                    show(range.low)
                } else {
                    format!("{}..{}", show(range.low), show(range.high))
                }
            })
            .collect();
        Err(Reject::new(format!(
            "{what} {} is not in {}",
            show(number),
            allowed.join(" | ")
        )))
    }

    fn string(&self, text: &str, lengths: Span, patterns: Span) -> Result<(), Reject> {
        if let Some(odd) = text.chars().find(|character| !is_yang(*character)) {
            return Err(Reject::new(format!(
                "character U+{:04X} cannot be in a string",
                u32::from(odd)
            )));
        }
        let length = i128::try_from(text.chars().count()).unwrap_or(i128::MAX);
        self.in_ranges(lengths, length, "length", |bound| bound.to_string())?;
        let first = usize::from(patterns.first);
        let patterns = self
            .schema
            .patterns
            .get(first..first + usize::from(patterns.count))
            .unwrap_or_default();
        for pattern in patterns {
            let expression = self.schema.text(pattern.expression);
            let compiled = crate::pattern::compiled(expression)
                .map_err(|error| Reject::new(format!("pattern '{expression}': {error}")))?;
            if compiled.matches(text) == pattern.inverted {
                let message = match self.schema.text(pattern.message) {
                    "" => format!(
                        "'{}' does {}match '{expression}'",
                        shown(text),
                        if pattern.inverted {
                            "not have to "
                        } else {
                            "not "
                        }
                    ),
                    given => given.to_owned(),
                };
                return Err(Reject {
                    message,
                    app_tag: self.schema.text(pattern.app_tag),
                });
            }
        }
        Ok(())
    }

    fn canonical(&self, text: &str, canonical: Canonical) -> Result<Value, Reject> {
        match canonical {
            Canonical::Verbatim => Ok(Value::new(text, Form::Text)),
            Canonical::LowerCase => Ok(Value::new(text.to_ascii_lowercase(), Form::Text)),
            Canonical::DateAndTime => Ok(Value::new(date::canonical(text)?, Form::Text)),
            Canonical::Address => Ok(Value::new(address::canonical(text)?, Form::Text)),
            Canonical::XPath => Ok(Value::new(xpath::to_modules(self, text)?, Form::Path)),
        }
    }

    fn enumeration(&self, names: Span, text: &str) -> Result<Value, Reject> {
        let names = self.named(names);
        let found = names.iter().any(|name| self.schema.text(name.name) == text);
        if found {
            return Ok(Value::new(text, Form::Text));
        }
        let some: Vec<&str> = names
            .iter()
            .take(16)
            .map(|name| self.schema.text(name.name))
            .collect();
        Err(Reject::new(format!(
            "'{}' is none of {}",
            shown(text),
            some.join(", ")
        )))
    }

    fn bits(&self, names: Span, text: &str) -> Result<Value, Reject> {
        let names = self.named(names);
        let mut set: Vec<(i32, &str)> = Vec::new();
        for word in text.split_ascii_whitespace() {
            let known = names
                .iter()
                .find(|name| self.schema.text(name.name) == word)
                .ok_or_else(|| Reject::new(format!("bit '{}' does not exist", shown(word))))?;
            if set.iter().any(|(number, _)| *number == known.number) {
                return Err(Reject::new(format!("bit '{word}' stands twice")));
            }
            set.push((known.number, self.schema.text(known.name)));
        }
        set.sort_unstable();
        let words: Vec<&str> = set.into_iter().map(|(_, word)| word).collect();
        Ok(Value::new(words.join(" "), Form::Text))
    }

    fn identity(&self, allowed: Span, text: &str) -> Result<Value, Reject> {
        let text = text.trim_ascii();
        let (prefix, name) = text
            .split_once(':')
            .map_or((None, text), |(prefix, name)| (Some(prefix), name));
        let module = self
            .module(prefix)
            .ok_or_else(|| Reject::new(format!("'{}': no module for the prefix", shown(text))))?;
        let known = self.numbers(allowed).iter().any(|number| {
            self.schema
                .identities
                .get(usize::from(*number))
                .is_some_and(|identity| {
                    identity.module == module && self.schema.text(identity.name) == name
                })
        });
        if !known {
            return Err(Reject::new(format!(
                "identity '{}' is not one that may stand here",
                shown(text)
            )));
        }
        let module = self.schema.text(self.schema.module(module).name);
        Ok(Value::new(format!("{module}:{name}"), Form::Identity))
    }
}
