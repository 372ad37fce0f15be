//! RFC 7951.

use super::{DEFAULT_ANNOTATION, Reader, plain};
use crate::json::Value as Json;
use crate::schema::{Kind, NodeId};
use crate::value::Context;
use crate::{Any, Content, Error, Instance, Select, Step, Tag, Unknown};

type Members = [(String, Json)];

fn wanted(value: &Json, wanted: &str) -> Error {
    Error::new(
        Tag::MalformedMessage,
        format!("{} where {wanted} is needed", value.kind()),
    )
}

impl Reader {
    pub(super) fn json_children(
        &self,
        parent: NodeId,
        members: &Members,
        qualified: bool,
    ) -> Result<Vec<Instance>, Error> {
        let mut children = Vec::new();
        let mut annotations: Vec<(NodeId, &Json)> = Vec::new();
        for (member, value) in members {
            let (name, annotation) = member
                .strip_prefix('@')
                .map_or((member.as_str(), false), |name| (name, true));
            if annotation && name.is_empty() {
                Self::annotation(value).map_err(Error::here)?;
                continue;
            }
            let node = self.json_node(parent, name, qualified)?;
            if annotation {
                annotations.push((node, value));
                continue;
            }
            self.admit(node)?;
            self.json_member(node, value, &mut children)?;
        }
        for (node, value) in annotations {
            self.annotate(node, value, &mut children)?;
        }
        self.finish(parent, children)
    }

    fn json_node(&self, parent: NodeId, member: &str, qualified: bool) -> Result<NodeId, Error> {
        let (module, name) = member
            .split_once(':')
            .map_or((None, member), |(module, name)| (Some(module), name));
        if qualified && module.is_none() {
            return Err(self.unknown(parent, None, name, Unknown::Module));
        }
        self.schema
            .child(parent, module, name)
            .map_err(|why| self.unknown(parent, module, name, why))
    }

    fn json_member(
        &self,
        node: NodeId,
        value: &Json,
        children: &mut Vec<Instance>,
    ) -> Result<(), Error> {
        let here = |error: Error| error.under(plain(node));
        match self.schema.node(node).kind {
            Kind::List => {
                let Json::Array(entries) = value else {
                    return Err(here(wanted(value, "an array of entries")));
                };
                for (at, entry) in entries.iter().enumerate() {
                    let Json::Object(members) = entry else {
                        return Err(here(wanted(entry, "an object")));
                    };
                    let inside = self.json_children(node, members, false).map_err(|error| {
                        let select = self.json_select(node, members, at);
                        error.under(Step { node, select })
                    })?;
                    children.push(Instance {
                        content: Content::Children(inside),
                        ..Instance::container(node)
                    });
                }
            }
            Kind::LeafList => {
                let Json::Array(entries) = value else {
                    return Err(here(wanted(value, "an array of values")));
                };
                for entry in entries {
                    children.push(self.json_leaf(node, entry)?);
                }
            }
            Kind::Leaf => children.push(self.json_leaf(node, value)?),
            Kind::Any => children.push(Instance {
                content: Content::Any(Any::Json(value.clone())),
                ..Instance::container(node)
            }),
            _ => {
                let Json::Object(members) = value else {
                    return Err(here(wanted(value, "an object")));
                };
                children.push(Instance {
                    content: Content::Children(
                        self.json_children(node, members, false).map_err(here)?,
                    ),
                    ..Instance::container(node)
                });
            }
        }
        Ok(())
    }

    fn json_leaf(&self, node: NodeId, value: &Json) -> Result<Instance, Error> {
        let value = Context::modules(self.schema, node)
            .json(self.schema.type_at(node), value)
            .map_err(|reject| reject.error(self.schema, node).under(plain(node)))?;
        Ok(Instance::of(node, value))
    }

    /// Which entry it is, as far as that can be seen in one that is wrong.
    fn json_select(&self, node: NodeId, members: &Members, at: usize) -> Select {
        let keys: Option<Vec<String>> = self
            .schema
            .keys(node)
            .map(|key| {
                let (_, value) = members
                    .iter()
                    .find(|(name, _)| self.schema.child(node, None, name) == Ok(key))?;
                Some(self.json_leaf(key, value).ok()?.text()?.to_owned())
            })
            .collect();
        match keys {
            Some(keys) if !keys.is_empty() => Select::Keys(keys),
            _ => Select::Position(u32::try_from(at + 1).unwrap_or(u32::MAX)),
        }
    }

    /// Whether annotations (RFC 7952) say that this is the default.
    fn annotation(value: &Json) -> Result<bool, Error> {
        let members = match value {
            Json::Object(members) => members,
            Json::Null => return Ok(false),
            other => return Err(wanted(other, "an object of annotations")),
        };
        let mut default = false;
        for (name, value) in members {
            if name != DEFAULT_ANNOTATION {
                return Err(Error::new(
                    Tag::UnknownAttribute,
                    format!("annotation '{name}' is not known here"),
                ));
            }
            let Json::Bool(truth) = value else {
                return Err(Error::new(
                    Tag::BadAttribute,
                    format!("annotation '{name}' is {}, not true or false", value.kind()),
                ));
            };
            default = *truth;
        }
        Ok(default)
    }

    fn annotate(&self, node: NodeId, value: &Json, children: &mut [Instance]) -> Result<(), Error> {
        let here = |error: Error| error.under(plain(node));
        let kind = self.schema.node(node).kind;
        let one = std::slice::from_ref(value);
        let each = match (kind, value) {
            (Kind::LeafList, Json::Array(values)) => values.as_slice(),
            (Kind::Leaf | Kind::Any, _) => one,
            _ => {
                return Err(here(Error::new(
                    Tag::BadAttribute,
                    format!(
                        "'@{}' does not fit what it annotates",
                        self.schema.name(node)
                    ),
                )));
            }
        };
        let mut instances = children.iter_mut().filter(|child| child.node == node);
        for value in each {
            let instance = instances.next().ok_or_else(|| {
                here(Error::new(
                    Tag::BadAttribute,
                    format!("'@{}' annotates what is not there", self.schema.name(node)),
                ))
            })?;
            if Self::annotation(value).map_err(here)? {
                self.mark(instance)?;
            }
        }
        Ok(())
    }
}
