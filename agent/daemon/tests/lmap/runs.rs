//! What is configured runs: when it should, as often as it should, and nothing else.

use crate::client::{Client, L};
use crate::collector::Collector;
use crate::place::Place;
use glimpse_agent::clock::steady;
use glimpse_lmap::function::{BASE, REPORT_FUNCTION};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

fn task(name: &str, options: &[(&str, &str)]) -> Value {
    let options: Vec<Value> = options
        .iter()
        .enumerate()
        .map(|(id, (name, value))| json!({"id": format!("o{id}"), "name": name, "value": value}))
        .collect();
    let uri = format!("{BASE}Priv_RTDelay_Active_IP-UDP-Periodic__Seconds_Raw");
    json!({"name": name, "function": [{"uri": uri}], "option": options})
}

/// A ping of some milliseconds.
pub(crate) fn ping_task(name: &str, host: &str) -> Value {
    task(name, &[("host", host), ("count", "1"), ("timeout", "100")])
}

/// A ping of minutes.
pub(crate) fn long_task(name: &str) -> Value {
    task(
        name,
        &[
            ("host", "127.0.0.1"),
            ("count", "300"),
            ("interval", "1000"),
        ],
    )
}

/// Reporting to a collector.
pub(crate) fn report_task(name: &str, url: &str) -> Value {
    json!({"name": name, "function": [{"uri": REPORT_FUNCTION}],
        "option": [{"id": "c", "name": "collector", "value": url}]})
}

fn schedule(name: &str, start: &str, task: &str) -> Value {
    json!({"name": name, "start": start, "action": [{"name": "A", "task": task}]})
}

fn in_seconds(seconds: i64) -> String {
    glimpse_agent::clock::now()
        .plus_micros(seconds * 1_000_000)
        .to_string()
}

async fn invocations(client: &mut Client, schedule: &str) -> u64 {
    client.schedule(schedule).await["invocations"]
        .as_u64()
        .unwrap()
}

#[tokio::test]
async fn lmap_check_57_a_one_off_runs_once_and_never_for_the_past_nor_after_a_restart() {
    let mut place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "soon", "one-off": {"time": in_seconds(2)}}, {"name": "past", "one-off": {"time": in_seconds(-5)}}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1")]},
            "schedules": {"schedule": [schedule("S", "soon", "T"), schedule("P", "past", "T")]}
        }))
        .await;
    assert_eq!(
        invocations(&mut client, "S").await,
        0,
        "not before its time"
    );
    client.until("it ran", "S", |s| s["invocations"] == 1).await;
    for kindly in [true, false] {
        place.stop(kindly);
        place.start();
        place.ready().await;
        let mut client = place.controller().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let once = client.schedule("S").await;
        assert_eq!(once["state"], "disabled", "{once:#}");
        assert_eq!(
            once["invocations"], 1,
            "counters survive a restart: {once:#}"
        );
        assert_eq!(invocations(&mut client, "P").await, 0);
    }
}

#[tokio::test]
async fn lmap_check_59_immediate_is_of_an_edit_and_startup_of_a_start() {
    let mut place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "boot", "startup": [null]}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1")]},
            "schedules": {"schedule": [schedule("I", "now", "T"), schedule("B", "boot", "T")]}
        }))
        .await;
    client.until("it ran", "I", |s| s["invocations"] == 1).await;
    assert_eq!(invocations(&mut client, "B").await, 0);
    place.stop(true);
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    client.until("it ran", "B", |s| s["invocations"] == 1).await;
    assert_eq!(invocations(&mut client, "I").await, 1);
    // The same once more changes nothing.
    let same = json!({"ietf-lmap-control:event": [{"name": "now", "immediate": [null]}]});
    let path = format!("{L}/events/event=now");
    assert_eq!(client.edit("PUT", &path, &same).await.status, 204);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(invocations(&mut client, "I").await, 1);
}

