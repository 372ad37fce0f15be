//! Types: a `type` statement with everything that it is derived from (RFC 7950 §7.3, §9).

use crate::expand::{Expansion, Scope};
use crate::kinds::Canonical;
use crate::{Error, Statement};

/// A range, both ends included.
pub(crate) type Bounds = (i128, i128);

/// A pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) expression: String,
    pub(crate) inverted: bool,
    pub(crate) message: String,
    pub(crate) app_tag: String,
}

/// A type with all restrictions.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Type {
    Signed(u8, Vec<Bounds>),
    Unsigned(u8, Vec<Bounds>),
    Decimal(u8, Vec<Bounds>),
    String {
        lengths: Vec<Bounds>,
        patterns: Vec<Pattern>,
        canonical: Canonical,
    },
    Boolean,
    Empty,
    Binary(Vec<Bounds>),
    Enumeration(Vec<(String, i32)>),
    Bits(Vec<(String, i32)>),
    /// Bases as (module, name).
    Identity(Vec<(usize, String)>),
    LeafRef {
        path: String,
        /// The module whose prefixes the path uses.
        origin: usize,
        /// The module of names without prefix, where that is not the one of the leaf.
        names: Option<usize>,
        required: bool,
    },
    Instance(bool),
    Union(Vec<Self>),
}

/// A type and the default that comes with it.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) kind: Type,
    pub(crate) default: Option<String>,
}

const LENGTH: Bounds = (0, u64::MAX as i128);

/// The canonical form of the types of RFC 6991 and RFC 8341 that have one of their own.
fn canonical(module: &str, typedef: &str) -> Option<Canonical> {
    Some(match (module, typedef) {
        ("ietf-yang-types", "date-and-time") => Canonical::DateAndTime,
        ("ietf-yang-types", "phys-address" | "mac-address" | "hex-string" | "uuid") => {
            Canonical::LowerCase
        }
        (
            "ietf-inet-types",
            "ipv4-address"
            | "ipv4-address-no-zone"
            | "ipv4-prefix"
            | "ipv6-address"
            | "ipv6-address-no-zone"
            | "ipv6-prefix",
        ) => Canonical::Address,
        ("ietf-yang-types", "xpath1.0") | ("ietf-netconf-acm", "node-instance-identifier") => {
            Canonical::XPath
        }
        _ => return None,
    })
}

fn built_in(name: &str) -> Option<Type> {
    let signed = |bits: u8| {
        let half = 1_i128 << (bits - 1);
        Type::Signed(bits, vec![(-half, half - 1)])
    };
    let unsigned = |bits: u8| Type::Unsigned(bits, vec![(0, (1_i128 << bits) - 1)]);
    Some(match name {
        "int8" => signed(8),
        "int16" => signed(16),
        "int32" => signed(32),
        "int64" => signed(64),
        "uint8" => unsigned(8),
        "uint16" => unsigned(16),
        "uint32" => unsigned(32),
        "uint64" => unsigned(64),
        "decimal64" => Type::Decimal(0, vec![(i64::MIN.into(), i64::MAX.into())]),
        "string" => Type::String {
            lengths: Vec::new(),
            patterns: Vec::new(),
            canonical: Canonical::Verbatim,
        },
        "boolean" => Type::Boolean,
        "empty" => Type::Empty,
        "binary" => Type::Binary(Vec::new()),
        "enumeration" => Type::Enumeration(Vec::new()),
        "bits" => Type::Bits(Vec::new()),
        "identityref" => Type::Identity(Vec::new()),
        "leafref" => Type::LeafRef {
            path: String::new(),
            origin: 0,
            names: None,
            required: true,
        },
        "instance-identifier" => Type::Instance(true),
        "union" => Type::Union(Vec::new()),
        _ => return None,
    })
}

impl<'a> Expansion<'a> {
    /// The type that `statement` names in `scope`, with its own restrictions.
    pub(crate) fn resolve(
        &self,
        statement: &'a Statement,
        scope: &Scope<'a>,
    ) -> Result<Resolved, Error> {
        let name = statement.argument.as_str();
        let (mut resolved, derived) = if let Some(kind) = built_in(name) {
            let resolved = Resolved {
                kind,
                default: None,
            };
            (resolved, false)
        } else {
            (self.typedef(name, scope, statement)?, true)
        };
        self.restrict(&mut resolved.kind, derived, statement, scope)?;
        Ok(resolved)
    }

    fn typedef(&self, name: &str, scope: &Scope<'a>, at: &Statement) -> Result<Resolved, Error> {
        let (typedef, inside) = self.lookup("typedef", name, scope, at)?;
        let inner = typedef
            .first("type")
            .ok_or_else(|| self.fault(inside.module, typedef, "a typedef without type"))?;
        let mut resolved = self.resolve(inner, &inside)?;
        if let Type::LeafRef { names, .. } = &mut resolved.kind {
            names.get_or_insert(inside.module);
        }
        if let Some(own) = typedef.argument_of("default") {
            resolved.default = Some(own.to_owned());
        }
        let module = &self.modules.all[inside.module].name;
        if let (
            Type::String {
                canonical: form, ..
            },
            Some(own),
        ) = (&mut resolved.kind, canonical(module, &typedef.argument))
        {
            *form = own;
        }
        Ok(resolved)
    }

