//! Regions on a map (RFC 7946).

use super::{File, ReleaseError, unit};
use glimpse_alto::{Edition, PidName, rfc3339};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// The property of a PID that names its region.
const REGION: &str = ".priv:glimpse-region";
const MEDIA_TYPE: &str = "application/geo+json";
/// The geometries of RFC 7946 §3.1.
const GEOMETRIES: [&str; 7] = [
    "Point",
    "MultiPoint",
    "LineString",
    "MultiLineString",
    "Polygon",
    "MultiPolygon",
    "GeometryCollection",
];

/// Why a geography cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GeographyError {
    /// It is no JSON.
    #[error("it is no JSON: {0}")]
    Json(String),
    /// It is another kind of document.
    #[error("it is no FeatureCollection of GeoJSON (RFC 7946 §3.3)")]
    Collection,
    /// A feature that belongs to no region.
    #[error(
        "feature {0} (from 0) names no region: give it an id, or a property `region`, with the label of the region"
    )]
    Region(usize),
    /// A feature that is nowhere.
    #[error("feature {0} (from 0): its geometry is none of RFC 7946 §3.1")]
    Geometry(usize),
    /// A region that is in two places.
    #[error("region {0:?} has two features")]
    Twice(String),
}

/// Where regions are: geometries by the labels of regions, given by the operator.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Geography {
    regions: BTreeMap<String, Value>,
}

impl Geography {
    /// Reads a `FeatureCollection`: the region of a feature is its property `region`, else its `id`.
    ///
    /// # Errors
    /// [`GeographyError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, GeographyError> {
        let document: Value = serde_json::from_slice(bytes)
            .map_err(|error| GeographyError::Json(error.to_string()))?;
        if document.get("type").and_then(Value::as_str) != Some("FeatureCollection") {
            return Err(GeographyError::Collection);
        }
        let features = document
            .get("features")
            .and_then(Value::as_array)
            .ok_or(GeographyError::Collection)?;
        let mut regions = BTreeMap::new();
        for (index, feature) in features.iter().enumerate() {
            let named = feature
                .get("properties")
                .and_then(|properties| properties.get("region"))
                .or_else(|| feature.get("id"));
            let region = named
                .and_then(Value::as_str)
                .ok_or(GeographyError::Region(index))?;
            let geometry = feature.get("geometry").unwrap_or(&Value::Null);
            if !is_geometry(geometry) {
                return Err(GeographyError::Geometry(index));
            }
            if regions
                .insert(region.to_owned(), geometry.clone())
                .is_some()
            {
                return Err(GeographyError::Twice(region.to_owned()));
            }
        }
        Ok(Self { regions })
    }

    /// Where a region is; null where it is not known, which RFC 7946 §3.2 allows.
    fn geometry(&self, region: &str) -> Value {
        self.regions.get(region).cloned().unwrap_or_default()
    }
}

fn is_geometry(value: &Value) -> bool {
    let known = |name: &str| GEOMETRIES.contains(&name);
    value.is_null()
        || (value.get("type").and_then(Value::as_str).is_some_and(known)
            && ["coordinates", "geometries"]
                .iter()
                .any(|member| value.get(*member).is_some_and(Value::is_array)))
}

/// A feature for each PID that has a region. Its figures are those towards TOTAL and from TOTAL, as flat properties
/// (`delay-rt_to_TOTAL`), which programs for maps can colour by; the units stand beside the features.
pub(super) fn file(edition: &Edition, geography: Option<&Geography>) -> Result<File, ReleaseError> {
    let total = PidName::total();
    let units: BTreeMap<&str, &str> = edition
        .columns
        .iter()
        .map(|column| (column.name.as_str(), unit(&column.metric)))
        .collect();
    let mut features = Vec::new();
    for (pid, properties) in &edition.properties {
        let Some(region) = properties.get(REGION).filter(|_| edition.map.contains(pid)) else {
            continue;
        };
        let mut shown = Map::from_iter([("pid".to_owned(), json!(pid))]);
        for (name, value) in properties {
            let name = name.trim_start_matches('.');
            let name = name.strip_prefix("priv:glimpse-").unwrap_or(name);
            shown.insert(name.to_owned(), json!(value));
        }
        for column in &edition.columns {
            let pairs = [("to", pid, &total), ("from", &total, pid)];
            for (word, source, destination) in pairs {
                if let Some(cost) = column.costs.cost(source, destination) {
                    let name = format!("{}_{word}_{total}", column.name);
                    shown.insert(name, serde_json::to_value(cost)?);
                }
            }
        }
        let geometry = geography.map_or(Value::Null, |geography| geography.geometry(region));
        features
            .push(json!({"type": "Feature", "id": pid, "geometry": geometry, "properties": shown}));
    }
    let provenance = &edition.provenance;
    let collection = json!({
        "type": "FeatureCollection",
        "features": features,
        "network-map": edition.id,
        "units": units,
        "window": {"start": rfc3339(provenance.window_start_us), "end": rfc3339(provenance.window_end_us)},
    });
    Ok(File {
        path: format!("{}.geojson", edition.id),
        media_type: MEDIA_TYPE,
        bytes: serde_json::to_vec(&collection)?,
    })
}
