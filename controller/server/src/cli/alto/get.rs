//! `alto get` and `alto ecs`.

use super::super::CliError;
use super::super::output::Output;
use super::server::{Server, print, table};
use crate::alto::client::choice::Wish;
use crate::alto::client::directory::{Directories, Kind, Resource};
use crate::alto::client::printable;
use crate::alto::client::question::{Filter, question};
use clap::{Args, ValueEnum};
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Get {
    #[command(flatten)]
    server: Server,
    /// Id of the resource to fetch.
    #[arg(long, value_name = "ID")]
    resource: Option<String>,
    /// Fetch what is of this type, of the default network map first.
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Type>,
    /// Fetch what has this metric (or cost type name); several are asked for together.
    #[arg(long = "metric", value_name = "METRIC")]
    metrics: Vec<String>,
    /// Mode of the metrics: numerical (the default), ordinal, or another of the server's.
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Narrow the answer, as name=value; may be given several times. Network maps: pid, address-type. Cost maps: src, dst,
    /// constraint ("le 20000"), or-constraint ("[0] ge 5,[0] le 10"), calendar (true). Property maps: entity, property.
    /// Endpoint properties: endpoint, property.
    #[arg(long = "filter", value_name = "NAME=VALUE")]
    filters: Vec<String>,
}

/// Types of resources by the words of their users.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Type {
    NetworkMap,
    FilteredNetworkMap,
    CostMap,
    FilteredCostMap,
    EndpointProperty,
    EndpointCost,
    PropertyMap,
    FilteredPropertyMap,
}

impl From<Type> for Kind {
    fn from(word: Type) -> Self {
        match word {
            Type::NetworkMap => Self::NetworkMap,
            Type::FilteredNetworkMap => Self::FilteredNetworkMap,
            Type::CostMap => Self::CostMap,
            Type::FilteredCostMap => Self::FilteredCostMap,
            Type::EndpointProperty => Self::EndpointProperty,
            Type::EndpointCost => Self::EndpointCost,
            Type::PropertyMap => Self::PropertyMap,
            Type::FilteredPropertyMap => Self::FilteredPropertyMap,
        }
    }
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Ecs {
    #[command(flatten)]
    server: Server,
    /// Source endpoint, an address of IPv4 or IPv6; without any, this machine as the server sees it.
    #[arg(long = "from", value_name = "ADDRESS")]
    from: Vec<String>,
    /// Destination endpoint; without any, this machine as the server sees it.
    #[arg(long = "to", value_name = "ADDRESS")]
    to: Vec<String>,
    /// Metric (or cost type name); several are asked for together [default: routingcost].
    #[arg(long = "metric", value_name = "METRIC")]
    metrics: Vec<String>,
    /// Mode of the metrics: numerical (the default), ordinal, or another of the server's.
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Only pairs for which this holds, such as "le 20000"; all of several must hold.
    #[arg(long = "constraint", value_name = "CONSTRAINT")]
    constraints: Vec<String>,
    /// Id of the endpoint cost resource, where a server has several.
    #[arg(long, value_name = "ID")]
    resource: Option<String>,
}

impl Get {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let filter = Filter::new(&self.filters)?;
        let known = self.server.read(output).await?;
        let directories = &known.directories;
        let is_listing = self.resource.is_none()
            && self.kind.is_none()
            && self.metrics.is_empty()
            && filter.is_empty();
        if is_listing {
            return list(directories, output);
        }
        let resource = self.choose(directories, &filter)?;
        let fetched = resource.accepts.is_empty();
        let body = if fetched {
            None
        } else {
            Some(question(
                resource,
                &self.asked(directories, resource),
                self.mode.as_deref(),
                &filter,
            )?)
        };
        let reading = known.answer(resource, body.as_ref(), output).await?;
        print(&reading, output)
    }

