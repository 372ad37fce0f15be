#![allow(clippy::unwrap_used)]

use super::service::is_suspect;
use crate::document::compress;
use crate::fixture::{Fixture, batch, by, record, result_id, start};
use axum::body::{Body, Bytes};
use axum::http::Request;
use glimpse_model::id::{AgentId, InstructionId};
use glimpse_model::record::{MAX_BATCH, Receipt};
use glimpse_model::time::{SECOND, Timestamp};
use glimpse_store::{Admit, Audience, Filter, NewInstruction, Options, ResultRow, Sqlite, Store};
use hyper::body::Frame;
use serde_json::{Value, json};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

async fn fresh() -> Fixture {
    let fixture = Fixture::new().await;
    fixture.enrol("a-1").await;
    fixture.enrol("a-2").await;
    fixture
}

async fn stored(fixture: &Fixture) -> Vec<ResultRow> {
    let mut rows = fixture.shared.store.results(Filter::default());
    let mut found = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        found.push(row);
    }
    found
}

async fn receipt(fixture: &Fixture, body: impl Into<Body>) -> Receipt {
    let answer = fixture.post("a-1", body).await;
    assert_eq!(
        answer.status,
        200,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    Receipt::parse(&answer.body).unwrap()
}

#[tokio::test]
async fn a_bad_record_does_not_cost_the_others() {
    let fixture = fresh().await;
    let mut status = record(2);
    status["status"] = json!("fine");
    let mut no_id = record(3);
    no_id["id"] = json!(7);
    let mut nul = record(4);
    nul["probe_result"]["a"] = json!("x\u{0}");
    let receipt = receipt(
        &fixture,
        batch(&[record(1), status, no_id, json!("text"), nul, record(5)]),
    )
    .await;
    assert_eq!(receipt.accepted, [result_id(1), result_id(5)]);
    let rejected: Vec<(&str, &str)> = receipt
        .rejected
        .iter()
        .map(|r| (r.id.as_str(), r.reason.as_str()))
        .collect();
    let (second, fourth) = (result_id(2).to_string(), result_id(4).to_string());
    assert_eq!(
        rejected,
        [
            (
                second.as_str(),
                "records[1].status: must be one of ok, failed, aborted, skipped, refused, gap"
            ),
            ("records[2]", "records[2].id: must be a string"),
            ("records[3]", "records[3]: must be an object"),
            (
                fourth.as_str(),
                "records[4].probe_result: must not contain NUL characters"
            ),
        ]
    );
    assert_eq!(stored(&fixture).await.len(), 2);
    let metrics = fixture.shared.metrics.to_text(0, 0);
    assert!(metrics.contains("records_total{status=\"stored\"} 2"));
    assert!(metrics.contains("records_total{status=\"rejected\"} 4"));
}

#[tokio::test]
async fn the_same_again_is_accepted_and_stored_once() {
    let fixture = fresh().await;
    let mut changed = record(1);
    changed["duration"] = json!(99);
    for body in [
        batch(&[record(1), record(1)]),
        batch(&[record(1)]),
        batch(&[changed]),
    ] {
        assert_eq!(receipt(&fixture, body).await.accepted, [result_id(1)]);
    }
    let rows = stored(&fixture).await;
    assert_eq!(rows.len(), 1);
    let document: Value = serde_json::from_str(&rows[0].document).unwrap();
    assert_eq!(document["duration"], 3, "rows are written once");
}

#[tokio::test]
async fn an_id_of_another_agent_is_rejected() {
    let fixture = fresh().await;
    receipt(&fixture, batch(&[record(1)])).await;
    let answer = fixture.post("a-2", batch(&[record(1), record(2)])).await;
    let receipt = Receipt::parse(&answer.body).unwrap();
    assert_eq!(receipt.accepted, [result_id(2)]);
    assert_eq!(receipt.rejected[0].id, result_id(1).to_string());
    assert_eq!(stored(&fixture).await[0].agent, "a-1");
}

#[tokio::test]
async fn what_is_stored_is_what_was_sent_with_its_figures() {
    let fixture = fresh().await;
    let instruction = NewInstruction {
        id: InstructionId::new("i-1").unwrap(),
        document: json!({"id": "i-1", "timing": {"immediate": {}}, "tasks": [{"id": "t-1",
            "method": "ping", "options": {"host": "ping.example", "type": "Icmp"}}]})
        .to_string(),
        audience: Audience::default(),
        created: start(),
    };
    let added = fixture
        .shared
        .store
        .add_instructions(vec![instruction], Box::new(|_| Ok(())));
    added.await.unwrap();
    // Spaces, order and unknown members stay.
    let sent = record(1)
        .to_string()
        .replacen('{', "{ \"future\" : 1.50, ", 1);
    let body = format!("{{\"records\":[{sent}],\"schema\":2}}");
    receipt(&fixture, body).await;
    let row = &stored(&fixture).await[0];
    assert_eq!(row.document, sent);
    assert_eq!(row.figures.target.as_deref(), Some("ping.example"));
    assert_eq!(row.figures.ping_type.as_deref(), Some("Icmp"));
    assert_eq!(row.figures.ping.rtt_median_us, Some(20_000));
    assert_eq!(row.figures.ping.loss_ppm, Some(0));
    assert_eq!(row.start, Some(start()));
    assert!(!row.clock_suspect);
}

#[tokio::test]
async fn a_clock_a_year_off_is_stored_and_marked() {
    let fixture = fresh().await;
    let year = 365 * 86_400 * SECOND;
    for (n, shift) in [(1, year), (2, -year)] {
        let mut off = record(n);
        off["start_time"] = json!(start().plus_micros(shift).to_string());
        assert_eq!(receipt(&fixture, batch(&[off])).await.accepted.len(), 1);
    }
    assert!(stored(&fixture).await.iter().all(|row| row.clock_suspect));
}

#[test]
fn late_is_not_wrong() {
    let received = start();
    let at = |seconds: i64| received.plus_micros(seconds * SECOND);
    assert!(
        !is_suspect(at(-7 * 86_400), received),
        "a week in the spool"
    );
    assert!(!is_suspect(at(60), received), "a minute ahead");
    assert!(is_suspect(at(3600), received));
    assert!(is_suspect(Timestamp::from_micros(0), received));
}

#[tokio::test]
async fn gzip_goes_and_broken_gzip_does_not() {
    let fixture = fresh().await;
    let good = compress(batch(&[record(1)]).as_bytes());
    let gzip = async |bytes: Vec<u8>| {
        let request = Request::post("/agent/v2/results")
            .header("content-encoding", "gzip")
            .body(Body::from(bytes))
            .unwrap();
        fixture.send(by("a-1", request)).await
    };
    assert_eq!(gzip(good.clone()).await.status, 200);
    for broken in [
        good[..good.len() - 9].to_vec(),
        b"no gzip".to_vec(),
        Vec::new(),
        [&good[..20], &[0xff; 40][..]].concat(),
    ] {
        let detail = gzip(broken).await.problem(400);
        assert!(
            detail.starts_with("gzip: ") || detail.contains("EOF"),
            "{detail}"
        );
    }
    assert_eq!(stored(&fixture).await.len(), 1);
}

#[tokio::test]
async fn a_gzip_bomb_costs_its_bound() {
    let fixture = fresh().await;
    let bomb = compress(&vec![b' '; 64 << 20]);
    assert!(bomb.len() < 4 << 20, "passes the first bound");
    let request = Request::post("/agent/v2/results")
        .header("content-encoding", "gzip")
        .body(Body::from(bomb))
        .unwrap();
    let detail = fixture.send(by("a-1", request)).await.problem(413);
    assert!(detail.contains("inflated"), "{detail}");
}

#[tokio::test]
async fn a_body_of_100_mb_is_not_read() {
    let fixture = fresh().await;
    // Announced: refused before the first byte.
    let request = Request::post("/agent/v2/results")
        .header("content-length", (100 << 20).to_string())
        .body(Body::from("never read"))
        .unwrap();
    fixture.send(by("a-1", request)).await.problem(413);
    // Not announced: refused at the bound.
    let stream = Body::new(http_body_util::StreamBody::new(Pieces(100)));
    let request = Request::post("/agent/v2/results").body(stream).unwrap();
    fixture.send(by("a-1", request)).await.problem(413);
}

/// So many pieces of 1 MiB, without saying beforehand how many.
struct Pieces(usize);

impl futures_core::Stream for Pieces {
    type Item = Result<Frame<Bytes>, std::io::Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.0 == 0 {
            return Poll::Ready(None);
        }
        self.0 -= 1;
        Poll::Ready(Some(Ok(Frame::data(vec![b' '; 1 << 20].into()))))
    }
}

