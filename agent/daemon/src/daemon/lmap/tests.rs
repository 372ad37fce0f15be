#![allow(clippy::unwrap_used, clippy::expect_used)]

use super::starts::Suspect;
use super::*;
use crate::daemon::tests::Bench;
use crate::identity::authority::Authorities;
use crate::identity::{Store, Trust};
use crate::restconf::Reply;
use crate::restconf::credentials::CONTROLLER;
use glimpse_lmap::outbox::Answer;
use glimpse_lmap::suppression::Held;
use glimpse_model::time::SECOND;
use glimpse_restconf::{Method as HttpMethod, Request, Response, User};
use ring::rand::SystemRandom;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::sync::oneshot;

const L: &str = "/restconf/data/ietf-lmap-control:lmap";

fn exchange(method: HttpMethod, path: &str, body: &Value) -> (Exchange, oneshot::Receiver<Reply>) {
    let (reply, answer) = oneshot::channel();
    let body = match body {
        Value::Null => Vec::new(),
        body => body.to_string().into_bytes(),
    };
    let request = Request {
        method,
        path: path.to_owned(),
        query: None,
        headers: vec![(
            "Content-Type".to_owned(),
            "application/yang-data+json".to_owned(),
        )],
        body,
        user: Some(User {
            name: CONTROLLER.to_owned(),
            groups: vec![CONTROLLER.to_owned()],
            recovery: false,
        }),
        time: clock::now().as_micros(),
    };
    let exchange = Exchange {
        request,
        peer: "192.0.2.1:1".to_owned(),
        operator: None,
        _body: None,
        reply,
    };
    (exchange, answer)
}

async fn ask(bench: &mut Bench, method: HttpMethod, path: &str, body: &Value) -> Response {
    let (exchange, answer) = exchange(method, path, body);
    let told = Told::Asked(Box::new(exchange));
    bench.daemon.happened(Happened::Told(told)).await;
    let reply = settled(bench, answer).await;
    bench.daemon.follow_lmap().await;
    match reply {
        Reply::Whole(response) => response,
        Reply::Events(..) => panic!("no stream was asked for"),
    }
}

/// The answer, however often the daemon has to be asked to go on.
async fn settled(bench: &mut Bench, mut answer: oneshot::Receiver<Reply>) -> Reply {
    loop {
        if let Ok(reply) = answer.try_recv() {
            return reply;
        }
        let happened = bench.daemon.lmap.next().await.unwrap();
        bench.daemon.happened(happened).await;
    }
}

async fn get(bench: &mut Bench, path: &str) -> Value {
    let response = ask(bench, HttpMethod::Get, path, &Value::Null).await;
    serde_json::from_slice(&response.body).unwrap()
}

fn set() -> Vec<u8> {
    let task = json!({"id": "1", "method": "ping", "options": {"host": "192.0.2.1"}});
    let set = json!({"schema": 2, "instructions": [
        {"id": "J", "task": task, "timing": {"periodic": {"interval": 1_500, "randomSpread": 100}}}]});
    set.to_string().into_bytes()
}

