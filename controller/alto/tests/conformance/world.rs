//! Fixtures and a client that knows only the answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use glimpse_alto::{
    Anonymity, Calendar, CalendarKind, Column, Content, Cost, CostContext, CostMap, CostMetric,
    Edition, Intervals, Limits, NetworkMap, NetworkMapError, Parameter, PidName, Preference,
    Provenance, Publication, Request, ResourceId, Response, Serving, Shelf, Shelved, answer,
};
use serde_json::Value;

pub(crate) type Groups = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// 2026-01-02T00:00:00Z
pub(crate) const NOW_US: i64 = 1_767_312_000_000_000;
pub(crate) const NEWEST_US: i64 = NOW_US - 90_000_000;
pub(crate) const NEXT_US: i64 = NOW_US + 600_000_000;

pub(crate) fn f1() -> Groups {
    serde_json::from_str(include_str!("../data/f1.json")).unwrap()
}

pub(crate) fn f2() -> Groups {
    serde_json::from_str(include_str!("../data/f2.json")).unwrap()
}

pub(crate) fn network_map(groups: &Groups) -> Result<NetworkMap, NetworkMapError> {
    NetworkMap::parse(groups)
}

pub(crate) fn pid(name: &str) -> PidName {
    PidName::new(name).unwrap()
}

pub(crate) fn id(name: &str) -> ResourceId {
    ResourceId::new(name).unwrap()
}

pub(crate) fn c1() -> CostMap {
    let rows: BTreeMap<String, BTreeMap<String, u64>> =
        serde_json::from_str(include_str!("../data/c1.json")).unwrap();
    let cells = rows.iter().flat_map(|(s, row)| {
        row.iter()
            .map(move |(d, cost)| (pid(s), pid(d), Cost::new(*cost)))
    });
    CostMap::new(cells)
}

/// A column whose name is the metric's in the usual form.
pub(crate) fn column(metric: &str, seconds: u64, costs: CostMap) -> Column {
    let window = BTreeMap::from([("seconds".to_owned(), Parameter::Number(seconds))]);
    Column {
        name: metric.replace(':', "-").replace('.', "_"),
        metric: CostMetric::new(metric).unwrap(),
        preference: if metric.starts_with("tput") {
            Preference::Higher
        } else {
            Preference::Lower
        },
        context: CostContext::new([
            ("aggregation", "per-subscriber-first".into()),
            ("window", Parameter::Object(window)),
        ]),
        description: format!("figures of {metric}"),
        costs,
        calendars: vec![],
        fetched: true,
        samples: 1_234,
        subscribers: 45,
    }
}

/// The given costs as a calendar of the hours, a unit more in each.
pub(crate) fn by_hours(costs: &CostMap) -> Calendar {
    let cell = |cost: Cost| {
        (0..24)
            .map(|hour| Cost::new(cost.units() + hour))
            .collect::<Vec<_>>()
    };
    Calendar {
        kind: CalendarKind::HourOfDay,
        start_us: NOW_US - 86_400_000_000,
        interval_s: 3_600,
        intervals: 24,
        cells: Intervals::new(
            24,
            costs
                .cells()
                .map(|(s, d, cost)| (s.clone(), d.clone(), cell(cost))),
        ),
    }
}

/// `routingcost` and `delay-rt` of a day.
pub(crate) fn edition(name: &str, groups: &Groups, delay_rt: CostMap) -> Edition {
    let day_s = 86_400;
    Edition {
        id: id(name),
        map: Arc::new(network_map(groups).unwrap()),
        columns: vec![
            column("routingcost", day_s, delay_rt.routingcost()),
            column("delay-rt", day_s, delay_rt),
        ],
        properties: BTreeMap::new(),
        provenance: Provenance {
            window_start_us: NOW_US - 86_400_000_000,
            window_end_us: NOW_US,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 1_234,
            subscribers: 45,
            newest_us: Some(NEWEST_US),
            anonymity: Anonymity::K(10),
        },
    }
}

pub(crate) fn current(edition: Edition) -> Content {
    shelved([(edition, Shelf::Current)])
}

pub(crate) fn shelved(editions: impl IntoIterator<Item = (Edition, Shelf)>) -> Content {
    Content {
        editions: editions
            .into_iter()
            .map(|(edition, shelf)| Shelved { edition, shelf })
            .collect(),
        fetched_only: false,
    }
}

pub(crate) fn publish(groups: &Groups, delay_rt: CostMap) -> Publication {
    Publication::new(current(edition("nm", groups, delay_rt))).unwrap()
}

