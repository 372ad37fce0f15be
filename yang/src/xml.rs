//! XML (fifth edition of 1.0, with namespaces) as far as data needs it: no document type, no entities but the five.

use std::collections::HashSet;
use std::sync::Arc;

use crate::{Budget, Error, Limits, Tag};

#[cfg(test)]
mod tests;
mod text;

use text::{is_allowed, is_name, is_name_start, push_lines, push_text};

/// Attributes and declarations of prefixes an element may have.
const ATTRIBUTES: usize = 64;

/// An element.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Element {
    /// Its namespace; empty for none.
    pub namespace: Arc<str>,
    /// Its name without prefix.
    pub name: String,
    /// Its attributes but `xmlns` ones.
    pub attributes: Vec<Attribute>,
    /// Which prefixes have a meaning inside.
    pub scope: Option<Arc<Scope>>,
    /// The elements inside.
    pub children: Vec<Self>,
    /// The text inside; white space around elements is left out.
    pub text: String,
}

/// An attribute.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// Its namespace; empty for none.
    pub namespace: Arc<str>,
    /// Its name without prefix.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A declaration of a prefix, and those around it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Scope {
    above: Option<Arc<Self>>,
    prefix: String,
    namespace: Arc<str>,
}

impl Scope {
    /// The namespace of a prefix; the default one for the empty prefix.
    pub fn namespace<'a>(mut scope: Option<&'a Arc<Self>>, prefix: &str) -> Option<&'a Arc<str>> {
        while let Some(this) = scope {
            if this.prefix == prefix {
                return Some(&this.namespace);
            }
            scope = this.above.as_ref();
        }
        None
    }
}

/// Writes `text` so that it can stand in content or in a quoted attribute.
pub fn escape(text: &str, out: &mut String) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#13;"),
            other => out.push(other),
        }
    }
}

/// Reads elements, one after the other, that fill `bytes`; a document has one. Errors: [`Tag::MalformedMessage`], [`Tag::TooBig`],
/// [`Tag::UnknownNamespace`] for a prefix nobody declared.
pub fn parse(bytes: &[u8], limits: Limits) -> Result<Vec<Element>, Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = str::from_utf8(bytes)
        .map_err(|error| malformed(format!("byte {} is not UTF-8", error.valid_up_to())))?;
    let mut parser = Parser {
        text,
        at: 0,
        depth_left: limits.depth,
        budget: Budget::new(limits),
    };
    parser.declaration()?;
    let mut found = Vec::new();
    loop {
        parser.skip_misc()?;
        if parser.at >= text.len() {
            return Ok(found);
        }
        found.push(parser.element(None)?);
    }
}

fn malformed(message: String) -> Error {
    Error::new(Tag::MalformedMessage, message)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    depth_left: u16,
    budget: Budget,
}

