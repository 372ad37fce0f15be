//! What the records of each method say of the line: the one place that knows where in a result the figures of the household's
//! graphs stand.

use super::Figure;
use crate::local::history::Sample;
use glimpse_model::ping::{PingFigures, round_trips_us};
use glimpse_model::record::{Record, Status};
use serde_json::{Map, Value};

/// Most look-ups of one result that are taken.
const LOOKUPS: usize = 64;

/// One figure of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    /// Which.
    pub figure: Figure,
    /// Packets sent (or tries made).
    pub sent: u32,
    /// Of these, answered.
    pub received: u32,
    /// The values, in the figure's unit.
    pub values: Vec<u32>,
}

impl Measured {
    /// For the history, measured to `target`.
    pub fn sample<'a>(&'a self, target: &'a str) -> Sample<'a> {
        Sample {
            figure: self.figure,
            target,
            sent: self.sent,
            received: self.received,
            values: &self.values,
        }
    }

    fn values(figure: Figure, values: Vec<u32>) -> Option<Self> {
        let count = u32::try_from(values.len()).unwrap_or(u32::MAX);
        (!values.is_empty()).then_some(Self {
            figure,
            sent: count,
            received: count,
            values,
        })
    }
}

/// What `record` says of the line. Losses stand beside the delays, whose packets they are.
pub fn measured(record: &Record) -> Vec<Measured> {
    let result = &record.probe_result;
    let method = record.method.as_deref().unwrap_or_default();
    let found = match method {
        "httpdownload" => vec![transfer(record, Figure::Down)],
        "httpupload" => vec![transfer(record, Figure::Up)],
        "btc_ma" => vec![
            between_agents(result, "down", Figure::Down),
            between_agents(result, "up", Figure::Up),
        ],
        "latencyload" => under_load(result),
        "dnslookup" | "reversednslookup" => vec![lookups(result)],
        _ => vec![round_trips(result)],
    };
    found.into_iter().flatten().collect()
}

/// Any method that has figures of a ping.
fn round_trips(result: &Map<String, Value>) -> Option<Measured> {
    let figures = PingFigures::from_result(result);
    let sent = figures.sent.filter(|&sent| sent > 0)?;
    Some(Measured {
        figure: Figure::Delay,
        sent,
        received: figures.received.unwrap_or(0),
        values: round_trips_us(result),
    })
}

/// A transfer counts whose connections lasted: what broke off says nothing of the line's speed.
fn transfer(record: &Record, figure: Figure) -> Option<Measured> {
    let result = &record.probe_result;
    let lasted = record.status == Status::Ok && result.get("results_ok")? == true;
    let rate = kbps(result.get("bandwidth_bps_avg")?).filter(|_| lasted)?;
    Measured::values(figure, vec![rate])
}

fn between_agents(result: &Map<String, Value>, name: &str, figure: Figure) -> Option<Measured> {
    let rate = kbps(result.get(name)?.get("bandwidth_bps_avg")?)?;
    Measured::values(figure, vec![rate])
}

fn under_load(result: &Map<String, Value>) -> Vec<Option<Measured>> {
    let idle = result.get("idle").and_then(|idle| {
        let count = |name| u32::try_from(idle.get(name)?.as_u64()?).ok();
        Some(Measured {
            figure: Figure::Delay,
            sent: count("sent").filter(|&sent| sent > 0)?,
            received: count("received")?,
            values: count("median_us").into_iter().collect(),
        })
    });
    let alone = || {
        ["down", "up"]
            .into_iter()
            .filter_map(|name| result.get(name))
    };
    let phases = || alone().chain(result.get("both"));
    // Where the line answers faster while it is busy, nothing is added.
    let added = |phase: &Value| {
        let added = phase.get("added_p95_us")?.as_i64()?;
        u32::try_from(added.max(0)).ok()
    };
    let rates = |way: &str| -> Vec<u32> {
        let rate = |phase: &Value| {
            let lasted = phase.get(format!("results_ok_{way}"))? == true;
            kbps(phase.get(format!("bandwidth_bps_{way}"))?).filter(|_| lasted)
        };
        // Of both directions at once, each has a part of the line only.
        alone().filter_map(rate).collect()
    };
    vec![
        idle,
        Measured::values(Figure::BusyDelay, phases().filter_map(added).collect()),
        Measured::values(Figure::Down, rates("down")),
        Measured::values(Figure::Up, rates("up")),
    ]
}

/// Look-ups that were answered, whatever the answer.
fn lookups(result: &Map<String, Value>) -> Option<Measured> {
    let queries = result.get("queries")?.as_array()?;
    let time = |query: &Value| {
        query.get("rcode")?;
        u32::try_from(query.get("query_us")?.as_u64()?).ok()
    };
    let values = queries.iter().take(LOOKUPS).filter_map(time).collect();
    Measured::values(Figure::Dns, values)
}

fn kbps(bps: &Value) -> Option<u32> {
    u32::try_from(bps.as_u64()? / 1000)
        .ok()
        .filter(|&kbps| kbps > 0)
}

