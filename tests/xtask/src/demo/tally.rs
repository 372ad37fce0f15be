//! What the controller has stored, counted per agent and type.

use super::campaign::PingType;
use super::fleet::Home;
use anyhow::{Context, Result};
use glimpse_model::ping::PingFigures;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Results of one agent and type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Cell {
    /// Results.
    pub(super) results: u32,
    /// Packets sent.
    pub(super) sent: u32,
    /// Packets answered.
    pub(super) received: u32,
    /// Medians of the results, microseconds.
    medians_us: Vec<u32>,
}

impl Cell {
    /// The median over results of their medians, microseconds.
    pub(super) fn median_us(&self) -> Option<u32> {
        let mut sorted = self.medians_us.clone();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }
}

/// All that was counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    ids: BTreeSet<String>,
    cells: BTreeMap<(String, PingType), Cell>,
    others: BTreeMap<String, (u32, String)>,
}

impl Tally {
    /// Counts an export in JSON Lines. What was counted before does not count again.
    pub(super) fn add(&mut self, export: &str) -> Result<()> {
        for line in export.lines().filter(|line| !line.is_empty()) {
            let row: Value =
                serde_json::from_str(line).with_context(|| format!("exported line {line:?}"))?;
            let record = &row["record"];
            let agent = row["agent"].as_str().unwrap_or_default();
            if self
                .ids
                .insert(record["id"].as_str().unwrap_or_default().to_owned())
            {
                self.count(agent, record);
            }
        }
        Ok(())
    }

    fn count(&mut self, agent: &str, record: &Value) {
        let status = record["status"].as_str().unwrap_or_default();
        let kind = record["task_id"].as_str().and_then(PingType::of);
        if kind.is_none() && status == "ok" {
            // A download: stored, and in no column of the table.
            return;
        }
        let (Some(kind), "ok") = (kind, status) else {
            let why = record["skip"]["reason"]
                .as_str()
                .or(record["error"].as_str())
                .unwrap_or_default();
            let other = self.others.entry(agent.to_owned()).or_default();
            *other = (other.0 + 1, format!("{status} {why}").trim().to_owned());
            return;
        };
        let figures = record["probe_result"]
            .as_object()
            .map(PingFigures::from_result)
            .unwrap_or_default();
        let cell = self.cells.entry((agent.to_owned(), kind)).or_default();
        cell.results += 1;
        cell.sent += figures.sent.unwrap_or_default();
        cell.received += figures.received.unwrap_or_default();
        cell.medians_us.extend(figures.rtt_median_us);
    }

    /// What was counted for an agent and type.
    pub(super) fn cell(&self, home: &Home, kind: PingType) -> Cell {
        self.cells
            .get(&(home.agent.clone(), kind))
            .cloned()
            .unwrap_or_default()
    }

    /// How many records of the agent are not measurements, and what the last of them said.
    pub(super) fn others(&self, home: &Home) -> Option<&(u32, String)> {
        self.others.get(&home.agent)
    }

    /// How many records are stored.
    pub(super) fn stored(&self) -> usize {
        self.ids.len()
    }

    /// Agents and types of which there is no answered measurement yet.
    pub(super) fn missing(&self, homes: &[Home], types: &[PingType]) -> Vec<(String, PingType)> {
        homes
            .iter()
            .flat_map(|home| types.iter().map(move |kind| (home, *kind)))
            .filter(|(home, kind)| self.cell(home, *kind).received == 0)
            .map(|(home, kind)| (home.name.clone(), kind))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use std::net::Ipv4Addr;

    fn row(id: &str, kind: &str, rtts: &[f64]) -> String {
        json!({"agent": "a", "record": {"id": id, "task_id": kind, "status": "ok",
            "probe_result": {"round_trip_ms": rtts, "round_trip_sent": 3, "round_trip_received": rtts.len()}}})
        .to_string()
    }

    fn home() -> Home {
        Home {
            name: "home-1".into(),
            agent: "a".into(),
            isp: "Aster",
            region: "north",
            address: Ipv4Addr::LOCALHOST,
            config: "home".into(),
        }
    }

    #[test]
    fn each_result_counts_once() {
        let mut tally = Tally::default();
        let lines = [
            row("x", "Udp", &[1.0, 2.0, 3.0]),
            row("y", "Udp", &[]),
            row("z", "Icmp", &[]),
        ]
        .join("\n");
        tally.add(&lines).unwrap();
        tally.add(&lines).unwrap();
        let udp = tally.cell(&home(), PingType::Udp);
        assert_eq!(
            (udp.results, udp.sent, udp.received, udp.median_us()),
            (2, 6, 3, Some(2000))
        );
        assert_eq!(
            tally.missing(&[home()], &[PingType::Udp, PingType::Icmp]),
            [("home-1".into(), PingType::Icmp)]
        );
        assert!(tally.add("{").is_err());
    }

    #[test]
    fn what_is_no_measurement_is_told_apart() {
        let mut tally = Tally::default();
        let skipped = json!({"agent": "a",
            "record": {"id": "s", "task_id": "Udp", "status": "skipped", "skip": {"reason": "consent"}}});
        tally.add(&skipped.to_string()).unwrap();
        assert_eq!(
            tally.others(&home()),
            Some(&(1, "skipped consent".to_owned()))
        );
        assert_eq!(tally.cell(&home(), PingType::Udp), Cell::default());
        let download =
            json!({"agent": "a", "record": {"id": "d", "task_id": "down", "status": "ok"}});
        tally.add(&download.to_string()).unwrap();
        assert_eq!(tally.others(&home()).map(|(count, _)| *count), Some(1));
        assert_eq!(tally.stored(), 2);
    }
}
