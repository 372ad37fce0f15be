//! From bytes to trees: everything one body can show to be wrong is refused here, what needs the rest of the tree in
//! [`crate::validate`].

use crate::path::unknown_node;
use crate::schema::{Kind, NodeId, Schema};
use crate::{
    Any, Content, DataPath, Encoding, Error, Instance, Limits, Select, Step, Tag, Tree, Unknown,
    json, xml,
};

mod from_json;
mod from_xml;
mod keys;
pub(crate) mod shape;
#[cfg(test)]
mod tests;

/// The module whose templates wrap datastores and notifications.
pub(crate) const RESTCONF: &str = "ietf-restconf";
/// Its namespace.
pub(crate) const RESTCONF_NAMESPACE: &str = "urn:ietf:params:xml:ns:yang:ietf-restconf";
/// The namespace of notifications in XML (RFC 5277 §4).
pub(crate) const NOTIFICATION_NAMESPACE: &str = "urn:ietf:params:xml:ns:netconf:notification:1.0";
/// The annotation of RFC 6243 §6 in JSON.
pub(crate) const DEFAULT_ANNOTATION: &str = "ietf-netconf-with-defaults:default";
/// The namespaces it has in XML: of RFC 6243 §6, and of its module.
pub(crate) const DEFAULT_NAMESPACES: [&str; 2] = [
    "urn:ietf:params:xml:ns:netconf:default:1.0",
    "urn:ietf:params:xml:ns:yang:ietf-netconf-with-defaults",
];

/// Reads bodies. Errors of its methods: [`Tag::MalformedMessage`], [`Tag::TooBig`], [`Tag::UnknownElement`],
/// [`Tag::UnknownNamespace`], [`Tag::UnknownAttribute`], [`Tag::BadAttribute`], [`Tag::InvalidValue`], [`Tag::MissingElement`] for
/// keys, and [`Tag::BadElement`] for what is there twice or belongs to two cases of a choice.
#[derive(Clone, Copy, Debug)]
pub struct Reader {
    /// What the body is an instance of.
    pub schema: &'static Schema,
    /// Its encoding.
    pub encoding: Encoding,
    /// Whether state may stand in it: in answers, not in edits.
    pub state: bool,
    /// How much it may be.
    pub limits: Limits,
}

/// A parsed body.
enum Body {
    Json(json::Value),
    Xml(Vec<xml::Element>),
}

impl Error {
    /// The error, its path taken to begin below `step`.
    fn under(mut self, step: Step) -> Self {
        self.path.get_or_insert_default().steps.insert(0, step);
        self
    }

    /// The error, its path taken to begin below `path`.
    fn below(mut self, path: &DataPath) -> Self {
        let inner = self.path.get_or_insert_default();
        inner.steps.splice(0..0, path.steps.iter().cloned());
        self
    }

    /// About the node whose inside is read.
    fn here(self) -> Self {
        self.at(DataPath::default())
    }
}

/// A step to a node that is no list.
const fn plain(node: NodeId) -> Step {
    Step {
        node,
        select: Select::All,
    }
}

impl Reader {
    /// A reader of edits, with the usual limits.
    pub fn new(schema: &'static Schema, encoding: Encoding) -> Self {
        Self {
            schema,
            encoding,
            state: false,
            limits: Limits::default(),
        }
    }

    /// A reader that takes state, too.
    #[must_use]
    pub const fn with_state(mut self) -> Self {
        self.state = true;
        self
    }

    fn body(&self, bytes: &[u8]) -> Result<Body, Error> {
        if bytes.trim_ascii().is_empty() {
            return Err(Error::new(
                Tag::InvalidValue,
                "the body is empty: send the data",
            ));
        }
        match self.encoding {
            Encoding::Json => json::parse(bytes, self.limits).map(Body::Json),
            Encoding::Xml => xml::parse(bytes, self.limits).map(Body::Xml),
        }
    }

    /// What is inside the only member or element, which must be of that name.
    fn unwrap(body: Body, module: &str, namespace: &str, name: &str) -> Result<Body, Error> {
        let wrong = || {
            Error::new(
                Tag::MalformedMessage,
                format!("the body has to be one '{module}:{name}' and nothing else"),
            )
        };
        match body {
            Body::Json(json::Value::Object(members)) => match <[_; 1]>::try_from(members) {
                Ok([(member, value)]) if member == format!("{module}:{name}") => {
                    Ok(Body::Json(value))
                }
                _ => Err(wrong()),
            },
            Body::Xml(elements) => match <[_; 1]>::try_from(elements) {
                Ok([element])
                    if element.name == name
                        && *element.namespace == *namespace
                        && element.text.trim_ascii().is_empty() =>
                {
                    Ok(Body::Xml(element.children))
                }
                _ => Err(wrong()),
            },
            Body::Json(_) => Err(wrong()),
        }
    }