#[tokio::test]
async fn lmap_check_60_a_silent_controller_is_lost_once_and_connected_once() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "agent": {"controller-timeout": 3},
            "events": {"event": [{"name": "lost", "controller-lost": [null]}, {"name": "back", "controller-connected": [null]}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1")]},
            "schedules": {"schedule": [schedule("L", "lost", "T"), schedule("C", "back", "T")]}
        }))
        .await;
    // What a reader asks is no contact with the controller.
    let mut olga = place.connect(&place.olga).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(invocations(&mut olga, "L").await, 0);
    olga.until("it was lost", "L", |s| s["invocations"] == 1)
        .await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(invocations(&mut olga, "L").await, 1, "once for each loss");
    assert_eq!(invocations(&mut olga, "C").await, 0);
    assert_eq!(client.get("/restconf").await.status, 200);
    client
        .until("it is back", "C", |s| s["invocations"] == 1)
        .await;
}

#[tokio::test]
async fn lmap_check_62_an_edit_of_one_schedule_disturbs_no_other() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [long_task("long"), ping_task("T", "127.0.0.1")]},
            "schedules": {"schedule": [schedule("S", "now", "long"), schedule("O", "often", "T")]}
        }))
        .await;
    client
        .until("it runs", "S", |s| {
            s["state"] == "running" && s["invocations"] == 1
        })
        .await;
    client
        .until("it ran", "O", |s| s["invocations"].as_u64() >= Some(2))
        .await;
    let before = client.schedule("O").await["invocations"].as_u64();
    let other =
        json!({"ietf-lmap-control:schedule": [{"name": "X", "start": "often", "tag": ["new"]}]});
    let path = format!("{L}/schedules/schedule=X");
    assert_eq!(client.edit("PUT", &path, &other).await.status, 201);
    let running = client.schedule("S").await;
    assert_eq!(
        (&running["state"], &running["invocations"]),
        (&json!("running"), &json!(1))
    );
    assert!(client.schedule("O").await["invocations"].as_u64() >= before);
    // Taken away, it is ended.
    let gone = client
        .ask("DELETE", &format!("{L}/schedules/schedule=S"), &[], "")
        .await;
    assert_eq!(gone.status, 204, "{}", gone.text);
    let began = steady();
    while !place.log().contains("its schedule has ended it") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", place.log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn lmap_check_63_a_failure_is_counted_and_reported() {
    let place = Place::started("").await;
    let collector = Collector::new(&place, &[415]).await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [ping_task("T", "no-such-host.invalid"), report_task("R", &collector.url())]},
            "schedules": {"schedule": [
                {"name": "S", "start": "now", "action": [{"name": "A", "task": "T", "destination": ["D"]}]},
                schedule("D", "often", "R")]}
        }))
        .await;
    let failed = client.until("it failed", "S", |s| s["failures"] == 1).await;
    let action = &failed["action"][0];
    assert_eq!(
        (&action["failures"], &action["last-status"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(action["last-failed-status"], 1);
    assert_eq!(action["last-failed-message"], action["last-message"]);
    assert!(!action["last-message"].as_str().unwrap().is_empty());
    // A collector that reads no JSON gets XML.
    let report = collector.until("a report", |r| r.status == 204).await;
    assert_eq!(report.content_type, "application/yang-data+xml");
    assert!(
        report.body.contains("<status>1</status>"),
        "{}",
        report.body
    );
}

#[tokio::test]
async fn lmap_check_68_hostile_names_become_safe_distinct_files() {
    let place = Place::started("").await;
    let mut client = place.controller().await;
    let (evil, long) = ("../../etc/x", "ü".repeat(300));
    // Nobody collects: everything waits.
    let url = place.collector();
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "never", "one-off": {"time": in_seconds(-60)}}]},
            "tasks": {"task": [ping_task(evil, "127.0.0.1"), report_task("R", &url)]},
            "schedules": {"schedule": [
                {"name": evil, "start": "now", "action": [{"name": evil, "task": evil, "destination": ["D"]}]},
                {"name": long, "start": "now", "action": [{"name": long, "task": evil, "destination": ["D"]}]},
                schedule("D", "never", "R")]}
        }))
        .await;
    for name in ["..%2F..%2Fetc%2Fx".to_owned(), "%C3%BC".repeat(300)] {
        client
            .until("it ran", &name, |s| {
                s["invocations"] == 1 && s["state"] != "running"
            })
            .await;
    }
    client
        .until("results wait", "D", |s| s["storage"].as_str() != Some("0"))
        .await;
    let mut names = Vec::new();
    let began = steady();
    while names.len() < 2 {
        assert!(began.elapsed() < Duration::from_secs(30), "{names:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
        names = fs::read_dir(place.path("spool-lmap"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.contains(".new"))
            .collect();
    }
    assert_eq!(names.len(), 2, "{names:?}");
    let plain = |name: &String| {
        name.bytes()
            .all(|b| b.is_ascii_hexdigit() || b"-.json".contains(&b))
    };
    assert!(names.iter().all(plain), "{names:?}");
}

#[tokio::test]
async fn lmap_check_73_a_busy_collector_is_asked_again_and_what_it_refuses_is_put_aside() {
    let place = Place::started("").await;
    let refuse = |body: &str| body.contains(r#"{"schedule":"poison""#).then_some(400);
    let collector = Collector::judging(&place, &[503], Box::new(refuse)).await;
    let mut client = place.controller().await;
    let once = |name: &str| json!({"name": name, "start": "now", "action": [{"name": "A", "task": "T", "destination": ["D"]}]});
    client
        .merge(&json!({
            "events": {"event": [{"name": "now", "immediate": [null]}, {"name": "then", "one-off": {"time": in_seconds(2)}}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1"), report_task("R", &collector.url())]},
            "schedules": {"schedule": [once("good"), once("poison"), once("better"), schedule("D", "then", "R")]}
        }))
        .await;
    let delivered = |r: &crate::collector::Received, name: &str| {
        r.status == 204 && r.results().iter().any(|result| result["schedule"] == name)
    };
    collector.until("good", |r| delivered(r, "good")).await;
    collector.until("better", |r| delivered(r, "better")).await;
    let received = collector.received();
    let poisoned = received
        .iter()
        .any(|r| r.status == 204 && r.body.contains(r#"{"schedule":"poison""#));
    assert!(!poisoned, "{received:#?}");
    assert!(received.iter().any(|r| r.status == 503), "{received:#?}");
    let began = steady();
    let aside = place.path("spool-lmap/refused-00.json");
    while !aside.exists() {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", place.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(fs::read_to_string(aside).unwrap().contains("poison"));
    let done = client
        .until("nothing waits", "D", |s| s["storage"] == "0")
        .await;
    assert_eq!(done["state"], "disabled");
}

#[tokio::test]
async fn the_household_stands_above_the_controller() {
    let mut place = Place::new("config limits2\n");
    let text = fs::read_to_string(place.path("glimpse")).unwrap();
    let text = text.replace(
        "config limits\n",
        "config limits\n\tlist forbidden_methods ping\n",
    );
    fs::write(place.path("glimpse"), text).unwrap();
    place.start();
    place.ready().await;
    let mut client = place.controller().await;
    client
        .merge(&json!({
            "events": {"event": [{"name": "often", "periodic": {"interval": 1}}]},
            "tasks": {"task": [ping_task("T", "127.0.0.1")]},
            "schedules": {"schedule": [schedule("S", "often", "T")]}
        }))
        .await;
    let schedule = client
        .until("it was kept from running", "S", |s| {
            s["suppressions"].as_u64() >= Some(1)
        })
        .await;
    assert_eq!(schedule["invocations"], 0, "{schedule:#}");
    // Consent withdrawn, the door shuts.
    let text = fs::read_to_string(place.path("glimpse")).unwrap();
    let text = text.replace(
        "config consent\n\toption enabled '1'",
        "config consent\n\toption enabled '0'",
    );
    fs::write(place.path("glimpse"), text).unwrap();
    place.reload();
    let began = steady();
    while tokio::net::TcpStream::connect(("127.0.0.1", place.port))
        .await
        .is_ok()
    {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", place.log());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