/// A name with its prefix, which may be empty.
type Qualified<'a> = (&'a str, &'a str);

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn wrong(&self, wanted: &str) -> Error {
        let line = self.text[..self.at].split('\n').count();
        malformed(format!("line {line}, byte {}: expected {wanted}", self.at))
    }

    fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    fn expect(&mut self, token: &str) -> Result<(), Error> {
        if self.eat(token) {
            Ok(())
        } else {
            Err(self.wrong(&format!("'{token}'")))
        }
    }

    fn space(&mut self) -> bool {
        let rest = self.rest();
        let kept = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        self.at += rest.len() - kept.len();
        kept.len() < rest.len()
    }

    /// Passes everything up to and with `end`; gives what was before it.
    fn until(&mut self, end: &str) -> Result<&'a str, Error> {
        let rest = self.rest();
        let length = rest
            .find(end)
            .ok_or_else(|| self.wrong(&format!("'{end}'")))?;
        self.at += length + end.len();
        let inside = &rest[..length];
        if inside.chars().all(is_allowed) {
            Ok(inside)
        } else {
            Err(self.wrong("no control characters before here"))
        }
    }

    fn declaration(&mut self) -> Result<(), Error> {
        if self.rest().starts_with("<?xml") && !self.rest()[5..].starts_with(is_name) {
            let inside = self.until("?>")?;
            if let Some((_, after)) = inside.split_once("encoding") {
                let name = after.trim_start_matches([' ', '=', '"', '\'']);
                let name = name.split(['"', '\'']).next().unwrap_or_default();
                if !name.eq_ignore_ascii_case("utf-8") && !name.eq_ignore_ascii_case("us-ascii") {
                    return Err(malformed(format!("encoding '{name}' is not UTF-8")));
                }
            }
        }
        Ok(())
    }

    /// One comment or processing instruction, if there is one.
    fn skip_one(&mut self) -> Result<bool, Error> {
        if self.eat("<!--") {
            self.until("--")?;
            self.expect(">")?;
            return Ok(true);
        }
        if self.rest().starts_with("<?") {
            self.at += 2;
            let (prefix, name) = self.name()?;
            if prefix.is_empty() && name.eq_ignore_ascii_case("xml") {
                return Err(
                    self.wrong("the XML declaration only at the very start, not before here")
                );
            }
            self.until("?>")?;
            return Ok(true);
        }
        Ok(false)
    }

    fn skip_misc(&mut self) -> Result<(), Error> {
        loop {
            let moved = self.space();
            if !self.skip_one()? && !moved {
                return Ok(());
            }
        }
    }

    fn part(&mut self) -> Result<&'a str, Error> {
        let rest = self.rest();
        if !rest.starts_with(is_name_start) {
            return Err(self.wrong("a name"));
        }
        let length = rest
            .find(|character| !is_name(character))
            .unwrap_or(rest.len());
        self.at += length;
        Ok(&rest[..length])
    }

    fn name(&mut self) -> Result<Qualified<'a>, Error> {
        let first = self.part()?;
        if self.eat(":") {
            Ok((first, self.part()?))
        } else {
            Ok(("", first))
        }
    }

    /// An element, where `<` of its start tag stands.
    fn element(&mut self, above: Option<&Arc<Scope>>) -> Result<Element, Error> {
        self.budget.take()?;
        if self.rest().starts_with("<!") {
            return Err(self.wrong("no document type declaration"));
        }
        self.expect("<")?;
        let tag = self.name()?;
        let (raw, empty) = self.attributes()?;
        let (scope, attributes) = Self::resolve(raw, above)?;
        let namespace = Self::namespace_of(tag.0, scope.as_ref())?;
        let mut element = Element {
            namespace,
            name: tag.1.to_owned(),
            attributes,
            scope,
            children: Vec::new(),
            text: String::new(),
        };
        if !empty {
            self.depth_left = self
                .depth_left
                .checked_sub(1)
                .ok_or_else(|| self.wrong("fewer levels of nesting"))?;
            self.content(&mut element)?;
            self.depth_left += 1;
            if self.name()? != tag {
                return Err(self.wrong(&format!("the end of element '{}'", tag.1)));
            }
            self.space();
            self.expect(">")?;
        }
        Ok(element)
    }

    /// Attributes as written, and whether the element ends at once.
    fn attributes(&mut self) -> Result<(Vec<(Qualified<'a>, String)>, bool), Error> {
        let mut raw: Vec<(Qualified<'a>, String)> = Vec::new();
        loop {
            let spaced = self.space();
            if self.eat("/>") {
                return Ok((raw, true));
            }
            if self.eat(">") {
                return Ok((raw, false));
            }
            if !spaced {
                return Err(self.wrong("white space, '/>' or '>'"));
            }
            self.budget.take()?;
            if raw.len() == ATTRIBUTES {
                return Err(self.wrong("fewer attributes"));
            }
            let name = self.name()?;
            self.space();
            self.expect("=")?;
            self.space();
            let quote = if self.eat("'") { "'" } else { "\"" };
            if quote == "\"" {
                self.expect("\"")?;
            }
            let inside = self.until(quote)?;
            if inside.contains('<') {
                return Err(self.wrong("no '<' in the attribute before here"));
            }
            let mut value = String::new();
            self.unescape(inside, &mut value, true)?;
            raw.push((name, value));
        }
    }

    /// Tells declarations of prefixes from attributes.
    fn resolve(
        raw: Vec<(Qualified<'a>, String)>,
        above: Option<&Arc<Scope>>,
    ) -> Result<(Option<Arc<Scope>>, Vec<Attribute>), Error> {
        let mut scope = above.cloned();
        let mut plain = Vec::new();
        let mut seen = HashSet::new();
        for ((prefix, name), value) in raw {
            if !seen.insert((prefix, name)) {
                return Err(malformed(format!("attribute '{name}' stands twice")));
            }
            let declared = match (prefix, name) {
                ("", "xmlns") => "",
                ("xmlns", "xml" | "xmlns") => {
                    return Err(malformed(format!("prefix '{name}' cannot be declared")));
                }
                ("xmlns", name) => name,
                _ => {
                    plain.push((prefix, name, value));
                    continue;
                }
            };
            if value.is_empty() && !declared.is_empty() {
                return Err(malformed(format!("prefix '{declared}' has no namespace")));
            }
            scope = Some(Arc::new(Scope {
                above: scope,
                prefix: declared.to_owned(),
                namespace: value.into(),
            }));
        }
        let mut attributes: Vec<Attribute> = Vec::with_capacity(plain.len());
        for (prefix, name, value) in plain {
            let namespace = if prefix.is_empty() {
                "".into()
            } else {
                Self::namespace_of(prefix, scope.as_ref())?
            };
            let twice = attributes
                .iter()
                .any(|other| other.namespace == namespace && other.name == name);
            if twice {
                return Err(malformed(format!("attribute '{name}' stands twice")));
            }
            attributes.push(Attribute {
                namespace,
                name: name.to_owned(),
                value,
            });
        }
        Ok((scope, attributes))
    }

    fn namespace_of(prefix: &str, scope: Option<&Arc<Scope>>) -> Result<Arc<str>, Error> {
        if prefix == "xml" {
            return Ok("http://www.w3.org/XML/1998/namespace".into());
        }
        match Scope::namespace(scope, prefix) {
            Some(namespace) => Ok(Arc::clone(namespace)),
            None if prefix.is_empty() => Ok("".into()),
            None => Err(Error::new(
                Tag::UnknownNamespace,
                format!("prefix '{prefix}' is not declared: add xmlns:{prefix}"),
            )),
        }
    }

    /// Everything up to `</`.
    fn content(&mut self, element: &mut Element) -> Result<(), Error> {
        let scope = element.scope.clone();
        loop {
            let rest = self.rest();
            let length = rest.find('<').ok_or_else(|| self.wrong("an end tag"))?;
            let inside = &rest[..length];
            if inside.contains("]]>") {
                return Err(self.wrong("no ']]>' in text"));
            }
            self.unescape(inside, &mut element.text, false)?;
            self.at += length;
            if self.eat("</") {
                break;
            }
            if self.eat("<![CDATA[") {
                let inside = self.until("]]>")?;
                push_lines(inside, &mut element.text);
            } else if !self.skip_one()? {
                element.children.push(self.element(scope.as_ref())?);
            }
        }
        if !element.children.is_empty() {
            if !element.text.trim_ascii().is_empty() {
                return Err(self.wrong(&format!(
                    "either text or elements in element '{}', not both",
                    element.name
                )));
            }
            element.text = String::new();
        }
        Ok(())
    }

    fn unescape(&self, mut raw: &str, out: &mut String, attribute: bool) -> Result<(), Error> {
        if !raw.chars().all(is_allowed) {
            return Err(self.wrong("no control characters near here"));
        }
        while let Some(at) = raw.find('&') {
            push_text(&raw[..at], out, attribute);
            let (entity, after) = raw[at + 1..]
                .split_once(';')
                .ok_or_else(|| self.wrong("';' after '&' near here"))?;
            let character = match entity {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => Self::reference(entity).ok_or_else(|| {
                    self.wrong("one of the five entities or a character reference near here")
                })?,
            };
            out.push(character);
            raw = after;
        }
        push_text(raw, out, attribute);
        Ok(())
    }

    fn reference(entity: &str) -> Option<char> {
        let number = entity.strip_prefix('#')?;
        let (digits, radix) = number
            .strip_prefix('x')
            .map_or((number, 10), |hex| (hex, 16));
        if !digits.starts_with(|first: char| first.is_ascii_hexdigit()) {
            return None;
        }
        let code = u32::from_str_radix(digits, radix).ok()?;
        char::from_u32(code).filter(|character| is_allowed(*character))
    }
}