    fn restrict(
        &self,
        kind: &mut Type,
        derived: bool,
        statement: &'a Statement,
        scope: &Scope<'a>,
    ) -> Result<(), Error> {
        let fault = |what: &str| self.fault(scope.module, statement, what);
        let bounds = |keyword: &str, within: &[Bounds], digits: u8| {
            statement
                .argument_of(keyword)
                .map(|text| {
                    parse_bounds(text, within, digits)
                        .ok_or_else(|| fault(&format!("cannot read the {keyword} `{text}`")))
                })
                .transpose()
        };
        match kind {
            Type::Signed(_, ranges) | Type::Unsigned(_, ranges) => {
                if let Some(own) = bounds("range", ranges, 0)? {
                    *ranges = own;
                }
            }
            Type::Decimal(digits, ranges) => {
                if let Some(text) = statement.argument_of("fraction-digits") {
                    *digits = text.parse().map_err(|_| fault("bad fraction-digits"))?;
                }
                if let Some(own) = bounds("range", ranges, *digits)? {
                    *ranges = own;
                }
            }
            Type::String {
                lengths, patterns, ..
            } => {
                if let Some(own) = bounds("length", lengths, 0)? {
                    *lengths = own;
                }
                patterns.extend(statement.all("pattern").map(pattern));
            }
            Type::Binary(lengths) => {
                if let Some(own) = bounds("length", lengths, 0)? {
                    *lengths = own;
                }
            }
            Type::Enumeration(names) => {
                self.named(names, "enum", "value", derived, statement, scope)?;
            }
            Type::Bits(names) => {
                self.named(names, "bit", "position", derived, statement, scope)?;
            }
            Type::Identity(bases) => {
                for base in statement.all("base") {
                    bases.push(self.identity(&base.argument, scope.module, base)?);
                }
            }
            Type::LeafRef {
                path,
                origin,
                required,
                ..
            } => {
                if let Some(own) = statement.argument_of("path") {
                    own.clone_into(path);
                    *origin = scope.module;
                }
                if let Some(own) = statement.argument_of("require-instance") {
                    *required = own == "true";
                }
            }
            Type::Instance(required) => {
                if let Some(own) = statement.argument_of("require-instance") {
                    *required = own == "true";
                }
            }
            Type::Union(types) => {
                for member in statement.all("type") {
                    let member = self.resolve(member, scope)?.kind;
                    // A union in a union is tried in the same order as one.
                    match member {
                        Type::Union(inner) => types.extend(inner),
                        other => types.push(other),
                    }
                }
            }
            Type::Boolean | Type::Empty => {}
        }
        Ok(())
    }

    fn named(
        &self,
        names: &mut Vec<(String, i32)>,
        keyword: &str,
        number: &str,
        derived: bool,
        statement: &'a Statement,
        scope: &Scope<'a>,
    ) -> Result<(), Error> {
        let mut own: Vec<(String, i32)> = Vec::new();
        let mut next = 0;
        let mut any = false;
        for item in &statement.substatements {
            if item.keyword != keyword {
                continue;
            }
            any = true;
            let value = match item.argument_of(number) {
                Some(text) => text
                    .parse()
                    .map_err(|_| self.fault(scope.module, item, "bad value or position"))?,
                // RFC 7950 §9.6.4: a restricted enumeration keeps the values of its base.
                None => names
                    .iter()
                    .find(|(name, _)| derived && *name == item.argument)
                    .map_or(next, |(_, value)| *value),
            };
            next = own
                .iter()
                .map(|(_, value)| *value)
                .chain([value])
                .max()
                .unwrap_or(value)
                + 1;
            if self.featured(item, scope.module)? {
                own.push((item.argument.clone(), value));
            }
        }
        if any {
            *names = own;
        }
        Ok(())
    }
}

fn pattern(statement: &Statement) -> Pattern {
    let text = |keyword: &str| {
        statement
            .argument_of(keyword)
            .unwrap_or_default()
            .to_owned()
    };
    Pattern {
        expression: statement.argument.clone(),
        inverted: statement.argument_of("modifier") == Some("invert-match"),
        message: text("error-message"),
        app_tag: text("error-app-tag"),
    }
}

/// `1..4 | 10..max`, where `within` is what is restricted (empty for a length that was not).
fn parse_bounds(text: &str, within: &[Bounds], digits: u8) -> Option<Vec<Bounds>> {
    let whole = (
        within.first().map_or(LENGTH.0, |bounds| bounds.0),
        within.last().map_or(LENGTH.1, |bounds| bounds.1),
    );
    let number = |text: &str| match text.trim() {
        "min" => Some(whole.0),
        "max" => Some(whole.1),
        other => scaled(other, digits),
    };
    text.split('|')
        .map(|part| {
            let (low, high) = part.split_once("..").unwrap_or((part, part));
            let bounds = (number(low)?, number(high)?);
            (bounds.0 <= bounds.1 && bounds.0 >= whole.0 && bounds.1 <= whole.1).then_some(bounds)
        })
        .collect()
}

/// A number times ten to the power of `digits`.
fn scaled(text: &str, digits: u8) -> Option<i128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > usize::from(digits) {
        return None;
    }
    format!("{whole}{fraction:0<width$}", width = usize::from(digits))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_within_what_they_restrict() {
        assert_eq!(
            parse_bounds("1..4 | 10 .. max", &[(0, 255)], 0),
            Some(vec![(1, 4), (10, 255)])
        );
        assert_eq!(parse_bounds("256", &[(0, 255)], 0), None);
        assert_eq!(parse_bounds("1..max", &[], 0), Some(vec![(1, LENGTH.1)]));
        assert_eq!(
            parse_bounds("-1.5..2", &[(-100_000, 100_000)], 3),
            Some(vec![(-1500, 2000)])
        );
        assert_eq!(parse_bounds("1.25", &[(0, 100)], 1), None);
    }
}
