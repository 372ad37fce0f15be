//! The table in words: one line per schema node.

use super::Encoder;
use crate::kinds::{Canonical, flag};
use crate::types::{Bounds, Type};

impl Encoder<'_> {
    /// The line of the listing: what the row says, without numbers that move.
    pub(super) fn listed(&self, at: usize, flags: u16) -> String {
        let tree = self.flat[at].tree;
        let mut words = vec![self.path(at), format!("{:?}", tree.kind)];
        words.extend(
            flag::NAMES
                .iter()
                .enumerate()
                .filter(|(bit, _)| flags & (1 << bit) != 0)
                .map(|(_, name)| (*name).to_owned()),
        );
        if let Some(kind) = &tree.kind_of_value {
            words.push(self.shown(kind));
        }
        for (what, shown) in [
            ("key", &tree.keys),
            ("unique", &tree.unique),
            ("default", &tree.defaults),
        ] {
            if !shown.is_empty() {
                words.push(format!("{what} {shown:?}"));
            }
        }
        if (tree.min_elements, tree.max_elements) != (0, u32::MAX) {
            words.push(format!("{}..={}", tree.min_elements, tree.max_elements));
        }
        for (what, conditions) in [("must", &tree.must), ("when", &tree.when)] {
            for condition in conditions {
                let context = if condition.above {
                    " of the node above"
                } else {
                    ""
                };
                words.push(format!("{what}{context} {:?}", condition.expression));
            }
        }
        words.join(" ")
    }

    fn shown(&self, kind: &Type) -> String {
        let ranges = |ranges: &[Bounds]| {
            ranges
                .iter()
                .map(|(low, high)| format!("{low}..={high}"))
                .collect::<Vec<_>>()
                .join(" ")
        };
        match kind {
            Type::Signed(bits, bounds) => format!("int{bits} {}", ranges(bounds)),
            Type::Unsigned(bits, bounds) => format!("uint{bits} {}", ranges(bounds)),
            Type::Decimal(digits, bounds) => format!("decimal64 {digits} {}", ranges(bounds)),
            Type::String {
                lengths,
                patterns,
                canonical,
            } => {
                let mut words = vec!["string".to_owned(), ranges(lengths)];
                words.extend(patterns.iter().map(|pattern| {
                    let not = if pattern.inverted { "not " } else { "" };
                    format!("{not}{:?}", pattern.expression)
                }));
                words.push(match canonical {
                    Canonical::Verbatim => String::new(),
                    other => format!("{other:?}"),
                });
                words.retain(|word| !word.is_empty());
                words.join(" ")
            }
            Type::Boolean => "boolean".to_owned(),
            Type::Empty => "empty".to_owned(),
            Type::Binary(lengths) => format!("binary {}", ranges(lengths)),
            Type::Enumeration(names) | Type::Bits(names) => names
                .iter()
                .map(|(name, number)| format!("{name}={number}"))
                .collect::<Vec<_>>()
                .join("|"),
            Type::Identity(bases) => bases
                .iter()
                .map(|(module, name)| format!("identity {}:{name}", self.modules.all[*module].name))
                .collect::<Vec<_>>()
                .join(" "),
            Type::LeafRef { path, required, .. } => {
                format!(
                    "leafref {path}{}",
                    if *required { "" } else { " not required" }
                )
            }
            Type::Instance(required) => format!("instance-identifier required={required}"),
            Type::Union(types) => types
                .iter()
                .map(|kind| format!("({})", self.shown(kind)))
                .collect::<Vec<_>>()
                .join(" or "),
        }
    }
}
