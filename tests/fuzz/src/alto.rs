//! What clients ask the ALTO service, and the maps that operators give it.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use glimpse_alto::{
    Anonymity, Calendar, CalendarKind, Column, Content, Cost, CostContext, CostMap, CostMetric,
    Edition, Endpoint, Intervals, Limits, NetworkMap, PidName, Preference, Prefix, Provenance,
    Publication, Request, ResourceId, Response, Serving, Shelf, Shelved, answer,
};
use serde_json::{Value, json};

/// 2026-01-02T00:00:00Z
const NOW_US: i64 = 1_767_312_000_000_000;
const DAY_US: i64 = 86_400_000_000;

/// PID to address type to prefixes, as in a document.
type Groups = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// A map of RFC 7285, to which inputs are requests.
const MAP: &str = r#"{
    "mypid1": {"ipv4": ["192.0.2.0/24", "198.51.100.0/25"]},
    "mypid2": {"ipv4": ["198.51.100.128/25"]},
    "peeringpid1": {"ipv4": ["203.0.113.0/24"], "ipv6": ["2001:db8::/32"]},
    "rest": {"ipv4": ["0.0.0.0/0"], "ipv6": ["::/0"]}
}"#;

/// Source, destination, round-trip time in microseconds.
const DELAYS: [(&str, &str, u64); 5] = [
    ("mypid1", "mypid2", 2_000),
    ("mypid1", "rest", 40_000),
    ("mypid2", "peeringpid1", 3_500),
    ("mypid2", "mypid1", 2_100),
    ("rest", "mypid1", 40_000),
];

static PUBLICATION: LazyLock<Option<Publication>> = LazyLock::new(publication);

fn publication() -> Option<Publication> {
    let groups: Groups = serde_json::from_str(MAP).ok()?;
    let pid = |name| PidName::new(name).ok();
    let cells = || {
        let cells = DELAYS.into_iter();
        cells.filter_map(|(from, to, cost)| Some((pid(from)?, pid(to)?, Cost::new(cost))))
    };
    let delays = CostMap::new(cells());
    let hours = Calendar {
        kind: CalendarKind::HourOfDay,
        start_us: NOW_US - DAY_US,
        interval_s: 3_600,
        intervals: 24,
        cells: Intervals::new(
            24,
            cells().map(|(from, to, cost)| (from, to, vec![cost; 24])),
        ),
    };
    let column = |name: &str, metric: CostMetric, costs| Column {
        name: name.to_owned(),
        metric,
        preference: Preference::Lower,
        context: CostContext::default(),
        description: "a delay".to_owned(),
        costs,
        calendars: Vec::new(),
        fetched: true,
        samples: 100,
        subscribers: 10,
    };
    let edition = Edition {
        id: ResourceId::new("nm").ok()?,
        map: Arc::new(NetworkMap::parse(&groups).ok()?),
        columns: vec![
            column(
                "routingcost",
                CostMetric::routingcost(),
                delays.routingcost(),
            ),
            Column {
                calendars: vec![hours],
                ..column("delay-rt", CostMetric::delay_rt(), delays)
            },
        ],
        properties: [(
            pid("mypid1")?,
            [(".priv:glimpse-subs".to_owned(), "10".to_owned())].into(),
        )]
        .into(),
        provenance: Provenance {
            window_start_us: NOW_US - DAY_US,
            window_end_us: NOW_US,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 100,
            subscribers: 10,
            newest_us: Some(NOW_US),
            anonymity: Anonymity::K(10),
        },
    };
    let content = Content {
        editions: vec![Shelved {
            edition,
            shelf: Shelf::Current,
        }],
        fetched_only: false,
    };
    Publication::new(content).ok()
}

/// Whether there is a publication for requests to be answered from.
pub fn publishes() -> bool {
    PUBLICATION.is_some()
}

fn published() -> &'static Publication {
    let Some(publication) = PUBLICATION.as_ref() else {
        panic!("the map of this module can be published");
    };
    publication
}

