//! Reading and editing over the wire.

use crate::client::{Client, D, JSON, L, XML};
use crate::collector::Collector;
use crate::place::{Authorities, Place};
use crate::runs::{long_task, ping_task, report_task};
use glimpse_agent::clock::steady;
use http_body_util::BodyExt;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn show_1_a_controller_configures_a_measurement_and_a_collector_gets_its_report() {
    let place = Place::started("").await;
    let collector = Collector::new(&place, &[]).await;
    let mut client = place.controller().await;
    let meta = client.get("/.well-known/host-meta").await;
    assert_eq!(
        (meta.status, meta.header("content-type")),
        (200, "application/xrd+xml")
    );
    assert!(
        meta.text
            .contains("<Link rel='restconf' href='/restconf'/>"),
        "{}",
        meta.text
    );
    let lmap = client.get(L).await;
    let version = &lmap.json()["ietf-lmap-control:lmap"]["capabilities"]["version"];
    assert_eq!(*version, json!(glimpse_agent::VERSION));
    let xml = client.ask("GET", L, &[("accept", XML)], "").await;
    assert_eq!((xml.status, xml.header("content-type")), (200, XML));
    assert!(xml.text.starts_with("<lmap xmlns="), "{}", xml.text);
    client
        .merge(&json!({
            "agent": {"group-id": "lab", "report-group-id": true},
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1"), report_task("R", &collector.url())]},
            "schedules": {"schedule": [
                {"name": "S", "start": "now", "tag": ["first"], "action": [{"name": "A", "task": "T", "destination": ["D"]}]},
                {"name": "D", "start": "often", "action": [{"name": "send", "task": "R"}]}]}
        }))
        .await;
    let schedule = client
        .until("it ran", "S", |s| {
            s["invocations"] == 1 && s["state"] == "disabled"
        })
        .await;
    assert_eq!(schedule["action"][0]["last-status"], 0, "{schedule:#}");
    assert_eq!(schedule["storage"], "0", "nothing waits for it");
    let report = collector
        .until("a report", |r| !r.results().is_empty())
        .await;
    let result = &report.results()[0];
    assert_eq!(
        (
            &result["schedule"],
            &result["action"],
            &result["task"],
            &result["status"]
        ),
        (&json!("S"), &json!("A"), &json!("T"), &json!(0))
    );
    assert_eq!(result["tag"], json!(["first"]));
    assert!(!result["table"][0]["row"].as_array().unwrap().is_empty());
    assert!(report.body.contains(r#""group-id":"lab""#) && !report.body.contains("agent-id"));
    // Once it is there, nothing of it is left.
    client.until("D ran", "D", |s| s["storage"] == "0").await;
}

#[tokio::test]
async fn lmap_trap_26_a_bad_client_certificate_ends_its_connection_and_nothing_else() {
    let place = Place::started("").await;
    let strangers = Authorities::new();
    let foreign = strangers
        .controllers
        .leaf("controller", Some(crate::place::CONTROLLER));
    let other_name = place
        .authorities
        .controllers
        .leaf("controller", Some("other.example"));
    for leaf in [None, Some(&foreign), Some(&other_name), Some(&place.agent)] {
        // With TLS 1.3 the refusal comes after the client's side of the handshake.
        if let Ok(mut client) = Client::connect(place.port, leaf, &place.agent.der).await {
            let answer = client.send("GET", "/restconf", &[], "").await;
            assert!(answer.is_err(), "{answer:?}");
        }
    }
    for reason in [
        "peer sent no certificates",
        "certificate: BadSignature",
        "not valid for name",
        "UnknownIssuer",
    ] {
        let began = steady();
        while !place.log().contains(reason) {
            assert!(
                began.elapsed() < Duration::from_secs(30),
                "{reason}: {}",
                place.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let mut client = place.controller().await;
    assert_eq!(client.get("/restconf").await.status, 200);
}

#[tokio::test]
async fn lmap_check_47_readers_read_operators_write_and_controllers_choose_no_program() {
    let place = Place::started("").await;
    let mut olga = place.connect(&place.olga).await;
    let event = json!({"ietf-lmap-control:event": [{"name": "E", "immediate": [null]}]});
    let path = format!("{L}/events/event=E");
    let answer = olga.get("/restconf/data").await;
    assert_eq!(
        (answer.status, answer.header("cache-control")),
        (200, "no-cache")
    );
    assert_eq!(olga.edit("PUT", &path, &event).await.status, 403);
    let trigger = json!({"glimpse-agent:input": {"schedule": "S"}});
    let operation = "/restconf/operations/glimpse-agent:trigger";
    assert_eq!(olga.edit("POST", operation, &trigger).await.status, 403);
    let mut controller = place.controller().await;
    assert_eq!(controller.edit("PUT", &path, &event).await.status, 201);
    let task = json!({"ietf-lmap-control:task": [{"name": "T", "program": "ping"}]});
    let path = format!("{L}/tasks/task=T");
    let refused = controller.edit("PUT", &path, &task).await;
    assert_eq!(
        (refused.status, refused.tag().as_str()),
        (403, "access-denied")
    );
    assert_eq!(
        controller
            .get(&format!("{D}/ietf-netconf-acm:nacm"))
            .await
            .status,
        404
    );
    let mut otto = place.connect(&place.otto).await;
    assert_eq!(otto.edit("PUT", &path, &task).await.status, 201);
    let nacm = otto.get(&format!("{D}/ietf-netconf-acm:nacm")).await.json();
    assert_eq!(nacm["ietf-netconf-acm:nacm"]["denied-data-writes"], 2);
    assert_eq!(nacm["ietf-netconf-acm:nacm"]["denied-operations"], 1);
    let log = place.log();
    let edits: Vec<&str> = log
        .lines()
        .filter(|line| line.contains("PUT /restconf"))
        .collect();
    assert_eq!(edits.len(), 4, "{log}");
    assert!(
        edits[0].contains("user=olga") && edits[0].contains("status=403"),
        "{}",
        edits[0]
    );
    // The doors, for whoever may read.
    let agent = olga.get(&format!("{D}/glimpse-agent:agent")).await.json();
    let doors = &agent["glimpse-agent:agent"]["doors"];
    assert_eq!(doors["listen"][0]["port"], json!(place.port), "{agent:#}");
    assert_eq!(doors["cert-to-name"].as_array().unwrap().len(), 3);
    assert_eq!(agent["glimpse-agent:agent"]["consent"], true);
}

#[tokio::test]
async fn lmap_check_14_an_edit_changes_the_tags_of_what_it_touches_and_of_all_above() {
    let place = Place::started("").await;
    let mut otto = place.connect(&place.otto).await;
    let paths = [D, L, &format!("{D}/ietf-netconf-acm:nacm")].map(str::to_owned);
    let mut before = Vec::new();
    for path in &paths {
        before.push(otto.get(path).await.header("etag").to_owned());
    }
    let event = json!({"ietf-lmap-control:event": [{"name": "E", "immediate": [null]}]});
    let edited = otto
        .edit("PUT", &format!("{L}/events/event=E"), &event)
        .await;
    assert_eq!(edited.status, 201, "{}", edited.text);
    let mut same = Vec::new();
    for (path, before) in paths.iter().zip(&before) {
        assert!(!before.is_empty());
        same.push(otto.get(path).await.header("etag") == before);
    }
    assert_eq!(same, [false, false, true]);
}

#[tokio::test]
async fn lmap_check_15_counters_move_and_the_tag_stays() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1")]},
            "schedules": {"schedule": [{"name": "S", "start": "often", "action": [{"name": "A", "task": "T"}]}]}
        }))
        .await;
    let tag = client.get(L).await.header("etag").to_owned();
    client
        .until("it ran twice", "S", |s| {
            s["invocations"].as_u64() >= Some(2)
        })
        .await;
    assert_eq!(client.get(L).await.header("etag"), tag);
}

#[tokio::test]
async fn lmap_check_16_an_edit_of_what_has_changed_meanwhile_is_refused() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    let tag = client.get(L).await.header("etag").to_owned();
    client.merge(&json!({"agent": {"group-id": "one"}})).await;
    let body = json!({"ietf-lmap-control:lmap": {"agent": {"group-id": "two"}}}).to_string();
    let headers = [("content-type", JSON), ("if-match", tag.as_str())];
    let answer = client.ask("PATCH", L, &headers, body).await;
    assert_eq!(answer.status, 412, "{}", answer.text);
    let group = client.get(&format!("{L}/agent/group-id")).await.json();
    assert_eq!(group["ietf-lmap-control:group-id"], "one");
}

