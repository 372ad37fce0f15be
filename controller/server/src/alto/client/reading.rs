//! Answers as rows for people.

use super::directory::{CostType, Kind, cost_type};
use super::{DocumentError, Versions, json, object, printable};
use serde_json::{Map, Value};

/// An answer that was understood.
#[derive(Clone, Debug, PartialEq)]
pub struct Reading {
    /// The document as it came.
    pub document: Value,
    /// Its versions.
    pub versions: Versions,
    /// The columns.
    pub header: Vec<String>,
    /// The rows; no cell holds a control character.
    pub rows: Vec<Vec<String>>,
}

impl Reading {
    /// Reads an answer of a resource of this kind that takes at most `most` bytes of memory.
    ///
    /// # Errors
    /// [`DocumentError`] if the member with the data is not what it must be.
    pub fn new(kind: Kind, body: &[u8], most: usize) -> Result<Self, DocumentError> {
        let document = json(body, most)?;
        let (header, rows) = match data_member(kind) {
            Some(member) => {
                let data = object(&document, member)?;
                match kind {
                    Kind::NetworkMap | Kind::FilteredNetworkMap => network_map(data),
                    Kind::EndpointProperty | Kind::PropertyMap | Kind::FilteredPropertyMap => {
                        properties(data)
                    }
                    _ => costs(&document, data),
                }
            }
            None => (Vec::new(), Vec::new()),
        };
        Ok(Self {
            versions: Versions::of(&document),
            header,
            rows,
            document,
        })
    }
}

/// The member that holds the data of a kind of resource; `None` for those whose data are not shown as rows.
pub fn data_member(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::NetworkMap | Kind::FilteredNetworkMap => Some("network-map"),
        Kind::CostMap | Kind::FilteredCostMap => Some("cost-map"),
        Kind::EndpointCost => Some("endpoint-cost-map"),
        Kind::EndpointProperty => Some("endpoint-properties"),
        Kind::PropertyMap | Kind::FilteredPropertyMap => Some("property-map"),
        Kind::Directory | Kind::UpdateStream | Kind::Other => None,
    }
}

/// Columns of costs that are shown. Each is in every row: what is said once must not be paid for with every pair.
const MOST_COLUMNS: usize = 100;

type Table = (Vec<String>, Vec<Vec<String>>);

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn network_map(data: &Map<String, Value>) -> Table {
    let mut rows = Vec::new();
    for (pid, families) in data {
        let before = rows.len();
        for (family, prefixes) in families.as_object().into_iter().flatten() {
            for prefix in super::strings(Some(prefixes)) {
                rows.push(vec![printable(pid), printable(family), printable(&prefix)]);
            }
        }
        if rows.len() == before {
            rows.push(vec![printable(pid), "-".to_owned(), "-".to_owned()]);
        }
    }
    (header(&["PID", "TYPE", "PREFIX"]), rows)
}

fn properties(data: &Map<String, Value>) -> Table {
    let mut rows = Vec::new();
    for (entity, values) in data {
        let before = rows.len();
        for (property, value) in values.as_object().into_iter().flatten() {
            rows.push(vec![printable(entity), printable(property), shown(value)]);
        }
        if rows.len() == before {
            rows.push(vec![printable(entity), "-".to_owned(), "-".to_owned()]);
        }
    }
    (header(&["ENTITY", "PROPERTY", "VALUE"]), rows)
}

fn costs(document: &Value, data: &Map<String, Value>) -> Table {
    let (types, is_multi) = answered(document);
    let mut names = header(&["SOURCE", "DESTINATION"]);
    names.extend(types.iter().map(heading));
    let mut rows = Vec::new();
    for (source, destinations) in data {
        for (destination, cell) in destinations.as_object().into_iter().flatten() {
            let mut row = vec![printable(source), printable(destination)];
            match cell {
                Value::Array(values) if is_multi => {
                    row.extend(values.iter().take(types.len()).map(shown));
                }
                single => row.push(shown(single)),
            }
            row.resize(names.len(), String::new());
            rows.push(row);
        }
    }
    (names, rows)
}

/// The cost types an answer is about, and whether its cells are lists of them (RFC 8189 §4.1.3).
fn answered(document: &Value) -> (Vec<CostType>, bool) {
    let meta = document.get("meta");
    let member = |name: &str| meta.and_then(|meta| meta.get(name));
    let several = member("multi-cost-types").and_then(Value::as_array);
    match several {
        Some(several) => (
            several
                .iter()
                .filter_map(|value| cost_type("", value))
                .take(MOST_COLUMNS)
                .collect(),
            true,
        ),
        None => (
            member("cost-type")
                .and_then(|value| cost_type("", value))
                .into_iter()
                .collect(),
            false,
        ),
    }
}

fn heading(cost_type: &CostType) -> String {
    let metric = printable(&cost_type.metric);
    if cost_type.mode != "numerical" {
        return format!("{metric} ({})", printable(&cost_type.mode));
    }
    match unit(&cost_type.metric) {
        Some(unit) => format!("{metric} [{unit}]"),
        None => metric,
    }
}

/// The unit of a registered metric (RFC 9439 §4, §5); others have none that a client can know.
pub fn unit(metric: &str) -> Option<&'static str> {
    let (base, operator) = metric.split_once(':').unwrap_or((metric, ""));
    let unit = match base {
        "delay-ow" | "delay-rt" | "delay-variation" => "us",
        "lossrate" => "%",
        "hopcount" => "hops",
        "tput" | "bw-residual" | "bw-available" => "byte/s",
        _ => return None,
    };
    // A variance is in squares.
    (operator != "stdvar").then_some(unit)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => printable(text),
        Value::Null => "-".to_owned(),
        Value::Array(values) => values.iter().map(shown).collect::<Vec<_>>().join(" "),
        other => printable(&other.to_string()),
    }
}
