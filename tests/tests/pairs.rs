//! Two agents that measure with each other on the controller's word.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::{Agent, Controller, eventually};
use serde_json::Value;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::Duration;

/// A port of the loopback that nobody uses now.
fn free_port() -> u16 {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    socket.local_addr().unwrap().port()
}

fn id(agent: &Agent) -> String {
    let status = eventually("the agent serves", Duration::from_secs(10), || {
        agent.status().ok()
    });
    status["controller"]["agent"]
        .as_str()
        .unwrap_or_else(|| panic!("an id in {status:#}"))
        .to_owned()
}

fn responding(controller: &Controller, port: u16) -> Agent {
    let mut agent = Agent::enrolled(controller, &[]);
    agent.stop();
    agent.configure(
        &controller.url(),
        &format!(
            "config responder\n\toption enabled '1'\n\toption port '{port}'\n\
             config limits\n\toption cross_traffic_kbps '0'\n\toption monthly_bytes '10000000000'\n"
        ),
    );
    agent.start_and_wait();
    agent
}

fn asking(controller: &Controller) -> Agent {
    let mut agent = Agent::enrolled(controller, &[]);
    agent.stop();
    agent.configure(
        &controller.url(),
        "config limits\n\toption cross_traffic_kbps '0'\n\toption monthly_bytes '10000000000'\n",
    );
    agent.start_and_wait();
    agent
}

fn joined(controller: &Controller) -> Vec<Value> {
    let answer = controller.ask(&["pair", "results", "--json"]).unwrap();
    answer.as_array().unwrap().clone()
}

#[test]
fn a_pair_measures_and_its_records_are_one_result() {
    let controller = Controller::serving();
    let port = free_port();
    let (initiator, responder) = (asking(&controller), responding(&controller, port));
    let (from, to) = (id(&initiator), id(&responder));
    let port = port.to_string();
    for (method, options) in [
        (
            "btc",
            ["duration_ms=500", "ramp_up_ms=100", "max_bytes=20000000"].as_slice(),
        ),
        ("packettrains", ["iterations=2"].as_slice()),
    ] {
        let mut words = vec![
            "pair",
            "add",
            method,
            "--json",
            "--from",
            &from,
            "--to",
            &to,
            "--host",
            "127.0.0.1",
            "--port",
            &port,
        ];
        for option in options {
            words.extend(["--option", option]);
        }
        controller.ask(&words).unwrap();
    }
    let results = eventually("both ends have reported", Duration::from_secs(40), || {
        let joined = joined(&controller);
        let whole = |one: &&Value| one["responder"]["record"].is_object();
        (joined.iter().filter(whole).count() == 2).then_some(joined)
    });
    for one in &results {
        let (asked, answered) = (&one["initiator"]["record"], &one["responder"]["record"]);
        assert_eq!(asked["status"], "ok", "{asked:#}");
        assert_eq!(answered["status"], "ok", "{answered:#}");
        assert_eq!(one["initiator"]["agent"], from.as_str());
        assert_eq!(one["responder"]["agent"], to.as_str());
        let figure = |record: &Value| {
            let result = &record["probe_result"];
            match one["method"].as_str().unwrap() {
                "btc_ma" => result["down"]["bandwidth_bps_avg"].clone(),
                _ => result["sending_bps"].clone(),
            }
        };
        assert!(!figure(asked).is_null(), "{asked:#}");
        assert_eq!(figure(asked), figure(answered), "both ends know the same");
        assert!(answered["bytes"]["sent"].as_u64().unwrap() > 0);
    }
    // Who was not asked by the controller has no token, and gets no answer.
    let alone = initiator
        .command(&["measure", "btc_ma", "host=127.0.0.1", "token=g1.x.y"])
        .output()
        .unwrap();
    assert!(!alone.status.success());
}
