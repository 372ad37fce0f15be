//! A household erases its agent: nothing of it is left here, and the controller forgets it, now or when it can be reached.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::{Agent, Controller, eventually, pause};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(20);

/// An agent that has sent something, and its controller.
fn at_work() -> (Controller, Agent) {
    let controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &["--label", "isp=Aster"]);
    controller.instruct(
        &json!({"id": "i", "timing": {"periodic": {"interval": 300}},
        "task": {"id": "t", "method": "ping", "options": {
            "host": "127.0.0.1", "count": 1, "interval": 10, "timeout": 200}}}),
    );
    eventually("some results have arrived", LONG, || {
        (controller.results().len() > 3).then_some(())
    });
    (controller, agent)
}

fn erase(agent: &Agent) -> Value {
    agent.ask(&["erase", "--yes", "--json"]).unwrap()
}

fn agents(controller: &Controller) -> Value {
    controller.ask(&["agent", "list", "--json"]).unwrap()
}

/// Files below `dir`, but the settings, the log and what a running daemon keeps for itself.
fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// The agent's daemon answers again, without an identity.
fn anew(agent: &Agent) -> Value {
    eventually("the daemon begins anew", LONG, || {
        agent
            .status()
            .ok()
            .filter(|status| status["enrolled"] == false)
    })
}

#[test]
fn the_controller_forgets_an_agent_that_its_household_erased() {
    let (controller, mut agent) = at_work();
    let before = agent.pid();
    let answer = erase(&agent);
    assert_eq!(answer["pending"], true, "{answer}");
    anew(&agent);
    assert_eq!(agent.pid(), before, "the same process goes on");
    eventually("the controller forgets", LONG, || {
        (agents(&controller)[0]["forgotten"].is_string() && controller.results().is_empty())
            .then_some(())
    });
    assert_eq!(agents(&controller)[0]["labels"], json!({}));
    eventually("the identity is gone", LONG, || {
        let files = files(agent.dir());
        (!files.iter().any(|file| file.contains("forgetting"))).then_some(())
    });
    let results = agent.ask(&["results", "--json"]).unwrap();
    assert_eq!(results["results"], json!([]));
    assert_eq!(agent.stop(), Some(0), "{}", agent.log());
    // What an agent that never did anything leaves when it stops, and no more.
    let left = files(agent.dir());
    let url = controller.url();
    let mut fresh = Agent::new(&url, "");
    fresh.start_and_wait();
    assert_eq!(fresh.stop(), Some(0), "{}", fresh.log());
    assert_eq!(left, files(fresh.dir()));
}

#[test]
fn a_controller_that_is_away_is_asked_later() {
    let (mut controller, mut agent) = at_work();
    let port = controller.agent_port();
    controller.kill();
    assert_eq!(erase(&agent)["pending"], true);
    anew(&agent);
    let waiting = |agent: &Agent| {
        let mut files = files(agent.dir());
        files.retain(|file| file.contains("key.pem"));
        files
    };
    assert_eq!(waiting(&agent).len(), 1, "{:?}", files(agent.dir()));
    assert!(waiting(&agent)[0].contains("forgetting-0"));
    // Over a restart as well.
    agent.kill();
    agent.start_and_wait();
    controller.serve_on(port);
    eventually("the controller forgets", LONG, || {
        agents(&controller)[0]["forgotten"]
            .is_string()
            .then_some(())
    });
    eventually("the identity is gone", LONG, || {
        waiting(&agent).is_empty().then_some(())
    });
}

#[test]
fn a_stranger_on_the_way_ends_nothing() {
    let (mut controller, mut agent) = at_work();
    let port = controller.agent_port();
    controller.kill();
    // Says what a controller says that has revoked the certificate, without having proved to be one.
    let stranger = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    stranger.set_nonblocking(true).unwrap();
    assert_eq!(erase(&agent)["pending"], true);
    let mut calls = 0;
    eventually("the agent has called twice", LONG, || {
        if let Ok((mut stream, _)) = stranger.accept() {
            stream.set_nonblocking(false).unwrap();
            let mut hello = [0; 512];
            let _ = stream.read(&mut hello);
            stream.write_all(b"\x15\x03\x03\x00\x02\x02\x2c").unwrap();
            calls += 1;
        }
        (calls >= 2).then_some(())
    });
    drop(stranger);
    let kept = files(agent.dir());
    assert!(
        kept.iter()
            .any(|file| file.contains("forgetting-0/key.pem")),
        "{kept:?}"
    );
    controller.serve_on(port);
    eventually("the controller forgets", LONG, || {
        agents(&controller)[0]["forgotten"]
            .is_string()
            .then_some(())
    });
    assert_eq!(agent.stop(), Some(0), "{}", agent.log());
}

#[test]
fn an_agent_that_was_shut_out_says_that_nothing_is_known() {
    let (controller, mut agent) = at_work();
    agent.kill();
    let id = agents(&controller)[0]["id"].as_str().unwrap().to_owned();
    controller.ask(&["agent", "revoke", &id, "--json"]).unwrap();
    // It holds within a second.
    pause(Duration::from_secs(2));
    let answer = erase(&agent);
    assert_eq!(answer, json!({"forgotten": false, "pending": false}));
    assert_eq!(agents(&controller)[0]["forgotten"], Value::Null);
    let answer = controller.ask(&["agent", "forget", &id, "--json"]).unwrap();
    assert!(answer["deleted"].as_u64().unwrap() > 0, "{answer}");
    assert!(controller.results().is_empty());
}

#[test]
fn without_a_daemon_it_is_done_at_once() {
    let (controller, mut agent) = at_work();
    agent.kill();
    let answer = erase(&agent);
    assert_eq!(answer["forgotten"], true, "{answer}");
    assert!(agents(&controller)[0]["forgotten"].is_string());
    let left = files(agent.dir());
    assert!(
        !left
            .iter()
            .filter_map(|file| Path::new(file).extension())
            .any(|end| end == "pem" || end == "seg"),
        "{left:?}"
    );
}

#[test]
fn nobody_erases_by_accident() {
    let controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &[]);
    let output = agent.command(&["erase"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("--yes"), "{said}");
    let status = eventually("the daemon answers", LONG, || agent.status().ok());
    assert_eq!(status["enrolled"], true);
}
