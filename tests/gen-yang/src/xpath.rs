//! The few shapes of `XPath` that the table knows: paths without predicates, `=` and `!=` with a literal, `not`, `and`,
//! `or`, `derived-from` and `derived-from-or-self`.

/// An expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Expression {
    Exists(Steps),
    Equals(Steps, String),
    Differs(Steps, String),
    Any(Vec<Self>),
    All(Vec<Self>),
    Not(Box<Self>),
    Derived {
        path: Steps,
        identity: String,
        or_self: bool,
    },
}

/// A location path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Steps {
    pub(crate) absolute: bool,
    pub(crate) up: u8,
    /// Names with their prefixes.
    pub(crate) down: Vec<String>,
}

impl Steps {
    /// Reads the path of a leafref.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::new(text)?;
        let path = reader.path()?;
        reader.end()?;
        Ok(path)
    }
}

impl Expression {
    /// Reads an expression; the error says what is not supported.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut reader = Reader::new(text)?;
        let expression = reader.any()?;
        reader.end()?;
        Ok(expression)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Name(String),
    Literal(String),
    Sign(&'static str),
}

const SIGNS: &[&str] = &["..", "!=", "(", ")", "/", ".", "=", ","];

struct Reader {
    tokens: Vec<Token>,
    at: usize,
}

impl Reader {
    fn new(text: &str) -> Result<Self, String> {
        let mut tokens = Vec::new();
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let taken = if matches!(first, '"' | '\'') {
                let end = rest[1..]
                    .find(first)
                    .ok_or_else(|| "a literal without end".to_owned())?;
                tokens.push(Token::Literal(rest[1..=end].to_owned()));
                end + 2
            } else if first.is_ascii_digit() {
                let end = rest
                    .find(|c: char| !c.is_ascii_digit())
                    .unwrap_or(rest.len());
                tokens.push(Token::Literal(rest[..end].to_owned()));
                end
            } else if first.is_ascii_alphabetic() || first == '_' {
                let end = rest
                    .find(|c: char| {
                        !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
                    })
                    .unwrap_or(rest.len());
                tokens.push(Token::Name(rest[..end].to_owned()));
                end
            } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                tokens.push(Token::Sign(sign));
                sign.len()
            } else {
                return Err(format!("`{first}` is not supported"));
            };
            rest = rest[taken..].trim_start();
        }
        Ok(Self { tokens, at: 0 })
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn accept(&mut self, token: &Token) -> bool {
        let is = self.peek() == Some(token);
        self.at += usize::from(is);
        is
    }

    fn sign(&mut self, sign: &'static str) -> bool {
        self.accept(&Token::Sign(sign))
    }

    fn word(&mut self, word: &str) -> bool {
        self.accept(&Token::Name(word.to_owned()))
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), String> {
        if self.sign(sign) {
            Ok(())
        } else {
            Err(format!("expected `{sign}`"))
        }
    }

    fn end(&self) -> Result<(), String> {
        match self.peek() {
            None => Ok(()),
            Some(token) => Err(format!("{token:?} is not supported here")),
        }
    }

    fn any(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.all()?];
        while self.word("or") {
            parts.push(self.all()?);
        }
        Ok(single(parts, Expression::Any))
    }

    fn all(&mut self) -> Result<Expression, String> {
        let mut parts = vec![self.one()?];
        while self.word("and") {
            parts.push(self.one()?);
        }
        Ok(single(parts, Expression::All))
    }

    fn one(&mut self) -> Result<Expression, String> {
        if self.sign("(") {
            let inner = self.any()?;
            self.expect(")")?;
            return Ok(inner);
        }
        if let Some(Token::Name(name)) = self.peek().cloned()
            && self.tokens.get(self.at + 1) == Some(&Token::Sign("("))
            && name != "current"
        {
            self.at += 2;
            return self.function(&name);
        }
        let path = self.path()?;
        let equals = self.sign("=");
        if !equals && !self.sign("!=") {
            return Ok(Expression::Exists(path));
        }
        let Some(Token::Literal(text)) = self.peek().cloned() else {
            return Err("a comparison with something other than a literal is not supported".into());
        };
        self.at += 1;
        Ok(if equals {
            Expression::Equals(path, text)
        } else {
            Expression::Differs(path, text)
        })
    }

    fn function(&mut self, name: &str) -> Result<Expression, String> {
        let made = match name {
            "not" => Expression::Not(Box::new(self.any()?)),
            "boolean" => self.any()?,
            "derived-from" | "derived-from-or-self" => {
                let path = self.path()?;
                self.expect(",")?;
                let Some(Token::Literal(identity)) = self.peek().cloned() else {
                    return Err(format!("`{name}` takes a literal"));
                };
                self.at += 1;
                Expression::Derived {
                    path,
                    identity,
                    or_self: name == "derived-from-or-self",
                }
            }
            _ => return Err(format!("the function `{name}` is not supported")),
        };
        self.expect(")")?;
        Ok(made)
    }

    fn path(&mut self) -> Result<Steps, String> {
        let mut path = Steps {
            absolute: self.sign("/"),
            ..Steps::default()
        };
        if self.word("current") {
            self.expect("(")?;
            self.expect(")")?;
            if !self.sign("/") {
                return Ok(path);
            }
        }
        loop {
            if self.sign("..") {
                if path.absolute || !path.down.is_empty() {
                    return Err("`..` after a name is not supported".into());
                }
                path.up += 1;
            } else if self.sign(".") {
            } else if let Some(Token::Name(name)) = self.peek().cloned() {
                self.at += 1;
                path.down.push(name);
            } else {
                return Err("expected a path".into());
            }
            if !self.sign("/") {
                return Ok(path);
            }
        }
    }
}

fn single(mut parts: Vec<Expression>, many: fn(Vec<Expression>) -> Expression) -> Expression {
    if parts.len() == 1 {
        parts.remove(0)
    } else {
        many(parts)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn steps(up: u8, down: &[&str]) -> Steps {
        Steps {
            absolute: false,
            up,
            down: down.iter().map(|&name| name.to_owned()).collect(),
        }
    }

    #[test]
    fn known_shapes_are_read() {
        assert_eq!(
            Expression::parse(". != \"true\" or ../agent-id"),
            Ok(Expression::Any(vec![
                Expression::Differs(steps(0, &[]), "true".into()),
                Expression::Exists(steps(1, &["agent-id"])),
            ]))
        );
        assert_eq!(
            Expression::parse("not(../a:b and current()/../c='x')"),
            Ok(Expression::Not(Box::new(Expression::All(vec![
                Expression::Exists(steps(1, &["a:b"])),
                Expression::Equals(steps(1, &["c"]), "x".into()),
            ]))))
        );
    }

    #[test]
    fn others_are_refused_with_their_reason() {
        for (text, reason) in [
            ("count(../a) = 1", "the function `count` is not supported"),
            ("../a[b='c']", "`[` is not supported"),
            ("../a = ../b", "other than a literal"),
            ("../a > 3", "`>` is not supported"),
            ("../a 'b'", "is not supported here"),
        ] {
            let error = Expression::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
