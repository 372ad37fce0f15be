//! The main job: enrol, pull, measure, spool, upload, store, export; and what must survive.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use glimpse_tests::controller::LAB;
use glimpse_tests::{Agent, Controller, eventually, pause};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::Duration;

fn ping(id: &str, timing: &Value, kind: &str) -> Value {
    json!({"id": id, "timing": timing, "task": {"id": "t", "method": "ping", "options": {
        "host": "127.0.0.1", "type": kind, "count": 2, "interval": 10, "timeout": 200}}})
}

fn every(ms: u32) -> Value {
    json!({"periodic": {"interval": ms}})
}

fn ids(results: &[Value]) -> Vec<String> {
    results
        .iter()
        .map(|result| result["id"].as_str().unwrap().to_owned())
        .collect()
}

fn with_status<'a>(results: &'a [Value], status: &str) -> Vec<&'a Value> {
    results
        .iter()
        .filter(|result| result["status"] == status)
        .collect()
}

#[test]
fn from_enrolment_to_a_map() {
    let controller = Controller::serving();
    let labels = |isp| ["--label", isp, "--label", "region=north"];
    let mut agents = [
        Agent::enrolled(&controller, &labels("isp=Aster")),
        Agent::enrolled(&controller, &labels("isp=Borea")),
    ];
    for kind in ["Udp", "Tcp", "Icmp"] {
        let mut instruction = ping(&format!("i-{kind}"), &every(500), kind);
        instruction["purpose"] = json!("How far is the nearest cluster?");
        controller.instruct(&instruction);
    }
    // Instructions arrive by the long poll, not by the next pull in an hour.
    let results = eventually(
        "each agent has sent each kind",
        Duration::from_secs(20),
        || {
            let results = controller.results();
            let done: BTreeSet<(String, String)> = with_status(&results, "ok")
                .iter()
                .map(|r| (r["agent"].to_string(), r["instruction_id"].to_string()))
                .collect();
            (done.len() == 6).then_some(results)
        },
    );
    let result = with_status(&results, "ok")[0];
    assert_eq!(result["method"], "ping");
    assert_eq!(result["probe_result"]["round_trip_sent"], 2);
    assert!(result["pre_info"]["free_memory"].as_u64().unwrap() > 0);
    assert!(result["bytes"]["sent"].as_u64().unwrap() > 0);

    let csv = controller
        .command(&["results", "export", "--format", "csv"])
        .output()
        .unwrap();
    let csv = String::from_utf8(csv.stdout).unwrap();
    assert!(
        csv.lines().count() > 6 && csv.lines().next().unwrap().contains("rtt_median_ms"),
        "{csv}"
    );

    controller.ask(&["alto", "publish", "--json"]).unwrap();
    let maps = controller.dir().join("maps");
    controller
        .ask(&["alto", "export", "--json", "--dir", maps.to_str().unwrap()])
        .unwrap();
    let read = |path: &str| -> Value {
        serde_json::from_slice(&std::fs::read(maps.join(path)).unwrap()).unwrap()
    };
    let exported: Vec<String> = walk(&maps);
    let cost = exported
        .iter()
        .find(|path| path.ends_with("delay-rt") || path.ends_with("delay-rt.json"));
    let map = read(cost.unwrap_or_else(|| panic!("a delay-rt map among {exported:?}")));
    let rows = map["cost-map"].as_object().unwrap();
    assert!(rows.keys().any(|pid| pid.contains("Aster")), "{map:#}");
    assert!(rows.keys().any(|pid| pid.contains("Borea")), "{map:#}");

    // What the household sees.
    let status = agents[0].status().unwrap();
    assert!(status["controller"]["agent"].is_string(), "{status:#}");
    assert_eq!(status["instructions"]["in_force"], 3);
    let schedules = agents[0].ask(&["schedules", "--json"]).unwrap();
    let why = |schedule: &Value| schedule["purpose"] == "How far is the nearest cluster?";
    let schedules = schedules["schedules"].as_array().unwrap();
    assert_eq!(
        schedules.iter().filter(|s| why(s)).count(),
        3,
        "{schedules:#?}"
    );
    let last = agents[0]
        .ask(&["results", "--last", "5", "--json"])
        .unwrap();
    assert_eq!(last["results"].as_array().unwrap().len(), 5);
    let budget = agents[0].ask(&["budget", "--json"]).unwrap();
    assert!(
        budget["fixed"]["used_bytes"].as_u64().unwrap() > 0,
        "{budget:#}"
    );
    assert!(budget["control_bytes"].as_u64().unwrap() > 0, "{budget:#}");
    for agent in &mut agents {
        assert_eq!(agent.stop(), Some(0), "{}", agent.log());
    }
}

