//! Directories and the walk through those they name (RFC 7285 §9.2).

use super::{DocumentError, heaviest, json, media, object, printable, strings, weight};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use url::Url;

/// What a client can do with a resource; it follows from the media types alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A further directory.
    Directory,
    /// A network map to fetch.
    NetworkMap,
    /// A network map to ask for.
    FilteredNetworkMap,
    /// A cost map to fetch.
    CostMap,
    /// A cost map to ask for.
    FilteredCostMap,
    /// Properties of endpoints.
    EndpointProperty,
    /// Costs between endpoints.
    EndpointCost,
    /// A property map to fetch.
    PropertyMap,
    /// A property map to ask for.
    FilteredPropertyMap,
    /// An update stream.
    UpdateStream,
    /// Something this client does not know.
    Other,
}

impl Kind {
    /// The word for it, for people and in options.
    pub fn name(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::NetworkMap => "network-map",
            Self::FilteredNetworkMap => "filtered-network-map",
            Self::CostMap => "cost-map",
            Self::FilteredCostMap => "filtered-cost-map",
            Self::EndpointProperty => "endpoint-property",
            Self::EndpointCost => "endpoint-cost",
            Self::PropertyMap => "property-map",
            Self::FilteredPropertyMap => "filtered-property-map",
            Self::UpdateStream => "update-stream",
            Self::Other => "other",
        }
    }

    fn of(media_type: &str, accepts: &[String]) -> Self {
        let takes = |wanted: &str| accepts.iter().any(|accepted| accepted == wanted);
        match media_type {
            media::DIRECTORY if accepts.is_empty() => Self::Directory,
            media::NETWORK_MAP if accepts.is_empty() => Self::NetworkMap,
            media::NETWORK_MAP if takes(media::NETWORK_MAP_FILTER) => Self::FilteredNetworkMap,
            media::COST_MAP if accepts.is_empty() => Self::CostMap,
            media::COST_MAP if takes(media::COST_MAP_FILTER) => Self::FilteredCostMap,
            media::ENDPOINT_PROPERTY if takes(media::ENDPOINT_PROPERTY_PARAMS) => {
                Self::EndpointProperty
            }
            media::ENDPOINT_COST if takes(media::ENDPOINT_COST_PARAMS) => Self::EndpointCost,
            media::PROPERTY_MAP if accepts.is_empty() => Self::PropertyMap,
            media::PROPERTY_MAP if takes(media::PROPERTY_MAP_PARAMS) => Self::FilteredPropertyMap,
            media::EVENT_STREAM if takes(media::UPDATE_STREAM_PARAMS) => Self::UpdateStream,
            _ => Self::Other,
        }
    }
}

/// A cost type (RFC 7285 §10.7). Metric and mode are kept as they came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CostType {
    /// Its name in its directory.
    pub name: String,
    /// The metric.
    pub metric: String,
    /// The mode.
    pub mode: String,
    /// Words for people.
    pub description: Option<String>,
}

impl CostType {
    /// As it stands in a question: context and description have no meaning there (RFC 9439 §3.1, RFC 7285 §10.7).
    pub fn asked(&self) -> Value {
        serde_json::json!({"cost-metric": self.metric, "cost-mode": self.mode})
    }
}

/// A resource that a directory names.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its id.
    pub id: String,
    /// Where it is.
    pub url: Url,
    /// What is answered.
    pub media_type: String,
    /// What is asked with; empty where it is fetched.
    pub accepts: Vec<String>,
    /// What can be done with it.
    pub kind: Kind,
    /// What it is made from.
    pub uses: Vec<String>,
    /// The cost types it offers, as its directory defines them: many resources may name one that is long.
    pub cost_types: Vec<Arc<CostType>>,
    /// Its other capabilities, as they came.
    pub capabilities: Map<String, Value>,
    /// How many directories lie between it and the first.
    pub depth: usize,
}

/// How far a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Directories behind directories; the first has depth 0.
    pub depth: usize,
    /// Directories in all.
    pub directories: usize,
    /// Resources in all.
    pub resources: usize,
    /// Bytes of memory for all directories, as [`weight`] reckons.
    pub weight: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth: 4,
            directories: 64,
            resources: 20_000,
            weight: heaviest(64 << 20),
        }
    }
}

/// Everything a walk found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directories {
    /// The default network map (RFC 7285 §9.2.2), of the first directory.
    pub default_map: Option<String>,
    /// All resources, those of the first directory first.
    pub resources: Vec<Resource>,
    /// What is wrong with the directories but kept nobody from reading on.
    pub remarks: Vec<String>,
}

/// A walk through directories: whoever drives it fetches what [`Walk::next`] names.
#[derive(Debug)]
pub struct Walk {
    limits: Limits,
    pending: VecDeque<(Url, usize)>,
    seen: BTreeSet<Url>,
    asked: usize,
    weight: usize,
    ids: BTreeSet<String>,
    found: Directories,
}

impl Walk {
    /// A walk that begins at `root`.
    pub fn new(root: Url, limits: Limits) -> Self {
        Self {
            limits,
            seen: BTreeSet::from([root.clone()]),
            pending: VecDeque::from([(root, 0)]),
            asked: 0,
            weight: 0,
            ids: BTreeSet::new(),
            found: Directories::default(),
        }
    }