    /// The instances a body holds below a node; `qualified` if each name must have its module.
    fn children(
        &self,
        parent: NodeId,
        body: &Body,
        qualified: bool,
    ) -> Result<Vec<Instance>, Error> {
        match body {
            Body::Json(json::Value::Object(members)) => {
                self.json_children(parent, members, qualified)
            }
            Body::Json(other) => Err(Error::new(
                Tag::MalformedMessage,
                format!("{} where an object is needed", other.kind()),
            )
            .here()),
            Body::Xml(elements) => self.xml_children(parent, elements),
        }
    }

    fn tree(&self, root: NodeId, body: &Body, qualified: bool) -> Result<Tree, Error> {
        let mut tree = Tree::under(self.schema, root);
        tree.top = self.children(root, body, qualified)?;
        Ok(tree)
    }

    /// Top-level data nodes side by side, without anything around them.
    pub fn data(&self, body: &[u8]) -> Result<Tree, Error> {
        self.tree(NodeId::NONE, &self.body(body)?, true)
    }

    /// A datastore, in `ietf-restconf:data`.
    pub fn datastore(&self, body: &[u8]) -> Result<Tree, Error> {
        let body = Self::unwrap(self.body(body)?, RESTCONF, RESTCONF_NAMESPACE, "data")?;
        self.tree(NodeId::NONE, &body, true)
    }

    /// `input` or `output` of an operation; an empty body is one without parameters.
    pub fn operation(&self, part: NodeId, body: &[u8]) -> Result<Tree, Error> {
        if body.trim_ascii().is_empty() {
            return Ok(Tree::under(self.schema, part));
        }
        let operation = self.schema.node(part).parent;
        let module = self.schema.module(self.schema.node(operation).module);
        let name = match self.schema.node(part).kind {
            Kind::Output => "output",
            _ => "input",
        };
        let body = Self::unwrap(
            self.body(body)?,
            self.schema.text(module.name),
            self.schema.text(module.namespace),
            name,
        )?;
        if matches!(body, Body::Json(json::Value::Null)) {
            return Ok(Tree::under(self.schema, part));
        }
        self.tree(part, &body, false)
    }

    /// A document of a template of `yang-data` or `structure`, such as `ietf-restconf:errors`.
    pub fn structure(&self, structure: NodeId, body: &[u8]) -> Result<Tree, Error> {
        self.tree(structure, &self.body(body)?, true)
    }

    /// A notification in `ietf-restconf:notification` (RFC 8040 §6.4): its `eventTime` and its content.
    pub fn notification(&self, body: &[u8]) -> Result<(String, Tree), Error> {
        let wrong = || {
            Error::new(
                Tag::MalformedMessage,
                "a notification has eventTime and one known notification, nothing else",
            )
        };
        let namespace = NOTIFICATION_NAMESPACE;
        match Self::unwrap(self.body(body)?, RESTCONF, namespace, "notification")? {
            Body::Json(json::Value::Object(members)) => {
                let [first, second] = <[_; 2]>::try_from(members).map_err(|_| wrong())?;
                let (time, (name, content)) = if first.0 == "eventTime" {
                    (first.1, second)
                } else {
                    (second.1, first)
                };
                let json::Value::String(time) = time else {
                    return Err(wrong());
                };
                let (module, name) = name.split_once(':').ok_or_else(wrong)?;
                let node = self.schema.notification(module, name).ok_or_else(wrong)?;
                Ok((time, self.tree(node, &Body::Json(content), false)?))
            }
            Body::Xml(elements) => {
                let [first, second] = <[_; 2]>::try_from(elements).map_err(|_| wrong())?;
                let is_time = |element: &xml::Element| {
                    element.name == "eventTime" && *element.namespace == *namespace
                };
                let (time, content) = if is_time(&first) {
                    (first, second)
                } else if is_time(&second) {
                    (second, first)
                } else {
                    return Err(wrong());
                };
                let module = self.schema.module_by_namespace(&content.namespace);
                let module = self.schema.module(module.ok_or_else(wrong)?);
                let module = self.schema.text(module.name);
                let node = self
                    .schema
                    .notification(module, &content.name)
                    .ok_or_else(wrong)?;
                Ok((
                    time.text,
                    self.tree(node, &Body::Xml(content.children), false)?,
                ))
            }
            Body::Json(_) => Err(wrong()),
        }
    }

