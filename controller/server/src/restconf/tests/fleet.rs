//! The controller's own root: the fleet, and edits of many agents.

use super::*;

async fn job(controller: &Controller, id: u64) -> Value {
    let got = controller
        .ask(
            "GET",
            &format!("/restconf/data/glimpse-fleet:fleet/job={id}"),
            "",
        )
        .await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    got.json()["glimpse-fleet:job"][0].clone()
}

async fn settled(controller: &Controller, id: u64, pending: u64) -> Value {
    for _ in 0..1000 {
        let job = job(controller, id).await;
        if job["pending"] == pending {
            return job;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never {pending} pending: {}", job(controller, id).await);
}

fn outcome<'a>(job: &'a Value, agent: &str) -> &'a Value {
    let agents = job["agent"].as_array().unwrap();
    agents.iter().find(|own| own["id"] == agent).unwrap()
}

fn patch(audience: &Value) -> String {
    let mut input = json!({"yang-patch": {"patch-id": "quieter", "edit": [
        {"edit-id": "1", "operation": "merge", "target": "/ietf-lmap-control:lmap/events/event=hourly",
         "value": {"ietf-lmap-control:event": [{"name": "hourly", "periodic": {"interval": 7200}}]}}]}});
    input
        .as_object_mut()
        .unwrap()
        .extend(audience.as_object().unwrap().clone());
    json!({"glimpse-fleet:input": input}).to_string()
}

