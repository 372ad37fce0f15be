use super::{World, document, done, refused, run, serving};
use crate::alto::client::is_unprintable;
use crate::app::Running;
use crate::cli::{DONE, FAILED, USAGE};
use crate::config::{self, Config};
use crate::document::compress;
use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::routing::get;
use serde_json::{Value, json};
use std::net::SocketAddr;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_finds_its_way_through_a_controller() {
    let world = World::new().await;
    let url = world.url();
    let listed = done(&["get", &url]).await;
    assert!(
        listed.err.contains("default network map: nm"),
        "{}",
        listed.err
    );
    for line in ["ID ", "nm ", "nm-delay-rt ", "nm-hour "] {
        assert!(
            listed.out.lines().any(|l| l.starts_with(line)),
            "{line}: {}",
            listed.out
        );
    }
    let entries = document(&["get", &url]).await;
    let entry = entries
        .as_array()
        .unwrap()
        .iter()
        .find(|e| e["id"] == "nm-delay-rt")
        .unwrap()
        .clone();
    assert_eq!(
        (&entry["kind"], &entry["uri"]),
        (
            &json!("cost-map"),
            &json!(format!("{url}costmap/nm/delay-rt"))
        )
    );

    let map = document(&["get", &url, "--resource", "nm"]).await;
    assert_eq!(
        map["network-map"]["MSMNT-CL1"]["ipv4"],
        json!(["192.0.2.1/32"])
    );
    let table = done(&["get", &url, "--type", "network-map"]).await;
    assert!(
        table.out.contains("MSMNT-CL1  ipv4  192.0.2.1/32"),
        "{}",
        table.out
    );
    assert!(table.err.contains("of nm"), "its version: {}", table.err);
    let table = done(&["get", &url, "--metric", "delay-rt"]).await.out;
    assert!(
        table.starts_with("SOURCE  DESTINATION  delay-rt [us]\n"),
        "{table}"
    );
    assert!(table.contains("as1:x   MSMNT-CL1    20000"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_asks_a_controller_for_parts() {
    let world = World::new().await;
    let url = world.url();
    let map = document(&[
        "get",
        &url,
        "--resource",
        "nm",
        "--filter",
        "pid=as1:x",
        "--filter",
        "pid=nope",
    ])
    .await;
    assert_eq!(map["network-map"].as_object().unwrap().len(), 1, "{map}");
    let part = [
        "get",
        &url,
        "--resource",
        "nm-delay-rt",
        "--filter",
        "src=as1:x",
        "--filter",
        "dst=MSMNT-CL1",
    ];
    assert_eq!(
        document(&part).await["cost-map"],
        json!({"as1:x": {"MSMNT-CL1": 20_000}})
    );
    let none = document(&[&part[..], &["--filter", "constraint=lt 20000"]].concat()).await;
    assert_eq!(none["cost-map"], json!({}));
    let several = done(&[
        "get",
        &url,
        "--metric",
        "delay-rt",
        "--metric",
        "routingcost",
        "--filter",
        "src=as1:x",
        "--filter",
        "dst=MSMNT-CL1",
    ])
    .await;
    assert!(
        several
            .out
            .contains("as1:x   MSMNT-CL1    20000          200"),
        "{}",
        several.out
    );

    let costs = document(&[
        "ecs",
        &url,
        "--from",
        "192.0.2.1",
        "--to",
        "203.0.113.9",
        "--to",
        "ipv6:2001:db8::1",
        "--metric",
        "delay-rt",
    ])
    .await;
    assert!(costs["endpoint-cost-map"].is_object(), "{costs}");
    // The default metric; the client itself is the source.
    let costs = done(&["ecs", &url, "--to", "192.0.2.1"]).await;
    assert!(
        costs.out.contains("ipv4:127.0.0.1  ipv4:192.0.2.1"),
        "{}{}",
        costs.out,
        costs.err
    );
    let pids = document(&[
        "get",
        &url,
        "--type",
        "endpoint-property",
        "--filter",
        "endpoint=192.0.2.1",
        "--filter",
        "property=nm.pid",
    ])
    .await;
    assert_eq!(
        pids["endpoint-properties"],
        json!({"ipv4:192.0.2.1": {"nm.pid": "MSMNT-CL1"}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_answered_is_told_in_words() {
    let world = World::new().await;
    let url = world.url();
    let part = [
        "get",
        &url,
        "--resource",
        "nm-delay-rt",
        "--filter",
        "src=as1:x",
    ];
    let said = refused(&["ecs", &url, "--from", "ipv4:192.0.2.300"], FAILED).await;
    assert!(
        said.contains("E_INVALID_FIELD_VALUE") && said.contains("\"ipv4:192.0.2.300\""),
        "{said}"
    );
    let said = refused(
        &[&part[..], &["--filter", "constraint=ne 5"]].concat(),
        FAILED,
    )
    .await;
    assert!(
        said.contains("member constraints, value \"ne 5\"")
            && said.contains("hint: correct the question"),
        "{said}"
    );
    for (words, code, said) in [
        (
            &["ecs", &url, "--metric", "tput:p7", "--to", "192.0.2.1"][..],
            FAILED,
            "no endpoint-cost of this server offers tput:p7",
        ),
        (&["ecs", &url], USAGE, "at least one endpoint"),
        (&["ecs", &url, "--to", "example.net"], USAGE, "no address"),
        (
            &["get", &url, "--resource", "nowhere"],
            FAILED,
            "there is no resource \"nowhere\"",
        ),
        (
            &["get", &url, "--resource", "nm", "--filter", "src=x"],
            USAGE,
            "filtered by pid, address-type",
        ),
        (
            &["get", &url, "--resource", "nm", "--filter", "x"],
            USAGE,
            "NAME=VALUE",
        ),
        (&["get", "nowhere"], USAGE, "URL"),
        (&["get", "ftp://127.0.0.1/"], FAILED, "begins with https://"),
    ] {
        let told = refused(words, code).await;
        assert!(told.contains(said), "{words:?}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_verified() {
    let directory = tempfile::tempdir().unwrap();
    let dir = directory.path().join("c");
    let words = [
        "glimpse-controller",
        "init",
        "--name",
        "localhost",
        "--dir",
        dir.to_str().unwrap(),
    ];
    let made = crate::cli::run(words.map(Into::into), &mut Vec::new(), &mut Vec::new()).await;
    assert_eq!(made, DONE);
    let mut config = Config::load(&dir.join(config::FILE)).unwrap();
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    (config.agent_listen, config.alto_listen, config.admin_listen) = (anywhere, anywhere, anywhere);
    let running = Running::start(config).await.unwrap();
    let port = running.alto.port();
    let ca = dir.join("pki/root.pem");
    let ca = ca.to_str().unwrap();
    let url = format!("https://localhost:{port}/");
    let mut listed = run(&["get", &url, "--ca", ca]).await;
    // It publishes at once, but perhaps not before it is asked.
    for _ in 0..50 {
        if !listed.err.contains("503") {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        listed = run(&["get", &url, "--ca", ca]).await;
    }
    assert_eq!(listed.code, DONE, "{}", listed.err);
    assert!(listed.out.contains("nm-delay-rt"), "{}", listed.out);

    let other = tempfile::tempdir().unwrap();
    let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let stranger = other.path().join("ca.pem");
    std::fs::write(&stranger, key.cert.pem()).unwrap();
    let empty = other.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    let by_address = format!("https://127.0.0.2:{port}/");
    for (words, said) in [
        (
            ["get", &url, "--ca", stranger.to_str().unwrap()],
            "no trusted connection",
        ),
        (["get", &by_address, "--ca", ca], ""),
        (
            ["get", &url, "--ca", empty.to_str().unwrap()],
            "holds no certificate",
        ),
        (["get", &url, "--ca", "/nowhere.pem"], "/nowhere.pem"),
    ] {
        let told = refused(&words, FAILED).await;
        assert!(told.contains(said), "{words:?}: {told}");
    }
    running.stop().await;
}

/// Answers of this status, type and body, whatever else the fields say.
fn answering(
    status: u16,
    fields: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
) -> axum::routing::MethodRouter {
    get(move || {
        let mut response = Response::builder().status(status);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        let response = response.body(Body::from(body.clone())).unwrap();
        async move { response }
    })
}

const DIRECTORY: &[(&str, &str)] = &[(
    "content-type",
    "application/alto-directory+json; charset=utf-8",
)];
const PACKED: &[(&str, &str)] = &[
    ("content-type", "application/alto-directory+json"),
    ("content-encoding", "gzip"),
];

fn directory(resources: &Value) -> Vec<u8> {
    json!({"meta": {"default-alto-network-map": "nm", "cost-types": {}}, "resources": resources})
        .to_string()
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn other_peoples_servers_are_understood() {
    let map = json!({"meta": {"vtag": {"resource-id": "nm", "tag": "1"}}, "network-map": {"\u{1b}[31mPID": {"ipv4": ["0.0.0.0/0"]}}});
    let resources = json!({"nm": {"uri": "maps/nm", "media-type": "application/alto-networkmap+json"},
        "sub": {"uri": "/sub/", "media-type": "application/alto-directory+json"},
        "broken": {"uri": "/broken", "media-type": "application/alto-directory+json"},
        "gone": {"uri": "/gone", "media-type": "application/alto-directory+json"}});
    let below = json!({"deep": {"uri": "deep", "media-type": "application/alto-costmap+json"}});
    let router = Router::new()
        .route(
            "/",
            answering(302, &[("location", "/ird/first")], Vec::new()),
        )
        .route(
            "/ird/first",
            answering(200, PACKED, compress(&directory(&resources))),
        )
        .route(
            "/ird/maps/nm",
            answering(
                200,
                &[("content-type", "text/plain")],
                map.to_string().into_bytes(),
            ),
        )
        .route("/sub/", answering(200, DIRECTORY, directory(&below)))
        .route(
            "/sub/deep",
            answering(200, &[("content-type", "text/html")], b"<html>".to_vec()),
        )
        .route("/broken", answering(200, DIRECTORY, b"{".to_vec()));
    let (at, _stop) = serving(router).await;
    let url = format!("http://{at}/");
    let listed = done(&["get", &url]).await;
    assert!(listed.out.contains("deep"), "{}", listed.out);
    assert!(
        listed.err.contains("/broken: it is no JSON") && listed.err.contains("/gone: "),
        "{}",
        listed.err
    );
    // Relative to where the directory was found.
    let map = done(&["get", &url, "--resource", "nm"]).await;
    assert!(
        map.out.contains("\u{fffd}[31mPID  ipv4  0.0.0.0/0"),
        "no control characters: {}",
        map.out
    );
    assert!(
        map.err
            .contains("comes as \"text/plain\" instead of application/alto-networkmap+json"),
        "{}",
        map.err
    );
    let said = refused(&["get", &url, "--resource", "deep"], FAILED).await;
    assert!(said.contains("/sub/deep: this is no cost-map"), "{said}");
}

/// Whatever is in a directory or an answer, a terminal gets nothing to obey; with `--json` it is still the same value.
#[tokio::test(flavor = "multi_thread")]
async fn texts_of_hostile_servers_are_shown_and_not_obeyed() {
    const EVIL: &str = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b";
    let types = json!({"cost-type-names": [EVIL, "other"]});
    let directory = json!({
        "meta": {"default-alto-network-map": EVIL, "cost-types": {
            EVIL: {"cost-metric": EVIL, "cost-mode": EVIL}, "other": {"cost-metric": "hopcount", "cost-mode": EVIL}}},
        "resources": {
            EVIL: {"uri": "costs", "media-type": "application/alto-costmap+json",
                "accepts": "application/alto-costmapfilter+json", "capabilities": types, "uses": [EVIL]},
            "odd": {"uri": "odd", "media-type": "application/x-odd"},
            format!("{EVIL}2"): {"uri": format!("gopher://{EVIL}"), "media-type": EVIL},
            format!("{EVIL}3"): {"uri": format!("nowhere{EVIL}"), "media-type": "application/alto-directory+json"}}});
    let odd = json!({EVIL: EVIL});
    let (root, body) = (directory.to_string(), odd.to_string());
    let router = Router::new()
        .route("/", answering(200, DIRECTORY, root.into_bytes()))
        .route(
            "/odd",
            answering(
                200,
                &[("content-type", "application/x-odd")],
                body.into_bytes(),
            ),
        );
    let (at, _stop) = serving(router).await;
    let url = format!("http://{at}/");
    let filter = ["--filter", "src=x"];
    for (words, code) in [
        (&["get", &url][..], DONE),
        (&["get", &url, "--json"], DONE),
        (&["get", &url, "--resource", "odd"], DONE),
        (&["get", &url, "--resource", "odd", "--json"], DONE),
        (
            &[&["get", &url, "--resource", EVIL][..], &filter].concat(),
            USAGE,
        ),
        (
            &[&["get", &url, "--resource", "odd"][..], &filter].concat(),
            FAILED,
        ),
        (
            &["get", &url, "--metric", "hopcount", "--mode", "no"],
            FAILED,
        ),
        (&["ecs", &url, "--to", "192.0.2.1"], FAILED),
        (&["watch", &url], FAILED),
    ] {
        let ran = run(words).await;
        assert_eq!(ran.code, code, "{words:?}: {}{}", ran.out, ran.err);
        for said in [&ran.out, &ran.err] {
            let bad = said.chars().find(|c| *c != '\n' && is_unprintable(*c));
            assert_eq!(bad, None, "{words:?}: {said:?}");
        }
    }
    assert_eq!(document(&["get", &url, "--resource", "odd"]).await, odd);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_none_are_refused_and_bounded() {
    let large = format!("[{}0]", "{\"\":0},".repeat(100_000)).into_bytes();
    let bomb = compress(&vec![b' '; 4 << 20]);
    let router = Router::new()
        .route(
            "/html",
            answering(200, &[("content-type", "text/html")], b"<html>".to_vec()),
        )
        .route(
            "/loop",
            answering(307, &[("location", "/loop")], Vec::new()),
        )
        .route(
            "/file",
            answering(302, &[("location", "file:///etc/passwd")], Vec::new()),
        )
        .route("/bomb", answering(200, PACKED, bomb))
        .route("/large", answering(200, DIRECTORY, large))
        .route("/plain", answering(200, PACKED, b"{}".to_vec()))
        .route(
            "/br",
            answering(200, &[("content-encoding", "br")], b"{}".to_vec()),
        )
        .route("/long", answering(200, DIRECTORY, vec![b' '; 2 << 20]))
        .route(
            "/error",
            answering(
                400,
                &[("content-type", "application/alto-error+json")],
                br#"{"meta":{"code":"E_SYNTAX","syntax-error":"line 1"}}"#.to_vec(),
            ),
        )
        .route(
            "/busy",
            answering(
                503,
                &[("content-type", "application/problem+json")],
                br#"{"detail":"tired"}"#.to_vec(),
            ),
        );
    let (at, _stop) = serving(router).await;
    let url = format!("http://{at}/");
    for (path, said) in [
        ("html", "this is no ALTO directory"),
        ("loop", "redirected 5 times without an end"),
        ("file", "neither https nor http"),
        ("bomb", "more than 1048576 bytes"),
        ("large", "more than 8388608 bytes of memory"),
        ("plain", "no gzip"),
        ("br", "coding \"br\""),
        ("long", "more than 1048576 bytes"),
        ("error", "E_SYNTAX (the question is no JSON): line 1"),
        ("busy", "503 Service Unavailable (tired)"),
        ("missing", "404 Not Found"),
    ] {
        let told = refused(
            &["get", &format!("{url}{path}"), "--max-bytes", "1048576"],
            FAILED,
        )
        .await;
        assert!(told.contains(said) && told.contains(path), "{path}: {told}");
    }
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let told = refused(&["get", &format!("http://{closed}/")], FAILED).await;
    assert!(
        told.contains("cannot connect") && told.contains("hint: "),
        "{told}"
    );
}
