//! Types and default values as rows.

use super::{Encoder, one, run};
use crate::Error;
use crate::types::{Bounds, Type};
use crate::xpath::Steps;

/// Leafrefs that point to leafrefs, at most so many in a row.
const CHAIN: u8 = 8;

impl Encoder<'_> {
    pub(super) fn kind_of_value(
        &mut self,
        at: usize,
        kind: &Type,
        depth: u8,
    ) -> Result<usize, Error> {
        if depth > CHAIN {
            return Err(self.fault(at, "leafrefs in a circle"));
        }
        let row = match kind {
            Type::Signed(bits, ranges) => format!("Type::Signed({bits},{})", self.ranges(ranges)),
            Type::Unsigned(bits, ranges) => {
                format!("Type::Unsigned({bits},{})", self.ranges(ranges))
            }
            Type::Decimal(digits, ranges) => {
                format!("Type::Decimal({digits},{})", self.ranges(ranges))
            }
            Type::String {
                lengths,
                patterns,
                canonical,
            } => {
                let lengths = self.ranges(lengths);
                let mut rows = Vec::new();
                for pattern in patterns {
                    let expression = self.text(&pattern.expression);
                    let message = self.text(&pattern.message);
                    let app_tag = self.text(&pattern.app_tag);
                    rows.push(format!(
                        "x({expression},{},{message},{app_tag})",
                        pattern.inverted
                    ));
                }
                let patterns = run(&mut self.table.patterns, &rows);
                format!(
                    "Type::String{{lengths:{lengths},patterns:{patterns},canonical:Canonical::{canonical:?}}}"
                )
            }
            Type::Boolean => "Type::Boolean".to_owned(),
            Type::Empty => "Type::Empty".to_owned(),
            Type::Binary(lengths) => format!("Type::Binary({})", self.ranges(lengths)),
            Type::Enumeration(names) => format!("Type::Enumeration({})", self.names(names)),
            Type::Bits(names) => format!("Type::Bits({})", self.names(names)),
            Type::Identity(bases) => {
                let bases: Vec<Option<usize>> = bases
                    .iter()
                    .map(|(module, name)| self.identity(*module, name))
                    .collect();
                let allowed: Vec<usize> = (0..self.identities.len())
                    .filter(|&at| {
                        bases.iter().all(|base| {
                            base.is_some_and(|base| self.identities[at].bases.contains(&base))
                        })
                    })
                    .collect();
                format!("Type::Identity({})", self.numbers(&allowed))
            }
            Type::LeafRef {
                path,
                origin,
                names,
                required,
            } => {
                let steps = Steps::parse(path)
                    .map_err(|what| self.fault(at, format!("the leafref `{path}`: {what}")))?;
                let own = names.unwrap_or(self.flat[at].tree.module);
                let (row, target) = self.steps(at, &steps, *origin, own)?;
                let target = target.ok_or_else(|| self.fault(at, "a leafref to the top"))?;
                let leaf = self.flat[target].tree;
                let Some(kind) = &leaf.kind_of_value else {
                    return Err(self.fault(at, format!("the leafref `{path}` names no leaf")));
                };
                let kind = self.kind_of_value(target, kind, depth + 1)?;
                format!("Type::LeafRef{{path:{row},target:TypeId({kind}),required:{required}}}")
            }
            Type::Instance(required) => format!("Type::Instance({required})"),
            Type::Union(types) => {
                let mut members = Vec::new();
                for member in types {
                    members.push(self.kind_of_value(at, member, depth)?);
                }
                format!("Type::Union({})", self.numbers(&members))
            }
        };
        Ok(one(&mut self.table.types, row))
    }

    fn ranges(&mut self, ranges: &[Bounds]) -> String {
        let rows: Vec<String> = ranges
            .iter()
            .map(|(low, high)| format!("b({low},{high})"))
            .collect();
        run(&mut self.table.ranges, &rows)
    }

    fn names(&mut self, names: &[(String, i32)]) -> String {
        let rows: Vec<String> = names
            .iter()
            .map(|(name, number)| format!("v({},{number})", self.text(name)))
            .collect();
        run(&mut self.table.names, &rows)
    }
}

/// The canonical form of a default (RFC 7950 §9).
pub(super) fn canonical(kind: &Type, text: &str) -> Option<String> {
    match kind {
        Type::Signed(_, ranges) | Type::Unsigned(_, ranges) => {
            let number: i128 = text.parse().ok()?;
            ranges
                .iter()
                .any(|&(low, high)| low <= number && number <= high)
                .then(|| number.to_string())
        }
        Type::Boolean => ["true", "false"].contains(&text).then(|| text.to_owned()),
        Type::Enumeration(names) => names
            .iter()
            .any(|(name, _)| name == text)
            .then(|| text.to_owned()),
        Type::String { .. } => Some(text.to_owned()),
        Type::Union(types) => types.iter().find_map(|member| canonical(member, text)),
        _ => None,
    }
}
