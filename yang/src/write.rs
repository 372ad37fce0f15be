//! From trees to text.
//!
//! Containers without `presence` that hold nothing mean nothing and are left out, unless one is the resource asked for.

use crate::read::{NOTIFICATION_NAMESPACE, RESTCONF, RESTCONF_NAMESPACE};
use crate::schema::{Kind, ModuleId, Schema};
use crate::tree::is_hollow;
use crate::{Encoding, Instance, Tree};

#[cfg(test)]
mod tests;
mod to_json;
mod to_xml;

/// Writes trees.
#[derive(Clone, Copy, Debug)]
pub struct Writer {
    /// What the trees are instances of.
    pub schema: &'static Schema,
    /// How to write them.
    pub encoding: Encoding,
    /// With line ends and two spaces a level.
    pub pretty: bool,
    /// With the annotation of RFC 6243 §6 where [`Instance::default`] is set.
    pub tagged: bool,
    /// With containers left empty, which say what is there where data is cut off at a level (RFC 8040 §4.8.2).
    pub hollow: bool,
}

/// Whether an instance has the annotation: only leaves and entries of leaf-lists can.
fn is_tagged(instance: &Instance) -> bool {
    instance.default && instance.value().is_some()
}

impl Writer {
    /// A writer that wastes no space.
    pub const fn new(schema: &'static Schema, encoding: Encoding) -> Self {
        Self {
            schema,
            encoding,
            pretty: false,
            tagged: false,
            hollow: false,
        }
    }

    /// What of siblings is worth writing.
    fn solid<'a>(&self, siblings: &'a [Instance]) -> Vec<&'a Instance> {
        siblings
            .iter()
            .filter(|instance| self.hollow || !is_hollow(self.schema, instance))
            .collect()
    }

    /// A line end and indentation.
    fn line(&self, level: usize, out: &mut String) {
        if self.pretty {
            out.push('\n');
            for _ in 0..level {
                out.push_str("  ");
            }
        }
    }

    /// The top of a tree: data nodes, or those of a structure.
    pub fn data(&self, tree: &Tree) -> String {
        self.instances(&self.solid(&tree.top))
    }

    /// One resource: an instance, or the entries of one list (in XML, one element each).
    pub fn instances(&self, instances: &[&Instance]) -> String {
        let mut out = String::new();
        match self.encoding {
            Encoding::Json => self.json_object(None, instances, 0, &mut out),
            Encoding::Xml => {
                for (at, instance) in instances.iter().enumerate() {
                    if at > 0 {
                        self.line(0, &mut out);
                    }
                    self.xml_element(None, instance, 0, &mut out);
                }
            }
        }
        out
    }

    /// A datastore, in `ietf-restconf:data`.
    pub fn datastore(&self, tree: &Tree) -> String {
        self.wrapped(RESTCONF, RESTCONF_NAMESPACE, "data", None, &tree.top)
    }

    /// `input` or `output` of an operation.
    pub fn operation(&self, tree: &Tree) -> String {
        let part = self.schema.node(tree.root);
        let module = self.schema.node(part.parent).module;
        let (name, namespace) = self.names(module);
        let wrapper = match part.kind {
            Kind::Output => "output",
            _ => "input",
        };
        self.wrapped(name, namespace, wrapper, Some(module), &tree.top)
    }

    /// A notification, in `ietf-restconf:notification` (RFC 8040 §6.4).
    pub fn notification(&self, event_time: &str, tree: &Tree) -> String {
        let node = self.schema.node(tree.root);
        let (module, namespace) = self.names(node.module);
        let name = self.schema.name(tree.root);
        let inside = self.wrapped(module, namespace, name, Some(node.module), &tree.top);
        match self.encoding {
            Encoding::Json => {
                let mut out = format!("{{\"{RESTCONF}:notification\":{{\"eventTime\":");
                crate::json::quote(event_time, &mut out);
                out.push(',');
                // Without the braces around it.
                out.push_str(&inside[1..inside.len() - 1]);
                out.push_str("}}");
                out
            }
            Encoding::Xml => {
                let mut out =
                    format!("<notification xmlns=\"{NOTIFICATION_NAMESPACE}\"><eventTime>");
                crate::xml::escape(event_time, &mut out);
                out.push_str("</eventTime>");
                out.push_str(&inside);
                out.push_str("</notification>");
                out
            }
        }
    }

    fn names(&self, module: ModuleId) -> (&'static str, &'static str) {
        let module = self.schema.module(module);
        (
            self.schema.text(module.name),
            self.schema.text(module.namespace),
        )
    }

    fn wrapped(
        &self,
        module: &str,
        namespace: &str,
        name: &str,
        above: Option<ModuleId>,
        inside: &[Instance],
    ) -> String {
        let inside = self.solid(inside);
        let mut out = String::new();
        match self.encoding {
            Encoding::Json => {
                out.push('{');
                self.line(1, &mut out);
                for part in ["\"", module, ":", name, "\":"] {
                    out.push_str(part);
                }
                if self.pretty {
                    out.push(' ');
                }
                self.json_object(above, &inside, 1, &mut out);
                self.line(0, &mut out);
                out.push('}');
            }
            Encoding::Xml => {
                for part in ["<", name, " xmlns=\"", namespace, "\""] {
                    out.push_str(part);
                }
                self.xml_inside(name, above, &inside, 0, &mut out);
            }
        }
        out
    }
}
