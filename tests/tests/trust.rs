//! Who may talk to whom.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::controller::LAB;
use glimpse_tests::{Agent, Controller, eventually};
use serde_json::{Value, json};
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(15);

#[test]
fn a_token_serves_once() {
    let controller = Controller::serving();
    let token = controller.invite(&[]);
    let first = Agent::new(&controller.url(), "");
    first
        .enrol(&controller.url(), &token, &controller.fingerprint)
        .unwrap();
    let second = Agent::new(&controller.url(), "");
    let error = second
        .enrol(&controller.url(), &token, &controller.fingerprint)
        .unwrap_err();
    assert!(
        error.contains("401") && error.contains("exit code Some(1)"),
        "{error}"
    );
    assert!(!second.dir().join("state/identity/certificate.pem").exists());
}

#[test]
fn a_wrong_or_late_token_is_refused() {
    let controller = Controller::serving();
    let agent = Agent::new(&controller.url(), "");
    let late = controller.invite(&["--ttl", "1"]);
    glimpse_tests::pause(Duration::from_millis(2100));
    for token in ["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &late] {
        let error = agent
            .enrol(&controller.url(), token, &controller.fingerprint)
            .unwrap_err();
        assert!(error.contains("401"), "{error}");
    }
    for token in ["", "not a token\n", "käse"] {
        let error = agent
            .enrol(&controller.url(), token, &controller.fingerprint)
            .unwrap_err();
        assert!(error.contains("token"), "{error}");
    }
}

#[test]
fn a_controller_of_another_fingerprint_gets_no_token() {
    let (right, wrong) = (Controller::serving(), Controller::serving());
    let agent = Agent::new(&wrong.url(), "");
    let error = agent
        .enrol(&wrong.url(), &right.invite(&[]), &right.fingerprint)
        .unwrap_err();
    assert!(
        error.contains("fingerprint") || error.contains("sha256"),
        "{error}"
    );
    let error = agent
        .enrol(&right.url(), &right.invite(&[]), "")
        .unwrap_err();
    assert!(
        error.contains("nothing was sent"),
        "the system's roots do not know it: {error}"
    );
}

/// An impostor takes the controller's place: connections are made, no request leaves.
#[test]
fn glimpse_check_47_an_impostor_learns_nothing() {
    let mut controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &[]);
    controller.instruct(&json!({"id": "i", "timing": {"periodic": {"interval": 100}},
        "task": {"id": "t", "method": "ping", "options": {"host": "127.0.0.1", "count": 1, "timeout": 50}}}));
    eventually("it works", PATIENCE, || {
        (!controller.results().is_empty()).then_some(())
    });
    let port = controller.agent_port();
    controller.kill();
    let mut impostor = Controller::init(LAB);
    impostor.serve_on(port);
    let status = eventually("the agent sees it", PATIENCE, || {
        let status = agent.status().ok()?;
        let error = status["controller"]["results"]["error"].as_str()?;
        error.contains("nothing was sent").then_some(status.clone())
    });
    assert!(status["spool"]["waiting"].as_u64().unwrap() > 0);
    assert!(impostor.results().is_empty());
    drop(impostor);

    // Somebody who only listens sees a handshake and nothing of ours.
    let listener = eventually("the port is free", PATIENCE, || {
        TcpListener::bind(("127.0.0.1", port)).ok()
    });
    let (mut stream, _) = listener.accept().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 {
            break;
        }
        seen.extend_from_slice(&buffer[..n]);
    }
    assert_eq!(seen.first(), Some(&0x16), "a TLS handshake");
    assert!(
        !seen
            .windows(5)
            .any(|bytes| bytes == b"agent" || bytes == b"HTTP/")
    );
}

#[test]
fn a_revoked_agent_is_out_at_once() {
    let controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &[]);
    let id = eventually("it is a member", PATIENCE, || {
        let status = agent.status().ok()?;
        status["controller"]["instructions"]["last_success"].as_str()?;
        status["controller"]["agent"].as_str().map(str::to_owned)
    });
    controller.ask(&["agent", "revoke", &id, "--json"]).unwrap();
    // The open connection is cut; the next attempt learns why.
    eventually("it is told", PATIENCE, || {
        let status = agent.status().ok()?;
        let error = status["controller"]["instructions"]["error"].as_str()?;
        error.contains("revoked").then_some(())
    });
    let error = controller
        .ask(&["agent", "invite", "--json", "--agent", &id])
        .unwrap_err();
    assert!(error.contains("revoked"), "{error}");
}

/// The documented way back, as for an agent whose certificate expired while it was off.
#[test]
fn an_agent_comes_back_under_its_id_by_a_new_token() {
    let controller = Controller::serving();
    let mut agent = Agent::enrolled(&controller, &["--label", "isp=Aster"]);
    let id = eventually("it is a member", PATIENCE, || {
        agent.status().ok()?["controller"]["agent"]
            .as_str()
            .map(str::to_owned)
    });
    agent.kill();
    std::fs::remove_file(agent.dir().join("state/identity/certificate.pem")).unwrap();
    let token = controller.invite(&["--agent", &id]);
    let enrolled = agent
        .enrol(&controller.url(), &token, &controller.fingerprint)
        .unwrap();
    assert_eq!(enrolled["agent"], id.as_str());
    agent.start_and_wait();
    eventually("it is back", PATIENCE, || {
        agent.status().ok()?["controller"]["instructions"]["last_success"]
            .as_str()
            .map(drop)
    });
    let shown = controller.ask(&["agent", "show", &id, "--json"]).unwrap();
    assert_eq!(shown["agent"]["labels"]["isp"], "Aster", "{shown:#}");
}

/// Takes half a minute: the shortest certificate a controller gives lives that long.
#[test]
fn a_certificate_renews_itself() {
    let mut controller = Controller::init(&format!("{LAB}\n[pki]\nagent_certificate_s = 60\n"));
    controller.serve();
    let agent = Agent::enrolled(&controller, &[]);
    let until = |status: &Value| {
        status["controller"]["certificate_until"]
            .as_str()
            .map(str::to_owned)
    };
    let first = eventually("it is a member", PATIENCE, || until(&agent.status().ok()?));
    eventually("the certificate is another", Duration::from_mins(1), || {
        until(&agent.status().ok()?).filter(|now| *now > first)
    });
    assert!(
        agent.log().contains("certificate renewed"),
        "{}",
        agent.log()
    );
}