#[tokio::test]
async fn lmap_check_29_what_is_wrong_in_part_is_not_applied_at_all_and_what_was_applied_survives() {
    let mut place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({"events": {"event": [{"name": "E", "startup": [null]}]}}))
        .await;
    let broken = json!({"ietf-restconf:data": {"ietf-lmap-control:lmap": {
        "events": {"event": [{"name": "F", "startup": [null]}]},
        "schedules": {"schedule": [{"name": "S", "start": "nowhere"}]}}}});
    let answer = client.edit("PATCH", D, &broken).await;
    assert_eq!(
        (answer.status, answer.tag().as_str()),
        (409, "data-missing"),
        "{}",
        answer.text
    );
    // Killed, not stopped: what was answered is on the device.
    place.stop(false);
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    let lmap = client.get(&format!("{L}?content=config")).await.json();
    let names = &lmap["ietf-lmap-control:lmap"]["events"]["event"];
    assert_eq!(*names, json!([{"name": "E", "startup": [null]}]));
}

#[tokio::test]
async fn lmap_trap_09_a_damaged_configuration_does_not_keep_the_agent_from_serving() {
    let mut place = Place::started("").await;
    let mut client = place.controller().await;
    client.merge(&json!({"agent": {"group-id": "x"}})).await;
    place.stop(true);
    std::fs::write(place.path("state/running.lmap"), "1\n\n{").unwrap();
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    let lmap = client.get(&format!("{L}?content=config")).await.json();
    assert_eq!(lmap, json!({"ietf-lmap-control:lmap": {}}));
    assert!(place.path("state/running.lmap.bad").exists());
}