const APPLY: &str = "/restconf/operations/glimpse-fleet:apply";

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_edit_reaches_twenty_agents_each_with_its_own_outcome() {
    let controller = Controller::new().await;
    let mut agents = Vec::new();
    for n in 0..20 {
        let id = format!("a-{n:02}");
        let credentials = controller.enrol(&id, "north").await;
        let agent = FakeAgent::new(&controller, &credentials);
        if n < 15 {
            let call = agent.call(controller.door);
            controller.connected(&id, true).await;
            agents.push((id, agent, Some(call)));
        } else {
            agents.push((id, agent, None));
        }
    }
    controller.enrol("b-1", "south").await;
    agents[3].1.device.lock().unwrap().refuse =
        Some(Error::denied("managed by the household").into());
    let given = controller
        .ask("POST", APPLY, &patch(&json!({"group": ["north"]})))
        .await;
    assert_eq!(
        given.status,
        200,
        "{}",
        String::from_utf8_lossy(&given.body)
    );
    let id = given.json()["glimpse-fleet:output"]["job"]
        .as_u64()
        .unwrap();
    let job = settled(&controller, id, 5).await;
    assert_eq!(
        (job["delivered"].as_u64(), job["refused"].as_u64()),
        (Some(14), Some(1))
    );
    assert_eq!(
        job["agent"].as_array().unwrap().len(),
        20,
        "the south is not of it"
    );
    assert_eq!(
        (job["user"].as_str(), job["patch-id"].as_str()),
        (Some("olga"), Some("quieter"))
    );
    assert!(job["ended"].is_null());
    let refused = outcome(&job, "a-03");
    assert_eq!(
        (refused["outcome"].as_str(), refused["attempts"].as_u64()),
        (Some("refused"), Some(1))
    );
    assert_eq!(refused["error"][0]["message"], "managed by the household");
    assert!(agents[0].1.has("7200") && !agents[3].1.has("7200"));
    assert!(agents[0].1.asked("PATCH")[0].1.is_some(), "on condition");
    // The others get it when they call, but for one that is taken out before.
    let cancel = json!({"glimpse-fleet:input": {"job": id, "agent": ["a-19"]}}).to_string();
    let cancelled = controller
        .ask("POST", "/restconf/operations/glimpse-fleet:cancel", &cancel)
        .await;
    assert_eq!(
        cancelled.status,
        204,
        "{}",
        String::from_utf8_lossy(&cancelled.body)
    );
    for (_, agent, call) in &mut agents[15..] {
        *call = Some(agent.call(controller.door));
    }
    let job = settled(&controller, id, 0).await;
    assert_eq!(outcome(&job, "a-19")["outcome"], "cancelled");
    assert_eq!(outcome(&job, "a-17")["outcome"], "delivered");
    assert!(job["ended"].is_string());
    assert!(!agents[19].1.has("7200"));
    // Those that did not take it are asked again.
    let retry = json!({"glimpse-fleet:input": {"job": id}}).to_string();
    assert_eq!(
        controller
            .ask("POST", "/restconf/operations/glimpse-fleet:retry", &retry)
            .await
            .status,
        204
    );
    controller.connected("a-19", true).await;
    let job = settled(&controller, id, 0).await;
    assert_eq!(job["delivered"], 20, "{job}");
    assert_eq!(outcome(&job, "a-03")["attempts"], 2);
    assert!(agents[19].1.has("7200"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_edit_in_xml_reaches_agents_as_a_yang_patch() {
    let controller = Controller::new().await;
    let credentials = controller.enrol("a-1", "north").await;
    let agent = FakeAgent::new(&controller, &credentials);
    let _call = agent.call(controller.door);
    controller.connected("a-1", true).await;
    let body = "<input xmlns=\"https://www.measure-it.net/yang/glimpse-fleet\">\
        <label><name>isp</name><value>as1</value></label>\
        <yang-patch><patch-id>x</patch-id><edit><edit-id>1</edit-id><operation>merge</operation>\
        <target>/ietf-lmap-control:lmap/events/event=hourly</target><value>\
        <event xmlns=\"urn:ietf:params:xml:ns:yang:ietf-lmap-control\"><name>hourly</name>\
        <periodic><interval>5400</interval></periodic></event></value></edit></yang-patch></input>";
    let headers = [
        ("content-type", "application/yang-data+xml"),
        ("accept", "application/yang-data+json"),
    ];
    let given = controller
        .ask_as("olga", "POST", APPLY, &headers, body)
        .await;
    assert_eq!(
        given.status,
        200,
        "{}",
        String::from_utf8_lossy(&given.body)
    );
    let job = settled(&controller, 1, 0).await;
    assert_eq!(job["delivered"], 1, "{job}");
    assert!(agent.has("5400"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_edit_that_targets_would_feel_is_withheld_where_there_is_no_room() {
    let config = "[limits]\nruns_per_hour = 8";
    let controller = Controller::with(config, crate::callhome::tests::times()).await;
    let mut calls = Vec::new();
    let mut agents = Vec::new();
    for id in ["a-1", "a-2", "a-3"] {
        let credentials = controller.enrol(id, "north").await;
        let agent = FakeAgent::new(&controller, &credentials);
        calls.push(agent.call(controller.door));
        controller.connected(id, true).await;
        agents.push(agent);
    }
    // From once to thrice an hour: 3 become 9, and 8 are allowed.
    let body = patch(&json!({"all": [null]})).replace("7200", "1200");
    let given = controller.ask("POST", APPLY, &body).await;
    assert_eq!(given.status, 200);
    let job = settled(&controller, 1, 0).await;
    assert_eq!(
        (job["delivered"].as_u64(), job["refused"].as_u64()),
        (Some(2), Some(1)),
        "{job}"
    );
    let withheld = job["agent"]
        .as_array()
        .unwrap()
        .iter()
        .find(|agent| agent["outcome"] == "withheld");
    let error = &withheld.unwrap()["error"][0];
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("anchor.example: 9"),
        "{error}"
    );
    assert_eq!(agents.iter().filter(|agent| agent.has("1200")).count(), 2);
    assert_eq!(
        agents
            .iter()
            .map(|agent| agent.asked("PATCH").len())
            .sum::<usize>(),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_are_edited_and_agents_are_not_made() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let fleet = "/restconf/data/glimpse-fleet:fleet";
    let label = json!({"glimpse-fleet:label": [{"name": "region", "value": "west"}]}).to_string();
    let made = controller
        .ask("POST", &format!("{fleet}/agent=a-1"), &label)
        .await;
    assert_eq!(made.status, 201, "{}", String::from_utf8_lossy(&made.body));
    let stored = controller
        .shared
        .store
        .agent(&agent_id("a-1"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(stored.labels["region"], "west");
    assert_eq!(stored.labels["isp"], "as1");
    let agent = json!({"glimpse-fleet:agent": [{"id": "new"}]}).to_string();
    let group = json!({"glimpse-fleet:group": "south"}).to_string();
    for (method, below, body) in [
        ("PUT", "agent=new", agent.as_str()),
        ("DELETE", "agent=a-1", ""),
        ("PUT", "agent=a-1/group", &group),
    ] {
        let refused = controller
            .ask(method, &format!("{fleet}/{below}"), body)
            .await;
        assert_eq!(refused.status, 403, "{method} {below}");
        assert_eq!(error(&refused)["error-tag"], "access-denied");
    }
    let groups = controller.ask("GET", &format!("{fleet}/group"), "").await;
    assert_eq!(
        groups.json()["glimpse-fleet:group"][0],
        json!({"name": "north", "agents": 1, "connected": 0})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_check_04_the_collectors_operations_are_listed() {
    let controller = Controller::new().await;
    let meta = controller
        .ask_as("", "GET", "/.well-known/host-meta", &[], "")
        .await;
    assert_eq!(
        (meta.status.as_u16(), meta.header("content-type")),
        (200, Some("application/xrd+xml"))
    );
    assert!(String::from_utf8_lossy(&meta.body).contains("href='/restconf'"));
    let operations = controller.ask("GET", "/restconf/operations", "").await;
    let operations = &operations.json()["ietf-restconf:operations"];
    assert_eq!(operations["ietf-lmap-report:report"], json!([null]));
    assert_eq!(operations["glimpse-fleet:apply"], json!([null]));
    let report = controller
        .ask("GET", "/restconf/operations/ietf-lmap-report:report", "")
        .await;
    assert_eq!(report.status, 405);
    let library = controller
        .ask("GET", "/restconf/data/ietf-yang-library:yang-library", "")
        .await;
    assert!(String::from_utf8_lossy(&library.body).contains("glimpse-fleet"));
}

fn labels(value: &str, agents: &[&str]) -> String {
    let label = json!([{"name": "region", "value": value}]);
    let agents: Vec<Value> = agents
        .iter()
        .map(|id| json!({"id": id, "label": label}))
        .collect();
    json!({"ietf-restconf:data": {"glimpse-fleet:fleet": {"agent": agents}}}).to_string()
}

async fn region(controller: &Controller, id: &str) -> Option<String> {
    let stored = controller.shared.store.agent(&agent_id(id)).await.unwrap();
    stored.unwrap().labels.get("region").cloned()
}

#[tokio::test(flavor = "multi_thread")]
async fn labels_of_several_agents_are_one_edit() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    controller.enrol("a-2", "south").await;
    let data = "/restconf/data";
    let done = controller
        .ask("PATCH", data, &labels("west", &["a-1", "a-2"]))
        .await;
    assert_eq!(done.status, 204, "{}", String::from_utf8_lossy(&done.body));
    for id in ["a-1", "a-2"] {
        assert_eq!(region(&controller, id).await.as_deref(), Some("west"));
    }
    // One that is none: nobody's are changed.
    let refused = controller
        .ask("PATCH", data, &labels("east", &["a-1", "new"]))
        .await;
    assert_eq!(refused.status, 403);
    // What is another's is none, too.
    let refused = controller
        .ask_as("sina", "PATCH", data, &[], &labels("east", &["a-2", "a-1"]))
        .await;
    assert_eq!(refused.status, 403);
    for id in ["a-1", "a-2"] {
        assert_eq!(region(&controller, id).await.as_deref(), Some("west"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lmap_trap_27_of_edits_on_one_condition_one_is_made() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let path = "/restconf/data/glimpse-fleet:fleet/agent=a-1";
    let tag = controller.ask("GET", path, "").await;
    let tag = tag.header("etag").unwrap().to_owned();
    let mut edits = tokio::task::JoinSet::new();
    for n in 0..8 {
        let label = json!({"glimpse-fleet:agent": [{"id": "a-1",
            "label": [{"name": format!("l{n}"), "value": "x"}]}]});
        let request = Request::patch(path)
            .header("authorization", "Bearer olga")
            .header("content-type", "application/yang-data+json")
            .header("if-match", &tag)
            .body(Body::from(label.to_string()))
            .unwrap();
        edits.spawn(controller.router().oneshot(request));
    }
    let answers = edits.join_all().await;
    let mut statuses: Vec<u16> = answers
        .into_iter()
        .map(|answer| answer.unwrap().status().as_u16())
        .collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 412, 412, 412, 412, 412, 412, 412]);
    let stored = controller.shared.store.agent(&agent_id("a-1")).await;
    assert_eq!(stored.unwrap().unwrap().labels.len(), 2, "isp, and the one");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_date_of_change_moves_with_what_it_is_of() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    controller.enrol("a-2", "north").await;
    let path = |id: &str| format!("/restconf/data/glimpse-fleet:fleet/agent={id}");
    let modified = async |path: &str| {
        let got = controller.ask("GET", path, "").await;
        got.header("last-modified").unwrap().to_owned()
    };
    let fleet = "/restconf/data/glimpse-fleet:fleet";
    let (first, other, all) = (
        modified(&path("a-1")).await,
        modified(&path("a-2")).await,
        modified(fleet).await,
    );
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let label = json!({"glimpse-fleet:label": [{"name": "isp", "value": "other"}]}).to_string();
    let put = format!("{}/label=isp", path("a-1"));
    assert_eq!(controller.ask("PUT", &put, &label).await.status, 204);
    let since = |date: &str| [("if-modified-since", date.to_owned())];
    let [known] = since(&first);
    let known = [(known.0, known.1.as_str())];
    let got = controller
        .ask_as("olga", "GET", &path("a-1"), &known, "")
        .await;
    assert_eq!(got.status, 200, "it has changed");
    let unmodified = [("if-unmodified-since", first.as_str())];
    let refused = controller
        .ask_as("olga", "PUT", &put, &unmodified, &label)
        .await;
    assert_eq!(refused.status, 412);
    assert_ne!(modified(fleet).await, all);
    assert_eq!(modified(&path("a-2")).await, other, "not this one");
    // What comes by other doors is noticed.
    let before = modified(fleet).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    controller.enrol("a-3", "north").await;
    assert_ne!(modified(fleet).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_told_of_the_fleet_is_read_once_a_second_and_anew_after_an_edit() {
    let controller = Controller::new().await;
    controller.enrol("a-1", "north").await;
    let path = "/restconf/data/glimpse-fleet:fleet/agent=a-1/label=isp";
    let value = async || {
        let got = controller.ask("GET", path, "").await;
        got.json()["glimpse-fleet:label"][0]["value"].clone()
    };
    assert_eq!(value().await, "as1");
    let labels = [("isp".to_owned(), "behind".to_owned())].into();
    let write = controller
        .shared
        .store
        .label(vec![(agent_id("a-1"), labels)]);
    assert!(write.await.unwrap());
    assert_eq!(value().await, "as1", "it is a moment old");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(value().await, "behind");
    let label = json!({"glimpse-fleet:label": [{"name": "isp", "value": "x"}]}).to_string();
    assert_eq!(controller.ask("PUT", path, &label).await.status, 204);
    assert_eq!(value().await, "x", "who writes reads what was written");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_odd_agent_does_not_hide_the_others() {
    let (controller, _) = away().await;
    let store = &controller.shared.store;
    // Errors as they may stand in an older database, and names as tokens may have had them.
    let job = glimpse_store::NewJob {
        patch_id: "\u{fffe}".into(),
        operator: "olga\u{fdd0}".into(),
        request: "{}".into(),
        agents: vec![agent_id("a-1")],
        no_room: "[]".into(),
        created: controller.shared.now(),
    };
    let id = store.add_job(job).await.unwrap().unwrap();
    let edit = store.pending(&agent_id("a-1")).await.unwrap().remove(0).id;
    let errors = json!([{"tag": "\u{fffe}"}, {"tag": "in-use", "message": "\u{fffe}"}]);
    let settled = glimpse_store::Settled {
        edit,
        agent: agent_id("a-1"),
        outcome: glimpse_store::Outcome::Refused,
        errors: errors.to_string(),
        at: controller.shared.now(),
        known: None,
    };
    store.settle(settled).await.unwrap();
    let odd = [
        ("isp".to_owned(), "as1".to_owned()),
        ("x".repeat(65), "y".to_owned()),
    ];
    let write = store.label(vec![(agent_id("a-1"), odd.into())]);
    assert!(write.await.unwrap());
    let got = controller
        .ask("GET", "/restconf/data/glimpse-fleet:fleet", "")
        .await;
    assert_eq!(got.status, 200, "{}", String::from_utf8_lossy(&got.body));
    let fleet = &got.json()["glimpse-fleet:fleet"];
    assert_eq!(
        fleet["agent"][0]["intended"]["error"],
        json!([{"tag": "in-use"}])
    );
    assert_eq!(job_of(fleet, id)["user"], "olga\u{fffd}");
    // An edit leaves what it was not shown.
    let label = json!({"glimpse-fleet:label": [{"name": "isp", "value": "x"}]}).to_string();
    let path = "/restconf/data/glimpse-fleet:fleet/agent=a-1/label=isp";
    assert_eq!(controller.ask("PUT", path, &label).await.status, 204);
    let stored = store.agent(&agent_id("a-1")).await.unwrap().unwrap();
    assert_eq!(
        (stored.labels.len(), stored.labels["isp"].as_str()),
        (2, "x")
    );
}

fn job_of(fleet: &Value, id: u32) -> Value {
    let jobs = fleet["job"].as_array().unwrap();
    jobs.iter().find(|job| job["id"] == id).unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn fleet_edits_are_bounded() {
    let (controller, _) = away().await;
    let audience = json!({"agent": ["a-1"]});
    let no_patch = patch(&audience).replace(
        "/ietf-lmap-control:lmap/events",
        "ietf-lmap-control:lmap/events",
    );
    let refused = controller.ask("POST", APPLY, &no_patch).await;
    assert_eq!(refused.status, 400);
    assert!(
        error(&refused)["error-message"]
            .as_str()
            .unwrap()
            .contains("slash")
    );
    // As much as may wait for one agent.
    for _ in 0..64 {
        assert_eq!(
            controller
                .ask("POST", APPLY, &patch(&audience))
                .await
                .status,
            200
        );
    }
    let given = controller.ask("POST", APPLY, &patch(&audience)).await;
    let id = given.json()["glimpse-fleet:output"]["job"]
        .as_u64()
        .unwrap();
    let job = job(&controller, id).await;
    let outcome = outcome(&job, "a-1");
    assert_eq!(outcome["outcome"], "withheld", "{job}");
    assert_eq!(outcome["error"][0]["tag"], "resource-denied");
    let event = json!({"ietf-lmap-control:event": [{"name": "x", "immediate": [null]}]});
    let refused = controller
        .ask("PUT", &format!("{L}/events/event=x"), &event.to_string())
        .await;
    assert_eq!(
        (
            refused.status.as_u16(),
            error(&refused)["error-tag"].as_str()
        ),
        (409, Some("resource-denied")),
        "{}",
        String::from_utf8_lossy(&refused.body)
    );
    // And as many as one operator may have under way: 64 are.
    controller.enrol("a-2", "south").await;
    let other = patch(&json!({"agent": ["a-2"]}));
    for _ in 64..100 {
        assert_eq!(controller.ask("POST", APPLY, &other).await.status, 200);
    }
    let refused = controller.ask("POST", APPLY, &other).await;
    assert_eq!(refused.status, 409);
    assert_eq!(error(&refused)["error-tag"], "resource-denied");
    let sina = controller.ask_as("sina", "POST", APPLY, &[], &other).await;
    assert_eq!(sina.status, 200, "a share is each operator's own");
    // What waits for an agent that is gone can be cancelled, and not be tried again.
    let at = controller.shared.now();
    let store = &controller.shared.store;
    store.revoke(agent_id("a-1"), at).await.unwrap();
    let cancel = json!({"glimpse-fleet:input": {"job": 1}}).to_string();
    let cancelled = controller
        .ask("POST", "/restconf/operations/glimpse-fleet:cancel", &cancel)
        .await;
    assert_eq!(cancelled.status, 204);
    let retry = "/restconf/operations/glimpse-fleet:retry";
    let refused = controller.ask("POST", retry, &cancel).await;
    assert_eq!(refused.status, 409, "nothing reaches it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_not_tried_again_over_what_was_written_since() {
    let (controller, agent) = away().await;
    let given = controller
        .ask("POST", APPLY, &patch(&json!({"all": [null]})))
        .await;
    assert_eq!(given.status, 200);
    agent.device.lock().unwrap().refuse = Some(Error::denied("not now").into());
    let spread = json!({"ietf-lmap-control:random-spread": 5}).to_string();
    let written = controller
        .ask(
            "PUT",
            &format!("{L}/events/event=hourly/random-spread"),
            &spread,
        )
        .await;
    assert!(written.status.is_success());
    let _call = agent.call(controller.door);
    assert_eq!(settled(&controller, 1, 0).await["refused"], 1);
    intended(&controller, "delivered").await;
    let retry = json!({"glimpse-fleet:input": {"job": 1}}).to_string();
    let refused = controller
        .ask("POST", "/restconf/operations/glimpse-fleet:retry", &retry)
        .await;
    assert_eq!(
        refused.status,
        409,
        "{}",
        String::from_utf8_lossy(&refused.body)
    );
    assert!(
        error(&refused)["error-message"]
            .as_str()
            .unwrap()
            .contains("newer edits")
    );
    assert!(!agent.has("7200"));
}