/// Everything at once: two current editions with calendars and properties, one recent, two months.
pub(crate) fn library() -> Publication {
    let of = |name: &str, days: u64| {
        let mut edition = edition(name, &f1(), c1());
        edition.columns.push(column("delay-rt:p95", 1, c1()));
        edition.columns.push(column("tput", 1, c1()));
        let count = column("priv:glimpse-n", 1, c1());
        edition.columns.push(Column {
            fetched: false,
            ..count
        });
        for column in &mut edition.columns {
            let seconds = Parameter::Number(days * 86_400);
            column.context = CostContext::new([("window", seconds)]);
        }
        edition.columns[1].calendars.push(by_hours(&c1()));
        let mut days = by_hours(&c1());
        days.kind = CalendarKind::DayOfWindow;
        days.interval_s = 86_400;
        edition.columns[1].calendars.push(days);
        let isp = (".priv:glimpse-isp".to_owned(), "as3320".to_owned());
        edition.properties.insert(pid("PID1"), [isp].into());
        edition
    };
    Publication::new(shelved([
        (of("nm-2026-10", 31), Shelf::Archive),
        (of("nm", 7), Shelf::Current),
        (of("nm-seg", 7), Shelf::Current),
        (of("nm-hour", 1), Shelf::Recent),
        (of("nm-2026-11", 30), Shelf::Archive),
    ]))
    .unwrap()
}

pub(crate) fn f1_c1() -> Publication {
    publish(&f1(), c1())
}

pub(crate) fn serving() -> Serving {
    Serving {
        now_us: NOW_US,
        next_us: NEXT_US,
        limits: Limits::default(),
    }
}

pub(crate) fn send(publication: &Publication, request: &Request<'_>) -> Response {
    answer(publication, request, &serving())
}

pub(crate) fn get(publication: &Publication, path: &str) -> Response {
    send(
        publication,
        &Request {
            method: "GET",
            path,
            ..Request::default()
        },
    )
}

pub(crate) fn json(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap()
}

pub(crate) fn get_json(publication: &Publication, path: &str) -> Value {
    let response = get(publication, path);
    assert_eq!(response.status, 200, "{path}");
    json(&response)
}

/// An entry of a directory.
pub(crate) struct Listed {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) entry: Value,
    /// The directory in which it stands.
    pub(crate) directory: Value,
}

/// The entries of the root and of all directories that are linked.
pub(crate) fn listed(publication: &Publication) -> Vec<Listed> {
    let mut listed = Vec::new();
    let mut unread = vec!["/".to_owned()];
    while let Some(base) = unread.pop() {
        let directory = get_json(publication, &base);
        for (id, entry) in directory["resources"].as_object().unwrap() {
            let path = format!("{base}{}", entry["uri"].as_str().unwrap());
            if entry["media-type"] == "application/alto-directory+json" {
                unread.push(path.clone());
            }
            listed.push(Listed {
                id: id.clone(),
                path,
                entry: entry.clone(),
                directory: directory.clone(),
            });
        }
    }
    listed
}

/// The root directory's entries as (id, path, entry).
pub(crate) fn entries(publication: &Publication) -> Vec<(String, String, Value)> {
    let directory = get_json(publication, "/");
    let resources = directory["resources"].as_object().unwrap();
    resources
        .iter()
        .map(|(id, entry)| {
            (
                id.clone(),
                format!("/{}", entry["uri"].as_str().unwrap()),
                entry.clone(),
            )
        })
        .collect()
}

/// A body that every resource of the media type answers, over F1 as `map`.
pub(crate) fn question(accepts: &str, map: &str) -> String {
    let cost_type = r#""cost-type":{"cost-metric":"routingcost","cost-mode":"numerical"}"#;
    match accepts {
        "application/alto-networkmapfilter+json" => r#"{"pids":[]}"#.to_owned(),
        "application/alto-costmapfilter+json" => format!("{{{cost_type}}}"),
        "application/alto-endpointcostparams+json" => format!(
            r#"{{{cost_type},"endpoints":{{"srcs":["ipv4:192.0.2.1"],"dsts":["ipv4:198.51.100.200"]}}}}"#
        ),
        "application/alto-propmapparams+json" => r#"{"entities":[],"properties":[]}"#.to_owned(),
        "application/alto-updatestreamparams+json" => {
            format!(r#"{{"add":{{"a":{{"resource-id":"{map}"}}}}}}"#)
        }
        PARAMS => format!(r#"{{"properties":["{map}.pid"],"endpoints":["ipv4:192.0.2.34"]}}"#),
        other => panic!("{other} is no media type of ours"),
    }
}

/// The path of a resource, found by its id in the directory.
pub(crate) fn path_of(publication: &Publication, wanted: &str) -> String {
    entries(publication)
        .into_iter()
        .find(|(id, ..)| id == wanted)
        .unwrap()
        .1
}

pub(crate) const PARAMS: &str = "application/alto-endpointpropparams+json";

pub(crate) fn post_properties(publication: &Publication, body: &[u8]) -> Response {
    let path = path_of(publication, "endpoint-property");
    send(
        publication,
        &Request {
            method: "POST",
            path: &path,
            content_type: Some(PARAMS),
            body,
            ..Request::default()
        },
    )
}

/// The `meta` of a 400 with an error object.
pub(crate) fn fault(publication: &Publication, body: &str) -> Value {
    let response = post_properties(publication, body.as_bytes());
    assert_eq!(response.status, 400, "{body}");
    assert_eq!(
        response.header("content-type"),
        Some("application/alto-error+json")
    );
    let document = json(&response);
    assert_eq!(document.as_object().unwrap().len(), 1);
    document["meta"].clone()
}
