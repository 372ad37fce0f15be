//! The table as Rust source.

use crate::table::Table;
use crate::{Modules, Set};
use std::fmt::Write;

/// Width of a line.
const WIDTH: usize = 120;

/// Bytes of the rows of each array, as `Schema::bytes` counts them.
pub const SIZES: [(&str, usize); 13] = [
    ("modules", 26),
    ("nodes", 18),
    ("types", 10),
    ("rules", 28),
    ("conditions", 24),
    ("tests", 12),
    ("ranges", 32),
    ("patterns", 14),
    ("names", 8),
    ("identities", 10),
    ("texts", 4),
    ("spans", 4),
    ("numbers", 2),
];

fn rows(table: &Table) -> [&[String]; 13] {
    [
        &table.modules,
        &table.nodes,
        &table.types,
        &table.rules,
        &table.conditions,
        &table.tests,
        &table.ranges,
        &table.patterns,
        &table.names,
        &table.identities,
        &table.texts,
        &table.spans,
        &table.numbers,
    ]
}

/// Bytes of the table in a program.
pub(crate) fn bytes(table: &Table) -> usize {
    let arrays: usize = SIZES
        .iter()
        .zip(rows(table))
        .map(|((_, size), rows)| size * rows.len())
        .sum();
    table.pool.len() + arrays
}

/// The file.
pub(crate) fn print(set: &Set, modules: &Modules, table: &Table) -> String {
    let mut out = String::new();
    let names: Vec<String> = modules
        .all
        .iter()
        .map(|module| format!("{}@{}", module.name, module.revision))
        .collect();
    let _ = writeln!(
        out,
        "//! The modules of `{}`, {} bytes. Written by `cargo xtask gen-yang` from `yang/modules`: change those, not this.\n//!",
        set.name,
        bytes(table)
    );
    for line in filled(&names, "//! ", ", ") {
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out.push_str(
        "\nuse super::{b, c, id, m, n, p, r, s, t, v, x};\n\
         use crate::schema::{Bounds, Canonical, Condition, Identity, Kind, Module, Name, Node, Pattern, Rules, Schema, Span, Test, \
         Text, Type, TypeId};\n\n",
    );
    let _ = writeln!(
        out,
        "/// See the head of this file.\npub static {}: Schema = Schema {{",
        set.name
    );
    out.push_str("    pool: POOL,\n");
    for (name, _) in SIZES {
        let _ = writeln!(out, "    {name}: {},", name.to_uppercase());
    }
    out.push_str("};\n\nconst POOL: &str = concat!(\n");
    let mut rest = table.pool.as_str();
    while !rest.is_empty() {
        let mut line = String::new();
        while let Some(next) = rest.chars().next() {
            let shown: String = next.escape_default().collect();
            if line.len() + shown.len() > WIDTH - 8 {
                break;
            }
            line.push_str(&if next == '\'' { "'".to_owned() } else { shown });
            rest = &rest[next.len_utf8()..];
        }
        let _ = writeln!(out, "    \"{line}\",");
    }
    out.push_str(");\n");
    let types = [
        "Module",
        "Node",
        "Type",
        "Rules",
        "Condition",
        "Test",
        "Bounds",
        "Pattern",
        "Name",
        "Identity",
        "Text",
        "Span",
        "u16",
    ];
    for (((name, _), kind), rows) in SIZES.iter().zip(types).zip(rows(table)) {
        let _ = writeln!(out, "\nconst {}: &[{kind}] = &[", name.to_uppercase());
        for line in filled(rows, "    ", ", ") {
            let _ = writeln!(out, "{},", line.trim_end());
        }
        out.push_str("];\n");
    }
    out
}

/// Rows joined into lines no longer than the width, where a row is not.
fn filled(rows: &[String], indent: &str, between: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for row in rows {
        if !line.is_empty() && line.len() + between.len() + row.len() >= WIDTH {
            lines.push(std::mem::take(&mut line));
        }
        line.push_str(if line.is_empty() { indent } else { between });
        line.push_str(row);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}
