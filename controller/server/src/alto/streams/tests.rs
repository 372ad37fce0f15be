#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::sample::*;
use crate::app::alto_router;
use crate::fixture::{Fixture, read};
use crate::listener::{Bounds, Connections, Gate};
use crate::pki::{Pins, Revocations};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use glimpse_alto::merge_patch;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const PLENTY: &str =
    "[alto.limits]\nstreams = 10000\nclient_streams = 10000\nrequests_per_minute = 100000";

async fn apply(fixture: &Fixture, path: &str, request: &Value) -> u16 {
    let answer = post(fixture, "198.51.100.1", path, PARAMS, request.to_string()).await;
    answer.status.as_u16()
}

/// The streams that are open once those that end have ended.
async fn settle(fixture: &Fixture, open: usize) {
    for _ in 0..1_000 {
        if fixture.shared.edge.open_streams() == open {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{} streams are open", fixture.shared.edge.open_streams());
}

#[tokio::test]
async fn alto_check_57_a_change_goes_out_as_a_patch_of_what_is_fetched() {
    let fixture = serving("", publication(1_000, 1)).await;
    let request = json!({"add": {"c": {"resource-id": COSTS}, "n": {"resource-id": "nm"}}});
    let mut events = Events::open(&fixture, &request).await;
    events.control().await;
    let (name, map) = events.next().await.unwrap();
    assert_eq!(name, "application/alto-networkmap+json,n");
    assert_eq!(map, document(&fixture, "nm"));
    let (name, mut costs) = events.next().await.unwrap();
    assert_eq!(name, "application/alto-costmap+json,c");
    assert_eq!(costs, document(&fixture, COSTS));
    show(&fixture, publication(1_000, 2));
    let (name, patch) = events.next().await.unwrap();
    assert_eq!(name, "application/merge-patch+json,c");
    assert!(patch.to_string().len() <= 300, "{patch}");
    merge_patch::apply(&mut costs, patch);
    assert_eq!(costs, document(&fixture, COSTS));
}

#[tokio::test]
async fn alto_check_62_a_comment_breaks_the_silence() {
    let fixture = serving("", publication(1, 1)).await;
    let mut events = Events::open(&fixture, &costs()).await;
    events.control().await;
    events.next().await.unwrap();
    tokio::time::pause();
    let idle = tokio::time::timeout(Duration::from_secs(46), events.next()).await;
    assert!(idle.is_err(), "there is no event");
    assert_eq!(events.comments, 3, "one for each 15 seconds");
}

#[tokio::test]
async fn alto_check_62_publications_without_news_do_not_put_the_comment_off() {
    let fixture = serving("", publication(1, 1)).await;
    let mut events = Events::open(&fixture, &costs()).await;
    events.control().await;
    events.next().await.unwrap();
    tokio::time::pause();
    for _ in 0..46 {
        show(&fixture, publication(1, 1));
        let second = tokio::time::timeout(Duration::from_secs(1), events.next()).await;
        assert!(second.is_err(), "there is no event");
    }
    assert_eq!(events.comments, 3, "one for each 15 seconds");
}

#[tokio::test]
async fn alto_check_60_a_stream_is_controlled_by_its_uri_alone() {
    let fixture = serving("", publication(2, 1)).await;
    let mut events = Events::open(&fixture, &costs()).await;
    let control = events.control().await;
    assert_eq!(control.len(), "/updates/control/".len() + 32);
    events.next().await.unwrap();
    let add = json!({"add": {"n": {"resource-id": "nm"}}});
    assert_eq!(apply(&fixture, &control, &add).await, 202);
    assert_eq!(events.next().await.unwrap().1, json!({"started": ["n"]}));
    assert_eq!(
        events.next().await.unwrap().0,
        "application/alto-networkmap+json,n"
    );
    let answer = post(&fixture, "198.51.100.1", &control, PARAMS, add.to_string()).await;
    assert_eq!(answer.status, 400);
    assert_eq!(
        answer.header("content-type"),
        Some("application/alto-error+json")
    );
    assert_eq!(answer.json()["meta"]["field"], "add");
    let wrong = post(&fixture, "198.51.100.1", &control, "application/json", "{}").await;
    assert_eq!(wrong.status, 415);
    let fetched = get(&fixture, &control, &[]).await;
    assert_eq!(
        (fetched.status.as_u16(), fetched.header("allow")),
        (405, Some("POST, OPTIONS"))
    );
    assert_eq!(
        apply(&fixture, &control, &json!({"remove": ["c"]})).await,
        202
    );
    assert_eq!(events.next().await.unwrap().1, json!({"stopped": ["c"]}));
    assert_eq!(
        apply(&fixture, &control, &json!({"remove": ["c"]})).await,
        204
    );
    assert_eq!(apply(&fixture, &control, &json!({"remove": []})).await, 202);
    assert_eq!(events.next().await.unwrap().1, json!({"stopped": ["n"]}));
    assert_eq!(events.next().await, None, "the stream is closed");
    settle(&fixture, 0).await;
    assert_eq!(apply(&fixture, &control, &json!({"remove": []})).await, 404);
}

#[tokio::test]
async fn control_uris_are_not_to_be_guessed() {
    let fixture = serving("", publication(1, 1)).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..10 {
        let mut events = Events::open(&fixture, &costs()).await;
        assert!(seen.insert(events.control().await));
    }
    settle(&fixture, 0).await;
    let mut events = Events::open(&fixture, &costs()).await;
    let control = events.control().await;
    let last = control.chars().last().unwrap();
    let other = if last == '0' { "1" } else { "0" };
    let near = format!("{}{other}", &control[..control.len() - 1]);
    let all = json!({"remove": []}).to_string();
    for path in [
        near.as_str(),
        &control
            .to_uppercase()
            .replace("/UPDATES/CONTROL/", "/updates/control/"),
        "/updates/control/",
        "/updates/control/0",
        "/updates/control/%00",
        &format!("/updates/control/{}", "0".repeat(10_000)),
        &format!("{control}/x"),
        &format!(
            "/updates/control/+{}",
            &control["/updates/control/".len() + 1..]
        ),
    ] {
        let answer = post(&fixture, "192.0.2.5", path, PARAMS, all.clone()).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    let mut guesses = 0;
    let refused = loop {
        let answer = post(&fixture, "192.0.2.5", &near, PARAMS, all.clone()).await;
        match answer.status.as_u16() {
            404 => guesses += 1,
            _ => break answer,
        }
        assert!(guesses < 1_000, "nobody stops the guessing");
    };
    refused.problem(429);
    assert!(refused.header("retry-after").is_some());
    assert!(guesses < 60, "{guesses}");
    assert_eq!(fixture.shared.edge.open_streams(), 1, "the stream lives");
}

#[tokio::test]
async fn streams_are_bounded_for_a_client_and_in_all() {
    let config = "[alto.limits]\nstreams = 3\nclient_streams = 2";
    let fixture = serving(config, publication(1, 1)).await;
    let first = Events::open(&fixture, &costs()).await;
    let _second = Events::open(&fixture, &costs()).await;
    let refused = read(ask(&fixture, "203.0.113.9", &costs()).await).await;
    refused.problem(503);
    assert!(refused.header("retry-after").is_some());
    let _other = Events::of(ask(&fixture, "203.0.113.10", &costs()).await);
    read(ask(&fixture, "203.0.113.11", &costs()).await)
        .await
        .problem(503);
    drop(first);
    settle(&fixture, 2).await;
    let _again = Events::open(&fixture, &costs()).await;
    let many: serde_json::Map<_, _> = (0..65)
        .map(|n| (format!("s{n}"), json!({"resource-id": "nm"})))
        .collect();
    let refused = ask(&fixture, "203.0.113.12", &json!({ "add": many })).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn alto_check_61_a_bad_request_opens_nothing() {
    let fixture = serving("", publication(1, 1)).await;
    for (request, code, field) in [
        (json!({}), "E_MISSING_FIELD", "add"),
        (
            json!({"add": {"s": {"resource-id": "nope"}}}),
            "E_INVALID_FIELD_VALUE",
            "add/s/resource-id",
        ),
        (
            json!({"add": {"s": {"resource-id": "nm-filter", "input": {}}}}),
            "E_MISSING_FIELD",
            "pids",
        ),
    ] {
        let answer = read(ask(&fixture, "203.0.113.9", &request).await).await;
        assert_eq!(answer.status, 400);
        assert_eq!(
            answer.header("content-type"),
            Some("application/alto-error+json")
        );
        assert_eq!(answer.json()["meta"]["code"], code);
        assert_eq!(answer.json()["meta"]["field"], field);
    }
    assert_eq!(fixture.shared.edge.open_streams(), 0);
}

#[tokio::test]
async fn answers_to_questions_are_followed() {
    let fixture = serving("", publication(100, 1)).await;
    let endpoints: Vec<String> = (0..100).map(|n| format!("ipv4:10.0.{n}.1")).collect();
    let input = json!({"properties": ["nm.pid"], "endpoints": endpoints});
    let request = json!({"add": {
        "e": {"resource-id": "endpoint-property", "input": input},
    }});
    let mut events = Events::open(&fixture, &request).await;
    events.control().await;
    let (_, mut answer) = events.next().await.unwrap();
    assert_eq!(
        answer["endpoint-properties"]["ipv4:10.0.99.1"]["nm.pid"],
        "as100099:place-with-a-name-of-its-own"
    );
    show(&fixture, publication(99, 1));
    let (name, patch) = events.next().await.unwrap();
    assert_eq!(name, "application/merge-patch+json,e");
    merge_patch::apply(&mut answer, patch);
    assert_eq!(
        answer["endpoint-properties"]["ipv4:10.0.99.1"]["nm.pid"],
        "TOTAL"
    );
}

#[tokio::test]
async fn everything_ends_at_shutdown() {
    let fixture = serving("", publication(1, 1)).await;
    let mut events = Events::open(&fixture, &costs()).await;
    events.control().await;
    events.next().await.unwrap();
    fixture.stop.send_replace(true);
    assert_eq!(events.next().await, None);
    settle(&fixture, 0).await;
}

#[tokio::test]
async fn a_slow_reader_gets_one_full_replacement_instead_of_a_queue() {
    let fixture = serving("", publication(600, 1)).await;
    let mut events = Events::open(&fixture, &costs()).await;
    events.control().await;
    let (_, mut map) = events.next().await.unwrap();
    let mut quick = Events::open(&fixture, &costs()).await;
    quick.control().await;
    quick.next().await.unwrap();
    for first in 2..20 {
        show(&fixture, publication(600, first));
        assert_eq!(
            quick.next().await.unwrap().0,
            "application/merge-patch+json,c"
        );
    }
    let mut read = Vec::new();
    while map != document(&fixture, COSTS) {
        let (name, data) = events.next().await.unwrap();
        if name.starts_with("application/merge-patch+json") {
            merge_patch::apply(&mut map, data);
        } else {
            map = data;
        }
        read.push(name);
    }
    assert_eq!(
        read.last().map(String::as_str),
        Some("application/alto-costmap+json,c"),
        "a full replacement brings it to the newest"
    );
    assert!(read.len() <= 3, "after what was on its way: {read:?}");
}

#[tokio::test]
async fn who_takes_nothing_for_a_minute_loses_the_stream() {
    let fixture = serving("", publication(1_000, 1)).await;
    let response = ask(&fixture, "203.0.113.9", &costs()).await;
    assert_eq!(fixture.shared.edge.open_streams(), 1);
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(fixture.shared.edge.open_streams(), 1);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(fixture.shared.edge.open_streams(), 0);
    drop(response);
}

/// Memory of this process that is in use, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    let kib = line.split_whitespace().nth(1).unwrap();
    kib.parse::<usize>().unwrap() << 10
}

// A second or more: so many streams are the point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_thousand_streams_are_small_and_all_told() {
    const STREAMS: usize = 5_000;
    let fixture = serving(PLENTY, publication(100, 1)).await;
    let mut all = Vec::with_capacity(STREAMS);
    let before = resident();
    for _ in 0..STREAMS {
        let mut events = Events::open(&fixture, &costs()).await;
        events.control().await;
        events.next().await.unwrap();
        all.push(events);
    }
    let each = resident().saturating_sub(before) / STREAMS;
    assert!(each <= 20_000, "{each} bytes");
    show(&fixture, publication(100, 2));
    // How soon the last is told is the bench's figure.
    let told = async {
        for events in &mut all {
            let (name, _) = events.next().await.unwrap();
            assert_eq!(name, "application/merge-patch+json,c");
        }
    };
    let told = tokio::time::timeout(Duration::from_mins(1), told).await;
    told.expect("all are told");
}

/// What serves the listener's connections, by its usual bounds.
fn connections(fixture: &Fixture) -> Connections {
    let gate = Gate {
        revocations: Revocations::default(),
        now: Arc::new(|| 0),
        pins: Pins::default(),
    };
    let router = alto_router(Arc::clone(&fixture.shared));
    let stop = fixture.shared.stop.clone();
    Connections::new(router, Bounds::default(), gate, stop)
}

// Connections without the system's buffers, so that all that waits, waits in this process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_slow_streams_take_little_memory() {
    const STREAMS: usize = 1_000;
    const PLACES: u32 = 6_000;
    let fixture = serving(PLENTY, publication(PLACES, 1)).await;
    let size =
        document(&fixture, "nm").to_string().len() + document(&fixture, COSTS).to_string().len();
    assert!(size > 600_000, "{size}");
    let connections = connections(&fixture);
    let body =
        json!({"add": {"n": {"resource-id": "nm"}, "c": {"resource-id": COSTS}}}).to_string();
    let request = format!(
        "POST /updates HTTP/1.1\r\nhost: c\r\ncontent-type: {PARAMS}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let before = resident();
    let mut slow = Vec::with_capacity(STREAMS);
    for n in 0..u32::try_from(STREAMS).unwrap() {
        let (mut near, far) = tokio::io::duplex(1_024);
        let connections = connections.clone();
        let from = std::net::Ipv4Addr::from(0xc612_0000 + n);
        tokio::spawn(async move { connections.plain(far, (from, 1).into()).await });
        near.write_all(request.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        near.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        slow.push(near);
    }
    for first in 2..4 {
        show(&fixture, publication(PLACES, first));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let each = resident().saturating_sub(before) / STREAMS;
    assert!(each <= 120_000, "{each} bytes of {size}");
    drop(slow);
    settle(&fixture, 0).await;
}

#[tokio::test]
async fn the_connection_of_a_stream_that_nobody_reads_ends() {
    let fixture = serving("", publication(1_000, 1)).await;
    let connections = connections(&fixture);
    let (mut near, far) = tokio::io::duplex(1_024);
    let from = (std::net::Ipv4Addr::LOCALHOST, 1).into();
    let connection = tokio::spawn(async move { connections.plain(far, from).await });
    let body = costs().to_string();
    let request = format!(
        "POST /updates HTTP/1.1\r\nhost: c\r\ncontent-type: {PARAMS}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    near.write_all(request.as_bytes()).await.unwrap();
    near.read_exact(&mut [0; 12]).await.unwrap();
    tokio::time::pause();
    let patience = Bounds::default().stall + Duration::from_secs(30);
    let ended = tokio::time::timeout(patience, connection).await;
    ended.expect("it has waited long enough").unwrap();
    settle(&fixture, 0).await;
}

#[tokio::test]
async fn a_client_that_wants_no_events_gets_none() {
    let fixture = serving("", publication(1, 1)).await;
    let request = Request::post("/updates").header("content-type", PARAMS);
    let request = request.header("accept", "application/json");
    let body = Body::from(costs().to_string());
    let answer = read(send(&fixture, "203.0.113.9", request.body(body).unwrap()).await).await;
    assert_eq!(answer.status, 406);
    let answer = post(
        &fixture,
        "203.0.113.9",
        "/updates",
        "application/json",
        "{}",
    )
    .await;
    assert_eq!(answer.status, 415);
    assert_eq!(get(&fixture, "/updates", &[]).await.status, 405);
}