fn walk(dir: &std::path::Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(dir).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn glimpse_check_44_results_wait_for_a_controller_that_is_away() {
    let mut controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &[]);
    controller.instruct(&ping("i", &every(200), "Udp"));
    eventually("results arrive", Duration::from_secs(10), || {
        (controller.results().len() > 3).then_some(())
    });
    controller.kill();
    eventually("results wait", Duration::from_secs(10), || {
        agent.waiting().filter(|n| *n >= 8)
    });
    let status = agent.status().unwrap();
    assert!(
        status["controller"]["results"]["error"].is_string(),
        "said in words: {status:#}"
    );
    controller.serve();
    controller
        .ask(&["instruction", "cancel", "i", "--json"])
        .unwrap();
    drained(&agent);
    let stored: BTreeSet<String> = ids(&controller.results()).into_iter().collect();
    assert_eq!(stored, agent.spooled());
}

/// Waits until nothing is left to be sent and nothing new comes.
fn drained(agent: &Agent) {
    eventually("all results are sent", Duration::from_secs(40), || {
        let before = agent.spooled().len();
        if agent.waiting()? > 0 {
            return None;
        }
        pause(Duration::from_millis(700));
        (agent.waiting()? == 0 && agent.spooled().len() == before).then_some(())
    });
}

/// Kills both sides again and again under load, at any moment of measure, spool, upload and store:
/// what reached the spool is in the repository at the end, once.
///
/// Takes longer than a second: fifty processes end and start.
#[test]
fn nothing_is_lost_and_nothing_is_stored_twice() {
    let mut controller = Controller::serving();
    let mut agent = Agent::enrolled(&controller, &[]);
    for n in 0..4 {
        controller.instruct(&ping(&format!("i{n}"), &every(50 + n), "Udp"));
    }
    eventually("load", Duration::from_secs(10), || {
        (agent.spooled().len() > 20).then_some(())
    });
    for round in 0..25_u64 {
        // Moments spread over the whole cycle, the same in every run.
        pause(Duration::from_millis(60 + round * 37 % 190));
        agent.kill();
        agent.start();
        pause(Duration::from_millis(60 + round * 53 % 170));
        controller.kill();
        controller.serve();
    }
    for n in 0..4 {
        controller
            .ask(&["instruction", "cancel", &format!("i{n}"), "--json"])
            .unwrap();
    }
    drained(&agent);
    let results = controller.results();
    let stored = ids(&results);
    let once: BTreeSet<String> = stored.iter().cloned().collect();
    assert_eq!(once.len(), stored.len(), "stored once each");
    let spooled = agent.spooled();
    let lost: Vec<&String> = spooled.difference(&once).collect();
    assert!(lost.is_empty(), "lost {lost:?}");
    // A record may reach the disk without its log line when the kill comes in between.
    assert!(
        once.len() - spooled.len() <= 50,
        "{} stored, {} spooled",
        once.len(),
        spooled.len()
    );
    let cut_off = with_status(&results, "aborted").len();
    assert!(
        with_status(&results, "ok").len() > 100 && cut_off > 0,
        "{cut_off} runs were cut off"
    );
}

