#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::alto::streams::sample::*;
use crate::fixture::{Answer, Fixture, read};
use axum::http::Request;
use serde_json::{Value, json};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Instant;

const ERROR: &str = "application/alto-error+json";
/// Everything that is asked by POST: path, media type of the question, a member that it needs.
const QUESTIONS: [(&str, &str, &str); 6] = [
    (
        "/networkmap/nm/filter",
        "application/alto-networkmapfilter+json",
        "pids",
    ),
    (
        "/costmap/nm/filter",
        "application/alto-costmapfilter+json",
        "cost-type",
    ),
    (
        "/endpointcost/nm",
        "application/alto-endpointcostparams+json",
        "endpoints",
    ),
    (
        "/endpointprop",
        "application/alto-endpointpropparams+json",
        "endpoints",
    ),
    (
        "/propmap/nm/filter",
        "application/alto-propmapparams+json",
        "entities",
    ),
    ("/updates", PARAMS, "add"),
];
const ECS: &str = QUESTIONS[2].0;
const ECS_PARAMS: &str = QUESTIONS[2].1;

async fn small() -> Fixture {
    serving("", publication(3, 1)).await
}

async fn ecs(fixture: &Fixture, from: &str, forwarded: Option<&str>, endpoints: Value) -> Answer {
    let question = json!({
        "cost-type": {"cost-metric": "delay-rt", "cost-mode": "numerical"}, "endpoints": endpoints,
    });
    let mut request = Request::post(ECS).header("content-type", ECS_PARAMS);
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let body = Body::from(question.to_string());
    read(send(fixture, from, request.body(body).unwrap()).await).await
}

#[tokio::test]
async fn alto_check_63_what_the_client_has_is_not_sent_again() {
    let fixture = small().await;
    for path in ["/", "/networkmap/nm", "/costmap/nm/delay-rt"] {
        let first = get(&fixture, path, &[]).await;
        let tag = first.header("etag").unwrap().to_owned();
        let again = get(&fixture, path, &[("if-none-match", &tag)]).await;
        assert_eq!(
            (again.status.as_u16(), again.body.len()),
            (304, 0),
            "{path}"
        );
        assert_eq!(again.header("etag"), Some(tag.as_str()));
        let old = get(&fixture, path, &[("if-none-match", "\"old\"")]).await;
        assert_eq!((old.status.as_u16(), &old.body), (200, &first.body));
    }
    let tag = get(&fixture, "/costmap/nm/delay-rt", &[])
        .await
        .header("etag")
        .unwrap()
        .to_owned();
    show(&fixture, publication(3, 2));
    let changed = get(&fixture, "/costmap/nm/delay-rt", &[("if-none-match", &tag)]).await;
    assert_eq!(changed.status, 200);
}

#[tokio::test]
async fn alto_check_64_types_are_agreed_upon_first() {
    let fixture = small().await;
    for path in ["/", "/networkmap/nm", "/costmap/nm/delay-rt"] {
        let answer = get(&fixture, path, &[("accept", "text/html")]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.body.len()),
            (406, 0),
            "{path}"
        );
    }
    for (path, media_type, _) in QUESTIONS {
        for wrong in ["application/json", "", "text/plain", "\u{ff}"] {
            let answer = post(&fixture, "203.0.113.9", path, wrong, "{}").await;
            assert_eq!(answer.status, 415, "{path} {wrong}");
        }
        let request = Request::post(path)
            .header("content-type", media_type)
            .header("accept", "text/html")
            .body(Body::from("{}"))
            .unwrap();
        assert_eq!(
            send(&fixture, "203.0.113.9", request).await.status(),
            406,
            "{path}"
        );
        let answer = get(&fixture, path, &[]).await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("allow")),
            (405, Some("POST, OPTIONS"))
        );
    }
    let packed = Request::post(ECS)
        .header("content-type", ECS_PARAMS)
        .header("content-encoding", "br")
        .body(Body::from("{}"))
        .unwrap();
    assert_eq!(send(&fixture, "203.0.113.9", packed).await.status(), 415);
}

/// A body without a length, which counts what is taken of it.
struct Endless {
    taken: Arc<AtomicUsize>,
    left: usize,
}

