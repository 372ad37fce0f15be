//! Query parameters (RFC 8040 §4.8).

use crate::date;
use crate::error::{Error, Tag};
use crate::escape;
use glimpse_yang::Part;
use glimpse_yang::defaults::WithDefaults;

/// What a request is about, which decides what parameters it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `GET` of the API resource.
    Api,
    /// `GET` of the datastore or of data.
    Data,
    /// `POST` or `PUT` of data.
    Edit,
    /// `GET` of an event stream.
    Stream,
    /// What takes none.
    Nothing,
}

/// `fields`: one name, and below it the names selected of it; none: all of it (RFC 8040 §4.8.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// The module, where named.
    pub module: Option<String>,
    /// The node.
    pub name: String,
    /// What of it.
    pub below: Vec<Field>,
}

/// `insert` (RFC 8040 §4.8.5), with the data path of `point` as it came, decoded once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Insert {
    /// Before all.
    First,
    /// After all.
    Last,
    /// Before that entry.
    Before(String),
    /// After that entry.
    After(String),
}

/// The parameters of a request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Query {
    /// `content`; `all` when not said.
    pub content: Option<Part>,
    /// `depth`; unbounded when not said.
    pub depth: Option<u16>,
    /// `fields`; everything when empty.
    pub fields: Vec<Field>,
    /// `with-defaults`; `explicit` when not said.
    pub with_defaults: Option<WithDefaults>,
    /// `insert` and `point`.
    pub insert: Option<Insert>,
    /// `filter`: an `XPath` expression.
    pub filter: Option<String>,
    /// `start-time`, in microseconds since 1970.
    pub start: Option<i64>,
    /// `stop-time`, in microseconds since 1970.
    pub stop: Option<i64>,
}

fn invalid(message: String) -> Error {
    Error::protocol(Tag::InvalidValue, message)
}

impl Query {
    /// Reads what follows the question mark. Unknown, misplaced and repeated parameters are 400 `invalid-value`.
    pub fn parse(raw: Option<&str>, purpose: Purpose) -> Result<Self, Error> {
        let mut query = Self::default();
        let mut seen = Vec::new();
        let (mut insert, mut point) = (None, None);
        for pair in raw.unwrap_or_default().split('&') {
            if pair.is_empty() {
                continue;
            }
            let (name, value) = pair
                .split_once('=')
                .ok_or_else(|| invalid(format!("query parameter {pair:?} has no value")))?;
            let bad = || invalid(format!("query parameter {pair:?} is not well encoded"));
            let name = escape::decode(name).ok_or_else(bad)?;
            let value = escape::decode(value).ok_or_else(bad)?;
            let allowed: &[&str] = match purpose {
                Purpose::Api => &["depth", "fields"],
                Purpose::Data => &["content", "depth", "fields", "with-defaults"],
                Purpose::Edit => &["insert", "point"],
                Purpose::Stream => &["filter", "start-time", "stop-time"],
                Purpose::Nothing => &[],
            };
            if !allowed.contains(&name.as_str()) {
                return Err(invalid(format!(
                    "query parameter {name:?} is not known here"
                )));
            }
            if seen.contains(&name) {
                return Err(invalid(format!("query parameter {name:?} is repeated")));
            }
            let wrong = || invalid(format!("query parameter {name:?} cannot be {value:?}"));
            match name.as_str() {
                "content" => query.content = Some(content(&value).ok_or_else(wrong)?),
                "depth" => query.depth = depth(&value).ok_or_else(wrong)?,
                "fields" => query.fields = fields(&value).ok_or_else(wrong)?,
                "with-defaults" => {
                    query.with_defaults = Some(WithDefaults::parse(&value).ok_or_else(wrong)?);
                }
                "insert" => insert = Some(value),
                "point" => point = Some(value),
                "filter" => query.filter = Some(value),
                "start-time" => {
                    query.start = Some(date::parse_date_and_time(&value).ok_or_else(wrong)?);
                }
                _ => query.stop = Some(date::parse_date_and_time(&value).ok_or_else(wrong)?),
            }
            seen.push(name);
        }
        query.insert = placement(insert.as_deref(), point)?;
        match (query.start, query.stop) {
            (None, Some(_)) => Err(invalid("stop-time needs start-time".to_owned())),
            (Some(start), Some(stop)) if stop <= start => Err(invalid(
                "stop-time must be later than start-time".to_owned(),
            )),
            _ => Ok(query),
        }
    }
}

