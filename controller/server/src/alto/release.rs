//! A release: what is published as files, for regulators and for any static web server.
//!
//! ```text
//! Edition… ──▶ alto:    index.json, networkmap/nm, costmap/nm/delay-rt, archive/index.json, …
//!          ├─▶ csv:     nm.csv, nm.calendars.csv, nm.pids.csv
//!          └─▶ geojson: nm.geojson (with the operator's geography)
//!                                                       + manifest.json (SHA-256 of each file)
//! ```
//! - It is made of the publications that are stored; nothing is computed anew. Equal ones give equal bytes: no clock, no names of
//!   machines, everything in the order of names.
//! - Every path is the resource's URI, relative to the first directory. A directory is the file `index.json` in its folder, and a link
//!   to a folder names that file, so that servers which know no index files serve it too.
//! - A static server takes no questions: what is asked by POST is left out, the directories list what is there. So no endpoint
//!   property resource offers `pid` (RFC 7285 §11.4.1.4 demands one of a server); clients look addresses up in the network map. All
//!   columns are cost maps of their own here, those too that a running server gives only as part of filtered maps.

mod csv;
mod geojson;
mod manifest;
mod site;
mod stored;
#[cfg(test)]
mod tests;

pub use geojson::{Geography, GeographyError};
pub use manifest::{MANIFEST, Progress};
pub(crate) use stored::stored;

use glimpse_aggregate::{Public, Span};
use glimpse_alto::{CostMetric, PublicationError, Shelf, Shelved};
use glimpse_model::time::{Month, Timestamp};

/// How figures are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// ALTO documents (RFC 7285), as a server publishes them.
    Alto,
    /// Comma-separated values (RFC 4180): one row for each cell, with its unit.
    Csv,
    /// A map of regions (RFC 7946), with figures towards and from TOTAL.
    Geojson,
}

impl Format {
    fn name(self) -> &'static str {
        match self {
            Self::Alto => "alto",
            Self::Csv => "csv",
            Self::Geojson => "geojson",
        }
    }
}

/// A window that was published.
#[derive(Clone, Debug)]
pub struct Window {
    /// Which kind of window it is.
    pub span: Span,
    /// What was published of it.
    pub public: Public,
    /// Its maps, and where they stand.
    pub editions: Vec<Shelved>,
}

impl Window {
    /// Windows with the maps that are of them.
    pub fn all(shown: Vec<(Span, Public)>, editions: Vec<Shelved>) -> Vec<Self> {
        let mut windows: Vec<Self> = shown
            .into_iter()
            .map(|(span, public)| Self {
                span,
                public,
                editions: Vec::new(),
            })
            .collect();
        for shelved in editions {
            let provenance = &shelved.edition.provenance;
            let of = (provenance.window_start_us, provenance.window_end_us);
            let same = windows.iter_mut().find(|window| {
                let own = window.public.window();
                (own.start_us(), own.end_us()) == of
            });
            if let Some(window) = same {
                window.editions.push(shelved);
            }
        }
        windows
    }
}

/// A file of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Path below the release's directory, with `/`.
    pub path: String,
    /// Its type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What a release is made of.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// How it is written.
    pub format: Format,
    /// Of this month only.
    pub month: Option<Month>,
    /// Where regions are, for [`Format::Geojson`].
    pub geography: Option<&'a Geography>,
}

/// Why there is no release.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// Nothing was published yet.
    #[error("nothing is published yet: maps are made when a window has closed")]
    Nothing,
    /// Not of that month.
    #[error("nothing is published of {month}; published are {known}")]
    NoMonth {
        /// The month.
        month: String,
        /// The months that are.
        known: String,
    },
    /// The maps do not fit together.
    #[error("{0}")]
    Publication(#[from] PublicationError),
    /// Our own types do not serialise.
    #[error("{0}")]
    Json(#[from] serde_json::Error),
}

/// All files of a release, by path; the last is the manifest.
///
/// # Errors
/// [`ReleaseError`].
pub fn release(windows: Vec<Window>, order: &Order<'_>) -> Result<Vec<File>, ReleaseError> {
    let mut windows = match order.month {
        Some(month) => of_month(windows, month)?,
        None => windows,
    };
    if windows.iter().all(|window| window.editions.is_empty()) {
        return Err(ReleaseError::Nothing);
    }
    for shelved in windows.iter_mut().flat_map(|window| &mut window.editions) {
        for column in &mut shelved.edition.columns {
            column.fetched = true;
        }
    }
    let manifest = manifest::Manifest::new(&windows, order);
    let editions = windows.iter().flat_map(|window| &window.editions);
    let mut files = match order.format {
        Format::Alto => site::files(editions.cloned().collect())?,
        Format::Csv => editions
            .flat_map(|shelved| csv::files(&shelved.edition))
            .collect(),
        Format::Geojson => editions
            .map(|shelved| geojson::file(&shelved.edition, order.geography))
            .collect::<Result<_, _>>()?,
    };
    files.sort_by(|one, other| one.path.cmp(&other.path));
    let manifest = manifest.file(&files)?;
    files.push(manifest);
    Ok(files)
}

/// The window of a month; it becomes the current one.
fn of_month(windows: Vec<Window>, month: Month) -> Result<Vec<Window>, ReleaseError> {
    let is_month = |window: &Window| window.span == Span::Month;
    let name = |window: &Window| {
        Timestamp::from_micros(window.public.window().start_us())
            .month()
            .to_string()
    };
    let wanted = month.to_string();
    let mut known: Vec<String> = windows.iter().filter(|w| is_month(w)).map(name).collect();
    known.sort();
    let mut chosen: Vec<Window> = windows
        .into_iter()
        .filter(|window| is_month(window) && name(window) == wanted)
        .collect();
    if chosen.is_empty() {
        return Err(ReleaseError::NoMonth {
            month: wanted,
            known: if known.is_empty() {
                "no months".to_owned()
            } else {
                known.join(", ")
            },
        });
    }
    for shelved in chosen.iter_mut().flat_map(|window| &mut window.editions) {
        shelved.shelf = Shelf::Current;
    }
    Ok(chosen)
}

/// The unit of a metric's numbers; empty where they have none.
fn unit(metric: &CostMetric) -> &'static str {
    let name = metric.as_str();
    if let Some(registered) = super::client::reading::unit(name) {
        return registered;
    }
    let own = name.strip_prefix("priv:glimpse-").unwrap_or_default();
    match own.split(':').next().unwrap_or_default() {
        "loss-rt" => "%",
        "delay-rt-tcp" | "pdv-rt" | "dns-rt" | "ci95-lo" | "ci95-hi" => "us",
        "tput-mt" | "ppt" | "dl" | "dl-mt" => "byte/s",
        "n" => "samples",
        "subs" => "subscribers",
        _ => "",
    }
}
