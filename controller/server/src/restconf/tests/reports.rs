//! The collector.

use super::*;
use crate::fixture::{by, read};
use glimpse_store::Filter;
use serde_json::json;

const REPORT: &str = "/restconf/operations/ietf-lmap-report:report";
const ID: &str = "5b1c1f5e-3d0b-4f6e-9a3e-2f1d8c7b6a50";

fn report(now: &str, results: &Value) -> Value {
    json!({"ietf-lmap-report:input": {"date": now, "result": results}})
}

fn result(start: &str, action: &str) -> Value {
    json!({"schedule": "S", "action": action, "task": "ping", "event": start, "start": start, "end": start, "status": 0,
        "option": [{"id": "h", "name": "host", "value": "anchor.example"}, {"id": "t", "name": "type", "value": "Tcp"}],
        "table": [
            {"function": [{"uri": "urn:example:nobody-knows"}], "column": ["destination_ip", "round_trip_sent", "odd"],
             "row": [{"value": ["192.0.2.1", "3", "3"]}]},
            {"column": ["round_trip_ms"], "row": [{"value": ["10.5"]}, {"value": ["12"]}, {"value": ["11.25"]}]}]})
}

async fn send(controller: &Controller, agent: &str, kind: &str, body: impl Into<Body>) -> Answer {
    let request = Request::post(REPORT)
        .header("content-type", kind)
        .body(body.into())
        .unwrap();
    read(
        controller
            .router()
            .oneshot(by(agent, request))
            .await
            .unwrap(),
    )
    .await
}

const JSON: &str = "application/yang-data+json";