impl hyper::body::Body for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<hyper::body::Frame<Bytes>, Self::Error>>> {
        const FRAME: &[u8] = &[b' '; 64 << 10];
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left = self.left.saturating_sub(FRAME.len());
        self.taken.fetch_add(FRAME.len(), Ordering::Relaxed);
        Poll::Ready(Some(Ok(hyper::body::Frame::data(Bytes::from_static(
            FRAME,
        )))))
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_before_it_is_read() {
    let fixture = small().await;
    for (path, media_type, _) in QUESTIONS {
        let taken = Arc::new(AtomicUsize::new(0));
        let body = Body::new(Endless {
            taken: Arc::clone(&taken),
            left: 10_000_000,
        });
        let answer = post(&fixture, "203.0.113.9", path, media_type, body).await;
        assert_eq!(answer.status, 413, "{path}");
        assert!(
            taken.load(Ordering::Relaxed) <= 2 << 20,
            "it is not read to its end"
        );
        let known = post(
            &fixture,
            "203.0.113.9",
            path,
            media_type,
            vec![b' '; 10_000_000],
        )
        .await;
        assert_eq!(known.status, 413);
    }
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut bomb, &vec![b' '; 10_000_000]).unwrap();
    let request = Request::post(ECS)
        .header("content-type", ECS_PARAMS)
        .header("content-encoding", "gzip")
        .body(Body::from(bomb.finish().unwrap()))
        .unwrap();
    assert_eq!(send(&fixture, "203.0.113.9", request).await.status(), 413);
}

#[tokio::test]
async fn hostile_bodies_get_the_right_error_object() {
    let fixture = small().await;
    for (path, media_type, member) in QUESTIONS {
        let deep = "[".repeat(10_000);
        let closed = format!("{{\"{member}\":{deep}{}}}", "]".repeat(10_000));
        let objects = format!(
            "{}1{}",
            format!("{{\"{member}\":").repeat(10_000),
            "}".repeat(10_000)
        );
        for (body, codes) in [
            (
                format!("{{\"{member}\":{deep}").into_bytes(),
                &["E_SYNTAX"][..],
            ),
            (
                closed.into_bytes(),
                &[
                    "E_MISSING_FIELD",
                    "E_INVALID_FIELD_TYPE",
                    "E_INVALID_FIELD_VALUE",
                ],
            ),
            (
                objects.into_bytes(),
                &[
                    "E_MISSING_FIELD",
                    "E_INVALID_FIELD_TYPE",
                    "E_INVALID_FIELD_VALUE",
                ],
            ),
            (
                format!("{{\"{member}\":\"\0\"}}").into_bytes(),
                &["E_SYNTAX"],
            ),
            (vec![0; 100], &["E_SYNTAX"]),
            (b"{\"\xff\":1}".to_vec(), &["E_SYNTAX"]),
            (b"".to_vec(), &["E_SYNTAX"]),
            (b"[]".to_vec(), &["E_SYNTAX"]),
            (b"{}{}".to_vec(), &["E_SYNTAX"]),
        ] {
            let shown = String::from_utf8_lossy(&body[..body.len().min(40)]).into_owned();
            let answer = post(&fixture, "203.0.113.9", path, media_type, body).await;
            assert_eq!(answer.status, 400, "{path} {shown}");
            assert_eq!(answer.header("content-type"), Some(ERROR));
            let code = answer.json()["meta"]["code"].as_str().unwrap().to_owned();
            assert!(codes.contains(&code.as_str()), "{path} {shown}: {code}");
            assert!(
                answer.body.len() < 64 << 10,
                "{path} {shown}: {} bytes",
                answer.body.len()
            );
        }
    }
}

// A million names are many to print and to parse.
#[tokio::test]
async fn a_million_pids_are_too_long_or_soon_done() {
    let names: Vec<String> = (0..1_000_000).map(|n| format!("p{n}")).collect();
    let body = json!({ "pids": names }).to_string();
    let (path, media_type, _) = QUESTIONS[0];
    let fixture = small().await;
    assert_eq!(
        post(&fixture, "203.0.113.9", path, media_type, body.clone())
            .await
            .status,
        413
    );
    let config = "[alto.limits]\nbody_bytes = 20000000";
    let fixture = serving(config, publication(3, 1)).await;
    #[expect(
        clippy::disallowed_methods,
        reason = "the time that it takes is the point"
    )]
    let before = Instant::now();
    let answer = post(&fixture, "203.0.113.9", path, media_type, body).await;
    assert!(
        before.elapsed() < Duration::from_secs(20),
        "{:?}",
        before.elapsed()
    );
    match answer.status.as_u16() {
        200 => assert_eq!(
            answer.json()["network-map"],
            json!({}),
            "unknown ones are absent"
        ),
        status => assert_eq!(status, 413),
    }
}

#[tokio::test]
async fn more_pairs_than_allowed_are_too_much() {
    let fixture = small().await;
    let many = |n: u32| -> Vec<String> {
        (0..n)
            .map(|n| format!("ipv4:{}", std::net::Ipv4Addr::from(n)))
            .collect()
    };
    let endpoints = json!({"srcs": many(101), "dsts": many(100)});
    assert_eq!(
        ecs(&fixture, "203.0.113.9", None, endpoints).await.status,
        413
    );
    let endpoints = json!({"srcs": many(100), "dsts": many(100)});
    assert_eq!(
        ecs(&fixture, "203.0.113.9", None, endpoints).await.status,
        200
    );
    let fixture = serving("[alto.limits]\npairs = 10", publication(3, 1)).await;
    let endpoints = json!({"srcs": many(4), "dsts": many(3)});
    assert_eq!(
        ecs(&fixture, "203.0.113.9", None, endpoints).await.status,
        413
    );
}

