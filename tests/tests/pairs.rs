//! Two agents that measure with each other on the controller's word.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::{Agent, Controller, eventually, pause};
use nix::sys::signal::Signal;
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

/// Of a responder's places one initiator has half.
const PLACES: &str = "\toption max_sessions '6'\n";

fn responding(controller: &Controller, port: u16) -> Agent {
    let mut agent = Agent::enrolled(controller, &[]);
    agent.stop();
    grant(&agent, controller, port, PLACES, "");
    agent.start_and_wait();
    // Else the one measurement of a pair may find nobody.
    eventually("the responder listens", Duration::from_secs(40), || {
        (beginnings(&agent) > 0).then_some(())
    });
    agent
}

/// Writes the settings of a responder; `responder` and `limits` are further options of these sections.
fn grant(agent: &Agent, controller: &Controller, port: u16, responder: &str, limits: &str) {
    agent.configure(
        &controller.url(),
        &format!(
            "config responder\n\toption enabled '1'\n\toption port '{port}'\n{responder}\
             config limits\n\toption cross_traffic_kbps '0'\n\toption monthly_bytes '10000000000'\n{limits}"
        ),
    );
}

/// How often its responder has begun to listen.
fn beginnings(agent: &Agent) -> usize {
    agent.log().matches("the responder listens on port").count()
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

/// What lets `from` measure `method` with `to`, and further words.
fn pair_add<'a>(
    method: &'a str,
    [from, to]: [&'a str; 2],
    port: &'a str,
    more: &[&'a str],
) -> Vec<&'a str> {
    let mut words = vec![
        "pair",
        "add",
        method,
        "--json",
        "--from",
        from,
        "--to",
        to,
        "--host",
        "127.0.0.1",
        "--port",
        port,
    ];
    words.extend(more);
    words
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
    for (method, more) in [
        (
            "btc",
            [
                "--option=duration_ms=500",
                "--option=ramp_up_ms=100",
                "--option=max_bytes=20000000",
            ]
            .as_slice(),
        ),
        ("packettrains", &["--option=iterations=2"]),
        ("ping", &["--option=count=5", "--option=interval=50"]),
    ] {
        let words = pair_add(method, [&from, &to], &port, more);
        controller.ask(&words).unwrap();
    }
    let results = eventually("both ends have reported", Duration::from_secs(40), || {
        let joined = joined(&controller);
        let whole = |one: &&Value| one["responder"]["record"].is_object();
        (joined.iter().filter(whole).count() == 3).then_some(joined)
    });
    for one in &results {
        let (asked, answered) = (&one["initiator"]["record"], &one["responder"]["record"]);
        assert_eq!(asked["status"], "ok", "{asked:#}");
        assert_eq!(answered["status"], "ok", "{answered:#}");
        assert_eq!(one["initiator"]["agent"], from.as_str());
        assert_eq!(one["responder"]["agent"], to.as_str());
        let (at_one, at_other) = match one["method"].as_str().unwrap() {
            "btc_ma" => ["/down/bandwidth_bps_avg"; 2].into(),
            "packettrains_ma" => ["/sending_bps"; 2].into(),
            _ => ("/round_trip_received", "/packets_echoed"),
        };
        let figure = |record: &Value, path| record["probe_result"].pointer(path).cloned();
        let known = figure(asked, at_one);
        assert!(known.is_some(), "{asked:#}");
        assert_eq!(known, figure(answered, at_other), "both ends know the same");
        assert!(answered["bytes"]["sent"].as_u64().unwrap() > 0);
    }
    // Who was not asked by the controller has no token, and gets no answer.
    let alone = initiator
        .command(&["measure", "btc_ma", "host=127.0.0.1", "token=g1.x.y"])
        .output()
        .unwrap();
    assert!(!alone.status.success());
}

#[test]
fn a_token_is_used_up_for_good() {
    let controller = Controller::serving();
    let port = free_port();
    let (initiator, mut responder) = (asking(&controller), responding(&controller, port));
    let (from, to) = (id(&initiator), id(&responder));
    let port_word = port.to_string();
    let more = [
        "--option",
        "duration_ms=500",
        "--option",
        "max_bytes=2000000",
    ];
    let words = pair_add("btc", [&from, &to], &port_word, &more);

    controller.ask(&words).unwrap();
    eventually("the pair has measured", Duration::from_secs(40), || {
        joined(&controller)
            .first()
            .filter(|one| one["responder"]["record"].is_object())
            .map(|_| ())
    });
    let instructions = controller.ask(&["instruction", "list", "--json"]).unwrap();
    let token = instructions[0]["instruction"]["tasks"][0]["options"]["token"].as_str();
    let token = format!("token={}", token.expect("a token"));
    let again = |responder: &Agent, when: &str, listened: usize| {
        eventually(when, Duration::from_secs(10), || {
            (beginnings(responder) > listened).then_some(())
        });
        let port = format!("port={port}");
        let words = [
            "measure",
            "btc_ma",
            "--json",
            "host=127.0.0.1",
            &port,
            &token,
        ];
        let output = initiator.command(&words).output().unwrap();
        let record: Value = serde_json::from_slice(&output.stdout).unwrap();
        let error = record["error"].as_str().unwrap();
        assert!(
            error.contains("closed the connection"),
            "{when}: {record:#}"
        );
    };
    again(&responder, "at once", 0);
    let listened = beginnings(&responder);
    grant(
        &responder,
        &controller,
        port,
        "\toption max_sessions '3'\n",
        "",
    );
    responder.signal(Signal::SIGHUP);
    again(&responder, "after a change of the settings", listened);
    let listened = beginnings(&responder);
    responder.kill();
    responder.start_and_wait();
    again(&responder, "after a crash", listened);
    let listened = beginnings(&responder);
    responder.stop();
    // As when the machine is started anew in good order.
    std::fs::remove_file(responder.dir().join("run/sessions.json")).unwrap();
    responder.start_and_wait();
    again(&responder, "after a start of the machine", listened);
}

#[test]
fn quiet_hours_end_a_session_and_both_ends_say_so() {
    let controller = Controller::serving();
    let port = free_port();
    let (initiator, responder) = (asking(&controller), responding(&controller, port));
    let (from, to) = (id(&initiator), id(&responder));
    let port_word = port.to_string();
    let more = [
        "--max-rate-bps",
        "20000000",
        "--option",
        "duration_ms=20000",
        "--option",
        "max_bytes=100000000",
    ];
    let words = pair_add("btc", [&from, &to], &port_word, &more);

    controller.ask(&words).unwrap();
    eventually("a session has begun", Duration::from_secs(40), || {
        responder
            .dir()
            .join("run/sessions.json")
            .exists()
            .then_some(())
    });
    pause(Duration::from_secs(1));
    let quiet = "\tlist quiet_hours '00:00-24:00'\n";
    grant(&responder, &controller, port, PLACES, quiet);
    responder.signal(Signal::SIGHUP);
    // The flow alone would take twenty seconds.
    let result = eventually("both ends have reported", Duration::from_secs(15), || {
        let one = joined(&controller).into_iter().next()?;
        one["responder"]["record"].is_object().then_some(one)
    });
    let (asked, answered) = (
        &result["initiator"]["record"],
        &result["responder"]["record"],
    );
    let reason = "these are the household's quiet hours";
    assert_eq!(asked["status"], "failed", "{asked:#}\n{}", responder.log());
    assert_eq!(
        asked["error"],
        format!("the peer ended the session: {reason}")
    );
    assert_eq!(
        (&answered["status"], &answered["error"]),
        (&"aborted".into(), &reason.into())
    );
    assert!(
        answered["bytes"]["sent"].as_u64().unwrap() > 1_000_000,
        "what was used is charged"
    );
}
