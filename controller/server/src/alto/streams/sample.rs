//! Publications of any size, and what a client does with a stream.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use crate::alto::Published;
use crate::app::alto_router;
use crate::fixture::{Answer, Fixture, read};
use crate::listener::Peer;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use glimpse_alto::{
    Anonymity, Column, Content, Cost, CostContext, CostMap, CostMetric, Edition, NetworkMap,
    PidName, Preference, Provenance, Publication, ResourceId, Shelf, Shelved,
};
use glimpse_model::time::SECOND;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use tower::ServiceExt;

pub(in crate::alto) const PARAMS: &str = "application/alto-updatestreamparams+json";
pub(in crate::alto) const COSTS: &str = "nm-delay-rt";

fn pid(name: &str) -> PidName {
    PidName::new(name).unwrap()
}

/// `places` groups of addresses with a cost to one cluster each, the first of which is `first`.
pub(in crate::alto) fn publication(places: u32, first: u64) -> Publication {
    let group = |n: u32| pid(&format!("as{}:place-with-a-name-of-its-own", 100_000 + n));
    let cluster = pid("MSMNT-CL1");
    let network = |n: u32| {
        let address: IpAddr = std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).into();
        glimpse_alto::Prefix::new(address, 24).unwrap()
    };
    let groups = (0..places).map(|n| (group(n), vec![network(n)]));
    let groups = groups.chain([(cluster.clone(), vec!["192.0.2.1/32".parse().unwrap()])]);
    let costs = CostMap::new((0..places).map(|n| {
        let cost = if n == 0 { first } else { 10_000 + u64::from(n) };
        (group(n), cluster.clone(), Cost::new(cost))
    }));
    let column = |name: &str, metric, costs| Column {
        name: name.to_owned(),
        metric,
        preference: Preference::Lower,
        context: CostContext::new([]),
        description: "costs".to_owned(),
        costs,
        calendars: Vec::new(),
        fetched: true,
        samples: 100,
        subscribers: 20,
    };
    let edition = Edition {
        id: ResourceId::new("nm").unwrap(),
        map: Arc::new(NetworkMap::with_rest(groups, &PidName::total()).unwrap()),
        columns: vec![
            column(
                "routingcost",
                CostMetric::routingcost(),
                costs.routingcost(),
            ),
            column("delay-rt", CostMetric::delay_rt(), costs),
        ],
        properties: BTreeMap::new(),
        provenance: Provenance {
            window_start_us: 0,
            window_end_us: 3_600 * SECOND,
            aggregation: "per-subscriber-first".into(),
            method: "udp-icmp-echo".into(),
            samples: 100,
            subscribers: 20,
            newest_us: None,
            anonymity: Anonymity::K(10),
        },
    };
    let shelf = Shelf::Current;
    Publication::new(Content {
        editions: vec![Shelved { edition, shelf }],
        fetched_only: false,
    })
    .unwrap()
}

/// Puts a publication in force.
pub(in crate::alto) fn show(fixture: &Fixture, publication: Publication) {
    let next = fixture.shared.now().plus_micros(3_600 * SECOND);
    let published = Published::of(publication, next);
    fixture.shared.publication.store(Some(Arc::new(published)));
    fixture.shared.published.send_modify(|count| *count += 1);
}

pub(in crate::alto) async fn serving(config: &str, publication: Publication) -> Fixture {
    let fixture = Fixture::with(config, glimpse_store::Options::default()).await;
    show(&fixture, publication);
    fixture
}

/// What of a document is published.
pub(in crate::alto) fn document(fixture: &Fixture, id: &str) -> Value {
    let published = fixture.shared.publication.load_full().unwrap();
    let document = published
        .publication
        .document(&ResourceId::new(id).unwrap())
        .unwrap();
    serde_json::from_slice(&document.identity.bytes).unwrap()
}

/// Sends a request as it comes from a connection of this address.
pub(in crate::alto) async fn send(
    fixture: &Fixture,
    from: &str,
    mut request: Request<Body>,
) -> Response<Body> {
    request.extensions_mut().insert(Peer {
        addr: (from.parse::<IpAddr>().unwrap(), 4_000).into(),
        agent: None,
        pinned: None,
    });
    alto_router(Arc::clone(&fixture.shared))
        .oneshot(request)
        .await
        .unwrap()
}

pub(in crate::alto) async fn post(
    fixture: &Fixture,
    from: &str,
    path: &str,
    media_type: &str,
    body: impl Into<Body>,
) -> Answer {
    let request = Request::post(path).header("content-type", media_type);
    read(send(fixture, from, request.body(body.into()).unwrap()).await).await
}

pub(in crate::alto) async fn get(fixture: &Fixture, path: &str, fields: &[(&str, &str)]) -> Answer {
    let mut request = Request::get(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    read(send(fixture, "203.0.113.9", request.body(Body::empty()).unwrap()).await).await
}

/// Asks for a stream.
pub(in crate::alto) async fn ask(fixture: &Fixture, from: &str, request: &Value) -> Response<Body> {
    let body = Body::from(request.to_string());
    let request = Request::post("/updates").header("content-type", PARAMS);
    send(fixture, from, request.body(body).unwrap()).await
}

/// A request for the costs alone.
pub(in crate::alto) fn costs() -> Value {
    json!({"add": {"c": {"resource-id": COSTS}}})
}

/// The events of a stream, as a client reads them.
pub(in crate::alto) struct Events {
    body: Body,
    text: String,
    pub(in crate::alto) comments: usize,
}

impl Events {
    pub(in crate::alto) async fn open(fixture: &Fixture, request: &Value) -> Self {
        Self::of(ask(fixture, "203.0.113.9", request).await)
    }

    pub(in crate::alto) fn of(response: Response<Body>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body(),
            text: String::new(),
            comments: 0,
        }
    }

    /// Reads on; `false` at the end.
    pub(in crate::alto) async fn read(&mut self) -> bool {
        match self.body.frame().await {
            Some(frame) => {
                let data = frame.unwrap().into_data().unwrap();
                self.text.push_str(str::from_utf8(&data).unwrap());
                true
            }
            None => false,
        }
    }

    /// The next event: its name and its data.
    pub(in crate::alto) async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            while self.text.starts_with(':') {
                let end = self.text.find('\n').unwrap();
                self.text.drain(..=end);
                self.comments += 1;
            }
            if let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                let (mut name, mut data) = (String::new(), String::new());
                for line in event.lines().filter(|line| !line.is_empty()) {
                    match line.split_once(": ").unwrap() {
                        ("event", value) => name = value.to_owned(),
                        ("data", value) => data.push_str(value),
                        (field, _) => panic!("{field}"),
                    }
                }
                return Some((name, serde_json::from_str(&data).unwrap()));
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// The path of the control, from the first event.
    pub(in crate::alto) async fn control(&mut self) -> String {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "application/alto-updatestreamcontrol+json");
        format!("/{}", data["control-uri"].as_str().unwrap())
    }
}
