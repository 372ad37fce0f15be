//! The agent on the system bus: the real daemon, a bus of ours that speaks the same bytes as ubusd, and the objects of a
//! router on it. The agent counts as its own user, with the rights that its package brings.
#![allow(clippy::unwrap_used)]

use glimpse_agent::local::ubus::blob::Kind;
use glimpse_agent::local::ubus::message::{Attributes, HEADER, Message, Status, Verb};
use glimpse_tests::ubus::broker::Door;
use glimpse_tests::ubus::provider::{self, Description};
use glimpse_tests::ubus::{Access, Broker, Client};
use glimpse_tests::{Agent, eventually};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::io::{IoSlice, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);
/// The agent waits up to a second before it looks for a bus that went away.
const RETURN: Duration = Duration::from_secs(15);

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A bus beside an agent.
struct Scene {
    agent: Agent,
    /// Where root comes in.
    root: PathBuf,
    /// Where `luci` comes in, who may call everything of the agent.
    luci: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let agent = Agent::new("https://127.0.0.1:1", "");
        let [root, luci] = ["root.sock", "luci.sock"].map(|name| agent.dir().join(name));
        Self { agent, root, luci }
    }

    /// A bus that knows the agent's access file.
    fn bus(&self, seed: u64) -> Broker {
        let path = workspace().join("openwrt/net/glimpse-agent/files/acl.json");
        let text = std::fs::read_to_string(path).unwrap();
        self.bus_with(serde_json::from_str(&text).unwrap(), seed)
    }

    fn bus_with(&self, file: Value, seed: u64) -> Broker {
        let mut access = Access::default();
        access.permit(file);
        access.permit(json!({"user": "luci", "access": {"glimpse": {"methods": ["*"]}}}));
        let door = |path: &Path, user: &str| Door {
            path: path.to_owned(),
            user: Some(user.to_owned()),
        };
        let doors = vec![
            door(&self.agent.bus(), "glimpse"),
            door(&self.root, "root"),
            door(&self.luci, "luci"),
        ];
        Broker::start(doors, access, seed).unwrap()
    }

    /// Puts the objects of a router on the bus.
    async fn furnish(&self) {
        let client = Arc::new(Client::connect(&self.root).await.unwrap());
        for name in ["network.interface", "network.device", "iwinfo", "system"] {
            let path = workspace().join(format!("tests/data/ubus/{name}.json"));
            let object = Description::read(&path).unwrap();
            provider::offer(client.clone(), object).await.unwrap();
        }
    }

    /// A client, once the agent's object is there.
    async fn client(&self) -> Client {
        let client = Client::connect(&self.root).await.unwrap();
        until("the object is on the bus", RETURN, async || {
            client.list("glimpse").await.ok()
        })
        .await;
        client
    }
}

