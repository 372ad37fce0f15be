//! From the path of a request to the resource it names (RFC 8040 §3).

use crate::error::{Error, Tag};
use crate::escape;
use glimpse_yang::schema::{Kind, NodeId, Schema};
use glimpse_yang::{DataPath, Encoding};

/// What a request is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// `/.well-known/host-meta`.
    HostMeta,
    /// The API resource.
    Api,
    /// `{+restconf}/yang-library-version`.
    LibraryVersion,
    /// `{+restconf}/operations`.
    Operations,
    /// `{+restconf}/operations/module:name`.
    Operation(NodeId),
    /// `{+restconf}/data` and below; an empty path is the datastore.
    Data(DataPath),
    /// `{+restconf}/yang/name`: the text of a module.
    Module(String),
    /// `{+restconf}/streams/name/encoding`.
    Stream(String, Encoding),
}

/// Bytes of a path.
const LONGEST: usize = 16_384;

impl Target {
    /// Reads the path of a request, as it came. `root` is the API resource's path, such as `/restconf`.
    pub fn parse(schema: &'static Schema, root: &str, path: &str) -> Result<Self, Error> {
        if path.len() > LONGEST {
            return Err(Error::protocol(
                Tag::InvalidValue,
                format!("a path has at most {LONGEST} bytes"),
            ));
        }
        if path == "/.well-known/host-meta" {
            return Ok(Self::HostMeta);
        }
        let nothing = || Error::not_found(format!("there is nothing at {path}"));
        let rest = path.strip_prefix(root).ok_or_else(nothing)?;
        let rest = match rest.strip_prefix('/') {
            Some(rest) => rest,
            None if rest.is_empty() => return Ok(Self::Api),
            None => return Err(nothing()),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (head, tail) = match rest.split_once('/') {
            Some((head, tail)) => (head, Some(tail)),
            None => (rest, None),
        };
        match (head, tail) {
            ("", None) => Ok(Self::Api),
            ("yang-library-version", None) => Ok(Self::LibraryVersion),
            ("operations", None) => Ok(Self::Operations),
            ("operations", Some(name)) => {
                operation(schema, name).map(Self::Operation).ok_or_else(|| {
                    Error::not_found(format!("there is no operation {name}: give module:name"))
                })
            }
            ("data", None) => Ok(Self::Data(DataPath::default())),
            ("data", Some(tail)) => data(schema, tail).map(Self::Data),
            ("yang", Some(name)) => {
                let name = escape::decode(name).ok_or_else(nothing)?;
                Ok(Self::Module(name))
            }
            ("streams", Some(tail)) => {
                let (name, encoding) = tail.split_once('/').ok_or_else(nothing)?;
                let encoding = match encoding {
                    "json" => Encoding::Json,
                    "xml" => Encoding::Xml,
                    _ => return Err(nothing()),
                };
                let name = escape::decode(name).ok_or_else(nothing)?;
                Ok(Self::Stream(name, encoding))
            }
            _ => Err(nothing()),
        }
    }
}

impl Target {
    /// The top-level schema node that it is, or is in.
    pub(crate) fn top(&self) -> Option<NodeId> {
        match self {
            Self::Operation(operation) => Some(*operation),
            Self::Data(path) => path.steps.first().map(|step| step.node),
            _ => None,
        }
    }
}

fn operation(schema: &'static Schema, name: &str) -> Option<NodeId> {
    let name = escape::decode(name)?;
    let (module, name) = name.split_once(':')?;
    schema.operation(module, name)
}

/// Reads what follows `{+restconf}/data/`. What the schema does not have is not there: 404; what cannot be read is 400.
pub fn data(schema: &'static Schema, text: &str) -> Result<DataPath, Error> {
    let path = DataPath::from_uri(schema, text).map_err(|error| {
        let mut error = Error::from(error);
        let unknown = matches!(error.tag, Tag::UnknownElement | Tag::UnknownNamespace);
        error.tag = Tag::InvalidValue;
        error.status = if unknown { 404 } else { 400 };
        error.path = None;
        error
    })?;
    let above = path.parent().unwrap_or_default();
    if !above.is_instance(schema) {
        let message = "only the last list of a path may go without keys";
        return Err(Error::protocol(Tag::InvalidValue, message));
    }
    Ok(path)
}

/// Whether every name of a data path is in the schema and every list has as many keys as it needs: what is wrong with it then is
/// a key that its type does not have, so that no such instance can be.
pub(crate) fn is_shaped(schema: &'static Schema, text: &str) -> bool {
    let mut parent = NodeId::NONE;
    let last = text.split('/').count() - 1;
    text.split('/').enumerate().all(|(number, segment)| {
        let (name, keys) = match segment.split_once('=') {
            Some((name, keys)) => (name, keys.split(',').count()),
            None => (segment, 0),
        };
        let keys_are_encoded = escape::decode(segment).is_some();
        let Some(name) = escape::decode(name) else {
            return false;
        };
        let (module, name) = match name.split_once(':') {
            Some((module, name)) => (Some(module), name),
            None => (None, name.as_str()),
        };
        let Ok(node) = schema.child(parent, module, name) else {
            return false;
        };
        parent = node;
        let wanted = match schema.node(node).kind {
            Kind::List => schema.keys(node).count(),
            Kind::LeafList => 1,
            _ => 0,
        };
        keys_are_encoded && (keys == wanted || keys == 0 && number == last)
    })
}
