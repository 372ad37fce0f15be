//! The `XPath` expressions that may filter a stream (RFC 8040 §4.8.4): paths to nodes, comparisons with a literal, and their
//! combination by `and`, `or` and `not()`. Prefixes are names of modules.

use glimpse_yang::schema::{NodeId, Schema};
use glimpse_yang::{Instance, Tree};

/// Parentheses inside each other.
const DEEPEST: usize = 16;
/// Bytes of an expression.
const LONGEST: usize = 4096;

/// A filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// One of them.
    Any(Vec<Filter>),
    /// All of them.
    All(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// There is such a node.
    Path(Path),
}

/// A path from the notification, or from a node in a predicate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
    /// Whether the value has to be equal or different, and to what.
    compare: Option<(bool, String)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    module: Option<String>,
    name: String,
    predicates: Vec<Path>,
}

impl Filter {
    /// Reads an expression. `None` for what is none, and for shapes that are not known here.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut cursor = Cursor { rest: text };
        let filter = cursor.either(0)?;
        cursor.space();
        cursor.rest.is_empty().then_some(filter)
    }

    /// Whether a notification passes.
    pub fn passes(&self, notification: &Tree) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.passes(notification)),
            Self::All(parts) => parts.iter().all(|part| part.passes(notification)),
            Self::Not(part) => !part.passes(notification),
            Self::Path(path) => path.selects(notification),
        }
    }
}

impl Path {
    fn selects(&self, notification: &Tree) -> bool {
        let schema = notification.schema;
        let Some((first, rest)) = self.steps.split_first() else {
            return false;
        };
        // The notification itself has no value, and predicates on it are about its children.
        first.names(schema, notification.root)
            && first
                .predicates
                .iter()
                .all(|path| path.below(schema, &path.steps, &notification.top))
            && if rest.is_empty() {
                self.compare.is_none()
            } else {
                self.below(schema, rest, &notification.top)
            }
    }

    fn below(&self, schema: &'static Schema, steps: &[Step], instances: &[Instance]) -> bool {
        let Some((first, rest)) = steps.split_first() else {
            return false;
        };
        instances
            .iter()
            .filter(|instance| first.names(schema, instance.node))
            .filter(|instance| {
                first
                    .predicates
                    .iter()
                    .all(|path| path.below(schema, &path.steps, instance.children()))
            })
            .any(|instance| {
                if rest.is_empty() {
                    self.compare.as_ref().is_none_or(|(equal, wanted)| {
                        instance
                            .text()
                            .is_some_and(|text| (text == wanted) == *equal)
                    })
                } else {
                    self.below(schema, rest, instance.children())
                }
            })
    }
}

impl Step {
    fn names(&self, schema: &'static Schema, node: NodeId) -> bool {
        node != NodeId::NONE
            && self.name == schema.name(node)
            && self
                .module
                .as_ref()
                .is_none_or(|module| module == schema.module_name(node))
    }
}

struct Cursor<'a> {
    rest: &'a str,
}

impl Cursor<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// A word that does not go on.
    fn word(&mut self, word: &str) -> bool {
        self.space();
        match self.rest.strip_prefix(word) {
            Some(rest) if !rest.starts_with(|next: char| next.is_alphanumeric() || next == '-') => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn either(&mut self, depth: usize) -> Option<Filter> {
        let mut parts = vec![self.both(depth)?];
        while self.word("or") {
            parts.push(self.both(depth)?);
        }
        if parts.len() == 1 {
            parts.pop()
        } else {
            Some(Filter::Any(parts))
        }
    }

    fn both(&mut self, depth: usize) -> Option<Filter> {
        let mut parts = vec![self.term(depth)?];
        while self.word("and") {
            parts.push(self.term(depth)?);
        }
        if parts.len() == 1 {
            parts.pop()
        } else {
            Some(Filter::All(parts))
        }
    }

    fn term(&mut self, depth: usize) -> Option<Filter> {
        if depth > DEEPEST {
            return None;
        }
        if self.word("not") {
            if !self.eat("(") {
                return None;
            }
            let inner = self.either(depth + 1)?;
            return self.eat(")").then(|| Filter::Not(Box::new(inner)));
        }
        if self.eat("(") {
            let inner = self.either(depth + 1)?;
            return self.eat(")").then_some(inner);
        }
        if self.eat("/") {
            return self.path(depth).map(Filter::Path);
        }
        None
    }

    fn path(&mut self, depth: usize) -> Option<Path> {
        let mut steps = Vec::new();
        loop {
            steps.push(self.step(depth)?);
            if !self.eat("/") {
                break;
            }
        }
        let compare = if self.eat("!=") {
            Some((false, self.literal()?))
        } else if self.eat("=") {
            Some((true, self.literal()?))
        } else {
            None
        };
        Some(Path { steps, compare })
    }

    fn step(&mut self, depth: usize) -> Option<Step> {
        if depth > DEEPEST {
            return None;
        }
        self.space();
        let end = self
            .rest
            .find(|next: char| !(next.is_ascii_alphanumeric() || "_-.:".contains(next)))
            .unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        let (module, name) = match word.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, word),
        };
        if !crate::query::identifier(name) || module.is_some_and(|m| !crate::query::identifier(m)) {
            return None;
        }
        let mut predicates = Vec::new();
        while self.eat("[") {
            predicates.push(self.path(depth + 1)?);
            if !self.eat("]") {
                return None;
            }
        }
        Some(Step {
            module: module.map(str::to_owned),
            name: name.to_owned(),
            predicates,
        })
    }

    fn literal(&mut self) -> Option<String> {
        self.space();
        let quote = self.rest.chars().next()?;
        if quote == '\'' || quote == '"' {
            let (literal, rest) = self.rest[1..].split_once(quote)?;
            self.rest = rest;
            return Some(literal.to_owned());
        }
        let end = self
            .rest
            .find(|next: char| !(next.is_ascii_digit() || next == '-' || next == '.'))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!number.is_empty()).then(|| number.to_owned())
    }
}
