#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::*;
use crate::daemon::tests::Bench;
use crate::restconf::credentials::CONTROLLER;
use crate::restconf::{Exchange, Reply};
use glimpse_restconf::{Method as HttpMethod, Request, Response, User};
use serde_json::{Value, json};
use tokio::sync::oneshot;

const L: &str = "/restconf/data/ietf-lmap-control:lmap";

async fn ask(bench: &mut Bench, method: HttpMethod, path: &str, body: &Value) -> Response {
    let (reply, answer) = oneshot::channel();
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = Request {
        method,
        path: path.to_owned(),
        query: None,
        headers: vec![(
            "Content-Type".to_owned(),
            "application/yang-data+json".to_owned(),
        )],
        body,
        user: Some(User {
            name: CONTROLLER.to_owned(),
            groups: vec![CONTROLLER.to_owned()],
            recovery: false,
        }),
        time: clock::now().as_micros(),
    };
    let exchange = Exchange {
        request,
        peer: "192.0.2.1:1".to_owned(),
        operator: None,
        reply,
    };
    let told = Told::Asked(Box::new(exchange));
    bench.daemon.happened(Happened::Told(told)).await;
    bench.daemon.follow_lmap().await;
    match answer.await.unwrap() {
        Reply::Whole(response) => response,
        Reply::Events(..) => panic!("no stream was asked for"),
    }
}

async fn get(bench: &mut Bench, path: &str) -> Value {
    let response = ask(bench, HttpMethod::Get, path, &Value::Null).await;
    serde_json::from_slice(&response.body).unwrap()
}

fn set() -> Vec<u8> {
    let task = json!({"id": "1", "method": "ping", "options": {"host": "192.0.2.1"}});
    let set = json!({"schema": 2, "instructions": [
        {"id": "J", "task": task, "timing": {"periodic": {"interval": 1_500, "randomSpread": 100}}}]});
    set.to_string().into_bytes()
}

