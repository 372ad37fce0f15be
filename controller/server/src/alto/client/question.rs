//! Bodies of POST requests.

use super::directory::{CostType, Kind, Resource};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// What narrows an answer, as `name=value` gives it; names may come several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    members: Vec<(String, String)>,
}

/// Why there is no question.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// No `=`.
    #[error("--filter {0:?}: must have the form NAME=VALUE, for instance pid=PID1")]
    Form(String),
    /// The resource knows no such filter.
    #[error("--filter {name}: a {kind} is filtered by {known}")]
    Name {
        /// What was given.
        name: String,
        /// What the resource is.
        kind: &'static str,
        /// What it is filtered by.
        known: String,
    },
    /// The resource is not asked.
    #[error("a {0} is not asked anything")]
    Kind(&'static str),
    /// More metrics than the resource answers at once.
    #[error("resource {id} answers for {most} metrics at once, not for {wanted}")]
    TooManyMetrics {
        /// The resource.
        id: String,
        /// As its directory says (RFC 8189 §4.1.1).
        most: u64,
        /// As many were wished for.
        wanted: usize,
    },
    /// No metric was named and there are several.
    #[error("resource {id} has several metrics: choose by --metric among {known}")]
    NoMetric {
        /// The resource.
        id: String,
        /// What it has.
        known: String,
    },
    /// It offers no such metric.
    #[error("resource {id} does not offer {metric} in this mode; it offers {known}")]
    UnknownMetric {
        /// The resource.
        id: String,
        /// What was wished for.
        metric: String,
        /// What it has.
        known: String,
    },
    /// Neither sources nor destinations.
    #[error("name at least one endpoint (RFC 7285 §11.5.1.3)")]
    NoEndpoint,
    /// An endpoint that is no address.
    #[error(
        "{0:?} is no address: write 192.0.2.1, 2001:db8::1, or TYPE:ADDRESS for another type of address"
    )]
    Endpoint(String),
}

impl Filter {
    /// Reads `name=value` texts.
    ///
    /// # Errors
    /// [`QuestionError::Form`].
    pub fn new(texts: &[String]) -> Result<Self, QuestionError> {
        let member = |text: &String| {
            let (name, value) = text
                .split_once('=')
                .ok_or_else(|| QuestionError::Form(text.clone()))?;
            Ok((name.trim().to_owned(), value.to_owned()))
        };
        Ok(Self {
            members: texts.iter().map(member).collect::<Result<_, _>>()?,
        })
    }

    /// Adds a value.
    pub fn add(&mut self, name: &str, value: impl Into<String>) {
        self.members.push((name.to_owned(), value.into()));
    }

    /// Whether nothing is filtered.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    fn all(&self, wanted: &str) -> Vec<String> {
        self.members
            .iter()
            .filter(|(name, _)| name == wanted)
            .map(|(_, value)| value.clone())
            .collect()
    }
}

/// What each kind is filtered by.
fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::FilteredNetworkMap => &["pid", "address-type"],
        Kind::FilteredCostMap | Kind::EndpointCost => {
            &["src", "dst", "constraint", "or-constraint", "calendar"]
        }
        Kind::EndpointProperty => &["endpoint", "property"],
        Kind::FilteredPropertyMap => &["entity", "property"],
        _ => &[],
    }
}

/// The body to ask `resource` with. Without a metric a resource that has one only is asked for that.
///
/// # Errors
/// [`QuestionError`].
pub fn question(
    resource: &Resource,
    metrics: &[String],
    mode: Option<&str>,
    filter: &Filter,
) -> Result<Value, QuestionError> {
    let known = names(resource.kind);
    if known.is_empty() {
        return Err(QuestionError::Kind(resource.kind.name()));
    }
    if let Some((name, _)) = filter
        .members
        .iter()
        .find(|(name, _)| !known.contains(&name.as_str()))
    {
        return Err(QuestionError::Name {
            name: name.clone(),
            kind: resource.kind.name(),
            known: known.join(", "),
        });
    }
    let all = |name| filter.all(name);
    match resource.kind {
        Kind::FilteredNetworkMap => {
            let mut body = Map::from_iter([("pids".to_owned(), json!(all("pid")))]);
            let types = all("address-type");
            if !types.is_empty() {
                body.insert("address-types".to_owned(), json!(types));
            }
            Ok(Value::Object(body))
        }
        Kind::FilteredCostMap => {
            let mut body = costs(resource, metrics, mode, filter)?;
            body.insert(
                "pids".to_owned(),
                json!({"srcs": all("src"), "dsts": all("dst")}),
            );
            Ok(Value::Object(body))
        }
        Kind::EndpointCost => {
            let mut body = costs(resource, metrics, mode, filter)?;
            let mut endpoints = Map::new();
            for (member, given) in [("srcs", all("src")), ("dsts", all("dst"))] {
                if !given.is_empty() {
                    endpoints.insert(member.to_owned(), json!(addresses(&given)?));
                }
            }
            if endpoints.is_empty() {
                return Err(QuestionError::NoEndpoint);
            }
            body.insert("endpoints".to_owned(), Value::Object(endpoints));
            Ok(Value::Object(body))
        }
        Kind::EndpointProperty => {
            let endpoints = addresses(&all("endpoint"))?;
            if endpoints.is_empty() {
                return Err(QuestionError::NoEndpoint);
            }
            Ok(json!({"endpoints": endpoints, "properties": properties(resource, filter)}))
        }
        _ => Ok(json!({"entities": all("entity"), "properties": all("property")})),
    }
}

