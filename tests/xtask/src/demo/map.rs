//! The published ALTO cost maps, as tables.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The default network map, on which the maps stand that are shown.
const NETWORK_MAP: &str = "nm";

/// What is shown of what was published.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Maps {
    /// Median round-trip times in microseconds, from provider and region to targets (RFC 9439 §4.2).
    pub(super) delay_rt: CostMap,
    /// Median throughput in bytes per second, from targets to provider and region: the source is who sends (RFC 9439 §4.4).
    pub(super) tput: CostMap,
}

/// A cost map: sources, destinations, costs in the unit of the metric.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct CostMap {
    rows: BTreeMap<String, BTreeMap<String, u64>>,
    tag: String,
}

impl CostMap {
    /// Whether nothing was published.
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Sources with their costs by destination.
    pub(super) fn rows(&self) -> impl Iterator<Item = (&str, &BTreeMap<String, u64>)> {
        self.rows
            .iter()
            .map(|(source, costs)| (source.as_str(), costs))
    }

    /// Every destination.
    pub(super) fn destinations(&self) -> BTreeSet<&str> {
        self.rows
            .values()
            .flat_map(|costs| costs.keys().map(String::as_str))
            .collect()
    }

    /// Tag of the network map that it stands on.
    pub(super) fn tag(&self) -> &str {
        &self.tag
    }
}

/// Finds the maps that are shown among the published files (RFC 7285 §11.2.3).
pub(super) fn read(folder: &Path) -> Result<Maps> {
    let mut maps = Maps {
        delay_rt: CostMap::default(),
        tput: CostMap::default(),
    };
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
            // Other published documents are no cost maps, and a compressed one is not even JSON.
            let Ok(document) = serde_json::from_slice::<Value>(&bytes) else {
                continue;
            };
            for (metric, shown) in [("delay-rt", &mut maps.delay_rt), ("tput", &mut maps.tput)] {
                if let Some(found) = costs(&document, metric) {
                    *shown = found;
                }
            }
        }
    }
    Ok(maps)
}

fn costs(document: &Value, metric: &str) -> Option<CostMap> {
    let meta = &document["meta"];
    let kind = &meta["cost-type"];
    let network_map = &meta["dependent-vtags"][0];
    if kind["cost-metric"] != metric
        || kind["cost-mode"] != "numerical"
        || network_map["resource-id"] != NETWORK_MAP
    {
        return None;
    }
    let rows = document["cost-map"]
        .as_object()?
        .iter()
        .map(|(source, costs)| {
            let costs = costs.as_object()?.iter().filter_map(|(to, cost)| {
                // A column is a few figures wide: decimals are not shown.
                let whole = cost.as_u64().or_else(|| cost.as_f64().and_then(rounded))?;
                Some((to.clone(), whole))
            });
            Some((source.clone(), costs.collect()))
        })
        .collect::<Option<_>>()?;
    let tag = network_map["tag"].as_str().unwrap_or_default();
    Some(CostMap {
        rows,
        tag: tag.to_owned(),
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cost is not negative, and one beyond all bounds is shown as the largest"
)]
fn rounded(cost: f64) -> Option<u64> {
    (cost >= 0.0).then(|| cost.round() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_maps_are_found_among_the_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap().delay_rt.is_empty());
        let map = |network_map: &str, metric: &str, mode: &str, cost: f64| {
            json!({"meta": {"cost-type": {"cost-metric": metric, "cost-mode": mode},
                "dependent-vtags": [{"resource-id": network_map, "tag": "t1"}]}, "cost-map": {"a:b": {"TOTAL": cost}}})
            .to_string()
        };
        fs::create_dir(folder.path().join("deep")).unwrap();
        for (name, text) in [
            ("ird.json", "{}".to_owned()),
            ("x.gz", "\u{1}".to_owned()),
            ("ordinal.json", map("nm", "delay-rt", "ordinal", 1.0)),
            ("routing.json", map("nm", "routingcost", "numerical", 2.0)),
            ("mean.json", map("nm", "delay-rt:mean", "numerical", 3.0)),
            ("hour.json", map("nm-hour", "delay-rt", "numerical", 4.0)),
            (
                "deep/delay.json",
                map("nm", "delay-rt", "numerical", 4300.4),
            ),
            ("deep/tput.json", map("nm", "tput", "numerical", 1.65e6)),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let found = read(folder.path()).unwrap();
        assert_eq!(found.delay_rt.rows["a:b"]["TOTAL"], 4300);
        assert_eq!(found.tput.rows["a:b"]["TOTAL"], 1_650_000);
        let map = found.delay_rt;
        assert_eq!((map.tag(), map.destinations().len()), ("t1", 1));
    }
}
