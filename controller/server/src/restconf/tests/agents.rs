//! Agents' configurations: what is judged, on what condition it is written, and what it costs.

use super::*;
use crate::callhome::tests::{LMAP, configuration, times};

const DATA: &str = "/agents/a-1/restconf/data";

async fn with(config: &str, group: &str) -> (Controller, FakeAgent) {
    let controller = Controller::with(config, times()).await;
    let credentials = controller.enrol("a-1", group).await;
    let agent = FakeAgent::new(&controller, &credentials);
    (controller, agent)
}

/// A schedule of the agent's own task and event.
fn schedule(name: &str, start: &str) -> String {
    json!({"ietf-lmap-control:schedule": [{"name": name, "start": start, "action": [{"name": "A", "task": "ping"}]}]})
        .to_string()
}

/// The agent's configuration with its event every ten seconds.
fn faster() -> glimpse_yang::Tree {
    configuration(&LMAP.replace("3600", "10"))
}

fn asked(agent: &FakeAgent) -> Vec<String> {
    let device = agent.device.lock().unwrap();
    let asked = device.asked.iter();
    asked
        .map(|(method, path, _)| format!("{method} {path}"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_one_round_trip_to_an_agent_that_was_read_on_this_connection() {
    let (controller, agent) = with("", "north").await;
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    assert_eq!(
        asked(&agent),
        [
            "GET /.well-known/host-meta",
            "GET /top/restconf/data",
            "GET /top/restconf/data"
        ]
    );
    for (job, seconds) in [(1, 7200), (2, 5400), (3, 5000)] {
        let before = asked(&agent).len();
        let body = json!({"glimpse-fleet:input": {"all": [null], "yang-patch": {"patch-id": "p", "edit": [
            {"edit-id": "1", "operation": "merge", "target": "/ietf-lmap-control:lmap/events/event=hourly",
             "value": {"ietf-lmap-control:event": [{"name": "hourly", "periodic": {"interval": seconds}}]}}]}}});
        let given = controller
            .ask(
                "POST",
                "/restconf/operations/glimpse-fleet:apply",
                &body.to_string(),
            )
            .await;
        assert_eq!(given.status, 200);
        let path = format!("/restconf/data/glimpse-fleet:fleet/job={job}");
        for _ in 0..200 {
            let got = controller.ask("GET", &path, "").await.json();
            if got["glimpse-fleet:job"][0]["delivered"] == 1 {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(agent.has(&seconds.to_string()), "job {job}");
        assert_eq!(asked(&agent)[before..], ["PATCH /top/restconf/data"]);
    }
    // One that has changed behind our back is read again, and asked again.
    agent.device.lock().unwrap().meanwhile = Some(faster());
    let before = asked(&agent).len();
    let put = controller
        .ask(
            "PUT",
            &format!("{L}/schedules/schedule=z"),
            &schedule("z", "hourly"),
        )
        .await;
    assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
    assert_eq!(
        asked(&agent)[before..],
        [
            "PATCH /top/restconf/data",
            "GET /top/restconf/data",
            "GET /top/restconf/data",
            "PATCH /top/restconf/data",
            "HEAD /top/restconf/data/ietf-lmap-control:lmap/schedules/schedule=z"
        ]
    );
    assert!(put.header("etag").is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_live_is_what_was_judged() {
    let (controller, agent) = with("[limits]\nruns_per_hour = 100", "north").await;
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    // Hourly, it may be. While it is on its way, somebody makes of the event what it may not.
    agent.device.lock().unwrap().meanwhile = Some(faster());
    let put = controller
        .ask(
            "PUT",
            &format!("{L}/schedules/schedule=z"),
            &schedule("z", "hourly"),
        )
        .await;
    assert_eq!(put.status, 409, "{}", String::from_utf8_lossy(&put.body));
    assert_eq!(error(&put)["error-app-tag"], "glimpse-admission");
    assert!(!agent.has("\"name\":\"z\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_handed_over_is_what_was_judged() {
    let (controller, agent) = with("[limits]\nruns_per_hour = 100", "north").await;
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    call.abort();
    controller.connected("a-1", false).await;
    let put = controller
        .ask(
            "PUT",
            &format!("{L}/schedules/schedule=z"),
            &schedule("z", "hourly"),
        )
        .await;
    assert_eq!(put.status, 202);
    agent.device.lock().unwrap().meanwhile = Some(faster());
    let _call = agent.call(controller.door);
    let refused = intended(&controller, "refused").await;
    assert_eq!(
        refused["error"][0]["app-tag"], "glimpse-admission",
        "{refused}"
    );
    assert!(!agent.has("\"name\":\"z\""));
}

fn now_event() -> String {
    json!({"ietf-lmap-control:event": [{"name": "now", "immediate": [null]}]}).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn giving_a_run_and_taking_it_back_is_a_run() {
    let (controller, agent) = with("[limits]\nruns_per_hour = 10", "north").await;
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let event = format!("{L}/events/event=now");
    assert_eq!(
        controller.ask("PUT", &event, &now_event()).await.status,
        201
    );
    let path = format!("{L}/schedules/schedule=z");
    let mut taken = 0;
    for _ in 0..40 {
        let put = controller.ask("PUT", &path, &schedule("z", "now")).await;
        if put.status == 409 {
            assert_eq!(error(&put)["error-app-tag"], "glimpse-admission");
            break;
        }
        assert_eq!(put.status, 201, "{}", String::from_utf8_lossy(&put.body));
        taken += 1;
        assert_eq!(controller.ask("DELETE", &path, "").await.status, 204);
    }
    // Its own schedule, which was there before, counts for a part of a run.
    assert_eq!(taken, 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_that_wait_are_counted_when_the_agent_has_them() {
    let (controller, agent) = with("[limits]\nruns_per_hour = 4", "north").await;
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let event = format!("{L}/events/event=now");
    assert_eq!(
        controller.ask("PUT", &event, &now_event()).await.status,
        201
    );
    call.abort();
    controller.connected("a-1", false).await;
    let path = format!("{L}/schedules/schedule=z");
    for _ in 0..10 {
        let put = controller.ask("PUT", &path, &schedule("z", "now")).await;
        assert_eq!(put.status, 202);
        assert_eq!(controller.ask("DELETE", &path, "").await.status, 202);
    }
    let _call = agent.call(controller.door);
    // The last one, a DELETE of what was not let in, is refused.
    intended(&controller, "refused").await;
    let patches = agent.asked("PATCH").len();
    assert_eq!(patches - 1, 2 * 3, "runs that were had, and taken back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_says_that_it_sends_does_not_fill_a_limit() {
    let (controller, agent) = with("[limits]\nruns_per_hour = 100", "north").await;
    let many: Vec<String> = (0..90)
        .map(|n| format!(r#"{{"name": "x{n}", "start": "hourly", "action": [{{"name": "A", "task": "ping"}}]}}"#))
        .collect();
    let own = r#"{"name": "S", "start": "hourly", "action": [{"name": "A", "task": "ping"}]}"#;
    assert!(LMAP.contains(own));
    agent.edit(&LMAP.replace(own, &many.join(",")).replace("3600", "1"));
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let credentials = controller.enrol("a-2", "north").await;
    let other = FakeAgent::new(&controller, &credentials);
    let _other = other.call(controller.door);
    controller.connected("a-2", true).await;
    // 90 an hour at the same target.
    let body = campaign("anchor.example", 40);
    let taken = controller
        .ask("PATCH", "/agents/a-2/restconf/data", &body)
        .await;
    assert_eq!(
        taken.status,
        204,
        "{}",
        String::from_utf8_lossy(&taken.body)
    );
    // Nor is it in the way of an edit of its own that has nothing to do with it.
    let taken = controller
        .ask("PATCH", DATA, &campaign("elsewhere.example", 60))
        .await;
    assert_eq!(
        taken.status,
        204,
        "{}",
        String::from_utf8_lossy(&taken.body)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_tag_that_is_shown_is_one_that_edits_go_by() {
    let (controller, _agent) = away().await;
    let hourly = format!("{L}/events/event=hourly");
    let put = async |tag: &str, seconds: u32| {
        let body = json!({"ietf-lmap-control:event": [{"name": "hourly", "periodic": {"interval": seconds}}]});
        let headers = [("if-match", tag)];
        controller
            .ask_as("olga", "PUT", &hourly, &headers, &body.to_string())
            .await
    };
    let tag = async |path: &str| {
        let got = controller.ask("GET", path, "").await;
        assert_eq!(got.status, 200);
        got.header("etag").map(str::to_owned)
    };
    let first = tag(&hourly).await.unwrap();
    let accepted = put(&first, 1800).await;
    assert_eq!(
        accepted.status,
        202,
        "{}",
        String::from_utf8_lossy(&accepted.body)
    );
    let place = accepted.header("location").unwrap();
    let read = controller.ask("GET", place, "").await;
    assert_eq!(
        read.json()["ietf-lmap-control:event"][0]["periodic"]["interval"],
        1800
    );
    assert_eq!(
        put(&first, 900).await.status,
        412,
        "somebody was there before"
    );
    // The agent's own is what it was, and no ground for an edit.
    assert_eq!(tag(&hourly).await, None);
    let known = controller.ask("GET", &hourly, "").await;
    assert_eq!(
        known.json()["ietf-lmap-control:event"][0]["periodic"]["interval"],
        3600
    );
    let config = format!("{hourly}?content=config");
    let second = tag(&config).await.unwrap();
    assert_eq!(put(&second, 900).await.status, 202);
    assert_ne!(tag(&config).await.unwrap(), second);
    // What nobody has edited has its tag either way.
    let tasks = format!("{L}/tasks/task=ping");
    assert!(tag(&tasks).await.is_some());
    assert_eq!(
        tag(&tasks).await,
        tag(&format!("{tasks}?content=config")).await
    );
    let again = [("if-none-match", &*tag(&tasks).await.unwrap())];
    let unchanged = controller.ask_as("olga", "GET", &tasks, &again, "").await;
    assert_eq!(unchanged.status, 304);
    // What is so already is not edited, and waits all the same.
    let body =
        json!({"ietf-lmap-control:event": [{"name": "hourly", "periodic": {"interval": 900}}]});
    let same = controller.ask("PUT", &hourly, &body.to_string()).await;
    assert_eq!(same.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn operators_of_some_agents_write_no_programs_whatever_a_household_allows() {
    let (controller, agent) = with("", "south").await;
    let call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let task = |extra: &str| format!(r#"{{"ietf-lmap-control:task": [{{"name": "x"{extra}}}]}}"#);
    let path = format!("{L}/tasks/task=x");
    let put = async |who: &str, extra: &str| {
        let answer = controller
            .ask_as(who, "PUT", &path, &[], &task(extra))
            .await;
        answer.status.as_u16()
    };
    let program = r#", "program": "ping""#;
    let function = r#", "function": [{"uri": "urn:x"}]"#;
    assert_eq!(put("sina", program).await, 403);
    assert!(!agent.has("\"name\":\"x\""));
    assert_eq!(put("sina", function).await, 201);
    assert_eq!(put("olga", program).await, 204);
    call.abort();
    controller.connected("a-1", false).await;
    assert_eq!(put("sina", r#", "program": "traceroute""#).await, 403);
    assert_eq!(put("sina", function).await, 403, "the program would go");
    assert_eq!(put("olga", function).await, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_slow_agent_takes_one_place() {
    let (controller, agent) = with("", "north").await;
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let credentials = controller.enrol("a-2", "north").await;
    let other = FakeAgent::new(&controller, &credentials);
    let _other = other.call(controller.door);
    controller.connected("a-2", true).await;
    agent.device.lock().unwrap().mute = true;
    let connections = &controller.shared.connections;
    let free = connections.places.available_permits();
    let body = json!({"glimpse-fleet:input": {"all": [null], "yang-patch": {"patch-id": "p", "edit": [
        {"edit-id": "1", "operation": "merge", "target": "/ietf-lmap-control:lmap/events/event=hourly",
         "value": {"ietf-lmap-control:event": [{"name": "hourly", "periodic": {"interval": 7200}}]}}]}}});
    let given = controller
        .ask(
            "POST",
            "/restconf/operations/glimpse-fleet:apply",
            &body.to_string(),
        )
        .await;
    assert_eq!(given.status, 200);
    for _ in 0..80 {
        connections.written.notify_one();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(other.has("7200"), "it waited for the slow one");
    assert!(connections.places.available_permits() + 1 >= free);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_reports_and_questions_go_is_judged_as_any_target_is() {
    let (controller, agent) = with(opted_out(), "north").await;
    controller.shared.is_called(&["c.example".to_owned()]);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let reports = |collector: &str| {
        campaign(collector, 1)
            .replace("ping", "glimpse-report")
            .replace("\"host\"", "\"collector\"")
    };
    let asks = |server: &str| {
        campaign(server, 60)
            .replace("ping", "dnslookup")
            .replace("\"host\"", "\"dns_server\"")
    };
    for (body, wanted) in [
        (reports("https://a.never.example/restconf"), 409),
        // 3600 an hour at somebody who has not opted out, and 100 are allowed.
        (reports("https://victim.example:443"), 409),
        (asks("never.example"), 409),
        (asks("192.0.2.53"), 204),
        (reports("https://c.example:8440/restconf"), 204),
    ] {
        let answer = controller.ask("PATCH", DATA, &body).await;
        assert_eq!(
            answer.status,
            wanted,
            "{body}: {}",
            String::from_utf8_lossy(&answer.body)
        );
        if wanted == 409 {
            assert_eq!(error(&answer)["error-app-tag"], "glimpse-admission");
        }
    }
}