#[tokio::test]
async fn states_are_told_to_those_who_listen() {
    let place = Place::started("").await;
    let mut olga = place.connect(&place.olga).await;
    let stream = "/restconf/streams/NETCONF/json";
    let headers = [("accept", "text/event-stream")];
    let mut events = olga.send("GET", stream, &headers, "").await.unwrap();
    assert_eq!(events.status(), 200);
    assert_eq!(events.headers()["content-type"], "text/event-stream");
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}]},
            "tasks": {"task": [long_task("T")]},
            "schedules": {"schedule": [{"name": "S", "start": "now", "action": [{"name": "A", "task": "T"}]}]}
        }))
        .await;
    let mut text = String::new();
    let wanted = r#""glimpse-agent:schedule-state":{"schedule":"S","state":"running"}"#;
    while !text.contains(wanted) {
        let frame = tokio::time::timeout(Duration::from_secs(30), events.frame()).await;
        let frame = frame.unwrap().unwrap().unwrap();
        text += std::str::from_utf8(frame.data_ref().unwrap()).unwrap();
    }
    assert!(
        text.starts_with("data: {\"ietf-restconf:notification\":{\"eventTime\""),
        "{text}"
    );
    assert!(
        text.lines()
            .all(|line| line.is_empty() || line.starts_with("data: ")),
        "{text}"
    );
}