#[tokio::test]
async fn instructions_of_the_json_door_are_seen_and_not_edited() {
    let mut bench = Bench::new().await;
    assert!(bench.daemon.instruct(&set(), None).await);
    let shown = get(&mut bench, &format!("{L}/schedules/schedule=J")).await;
    let schedule = &shown["ietf-lmap-control:schedule"][0];
    assert_eq!(schedule["glimpse-agent:origin"], "json", "{shown:#}");
    let event = get(&mut bench, &format!("{L}/events/event=J")).await;
    let event = &event["ietf-lmap-control:event"][0];
    assert_eq!(event["periodic"]["interval"], 2, "{event:#}");
    assert_eq!(event["periodic"]["glimpse-agent:interval-ms"], "1500");
    let task = get(&mut bench, &format!("{L}/tasks/task")).await;
    let task = task["ietf-lmap-control:task"][0]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    let events = json!({"ietf-lmap-control:event": [{"name": "J", "immediate": [null]}]});
    let tasks = json!({"ietf-lmap-control:task": [{"name": task}]});
    let key = task.replace('/', "%2F");
    for (method, path, body) in [
        (HttpMethod::Put, "events/event=J", &events),
        (HttpMethod::Patch, "events/event=J", &events),
        (HttpMethod::Delete, "events/event=J", &Value::Null),
        (
            HttpMethod::Delete,
            "schedules/schedule=J/action=1",
            &Value::Null,
        ),
        (HttpMethod::Put, &format!("tasks/task={key}"), &tasks),
    ] {
        let refused = ask(&mut bench, method, &format!("{L}/{path}"), body).await;
        let body = String::from_utf8(refused.body).unwrap();
        assert_eq!(refused.status, 403, "{path}: {body}");
        assert!(body.contains("managed by supervisor"), "{body}");
    }
    // A firing that does not take place is counted there.
    let quiet = bench.quiet("00:00-24:00");
    bench.daemon.reload(quiet);
    let mut suppressions = json!(0);
    for _ in 0..40 {
        bench.daemon.tick().await;
        bench.daemon.follow_lmap().await;
        let shown = get(&mut bench, &format!("{L}/schedules/schedule=J")).await;
        let schedule = &shown["ietf-lmap-control:schedule"][0];
        suppressions = schedule["action"][0]["suppressions"].clone();
        if suppressions != 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_ne!(suppressions, 0);
}

#[tokio::test]
async fn a_configuration_that_cannot_be_kept_is_not_applied() {
    let mut bench = Bench::new().await;
    let state = bench.daemon.state_dir.clone();
    std::fs::remove_dir_all(&state).unwrap();
    let body = json!({"ietf-lmap-control:lmap": {"agent": {"group-id": "x"}}});
    let refused = ask(&mut bench, HttpMethod::Put, L, &body).await;
    assert_eq!(refused.status, 500);
    let after = ask(
        &mut bench,
        HttpMethod::Get,
        &format!("{L}/agent/group-id"),
        &Value::Null,
    )
    .await;
    assert_eq!(after.status, 404);
    std::fs::create_dir(&state).unwrap();
    assert_eq!(ask(&mut bench, HttpMethod::Put, L, &body).await.status, 201);
    assert!(state.join("running.lmap").exists());
}

#[tokio::test]
async fn a_schedule_is_triggered_by_its_name() {
    let mut bench = Bench::new().await;
    let dir = tempfile::tempdir().unwrap();
    let open = Told::Open(Some(identity(dir.path())));
    bench.daemon.happened(Happened::Told(open)).await;
    let body = json!({"ietf-lmap-control:lmap": {
        "events": {"event": [{"name": "asked", "glimpse-agent:on-demand": [null]}]},
        "schedules": {"schedule": [{"name": "S", "start": "asked"}]}}});
    let answer = ask(&mut bench, HttpMethod::Put, L, &body).await;
    assert_eq!(
        answer.status,
        201,
        "{}",
        String::from_utf8_lossy(&answer.body)
    );
    let trigger = "/restconf/operations/glimpse-agent:trigger";
    let input = |name: &str| json!({"glimpse-agent:input": {"schedule": name}});
    let done = ask(&mut bench, HttpMethod::Post, trigger, &input("S")).await;
    let output: Value = serde_json::from_slice(&done.body).unwrap();
    assert!(
        output["glimpse-agent:output"]["event"].is_string(),
        "{output}"
    );
    let none = ask(&mut bench, HttpMethod::Post, trigger, &input("T")).await;
    assert_eq!(none.status, 400);
    assert!(bench.daemon.instruct(&set(), None).await);
    let managed = ask(&mut bench, HttpMethod::Post, trigger, &input("J")).await;
    assert_eq!(managed.status, 403);
    let shown = get(&mut bench, &format!("{L}/schedules/schedule=S")).await;
    let schedule = &shown["ietf-lmap-control:schedule"][0];
    assert_eq!(schedule["state"], "enabled", "{schedule:#}");
    // The household sees what is planned by either door.
    let planned = bench
        .daemon
        .answer(crate::local::service::Request::Schedules)
        .await;
    let ids: Vec<&Value> = planned["schedules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["id"])
        .collect();
    assert_eq!(ids, ["J", "lmap:S"]);
    let status = bench
        .daemon
        .answer(crate::local::service::Request::Status)
        .await;
    assert_eq!(status["restconf"]["open"], true, "{status:#}");
}

/// An enrolled agent's.
fn identity(dir: &Path) -> Arc<Identity> {
    let rng = SystemRandom::new();
    let authorities = Authorities::new();
    let store = Store::new(dir);
    let key = store.key_or_new(&rng).unwrap();
    let own = authorities.agents.agent("agent-7", key.public_key_info());
    let trust = Trust::from_cacerts(authorities.cacerts().as_bytes(), None).unwrap();
    let controller = ServerName::try_from("controller.example").unwrap();
    store.enrol(&trust, &controller, &[own]).unwrap();
    Arc::new(store.load(&rng).unwrap())
}

#[test]
fn the_agent_is_shown_with_the_authority_that_signed_it() {
    let dir = tempfile::tempdir().unwrap();
    let identity = identity(dir.path());
    assert_eq!(identity.chain.len(), 1);
    let [own, issuer] = &identity.presented()[..] else {
        panic!("two certificates")
    };
    assert_eq!(*own, identity.chain[0]);
    assert_eq!(identity.trust.issuer(own), Some(issuer));
    assert_eq!(identity.trust.issuer(issuer), None, "the root is not shown");
}

fn group(name: &str) -> Value {
    json!({"ietf-lmap-control:lmap": {"agent": {"group-id": name}}})
}

#[tokio::test]
async fn while_an_edit_is_planned_others_are_served() {
    let mut bench = Bench::new().await;
    let (edit, answer) = exchange(HttpMethod::Put, L, &group("x"));
    let told = Told::Asked(Box::new(edit));
    bench.daemon.happened(Happened::Told(told)).await;
    assert_eq!(bench.daemon.lmap.planning.len(), 1);
    let (read, seen) = exchange(HttpMethod::Get, L, &Value::Null);
    let told = Told::Asked(Box::new(read));
    bench.daemon.happened(Happened::Told(told)).await;
    assert_eq!(bench.daemon.lmap.reading.len(), 1, "at once");
    settled(&mut bench, seen).await;
    let Reply::Whole(done) = settled(&mut bench, answer).await else {
        panic!("no stream")
    };
    assert_eq!(done.status, 201);
}

#[tokio::test]
async fn an_edit_of_what_has_changed_meanwhile_is_planned_anew() {
    let mut bench = Bench::new().await;
    let (edit, answer) = exchange(HttpMethod::Put, L, &group("x"));
    let told = Told::Asked(Box::new(edit));
    bench.daemon.happened(Happened::Told(told)).await;
    let happened = bench.daemon.lmap.next().await.unwrap();
    bench.daemon.reset_access().unwrap();
    bench.daemon.happened(happened).await;
    assert_eq!(bench.daemon.lmap.planning.len(), 1, "once more");
    let generation = bench.daemon.lmap.stored.generation;
    let Reply::Whole(done) = settled(&mut bench, answer).await else {
        panic!("no stream")
    };
    assert_eq!(done.status, 201);
    assert_eq!(bench.daemon.lmap.stored.generation, generation + 1);
}

#[tokio::test]
async fn an_edit_whose_client_was_told_that_it_failed_is_not_carried_out() {
    let mut bench = Bench::new().await;
    let (edit, answer) = exchange(HttpMethod::Put, L, &group("x"));
    let (other, waits) = exchange(HttpMethod::Put, L, &group("y"));
    for exchange in [edit, other] {
        let told = Told::Asked(Box::new(exchange));
        bench.daemon.happened(Happened::Told(told)).await;
    }
    drop((answer, waits));
    let happened = bench.daemon.lmap.next().await.unwrap();
    bench.daemon.happened(happened).await;
    assert!(bench.daemon.lmap.planning.is_empty() && bench.daemon.lmap.edits.is_empty());
    assert_eq!(bench.daemon.lmap.stored.generation, 0);
}

/// What comes of a report now.
async fn posted(bench: &mut Bench, collector: &str) -> (usize, String) {
    let text = |name: &str| name.to_owned();
    let (schedule, action) = (text("D"), text("A"));
    bench
        .daemon
        .post(schedule, action, collector.to_owned(), Vec::new());
    match bench.daemon.lmap.next().await.unwrap() {
        Happened::Posted(posted) => match posted.answer {
            Answer::Later { reason, .. } => (posted.count, reason),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn reports_wait_where_the_household_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new().await;
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("https://127.0.0.1:{port}");
    let own = bench.settings(|settings| settings.controller.url = Some(url.clone()));
    bench.daemon.reload(own);
    let collector = format!("{url}/restconf");
    assert_eq!(posted(&mut bench, &collector).await.1, "the door is shut");
    let open = Told::Open(Some(identity(dir.path())));
    bench.daemon.happened(Happened::Told(open)).await;
    assert_eq!(posted(&mut bench, &collector).await.1, "no connection");
    let (_, unknown) = posted(&mut bench, "https://192.168.1.1:8440/restconf").await;
    assert_eq!(unknown, "the household knows no such collector");
    let quiet = bench.quiet("00:00-24:00");
    bench.daemon.reload(quiet);
    let (_, reason) = posted(&mut bench, &collector).await;
    assert!(reason.contains("quiet hours"), "{reason}");
    let loud = bench.settings(|settings| settings.limits.quiet_hours.clear());
    bench.daemon.reload(loud);
    let cap = bench.daemon.guard.rules().cap;
    let allowed = cap / 20 + 10_000_000;
    let accounts = bench.daemon.guard.accounts_mut();
    accounts.note_door(allowed - 1);
    assert_eq!(posted(&mut bench, &collector).await.1, "no connection");
    bench.daemon.guard.accounts_mut().note_door(1);
    let (_, reason) = posted(&mut bench, &collector).await;
    assert!(reason.contains("used up"), "{reason}");
}

#[tokio::test]
async fn reports_to_one_collector_follow_each_other_once_a_minute_after_a_burst() {
    let mut bench = Bench::new().await;
    let turns: Vec<u128> = (0..12)
        .map(|_| (bench.daemon.turn("https://c.example").as_millis() + 500) / 1000)
        .collect();
    assert_eq!(turns[..10], [0; 10]);
    assert_eq!(turns[10..], [60, 120]);
    assert!(bench.daemon.turn("https://other.example").is_zero());
}

#[tokio::test]
async fn a_report_that_has_waited_is_asked_about_anew() {
    let dir = tempfile::tempdir().unwrap();
    let mut bench = Bench::new().await;
    let url = "https://127.0.0.1:1";
    let own = bench.settings(|settings| settings.controller.url = Some(url.to_owned()));
    bench.daemon.reload(own);
    let open = Told::Open(Some(identity(dir.path())));
    bench.daemon.happened(Happened::Told(open)).await;
    for _ in 0..10 {
        bench.daemon.turn(url);
    }
    let text = |name: &str| name.to_owned();
    bench
        .daemon
        .post(text("D"), text("A"), text(url), Vec::new());
    assert!(bench.daemon.lmap.posts.is_empty(), "it waits");
    let due = bench.daemon.lmap.due_us().unwrap();
    let now_us = bench.daemon.lmap.moment(clock::now()).steady_us;
    assert!((55 * SECOND..=60 * SECOND).contains(&(due - now_us)));
    let quiet = bench.quiet("00:00-24:00");
    bench.daemon.reload(quiet);
    bench.daemon.lmap.origin -= std::time::Duration::from_secs(61);
    bench.daemon.tick().await;
    let Some(Happened::Posted(posted)) = bench.daemon.lmap.next().await else {
        panic!("its turn has come")
    };
    let Answer::Later { reason, .. } = posted.answer else {
        panic!("{:?}", posted.answer)
    };
    assert!(reason.contains("quiet hours"), "{reason}");
    assert!(bench.daemon.lmap.due_us().is_none());
}

#[tokio::test]
async fn edits_that_wait_are_few_and_those_of_who_has_gone_are_none() {
    let mut bench = Bench::new().await;
    let mut wants = async |number: u32| {
        let (edit, answer) = exchange(HttpMethod::Put, L, &group(&number.to_string()));
        let told = Told::Asked(Box::new(edit));
        bench.daemon.happened(Happened::Told(told)).await;
        (answer, bench.daemon.lmap.edits.len())
    };
    let _first = wants(0).await;
    for number in 0..100 {
        // The receiver is dropped: the client has gone.
        assert!(wants(number).await.1 <= 1);
    }
    let mut waiting = Vec::new();
    for number in 0..=EDITS_WAITING {
        waiting.push(wants(u32::try_from(number).unwrap()).await.0);
    }
    let Reply::Whole(refused) = waiting.pop().unwrap().try_recv().unwrap() else {
        panic!("no stream")
    };
    assert_eq!(refused.status, 503);
    assert_eq!(refused.header("retry-after"), Some("10"));
    assert!(waiting.iter_mut().all(|answer| answer.try_recv().is_err()));
}

#[tokio::test]
async fn a_controller_that_edits_without_end_does_not_keep_out_the_household() {
    let mut bench = Bench::new().await;
    for number in 0..40 {
        ask(&mut bench, HttpMethod::Put, L, &group(&number.to_string())).await;
    }
    let last = ask(&mut bench, HttpMethod::Put, L, &group("x")).await;
    assert_eq!(last.status, 503);
    let (mut edit, answer) = exchange(HttpMethod::Put, L, &group("ours"));
    edit.request.user = Some(User {
        name: "otto".to_owned(),
        groups: vec!["operator".to_owned()],
        recovery: false,
    });
    let told = Told::Asked(Box::new(edit));
    bench.daemon.happened(Happened::Told(told)).await;
    let Reply::Whole(done) = settled(&mut bench, answer).await else {
        panic!("no stream")
    };
    assert_eq!(done.status, 204);
}

#[tokio::test]
async fn requests_that_change_nothing_do_not_fill_the_log() {
    let mut bench = Bench::new().await;
    let path = format!("{L}/\u{9b}31m{}", "x".repeat(10_000));
    let (edit, _answer) = exchange(HttpMethod::Delete, &path, &Value::Null);
    let lmap = &mut bench.daemon.lmap;
    let finished = lmap.server.refuse(
        &edit.request,
        glimpse_restconf::Error::new(glimpse_restconf::Tag::AccessDenied, "no"),
    );
    let said = (0..1000).filter(|_| lmap.note(&finished.audit, &edit, false));
    assert_eq!(said.count(), 30);
    assert_eq!(lmap.unsaid, 970);
    assert!(
        lmap.note(&finished.audit, &edit, true),
        "what changes something is"
    );
    assert_eq!(lmap.unsaid, 0);
    let brief = requests::brief(&path);
    assert!(brief.len() < 300 && !brief.contains('\u{9b}'), "{brief:?}");
}

#[tokio::test]
async fn events_that_happen_once_one_after_the_other_do_not_wear_the_device() {
    let mut bench = Bench::new().await;
    let lmap = &mut bench.daemon.lmap;
    let file = lmap.file.clone();
    let now = clock::now();
    let mut written = 0;
    for number in 0..1000 {
        std::fs::remove_file(&file).ok();
        // As if something else had happened once since.
        let mark = glimpse_lmap::event::Mark {
            digest: number,
            since: now,
            cursor: now,
            done: true,
            served: glimpse_model::sorted::SortedSet::default(),
            waiting: Vec::new(),
        };
        lmap.written.marks.insert("E".to_owned(), mark);
        lmap.write_urgent(now);
        written += u32::from(file.exists());
    }
    assert_eq!(written, 20);
    std::fs::remove_file(&file).ok();
    let due = lmap.flip_us().unwrap();
    assert!((0..=61 * SECOND).contains(&due), "{due}");
    lmap.origin -= std::time::Duration::from_secs(61);
    lmap.write_in_time(now);
    assert!(file.exists(), "but then it is noted");
    assert!(lmap.flip_us().is_none());
}

/// A configuration as large as can be: its JSON.
fn vast() -> Value {
    let mut tasks: Vec<Value> = Vec::new();
    for number in 0..1000 {
        let options: Vec<Value> = (0..9)
            .map(|id| json!({"id": format!("{number}-{id}"), "name": "n", "value": "v"}))
            .collect();
        tasks.push(json!({"name": format!("T{number}"), "option": options}));
    }
    json!({"ietf-lmap-control:lmap": {"tasks": {"task": tasks}}})
}

#[tokio::test]
async fn a_full_configuration_does_not_keep_access_control_from_being_reset() {
    let mut bench = Bench::new().await;
    let state = bench.daemon.state_dir.clone();
    let size = |tree: &glimpse_yang::Tree| {
        let writer = glimpse_yang::write::Writer::new(&AGENT, glimpse_yang::Encoding::Json);
        writer.data(tree).len()
    };
    let task = |number: usize, length| json!({"name": number.to_string(), "option": [{"id": "o", "name": "n", "value": "x".repeat(length)}]});
    // What an operator can do: nobody has a right any more, and the last task is as long as there is room.
    let configured = |full: usize, rest| {
        let tasks: Vec<Value> = (0..full).map(|number| task(number, 4000)).collect();
        let tasks = [tasks, vec![task(full, rest)]].concat();
        let document = json!({"ietf-netconf-acm:nacm": {"write-default": "deny"},
            "ietf-lmap-control:lmap": {"tasks": {"task": tasks}}});
        let reader = glimpse_yang::read::Reader::new(&AGENT, glimpse_yang::Encoding::Json);
        reader.data(document.to_string().as_bytes()).unwrap()
    };
    let room = |full| (512 << 10) - 300 - size(&configured(full, 0));
    let full = room(0) / (room(0) - room(1));
    let full = configured(full, room(full).min(4000));
    let marks = glimpse_restconf::tags::Marks::new(0);
    bench.daemon.lmap.stored.replace(full, marks).unwrap();
    bench.daemon.reset_access().unwrap();
    let length = std::fs::metadata(state.join("running.lmap")).unwrap().len();
    assert!(length > 512 << 10, "{length}: there was room");
    let (stored, _) = Stored::load(&AGENT, &state, Suspect::Nothing, clock::now());
    let text =
        glimpse_yang::write::Writer::new(&AGENT, glimpse_yang::Encoding::Json).data(&stored.tree);
    assert!(
        text.contains("\"controller\""),
        "the factory's, after a restart too"
    );
}

#[tokio::test]
async fn a_read_of_everything_does_not_hold_up_the_daemon() {
    let mut bench = Bench::new().await;
    let done = ask(&mut bench, HttpMethod::Put, L, &vast()).await;
    assert_eq!(done.status, 201, "{}", String::from_utf8_lossy(&done.body));
    let mut reads = Vec::new();
    let began = clock::steady();
    for _ in 0..4 {
        let (read, seen) = exchange(HttpMethod::Get, "/restconf/data", &Value::Null);
        let told = Told::Asked(Box::new(read));
        bench.daemon.happened(Happened::Told(told)).await;
        reads.push(seen);
    }
    let held = began.elapsed();
    assert_eq!(bench.daemon.lmap.reading.len(), 1, "one after the other");
    drop(reads.split_off(1));
    let seen = reads.remove(0);
    let Reply::Whole(answer) = settled(&mut bench, seen).await else {
        panic!("no stream")
    };
    let took = began.elapsed();
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > 300_000, "{}", answer.body.len());
    eprintln!("{held:?} of {took:?}");
    assert!(held < took / 4, "{held:?} of {took:?}");
    assert!(bench.daemon.lmap.reading.is_empty(), "the others have gone");
}

/// When an agent of these settings first runs something that may be delayed by most of an hour.
fn first_start(settings: &Settings) -> Timestamp {
    let now = Timestamp::parse("2026-11-22T12:00:00.5Z").unwrap();
    let registry = Arc::new(Registry::built_in());
    let mut lmap = Lmap::new(settings, registry, Links::default(), now);
    let moment = lmap.moment(now);
    lmap.machine.set_registered(true, &moment);
    let body = json!({"ietf-lmap-control:lmap": {
        "events": {"event": [{"name": "E", "random-spread": 3_500_000, "immediate": [null]}]},
        "schedules": {"schedule": [{"name": "S", "start": "E"}]}}});
    let tree = glimpse_yang::read::Reader::new(&AGENT, glimpse_yang::Encoding::Json)
        .data(body.to_string().as_bytes())
        .unwrap();
    let control = glimpse_lmap::Control::read(&tree).unwrap();
    lmap.machine.configure(control, &moment);
    lmap.machine.wake_at(&moment).unwrap()
}

#[tokio::test]
async fn lmap_trap_12a_a_street_that_gets_power_at_one_instant_draws_apart() {
    let bench = Bench::new().await;
    // The same settings, the same instant, no state: nothing but the system's randomness tells them apart.
    let mut starts: Vec<Timestamp> = (0..8)
        .map(|_| first_start(&bench.daemon.settings))
        .collect();
    starts.sort();
    starts.dedup();
    assert_eq!(starts.len(), 8);
}

#[tokio::test]
async fn suppressions_that_come_and_go_do_not_wear_the_device() {
    let mut bench = Bench::new().await;
    let file = bench.daemon.lmap.file.clone();
    let mut flips = |times: u32| {
        let lmap = &mut bench.daemon.lmap;
        for _ in 0..times {
            // As if a suppression had ended since.
            let held = Held {
                start: None,
                end: None,
                active: true,
                ended: false,
            };
            lmap.written.held.insert("X".to_owned(), held);
            lmap.write_urgent(clock::now());
        }
        file.exists()
    };
    std::fs::remove_file(&file).ok();
    assert!(flips(1), "the first is written at once");
    std::fs::remove_file(&file).unwrap();
    assert!(!flips(1000), "the next within ten minutes are not");
    let lmap = &mut bench.daemon.lmap;
    let due = lmap.flip_us().unwrap();
    assert!((595 * SECOND..=605 * SECOND).contains(&due), "{due}");
    lmap.flipped_us = Some(due - 1200 * SECOND);
    lmap.write_in_time(clock::now());
    assert!(file.exists(), "but then they are");
    assert!(lmap.flip_us().is_none());
}

#[test]
fn the_configuration_of_the_factory_is_valid_and_lets_nobody_else_write() {
    let dir = tempfile::tempdir().unwrap();
    let (stored, _) = Stored::load(&AGENT, dir.path(), Suspect::Nothing, clock::now());
    let faults = glimpse_yang::validate::validate(
        &stored.tree,
        glimpse_yang::validate::Check::Configuration,
        None,
    );
    assert_eq!(faults, []);
    assert!(!stored.tree.is_empty());
}