#[tokio::test]
async fn bodies_that_are_no_batch() {
    let fixture = fresh().await;
    let deep = format!("{}{}", "[".repeat(1_000_000), "]".repeat(1_000_000));
    for (body, said) in [
        (String::new(), "document: EOF"),
        ("null".into(), "document: "),
        ("[]".into(), "document: "),
        ("{}".into(), "schema: is missing"),
        (r#"{"schema":3,"records":[]}"#.into(), "schema: must be 2"),
        (
            r#"{"schema":"2","records":[]}"#.into(),
            "document: invalid type",
        ),
        (r#"{"schema":2}"#.into(), "records: is missing"),
        (
            r#"{"schema":2,"records":{}}"#.into(),
            "document: invalid type",
        ),
        (
            r#"{"schema":2,"records":[],"records":[]}"#.into(),
            "document: duplicate field",
        ),
        (r#"{"schema":2,"records":[{]}"#.into(), "document: "),
        ("{\"schema\":2,\"records\":[\0]}".into(), "document: "),
        (deep, "document: "),
    ] {
        let shown = body.chars().take(50).collect::<String>();
        let detail = fixture.post("a-1", body).await.problem(400);
        assert!(detail.starts_with(said), "{shown}: {detail}");
    }
    assert!(stored(&fixture).await.is_empty());
}

#[tokio::test]
async fn deep_json_in_a_record_is_that_records_fault() {
    let fixture = fresh().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let body = format!(
        "{{\"schema\":2,\"records\":[{{\"x\":{deep}}},{}]}}",
        record(1)
    );
    let receipt = receipt(&fixture, body).await;
    assert_eq!(receipt.accepted, [result_id(1)]);
    assert_eq!(receipt.rejected[0].id, "records[0]");
    assert!(receipt.rejected[0].reason.contains("recursion"));
}

#[tokio::test]
async fn long_records_and_long_batches() {
    let fixture = fresh().await;
    let mut long = record(1);
    long["pre_info"] = json!({"x": "y".repeat(1 << 20)});
    let answer = receipt(&fixture, batch(&[long, record(2)])).await;
    assert_eq!(answer.accepted, [result_id(2)]);
    assert!(answer.rejected[0].reason.contains("1048576 bytes"));
    let many = vec!["0"; MAX_BATCH + 1].join(",");
    let body = format!("{{\"schema\":2,\"records\":[{many}]}}");
    let detail = fixture.post("a-1", body).await.problem(413);
    assert_eq!(detail, "records: must have at most 10000 elements");
}

#[tokio::test]
async fn an_empty_batch_gets_a_receipt() {
    let fixture = fresh().await;
    assert_eq!(receipt(&fixture, batch(&[])).await, Receipt::new());
}

#[tokio::test]
async fn only_agents_in_good_standing_upload() {
    let fixture = fresh().await;
    let nobody = Request::post("/agent/v2/results")
        .body(Body::from(batch(&[record(1)])))
        .unwrap();
    fixture.send(nobody).await.problem(403);
    let detail = fixture
        .post("stranger", batch(&[record(1)]))
        .await
        .problem(403);
    assert_eq!(detail, "the agent is not known here");
    let id = AgentId::new("a-1").unwrap();
    fixture.shared.store.revoke(id, start()).await.unwrap();
    let detail = fixture.post("a-1", batch(&[record(1)])).await.problem(403);
    assert_eq!(detail, "the agent was revoked");
    assert!(stored(&fixture).await.is_empty());
}

#[tokio::test]
async fn a_locked_database_is_answered_503_and_recovers() {
    let options = Options {
        busy_timeout: Duration::from_millis(50),
        ..Options::default()
    };
    let fixture = Fixture::with("", options).await;
    fixture.enrol("a-1").await;
    let gate = Lock::take(&fixture).await;
    let answer = fixture.post("a-1", batch(&[record(1)])).await;
    answer.problem(503);
    assert_eq!(answer.header("retry-after"), Some("2"));
    gate.release();
    let again = fixture.post("a-1", batch(&[record(1)])).await;
    assert_eq!(again.status, 200);
    assert_eq!(stored(&fixture).await.len(), 1);
}

/// Another program that holds the write lock: the judge of an addition thinks within the transaction.
struct Lock {
    release: std::sync::mpsc::Sender<()>,
    program: std::thread::JoinHandle<()>,
}

impl Lock {
    async fn take(fixture: &Fixture) -> Self {
        let path = fixture.directory.path().join("glimpse.db");
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (taken, is_taken) = tokio::sync::oneshot::channel::<()>();
        let program = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let store = Sqlite::open(&path, &Options::default()).await.unwrap();
                let new = NewInstruction {
                    id: InstructionId::new("lock").unwrap(),
                    document: "{}".into(),
                    audience: Audience::default(),
                    created: start(),
                };
                let judge: Admit = Box::new(move |_| {
                    let _ = taken.send(());
                    let _ = released.recv();
                    Err("not this time".into())
                });
                let _ = store.add_instructions(vec![new], judge).await;
            });
        });
        is_taken.await.unwrap();
        Self { release, program }
    }

    fn release(self) {
        self.release.send(()).unwrap();
        self.program.join().unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_is_answered_503_and_nothing_is_acknowledged() {
    let options = Options {
        max_bytes: Some(300_000),
        ..Options::default()
    };
    let fixture = Fixture::with("", options).await;
    fixture.enrol("a-1").await;
    let mut acknowledged = 0;
    for n in 0..100 {
        let mut big = record(n);
        big["pre_info"] = json!({"x": "y".repeat(20_000)});
        let answer = fixture.post("a-1", batch(&[big])).await;
        if answer.status == 200 {
            acknowledged += 1;
            continue;
        }
        answer.problem(503);
        assert_eq!(answer.header("retry-after"), Some("60"));
        assert!(acknowledged > 0);
        assert_eq!(stored(&fixture).await.len(), acknowledged);
        return;
    }
    panic!("never full");
}

#[tokio::test]
async fn too_many_uploads_at_once_are_told_to_come_later() {
    let fixture = Fixture::with("[uploads]\nparallel = 1", Options::default()).await;
    fixture.enrol("a-1").await;
    let other = AgentId::new("a-2").unwrap();
    let taken = super::place(&fixture.shared, &other).await.unwrap();
    let answer = fixture.post("a-1", batch(&[record(1)])).await;
    answer.problem(429);
    assert_eq!(answer.header("retry-after"), Some("2"));
    drop(taken);
    assert_eq!(fixture.post("a-1", batch(&[record(1)])).await.status, 200);
}

#[tokio::test]
async fn one_agent_does_not_take_all_places() {
    let fixture = Fixture::with("[uploads]\nparallel = 8", Options::default()).await;
    for id in ["a-1", "a-2"] {
        fixture.enrol(id).await;
    }
    let greedy = AgentId::new("a-1").unwrap();
    let mut taken = Vec::new();
    while let Ok(place) = super::place(&fixture.shared, &greedy).await {
        taken.push(place);
    }
    assert_eq!(taken.len(), 2);
    fixture.post("a-1", batch(&[record(1)])).await.problem(429);
    assert_eq!(fixture.post("a-2", batch(&[record(2)])).await.status, 200);
    taken.pop();
    assert_eq!(fixture.post("a-1", batch(&[record(1)])).await.status, 200);
}
