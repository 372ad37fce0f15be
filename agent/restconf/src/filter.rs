//! The `XPath` expressions that may filter a stream (RFC 8040 §4.8.4): paths of names and `*`, their unions and predicates,
//! comparisons with a literal, `contains()`, `starts-with()`, `not()`, `and` and `or`. Prefixes are names of modules.

use glimpse_yang::schema::NodeId;
use glimpse_yang::{Instance, Tree};
use std::cmp::Ordering;

/// Parentheses and predicates inside each other.
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
    /// There is a node that fits one of these, and whose value passes.
    Paths(Vec<Path>, Value),
}

/// A path from the root, or from a node in a predicate; without steps, that node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    steps: Vec<Step>,
}

/// What is asked of the value of a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing; it need not be a leaf.
    Whatever,
    /// That it is this text, or another.
    Text(bool, String),
    /// That it is a number, and how that compares with this one, in billionths.
    Number(Compare, i128),
    /// That this text is in it.
    Holds(String),
    /// That it begins with this text.
    Begins(String),
}

/// A comparison of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    less: bool,
    equal: bool,
    more: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Step {
    module: Option<String>,
    /// `None` for `*`.
    name: Option<String>,
    predicates: Vec<Filter>,
}

/// A node that an expression is evaluated at.
#[derive(Clone, Copy)]
enum At<'a> {
    /// What the notification is in.
    Root,
    /// The notification.
    Top,
    /// A node in it.
    Inside(&'a Instance),
}

impl Filter {
    /// Reads an expression. `None` for what is none, and for shapes that are not known here.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let mut cursor = Cursor {
            rest: text,
            inside: 0,
        };
        let filter = cursor.either(0)?;
        cursor.space();
        cursor.rest.is_empty().then_some(filter)
    }

    /// Whether a notification passes.
    pub fn passes(&self, notification: &Tree) -> bool {
        self.holds(notification, At::Root)
    }

    fn holds(&self, tree: &Tree, at: At<'_>) -> bool {
        match self {
            Self::Any(parts) => parts.iter().any(|part| part.holds(tree, at)),
            Self::All(parts) => parts.iter().all(|part| part.holds(tree, at)),
            Self::Not(part) => !part.holds(tree, at),
            Self::Paths(paths, value) => value.passes(paths, tree, at),
        }
    }
}

/// Whether `stop` says so at some node that the steps lead to from `at`; it is asked in their order until it does.
fn walk<'a>(
    steps: &[Step],
    tree: &'a Tree,
    at: At<'a>,
    stop: &mut dyn FnMut(At<'a>) -> bool,
) -> bool {
    let Some((first, rest)) = steps.split_first() else {
        return stop(at);
    };
    let mut enter = |child: At<'a>| {
        first.names(tree, child)
            && first.predicates.iter().all(|one| one.holds(tree, child))
            && walk(rest, tree, child, stop)
    };
    match at {
        At::Root => enter(At::Top),
        At::Top => tree.top.iter().any(|child| enter(At::Inside(child))),
        At::Inside(instance) => {
            let mut children = instance.children().iter();
            children.any(|child| enter(At::Inside(child)))
        }
    }
}

impl Value {
    fn passes(&self, paths: &[Path], tree: &Tree, at: At<'_>) -> bool {
        let any = |test: &dyn Fn(&str) -> bool| {
            let mut passes = |found: At<'_>| found.text().is_some_and(test);
            let mut paths = paths.iter();
            paths.any(|path| walk(&path.steps, tree, at, &mut passes))
        };
        match self {
            Self::Whatever => paths
                .iter()
                .any(|path| walk(&path.steps, tree, at, &mut |_| true)),
            Self::Text(equal, wanted) => any(&|text| (text == wanted) == *equal),
            // What is no number is different from every number (XPath 1.0 §3.4), and nothing else.
            Self::Number(compare, wanted) => any(&|text| match billionths(text) {
                Some(number) => compare.allows(number.cmp(wanted)),
                None => compare.less && compare.more,
            }),
            Self::Holds(part) => first(paths, tree, at).contains(part.as_str()),
            Self::Begins(part) => first(paths, tree, at).starts_with(part.as_str()),
        }
    }
}

/// What a function takes of several nodes: the text of the first (`XPath` 1.0 §4.2).
fn first<'a>(paths: &[Path], tree: &'a Tree, at: At<'a>) -> &'a str {
    let mut text = "";
    for path in paths {
        let mut take = |found: At<'a>| {
            text = found.text().unwrap_or_default();
            true
        };
        if walk(&path.steps, tree, at, &mut take) {
            break;
        }
    }
    text
}

impl<'a> At<'a> {
    /// The text of a leaf.
    fn text(self) -> Option<&'a str> {
        match self {
            Self::Root | Self::Top => None,
            Self::Inside(instance) => instance.text(),
        }
    }
}

impl Compare {
    const fn allows(self, ordering: Ordering) -> bool {
        match ordering {
            Ordering::Less => self.less,
            Ordering::Equal => self.equal,
            Ordering::Greater => self.more,
        }
    }
}

