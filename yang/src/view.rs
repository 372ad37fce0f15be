//! Reading trees by name. Names of the same module stand alone, others as `module:name`.

use crate::Instance;
use crate::schema::{NodeId, Schema};

/// An instance with its schema.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    schema: &'static Schema,
    instance: &'a Instance,
}

impl<'a> View<'a> {
    /// A view of an instance.
    pub const fn new(schema: &'static Schema, instance: &'a Instance) -> Self {
        Self { schema, instance }
    }

    /// The instance.
    pub const fn instance(&self) -> &'a Instance {
        self.instance
    }

    /// The name of its node.
    pub fn name(&self) -> &'static str {
        self.schema.name(self.instance.node)
    }

    /// `module:name` of its node.
    pub fn qualified(&self) -> String {
        self.schema.qualified(self.instance.node)
    }

    fn node(&self, name: &str) -> Option<NodeId> {
        let (module, local) = name
            .split_once(':')
            .map_or((None, name), |(module, local)| (Some(module), local));
        self.schema.child(self.instance.node, module, local).ok()
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a Instance> + use<'a> {
        // No instance is of no node.
        let node = self.node(name).unwrap_or(NodeId::NONE);
        self.instance.all(node)
    }

    /// A container inside.
    pub fn container(&self, name: &str) -> Option<Self> {
        let instance = self.all(name).next()?;
        Some(Self::new(self.schema, instance))
    }

    /// The entries of a list inside.
    pub fn list(&self, name: &str) -> impl Iterator<Item = Self> + use<'a> {
        let schema = self.schema;
        self.all(name)
            .map(move |instance| View::new(schema, instance))
    }

    /// The entry of a list inside with these keys, in canonical form.
    pub fn entry(&self, name: &str, keys: &[&str]) -> Option<Self> {
        self.list(name)
            .find(|entry| entry.instance.keys(self.schema) == keys)
    }

    /// The canonical text of a leaf inside; empty for one of type `empty`.
    pub fn leaf(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()?.text()
    }

    /// The canonical texts of a leaf-list inside.
    pub fn leaf_list(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        self.all(name).filter_map(Instance::text)
    }

    /// Whether there is such a node inside.
    pub fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// All inside, in the order of the schema.
    pub fn children(&self) -> impl Iterator<Item = Self> + use<'a> {
        let schema = self.schema;
        self.instance
            .children()
            .iter()
            .map(move |instance| View::new(schema, instance))
    }
}
