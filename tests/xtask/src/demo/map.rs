//! The published ALTO cost map, as a table.

use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A cost map: sources, destinations, costs in microseconds.
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

/// Finds the numerical map of round-trip delays among the published files (RFC 7285 §11.2.3, RFC 9439 §4.2).
pub(super) fn read(folder: &Path) -> Result<CostMap> {
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
            if let Some(map) = serde_json::from_slice(&bytes)
                .ok()
                .as_ref()
                .and_then(delays)
            {
                return Ok(map);
            }
        }
    }
    Ok(CostMap::default())
}

fn delays(document: &Value) -> Option<CostMap> {
    let kind = &document["meta"]["cost-type"];
    if kind["cost-metric"] != "delay-rt" || kind["cost-mode"] != "numerical" {
        return None;
    }
    let rows = document["cost-map"]
        .as_object()?
        .iter()
        .map(|(source, costs)| {
            let costs = costs
                .as_object()?
                .iter()
                .filter_map(|(to, cost)| Some((to.clone(), cost.as_u64()?)));
            Some((source.clone(), costs.collect()))
        })
        .collect::<Option<_>>()?;
    let tag = document["meta"]["dependent-vtags"][0]["tag"]
        .as_str()
        .unwrap_or_default();
    Some(CostMap {
        rows,
        tag: tag.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn the_delays_are_found_among_the_files() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).unwrap().is_empty());
        let map = |metric: &str, mode: &str, cost: u32| {
            json!({"meta": {"cost-type": {"cost-metric": metric, "cost-mode": mode},
                "dependent-vtags": [{"resource-id": "nm", "tag": "t1"}]}, "cost-map": {"a:b": {"TOTAL": cost}}})
            .to_string()
        };
        fs::create_dir(folder.path().join("deep")).unwrap();
        for (name, text) in [
            ("ird.json", "{}".to_owned()),
            ("x.gz", "\u{1}".to_owned()),
            ("ordinal.json", map("delay-rt", "ordinal", 1)),
            ("routing.json", map("routingcost", "numerical", 2)),
            ("deep/delay.json", map("delay-rt", "numerical", 4300)),
        ] {
            fs::write(folder.path().join(name), text).unwrap();
        }
        let found = read(folder.path()).unwrap();
        assert_eq!(found.rows["a:b"]["TOTAL"], 4300);
        assert_eq!((found.tag(), found.destinations().len()), ("t1", 1));
    }
}
