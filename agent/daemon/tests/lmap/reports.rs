//! Where reports go, by what trust, and where they do not.

use crate::client::Client;
use crate::collector::Collector;
use crate::place::{Place, Signer};
use crate::runs::{long_task, ping_task, report_task};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

/// A schedule that pings once and hands over to another, which reports as `task` says.
async fn configure(client: &mut Client, report: Value) {
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1"), report]},
            "schedules": {"schedule": [
                {"name": "S", "start": "now", "action": [{"name": "A", "task": "T", "destination": ["D"]}]},
                {"name": "D", "start": "often", "action": [{"name": "A", "task": REPORT}]}]}
        }))
        .await;
}

/// The task that reports.
const REPORT: &str = "R";

/// Reporting to channels of the household.
fn channel_task(channels: &[&str]) -> Value {
    let mut task = report_task(REPORT, "");
    let options: Vec<Value> = channels
        .iter()
        .map(|name| json!({"id": name, "name": "channel", "value": name}))
        .collect();
    task["option"] = Value::from(options);
    task
}

#[tokio::test]
async fn each_collector_is_reached_by_its_own_trust_and_its_own_name() {
    let place = Place::new("");
    // Neither of them is of the controller's authorities.
    let isp = Signer::root();
    let (named, alone) = (
        isp.leaf("collector", Some("127.0.0.1")),
        Signer::root().leaf("c", None),
    );
    let misnamed = isp.leaf("collector", Some("elsewhere.example"));
    let by_name = Collector::foreign(&place, &named).await;
    let by_print = Collector::foreign(&place, &alone).await;
    let wrong = Collector::foreign(&place, &misnamed).await;
    let bundle = place.path("isp.pem");
    fs::write(&bundle, &isp.pem).unwrap();
    let mut settings = fs::read_to_string(place.path("glimpse")).unwrap();
    for (name, url, trust) in [
        ("isp", by_name.url(), bundle.display().to_string()),
        (
            "lab",
            by_print.url(),
            format!("sha256:{}", alone.fingerprint()),
        ),
        ("bad", wrong.url(), bundle.display().to_string()),
    ] {
        let channel = [
            "config channel '",
            name,
            "'\n\toption url '",
            &url,
            "'\n\toption trust '",
            &trust,
            "'\n",
        ];
        settings += &channel.concat();
    }
    fs::write(place.path("glimpse"), settings).unwrap();
    let mut place = place;
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    configure(&mut client, channel_task(&["isp", "lab", "bad"])).await;
    for collector in [&by_name, &by_print] {
        let report = collector
            .until("a report", |r| !r.results().is_empty())
            .await;
        assert_eq!(report.results()[0]["schedule"], "S");
        assert!(
            !report.body.contains("glimpse-agent:parameters"),
            "{}",
            report.body
        );
    }
    let failed = client
        .until("one is not trusted", "D", |s| s["failures"] != 0)
        .await;
    let words = failed["action"][0]["last-failed-message"].as_str().unwrap();
    assert!(words.contains("not trusted"), "{words}");
    assert!(
        !words.contains("elsewhere") && !words.contains("certificate"),
        "{words}"
    );
    assert_eq!(
        wrong.received().len(),
        0,
        "nothing was sent before it was trusted"
    );
}

#[tokio::test]
async fn whom_the_household_does_not_know_is_not_even_called() {
    let place = Place::started("").await;
    let victim = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = victim.local_addr().unwrap().port();
    let mut client = place.controller().await;
    let stranger = report_task(REPORT, &format!("https://127.0.0.1:{port}/restconf"));
    configure(&mut client, stranger).await;
    let refused = client
        .until("it is refused", "D", |s| s["failures"] != 0)
        .await;
    assert_eq!(refused["action"][0]["last-status"], 126, "{refused:#}");
    let called = tokio::time::timeout(Duration::from_secs(3), victim.accept()).await;
    assert!(called.is_err(), "no packet went there");
}

#[tokio::test]
async fn lmap_check_61_what_is_ended_before_its_time_is_reported_with_a_negative_status() {
    let place = Place::started("").await;
    let collector = Collector::new(&place, &[]).await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [long_task("T"), report_task("R", &collector.url())]},
            "schedules": {"schedule": [
                {"name": "S", "start": "now", "duration": 2, "action": [{"name": "A", "task": "T", "destination": ["D"]}]},
                {"name": "D", "start": "often", "action": [{"name": "A", "task": "R"}]}]}
        }))
        .await;
    let report = collector
        .until("a report", |r| !r.results().is_empty())
        .await;
    let result = &report.results()[0];
    assert!(result["status"].as_i64() < Some(0), "{result:#}");
    let action = client.schedule("S").await["action"][0].clone();
    assert_eq!(action["last-status"], result["status"], "{action:#}");
}

#[tokio::test]
async fn lmap_check_52_a_suppression_that_stops_what_runs_throws_away_what_it_yielded() {
    let place = Place::started("").await;
    let collector = Collector::new(&place, &[]).await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [long_task("T"), report_task("R", &collector.url())]},
            "schedules": {"schedule": [
                {"name": "S", "start": "now", "suppression-tag": ["busy"], "action": [{"name": "A", "task": "T", "destination": ["D"]}]},
                {"name": "D", "start": "often", "action": [{"name": "A", "task": "R"}]}]}
        }))
        .await;
    client
        .until("it runs", "S", |s| s["state"] == "running")
        .await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "stop", "immediate": [null]}]},
            "suppressions": {"suppression": [{"name": "X", "start": "stop", "match": ["busy"], "stop-running": true}]}
        }))
        .await;
    let done = client
        .until("it was stopped", "S", |s| s["state"] == "suppressed")
        .await;
    assert!(
        done["action"][0]["last-status"].as_i64() < Some(0),
        "{done:#}"
    );
    let before = client.schedule("D").await["invocations"].as_u64();
    client
        .until("it could be reported", "D", |s| {
            s["invocations"].as_u64() > before.map(|count| count + 1)
        })
        .await;
    assert!(
        collector.received().is_empty(),
        "{:#?}",
        collector.received()
    );
    assert_eq!(client.schedule("D").await["storage"], "0");
}

#[tokio::test]
async fn lmap_check_49_results_of_all_actions_before_it_reach_the_action_that_reports() {
    let place = Place::started("").await;
    let collector = Collector::new(&place, &[]).await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1"), report_task("R", &collector.url())]},
            "schedules": {"schedule": [{"name": "S", "start": "now", "action": [
                {"name": "one", "task": "T"}, {"name": "two", "task": "T"}, {"name": "send", "task": "R"}]}]}
        }))
        .await;
    let report = collector
        .until("a report", |r| !r.results().is_empty())
        .await;
    let results = report.results();
    let actions: Vec<&Value> = results.iter().map(|result| &result["action"]).collect();
    assert_eq!(actions, ["one", "two"], "{results:#?}");
}
