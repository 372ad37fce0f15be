//! Options of measurement methods: one table per method says what exists, and reads, bounds,
//! announces and documents it.

use crate::read::{Cursor, Refused, printable};
use serde_json::{Map, Value, json};
use std::borrow::Cow;

/// What values an option takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// `true` or `false`.
    Bool {
        /// Used when the option is missing.
        default: bool,
    },
    /// A whole number within bounds.
    Integer {
        /// Used when the option is missing.
        default: i64,
        /// Smallest value accepted.
        min: i64,
        /// Largest value accepted.
        max: i64,
        /// Unit, such as `ms`, or empty.
        unit: Cow<'static, str>,
    },
    /// A text without control characters.
    Text {
        /// Used when the option is missing; `None` makes the option mandatory.
        default: Option<Cow<'static, str>>,
        /// Longest text accepted, in bytes.
        max_len: usize,
    },
    /// One of a few words, case-sensitive; the first is the default.
    Choice(Cow<'static, [Cow<'static, str>]>),
}

/// One option of a method.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionSpec {
    /// Name on the wire.
    pub name: Cow<'static, str>,
    /// Values it takes.
    pub kind: Kind,
    /// One sentence for people.
    pub help: Cow<'static, str>,
    /// Said instead of `must be <= max` where the original has a text of its own.
    pub above_max: Option<Cow<'static, str>>,
    /// The value opens something: it is told to the method and to nobody else.
    pub secret: bool,
}

impl OptionSpec {
    /// A yes-or-no option.
    pub const fn boolean(name: &'static str, default: bool, help: &'static str) -> Self {
        Self::new(name, Kind::Bool { default }, help)
    }

    /// A whole number of `unit` from `min` to `max`.
    pub const fn integer(
        name: &'static str,
        default: i64,
        min: i64,
        max: i64,
        unit: &'static str,
        help: &'static str,
    ) -> Self {
        let unit = Cow::Borrowed(unit);
        Self::new(
            name,
            Kind::Integer {
                default,
                min,
                max,
                unit,
            },
            help,
        )
    }

    /// The same, with words of its own for a number above `max`.
    pub const fn integer_saying(
        name: &'static str,
        default: i64,
        min: i64,
        max: i64,
        unit: &'static str,
        help: &'static str,
        above_max: &'static str,
    ) -> Self {
        let unit = Cow::Borrowed(unit);
        Self {
            name: Cow::Borrowed(name),
            kind: Kind::Integer {
                default,
                min,
                max,
                unit,
            },
            help: Cow::Borrowed(help),
            above_max: Some(Cow::Borrowed(above_max)),
            secret: false,
        }
    }

    /// A mandatory text of at most `max_len` bytes.
    pub const fn text(name: &'static str, max_len: usize, help: &'static str) -> Self {
        Self::new(
            name,
            Kind::Text {
                default: None,
                max_len,
            },
            help,
        )
    }

    /// A text that may be missing.
    pub const fn optional_text(
        name: &'static str,
        default: &'static str,
        max_len: usize,
        help: &'static str,
    ) -> Self {
        let default = Some(Cow::Borrowed(default));
        Self::new(name, Kind::Text { default, max_len }, help)
    }

