//! XML encoding of RFC 7950.

use super::{DEFAULT_NAMESPACES, Reader, plain};
use crate::schema::{Kind, NodeId};
use crate::value::{Context, Names};
use crate::xml::Element;
use crate::{Any, Content, Error, Instance, Select, Step, Tag};

impl Reader {
    pub(super) fn xml_children(
        &self,
        parent: NodeId,
        elements: &[Element],
    ) -> Result<Vec<Instance>, Error> {
        let mut children = Vec::with_capacity(elements.len());
        for element in elements {
            let node = self.xml_node(parent, element)?;
            self.admit(node)?;
            children.push(self.xml_instance(node, element, &children)?);
        }
        self.finish(parent, children)
    }

    fn xml_node(&self, parent: NodeId, element: &Element) -> Result<NodeId, Error> {
        let place = if parent == NodeId::NONE {
            "at the top".to_owned()
        } else {
            format!("in '{}'", self.schema.name(parent))
        };
        let module = self
            .schema
            .module_by_namespace(&element.namespace)
            .ok_or_else(|| {
                Error::new(
                    Tag::UnknownNamespace,
                    format!(
                        "element '{}' {place} is in namespace '{}', which no module has",
                        element.name, element.namespace
                    ),
                )
                .here()
            })?;
        self.schema
            .child_of(parent, module, &element.name)
            .ok_or_else(|| {
                let module = self.schema.text(self.schema.module(module).name);
                Error::new(
                    Tag::UnknownElement,
                    format!(
                        "there is no '{}' of module '{module}' {place}",
                        element.name
                    ),
                )
                .here()
            })
    }

    fn xml_instance(
        &self,
        node: NodeId,
        element: &Element,
        before: &[Instance],
    ) -> Result<Instance, Error> {
        let default = Self::xml_default(element).map_err(|error| error.under(plain(node)))?;
        let mut instance = match self.schema.node(node).kind {
            Kind::Leaf | Kind::LeafList => self.xml_leaf(node, element)?,
            Kind::Any => Instance {
                content: Content::Any(Any::Xml(element.children.clone())),
                ..Instance::container(node)
            },
            _ => {
                let inside = self.xml_inside(node, element).map_err(|error| {
                    let select = self.xml_select(node, element, before);
                    error.under(Step { node, select })
                })?;
                Instance {
                    content: Content::Children(inside),
                    ..Instance::container(node)
                }
            }
        };
        if default {
            self.mark(&mut instance)?;
        }
        Ok(instance)
    }

    fn xml_inside(&self, node: NodeId, element: &Element) -> Result<Vec<Instance>, Error> {
        if !element.text.trim_ascii().is_empty() {
            return Err(Error::new(
                Tag::MalformedMessage,
                format!("'{}' holds text, but has to hold elements", element.name),
            )
            .here());
        }
        self.xml_children(node, &element.children)
    }

    fn xml_leaf(&self, node: NodeId, element: &Element) -> Result<Instance, Error> {
        if !element.children.is_empty() {
            return Err(Error::new(
                Tag::MalformedMessage,
                format!("'{}' holds elements, but has to hold text", element.name),
            )
            .under(plain(node)));
        }
        let context = Context {
            schema: self.schema,
            names: Names::Prefixes(element.scope.as_ref()),
            module: self.schema.node(node).module,
        };
        let value = context
            .text(self.schema.type_at(node), &element.text)
            .map_err(|reject| reject.error(self.schema, node).under(plain(node)))?;
        Ok(Instance::of(node, value))
    }

    /// Whether attributes say that this is the default.
    fn xml_default(element: &Element) -> Result<bool, Error> {
        let mut default = false;
        for attribute in &element.attributes {
            let known = DEFAULT_NAMESPACES.contains(&&*attribute.namespace);
            if !known || attribute.name != "default" {
                return Err(Error::new(
                    Tag::UnknownAttribute,
                    format!("attribute '{}' is not known here", attribute.name),
                ));
            }
            default = match attribute.value.as_str() {
                "true" | "1" => true,
                "false" | "0" => false,
                _ => {
                    return Err(Error::new(
                        Tag::BadAttribute,
                        "attribute 'default' is neither true nor false",
                    ));
                }
            };
        }
        Ok(default)
    }

    /// Which entry it is, as far as that can be seen in one that is wrong.
    fn xml_select(&self, node: NodeId, element: &Element, before: &[Instance]) -> Select {
        if self.schema.node(node).kind != Kind::List {
            return Select::All;
        }
        let keys: Option<Vec<String>> = self
            .schema
            .keys(node)
            .map(|key| {
                let inside = element
                    .children
                    .iter()
                    .find(|child| self.xml_node(node, child) == Ok(key))?;
                Some(self.xml_leaf(key, inside).ok()?.text()?.to_owned())
            })
            .collect();
        match keys {
            Some(keys) if !keys.is_empty() => Select::Keys(keys),
            _ => {
                let earlier = before.iter().filter(|other| other.node == node).count();
                Select::Position(u32::try_from(earlier + 1).unwrap_or(u32::MAX))
            }
        }
    }
}
