//! RFC 7951.

use super::{Writer, is_tagged};
use crate::json::{self, quote};
use crate::read::DEFAULT_ANNOTATION;
use crate::schema::{Kind, ModuleId, NodeId};
use crate::xml::Element;
use crate::{Any, Content, Form, Instance, Value};

/// Levels of `anydata` that are turned into the other encoding.
const DEEPEST: u8 = 64;

impl Writer {
    /// Siblings as an object; `level` is that of its brace.
    pub(super) fn json_object(
        &self,
        above: Option<ModuleId>,
        siblings: &[&Instance],
        level: usize,
        out: &mut String,
    ) {
        out.push('{');
        let mut first = true;
        for same in siblings.chunk_by(|one, other| one.node == other.node) {
            let Some(one) = same.first() else { continue };
            self.json_name("", above, one.node, level, &mut first, out);
            self.json_member(one, same, level + 1, out);
            if self.tagged && same.iter().any(|instance| is_tagged(instance)) {
                self.json_name("@", above, one.node, level, &mut first, out);
                self.json_annotations(one.node, same, out);
            }
        }
        if !first {
            self.line(level, out);
        }
        out.push('}');
    }

    fn json_name(
        &self,
        sign: &str,
        above: Option<ModuleId>,
        node: NodeId,
        level: usize,
        first: &mut bool,
        out: &mut String,
    ) {
        if !std::mem::take(first) {
            out.push(',');
        }
        self.line(level + 1, out);
        out.push('"');
        out.push_str(sign);
        if above != self.schema.module_of(node) {
            out.push_str(self.schema.module_name(node));
            out.push(':');
        }
        out.push_str(self.schema.name(node));
        out.push_str(if self.pretty { "\": " } else { "\":" });
    }

    fn json_member(&self, one: &Instance, same: &[&Instance], level: usize, out: &mut String) {
        if !self.schema.node(one.node).kind.is_many() {
            self.json_content(one, level, out);
            return;
        }
        out.push('[');
        for (at, instance) in same.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            self.line(level + 1, out);
            self.json_content(instance, level + 1, out);
        }
        self.line(level, out);
        out.push(']');
    }

    fn json_content(&self, instance: &Instance, level: usize, out: &mut String) {
        match &instance.content {
            Content::Value(value) => json_value(value, out),
            Content::Children(children) => {
                let module = self.schema.module_of(instance.node);
                self.json_object(module, &self.solid(children), level, out);
            }
            Content::Any(Any::Json(value)) => value.write(out),
            Content::Any(Any::Xml(elements)) => {
                let module = self.schema.module_of(instance.node);
                self.elements(module, elements, DEEPEST).write(out);
            }
        }
    }

    fn json_annotations(&self, node: NodeId, same: &[&Instance], out: &mut String) {
        let is_list = self.schema.node(node).kind == Kind::LeafList;
        if is_list {
            out.push('[');
        }
        for (at, instance) in same.iter().enumerate() {
            if at > 0 {
                out.push(',');
            }
            if is_tagged(instance) {
                out.push_str("{\"");
                out.push_str(DEFAULT_ANNOTATION);
                out.push_str(if self.pretty { "\": true}" } else { "\":true}" });
            } else {
                out.push_str("null");
            }
        }
        if is_list {
            out.push(']');
        }
    }

    /// `anydata` from XML: what stands once is a member, what stands often an array, texts are strings.
    fn elements(&self, above: Option<ModuleId>, elements: &[Element], left: u8) -> json::Value {
        let mut members: Vec<(String, json::Value)> = Vec::new();
        for element in elements {
            let module = self.schema.module_by_namespace(&element.namespace);
            let name = match module {
                Some(module) if Some(module) != above => {
                    let module = self.schema.text(self.schema.module(module).name);
                    format!("{module}:{}", element.name)
                }
                _ => element.name.clone(),
            };
            let value = if element.children.is_empty() || left == 0 {
                json::Value::String(element.text.clone())
            } else {
                self.elements(module.or(above), &element.children, left - 1)
            };
            match members.iter_mut().find(|(known, _)| *known == name) {
                None => members.push((name, value)),
                Some((_, json::Value::Array(items))) => items.push(value),
                Some((_, single)) => {
                    let first = std::mem::replace(single, json::Value::Null);
                    *single = json::Value::Array(vec![first, value]);
                }
            }
        }
        json::Value::Object(members)
    }
}

fn json_value(value: &Value, out: &mut String) {
    match value.form() {
        Form::Number | Form::Boolean => out.push_str(value.text()),
        Form::Empty => out.push_str("[null]"),
        Form::Text | Form::Identity | Form::Path => quote(value.text(), out),
    }
}