#[tokio::test]
async fn alto_check_36_an_empty_list_is_the_client_whoever_stands_between() {
    let config = "[alto]\ntrusted_proxies = [\"198.51.100.0/24\"]";
    let fixture = serving(config, publication(3, 1)).await;
    let dsts = json!({"dsts": ["ipv4:192.0.2.1"]});
    let source = |answer: Answer| {
        assert_eq!(
            answer.status,
            200,
            "{}",
            String::from_utf8_lossy(&answer.body)
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        answer.json()["endpoint-cost-map"]
            .as_object()
            .unwrap()
            .keys()
            .next()
            .cloned()
    };
    let direct = ecs(&fixture, "10.0.1.7", Some("10.0.2.9"), dsts.clone()).await;
    assert_eq!(
        source(direct).as_deref(),
        Some("ipv4:10.0.1.7"),
        "no word is taken"
    );
    let behind = ecs(
        &fixture,
        "198.51.100.7",
        Some("10.0.0.1, 10.0.2.9"),
        dsts.clone(),
    )
    .await;
    assert_eq!(source(behind).as_deref(), Some("ipv4:10.0.2.9"));
    let hidden = ecs(&fixture, "198.51.100.7", None, dsts).await;
    assert_eq!(source(hidden), None, "the proxy is not the client");
}

#[tokio::test]
async fn a_client_that_asks_too_often_is_told_when_to_come_again() {
    let fixture = serving("[alto.limits]\nrequests_per_minute = 3", publication(3, 1)).await;
    let ask = async |from: &str| {
        let request = Request::get("/").body(Body::empty()).unwrap();
        read(send(&fixture, from, request).await).await
    };
    for _ in 0..3 {
        assert_eq!(ask("2001:db8:0:100::1").await.status, 200);
    }
    let refused = ask("2001:db8:0:1ff::2").await;
    refused.problem(429);
    assert_eq!(refused.header("retry-after"), Some("20"));
    assert_eq!(ask("2001:db8:0:200::1").await.status, 200, "another site");
    fixture.advance(20);
    assert_eq!(ask("2001:db8:0:100::1").await.status, 200);
}

#[tokio::test]
async fn other_paths_and_methods_are_refused() {
    let fixture = small().await;
    for path in [
        "/nowhere",
        "/networkmap/nm/",
        "//",
        "/networkmap/%6em",
        "/..%2f",
        "/updates/control",
    ] {
        assert_eq!(get(&fixture, path, &[]).await.status, 404, "{path}");
    }
    for method in ["PUT", "DELETE", "PATCH", "TRACE", "BREW"] {
        let request = Request::builder().method(method).uri("/networkmap/nm");
        let request = request.body(Body::empty()).unwrap();
        assert_eq!(
            send(&fixture, "203.0.113.9", request).await.status(),
            405,
            "{method}"
        );
    }
    let request = Request::head("/networkmap/nm").body(Body::empty()).unwrap();
    let head = read(send(&fixture, "203.0.113.9", request).await).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    assert_ne!(head.header("content-length"), Some("0"));
}

#[tokio::test]
async fn nothing_is_said_before_something_is_published() {
    let fixture = Fixture::new().await;
    let early = get(&fixture, "/", &[]).await;
    early.problem(503);
    assert!(early.header("retry-after").is_some());
}

/// Where log lines go.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_address_is_logged() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    tracing::info!("log begins");
    let config = "[alto]\ntrusted_proxies = [\"198.51.100.7\"]\n[alto.limits]\nrequests_per_minute = 9\nclient_streams = 0";
    let fixture = serving(config, publication(3, 1)).await;
    for endpoints in [
        json!({"dsts": ["ipv4:10.0.1.77"]}),
        json!({"dsts": ["ipv4:10.0.1.777"]}),
        json!({"srcs": [], "dsts": "10.0.1.77"}),
    ] {
        ecs(&fixture, "198.51.100.7", Some("203.0.113.77"), endpoints).await;
    }
    ask(&fixture, "203.0.113.77", &costs()).await;
    for _ in 0..10 {
        ecs(
            &fixture,
            "203.0.113.77",
            None,
            json!({"dsts": ["ipv4:10.0.1.77"]}),
        )
        .await;
    }
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("log begins"));
    for private in ["203.0.113.77", "10.0.1.77"] {
        assert!(!log.contains(private), "{log}");
    }
}