    /// One of `words`; the first is the default.
    pub const fn choice(
        name: &'static str,
        words: &'static [Cow<'static, str>],
        help: &'static str,
    ) -> Self {
        Self::new(name, Kind::Choice(Cow::Borrowed(words)), help)
    }

    const fn new(name: &'static str, kind: Kind, help: &'static str) -> Self {
        Self {
            name: Cow::Borrowed(name),
            kind,
            help: Cow::Borrowed(help),
            above_max: None,
            secret: false,
        }
    }

    /// The same, with values that are shown to nobody.
    #[must_use]
    pub const fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    fn read(&self, given: Option<&Value>, path: &str) -> Result<Value, Refused> {
        let Some(value) = given.filter(|value| !value.is_null()) else {
            return self
                .default()
                .ok_or_else(|| Refused::new(path, "is missing"));
        };
        let cursor = Cursor::at(value, path);
        match &self.kind {
            Kind::Bool { .. } => cursor.boolean().map(Value::from),
            Kind::Integer { min, max, .. } => {
                if let (Some(words), Some(number)) = (&self.above_max, cursor.value().as_i64())
                    && number > *max
                {
                    return Err(cursor.refuse(words));
                }
                cursor.integer(*min, *max).map(Value::from)
            }
            Kind::Text { max_len, .. } => cursor.text(*max_len).map(Value::from),
            Kind::Choice(words) => {
                let text = cursor.text(64)?;
                if words.iter().any(|word| word == text) {
                    Ok(Value::from(text))
                } else {
                    Err(cursor.refuse(format_args!("must be one of {}", words.join(", "))))
                }
            }
        }
    }

    fn default(&self) -> Option<Value> {
        match &self.kind {
            Kind::Bool { default } => Some(Value::from(*default)),
            Kind::Integer { default, .. } => Some(Value::from(*default)),
            Kind::Text { default, .. } => default.as_deref().map(Value::from),
            Kind::Choice(words) => words.first().map(|word| Value::from(word.as_ref())),
        }
    }

    /// This option as a JSON Schema (draft 2020-12), with `unit` as an annotation; a secret one is `writeOnly`.
    pub fn to_schema(&self) -> Value {
        let mut schema = match &self.kind {
            Kind::Bool { .. } => json!({"type": "boolean"}),
            Kind::Integer { min, max, unit, .. } => {
                let mut schema = json!({"type": "integer", "minimum": min, "maximum": max});
                if !unit.is_empty() {
                    schema["unit"] = Value::from(unit.as_ref());
                }
                schema
            }
            Kind::Text { max_len, .. } => json!({"type": "string", "maxLength": max_len}),
            Kind::Choice(words) => json!({"type": "string", "enum": words}),
        };
        if let Some(default) = self.default() {
            schema["default"] = default;
        }
        if self.secret {
            schema["writeOnly"] = Value::from(true);
        }
        schema["description"] = Value::from(self.help.as_ref());
        schema
    }
}