    /// The resource wished for; where there is a filter, the one that filters it.
    fn choose<'a>(
        &self,
        directories: &'a Directories,
        filter: &Filter,
    ) -> Result<&'a Resource, CliError> {
        let kind = match (self.kind, &self.resource) {
            (Some(kind), _) => Some(kind.into()),
            (None, Some(_)) => None,
            // Several metrics at once are asked for, never fetched (RFC 8189 §4.1).
            (None, None) if self.metrics.len() > 1 => Some(Kind::FilteredCostMap),
            (None, None) if self.metrics.is_empty() => Some(Kind::NetworkMap),
            (None, None) => Some(Kind::CostMap),
        };
        let wish = Wish {
            id: self.resource.as_deref(),
            kind,
            metrics: &self.metrics,
            mode: self.mode.as_deref(),
        };
        let chosen = match directories.choose(&wish) {
            // What cannot be fetched may still be asked for.
            Err(_) if kind == Some(Kind::CostMap) && self.kind.is_none() => {
                directories.choose(&Wish {
                    kind: Some(Kind::FilteredCostMap),
                    ..wish
                })?
            }
            chosen => chosen?,
        };
        if filter.is_empty() {
            Ok(chosen)
        } else {
            Ok(directories.filtering(chosen)?)
        }
    }

    /// The metrics to ask for: those named, or that of the cost map which is to be filtered.
    fn asked(&self, directories: &Directories, resource: &Resource) -> Vec<String> {
        let named = directories
            .resources
            .iter()
            .find(|other| Some(&other.id) == self.resource.as_ref());
        match named {
            Some(named) if self.metrics.is_empty() && named.id != resource.id => named
                .cost_types
                .iter()
                .map(|cost_type| cost_type.metric.clone())
                .collect(),
            _ => self.metrics.clone(),
        }
    }
}

impl Ecs {
    pub(super) async fn run(self, output: &mut Output<'_>) -> Result<(), CliError> {
        let mut filter = Filter::default();
        for (name, values) in [
            ("src", self.from),
            ("dst", self.to),
            ("constraint", self.constraints),
        ] {
            for value in values {
                filter.add(name, value);
            }
        }
        let metrics = if self.metrics.is_empty() {
            vec!["routingcost".to_owned()]
        } else {
            self.metrics
        };
        let known = self.server.read(output).await?;
        let resource = known.directories.choose(&Wish {
            id: self.resource.as_deref(),
            kind: Some(Kind::EndpointCost),
            metrics: &metrics,
            mode: self.mode.as_deref(),
        })?;
        let body = question(resource, &metrics, self.mode.as_deref(), &filter)?;
        let reading = known.answer(resource, Some(&body), output).await?;
        print(&reading, output)
    }
}

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    uri: &'a str,
    kind: &'static str,
    media_type: &'a str,
    accepts: &'a [String],
    uses: &'a [String],
    cost_types: Vec<Shown<'a>>,
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    metric: &'a str,
    mode: &'a str,
}

fn list(directories: &Directories, output: &mut Output<'_>) -> Result<(), CliError> {
    if output.json {
        let rows: Vec<Row<'_>> = directories.resources.iter().map(row).collect();
        return Ok(output.json(&rows)?);
    }
    if let Some(map) = &directories.default_map {
        writeln!(output.err, "default network map: {}", printable(map))?;
    }
    let header = ["ID", "TYPE", "USES", "METRICS"].map(str::to_owned);
    let rows: Vec<Vec<String>> = directories.resources.iter().map(cells).collect();
    Ok(table(output.out, &header, &rows)?)
}

fn row(resource: &Resource) -> Row<'_> {
    let shown = resource.cost_types.iter().map(|cost_type| Shown {
        name: &cost_type.name,
        metric: &cost_type.metric,
        mode: &cost_type.mode,
    });
    Row {
        id: &resource.id,
        uri: resource.url.as_str(),
        kind: resource.kind.name(),
        media_type: &resource.media_type,
        accepts: &resource.accepts,
        uses: &resource.uses,
        cost_types: shown.collect(),
    }
}

fn cells(resource: &Resource) -> Vec<String> {
    const MOST: usize = 3;
    let few = |names: Vec<&str>| {
        let more = names.len().saturating_sub(MOST);
        let mut shown: Vec<String> = names.into_iter().take(MOST).map(printable).collect();
        if more > 0 {
            shown.push(format!("and {more} more"));
        }
        shown.join(", ")
    };
    let mut metrics: Vec<&str> = resource
        .cost_types
        .iter()
        .map(|cost_type| cost_type.metric.as_str())
        .collect();
    metrics.dedup();
    vec![
        printable(&resource.id),
        resource.kind.name().to_owned(),
        few(resource.uses.iter().map(String::as_str).collect()),
        few(metrics),
    ]
}
