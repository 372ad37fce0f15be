//! Who comes in, how often, and how the household keeps the key.

use crate::client::{Client, D, JSON, L};
use crate::place::{Leaf, Place, Signer};
use http_body_util::BodyExt;
use serde_json::json;
use std::fs;
use std::process::Command;
use std::time::Duration;

/// What a generic client gets from the agent, and its words.
fn curl(place: &Place, roots: &str, path: &str) -> (bool, String) {
    let file = |name: &str, text: &str| {
        let path = place.path(name);
        fs::write(&path, text).unwrap();
        path
    };
    let port = place.port;
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "20"])
        .arg("--cacert")
        .arg(file("roots.pem", roots))
        .arg("--cert")
        .arg(file("olga.pem", &place.olga.pem))
        .arg("--key")
        .arg(file("olga.key", &place.olga.key_pem))
        .args(["--resolve", &format!("agent-7:{port}:127.0.0.1")])
        .arg(format!("https://agent-7:{port}{path}"))
        .output()
        .expect("curl is installed");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn a_generic_client_that_knows_the_root_trusts_the_agent_as_a_server() {
    let place = Place::started("").await;
    let root = &place.authorities.root.pem;
    let (done, text) = curl(&place, root, "/.well-known/host-meta");
    assert!(done, "{text}");
    assert!(
        text.contains("<Link rel='restconf' href='/restconf'/>"),
        "{text}"
    );
    let (done, text) = curl(&place, root, &format!("{L}/agent"));
    assert!(
        done && text.starts_with("{\"ietf-lmap-control:agent\""),
        "{text}"
    );
    let (done, text) = curl(&place, &Signer::root().pem, "/restconf");
    assert!(!done, "another root: {text}");
}

#[tokio::test]
async fn whoever_has_locked_everybody_out_opens_the_door_from_inside() {
    let place = Place::started("").await;
    let mut otto = place.connect(&place.otto).await;
    let nacm = format!("{D}/ietf-netconf-acm:nacm");
    let event = json!({"ietf-lmap-control:event": [{"name": "E", "immediate": [null]}]});
    let path = format!("{L}/events/event=E");
    let closed = json!({"ietf-netconf-acm:nacm": {"write-default": "deny"}});
    let answer = otto.edit("PUT", &nacm, &closed).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    assert_eq!(otto.edit("PUT", &path, &event).await.status, 403);
    let mut controller = place.controller().await;
    assert_eq!(controller.edit("PUT", &path, &event).await.status, 403);
    let reset = place.command(&["nacm", "reset"]).output().unwrap();
    assert!(reset.status.success(), "{reset:?}");
    assert_eq!(otto.edit("PUT", &path, &event).await.status, 201);
    assert_eq!(controller.edit("PUT", &path, &event).await.status, 204);
    let log = place.log();
    let audit = log
        .lines()
        .find(|line| line.contains("access control is reset"));
    assert!(
        audit.is_some_and(|line| line.contains("user=local")),
        "{log}"
    );
    let task = json!({"ietf-lmap-control:task": [{"name": "T", "program": "ping"}]});
    let path = format!("{L}/tasks/task=T");
    assert_eq!(controller.edit("PUT", &path, &task).await.status, 403);
}

#[tokio::test]
async fn edits_come_in_a_burst_and_then_slowly() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    let mut edit = async |number: u32| {
        let body = json!({"ietf-lmap-control:lmap": {"agent": {"group-id": number.to_string()}}});
        client.edit("PATCH", L, &body).await
    };
    for number in 0..20 {
        let answer = edit(number).await;
        assert_eq!(answer.status, 204, "{number}: {}", answer.text);
        if number == 0 {
            let same = edit(number).await;
            assert_eq!(same.status, 204, "what changes nothing is not counted");
        }
    }
    let mut refused = edit(20).await;
    for number in 21..25 {
        if refused.status == 503 {
            break;
        }
        refused = edit(number).await;
    }
    assert_eq!(
        (refused.status, refused.tag().as_str()),
        (503, "resource-denied"),
        "{}",
        refused.text
    );
    let wait: u32 = refused.header("retry-after").parse().unwrap();
    assert!((1..=10).contains(&wait), "{wait}");
    let mut client = place.controller().await;
    assert_eq!(client.get(L).await.status, 200);
}

#[tokio::test]
async fn a_configuration_is_as_large_as_a_router_can_bear() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    let tasks = |from: u32| -> Vec<_> {
        let text = "x".repeat(3000);
        (from..from + 100)
            .map(|n| json!({"name": n.to_string(), "option": [{"id": "o", "name": "text", "value": text}]}))
            .collect()
    };
    let mut merge = async |from| {
        let lmap = json!({"tasks": {"task": tasks(from)}});
        let body = json!({"ietf-restconf:data": {"ietf-lmap-control:lmap": lmap}});
        client.edit("PATCH", D, &body).await
    };
    let half = merge(0).await;
    assert_eq!(half.status, 204, "{}", half.text);
    let refused = merge(100).await;
    assert_eq!(refused.status, 409, "{}", refused.text);
    assert_eq!(refused.tag(), "resource-denied");
    let size = fs::metadata(place.path("state/running.lmap"))
        .unwrap()
        .len();
    assert!(size < 512 << 10, "{size}");
}

