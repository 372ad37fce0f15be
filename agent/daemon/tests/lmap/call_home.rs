//! Call home: the agent dials, the test is the controller.

use crate::client::{Client, L, tls};
use crate::place::{Authorities, CONTROLLER, Place};
use crate::runs::ping_task;
use glimpse_agent::clock::steady;
use serde_json::json;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, format!("\tlist call_home '127.0.0.1:{port}'\n"))
}

async fn called(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(Duration::from_secs(30), listener.accept()).await;
    accepted.expect("the agent calls").unwrap().0
}

#[tokio::test]
async fn lmap_check_74_the_agent_calls_and_answers_on_the_connection() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&settings);
    place.start();
    let tcp = called(&listener).await;
    let mut client = Client::over(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    assert_eq!(client.get("/.well-known/host-meta").await.status, 200);
    assert_eq!(client.get(L).await.status, 200);
    client.merge(&json!({"agent": {"group-id": "home"}})).await;
    let agent = client.get("/restconf/data/glimpse-agent:agent/doors").await;
    let home = &agent.json()["glimpse-agent:doors"]["call-home"][0];
    assert_eq!(home["remote-address"], "127.0.0.1");
    assert_eq!(home["user"], "controller", "{home:#}");
    assert!(home["connected-since"].is_string());
    // One connection at a time, and another when it ends.
    let second = timeout(Duration::from_millis(500), listener.accept()).await;
    assert!(second.is_err());
    drop(client);
    let tcp = called(&listener).await;
    let again = Client::over(tcp, Some(&place.controller), &place.agent.der).await;
    let group = again.unwrap().get(&format!("{L}/agent/group-id")).await;
    assert_eq!(group.json()["ietf-lmap-control:group-id"], "home");
}

#[tokio::test]
async fn lmap_check_75_who_cannot_prove_to_be_the_controller_gets_no_answer() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&settings);
    place.start();
    let foreign = Authorities::new()
        .controllers
        .leaf("controller", Some(CONTROLLER));
    let other = place
        .authorities
        .controllers
        .leaf("controller", Some("other.example"));
    for leaf in [None, Some(&foreign), Some(&other)] {
        let tcp = called(&listener).await;
        if let Ok(mut client) = Client::over(tcp, leaf, &place.agent.der).await {
            let answer = client.send("GET", "/restconf", &[], "").await;
            assert!(answer.is_err(), "{answer:?}");
        }
    }
    assert!(place.log().contains("call home failed"), "{}", place.log());
    // The controller that does not know the agent closes the connection itself.
    let tcp = called(&listener).await;
    let stranger = Authorities::new().agents.leaf("agent-8", None);
    let refused = tls(tcp, Some(&place.controller), &stranger.der).await;
    assert!(refused.is_err());
    // And none of that keeps the right one from being served.
    let tcp = called(&listener).await;
    let mut client = Client::over(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    assert_eq!(client.get("/restconf").await.status, 200);
}

#[tokio::test]
async fn lmap_check_76_waits_grow_while_the_controller_is_away_and_its_return_is_an_event() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&format!("{settings}\toption max_attempts '1'\n"));
    place.start();
    place.ready().await;
    let mut otto = place.connect(&place.otto).await;
    otto.merge(&json!({
        "agent": {"controller-timeout": 2},
        "events": {"event": [{"name": "back", "controller-connected": [null]}]},
        "tasks": {"task": [ping_task("T", "127.0.0.1")]},
        "schedules": {"schedule": [{"name": "C", "start": "back", "action": [{"name": "A", "task": "T"}]}]}
    }))
    .await;
    let mut dials = Vec::new();
    for _ in 0..4 {
        drop(called(&listener).await);
        dials.push(steady());
    }
    let waits: Vec<Duration> = dials.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(
        waits[2] > waits[0] && waits[2] >= Duration::from_millis(1900),
        "{waits:?}"
    );
    assert_eq!(otto.schedule("C").await["invocations"], 0);
    let tcp = called(&listener).await;
    let mut client = Client::over(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    assert_eq!(client.get("/restconf").await.status, 200);
    otto.until("it is back", "C", |s| s["invocations"] == 1)
        .await;
}

#[tokio::test]
async fn a_controller_that_asks_and_hangs_up_is_called_again_soon() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&settings);
    place.start();
    let mut ended: Option<std::time::Instant> = None;
    for _ in 0..5 {
        let tcp = called(&listener).await;
        if let Some(ended) = ended {
            let waited = ended.elapsed();
            assert!(waited < Duration::from_secs(4), "{waited:?}");
            assert!(waited > Duration::from_millis(900), "{waited:?}");
        }
        let mut client = Client::over(tcp, Some(&place.controller), &place.agent.der)
            .await
            .unwrap();
        assert_eq!(client.get("/restconf").await.status, 200);
        drop(client);
        ended = Some(steady());
    }
}

#[tokio::test]
async fn when_its_bytes_are_used_up_the_controller_may_edit_and_not_read() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&settings);
    let month = glimpse_agent::clock::now().month().to_string();
    let used = json!({"month": month, "fixed": 0, "mobile": 0, "own": 0, "control": 0, "door": 1_u64 << 40});
    std::fs::write(place.path("state/accounts.json"), used.to_string()).unwrap();
    place.start();
    let tcp = called(&listener).await;
    let mut client = Client::over(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    // What it was is looked at with the first request.
    client.get("/restconf").await;
    let refused = client.get(L).await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_eq!(refused.header("retry-after"), "900");
    assert_eq!(refused.header("cache-control"), "no-cache");
    client.merge(&json!({"agent": {"group-id": "x"}})).await;
    for number in 0..5 {
        assert_eq!(client.get(L).await.status, 503, "{number}");
    }
    assert!(client.send("GET", L, &[], "").await.is_err(), "that is all");
    let again = timeout(Duration::from_secs(5), listener.accept()).await;
    assert!(again.is_err(), "nor is it called at once");
    place.ready().await;
    let mut otto = place.connect(&place.otto).await;
    assert_eq!(otto.get(L).await.status, 200, "the household reads");
    let told = place.command(&["budget", "--json"]).output().unwrap();
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(
        told["door"]["cap_bytes"],
        524_288_000 / 20 + 10_000_000,
        "{told}"
    );
    assert!(told["door"]["used_bytes"].as_u64() >= Some(1 << 40));
}

#[tokio::test]
async fn a_controller_that_never_speaks_is_given_up_and_called_again() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&settings);
    place.start();
    place.ready().await;
    let mut silent = called(&listener).await;
    let mut olga = place.connect(&place.olga).await;
    assert_eq!(
        olga.get("/restconf").await.status,
        200,
        "others are served meanwhile"
    );
    let mut nothing = [0; 1];
    let ended = timeout(Duration::from_secs(15), silent.read(&mut nothing)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    let tcp = called(&listener).await;
    let mut client = Client::over(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    assert_eq!(client.get("/restconf").await.status, 200);
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_is_given_up() {
    let (listener, settings) = listener().await;
    let mut place = Place::new(&format!("{settings}\toption idle_timeout '10'\n"));
    place.start();
    let tcp = called(&listener).await;
    let mut stream = tls(tcp, Some(&place.controller), &place.agent.der)
        .await
        .unwrap();
    let mut nothing = [0; 64];
    let ended = timeout(Duration::from_secs(15), stream.read(&mut nothing)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
}
