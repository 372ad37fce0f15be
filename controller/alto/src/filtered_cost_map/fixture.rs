//! Editions and questions of the tests here and of the endpoint cost service.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde_json::Value;

use crate::query::{Asking, Query, Refusal};
use crate::{
    Anonymity, Calendar, CalendarKind, Column, Cost, CostContext, CostMap, CostMetric, Edition,
    Intervals, Limits, NetworkMap, PidName, Preference, Provenance, ResourceId,
};

pub(crate) const DAY_US: i64 = 86_400_000_000;
/// 2026-01-02T00:00:00Z
pub(crate) const NOW_US: i64 = 1_767_312_000_000_000;

/// Source, destination, costs of as many metrics.
pub(crate) type Cells = BTreeMap<String, BTreeMap<String, Vec<Option<u64>>>>;

pub(crate) fn pid(name: &str) -> PidName {
    PidName::new(name).unwrap()
}

pub(crate) fn id(name: &str) -> ResourceId {
    ResourceId::new(name).unwrap()
}

/// F1: three PIDs.
pub(crate) fn f1() -> NetworkMap {
    let document = serde_json::from_str(include_str!("../../tests/data/f1.json")).unwrap();
    NetworkMap::parse(&document).unwrap()
}

/// C1: `routingcost` among the PIDs of F1.
pub(crate) fn c1() -> Cells {
    let cells: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_str(include_str!("../../tests/data/c1.json")).unwrap();
    let row = |row: BTreeMap<String, u64>| {
        row.into_iter()
            .map(|(pid, cost)| (pid, vec![Some(cost)]))
            .collect()
    };
    cells
        .into_iter()
        .map(|(pid, costs)| (pid, row(costs)))
        .collect()
}

/// M1: `routingcost` and `priv:t-shoe`.
pub(crate) fn m1() -> Cells {
    serde_json::from_str(include_str!("../../tests/data/m1.json")).unwrap()
}

/// A column of the costs that stand at `index` of each cell.
pub(crate) fn column(
    name: &str,
    metric: &str,
    preference: Preference,
    cells: &Cells,
    index: usize,
) -> Column {
    let rows = cells.iter();
    let costs = rows.flat_map(|(source, row)| {
        row.iter().filter_map(move |(destination, costs)| {
            Some((pid(source), pid(destination), Cost::new(costs[index]?)))
        })
    });
    Column {
        name: name.into(),
        metric: CostMetric::new(metric).unwrap(),
        preference,
        context: CostContext::new([("fallback", "TOTAL".into())]),
        description: format!("{name} of a test"),
        costs: CostMap::new(costs),
        calendars: Vec::new(),
        fetched: true,
        samples: 100,
        subscribers: 10,
    }
}

/// Two days until [`NOW_US`].
pub(crate) fn edition(map: NetworkMap, columns: Vec<Column>) -> Arc<Edition> {
    Arc::new(Edition {
        id: id("nm"),
        map: Arc::new(map),
        columns,
        properties: BTreeMap::new(),
        provenance: Provenance {
            window_start_us: NOW_US - 2 * DAY_US,
            window_end_us: NOW_US,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 100,
            subscribers: 10,
            newest_us: Some(NOW_US),
            anonymity: Anonymity::K(10),
        },
    })
}

/// F1 with C1, and with `tput` of the same numbers.
pub(crate) fn f1_c1() -> Arc<Edition> {
    let cells = c1();
    let routing = column("routingcost", "routingcost", Preference::Lower, &cells, 0);
    edition(
        f1(),
        vec![
            routing,
            column("tput", "tput", Preference::Higher, &cells, 0),
        ],
    )
}

/// F1 with M1.
pub(crate) fn f1_m1() -> Arc<Edition> {
    let cells = m1();
    let routing = column("routingcost", "routingcost", Preference::Lower, &cells, 0);
    edition(
        f1(),
        vec![
            routing,
            column("shoe", "priv:t-shoe", Preference::Lower, &cells, 1),
        ],
    )
}

/// Hours of the day: `base`, `base + 1` and so on, for the given pairs.
pub(crate) fn hours(pairs: &[(&str, &str, u64)]) -> Calendar {
    let values = |base: u64| (base..base + 24).map(Cost::new).collect::<Vec<_>>();
    let cells = pairs
        .iter()
        .map(|(source, destination, base)| (pid(source), pid(destination), values(*base)));
    Calendar {
        kind: CalendarKind::HourOfDay,
        start_us: NOW_US - 2 * DAY_US,
        interval_s: 3_600,
        intervals: 24,
        cells: Intervals::new(24, cells),
    }
}

/// F1 with M1, where `routingcost` has hours of the day for two pairs, and both days for one.
pub(crate) fn f1_calendars() -> Arc<Edition> {
    let mut edition = Arc::unwrap_or_clone(f1_m1());
    let days = Calendar {
        kind: CalendarKind::DayOfWindow,
        interval_s: 86_400,
        intervals: 2,
        cells: Intervals::new(
            2,
            [(pid("PID1"), pid("PID2"), [7, 8].map(Cost::new).to_vec())],
        ),
        ..hours(&[])
    };
    edition.columns[0].calendars =
        vec![hours(&[("PID1", "PID2", 100), ("PID2", "PID1", 200)]), days];
    Arc::new(edition)
}

/// The answer to a body, from 192.0.2.7.
pub(crate) fn ask(query: &(impl Query + ?Sized), body: &str) -> Result<Value, Refusal> {
    ask_from(query, body, Some([192, 0, 2, 7].into()))
}

/// The answer to a body.
pub(crate) fn ask_from(
    query: &(impl Query + ?Sized),
    body: &str,
    peer: Option<IpAddr>,
) -> Result<Value, Refusal> {
    let asking = Asking {
        peer,
        limits: &Limits::default(),
    };
    let answer = query.answer(body.as_bytes(), &asking)?;
    Ok(serde_json::from_slice(&answer).unwrap())
}

/// The `meta` of the error object that a body earns.
pub(crate) fn fault(query: &(impl Query + ?Sized), body: &str) -> Value {
    match ask(query, body) {
        Err(Refusal::Fault(fault)) => {
            serde_json::from_slice::<Value>(&fault.to_bytes()).unwrap()["meta"].clone()
        }
        other => panic!("{body}: {other:?}"),
    }
}

/// `E_INVALID_FIELD_VALUE`
pub(crate) fn bad(field: &str, value: &str) -> Value {
    serde_json::json!({"code": "E_INVALID_FIELD_VALUE", "field": field, "value": value})
}