    /// The one instance a body is, below the node at `parent`.
    pub fn child(&self, parent: &DataPath, body: &[u8]) -> Result<Instance, Error> {
        self.one(parent, &self.body(body)?)
    }

    /// The instance at `path` that a body is; its keys must be those of the path.
    pub fn target(&self, path: &DataPath, body: &[u8]) -> Result<Instance, Error> {
        self.exactly(path, &self.body(body)?)
    }

    /// The same, but the keys that the path names may be left out, as in the example of RFC 8040 §4.6.1.
    pub fn part(&self, path: &DataPath, body: &[u8]) -> Result<Instance, Error> {
        let mut body = self.body(body)?;
        if let Some(target) = path.steps.last() {
            self.add_keys(target, &mut body);
        }
        self.exactly(path, &body)
    }

    /// The same from `anydata`, as the `value` of an edit of RFC 8072.
    pub fn any_child(&self, parent: &DataPath, any: &Any) -> Result<Instance, Error> {
        self.one(parent, &Body::from(any))
    }

    /// The same from `anydata`, as the `value` of an edit of RFC 8072.
    pub fn any_target(&self, path: &DataPath, any: &Any) -> Result<Instance, Error> {
        self.exactly(path, &Body::from(any))
    }

    fn one(&self, parent: &DataPath, body: &Body) -> Result<Instance, Error> {
        let children = self
            .children(parent.node(), body, true)
            .map_err(|error| error.below(parent))?;
        <[_; 1]>::try_from(children)
            .map(|[one]| one)
            .map_err(|several| {
                Error::new(
                    Tag::MalformedMessage,
                    format!("the body has to be one instance, not {}", several.len()),
                )
                .at(parent.clone())
            })
    }

    fn exactly(&self, path: &DataPath, body: &Body) -> Result<Instance, Error> {
        let Some((last, above)) = path.steps.split_last() else {
            return Err(Error::new(
                Tag::OperationNotSupported,
                "the datastore itself is written as 'ietf-restconf:data'",
            ));
        };
        let parent = DataPath {
            steps: above.to_vec(),
        };
        let instance = self.one(&parent, body)?;
        if instance.node != last.node {
            return Err(Error::new(
                Tag::MalformedMessage,
                format!(
                    "the body is '{}', the target '{}'",
                    self.schema.name(instance.node),
                    self.schema.name(last.node)
                ),
            )
            .at(path.clone()));
        }
        if !matches!(last.select, Select::Position(_)) && !instance.is(self.schema, &last.select) {
            return Err(Error::new(
                Tag::InvalidValue,
                format!(
                    "the keys of '{}' in the body have to be those of the target",
                    self.schema.name(last.node)
                ),
            )
            .at(path.clone()));
        }
        Ok(instance)
    }

    /// What has to be right about siblings, once all are known.
    fn finish(&self, parent: NodeId, mut children: Vec<Instance>) -> Result<Vec<Instance>, Error> {
        crate::tree::sort(self.schema, parent, &mut children);
        match shape::check(self.schema, &children).into_iter().next() {
            None => Ok(children),
            Some(error) => Err(error),
        }
    }

    /// Whether state may not be where it is.
    fn admit(&self, node: NodeId) -> Result<(), Error> {
        if !self.state && self.schema.is_state(node) {
            return Err(Error::new(
                Tag::UnknownElement,
                format!(
                    "'{}' is state, which cannot be written",
                    self.schema.name(node)
                ),
            )
            .under(plain(node)));
        }
        Ok(())
    }

    fn unknown(&self, parent: NodeId, module: Option<&str>, name: &str, why: Unknown) -> Error {
        unknown_node(self.schema, parent, module, name, why).here()
    }

    /// Marks a leaf that says of itself to be the default.
    fn mark(&self, instance: &mut Instance) -> Result<(), Error> {
        let default = crate::defaults::default_values(self.schema, instance.node);
        let is_default =
            matches!(&instance.content, Content::Value(value) if default.contains(value));
        if !is_default {
            return Err(Error::new(
                Tag::InvalidValue,
                format!(
                    "'{}' is marked as default but is not",
                    self.schema.name(instance.node)
                ),
            )
            .under(plain(instance.node)));
        }
        instance.default = true;
        Ok(())
    }
}

impl From<&Any> for Body {
    fn from(any: &Any) -> Self {
        match any {
            Any::Json(value) => Self::Json(value.clone()),
            Any::Xml(elements) => Self::Xml(elements.clone()),
        }
    }
}