/// The JSON Schema of an options object by its table.
pub fn to_schema(specs: &[OptionSpec]) -> Value {
    let properties: Map<String, Value> = specs
        .iter()
        .map(|spec| (spec.name.to_string(), spec.to_schema()))
        .collect();
    let required: Vec<&str> = specs
        .iter()
        .filter(|spec| spec.default().is_none())
        .map(|spec| spec.name.as_ref())
        .collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// Checked options: every option of the table is there, with the given value or its default.
#[derive(Debug, Clone, PartialEq)]
pub struct Options(Map<String, Value>);

impl Options {
    /// Checks `given` against the table. An option that is not in the table is refused: a limit
    /// that is not understood must not be dropped.
    ///
    /// # Errors
    /// [`Refused`] with the option's name as path.
    pub fn read(specs: &[OptionSpec], given: &Map<String, Value>) -> Result<Self, Refused> {
        if let Some(name) = given
            .keys()
            .find(|name| specs.iter().all(|spec| spec.name != name.as_str()))
        {
            return Err(Refused::new(printable(name), "is not an option here"));
        }
        specs
            .iter()
            .map(|spec| {
                let value = spec.read(given.get(spec.name.as_ref()), &spec.name)?;
                Ok((spec.name.to_string(), value))
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Reads `key=value` words of a command line: numbers and booleans are recognised by the table.
    ///
    /// # Errors
    /// [`Refused`] with the option's name as path.
    pub fn from_words<'a>(
        specs: &[OptionSpec],
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, Refused> {
        let mut given = Map::new();
        for word in words {
            let Some((name, text)) = word.split_once('=') else {
                return Err(Refused::new(
                    printable(word),
                    "must have the form key=value",
                ));
            };
            let kind = specs.iter().find(|spec| spec.name == name).map(|s| &s.kind);
            let value = match kind {
                Some(Kind::Bool { .. }) => match text {
                    "true" | "1" | "yes" => Value::from(true),
                    "false" | "0" | "no" => Value::from(false),
                    _ => Value::from(text),
                },
                Some(Kind::Integer { .. }) => {
                    text.parse::<i64>().map_or(Value::from(text), Value::from)
                }
                _ => Value::from(text),
            };
            given.insert(name.to_owned(), value);
        }
        Self::read(specs, &given)
    }

    /// The integer option `name`; 0 when the table has no such integer.
    pub fn integer(&self, name: &str) -> i64 {
        self.0.get(name).and_then(Value::as_i64).unwrap_or_default()
    }

    /// The boolean option `name`; false when the table has no such option.
    pub fn boolean(&self, name: &str) -> bool {
        self.0
            .get(name)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    }

    /// The text or choice option `name`; empty when the table has no such text.
    pub fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// All options as a JSON object.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const WORDS: &[Cow<'static, str>] = &[Cow::Borrowed("Udp"), Cow::Borrowed("Tcp")];
    const TABLE: &[OptionSpec] = &[
        OptionSpec::text("host", 253, "target"),
        OptionSpec::integer("count", 3, 1, 10, "packets", "how many"),
        OptionSpec::integer_saying(
            "timeout",
            1000,
            1,
            60_000,
            "ms",
            "how long",
            "receive timeout is too large (> 60 s)",
        ),
        OptionSpec::choice("type", WORDS, "packets sent"),
        OptionSpec::boolean("quick", false, "be quick"),
    ];

    fn refusal(given: &Value) -> String {
        Options::read(TABLE, given.as_object().unwrap())
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn defaults_fill_in() {
        let options = Options::from_words(TABLE, ["host=h", "quick=yes", "count=7"]).unwrap();
        assert_eq!(options.text("host"), "h");
        assert_eq!(options.integer("count"), 7);
        assert_eq!(options.integer("timeout"), 1000);
        assert_eq!(options.text("type"), "Udp");
        assert!(options.boolean("quick"));
    }

    #[test]
    fn each_fault_names_its_option() {
        assert_eq!(refusal(&json!({})), "host: is missing");
        assert_eq!(
            refusal(&json!({"host": "h", "count": 0})),
            "count: must be > 0"
        );
        assert_eq!(
            refusal(&json!({"host": "h", "count": 4_294_967_296_u64})),
            "count: must be <= 10"
        );
        assert_eq!(
            refusal(&json!({"host": "h", "timeout": 70_000})),
            "timeout: receive timeout is too large (> 60 s)"
        );
        assert_eq!(
            refusal(&json!({"host": "h", "type": "udp"})),
            "type: must be one of Udp, Tcp"
        );
        assert_eq!(
            refusal(&json!({"host": "h", "limit": 1})),
            "limit: is not an option here"
        );
        assert_eq!(
            refusal(&json!({"host": "a\u{0}b"})),
            "host: must not contain control characters"
        );
    }

    #[test]
    fn the_schema_says_what_the_reader_does() {
        let schema = to_schema(TABLE);
        assert_eq!(schema["required"], json!(["host"]));
        assert_eq!(schema["properties"]["count"]["maximum"], 10);
        assert_eq!(schema["properties"]["timeout"]["unit"], "ms");
        assert_eq!(schema["properties"]["type"]["enum"], json!(["Udp", "Tcp"]));
        assert_eq!(schema["additionalProperties"], false);
        assert!(schema["properties"]["host"].get("writeOnly").is_none());
    }

    #[test]
    fn a_secret_is_announced_as_one() {
        const SECRET: OptionSpec = OptionSpec::text("token", 10, "the leave").secret();
        assert!(SECRET.secret && !TABLE[0].secret);
        assert_eq!(SECRET.to_schema()["writeOnly"], true);
    }
}
