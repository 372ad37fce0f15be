#![allow(clippy::unwrap_used, clippy::expect_used)]

mod agents;
mod bodies;
mod certificates;
mod door;
mod fleet;
mod reports;

use crate::admission;
use crate::callhome::tests::{Controller, FakeAgent};
use crate::fixture::Answer;
use crate::listener::Peer;
use crate::pki::tests::agent as agent_id;
use axum::body::Body;
use axum::http::Request;
use glimpse_restconf::{Error, Tag};
use glimpse_store::{Addition, Audience, NewInstruction};
use serde_json::{Value, json};
use std::time::Duration;
use tower::ServiceExt as _;

const L: &str = "/agents/a-1/restconf/data/ietf-lmap-control:lmap";

/// An event, a task and a schedule in one body.
fn campaign(host: &str, interval_s: u32) -> String {
    json!({"ietf-restconf:data": {"ietf-lmap-control:lmap": {
        "tasks": {"task": [{"name": "t2", "program": "ping", "option": [{"id": "h", "name": "host", "value": host}]}]},
        "events": {"event": [{"name": "e2", "random-spread": 30, "periodic": {"interval": interval_s}}]},
        "schedules": {"schedule": [{"name": "s2", "start": "e2", "action": [{"name": "a", "task": "t2"}]}]},
    }}})
    .to_string()
}

fn error(answer: &Answer) -> Value {
    answer.json()["ietf-restconf:errors"]["error"][0].clone()
}

