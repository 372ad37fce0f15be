//! The grammar of the expressions.

use super::set::{Class, Item, Set};

/// Levels of brackets.
const DEEPEST: u8 = 32;

/// A parsed expression.
#[derive(Debug)]
pub(super) enum Expression {
    /// A character of a set.
    One(Set),
    /// One after the other.
    All(Vec<Self>),
    /// One of them.
    Any(Vec<Self>),
    /// At least so often, at most so often.
    Repeat(Box<Self>, u32, Option<u32>),
}

/// Parses all of `text`.
pub(super) fn parse(text: &str) -> Result<Expression, String> {
    let mut parser = Parser {
        characters: text.chars().collect(),
        at: 0,
        depth: 0,
    };
    let parsed = parser.branches()?;
    match parser.peek() {
        None => Ok(parsed),
        Some(_) => Err(parser.wrong("')' without '('")),
    }
}

struct Parser {
    characters: Vec<char>,
    at: usize,
    depth: u8,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.characters.get(self.at).copied()
    }

    fn next(&mut self) -> Result<char, String> {
        let character = self.peek().ok_or_else(|| self.wrong("too short"))?;
        self.at += 1;
        Ok(character)
    }

    fn eat(&mut self, character: char) -> bool {
        let found = self.peek() == Some(character);
        self.at += usize::from(found);
        found
    }

    fn wrong(&self, what: &str) -> String {
        format!("character {}: {what}", self.at + 1)
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("too many brackets inside each other"));
        }
        Ok(())
    }

    fn branches(&mut self) -> Result<Expression, String> {
        let mut branches = vec![self.branch()?];
        while self.eat('|') {
            branches.push(self.branch()?);
        }
        Ok(if branches.len() == 1 {
            branches.remove(0)
        } else {
            Expression::Any(branches)
        })
    }

    fn branch(&mut self) -> Result<Expression, String> {
        let mut parts = Vec::new();
        while let Some(character) = self.peek() {
            if matches!(character, '|' | ')') {
                break;
            }
            let atom = self.atom()?;
            parts.push(self.quantified(atom)?);
        }
        Ok(Expression::All(parts))
    }

    fn quantified(&mut self, atom: Expression) -> Result<Expression, String> {
        let (least, most) = match self.peek() {
            Some('?') => (0, Some(1)),
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('{') => {
                self.at += 1;
                let least = self.count()?;
                let most = if self.eat(',') {
                    if self.peek() == Some('}') {
                        None
                    } else {
                        Some(self.count()?)
                    }
                } else {
                    Some(least)
                };
                if self.peek() != Some('}') || most.is_some_and(|most| most < least) {
                    return Err(self.wrong("not a quantity"));
                }
                (least, most)
            }
            _ => return Ok(atom),
        };
        self.at += 1;
        Ok(Expression::Repeat(Box::new(atom), least, most))
    }

    fn count(&mut self) -> Result<u32, String> {
        let mut count: u32 = 0;
        let start = self.at;
        while let Some(digit) = self.peek().and_then(|character| character.to_digit(10)) {
            count = count.saturating_mul(10).saturating_add(digit);
            self.at += 1;
        }
        if self.at == start || count > 10_000 {
            return Err(self.wrong("not a number up to 10000"));
        }
        Ok(count)
    }

    fn atom(&mut self) -> Result<Expression, String> {
        Ok(match self.next()? {
            '(' => {
                self.deeper()?;
                let inside = self.branches()?;
                if !self.eat(')') {
                    return Err(self.wrong("'(' without ')'"));
                }
                self.depth -= 1;
                inside
            }
            '[' => Expression::One(self.set()?),
            '.' => Expression::One(Set::dot()),
            '\\' => Expression::One(Set::of(self.escape()?)),
            '?' | '*' | '+' | '{' | '}' | ']' => {
                return Err(self.wrong("nothing to repeat before here"));
            }
            other => Expression::One(Set::just(other)),
        })
    }

    fn escape(&mut self) -> Result<Item, String> {
        let character = self.next()?;
        let class = match character.to_ascii_lowercase() {
            'd' => Class::Digit,
            's' => Class::Space,
            'w' => Class::Word,
            'i' => Class::NameStart,
            'c' => Class::Name,
            'p' => {
                if !self.eat('{') {
                    return Err(self.wrong("'{' has to follow \\p"));
                }
                let mut name = String::new();
                loop {
                    match self.next()? {
                        '}' => break,
                        other => name.push(other),
                    }
                }
                Class::named(&name)
                    .ok_or_else(|| self.wrong("a category that is not known here"))?
            }
            _ => {
                let literal = match character {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other if other.is_ascii_punctuation() => other,
                    _ => return Err(self.wrong("an escape that does not exist")),
                };
                return Ok(Item::Range(literal, literal));
            }
        };
        Ok(Item::Class(class, character.is_ascii_uppercase()))
    }

    /// A set, after its `[`.
    fn set(&mut self) -> Result<Set, String> {
        self.deeper()?;
        let mut set = Set {
            negated: self.eat('^'),
            ..Set::default()
        };
        loop {
            let character = self.next()?;
            let first = match character {
                ']' if !set.items.is_empty() => break,
                '-' if self.peek() == Some('[') => {
                    self.at += 1;
                    set.without = Some(Box::new(self.set()?));
                    if !self.eat(']') {
                        return Err(self.wrong("']' has to follow what is taken off"));
                    }
                    break;
                }
                '\\' => self.escape()?,
                other => Item::Range(other, other),
            };
            set.items.push(self.range(first)?);
        }
        self.depth -= 1;
        Ok(set)
    }

    /// A range, if `-` and an end follow its first character.
    fn range(&mut self, first: Item) -> Result<Item, String> {
        let follows = self.characters.get(self.at + 1).copied();
        let Item::Range(low, _) = first else {
            return Ok(first);
        };
        if self.peek() != Some('-') || matches!(follows, None | Some(']' | '[')) {
            return Ok(first);
        }
        self.at += 1;
        let high = match self.next()? {
            '\\' => match self.escape()? {
                Item::Range(high, _) => high,
                Item::Class(..) => return Err(self.wrong("a class cannot end a range")),
            },
            other => other,
        };
        if high < low {
            return Err(self.wrong("the range ends before it begins"));
        }
        Ok(Item::Range(low, high))
    }
}