    /// The next directory to fetch, with its depth; `None` at the end.
    #[expect(
        clippy::should_implement_trait,
        reason = "what comes next depends on what was taken in between"
    )]
    pub fn next(&mut self) -> Option<(Url, usize)> {
        if self.asked == self.limits.directories {
            let left = self.pending.len();
            if left > 0 {
                let limit = self.limits.directories;
                self.remark(format!(
                    "more than {limit} directories: {left} are not read"
                ));
                self.pending.clear();
            }
            return None;
        }
        self.asked += 1;
        self.pending.pop_front()
    }

    /// Notes which directory could not be had, and why; what the others name is found all the same.
    pub fn failed(&mut self, reason: String) {
        self.remark(reason);
    }

    /// Takes a directory in: `base` is where it was found in the end, after redirections (RFC 3986 §5.1.3).
    ///
    /// # Errors
    /// [`DocumentError`] where it is no directory; nothing is taken then.
    pub fn take(&mut self, base: &Url, depth: usize, body: &[u8]) -> Result<(), DocumentError> {
        let document = json(body, self.limits.weight.saturating_sub(self.weight))?;
        let resources = object(&document, "resources")?;
        self.weight += weight(body);
        self.seen.insert(base.clone());
        let meta = document.get("meta");
        if depth == 0 {
            self.found.default_map = meta
                .and_then(|meta| meta.get("default-alto-network-map"))
                .and_then(Value::as_str)
                .map(str::to_owned);
            if self.found.default_map.is_none() {
                self.remark(format!(
                    "{base}: names no default network map, which RFC 7285 §9.2.2 demands"
                ));
            }
        }
        let cost_types = cost_types(meta);
        for (id, entry) in resources {
            if self.found.resources.len() == self.limits.resources {
                let limit = self.limits.resources;
                self.remark(format!(
                    "{base}: more than {limit} resources, the rest is not read"
                ));
                break;
            }
            match resource(id, entry, base, depth, &cost_types) {
                Ok((resource, remark)) => {
                    if let Some(remark) = remark {
                        self.remark(format!("{base}: resource {}: {remark}", printable(id)));
                    }
                    self.enter(base, resource);
                }
                Err(reason) => {
                    self.remark(format!(
                        "{base}: resource {}: {reason}; it is left out",
                        printable(id)
                    ));
                }
            }
        }
        Ok(())
    }

    /// What was found.
    pub fn finish(self) -> Directories {
        self.found
    }

    fn enter(&mut self, base: &Url, resource: Resource) {
        if !self.ids.insert(resource.id.clone()) {
            let id = printable(&resource.id);
            self.remark(format!(
                "{base}: resource id {id} is used twice; the first one is kept"
            ));
            return;
        }
        if resource.kind == Kind::Directory && self.seen.insert(resource.url.clone()) {
            if resource.depth == self.limits.depth {
                let limit = self.limits.depth;
                self.remark(format!(
                    "{}: deeper than {limit} directories, not read",
                    resource.url
                ));
            } else {
                self.pending
                    .push_back((resource.url.clone(), resource.depth + 1));
            }
        }
        self.found.resources.push(resource);
    }

    fn remark(&mut self, text: String) {
        // A directory of nothing but faults is not repeated in full.
        const MOST: usize = 50;
        if self.found.remarks.len() < MOST {
            self.found.remarks.push(text);
        }
    }
}

fn cost_types(meta: Option<&Value>) -> BTreeMap<&str, Arc<CostType>> {
    let defined = meta
        .and_then(|meta| meta.get("cost-types"))
        .and_then(Value::as_object);
    defined
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.as_str(), Arc::new(cost_type(name, value)?))))
        .collect()
}

/// A cost type as a directory defines it or an answer repeats it.
pub(super) fn cost_type(name: &str, value: &Value) -> Option<CostType> {
    let text = |member| Some(value.get(member)?.as_str()?.to_owned());
    Some(CostType {
        name: name.to_owned(),
        metric: text("cost-metric")?,
        mode: text("cost-mode")?,
        description: text("description"),
    })
}

/// A resource, and what is wrong with it without making it useless.
fn resource(
    id: &str,
    entry: &Value,
    base: &Url,
    depth: usize,
    defined: &BTreeMap<&str, Arc<CostType>>,
) -> Result<(Resource, Option<String>), String> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str);
    let uri = text("uri").ok_or("it has no uri")?;
    let url = base
        .join(uri)
        .map_err(|error| format!("its uri {:?} is none: {error}", printable(uri)))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(format!("its uri is of scheme {}", printable(url.scheme())));
    }
    if base.scheme() == "https" && url.scheme() == "http" {
        return Err("its uri is not encrypted, though the directory was".to_owned());
    }
    let media_type = bare(text("media-type").ok_or("it has no media-type")?);
    let accepts: Vec<String> = text("accepts")
        .into_iter()
        .flat_map(|accepts| accepts.split(','))
        .map(bare)
        .filter(|accepts| !accepts.is_empty())
        .collect();
    let capabilities = entry
        .get("capabilities")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let names = strings(capabilities.get("cost-type-names"));
    let cost_types: Vec<Arc<CostType>> = names
        .iter()
        .filter_map(|name| defined.get(name.as_str()).map(Arc::clone))
        .collect();
    let remark = (cost_types.len() < names.len())
        .then(|| "it names cost types that its directory does not define".to_owned());
    let resource = Resource {
        id: id.to_owned(),
        url,
        kind: Kind::of(&media_type, &accepts),
        media_type,
        accepts,
        uses: strings(entry.get("uses")),
        cost_types,
        capabilities,
        depth,
    };
    Ok((resource, remark))
}

/// A media type without parameters, in small letters.
fn bare(text: &str) -> String {
    let bare = text.split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}