fn send(request: &Request<'_>) -> Response {
    let serving = Serving {
        now_us: NOW_US,
        next_us: NOW_US + 600_000_000,
        limits: Limits::default(),
    };
    answer(published(), request, &serving)
}

/// Paths of what answers questions, with the type of the question.
fn questions() -> Vec<(&'static str, &'static str)> {
    let kinds = published().resource_kinds();
    let asked = kinds.filter_map(|kind| Some((kind.path, kind.accepts?)));
    asked
        .filter(|(path, _)| !published().is_update_stream(path))
        .collect()
}

fn post(path: &str, accepts: &str, body: &[u8]) -> Response {
    send(&Request {
        method: "POST",
        path,
        content_type: Some(accepts),
        body,
        peer: Some([192, 0, 2, 7].into()),
        ..Request::default()
    })
}

fn document(response: &Response) -> Value {
    serde_json::from_slice(&response.body).unwrap_or_default()
}

/// An error object as RFC 7285 §8.5.2 has it.
fn is_error(response: &Response) -> bool {
    let meta = &document(response)["meta"];
    let code = meta["code"].as_str().unwrap_or_default();
    let given = |name: &str| meta.get(name).is_some_and(Value::is_string);
    match code {
        "E_SYNTAX" => given("syntax-error") && !given("field"),
        "E_MISSING_FIELD" | "E_INVALID_FIELD_TYPE" => given("field") && !given("value"),
        "E_INVALID_FIELD_VALUE" => given("field") && given("value"),
        _ => false,
    }
}

/// A request of an ALTO client: lines with path, `Accept`, `Accept-Encoding`, `Content-Type` and `If-None-Match`, an empty
/// one for a field that is not there; the rest is the body.
///
/// # Panics
/// When there is nothing to ask for.
pub fn request(bytes: &[u8]) {
    let mut parts = bytes.splitn(6, |&byte| byte == b'\n');
    let mut line = || {
        let part = parts.next().unwrap_or_default();
        std::str::from_utf8(part).unwrap_or_default()
    };
    let [path, accept, accept_encoding, content_type, if_none_match] = [(); 5].map(|()| line());
    let given = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let body = parts.next().unwrap_or_default();
    for method in ["GET", "HEAD", "POST", "OPTIONS"] {
        let response = send(&Request {
            method,
            path,
            accept: given(accept),
            accept_encoding: given(accept_encoding),
            content_type: given(content_type),
            if_none_match: given(if_none_match),
            body,
            ..Request::default()
        });
        assert!(
            [200, 204, 304, 400, 404, 405, 406, 413, 415].contains(&response.status),
            "{}",
            response.status
        );
        if !response.body.is_empty() {
            assert!(serde_json::from_slice::<Value>(&response.body).is_ok());
        }
    }
}

/// The answer to a question: a byte that picks the resource, and the body.
pub fn asked(bytes: &[u8]) -> Option<Response> {
    let (choice, body) = bytes.split_first()?;
    let questions = questions();
    let (path, accepts) = questions.get(usize::from(*choice) % questions.len())?;
    Some(post(path, accepts, body))
}

/// A question: costs in an answer are those of the maps, and what is refused is refused with an error object.
///
/// # Panics
/// When an answer is none.
pub fn filter(bytes: &[u8]) {
    let Some(response) = asked(bytes) else {
        return;
    };
    match response.status {
        200 => {
            let answer = document(&response);
            assert!(answer["meta"].is_object(), "{answer}");
            if let Some(rows) = answer["cost-map"].as_object() {
                for (source, row) in rows {
                    check(&answer["meta"], source, row);
                }
            }
        }
        400 => assert!(is_error(&response), "{}", document(&response)),
        other => assert_eq!(other, 413),
    }
}

