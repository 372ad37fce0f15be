//! Names in `XPath` expressions (`yang:xpath1.0`, `nacm:node-instance-identifier`): modules inside and in JSON, prefixes in XML.
//!
//! The expression itself is not understood, only walked over: literals stay, names change. As in instance-identifiers, a name without
//! module is in the module of the step before it.

use super::{Context, Names, Reject, shown};
use crate::schema::{ModuleId, Schema};

/// With names of modules, and only where the module changes.
pub(super) fn to_modules(context: &Context<'_>, text: &str) -> Result<String, Reject> {
    let mut missing = None;
    let out = rewrite(
        text,
        &mut |prefix| {
            let module = context.module(Some(prefix));
            if module.is_none() {
                missing.get_or_insert_with(|| prefix.to_owned());
            }
            module
        },
        &mut |own, before, name| match own {
            Some(module) if own != before => {
                format!(
                    "{}:{name}",
                    context.schema.text(context.schema.module(module).name)
                )
            }
            _ => name.to_owned(),
        },
    );
    match (missing, context.names) {
        (None, _) => Ok(out),
        (Some(prefix), Names::Modules) => Err(Reject::new(format!(
            "'{}': there is no module '{prefix}'",
            shown(text)
        ))),
        (Some(prefix), Names::Prefixes(_)) => Err(Reject::new(format!(
            "'{}': prefix '{prefix}' stands for no module",
            shown(text)
        ))),
    }
}

/// From names of modules to prefixes, which `prefix` hands out.
pub(crate) fn to_prefixes(
    schema: &Schema,
    text: &str,
    prefix: &mut dyn FnMut(ModuleId) -> String,
) -> String {
    rewrite(
        text,
        &mut |name| schema.module_named(name),
        &mut |own, before, name| match own.or(before) {
            Some(module) => format!("{}:{name}", prefix(module)),
            None => name.to_owned(),
        },
    )
}

fn is_start(character: char) -> bool {
    character == '_' || character.is_alphabetic()
}

fn name_length(text: &str) -> usize {
    text.find(|c: char| !(is_start(c) || c.is_numeric() || matches!(c, '-' | '.')))
        .unwrap_or(text.len())
}

/// Writes a name by its own module, the module before and itself.
type Emit<'a> = dyn FnMut(Option<ModuleId>, Option<ModuleId>, &str) -> String + 'a;

/// Walks over `text`; `resolve` tells the module of a prefix, `emit` writes a name by its own module, the module before and itself.
fn rewrite(
    text: &str,
    resolve: &mut dyn FnMut(&str) -> Option<ModuleId>,
    emit: &mut Emit<'_>,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut around: Vec<Option<ModuleId>> = Vec::new();
    let mut before: Option<ModuleId> = None;
    // Whether what came last can be the left side of an operator or of '/'.
    let mut operand = false;
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix('$') {
            // A variable is in no module.
            let length = 1 + name_length(after);
            out.push_str(&rest[..length]);
            rest = &rest[length..];
            operand = true;
            continue;
        }
        if is_start(character) {
            let mut length = name_length(rest);
            let mut name = &rest[..length];
            let mut own = None;
            let after = &rest[length..];
            if let Some(second) = after.strip_prefix(':')
                && second.starts_with(is_start)
            {
                own = resolve(name);
                let more = name_length(second);
                name = &second[..more];
                length += 1 + more;
            }
            let next = rest[length..].trim_start();
            let is_operator = operand && matches!(name, "and" | "or" | "div" | "mod");
            if is_operator || next.starts_with('(') || next.starts_with("::") {
                out.push_str(&rest[..length]);
                operand = false;
                if is_operator {
                    before = around.last().copied().flatten();
                }
            } else {
                out.push_str(&emit(own, before, name));
                before = own.or(before);
                operand = true;
            }
            rest = &rest[length..];
            continue;
        }
        let length = match character {
            '\'' | '"' => rest[1..].find(character).map_or(rest.len(), |end| end + 2),
            other => other.len_utf8(),
        };
        out.push_str(&rest[..length]);
        rest = &rest[length..];
        match character {
            '[' | '(' => {
                around.push(before);
                operand = false;
            }
            ']' | ')' => {
                before = around.pop().flatten();
                operand = true;
            }
            '/' => {
                if !operand {
                    before = None;
                }
                operand = false;
                if rest.starts_with('/') {
                    out.push('/');
                    rest = &rest[1..];
                }
            }
            '.' | '*' | '\'' | '"' | '0'..='9' => operand = true,
            ' ' | '\t' | '\n' | '\r' => {}
            _ => {
                before = around.last().copied().flatten();
                operand = false;
            }
        }
    }
    out
}