fn content(value: &str) -> Option<Part> {
    match value {
        "config" => Some(Part::Config),
        "nonconfig" => Some(Part::NonConfig),
        "all" => Some(Part::All),
        _ => None,
    }
}

/// `Some(None)`: unbounded.
#[expect(
    clippy::option_option,
    reason = "the outer one says whether it is a depth at all"
)]
fn depth(value: &str) -> Option<Option<u16>> {
    if value == "unbounded" {
        return Some(None);
    }
    let plain = value.bytes().all(|byte| byte.is_ascii_digit()) && !value.starts_with('0');
    plain.then(|| value.parse().ok()).flatten().map(Some)
}

fn placement(insert: Option<&str>, point: Option<String>) -> Result<Option<Insert>, Error> {
    match (insert, point) {
        (None, None) => Ok(None),
        (Some("first"), None) => Ok(Some(Insert::First)),
        (Some("last"), None) => Ok(Some(Insert::Last)),
        (Some("before"), Some(point)) => Ok(Some(Insert::Before(point))),
        (Some("after"), Some(point)) => Ok(Some(Insert::After(point))),
        (Some("before" | "after"), None) => Err(invalid(
            "insert=before and insert=after need the query parameter point".to_owned(),
        )),
        (Some("first" | "last") | None, Some(_)) => Err(invalid(
            "point goes with insert=before and insert=after only".to_owned(),
        )),
        (Some(other), _) => Err(invalid(format!(
            "insert is one of first, last, before, after, not {other:?}"
        ))),
    }
}

/// Names of all levels of one `fields`.
const MOST_FIELDS: usize = 512;
/// Levels of one `fields`.
const DEEPEST_FIELD: usize = 32;

/// Reads `a;b(c;d)/e`. `None` when it is no such expression, or larger than anybody's schema.
fn fields(text: &str) -> Option<Vec<Field>> {
    let mut cursor = Cursor {
        rest: text,
        left: MOST_FIELDS,
    };
    let fields = cursor.list(0)?;
    cursor.rest.is_empty().then_some(fields)
}

struct Cursor<'a> {
    rest: &'a str,
    left: usize,
}

impl Cursor<'_> {
    fn eat(&mut self, token: char) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn list(&mut self, depth: usize) -> Option<Vec<Field>> {
        let mut fields = vec![self.path(depth)?];
        while self.eat(';') {
            fields.push(self.path(depth)?);
        }
        Some(fields)
    }

    fn path(&mut self, depth: usize) -> Option<Field> {
        if depth > DEEPEST_FIELD || self.left == 0 {
            return None;
        }
        self.left -= 1;
        let end = self.rest.find(['/', ';', '(', ')']);
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        let (module, name) = match name.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, name),
        };
        if !identifier(name) || module.is_some_and(|module| !identifier(module)) {
            return None;
        }
        let mut below = Vec::new();
        if self.eat('/') {
            below.push(self.path(depth + 1)?);
        } else if self.eat('(') {
            below = self.list(depth + 1)?;
            if !self.eat(')') {
                return None;
            }
            if self.eat('/') {
                let more = self.path(depth + 1)?;
                self.append(&mut below, &more)?;
            }
        }
        Some(Field {
            module: module.map(str::to_owned),
            name: name.to_owned(),
            below,
        })
    }

    /// `(c;d)/e` is `c/e;d/e`.
    fn append(&mut self, fields: &mut [Field], more: &Field) -> Option<()> {
        for field in fields {
            if field.below.is_empty() {
                self.left = self.left.checked_sub(1)?;
                field.below.push(more.clone());
            } else {
                self.append(&mut field.below, more)?;
            }
        }
        Some(())
    }
}

/// RFC 7950 §6.2.
pub(crate) fn identifier(text: &str) -> bool {
    let mut bytes = text.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
}
