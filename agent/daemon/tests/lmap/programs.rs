//! Schedules that run plug-ins. Only root can hand a program to another user: for anybody else these tests fail and say so.

use crate::client::{Client, L};
use crate::collector::Collector;
use crate::place::Place;
use crate::runs::report_task;
use glimpse_agent::clock::steady;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// An agent with one plug-in.
async fn with_plugin(name: &str, more: &str, run: &str) -> Place {
    assert!(
        nix::unistd::Uid::effective().is_root(),
        "only root can hand a plug-in to its user"
    );
    let mut place = Place::new("");
    place.plugin(name, 30_000, more, run);
    place.start();
    place.ready().await;
    place
}

/// A schedule that runs the plug-in at once, and another that reports. Only an operator may name programs.
async fn configure(place: &Place, program: &str, options: Value, more: Value) -> Client {
    let mut otto = place.connect(&place.otto).await;
    let mut schedule = json!({"name": "S", "start": "now", "action": [{"name": "A", "task": "T", "destination": ["D"]}]});
    for (name, value) in more.as_object().unwrap() {
        schedule[name] = value.clone();
    }
    otto.merge(&json!({
        "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
        "tasks": {"task": [{"name": "T", "program": program, "option": options}, report_task("R", &place.collector())]},
        "schedules": {"schedule": [schedule, {"name": "D", "start": "often", "action": [{"name": "A", "task": "R"}]}]}
    }))
    .await;
    otto
}

#[tokio::test]
async fn lmap_check_63_the_exit_status_of_a_program_is_the_status_of_its_run() {
    let place = with_plugin("failing", "", "echo 'no such thing' >&2; exit 3").await;
    let collector = Collector::new(&place, &[]).await;
    let mut otto = configure(&place, "failing", json!([]), json!({})).await;
    let failed = otto.until("it failed", "S", |s| s["failures"] == 1).await;
    let action = &failed["action"][0];
    assert_eq!(action["last-status"], 3, "{action:#}");
    assert_eq!(action["last-failed-status"], 3);
    let report = collector
        .until("a report", |r| !r.results().is_empty())
        .await;
    assert_eq!(report.results()[0]["status"], 3);
}

#[tokio::test]
async fn lmap_check_69_a_value_of_a_shells_words_reaches_the_program_as_it_is() {
    let text = r#","options":[{"name":"text","type":"text","max_len":200,"help":"any"}]"#;
    // It may write no files, so it tells what it was given.
    let run = r#"printf '{"probe_result":{"words":"%s","heard":%s},"error":null}' "$*" "$(cat)""#;
    let place = with_plugin("keeper", text, run).await;
    let value = r#"; reboot $(touch /tmp/glimpse-lmap-check-69) `id` "x' \n | & > ü"#;
    let options = json!([{"id": "1", "name": "text", "value": value}]);
    let mut otto = configure(&place, "keeper", options, json!({})).await;
    let done = otto
        .until("it ran", "S", |s| s["action"][0]["last-status"].is_i64())
        .await;
    assert_eq!(done["action"][0]["last-status"], 0, "{done:#}");
    let results = place.command(&["results", "--json"]).output().unwrap();
    let results: Value = serde_json::from_slice(&results.stdout).unwrap();
    let told = &results["results"][0]["probe_result"];
    assert_eq!(told["heard"]["text"], value, "{results:#}");
    assert_eq!(told["words"], "run", "nothing of it is among its arguments");
    assert!(!std::path::Path::new("/tmp/glimpse-lmap-check-69").exists());
}

/// Whether a process runs with `word` among its arguments.
fn runs(word: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| {
            line.split(|byte| *byte == 0)
                .any(|argument| argument == word.as_bytes())
        })
    })
}

#[tokio::test]
async fn lmap_trap_17_a_schedule_that_ends_leaves_no_grandchild_measuring() {
    let mark = 710_000 + std::process::id() % 10_000 * 10;
    let words: Vec<String> = (1..=3).map(|n| (mark + n).to_string()).collect();
    let run = format!(
        "trap '' TERM INT HUP\nsetsid sleep {} &\n(setsid sh -c 'trap \"\" TERM; sleep {}; :' &)\nwhile :; do sleep {}; done",
        words[0], words[1], words[2]
    );
    let place = with_plugin("stubborn", "", &run).await;
    let mut otto = configure(&place, "stubborn", json!([]), json!({"duration": 3})).await;
    let began = steady();
    while !words.iter().all(|word| runs(word)) {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", place.log());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let done = otto
        .until("it was ended", "S", |s| {
            s["action"][0]["last-status"].is_i64()
        })
        .await;
    assert!(
        done["action"][0]["last-status"].as_i64() < Some(0),
        "{done:#}"
    );
    while words.iter().any(|word| runs(word)) {
        assert!(began.elapsed() < Duration::from_secs(45), "some are left");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn lmap_trap_08_a_reload_ends_nothing_counts_nothing_anew_and_fires_nothing_again() {
    let place = with_plugin("slow", "", "exec sleep 240").await;
    let mut otto = configure(&place, "slow", json!([]), json!({})).await;
    otto.merge(&json!({
        "events": {"event": [{"name": "boot", "startup": [null]}]},
        "schedules": {"schedule": [{"name": "B", "start": "boot", "action": [{"name": "A", "task": "T"}]}]}
    }))
    .await;
    otto.until("it runs", "S", |s| {
        s["state"] == "running" && s["invocations"] == 1
    })
    .await;
    otto.until("it reports", "D", |s| s["invocations"].as_u64() >= Some(2))
        .await;
    let before = otto.schedule("D").await["invocations"].as_u64();
    // Once as it was, once with other settings of the door, which shuts and opens again.
    for change in [
        "",
        "config channel c\n\toption url https://c.example\n\toption trust /c.pem\n",
        "\toption max_wait '7'\n",
    ] {
        let text = fs::read_to_string(place.path("glimpse")).unwrap();
        let text = if change.starts_with('\t') {
            text.replace("config restconf\n", &format!("config restconf\n{change}"))
        } else {
            text + change
        };
        fs::write(place.path("glimpse"), text).unwrap();
        let count = place.log().matches("settings read again").count();
        place.reload();
        let began = steady();
        while place.log().matches("settings read again").count() == count {
            assert!(began.elapsed() < Duration::from_secs(30), "{}", place.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    place.ready().await;
    let mut client = place.controller().await;
    let running = client.schedule("S").await;
    assert_eq!(
        (&running["state"], &running["invocations"]),
        (&json!("running"), &json!(1)),
        "{running:#}"
    );
    assert!(client.schedule("D").await["invocations"].as_u64() >= before);
    assert_eq!(
        client.schedule("B").await["invocations"],
        0,
        "it did not start again"
    );
    assert_eq!(client.get(&format!("{L}/tasks")).await.status, 200);
}
