//! Others' eyes on the LMAP door: libyang's `yanglint` judges what the agent says, `pyang` the modules, and a client that knows no
//! data model walks through it all.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod restconf_clients {
    pub(super) mod home;
    pub(super) mod yanglint;
}

use glimpse_tests::eventually;
use glimpse_tests::program::words;
use glimpse_tests::wire::{Rogue, respond};
use restconf_clients::home::Home;
use restconf_clients::yanglint::{self, Kind, modules, unwrapped_json, unwrapped_xml, yanglint};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Media type, and what came.
type Body = (String, Vec<u8>);

const PATIENCE: Duration = Duration::from_mins(1);

/// Every kind of event, task and suppression, and a schedule that runs at once and reports.
fn configuration(collector: &str) -> Value {
    let example = include_str!("../../yang/examples/instruction.json");
    let mut tree: Value = serde_json::from_str(example).unwrap();
    let lmap = &mut tree["ietf-lmap-control:lmap"];
    let add = |list: &mut Value, entry: Value| list.as_array_mut().unwrap().push(entry);
    add(
        &mut lmap["events"]["event"],
        json!({"name": "now", "immediate": [null]}),
    );
    add(
        &mut lmap["tasks"]["task"],
        json!({"name": "near", "program": "ping", "option": [
            {"id": "1", "name": "host", "value": "127.0.0.1"}, {"id": "2", "name": "count", "value": "1"}]}),
    );
    add(
        &mut lmap["tasks"]["task"],
        json!({"name": "tell", "program": "glimpse-report",
            "option": [{"id": "1", "name": "collector", "value": collector}]}),
    );
    add(
        &mut lmap["schedules"]["schedule"],
        json!({"name": "line", "start": "now", "tag": ["campaign-8"], "action": [
            {"name": "measure", "task": "near"}, {"name": "report", "task": "tell"}]}),
    );
    tree
}

#[test]
fn yanglint_finds_replies_reports_and_notifications_valid() {
    let mut home = Home::new();
    let bodies: Arc<Mutex<Vec<Body>>> = Arc::default();
    let held = Arc::clone(&bodies);
    // In the controller's place: it refuses JSON once, so that the same report comes in XML.
    let _collector = Rogue::replacing(&mut home.controller, move |request, stream| {
        if !request.is("POST /restconf/operations/ietf-lmap-report:report") {
            return respond(stream, 503, "", b"");
        }
        let kind = request.field("content-type").unwrap_or_default().to_owned();
        let refused = kind.ends_with("json");
        held.lock().unwrap().push((kind, request.body.clone()));
        respond(stream, if refused { 415 } else { 204 }, "", b"")
    });
    let events = home.listen();
    let collector = format!("{}/restconf", home.controller.url());
    home.put(
        "/restconf/data/ietf-lmap-control:lmap",
        &configuration(&collector),
    );
    eventually("a report in both encodings", PATIENCE, || {
        (bodies.lock().unwrap().len() >= 2).then_some(())
    });

    for (query, kind) in [("", Kind::Reply), ("?content=config", Kind::Configuration)] {
        let data = format!("/restconf/data{query}");
        let json = home.get(&data, "json");
        yanglint(kind, "json", &unwrapped_json(&json, "ietf-restconf:data"));
        yanglint(kind, "xml", &unwrapped_xml(&home.get(&data, "xml")));
    }
    let everything = home.get("/restconf/data?with-defaults=report-all", "json");
    let everything = unwrapped_json(&everything, "ietf-restconf:data");
    yanglint(Kind::Reply, "json", &everything);
    for tree in [
        "ietf-lmap-control:lmap",
        "ietf-yang-library:yang-library",
        "ietf-restconf-monitoring:restconf-state",
        "glimpse-agent:agent",
    ] {
        assert!(everything.contains(&format!("\"{tree}\"")), "{tree}");
    }

    for (kind, body) in bodies.lock().unwrap().iter() {
        let body = String::from_utf8(body.clone()).unwrap();
        if kind.ends_with("json") {
            let input = unwrapped_json(&body, "ietf-lmap-report:input");
            assert!(input.contains("campaign-8"), "{input}");
            let report = format!("{{\"ietf-lmap-report:report\":{input}}}");
            yanglint(Kind::Operation, "json", &report);
        } else {
            let input = unwrapped_xml(&body);
            let report = format!(
                "<report xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-report\">{input}</report>"
            );
            yanglint(Kind::Operation, "xml", &report);
        }
    }

    let kinds = ["schedule-state", "result-stored"].map(|kind| format!("glimpse-agent:{kind}"));
    let notifications = eventually("a schedule's state and a result", PATIENCE, || {
        let told = events.told();
        let holds = |kind: &String| {
            let mut told = told.iter();
            told.any(|told| told["ietf-restconf:notification"][kind].is_object())
        };
        kinds.iter().all(holds).then_some(told)
    });
    for notification in notifications {
        let mut told = notification["ietf-restconf:notification"].clone();
        told.as_object_mut().unwrap().remove("eventTime").unwrap();
        yanglint(Kind::Notification, "json", &told.to_string());
    }
}

/// That it says so when something is wrong.
#[test]
fn yanglint_refuses_what_is_not_valid() {
    let valid = include_str!("../../yang/examples/instruction.json");
    assert_eq!(yanglint::refusal(Kind::Configuration, "json", valid), None);
    for (from, to) in [
        ("\"interval\": 600", "\"interval\": \"often\""),
        ("\"start\": \"every 10 minutes\"", "\"start\": \"never\""),
    ] {
        let broken = valid.replace(from, to);
        assert_ne!(broken, valid);
        assert!(
            yanglint::refusal(Kind::Configuration, "json", &broken).is_some(),
            "{to}"
        );
    }
}

#[test]
fn a_client_that_knows_no_data_model_walks_through_the_agent() {
    let home = Home::new();
    let collector = format!("{}/restconf", home.controller.url());
    home.put(
        "/restconf/data/ietf-lmap-control:lmap",
        &configuration(&collector),
    );
    let output = Command::new("python3")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/walk.py"))
        .args(["--host", "127.0.0.1", "--port", &home.port.to_string()])
        .args(["--pin", &home.agent_fingerprint()])
        .arg("--cert")
        .arg(home.file("otto.pem"))
        .arg("--key")
        .arg(home.file("otto.key"))
        .output()
        .expect("python3 runs");
    assert!(
        output.status.success(),
        "{}\n{}",
        words(&output),
        home.agent.log()
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.starts_with("/restconf 2019-01-04: "), "{said}");
    assert!(said.contains(" 2 written back"), "{said}");
}

/// Our modules, by the judge that most reviewers of modules use.
#[test]
fn pyang_has_nothing_to_say_of_our_modules() {
    let output = Command::new(pyang())
        .args(["--lint", "--strict", "-p"])
        .arg(modules())
        .args(own_modules())
        .output()
        .expect("pyang runs: `cargo xtask test` installs it");
    let said = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success() && said.is_empty(),
        "{}",
        String::from_utf8_lossy(&said)
    );
}

fn own_modules() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(modules())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("glimpse-") && name.ends_with(".yang")
        })
        .collect();
    found.sort();
    assert!(found.len() >= 3);
    found
}

/// Where `cargo xtask test` puts it when the system has none.
fn pyang() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test
        .ancestors()
        .find(|dir| dir.join("CACHEDIR.TAG").exists());
    let own = target.unwrap().join("tools/pyang/bin/pyang");
    if own.exists() { own } else { "pyang".into() }
}
