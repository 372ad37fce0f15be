//! UCI syntax: text to sections and options. Pure and bounded.
//!
//! ```text
//! package NAME                 # optional, ignored
//! config TYPE 'NAME'           # the name may be missing
//!     option KEY 'value'
//!     list KEY 'one'
//!     list KEY "t\"wo"
//! ```
//! As the system's own parser does: commands may be shortened to their first letter and separated by `;`; `#` begins a
//! comment unless quoted; quoted and unquoted parts standing together make one word; in single quotes everything is
//! literal, in double quotes and outside a backslash takes the next character literally, before the end of a line it
//! joins the lines; quotes may span lines; an option without a value counts as not given; a section named again
//! is continued; an option given again replaces what was there, `list` adds to it. More arguments than a command takes are an
//! error here.

use super::{Error, MAX_FILE};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 4096;
/// Most sections in a file.
pub const MAX_SECTIONS: usize = 256;

/// One `config` section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What it describes.
    pub kind: String,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Line of its (first) `config`, counted from 1.
    pub line: u32,
    /// Its options, in order of first appearance.
    pub options: Vec<Opt>,
}

/// One option of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opt {
    /// Its name.
    pub name: String,
    /// What was given.
    pub value: Value,
    /// Line of its last mention.
    pub line: u32,
}

/// The value of an option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// From `option`.
    One(String),
    /// From `list`.
    List(Vec<String>),
}

/// Reads a whole file.
pub fn parse(bytes: &[u8]) -> Result<Vec<Section>, Error> {
    if bytes.len() > MAX_FILE {
        return Err(Error::Syntax {
            line: 1,
            reason: "the file is longer than 64 KiB",
        });
    }
    for (line, text) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let refused = |reason| Err(Error::Syntax { line, reason });
        if text.len() > MAX_LINE {
            return refused("the line is longer than 4096 bytes");
        }
        if text
            .iter()
            .any(|&byte| byte == 0x7f || (byte < b' ' && byte != b'\t' && byte != b'\r'))
        {
            return refused("control character");
        }
        if std::str::from_utf8(text).is_err() {
            return refused("not UTF-8");
        }
    }
    let text = std::str::from_utf8(bytes).map_err(|_| Error::Syntax {
        line: 1,
        reason: "not UTF-8",
    })?;
    Parser {
        rest: text,
        line: 1,
        sections: Vec::new(),
        current: None,
    }
    .run()
}

struct Parser<'a> {
    rest: &'a str,
    line: u32,
    sections: Vec<Section>,
    /// Index of the section that options belong to.
    current: Option<usize>,
}

