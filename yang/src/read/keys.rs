//! Keys that a body leaves out because its path names them.

use super::{Body, Reader};
use crate::schema::NodeId;
use crate::{Form, Select, Step, Value, json, xml};

impl Reader {
    /// Puts the keys of the target into the one entry that the body is, where they are not there. A body that is no such entry stays
    /// as it is, to be refused as that.
    pub(super) fn add_keys(&self, target: &Step, body: &mut Body) {
        let Select::Keys(texts) = &target.select else {
            return;
        };
        for (key, text) in self.schema.keys(target.node).zip(texts) {
            let Ok(value) = Value::parse(self.schema, key, text) else {
                return;
            };
            match body {
                Body::Json(json::Value::Object(members)) => {
                    if let [(_, json::Value::Array(entries))] = members.as_mut_slice()
                        && let [json::Value::Object(entry)] = entries.as_mut_slice()
                    {
                        self.add_member(target.node, key, &value, entry);
                    }
                }
                Body::Json(_) => {}
                Body::Xml(elements) => {
                    if let [entry] = elements.as_mut_slice() {
                        self.add_element(key, &value, entry);
                    }
                }
            }
        }
    }

    fn add_member(
        &self,
        list: NodeId,
        key: NodeId,
        value: &Value,
        entry: &mut Vec<(String, json::Value)>,
    ) {
        let there = entry.iter().any(|(member, _)| {
            let (module, name) = member
                .split_once(':')
                .map_or((None, member.as_str()), |(module, name)| {
                    (Some(module), name)
                });
            self.schema.child(list, module, name) == Ok(key)
        });
        if there {
            return;
        }
        let text = value.text().to_owned();
        let value = match value.form() {
            Form::Number => json::Value::Number(text),
            Form::Boolean => json::Value::Bool(text == "true"),
            Form::Empty => json::Value::Array(vec![json::Value::Null]),
            Form::Text | Form::Identity | Form::Path => json::Value::String(text),
        };
        let name = self.schema.short(key, self.schema.module_of(list));
        entry.push((name, value));
    }

    fn add_element(&self, key: NodeId, value: &Value, entry: &mut xml::Element) {
        let name = self.schema.name(key);
        let module = self.schema.module(self.schema.node(key).module);
        let namespace = self.schema.text(module.namespace);
        let there = entry
            .children
            .iter()
            .any(|child| child.name == name && *child.namespace == *namespace);
        // Names of modules would need prefixes that the body does not have.
        let plain = !matches!(value.form(), Form::Identity | Form::Path);
        if !there && plain && entry.text.trim_ascii().is_empty() {
            entry.children.push(xml::Element {
                namespace: namespace.into(),
                name: name.to_owned(),
                attributes: Vec::new(),
                scope: None,
                children: Vec::new(),
                text: value.text().to_owned(),
            });
        }
    }
}
