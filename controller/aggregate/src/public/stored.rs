//! Figures that were kept, on their way back.

use serde::Deserialize;
use thiserror::Error;

use super::{Filtered, Located, Public, PublicCluster, PublicPlace};
use crate::{K, Window, WindowError};

/// The members of [`Public`] as they were read.
#[derive(Deserialize)]
pub(super) struct Stored {
    window: Window,
    version: usize,
    k: K,
    newest_us: Option<i64>,
    places: Vec<PublicPlace>,
    clusters: Vec<PublicCluster>,
    cells: Vec<Located>,
    filtered: Filtered,
}

/// What was kept does not hold together.
#[derive(Debug, Error)]
pub(super) enum Broken {
    #[error("{0}")]
    Window(#[from] WindowError),
    #[error("a cell of a place or cluster that is not there")]
    Index,
    #[error("the cells are not in the order of their metrics")]
    Order,
    #[error("a calendar with another number of values than the window has intervals")]
    Calendar,
}

impl TryFrom<Stored> for Public {
    type Error = Broken;

    fn try_from(stored: Stored) -> Result<Self, Broken> {
        let window = Window::new(stored.window.start_us(), stored.window.end_us())?;
        let known = |located: &Located| {
            located.place < stored.places.len()
                && located
                    .cluster
                    .is_none_or(|index| index < stored.clusters.len())
        };
        if !stored.cells.iter().all(known) {
            return Err(Broken::Index);
        }
        if !stored.cells.is_sorted_by_key(|located| located.metric) {
            return Err(Broken::Order);
        }
        let mut calendars = stored.cells.iter().flat_map(|c| &c.cell.calendars);
        if !calendars.all(|(calendar, _, values)| calendar.intervals(&window) == Some(values.len()))
        {
            return Err(Broken::Calendar);
        }
        Ok(Self {
            window,
            version: stored.version,
            k: stored.k,
            newest_us: stored.newest_us,
            places: stored.places,
            clusters: stored.clusters,
            cells: stored.cells,
            filtered: stored.filtered,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        Calendar, Clusters, Facts, Labels, Ledger, Metric, Percentile, Row, Rules, Statistic, Trust,
    };

    const HOUR_US: i64 = 3_600_000_000;

    fn public() -> Public {
        let mut ledger = Ledger::default();
        let window = Window::day_of(0);
        let mut state = ledger
            .observe(window, i64::MAX, &Clusters::PerTarget, Trust::default())
            .unwrap();
        for (subscriber, hour) in (0..60).flat_map(|n| (0..24).map(move |hour| (n, hour))) {
            state.add(&Row {
                subscriber: &format!("agent-{subscriber}"),
                labels: Labels {
                    isp: Some("as1"),
                    ..Labels::default()
                },
                metric: Metric::DelayRt,
                target: "192.0.2.1",
                values: &[10_000 + subscriber, 20_000],
                start_us: hour * HOUR_US,
                received_us: hour * HOUR_US,
                facts: Facts {
                    cpu_percent: Some(if hour == 3 && subscriber % 2 == 0 {
                        99
                    } else {
                        1
                    }),
                    ..Facts::default()
                },
            });
        }
        let rules = Rules {
            statistics: BTreeMap::from([(
                Metric::DelayRt,
                vec![
                    Statistic::Median,
                    Statistic::Percentile(Percentile::new(95).unwrap()),
                ],
            )]),
            calendars: BTreeMap::from([(Metric::DelayRt, vec![Calendar::HourOfDay])]),
            ..Rules::default()
        };
        ledger.release(state, &rules).unwrap()
    }

    #[test]
    fn figures_come_back_as_they_were() {
        let public = public();
        let cell = public.cell(Metric::DelayRt, "as1", "TOTAL").unwrap();
        assert!(cell.figure(Statistic::Median).unwrap().confidence.is_some());
        assert!(public.filtered().results(crate::Reason::CpuLoad).is_some());
        let text = serde_json::to_string(&public).unwrap();
        assert!(text.contains(r#""statistic":"p95""#), "{text}");
        assert_eq!(serde_json::from_str::<Public>(&text).unwrap(), public);
    }

    #[test]
    fn what_does_not_hold_together_is_not_read() {
        let whole = serde_json::to_value(public()).unwrap();
        let calendar = json!([["HourOfDay", "median", [1, 2]]]);
        for (pointer, bad, said) in [
            ("/window/end_us", json!(-1), "must end after it starts"),
            ("/k/subscribers", json!(4), "k must be at least 5"),
            ("/cells/0/place", json!(9), "that is not there"),
            ("/cells/0/cluster", json!(9), "that is not there"),
            ("/cells/0/metric", json!("DnsRt"), "order of their metrics"),
            ("/cells/0/cell/calendars", calendar, "number of values"),
            (
                "/cells/0/cell/figures/0/statistic",
                json!("p101"),
                "unknown statistic",
            ),
        ] {
            let mut broken: Value = whole.clone();
            *broken.pointer_mut(pointer).unwrap() = bad;
            let error = serde_json::from_value::<Public>(broken).unwrap_err();
            assert!(error.to_string().contains(said), "{pointer}: {error}");
        }
    }
}