impl Parser<'_> {
    fn run(mut self) -> Result<Vec<Section>, Error> {
        while self.next_statement() {
            let line = self.line;
            let command = self.argument()?.unwrap_or_default();
            match command.as_str() {
                "package" | "p" => {
                    let name = self.argument()?;
                    if !name.is_some_and(|name| is_name(&name, "-")) {
                        return Err(Error::Syntax {
                            line,
                            reason: "package needs a name",
                        });
                    }
                }
                "config" | "c" => self.section(line)?,
                "option" | "o" => self.option(line, false)?,
                "list" | "l" => self.option(line, true)?,
                _ => {
                    return Err(Error::Syntax {
                        line,
                        reason: "must begin with config, option, list or package",
                    });
                }
            }
            if self.argument()?.is_some() {
                return Err(Error::Syntax {
                    line,
                    reason: "too many arguments: does a value lack its quotes?",
                });
            }
        }
        Ok(self.sections)
    }

    fn section(&mut self, line: u32) -> Result<(), Error> {
        let kind = self
            .argument()?
            .filter(|kind| kind.bytes().all(|byte| byte.is_ascii_graphic()));
        let kind = kind.filter(|kind| !kind.is_empty()).ok_or(Error::Syntax {
            line,
            reason: "config needs a type",
        })?;
        let name = self.argument()?.filter(|name| !name.is_empty());
        if name.as_ref().is_some_and(|name| !is_name(name, "")) {
            return Err(Error::Syntax {
                line,
                reason: "a section's name may hold letters, digits and _ only",
            });
        }
        let known = self
            .sections
            .iter()
            .position(|section| section.name.is_some() && section.name == name);
        self.current = Some(match known {
            Some(index) if self.sections[index].kind == kind => index,
            Some(_) => {
                return Err(Error::Syntax {
                    line,
                    reason: "a section of this name has another type",
                });
            }
            None if self.sections.len() == MAX_SECTIONS => {
                return Err(Error::Syntax {
                    line,
                    reason: "more than 256 sections",
                });
            }
            None => {
                self.sections.push(Section {
                    kind,
                    name,
                    line,
                    options: Vec::new(),
                });
                self.sections.len() - 1
            }
        });
        Ok(())
    }

    fn option(&mut self, line: u32, list: bool) -> Result<(), Error> {
        let name = self.argument()?.filter(|name| is_name(name, ""));
        let name = name.ok_or(Error::Syntax {
            line,
            reason: "an option needs a name of letters, digits and _",
        })?;
        let value = self.argument()?.filter(|value| !value.is_empty());
        let section = self.current.and_then(|index| self.sections.get_mut(index));
        let options = &mut section
            .ok_or(Error::Syntax {
                line,
                reason: "option before the first section",
            })?
            .options;
        let known = options.iter().position(|option| option.name == name);
        let value = match (value, list) {
            (Some(value), false) => Value::One(value),
            (Some(value), true) => match known.map(|index| options[index].value.clone()) {
                Some(Value::List(mut values)) => {
                    values.push(value);
                    Value::List(values)
                }
                Some(Value::One(first)) => Value::List(vec![first, value]),
                None => Value::List(vec![value]),
            },
            (None, true) => return Ok(()),
            (None, false) => {
                options.retain(|option| option.name != name);
                return Ok(());
            }
        };
        match known {
            Some(index) => options[index] = Opt { name, value, line },
            None => options.push(Opt { name, value, line }),
        }
        Ok(())
    }

    /// Skips to the first character of a command; `false` at the end.
    fn next_statement(&mut self) -> bool {
        while let Some(c) = self.rest.chars().next() {
            match c {
                '#' => self.skip_comment(),
                c if c == ';' || c.is_ascii_whitespace() => drop(self.take()),
                _ => return true,
            }
        }
        false
    }

    /// The next word of this command, if there is one.
    fn argument(&mut self) -> Result<Option<String>, Error> {
        while self.rest.starts_with([' ', '\t', '\r']) {
            self.take();
        }
        let mut word = String::new();
        let mut found = false;
        while let Some(c) = self.rest.chars().next() {
            match c {
                '#' => {
                    self.skip_comment();
                    break;
                }
                c if c == ';' || c.is_ascii_whitespace() => break,
                _ => self.take(),
            };
            found = true;
            match c {
                '\'' | '"' => self.quoted(c, &mut word)?,
                '\\' => self.escaped(&mut word),
                c => word.push(c),
            }
        }
        Ok(found.then_some(word))
    }

    fn quoted(&mut self, quote: char, word: &mut String) -> Result<(), Error> {
        let line = self.line;
        loop {
            match self.take() {
                None => {
                    return Err(Error::Syntax {
                        line,
                        reason: "a quote is not closed",
                    });
                }
                Some(c) if c == quote => return Ok(()),
                Some('\\') if quote == '"' => self.escaped(word),
                Some(c) => word.push(c),
            }
        }
    }

    fn escaped(&mut self, word: &mut String) {
        if self.rest.starts_with("\r\n") {
            self.take();
        }
        if let Some(c) = self.take().filter(|&c| c != '\n') {
            word.push(c);
        }
    }

    fn skip_comment(&mut self) {
        let end = self.rest.find('\n').unwrap_or(self.rest.len());
        self.rest = self.rest.get(end..).unwrap_or_default();
    }

    fn take(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        self.line += u32::from(c == '\n');
        Some(c)
    }
}