/// A number of `XPath`, in billionths; what is finer is cut off. `None` for what is none or has more than 20 digits.
fn billionths(text: &str) -> Option<i128> {
    let text = text.trim_matches([' ', '\t', '\n', '\r']);
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() + part.len() == 0 || whole.len() > 20 || !plain(whole) || !plain(part) {
        return None;
    }
    let part = part.get(..9).unwrap_or(part);
    let number: i128 = format!("{whole}{part:0<9}").parse().ok()?;
    Some(sign * number)
}

impl Step {
    fn names(&self, tree: &Tree, at: At<'_>) -> bool {
        let schema = tree.schema;
        let node = match at {
            At::Root => NodeId::NONE,
            At::Top => tree.root,
            At::Inside(instance) => instance.node,
        };
        let name = self.name.as_deref();
        let module = self.module.as_deref();
        node != NodeId::NONE
            && name.is_none_or(|name| name == schema.name(node))
            && module.is_none_or(|module| module == schema.module_name(node))
    }
}

struct Cursor<'a> {
    rest: &'a str,
    /// Predicates around.
    inside: usize,
}

/// Whether a name goes on with this character.
fn continues(next: char) -> bool {
    next.is_alphanumeric() || "_-.".contains(next)
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
            Some(rest) if !rest.starts_with(continues) => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// The name of a function and its parenthesis.
    fn function(&mut self, name: &str) -> bool {
        let before = self.rest;
        let found = self.word(name) && self.eat("(");
        if !found {
            self.rest = before;
        }
        found
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
        if self.function("not") {
            let inner = self.either(depth + 1)?;
            return self.eat(")").then(|| Filter::Not(Box::new(inner)));
        }
        if self.function("contains") {
            return self.about(depth, Value::Holds);
        }
        if self.function("starts-with") {
            return self.about(depth, Value::Begins);
        }
        if self.eat("(") {
            let inner = self.either(depth + 1)?;
            return self.eat(")").then_some(inner);
        }
        let mut paths = vec![self.path(depth)?];
        while self.eat("|") {
            paths.push(self.path(depth)?);
        }
        let value = self.value()?;
        Some(Filter::Paths(paths, value))
    }

    /// The rest of a function of a path and a literal.
    fn about(&mut self, depth: usize, value: fn(String) -> Value) -> Option<Filter> {
        let path = self.path(depth)?;
        if !self.eat(",") {
            return None;
        }
        let literal = self.quoted()?;
        self.eat(")")
            .then(|| Filter::Paths(vec![path], value(literal)))
    }

    /// A path. In a predicate it begins there: from the root, it would be followed once for every node that is looked at.
    fn path(&mut self, depth: usize) -> Option<Path> {
        let mut steps = Vec::new();
        if self.eat("/") {
            if self.inside > 0 {
                return None;
            }
        } else if self.eat(".") && !self.eat("/") {
            return Some(Path { steps });
        }
        loop {
            steps.push(self.step(depth)?);
            if !self.eat("/") {
                return Some(Path { steps });
            }
        }
    }

    fn name(&mut self) -> Option<String> {
        let end = self.rest.find(|next| !continues(next));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        crate::query::identifier(name).then(|| name.to_owned())
    }

    /// A name, or `*` for any: of a module or of all.
    fn step(&mut self, depth: usize) -> Option<Step> {
        let (mut module, mut name) = (None, None);
        if !self.eat("*") {
            name = Some(self.name()?);
            if let Some(rest) = self.rest.strip_prefix(':') {
                self.rest = rest;
                module = name.take();
                if !self.eat("*") {
                    name = Some(self.name()?);
                }
            }
        }
        let mut predicates = Vec::new();
        while self.eat("[") {
            self.inside += 1;
            predicates.push(self.either(depth + 1)?);
            self.inside -= 1;
            if !self.eat("]") {
                return None;
            }
        }
        Some(Step {
            module,
            name,
            predicates,
        })
    }

    fn value(&mut self) -> Option<Value> {
        let operators = [
            ("!=", [true, false, true]),
            ("<=", [true, true, false]),
            (">=", [false, true, true]),
            ("=", [false, true, false]),
            ("<", [true, false, false]),
            (">", [false, false, true]),
        ];
        let Some((_, [less, equal, more])) = operators.into_iter().find(|(sign, _)| self.eat(sign))
        else {
            return Some(Value::Whatever);
        };
        self.space();
        let compare = Compare { less, equal, more };
        if !self.rest.starts_with(['\'', '"']) {
            return self.number().map(|number| Value::Number(compare, number));
        }
        let text = self.quoted()?;
        if less == more {
            return Some(Value::Text(equal, text));
        }
        billionths(&text).map(|number| Value::Number(compare, number))
    }

    fn number(&mut self) -> Option<i128> {
        let end = self
            .rest
            .find(|next: char| !(next.is_ascii_digit() || next == '-' || next == '.'))
            .unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        billionths(number)
    }

    fn quoted(&mut self) -> Option<String> {
        self.space();
        let quote = self.rest.chars().next()?;
        if quote != '\'' && quote != '"' {
            return None;
        }
        let (literal, rest) = self.rest[1..].split_once(quote)?;
        self.rest = rest;
        Some(literal.to_owned())
    }
}
