//! What answers may be, whoever gives them; and who may ask for them.

use super::*;
use crate::callhome::tests::Odd;
use crate::fixture::{by, read};
use tokio::task::JoinSet;

/// What every answer bears.
fn assert_guarded(answer: &Answer, what: &str) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "default-src 'none'; sandbox"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-cache"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{what}: {name}");
    }
    let date = answer.header("date").unwrap_or_default();
    assert!(
        glimpse_restconf::date::parse_http_date(date).is_some(),
        "{what}: {date}"
    );
}

async fn as_agent(controller: &Controller, method: &str, path: &str) -> Answer {
    let request = Request::builder().method(method).uri(path);
    let request = by("a-1", request.body(Body::empty()).unwrap());
    read(controller.router().oneshot(request).await.unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/yang-data+json");
const BROTLI: [(&str, &str); 2] = [JSON, ("content-encoding", "br")];
const GZIP: [(&str, &str); 2] = [JSON, ("content-encoding", "gzip")];
const LABEL: &str = "/restconf/data/glimpse-fleet:fleet/agent=a-1/label=isp";
const STREAM: &str = "/agents/a-1/restconf/streams/NETCONF/json";
const INTENDED: &str = "/agents/a-1/restconf/ds/ietf-datastores:intended";

/// Who asks, method, path, fields, body, status.
type Case<'a> = (
    &'a str,
    &'a str,
    &'a str,
    &'a [(&'a str, &'a str)],
    &'a str,
    u16,
);

fn assert_answer(answer: &Answer, status: u16, what: &str) {
    assert_eq!(answer.status, status, "{what}");
    assert_guarded(answer, what);
    if status >= 400 {
        let told = error(answer);
        assert!(told["error-tag"].is_string(), "{what}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_10_every_answer_bears_date_cache_control_and_guards() {
    let (controller, agent) = away().await;
    let long = "x".repeat((1 << 20) + 1);
    let cases: [Case<'_>; 16] = [
        ("", "GET", "/.well-known/host-meta", &[], "", 200),
        ("", "GET", "/restconf", &[], "", 401),
        ("", "GET", L, &[], "", 401),
        ("olga", "GET", "/restconf/data", &[], "", 200),
        ("olga", "GET", "/restconfX", &[], "", 404),
        ("olga", "GET", "/agents/a-1/restconfX/data", &[], "", 404),
        ("olga", "GET", "/agents/a%20b/restconf", &[], "", 404),
        ("olga", "GET", "/agents/a-9/restconf", &[], "", 404),
        ("olga", "GET", L, &[], "", 200),
        ("olga", "POST", LABEL, &[], &long, 413),
        ("olga", "POST", LABEL, &BROTLI, "x", 415),
        ("olga", "POST", LABEL, &GZIP, "x", 400),
        ("olga", "PUT", L, &BROTLI, "x", 415),
        ("otto", "PUT", L, &[], "{}", 403),
        ("olga", "GET", STREAM, &[], "", 404),
        ("olga", "PUT", INTENDED, &[], "{}", 403),
    ];
    for (who, method, path, fields, body, status) in cases {
        let answer = controller.ask_as(who, method, path, fields, body).await;
        assert_answer(&answer, status, &format!("{who} {method} {path}"));
    }
    for (method, path) in [("PUT", "/restconf/data"), ("GET", L)] {
        let answer = as_agent(&controller, method, path).await;
        assert_answer(&answer, 403, path);
    }
    let waits = controller
        .ask("DELETE", &format!("{L}/schedules/schedule=S"), "")
        .await;
    assert_answer(&waits, waits.status.as_u16(), "an edit that waits");
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let through = controller.ask("GET", L, "").await;
    assert_answer(&through, 200, "passed through");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_of_an_agent_goes_no_further() {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let script = "<script xmlns='http://www.w3.org/1999/xhtml'>alert(1)</script>";
    let odd: [Odd; 7] = [
        (200, &[("content-type", "text/html")], script),
        (200, &[("content-type", "application/xhtml+xml")], script),
        (404, &[("content-type", "text/html; charset=utf-8")], script),
        (200, &[], script),
        (302, &[("location", "https://elsewhere.example/"), JSON], ""),
        (
            401,
            &[("www-authenticate", "Basic realm=\"x\""), JSON],
            "{}",
        ),
        (206, &[JSON], "{}"),
    ];
    for answer in odd {
        agent.device.lock().unwrap().odd = Some(answer);
        let got = controller.ask("GET", L, "").await;
        assert_eq!(got.status, 502, "{answer:?}");
        assert_eq!(error(&got)["error-tag"], "operation-failed");
        assert!(!String::from_utf8_lossy(&got.body).contains("script"));
        for name in ["location", "www-authenticate"] {
            assert_eq!(got.header(name), None, "{answer:?}");
        }
        assert_guarded(&got, "odd");
    }
    // What goes on loses what is not below its root, and what would have it kept.
    let foreign: &[_] = &[
        ("location", "https://elsewhere.example/x"),
        ("cache-control", "public, max-age=99999"),
        ("set-cookie", "a=b"),
        JSON,
    ];
    agent.device.lock().unwrap().odd = Some((200, foreign, "{}"));
    let got = controller.ask("GET", L, "").await;
    assert_eq!(got.status, 200);
    assert_eq!(
        (got.header("location"), got.header("set-cookie")),
        (None, None)
    );
    assert_guarded(&got, "foreign");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_answered_late_and_then_not_looked_at() {
    let controller = Controller::new().await;
    let began = controller.shared.now();
    let mut wrong = JoinSet::new();
    for _ in 0..40 {
        let request = Request::get("/restconf").header("authorization", "Bearer guess");
        let request = request.body(Body::empty()).unwrap();
        wrong.spawn(controller.router().oneshot(request));
    }
    let answers: Vec<_> = wrong
        .join_all()
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let count = |status: u16| answers.iter().filter(|got| got.status() == status).count();
    assert_eq!((count(401), count(429)), (30, 10));
    assert!(controller.shared.now().since(began) >= 900_000);
    let crowded = answers.iter().find(|got| got.status() == 429).unwrap();
    assert!(crowded.headers().contains_key("retry-after"));
    // Nor is the right one, from there.
    assert_eq!(controller.ask("GET", "/restconf", "").await.status, 429);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_from_one_who_has_lost_the_right_is_not_handed_over() {
    let (controller, agent) = away().await;
    // Otto only looks, Sina has the south, and of the third nothing is known any more.
    for operator in ["otto", "sina", "gone"] {
        let event = json!({"ietf-lmap-control:event": [{"name": operator, "immediate": [null]}]});
        let path = format!("/data/ietf-lmap-control:lmap/events/event={operator}");
        let request = json!({"method": "PUT", "path": path,
            "content_type": "application/yang-data+json", "body": event.to_string()});
        let job = glimpse_store::NewJob {
            patch_id: "p".into(),
            operator: operator.into(),
            request: request.to_string(),
            agents: vec![agent_id("a-1")],
            no_room: "[]".into(),
            created: controller.shared.now(),
        };
        controller.shared.store.add_job(job).await.unwrap().unwrap();
    }
    let _call = agent.call(controller.door);
    let refused = intended(&controller, "refused").await;
    assert_eq!(refused["error"][0]["tag"], "access-denied", "{refused}");
    for job in controller.shared.store.jobs().await.unwrap() {
        assert_eq!(job.agents[0].outcome, glimpse_store::Outcome::Withheld);
    }
    assert!(agent.asked("PUT").is_empty());
}