/// By what a target is shown and kept: of a URL the host and its port.
pub fn host_of(target: &str) -> &str {
    let Some((_, rest)) = target.split_once("://") else {
        return target;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end).unwrap_or(rest);
    authority
        .rsplit_once('@')
        .map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use glimpse_model::id::ResultId;
    use glimpse_model::time::Timestamp;
    use proptest::prelude::*;
    use serde_json::json;

    fn record(method: &str, result: &Value) -> Record {
        let id = ResultId::from_parts(Timestamp::from_unix_seconds(1), [0; 10]);
        let mut record = Record::new(id, Status::Ok);
        record.method = Some(method.to_owned());
        record.probe_result = result.as_object().unwrap().clone();
        record
    }

    fn found(method: &str, result: &Value) -> Vec<(Figure, Vec<u32>)> {
        let found = measured(&record(method, result)).into_iter();
        found.map(|it| (it.figure, it.values)).collect()
    }

    #[test]
    fn each_method_has_its_figures() {
        let ping =
            json!({"round_trip_ms": [14.1, 15.0], "round_trip_sent": 3, "round_trip_received": 2});
        let delay = &measured(&record("ping", &ping))[0];
        assert_eq!((delay.sent, delay.received), (3, 2));
        assert_eq!(
            found("ping", &ping),
            [(Figure::Delay, vec![14_100, 15_000])]
        );
        // A plug-in that pings says as much.
        assert_eq!(found("my-ping", &ping).len(), 1);

        let transfer = json!({"results_ok": true, "bandwidth_bps_avg": 94_123_456});
        assert_eq!(
            found("httpdownload", &transfer),
            [(Figure::Down, vec![94_123])]
        );
        assert_eq!(found("httpupload", &transfer), [(Figure::Up, vec![94_123])]);
        let broken = json!({"results_ok": false, "bandwidth_bps_avg": 94_123_456});
        assert!(found("httpdownload", &broken).is_empty());

        let both = json!({"bandwidth_bps_avg": 5000, "down": {"bandwidth_bps_avg": 5000},
            "up": {"bandwidth_bps_avg": 7000}});
        assert_eq!(
            found("btc_ma", &both),
            [(Figure::Down, vec![5]), (Figure::Up, vec![7])]
        );

        let queries = json!({"queries": [
            {"query_us": 12_000, "rcode": "NOERROR"}, {"query_us": 15_000, "rcode": "NXDOMAIN"},
            {"query_us": null, "error": "no answer"}]});
        for method in ["dnslookup", "reversednslookup"] {
            assert_eq!(
                found(method, &queries),
                [(Figure::Dns, vec![12_000, 15_000])]
            );
        }
        assert!(found("traceroute", &json!({"hops": []})).is_empty());
    }

    #[test]
    fn a_busy_line_has_four_figures() {
        let result = json!({
            "idle": {"sent": 20, "received": 19, "median_us": 14_000},
            "down": {"added_p95_us": 22_000, "bandwidth_bps_down": 90_000_000, "results_ok_down": true},
            "up": {"added_p95_us": -300, "bandwidth_bps_up": 30_000_000, "results_ok_up": true},
            "both": {"added_p95_us": 90_000, "bandwidth_bps_down": 50_000_000, "results_ok_down": true,
                "bandwidth_bps_up": 9_000_000, "results_ok_up": false},
        });
        assert_eq!(
            found("latencyload", &result),
            [
                (Figure::Delay, vec![14_000]),
                (Figure::BusyDelay, vec![22_000, 0, 90_000]),
                (Figure::Down, vec![90_000]),
                (Figure::Up, vec![30_000]),
            ]
        );
        let mut without = result;
        without.as_object_mut().unwrap().remove("up");
        let rates = found("latencyload", &without);
        assert!(
            rates.iter().all(|(figure, _)| *figure != Figure::Up),
            "{rates:?}"
        );
        assert_eq!(
            rates[2],
            (Figure::Down, vec![90_000]),
            "not that of both at once"
        );
    }

    #[test]
    fn urls_are_known_by_their_host() {
        for (target, host) in [
            ("192.0.2.1", "192.0.2.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("http://a.example/x?y", "a.example"),
            ("https://u:p@a.example:8443", "a.example:8443"),
            ("https://[2001:db8::1]/", "[2001:db8::1]"),
            ("", ""),
        ] {
            assert_eq!(host_of(target), host);
        }
    }

    proptest! {
        #[test]
        fn no_result_panics(method in 0usize..7, name in 0usize..8, number: i64, text in ".{0,9}") {
            let methods = ["ping", "httpdownload", "httpupload", "btc_ma", "latencyload", "dnslookup", "x"];
            let names = ["idle", "down", "queries", "results_ok", "bandwidth_bps_avg", "round_trip_ms",
                "round_trip_sent", "up"];
            for value in [json!(number), json!(text), json!([number, text]),
                json!({"added_p95_us": number, "bandwidth_bps_down": number, "results_ok_down": true,
                    "sent": number, "received": number, "median_us": number, "bandwidth_bps_avg": number})] {
                let _ = found(methods[method], &json!({names[name]: value}));
            }
        }
    }
}