#[tokio::test]
async fn instructions_of_the_json_door_are_seen_and_not_edited() {
    let mut bench = Bench::new().await;
    assert!(bench.daemon.instruct(&set(), None).await);
    let shown = get(&mut bench, &format!("{L}/schedules/schedule=J")).await;
    let schedule = &shown["ietf-lmap-control:schedule"][0];
    assert_eq!(schedule["glimpse-agent:origin"], "json", "{shown:#}");
    let event = get(&mut bench, &format!("{L}/events/event=J")).await;
    let event = &event["ietf-lmap-control:event"][0];
    assert_eq!(event["periodic"]["interval"], 2, "{event:#}");
    assert_eq!(event["periodic"]["glimpse-agent:interval-ms"], "1500");
    let task = get(&mut bench, &format!("{L}/tasks/task")).await;
    let task = task["ietf-lmap-control:task"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let events = json!({"ietf-lmap-control:event": [{"name": "J", "immediate": [null]}]});
    let tasks = json!({"ietf-lmap-control:task": [{"name": task}]});
    let key = task.replace('/', "%2F");
    for (method, path, body) in [
        (HttpMethod::Put, "events/event=J", &events),
        (HttpMethod::Patch, "events/event=J", &events),
        (HttpMethod::Delete, "events/event=J", &Value::Null),
        (
            HttpMethod::Delete,
            "schedules/schedule=J/action=1",
            &Value::Null,
        ),
        (HttpMethod::Put, &format!("tasks/task={key}"), &tasks),
    ] {
        let refused = ask(&mut bench, method, &format!("{L}/{path}"), body).await;
        let body = String::from_utf8(refused.body).unwrap();
        assert_eq!(refused.status, 403, "{path}: {body}");
        assert!(body.contains("managed by supervisor"), "{body}");
    }
    // A firing that does not take place is counted there.
    let quiet = bench.quiet("00:00-24:00");
    bench.daemon.reload(quiet);
    let mut suppressions = json!(0);
    for _ in 0..40 {
        bench.daemon.tick().await;
        bench.daemon.follow_lmap().await;
        let shown = get(&mut bench, &format!("{L}/schedules/schedule=J")).await;
        let schedule = &shown["ietf-lmap-control:schedule"][0];
        suppressions = schedule["action"][0]["suppressions"].clone();
        if suppressions != 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_ne!(suppressions, 0);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_kept_is_not_applied() {
    let mut bench = Bench::new().await;
    let state = bench.daemon.state_dir.clone();
    std::fs::remove_dir_all(&state).unwrap();
    let body = json!({"ietf-lmap-control:lmap": {"agent": {"group-id": "x"}}});
    let refused = ask(&mut bench, HttpMethod::Put, L, &body).await;
    assert_eq!(refused.status, 500);
    let after = ask(
        &mut bench,
        HttpMethod::Get,
        &format!("{L}/agent/group-id"),
        &Value::Null,
    )
    .await;
    assert_eq!(after.status, 404);
    std::fs::create_dir(&state).unwrap();
    assert_eq!(ask(&mut bench, HttpMethod::Put, L, &body).await.status, 201);
    assert!(state.join("running.lmap").exists());
}

#[tokio::test]
async fn a_schedule_is_triggered_by_its_name() {
    let mut bench = Bench::new().await;
    bench
        .daemon
        .happened(Happened::Told(Told::Open(Some(client()))))
        .await;
    let body = json!({"ietf-lmap-control:lmap": {
        "events": {"event": [{"name": "asked", "glimpse-agent:on-demand": [null]}]},
        "schedules": {"schedule": [{"name": "S", "start": "asked"}]}}});
    let answer = ask(&mut bench, HttpMethod::Put, L, &body).await;
    assert_eq!(
        answer.status,
        201,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let trigger = "/restconf/operations/glimpse-agent:trigger";
    let input = |name: &str| json!({"glimpse-agent:input": {"schedule": name}});
    let done = ask(&mut bench, HttpMethod::Post, trigger, &input("S")).await;
    let output: Value = serde_json::from_slice(&done.body).unwrap();
    assert!(
        output["glimpse-agent:output"]["event"].is_string(),
        "{output}"
    );
    let none = ask(&mut bench, HttpMethod::Post, trigger, &input("T")).await;
    assert_eq!(none.status, 400);
    assert!(bench.daemon.instruct(&set(), None).await);
    let managed = ask(&mut bench, HttpMethod::Post, trigger, &input("J")).await;
    assert_eq!(managed.status, 403);
    let shown = get(&mut bench, &format!("{L}/schedules/schedule=S")).await;
    let schedule = &shown["ietf-lmap-control:schedule"][0];
    assert_eq!(schedule["state"], "enabled", "{schedule:#}");
    // The household sees what is planned by either door.
    let planned = bench
        .daemon
        .answer(crate::local::service::Request::Schedules)
        .await;
    let ids: Vec<&Value> = planned["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["id"])
        .collect();
    assert_eq!(ids, ["J", "S"]);
    let status = bench
        .daemon
        .answer(crate::local::service::Request::Status)
        .await;
    assert_eq!(status["restconf"]["open"], true, "{status:#}");
}

fn client() -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    Arc::new(config)
}

#[test]
fn lmap_check_63_the_exit_status_of_a_program_is_the_status_of_its_run() {
    let status = |error: &str| {
        let mut record = Record::new(
            crate::spooler::new_id(clock::now()),
            glimpse_model::record::Status::Failed,
        );
        error.clone_into(&mut record.error);
        exit_status(&record)
    };
    assert_eq!(status("the plug-in ended with code 3: no line"), Some(3));
    assert_eq!(status("the plug-in ended with code 3"), Some(3));
    assert_eq!(status("the plug-in was killed by signal 9"), Some(-9));
    assert_eq!(
        status("the plug-in was stopped at its time limit of 5 ms"),
        None
    );
    assert_eq!(status("no such host"), None);
}

#[test]
fn the_configuration_of_the_factory_is_valid_and_lets_nobody_else_write() {
    let dir = tempfile::tempdir().unwrap();
    let (stored, _) = Stored::load(&AGENT, dir.path(), clock::now());
    let faults = glimpse_yang::validate::validate(
        &stored.tree,
        glimpse_yang::validate::Check::Configuration,
        None,
    );
    assert_eq!(faults, []);
    assert!(!stored.tree.is_empty());
}