/// The properties asked for; without any, all that are offered, since a question must name some (RFC 7285 §11.4.1.3).
fn properties(resource: &Resource, filter: &Filter) -> Vec<String> {
    let asked = filter.all("property");
    if asked.is_empty() {
        super::strings(resource.capabilities.get("prop-types"))
    } else {
        asked
    }
}

/// Cost types and constraints. Several metrics are asked for together (RFC 8189 §4.1.2).
fn costs(
    resource: &Resource,
    metrics: &[String],
    mode: Option<&str>,
    filter: &Filter,
) -> Result<Map<String, Value>, QuestionError> {
    let types = cost_types(resource, metrics, mode)?;
    let mut body = Map::new();
    if let [one] = types.as_slice() {
        body.insert("cost-type".to_owned(), one.asked());
    } else {
        let most = resource
            .capabilities
            .get("max-cost-types")
            .and_then(Value::as_u64)
            .unwrap_or(1);
        if most < types.len() as u64 {
            return Err(QuestionError::TooManyMetrics {
                id: resource.id.clone(),
                most: most.max(1),
                wanted: types.len(),
            });
        }
        let asked: Vec<Value> = types.iter().map(|one| one.asked()).collect();
        body.insert("multi-cost-types".to_owned(), json!(asked));
    }
    let constraints = filter.all("constraint");
    if !constraints.is_empty() {
        body.insert("constraints".to_owned(), json!(constraints));
    }
    let alternatives: Vec<Vec<String>> = filter
        .all("or-constraint")
        .iter()
        .map(|all| all.split(',').map(|one| one.trim().to_owned()).collect())
        .collect();
    if !alternatives.is_empty() {
        body.insert("or-constraints".to_owned(), json!(alternatives));
    }
    if filter.all("calendar").iter().any(|value| value == "true") {
        body.insert("calendared".to_owned(), json!(vec![true; types.len()]));
    }
    Ok(body)
}

fn cost_types<'a>(
    resource: &'a Resource,
    metrics: &[String],
    mode: Option<&str>,
) -> Result<Vec<&'a CostType>, QuestionError> {
    let known = || {
        let mut known: Vec<String> = resource
            .cost_types
            .iter()
            .map(|own| format!("{} ({})", own.metric, own.mode))
            .collect();
        known.dedup();
        known.join(", ")
    };
    if metrics.is_empty() {
        let mut own = resource
            .cost_types
            .iter()
            .map(Arc::as_ref)
            .filter(|own| mode.is_none_or(|mode| own.mode == mode));
        return match (own.next(), own.next()) {
            (Some(one), None) => Ok(vec![one]),
            _ => Err(QuestionError::NoMetric {
                id: resource.id.clone(),
                known: known(),
            }),
        };
    }
    metrics
        .iter()
        .map(|metric| {
            resource
                .cost_type(metric, mode)
                .ok_or_else(|| QuestionError::UnknownMetric {
                    id: resource.id.clone(),
                    metric: metric.clone(),
                    known: known(),
                })
        })
        .collect()
}

fn addresses(texts: &[String]) -> Result<Vec<String>, QuestionError> {
    texts.iter().map(|text| endpoint(text)).collect()
}

/// An address with its type (RFC 7285 §10.4.1); a bare one gets the type it has.
fn endpoint(text: &str) -> Result<String, QuestionError> {
    let text = text.trim();
    match text.parse() {
        Ok(std::net::IpAddr::V4(_)) => return Ok(format!("ipv4:{text}")),
        Ok(std::net::IpAddr::V6(_)) => return Ok(format!("ipv6:{text}")),
        Err(_) => {}
    }
    // The type is the server's to know.
    match text.split_once(':') {
        Some((family, address))
            if !address.is_empty()
                && !family.is_empty()
                && family.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(QuestionError::Endpoint(text.to_owned())),
    }
}