async fn rows(controller: &Controller) -> Vec<glimpse_store::ResultRow> {
    let mut rows = controller.shared.store.results(Filter::default());
    let mut all = Vec::new();
    while let Some(row) = rows.next().await.unwrap() {
        all.push(row);
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_70_a_valid_report_is_taken_and_an_invalid_one_is_told_why() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let now = controller.shared.now().to_string();
    let taken = send(
        &controller,
        "a-1",
        JSON,
        report(&now, &json!([result(&now, "A")])).to_string(),
    )
    .await;
    assert_eq!(
        taken.status,
        204,
        "{}",
        String::from_utf8_lossy(&taken.body)
    );
    assert!(taken.body.is_empty() && taken.header("content-type").is_none());
    let [row] = &rows(&controller).await[..] else {
        panic!()
    };
    assert_eq!(
        (row.agent.as_str(), row.instruction.as_deref()),
        ("a-1", Some("lmap:S"))
    );
    assert_eq!(
        (row.method.as_deref(), row.status.as_str()),
        (Some("ping"), "ok")
    );
    assert_eq!(row.figures.target.as_deref(), Some("anchor.example"));
    assert_eq!(row.figures.ping_type.as_deref(), Some("Tcp"));
    assert_eq!(row.figures.ping.rtt_median_us, Some(11_250));
    assert_eq!(row.figures.ping.sent, Some(3));
    assert!(
        row.document.contains("urn:example:nobody-knows"),
        "nothing is lost"
    );
    let invalid = send(
        &controller,
        "a-1",
        JSON,
        report(&now, &json!([result("yesterday", "A")])).to_string(),
    )
    .await;
    assert_eq!(invalid.status, 400);
    assert_eq!(error(&invalid)["error-tag"], "invalid-value");
    let wrapped = json!({"ietf-lmap-report:report": {"date": now}}).to_string();
    assert_eq!(send(&controller, "a-1", JSON, wrapped).await.status, 400);
    assert_eq!(
        controller
            .shared
            .store
            .count_reports(&agent_id("a-1"))
            .await
            .unwrap(),
        1
    );
    // Whoever is no agent reports nothing.
    let olga = controller
        .ask("POST", REPORT, &report(&now, &json!([])).to_string())
        .await;
    assert_eq!(olga.status, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_71_a_report_without_results_and_one_with_equal_values_are_taken() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let now = controller.shared.now().to_string();
    let beat = json!({"ietf-lmap-report:input": {"date": now}}).to_string();
    assert_eq!(send(&controller, "a-1", JSON, beat).await.status, 204);
    let store = &controller.shared.store;
    assert_eq!(store.count_reports(&agent_id("a-1")).await.unwrap(), 0);
    // All that it says is that it lives, which is noted when there is time.
    let seen = async || {
        let agent = store.agent(&agent_id("a-1")).await.unwrap().unwrap();
        agent.last_seen.is_some()
    };
    for _ in 0..400 {
        if seen().await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(seen().await);
    let xml = format!(
        "<input xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-report\"><date>{now}</date><result><start>{now}</start>\
         <status>1</status><table><column>a</column><column>b</column>\
         <row><value>7</value><value>7</value></row></table></result></input>"
    );
    let taken = send(&controller, "a-1", "application/yang-data+xml", xml).await;
    assert_eq!(
        taken.status,
        204,
        "{}",
        String::from_utf8_lossy(&taken.body)
    );
    assert_eq!(rows(&controller).await[0].status, "failed");
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_72_a_report_that_comes_again_is_stored_once() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    controller.enrol("a-2", "north").await;
    let now = controller.shared.now().to_string();
    let later = controller.shared.now().plus_micros(1_000_000).to_string();
    let both = json!([result(&now, "A"), result(&now, "B")]);
    for date in [&now, &later] {
        // The date is that of the sending: the copy has another one.
        let taken = send(&controller, "a-1", JSON, report(date, &both).to_string()).await;
        assert_eq!(taken.status, 204);
    }
    assert_eq!(rows(&controller).await.len(), 2);
    assert_eq!(
        controller
            .shared
            .store
            .count_reports(&agent_id("a-1"))
            .await
            .unwrap(),
        1
    );
    // One more result in it: only that is new. And another agent's is another.
    let more = json!([result(&now, "A"), result(&now, "C")]);
    assert_eq!(
        send(&controller, "a-1", JSON, report(&later, &more).to_string())
            .await
            .status,
        204
    );
    assert_eq!(rows(&controller).await.len(), 3);
    assert_eq!(
        send(&controller, "a-2", JSON, report(&now, &both).to_string())
            .await
            .status,
        204
    );
    assert_eq!(rows(&controller).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_under_anothers_name_is_refused() {
    let (controller, _) = away().await;
    let now = controller.shared.now().to_string();
    let named = |id: &str| {
        let mut body = report(&now, &json!([result(&now, "A")]));
        body["ietf-lmap-report:input"]["agent-id"] = json!(id);
        body.to_string()
    };
    let other = send(
        &controller,
        "a-1",
        JSON,
        named("00000000-0000-4000-8000-000000000000"),
    )
    .await;
    assert_eq!(
        (
            other.status.as_u16(),
            error(&other)["error-tag"].as_str().unwrap()
        ),
        (403, "access-denied")
    );
    assert!(rows(&controller).await.is_empty());
    // Its own datastore has the other one, in whatever case.
    assert_eq!(
        send(&controller, "a-1", JSON, named(&ID.to_uppercase()))
            .await
            .status,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_come_compressed_and_anonymous() {
    let config = "[reports]\nby_certificate = false";
    let controller = Controller::with(config, crate::callhome::tests::times()).await;
    controller.enrol("a-1", "north").await;
    let times: Vec<String> = (0..4)
        .map(|n| controller.shared.now().plus_micros(n).to_string())
        .collect();
    let named = |time: &str, group: &str| {
        let mut body = report(time, &json!([result(time, "A")]));
        body["ietf-lmap-report:input"]["group-id"] = json!(group);
        body.to_string()
    };
    let packed = crate::document::compress(named(&times[0], "north").as_bytes());
    let request = Request::post(REPORT)
        .header("content-type", JSON)
        .header("content-encoding", "gzip")
        .body(Body::from(packed))
        .unwrap();
    let taken = read(
        controller
            .router()
            .oneshot(by("a-1", request))
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(
        taken.status,
        204,
        "{}",
        String::from_utf8_lossy(&taken.body)
    );
    // Another group's is not its to add to.
    for (time, group) in times[1..3].iter().zip(["south", "lab"]) {
        let sent = send(&controller, "a-1", JSON, named(time, group)).await;
        assert_eq!(sent.status, 204);
    }
    // What its own datastore has is its own word.
    let known = glimpse_store::Known {
        module_set: None,
        version: None,
        address: None,
        identity: glimpse_store::Identity {
            agent_id: None,
            group_id: Some("lab".into()),
        },
        tree: "{}".into(),
        at: controller.shared.now(),
    };
    let store = &controller.shared.store;
    store.know(agent_id("a-1"), known).await.unwrap();
    let sent = send(&controller, "a-1", JSON, named(&times[3], "lab")).await;
    assert_eq!(sent.status, 204);
    let names: Vec<String> = rows(&controller)
        .await
        .into_iter()
        .map(|row| row.agent)
        .collect();
    let anonymous =
        ["north", "unknown", "unknown", "unknown"].map(|name| format!("anonymous:{name}"));
    assert_eq!(names, anonymous);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sends_no_more_in_a_day_than_it_may_by_whatever_door() {
    let config = "[uploads]\ndaily_bytes = 900";
    let controller = Controller::with(config, crate::callhome::tests::times()).await;
    controller.enrol("a-1", "north").await;
    controller.enrol("a-2", "north").await;
    let now = controller.shared.now().to_string();
    let body = |action: &str| report(&now, &json!([result(&now, action)])).to_string();
    for action in ["A", "B"] {
        assert_eq!(
            send(&controller, "a-1", JSON, body(action)).await.status,
            204
        );
    }
    let late = send(&controller, "a-1", JSON, body("C")).await;
    assert_eq!(
        (late.status.as_u16(), error(&late)["error-tag"].as_str()),
        (429, Some("resource-denied"))
    );
    let after: u32 = late.header("retry-after").unwrap().parse().unwrap();
    assert!((1..86_400).contains(&after), "{after}");
    let batch = Request::post("/agent/v2/results")
        .body(Body::from(crate::fixture::batch(&[])))
        .unwrap();
    let agents = crate::app::agent_router(std::sync::Arc::clone(&controller.shared));
    let refused = read(agents.oneshot(by("a-1", batch)).await.unwrap()).await;
    assert!(refused.problem(429).contains("in a day"));
    assert_eq!(send(&controller, "a-2", JSON, body("C")).await.status, 204);
    assert_eq!(rows(&controller).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn reports_are_kept_as_they_came_for_their_time() {
    let config = "[reports]\nkeep_days = 2";
    let controller = Controller::with(config, crate::callhome::tests::times()).await;
    controller.enrol("a-1", "north").await;
    let now = controller.shared.now();
    let text = now.to_string();
    let body = report(&text, &json!([result(&text, "A")])).to_string();
    assert_eq!(send(&controller, "a-1", JSON, body).await.status, 204);
    let store = &controller.shared.store;
    let raw = glimpse_store::NewReport {
        media_type: JSON.to_owned(),
        coding: glimpse_store::Coding::Identity,
        body: b"{}".to_vec(),
    };
    for n in 0..60 {
        let old = now.plus_micros(-3 * 86_400_000_000 + n * 1000);
        let results = vec![glimpse_store::NewResult {
            id: glimpse_model::id::ResultId::from_parts(old, [7; 10]),
            instruction: None,
            task: None,
            method: None,
            status: glimpse_model::record::Status::Ok,
            start: Some(old),
            clock_suspect: false,
            figures: glimpse_store::Figures::default(),
            measured: None,
            document: "{}".to_owned(),
        }];
        let stored = store.add_report(agent_id("a-1"), raw.clone(), results, old);
        assert_eq!(stored.await.unwrap(), [glimpse_store::Ingest::Stored]);
    }
    let shared = &controller.shared;
    assert_eq!(
        crate::restconf::report::forget_old(shared).await.unwrap(),
        60
    );
    assert_eq!(store.count_reports(&agent_id("a-1")).await.unwrap(), 1);
    assert_eq!(rows(&controller).await.len(), 61, "what was read stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_says_of_its_target_is_cut() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let now = controller.shared.now().to_string();
    let mut long = result(&now, "A");
    long["option"][0]["value"] = json!("ä".repeat(200));
    long["option"][1]["value"] = json!("x".repeat(200));
    let body = report(&now, &json!([long])).to_string();
    assert_eq!(send(&controller, "a-1", JSON, body).await.status, 204);
    let [row] = &rows(&controller).await[..] else {
        panic!()
    };
    assert_eq!(row.figures.target, Some("ä".repeat(127)));
    assert_eq!(row.figures.ping_type, Some("x".repeat(32)));
}
