//! MMDB files. Two families are in use: records of nested maps, as `MaxMind` makes them, and flat ones.

use super::PlaceError;
use maxminddb::{LookupResult, PathElement, Reader, WithinOptions, path};
use serde::Deserialize;
use std::net::IpAddr;
use std::path::Path;

/// Records that are read to see what a file is.
const SAMPLE: usize = 4_096;
/// Longest label that is made of a record; a name of a region is never longer.
const LONGEST: usize = 64;

/// What a file is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The autonomous system.
    System,
    /// Country and region.
    Region,
}

impl Kind {
    fn wanted(self) -> &'static str {
        match self {
            Self::System => "autonomous system number",
            Self::Region => "country",
        }
    }
}

type Record<'a> = LookupResult<'a, Vec<u8>>;

/// A file in memory.
pub(super) struct Database {
    reader: Reader<Vec<u8>>,
    kind: Kind,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database")
            .field("kind", &self.kind)
            .field("type", &self.reader.metadata().database_type)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// Reads a file and some of its records.
    pub(super) fn open(path: &Path, kind: Kind) -> Result<Self, PlaceError> {
        let bytes = std::fs::read(path).map_err(|source| PlaceError::Io {
            path: path.to_owned(),
            source,
        })?;
        let damaged = |error: maxminddb::MaxMindDbError| PlaceError::Database {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let reader = Reader::from_source(bytes).map_err(damaged)?;
        let database = Self { reader, kind };
        let options = WithinOptions::default();
        let mut records = database.reader.networks(options).map_err(damaged)?;
        let mut known = false;
        for record in records.by_ref().take(SAMPLE) {
            let record = record.map_err(damaged)?;
            record.decode::<serde::de::IgnoredAny>().map_err(damaged)?;
            known |= database.of(&record).is_some();
        }
        if !known {
            return Err(PlaceError::Foreign {
                path: path.to_owned(),
                kind: database.reader.metadata().database_type.clone(),
                wanted: kind.wanted(),
            });
        }
        let built = i64::try_from(database.reader.metadata().build_epoch).unwrap_or(i64::MAX);
        let built = glimpse_alto::rfc3339(built.saturating_mul(1_000_000));
        tracing::info!(path = %path.display(), built, "{} of addresses", kind.wanted());
        Ok(database)
    }

    /// The label of an address, if the file has one.
    pub(super) fn label(&self, address: IpAddr) -> Option<String> {
        self.of(&self.reader.lookup(address).ok()?)
    }

    fn of(&self, record: &Record<'_>) -> Option<String> {
        match self.kind {
            Kind::System => system(record),
            Kind::Region => region(record),
        }
    }
}

/// A value of a record; what has another type is not there.
fn get<'a, T: Deserialize<'a>>(record: &Record<'a>, path: &[PathElement<'_>]) -> Option<T> {
    record.decode_path(path).ok().flatten()
}

fn system(record: &Record<'_>) -> Option<String> {
    let number = number(record, &path!["autonomous_system_number"])
        .or_else(|| number(record, &path!["asn"]))
        .or_else(|| {
            let text: &str = get(record, &path!["asn"])?;
            let digits = text.trim_start_matches(['A', 'a', 'S', 's']);
            digits.parse().ok()
        });
    let number = number.filter(|number| *number != 0)?;
    Some(format!("as{number}"))
}

/// A number of whatever width its maker gave it.
fn number(record: &Record<'_>, path: &[PathElement<'_>]) -> Option<u32> {
    get(record, path)
        .or_else(|| get::<u16>(record, path).map(u32::from))
        .or_else(|| u32::try_from(get::<u64>(record, path)?).ok())
}

fn region(record: &Record<'_>) -> Option<String> {
    let country: &str = get(record, &path!["country", "iso_code"])
        .or_else(|| get(record, &path!["country_code"]))
        .or_else(|| get(record, &path!["country"]))?;
    if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let country = country.to_ascii_lowercase();
    let code = get(record, &path!["subdivisions", 0, "iso_code"]);
    let name = || {
        get(record, &path!["state1"])
            .or_else(|| get(record, &path!["subdivisions", 0, "names", "en"]))
    };
    let part = match code {
        Some(code) => slug(code),
        None => slug(name().map_or("", |name| code_of(&country, name))),
    };
    if part.is_empty() {
        return Some(country);
    }
    Some(format!("{country}-{part}"))
}

/// Letters and digits in lower case, a dash for whatever is between them.
fn slug(name: &str) -> String {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    let mut slug = words.join("-");
    slug.truncate(LONGEST);
    slug
}

/// The code of a region that is given by its name, so that files of both families give one label; the name where no code
/// is known.
fn code_of<'a>(country: &str, name: &'a str) -> &'a str {
    if country != "us" {
        return name;
    }
    STATES
        .iter()
        .find(|(_, state)| state.eq_ignore_ascii_case(name))
        .map_or(name, |(code, _)| *code)
}

/// States, districts and territories of the United States (ISO 3166-2:US).
const STATES: [(&str, &str); 57] = [
    ("AL", "Alabama"),
    ("AK", "Alaska"),
    ("AS", "American Samoa"),
    ("AZ", "Arizona"),
    ("AR", "Arkansas"),
    ("CA", "California"),
    ("CO", "Colorado"),
    ("CT", "Connecticut"),
    ("DE", "Delaware"),
    ("DC", "District of Columbia"),
    ("DC", "Washington, D.C."),
    ("FL", "Florida"),
    ("GA", "Georgia"),
    ("GU", "Guam"),
    ("HI", "Hawaii"),
    ("ID", "Idaho"),
    ("IL", "Illinois"),
    ("IN", "Indiana"),
    ("IA", "Iowa"),
    ("KS", "Kansas"),
    ("KY", "Kentucky"),
    ("LA", "Louisiana"),
    ("ME", "Maine"),
    ("MD", "Maryland"),
    ("MA", "Massachusetts"),
    ("MI", "Michigan"),
    ("MN", "Minnesota"),
    ("MS", "Mississippi"),
    ("MO", "Missouri"),
    ("MT", "Montana"),
    ("NE", "Nebraska"),
    ("NV", "Nevada"),
    ("NH", "New Hampshire"),
    ("NJ", "New Jersey"),
    ("NM", "New Mexico"),
    ("NY", "New York"),
    ("NC", "North Carolina"),
    ("ND", "North Dakota"),
    ("MP", "Northern Mariana Islands"),
    ("OH", "Ohio"),
    ("OK", "Oklahoma"),
    ("OR", "Oregon"),
    ("PA", "Pennsylvania"),
    ("PR", "Puerto Rico"),
    ("RI", "Rhode Island"),
    ("SC", "South Carolina"),
    ("SD", "South Dakota"),
    ("TN", "Tennessee"),
    ("TX", "Texas"),
    ("UT", "Utah"),
    ("VT", "Vermont"),
    ("VI", "U.S. Virgin Islands"),
    ("VA", "Virginia"),
    ("WA", "Washington"),
    ("WV", "West Virginia"),
    ("WI", "Wisconsin"),
    ("WY", "Wyoming"),
];