/// A row of a cost map is not empty and has delays where delays were asked for.
fn check(meta: &Value, source: &str, row: &Value) {
    let cells = row.as_object().into_iter().flatten();
    assert!(cells.clone().count() > 0, "{source} has an empty row");
    let delays = meta["cost-type"]["cost-metric"] == "delay-rt"
        && meta["cost-type"]["cost-mode"] == "numerical";
    for (destination, cell) in cells.filter(|_| delays) {
        let known = DELAYS
            .iter()
            .find(|(from, to, _)| *from == source && to == destination);
        let cost = if meta.get("calendar-response-attributes").is_some() {
            &cell[0]
        } else {
            cell
        };
        assert_eq!(
            known.map(|(.., cost)| *cost),
            cost.as_u64(),
            "{source} {destination}"
        );
    }
}

const COST_MAP: (&str, &str) = ("/costmap/nm/filter", "application/alto-costmapfilter+json");
const ENDPOINT_COST: (&str, &str) = (
    "/endpointcost/nm",
    "application/alto-endpointcostparams+json",
);

/// Pairs that a constraint lets through; `None` if it is refused.
fn passing(member: &str, constraint: &Value) -> Option<usize> {
    let body = json!({"cost-type": {"cost-metric": "delay-rt", "cost-mode": "numerical"}, member: constraint});
    let response = post(COST_MAP.0, COST_MAP.1, body.to_string().as_bytes());
    if response.status != 200 {
        assert!(is_error(&response), "{}", response.status);
        return None;
    }
    let answer = document(&response);
    let rows = answer["cost-map"].as_object().into_iter().flatten();
    Some(
        rows.filter_map(|(_, row)| row.as_object())
            .map(serde_json::Map::len)
            .sum(),
    )
}

/// A constraint: alone, twice, and as the only alternative it says the same; with its opposite all pairs pass.
///
/// # Panics
/// When one of that is not so.
pub fn constraint(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let count = passing("constraints", &json!([text]));
    assert_eq!(
        passing("constraints", &json!([text, text])),
        count,
        "{text:?}"
    );
    assert_eq!(
        passing("or-constraints", &json!([[text]])),
        count,
        "{text:?}"
    );
    let Some(count) = count else {
        return;
    };
    for (operator, opposite) in [("gt", "le"), ("lt", "ge")] {
        for (one, other) in [(operator, opposite), (opposite, operator)] {
            if text.contains(one) {
                let rest = passing("constraints", &json!([text.replace(one, other)]));
                assert_eq!(
                    rest.map(|rest| rest + count),
                    Some(DELAYS.len()),
                    "{text:?}"
                );
            }
        }
    }
}

/// An address of a question, or a prefix: what is understood is written and read again, and keeps its spelling in answers.
///
/// # Panics
/// When it does not.
pub fn address(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(prefix) = text.parse::<Prefix>() {
        assert_eq!(prefix.to_string().parse(), Ok(prefix), "{text:?}");
    }
    let endpoint = text.parse::<Endpoint>();
    let body = json!({"cost-type": {"cost-metric": "delay-rt", "cost-mode": "ordinal"}, "endpoints": {"srcs": [text], "dsts": ["ipv4:192.0.2.1", text]}});
    let response = post(
        ENDPOINT_COST.0,
        ENDPOINT_COST.1,
        body.to_string().as_bytes(),
    );
    if endpoint.is_err() {
        assert_eq!(response.status, 400, "{text:?}");
        assert_eq!(document(&response)["meta"]["value"], *text);
        return;
    }
    assert_eq!(response.status, 200, "{text:?}");
    let answer = document(&response);
    let rows = answer["endpoint-cost-map"].as_object();
    assert!(
        rows.is_some_and(|rows| rows.keys().all(|key| *key == text)),
        "{answer}"
    );
}

/// A network map, as it stands in a document.
pub fn network_map(bytes: &[u8]) {
    let Ok(groups) = serde_json::from_slice::<Groups>(bytes) else {
        return;
    };
    if let Ok(map) = NetworkMap::parse(&groups) {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let pid = address.parse().ok().and_then(|address| map.pid_of(address));
            assert!(pid.is_none_or(|pid| map.contains(pid)));
        }
    }
}
