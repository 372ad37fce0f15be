//! Tables of reports, from the figures of records.
//!
//! One table has the single figures in one row. Each list of figures is a table of its own, one row an entry. Objects inside are
//! written out as `outer.inner`, lists inside entries as JSON. Columns that a method is known for come first, in a fixed order and
//! whether or not a run has them; all others follow by name. So nothing is lost, and equal runs have equal tables.

use glimpse_model::record::Record;
use glimpse_model::sorted::{SortedMap, SortedSet};
use serde_json::{Map, Value};

/// One table: every row has a value for every column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Labels.
    pub columns: Vec<String>,
    /// Values; an empty text for what is missing.
    pub rows: Vec<Vec<String>>,
}

/// What a method is known for.
struct Layout {
    method: &'static str,
    single: &'static [&'static str],
    lists: &'static [(&'static str, &'static [&'static str])],
}

const TRANSFER: &[&str] = &[
    "destination_ip",
    "url",
    "bandwidth_bps_avg",
    "bandwidth_bps_whole",
    "transferred_bytes",
    "transfer_us",
    "results_ok",
    "stopped",
    "actual_num_threads",
    "dns_us",
    "connect_us",
    "tls_us",
    "first_byte_us",
    "http_status",
    "min_rtt_us",
    "retransmits",
];

const THREADS: &[(&str, &[&str])] = &[(
    "bandwidth_bps_per_thread",
    &["avg", "min", "max", "stdev", "transferred_bytes", "slots"],
)];

const QUERIES: &[&str] = &[
    "type",
    "attempt",
    "server",
    "transport",
    "query_us",
    "connect_us",
    "tls_us",
    "rcode",
    "request_bytes",
    "response_bytes",
    "error",
];

const RECORDS: &[&str] = &["name", "ttl", "type", "value"];

const LAYOUTS: &[Layout] = &[
    Layout {
        method: "ping",
        single: &[
            "destination_ip",
            "round_trip_sent",
            "round_trip_received",
            "round_trip_loss",
            "round_trip_min",
            "round_trip_avg",
            "round_trip_max",
            "round_trip_stdev",
        ],
        lists: &[("round_trip_ms", &["round_trip_ms"])],
    },
    Layout {
        method: "traceroute",
        single: &[
            "destination_ip",
            "hop_count",
            "stop_reason",
            "loop",
            "probes_sent",
        ],
        lists: &[(
            "results",
            &[
                "ttl",
                "hop",
                "rtt_min",
                "rtt_avg",
                "rtt_max",
                "rtt_stdev",
                "rtt_count",
                "pings",
            ],
        )],
    },
    Layout {
        method: "dnslookup",
        single: &[],
        lists: &[("queries", QUERIES), ("records", RECORDS)],
    },
    Layout {
        method: "reversednslookup",
        single: &[],
        lists: &[("queries", QUERIES), ("records", RECORDS)],
    },
    Layout {
        method: "httpdownload",
        single: TRANSFER,
        lists: THREADS,
    },
    Layout {
        method: "httpupload",
        single: TRANSFER,
        lists: THREADS,
    },
];

/// The tables of a record. What went wrong stands in a column `error`, so that failures are seen with what succeeded.
pub fn tables(record: &Record) -> Vec<Table> {
    let layout = LAYOUTS
        .iter()
        .find(|layout| Some(layout.method) == record.method.as_deref());
    let mut single = SortedMap::new();
    let mut lists: SortedMap<&str, &[Value]> = SortedMap::new();
    for (name, value) in &record.probe_result {
        match value {
            Value::Array(items) => drop(lists.insert(name, items)),
            value => flatten(name, value, &mut single),
        }
    }
    if !record.error.is_empty() {
        single.insert("error".to_owned(), record.error.clone());
    }
    let mut tables = Vec::new();
    if !single.is_empty() {
        let known = layout.map_or(&[][..], |layout| layout.single);
        // A run that failed has no figures to line up.
        let known = if record.probe_result.is_empty() {
            &[]
        } else {
            known
        };
        tables.push(table(known, &[single]));
    }
    for (name, items) in lists {
        let known = layout
            .and_then(|layout| layout.lists.iter().find(|(list, _)| *list == name))
            .map_or(&[][..], |(_, columns)| columns);
        let rows: Vec<SortedMap<String, String>> = items
            .iter()
            .map(|item| match item {
                Value::Object(entry) => flat(entry),
                other => SortedMap::from([(name.to_owned(), text(other))]),
            })
            .collect();
        if !rows.is_empty() {
            tables.push(table(known, &rows));
        }
    }
    tables
}

fn table(known: &[&str], entries: &[SortedMap<String, String>]) -> Table {
    let mut columns: Vec<String> = known.iter().map(|&column| column.to_owned()).collect();
    let others: SortedSet<&String> = entries.iter().flat_map(SortedMap::keys).collect();
    for other in others {
        if !known.contains(&other.as_str()) {
            columns.push(other.clone());
        }
    }
    let rows = entries
        .iter()
        .map(|entry| {
            let values = columns.iter();
            values
                .map(|column| entry.get(column).cloned().unwrap_or_default())
                .collect()
        })
        .collect();
    Table { columns, rows }
}

fn flat(entry: &Map<String, Value>) -> SortedMap<String, String> {
    let mut out = SortedMap::new();
    for (name, value) in entry {
        flatten(name, value, &mut out);
    }
    out
}

fn flatten(name: &str, value: &Value, out: &mut SortedMap<String, String>) {
    match value {
        Value::Object(inner) => {
            for (inner_name, value) in inner {
                flatten(&format!("{name}.{inner_name}"), value, out);
            }
        }
        other => drop(out.insert(name.to_owned(), text(other))),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
