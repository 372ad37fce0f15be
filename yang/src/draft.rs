//! Building trees by name. Names of the same module stand alone, others as `module:name`.

use crate::path::unknown_node;
use crate::schema::{Kind, NodeId, Schema};
use crate::{Error, Instance, Tag};

/// An instance being made. Errors of its methods: [`crate::Tag::UnknownElement`] and [`crate::Tag::UnknownNamespace`] for names,
/// [`crate::Tag::InvalidValue`] for values,
/// [`crate::Tag::BadElement`] for a leaf where something else is meant.
#[derive(Debug)]
pub struct Draft {
    schema: &'static Schema,
    instance: Instance,
}

fn lookup(schema: &Schema, parent: NodeId, name: &str) -> Result<NodeId, Error> {
    let (module, local) = name
        .split_once(':')
        .map_or((None, name), |(module, local)| (Some(module), local));
    schema
        .child(parent, module, local)
        .map_err(|unknown| unknown_node(schema, parent, module, local, unknown))
}

impl Draft {
    /// An empty container or list entry below `parent`; at the top, the name has its module.
    pub fn new(schema: &'static Schema, parent: NodeId, name: &str) -> Result<Self, Error> {
        let node = lookup(schema, parent, name)?;
        if !matches!(schema.node(node).kind, Kind::Container | Kind::List) {
            let message = format!("'{name}' is neither container nor list");
            return Err(Error::new(Tag::BadElement, message));
        }
        Ok(Self {
            schema,
            instance: Instance::container(node),
        })
    }

    /// Puts a leaf inside.
    pub fn leaf(&mut self, name: &str, text: &str) -> Result<&mut Self, Error> {
        let node = lookup(self.schema, self.instance.node, name)?;
        let leaf = Instance::leaf(self.schema, node, text)?;
        self.instance.push(self.schema, leaf);
        Ok(self)
    }

    /// Puts a leaf inside, if there is a value.
    pub fn maybe(&mut self, name: &str, text: Option<&str>) -> Result<&mut Self, Error> {
        match text {
            Some(text) => self.leaf(name, text),
            None => Ok(self),
        }
    }

    /// Puts entries of a leaf-list inside.
    pub fn leaf_list<T: AsRef<str>>(
        &mut self,
        name: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<&mut Self, Error> {
        for text in texts {
            self.leaf(name, text.as_ref())?;
        }
        Ok(self)
    }

    /// Puts a container inside, which `fill` fills.
    pub fn container(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<&mut Self, Error> {
        let mut inside = Self::new(self.schema, self.instance.node, name)?;
        fill(&mut inside)?;
        self.instance.push(self.schema, inside.instance);
        Ok(self)
    }

    /// Puts a list entry inside, after those that are there, which `fill` fills.
    pub fn entry(
        &mut self,
        name: &str,
        fill: impl FnOnce(&mut Self) -> Result<(), Error>,
    ) -> Result<&mut Self, Error> {
        self.container(name, fill)
    }

    /// The instance.
    pub fn done(self) -> Instance {
        self.instance
    }
}
