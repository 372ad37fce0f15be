//! YANG statements (RFC 7950 §6): the text of a module as a tree, nothing understood yet.

use crate::Error;

/// Statements deeper than this are refused.
const DEPTH: usize = 64;

/// A statement: keyword, argument, substatements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The keyword; of an extension `prefix:name`.
    pub keyword: String,
    /// The argument, with quotes and concatenation resolved; empty without one.
    pub argument: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// What is in its braces.
    pub substatements: Vec<Self>,
    /// Where in the text its keyword stands.
    pub start: usize,
    /// Where in the text its `;` or `}` stands.
    pub end: usize,
}

impl Statement {
    /// Reads a module; `file` is its name in errors.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let mut reader = Reader {
            file,
            text,
            at: 0,
            line: 1,
        };
        reader.skip()?;
        let statement = reader.statement(0)?;
        reader.skip()?;
        if reader.at < text.len() {
            return Err(reader.error("text after the end of the module"));
        }
        Ok(statement)
    }

    /// The substatements with that keyword.
    pub fn all<'a>(&'a self, keyword: &'a str) -> impl Iterator<Item = &'a Self> {
        self.substatements
            .iter()
            .filter(move |statement| statement.keyword == keyword)
    }

    /// The first substatement with that keyword.
    pub fn first(&self, keyword: &str) -> Option<&Self> {
        self.substatements
            .iter()
            .find(|statement| statement.keyword == keyword)
    }

    /// The argument of the first substatement with that keyword.
    pub fn argument_of(&self, keyword: &str) -> Option<&str> {
        self.first(keyword)
            .map(|statement| statement.argument.as_str())
    }
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    at: usize,
    line: usize,
}

impl Reader<'_> {
    fn error(&self, what: &str) -> Error {
        Error::Syntax {
            file: self.file.to_owned(),
            line: self.line,
            what: what.to_owned(),
        }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        if next == '\n' {
            self.line += 1;
        }
        Some(next)
    }

    /// White space and comments.
    fn skip(&mut self) -> Result<(), Error> {
        loop {
            while self.peek().is_some_and(char::is_whitespace) {
                self.take();
            }
            if self.rest().starts_with("//") {
                while self.peek().is_some_and(|c| c != '\n') {
                    self.take();
                }
            } else if self.rest().starts_with("/*") {
                let end = self
                    .rest()
                    .find("*/")
                    .ok_or_else(|| self.error("a comment without end"))?;
                let stop = self.at + end + 2;
                while self.at < stop {
                    self.take();
                }
            } else {
                return Ok(());
            }
        }
    }

    fn statement(&mut self, depth: usize) -> Result<Statement, Error> {
        if depth > DEPTH {
            return Err(self.error("statements nested too deep"));
        }
        let (line, start) = (self.line, self.at);
        let keyword = self.unquoted()?;
        self.skip()?;
        let argument = match self.peek() {
            Some(';' | '{') => String::new(),
            _ => self.argument()?,
        };
        self.skip()?;
        let mut substatements = Vec::new();
        match self.take() {
            Some(';') => {}
            Some('{') => {
                self.skip()?;
                while self.peek() != Some('}') {
                    substatements.push(self.statement(depth + 1)?);
                    self.skip()?;
                }
                self.take();
            }
            _ => return Err(self.error("expected `;` or `{`")),
        }
        Ok(Statement {
            keyword,
            argument,
            line,
            substatements,
            start,
            end: self.at - 1,
        })
    }

    fn unquoted(&mut self) -> Result<String, Error> {
        let mut text = String::new();
        while let Some(next) = self.peek() {
            if next.is_whitespace() || matches!(next, ';' | '{' | '}' | '"' | '\'') {
                break;
            }
            text.push(next);
            self.take();
        }
        if text.is_empty() {
            return Err(self.error("expected a keyword or an argument"));
        }
        Ok(text)
    }

    fn argument(&mut self) -> Result<String, Error> {
        if !matches!(self.peek(), Some('"' | '\'')) {
            return self.unquoted();
        }
        let mut text = String::new();
        loop {
            self.quoted(&mut text)?;
            self.skip()?;
            if self.peek() != Some('+') {
                return Ok(text);
            }
            self.take();
            self.skip()?;
        }
    }

    fn quoted(&mut self, text: &mut String) -> Result<(), Error> {
        let quote = self.take();
        // RFC 7950 §6.1.3: the indentation up to the column of the quote is not part of the string.
        let column = self.text[..self.at]
            .chars()
            .rev()
            .take_while(|&c| c != '\n')
            .count();
        loop {
            match self.take() {
                None => return Err(self.error("a string without end")),
                Some('"') if quote == Some('"') => return Ok(()),
                Some('\'') if quote == Some('\'') => return Ok(()),
                Some('\\') if quote == Some('"') => match self.take() {
                    Some('n') => text.push('\n'),
                    Some('t') => text.push('\t'),
                    Some('"') => text.push('"'),
                    Some('\\') => text.push('\\'),
                    _ => return Err(self.error("an escape other than \\n \\t \\\" \\\\")),
                },
                Some('\n') if quote == Some('"') => {
                    text.truncate(text.trim_end_matches([' ', '\t']).len());
                    text.push('\n');
                    let mut indent = 0;
                    while indent < column && matches!(self.peek(), Some(' ' | '\t')) {
                        indent += if self.take() == Some('\t') { 8 } else { 1 };
                    }
                }
                Some(next) => text.push(next),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn strings_are_joined_and_unindented() {
        let text = "module a { // x\n  description \"one  \n               two\" + ' \\d';\n /* y */ leaf b; }";
        let module = Statement::parse("a", text).unwrap();
        assert_eq!(module.argument, "a");
        assert_eq!(module.argument_of("description"), Some("one\ntwo \\d"));
        let leaf = module.first("leaf").unwrap();
        assert_eq!((leaf.argument.as_str(), leaf.line), ("b", 4));
        assert_eq!(&text[leaf.end..=leaf.end], ";");
    }

    #[test]
    fn faults_name_the_line() {
        for (text, line) in [
            ("module a {\n leaf", 2),
            ("module a { description \"\\d\"; }", 1),
            ("module a; x;", 1),
            ("module a { /* }", 1),
        ] {
            let error = Statement::parse("a.yang", text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("a.yang:{line}: ")), "{error}");
        }
    }
}
