//! Fixtures and a client that knows only the answers.

use std::collections::BTreeMap;

use glimpse_alto::{
    Anonymity, Content, Cost, CostMap, Limits, NetworkMap, NetworkMapError, PidName, Provenance,
    Publication, Request, ResourceId, Response, Serving, answer,
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

pub(crate) fn content(groups: &Groups, delay_rt: CostMap) -> Content {
    Content {
        network_map_id: id("nm"),
        network_map: network_map(groups).unwrap(),
        delay_rt,
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

pub(crate) fn publish(groups: &Groups, delay_rt: CostMap) -> Publication {
    Publication::new(content(groups, delay_rt)).unwrap()
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

/// The directory's entries as (id, path, entry).
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
