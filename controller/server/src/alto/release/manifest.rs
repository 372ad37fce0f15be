//! What a release says of itself.

use super::{File, Order, ReleaseError, Window, unit};
use glimpse_aggregate::{Reason, Trust};
use glimpse_alto::{Edition, rfc3339};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Its file.
pub const MANIFEST: &str = "manifest.json";
const SOFTWARE: &str = env!("CARGO_PKG_NAME");

/// What of a manifest matters to whoever writes the next release to the same directory.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
pub struct Progress {
    software: Software,
    /// False while files are being written.
    #[serde(default = "yes")]
    complete: bool,
    files: Vec<Named>,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Software {
    name: String,
    version: String,
}

#[derive(Clone, Debug, Serialize, Deserialize, PartialEq, Eq)]
struct Named {
    path: String,
}

fn yes() -> bool {
    true
}

impl Software {
    fn own() -> Self {
        Self {
            name: SOFTWARE.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl Progress {
    /// Reads the manifest of an earlier release; `None` if it is not one of ours.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let read: Self = serde_json::from_slice(bytes).ok()?;
        (read.software.name == SOFTWARE).then_some(read)
    }

    /// That a release is being written: these files, and those of an earlier one, may be there.
    pub fn begun(files: &[File], earlier: &[String]) -> Self {
        let mut paths: Vec<&str> = files
            .iter()
            .map(|file| file.path.as_str())
            .chain(earlier.iter().map(String::as_str))
            .collect();
        paths.sort_unstable();
        paths.dedup();
        let named = |path: &str| Named {
            path: path.to_owned(),
        };
        Self {
            software: Software::own(),
            complete: false,
            files: paths.into_iter().map(named).collect(),
        }
    }

    /// The files it names that lie below its directory; names that lead elsewhere are none of ours.
    pub fn files(&self) -> Vec<String> {
        let inside = |path: &str| {
            !path.is_empty()
                && path
                    .split('/')
                    .all(|part| !part.is_empty() && part != "." && part != "..")
                && !path.contains(['\\', '\0'])
        };
        let paths = self.files.iter().map(|file| &file.path);
        paths.filter(|path| inside(path)).cloned().collect()
    }
}

/// The document.
#[derive(Serialize)]
pub(super) struct Manifest {
    schema: u32,
    software: Software,
    format: &'static str,
    month: Option<String>,
    windows: Vec<Entry>,
    files: Vec<Hashed>,
}

#[derive(Serialize)]
struct Entry {
    span: &'static str,
    start: String,
    end: String,
    version: usize,
    newest_measurement: Option<String>,
    anonymity: Anonymity,
    filters: Filters,
    filtered: Filtered,
    network_maps: Vec<NetworkMap>,
}

/// The smallest group, or that there is no rule.
#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Anonymity {
    K(usize),
    Lab(bool),
}

/// Beyond these a result was not counted; all versions of a window have the filters of its first.
#[derive(Serialize)]
struct Filters {
    cpu_percent: u32,
    cross_traffic_bps: u64,
    wifi_dbm: i32,
    clock_offset_us: u64,
}

/// Results that were not counted; null where fewer than k subscribers had such.
#[derive(Serialize)]
struct Filtered {
    subscribers: usize,
    results: BTreeMap<&'static str, Option<u64>>,
}

#[derive(Serialize)]
struct NetworkMap {
    id: String,
    tag: String,
    pids: usize,
    aggregation: String,
    method: String,
    samples: u64,
    subscribers: u64,
    columns: Vec<Column>,
}

#[derive(Serialize)]
struct Column {
    cost_type: String,
    metric: String,
    unit: &'static str,
    description: String,
    cells: usize,
    samples: u64,
    subscribers: u64,
}

#[derive(Serialize)]
struct Hashed {
    path: String,
    media_type: &'static str,
    bytes: usize,
    sha256: String,
}

impl Manifest {
    /// The manifest before its files are known.
    pub(super) fn new(windows: &[Window], order: &Order<'_>) -> Self {
        Self {
            schema: 1,
            software: Software::own(),
            format: order.format.name(),
            month: order.month.map(|month| month.to_string()),
            windows: windows.iter().map(entry).collect(),
            files: Vec::new(),
        }
    }

    /// The file, once the others are there.
    pub(super) fn file(mut self, files: &[File]) -> Result<File, ReleaseError> {
        self.files = files
            .iter()
            .map(|file| Hashed {
                path: file.path.clone(),
                media_type: file.media_type,
                bytes: file.bytes.len(),
                sha256: sha256(&file.bytes),
            })
            .collect();
        let mut bytes = serde_json::to_vec_pretty(&self)?;
        bytes.push(b'\n');
        Ok(File {
            path: MANIFEST.to_owned(),
            media_type: "application/json",
            bytes,
        })
    }
}

fn sha256(bytes: &[u8]) -> String {
    let mut hex = String::new();
    for byte in Sha256::digest(bytes) {
        // A string takes everything.
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

impl Filters {
    fn of(trust: Trust) -> Self {
        Self {
            cpu_percent: trust.cpu_percent,
            cross_traffic_bps: trust.cross_traffic_bps,
            wifi_dbm: trust.wifi_dbm,
            clock_offset_us: trust.clock_offset_us,
        }
    }
}

fn entry(window: &Window) -> Entry {
    let public = &window.public;
    let k = public.k();
    let filtered = public.filtered();
    Entry {
        span: window.span.name(),
        start: rfc3339(public.window().start_us()),
        end: rfc3339(public.window().end_us()),
        version: public.version(),
        newest_measurement: public.newest_us().map(rfc3339),
        anonymity: if k.is_lab() {
            Anonymity::Lab(true)
        } else {
            Anonymity::K(k.subscribers())
        },
        filters: Filters::of(public.trust()),
        filtered: Filtered {
            subscribers: filtered.subscribers(),
            results: Reason::ALL
                .into_iter()
                .map(|reason| (reason.name(), filtered.results(reason)))
                .collect(),
        },
        network_maps: window
            .editions
            .iter()
            .map(|shelved| network_map(&shelved.edition))
            .collect(),
    }
}

fn network_map(edition: &Edition) -> NetworkMap {
    let provenance = &edition.provenance;
    NetworkMap {
        id: edition.id.to_string(),
        tag: edition.vtag().tag.as_str().to_owned(),
        pids: edition.map.pids().count(),
        aggregation: provenance.aggregation.clone(),
        method: provenance.method.clone(),
        samples: provenance.samples,
        subscribers: provenance.subscribers,
        columns: edition
            .columns
            .iter()
            .map(|column| Column {
                cost_type: column.name.clone(),
                metric: column.metric.to_string(),
                unit: unit(&column.metric),
                description: column.description.clone(),
                cells: column.costs.len(),
                samples: column.samples,
                subscribers: column.subscribers,
            })
            .collect(),
    }
}
