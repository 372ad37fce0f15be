//! Data cut off at a level (RFC 8040 §4.8.2): unlike elsewhere, containers left empty are shown, for they say what is there.

use crate::escape;
use glimpse_yang::schema::{Kind, ModuleId, Schema};
use glimpse_yang::write::Writer;
use glimpse_yang::{Encoding, Instance};

/// The content of a JSON object, or XML elements side by side.
pub(super) fn write(writer: &Writer, above: Option<ModuleId>, siblings: &[Instance]) -> String {
    match writer.encoding {
        Encoding::Json => format!("{{{}}}", members(writer, above, siblings)),
        Encoding::Xml => siblings
            .iter()
            .map(|instance| element(writer, above, instance))
            .collect(),
    }
}

fn members(writer: &Writer, above: Option<ModuleId>, siblings: &[Instance]) -> String {
    let schema = writer.schema;
    let mut out = String::new();
    for same in siblings.chunk_by(|one, other| one.node == other.node) {
        let Some(first) = same.first() else { continue };
        if !out.is_empty() {
            out.push(',');
        }
        let object = |instance: &Instance| {
            let own = schema.module_of(instance.node);
            write(writer, own, instance.children())
        };
        let value = match schema.node(first.node).kind {
            Kind::Container => object(first),
            Kind::List => {
                let entries: Vec<String> = same.iter().map(object).collect();
                format!("[{}]", entries.join(","))
            }
            _ => value(writer, schema, same),
        };
        out.push_str(&escape::json(&schema.short(first.node, above)));
        out.push(':');
        out.push_str(&value);
    }
    out
}

/// The value of a leaf or the array of a leaf-list, without the member's name around it.
fn value(writer: &Writer, schema: &'static Schema, same: &[Instance]) -> String {
    let all: Vec<&Instance> = same.iter().collect();
    let member = writer.instances(&all);
    let name = same.first().map(|first| schema.qualified(first.node));
    let prefix = format!("{{\"{}\":", name.unwrap_or_default());
    member
        .strip_prefix(prefix.as_str())
        .and_then(|rest| rest.strip_suffix('}'))
        .unwrap_or("null")
        .to_owned()
}

fn element(writer: &Writer, above: Option<ModuleId>, instance: &Instance) -> String {
    let schema = writer.schema;
    let node = schema.node(instance.node);
    if !matches!(node.kind, Kind::Container | Kind::List) {
        return writer.instances(&[instance]);
    }
    let name = schema.name(instance.node);
    let own = schema.module_of(instance.node);
    let namespace = if own == above {
        String::new()
    } else {
        let namespace = schema.text(schema.module(node.module).namespace);
        format!(" xmlns=\"{}\"", escape::xml(namespace))
    };
    let inside = write(writer, own, instance.children());
    if inside.is_empty() {
        format!("<{name}{namespace}/>")
    } else {
        format!("<{name}{namespace}>{inside}</{name}>")
    }
}
