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
            .contains("anchor.example: 9 runs per hour"),
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
    assert_eq!(
        controller
            .ask("PUT", &format!("{fleet}/agent=new"), &agent)
            .await
            .status,
        405
    );
    assert_eq!(
        controller
            .ask("DELETE", &format!("{fleet}/agent=a-1"), "")
            .await
            .status,
        405
    );
    let group = json!({"glimpse-fleet:group": "south"}).to_string();
    assert_eq!(
        controller
            .ask("PUT", &format!("{fleet}/agent=a-1/group"), &group)
            .await
            .status,
        405
    );
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