#[test]
fn glimpse_check_13_an_immediate_instruction_runs_once_whatever_happens() {
    let controller = Controller::serving();
    let mut agent = Agent::enrolled(&controller, &[]);
    controller.instruct(&ping("once", &json!({"immediate": {}}), "Udp"));
    eventually("it ran", Duration::from_secs(10), || {
        (controller.results().len() == 1).then_some(())
    });
    for _ in 0..3 {
        agent.kill();
        agent.start_and_wait();
        pause(Duration::from_millis(300));
    }
    controller.instruct(&ping("another", &json!({"immediate": {}}), "Udp"));
    let results = eventually("the other ran", Duration::from_secs(10), || {
        Some(controller.results()).filter(|results| results.len() >= 2)
    });
    assert_eq!(results.len(), 2, "{results:#?}");
}

#[test]
fn refusals_and_skips_come_back_as_records() {
    let controller = Controller::serving();
    let agent = Agent::new(
        &controller.url(),
        "config limits\n\toption monthly_bytes '3000'\n",
    );
    let token = controller.invite(&[]);
    agent
        .enrol(&controller.url(), &token, &controller.fingerprint)
        .unwrap();
    let mut agent = agent;
    agent.start();
    // The controller's own reading lets through what only the agent can judge.
    controller.instruct(&json!({"id": "unknown", "timing": {"immediate": {}},
        "task": {"id": "t", "method": "teleport", "options": {"host": "127.0.0.1"}}}));
    controller.instruct(&json!({"id": "private", "timing": {"immediate": {}},
        "task": {"id": "t", "method": "ping", "options": {"host": "192.168.0.1", "count": 1}}}));
    controller.instruct(&ping("greedy", &every(100), "Udp"));
    let results = eventually("all three are told", Duration::from_secs(20), || {
        let results = controller.results();
        let skipped = |reason: &str| {
            with_status(&results, "skipped")
                .iter()
                .any(|r| r["skip"]["reason"] == reason)
        };
        let told = !with_status(&results, "refused").is_empty()
            && skipped("target_refused")
            && skipped("budget");
        told.then_some(results)
    });
    let refused = with_status(&results, "refused")[0];
    assert_eq!(refused["instruction_id"], "unknown");
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("method: 'teleport'"),
        "{refused:#}"
    );
    let greedy = results
        .iter()
        .find(|r| r["skip"]["reason"] == "budget")
        .unwrap();
    assert_eq!(greedy["error"], "not enough traffic available");
    assert!(
        with_status(&results, "ok")
            .iter()
            .any(|r| r["instruction_id"] == "greedy"),
        "it ran until then"
    );
}

#[test]
fn settings_are_read_again_and_a_fault_in_them_changes_nothing() {
    let controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &[]);
    controller.instruct(&ping("i", &every(200), "Udp"));
    eventually("it measures", Duration::from_secs(10), || {
        (controller.results().len() > 1).then_some(())
    });
    agent.configure(
        &controller.url(),
        "config limits\n\toption monthly_bytes 'much'\n",
    );
    agent.signal(Signal::SIGHUP);
    eventually("the fault is named", Duration::from_secs(5), || {
        agent
            .log()
            .contains("limits.monthly_bytes 'much'")
            .then_some(())
    });
    agent.configure(
        &controller.url(),
        "config limits\n\tlist forbidden_methods 'ping'\n",
    );
    agent.signal(Signal::SIGHUP);
    eventually(
        "the household's word counts",
        Duration::from_secs(10),
        || {
            let results = controller.results();
            with_status(&results, "skipped")
                .iter()
                .any(|r| r["skip"]["reason"] == "method_forbidden")
                .then_some(())
        },
    );
}

#[test]
fn a_spool_that_overflows_leaves_a_gap_record() {
    let mut controller = Controller::serving();
    let dir = tempfile::tempdir().unwrap();
    let storage = format!(
        "config storage\n\toption spool_dir '{0}/spool'\n\toption history_dir '{0}/history'\n\toption spool_bytes '16384'\n",
        dir.path().display()
    );
    let mut agent = Agent::new(&controller.url(), &storage);
    agent
        .enrol(
            &controller.url(),
            &controller.invite(&[]),
            &controller.fingerprint,
        )
        .unwrap();
    agent.start();
    controller.instruct(&ping("i", &every(60), "Udp"));
    eventually("it measures", Duration::from_secs(10), || {
        (controller.results().len() > 1).then_some(())
    });
    controller.kill();
    eventually("the spool is full", Duration::from_secs(20), || {
        agent.log().contains("the spool is full").then_some(())
    });
    controller.serve();
    let gap = eventually("the gap is told", Duration::from_secs(20), || {
        controller
            .results()
            .into_iter()
            .find(|result| result["status"] == "gap")
    });
    assert!(gap["gap"]["count"].as_u64().unwrap() > 0, "{gap:#}");
}