/// Waits until what is intended for `a-1` is in this state.
async fn intended(controller: &Controller, state: &str) -> Value {
    let path = "/restconf/data/glimpse-fleet:fleet/agent=a-1/intended";
    for _ in 0..400 {
        let got = controller.ask("GET", path, "").await;
        assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
        let intended = got.json()["glimpse-fleet:intended"].clone();
        if intended["state"] == state {
            return intended;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never {state}");
}

/// A controller and an agent that has called, hung up, and is known.
async fn away() -> (Controller, FakeAgent) {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    call.abort();
    controller.connected("a-1", false).await;
    (controller, agent)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connected_agent_answers_is_passed_through_under_its_root_here() {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let event =
        json!({"ietf-lmap-control:event": [{"name": "e/9", "immediate": [null]}]}).to_string();
    let made = controller.ask("POST", &format!("{L}/events"), &event).await;
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    let place = made.header("location").unwrap();
    assert_eq!(
        place,
        "https://c.example/agents/a-1/restconf/data/ietf-lmap-control:lmap/events/event=e%2F9"
    );
    let got = controller
        .ask("GET", &format!("{L}/events/event=e%2F9"), "")
        .await;
    let tag = got.header("etag").unwrap().to_owned();
    let known = [("if-none-match", tag.as_str())];
    let again = controller
        .ask_as(
            "olga",
            "GET",
            &format!("{L}/events/event=e%2F9"),
            &known,
            "",
        )
        .await;
    assert_eq!(again.status, 304);
    let stale = [("if-match", "\"0000000000000000-j\"")];
    let refused = controller
        .ask_as(
            "olga",
            "DELETE",
            &format!("{L}/events/event=e%2F9"),
            &stale,
            "",
        )
        .await;
    assert_eq!(refused.status, 412);
    let xml = [("accept", "application/yang-data+xml")];
    let got = controller.ask_as("olga", "GET", L, &xml, "").await;
    assert_eq!(
        got.header("content-type"),
        Some("application/yang-data+xml")
    );
    let head = controller.ask("HEAD", L, "").await;
    assert!(head.status == 200 && head.body.is_empty());
    let options = controller.ask("OPTIONS", L, "").await;
    assert!(
        options
            .header("accept-patch")
            .unwrap()
            .contains("yang-patch")
    );
    let stream = controller
        .ask("GET", "/agents/a-1/restconf/streams/NETCONF/json", "")
        .await;
    assert_eq!(stream.status, 404, "there are none");
    // URIs in bodies are ours, too.
    let library = controller
        .ask(
            "GET",
            "/agents/a-1/restconf/data/ietf-restconf-monitoring:restconf-state",
            "",
        )
        .await;
    assert_eq!(library.status, 200);
    assert!(!String::from_utf8_lossy(&library.body).contains("agent.invalid"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_is_away_is_answered_for_by_its_last_known_tree() {
    let (controller, _) = away().await;
    let got = controller.ask("GET", L, "").await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    assert_eq!(
        got.json()["ietf-lmap-control:lmap"]["schedules"]["schedule"][0]["invocations"],
        7
    );
    assert!(got.header("glimpse-known-at").unwrap().ends_with('Z'));
    assert!(got.header("age").is_some() && got.header("warning").is_none());
    assert_eq!(got.header("glimpse-intended"), Some("none"));
    let fleet = controller
        .ask("GET", "/restconf/data/glimpse-fleet:fleet/agent=a-1", "")
        .await;
    let agent = &fleet.json()["glimpse-fleet:agent"][0];
    assert_eq!(agent["restconf-root"], "/agents/a-1/restconf");
    assert_eq!(agent["software-version"], "fake 1");
    assert_eq!(agent["address"], "127.0.0.1");
    assert!(agent["known-at"].is_string() && agent["connected-since"].is_null());
    assert!(agent["module-set-id"].is_string());
    // One that never called is not answered for.
    controller.enrol("a-2", "north").await;
    let got = controller.ask("GET", "/agents/a-2/restconf/data", "").await;
    assert_eq!(
        (
            got.status.as_u16(),
            error(&got)["error-tag"].as_str().unwrap()
        ),
        (503, "operation-failed")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn edits_for_an_agent_that_is_away_are_handed_over_in_order_at_its_next_contact() {
    let (controller, agent) = away().await;
    let first = controller
        .ask(
            "PATCH",
            "/agents/a-1/restconf/data",
            &campaign("one.example", 600),
        )
        .await;
    assert_eq!(
        first.status,
        202,
        "{}",
        String::from_utf8_lossy(&first.body)
    );
    assert_eq!(first.header("glimpse-intended"), Some("pending"));
    let place = "/agents/a-1/restconf/ds/ietf-datastores:intended";
    assert_eq!(first.header("location"), Some(place));
    // The second rests on the first, which the agent does not have yet.
    let spread = json!({"ietf-lmap-control:random-spread": 99}).to_string();
    let second = controller
        .ask(
            "PUT",
            &format!("{L}/events/event=e2/random-spread"),
            &spread,
        )
        .await;
    assert_eq!(
        second.status,
        202,
        "{}",
        String::from_utf8_lossy(&second.body)
    );
    assert!(intended(&controller, "pending").await["written"].is_string());
    let known = controller
        .ask("GET", &format!("{L}/events/event=e2"), "")
        .await;
    assert_eq!(
        known.status, 404,
        "the last known tree is not what is intended"
    );
    let path =
        "/agents/a-1/restconf/ds/ietf-datastores:intended/ietf-lmap-control:lmap/events/event=e2";
    let wanted = controller.ask("GET", path, "").await;
    assert_eq!(
        wanted.json()["ietf-lmap-control:event"][0]["random-spread"],
        99
    );
    let _call = agent.call(controller.door);
    let done = intended(&controller, "delivered").await;
    assert!(done["answered"].is_string());
    assert!(agent.has("one.example") && agent.has("\"random-spread\":99"));
    // Both as patches of the whole, on condition that it is what was judged.
    let patches = agent.asked("PATCH");
    assert_eq!(patches.len(), 2, "{patches:?}");
    assert!(
        patches
            .iter()
            .all(|(path, tag)| path == "/top/restconf/data" && tag.is_some())
    );
    // And what is known of it is what it is now.
    controller.connected("a-1", true).await;
    let got = controller
        .ask("GET", &format!("{L}/events/event=e2"), "")
        .await;
    assert_eq!(got.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_for_an_agent_that_is_away_is_validated_at_once() {
    let (controller, _) = away().await;
    let dangling =
        json!({"ietf-lmap-control:schedule": [{"name": "x", "start": "nothing"}]}).to_string();
    let refused = controller
        .ask("PUT", &format!("{L}/schedules/schedule=x"), &dangling)
        .await;
    assert_eq!(refused.status, 409);
    assert_eq!(error(&refused)["error-app-tag"], "instance-required");
    let unknown = controller
        .ask("PATCH", L, "{\"ietf-lmap-control:lmap\":{\"no\":1}}")
        .await;
    assert_eq!(unknown.status, 400);
    let trigger = json!({"glimpse-agent:input": {"schedule": "S"}}).to_string();
    let waits = controller
        .ask(
            "POST",
            "/agents/a-1/restconf/operations/glimpse-agent:trigger",
            &trigger,
        )
        .await;
    assert_eq!(waits.status, 503, "operations do not wait");
    assert_eq!(intended(&controller, "none").await["written"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_refuses_is_told_with_its_reasons_and_what_follows_is_tried_all_the_same() {
    let (controller, agent) = away().await;
    let event = |name: &str| {
        json!({"ietf-lmap-control:event": [{"name": name, "immediate": [null]}]}).to_string()
    };
    for name in ["x", "y"] {
        let written = controller
            .ask("PUT", &format!("{L}/events/event={name}"), &event(name))
            .await;
        assert_eq!(written.status, 202);
    }
    let managed = Error::denied("managed by supervisor").with_app_tag("mine");
    agent.device.lock().unwrap().refuse = Some(managed.into());
    let _call = agent.call(controller.door);
    let done = intended(&controller, "delivered").await;
    assert!(done["error"].is_null(), "the last one counts: {done}");
    assert!(!agent.has("\"name\":\"x\"") && agent.has("\"name\":\"y\""));
    // Alone, its refusal stands.
    agent.device.lock().unwrap().refuse = Some(
        Error::denied("managed by supervisor")
            .with_app_tag("mine")
            .into(),
    );
    let live = controller
        .ask("PUT", &format!("{L}/events/event=x"), &event("x"))
        .await;
    assert_eq!(live.status, 403, "live, the refusal is the answer");
    assert_eq!(error(&live)["error-message"], "managed by supervisor");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_at_delivery_is_shown() {
    let (controller, agent) = away().await;
    let event =
        json!({"ietf-lmap-control:event": [{"name": "x", "immediate": [null]}]}).to_string();
    controller
        .ask("PUT", &format!("{L}/events/event=x"), &event)
        .await;
    agent.device.lock().unwrap().refuse = Some(
        Error::new(Tag::ResourceDenied, "no room")
            .with_app_tag("full")
            .into(),
    );
    let _call = agent.call(controller.door);
    let refused = intended(&controller, "refused").await;
    assert_eq!(refused["error"][0]["tag"], "resource-denied");
    assert_eq!(refused["error"][0]["app-tag"], "full");
    assert_eq!(refused["error"][0]["message"], "no room");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_whose_ground_is_gone_is_judged_anew_and_refused() {
    let (controller, agent) = away().await;
    let schedule = json!({"ietf-lmap-control:schedule": [{"name": "z", "start": "hourly",
        "action": [{"name": "A", "task": "ping"}]}]})
    .to_string();
    let written = controller
        .ask("PUT", &format!("{L}/schedules/schedule=z"), &schedule)
        .await;
    assert_eq!(written.status, 202);
    // Meanwhile somebody else has taken the event away.
    agent.edit(
        r#"{"ietf-lmap-control:lmap": {"tasks": {"task": [{"name": "ping", "program": "ping"}]}}}"#,
    );
    let _call = agent.call(controller.door);
    let refused = intended(&controller, "refused").await;
    assert_eq!(
        refused["error"][0]["app-tag"], "instance-required",
        "{refused}"
    );
    assert!(agent.asked("PUT").is_empty() && agent.asked("PATCH").is_empty());
}

fn opted_out() -> &'static str {
    "[limits]\nopt_out = [\"never.example\"]\nruns_per_hour = 100"
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_makes_an_agent_send_passes_admission_live_and_away() {
    let controller = Controller::with(opted_out(), crate::callhome::tests::times()).await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let data = "/agents/a-1/restconf/data";
    let refused = controller
        .ask("PATCH", data, &campaign("a.never.example", 600))
        .await;
    assert_eq!(
        refused.status,
        409,
        "{}",
        String::from_utf8_lossy(&refused.body)
    );
    assert_eq!(error(&refused)["error-app-tag"], "glimpse-admission");
    assert!(
        error(&refused)["error-message"]
            .as_str()
            .unwrap()
            .contains("opted out")
    );
    assert!(agent.asked("PATCH").is_empty(), "it never saw it");
    // 10 s would be 360 an hour.
    let refused = controller
        .ask("PATCH", data, &campaign("b.example", 10))
        .await;
    assert!(
        error(&refused)["error-message"]
            .as_str()
            .unwrap()
            .contains("runs per hour")
    );
    let taken = controller
        .ask("PATCH", data, &campaign("b.example", 60))
        .await;
    assert_eq!(
        taken.status,
        204,
        "{}",
        String::from_utf8_lossy(&taken.body)
    );
    assert_eq!(agent.asked("PATCH").len(), 1);
    // It counts for the other door as well: 60 an hour are taken, 100 allowed.
    let other = r#"{"id": "i", "timing": {"periodic": {"interval": 60000}},
        "task": {"id": "t", "method": "ping", "options": {"host": "b.example"}}}"#;
    let given = |id: &str| {
        let document = other.replace("\"i\"", &format!("\"{id}\""));
        let now = controller.shared.now();
        let admit = admission::additions(
            vec![admission::stored(&document).unwrap()],
            controller.shared.config.limits.clone(),
            now,
        );
        let new = NewInstruction {
            id: glimpse_model::id::InstructionId::new(id).unwrap(),
            document,
            audience: Audience::default(),
            created: now,
        };
        controller.shared.store.add_instructions(vec![new], admit)
    };
    assert!(matches!(given("i-1").await.unwrap(), Addition::Refused(_)));
    // A slower one in its place makes room.
    let slower = controller
        .ask("PATCH", data, &campaign("b.example", 120))
        .await;
    assert_eq!(slower.status, 204);
    assert!(matches!(given("i-1").await.unwrap(), Addition::Added(_)));
    // Away, the same judge.
    call.abort();
    controller.connected("a-1", false).await;
    let refused = controller
        .ask("PATCH", data, &campaign("b.example", 60))
        .await;
    assert_eq!(
        (
            refused.status.as_u16(),
            error(&refused)["error-tag"].as_str().unwrap()
        ),
        (409, "resource-denied")
    );
    assert_eq!(intended(&controller, "none").await["state"], "none");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_agent_refused_is_not_counted() {
    let controller = Controller::with(opted_out(), crate::callhome::tests::times()).await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let data = "/agents/a-1/restconf/data";
    for _ in 0..3 {
        agent.device.lock().unwrap().refuse = Some(Error::denied("no").into());
        // 90 an hour each: two of them would not fit.
        let refused = controller
            .ask("PATCH", data, &campaign("b.example", 40))
            .await;
        assert_eq!(
            refused.status,
            403,
            "{}",
            String::from_utf8_lossy(&refused.body)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_is_a_run_that_admission_counts() {
    let config = "[limits]\nruns_per_hour = 3";
    let controller = Controller::with(config, crate::callhome::tests::times()).await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let path = "/agents/a-1/restconf/operations/glimpse-agent:trigger";
    let body = json!({"glimpse-agent:input": {"schedule": "S"}}).to_string();
    // Once an hour by itself; twice more is allowed.
    for _ in 0..2 {
        let done = controller.ask("POST", path, &body).await;
        assert!(
            done.status.is_success(),
            "{}",
            String::from_utf8_lossy(&done.body)
        );
    }
    let refused = controller.ask("POST", path, &body).await;
    assert_eq!(refused.status, 409);
    assert_eq!(agent.device.lock().unwrap().triggered, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_09_nobody_does_what_is_not_theirs() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    controller.enrol("a-2", "south").await;
    for path in [L, "/restconf/data", "/agents/a-1/restconf"] {
        let refused = controller.ask_as("", "GET", path, &[], "").await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.header("www-authenticate").is_some());
        assert_eq!(
            controller
                .ask_as("wrong", "GET", path, &[], "")
                .await
                .status,
            401
        );
    }
    // Otto looks at the south.
    assert_eq!(
        controller.ask_as("otto", "GET", L, &[], "").await.status,
        404
    );
    let other = "/agents/a-2/restconf/data";
    assert_eq!(
        controller
            .ask_as("otto", "GET", other, &[], "")
            .await
            .status,
        503,
        "it is his"
    );
    assert_eq!(
        controller
            .ask_as("otto", "PATCH", other, &[], &campaign("x.example", 60))
            .await
            .status,
        403
    );
    let fleet = controller
        .ask_as(
            "otto",
            "GET",
            "/restconf/data/glimpse-fleet:fleet/agent",
            &[],
            "",
        )
        .await;
    let agents = fleet.json()["glimpse-fleet:agent"].clone();
    assert_eq!(
        (agents.as_array().unwrap().len(), agents[0]["id"].as_str()),
        (1, Some("a-2"))
    );
    let label = json!({"glimpse-fleet:label": [{"name": "isp", "value": "x"}]}).to_string();
    let path = "/restconf/data/glimpse-fleet:fleet/agent=a-2/label=isp";
    assert_eq!(
        controller
            .ask_as("otto", "PUT", path, &[], &label)
            .await
            .status,
        403
    );
    // Sina manages the south, and nothing else.
    assert_eq!(
        controller
            .ask_as("sina", "PUT", path, &[], &label)
            .await
            .status,
        204
    );
    let all = json!({"glimpse-fleet:input": {"agent": ["a-1"], "yang-patch": {"patch-id": "p", "edit": []}}}).to_string();
    let refused = controller
        .ask_as(
            "sina",
            "POST",
            "/restconf/operations/glimpse-fleet:apply",
            &[],
            &all,
        )
        .await;
    assert_eq!(refused.status, 400);
    // An agent manages nobody, and sees nothing of the fleet.
    let certificate = crate::fixture::by("a-1", Request::get(L).body(Body::empty()).unwrap());
    assert!(certificate.extensions().get::<Peer>().is_some());
    assert_eq!(
        controller
            .router()
            .oneshot(certificate)
            .await
            .unwrap()
            .status(),
        403
    );
    let fleet = Request::get("/restconf/data/glimpse-fleet:fleet")
        .body(Body::empty())
        .unwrap();
    let status = controller
        .router()
        .oneshot(crate::fixture::by("a-1", fleet))
        .await
        .unwrap()
        .status();
    assert_eq!(status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_agents_edits_wait_unjudged_and_never_reach_it_so() {
    let (controller, agent) = away().await;
    // Its library is another one.
    let store = &controller.shared.store;
    let (known, tree) = store.datastore(&agent_id("a-1")).await.unwrap().unwrap();
    let foreign = glimpse_store::Known {
        module_set: Some("0123".to_owned()),
        version: None,
        address: None,
        identity: glimpse_store::Identity::default(),
        tree: tree.unwrap(),
        at: known.known.unwrap(),
    };
    store.know(agent_id("a-1"), foreign).await.unwrap();
    let odd = json!({"ietf-lmap-control:lmap": {"vendor-x:knob": 1}}).to_string();
    let kept = controller.ask("PATCH", L, &odd).await;
    assert_eq!(
        (kept.status.as_u16(), kept.header("glimpse-intended")),
        (202, Some("pending"))
    );
    let _call = agent.call(controller.door);
    let refused = intended(&controller, "refused").await;
    assert_eq!(refused["error"][0]["tag"], "unknown-namespace", "{refused}");
    assert!(agent.asked("PATCH").is_empty());
}