#[tokio::test]
async fn a_configuration_with_which_the_agent_does_not_last_is_put_aside() {
    let mut place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({"agent": {"group-id": "deadly"}}))
        .await;
    let group = format!("{L}/agent/group-id");
    let mut otto = place.connect(&place.otto).await;
    let nacm = format!("{D}/ietf-netconf-acm:nacm/rule-list=controller");
    assert_eq!(otto.edit("DELETE", &nacm, &json!(null)).await.status, 204);
    place.stop(true);
    for _ in 0..2 {
        place.start();
        place.ready().await;
        let mut client = place.controller().await;
        assert_eq!(client.get(&group).await.status, 200);
        place.stop(false);
    }
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    assert_eq!(client.get(&group).await.status, 404, "{}", place.log());
    let aside = fs::read_to_string(place.path("state/running.lmap.bad")).unwrap();
    assert!(aside.contains("deadly"));
    let body = json!({"ietf-lmap-control:lmap": {"agent": {"group-id": "better"}}});
    let refused = client.edit("PATCH", L, &body).await;
    assert_eq!(
        refused.status, 403,
        "who may do what holds: {}",
        refused.text
    );
    let mut otto = place.connect(&place.otto).await;
    assert_eq!(otto.edit("PATCH", L, &body).await.status, 204);
    place.stop(true);
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    assert_eq!(client.get(&group).await.status, 200, "it counts anew");
}

#[tokio::test]
async fn one_reader_takes_neither_all_streams_nor_all_connections() {
    let place = Place::started("").await;
    let headers = [("accept", "text/event-stream")];
    let stream = "/restconf/streams/NETCONF/json";
    let mut held = Vec::new();
    for expected in [200, 200, 503] {
        let mut olga = place.connect(&place.olga).await;
        let answer = olga.send("GET", stream, &headers, "").await.unwrap();
        assert_eq!(answer.status(), expected);
        held.push((olga, Some(answer)));
    }
    while held.len() < 5 {
        let mut olga = place.connect(&place.olga).await;
        assert_eq!(olga.get("/restconf").await.status, 200);
        held.push((olga, None));
    }
    let refused = async |leaf: &Leaf| {
        let more = Client::connect(place.port, Some(leaf), &place.agent.der).await;
        if let Ok(mut more) = more {
            assert!(more.send("GET", "/restconf", &[], "").await.is_err());
        }
    };
    refused(&place.olga).await;
    let mut controllers = Vec::new();
    for _ in 0..2 {
        let mut otto = place.connect(&place.otto).await;
        assert_eq!(otto.get(L).await.status, 200, "the household's own");
        held.push((otto, None));
    }
    refused(&place.otto).await;
    for _ in 0..2 {
        let mut controller = place.controller().await;
        assert_eq!(controller.get(L).await.status, 200);
        controllers.push(controller);
    }
    drop(controllers);
    let mut controller = place.controller().await;
    let answer = controller.send("GET", stream, &headers, "").await.unwrap();
    assert_eq!(answer.status(), 200);
    let mut another = place.controller().await;
    assert_eq!(another.get(L).await.status, 200);
}

#[tokio::test]
async fn a_controller_does_not_take_the_connections_of_the_household() {
    let place = Place::started("").await;
    let mut held = Vec::new();
    for number in 0..12 {
        let client = Client::connect(place.port, Some(&place.controller), &place.agent.der);
        let Ok(mut client) = client.await else {
            continue;
        };
        let answered = client.send("GET", "/restconf", &[], "").await.is_ok();
        assert_eq!(answered, number < 4, "{number}");
        held.push(client);
    }
    let mut otto = place.connect(&place.otto).await;
    assert_eq!(otto.get(L).await.status, 200);
}

#[tokio::test]
async fn streams_end_when_the_rules_of_access_change() {
    let place = Place::started("").await;
    let mut olga = place.connect(&place.olga).await;
    let headers = [("accept", "text/event-stream")];
    let stream = "/restconf/streams/NETCONF/json";
    let mut events = olga.send("GET", stream, &headers, "").await.unwrap();
    assert_eq!(events.status(), 200);
    let mut otto = place.connect(&place.otto).await;
    let path = format!("{D}/ietf-netconf-acm:nacm/read-default");
    let deny = json!({"ietf-netconf-acm:read-default": "deny"}).to_string();
    let answer = otto
        .ask("PUT", &path, &[("content-type", JSON)], deny)
        .await;
    assert!([201, 204].contains(&answer.status), "{}", answer.text);
    let ended = tokio::time::timeout(Duration::from_secs(30), async {
        while let Some(frame) = events.frame().await {
            if frame.is_err() {
                break;
            }
        }
    });
    ended.await.expect("the stream ends");
}

#[tokio::test]
async fn a_connection_does_not_outlive_the_certificate_it_was_made_with() {
    let brief = Signer::root().brief("brief", 6);
    let print = brief.fingerprint();
    let place = Place::started(&format!("\tlist client 'brief operator {print}'\n")).await;
    let mut client = place.connect(&brief).await;
    assert_eq!(client.get(L).await.status, 200);
    let mut status = 200;
    for _ in 0..20 {
        tokio::time::sleep(Duration::from_millis(500)).await;
        status = client.get(L).await.status;
        if status != 200 {
            break;
        }
    }
    assert_eq!(status, 401);
    assert!(
        client.send("GET", L, &[], "").await.is_err(),
        "it is closed"
    );
}