#[test]
fn a_full_database_is_answered_with_patience() {
    let mut controller = Controller::init(&format!("{LAB}\n[store]\nmax_bytes = 200000\n"));
    controller.serve();
    let mut agent = Agent::enrolled(&controller, &[]);
    controller.instruct(&ping("i", &every(20), "Udp"));
    eventually(
        "the repository says that it is full",
        Duration::from_secs(40),
        || {
            let status = agent.status().ok()?;
            let error = status["controller"]["results"]["error"]
                .as_str()?
                .to_owned();
            (error.contains("503") || error.contains("507")).then_some(error)
        },
    );
    controller.kill();
    controller.configure(LAB);
    controller.serve();
    controller
        .ask(&["instruction", "cancel", "i", "--json"])
        .unwrap();
    // The repository asked for a minute of peace; an agent that starts anew asks at once.
    assert_eq!(agent.stop(), Some(0));
    agent.start_and_wait();
    drained(&agent);
    let stored: BTreeSet<String> = ids(&controller.results()).into_iter().collect();
    assert_eq!(stored, agent.spooled());
}

#[test]
fn consent_counts_at_once_in_both_directions() {
    let controller = Controller::serving();
    let agent = Agent::enrolled(&controller, &[]);
    controller.instruct(&ping("i", &every(200), "Udp"));
    eventually("it measures", Duration::from_secs(10), || {
        (controller.results().len() > 2).then_some(())
    });
    let consent = |given: u8| {
        let text = std::fs::read_to_string(agent.config()).unwrap();
        let (before, after) = text.split_once("option enabled '").unwrap();
        std::fs::write(
            agent.config(),
            format!("{before}option enabled '{given}{}", &after[1..]),
        )
        .unwrap();
        agent.signal(Signal::SIGHUP);
    };
    consent(0);
    eventually("it is out", Duration::from_secs(5), || {
        let status = agent.status().ok()?;
        status["controller"]["error"]
            .as_str()?
            .contains("not agreed")
            .then_some(())
    });
    pause(Duration::from_millis(500));
    let stored = controller.results().len();
    let seen = |controller: &Controller| {
        controller
            .ask(&["agent", "list", "--json"])
            .unwrap()
            .to_string()
    };
    let last = seen(&controller);
    pause(Duration::from_secs(2));
    assert_eq!(controller.results().len(), stored, "nothing is sent");
    assert_eq!(seen(&controller), last, "nothing is asked");
    consent(1);
    eventually("it measures again", Duration::from_secs(10), || {
        let ok = with_status(&controller.results(), "ok").len();
        (ok > stored).then_some(())
    });
}

#[test]
fn a_composite_measurement_of_one_host_runs_whole() {
    let controller = Controller::serving();
    let agent = Agent::new(
        &controller.url(),
        "config limits\n\toption target_parallel '1'\n",
    );
    agent
        .enrol(
            &controller.url(),
            &controller.invite(&[]),
            &controller.fingerprint,
        )
        .unwrap();
    let mut agent = agent;
    agent.start();
    let task = |kind: &str| {
        json!({"id": kind, "method": "ping", "options": {
        "host": "127.0.0.1", "type": kind, "count": 1, "timeout": 200}})
    };
    for execution in ["sequential", "parallel", "pipelined"] {
        controller.instruct(
            &json!({"id": execution, "timing": {"immediate": {}}, "execution": execution,
            "tasks": [task("Udp"), task("Tcp"), task("Icmp")]}),
        );
    }
    let results = eventually("all have run", Duration::from_secs(15), || {
        Some(controller.results()).filter(|results| results.len() == 9)
    });
    assert_eq!(with_status(&results, "ok").len(), 9, "{results:#?}");
}