fn is_name(name: &str, also: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '_' || also.contains(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn options(text: &str) -> Vec<(String, Value)> {
        let sections = parse(format!("config t\n{text}").as_bytes()).unwrap();
        sections
            .into_iter()
            .flat_map(|s| s.options)
            .map(|o| (o.name, o.value))
            .collect()
    }

    fn one(value: &str) -> Vec<(String, Value)> {
        vec![("k".into(), Value::One(value.into()))]
    }

    fn list(values: &[&str]) -> Vec<(String, Value)> {
        vec![(
            "k".into(),
            Value::List(values.iter().map(|v| (*v).to_owned()).collect()),
        )]
    }

    #[test]
    fn words_are_read_as_the_system_reads_them() {
        for (text, value) in [
            ("option k plain", "plain"),
            ("option k 'two words'", "two words"),
            (r#"option k "say \"hi\" \\ 'x'""#, r#"say "hi" \ 'x'"#),
            (r"option k 'back\slash'", r"back\slash"),
            (r"option k two\ words", "two words"),
            (r"option k 'it'\''s'", "it's"),
            (r#"option k pre'mid dle'"post""#, "premid dlepost"),
            ("option k v # comment", "v"),
            ("option k v#comment", "v"),
            ("option k '#no comment; no end'", "#no comment; no end"),
            ("option\tk\tv\r\n", "v"),
            ("o k v", "v"),
            ("option k 'a\nb'", "a\nb"),
            ("option k \"a\\\nb\"", "ab"),
            ("option k a\\\nb", "ab"),
            ("option k old; option k new", "new"),
            ("list k a\noption k b", "b"),
            ("option k 'grün'", "grün"),
        ] {
            assert_eq!(options(text), one(value), "{text}");
        }
        assert_eq!(options("list k a\nlist k 'b c'"), list(&["a", "b c"]));
        assert_eq!(options("option k a\nlist k b"), list(&["a", "b"]));
        assert_eq!(options("option k a\noption k ''"), []);
    }

    #[test]
    fn sections_have_types_names_and_lines() {
        let text = "package glimpse\n\n# note\nconfig one 'first'\n\toption a 1\nconfig two\nconfig one 'first'\n\toption b 2\nconfig two\n";
        let sections = parse(text.as_bytes()).unwrap();
        let seen: Vec<_> = sections
            .iter()
            .map(|s| (s.kind.as_str(), s.name.as_deref(), s.line))
            .collect();
        assert_eq!(
            seen,
            [
                ("one", Some("first"), 4),
                ("two", None, 6),
                ("two", None, 9)
            ]
        );
        let lines: Vec<_> = sections[0]
            .options
            .iter()
            .map(|o| (o.name.as_str(), o.line))
            .collect();
        assert_eq!(lines, [("a", 5), ("b", 8)]);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, line, reason) in [
            ("\n\nnonsense", 3, "must begin with"),
            ("option k v", 1, "before the first section"),
            ("config\n", 1, "needs a type"),
            ("config a 'b-c'", 1, "letters, digits"),
            ("config a b\nconfig c b", 2, "another type"),
            ("config a\n\noption 'k-1' v", 3, "needs a name"),
            ("config a\noption k two words", 2, "too many"),
            ("config a\noption k 'v\n\n", 2, "not closed"),
            ("config a\noption k \"v\n", 2, "not closed"),
            ("config a\noption k '\u{1}'", 2, "control"),
            ("package\n", 1, "needs a name"),
        ] {
            let error = parse(text.as_bytes()).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("line {line}: ")) && error.contains(reason),
                "{text:?}: {error}"
            );
        }
        assert!(
            parse(b"config a\noption k '\xff'")
                .unwrap_err()
                .to_string()
                .contains("UTF-8")
        );
    }

    #[test]
    fn sizes_are_bounded() {
        let long_line = format!("# {}", "x".repeat(MAX_LINE));
        assert!(parse(long_line.as_bytes()).is_err());
        assert!(parse("#\n".repeat(MAX_FILE).as_bytes()).is_err());
        assert!(parse("config a\n".repeat(MAX_SECTIONS + 1).as_bytes()).is_err());
        assert!(parse("config a\n".repeat(MAX_SECTIONS).as_bytes()).is_ok());
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn any_text_near_the_syntax_is_read_without_panic(text in r#"((config|option|list|package|c|o|[a-z ';"\\#\t\r\n]){0,6}[ \n]){0,8}"#) {
            if let Err(Error::Syntax { line, .. }) = parse(text.as_bytes()) {
                prop_assert!((line as usize) <= text.split('\n').count());
            }
        }

        #[test]
        fn single_quotes_carry_any_value(value in "[^\\p{Cc}]{1,60}") {
            let quoted = value.replace('\'', r"'\''");
            prop_assert_eq!(options(&format!("option k '{quoted}'")), one(&value));
        }
    }
}
