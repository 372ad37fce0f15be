use super::{World, refused, run, serving};
use crate::cli::{DONE, FAILED};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Passes connections on to a server until they are cut.
struct Cable {
    at: SocketAddr,
    cut: watch::Sender<u32>,
}

impl Cable {
    async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let (cut, cuts) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut cuts = cuts.clone();
                cuts.mark_unchanged();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(server).await.unwrap();
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        _ = cuts.changed() => {}
                    }
                });
            }
        });
        Self { at, cut }
    }

    fn cut(&self) {
        self.cut.send_modify(|cuts| *cuts += 1);
    }
}

/// Waits until so many streams are open at a controller.
async fn streams(world: &World, count: usize) {
    let open = || world.fixture.shared.edge.open_streams();
    for _ in 0..200 {
        if open() == count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{} streams are open, not {count}", open());
}

fn lines(out: &str) -> Vec<Value> {
    out.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

// Takes a second or two: a lost connection is not opened anew at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_sees_changes_and_goes_on_after_a_lost_connection() {
    let world = World::new().await;
    let cable = Cable::to(world.at).await;
    let url = format!("http://{}/", cable.at);
    let watching = async {
        let words = [
            "watch",
            &url,
            "--resource",
            "nm",
            "--resource",
            "nm-delay-rt",
            "--updates",
            "4",
            "--json",
        ];
        tokio::time::timeout(Duration::from_secs(30), run(&words))
            .await
            .unwrap()
    };
    let acting = async {
        streams(&world, 1).await;
        world.measure("a-1", 11, 50).await;
        world.measure("a-1", 12, 50).await;
        world.publish().await;
        // What is sent before the cut is not lost, and not sent again after it.
        tokio::time::sleep(Duration::from_millis(300)).await;
        cable.cut();
        streams(&world, 0).await;
        streams(&world, 1).await;
        world.measure("a-2", 13, 70).await;
        world.measure("a-2", 14, 70).await;
        world.publish().await;
    };
    let (ran, ()) = tokio::join!(watching, acting);
    assert_eq!(ran.code, DONE, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("resuming in 1 s"), "{}", ran.err);
    let seen = lines(&ran.out);
    let told: Vec<(&str, &str)> = seen
        .iter()
        .map(|line| {
            (
                line["resource"].as_str().unwrap(),
                line["event"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("nm", "first"),
            ("nm-delay-rt", "first"),
            ("nm-delay-rt", "patched"),
            ("nm-delay-rt", "patched")
        ],
        "{}",
        ran.out
    );
    let change = |line: &Value| {
        let all = line["changes"].as_array().unwrap().clone();
        all.into_iter()
            .find(|c| c["path"] == json!(["as1:x", "MSMNT-CL1"]))
            .unwrap()
    };
    assert_eq!(change(&seen[2])["before"], 20_000);
    assert_eq!(
        change(&seen[2])["after"],
        change(&seen[3])["before"],
        "nothing between the two was lost"
    );
    assert_ne!(seen[2]["tag"], seen[3]["tag"]);
    assert_eq!(
        seen[3]["dependencies"][0],
        json!({"resource": "nm", "tag": seen[0]["tag"]})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_prints_changes_for_people() {
    let world = World::new().await;
    let url = world.url();
    let watching = async {
        let words = ["watch", &url, "--resource", "nm-delay-rt", "--updates", "2"];
        tokio::time::timeout(Duration::from_secs(30), run(&words))
            .await
            .unwrap()
    };
    let acting = async {
        streams(&world, 1).await;
        world.measure("a-1", 11, 50).await;
        world.measure("a-1", 12, 50).await;
        world.publish().await;
    };
    let (ran, ()) = tokio::join!(watching, acting);
    assert_eq!(ran.code, DONE, "{}{}", ran.out, ran.err);
    assert!(
        ran.out.contains("  nm-delay-rt  first  ") && ran.out.contains("  nm-delay-rt  patched  "),
        "{}",
        ran.out
    );
    assert!(
        ran.out.contains("  as1:x / MSMNT-CL1: 20000 -> "),
        "{}",
        ran.out
    );
    let told = refused(&["watch", &world.url(), "--resource", "nowhere"], FAILED).await;
    assert!(told.contains("there is no resource \"nowhere\""), "{told}");
    let told = refused(&["watch", &world.url(), "--resource", "nm-filter"], FAILED).await;
    assert!(
        told.contains("watch the resource that it filters"),
        "{told}"
    );
}

fn events(events: &[(&str, Value)]) -> String {
    let written: Vec<String> = events
        .iter()
        .map(|(name, data)| format!("event: {name}\ndata: {data}\n\n"))
        .collect();
    written.concat()
}

fn network_map(tag: &str, prefix: &str) -> Value {
    json!({"meta": {"vtag": {"resource-id": "nm", "tag": tag}}, "network-map": {"PID1": {"ipv4": [prefix]}}})
}

/// A server that answers each opening of a stream with the next text, and notes what it was asked; the last one is repeated.
async fn fake(texts: Vec<String>) -> (String, Arc<Mutex<Vec<Value>>>, watch::Sender<bool>) {
    let directory = json!({"meta": {"default-alto-network-map": "nm"}, "resources": {
        "nm": {"uri": "nm", "media-type": "application/alto-networkmap+json"},
        "updates": {"uri": "updates", "media-type": "text/event-stream", "accepts": "application/alto-updatestreamparams+json",
            "uses": ["nm"], "capabilities": {"incremental-change-media-types": {"nm": "application/merge-patch+json"}}}}});
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&asked);
    let opened = post(move |body: Bytes| {
        let mut noted = noted.lock().unwrap();
        let text = texts.get(noted.len()).or(texts.last()).unwrap().clone();
        noted.push(serde_json::from_slice(&body).unwrap());
        let response = Response::builder()
            .header("content-type", "text/event-stream")
            .body(Body::from(text));
        async move { response.unwrap() }
    });
    let router = Router::new()
        .route("/", get(async move || directory.to_string()))
        .route("/updates", opened);
    let (at, stop) = serving(router).await;
    (format!("http://{at}/"), asked, stop)
}

// Takes some seconds: a stream that makes no sense is not asked for again at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_makes_no_sense_is_begun_anew_and_given_up_in_the_end() {
    let map = "application/alto-networkmap+json,s0";
    let good = events(&[(map, network_map("1", "192.0.2.0/24"))]);
    // Its data changed, its tag did not.
    let bad = events(&[(
        "application/merge-patch+json,s0",
        json!({"network-map": {"PID1": {"ipv4": []}}}),
    )]);
    let last = events(&[(map, network_map("2", "198.51.100.0/24"))]);
    let (url, asked, _stop) = fake(vec![good.clone(), bad, last]).await;
    let ran = run(&["watch", &url, "--updates", "2", "--json"]).await;
    assert_eq!(ran.code, DONE, "{}", ran.err);
    assert!(
        ran.err.contains("its data changed but not its tag")
            && ran.err.contains("the server closed the stream"),
        "{}",
        ran.err
    );
    assert_eq!(lines(&ran.out)[1]["tag"], "2");
    let tags: Vec<Value> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|body| body["add"]["s0"]["tag"].clone())
        .collect();
    assert_eq!(
        tags,
        [Value::Null, json!("1"), Value::Null],
        "resumed by tag, then begun anew"
    );

    let foreign = events(&[("application/alto-costmap+json,s9", json!({}))]);
    let (url, asked, _stop) = fake(vec![foreign]).await;
    let told = refused(&["watch", &url], FAILED).await;
    assert!(
        told.contains("no resource that was asked for") && told.contains("three streams in a row"),
        "{told}"
    );
    assert_eq!(asked.lock().unwrap().len(), 3);
}
