//! Paths of access control rules (`nacm:node-instance-identifier`, RFC 8341 §4).

use super::identifier::{self, Parsed, Wanted};
use super::{Select, Step};
use crate::schema::{ModuleId, NodeId, Schema};
use crate::value::{Context, Names};
use crate::{Error, Tag};

/// An instance-identifier that may leave out predicates: for a key that is not named, every instance is meant. `$USER` in the place
/// of a value is the name of whoever asks. It may lead to an action or notification of a data node. Without steps (`/`), everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeIdentifier {
    steps: Vec<(NodeId, Vec<Wanted>)>,
}

/// Whether a path is one of those that a [`NodeIdentifier`] means, or below one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It is not.
    No,
    /// Some of the instances that the path may mean are.
    Some,
    /// It is.
    All,
}

impl NodeIdentifier {
    /// Reads the JSON form. Error: [`Tag::InvalidValue`].
    pub fn parse(schema: &'static Schema, text: &str) -> Result<Self, Error> {
        let context = Context {
            schema,
            names: Names::Modules,
            module: ModuleId(0),
        };
        let steps = identifier::parse(&context, text, true)
            .map_err(|reject| reject.error(schema, NodeId::NONE))?;
        if steps.iter().any(|step| step.position.is_some()) {
            let message =
                "a rule is about all entries of a list without keys: leave out the position";
            return Err(Error::new(Tag::InvalidValue, message));
        }
        let step = |Parsed { node, wanted, .. }| (node, wanted);
        Ok(Self {
            steps: steps.into_iter().map(step).collect(),
        })
    }

    /// Whether `path` is meant, or below what is meant, when `user` asks. A step of `path` that selects all of a list fits in part
    /// where a key is wanted.
    pub fn fits(&self, path: &[Step], user: &str) -> Fit {
        if self.steps.len() > path.len() {
            return Fit::No;
        }
        let mut fit = Fit::All;
        for ((node, wanted), step) in self.steps.iter().zip(path) {
            if *node != step.node {
                return Fit::No;
            }
            let own = match &step.select {
                Select::Keys(keys) => keys.as_slice(),
                Select::Value(value) => std::slice::from_ref(value),
                Select::All | Select::Position(_) => &[],
            };
            for (at, wanted) in wanted.iter().enumerate() {
                let text = match wanted {
                    Wanted::Any => continue,
                    Wanted::Text(text) => text.as_str(),
                    Wanted::User => user,
                };
                match own.get(at) {
                    None => fit = Fit::Some,
                    Some(own) if own == text => {}
                    Some(_) => return Fit::No,
                }
            }
        }
        fit
    }
}
