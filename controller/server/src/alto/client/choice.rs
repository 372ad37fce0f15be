//! Which resource answers a wish.

use super::directory::{CostType, Directories, Kind, Resource};
use super::printable;
use std::sync::Arc;

/// What is wished for; what is `None` does not matter.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// Its id.
    pub id: Option<&'a str>,
    /// What it is.
    pub kind: Option<Kind>,
    /// Metrics that it must all offer, or names of cost types in its directory.
    pub metrics: &'a [String],
    /// The mode of these metrics.
    pub mode: Option<&'a str>,
}

/// Why nothing was chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// There is no such resource.
    #[error("there is no resource {id:?} in this directory or those behind it; there are {known}")]
    Unknown {
        /// The id.
        id: String,
        /// Some ids that exist.
        known: String,
    },
    /// There is no resource of this kind.
    #[error("the server offers no {0}")]
    NoKind(&'static str),
    /// There is, but not for these metrics.
    #[error("no {kind} of this server offers {metrics}; offered are {known}")]
    NoMetric {
        /// What was looked for.
        kind: &'static str,
        /// The metrics.
        metrics: String,
        /// The metrics that exist.
        known: String,
    },
    /// A GET resource is to be filtered, and no other resource filters it.
    #[error(
        "resource {0} cannot be filtered: no resource of the server that takes questions is made for it"
    )]
    NoFilter(String),
}

impl Directories {
    /// The resource that answers the wish best: of the default network map before others, nearer to the first directory before others,
    /// then by id.
    ///
    /// # Errors
    /// [`ChoiceError`] with what there is instead.
    pub fn choose(&self, wish: &Wish<'_>) -> Result<&Resource, ChoiceError> {
        let fits = |resource: &&Resource| {
            wish.id.is_none_or(|id| resource.id == id)
                && wish.kind.is_none_or(|kind| resource.kind == kind)
        };
        let candidates: Vec<&Resource> = self.resources.iter().filter(fits).collect();
        if candidates.is_empty() {
            return Err(match (wish.id, wish.kind) {
                (Some(id), _) => ChoiceError::Unknown {
                    id: printable(id),
                    known: listed(self.resources.iter().map(|resource| resource.id.as_str())),
                },
                (None, kind) => ChoiceError::NoKind(kind.map_or("resource", Kind::name)),
            });
        }
        candidates
            .iter()
            .filter(|resource| {
                let offers = |metric: &String| resource.cost_type(metric, wish.mode).is_some();
                wish.metrics.iter().all(offers)
            })
            .min_by_key(|resource| (!self.is_of_default(resource), resource.depth, &resource.id))
            .copied()
            .ok_or_else(|| ChoiceError::NoMetric {
                kind: wish.kind.map_or("resource", Kind::name),
                metrics: wish.metrics.join(", "),
                known: listed(
                    candidates
                        .iter()
                        .flat_map(|resource| &resource.cost_types)
                        .map(|cost_type| cost_type.metric.as_str()),
                ),
            })
    }

    /// The resource that filters `resource`: itself if it takes questions, else the one that is made from the same network map and has its
    /// cost type.
    ///
    /// # Errors
    /// [`ChoiceError::NoFilter`].
    pub fn filtering<'a>(&'a self, resource: &'a Resource) -> Result<&'a Resource, ChoiceError> {
        let (kind, maps) = match resource.kind {
            Kind::NetworkMap => (Kind::FilteredNetworkMap, std::slice::from_ref(&resource.id)),
            Kind::CostMap => (Kind::FilteredCostMap, resource.uses.as_slice()),
            Kind::PropertyMap => (Kind::FilteredPropertyMap, resource.uses.as_slice()),
            _ if !resource.accepts.is_empty() => return Ok(resource),
            _ => return Err(ChoiceError::NoFilter(resource.id.clone())),
        };
        self.resources
            .iter()
            .find(|other| {
                let has = |wanted: &Arc<CostType>| {
                    let offered = |own: &Arc<CostType>| {
                        own.metric == wanted.metric && own.mode == wanted.mode
                    };
                    other.cost_types.iter().any(offered)
                };
                other.kind == kind
                    && maps.iter().all(|map| other.uses.contains(map))
                    && resource.cost_types.iter().all(has)
            })
            .ok_or_else(|| ChoiceError::NoFilter(resource.id.clone()))
    }

    /// The resources to watch: those named, or the default network map with what is made from it and needs no question.
    ///
    /// # Errors
    /// [`ChoiceError::Unknown`].
    pub fn to_watch<'a>(&'a self, ids: &[String]) -> Result<Vec<&'a Resource>, ChoiceError> {
        if ids.is_empty() {
            let fetched = |resource: &&Resource| {
                resource.accepts.is_empty()
                    && resource.kind != Kind::Directory
                    && self.is_of_default(resource)
            };
            return Ok(self.resources.iter().filter(fetched).collect());
        }
        let wish = |id| Wish {
            id: Some(id),
            ..Wish::default()
        };
        ids.iter().map(|id| self.choose(&wish(id))).collect()
    }

    fn is_of_default(&self, resource: &Resource) -> bool {
        self.default_map
            .as_ref()
            .is_some_and(|map| resource.id == *map || resource.uses.contains(map))
    }
}

impl Resource {
    /// The cost type of the metric in the mode (by default the numerical one, else any): by metric, by the metric with its default
    /// operator spelled out or left out (RFC 9439 §3.2), or by its name in the directory.
    pub fn cost_type(&self, metric: &str, mode: Option<&str>) -> Option<&CostType> {
        let of = |mode: Option<&str>, same: &dyn Fn(&CostType) -> bool| {
            self.cost_types
                .iter()
                .map(Arc::as_ref)
                .find(|own| mode.is_none_or(|mode| own.mode == mode) && same(own))
        };
        let by_metric = |mode| {
            of(mode, &|own| own.metric == metric)
                .or_else(|| of(mode, &|own| explicit(&own.metric) == explicit(metric)))
        };
        by_metric(mode.or(Some("numerical")))
            .or_else(|| of(mode, &|own| own.name == metric))
            .or_else(|| by_metric(mode))
    }
}

/// A registered metric with its statistical operator, which may be left out where it is the default (RFC 9439 §3.2).
fn explicit(metric: &str) -> String {
    let operator = match metric {
        "delay-ow" | "delay-rt" | "delay-variation" | "lossrate" | "hopcount" | "tput" => "median",
        "bw-residual" | "bw-available" => "cur",
        _ => return metric.to_owned(),
    };
    format!("{metric}:{operator}")
}

/// Some of many names.
fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const MOST: usize = 20;
    let mut names: Vec<String> = names.map(printable).collect();
    names.sort();
    names.dedup();
    let more = names.len().saturating_sub(MOST);
    names.truncate(MOST);
    let listed = names.join(", ");
    match (listed.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (_, 0) => listed,
        (_, more) => format!("{listed} and {more} more"),
    }
}