/// Asks again and again until there is an answer.
async fn until<T>(what: &str, patience: Duration, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let found = tokio::time::timeout(patience, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let Ok(found) = found.await else {
        panic!("{what}: not within {} s", patience.as_secs());
    };
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_object_serves_what_the_control_socket_does() {
    let mut scene = Scene::new();
    let _bus = scene.bus(1);
    scene.furnish().await;
    scene.agent.start_and_wait();
    let client = scene.client().await;
    let found = client.list("glimpse").await.unwrap();
    let [glimpse] = &found[..] else {
        panic!("{found:?}");
    };
    let names: Vec<&str> = glimpse
        .methods
        .iter()
        .map(|method| method.name.as_str())
        .collect();
    let expected = [
        "status",
        "results",
        "series",
        "run",
        "run_status",
        "cancel",
        "capabilities",
        "schedules",
        "budget",
        "enrol",
        "diagnose",
        "survey_get",
        "survey_answer",
        "export",
        "erase",
    ];
    assert_eq!(names, expected);
    let run = glimpse
        .methods
        .iter()
        .find(|method| method.name == "run")
        .unwrap();
    assert!(run.arguments.contains(&("options".to_owned(), Kind::Table)));
    let budget = client.call("glimpse", "budget", &json!({})).await.unwrap();
    assert_eq!(budget, scene.agent.ask(&["budget", "--json"]).unwrap());
    // What the router tells, by the rights of the access file alone.
    let status = until("the line is known", PATIENCE, async || {
        let status = client.call("glimpse", "status", &json!({})).await.ok()?;
        (!status["link"]["interface"].is_null() && !status["board"].is_null()).then_some(status)
    })
    .await;
    assert_eq!(status["link"]["interface"], "wan", "{status}");
    assert_eq!(status["link"]["device"], "pppoe-wan");
    assert_eq!(status["link"]["protocol"], "pppoe");
    assert_eq!(status["link"]["up"], true);
    assert!(status["link"]["uptime_s"].as_u64().unwrap() >= 86_412);
    assert_eq!(status["board"]["model"], "Example Router X1");
    assert!(
        !scene.agent.log().contains("no word of changed interfaces"),
        "{}",
        scene.agent.log()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_measurement_by_hand_is_told_to_whoever_listens() {
    let mut scene = Scene::new();
    let _bus = scene.bus(2);
    scene.agent.start_and_wait();
    let client = scene.client().await;
    let mut listener = client.listener().await.unwrap();
    client.subscribe(&listener, "glimpse").await.unwrap();
    let run =
        json!({"method": "ping", "options": {"host": "127.0.0.1", "count": 2, "interval": 200}});
    let answer = client.call("glimpse", "run", &run).await.unwrap();
    let id = answer["id"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned();
    let mut heard = Vec::new();
    while !heard.iter().any(|(name, _)| name == "result")
        || heard.iter().all(|(_, state)| state != "done")
    {
        let notice = tokio::time::timeout(PATIENCE, listener.next())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(notice.arguments["id"], *id, "{notice:?}");
        let state = notice.arguments["state"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        heard.push((notice.name.clone(), state));
    }
    let stands = client
        .call("glimpse", "run_status", &json!({ "id": id }))
        .await
        .unwrap();
    assert_eq!(
        (&stands["state"], &stands["record"]["status"]),
        (&json!("done"), &json!("ok")),
        "{stands}"
    );
    let results = client
        .call("glimpse", "results", &json!({"own": true}))
        .await
        .unwrap();
    assert_eq!(results["results"][0]["id"], *id);
    assert_eq!(results["results"][0]["own"], true);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn arguments_and_callers_are_checked() {
    let mut scene = Scene::new();
    let _bus = scene.bus(3);
    scene.agent.start_and_wait();
    let client = scene.client().await;
    for (method, arguments, status, said) in [
        (
            "results",
            json!({"limit": "20"}),
            Status::InvalidArgument,
            "limit: must be a whole number",
        ),
        (
            "run",
            json!({"method": "ping", "options": 3}),
            Status::InvalidArgument,
            "options: must be an object",
        ),
        (
            "dance",
            json!({}),
            Status::MethodNotFound,
            "there is no such method",
        ),
        (
            "nacm-reset",
            json!({}),
            Status::MethodNotFound,
            "there is no such method",
        ),
        (
            "results",
            json!({"limit": 0}),
            Status::Ok,
            "limit: must be > 0",
        ),
        ("results", json!({"nonsense": 1}), Status::Ok, "nonsense"),
        ("run_status", json!({"id": "x"}), Status::Ok, "id"),
    ] {
        let (answers, ended) = client.converse("glimpse", method, &arguments).await;
        assert_eq!(ended, status, "{method} {arguments}: {answers:?}");
        let words = answers[0]["error"].as_str().unwrap_or_default();
        assert!(words.contains(said), "{method} {arguments}: {answers:?}");
    }
    // Whoever is not root may ask, but not take anything away.
    let luci = Client::connect(&scene.luci).await.unwrap();
    let status = luci.call("glimpse", "status", &json!({})).await.unwrap();
    assert!(status["version"].is_string());
    for (method, arguments) in [
        ("erase", json!({"confirm": "erase"})),
        ("enrol", json!({"token": "s3cr3t"})),
    ] {
        let answer = luci.call("glimpse", method, &arguments).await.unwrap();
        assert_eq!(answer, json!({"error": "only root may do this"}));
    }
    assert!(!scene.agent.log().contains("s3cr3t"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_bus_restarts_the_object_comes_back() {
    let mut scene = Scene::new();
    let bus = scene.bus(4);
    scene.agent.start_and_wait();
    let before = scene.client().await.list("glimpse").await.unwrap();
    bus.stop().await;
    assert!(scene.agent.status().is_ok());
    let _bus = scene.bus(5);
    let client = scene.client().await;
    let after = client.list("glimpse").await.unwrap();
    assert_ne!(before[0].id, after[0].id);
    assert!(client.call("glimpse", "status", &json!({})).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bus_that_does_not_know_the_agent_is_named_in_the_log() {
    let mut scene = Scene::new();
    let _bus = scene.bus_with(json!({"user": "somebody-else", "publish": ["glimpse"]}), 6);
    scene.agent.start_and_wait();
    eventually("the refusal is in the log", PATIENCE, || {
        scene
            .agent
            .log()
            .contains("does not take the object glimpse")
            .then_some(())
    });
    assert!(scene.agent.log().contains("/usr/share/acl.d"));
    assert!(scene.agent.status().is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn interfaces_that_change_are_asked_for_again() {
    let mut scene = Scene::new();
    let _bus = scene.bus(7);
    scene.agent.start_and_wait();
    let client = scene.client().await;
    // The router's services come later than the agent; their word is what makes it look.
    scene.furnish().await;
    let status = client.call("glimpse", "status", &json!({})).await.unwrap();
    assert_ne!(status["link"]["interface"], "wan");
    let event = json!({"action": "ifup", "interface": "wan"});
    client
        .send_event("network.interface", &event)
        .await
        .unwrap();
    until("the line is known", PATIENCE, async || {
        let status = client.call("glimpse", "status", &json!({})).await.ok()?;
        (status["link"]["interface"] == "wan").then_some(())
    })
    .await;
}

/// A bus that is not one.
struct Liar {
    listener: UnixListener,
}

impl Liar {
    fn at(path: &Path) -> Self {
        Self {
            listener: UnixListener::bind(path).unwrap(),
        }
    }

    /// Takes the agent's call and greets it.
    fn greet(&self) -> UnixStream {
        let (mut stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(RETURN)).unwrap();
        let hello = Message::new(Verb::Hello, 0, 77_777, Attributes::default());
        stream.write_all(&hello.encode().unwrap()).unwrap();
        stream
    }
}

fn hear(stream: &mut UnixStream) -> Message {
    let mut head = [0; HEADER];
    stream.read_exact(&mut head).unwrap();
    let header = glimpse_agent::local::ubus::message::Header::parse(&head).unwrap();
    let mut bytes = vec![0; header.length];
    stream.read_exact(&mut bytes).unwrap();
    Message::parse(&header, &bytes).unwrap()
}

/// It takes some seconds: after each lie the agent waits longer before it calls again.
#[test]
fn whatever_the_bus_sends_the_agent_lives() {
    let mut scene = Scene::new();
    let liar = Liar::at(&scene.agent.bus());
    scene.agent.start_and_wait();
    // Another version, a message without end, one that is too long: each ends the connection, and nothing else.
    for lie in [
        &b"\x01\0\0\0\0\0\0\0\0\0\0\x04"[..],
        b"\0\x02\0\x01\0\0\0\0\0\0\0\x03",
        b"\0\x02\0\x01\0\0\0\0\0\x10\0\x04",
        &[0xff; 64],
    ] {
        let mut stream = liar.greet();
        stream.write_all(lie).unwrap();
        let mut rest = Vec::new();
        // What it offered before it saw the lie may come first; then it hangs up.
        let ended = stream.read_to_end(&mut rest);
        let reset = |error: &std::io::Error| error.kind() == std::io::ErrorKind::ConnectionReset;
        assert!(
            ended.as_ref().map_or_else(reset, |_| true),
            "{lie:?}: {ended:?}"
        );
        assert!(scene.agent.status().is_ok());
    }
    // The longest message there may be, full of nonsense, and a descriptor with another.
    let mut stream = liar.greet();
    assert_eq!(hear(&mut stream).verb, Verb::AddObject);
    let mut long = b"\0\x05\0\x01\0\0\0\0\0\x10\0\0".to_vec();
    long.resize(8 + (1 << 20), 0x41);
    stream.write_all(&long).unwrap();
    let call = Message::invoke(9, 4242, "status", Vec::new())
        .encode()
        .unwrap();
    let handed = scene.agent.dir().join("handed");
    let file = std::fs::File::create(&handed).unwrap();
    let descriptors = [file.as_raw_fd()];
    let rights = [nix::sys::socket::ControlMessage::ScmRights(&descriptors)];
    let sent = nix::sys::socket::sendmsg::<()>(
        stream.as_raw_fd(),
        &[IoSlice::new(&call)],
        &rights,
        nix::sys::socket::MsgFlags::empty(),
        None,
    );
    assert_eq!(sent.unwrap(), call.len());
    // It answers that it has no such object: it has understood what came after the nonsense.
    let mut answer = hear(&mut stream);
    while answer.verb != Verb::Status {
        answer = hear(&mut stream);
    }
    assert_eq!(answer.attributes.status, Some(Status::NotFound.code()));
    let open = std::fs::read_dir(format!("/proc/{}/fd", scene.agent.pid().unwrap())).unwrap();
    let mut open = open.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    assert!(
        !open.any(|target| target == handed),
        "the descriptor was kept"
    );
    assert!(scene.agent.status().is_ok());
    scene.agent.signal(Signal::SIGTERM);
}
