//! XML encoding of RFC 7950.

use super::{Writer, is_tagged};
use crate::json;
use crate::path::Prefixes;
use crate::read::DEFAULT_NAMESPACES;
use crate::schema::ModuleId;
use crate::xml::{Element, escape};
use crate::{Any, Content, Instance};

/// Levels of `anydata` that are turned into the other encoding.
const DEEPEST: u8 = 64;

impl Writer {
    /// One element; `above` is the module of the default namespace around it.
    pub(super) fn xml_element(
        &self,
        above: Option<ModuleId>,
        instance: &Instance,
        level: usize,
        out: &mut String,
    ) {
        let name = self.schema.name(instance.node);
        let module = self.schema.module_of(instance.node);
        out.push('<');
        out.push_str(name);
        if let Some(module) = module.filter(|module| above != Some(*module)) {
            declare("xmlns", self.names(module).1, out);
        }
        if self.tagged && is_tagged(instance) {
            declare("xmlns:wd", DEFAULT_NAMESPACES[0], out);
            out.push_str(" wd:default=\"true\"");
        }
        match &instance.content {
            Content::Children(children) => {
                self.xml_inside(name, module, &self.solid(children), level, out);
            }
            Content::Value(value) => {
                let mut prefixes = Prefixes::new(self.schema);
                let text = prefixes.text(value.text(), value.form());
                for (prefix, namespace) in prefixes.declared() {
                    declare(&format!("xmlns:{prefix}"), namespace, out);
                }
                if text.is_empty() {
                    out.push_str("/>");
                } else {
                    out.push('>');
                    escape(&text, out);
                    end(name, out);
                }
            }
            Content::Any(Any::Xml(elements)) => {
                out.push('>');
                for element in elements {
                    foreign(element, out);
                }
                end(name, out);
            }
            Content::Any(Any::Json(value)) => {
                out.push('>');
                self.members(value, out, DEEPEST);
                end(name, out);
            }
        }
    }

    /// What follows the attributes of an element with elements inside.
    pub(super) fn xml_inside(
        &self,
        name: &str,
        module: Option<ModuleId>,
        inside: &[&Instance],
        level: usize,
        out: &mut String,
    ) {
        if inside.is_empty() {
            out.push_str("/>");
            return;
        }
        out.push('>');
        for instance in inside {
            self.line(level + 1, out);
            self.xml_element(module, instance, level + 1, out);
        }
        self.line(level, out);
        end(name, out);
    }

    /// `anydata` from JSON.
    fn members(&self, value: &json::Value, out: &mut String, left: u8) {
        match value {
            json::Value::Object(members) if left > 0 => {
                for (name, value) in members {
                    match value {
                        json::Value::Array(items) if items[..] != [json::Value::Null] => {
                            for item in items {
                                self.member(name, item, out, left - 1);
                            }
                        }
                        other => self.member(name, other, out, left - 1),
                    }
                }
            }
            json::Value::String(text) | json::Value::Number(text) => escape(text, out),
            json::Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
            json::Value::Null | json::Value::Array(_) | json::Value::Object(_) => {}
        }
    }

    fn member(&self, member: &str, value: &json::Value, out: &mut String, left: u8) {
        let (module, name) = member
            .split_once(':')
            .map_or((None, member), |(module, name)| (Some(module), name));
        let legal = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
        if !legal {
            // No element can have that name; RFC 7951 §5.5 asks for names of YANG.
            return;
        }
        out.push('<');
        out.push_str(name);
        if let Some(module) = module.and_then(|name| self.schema.module_named(name)) {
            declare("xmlns", self.names(module).1, out);
        }
        out.push('>');
        self.members(value, out, left);
        end(name, out);
    }
}

fn declare(name: &str, value: &str, out: &mut String) {
    out.push(' ');
    out.push_str(name);
    out.push_str("=\"");
    escape(value, out);
    out.push('"');
}

fn end(name: &str, out: &mut String) {
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// An element as it came, its namespace declared anew; prefixes used in texts are declared if they are declared around it.
fn foreign(element: &Element, out: &mut String) {
    out.push('<');
    out.push_str(&element.name);
    declare("xmlns", &element.namespace, out);
    if element.children.is_empty()
        && let Some((prefix, _)) = element.text.split_once(':')
        && let Some(namespace) = crate::xml::Scope::namespace(element.scope.as_ref(), prefix.trim())
        && !prefix.trim().is_empty()
    {
        declare(&format!("xmlns:{}", prefix.trim()), namespace, out);
    }
    for (at, attribute) in element.attributes.iter().enumerate() {
        if attribute.namespace.is_empty() {
            declare(&attribute.name, &attribute.value, out);
        } else {
            declare(&format!("xmlns:a{at}"), &attribute.namespace, out);
            declare(&format!("a{at}:{}", attribute.name), &attribute.value, out);
        }
    }
    out.push('>');
    escape(&element.text, out);
    for child in &element.children {
        foreign(child, out);
    }
    end(&element.name, out);
}
